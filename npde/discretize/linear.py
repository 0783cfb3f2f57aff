"""The linear part of a system: which terms it has, and how systems of equations with it are solved."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import sympy as sp

from npde.discretize.ghosts import interior_cells, states_flux
from npde.discretize.halo import halo, reach
from npde.discretize.scheme import LinearSolve, Mirrors
from npde.discretize.separable import has_symmetric_walls, is_separable, is_worthwhile
from npde.model.problem import Input, LearnedCoefficient, LearnedStencil
from npde.symbolic import operators as op
from npde.symbolic.calculus import REDUCING, values
from npde.symbolic.classify import Classifier
from npde.symbolic.context import calculus_of
from npde.symbolic.system import CoordinateMeaning, System, Term
from npde.symbolic.variation import variation

DIAGONAL = (op.Diff, op.Lap, op.FaceDiff, op.Biased, op.Component, op.Stack, op.MatVec, op.DotProduct)
"""Operators that a Fourier transform turns into multiplications (and mixing of components)."""

NONLOCAL = (*REDUCING, op.Nonlocal, op.NonlocalConvolution)
"""Operators that read whole axes."""


def classifier_of(system: System) -> Classifier:
    """What tells the kinds of a system's terms."""
    unknowns = frozenset(u.symbol for u in system.unknowns)
    return Classifier(system.problem, calculus_of(system), dict(system.symbols), unknowns)


def widths(system: System, expressions: Sequence[sp.Expr]) -> tuple[int, ...]:
    """How far the rows of a matrix look, an axis: stencils, and ghost polynomials next to walls."""
    problem = system.problem
    read = reach(expressions, system, problem.numerics.order)
    closure = interior_cells(problem.numerics.order) - 1 + states_flux(system.walls)
    found = []
    for c in problem.space:
        own = read.get(c.name, 0)
        found.append(max(own, closure) if own and c.name not in problem.periodic else own)
    return tuple(found)


def linear_solve(system: System, linear: Sequence[sp.Expr]) -> LinearSolve:
    """By what makes the matrix diagonal, else by block elimination."""
    reach = widths(system, linear)
    return diagonal_solve(system, linear, reach) or LinearSolve("block_lu", reach)


def diagonal_solve(system: System, linear: Sequence[sp.Expr], reach: tuple[int, ...]) -> LinearSolve | None:
    """By Fourier, sine and cosine transforms, or by fast diagonalization; None where neither makes the matrix diagonal."""
    signs = transforms(system, linear, reach)
    return _by_axes(system, linear, reach) if signs is None else LinearSolve("fft", reach, mirrors=signs)


def _by_axes(system: System, linear: Sequence[sp.Expr], reach: tuple[int, ...]) -> LinearSolve | None:
    """By fast diagonalization, where a basis for each axis makes the matrix diagonal."""
    if not reach or not is_worthwhile([n for _, n in system.problem.numerics.cells], reach):
        return None
    for in_pairs in (False, True):
        complex_linear = not in_pairs or is_complex_linear(system, linear)
        if complex_linear and is_separable(system, linear, reach, in_pairs=in_pairs):
            return LinearSolve("axes", reach, is_complex=in_pairs, symmetric=has_symmetric_walls(system))
    return None


def is_complex_linear(system: System, linear: Sequence[sp.Expr]) -> bool:
    """Whether the system is one complex field with L(i q) = i L(q): real and imaginary part are then one complex unknown.

    With q = (a, b), i q = (-b, a): L_re(-b, a) = -L_im(a, b) and L_im(-b, a) = L_re(a, b).
    """
    if len(system.unknowns) != 2 or system.unknowns[0].part != "re":
        return False
    a, b = (u.symbol for u in system.unknowns)
    calculus = calculus_of(system)
    re, im = linear

    def turned(e: sp.Expr) -> sp.Expr:
        return variation(e, {a: -b, b: a}, calculus)

    return bool(sp.expand(turned(re) + im) == 0 and sp.expand(turned(im) - re) == 0)


def split_solve(system: System, linear: Sequence[sp.Expr]) -> LinearSolve:
    """As `linear_solve`; transforms only where walls hold no data, as their exponential leaves none out."""
    found = linear_solve(system, linear)
    if found.mirrors and any(wall.data != 0 for wall in system.walls):
        return _by_axes(system, linear, found.reach) or LinearSolve("block_lu", found.reach)
    return found


