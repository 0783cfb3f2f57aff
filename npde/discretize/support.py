"""What the numerics can do today, and what a scheme may claim. Everything else is refused by name."""

from __future__ import annotations

import re

import sympy as sp

from npde.diagnostics import Collector
from npde.diagnostics.catalogue import conditions, not_yet
from npde.diagnostics.catalogue import numerics as codes
from npde.discretize.ghosts import states_flux
from npde.discretize.halo import Halo
from npde.discretize.scheme import Grid
from npde.discretize.signs import sign
from npde.discretize.upwind import slope_factor
from npde.model.counting import times
from npde.model.orders import AxisOrders, axis_orders
from npde.model.problem import Input, LearnedCoefficient, LearnedStencil
from npde.source import NOWHERE, Span
from npde.symbolic import operators as op
from npde.symbolic.calculus import REDUCING, values
from npde.symbolic.context import calculus_of
from npde.symbolic.system import System


def check(system: System, collector: Collector) -> None:
    """Refuse walls that no closure fits."""
    problem = system.problem
    for c in problem.space:
        if c.name not in problem.periodic:
            _check_bounded(system, c.name, collector)
    if not collector.errors:
        _check_conditions(system, collector)
    if not collector.errors:
        _check_sides(system, collector)


def word(system: System, pattern: str) -> Span:
    """Where the text of a file holds what no record remembers; nowhere if an option said it."""
    found = re.search(rf"(?m)^[^#\n]*?({pattern})", system.problem.source.text)
    return Span(*found.span(1)) if found else NOWHERE


def _check_conditions(system: System, collector: Collector) -> None:
    """Conditions are of lower order than the derivatives that they close; what has none is of first order."""
    orders = derivatives(system)
    for condition in system.problem.conditions:
        highest = orders.of(condition.field, condition.coordinate)
        if condition.order >= max(highest, 2):
            data = {"order": str(condition.order), "coordinate": condition.coordinate, "highest": str(highest)}
            collector.add(conditions.HIGH_CONDITION.at(condition.span, **data))
    for left in system.problem.outflows:
        count = orders.of(left.field, left.coordinate)
        if count > 1:
            hint = f"`dn({left.field}) = 0` lets pass what the flow carries." if count == 2 else ""
            where = {"field": left.field, "coordinate": left.coordinate}
            collector.add(conditions.OUTFLOW_ORDER.at(left.span, hint=hint, count=times(count), **where))


