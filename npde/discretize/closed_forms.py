"""Step bounds in closed form, for the equations that have one.

Σ d_i ∂²_i u                 dt ≤ ρ / Σ κ d_i/h_i²          ρ: real interval, κ: largest symbol of -h²∂²
Σ a_i ∂_i u                  dt ≤ ι / Σ μ |a_i|/h_i         ι: imaginary interval, μ: largest symbol of h∂
Σ a_i ∂_i u, upwind 1        dt ≤ r / Σ |a_i|/h_i           r: radius of the largest circle about -r in the region
u_tt = Σ c_i ∂²_i u          dt ≤ 2 / √(Σ κ c_i/h_i²)       leapfrog
i ψ_t = -Σ a_i ∂²_i ψ        dt ≤ ι / Σ κ |a_i|/h_i²        (leapfrog: ι = 2)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import sympy as sp

from npde.discretize import regions, stencils
from npde.discretize.numeric import Pointwise
from npde.discretize.scheme import AdamsBashforth, Leapfrog, RungeKutta
from npde.model.problem import LearnedCoefficient
from npde.symbolic import operators as op
from npde.symbolic.system import System

EXACT_INTERVALS: Mapping[str, sp.Expr] = {"ssprk3": sp.sqrt(3), "rk4": 2 * sp.sqrt(2)}
"""Imaginary intervals of one-step schemes."""


def spacing(axis: str) -> sp.Symbol:
    """The symbol of an axis' spacing in a formula."""
    return sp.Symbol(f"h_{axis}", positive=True)


def formula(system: System, scheme: RungeKutta | AdamsBashforth | Leapfrog, order: int) -> sp.Expr | None:
    """The bound in spacings and learned scalars, None where the table has none."""
    channels = [u for u in system.unknowns if not u.is_velocity]
    reader = _Reader(system, order)
    if len(system.unknowns) == 1:
        parts = reader.read(0, channels[0].symbol)
        return None if parts is None else _single(parts, scheme, reader)
    if len(system.unknowns) != 2:
        return None
    first, second = system.unknowns
    if second.is_velocity:
        parts = reader.read(1, first.symbol)
        wave = parts is not None and bool(parts.second) and isinstance(scheme, Leapfrog)
        return 2 / sp.sqrt(reader.second_total(parts)) if wave and parts is not None else None
    if (first.field, first.part, second.part) != (second.field, "re", "im"):
        return None
    turned = (reader.read(0, second.symbol), reader.read(1, first.symbol))
    return _schrodinger(turned[0], turned[1], scheme, reader)


@dataclass(frozen=True)
class _Parts:
    """Coefficients of first and second derivatives, an axis: (axis, coefficient, largest symbol)."""

    first: tuple[tuple[str, sp.Expr], ...]
    second: tuple[tuple[str, sp.Expr, Fraction], ...]
    one_sided: tuple[tuple[str, sp.Expr], ...] = ()


@dataclass(frozen=True)
class _Reader:
    system: System
    order: int

    def read(self, k: int, unknown: sp.Symbol) -> _Parts | None:
        """The terms of rate k if they are constant derivatives of one unknown."""
        first: list[tuple[str, sp.Expr]] = []
        second: list[tuple[str, sp.Expr, Fraction]] = []
        one_sided: list[tuple[str, sp.Expr]] = []
        for term in self.system.terms[k]:
            if term.source:
                continue
            operators = [f for f in sp.Mul.make_args(term.expression) if isinstance(f, op.DIFFERENTIAL)]
            coefficient = sp.Mul(*(f for f in sp.Mul.make_args(term.expression) if f not in operators))
            if len(operators) != 1 or not self._scalar(coefficient):
                return None
            match operators[0]:
                case op.Lap(args=(u,)) if u == unknown:
                    second += [(c.name, coefficient, self.kappa) for c in self.system.problem.space]
                case op.Diff(args=(u, x, n)) if u == unknown and n == 2:
                    second.append((str(x), coefficient, self.kappa))
                case op.Diff(args=(u, x, n)) if u == unknown and n == 1:
                    first.append((str(x), coefficient))
                case op.Biased(args=(u, x, lower, upper)) if u == unknown and lower + upper == 1:
                    one_sided.append((str(x), coefficient))
                case op.FaceDiff(args=(op.Diff(args=(u, y, n)), x)) if u == unknown and x == y and n == 1:
                    second.append((str(x), coefficient, self.kappa_flux))
                case _:
                    return None
        kinds = bool(first) + bool(second) + bool(one_sided)
        return _Parts(tuple(first), tuple(second), tuple(one_sided)) if kinds == 1 else None

    def _scalar(self, coefficient: sp.Expr) -> bool:
        meanings = dict(self.system.symbols)
        return all(
            isinstance(meanings.get(s), LearnedCoefficient) and not meanings[s].coordinates
            for s in coefficient.free_symbols
        )

    @property
    def kappa(self) -> Fraction:
        """The largest symbol of -h²∂², at θ = π."""
        s = stencils.centered(2, self.order)
        return -sum((w * (-1) ** abs(int(o)) for o, w in zip(s.offsets, s.weights, strict=True)), Fraction(0))

    @property
    def kappa_flux(self) -> Fraction:
        """The same for a staggered difference of staggered differences."""
        total = sum((abs(w) for w in stencils.staggered(self.order).weights), Fraction(0))
        return total * total

    @property
    def mu(self) -> sp.Expr:
        """The largest symbol of h∂."""
        if self.order == 2:
            return sp.Integer(1)
        theta = sp.Symbol("theta")
        s = stencils.centered(1, self.order)
        symbol = sum(
            sp.Rational(w.numerator, w.denominator) * sp.sin(theta * int(o))
            for o, w in zip(s.offsets, s.weights, strict=True)
        )
        at = sp.nsolve(sp.diff(symbol, theta), theta, 1.8)
        return sp.Float(symbol.xreplace({theta: at}), 10)

    def second_total(self, parts: _Parts) -> sp.Expr:
        return sp.Add(*(_number(k) * c / spacing(a) ** 2 for a, c, k in parts.second))

    def first_total(self, parts: _Parts) -> sp.Expr:
        return sp.Add(*(self.mu * _size(c, self.system) / spacing(a) for a, c in parts.first))


