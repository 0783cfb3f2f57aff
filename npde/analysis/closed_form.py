"""A closed form of the step bound: the eigenvalue that decides, as an expression in spacings and learned values.

Where the table of `npde.discretize.closed_forms` has no entry, the wave and the sample cell at which the numerical analysis
found the strictest restriction are taken, the linearized rates become a matrix of numbers, spacings and learned scalars
there, and SymPy its eigenvalues λ:

    λ real: dt ≤ ρ/(-λ);    λ imaginary: dt ≤ ι/|λ|;    leapfrog, λ = -ω²: dt ≤ 2/√(-λ)

The form is kept if it gives the bound that was found. This takes up to a second, so `npde check` does not ask for it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import sympy as sp

from npde.analysis.eigenvalues import StrictestWave, strictest
from npde.analysis.series import NoVariation, variation
from npde.discretize import closed_forms, regions, stencils
from npde.discretize.closed_forms import spacing
from npde.discretize.numeric import Unknown as NotKnown
from npde.discretize.samples import Samples
from npde.discretize.scheme import AdamsBashforth, Leapfrog, RungeKutta, Scheme, Stencil
from npde.discretize.stability import AGREEMENT
from npde.model.problem import LearnedCoefficient
from npde.symbolic import operators as op

LONGEST = 120
"""Characters of a form that is worth showing."""

SPECIAL = (0.0, math.pi / 2, math.pi)
"""Wave numbers at which symbols are simple numbers."""


def search(scheme: Scheme) -> sp.Expr | None:
    """The bound in closed form: from the table, else by SymPy, else None."""
    if scheme.bound.formula is not None or scheme.bound.value is None:
        return scheme.bound.formula
    if not isinstance(scheme.time, RungeKutta | AdamsBashforth | Leapfrog):
        return None
    wave = strictest(scheme)
    if wave is None:
        return None
    try:
        return _found(scheme, wave)
    except (NoVariation, NotKnown, NotSimple):
        return None


class NotSimple(Exception):
    """A system or operator that has no form here."""


def _found(scheme: Scheme, wave: StrictestWave) -> sp.Expr | None:
    matrix = _Symbol(scheme, wave).matrix()
    time = scheme.time
    if isinstance(time, Leapfrog):
        matrix = matrix.extract([*time.kicked], [*time.drifted]) * matrix.extract([*time.drifted], [*time.kicked])
    if matrix.rows > 2:
        return None
    for value in matrix.eigenvals():
        form = _form(scheme, sp.expand(value) if matrix.rows == 1 else sp.simplify(value))
        if form is not None and len(str(form)) <= LONGEST and _agrees(scheme, form):
            return form
    return None


def _form(scheme: Scheme, value: sp.Expr) -> sp.Expr | None:
    """The bound that an eigenvalue gives."""
    time = scheme.time
    if value == 0:
        return None
    if isinstance(time, Leapfrog):
        return 2 / sp.sqrt(-value)
    if not isinstance(time, RungeKutta | AdamsBashforth):
        return None
    if not value.has(sp.I):
        return closed_forms.interval(regions.real_interval(time)) / -value
    length = closed_forms.imaginary(time)
    turned = sp.expand(value / sp.I)
    if length is None or turned.has(sp.I):
        return None
    return length / turned


def _agrees(scheme: Scheme, form: sp.Expr) -> bool:
    """Whether a form gives the bound that was found, at the start values."""
    samples = Samples(scheme.system, scheme.grid, scheme.order)
    names = {s.name for s in form.free_symbols} - {f"h_{a.name}" for a in scheme.grid.axes}
    learned = {n: float(samples.value(sp.Symbol(n, real=True)).flat[0]) for n in sorted(names)}
    value = closed_forms.at(form, {a.name: float(a.spacing) for a in scheme.grid.axes}, learned)
    found = scheme.bound.value
    return found is not None and math.isfinite(value) and abs(value - found) <= AGREEMENT * found


@dataclass
class _Symbol:
    """The linearized rates at one wave and one sample cell, in spacings and learned scalars."""

    scheme: Scheme
    wave: StrictestWave

    def __post_init__(self) -> None:
        self.system = self.scheme.system
        self.samples = Samples(self.system, self.scheme.grid, self.scheme.order, {}, self.wave.time, self.wave.state)
        self.learned = {s for s, m in self.system.symbols if isinstance(m, LearnedCoefficient) and not m.coordinates}
        self.thetas = {a.name: _exact(t) for a, t in zip(self.scheme.grid.axes, self.wave.thetas, strict=True)}
        self.moved: set[sp.Symbol] = set()

    def matrix(self) -> sp.Matrix:
        """∂F_k/∂q_l along the wave."""
        if any(u.shape for u in self.system.unknowns):
            raise NotSimple
        rows = []
        for rate in self.system.rates:
            row = []
            for u in self.system.unknowns:
                unit = sp.Dummy(real=True)
                self.moved = {unit}
                moved = self.value(variation(rate, {u.symbol: unit}), None)
                row.append(sp.expand(moved).coeff(unit) if moved != 0 else moved)
            rows.append(row)
        return sp.Matrix(rows)

    def value(self, e: sp.Expr, face: str | None) -> sp.Expr:
        """An expression with its coefficients frozen and its operators replaced by their symbols."""
        if not e.free_symbols & self.moved:
            return self._frozen(e)
        match e:
            case sp.Symbol():
                return e if face is None else e * self._symbol(stencils.interpolation(self.scheme.order), face)
            case sp.Add() | sp.Mul():
                return e.func(*(self.value(a, face) for a in e.args))
            case op.Diff(args=(inner, x, n)) if face == str(x) and n == 1:
                return self.value(inner, None) * self._symbol(stencils.staggered(self.scheme.order), face)
            case op.Diff(args=(inner, x, n)) if face is None:
                return self.value(inner, None) * self._symbol(stencils.centered(int(n), self.scheme.order), str(x))
            case op.Lap(args=(inner,)) if face is None:
                second = stencils.centered(2, self.scheme.order)
                return self.value(inner, None) * sp.Add(*(self._symbol(second, x) for x in self.thetas))
            case op.FaceDiff(args=(flux, x)) if face is None:
                return self.value(flux, str(x)) * self._symbol(stencils.staggered(self.scheme.order), str(x))
            case _:
                raise NotSimple

    def _symbol(self, stencil: Stencil, axis: str) -> sp.Expr:
        phase = sp.I * self.thetas[axis]
        taps = zip(stencil.offsets, stencil.weights, strict=True)
        total = sp.Add(*(sp.Rational(w) * sp.exp(phase * sp.Rational(s)) for s, w in taps))
        return sp.nsimplify(sp.expand_complex(total)) * spacing(axis) ** -stencil.derivative

    def _frozen(self, e: sp.Expr) -> sp.Expr:
        """A coefficient: numbers and learned scalars kept, the rest as its value at the sample cell."""
        if e.is_number or e in self.learned:
            return e
        if isinstance(e, sp.Symbol | op.GridOperator):
            values = self.samples.value(e)
            if len(values) > 1:
                raise NotSimple
            return _rounded(float(values[0, self.wave.sample if values.shape[-1] > 1 else 0]))
        return e.func(*(self._frozen(a) for a in e.args))


def _exact(theta: float) -> sp.Expr:
    """A wave number as a multiple of π where it is, or nearly is, a special one."""
    near = min(SPECIAL, key=lambda s: abs(abs(theta) - s))
    sign = -1 if theta < 0 else 1
    return sign * sp.nsimplify(near / math.pi) * sp.pi if abs(abs(theta) - near) < 0.05 else sp.Float(theta)


def _rounded(value: float) -> sp.Expr:
    """A value of the state with four digits, whole where it is."""
    short = float(f"{value:.4g}")
    return (
        sp.Integer(round(short)) if abs(short - round(short)) < 1e-3 * max(1.0, abs(short)) else sp.Rational(str(short))
    )
