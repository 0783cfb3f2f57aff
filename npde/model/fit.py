"""Whether the grid and the order fit the operators."""

from __future__ import annotations

from collections.abc import Iterable

from npde.diagnostics.catalogue import numerics as codes
from npde.model import expression as ex
from npde.model.numerics import Draft, option
from npde.model.orders import fields_of
from npde.model.problem import Equation, LearnedStencil, Numerics, Output
from npde.model.scope import Scope
from npde.model.traversal import children, walk
from npde.options import Overrides
from npde.source import NOWHERE


def check_fit(
    scope: Scope,
    draft: Draft,
    overrides: Overrides,
    numerics: Numerics,
    equations: list[Equation],
    outputs: list[Output],
    without_walls: set[str],
) -> None:
    """Report axes with fewer cells than a stencil needs, and orders that the closures at walls do not have."""
    expressions = [side for e in equations for side in (e.left, e.right)] + [o.value for o in outputs]
    nodes = [n for e in expressions for n in operators(e)]
    space = tuple(c.name for c in scope.space)
    learned = {d.name: d for d in scope.names.values() if isinstance(d, LearnedStencil)}
    for axis in space:
        kinds = [k for n in nodes for k in across(n, axis, space)]
        if not kinds:
            check_kernels(scope, draft, numerics, nodes, axis, space, learned)
            continue
        check_cells(scope, draft, numerics, axis, max(kinds), walls=axis not in without_walls)
        check_kernels(scope, draft, numerics, nodes, axis, space, learned)
        if axis not in without_walls:
            check_order(scope, draft, overrides, numerics.order, axis, kinds)


def operators(expr: ex.Expr) -> Iterable[ex.Expr]:
    """Every node but the gradients inside a divergence: together they are one flux of second order."""
    pending = [(expr, False)]
    while pending:
        node, in_flux = pending.pop()
        if not (in_flux and isinstance(node, ex.Gradient)):
            yield node
        pending.extend((c, in_flux or isinstance(node, ex.Divergence)) for c in children(node))


def across(node: ex.Expr, axis: str, space: tuple[str, ...]) -> Iterable[int]:
    """The derivative orders of one operator across an axis; a flux `div(a*grad(u))` counts as second order."""
    if not fields_of_any(node):
        return
    match node:
        case ex.Derivative() if axis in dict(node.orders):
            yield dict(node.orders)[axis]
        case ex.Laplacian() if axis in space:
            yield 2
        case ex.Divergence() if any(isinstance(n, ex.Gradient) for n in walk(node.operand)):
            yield 2
        case ex.Divergence() | ex.Curl():
            yield 1
        case ex.Gradient():
            yield 1
        case _:
            return


def fields_of_any(node: ex.Expr) -> bool:
    """Whether a node is a differential operator on some field."""
    kinds = ex.Derivative | ex.Laplacian | ex.Divergence | ex.Curl | ex.Gradient
    return isinstance(node, kinds) and bool(fields_of(node))


def check_cells(scope: Scope, draft: Draft, numerics: Numerics, axis: str, derivative: int, *, walls: bool) -> None:
    """Whether the widest centered stencil of an axis fits into its cells."""
    reach = (derivative + 1) // 2 + numerics.order // 2 - 1
    needed = 2 * reach + 1
    if walls:
        needed = max(needed, numerics.order)
    cells = dict(numerics.cells).get(axis)
    if cells is None or cells >= needed:
        return
    place = draft.cells.get(axis, (0, NOWHERE))
    span = place[1] if place[0] == cells else NOWHERE
    why = f"a stencil of order {numerics.order} needs {needed}"
    hint = f"write `grid {axis}: {needed}` or more."
    scope.collector.add(codes.TOO_FEW_CELLS.at(span, hint=hint, given=cells, name=axis, why=why))


def check_kernels(
    scope: Scope,
    draft: Draft,
    numerics: Numerics,
    nodes: list[ex.Expr],
    axis: str,
    space: tuple[str, ...],
    learned: dict[str, LearnedStencil],
) -> None:
    """Whether learned stencils fit into the cells of an axis."""
    cells = dict(numerics.cells).get(axis)
    used = {n.kernel for n in nodes if isinstance(n, ex.ApplyKernel)}
    widths = {name: learned[name].extents[space.index(axis)] for name in sorted(used)}
    name = max(widths, key=lambda n: widths[n], default="")
    if cells is None or not name or cells >= widths[name]:
        return
    place = draft.cells.get(axis, (0, NOWHERE))
    span = place[1] if place[0] == cells else NOWHERE
    why = f"'{name}' is {widths[name]} cells wide"
    scope.collector.add(codes.TOO_FEW_CELLS.at(span, given=cells, name=axis, why=why))


def check_order(
    scope: Scope, draft: Draft, overrides: Overrides, order: int, axis: str, derivatives: list[int]
) -> None:
    """Whether the closures at walls have the order: up to 6 for second derivatives, 4 for odd ones."""
    odd = any(d % 2 for d in derivatives)
    highest = 4 if odd else 6
    if order <= highest or order not in (2, 4, 6, 8):
        return
    why = f"first derivatives take up to order {highest}" if odd else f"walls take up to order {highest}"
    if overrides.order is not None or draft.order is None:
        option(scope, "--order", f"order {order} is not available at the walls of '{axis}', {why}")
        return
    hint = f"write `order {highest}`."
    scope.collector.add(codes.ORDER_AT_WALLS.at(draft.order[1], hint=hint, order=order, name=axis, why=why))
