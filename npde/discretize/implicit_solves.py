"""How the linear systems of an implicit step, `(I - θ dt L) q = b`, are solved, and those of Newton's method in it.

By Fourier transform where the coefficients are the same in all cells and axes are periodic; by block-tridiagonal LU where blocks
are small enough: once a call, or in each step where the coefficients change along the march; else by a Krylov method, L only
applied, preconditioned by the sum over the axes that is closest to the matrix.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import sympy as sp

from npde.diagnostics.catalogue import not_yet as codes
from npde.discretize.definite import definiteness
from npde.discretize.linear import changes, is_complex_linear, linear_solve, widths
from npde.discretize.scheme import LinearSolve, SolveMethod
from npde.discretize.separable import has_close_sum
from npde.discretize.steady import (
    FACTORED,
    ITERATIONS,
    TOLERANCE,
    WIDEST_BLOCK,
    differs_by_sample,
    elimination,
    is_dense,
)
from npde.model.problem import March
from npde.symbolic.refusal import Refused
from npde.symbolic.system import System

FACTORED_BESIDE_AXES = 1e9
"""Operations of a factorization in every step beyond which a preconditioned Krylov method takes less: 120 x 120 cells between walls
at order 2."""

KRYLOV = ("cg", "bicgstab", "gmres")


def march_solve(system: System, linear: Sequence[sp.Expr], march: March) -> LinearSolve:
    """The solve of a march whose implicit part is linear, `linear`: as the file states, else as its matrix suggests.

    Raises:
        Refused: the stated method does not apply.
    """
    found = replace(
        linear_solve(system, linear), per_sample=differs_by_sample(system, linear), varies=changes_in(linear, system)
    )
    stated = _stated(system)
    negative = definiteness(system, linear) == -1
    if stated == "cg" and not negative:
        raise _refused(system, march, "its matrix is not proved symmetric and definite", "use `solve gmres`.")
    if stated in KRYLOV:
        return _iterated(system, found, stated, linear)
    if is_dense(linear):
        return _iterated(system, found, "gmres", linear, march if stated == "direct" else None)
    near = has_close_sum(system, linear)
    if found.method in ("fft", "axes") or stated == "direct" or _is_narrow(system, found, near=near):
        return found
    return _iterated(system, found, "cg" if negative else "gmres", linear)


def newton_solve(system: System, march: March) -> LinearSolve:
    """The solve of the linear systems of Newton's method, whose matrix is another one in each iteration."""
    found = LinearSolve("block_lu", widths(system, system.rates), per_sample=True, varies=True)
    stated = _stated(system)
    if stated == "cg":
        raise _refused(system, march, "the Jacobian is not proved symmetric and definite", "use `solve gmres`.")
    if stated in KRYLOV:
        return _iterated(system, found, stated)
    unknowns = {u.symbol for u in system.unknowns}
    if any(t.expression.free_symbols & unknowns and is_dense((t.expression,)) for ts in system.terms for t in ts):
        return _iterated(system, found, "gmres", direct=march if stated == "direct" else None)
    if stated == "direct" or _is_narrow(system, found):
        return found
    return _iterated(system, found, "gmres")


def changes_in(expressions: Sequence[sp.Expr], system: System) -> bool:
    """Whether coefficients change along the march, in expressions or in the conditions that close them."""
    held = (*expressions, *(c for wall in system.walls for c in wall.coefficients))
    return any(changes(s, system) for s in sorted({s for e in held for s in e.free_symbols}, key=str))


def _stated(system: System) -> str | None:
    stated = system.problem.numerics.solve
    return None if stated is None else stated.method


def _iterated(
    system: System,
    found: LinearSolve,
    method: str,
    linear: Sequence[sp.Expr] | None = None,
    direct: March | None = None,
) -> LinearSolve:
    """The same by a Krylov method, preconditioned where the operator (`linear`, else what Newton's method differentiates) is close
    to a sum over the axes; refused if a `direct` one was asked for."""
    if direct is not None:
        raise _refused(system, direct, "a term couples all cells, so that its matrix is dense", "use `solve gmres`.")
    stated = system.problem.numerics.solve
    read = system.rates if linear is None else linear
    near = not is_dense(read) and has_close_sum(system, read)
    name: SolveMethod = "cg" if method == "cg" else "bicgstab" if method == "bicgstab" else "gmres"
    return replace(
        found,
        method=name,
        is_complex=near and linear is not None and is_complex_linear(system, linear),
        mirrors=(),
        preconditioned=near,
        iterations=stated.iterations if stated is not None and stated.iterations else ITERATIONS[name],
        tolerance=stated.tolerance if stated is not None and stated.tolerance else TOLERANCE,
    )


def _is_narrow(system: System, solve: LinearSolve, *, near: bool = False) -> bool:
    """Whether a matrix is small enough to factor it: once a call, or in every step; `near`: a preconditioner is the alternative."""
    if len(system.problem.space) < 2:
        return True
    block, operations = elimination(system, solve.reach)
    if solve.varies:
        return operations <= (FACTORED_BESIDE_AXES if near else FACTORED)
    return block <= WIDEST_BLOCK and (not near or operations <= FACTORED)


def check_stated(system: System, march: March) -> None:
    """Refuses a relaxation beside a march: it has no end to go by.

    Raises:
        Refused: the file states one.
    """
    if _stated(system) in ("jacobi", "multigrid"):
        why = "a number of sweeps is for steady equations"
        raise _refused(system, march, why, "use `solve gmres`, or leave `solve` out.")


def _refused(system: System, march: March, why: str, hint: str) -> Refused:
    stated = system.problem.numerics.solve
    span = march.span if stated is None else stated.span
    method = "" if stated is None else stated.method
    return Refused(codes.MARCH_SOLVE.at(span, method=method, scheme=march.scheme, why=why, hint=hint))
