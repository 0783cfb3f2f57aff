"""The modified equation: what a scheme solves to one order more than the equation, ∂_t q = F(q) + leading errors.

In space, a stencil with weights w_k at s_k for ∂^n is h^-n Σ w_k f(x + s_k h) = f^(n) + C h^p f^(n+p) + …, C the first moment
Σ w_k s_k^(n+p)/(n + p)! that does not vanish; the error of an expression follows by the rules of differentiation. In time, to
leading order and with D the derivative along the flow:

    Runge-Kutta         dt^p Σ_{|τ| = p+1} (Φ(τ) - 1/γ(τ))/σ(τ) F(τ)            (npde.analysis.series)
    multistep           -C dt^p D^p F,  C = (Σ_j α_j (-j)^(p+1) - (p + 1) Σ_j β_j (-j)^p)/(p + 1)!
    leapfrog, strang    -dt²/24 [A, [A, B]] - dt²/12 [B, [A, B]],  A the outer part, [A, B] = B'A - A'B
    lie                 dt/2 [A, B],  A first
    implicit-explicit   the multistep error of either part by its own coefficients
    etd1, etdrk2        -dt/2 D N;  dt² (D² N/12 - N'(D N)/4)

(R. Warming, B. Hyett, J. Comput. Phys. 14 (1974) 159-179; Hairer, Lubich, Wanner, sections III.5 and IX.)
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import factorial

import sympy as sp

from npde.analysis.series import Flow, NoVariation, Vector, error_weights
from npde.analysis.smooth import Smooth
from npde.analysis.summary import time_order
from npde.discretize import regions, stencils
from npde.discretize.closed_forms import spacing
from npde.discretize.scheme import (
    AdamsBashforth,
    Adaptive,
    Exponential,
    Implicit,
    ImplicitExplicit,
    Leapfrog,
    RungeKutta,
    Scheme,
    Splitting,
    Steady,
    Stencil,
)
from npde.model.problem import Input, LearnedCoefficient
from npde.symbolic import operators as op
from npde.symbolic.calculus import REDUCING
from npde.symbolic.classify import degrees
from npde.symbolic.system import CoordinateMeaning, Unknown

DT = sp.Symbol("dt", positive=True)
"""The step in a modified equation."""

LARGEST = 300
"""Operations of all rates together whose errors in time are written out."""

MOST_TERMS = 1100
"""Terms of the errors in time that are multiplied out, estimated."""


@dataclass(frozen=True)
class Modified:
    """Leading errors of the rates, an expression an unknown; those in time are found when they are asked for.

    `space_notes` and `notes` say what was left out or assumed.
    """

    scheme: Scheme
    smooth: Smooth
    space: Vector
    space_notes: tuple[str, ...]

    def __getitem__(self, k: int) -> sp.Expr:
        """The leading errors of rate k, in space and time."""
        return self.space[k] + (self.time[k] if self.time is not None else 0)

    @cached_property
    def _timed(self) -> tuple[Vector | None, tuple[str, ...]]:
        return _time(self.scheme, self.smooth)

    @property
    def time(self) -> Vector | None:
        """The errors in time; None where they are too long to write, not known, or nothing is marched."""
        return self._timed[0]

    @property
    def notes(self) -> tuple[str, ...]:
        """What was left out or assumed, in space and time."""
        return (*self.space_notes, *self._timed[1])


def modified(scheme: Scheme) -> Modified:
    """The leading errors of a scheme."""
    smooth = Smooth(scheme.system)
    reader = _Space(scheme, smooth, {})
    space = tuple(smooth(reader.error(rate, None)) for rate in scheme.system.rates)
    return Modified(scheme, smooth, space, tuple(reader.notes))


# --- space ------------------------------------------------------------------------------------------------------------


def leading_moment(stencil: Stencil) -> tuple[int, Fraction]:
    """(p, C): the stencil of ∂^n is ∂^n + C h^p ∂^(n+p) + …"""
    n = stencil.derivative
    for p in range(1, 2 * len(stencil.offsets) + 2):
        moment = sum((w * s ** (n + p) for s, w in zip(stencil.offsets, stencil.weights, strict=True)), Fraction(0))
        if moment:
            return p, moment / factorial(n + p)
    raise AssertionError


@dataclass
class _Space:
    """The leading error of an expression as the scheme computes it."""

    scheme: Scheme
    smooth: Smooth
    notes: dict[str, None]

    def error(self, e: sp.Expr, face: str | None) -> sp.Expr:
        """δe, on the faces across axis `face` if given."""
        if isinstance(e, sp.Symbol):
            return self._symbol(e, face)
        if isinstance(e, sp.Add):
            return sp.Add(*(self.error(a, face) for a in e.args))
        if isinstance(e, sp.Mul):
            parts = [self.error(a, face) for a in e.args]
            return sp.Add(*(p * sp.Mul(*e.args[:k], *e.args[k + 1 :]) for k, p in enumerate(parts) if p != 0))
        if isinstance(e, sp.Pow):
            moved = self.error(e.base, face)
            return e.exp * e.base ** (e.exp - 1) * moved if moved != 0 else moved
        if isinstance(e, op.GridOperator):
            return self._operator(e, face)
        parts = [self.error(a, face) for a in e.args] if e.args and not isinstance(e, op.Where) else []
        return sp.Add(*(e.fdiff(k + 1) * p for k, p in enumerate(parts) if p != 0))

    def _symbol(self, s: sp.Symbol, face: str | None) -> sp.Expr:
        """A value at a cell is exact; at a face it is interpolated, a learned or given one from its two cells."""
        match dict(self.scheme.system.symbols).get(s):
            case Unknown() if face is not None:
                return self._stencil(stencils.interpolation(self.scheme.order), s, face)
            case LearnedCoefficient() | Input() if face is not None:
                return self._stencil(stencils.interpolation(2), s, face)
            case _:
                return sp.Integer(0)

    def _stencil(self, stencil: Stencil, e: sp.Expr, axis: str) -> sp.Expr:
        p, constant = leading_moment(stencil)
        moved = self.smooth.derivative(self.smooth(e), axis, stencil.derivative + p)
        return sp.Rational(constant) * spacing(axis) ** p * moved

    def _operator(self, e: sp.Expr, face: str | None) -> sp.Expr:
        order = self.scheme.order
        match e:
            case op.Diff() if face is not None and str(e.args[1]) == face and e.args[2] == 1:
                inner = self.smooth.derivative(self.smooth(self.error(e.args[0], None)), face, 1)
                return inner + self._stencil(stencils.staggered(order), e.args[0], face)
            case op.Component() | op.Stack() | op.MatVec() | op.DotProduct():
                return self._mixed(e, face)
            case _ if face is not None:
                return self.error(e, None) + self._stencil(stencils.interpolation(order), e, face)
            case op.Diff():
                axis, n = str(e.args[1]), int(e.args[2])
                inner = self.smooth.derivative(self.smooth(self.error(e.args[0], None)), axis, n)
                return inner + self._stencil(stencils.centered(n, order), e.args[0], axis)
            case op.Lap():
                return sp.Add(*(self._second(e.args[0], axis) for axis in self.smooth.axes))
            case op.FaceDiff():
                axis = str(e.args[1])
                inner = self.smooth.derivative(self.smooth(self.error(e.args[0], axis)), axis, 1)
                return inner + self._stencil(stencils.staggered(order), e.args[0], axis)
            case _:
                return self._left_out(e)

    def _second(self, e: sp.Expr, axis: str) -> sp.Expr:
        inner = self.smooth.derivative(self.smooth(self.error(e, None)), axis, 2)
        return inner + self._stencil(stencils.centered(2, self.scheme.order), e, axis)

    def _mixed(self, e: sp.Expr, face: str | None) -> sp.Expr:
        if isinstance(e, op.Component):
            inner = self.error(e.args[0], face)
            return inner if inner == 0 else op.Component(inner, e.args[1])
        parts = [self.error(a, face) for a in e.args]
        if isinstance(e, op.Stack):
            return op.Stack(*parts) if any(p != 0 for p in parts) else sp.Integer(0)
        sides = [e.func(*e.args[:k], p, *e.args[k + 1 :]) for k, p in enumerate(parts) if p != 0]
        return sp.Add(*sides)

    def _left_out(self, e: sp.Expr) -> sp.Expr:
        if isinstance(e, (*REDUCING, op.Nonlocal, op.NonlocalConvolution)):
            self.notes["sums over the grid are left out: they are exact beyond every power of h on periodic axes"] = (
                None
            )
        elif isinstance(e, op.KernelApply | op.KernelAdjoint):
            self.notes[f"the learned stencil '{e.args[0]}' is left out: its error is what it learns"] = None
        return sp.Integer(0)


ONE_STEP = (Fraction(1), Fraction(-1))
"""q(t) - q(t - dt)."""

TWO_STEP = (Fraction(3, 2), Fraction(-2), Fraction(1, 2))
"""The difference of bdf2 and sbdf2."""

IMPLICIT = {
    "backward_euler": (ONE_STEP, (Fraction(1), Fraction(0))),
    "crank_nicolson": (ONE_STEP, (Fraction(1, 2), Fraction(1, 2))),
    "bdf2": (TWO_STEP, (Fraction(1), Fraction(0), Fraction(0))),
}
"""The coefficients of implicit schemes: those of q, and those of its rates."""

EXPLICIT_PART = {
    "imex_euler": ("backward_euler", (Fraction(0), Fraction(1))),
    "cnab2": ("crank_nicolson", (Fraction(0), Fraction(3, 2), Fraction(-1, 2))),
    "sbdf2": ("bdf2", (Fraction(0), Fraction(2), Fraction(-1))),
}
"""Which implicit scheme treats the stiff part of an implicit-explicit one, and the coefficients of the other part."""


# --- time -------------------------------------------------------------------------------------------------------------


def _time(scheme: Scheme, smooth: Smooth) -> tuple[Vector | None, tuple[str, ...]]:
    """The errors in time and what was assumed; a short form where the long one would fill pages."""
    if isinstance(scheme.time, Steady):
        return None, ()
    if isinstance(scheme.time, Adaptive):
        return None, ("in time the error follows the tolerance",)
    linear = all(degrees(e, flow_symbols(scheme)) <= {0, 1} for e in scheme.system.rates)
    if _is_long(scheme, smooth):
        return _short_form(scheme, linear)
    try:
        found = _errors(scheme)
    except NoVariation as missing:
        return None, (f"the errors in time are not written out: no derivative of '{missing}'",)
    if found is None:
        return None, ()
    return tuple(sp.expand(smooth(e), power_base=False, power_exp=False, log=False) for e in found), ()


def _is_long(scheme: Scheme, smooth: Smooth) -> bool:
    if sum(sp.count_ops(e) for e in scheme.system.rates) > LARGEST:
        return True
    flat = [sp.expand(smooth(e)) for e in scheme.system.rates]
    terms = [len(sp.Add.make_args(e)) + sum(len(s.args) ** 2 for s in e.atoms(op.Stack)) for e in flat]
    order = 1 if isinstance(scheme.time, Steady) else time_order(scheme.time)
    return len(terms) * max(terms) ** (order + 1) > MOST_TERMS


def _short_form(scheme: Scheme, linear: bool) -> tuple[Vector | None, tuple[str, ...]]:
    """C dt^p ∂_t^(p+1) q."""
    found = dominant(scheme)
    if found is None:
        return None, ("the errors in time are too long to write out",)
    order, constant, always = found
    t = smooth_time(scheme)
    errors = tuple(sp.Rational(constant) * DT**order * op.Diff(s, t, order + 1) for s in flow_symbols(scheme))
    return errors, () if linear or always else ("in time by the linearized equation",)


def smooth_time(scheme: Scheme) -> sp.Symbol:
    """The marching coordinate's symbol."""
    return sp.Symbol(scheme.system.problem.marching or "t", real=True)


