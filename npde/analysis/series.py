"""Variations of rates and the trees of a Runge-Kutta method: what leading errors in time are made of.

    F'(q) v            the variation of a rate along v
    F^(m)(v₁, …, v_m)  the m-th variation, symmetric in its arguments

A rooted tree τ with subtrees τ₁ … τ_m stands for the elementary differential F(τ) = F^(m)(F(τ₁), …, F(τ_m)). One step of a
method of order p solves, to leading order, q' = F(q) + dt^p Σ_{|τ| = p + 1} (Φ(τ) - 1/γ(τ))/σ(τ) F(τ), with the weight
Φ(τ) = Σ b_i Π_j (a Φ(τ_j))_i, the density γ and the symmetry σ of the tree (E. Hairer, C. Lubich, G. Wanner, Geometric
Numerical Integration, sections III.1 and IX.9).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from itertools import combinations_with_replacement
from math import factorial, prod

import sympy as sp

from npde.discretize.scheme import ButcherTableau
from npde.symbolic import operators as op
from npde.symbolic.calculus import COORDINATE_ARGUMENTS
from npde.symbolic.classify import LINEAR_OPERATORS, PRODUCTS

Tree = tuple["Tree", ...]
"""A rooted tree: its subtrees in order."""

Vector = tuple[sp.Expr, ...]
"""One expression for each unknown."""


class NoVariation(Exception):
    """An expression holds what has no variation in closed form: a learned network, an absolute value."""


def variation(e: sp.Expr, along: Mapping[sp.Symbol, sp.Expr]) -> sp.Expr:
    """d/dε of an expression with every symbol s of `along` moved to s + ε along[s].

    Raises:
        NoVariation: it holds a function without a derivative.
    """
    if not e.free_symbols & along.keys():
        return sp.Integer(0)
    match e:
        case sp.Symbol():
            return along[e]
        case sp.Add():
            return sp.Add(*(variation(a, along) for a in e.args))
        case sp.Mul() | op.MatVec() | op.DotProduct() | op.Nonlocal() | op.NonlocalConvolution() | op.KernelApply():
            count = len(e.args) if isinstance(e, sp.Mul | op.DotProduct) else 2
            return sp.Add(*(_replaced(e, k, variation(e.args[k], along)) for k in range(count)))
        case sp.Pow() if not e.exp.free_symbols & along.keys():
            return e.exp * e.base ** (e.exp - 1) * variation(e.base, along)
        case op.Stack():
            return op.Stack(*(variation(a, along) for a in e.args))
        case _ if isinstance(e, LINEAR_OPERATORS):
            return _replaced(e, 0, variation(e.args[0], along))
        case _ if isinstance(e, op.GridOperator | op.Where | op.Step) or not isinstance(e, sp.Function):
            raise NoVariation(type(e).__name__)
        case _:
            return sp.Add(*(e.fdiff(k + 1) * variation(a, along) for k, a in enumerate(e.args)))


def _replaced(e: sp.Expr, k: int, part: sp.Expr) -> sp.Expr:
    if part == 0:
        return sp.Integer(0)
    return e.func(*e.args[:k], part, *e.args[k + 1 :])


@dataclass(frozen=True)
class Flow:
    """Rates F of the unknowns, the marching coordinate among what moves where they depend on it."""

    unknowns: tuple[sp.Symbol, ...]
    rates: Vector
    time: sp.Symbol | None = None

    def along(self, directions: Sequence[Vector]) -> Vector:
        """F^(m)(v₁, …, v_m); a direction has one more entry than there are unknowns where time moves."""
        moving = (*self.unknowns, *([self.time] if self.time is not None else []))
        found = self.rates
        back: dict[sp.Symbol, sp.Expr] = {}
        for direction in directions:
            stand_ins = {s: sp.Dummy(real=True) for s in moving}
            back |= {stand_ins[s]: v for s, v in zip(moving, direction, strict=True)}
            found = tuple(variation(e, stand_ins) for e in found)
        return tuple(_inserted(e, back) for e in found)

    def _moved(self, vector: Vector, is_root_alone: bool) -> Vector:
        return vector if self.time is None else (*vector, sp.Integer(1 if is_root_alone else 0))

    def differential(self, tree: Tree) -> Vector:
        """The elementary differential F(τ)."""
        below = [self._moved(self.differential(t), not t) for t in tree]
        return self.along(below)

    def derivative(self, g: Vector) -> Vector:
        """dg/dt along the flow: g' F + ∂g/∂t."""
        return Flow(self.unknowns, g, self.time).along([self._moved(self.rates, True)])


