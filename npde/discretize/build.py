"""`System` → `Scheme`."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import TypeVar, assert_never

import sympy as sp

from npde.diagnostics import Collector, InternalError
from npde.diagnostics.catalogue import numerics as numerics_codes
from npde.diagnostics.catalogue import stability as codes
from npde.discretize import ghosts, stable, support, tableaux, verdict
from npde.discretize.absorbing import ghosts_behind, layer_cells
from npde.discretize.choose import choose
from npde.discretize.halo import Halo, halo
from npde.discretize.mirrors import is_symmetric, mirroring
from npde.discretize.scheme import (
    AdamsBashforth,
    Adaptive,
    Axis,
    Exponential,
    GhostRule,
    Grid,
    Implicit,
    ImplicitExplicit,
    Leapfrog,
    RungeKutta,
    Scheme,
    Splitting,
    StepBound,
    TimeScheme,
)
from npde.discretize.split_stability import assess_split
from npde.discretize.stability import Assessment, assess
from npde.discretize.steady import solve_name, steady
from npde.discretize.steps import automatic_steps, stated_steps
from npde.discretize.upwind import upwinded
from npde.discretize.wave_layers import with_layers
from npde.model.limits import MAX_STEPS
from npde.model.problem import Coordinate, March, Side
from npde.symbolic.refusal import Refused
from npde.symbolic.system import System, Wall

Result = TypeVar("Result")


def build(system: System) -> Scheme:
    """The numerics of a system: grid, ghost cells, time scheme, steps and their bound.

    Raises:
        DiagnosticError: the problem asks for what is not supported yet, or for a step that is proved unstable.
    """
    problem = system.problem
    collector = Collector(problem.source)
    support.check(system, collector)
    collector.raise_errors()
    system = upwinded(system, support.word(system, r"\bupwind\b"), collector)
    collector.raise_errors()
    grid = grid_of(system)
    original = system
    system = _attempt(collector, lambda: with_layers(original, grid)) or original
    collector.raise_errors()
    read = halo([*system.rates, *(p for o in system.outputs for p in o.parts)], system, problem.numerics.order)
    support.check_cells(system, grid, read, collector)
    rules = ghost_rules(system, grid, read, collector)
    if system.kind == "steady":
        return _solved(system, grid, rules, collector)
    march, time = _marched(system, collector)
    scheme = _attempt(collector, lambda: choose(system, march))
    stated = _attempt(collector, lambda: stated_steps(march, time))
    collector.raise_errors()
    if scheme is None:
        raise InternalError("no scheme and no diagnostic")
    length = time.upper - time.lower
    system = stable.bounded(system, grid, rules, scheme, float(length), stated, collector)
    collector.raise_errors()
    bound, steps = _bounded_steps(system, grid, rules, scheme, march, time, stated, collector)
    collector.raise_errors()
    return Scheme(
        system=system,
        grid=grid,
        order=problem.numerics.order,
        space_order=_space_order(system),
        ghosts=rules,
        time=scheme,
        name=march.scheme,
        start=time.lower,
        dt=length / steps,
        steps=steps,
        bound=bound,
        warnings=collector.warnings,
        layers=layer_cells(system, grid),
    )


def _space_order(system: System) -> int:
    """The order in space after the weakest term, and after walls that mirror what is not symmetric."""
    claimed, walls = support.space_order(system), mirroring(system)
    return claimed if is_symmetric(system, walls) else min(claimed, 2)


def _solved(system: System, grid: Grid, rules: tuple[GhostRule, ...], collector: Collector) -> Scheme:
    """The numerics of a steady system: nothing is marched, one "step" of no length stands for the solve."""
    for x in stable.stable_names(system):
        collector.add(
            codes.STABLE_UNKNOWN.at(x.span, hint=f"write `{x.name} > 0`.", name=x.name, why="nothing is marched")
        )
    scheme = _attempt(collector, lambda: steady(system))
    collector.raise_errors()
    if scheme is None:
        raise InternalError("no solve and no diagnostic")
    return Scheme(
        system=system,
        grid=grid,
        order=system.problem.numerics.order,
        space_order=_space_order(system),
        ghosts=rules,
        time=scheme,
        name=solve_name(scheme),
        start=Fraction(0),
        dt=Fraction(1),
        steps=1,
        bound=StepBound(None, None, True, ()),
        warnings=collector.warnings,
        layers=layer_cells(system, grid),
    )


def _marched(system: System, collector: Collector) -> tuple[March, Coordinate]:
    time, march = system.problem.time, system.problem.numerics.march
    if time is None:
        raise InternalError("an evolution problem without a marching coordinate")
    if march is None:
        collector.add(numerics_codes.NO_MARCH.at(time.span, name=time.name))
        collector.raise_errors()
        raise InternalError("no march and no diagnostic")
    return march, time


def _attempt(collector: Collector, function: Callable[[], Result]) -> Result | None:
    try:
        return function()
    except Refused as refused:
        collector.add(refused.diagnostic)
        return None


def grid_of(system: System) -> Grid:
    """The grid of the space coordinates, in order of declaration."""
    problem = system.problem
    cells = dict(problem.numerics.cells)
    axes = (Axis(c.name, cells[c.name], c.lower, c.upper, c.name in problem.periodic) for c in problem.space)
    return Grid(tuple(axes))


def ghost_rules(system: System, grid: Grid, read: Halo, collector: Collector) -> tuple[GhostRule, ...]:
    """A rule for every side whose ghost cells an expression reads, as wide as the widest request: from the conditions there,
    or by extrapolation at an outflow."""
    order = system.problem.numerics.order
    sides: dict[tuple[sp.Symbol, str, Side], list[Wall]] = {}
    for wall in system.walls:
        sides.setdefault((wall.unknown, wall.coordinate, wall.side), []).append(wall)
    for left in system.problem.outflows:
        own = (u.symbol for u in system.unknowns if u.field == left.field)
        sides |= {(symbol, left.coordinate, left.side): [] for symbol in own}
    axes = {a.name: a for a in grid.axes}
    inside = halo(system.rates, system, order)
    mirrors = mirroring(system)
    found = []
    for (unknown, name, side), walls in sides.items():
        width = read.get((unknown, name), 0)
        if width and not walls:
            found.append(ghosts.outflow(unknown, axes[name], side, order, width))
        elif width:
            try:
                inner, reflects = inside.get((unknown, name), 0), walls[0] in mirrors
                found.append(ghosts.rule(walls, axes[name], order, width, inner, reflects=reflects))
            except ghosts.SingularWall:
                collector.add(codes.SINGULAR_WALL.at(walls[0].span))
    return (*found, *ghosts_behind(system, grid, read))


# --- steps ------------------------------------------------------------------------------------------------------------


def _bounded_steps(
    system: System,
    grid: Grid,
    rules: tuple[GhostRule, ...],
    scheme: TimeScheme,
    march: March,
    time: Coordinate,
    stated: int | None,
    collector: Collector,
) -> tuple[StepBound, int]:
    """The bound and the steps: those stated, judged by the bound, or as many as it asks for."""
    length = time.upper - time.lower
    if verdict.refuse_euler(system, scheme, march, collector):
        return StepBound(None, None, True, ()), stated or 1
    assessment = assessed(system, grid, rules, scheme, float(length))
    bound = StepBound(None, None, True, unconditional(scheme, system)) if assessment is None else assessment.bound
    if stated is not None:
        if assessment is not None:
            marched = scheme if isinstance(scheme, RungeKutta | AdamsBashforth | Leapfrog) else tableaux.RK4_SCHEME
            verdict.judge(assessment, marched, march, float(length) / stated, stated, collector)
        return bound, stated
    if bound.worst is None:
        why = _why_unbounded(assessment, scheme)
        collector.add(
            codes.NO_BOUND.at(march.span, why=why, hint=f"state the steps: `march {march.scheme}, steps: 200`, say.")
        )
        return bound, 1
    steps = automatic_steps(length, bound)
    if steps > MAX_STEPS:
        data = {"steps": f"{steps:.3g}", "bound": f"{bound.worst:.4g}"}
        collector.add(codes.TOO_MANY_STEPS.at(march.span, hint="use `march crank_nicolson`, say.", **data))
    return bound, steps


def assessed(
    system: System, grid: Grid, rules: tuple[GhostRule, ...], scheme: TimeScheme, length: float
) -> Assessment | None:
    """The stability analysis; None where the scheme is unconditionally stable."""
    match scheme:
        case RungeKutta() | AdamsBashforth() | Leapfrog():
            parts = [[t.expression for t in terms] for terms in system.terms]
            return assess(system, grid, rules, scheme, parts, length)
        case Splitting(pointwise=pointwise, flow=None):
            parts = [[e] for e in pointwise]
            return assess(system, grid, rules, tableaux.RK4_SCHEME, parts, length, closed=False)
        case ImplicitExplicit() | Exponential():
            return assess_split(system, grid, scheme, length)
        case Splitting() | Implicit() | Adaptive():
            return None
        case _:
            assert_never(scheme)


def unconditional(scheme: TimeScheme, system: System) -> tuple[str, ...]:
    """Why a scheme needs no bound, and what it does not promise."""
    if isinstance(scheme, Adaptive):
        return (f"the steps follow from the error, which is kept below {scheme.tolerance:.3g}, relative and absolute",)
    if isinstance(scheme, Implicit) and scheme.linear is None:
        return ("stable for every linear mode that does not grow; Newton's method may ask for smaller steps",)
    if isinstance(scheme, Implicit) and scheme.solve.varies:
        return ("unconditionally stable for coefficients frozen at a step; those here change along the march",)
    if not isinstance(scheme, Splitting):
        return ("unconditionally stable",)
    half = "exact by Fourier transform" if scheme.linear_is_exact else "by Crank-Nicolson"
    why = f"unconditionally stable: the linear half {half}, the pointwise half by its exact flow"
    if scheme.kind == "lie" or all(wall.data == 0 for wall in system.walls):
        return (why,)
    return (why, "boundary data that are not zero lower the order of the splitting, which is second otherwise")


def _why_unbounded(assessment: Assessment | None, scheme: TimeScheme) -> str:
    if isinstance(scheme, Adaptive):
        return "the scheme finds its own steps, and `steps` are the intervals between the times asked for"
    if assessment is None:
        return "unconditionally stable, so accuracy decides"
    if assessment.unknown:
        return f"'{assessment.unknown[0]}' is not known before training or running"
    if math.isinf(assessment.limits.step):
        return "no eigenvalue restricts the step"
    if assessment.bound.value is not None:
        return "the initial state is unstable, and where it leads is not known"
    return "the bound is unknown"
