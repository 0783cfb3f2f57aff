"""The mlp realisation: the state as one vector, operators as matrices on their own pattern, the rest as activations.

The affine part of a rate (stencils with their walls, constant coefficients, sources) becomes one `W(θ) q + b(θ)`. A linear
operator inside a nonlinear term becomes a matrix of its own. What is neither (a stencil of a nonlinear expression, a sum over
part of the axes) runs on the grid between two changes of shape.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod

import sympy as sp

from npde.graph.graph import Region, Shape
from npde.graph.layers import (
    AffineWeights,
    Call,
    CoordinateArray,
    Dense,
    Flatten,
    SparseAffine,
    Unflatten,
)
from npde.graph.lower import Lowering
from npde.symbolic import operators as op
from npde.symbolic.system import Unknown

POINTWISE_LIKE = (op.Component, op.Stack, op.ClosureApply, op.MatVec, op.DotProduct)
"""Operators that do not look beyond their cell."""

OperatorBlock = Callable[[sp.Expr], tuple[str, tuple[int, ...]]]
"""Makes the block of an operator on the grid; gives its name and its reach."""


def is_affine(expr: sp.Expr, unknowns: frozenset[sp.Symbol]) -> bool:
    """Whether an expression is affine in the unknowns by its form, and local (no sums, no learned layers)."""
    if not expr.free_symbols & unknowns:
        return not expr.has(op.GridOperator)
    match expr:
        case sp.Symbol():
            return True
        case sp.Add():
            return all(is_affine(a, unknowns) for a in expr.args)
        case sp.Mul():
            holding = [a for a in expr.args if a.free_symbols & unknowns]
            rest = [a for a in expr.args if not a.free_symbols & unknowns]
            return len(holding) == 1 and is_affine(holding[0], unknowns) and not any(a.has(op.GridOperator) for a in rest)
        case op.Diff() | op.Lap() | op.FaceDiff():
            return is_affine(expr.args[0], unknowns)
        case op.KernelApply():
            return isinstance(expr.args[1], sp.Symbol)
        case _:
            return False


def split_affine(expr: sp.Expr, unknowns: frozenset[sp.Symbol]) -> tuple[sp.Expr, sp.Expr]:
    """(affine part, rest); everything is rest if no term of the affine part looks at neighbors."""
    terms = sp.Add.make_args(expr)
    affine = [t for t in terms if is_affine(t, unknowns)]
    if not any(t.has(*op.DIFFERENTIAL, op.KernelApply) for t in affine):
        return sp.Integer(0), expr
    return sp.Add(*affine), sp.Add(*(t for t in terms if t not in affine))


@dataclass
class FlatLowering(Lowering):
    """Lowering onto arrays [B, C, N]. `operator` makes grid blocks, `state` is the flat state's node."""

    operator: OperatorBlock | None = None
    state: str = ""
    released: Callable[[str], str | None] | None = None

    @property
    def cells(self) -> int:
        return prod(self.scheme.grid.shape)

    def flat(self, shape: Shape) -> Shape:
        """A grid shape with the grid as one axis."""
        varies = any(e > 1 for e in shape.extents)
        return Shape(shape.batch, shape.channels, (self.cells if varies else 1,))

    def flattened(self, name: str) -> str:
        """A node in flat shape."""
        shape = self.shape(name)
        return self.builder.add(Flatten(), (name,), self.flat(shape), self.interior, f"{name}_flat")

    def _coordinate(self, axis: int, region: Region) -> str:
        extents = tuple(a.cells if i == axis else 1 for i, a in enumerate(self.scheme.grid.axes))
        name = self.scheme.grid.axes[axis].name
        node = self.builder.add(CoordinateArray(axis), (), Shape(False, 1, extents), self.interior, name)
        return self.flattened(node)

    def _array(self, *arguments: object, **keywords: object) -> str:
        name = super()._array(*arguments, **keywords)  # type: ignore[arg-type]
        return self.flattened(name) if any(e > 1 for e in self.shape(name).extents) else name

    def _leaf(self, expr: sp.Expr, region: Region) -> str:
        if isinstance(expr, sp.Symbol) or isinstance(expr, POINTWISE_LIKE):
            return super()._leaf(expr, region)
        if isinstance(expr, op.Nonlocal) and len(expr.args) - 2 == len(self.scheme.grid.axes):
            return self._dense(expr)
        unknowns = frozenset(s for s, m in self.names.meanings.items() if isinstance(m, Unknown))
        if is_affine(expr, unknowns):
            return self.matrix(expr)
        return self._on_grid(expr)

    def _dense(self, expr: sp.Expr) -> str:
        weight, density, *over = expr.args
        axes = tuple(self.axis(x) for x in over)
        source = self.value(density, self.interior)
        matrix = self.names.matrix(self, weight, axes)
        shape = Shape(self.shape(source).batch, self.shape(source).channels, (self.cells,))
        return self.builder.add(Dense((0,)), (source, matrix), shape, self.interior, f"{matrix}_of_{source}")

    def matrix(self, expr: sp.Expr, name: str | None = None, channels: int = 0) -> str:
        """An affine operator of the state as a sparse matrix."""
        assert self.operator is not None
        block, reach, rows = (*self.operator(expr), channels) if name is None else (name, *self.operator(expr)[1:], channels)
        rows = rows or self.rows_of(expr)
        periodic = tuple(a.periodic for a in self.scheme.grid.axes)
        released = self.released(block) if self.released is not None else None
        weights = self.builder.add(
            AffineWeights(block, rows, reach, periodic, released), (), Shape(False, 1, (1,)), self.interior, f"weights_{block}"
        )
        shape = Shape(True, rows, (self.cells,))
        return self.builder.add(SparseAffine(rows), (self.state, weights), shape, self.interior, f"{block}_value")

    def rows_of(self, expr: sp.Expr) -> int:
        """Channels of a linear operator's value."""
        if isinstance(expr, op.KernelApply):
            channels = getattr(self.meaning(expr.args[0]), "channels", ())
            return int(channels[0]) if channels else 1
        widths = [m.channels for s in expr.free_symbols if isinstance(m := self.meaning(s), Unknown)]
        return max(widths, default=1)

    def _on_grid(self, expr: sp.Expr) -> str:
        """An operator that is no matrix: its block runs on the grid."""
        assert self.operator is not None
        block, _ = self.operator(expr)
        grid = Shape(True, self.rows_of(expr), self.scheme.grid.shape)
        total = self.shape(self.state).channels
        back = self.builder.add(
            Unflatten(), (self.state,), Shape(True, total, self.scheme.grid.shape), self.interior, "on_grid"
        )
        inputs = (back,) if self.time is None else (back, self.time)
        value = self.builder.add(Call(block), inputs, grid, self.interior, f"{block}_grid")
        return self.flattened(value)
