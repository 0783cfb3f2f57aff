"""Whether the matrix of a linear steady problem is symmetric and definite, proved from its form.

A sum of `c ∂²u`, `div(a grad u)` and `-r u` with c, a positive, c the same along the axis of its derivative, and r not negative
(or all signs turned) is: its stencils are symmetric on periodic axes at every order, and between walls at order 2, whose ghost
cells mirror one cell. Where no r and no wall holds the field, constants are annihilated, and the matrix is definite on the rest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import sympy as sp

from npde.discretize.halo import halo
from npde.model.problem import LearnedCoefficient
from npde.symbolic import operators as op
from npde.symbolic.system import CoordinateMeaning, System


def is_definite(system: System, linear: Sequence[sp.Expr]) -> bool:
    """Whether the matrix of the linear parts is symmetric and definite."""
    return definiteness(system, linear) != 0


def definiteness(system: System, linear: Sequence[sp.Expr]) -> int:
    """1 if the matrix of the linear parts is symmetric and positive definite, -1 if negative, 0 if neither is proved."""
    if len(linear) != 1 or system.unknowns[0].shape:
        return 0
    walled = any(c.name not in system.problem.periodic for c in system.problem.space)
    if walled and not _mirrors(system):
        return 0
    if not all(_wall_sign(w.coefficients, system) for w in system.walls):
        return 0
    signs = {_sign(term, system) for term in _terms(linear[0], system.unknowns[0].symbol)}
    return signs.pop() if len(signs) == 1 else 0


def _terms(e: sp.Expr, u: sp.Symbol) -> Iterator[sp.Expr]:
    """The summands; products are written out only where sums in them hold the unknown, so that `1 + y²` is seen as a whole."""
    for summand in sp.Add.make_args(e):
        sums = [f for f in sp.Mul.make_args(summand) if isinstance(f, sp.Add) and u in f.free_symbols]
        yield from sp.Add.make_args(sp.expand_mul(summand, deep=False)) if sums else (summand,)


def _mirrors(system: System) -> bool:
    """Whether every ghost cell mirrors the cell next to its wall: order 2, one condition a side, one ghost cell read."""
    problem = system.problem
    if problem.numerics.order > 2 or problem.absorbing or problem.outflows:
        return False
    read = halo([*system.rates, *(p for o in system.outputs for p in o.parts)], system, problem.numerics.order)
    sides = [(w.unknown, w.coordinate, w.side) for w in system.walls]
    return max(read.values(), default=0) <= 1 and len(set(sides)) == len(sides)


def _wall_sign(coefficients: tuple[sp.Expr, ...], system: System) -> bool:
    """Whether a wall takes energy out: u, dn(u), or α u + β dn(u) with α/β positive."""
    alpha, beta = (*coefficients, sp.Integer(0))[:2]
    if alpha == 0 or beta == 0:
        return True
    return sign_of(alpha / beta, system) == 1


def _sign(term: sp.Expr, system: System) -> int:
    """1 if a term is a positive operator, -1 if a negative one, 0 if neither is known."""
    u = system.unknowns[0].symbol
    moving = [f for f in sp.Mul.make_args(term) if u in f.free_symbols]
    if len(moving) != 1:
        return 0
    factor = sp.Mul(*(f for f in sp.Mul.make_args(term) if f is not moving[0]))
    match moving[0]:
        case sp.Symbol():
            return _sign_or_square(factor, system)
        case op.Lap() if moving[0].args[0] == u:
            return -sign_of(factor, system) if _is_same_along(None, factor, system) else 0
        case op.Diff(args=(_, x, order)) if moving[0].args[0] == u and int(order) == 2:
            return -sign_of(factor, system) if _is_same_along(str(x), factor, system) else 0
        case op.FaceDiff(args=(_, x)):
            sign = _flux_sign(moving[0], u, system)
            return -sign * sign_of(factor, system) if _is_same_along(str(x), factor, system) else 0
        case _:
            return 0


def _flux_sign(e: sp.Expr, u: sp.Symbol, system: System) -> int:
    """The sign of a in `∂(a ∂u)`."""
    flux, x = e.args
    slope = op.Diff(u, x, 1)
    factors = sp.Mul.make_args(flux)
    if slope not in factors:
        return 0
    return sign_of(sp.Mul(*(f for f in factors if f != slope)), system)


def _is_same_along(axis: str | None, e: sp.Expr, system: System) -> bool:
    """Whether a value is the same in all cells of every line along an axis (None: in all cells): a factor that varies along the
    axis of a derivative breaks its symmetry; one that varies across it multiplies the symmetric matrix of each line."""
    problem = system.problem
    across = {c.name for c in problem.space if axis is not None and c.name != axis}
    held, meanings = {problem.marching, *across}, dict(system.symbols)

    def is_same(s: sp.Basic) -> bool:
        match meanings.get(s):
            case LearnedCoefficient(coordinates=over, shape=shape):
                return held.issuperset(over) and not shape
            case CoordinateMeaning(name=name):
                return name in held
            case _:
                return False

    return not e.has(op.GridOperator) and all(map(is_same, e.free_symbols))


def sign_of(e: sp.Expr, system: System) -> int:
    """1 where an expression is positive wherever it is defined, -1 where negative, by its form; 0 if that is not known."""
    meanings = dict(system.symbols)
    match e:
        case sp.Number() | sp.NumberSymbol():
            return 1 if e > 0 else -1 if e < 0 else 0
        case sp.Symbol():
            learned = meanings.get(e)
            kept = learned.constraint if isinstance(learned, LearnedCoefficient) else None
            if kept is not None and kept.lower is not None and kept.lower >= 0:
                return 1
            return -1 if kept is not None and kept.upper is not None and kept.upper <= 0 else 0
        case sp.exp() | op.Sigmoid() | op.Softplus() | sp.cosh():
            return 1
        case sp.Add():
            signs = {_sign_or_square(a, system) for a in e.args}
            return signs.pop() if len(signs) == 1 and any(sign_of(a, system) for a in e.args) else 0
        case sp.Mul():
            whole = 1
            for a in e.args:
                whole *= sign_of(a, system)
            return whole
        case sp.Pow():
            below = sign_of(e.base, system)
            if below == 1:
                return 1
            return below * (1 if e.exp.is_even else -1) * below if below and e.exp.is_integer else 0
        case _:
            return 0


def _sign_or_square(e: sp.Expr, system: System) -> int:
    """As `sign_of`; an even power of a real expression counts as positive beside what is."""
    found = sign_of(e, system)
    if found:
        return found
    factors = [f for f in sp.Mul.make_args(e) if not (isinstance(f, sp.Pow) and f.exp.is_even and f.exp > 0)]
    return sign_of(sp.Mul(*factors), system)
