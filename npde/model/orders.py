"""Derivatives counted: across which axis each field is differentiated how often, and how often in time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from npde.model import expression as ex
from npde.model.problem import LearnedStencil
from npde.model.traversal import fold, walk


@dataclass(frozen=True, slots=True)
class AxisOrders:
    """Highest derivative order of each (field, coordinate).

    `active` may still grow by operators outside; `closed` lies inside an integral over the coordinate and cannot;
    `stencils` counts learned stencils, which are order 2 however they are nested.
    """

    active: Mapping[tuple[str, str], int]
    closed: Mapping[tuple[str, str], int]
    stencils: Mapping[tuple[str, str], int]

    def of(self, field: str, coordinate: str) -> int:
        """The highest order of `field` across `coordinate`."""
        key = (field, coordinate)
        return max(self.active.get(key, 0), self.closed.get(key, 0), self.stencils.get(key, 0))


def axis_orders(
    expressions: Iterable[ex.Expr], space: tuple[str, ...], stencils: Mapping[str, LearnedStencil]
) -> AxisOrders:
    """The orders of every field in `expressions`; nested operators add up, side by side the highest counts."""

    def combine(node: ex.Expr, parts: tuple[AxisOrders, ...]) -> AxisOrders:
        whole = merged(parts)
        match node:
            case ex.FieldRef():
                return AxisOrders({(node.name, c): 0 for c in space if c not in node.primed}, {}, {})
            case ex.Derivative():
                return _raised(whole, dict(node.orders))
            case ex.Laplacian():
                return _raised(whole, dict.fromkeys(space, 2))
            case ex.Gradient() | ex.Divergence() | ex.Curl():
                return _raised(whole, dict.fromkeys(space, 1))
            case ex.ApplyKernel():
                wide = {c for c, e in zip(space, stencils[node.kernel].extents, strict=True) if e > 1}
                own = {key: 2 for key in whole.active if key[1] in wide}
                return AxisOrders(whole.active, whole.closed, _highest(whole.stencils, own))
            case ex.Integral() | ex.Mean() | ex.Sum():
                ended = {k: n for k, n in whole.active.items() if k[1] in node.over}
                left = {k: n for k, n in whole.active.items() if k not in ended}
                return AxisOrders(left, _highest(whole.closed, ended), whole.stencils)
            case _:
                return whole

    return merged([fold(e, combine) for e in expressions])


def merged(parts: Iterable[AxisOrders]) -> AxisOrders:
    """The highest of each."""
    known = list(parts)
    if len(known) == 1:
        return known[0]
    return AxisOrders(
        _highest(*(p.active for p in known)),
        _highest(*(p.closed for p in known)),
        _highest(*(p.stencils for p in known)),
    )


def _highest(*counts: Mapping[tuple[str, str], int]) -> dict[tuple[str, str], int]:
    result: dict[tuple[str, str], int] = {}
    for count in counts:
        for key, value in count.items():
            result[key] = max(value, result.get(key, 0))
    return result


def _raised(orders: AxisOrders, by: Mapping[str, int]) -> AxisOrders:
    active = {key: value + by.get(key[1], 0) for key, value in orders.active.items()}
    return AxisOrders(active, orders.closed, orders.stencils)


def time_derivatives(expr: ex.Expr, marching: str | None) -> list[tuple[str, int, ex.Derivative]]:
    """Every derivative in the marching coordinate: (field, order, node), left to right."""
    found = []
    for node in walk(expr):
        if isinstance(node, ex.Derivative) and isinstance(node.operand, ex.FieldRef):
            order = dict(node.orders).get(marching or "", 0)
            if order:
                found.append((node.operand.name, order, node))
    return found


def fields_of(*expressions: ex.Expr) -> list[str]:
    """The fields that occur, each once, in order of occurrence."""
    names = (n.name for e in expressions for n in walk(e) if isinstance(n, ex.FieldRef))
    return list(dict.fromkeys(names))
