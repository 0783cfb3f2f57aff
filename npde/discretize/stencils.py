"""Finite-difference stencils on a uniform grid: exact rational weights, any derivative, any even order.

    f^(m)(x) = h^(-m) Σ_k w_k f(x + s_k h) + O(h^p)

Weights come from Fornberg's recursion for the interpolating polynomial (B. Fornberg, Generation of finite difference
formulas on arbitrarily spaced grids, Math. Comp. 51 (1988) 699-706).
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import cache
from math import comb

from npde.diagnostics import InternalError
from npde.discretize.scheme import Stencil


def weights(points: Sequence[Fraction], derivative: int, at: Fraction = Fraction(0)) -> tuple[Fraction, ...]:
    """Weights w_k with Σ_k w_k f(points[k]) = f^(derivative)(at), exact for polynomials of degree < len(points).

    Raises:
        InternalError: fewer points than the derivative needs, or two of them coincide.
    """
    if len(points) <= derivative or len(set(points)) < len(points):
        raise InternalError(f"no weights of derivative {derivative} on the points {points}")
    count = len(points)
    table = [[Fraction(0)] * count for _ in range(derivative + 1)]
    table[0][0] = Fraction(1)
    scale = Fraction(1)
    for n in range(1, count):
        product = Fraction(1)
        previous = [row[n - 1] for row in table]
        for k in range(n):
            gap = points[n] - points[k]
            product *= gap
            for m in range(min(n, derivative), -1, -1):
                lower = table[m - 1][k] if m else Fraction(0)
                table[m][k] = ((points[n] - at) * table[m][k] - m * lower) / gap
        for m in range(min(n, derivative), -1, -1):
            lower = previous[m - 1] if m else Fraction(0)
            table[m][n] = scale / product * (m * lower - (points[n - 1] - at) * previous[m])
        scale = product
    return tuple(table[derivative])


def radius(derivative: int, order: int) -> int:
    """Cells on each side that a centered stencil reads: ⌊(m + 1)/2⌋ + p/2 - 1."""
    return (derivative + 1) // 2 + order // 2 - 1


@cache
def centered(derivative: int, order: int) -> Stencil:
    """The centered stencil of ∂^m of even order p: the narrowest that has it, on whole cells."""
    reach = radius(derivative, order)
    return _stencil(tuple(Fraction(k) for k in range(-reach, reach + 1)), derivative, order)


@cache
def biased(lower: int, upper: int) -> Stencil:
    """The first derivative by the cells -lower … upper, of order lower + upper; on as many cells on either side, for which the
    weight of the last may be zero."""
    reach = max(lower, upper)
    own = dict(zip(range(-lower, upper + 1), weights([Fraction(k) for k in range(-lower, upper + 1)], 1), strict=True))
    offsets = tuple(range(-reach, reach + 1))
    found = tuple(own.get(k, Fraction(0)) for k in offsets)
    return Stencil(tuple(Fraction(k) for k in offsets), found, 1, lower + upper)


@cache
def dissipation(order: int) -> Stencil:
    """β_k (-1)^{k-1} δ^n from cells to the face between them, n = 2k - 1 = `order`: alternating binomials."""
    k = (order + 1) // 2
    scale = Fraction((-1) ** (k - 1), k * comb(2 * k, k))
    points = _half_points(2 * k)
    found = tuple(scale * (-1) ** (order - i) * comb(order, i) for i in range(2 * k))
    return Stencil(points, found, 0, order)


@cache
def staggered(order: int) -> Stencil:
    """The first derivative half a cell away, on p points: from cells to the face between them, or from faces to a cell."""
    return _stencil(_half_points(order), 1, order)


@cache
def interpolation(order: int) -> Stencil:
    """The value at a face from p cells."""
    return _stencil(_half_points(order), 0, order)


def _half_points(order: int) -> tuple[Fraction, ...]:
    return tuple(Fraction(2 * k + 1, 2) for k in range(-order // 2, order // 2))


def _stencil(offsets: tuple[Fraction, ...], derivative: int, order: int) -> Stencil:
    return Stencil(offsets, weights(offsets, derivative), derivative, order)
