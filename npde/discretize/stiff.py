"""Schemes that treat the stiff linear part apart from the rest: the compiler finds it among the terms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import sympy as sp

from npde.diagnostics.catalogue import not_yet as codes
from npde.discretize.implicit_solves import check_stated, march_solve
from npde.discretize.linear import (
    DIAGONAL,
    NONLOCAL,
    classifier_of,
    linear_solve,
    parted,
)
from npde.discretize.scheme import Exponential, ImplicitExplicit
from npde.discretize.steady import differs_by_sample
from npde.model.problem import March
from npde.symbolic import operators as op
from npde.symbolic.refusal import Refused
from npde.symbolic.system import System, Term

Halves = tuple[tuple[sp.Expr, ...], tuple[sp.Expr, ...]]


def exponential(system: System, march: March, name: Literal["etd1", "etdrk2", "etdrk4"]) -> Exponential:
    """The linear terms with derivatives and constant coefficients, a matrix a wave number (and sample); the rest is explicit.

    Raises:
        Refused: an axis is not periodic, or no term is of that kind.
    """
    problem = system.problem
    walls = [c.name for c in problem.space if c.name not in problem.periodic]
    if walls or not problem.space:
        why = f"'{walls[0]}' has walls" if walls else "there is no axis to transform along"
        hint = "use `march sbdf2`, which solves with L instead." if walls else "use `march rk4, dt: auto`."
        raise Refused(codes.EXPONENTIAL.at(march.span, scheme=name, why=why, hint=hint))

    def is_diagonal(term: Term) -> bool:
        local = all(isinstance(o, DIAGONAL) for o in term.expression.atoms(op.GridOperator))
        return bool(term.order) and term.constant and local

    linear, explicit = _halves(system, march, is_diagonal)
    solve = replace(linear_solve(system, linear), per_sample=differs_by_sample(system, linear))
    return Exponential(name, linear, explicit, solve)


def implicit_explicit(system: System, march: March, name: Literal["imex_euler", "cnab2", "sbdf2"]) -> ImplicitExplicit:
    """The linear terms with derivatives, whatever their coefficients depend on; without space, all linear ones.

    Raises:
        Refused: no term is of that kind, or a stated solve does not apply.
    """
    check_stated(system, march)
    has_space = bool(system.problem.space)

    def is_stiff(term: Term) -> bool:
        return (bool(term.order) or not has_space) and not term.expression.has(*NONLOCAL)

    implicit, explicit = _halves(system, march, is_stiff)
    return ImplicitExplicit(name, implicit, explicit, march_solve(system, implicit, march))


def _halves(system: System, march: March, fits: Callable[[Term], bool]) -> Halves:
    """The rates in two: linear terms that `fits` accepts (and velocities, by which fields of second order in time
    move), and the rest.

    Raises:
        Refused: no term fits.
    """
    classifier = classifier_of(system)
    velocities = {u.symbol for u in system.unknowns if u.is_velocity}
    halves: list[tuple[sp.Expr, sp.Expr]] = []
    for terms in system.terms:
        parts = [part for term in terms for part in parted(term, classifier)]
        stiff = [t for t in parts if (t.linear and fits(t)) or t.expression in velocities]
        halves.append(
            (sp.Add(*(t.expression for t in stiff)), sp.Add(*(t.expression for t in parts if t not in stiff)))
        )
    if all(a in (0, *velocities) for a, _ in halves):
        raise Refused(codes.NOTHING_STIFF.at(march.span, scheme=march.scheme, hint="use `march rk4, dt: auto`."))
    return tuple(a for a, _ in halves), tuple(b for _, b in halves)
