"""The time scheme of a system, with what it needs to know about the rates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import sympy as sp

from npde.diagnostics import Diagnostic, InternalError
from npde.diagnostics.catalogue import not_yet as codes
from npde.discretize import flows, stiff, tableaux
from npde.discretize.implicit_solves import check_stated, march_solve, newton_solve
from npde.discretize.linear import (
    NONLOCAL,
    classifier_of,
    is_uniform,
    parted,
    split_solve,
)
from npde.discretize.scheme import Implicit, Leapfrog, LinearSolve, RungeKutta, Splitting, TimeScheme
from npde.discretize.wave_layers import is_of_layers
from npde.model.problem import March
from npde.symbolic import operators as op
from npde.symbolic.classify import degrees, derivative_order, is_pointwise
from npde.symbolic.context import linear_parts
from npde.symbolic.refusal import Refused
from npde.symbolic.system import System, Term


def choose(system: System, march: March) -> TimeScheme:
    """The scheme that a file names.

    Raises:
        Refused: it cannot march this system.
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
        case "backward_euler" | "crank_nicolson" | "bdf2" as name:
            return implicit(system, march, name)
        case "lie" | "strang" as kind:
            return splitting(system, march, kind)
        case "etd1" | "etdrk2" | "etdrk4" as name:
            return stiff.exponential(system, march, name)
        case "imex_euler" | "cnab2" | "sbdf2" as name:
            return stiff.implicit_explicit(system, march, name)
        case "dopri5":
            from npde.discretize.embedded import DOPRI5  # it checks itself when it is read

            return replace(DOPRI5, tolerance=march.tolerance or DOPRI5.tolerance)
        case _:
            raise InternalError(f"no scheme '{march.scheme}'")


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
        added = is_of_layers(system, first)
        what = "what absorbing layers add" if added else f"'{first.field}'"
        why = f"{what} is of first order in time beside fields of second order"
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


def implicit(system: System, march: March, name: Literal["backward_euler", "crank_nicolson", "bdf2"]) -> Implicit:
    """One linear system a step where the rates are affine in the fields, else Newton's method."""
    check_stated(system, march)
    unknowns = {u.symbol for u in system.unknowns}
    if all(degrees(rate, unknowns) <= {0, 1} for rate in system.rates):
        linear = linear_parts(system)
        return Implicit(name, linear, march_solve(system, linear, march))
    return Implicit(name, None, newton_solve(system, march))


# --- splitting --------------------------------------------------------------------------------------------------------


def splitting(system: System, march: March, kind: Literal["lie", "strang"]) -> Splitting:
    """The linear terms with derivatives whose coefficients are the same in all cells, and the terms without, by their exact flow
    where one is known."""
    classifier = classifier_of(system)
    halves: list[tuple[sp.Expr, sp.Expr]] = []
    for terms in system.terms:
        linear: list[sp.Expr] = []
        pointwise: list[sp.Expr] = []
        for term in terms:
            for part in parted(term, classifier):
                (linear if _goes_linear(part, kind, system) else pointwise).append(part.expression)
        halves.append((sp.Add(*linear), sp.Add(*pointwise)))
    linear_half = tuple(a for a, _ in halves)
    pointwise_half = tuple(b for _, b in halves)
    taken = {s.name for s, _ in system.symbols}
    name = "tau"
    while name in taken:
        name += "_"
    tau = sp.Symbol(name, real=True)
    flow = flows.flow(system, pointwise_half, tau)
    return Splitting(kind, linear_half, pointwise_half, flow, tau, _split_solve(system, linear_half, march))


def _split_solve(system: System, linear: Sequence[sp.Expr], march: March) -> LinearSolve:
    """By transforms where the linear half is exact, else that of its Crank–Nicolson substep, by elimination or a Krylov method."""
    found = split_solve(system, linear)
    whole = march_solve(system, linear, march)
    if found.method == "fft" or whole.method == "fft":
        return replace(found, per_sample=whole.per_sample, varies=whole.varies)
    return whole


def _goes_linear(term: Term, scheme: str, system: System) -> bool:
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
    if not is_uniform(e, system):
        raise _no_half(term, scheme, "a derivative with a coefficient that varies over space")
    return True


def _no_half(term: Term, scheme: str, why: str) -> Refused:
    diagnostic: Diagnostic = codes.STRANG_TERM.at(term.span, scheme=scheme, why=why, hint="use `march rk4, dt: auto`.")
    return Refused(diagnostic)
