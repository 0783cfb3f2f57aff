"""Ghost cells: the polynomial through the wall conditions and the nearest q interior cells.

With s the distance from the wall into the domain in cells, cell j at s_j = j + 1/2, L_j the Lagrange polynomials of the q cells,
Φ(s) = Π_j (s - s_j), and B_i[p] = Σ_m c_im (-1/h)^m p^(m)(0) the r conditions there (n points outward):

    p = Σ_j u_j L_j + Σ_{i<r} γ_i s^i Φ,    B_i[p] = g_i,    ghost_k = p(-k - 1/2)

so that with M_ic = B_i[s^c Φ] the weight of g_i is Σ_c (s^c Φ)(-k - 1/2) (M⁻¹)_ci, and that of u_j is L_j(-k - 1/2) less these
times B_i[L_j].

q is the order of the scheme, except that at order 2, where equations read one ghost cell, it mirrors cell 0 through the wall, and
that beyond order 2 a third derivative among the conditions takes one cell more: it states the flux of a fourth derivative.
Where waves of a first-order system are reflected, ghost k mirrors cell k through the wall at every order: the linear polynomial
through both. The extended fields are then odd and even, the central differences of one skew to those of the other, and nothing
grows; the polynomials above let sound in a closed duct grow at order 4.
Where no condition is stated (outflow), p passes through as many cells as the order, and the last cells see one-sided differences.

Eigenvalues of the closed operators: tests/discretize/test_discretize_closures.py; B. Gustafsson, The convergence rate for
difference approximations to mixed initial boundary value problems, Math. Comp. 29 (1975) 396-406, for orders at walls.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import cache

import sympy as sp

from npde.discretize.scheme import Axis, GhostRule
from npde.model.problem import Side
from npde.symbolic.system import Wall

Polynomial = tuple[Fraction, ...]
"""Coefficients, the constant first."""


class SingularWall(Exception):
    """The conditions do not determine the ghost cells on this grid."""


def interior_cells(order: int) -> int:
    """q: interior cells that the first ghost polynomial passes through, where one ghost cell is read."""
    return 1 if order == 2 else order


def rule(
    walls: Sequence[Wall], axis: Axis, order: int, width: int, read: int = 1, *, reflects: bool = False
) -> GhostRule:
    """The ghost cells of one unknown at one side, `width` of them, from all its conditions there; `read` by the equations. With
    `reflects` every ghost cell mirrors its own cell.

    Raises:
        SingularWall: M is singular, so that no polynomial meets the conditions.
    """
    mirrors = order == 2 and read <= 1 and len(walls) == 1
    cells = order + states_flux(walls) if order > 2 else order
    if reflects:
        length = width
    else:
        length = cells if width > 1 or not mirrors else 1
    h = _number(axis.spacing)
    factors = [[sp.Mul(c, sp.Pow(-h, -m)) for m, c in enumerate(wall.coefficients)] for wall in walls]
    weights, shares = [], []
    for k in range(width):
        basis, powers = _mirrored(k) if reflects else _through(1 if mirrors and k == 0 else cells, len(walls))
        inverse = _inverse([[_applied(row, p) for p in powers] for row in factors])
        at = Fraction(-2 * k - 1, 2)
        own = [_rational(evaluate(p, at)) for p in powers]
        share = [sp.Add(*(sp.Mul(v, inverse[c][i]) for c, v in enumerate(own))) for i in range(len(walls))]
        row = tuple(_weight(evaluate(p, at), share, [_applied(b, p) for b in factors]) for p in basis)
        weights.append(row + (sp.Integer(0),) * (length - len(row)))
        shares.append(tuple(share))
    first = walls[0]
    data = tuple(wall.data for wall in walls)
    return GhostRule(first.unknown, first.coordinate, first.side, tuple(weights), tuple(shares), data)


def states_flux(walls: Sequence[Wall]) -> bool:
    """Whether a third derivative is among the conditions."""
    return any(len(wall.coefficients) > 3 for wall in walls)


def outflow(unknown: sp.Symbol, axis: Axis, side: Side, order: int, width: int) -> GhostRule:
    """Ghost cells where no condition is stated: the polynomial through the nearest cells, as many as the order."""
    basis, _ = lagrange(order)
    weights = [tuple(_rational(evaluate(p, Fraction(-2 * k - 1, 2))) for p in basis) for k in range(width)]
    return GhostRule(unknown, axis.name, side, tuple(weights), ((),) * width, ())


def _applied(condition: Sequence[sp.Expr], p: Polynomial) -> sp.Expr:
    """B[p]."""
    return sp.Add(*(sp.Mul(c, _rational(derivative_at_zero(p, m))) for m, c in enumerate(condition)))


def _inverse(matrix: list[list[sp.Expr]]) -> list[list[sp.Expr]]:
    """The inverse of the conditions on s^c Φ."""
    if len(matrix) == 1:
        determinant = matrix[0][0]
        adjugate = [[sp.Integer(1)]]
    else:
        whole = sp.Matrix(matrix)
        determinant, adjugate = sp.expand(whole.det(method="berkowitz")), whole.adjugate().tolist()
    if determinant == 0:
        raise SingularWall
    return [[sp.Mul(e, sp.Pow(determinant, -1)) for e in row] for row in adjugate]


def _weight(value: Fraction, share: Sequence[sp.Expr], conditions: Sequence[sp.Expr]) -> sp.Expr:
    whole = _rational(value) - sp.Add(*(s * b for s, b in zip(share, conditions, strict=True)))
    return sp.together(whole) if whole.free_symbols else whole


def _through(cells: int, conditions: int) -> tuple[tuple[Polynomial, ...], tuple[Polynomial, ...]]:
    """L_j of the nearest cells, and s^i Φ for i < `conditions`."""
    basis, product = lagrange(cells)
    return basis, tuple((Fraction(0),) * i + product for i in range(conditions))


def _mirrored(k: int) -> tuple[tuple[Polynomial, ...], tuple[Polynomial, ...]]:
    """The constant 1 for cell k and none for those before it, and s - s_k for one condition."""
    before: Polynomial = (Fraction(0),)
    return (*(before,) * k, (Fraction(1),)), (_times_root((Fraction(1),), Fraction(2 * k + 1, 2)),)


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