def dominant(scheme: Scheme) -> tuple[int, Fraction, bool] | None:
    """(p, C, always): the error in time is C dt^p ∂_t^(p+1) q, for nonlinear rates too if `always`; None for splittings."""
    match scheme.time:
        case RungeKutta(tableau=tableau):
            p, taylor = tableau.order, regions.polynomial(tableau)
            own = taylor[p + 1] if len(taylor) > p + 1 else Fraction(0)
            return p, own - Fraction(1, factorial(p + 1)), False
        case AdamsBashforth(weights=weights):
            return len(weights), -multistep_constant(ONE_STEP, (Fraction(0), *weights)), True
        case Implicit(name=name):
            return scheme.time.order, -multistep_constant(*IMPLICIT[name]), True
        case _:
            return None


def flow_symbols(scheme: Scheme) -> tuple[sp.Symbol, ...]:
    """The unknowns' symbols."""
    return tuple(u.symbol for u in scheme.system.unknowns)


def flow_of(scheme: Scheme, rates: Vector) -> Flow:
    """Rates with the marching coordinate where they depend on it."""
    free = {s for e in rates for s in e.free_symbols}
    time = None
    for s, meaning in scheme.system.symbols:
        if isinstance(meaning, CoordinateMeaning) and meaning.name == scheme.system.problem.marching and s in free:
            time = s
    return Flow(flow_symbols(scheme), rates, time)


