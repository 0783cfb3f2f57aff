"""First-order systems whose fields drive each other across an axis: waves go both ways there, and a wall reflects them.

In `dt(p) = -dx(v)`, `dt(v) = -dx(p)` a characteristic p ± v comes in at either end, so both ends take conditions (Gustafsson,
Kreiss & Oliger, *Time-Dependent Problems and Difference Methods*, ch. 9); what carries a field alone brings it in at one end only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from npde.model.orders import axis_orders, time_derivatives
from npde.model.problem import Equation, LearnedStencil


def wave_fields(
    equations: Iterable[Equation], space: tuple[str, ...], marching: str | None, stencils: Mapping[str, LearnedStencil]
) -> frozenset[tuple[str, str]]:
    """Every (field, coordinate) such that the field's derivative across the coordinate drives another field, whose own
    derivative drives it back, through others or not."""
    drives: dict[tuple[str, str], set[str]] = {}
    for equation in equations:
        sides = (equation.left, equation.right)
        driven = {field for side in sides for field, _, _ in time_derivatives(side, marching)}
        orders = axis_orders(sides, space, stencils)
        for key in {*orders.active, *orders.closed, *orders.stencils}:
            if orders.of(*key):
                drives.setdefault(key, set()).update(driven - {key[0]})
    return frozenset(key for key in drives if key[0] in _reached(drives, *key))


def _reached(drives: Mapping[tuple[str, str], set[str]], field: str, coordinate: str) -> set[str]:
    """The fields that are driven by a field's derivative across a coordinate, directly or through others."""
    found: set[str] = set()
    ahead = [field]
    while ahead:
        new = drives.get((ahead.pop(), coordinate), set()) - found
        found |= new
        ahead += new
    return found
