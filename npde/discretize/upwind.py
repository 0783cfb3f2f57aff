"""Upwind-biased first derivatives, where `grid …, upwind n` asks for them, n = 2k - 1.

In a rate ∂_t q = a ∂_x q + … a wave of q travels with speed -a, so ∂_x takes one more point on the side that it comes from:

    a ∂_x q → max(a, 0) D₊ q + min(a, 0) D₋ q,    D₊ through cells j - k + 1 … j + k, D₋ through j - k … j + k - 1

with the sign of a chosen in every cell, and one of the two where it is known; a sums all such terms of the rate. In conservative
terms ∂_x f(q) the flux is split by local Lax-Friedrichs: the centered difference of 2k + 1 cells, plus differences of dissipative
fluxes at faces,

    ∂_x f → D f ± (Δ(A_{j+1/2} δ^n q) β_k (-1)^{k-1})/h,    A_{j+1/2} = max(|f'(q_j)|, |f'(q_{j+1})|),    β_k = 1/(k C(2k, k))

which telescope, equal the biased differences where f' is constant, and for k = 1 make a monotone scheme. Both are D of order 2k
plus a dissipation of order n; both have kinks where a speed changes its sign.

Source: C.-W. Shu, Essentially non-oscillatory and weighted ENO schemes for hyperbolic conservation laws, ICASE 97-65 (1997), § 2;
M. G. Crandall and A. Majda, Monotone difference approximations for scalar conservation laws, Math. Comp. 34 (1980) 1-21.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import sympy as sp

from npde.diagnostics import Collector
from npde.diagnostics.catalogue import numerics as codes
from npde.discretize.signs import sign
from npde.source import Span
from npde.symbolic import operators as op
from npde.symbolic.calculus import Calculus
from npde.symbolic.classify import Classifier
from npde.symbolic.context import calculus_of
from npde.symbolic.refusal import Refused
from npde.symbolic.system import System, Term


def upwinded(system: System, span: Span, collector: Collector) -> System:
    """The system with biased differences in its advective terms; as it is where the file does not ask for them.

    A warning is collected where nothing is transported, an error where the speed of a flux is not known.
    """
    order = system.problem.numerics.upwind
    if order is None:
        return system
    calculus = calculus_of(system)
    unknowns = frozenset(u.symbol for u in system.unknowns)
    classifier = Classifier(system.problem, calculus, dict(system.symbols), unknowns)
    terms = []
    for unknown, own in zip(system.unknowns, system.terms, strict=True):
        try:
            terms.append(_Biasing(system, calculus, classifier, unknown.symbol, (order + 1) // 2).terms(own))
        except Refused as refused:
            collector.add(refused.diagnostic)
            terms.append(own)
    if terms == list(system.terms) and not collector.errors:
        collector.add(codes.NOTHING_UPWIND.at(span))
    rates = tuple(sp.Add(*(t.expression for t in own)) for own in terms)
    return replace(system, rates=rates, terms=tuple(terms))


Piece = tuple[sp.Expr, Span]


@dataclass
class _Biasing:
    """The rate of one unknown."""

    system: System
    calculus: Calculus
    classifier: Classifier
    symbol: sp.Symbol
    k: int

    def terms(self, terms: Sequence[Term]) -> tuple[Term, ...]:
        """The terms, those that transport the unknown along an axis joined to one."""
        if len(terms) == 1 and isinstance(terms[0].expression, op.Stack):
            items = terms[0].expression.args
            parts = [self._whole(e, op.Component(self.symbol, i), terms[0].span) for i, e in enumerate(items)]
            changed = op.Stack(*parts)
            return tuple(terms) if changed == terms[0].expression else (self.classifier.term(changed, terms[0].span),)
        pieces = [(t.expression, t.span) for t in terms]
        found = self._pieces(pieces, self.symbol)
        if not any(e.has(op.Biased, op.FluxDissipation) for e, _ in found):
            return tuple(terms)
        return tuple(self.classifier.term(e, span) for e, span in found)

    def _whole(self, e: sp.Expr, own: sp.Expr, span: Span) -> sp.Expr:
        return sp.Add(*(part for part, _ in self._pieces([(e, span)], own)))

    def _pieces(self, pieces: list[Piece], own: sp.Expr) -> list[Piece]:
        for c in self.system.problem.space:
            pieces = self._transported(pieces, own, self.calculus.table.coordinates[c.name])
        return [(self._conserved(e, own, span), span) for e, span in pieces]

    def _transported(self, pieces: list[Piece], own: sp.Expr, x: sp.Expr) -> list[Piece]:
        """a ∂_x q taken out of the pieces and put in again with biased differences, if they are affine in ∂_x q."""
        speed = slope_factor([e for e, _ in pieces], own, x)
        if speed is None:
            return pieces
        marked, stand_in = _marked([e for e, _ in pieces], own, x, 1)
        spans = [span for _, span in pieces]
        rest = [(e.xreplace({stand_in: sp.Integer(0)}), span) for e, span in zip(marked, spans, strict=True)]
        first = next(span for e, span in zip(marked, spans, strict=True) if stand_in in e.free_symbols)
        moved = _chosen(speed, own, x, self.k, self.system)
        return [(e, span) for e, span in rest if e != 0] + [(moved, first)]

    def _conserved(self, e: sp.Expr, own: sp.Expr, span: Span) -> sp.Expr:
        """c ∂_x f(q) → c D f + |c| (dissipation of f')."""
        mixed = any(
            isinstance(f, sp.Add) and f.has(*op.DIFFERENTIAL) for a in sp.Add.make_args(e) for f in sp.Mul.make_args(a)
        )
        parts = []
        for product in sp.Add.make_args(sp.expand_mul(e) if mixed else e):
            factors = sp.Mul.make_args(product)
            fluxes = [f for f in factors if _is_flux(f, own)]
            speed = _speed(fluxes[0].args[0], own, self.symbol, span) if len(fluxes) == 1 else sp.Integer(0)
            if speed == 0:
                parts.append(product)
                continue
            f, x = fluxes[0].args[:2]
            rest = sp.Mul(*(a for a in factors if a is not fluxes[0]))
            known = sign(rest, self.system)
            size = rest * known if known else op.AbsoluteValue(rest)
            centered = op.Biased(f, x, self.k, self.k) if isinstance(fluxes[0], op.Diff) else fluxes[0]
            parts += [rest * centered, size * op.FluxDissipation(op.AbsoluteValue(speed), own, x, 2 * self.k - 1)]
        return sp.Add(*parts)


def slope_factor(parts: Sequence[sp.Expr], own: sp.Expr, x: sp.Expr, m: int = 1) -> sp.Expr | None:
    """The factor of ∂_x^m q in a sum that is affine in it; None where it is not, or has none."""
    marked, stand_in = _marked(parts, own, x, m)
    factors = [sp.diff(e, stand_in) for e in marked]
    if not any(factors) or any(stand_in in a.free_symbols for a in factors):
        return None
    return sp.Add(*factors)


def _marked(parts: Sequence[sp.Expr], own: sp.Expr, x: sp.Expr, m: int) -> tuple[list[sp.Expr], sp.Dummy]:
    """The parts with a symbol in place of ∂_x^m q, where it is not inside of an operator."""
    slope, stand_in = op.Diff(own, x, m), sp.Dummy("slope", real=True)
    return [_rebuilt(e, lambda o: stand_in if o == slope else o) for e in parts], stand_in


def _is_flux(o: sp.Expr, own: sp.Expr) -> bool:
    """Whether a factor is ∂_x of something of the unknown, but not of the unknown alone or of its derivatives."""
    if not isinstance(o, op.Diff | op.FaceDiff) or (isinstance(o, op.Diff) and o.args[2] != 1):
        return False
    f = o.args[0]
    return f.has(own) and f != own and not any(a.has(own) for a in f.atoms(*op.DIFFERENTIAL))


def _rebuilt(e: sp.Expr, of: Callable[[sp.Expr], sp.Expr]) -> sp.Expr:
    """A pointwise expression of operators and symbols with each outermost operator put through `of`."""
    if isinstance(e, op.GridOperator):
        return of(e)
    if not e.args or not e.has(op.GridOperator):
        return e
    return e.func(*(_rebuilt(a, of) for a in e.args))


def _chosen(a: sp.Expr, own: sp.Expr, x: sp.Expr, k: int, system: System) -> sp.Expr:
    """max(a, 0) D₊ q + min(a, 0) D₋ q."""
    above, below = op.Biased(own, x, k - 1, k), op.Biased(own, x, k, k - 1)
    known = sign(a, system)
    if known:
        return sp.Mul(a, above if known > 0 else below)
    return op.Relu(a) * above - op.Relu(-a) * below


def _speed(f: sp.Expr, own: sp.Expr, symbol: sp.Symbol, span: Span) -> sp.Expr:
    """∂f/∂q, operators held fast."""
    if own == symbol and any(a.args[0] == own or own in a.args for a in f.atoms(*MIXING)):
        raise Refused(codes.UPWIND_FLUX.at(span))
    fixed: dict[sp.Expr, sp.Dummy] = {}

    def stand_in(o: sp.Expr) -> sp.Expr:
        return fixed.setdefault(o, sp.Dummy(real=True))

    marked = _rebuilt(f, stand_in)
    q = own if own == symbol else fixed.get(own)
    return sp.Integer(0) if q is None else sp.diff(marked, q).xreplace({d: o for o, d in fixed.items()})


MIXING = (op.Component, op.MatVec, op.DotProduct)
"""Operators that make a flux of one component depend on others."""