def _errors(scheme: Scheme) -> Vector | None:
    rates = scheme.system.rates
    whole = flow_of(scheme, rates)
    match scheme.time:
        case RungeKutta(tableau=tableau):
            parts = [(w, whole.differential(tree)) for tree, w in error_weights(tableau)]
            return _combined(DT**tableau.order, parts)
        case AdamsBashforth(weights=weights):
            return multistep(whole, len(weights), multistep_constant(ONE_STEP, (Fraction(0), *weights)))
        case Implicit(name=name):
            return multistep(whole, scheme.time.order, multistep_constant(*IMPLICIT[name]))
        case ImplicitExplicit(name=name, implicit=stiff, explicit=rest):
            alpha, beta = IMPLICIT[EXPLICIT_PART[name][0]]
            order, other = scheme.time.order, multistep_constant(alpha, EXPLICIT_PART[name][1])
            first = _parts(whole, stiff, order, multistep_constant(alpha, beta))
            return tuple(a + b for a, b in zip(first, _parts(whole, rest, order, other), strict=True))
        case Exponential(name="etd1", explicit=rest):
            return _parts(whole, rest, 1, Fraction(1, 2))
        case Exponential(name="etdrk2", explicit=rest):
            curved = _parts(whole, rest, 2, Fraction(-1, 12))
            late = _parts(whole, rest, 1, Fraction(1, 4))
            return tuple(a + DT * b for a, b in zip(curved, Flow(whole.unknowns, rest).along([late]), strict=True))
        case Leapfrog(kicked=kicked):
            kick = tuple(e if k in kicked else sp.Integer(0) for k, e in enumerate(rates))
            drift = tuple(sp.Integer(0) if k in kicked else e for k, e in enumerate(rates))
            return composition(scheme, kick, drift)
        case Splitting(kind="lie", linear=linear, pointwise=pointwise):
            return tuple(DT / 2 * e for e in _bracket(scheme, linear, pointwise))
        case Splitting(linear=linear, pointwise=pointwise, linear_is_exact=exact):
            split = composition(scheme, linear, pointwise)
            if exact:
                return split
            half_steps = multistep(flow_of(scheme, linear), 2, Fraction(-1, 12))
            return tuple(a + b / 4 for a, b in zip(split, half_steps, strict=True))
        case _:
            return None


