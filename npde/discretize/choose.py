"""The time scheme of a system, with what it needs to know about the rates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import sympy as sp

from npde.diagnostics import Diagnostic
from npde.diagnostics.catalogue import not_yet as codes
from npde.discretize import flows, tableaux
from npde.discretize.ghosts import interior_cells
from npde.discretize.halo import reach
from npde.discretize.scheme import (
    CrankNicolson,
    Leapfrog,
    LinearSolve,
    RungeKutta,
    Splitting,
    TimeScheme,
)
from npde.model.problem import Input, LearnedCoefficient, LearnedStencil, March
from npde.symbolic import operators as op
from npde.symbolic.calculus import REDUCING
from npde.symbolic.classify import Classifier, degrees, derivative_order, is_pointwise
from npde.symbolic.context import calculus_of, linear_parts
from npde.symbolic.refusal import Refused
from npde.symbolic.system import CoordinateMeaning, System, Term

DIAGONAL = (op.Diff, op.Lap, op.FaceDiff, op.Component, op.Stack, op.MatVec, op.DotProduct)
"""Operators that a Fourier transform turns into multiplications (and mixing of components)."""

NONLOCAL = (*REDUCING, op.Nonlocal, op.NonlocalConvolution)


def choose(system: System, march: March) -> TimeScheme:
    """The scheme that a file names.

    Raises:
        Refused: it is not built yet, or cannot march this system.
    """
    if march.scheme in tableaux.TABLEAUX:
        return RungeKutta(tableaux.TABLEAUX[march.scheme])
    match march.scheme:
        case "ab2":
            return tableaux.AB2
        case "ab3":
            return tableaux.AB3
        case "leapfrog":
            return leapfrog(system, march)
        case "crank_nicolson":
            return crank_nicolson(system, march)
        case "lie" | "strang" as kind:
            return splitting(system, kind)
        case _:
            raise Refused(codes.SCHEME.at(march.span, name=march.scheme, hint=_substitute(march.scheme)))


def _substitute(name: str) -> str:
    substitutes = {
        "dopri5": "use `march rk4, dt: auto`.",
        "backward_euler": "use `march crank_nicolson` where the equation is linear.",
        "bdf2": "use `march crank_nicolson` where the equation is linear.",
    }
    return substitutes.get(name, "use `march strang` where the stiff part is linear, or `march rk4, dt: auto`.")


# --- leapfrog ---------------------------------------------------------------------------------------------------------


def leapfrog(system: System, march: March) -> Leapfrog:
    """Positions and velocities of a second-order system, or two groups of fields that drive each other."""
    index = {u.symbol: k for k, u in enumerate(system.unknowns)}
    reads = [sorted(index[s] for s in rate.free_symbols if s in index) for rate in system.rates]
    if any(u.is_velocity for u in system.unknowns):
        return _second_order(system, march, reads)
    sides: dict[int, int] = {}
    for root in range(len(reads)):
        pending = [] if root in sides else [(root, 0)]
        while pending:
            k, side = pending.pop()
            if sides.setdefault(k, side) != side:
                own = [j for j in reads[k] if sides.get(j) == sides[k]]
                raise _no_leapfrog(system, march, k, own, "it depends on its own group of fields")
            near = set(reads[k]) | {j for j, r in enumerate(reads) if k in r}
            pending += [(j, 1 - side) for j in sorted(near) if sides.get(j) != 1 - side]
    return Leapfrog(
        tuple(k for k in index.values() if sides[k] == 1), tuple(k for k in index.values() if sides[k] == 0)
    )


def _second_order(system: System, march: March, reads: Sequence[Sequence[int]]) -> Leapfrog:
    if not system.is_second_order:
        first = next(u for u in system.unknowns if u.field not in {v.field for v in system.unknowns if v.is_velocity})
        why = f"'{first.field}' is of first order in time beside fields of second order"
        raise Refused(codes.LEAPFROG.at(march.span, why=why, hint="use `march rk4`."))
    kicked = tuple(k for k, u in enumerate(system.unknowns) if u.is_velocity)
    for k in kicked:
        if set(reads[k]) & set(kicked):
            why = f"the force on '{system.unknowns[k].field}' depends on a velocity"
            raise _no_leapfrog(system, march, k, kicked, why)
    return Leapfrog(kicked, tuple(k for k, u in enumerate(system.unknowns) if not u.is_velocity))


def _no_leapfrog(system: System, march: March, k: int, guilty: Sequence[int], why: str) -> Refused:
    """The refusal at the first term of a rate that holds one of the `guilty` unknowns."""
    symbols = {system.unknowns[j].symbol for j in guilty}
    span = next((t.span for t in system.terms[k] if t.expression.free_symbols & symbols), march.span)
    return Refused(codes.LEAPFROG.at(span, why=why, hint="use `march rk4`."))


# --- implicit ---------------------------------------------------------------------------------------------------------


def crank_nicolson(system: System, march: March) -> CrankNicolson:
    """One linear solve a step, for rates affine in the unknowns."""
    unknowns = [u.symbol for u in system.unknowns]
    for terms in system.terms:
        for term in terms:
            if not degrees(term.expression, unknowns) <= {0, 1}:
                raise Refused(codes.NONLINEAR_IMPLICIT.at(term.span, hint=_explicit_hint(system)))
    linear = linear_parts(system)
    for part, terms in zip(linear, system.terms, strict=True):
        _check_matrix(part, terms, system, march)
    return CrankNicolson(linear_solve(system, linear))


def _explicit_hint(system: System) -> str:
    if any(t.order and not t.linear for terms in system.terms for t in terms):
        return "use `march rk4, dt: auto`."
    return "use `march strang`, which splits the pointwise nonlinearity off."


def _check_matrix(part: sp.Expr, terms: Sequence[Term], system: System, march: March) -> None:
    marching = system.problem.marching or ""
    for symbol in sorted(part.free_symbols, key=str):
        if _changes(symbol, system):
            span = next((t.span for t in terms if symbol in t.expression.free_symbols), march.span)
            raise Refused(codes.VARYING_IMPLICIT.at(span, scheme=march.scheme, time=marching, name=symbol.name))
    _check_samples(part, terms, system, march)
    if part.has(*NONLOCAL):
        span = next((t.span for t in terms if t.expression.has(*NONLOCAL)), march.span)
        raise Refused(codes.DENSE_IMPLICIT.at(span, scheme=march.scheme))


def _check_samples(part: sp.Expr, terms: Sequence[Term], system: System, march: March) -> None:
    """Refuses a linear part, or a wall that closes it, with coefficients that are inputs: there is one matrix for a batch."""
    meanings = dict(system.symbols)
    for symbol in sorted(part.free_symbols, key=str):
        if isinstance(meanings.get(symbol), Input):
            span = next((t.span for t in terms if symbol in t.expression.free_symbols), march.span)
            raise Refused(codes.PER_SAMPLE_IMPLICIT.at(span, scheme=march.scheme, name=symbol.name))
    for wall in system.walls:
        for symbol in sorted({s for c in wall.coefficients for s in c.free_symbols}, key=str):
            if isinstance(meanings.get(symbol), Input):
                raise Refused(codes.PER_SAMPLE_IMPLICIT.at(wall.span, scheme=march.scheme, name=symbol.name))


def _changes(symbol: sp.Symbol, system: System) -> bool:
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


def linear_solve(system: System, linear: Sequence[sp.Expr]) -> LinearSolve:
    """By Fourier transform on periodic axes with constant coefficients, else by block elimination."""
    problem = system.problem
    bounded = [c.name for c in problem.space if c.name not in problem.periodic]
    read = reach(linear, system, problem.numerics.order)
    closure = interior_cells(problem.numerics.order) - 1
    widths = tuple(
        max(read.get(c.name, 0), closure) if c.name in bounded and read.get(c.name, 0) else read.get(c.name, 0)
        for c in problem.space
    )
    unknowns = frozenset(u.symbol for u in system.unknowns)
    classifier = Classifier(problem, calculus_of(system), dict(system.symbols), unknowns)
    constant = all(classifier.is_constant(e) for e in linear)
    diagonal = all(isinstance(o, DIAGONAL) for e in linear for o in e.atoms(op.GridOperator))
    periodic = not bounded and bool(problem.space)
    return LinearSolve("fft" if periodic and constant and diagonal else "block_lu", widths)


# --- splitting --------------------------------------------------------------------------------------------------------


def splitting(system: System, kind: Literal["lie", "strang"]) -> Splitting:
    """The linear constant-coefficient terms with derivatives, and the terms without, by their exact flow where one is known."""
    unknowns = frozenset(u.symbol for u in system.unknowns)
    classifier = Classifier(system.problem, calculus_of(system), dict(system.symbols), unknowns)
    halves: list[tuple[sp.Expr, sp.Expr]] = []
    for terms in system.terms:
        linear: list[sp.Expr] = []
        pointwise: list[sp.Expr] = []
        for term in terms:
            for part in _parted(term, classifier):
                (linear if _goes_linear(part, kind) else pointwise).append(part.expression)
        halves.append((sp.Add(*linear), sp.Add(*pointwise)))
    linear_half = tuple(a for a, _ in halves)
    march = system.problem.numerics.march
    if march is not None:
        for part, terms in zip(linear_half, system.terms, strict=True):
            _check_samples(part, terms, system, march)
    pointwise_half = tuple(b for _, b in halves)
    taken = {s.name for s, _ in system.symbols}
    name = "tau"
    while name in taken:
        name += "_"
    tau = sp.Symbol(name, real=True)
    flow = flows.flow(system, pointwise_half, tau)
    return Splitting(kind, linear_half, pointwise_half, flow, tau, linear_solve(system, linear_half))


def _parted(term: Term, classifier: Classifier) -> list[Term]:
    """A term, multiplied out if derivatives stand in a bracket beside what has none."""
    e = term.expression
    if not term.order or not any(isinstance(f, sp.Add) for f in sp.Mul.make_args(e)):
        return [term]
    return [classifier.term(a, term.span) for a in sp.Add.make_args(sp.expand_mul(e))]


def _goes_linear(term: Term, scheme: str) -> bool:
    """Whether a term belongs to the linear half; an error if it belongs to neither."""
    e = term.expression
    if term.source or is_pointwise(e):
        return False
    if e.has(*NONLOCAL):
        raise _no_half(term, scheme, "reads the whole grid")
    if e.has(op.KernelApply, op.KernelAdjoint):
        raise _no_half(term, scheme, "a learned stencil")
    if not derivative_order(e, 0):
        raise _no_half(term, scheme, "reads neighboring cells without being a derivative")
    if not term.linear:
        raise _no_half(term, scheme, "a derivative in a nonlinear term")
    if not term.constant:
        raise _no_half(term, scheme, "a derivative with a coefficient that is not constant")
    return True


def _no_half(term: Term, scheme: str, why: str) -> Refused:
    diagnostic: Diagnostic = codes.STRANG_TERM.at(term.span, scheme=scheme, why=why, hint="use `march rk4, dt: auto`.")
    return Refused(diagnostic)
