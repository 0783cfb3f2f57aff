"""Eigenvalues of the rates, linearized at sample cells, and the largest step that a scheme allows for them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import sympy as sp

from npde.discretize import regions, stencils
from npde.discretize.line import Line
from npde.discretize.linearize import Linearizer
from npde.discretize.numeric import Array, Unknown, ascending
from npde.discretize.samples import Samples
from npde.discretize.scheme import AdamsBashforth, Axis, GhostRule, Leapfrog, RungeKutta
from npde.symbolic import operators as op
from npde.symbolic.system import System

Marched = RungeKutta | AdamsBashforth | Leapfrog

MIXING = (op.Component, op.Stack, op.MatVec, op.DotProduct, op.KernelApply, op.KernelAdjoint)
"""Operators that couple the components of an array."""

LINE_CELLS = 32
"""Cells of the closed one-dimensional operator."""

FEWEST_CELLS = 8
"""The least of them that is worth a look."""

LARGEST_CHANNELS = 32
"""Coupled channels of a system that is analyzed."""

LARGEST_LINE = 64
"""Rows of a closed operator whose eigenvalues are found: larger matrices start the threads of LAPACK, which may cost more than
all the rest. Systems with more than two channels take fewer cells."""

MATRICES = 12_000
"""Frozen operators (samples times waves, times channels squared) whose eigenvalues are found."""

MOST_COEFFICIENTS = 16
"""Coefficients whose largest and smallest values are looked for."""

PURE = 1e-9
"""|Re λ| relative to the largest |λ| below which an eigenvalue is a pure oscillation."""

SECTOR = 0.1
"""|Re λ|/|Im λ| below which an oscillation is judged by its growth over the run where the scheme has no imaginary interval."""

HARMLESS, FATAL = 1.01, 10.0
"""Predicted amplification over a run that is accepted without a word, and that is refused."""


@dataclass(frozen=True)
class Spectrum:
    """Eigenvalues `λ` of the linearized rates (of a leapfrog: its -ω²) and what is known about them."""

    eigenvalues: Array
    varies: bool
    grows: bool
    oscillates: bool


@dataclass
class Limits:
    """What a spectrum allows: `step` by the stability region; `oscillations` are judged by their amplification over a run."""

    step: float
    oscillations: Array = field(default_factory=lambda: np.zeros(0))
    tolerance: float = HARMLESS

    def allowed(self, scheme: Marched, length: float) -> float:
        """The largest step that is inside the region and amplifies oscillations by no more than `tolerance`."""
        if not len(self.oscillations) or isinstance(scheme, Leapfrog):
            return self.step
        low, high = 0.0, min(self.step, length)
        if amplification(scheme, self.oscillations, high, length) <= self.tolerance:
            return self.step
        for _ in range(60):
            middle = (low + high) / 2
            if amplification(scheme, self.oscillations, middle, length) <= self.tolerance:
                low = middle
            else:
                high = middle
        return low


def amplification(scheme: RungeKutta | AdamsBashforth, eigenvalues: Array, dt: float, length: float) -> float:
    """The largest |R(λ dt)|^(T/dt)."""
    if not len(eigenvalues) or dt <= 0:
        return 1.0
    with np.errstate(all="ignore"):
        exponent = float(np.max(np.log(regions.growth(scheme, eigenvalues * dt)))) * length / dt
    return math.exp(min(exponent, 700.0))


def limits(spectrum: Spectrum, scheme: Marched, linear: bool) -> Limits:
    """What the region of a scheme allows. Growing modes are moved to the imaginary axis first.

    Schemes without an interval on that axis are judged by the amplification of oscillations over the run; in a nonlinear system,
    whose frozen oscillations come and go, by more of it.
    """
    values = spectrum.eigenvalues
    if isinstance(scheme, Leapfrog):
        fastest = math.sqrt(float(np.max(np.abs(values[values.real <= 0]), initial=0.0)))
        return Limits(2 / fastest if fastest else math.inf)
    growing = values.real > PURE * np.max(np.abs(values), initial=0.0)
    moved = np.where(values.real > 0, 1j * values.imag, values)
    if regions.has_imaginary_interval(scheme):
        return Limits(regions.largest_step(scheme, moved))
    flat = np.abs(moved.real) <= SECTOR * np.abs(moved.imag)
    judged = moved[flat & ~growing & (np.abs(moved) > 0)]
    tolerance = HARMLESS if linear else FATAL
    return Limits(regions.largest_step(scheme, moved[~flat]), judged, tolerance)


# --- assembling -------------------------------------------------------------------------------------------------------


def wave_numbers(axes: Sequence[Axis], order: int, signs: bool, channels: int) -> list[Array]:
    """Wave numbers θ of the real grid near the sampled ones, one array an axis, all combinations."""
    d = len(axes)
    if not d:
        return []
    pieces = {1: 32, 2: 8, 3: 4}[d]
    while pieces > 2 and pieces**d * channels**2 > 2 * MATRICES:
        pieces //= 2
    fastest = _fastest(order)
    lists = []
    for k, axis in enumerate(axes):
        half = np.concatenate([np.linspace(0, np.pi, pieces + 1), [fastest]])
        if axis.cells <= 2 * pieces:
            half = 2 * np.pi * np.arange(axis.cells // 2 + 1) / axis.cells
        snapped = 2 * np.pi * np.round(half * axis.cells / (2 * np.pi)) / axis.cells if axis.periodic else half
        snapped = np.minimum(
            snapped, np.pi if axis.cells % 2 == 0 or not axis.periodic else np.pi * (1 - 1 / axis.cells)
        )
        both = np.concatenate([snapped, -snapped]) if signs and k else snapped
        lists.append(ascending(both))
    return [m.reshape(-1) for m in np.meshgrid(*lists, indexing="ij")]


def _fastest(order: int) -> float:
    """The wave number at which the symbol of the first derivative is largest."""
    theta = np.linspace(0, np.pi, 2001)
    stencil = stencils.centered(1, order)
    total = sum(float(w) * np.sin(theta * float(s)) for s, w in zip(stencil.offsets, stencil.weights, strict=True))
    return float(theta[int(np.argmax(total))])


def tangents(linearizer: Linearizer, parts: Sequence[Sequence[sp.Expr]], left_out: dict[str, None]) -> list[object]:
    """The tangent of every rate, terms that hold unknown values left out and noted."""
    found = []
    for terms in parts:
        kept = []
        for term in terms:
            try:
                moved = linearizer.tangent(term)
            except Unknown as unknown:
                left_out[unknown.name] = None
                continue
            if moved is not None:
                kept.append(moved)
        found.append(linearizer.backend.add(kept) if kept else None)
    return found


def choose_samples(samples: Samples, count: int, parts: Sequence[Sequence[sp.Expr]] = ()) -> Array:
    """Sample cells: those where an unknown or a coefficient of `parts` is largest or smallest, and others spread evenly."""
    total = int(np.prod(samples.shape)) if samples.shape else 1
    picked: dict[int, None] = {}
    for e in (*(u.symbol for u in samples.system.unknowns), *coefficients(parts)):
        try:
            value = samples.value(e)
        except Unknown:
            continue
        if value.shape[-1] == total and np.all(np.isfinite(value)):
            for channel in value:
                picked[int(np.argmax(channel))] = None
                picked[int(np.argmin(channel))] = None
    for k in np.linspace(0, total - 1, min(total, count)).round().astype(int):
        picked[int(k)] = None
    return np.array(sorted(list(picked)[:count]))


def coefficients(parts: Sequence[Sequence[sp.Expr]]) -> list[sp.Expr]:
    """What multiplies operators in the terms: the pointwise factors of every product, at most `MOST_COEFFICIENTS` of them."""
    products = (m for terms in parts for term in terms for m in sp.preorder_traversal(term) if isinstance(m, sp.Mul))
    found: dict[sp.Expr, None] = {}
    for m in products:
        factors = [f for f in m.args if not f.has(op.GridOperator)]
        if len(factors) < len(m.args) and any(f.free_symbols for f in factors):
            found[sp.Mul(*factors)] = None
        if len(found) == MOST_COEFFICIENTS:
            break
    return list(found)


def of_matrices(matrices: Array, scheme: Marched, varies: bool) -> Spectrum:
    """The spectrum of operators `[…, n, n]`; a leapfrog's is that of (velocity by position) · (position by velocity)."""
    if isinstance(scheme, Leapfrog):
        raise TypeError("a leapfrog needs its channels")
    return _described(_eigenvalues(matrices).reshape(-1), varies)


