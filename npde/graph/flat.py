"""The mlp realisation: the state as one vector, operators as matrices on their own pattern, the rest as activations.

The affine part of a rate (stencils with their walls, constant coefficients, sources) becomes one `W(θ) q + b(θ)`. A linear
operator inside a nonlinear term becomes a matrix of its own. What is neither (a stencil of a nonlinear expression, a sum over
part of the axes) runs on the grid between two changes of shape.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from math import prod

import sympy as sp

from npde.discretize.scheme import Scheme
from npde.graph.graph import Region, Shape
from npde.graph.layers import (
    AffineWeights,
    Call,
    CoordinateArray,
    Dense,
    Flatten,
    Join,
    SparseAffine,
    Unflatten,
    Weight,
)
from npde.graph.lower import Lowering
from npde.model.problem import Input, LearnedCoefficient, LearnedStencil
from npde.symbolic import operators as op
from npde.symbolic.system import CoordinateMeaning, Meaning, Unknown

POINTWISE_LIKE = (op.Component, op.Stack, op.ClosureApply, op.MatVec, op.DotProduct)
"""Operators that do not look beyond their cell."""

Offsets = tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class Operator:
    """The block of an operator on the grid, the unknowns it reads, the cells it looks at, its shape, whether it takes t."""

    block: str
    sources: tuple[sp.Symbol, ...]
    offsets: Offsets
    shape: Shape
    timed: bool


def pattern(taps: Iterable[tuple[int, ...]], walls: tuple[int, ...]) -> Offsets:
    """The cells that a stencil with taps at `taps` looks at. `walls[i]` is how many interior cells a ghost cell of axis i is made
    of (0: periodic): at a wall, an offset beyond it is replaced by those cells."""
    found: dict[tuple[int, ...], None] = {}
    for tap in taps:
        choices = []
        for offset, cells in zip(tap, walls, strict=True):
            near = range(-(abs(offset) - 1), cells) if cells and offset else range(0)
            choices.append(dict.fromkeys((offset, *(n if offset < 0 else -n for n in near))))
        found.update(dict.fromkeys(product(*choices)))
    return tuple(sorted(found))


def shifting(scheme: Scheme, meanings: Mapping[sp.Symbol, Meaning]) -> frozenset[sp.Symbol]:
    """Symbols whose values change with the sample or the step: no matrix is assembled from them."""
    marching = scheme.system.problem.marching
    found = set()
    for symbol, meaning in meanings.items():
        match meaning:
            case Input() | LearnedStencil(per_step=True):
                found.add(symbol)
            case LearnedCoefficient(coordinates=coordinates) if marching in coordinates:
                found.add(symbol)
            case CoordinateMeaning(name=name) if name == marching:
                found.add(symbol)
            case _:
                pass
    return frozenset(found)


def is_affine(expr: sp.Expr, unknowns: frozenset[sp.Symbol], banned: frozenset[sp.Symbol]) -> bool:
    """Whether an expression is affine in the unknowns by its form, local (no sums, no learned layers), free of `banned`."""
    return not expr.free_symbols & banned and _affine_form(expr, unknowns)


def _affine_form(expr: sp.Expr, unknowns: frozenset[sp.Symbol]) -> bool:
    if not expr.free_symbols & unknowns:
        return not expr.has(op.GridOperator)
    match expr:
        case sp.Symbol():
            return True
        case sp.Add():
            return all(_affine_form(a, unknowns) for a in expr.args)
        case sp.Mul():
            holding = [a for a in expr.args if a.free_symbols & unknowns]
            rest = [a for a in expr.args if not a.free_symbols & unknowns]
            return (
                len(holding) == 1
                and _affine_form(holding[0], unknowns)
                and not any(a.has(op.GridOperator) for a in rest)
            )
        case op.FluxDissipation():
            speed, operand = expr.args[:2]
            return (
                not speed.free_symbols & unknowns and not speed.has(op.GridOperator) and _affine_form(operand, unknowns)
            )
        case op.Diff() | op.Lap() | op.FaceDiff() | op.Biased():
            return _affine_form(expr.args[0], unknowns)
        case op.KernelApply():
            return isinstance(expr.args[1], sp.Symbol)
        case _:
            return False


def split_affine(
    expr: sp.Expr, unknowns: frozenset[sp.Symbol], banned: frozenset[sp.Symbol]
) -> tuple[sp.Expr, sp.Expr]:
    """(affine part, rest); everything is rest if no term of the affine part looks at neighbors."""
    terms = sp.Add.make_args(expr)
    affine = [t for t in terms if is_affine(t, unknowns, banned)]
    if not any(t.has(*op.DIFFERENTIAL, op.KernelApply) for t in affine):
        return sp.Integer(0), expr
    return sp.Add(*affine), sp.Add(*(t for t in terms if t not in affine))


@dataclass
class FlatLowering(Lowering):
    """Lowering onto arrays [B, C, N]. `operator` makes grid blocks, `state` is the flat state's node."""

    operator: Callable[[sp.Expr], Operator] | None = None
    state: str = ""
    released: Callable[[int, str, int, Offsets], str] | None = None

    @cached_property
    def banned(self) -> frozenset[sp.Symbol]:
        return shifting(self.scheme, self.names.meanings)

    @cached_property
    def has_matrices(self) -> bool:
        """Whether wall data and coefficients are the same for all samples and steps (closed forms in time are added later)."""
        time = self.names.symbol(self.scheme.system.problem.marching or "")
        parts = [
            w for g in self.scheme.ghosts for w in (*g.data, *(w for row in (*g.data_weights, *g.weights) for w in row))
        ]
        return not any(p.free_symbols & (self.banned - {time}) for p in parts)

    @property
    def cells(self) -> int:
        return prod(self.scheme.grid.shape)

    def shape(self, name: str) -> Shape:
        """As on the grid, but what varies along no axis has one axis all the same."""
        shape = super().shape(name)
        return shape if any(e > 1 for e in shape.extents) else Shape(shape.batch, shape.channels, (1,))

    def flat(self, shape: Shape) -> Shape:
        """A grid shape with the grid as one axis."""
        varies = any(e > 1 for e in shape.extents)
        return Shape(shape.batch, shape.channels, (self.cells if varies else 1,))

    def flattened(self, name: str) -> str:
        """A node in flat shape."""
        shape = self.shape(name)
        return self.builder.add(Flatten(), (name,), self.flat(shape), self.interior, f"{name}_flat")

    def _coordinate(self, axis: int, region: Region) -> str:  # noqa: ARG002
        extents = tuple(a.cells if i == axis else 1 for i, a in enumerate(self.scheme.grid.axes))
        name = self.scheme.grid.axes[axis].name
        node = self.builder.add(CoordinateArray(axis), (), Shape(False, 1, extents), self.interior, name)
        return self.flattened(node)

    def _array(self, *arguments: object, **keywords: object) -> str:
        name = super()._array(*arguments, **keywords)  # type: ignore[arg-type]
        is_scalar = isinstance(layer := self.builder.nodes[name].layer, Weight) and not self.names.shaped(layer.name)
        return name if is_scalar else self.flattened(name)

    def _extended(self, base: str, region: Region) -> str:  # noqa: ARG002 - flat arrays have no region
        """Flat arrays have no neighbors and so no halo."""
        return base

    def _leaf(self, expr: sp.Expr, region: Region) -> str:
        if isinstance(expr, (sp.Symbol, *POINTWISE_LIKE)):
            return super()._leaf(expr, region)
        if isinstance(expr, op.Nonlocal) and len(expr.args) - 2 == len(self.scheme.grid.axes):
            return self._dense(expr)
        unknowns = frozenset(s for s, m in self.names.meanings.items() if isinstance(m, Unknown))
        if self.has_matrices and is_affine(expr, unknowns, self.banned):
            return self.matrix(expr)
        return self._on_grid(expr)

    def _dense(self, expr: sp.Expr) -> str:
        weight, density, *over = expr.args
        axes = tuple(self.axis(x) for x in over)
        source = self.value(density, self.interior)
        source = self._expanded(source, (self.cells,), self.interior, f"{source}_along")
        matrix = self.names.matrix(self, weight, axes)
        shape = Shape(self.shape(source).batch, self.shape(source).channels, (self.cells,))
        return self.builder.add(Dense((0,)), (source, matrix), shape, self.interior, f"{matrix}_of_{source}")

    def matrix(self, expr: sp.Expr) -> str:
        """An affine operator of some unknowns as a sparse matrix."""
        assert self.operator is not None
        made = self.operator(expr)
        learned = any(isinstance(self.meaning(s), LearnedCoefficient | LearnedStencil) for s in expr.free_symbols)
        return self.sparse(
            made.block, self.joined(made.sources), made.shape.channels, made.offsets, release=not learned
        )

    def joined(self, sources: tuple[sp.Symbol, ...]) -> str:
        """Flat unknowns behind one another."""
        parts = tuple(self.unknowns[s] for s in sources)
        channels = sum(self.shape(p).channels for p in parts)
        if len(parts) == 1:
            return parts[0]
        if channels == self.shape(self.state).channels:
            return self.state
        return self.builder.add(Join(), parts, Shape(True, channels, (self.cells,)), self.interior, "operands")

    def sparse(self, block: str, source: str, rows: int, offsets: Offsets, *, release: bool = False) -> str:
        """`W x + b` of an affine block."""
        periodic = tuple(a.periodic for a in self.scheme.grid.axes)
        released = (
            self.released(self.shape(source).channels, block, rows, offsets)
            if self.released is not None and release
            else None
        )
        layer = AffineWeights(block, self.shape(source).channels, offsets, periodic, released)
        weights = self.builder.add(layer, (), Shape(False, 1, (1,)), self.interior, f"weights_{block}")
        inputs = (source, weights) if self.time is None else (source, weights, self.time)
        shape = Shape(True, rows, (self.cells,))
        return self.builder.add(SparseAffine(rows), inputs, shape, self.interior, f"{block}_value")

    def _on_grid(self, expr: sp.Expr) -> str:
        """An operator that is no matrix: its block runs on the grid."""
        assert self.operator is not None
        made = self.operator(expr)
        inputs: tuple[str, ...] = ()
        if made.sources:
            flat = self.joined(made.sources)
            shape = Shape(True, self.shape(flat).channels, self.scheme.grid.shape)
            inputs = (self.builder.add(Unflatten(), (flat,), shape, self.interior, "on_grid"),)
        if made.timed and self.time is not None:
            inputs = (*inputs, self.time)
        value = self.builder.add(Call(made.block), inputs, made.shape, self.interior, f"{made.block}_grid")
        return self.flattened(value)
