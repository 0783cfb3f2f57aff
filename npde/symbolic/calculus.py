"""Differential operators as npde applies them: linear, constants pulled out, the operand otherwise kept as written.

    Lap(c³ - c - κ Lap(c)) = Lap(c³) - Lap(c) - κ Lap(Lap(c))

A closed form in the coordinates is differentiated exactly; whatever holds an unknown, a learned array or an input is left to
the grid.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import sympy as sp

from npde.symbolic import operators as op
from npde.symbolic.pairs import ZERO
from npde.symbolic.symbols import Shape, SymbolTable

REDUCING = (op.IntegralOf, op.MeanOf, op.SumOf)
COORDINATE_ARGUMENTS: dict[type, int] = {
    op.Biased: 1, op.FluxDissipation: 2,
    op.Diff: 1, op.FaceDiff: 1, op.Lap: 1, op.IntegralOf: 1, op.MeanOf: 1, op.SumOf: 1, op.Nonlocal: 2,
    op.NonlocalConvolution: 2, op.Component: 1, op.LiftOf: 1, op.LinearOf: 1, op.RegionsOf: 1, op.Hold: 1, op.Stretch: 1,
}  # fmt: skip
"""How many leading arguments of an operator are values; the rest name axes or count."""


def values(e: sp.Expr) -> tuple[sp.Expr, ...]:
    """The arguments of a node that are values (not the coordinates or counts of an operator)."""
    kept = COORDINATE_ARGUMENTS.get(type(e))
    return e.args if kept is None else e.args[:kept]


@dataclass
class Calculus:
    """Operators over the symbols of one problem; remembers what it learned about expressions."""

    table: SymbolTable
    _varies: dict[sp.Expr, frozenset[str]] = field(default_factory=dict)
    _closed: dict[sp.Expr, bool] = field(default_factory=dict)
    _shapes: dict[sp.Expr, Shape] = field(default_factory=dict)

    # --- facts --------------------------------------------------------------------------------------------------------

    def varies(self, e: sp.Expr) -> frozenset[str]:
        """The coordinates a value varies over."""
        found = self._varies.get(e)
        if found is None:
            found = self._varies[e] = self._find_varies(e)
        return found

    def _find_varies(self, e: sp.Expr) -> frozenset[str]:
        if isinstance(e, sp.Symbol):
            return self.table.varies(e)
        below: frozenset[str] = frozenset().union(*(self.varies(a) for a in values(e)))
        if isinstance(e, REDUCING):
            return below - {str(x) for x in e.args[1:]}
        if isinstance(e, op.Nonlocal | op.NonlocalConvolution):
            return frozenset(c for c in below if not c.endswith("'")) | {str(x) for x in e.args[2:]}
        if isinstance(e, op.LinearOf | op.RegionsOf):
            return below - frozenset(self.table.space)
        if isinstance(e, op.NoiseOf):
            return frozenset(self.table.space)
        return below

    def is_closed(self, e: sp.Expr) -> bool:
        """Whether a value is a closed form in coordinates, numbers and scalars: nothing that lives on the grid."""
        found = self._closed.get(e)
        if found is None:
            found = self._closed[e] = self._find_closed(e)
        return found

    def _find_closed(self, e: sp.Expr) -> bool:
        if isinstance(e, sp.Symbol):
            if e.name.rstrip("'") in self.table.coordinates and e not in self.table.twins:
                return True
            on_grid = {c.rstrip("'") for c in self.table.varies(e)} & {*self.table.space}
            return not on_grid and self.table.shape(e) == () and not self.table.is_kernel(e)
        return not isinstance(e, op.GridOperator) and all(self.is_closed(a) for a in e.args)

    def shape(self, e: sp.Expr) -> Shape:
        """Component shape of an expression: that of its arguments, or what an operator makes of it."""
        found = self._shapes.get(e)
        if found is None:
            found = self._shapes[e] = self._find_shape(e)
        return found

    def _find_shape(self, e: sp.Expr) -> Shape:
        match e:
            case sp.Symbol():
                return self.table.shape(e)
            case op.Component():
                return self.shape(e.args[0])[1:]
            case op.Stack():
                return (len(e.args),)
            case op.MatVec():
                return self.shape(e.args[0])[:1]
            case op.DotProduct():
                return ()
            case op.ClosureApply():
                return self.shape(e.args[0])
            case op.KernelApply() | op.KernelAdjoint():
                channels = self.shape(e.args[0])
                if not channels:
                    return self.shape(e.args[1])
                return (channels[0] if isinstance(e, op.KernelApply) else channels[1],)
            case op.Nonlocal() | op.NonlocalConvolution():
                return self.shape(e.args[1])
            case op.LiftOf() | op.LinearOf() | op.NoiseOf():
                return (int(e.args[2]),)
            case op.RegionsOf():
                return (int(e.args[1]),)
            case _:
                return max((self.shape(a) for a in values(e)), key=len, default=())

    # --- components ---------------------------------------------------------------------------------------------------

    def component(self, e: sp.Expr, k: int) -> sp.Expr:
        """Component k along the first axis of the shape, taken as far inside as it goes."""
        if not self.shape(e):
            return e
        if isinstance(e, op.Stack):
            return e.args[k]
        if isinstance(e, sp.Symbol | op.Component | op.GridOperator) and not isinstance(e, op.DIFFERENTIAL):
            return op.Component(e, k)
        kept = len(values(e))
        return e.func(*(self.component(a, k) for a in e.args[:kept]), *e.args[kept:])

    # --- operators ----------------------------------------------------------------------------------------------------

    def diff(self, e: sp.Expr, coordinate: str, order: int) -> sp.Expr:
        """∂ⁿe/∂xⁿ."""
        x = self.table.coordinates[coordinate]

        def exact(part: sp.Expr) -> sp.Expr:
            return sp.diff(part, x, order)

        return self._linear(e, frozenset((coordinate,)), exact, lambda part: op.Diff(part, x, order))

    def lap(self, e: sp.Expr) -> sp.Expr:
        """Σ ∂²e/∂xᵢ²."""
        space = self.table.space

        def exact(part: sp.Expr) -> sp.Expr:
            return sp.Add(*(sp.diff(part, self.table.coordinates[c], 2) for c in space))

        def opaque(part: sp.Expr) -> sp.Expr:
            return self._by_axes(part) if self._has_closed_factor(part) else op.Lap(part)

        return self._linear(e, frozenset(space), exact, opaque)

    def _has_closed_factor(self, product: sp.Expr) -> bool:
        """Whether a product does not vary along some axis, or what of it does is a closed form: then its second difference there
        is nothing, or its exact derivative."""
        factors = sp.Mul.make_args(product)
        return any(all(self.is_closed(f) for f in factors if c in self.varies(f)) for c in self.table.space)

    def _by_axes(self, e: sp.Expr) -> sp.Expr:
        return sp.Add(*(self.diff(e, c, 2) for c in self.table.space))

    def face_diff(self, e: sp.Expr, coordinate: str) -> sp.Expr:
        """∂e/∂x of a flux."""
        x = self.table.coordinates[coordinate]
        return self._linear(
            e, frozenset((coordinate,)), lambda part: sp.diff(part, x), lambda part: op.FaceDiff(part, x)
        )

    def biased(self, e: sp.Expr, coordinate: str, lower: int, upper: int) -> sp.Expr:
        """∂e/∂x by the cells j - lower … j + upper."""
        x = self.table.coordinates[coordinate]
        over = frozenset((coordinate,))
        return self._linear(e, over, lambda part: sp.diff(part, x), lambda part: op.Biased(part, x, lower, upper))

    def _linear(
        self,
        e: sp.Expr,
        over: frozenset[str],
        exact: Callable[[sp.Expr], sp.Expr],
        opaque: Callable[[sp.Expr], sp.Expr],
    ) -> sp.Expr:
        """A linear operator that annihilates what does not vary over `over`."""
        summands: list[sp.Expr] = []
        for a in sp.Add.make_args(e):
            outer = [f for f in sp.Mul.make_args(a) if not self.varies(f) & over]
            inner = [f for f in sp.Mul.make_args(a) if self.varies(f) & over]
            if not inner:
                continue
            part = sp.Mul(*inner)
            if isinstance(part, sp.Add):  # the factor was a number that SymPy had not distributed
                summands.extend(sp.Mul(*outer, self._linear(p, over, exact, opaque)) for p in part.args)
                continue
            applied = exact(part) if self.is_closed(part) else opaque(part)
            summands.extend(sp.Mul(*outer, p) for p in sp.Add.make_args(applied))
        return sp.Add(*summands) if summands else ZERO

    def has_derivative(self, e: sp.Expr) -> bool:
        """Whether a differential operator occurs in an expression."""
        return e.has(*op.DIFFERENTIAL)