def of_leapfrog(matrices: Array, kicked: Sequence[int], drifted: Sequence[int], varies: bool) -> Spectrum:
    """-ω² of v' = A x, x' = B v: the eigenvalues of A B."""
    force = matrices[..., list(kicked), :][..., :, list(drifted)]
    motion = matrices[..., list(drifted), :][..., :, list(kicked)]
    return _described(_eigenvalues(force @ motion).reshape(-1), varies)


def _eigenvalues(matrices: Array) -> Array:
    if matrices.shape[-1] == 1:
        return matrices[..., 0]
    if not np.all(np.isfinite(matrices)):
        matrices = matrices[np.all(np.isfinite(matrices), axis=(-1, -2))]
    return np.linalg.eigvals(matrices if np.any(matrices.imag) else matrices.real).astype(complex)


def _described(values: Array, varies: bool) -> Spectrum:
    values = values[np.isfinite(values)]
    largest = float(np.max(np.abs(values), initial=0.0))
    grows = bool(np.any(values.real > PURE * largest))
    oscillates = largest > 0 and bool(np.all(np.abs(values.real) <= PURE * largest))
    return Spectrum(values, varies, grows, oscillates)


def line_cells(channels: int) -> int:
    """Cells of the closed operator of a system; 0 where it would be too large for as many as are worth a look."""
    cells = min(LINE_CELLS, LARGEST_LINE // channels)
    return cells if cells >= FEWEST_CELLS else 0


def line_of(
    sizes: Mapping[sp.Symbol, int],
    axis: int,
    axes: Sequence[Axis],
    rules: Sequence[GhostRule],
    samples: Samples,
    thetas: Sequence[float],
) -> Line:
    """The closed line across one bounded axis, learned wall coefficients at their starts."""
    cells = line_cells(sum(sizes.values()))
    weights: dict[tuple[sp.Symbol, str], tuple[Array, ...]] = {}
    for rule in rules:
        if rule.axis == axes[axis].name:
            rows = tuple(np.array([_first(samples.value(w)) for w in row]) for row in rule.weights)
            weights[rule.unknown, rule.side] = rows
    spacings = [float(a.spacing) for a in axes]
    return Line(sizes, axis, cells, weights, thetas, spacings)


def _first(value: Array) -> float:
    return float(value.reshape(-1)[0])


def channel_indices(sizes: Mapping[sp.Symbol, int], which: Sequence[int], cells: int = 1) -> list[int]:
    """The rows of a matrix over (channel, cell) that belong to some unknowns."""
    found, total = [], 0
    for k, size in enumerate(sizes.values()):
        rows = range(total * cells, (total + size) * cells)
        found += list(rows) if k in which else []
        total += size
    return found


def sizes_of(system: System, parts: Sequence[Sequence[sp.Expr]]) -> dict[sp.Symbol, int]:
    """The channels of every unknown; 1 each where no term mixes components."""
    mixing = any(e.has(*MIXING) for terms in parts for e in terms)
    return {u.symbol: u.channels if mixing else 1 for u in system.unknowns}


def has_odd_derivatives(parts: Sequence[Sequence[sp.Expr]]) -> bool:
    """Whether a first or third difference, or a flux, occurs: then the sign of a wave number matters."""
    odd = any(d.args[2] % 2 for terms in parts for e in terms for d in e.atoms(op.Diff))
    return odd or any(e.has(op.Biased) for terms in parts for e in terms)
