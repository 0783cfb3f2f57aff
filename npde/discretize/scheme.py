"""The numerics of a system: grid, ghost cells, time scheme, step and its bound."""

from __future__ import annotations

from fractions import Fraction
from typing import Literal, TypeAlias

import sympy as sp

from npde.diagnostics import Diagnostic
from npde.model.problem import Exact, Side
from npde.records import dataclass
from npde.symbolic.system import System


@dataclass(frozen=True, slots=True)
class Axis:
    """N cells on [lower, upper], spacing h = (upper - lower)/N; cell j at lower + (j + ½) h, or lower + j h if periodic."""

    name: str
    cells: int
    lower: Exact
    upper: Exact
    periodic: bool

    @property
    def spacing(self) -> Exact:
        """h, exact when the extent is."""
        return (self.upper - self.lower) / self.cells

    @property
    def first(self) -> Exact:
        """Position of cell 0."""
        return self.lower if self.periodic else self.lower + self.spacing / 2


@dataclass(frozen=True, slots=True)
class Grid:
    """A tensor-product grid; axes in order of declaration."""

    axes: tuple[Axis, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(a.cells for a in self.axes)


@dataclass(frozen=True, slots=True)
class Stencil:
    """f^{(m)}(x) ≈ h^{-m} Σ_k weights[k] f(x + offsets[k] h); offsets in half cells are odd multiples of ½."""

    offsets: tuple[Fraction, ...]
    weights: tuple[Fraction, ...]
    derivative: int
    order: int


@dataclass(frozen=True, slots=True)
class GhostRule:
    """Ghost cells of one unknown at one side: `ghost_k = Σ_j weights[k][j] u_j + Σ_i data_weights[k][i] data[i]`, k and j counted
    from the wall (ghost 0 and cell 0 touch it), i over the conditions there: none at an outflow. Weights are exact numbers, or
    expressions in learned wall coefficients and position along the wall. Periodic axes have no rule: they wrap."""

    unknown: sp.Symbol
    axis: str
    side: Side
    weights: tuple[tuple[sp.Expr, ...], ...]
    data_weights: tuple[tuple[sp.Expr, ...], ...]
    data: tuple[sp.Expr, ...]


@dataclass(frozen=True, slots=True)
class ButcherTableau:
    """`k_i = F(t + c_i dt, q + dt Σ_j a_ij k_j)`, `q' = q + dt Σ b_i k_i`; explicit: a is strictly lower triangular."""

    name: str
    a: tuple[tuple[Fraction, ...], ...]
    b: tuple[Fraction, ...]
    c: tuple[Fraction, ...]
    order: int


@dataclass(frozen=True, slots=True)
class RungeKutta:
    """An explicit one-step scheme."""

    tableau: ButcherTableau


@dataclass(frozen=True, slots=True)
class Adaptive:
    """An embedded pair whose steps keep the error below `tolerance`, relative and absolute. The last row of the tableau is its b,
    so the last rate is the next step's first one. `lower` are the weights of the scheme of lower order, by whose difference the
    error is estimated; `middle` those of the state in the middle of a step, for the polynomial between its ends."""

    tableau: ButcherTableau
    lower: tuple[Fraction, ...]
    middle: tuple[Fraction, ...]
    tolerance: float


@dataclass(frozen=True, slots=True)
class AdamsBashforth:
    """`q' = q + dt Σ_j weights[j] F_{n-j}`; the first len(weights) - 1 steps are by `starter`."""

    weights: tuple[Fraction, ...]
    starter: ButcherTableau


@dataclass(frozen=True, slots=True)
class Leapfrog:
    """Kick–drift–kick (Störmer–Verlet). `kicked` and `drifted` index the unknowns: for `dtt` systems the velocities and the
    fields, for Schrödinger (re, im). v += dt/2 F_v(x); x += dt F_x(v); v += dt/2 F_v(x)."""

    kicked: tuple[int, ...]
    drifted: tuple[int, ...]


SolveMethod: TypeAlias = Literal["fft", "axes", "block_lu", "cg", "bicgstab", "gmres", "jacobi", "multigrid"]


Mirrors: TypeAlias = tuple[tuple[int, int] | None, ...]
"""The signs by which the walls at the two ends of each axis mirror the fields (-1: odd, 1: even; None: periodic)."""


@dataclass(frozen=True, slots=True)
class LinearSolve:
    """How `(I - θ dt L) q = b` is solved, or `L q = b` of a steady problem: "fft" (constant coefficients), "axes"
    (fast diagonalization: eigenvectors along every axis), "block_lu" (block-tridiagonal, factored once a call), a Krylov method,
    or an unrolled relaxation. `reach` is the half-width of L's dependency in cells, an axis, boundary closures included.

    `is_complex`: L commutes with the imaginary unit, so it is solved in complex numbers. `symmetric`: closures at walls leave
    the operator along each axis symmetric ("axes"). `per_sample`: the coefficients of L differ by sample. `varies`: they change
    along the march, so that every step has a matrix of its own. `null`: channels whose constants L annihilates; the right side is
    then projected, and the solution whose mean is zero is taken.

    `preconditioned`: a Krylov method, by fast diagonalization of the sum over the axes that is closest to the matrix.

    `mirrors`: how walls mirror the fields; the transform is then a sine or cosine transform, that of the mirror images. ()
    where all axes are periodic.
    """

    method: SolveMethod
    reach: tuple[int, ...]
    is_complex: bool = False
    symmetric: bool = False
    per_sample: bool = False
    varies: bool = False
    null: tuple[int, ...] = ()
    mirrors: Mirrors = ()
    preconditioned: bool = False
    iterations: int = 0
    tolerance: float = 0.0

    @property
    def is_krylov(self) -> bool:
        """Whether the matrix is only applied, until a relative residual of `tolerance`, at most `iterations` times."""
        return self.method in ("cg", "bicgstab", "gmres")

    @property
    def is_relaxation(self) -> bool:
        """Whether `iterations` sweeps are made, whatever they reach."""
        return self.method in ("jacobi", "multigrid")


@dataclass(frozen=True, slots=True)
class Implicit:
    """An implicit scheme; δ = q' - q, F' at the time t + dt.

        backward_euler    δ = dt F'(q + δ)
        crank_nicolson    δ = dt/2 (F(q) + F'(q + δ))
        bdf2              δ = (q - q_{n-1})/3 + 2 dt/3 F'(q + δ), started by backward_euler

    `linear` is L q where F(q) = L q + s(t), L taken at the time t + dt: one linear system a step. None: Newton's method, its linear
    systems by `solve`.
    """

    name: Literal["backward_euler", "crank_nicolson", "bdf2"]
    linear: tuple[sp.Expr, ...] | None
    solve: LinearSolve

    @property
    def order(self) -> int:
        """The order in time."""
        return 1 if self.name == "backward_euler" else 2


@dataclass(frozen=True, slots=True)
class ImplicitExplicit:
    """The stiff linear part S(q, t) = L q + s(t) implicitly, the rest N explicitly; S', and its L, at the time t + dt.

        imex_euler    δ = dt (N + S'(q + δ))
        cnab2         δ = dt (3 N - N_{n-1})/2 + dt/2 (S(q) + S'(q + δ))
        sbdf2         δ = (q - q_{n-1})/3 + 2 dt/3 (2 N - N_{n-1} + S'(q + δ))

    The two-step ones are started by imex_euler. U. Ascher, S. Ruuth, B. Wetton, SIAM J. Numer. Anal. 32 (1995) 797-823.
    """

    name: Literal["imex_euler", "cnab2", "sbdf2"]
    implicit: tuple[sp.Expr, ...]
    explicit: tuple[sp.Expr, ...]
    solve: LinearSolve

    @property
    def order(self) -> int:
        """The order in time."""
        return 1 if self.name == "imex_euler" else 2


@dataclass(frozen=True, slots=True)
class Splitting:
    """e^{L dt/2} N(dt) e^{L dt/2} ("strang", order 2), or e^{L dt} first and N(dt) then ("lie", order 1). `linear` and `pointwise`
    are the two halves of the rates. `flow[k]` is unknown k after a time `tau` of the pointwise half, exact, in the unknowns'
    symbols; None: one RK4 step. The linear half is exact by FFT ("fft"), or a Crank–Nicolson substep ("block_lu")."""

    kind: Literal["lie", "strang"]
    linear: tuple[sp.Expr, ...]
    pointwise: tuple[sp.Expr, ...]
    flow: tuple[sp.Expr, ...] | None
    tau: sp.Symbol
    solve: LinearSolve

    @property
    def linear_is_exact(self) -> bool:
        """Whether the linear half is exact."""
        return self.solve.method == "fft"


@dataclass(frozen=True, slots=True)
class Steady:
    """`F(q) = 0`. `linear` is L q where F(q) = L q + s: one linear system; None: Newton's method."""

    linear: tuple[sp.Expr, ...] | None
    solve: LinearSolve


@dataclass(frozen=True, slots=True)
class Exponential:
    """Exponential time differencing: e^{L dt} for the stiff linear part, φ-functions of L dt for the rest N.

        etd1      q' = e^{hL} q + h φ1 N(q)
        etdrk2    a = e^{hL} q + h φ1 N(q),  q' = a + h φ2 (N(a) - N(q))
        etdrk4    the four stages of Cox and Matthews

    `linear` holds the terms with derivatives and constant coefficients, `explicit` everything else; `solve` transforms L.
    S. Cox, P. Matthews, J. Comput. Phys. 176 (2002) 430-455.
    """

    name: Literal["etd1", "etdrk2", "etdrk4"]
    linear: tuple[sp.Expr, ...]
    explicit: tuple[sp.Expr, ...]
    solve: LinearSolve

    @property
    def order(self) -> int:
        """The classical order."""
        return {"etd1": 1, "etdrk2": 2, "etdrk4": 4}[self.name]


TimeScheme: TypeAlias = (
    RungeKutta | Adaptive | AdamsBashforth | Leapfrog | Implicit | Splitting | ImplicitExplicit | Exponential
)


@dataclass(frozen=True, slots=True)
class StepBound:
    """Largest stable dt. `value` at the start values (None: unconditionally stable, or unknown); `formula` in spacings and
    learnables where a closed form is in the table; `exact` whether it is proved for the linear operator; `notes` say what was
    assumed; `worst` is the bound at the worst ends of bounded learnables (what `dt: auto` takes), None where `value` is."""

    value: float | None
    formula: sp.Expr | None
    exact: bool
    notes: tuple[str, ...]
    worst: float | None = None


@dataclass(frozen=True)
class Scheme:
    """A system with its numerics. `order` in space is what was asked for; `space_order` what is claimed after its weakest term.
    Step n goes from `start + n dt` to `start + (n + 1) dt`, n = 0 … steps - 1."""

    system: System
    grid: Grid
    order: int
    space_order: int
    ghosts: tuple[GhostRule, ...]
    time: TimeScheme | Steady
    name: str
    start: Exact
    dt: Exact
    steps: int
    bound: StepBound
    warnings: tuple[Diagnostic, ...] = ()
    layers: tuple[tuple[str, int], ...] = ()
    """Axes with absorbing layers, and how many cells of each end lie in them."""

    def ghost(self, unknown: sp.Symbol, axis: str, side: Side) -> GhostRule | None:
        """The rule at a side, None where the axis wraps."""
        return next((g for g in self.ghosts if (g.unknown, g.axis, g.side) == (unknown, axis, side)), None)
