"""What is known about a term: polynomial degree, derivatives, dependence on position.

Everything is found by one walk over the expression and errs on the careful side: a term that is linear only after a
cancellation is called nonlinear.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

import sympy as sp

from npde.model.problem import Input, LearnedClosure, LearnedCoefficient, LearnedStencil, Problem
from npde.source import Span
from npde.symbolic import operators as op
from npde.symbolic.calculus import Calculus, values
from npde.symbolic.system import CoordinateMeaning, Meaning, Term, Unknown

NONLINEAR = 99
"""The degree of what is no polynomial."""

LARGEST_CLASSIFIED = 5000
"""Operations of a term that are looked at; larger ones count as nonlinear with variable coefficients."""

LINEAR_OPERATORS = (
    op.Diff, op.Lap, op.FaceDiff, op.Biased,
    op.Component, op.Stack, op.IntegralOf, op.MeanOf, op.SumOf, op.RegionsOf, op.LiftOf, op.LinearOf,
)  # fmt: skip
PRODUCTS = (op.FluxDissipation, op.MatVec, op.DotProduct, op.KernelApply, op.Nonlocal, op.NonlocalConvolution)
"""Operators that are linear in each of their first two arguments."""

LOCAL = (op.Component, op.Stack, op.MatVec, op.DotProduct, op.ClosureApply)
"""Operators that act on the components of one cell."""


def degrees(e: sp.Expr, symbols: Collection[sp.Expr]) -> frozenset[int]:
    """The degrees of the monomials of `e` in `symbols`: {0} free of them, {1} linear, {0, 1} affine; NONLINEAR in it if `e` is no
    polynomial. Operators on the grid count as linear (their boundary data, which is affine, left out)."""
    memo: dict[sp.Expr, frozenset[int]] = {}
    chosen = frozenset(symbols)

    def find(a: sp.Expr) -> frozenset[int]:
        if a not in memo:
            memo[a] = look(a) if a.free_symbols & chosen else frozenset((0,))
        return memo[a]

    def look(a: sp.Expr) -> frozenset[int]:
        if isinstance(a, sp.Symbol):
            return frozenset((1,))
        if isinstance(a, sp.Add):
            return frozenset().union(*(find(x) for x in a.args))
        if isinstance(a, sp.Mul):
            return _product([find(x) for x in a.args])
        if isinstance(a, sp.Pow) and a.exp.is_Integer and 0 < a.exp <= 16:
            return _product([find(a.base)] * int(a.exp))
        if isinstance(a, op.KernelAdjoint):
            return _product([find(a.args[0]), find(a.args[1])])
        if isinstance(a, LINEAR_OPERATORS):
            return frozenset().union(*(find(x) for x in values(a)))
        if isinstance(a, PRODUCTS):
            return _product([find(a.args[0]), find(a.args[1])])
        if isinstance(a, op.NoiseOf):
            return find(a.args[1])
        if isinstance(a, op.Where) and not a.args[0].free_symbols & chosen:
            return find(a.args[1]) | find(a.args[2])
        return frozenset((NONLINEAR,))

    return find(e)


def _product(factors: list[frozenset[int]]) -> frozenset[int]:
    whole = frozenset((0,))
    for f in factors:
        whole = frozenset(min(a + b, NONLINEAR) for a in whole for b in f)
    return whole


def derivative_order(e: sp.Expr, dimension: int) -> int:
    """The highest derivative in an expression, nested ones added up; a learned stencil counts as order 2."""
    inner = max((derivative_order(a, dimension) for a in values(e)), default=0)
    match e:
        case op.Diff():
            return inner + int(e.args[2])
        case op.Lap() | op.KernelApply() | op.KernelAdjoint():
            return inner + 2
        case op.FaceDiff() | op.Biased() | op.FluxDissipation():
            return inner + 1
        case _:
            return inner


def is_pointwise(e: sp.Expr) -> bool:
    """Whether a value at a cell needs nothing but that cell."""
    return all(isinstance(a, LOCAL) for a in e.atoms(op.GridOperator))


@dataclass
class Classifier:
    """Terms of one system."""

    problem: Problem
    calculus: Calculus
    meanings: dict[sp.Symbol, Meaning]
    unknowns: frozenset[sp.Symbol]
    _steady: dict[sp.Expr, bool] = field(default_factory=dict)

    def term(self, e: sp.Expr, span: Span) -> Term:
        """One summand with all that is known about it."""
        symbols = e.free_symbols
        order = derivative_order(e, len(self.problem.space))
        source = not symbols & self.unknowns
        if e.count_ops() > LARGEST_CLASSIFIED:
            return Term(e, False, False, False, source, order, (), span)
        found = degrees(e, self.unknowns)
        constant, conservative = self.is_constant(e), self.is_conservative(e)
        return Term(
            e, found == {1}, constant, conservative, source, order, self.affine_in(e), span, affine=found == {0, 1}
        )

    def is_constant(self, e: sp.Expr) -> bool:
        """Whether no coefficient in an expression varies over space or time."""
        found = self._steady.get(e)
        if found is None:
            found = self._steady[e] = self._find_constant(e)
        return found

    def _find_constant(self, e: sp.Expr) -> bool:
        if not isinstance(e, sp.Symbol):
            return not isinstance(e, op.Nonlocal | op.NoiseOf) and all(self.is_constant(a) for a in values(e))
        match self.meanings.get(e):
            case Unknown() | LearnedClosure():
                return True
            case CoordinateMeaning():
                return False
            case LearnedCoefficient(coordinates=over) | Input(coordinates=over):
                return not over
            case LearnedStencil(per_step=per_step):
                return not per_step
            case _:
                return True

    def is_conservative(self, e: sp.Expr) -> bool:
        """Whether an expression is a constant times a discrete divergence: it sums to zero over a periodic grid."""
        inside = [f for f in sp.Mul.make_args(e) if self.calculus.varies(f) & frozenset(self.calculus.table.space)]
        return len(inside) == 1 and isinstance(inside[0], op.DIFFERENTIAL)

    def affine_in(self, e: sp.Expr) -> tuple[str, ...]:
        """The learned names an expression is affine in, each by itself, in order of declaration."""
        present = {s.name for s in e.free_symbols}
        return tuple(
            learned.name
            for learned in self.problem.learned
            if learned.name in present and degrees(e, (self.calculus.table.named[learned.name],)) <= {0, 1}
        )