def _check_sides(system: System, collector: Collector) -> None:
    """Odd derivatives whose sign is known have the more conditions on the right side."""
    orders, table = derivatives(system), calculus_of(system).table
    for unknown, terms in zip(system.unknowns, system.terms, strict=True):
        for c in system.problem.space if system.kind == "evolution" and not unknown.is_velocity else ():
            m = orders.of(unknown.field, c.name)
            place = (unknown.field, c.name)
            given = [d for d in system.problem.conditions if (d.field, d.coordinate) == place]
            if m % 2 == 0 or len(given) != m:
                continue
            factor = slope_factor([t.expression for t in terms], unknown.symbol, table.coordinates[c.name], m)
            known = 0 if factor is None else sign(factor, system) * (-1) ** (m // 2)
            fewer = "upper" if known < 0 else "lower"
            wrong = [d for d in given if d.side == fewer]
            if known and len(wrong) > m // 2:
                why = f"'{unknown.field}' enters at the other side" if m == 1 else f"{m // 2} of {m} belongs here"
                collector.add(codes.WRONG_SIDE.at(wrong[0].span, coordinate=c.name, why=why))


def derivatives(system: System) -> AxisOrders:
    """The highest derivative of each field across each axis in the equations."""
    problem = system.problem
    sides = [side for e in problem.equations for side in (e.left, e.right)]
    stencils = {d.name: d for d in problem.learned if isinstance(d, LearnedStencil)}
    return axis_orders(sides, tuple(c.name for c in problem.space), stencils)


def _check_bounded(system: System, axis: str, collector: Collector) -> None:
    for terms in system.terms:
        for term in terms:
            if _reads_nonlocal(term.expression, axis, False):
                collector.add(not_yet.NONLOCAL_AT_WALLS.at(term.span, coordinate=axis))


def _reads_nonlocal(e: sp.Expr, axis: str, beyond: bool) -> bool:
    """Whether ghost cells along an axis are asked of a value that has none: an integral kernel's, a transposed stencil's."""
    if beyond and isinstance(e, op.KernelAdjoint | op.NoiseOf):
        return True
    if beyond and isinstance(e, op.Nonlocal | op.NonlocalConvolution) and axis in {str(x) for x in e.args[2:]}:
        return True
    if isinstance(e, (*REDUCING, op.Nonlocal, op.NonlocalConvolution)):
        beyond = False
    elif isinstance(e, op.Diff | op.FaceDiff):
        beyond = beyond or str(e.args[1]) == axis
    elif isinstance(e, op.Lap | op.KernelApply):
        beyond = True
    return any(_reads_nonlocal(a, axis, beyond) for a in values(e))


def check_cells(system: System, grid: Grid, read: Halo, collector: Collector) -> None:
    """Every axis holds the cells that ghost polynomials pass through, and its widest stencil."""
    order = system.problem.numerics.order
    for axis in grid.axes:
        widest = max((n for (_, name), n in read.items() if name == axis.name), default=0)
        if not widest:
            continue
        needed = widest if axis.periodic else max(order + (order > 2 and states_flux(system.walls)), widest)
        if axis.cells < needed:
            why = f"stencils and ghost cells need {needed}"
            span = next((c.span for c in system.problem.space if c.name == axis.name), NOWHERE)
            collector.add(codes.TOO_FEW_CELLS.at(span, given=axis.cells, name=axis.name, why=why))


# --- what may be claimed ----------------------------------------------------------------------------------------------


def space_order(system: System) -> int:
    """The order in space after the weakest term.

    Upwind-biased differences have an odd order of their own, to which walls and centered terms beside them set bounds.
    A learned array or input in a flux is averaged over two cells: order 2. At a wall the nearest cell stands for it: order 1
    where a flux crosses a wall that states a slope. In a centered difference across a wall its ghost value is that of the
    nearest cell: order 1. A learned stencil claims order 2, as does the midpoint sum on a bounded axis.
    """
    calculus = calculus_of(system)
    meanings = dict(system.symbols)
    bounded = {c.name for c in system.problem.space if c.name not in system.problem.periodic}
    arrays = [s for s, m in meanings.items() if isinstance(m, LearnedCoefficient | Input)]

    def array_along(e: sp.Expr, axis: str) -> bool:
        return any(s in e.free_symbols and axis in calculus.table.varies(s) for s in arrays)

    claimed, biased = system.problem.numerics.order, system.problem.numerics.upwind
    operators = {o for e in system.rates for o in e.atoms(op.GridOperator)}
    if biased is not None and any(isinstance(o, op.Biased) for o in operators):
        centered = any(isinstance(o, op.Diff | op.Lap | op.FaceDiff) for o in operators)
        claimed = min(claimed, biased) if bounded or centered else biased
    for e in system.rates:
        for o in e.atoms(op.GridOperator):
            claimed = min(claimed, _claim(o, bounded, array_along))
            if isinstance(o, op.FaceDiff) and array_along(o.args[0], str(o.args[1])) and _crosses_wall(o, system):
                claimed = 1
    return claimed


def _crosses_wall(o: sp.Expr, system: System) -> bool:
    """Whether a flux crosses a wall that states a slope: all but multiples of a slope that is zero there."""
    flux, x = o.args
    for wall in system.walls:
        sloped = any(c != 0 for c in wall.coefficients[1:])
        if wall.coordinate != str(x) or not sloped or wall.unknown not in flux.free_symbols:
            continue
        closed = wall.data == 0 and wall.coefficients[0] == 0
        slope = op.Diff(wall.unknown, x, 1)
        if not closed or not all(slope in sp.Mul.make_args(t) for t in sp.Add.make_args(sp.expand_mul(flux))):
            return True
    return False


def _claim(o: sp.Expr, bounded: set[str], array_along: object) -> int:
    match o:
        case op.FaceDiff():
            return 2 if array_along(o.args[0], str(o.args[1])) else 99  # type: ignore[operator]
        case op.KernelApply() | op.KernelAdjoint():
            return 2
        case op.IntegralOf() | op.MeanOf():
            return 2 if bounded & {str(x) for x in o.args[1:]} else 99
        case op.Nonlocal() | op.NonlocalConvolution():
            return 2 if bounded & {str(x) for x in o.args[2:]} else 99
        case op.Diff() | op.Biased() if str(o.args[1]) in bounded:
            return 1 if array_along(o.args[0], str(o.args[1])) else 99  # type: ignore[operator]
        case op.Lap():
            return 1 if any(array_along(o.args[0], a) for a in bounded) else 99  # type: ignore[operator]
        case _:
            return 99