def _combined(power: sp.Expr, parts: list[tuple[Fraction, Vector]]) -> Vector:
    return tuple(sp.Add(*(sp.Rational(w) * power * v for w, v in zip([p[0] for p in parts], column, strict=True)))
                 for column in zip(*(p[1] for p in parts), strict=True))  # fmt: skip


def multistep_constant(alpha: tuple[Fraction, ...], beta: tuple[Fraction, ...]) -> Fraction:
    """C of Σ_j α_j q(t - j dt) - dt Σ_j β_j q'(t - j dt) = C dt^(p+1) q^(p+1) + …, for Σ β = 1 (which is Σ_j -j α_j)."""
    for m in range(2, 2 * len(beta) + 2):
        total = sum((a * Fraction(-j) ** m for j, a in enumerate(alpha)), Fraction(0))
        total -= m * sum((b * Fraction(-j) ** (m - 1) for j, b in enumerate(beta)), Fraction(0))
        if total:
            return total / factorial(m)
    raise AssertionError


def multistep(flow: Flow, order: int, constant: Fraction) -> Vector:
    """-C dt^p D^p F."""
    found = flow.rates
    for _ in range(order):
        found = flow.derivative(found)
    return tuple(-sp.Rational(constant) * DT**order * e for e in found)


def _parts(whole: Flow, rates: Vector, order: int, constant: Fraction) -> Vector:
    """-C dt^p D^p G of a part G of the rates, D along the whole flow."""
    found = rates
    for _ in range(order):
        found = whole.derivative(found)
    return tuple(-sp.Rational(constant) * DT**order * e for e in found)


def composition(scheme: Scheme, outer: Vector, inner: Vector) -> Vector:
    """The error of outer/2, inner, outer/2."""
    bracket = _bracket(scheme, outer, inner)
    twice, other = _bracket(scheme, outer, bracket), _bracket(scheme, inner, bracket)
    return tuple(-(DT**2) * (a / 24 + b / 12) for a, b in zip(twice, other, strict=True))


def _bracket(scheme: Scheme, a: Vector, b: Vector) -> Vector:
    """[A, B] = B'A - A'B."""
    symbols = flow_symbols(scheme)
    along_a = Flow(symbols, b).along([a])
    along_b = Flow(symbols, a).along([b])
    return tuple(x - y for x, y in zip(along_a, along_b, strict=True))
