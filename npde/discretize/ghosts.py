"""Ghost cells: the polynomial through the wall condition and the nearest q interior cells.

With s the distance from the wall into the domain in cells, cell j at s_j = j + 1/2, L_j the Lagrange polynomials of the q cells,
Φ(s) = Π_j (s - s_j), and B[p] = Σ_m c_m (-1/h)^m p^(m)(0) the condition (n points outward):

    p = Σ_j u_j L_j + γ Φ,      B[p] = g,      ghost_k = p(-k - 1/2) = Σ_j (L_j - Φ B[L_j]/B[Φ]) u_j + (Φ/B[Φ]) g

q is the order of the scheme, except q = 1 at order 2 (the ghost cell then mirrors cell 0 through the wall).
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import cache

import sympy as sp

from npde.discretize.scheme import Axis, GhostRule
from npde.symbolic.system import Wall

Polynomial = tuple[Fraction, ...]
"""Coefficients, the constant first."""


class SingularWall(Exception):
    """The condition does not determine the ghost cells on this grid."""


def interior_cells(order: int) -> int:
    """q: interior cells a ghost polynomial passes through."""
    return 1 if order == 2 else order


def rule(wall: Wall, axis: Axis, order: int, width: int) -> GhostRule:
    """The ghost cells of one unknown at one side, `width` of them.

    Raises:
        SingularWall: B[Φ] = 0, so that no polynomial meets the condition.
    """
    q = interior_cells(order)
    basis, product = lagrange(q)
    h = _number(axis.spacing)
    slopes = [sp.Mul(c, sp.Pow(-h, -m)) for m, c in enumerate(wall.coefficients)]

    def condition(p: Polynomial) -> sp.Expr:
        terms = [sp.Mul(c, _rational(derivative_at_zero(p, m))) for m, c in enumerate(slopes)]
        return sp.Add(*terms)

    below = condition(product)
    if below == 0:
        raise SingularWall
    cells = [condition(p) for p in basis]
    weights, data = [], []
    for k in range(width):
        at = Fraction(-2 * k - 1, 2)
        share = sp.Mul(_rational(evaluate(product, at)), sp.Pow(below, -1))
        weights.append(tuple(_weight(evaluate(p, at), share, b) for p, b in zip(basis, cells, strict=True)))
        data.append(share)
    return GhostRule(wall.unknown, wall.coordinate, wall.side, tuple(weights), tuple(data), wall.data)


def _weight(value: Fraction, share: sp.Expr, condition: sp.Expr) -> sp.Expr:
    return (
        sp.together(_rational(value) - share * condition)
        if share.free_symbols
        else _rational(value) - share * condition
    )


@cache
def lagrange(q: int) -> tuple[tuple[Polynomial, ...], Polynomial]:
    """L_0 … L_{q-1} and Φ for the cells 1/2, 3/2, …"""
    points = [Fraction(2 * j + 1, 2) for j in range(q)]
    basis = []
    for j, own in enumerate(points):
        p: Polynomial = (Fraction(1),)
        for k, other in enumerate(points):
            if k != j:
                p = tuple(c / (own - other) for c in _times_root(p, other))
        basis.append(p)
    product: Polynomial = (Fraction(1),)
    for point in points:
        product = _times_root(product, point)
    return tuple(basis), product


def _times_root(p: Polynomial, root: Fraction) -> Polynomial:
    """p(s) (s - root)."""
    shifted = (Fraction(0), *p)
    return tuple(a - root * b for a, b in zip(shifted, (*p, Fraction(0)), strict=True))


def evaluate(p: Sequence[Fraction], s: Fraction) -> Fraction:
    """p(s)."""
    value = Fraction(0)
    for c in reversed(p):
        value = value * s + c
    return value


def derivative_at_zero(p: Sequence[Fraction], m: int) -> Fraction:
    """p^(m)(0) = m! p_m."""
    if m >= len(p):
        return Fraction(0)
    factorial = 1
    for k in range(2, m + 1):
        factorial *= k
    return factorial * p[m]


def _rational(value: Fraction) -> sp.Expr:
    return sp.Rational(value.numerator, value.denominator)


def _number(value: Fraction | float) -> sp.Expr:
    return _rational(value) if isinstance(value, Fraction) else sp.Float(value)
