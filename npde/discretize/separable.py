"""Whether a linear operator is a sum of operators across one axis each, `L = Σ_a L_a`, so that a basis for every axis makes it
diagonal: fast diagonalization. R. Lynch, J. Rice, D. Thomas, Numer. Math. 6 (1964) 185-199.

What is accepted has a well-conditioned basis of real eigenvectors: `c ∂²u` with c the same in all cells, `∂(a ∂u)` with a varying
along the axis of its derivatives alone, and `r u` with r varying along one axis; between walls beyond order 2, whose closures
are not symmetric, only coefficients that do not vary. tests/discretize/test_discretize_closures.py has the conditions of the bases.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod

import sympy as sp

from npde.discretize.halo import halo
from npde.model.problem import LearnedCoefficient
from npde.symbolic import operators as op
from npde.symbolic.system import CoordinateMeaning, System

MOST_CELLS = 1024
"""Cells of an axis whose eigenvectors are found: a second or so."""

Parts = dict[sp.Symbol, sp.Expr]
"""What acts on each unknown in a rate, less multiples of the unknown itself that do not vary."""


def is_separable(system: System, linear: Sequence[sp.Expr], reach: Sequence[int], *, in_pairs: bool) -> bool:
    """Whether the linear parts are; of two or three axes with room for the stencils. `in_pairs`: real and imaginary part are one
    complex unknown, both parts of whose operator must then have one basis."""
    problem = system.problem
    cells = [n for _, n in problem.numerics.cells]
    if len(cells) < 2 or any(n < 2 * r + 1 for n, r in zip(cells, reach, strict=True)):
        return False
    if not _has_plain_walls(system):
        return False
    found = [_parts(e, system) for e in linear]
    if in_pairs:
        real, imaginary = found
        return real is not None and imaginary is not None and _share_a_basis(system, real, imaginary)
    own = zip(found, system.unknowns, strict=True)
    return all(parts is not None and parts.keys() <= {u.symbol} for parts, u in own)


def has_close_sum(system: System, expressions: Sequence[sp.Expr]) -> bool:
    """Whether the sum over the axes that is closest to an operator is worth preconditioning with: two or three axes, each with
    derivatives of even order across it, and few enough cells for its eigenvectors."""
    cells = [n for _, n in system.problem.numerics.cells]
    if len(cells) < 2 or max(cells) > MOST_CELLS:
        return False
    found = {o for e in expressions for o in e.atoms(op.Lap, op.Diff, op.FaceDiff)}
    across = {str(o.args[1]) for o in found if isinstance(o, op.FaceDiff) and o.args[0].has(op.Diff)}
    across |= {str(o.args[1]) for o in found if isinstance(o, op.Diff) and int(o.args[2]) % 2 == 0}
    return any(isinstance(o, op.Lap) for o in found) or across == {c.name for c in system.problem.space}


def is_worthwhile(cells: Sequence[int], reach: Sequence[int]) -> bool:
    """Whether finding the bases (25 n³ operations an axis) takes less than a block-tridiagonal factorization (5 N m², m unknowns a
    block): everywhere but on long and narrow grids."""
    block = max(max(reach[0], 1) * prod(cells[1:]), 32)
    return 25 * sum(n**3 for n in cells) < 5 * prod(cells) * block**2


def has_symmetric_walls(system: System) -> bool:
    """Whether every ghost cell mirrors the cell next to its wall: order 2, one ghost cell read. Then each axis is symmetric."""
    return system.problem.numerics.order == 2 and max(halo(system.rates, system, 2).values(), default=0) <= 1


def _has_plain_walls(system: System) -> bool:
    """Whether each wall states one condition on the value and the slope, the same all along it and for all samples."""
    problem = system.problem
    sides = [(w.unknown, w.coordinate, w.side) for w in system.walls]
    plain = all(len(w.coefficients) <= 2 and not _varies(w.coefficients, system) for w in system.walls)
    if problem.absorbing or problem.outflows or len(set(sides)) != len(sides) or not plain:
        return False
    return not sides or problem.numerics.order > 2 or has_symmetric_walls(system)


def _varies(expressions: Sequence[sp.Expr], system: System) -> bool:
    return any(_axes(e, system) != set() for e in expressions)


def _parts(e: sp.Expr, system: System) -> Parts | None:
    """None if a term looks along more than one axis, or is of another kind."""
    unknowns = {u.symbol for u in system.unknowns}
    found: Parts = {}
    terms = (t for summand in sp.Add.make_args(e) for t in sp.Add.make_args(sp.expand_mul(summand, deep=False)))
    for term in terms:
        moving = [f for f in sp.Mul.make_args(term) if f.free_symbols & unknowns]
        if not moving:
            continue
        if len(moving) > 1:
            return None
        factor = sp.Mul(*(f for f in sp.Mul.make_args(term) if f is not moving[0]))
        over = _axes(factor, system)
        symbol = next(iter(moving[0].free_symbols & unknowns))
        if over is None or not _is_along_one_axis(moving[0], symbol, over, system):
            return None
        fixed = moving[0] == symbol and not over
        found[symbol] = found.get(symbol, sp.Integer(0)) + (0 if fixed else term)
    return found


def _is_along_one_axis(e: sp.Expr, u: sp.Symbol, over: set[str], system: System) -> bool:
    """Whether what acts on u, times a factor that varies over some axes, is an operator of one kind above."""
    fixed = system.problem.numerics.order > 2 and bool(system.walls)
    match e:
        case sp.Symbol():
            return len(over) <= (0 if fixed else 1)
        case op.Lap() | op.Diff() if e.args[0] == u:
            return not over and (isinstance(e, op.Lap) or int(e.args[2]) == 2)
        case op.FaceDiff(args=(flux, x)):
            slope = op.Diff(u, x, 1)
            factors = sp.Mul.make_args(flux)
            within = _axes(sp.Mul(*(f for f in factors if f != slope)), system)
            return not over and slope in factors and within is not None and within <= (set() if fixed else {str(x)})
        case _:
            return False


def _axes(e: sp.Expr, system: System) -> set[str] | None:
    """The space coordinates that a coefficient varies over; None if it is no number a cell, or differs by sample or step."""
    space = {c.name for c in system.problem.space}
    meanings: Mapping[sp.Symbol, object] = dict(system.symbols)
    if e.has(op.GridOperator):
        return None
    found: set[str] = set()
    for symbol in e.free_symbols:
        match meanings.get(symbol):
            case CoordinateMeaning(name=name):
                found.add(name)
            case LearnedCoefficient(coordinates=over, shape=shape) if not shape:
                found |= set(over)
            case _:
                return None
    return found if found <= space else None


def _share_a_basis(system: System, real: Parts, imaginary: Parts) -> bool:
    """Whether the two parts of A + iB, from `(A a - B b, B a + A b)`, are multiples of one operator, but for constants."""
    a = system.unknowns[0].symbol
    first, second = real.get(a, sp.Integer(0)), imaginary.get(a, sp.Integer(0))
    if first == 0 or second == 0:
        return True
    ratio = sp.Add.make_args(second)[0] / sp.Add.make_args(first)[0]
    return not ratio.has(op.GridOperator) and _axes(ratio, system) == set() and sp.expand(second - ratio * first) == 0
