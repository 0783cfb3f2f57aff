"""Steady problems: whether `F(q) = 0` is one linear system, and how that is solved."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import sympy as sp

from npde.diagnostics.catalogue import not_yet as codes
from npde.discretize.choose import DIAGONAL, NONLOCAL
from npde.discretize.ghosts import interior_cells
from npde.discretize.halo import reach
from npde.discretize.scheme import LinearSolve, Steady
from npde.model.problem import Input
from npde.symbolic import operators as op
from npde.symbolic.classify import Classifier, degrees
from npde.symbolic.context import calculus_of, linear_parts
from npde.symbolic.refusal import Refused
from npde.symbolic.system import System
from npde.symbolic.variation import variation


def steady(system: System) -> Steady:
    """How a steady system is solved."""
    unknowns = [u.symbol for u in system.unknowns]
    is_affine = all(degrees(rate, unknowns) <= {0, 1} for rate in system.rates)
    linear = linear_parts(system) if is_affine else None
    stated = system.problem.numerics.solve
    if linear is None:
        bad = next(t for terms in system.terms for t in terms if not degrees(t.expression, unknowns) <= {0, 1})
        raise Refused(codes.STEADY.at(bad.span, why="it is not linear"))
    if is_dense(linear):
        bad = next(t for terms in system.terms for t in terms if is_dense([t.expression]))
        raise Refused(codes.STEADY.at(bad.span, why="a term couples all cells"))
    if stated is not None and stated.method != "direct":
        raise Refused(codes.STEADY.at(stated.span, why=f"there is no solver '{stated.method}'"))
    return Steady(linear, _solve(system, linear))


def _solve(system: System, linear: tuple[sp.Expr, ...] | None) -> LinearSolve:
    read = linear or system.rates
    if linear is not None and _is_diagonal(system, linear):
        return LinearSolve("fft", widths(system, read), null=null_channels(system, linear))
    null = () if linear is None else null_channels(system, linear)
    return LinearSolve(
        "block_lu",
        widths(system, read),
        is_complex=linear is not None and not null and is_complex_linear(system, linear),
        per_sample=linear is None or differs_by_sample(system, linear),
        null=null,
    )


def widths(system: System, expressions: Sequence[sp.Expr]) -> tuple[int, ...]:
    """How far the rows of the matrix look, an axis: stencils, and ghost polynomials next to walls."""
    problem = system.problem
    read = reach(expressions, system, problem.numerics.order)
    closure = interior_cells(problem.numerics.order) - 1
    walled = {w.coordinate for w in system.walls}
    return tuple(
        max(read.get(c.name, 0), closure) if c.name in walled and read.get(c.name, 0) else read.get(c.name, 0)
        for c in problem.space
    )


def _is_diagonal(system: System, linear: Sequence[sp.Expr]) -> bool:
    """Whether a Fourier transform makes the matrix diagonal (or one small matrix a wave number)."""
    problem = system.problem
    if not problem.space or any(c.name not in problem.periodic for c in problem.space):
        return False
    if differs_by_sample(system, linear):
        return False
    unknowns = frozenset(u.symbol for u in system.unknowns)
    classifier = Classifier(problem, calculus_of(system), dict(system.symbols), unknowns)
    local = all(isinstance(o, DIAGONAL) for e in linear for o in e.atoms(op.GridOperator))
    return local and all(classifier.is_constant(e) for e in linear)


def is_dense(expressions: Sequence[sp.Expr]) -> bool:
    """Whether a row of the matrix looks at whole axes."""
    return any(e.has(*NONLOCAL) for e in expressions)


def differs_by_sample(system: System, linear: Sequence[sp.Expr]) -> bool:
    """Whether an input multiplies the fields, in the equations or in a condition."""
    meanings = dict(system.symbols)
    held = [*linear, *(c for wall in system.walls for c in wall.coefficients)]
    return any(isinstance(meanings.get(s), Input) for e in held for s in e.free_symbols)


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


def null_channels(system: System, linear: Sequence[sp.Expr]) -> tuple[int, ...]:
    """Channels of unknowns whose constants L annihilates, their conditions included: only slopes are stated at walls, and no
    term holds the unknown itself."""
    calculus = calculus_of(system)
    starts = list(accumulate((u.channels for u in system.unknowns), initial=0))
    found: list[int] = []
    for u, first in zip(system.unknowns, starts, strict=False):
        floats = all(w.coefficients[0] == 0 for w in system.walls if w.unknown == u.symbol)
        constant = {v.symbol: sp.Integer(int(v is u)) for v in system.unknowns}
        if floats and all(variation(e, constant, calculus) == 0 for e in linear):
            found.extend(range(first, first + u.channels))
    return tuple(found)


def solve_name(scheme: Steady) -> str:
    """`FFT`, `Newton's method with block LU`."""
    method = {"fft": "FFT", "block_lu": "block LU"}[scheme.solve.method]
    return method if scheme.linear is not None else f"Newton's method with {method}"
