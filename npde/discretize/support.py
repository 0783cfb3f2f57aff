"""What the numerics can do today, and what a scheme may claim. Everything else is refused by name."""

from __future__ import annotations

import re

import sympy as sp

from npde.diagnostics import Collector
from npde.diagnostics.catalogue import not_yet
from npde.diagnostics.catalogue import numerics as codes
from npde.discretize.ghosts import interior_cells
from npde.discretize.halo import Halo
from npde.discretize.scheme import Grid
from npde.model.problem import Input, LearnedCoefficient
from npde.source import NOWHERE, Span
from npde.symbolic import operators as op
from npde.symbolic.calculus import REDUCING, values
from npde.symbolic.context import calculus_of
from npde.symbolic.system import System

ORDERS = (2, 4, 6)


def check(system: System, collector: Collector) -> None:
    """Refuse what is not built yet: order 8, one-sided, absorbing and high-order closures."""
    problem = system.problem
    for outflow in problem.outflows:
        collector.add(not_yet.OUTFLOW.at(outflow.span, field=outflow.field))
    for layer in problem.absorbing:
        collector.add(not_yet.ABSORBING.at(layer.span))
    if problem.numerics.upwind is not None:
        collector.add(not_yet.UPWIND.at(_word(system, r"\bupwind\b")))
    if problem.numerics.order not in ORDERS:
        collector.add(not_yet.ORDER_EIGHT.at(_word(system, r"order +8\b"), order=problem.numerics.order))
        return
    for c in problem.space:
        if c.name not in problem.periodic:
            _check_bounded(system, c.name, collector)
    if not collector.errors:
        _check_conditions(system, collector)


def _word(system: System, pattern: str) -> Span:
    """Where the text of a file holds what no record remembers; nowhere if an option said it."""
    found = re.search(rf"(?m)^[^#\n]*?({pattern})", system.problem.source.text)
    return Span(*found.span(1)) if found else NOWHERE


def _check_conditions(system: System, collector: Collector) -> None:
    for condition in system.problem.conditions:
        if condition.order > 1:
            collector.add(not_yet.HIGH_CONDITION.at(condition.span, order=condition.order))


def _check_bounded(system: System, axis: str, collector: Collector) -> None:
    for terms in system.terms:
        for term in terms:
            highest = across(term.expression, axis)
            if highest > 2:
                collector.add(not_yet.HIGH_ON_WALLS.at(term.span, order=highest, coordinate=axis))
            if _reads_nonlocal(term.expression, axis, False):
                collector.add(not_yet.NONLOCAL_AT_WALLS.at(term.span, coordinate=axis))


def across(e: sp.Expr, axis: str) -> int:
    """The highest derivative across one axis, nested ones added up; a learned stencil counts as order 2."""
    inner = max((across(a, axis) for a in values(e)), default=0)
    match e:
        case op.Diff():
            return inner + (int(e.args[2]) if str(e.args[1]) == axis else 0)
        case op.FaceDiff():
            return inner + (1 if str(e.args[1]) == axis else 0)
        case op.Lap():
            return inner + 2
        case op.KernelApply():
            return max(inner, 2)
        case _:
            return inner


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
        needed = widest if axis.periodic else max(interior_cells(order), widest)
        if axis.cells < needed:
            why = f"stencils and ghost cells need {needed}"
            span = next((c.span for c in system.problem.space if c.name == axis.name), NOWHERE)
            collector.add(codes.TOO_FEW_CELLS.at(span, given=axis.cells, name=axis.name, why=why))


# --- what may be claimed ----------------------------------------------------------------------------------------------


def space_order(system: System) -> int:
    """The order in space after the weakest term.

    A learned array or input in a flux is averaged over two cells: order 2. At a wall the nearest cell stands for it: order 1
    where a flux crosses a wall that states a slope. In a centered difference across a wall its ghost value is that of the
    nearest cell: order 1. A learned stencil claims order 2, as does the midpoint sum on a bounded axis.
    At order 2 a difference of first differences reads a second ghost cell, which is of first order next to a wall that
    states a slope (measured in tests/convergence).
    """
    calculus = calculus_of(system)
    meanings = dict(system.symbols)
    bounded = {c.name for c in system.problem.space if c.name not in system.problem.periodic}
    arrays = [s for s, m in meanings.items() if isinstance(m, LearnedCoefficient | Input)]

    def array_along(e: sp.Expr, axis: str) -> bool:
        return any(s in e.free_symbols and axis in calculus.table.varies(s) for s in arrays)

    claimed = system.problem.numerics.order
    for e in system.rates:
        for o in e.atoms(op.GridOperator):
            claimed = min(claimed, _claim(o, bounded, array_along))
            nested = system.problem.numerics.order == 2 and _reads_second_ghost(o, system)
            crossed = isinstance(o, op.FaceDiff) and array_along(o.args[0], str(o.args[1])) and _crosses_wall(o, system)
            if nested or crossed:
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


def _reads_second_ghost(o: sp.Expr, system: System) -> bool:
    """Whether a difference of first differences along an axis meets a wall that states a slope."""
    if not isinstance(o, op.Diff):
        return False
    sloped = {w.coordinate for w in system.walls if any(c != 0 for c in w.coefficients[1:])}
    inner = [d for d in o.args[0].atoms(op.Diff) if d.args[1] == o.args[1]]
    return str(o.args[1]) in sloped and bool(inner)


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
        case op.Diff() if str(o.args[1]) in bounded:
            return 1 if array_along(o.args[0], str(o.args[1])) else 99  # type: ignore[operator]
        case op.Lap():
            return 1 if any(array_along(o.args[0], a) for a in bounded) else 99  # type: ignore[operator]
        case _:
            return 99
