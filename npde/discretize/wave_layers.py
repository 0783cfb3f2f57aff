"""Absorbing layers of marched real waves, `dtt(u) = Σ_i ∂_i(a_i ∂_i u) + F`, F what is not differentiated across a layer.

In Laplace space a layer turns ∂_i into (1/γ_i) ∂_i with γ_i = 1 + ζ_i/s. The equation times Π γ_i is, back in time, with
e_1, e_2, e_3 the elementary symmetric polynomials of the ζ_i and the fluxes φ_i, ψ and ρ as further unknowns,

    u_tt = Σ_i ∂_i(a_i ∂_i u + φ_i) + F + ρ_1 - e_1 u_t - e_2 u - e_3 ψ
    φ_i' = -ζ_i φ_i + a_i (Σ_{j≠i} ζ_j - ζ_i) ∂_i u + a_i (ζ_j ζ_k) ∂_i ψ
    ψ' = u,    ρ_1' = e_1 F + ρ_2,    ρ_2' = e_2 F + ρ_3,    ρ_3' = e_3 F

which a wave enters without reflection, at any angle and frequency; no further unknown is differentiated across an axis that
does not absorb.
With ζ = 3 c ln(1/R)/(2 w) (d/w)², w the width and d the depth, a wave at a right angle returns with the amplitude R. All is
zero behind. M. Grote, I. Sim, arXiv:1001.0319 (2010), there with F = 0 and layers on all axes.

Equations that are not of this form (other derivatives across a layer, several fields in one flux, components) get a damped layer,
which is not matched: -μ dt(u) on the right side, μ = 3 c ln(1/R)/w (d/w)².
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import sympy as sp

from npde.diagnostics.catalogue import not_yet as codes
from npde.discretize.absorbing import REFLECTION, Layer, Stretching, absorbed, exact, principal, size
from npde.discretize.scheme import Grid
from npde.model.problem import Absorbing
from npde.source import Span
from npde.symbolic import operators as op
from npde.symbolic.calculus import values
from npde.symbolic.classify import Classifier
from npde.symbolic.context import calculus_of
from npde.symbolic.refusal import Refused
from npde.symbolic.system import CoordinateMeaning, System, Unknown

DAMPED = 1e-3
"""R of a damped layer: a steeper one would reflect at its edge."""

Part = tuple[sp.Expr, Span]
"""A summand of a rate and where it was written."""

Profiles = dict[sp.Symbol, sp.Expr]
"""ζ or μ along each axis that absorbs."""


@dataclass(frozen=True)
class Flux:
    """`factor ∂_axis(inner ∂_axis u)`, one term of a rate."""

    axis: sp.Symbol
    factor: sp.Expr
    inner: sp.Expr


def with_layers(system: System, grid: Grid) -> System:
    """The system with its absorbing layers; itself where there are none.

    Raises:
        Refused: the equations are no waves that a layer can absorb.
    """
    if not (system.problem.absorbing and system.is_second_order and all(u.part == "value" for u in system.unknowns)):
        return absorbed(system, grid)
    for k in [k for k, u in enumerate(system.unknowns) if u.is_velocity]:
        found = _parts(system, k)
        share = DAMPED**2 if found is None else REFLECTION
        profiles = _profiles(system, grid, k, 3 * math.log(1 / share) / 2)
        if found is None:
            damping = -sp.Add(*profiles.values()) * system.unknowns[k].symbol
            system = _rated(system, k, [*_stated(system, k), (damping, system.problem.absorbing[0].span)])
        else:
            system = _matched(system, k, *found, profiles)
    return system


def is_of_layers(system: System, unknown: Unknown) -> bool:
    """Whether an unknown was added by absorbing layers: no field has its name."""
    return all(f.name != unknown.field for f in system.problem.fields)


def _profiles(system: System, grid: Grid, k: int, strength: float) -> Profiles:
    """`strength c/w (d/w)²` for each axis that absorbs, c the speed of the waves of rate k along it."""
    field = _field_of(system, k)
    found: Profiles = {}
    for absorbing in system.problem.absorbing:
        axis = next(a for a in grid.axes if a.name == absorbing.coordinate)
        x, width = _coordinate(system, axis.name), exact(absorbing.width)
        parts = [principal(t.expression, x) for t in system.terms[k] if t.order == 2]
        speed = math.sqrt(size(parts, system, grid, field))
        if not speed > 0:
            name = system.unknowns[k].field
            raise Refused(codes.ABSORBING.at(absorbing.span, why=f"'{name}' is no wave along '{axis.name}'"))
        below = op.Relu(exact(axis.lower) + width - x) / width
        above = op.Relu(x - exact(axis.upper) + width) / width
        found[x] = sp.Float(f"{strength * speed / float(absorbing.width):.12g}") * (below**2 + above**2)
    return found


def _coordinate(system: System, name: str) -> sp.Symbol:
    return next(s for s, m in system.symbols if m == CoordinateMeaning(name))


def _field_of(system: System, k: int) -> int:
    name = system.unknowns[k].field
    return next(j for j, v in enumerate(system.unknowns) if v.field == name and not v.is_velocity)


# --- what a rate is made of -------------------------------------------------------------------------------------------


def _stated(system: System, k: int) -> list[Part]:
    return [(t.expression, t.span) for t in system.terms[k]]


def _parts(system: System, k: int) -> tuple[list[Flux], list[Part], list[Part]] | None:
    """The fluxes of a rate across axes that absorb; as terms; and its other terms. None where a term is neither."""
    u = system.unknowns[_field_of(system, k)]
    if u.shape:
        return None
    absorbing = {_coordinate(system, a.coordinate) for a in system.problem.absorbing}
    holding = Stretching(system, tuple(_layer(system, a) for a in system.problem.absorbing), calculus_of(system))
    fluxes: list[Flux] = []
    across: list[Part] = []
    rest: list[Part] = []
    for term in system.terms[k]:
        for e in _by_axes(term.expression, system):
            held = e if term.source else holding.held(e)
            if not _crosses(e, absorbing):
                rest.append((held, term.span))
                continue
            found = _flux(held, u.symbol)
            if found is None:
                return None
            fluxes.append(found)
            across.append((held, term.span))
    return fluxes, across, rest


def _layer(system: System, absorbing: Absorbing) -> Layer:
    """Where a layer is, for coefficients that keep the value at its inner edge."""
    c = next(c for c in system.problem.space if c.name == absorbing.coordinate)
    x = _coordinate(system, c.name)
    return Layer(x, exact(c.lower), exact(c.upper), exact(absorbing.width), sp.Integer(0), 2)


def _by_axes(e: sp.Expr, system: System) -> Iterable[sp.Expr]:
    """A term with its Laplacian as a sum over the axes."""
    space = [_coordinate(system, c.name) for c in system.problem.space]
    laps = [a for a in sp.Mul.make_args(e) if isinstance(a, op.Lap)]
    if len(laps) != 1:
        return [e]
    factor = sp.Mul(*(a for a in sp.Mul.make_args(e) if a not in laps))
    return [factor * op.Diff(laps[0].args[0], x, 2) for x in space]


def _crosses(e: sp.Expr, absorbing: set[sp.Symbol]) -> bool:
    """Whether an expression differentiates across an axis that absorbs."""
    if isinstance(e, op.Lap):
        return True
    if isinstance(e, op.Diff | op.FaceDiff | op.Biased) and e.args[1] in absorbing:
        return True
    return any(_crosses(a, absorbing) for a in values(e)) if not isinstance(e, sp.Symbol) else False


def _flux(e: sp.Expr, u: sp.Symbol) -> Flux | None:
    """A term as `c ∂²u` or `c ∂(a ∂u)`."""
    operators = [a for a in sp.Mul.make_args(e) if isinstance(a, op.Diff | op.FaceDiff)]
    if len(operators) != 1:
        return None
    factor = sp.Mul(*(a for a in sp.Mul.make_args(e) if a not in operators))
    if factor.has(op.GridOperator) or u in factor.free_symbols:
        return None
    match operators[0]:
        case op.Diff(args=(w, x, n)) if w == u and n == 2:
            return Flux(x, factor, sp.Integer(1))
        case op.FaceDiff(args=(flux, x)):
            slope = op.Diff(u, x, 1)
            factors = sp.Mul.make_args(flux)
            inner = sp.Mul(*(a for a in factors if a != slope))
            plain = slope in factors and not inner.has(op.GridOperator) and u not in inner.free_symbols
            return Flux(x, factor, inner) if plain else None
        case _:
            return None


# --- the layers -------------------------------------------------------------------------------------------------------


def _matched(
    system: System, k: int, fluxes: list[Flux], across: list[Part], rest: list[Part], profiles: Profiles
) -> System:
    """The rate k and the unknowns that its layers add, as the equations at the head of this module say."""
    u, span = system.unknowns[_field_of(system, k)], system.problem.absorbing[0].span
    names = _Names(system, u.field)
    e = [_symmetric(profiles, n) for n in (1, 2, 3)]
    others = sp.Add(*(a for a, _ in rest))
    added: list[tuple[sp.Symbol, sp.Expr]] = []
    extra = -e[0] * system.unknowns[k].symbol - e[1] * u.symbol
    psi = names.new("sum") if e[2] != 0 else None
    if psi is not None:
        added.append((psi, u.symbol))
        extra -= e[2] * psi
    for flux in fluxes:
        phi, x = names.new(str(flux.axis)), flux.axis
        around = {y: z for y, z in profiles.items() if y != x}
        rate = -profiles[x] * phi + flux.inner * (_symmetric(around, 1) - profiles[x]) * op.Diff(u.symbol, x, 1)
        if psi is not None:
            rate += flux.inner * _symmetric(around, 2) * op.Diff(psi, x, 1)
        added.append((phi, rate))
        extra += flux.factor * op.Diff(phi, x, 1)
    if others != 0:
        held = [names.new("rest") for _ in profiles]
        behind = [*held[1:], sp.Integer(0)]
        added += [(rho, e[n] * others + behind[n]) for n, rho in enumerate(held)]
        extra += held[0]
    system = _extended(system, added)
    return _rated(system, k, [*across, *rest, *((a, span) for a in sp.Add.make_args(extra))])


def _symmetric(profiles: Profiles, degree: int) -> sp.Expr:
    """The elementary symmetric polynomial of the profiles."""
    return sp.Add(*(sp.Mul(*chosen) for chosen in combinations(profiles.values(), degree)))


@dataclass
class _Names:
    """Names of further unknowns that nobody has."""

    system: System
    field: str

    def __post_init__(self) -> None:
        problem = self.system.problem
        declared = (*problem.coordinates, *problem.fields, *problem.lets, *problem.learned, *problem.inputs)
        self.taken = {d.name for d in declared} | {s.name for s, _ in self.system.symbols}

    def new(self, what: str) -> sp.Symbol:
        name = f"{self.field}_layer_{what}"
        while name in self.taken:
            name += "_"
        self.taken.add(name)
        return sp.Symbol(name, real=True)


def _rated(system: System, k: int, parts: Sequence[Part]) -> System:
    """The system with rate k made of `parts`."""
    classifier = _classifier(system)
    rates, terms = list(system.rates), list(system.terms)
    rates[k] = sp.Add(*(e for e, _ in parts))
    terms[k] = tuple(classifier.term(a, span) for e, span in parts for a in sp.Add.make_args(e) if a != 0)
    return replace(system, rates=tuple(rates), terms=tuple(terms))


def _extended(system: System, added: Sequence[tuple[sp.Symbol, sp.Expr]]) -> System:
    """The system with further unknowns, zero at the start."""
    span = system.problem.absorbing[0].span
    unknowns = tuple(Unknown(s, s.name, "value", False, ()) for s, _ in added)
    first = len(system.unknowns)
    system = replace(
        system,
        unknowns=(*system.unknowns, *unknowns),
        rates=(*system.rates, *(e for _, e in added)),
        terms=(*system.terms, *(() for _ in added)),
        symbols=(*system.symbols, *((u.symbol, u) for u in unknowns)),
        initial=(*system.initial, *(sp.Integer(0) for _ in added)),
    )
    for n, (_, e) in enumerate(added):
        system = _rated(system, first + n, [(e, span)])
    return system


def _classifier(system: System) -> Classifier:
    unknowns = frozenset(u.symbol for u in system.unknowns)
    return Classifier(system.problem, calculus_of(system), dict(system.symbols), unknowns)
