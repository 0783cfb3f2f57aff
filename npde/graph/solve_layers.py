"""Layers that solve with a linear part, or apply a function of it; `npde.graph.layers` has the whole set."""

from __future__ import annotations

from dataclasses import dataclass

import sympy as sp

from npde.discretize.scheme import LinearSolve, Mirrors


@dataclass(frozen=True, slots=True)
class Factorization:
    """`I - factor · L` factored, L the linear part of block `block` (`factor` in dt); see `LinearSolve` for how. By transforms:
    its inverse for each wave number. For a Krylov method: what it is preconditioned by. Its input, if any, is the time of L."""

    block: str
    factor: sp.Expr
    channels: int
    solve: LinearSolve
    periodic: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class SteadyFactors:
    """The matrix L of a steady problem, the linear part `block`, factored; see `LinearSolve` for how."""

    block: str
    channels: int
    solve: LinearSolve
    periodic: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class SteadySolve:
    """Solves `L x = b` with `SteadyFactors`; inputs: b, the factors. Differentiated by one transposed solve."""

    block: str
    solve: LinearSolve


@dataclass(frozen=True, slots=True)
class IterativeSolve:
    """x with `F(x) = 0`, F the block `block`, from a guess (its input): Newton's method, or where `linear` names a block with the
    linear part, a Krylov method. Differentiated by one transposed solve."""

    block: str
    linear: str | None
    channels: int
    solve: LinearSolve
    periodic: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class SolveLayer:
    """Solves `(I - factor · L) x = b` with a `Factorization`; inputs: b, the factors, the time of L if it takes one.
    Differentiated by one transposed solve."""

    block: str
    factor: sp.Expr
    solve: LinearSolve


@dataclass(frozen=True, slots=True)
class KrylovSolve:
    """Solves `(I - factor · L) x = b` by a Krylov method, L the linear part `block`, which is only applied; inputs: b, the
    preconditioner (a `Factorization`) if there is one, the time of L if it takes one. Differentiated by one transposed solve."""

    block: str
    factor: sp.Expr
    solve: LinearSolve


@dataclass(frozen=True, slots=True)
class NewtonLayer:
    """x with `x = known + factor · F(x)`, F the block `block`, by Newton's method; inputs: known, a first guess, the time if the
    block takes it. The Jacobian of every sample is found by probing, and factored, or only applied (`solve`). Differentiated by
    one transposed solve."""

    block: str
    factor: sp.Expr
    solve: LinearSolve
    periodic: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class AdaptiveStep:
    """The state a time dt later, F the block `block`, by steps of an embedded pair that keep the error below `tolerance`; inputs:
    the state, the time if the block takes it. Differentiated through the accepted steps, their sizes held fixed."""

    block: str
    scheme: str
    stages: int
    tolerance: float


@dataclass(frozen=True, slots=True)
class Propagator:
    """`e^{time · L}` for each wave number (and sample, `per_sample`), L the linear part `block`, its coefficients the same in all
    cells (`time` in dt), periodic or between walls that mirror the fields (`mirrors` as in `LinearSolve`). Its input, if any, is
    the time of L."""

    block: str
    time: sp.Expr
    channels: int
    mirrors: Mirrors = ()
    per_sample: bool = False


@dataclass(frozen=True, slots=True)
class PhiFunctions:
    """`[Σ_k w_0k φ_k(Z), Σ_k w_1k φ_k(Z), …]` side by side for each wave number, Z = time · L, L the block `block` as in
    `Propagator`; φ_0 = exp, φ_{k+1}(z) = (φ_k(z) - 1/k!)/z. `weights` are expressions in dt."""

    block: str
    time: sp.Expr
    channels: int
    weights: tuple[tuple[sp.Expr, ...], ...]
    per_sample: bool = False


@dataclass(frozen=True, slots=True)
class SpectralLayer:
    """A matrix a wave number applied to x by FFT; inputs: x (C or, for several columns of `PhiFunctions`, n C channels), the
    matrices [*frequencies, C, n C], or one set of them a sample. With `mirrors`, x is continued past its walls first."""

    mirrors: Mirrors = ()
