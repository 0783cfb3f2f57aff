"""Steady problems: whether `F(q) = 0` is one linear system, and how that is solved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate
from math import ceil, inf, prod

import sympy as sp

from npde.diagnostics.catalogue import not_yet as codes
from npde.discretize.definite import is_definite
from npde.discretize.ghosts import interior_cells, states_flux
from npde.discretize.halo import reach
from npde.discretize.linear import NONLOCAL, diagonal_solve, is_complex_linear
from npde.discretize.scheme import LinearSolve, SolveMethod, Steady
from npde.discretize.separable import has_close_sum
from npde.model.problem import Input
from npde.symbolic.classify import degrees
from npde.symbolic.context import calculus_of, linear_parts
from npde.symbolic.refusal import Refused
from npde.symbolic.system import System
from npde.symbolic.variation import variation

ITERATIONS = {"cg": 2000, "bicgstab": 2000, "gmres": 2000, "jacobi": 50, "multigrid": 10}
TOLERANCE = 1e-10
"""What a solve is given when the file says nothing."""

NEWTON_STEPS = 50

WIDEST_BLOCK = 4096
"""Unknowns in a block of the block-tridiagonal matrix beyond which a Krylov method is chosen: three dimensions, mostly."""

FACTORED = 3e10
"""Operations of a factorization, some ten seconds, beyond which a preconditioned Krylov method is chosen; or any one, where every
step has a matrix of its own. 280 x 280 cells at order 2."""


def steady(system: System) -> Steady:
    """How a steady system is solved.

    Raises:
        Refused: the method that the file states does not apply to it.
    """
    unknowns = [u.symbol for u in system.unknowns]
    is_affine = all(degrees(rate, unknowns) <= {0, 1} for rate in system.rates)
    linear = linear_parts(system) if is_affine else None
    return Steady(linear, _solve(system, linear))


def _solve(system: System, linear: tuple[sp.Expr, ...] | None) -> LinearSolve:
    stated = system.problem.numerics.solve
    read = system.rates if linear is None else linear
    null = () if linear is None else null_channels(system, linear)
    reach = widths(system, read)
    method: SolveMethod
    match stated.method if stated is not None else "":
        case "cg" | "bicgstab" | "gmres" | "jacobi" | "multigrid" as name:
            method = name
        case "direct" if is_dense(read):
            raise _refused(system, "its terms couple all cells, so that its matrix is dense", "use `solve gmres`.")
        case "direct":
            method = "block_lu"
        case _:
            method = _chosen(system, linear, read, reach)
    direct = stated is None or stated.method == "direct"
    if direct and linear is not None and not differs_by_sample(system, linear):
        diagonal = diagonal_solve(system, linear, reach)
        if diagonal is not None and not (diagonal.is_complex and null):
            return replace(diagonal, null=null)
    _check(system, linear, read, null, method)
    iterations = stated.iterations if stated is not None and stated.iterations else ITERATIONS.get(method, NEWTON_STEPS)
    near = method in ("cg", "bicgstab", "gmres") and not is_dense(read) and has_close_sum(system, read)
    return LinearSolve(
        method,
        reach,
        is_complex=(near or method == "block_lu")
        and linear is not None
        and not null
        and is_complex_linear(system, linear),
        per_sample=linear is None or differs_by_sample(system, linear),
        null=null,
        preconditioned=near,
        iterations=iterations,
        tolerance=stated.tolerance if stated is not None and stated.tolerance else TOLERANCE,
    )


def _chosen(
    system: System, linear: Sequence[sp.Expr] | None, read: Sequence[sp.Expr], reach: tuple[int, ...]
) -> SolveMethod:
    """Directly where the matrix has narrow blocks, else by a Krylov method."""
    block, operations = elimination(system, reach)
    most = FACTORED if has_close_sum(system, read) else inf
    if not is_dense(read) and block <= WIDEST_BLOCK and operations <= most:
        return "block_lu"
    return "cg" if linear is not None and is_definite(system, linear) else "gmres"


def elimination(system: System, reach: tuple[int, ...]) -> tuple[int, float]:
    """Unknowns of a block of the block-tridiagonal matrix, ordered along the first axis, and operations of its factorization."""
    problem = system.problem
    cells = dict(problem.numerics.cells)
    lines = [cells[c.name] for c in problem.space] or [1]
    wraps = problem.space and problem.space[0].name in problem.periodic  # both ends of a line are in one block
    width = max((*reach, 1)[0], 1) * (2 if wraps else 1)
    block = width * prod(lines[1:]) * sum(u.channels for u in system.unknowns)
    return block, ceil(lines[0] / width) * block**3 * 14 / 3


def _check(
    system: System,
    linear: Sequence[sp.Expr] | None,
    read: Sequence[sp.Expr],
    null: tuple[int, ...],
    method: SolveMethod,
) -> None:
    """Refuses what a method cannot do."""
    relaxes, krylov = method in ("jacobi", "multigrid"), method in ("cg", "bicgstab", "gmres")
    if method == "cg" and (linear is None or not is_definite(system, linear)):
        raise _refused(system, "'cg' needs a symmetric definite matrix, which is not proved here", "use `solve gmres`.")
    if relaxes and (linear is None or is_dense(read) or differs_by_sample(system, linear)):
        why = f"'{method}' sweeps over linear equations with one matrix for all samples"
        raise _refused(system, why, "use `solve direct` or `solve gmres`.")
    if relaxes and system.problem.absorbing:
        raise _refused(system, f"'{method}' does not converge for waves", "use `solve direct`.")
    walls = any(c.name not in system.problem.periodic for c in system.problem.space)
    if null and (krylov or relaxes) and walls and system.problem.numerics.order > 2:
        why = "its solution is free up to a constant, and the closures of this order are not symmetric"
        raise _refused(system, why, "use `solve direct`.")


def _refused(system: System, why: str, hint: str) -> Refused:
    stated = system.problem.numerics.solve
    span = stated.span if stated is not None else system.problem.equations[0].span
    return Refused(codes.STEADY.at(span, why=why, hint=hint))


def widths(system: System, expressions: Sequence[sp.Expr]) -> tuple[int, ...]:
    """How far the rows of the matrix look, an axis: stencils, and ghost polynomials next to walls."""
    problem = system.problem
    read = reach(expressions, system, problem.numerics.order)
    closure = interior_cells(problem.numerics.order) - 1 + states_flux(system.walls)
    walled = {w.coordinate for w in system.walls} | {o.coordinate for o in problem.outflows}
    return tuple(
        max(read.get(c.name, 0), closure) if c.name in walled and read.get(c.name, 0) else read.get(c.name, 0)
        for c in problem.space
    )


def is_dense(expressions: Sequence[sp.Expr]) -> bool:
    """Whether a row of the matrix looks at whole axes."""
    return any(e.has(*NONLOCAL) for e in expressions)


def differs_by_sample(system: System, linear: Sequence[sp.Expr]) -> bool:
    """Whether an input multiplies the fields, in the equations or in a condition."""
    meanings = dict(system.symbols)
    held = [*linear, *(c for wall in system.walls for c in wall.coefficients)]
    return any(isinstance(meanings.get(s), Input) for e in held for s in e.free_symbols)


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


SOLVERS: dict[SolveMethod, str] = {
    "fft": "FFT", "axes": "fast diagonalization", "block_lu": "block LU", "cg": "CG", "bicgstab": "BiCGStab", "gmres": "GMRES",
    "jacobi": "Jacobi sweeps", "multigrid": "multigrid V-cycles",
}  # fmt: skip


def solve_name(scheme: Steady) -> str:
    """`FFT`, `sine and cosine transforms`, `Newton's method with block LU`, `50 Jacobi sweeps`."""
    method = "sine and cosine transforms" if scheme.solve.mirrors else SOLVERS[scheme.solve.method]
    if scheme.solve.is_relaxation:
        return f"{scheme.solve.iterations} {method}"
    return method if scheme.linear is not None else f"Newton's method with {method}"
