"""Exact flows of pointwise systems: q after a time τ of `q' = N(q)`, cell by cell, from a table.

    a u + b            u e^{aτ} + b (e^{aτ} - 1)/a               (u + b τ if a = 0)
    a u - b u²         u E/(1 + (b/a) u (E - 1)),  E = e^{aτ}    (u/(1 + b u τ) if a = 0)
    a u - b u³         u E/√(1 + (b/a) u² (E² - 1))              (u/√(1 + 2 b u² τ) if a = 0)
    (g + iθ) ψ         e^{gτ} (cos θτ + i sin θτ) ψ              θ free of what moves, or g = 0 and θ constant along the motion

a, b, g may depend on position and on what does not move. Each flow that is found is differentiated and compared with N at sample
points before it is used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import sympy as sp

from npde.discretize.numeric import Pointwise
from npde.model.problem import LearnedCoefficient
from npde.symbolic import operators as op
from npde.symbolic.classify import degrees
from npde.symbolic.pairs import apply
from npde.symbolic.system import System

LARGEST = 400
"""Operations of a rate that is looked at."""

HIGHEST = 4
"""Powers of a sum that may be multiplied out."""

Coefficients = tuple[sp.Expr, ...]


def flow(system: System, rates: Sequence[sp.Expr], tau: sp.Symbol) -> tuple[sp.Expr, ...] | None:
    """The exact flow of all unknowns, or None where the table has none for one of them."""
    if any(e.has(op.GridOperator) or e.count_ops() > LARGEST for e in rates):
        return None
    symbols = [u.symbol for u in system.unknowns]
    moving = {s for s, e in zip(symbols, rates, strict=True) if e != 0}
    found: dict[sp.Symbol, sp.Expr] = {s: s for s in symbols if s not in moving}
    finder = _Finder(system, dict(zip(symbols, rates, strict=True)), moving, tau)
    for k, s in enumerate(symbols):
        if s in found:
            continue
        scalar = finder.scalar(s)
        if scalar is not None:
            found[s] = scalar
            continue
        partner = symbols[k + 1] if k + 1 < len(symbols) else None
        pair = None if partner is None or partner in found else finder.rotation(s, partner)
        if pair is None or partner is None:
            return None
        found[s], found[partner] = pair
    whole = tuple(found[s] for s in symbols)
    return whole if _verified(symbols, rates, whole, tau) else None


class _Finder:
    def __init__(
        self, system: System, rates: Mapping[sp.Symbol, sp.Expr], moving: set[sp.Symbol], tau: sp.Symbol
    ) -> None:
        self.rates, self.moving, self.tau = rates, moving, tau
        self.positive = {s for s, m in system.symbols if isinstance(m, LearnedCoefficient) and _never_zero(m)}

    def scalar(self, u: sp.Symbol) -> sp.Expr | None:
        """The flow of an unknown whose rate holds no other unknown that moves."""
        rate = self.rates[u]
        if rate.free_symbols & (self.moving - {u}):
            return None
        c = _polynomial(rate, u)
        if c is None:
            return None
        if c[2] == 0 and c[3] == 0:
            return self._linear(u, c[1], c[0])
        if c[0] != 0 or (c[2] != 0 and c[3] != 0):
            return None
        return self._bernoulli(u, c[1], -c[2] if c[2] != 0 else -c[3], 1 if c[2] != 0 else 2)

    def _linear(self, u: sp.Symbol, a: sp.Expr, b: sp.Expr) -> sp.Expr | None:
        if a == 0:
            return u + b * self.tau
        grown = apply(sp.exp, a * self.tau)
        if b == 0:
            return u * grown
        ratio = self._ratio(b, a)
        return None if ratio is None else u * grown + ratio * (grown - 1)

    def _bernoulli(self, u: sp.Symbol, a: sp.Expr, b: sp.Expr, n: int) -> sp.Expr | None:
        """u' = a u - b u^{n+1}: u^{-n} obeys a linear equation."""
        if a == 0:
            below = 1 + n * b * u**n * self.tau
            return u * sp.Pow(below, sp.Rational(-1, n))
        ratio = self._ratio(b, a)
        if ratio is None:
            return None
        grown = apply(sp.exp, a * self.tau)
        raised = grown if n == 1 else apply(sp.exp, n * a * self.tau)
        return u * grown * sp.Pow(1 + ratio * u**n * (raised - 1), sp.Rational(-1, n))

    def _ratio(self, b: sp.Expr, a: sp.Expr) -> sp.Expr | None:
        """b/a where what is left below the line cannot vanish, else None."""
        ratio = sp.cancel(b / a) if (b / a).is_rational_function() else b / a
        below = sp.denom(ratio)
        safe = all(
            f.is_number or f in self.positive or f.as_base_exp()[0] in self.positive for f in sp.Mul.make_args(below)
        )
        return ratio if safe else None

    def rotation(self, u: sp.Symbol, v: sp.Symbol) -> tuple[sp.Expr, sp.Expr] | None:
        """The flow of (u, v)' = g (u, v) + θ (-v, u)."""
        parts = _turned(self.rates[u], self.rates[v], u, v)
        if parts is None:
            return None
        g, theta = parts
        free = not (g.free_symbols | theta.free_symbols) & self.moving
        if not free and (g != 0 or not self._kept(theta)):
            return None
        cosine, sine = apply(sp.cos, theta * self.tau), apply(sp.sin, theta * self.tau)
        size = sp.Integer(1) if g == 0 else apply(sp.exp, g * self.tau)
        return size * (u * cosine - v * sine), size * (u * sine + v * cosine)

    def _kept(self, theta: sp.Expr) -> bool:
        """Whether θ is constant along the motion: Σ ∂θ/∂q N(q) = 0."""
        change = sp.Add(*(sp.diff(theta, q) * self.rates[q] for q in sorted(theta.free_symbols & self.moving, key=str)))
        return sp.expand(change) == 0