def transforms(system: System, linear: Sequence[sp.Expr], reach: Sequence[int]) -> Mirrors | None:
    """How transforms make the matrix diagonal (or one small matrix a wave number): the mirrors of walls, () if all axes are
    periodic; None where they do not."""
    problem = system.problem
    diagonal = all(isinstance(o, DIAGONAL) for e in linear for o in e.atoms(op.GridOperator))
    if not problem.space or not diagonal or not all(is_uniform(e, system) for e in linear):
        return None
    if all(c.name in problem.periodic for c in problem.space):
        return ()
    return mirrors(system, linear, reach)


def mirrors(system: System, linear: Sequence[sp.Expr], reach: Sequence[int]) -> Mirrors | None:
    """The signs by which walls mirror all fields, an axis: a stated value is odd, a stated slope even (data belong to the right
    side). None where they do not: at other orders than 2, where more than one ghost cell is read, with other conditions or
    unlike ones, with odd derivatives across the axis, on too few cells."""
    problem = system.problem
    cells = dict(problem.numerics.cells)
    if problem.numerics.order != 2 or max(halo(system.rates, system, 2).values(), default=0) > 1:
        return None
    found: list[tuple[int, int] | None] = []
    for c, r in zip(problem.space, reach, strict=True):
        if c.name in problem.periodic:
            found.append(None)
            continue
        sides = [_signs(system, c.name, side) for side in ("lower", "upper")]
        odd = any(_odd(e, c.name) for e in linear)
        if any(len(s) != 1 or 0 in s for s in sides) or odd or cells[c.name] < 2 * r + 1:
            return None
        found.append((next(iter(sides[0])), next(iter(sides[1]))))
    return tuple(found)


def _signs(system: System, coordinate: str, side: str) -> set[int]:
    """The signs by which the conditions at a side mirror the fields; 0 for one that does not."""
    signs = set()
    for u in system.unknowns:
        walls = [w for w in system.walls if (w.unknown, w.coordinate, w.side) == (u.symbol, coordinate, side)]
        orders = [m for w in walls for m, c in enumerate(w.coefficients) if c != 0]
        plain = len(orders) == 1 and orders[0] < 2
        signs.add((-1 if orders[0] == 0 else 1) if plain else 0)
    return signs


def _odd(e: sp.Expr, coordinate: str) -> bool:
    """Whether an odd number of derivatives across an axis, or a one-sided one, may act on a field in an expression."""

    def parities(a: sp.Expr) -> set[int]:
        own = 0
        if isinstance(a, op.Diff) and str(a.args[1]) == coordinate:
            own = int(a.args[2])
        elif isinstance(a, op.FaceDiff | op.Biased) and str(a.args[1]) == coordinate:
            own = 1
        inner = values(a)
        below: set[int] = set().union(*(parities(x) for x in inner)) if inner else {0}
        if isinstance(a, sp.Mul):
            below = {sum(p) for p in product(*(parities(x) for x in inner))}
        return {(p + own) % 2 for p in below}

    return 1 in parities(e)


def is_uniform(e: sp.Expr, system: System) -> bool:
    """Whether the coefficients in an expression are the same in all cells; they may change along the march."""
    space = {c.name for c in system.problem.space}
    meanings = dict(system.symbols)

    def varies(symbol: sp.Symbol) -> bool:
        match meanings.get(symbol):
            case CoordinateMeaning(name=name):
                return name in space
            case LearnedCoefficient(coordinates=over) | Input(coordinates=over):
                return any(c.rstrip("'") in space for c in over)
            case _:
                return False

    return not e.has(op.NoiseOf) and not any(varies(s) for s in coefficients_of(e))


def coefficients_of(e: sp.Expr) -> set[sp.Symbol]:
    """The symbols of an expression, less the coordinates that only say along what a derivative or an integral goes."""
    if isinstance(e, sp.Symbol):
        return {e}
    return set().union(*(coefficients_of(a) for a in values(e)))


def changes(symbol: sp.Symbol, system: System) -> bool:
    """Whether a symbol stands for what varies along the march."""
    marching = system.problem.marching
    match dict(system.symbols).get(symbol):
        case CoordinateMeaning(name=name):
            return name == marching
        case LearnedCoefficient(coordinates=over) | Input(coordinates=over):
            return marching in over
        case LearnedStencil(per_step=per_step):
            return per_step
        case _:
            return False


def parted(term: Term, classifier: Classifier) -> list[Term]:
    """A term, multiplied out if derivatives stand in a bracket beside what has none."""
    e = term.expression
    if not term.order or not any(isinstance(f, sp.Add) for f in sp.Mul.make_args(e)):
        return [term]
    return [classifier.term(a, term.span) for a in sp.Add.make_args(sp.expand_mul(e))]
