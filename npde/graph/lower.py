"""Lowers SymPy expressions of a scheme to nodes of a block.

A value is asked for on a `Region`. An operator that looks at its neighbors asks for its operand on a larger one, down to the
unknowns, which are given ghost cells once, as many as the widest request. Lowering therefore runs twice: the first run only
collects the widths (`Lowering.requested`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import sympy as sp
from sympy.core.relational import Relational

from npde.graph.builder import joint
from npde.graph.graph import Region, Shape
from npde.graph.layers import (
    Pointwise,
)
from npde.graph.operators import OperatorLowering
from npde.symbolic import operators as op

DEEPEST = 8
"""Nesting of one pointwise expression; deeper parts become nodes of their own."""

LONGEST = 24
"""Summands or factors of one pointwise expression."""


@dataclass
class Lowering(OperatorLowering):
    """Expressions of `scheme` → nodes of `builder`. `unknowns` gives each unknown's node (interior, all its channels)."""

    _memo: dict[tuple[sp.Expr, Region, bool], str] = field(default_factory=dict)

    # --- shared facts -------------------------------------------------------------------------------------------------

    # --- values -------------------------------------------------------------------------------------------------------

    def value(self, expr: sp.Expr, region: Region, hint: str = "") -> str:
        """The node of `expr` on `region`."""
        key = (expr, region, self._at_wall)
        if key not in self._memo:
            self._memo[key] = self._value(expr, region, hint)
        return self._memo[key]

    def _value(self, expr: sp.Expr, region: Region, hint: str) -> str:
        if isinstance(expr, sp.Symbol | op.GridOperator):
            return self._leaf(expr, region)
        return self._pointwise(expr, region, hint or "term")

    def _pointwise(self, expr: sp.Expr, region: Region, hint: str) -> str:
        inputs: dict[str, sp.Symbol] = {}

        def node_symbol(name: str) -> sp.Expr:
            return inputs.setdefault(name, sp.Symbol(name, real=True))

        def apart(e: sp.Expr) -> sp.Expr:
            return node_symbol(self.value(e, region))

        def rebuild(e: sp.Expr, depth: int) -> sp.Expr:
            if isinstance(e, sp.Symbol | op.GridOperator):
                return apart(e)
            if not e.free_symbols and not e.has(op.GridOperator):
                return e
            fixed = self.hoists and not self.varies(e) and not isinstance(e, Relational)
            if depth and (depth >= DEEPEST or fixed):
                return apart(e)
            if isinstance(e, sp.Add | sp.Mul):
                return self._associative(e, depth, rebuild, apart)
            return e.func(*(rebuild(a, depth + 1) for a in e.args))

        body = rebuild(expr, 0)
        used = {n: s for n, s in inputs.items() if s in body.free_symbols}
        shape = joint([self.shape(n) for n in used]) if used else Shape(False, 1, (1,) * self.dimension)
        return self.builder.add(Pointwise(body, tuple(used.values())), tuple(used), shape, region, hint)

    def _associative(
        self,
        e: sp.Expr,
        depth: int,
        rebuild: Callable[[sp.Expr, int], sp.Expr],
        apart: Callable[[sp.Expr], sp.Expr],
    ) -> sp.Expr:
        """A sum or product: what does not vary during a march is set apart (it will be hoisted), long ones are cut."""
        arguments = list(sp.Add.make_args(e) if isinstance(e, sp.Add) else sp.Mul.make_args(e))
        fixed = [a for a in arguments if self.hoists and a.free_symbols and not self.varies(a)]
        if depth == 0 and len(fixed) == len(arguments):
            fixed = []
        if len(fixed) > 1 or (fixed and len(fixed) < len(arguments) and not fixed[0].is_Symbol):
            arguments = [a for a in arguments if a not in fixed]
            together = apart(e.func(*fixed))
        else:
            together = None
        if len(arguments) > LONGEST:
            pieces = [arguments[i : i + LONGEST] for i in range(0, len(arguments), LONGEST)]
            parts = [apart(e.func(*piece)) for piece in pieces]
        else:
            parts = [rebuild(a, depth + 1) for a in arguments]
        return e.func(*parts) if together is None else e.func(together, *parts)

    # --- leaves -------------------------------------------------------------------------------------------------------

    def _leaf(self, expr: sp.Expr, region: Region) -> str:
        if isinstance(expr, sp.Symbol):
            return self._symbol(expr, region)
        if isinstance(expr, op.Hold):
            return self._hold(expr, region)
        if isinstance(expr, op.Stretch):
            return self._stretch(expr, region)
        if region.face is not None and not isinstance(expr, op.Component | op.Stack | op.ClosureApply):
            return self._on_face(expr, region)
        match expr:
            case op.FluxDissipation():
                return self._dissipation(expr, region)
            case op.Diff() | op.Lap() | op.Biased():
                return self._differential(expr, region)
            case op.FaceDiff():
                return self._face_difference(expr, region)
            case op.KernelApply():
                return self._convolution(expr, region)
            case op.KernelAdjoint():
                return self._extended(self._adjoint(expr), region)
            case op.Nonlocal() | op.NonlocalConvolution():
                return self._nonlocal(expr, region)
            case op.IntegralOf() | op.MeanOf() | op.SumOf():
                return self._reduction(expr, region)
            case _:
                return self._components(expr, region)

    # --- operators ----------------------------------------------------------------------------------------------------