def _never_zero(m: LearnedCoefficient) -> bool:
    c = m.constraint
    return c is not None and ((c.lower is not None and c.lower >= 0) or (c.upper is not None and c.upper <= 0))


def _polynomial(rate: sp.Expr, u: sp.Symbol) -> Coefficients | None:
    """The coefficients of a rate as a polynomial of degree at most 3 in u, the constant first; None if it is none."""
    degree = max(degrees(rate, (u,)))
    if degree > 3 or not _tame(rate):
        return None
    parts: list[list[sp.Expr]] = [[] for _ in range(4)]
    for term in sp.Add.make_args(sp.expand(rate, power_base=False, power_exp=False, log=False)):
        powers = [f.as_base_exp()[1] for f in sp.Mul.make_args(term) if f.as_base_exp()[0] == u]
        rest = sp.Mul(*(f for f in sp.Mul.make_args(term) if f.as_base_exp()[0] != u))
        k = sum(powers)
        if rest.has(u) or not 0 <= k <= 3 or k != int(k):
            return None
        parts[int(k)].append(rest)
    return tuple(sp.Add(*p) for p in parts)


def _tame(e: sp.Expr) -> bool:
    """Whether an expression may be multiplied out."""
    return all(p.exp.is_Integer and abs(p.exp) <= HIGHEST for p in e.atoms(sp.Pow) if isinstance(p.base, sp.Add))


def _turned(rate_u: sp.Expr, rate_v: sp.Expr, u: sp.Symbol, v: sp.Symbol) -> tuple[sp.Expr, sp.Expr] | None:
    """(g, θ) with rate_u = g u - θ v and rate_v = g v + θ u."""
    if not _tame(rate_u) or not _tame(rate_v):
        return None
    for parts in (_by_factors(rate_u, u, v), _by_division(rate_u, rate_v, u, v)):
        if parts is None:
            continue
        left = rate_u - parts[0] * u + parts[1] * v
        right = rate_v - parts[0] * v - parts[1] * u
        if sp.expand(left) == 0 and sp.expand(right) == 0:
            return parts
    return None


def _by_factors(rate_u: sp.Expr, u: sp.Symbol, v: sp.Symbol) -> tuple[sp.Expr, sp.Expr] | None:
    """g and θ read off the terms of one rate, each with one factor u or v."""
    g: list[sp.Expr] = []
    theta: list[sp.Expr] = []
    for term in sp.Add.make_args(rate_u):
        by_u, by_v = sp.Mul.make_args(term).count(u), sp.Mul.make_args(term).count(v)
        if by_u + by_v != 1:
            return None
        (theta if by_v else g).append(-term / v if by_v else term / u)
    return sp.Add(*g), sp.Add(*theta)


def _by_division(rate_u: sp.Expr, rate_v: sp.Expr, u: sp.Symbol, v: sp.Symbol) -> tuple[sp.Expr, sp.Expr] | None:
    """g = (u N_u + v N_v)/(u² + v²) and θ = (u N_v - v N_u)/(u² + v²), where the rates are polynomials and both divide."""
    if not all(max(degrees(rate, (u, v))) <= 7 for rate in (rate_u, rate_v)):
        return None
    found = []
    for above in (u * rate_u + v * rate_v, u * rate_v - v * rate_u):
        quotient, remainder = sp.div(sp.expand(above), u**2 + v**2, u, v)
        if remainder != 0:
            return None
        found.append(quotient)
    return found[0], found[1]


def _verified(symbols: Sequence[sp.Symbol], rates: Sequence[sp.Expr], flow: Sequence[sp.Expr], tau: sp.Symbol) -> bool:
    """d(flow)/dτ = N(flow) and flow(0) = q, at fixed sample points."""
    names = sorted({s for e in (*rates, *flow) for s in e.free_symbols} | set(symbols), key=str)
    samples = {s: np.array([[0.17 + 0.13 * ((5 * k + 3 * j) % 7) for j in range(4)]]) for k, s in enumerate(names)}
    here = Pointwise(samples)
    start = Pointwise({**samples, tau: np.zeros((1, 4))})
    arrived = Pointwise({**samples, **{s: here(e) for s, e in zip(symbols, flow, strict=True)}})
    for s, rate, e in zip(symbols, rates, flow, strict=True):
        speed, wanted = here(sp.diff(e, tau)), arrived(rate)
        if not (np.allclose(start(e), samples[s], 1e-12, 1e-12) and np.allclose(speed, wanted, 1e-9, 1e-9)):
            return False
    return True