def _single(parts: _Parts, scheme: RungeKutta | AdamsBashforth | Leapfrog, reader: _Reader) -> sp.Expr | None:
    if isinstance(scheme, Leapfrog):
        return None
    if parts.second:
        return interval(regions.real_interval(scheme)) / reader.second_total(parts)
    if parts.one_sided:
        circle = -1 + np.exp(2j * np.pi * np.arange(721) / 721)
        total = sp.Add(*(_size(c, reader.system) / spacing(a) for a, c in parts.one_sided))
        return interval(float(regions.largest_step(scheme, circle))) / total
    length = imaginary(scheme)
    return None if length is None else length / reader.first_total(parts)


def _schrodinger(
    re: _Parts | None, im: _Parts | None, scheme: RungeKutta | AdamsBashforth | Leapfrog, reader: _Reader
) -> sp.Expr | None:
    if re is None or im is None or not (re.second and im.second):
        return None
    opposite = [(a, -c, k) for a, c, k in re.second]
    if sorted(opposite, key=str) != sorted(im.second, key=str):
        return None
    length = sp.Integer(2) if isinstance(scheme, Leapfrog) else imaginary(scheme)
    total = sp.Add(*(_number(k) * _size(c, reader.system) / spacing(a) ** 2 for a, c, k in im.second))
    return None if length is None else length / total


def imaginary(scheme: RungeKutta | AdamsBashforth) -> sp.Expr | None:
    if not regions.has_imaginary_interval(scheme):
        return None
    known = EXACT_INTERVALS.get(scheme.tableau.name) if isinstance(scheme, RungeKutta) else None
    return known if known is not None else interval(regions.imaginary_interval(scheme))


def _size(c: sp.Expr, system: System) -> sp.Expr:
    """|c|, without the bars where a constraint settles the sign."""
    learned = {s: m for s, m in system.symbols if isinstance(m, LearnedCoefficient)}
    sign, rest = sp.Integer(1), []
    for f in sp.Mul.make_args(c):
        constraint = learned[f].constraint if f in learned else None
        if f.is_number:
            sign *= abs(f)
        elif constraint is not None and constraint.lower is not None and constraint.lower >= 0:
            rest.append(f)
        else:
            rest.append(op.AbsoluteValue(f))
    return sp.Mul(sign, *rest)


def interval(value: float) -> sp.Expr:
    """An interval's end as a number: whole where it is, else to ten digits."""
    return sp.Integer(round(value)) if abs(value - round(value)) < 1e-9 else sp.Float(value, 10)


def _number(value: Fraction) -> sp.Expr:
    return sp.Rational(value.numerator, value.denominator)


def at(expression: sp.Expr, spacings: Mapping[str, float], learned: Mapping[str, float]) -> float:
    """A formula's value for spacings and learned values by name; infinite or NaN where it has none."""
    values = {spacing(a): np.array([[h]]) for a, h in spacings.items()}
    values |= {sp.Symbol(n, real=True): np.array([[v]]) for n, v in learned.items()}
    return float(Pointwise(values)(expression)[0, 0])


def names(expression: sp.Expr) -> Sequence[str]:
    """The symbols of a formula, sorted."""
    return sorted(s.name for s in expression.free_symbols)