def _inserted(e: sp.Expr, values_of: Mapping[sp.Symbol, sp.Expr]) -> sp.Expr:
    if not e.free_symbols & values_of.keys():
        return e
    if isinstance(e, sp.Symbol):
        return values_of[e]
    parts = tuple(_inserted(a, values_of) for a in e.args)
    linear = isinstance(e, (*LINEAR_OPERATORS, *PRODUCTS))
    if linear and any(part == 0 for part in parts[: COORDINATE_ARGUMENTS.get(type(e), 2)]):
        return sp.Integer(0)
    return e.func(*parts)


# --- trees ------------------------------------------------------------------------------------------------------------


@cache
def trees(order: int) -> tuple[Tree, ...]:
    """All rooted trees with so many nodes."""
    if order == 1:
        return ((),)
    return tuple(tree for sizes in _partitions(order - 1, order - 1) for tree in _forests(sizes))


def _partitions(total: int, largest: int) -> Iterator[tuple[int, ...]]:
    if total == 0:
        yield ()
    for first in range(min(total, largest), 0, -1):
        yield from ((first, *rest) for rest in _partitions(total - first, first))


def _forests(sizes: Sequence[int]) -> Iterator[Tree]:
    if not sizes:
        yield ()
        return
    same = [n for n in sizes if n == sizes[0]]
    for group in combinations_with_replacement(trees(sizes[0]), len(same)):
        yield from ((*group, *rest) for rest in _forests(sizes[len(same) :]))


def size(tree: Tree) -> int:
    """|τ|: its nodes."""
    return 1 + sum(size(t) for t in tree)


def density(tree: Tree) -> int:
    """γ(τ)."""
    return size(tree) * prod(density(t) for t in tree)


def symmetry(tree: Tree) -> int:
    """σ(τ): the order of its automorphism group."""
    counts: dict[Tree, int] = {}
    for t in tree:
        counts[t] = counts.get(t, 0) + 1
    return prod(factorial(n) * symmetry(t) ** n for t, n in counts.items())


def weight(tree: Tree, tableau: ButcherTableau) -> Fraction:
    """Φ(τ) = Σ_i b_i Π_j (a Φ(τ_j))_i."""
    inner = _stage_weights(tree, tableau)
    return sum((b * w for b, w in zip(tableau.b, inner, strict=True)), Fraction(0))


def _stage_weights(tree: Tree, tableau: ButcherTableau) -> tuple[Fraction, ...]:
    below = [_stage_weights(t, tableau) for t in tree]
    applied = [[sum((x * y for x, y in zip(row, w, strict=True)), Fraction(0)) for row in tableau.a] for w in below]
    return tuple(prod((w[i] for w in applied), start=Fraction(1)) for i in range(len(tableau.b)))


def error_weights(tableau: ButcherTableau) -> tuple[tuple[Tree, Fraction], ...]:
    """The trees of order p + 1 whose conditions a tableau of order p fails, with (Φ - 1/γ)/σ."""
    found = []
    for tree in trees(tableau.order + 1):
        defect = weight(tree, tableau) - Fraction(1, density(tree))
        if defect:
            found.append((tree, defect / symmetry(tree)))
    return tuple(found)


__all__ = ["Flow", "NoVariation", "Tree", "Vector", "error_weights", "trees", "variation", "weight"]
