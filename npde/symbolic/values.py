"""Values of the language as SymPy: a `Pair` stands for an array of any shape, `Columns` for one given item by item.

`Columns` runs over the *last* axis of a shape: grad(u) of a vector u is one vector for each coordinate, so sixteen channels stay
one array. A vector `[a, b]` is `Columns` of scalars.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import sympy as sp

from npde.symbolic import operators as op
from npde.symbolic import pairs
from npde.symbolic.calculus import Calculus
from npde.symbolic.pairs import Pair
from npde.symbolic.symbols import Shape


@dataclass(frozen=True)
class Columns:
    """An array by the items along the last axis of its shape."""

    items: tuple[Value, ...]


Value: TypeAlias = Pair | Columns


@dataclass
class Arrays:
    """Operations on values, entry by entry over components."""

    calculus: Calculus

    def component(self, value: Value, k: int, shape: Shape) -> Value:
        """Component k along the first axis."""
        if isinstance(value, Pair):
            return Pair(self.calculus.component(value.re, k), self.calculus.component(value.im, k))
        if len(shape) == 1:
            return value.items[k]
        return Columns(tuple(self.component(item, k, shape[:-1]) for item in value.items))

    def columns(self, value: Value, shape: Shape) -> tuple[Value, ...]:
        """The items along the last axis."""
        if isinstance(value, Columns):
            return value.items
        if len(shape) == 1:
            return tuple(self.component(value, k, shape) for k in range(shape[0]))
        rows = [self.columns(self.component(value, k, shape), shape[1:]) for k in range(shape[0])]
        return tuple(Columns(tuple(row[j] for row in rows)) for j in range(shape[-1]))

    def rows_to_columns(self, rows: Sequence[Value], shape: Shape) -> Columns:
        """The array whose items along the first axis are `rows`, each of `shape`."""
        if not shape:
            return Columns(tuple(rows))
        spread = [self.columns(row, shape) for row in rows]
        return Columns(tuple(self.rows_to_columns([s[j] for s in spread], shape[:-1]) for j in range(shape[-1])))

    def entrywise(self, function: Callable[..., Pair], values: Sequence[Value], shapes: Sequence[Shape]) -> Value:
        """`function` of the entries; scalars broadcast."""
        if all(isinstance(v, Pair) for v in values):
            return function(*values)
        whole = max(shapes, key=len)
        spread = [self.columns(v, s) if s else (v,) * whole[-1] for v, s in zip(values, shapes, strict=True)]
        below = [s[:-1] for s in shapes]
        return Columns(tuple(self.entrywise(function, [s[j] for s in spread], below) for j in range(whole[-1])))

    def array(self, value: Value) -> Pair:
        """One expression for a vector: a `Stack` if it was given item by item."""
        if isinstance(value, Pair):
            return value
        items = [self.array(item) for item in value.items]
        return Pair(_stack([i.re for i in items]), _stack([i.im for i in items]))

    def each(self, function: Callable[[sp.Expr], sp.Expr], value: Value) -> Value:
        """A real-linear function of scalars or arrays, on both parts of every item."""
        if isinstance(value, Columns):
            return Columns(tuple(self.each(function, item) for item in value.items))
        return Pair(function(value.re), pairs.ZERO if value.im == 0 else function(value.im))

    def total(self, values: Sequence[Value], shape: Shape) -> Value:
        """Σ of values of one shape."""
        return self.entrywise(pairs.add, values, [shape] * len(values))


def _stack(items: Sequence[sp.Expr]) -> sp.Expr:
    return pairs.ZERO if all(i == 0 for i in items) else op.Stack(*items)


def leaves(value: Value) -> list[sp.Expr]:
    """The real expressions of a value, both parts of every item."""
    if isinstance(value, Pair):
        return [value.re, value.im]
    return [e for item in value.items for e in leaves(item)]
