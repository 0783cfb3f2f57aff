"""Absorbing layers by complex coordinate stretching (a perfectly matched layer).

Inside a layer of width w at the ends of an axis, d deep, with the time factor e^{-iωt}:

    ∂_x → (1/s) ∂_x,      s = 1 + i σ/k₀,      σ = (m + 1) ln(1/R)/(2 w) (d/w)^m

Real fields of second order in time are in `wave_layers`.

A wave e^{ik₀x} that enters the layer returns, in the continuous problem, with the amplitude R. The degree m is the order of the
scheme (quadratic at order 2): the stretched solution has m continuous derivatives, and the stencils need as many. The field is zero
behind the layer, and coefficients inside it take the value at its inner edge.

Source: Berenger, J. Comput. Phys. 114 (1994); as complex stretching, Chew & Weedon, Microw. Opt. Technol. Lett. 7 (1994).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import sympy as sp

from npde.diagnostics.catalogue import not_yet as codes
from npde.discretize.numeric import Unknown as NotKnown
from npde.discretize.samples import Samples
from npde.discretize.scheme import Axis, GhostRule, Grid
from npde.model.problem import Absorbing, Input, LearnedCoefficient
from npde.source import Span
from npde.symbolic import operators as op
from npde.symbolic.calculus import Calculus, values
from npde.symbolic.classify import Classifier, degrees
from npde.symbolic.context import calculus_of
from npde.symbolic.pairs import ZERO, Pair, add, multiply
from npde.symbolic.refusal import Refused
from npde.symbolic.system import CoordinateMeaning, System, Term
from npde.symbolic.variation import variation

REFLECTION = 1e-6
"""R: what returns of a wave that enters a layer at a right angle."""


@dataclass(frozen=True, slots=True)
class Layer:
    """The layers at both ends of an axis; `strength` is σ/k₀ at full depth."""

    coordinate: sp.Symbol
    lower: sp.Expr
    upper: sp.Expr
    width: sp.Expr
    strength: sp.Expr
    degree: int

    @property
    def first(self) -> Pair:
        """1/s."""
        return Pair(self._profile(0), self._profile(1))

    @property
    def square(self) -> Pair:
        """1/s²."""
        return Pair(self._profile(2), self._profile(3))

    @property
    def slope(self) -> Pair:
        """(1/s) d(1/s)/dx."""
        return Pair(self._profile(4), self._profile(5))

    def _profile(self, kind: int) -> sp.Expr:
        return op.Stretch(self.coordinate, kind, self.lower, self.upper, self.width, self.strength, self.degree)

    @property
    def inside(self) -> sp.Expr:
        """The position, kept at the inner edges inside the layers."""
        x = self.coordinate
        return x + op.Relu(self.lower + self.width - x) - op.Relu(x - self.upper + self.width)


def absorbed(system: System, grid: Grid) -> System:
    """The system with its derivatives stretched inside absorbing layers; itself where there are none.

    Raises:
        Refused: the equations are no waves that a layer can absorb.
    """
    if not system.problem.absorbing:
        return system
    layers = layers_of(system, grid)
    stretching = Stretching(system, layers, calculus_of(system))
    unknowns = frozenset(u.symbol for u in system.unknowns)
    classifier = Classifier(system.problem, stretching.calculus, dict(system.symbols), unknowns)
    rates, terms = [], []
    for old in system.terms:
        parts = [(stretching.term(t), t.span) for t in old]
        rates.append(sp.Add(*(e for e, _ in parts)))
        terms.append(tuple(classifier.term(a, span) for e, span in parts for a in sp.Add.make_args(e) if a != 0))
    return replace(system, rates=tuple(rates), terms=tuple(terms))


def layers_of(system: System, grid: Grid) -> tuple[Layer, ...]:
    """The layers of a system, with the wave number that they are tuned to."""
    found = []
    for absorbing in system.problem.absorbing:
        axis = next(a for a in grid.axes if a.name == absorbing.coordinate)
        x = next(s for s, m in system.symbols if m == CoordinateMeaning(axis.name))
        k0 = wave_number(system, grid, x, absorbing)
        degree = system.problem.numerics.order
        peak = (degree + 1) * math.log(1 / REFLECTION) / (2 * float(absorbing.width))
        ends = (exact(axis.lower), exact(axis.upper), exact(absorbing.width))
        found.append(Layer(x, *ends, sp.Float(f"{peak / k0:.12g}"), degree))
    return tuple(found)


def ghosts_behind(system: System, grid: Grid, read: Mapping[tuple[sp.Symbol, str], int]) -> tuple[GhostRule, ...]:
    """The field is zero behind a layer."""
    absorbing = {a.coordinate for a in system.problem.absorbing}
    return tuple(
        GhostRule(symbol, axis.name, side, ((ZERO,),) * width, ((),) * width, ())
        for axis in grid.axes
        if axis.name in absorbing
        for symbol in (u.symbol for u in system.unknowns)
        if (width := read.get((symbol, axis.name), 0))
        for side in ("lower", "upper")
    )


def layer_cells(system: System, grid: Grid) -> tuple[tuple[str, int], ...]:
    """Axes with layers, and how many cells of each end have their center inside."""
    axes = {a.name: a for a in grid.axes}
    return tuple((a.coordinate, _cells(float(a.width), axes[a.coordinate])) for a in system.problem.absorbing)


def _cells(width: float, axis: Axis) -> int:
    return max(0, math.ceil(width / float(axis.spacing) - 0.5 - 1e-9))


def exact(value: object) -> sp.Expr:
    """A number of the problem."""
    return sp.Float(value) if isinstance(value, float) else sp.Rational(value)


# --- stretching -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Stretching:
    """Terms of a complex system, inside layers. A real expression e, linear in the fields, is the real part of a complex one E,
    whose imaginary part is e of (im, -re) in place of (re, im)."""

    system: System
    layers: tuple[Layer, ...]
    calculus: Calculus

    def term(self, term: Term) -> sp.Expr:
        """A term of a real equation."""
        e = term.expression
        if term.source:
            return e
        if not term.order:
            return self.held(e)
        self._check_complex(term)
        return self.stretched(e, term.span).re

    def _check_complex(self, term: Term) -> None:
        unknowns = [u.symbol for u in self.system.unknowns]
        if not degrees(term.expression, unknowns) <= {0, 1}:
            raise self._refused(term.span, "a derivative stands in a nonlinear term")
        for u in self.system.unknowns:
            if u.symbol in term.expression.free_symbols and u.part == "value":
                raise self._refused(term.span, f"'{u.field}' is real")

    def _refused(self, span: Span, why: str) -> Refused:
        return Refused(codes.ABSORBING.at(span, why=why))

    def layer(self, coordinate: sp.Expr) -> Layer | None:
        return next((x for x in self.layers if x.coordinate == coordinate), None)

    def partner(self, symbol: sp.Expr) -> Pair | None:
        """The complex value whose real part an unknown is."""
        unknowns = self.system.unknowns
        for k, u in enumerate(unknowns):
            if u.symbol == symbol:
                if u.part == "re":
                    return Pair(symbol, unknowns[k + 1].symbol)
                return Pair(symbol, -unknowns[k - 1].symbol)
        return None

    def stretched(self, e: sp.Expr, span: Span) -> Pair:
        """The complex value, its derivatives stretched, whose real part is `e`."""
        if isinstance(e, sp.Symbol):
            found = self.partner(e)
            return Pair(self.held(e)) if found is None else found
        if isinstance(e, sp.Add):
            return add(*(self.stretched(a, span) for a in e.args))
        if isinstance(e, sp.Mul):
            moving = [a for a in e.args if self._holds_field(a)]
            factor = sp.Mul(*(self.held(a) for a in e.args if not self._holds_field(a)))
            value = self.stretched(moving[0], span)
            return Pair(factor * value.re, factor * value.im)
        match e:
            case op.Lap():
                axes = [self.calculus.table.coordinates[c] for c in self.calculus.table.space]
                return add(*(self._derivative(e.args[0], x, 2, span) for x in axes))
            case op.Diff():
                return self._derivative(e.args[0], e.args[1], int(e.args[2]), span)
            case op.FaceDiff():
                inner = self.stretched(e.args[0], span)
                parts = Pair(*(self.calculus.face_diff(part, str(e.args[1])) for part in inner))
                layer = self.layer(e.args[1])
                return parts if layer is None else multiply(layer.first, parts)
            case op.Component() | op.Stack():
                inners = [self.stretched(a, span) for a in values(e)]
                rest = e.args[len(inners) :]
                return Pair(e.func(*(z.re for z in inners), *rest), e.func(*(z.im for z in inners), *rest))
            case _:
                raise self._refused(span, f"'{type(e).__name__}' has no stretched form")

    def _derivative(self, operand: sp.Expr, x: sp.Expr, order: int, span: Span) -> Pair:
        inner, layer = self.stretched(operand, span), self.layer(x)

        def differences(n: int) -> Pair:
            return Pair(*(self.calculus.diff(part, str(x), n) for part in inner))

        if layer is None:
            return differences(order)
        if order == 1:
            return multiply(layer.first, differences(1))
        if order == 2:
            return add(multiply(layer.square, differences(2)), multiply(layer.slope, differences(1)))
        raise self._refused(span, f"a derivative of order {order} across the layer")

    def _holds_field(self, e: sp.Expr) -> bool:
        return any(u.symbol in e.free_symbols for u in self.system.unknowns)

    # --- coefficients -------------------------------------------------------------------------------------------------

    def held(self, e: sp.Expr) -> sp.Expr:
        """An expression whose coefficients take the values at the inner edges of the layers; fields are left alone."""
        if isinstance(e, sp.Symbol):
            return self._held_symbol(e)
        if isinstance(e, op.GridOperator):
            inner = values(e)
            return e.func(*(self.held(a) for a in inner), *e.args[len(inner) :])
        return e.func(*(self.held(a) for a in e.args)) if e.args else e

    def _held_symbol(self, s: sp.Symbol) -> sp.Expr:
        layer = self.layer(s)
        if layer is not None:
            return layer.inside
        match dict(self.system.symbols).get(s):
            case LearnedCoefficient(coordinates=over) | Input(coordinates=over):
                own = [x.coordinate for x in self.layers if str(x.coordinate) in over]
                return op.Hold(s, *own) if own else s
            case _:
                return s


# --- the wave number --------------------------------------------------------------------------------------------------


def wave_number(system: System, grid: Grid, x: sp.Symbol, absorbing: Absorbing) -> float:
    """k₀ along an axis at the start values: √(|c₀|/|c₂|) for the steady equation c₂ ∂²u + c₀ u = …, inputs taken as 1. Where a
    field is marched, that of its initial data, √(∫|∂u|²/∫|u|²), or one wavelength in the layer if they are not known.

    Raises:
        Refused: there is none.
    """
    parts = [k for k, u in enumerate(system.unknowns) if u.part == "re"]
    if not parts:
        raise Refused(codes.ABSORBING.at(absorbing.span, why="its field is real"))
    if system.kind == "evolution":
        return _initial_wave_number(system, grid, x, absorbing)
    squares = []
    for k in parts:
        rates = [system.terms[k], system.terms[k + 1]]
        below = size([principal(t.expression, x) for terms in rates for t in terms if t.order == 2], system, grid, k)
        above = size([t.expression for terms in rates for t in terms if not t.order and t.linear], system, grid, k)
        squares.append(above / below if below else 0.0)
    if not min(squares) > 0:
        raise Refused(codes.ABSORBING.at(absorbing.span, why="the equation has no wave number"))
    return math.sqrt(sum(squares) / len(squares))


def _initial_wave_number(system: System, grid: Grid, x: sp.Symbol, absorbing: Absorbing) -> float:
    samples = Samples(system, grid, system.problem.numerics.order)
    whole, slopes = 0.0, 0.0
    try:
        for u in system.unknowns:
            whole += float(np.mean(samples.value(u.symbol) ** 2))
            slopes += float(np.mean(samples.value(op.Diff(u.symbol, x, 1)) ** 2))
    except NotKnown:
        slopes = 0.0
    return math.sqrt(slopes / whole) if slopes > 0 and whole > 0 else 2 * math.pi / float(absorbing.width)


def size(parts: list[sp.Expr], system: System, grid: Grid, index: int) -> float:
    """Mean modulus over the domain of the coefficient of an unknown in real and imaginary part of its equation, `parts`."""
    calculus = calculus_of(system)
    direction = {u.symbol: sp.Integer(int(k == index)) for k, u in enumerate(system.unknowns)}
    inputs = {s: sp.Integer(1) for s, m in system.symbols if isinstance(m, Input)}
    samples = Samples(system, grid, system.problem.numerics.order)
    total = np.zeros((1, 1))
    for e in parts:
        coefficient = variation(e, direction, calculus).xreplace(inputs)
        try:
            total = total + samples.value(coefficient) ** 2
        except NotKnown:
            total = total + 1.0
    return float(np.sqrt(total).mean())


def principal(e: sp.Expr, x: sp.Symbol) -> sp.Expr:
    """The coefficient of a derivative along x: derivatives along it dropped, those along other axes zero."""
    match e:
        case op.Diff() | op.FaceDiff():
            return principal(e.args[0], x) if e.args[1] == x else ZERO
        case op.Lap():
            return principal(e.args[0], x)
        case sp.Add() | sp.Mul():
            return e.func(*(principal(a, x) for a in e.args))
        case _:
            return e
