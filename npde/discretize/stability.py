"""The largest stable step: von Neumann's symbol of the linearized rates and the closed operator across walls, against the region
of the scheme. What it costs does not depend on the grid.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import sympy as sp

from npde.discretize import closed_forms, spectrum
from npde.discretize.linearize import Linearizer
from npde.discretize.numeric import Array
from npde.discretize.reaction import State, reached
from npde.discretize.samples import Samples
from npde.discretize.scheme import GhostRule, Grid, Leapfrog, StepBound
from npde.discretize.spectrum import Limits, Marched, Spectrum
from npde.discretize.waves import Waves
from npde.model.problem import LearnedCoefficient
from npde.symbolic.classify import degrees
from npde.symbolic.system import System

CLOSURE = 1.25
"""By how much closures at walls may change a spectral radius: beyond it a violation is proved there too."""

AGREEMENT = 0.03
"""By how much a closed form may differ from the bound that was found: closures, and grids that miss the fastest wave."""

MOST_VARIED = 4
"""Bounded learnables whose ends are combined; more of them go to their ends together."""

Parts = Sequence[Sequence[sp.Expr]]
"""The terms of every rate."""


@dataclass(frozen=True)
class Assessment:
    """The bound and what it rests on. A violation by more than `proof` (None: by any factor) is only likely."""

    bound: StepBound
    proof: float | None
    limits: Limits
    oscillates: bool
    unknown: tuple[str, ...]
    varied: tuple[str, ...]


@dataclass(frozen=True)
class Case:
    """The analysis at one choice of learned values and one time."""

    step: float
    limits: Limits
    spectrum: Spectrum
    unknown: tuple[str, ...]
    samples: Samples
    chosen: Array
    matrices: Array

    @property
    def notes(self) -> tuple[str, ...]:
        """What the values rest on."""
        return tuple(self.samples.notes)


def assess(
    system: System,
    grid: Grid,
    rules: Sequence[GhostRule],
    scheme: Marched,
    parts: Parts,
    length: float,
    *,
    closed: bool = True,
) -> Assessment:
    """The bound of an explicit scheme for rates whose terms are `parts`, over a march of `length`.

    With `closed` false only waves of wave number zero are looked at: rates without neighbors.
    """
    analysis = StepAnalysis(system, grid, tuple(rules), scheme, parts, length, closed)
    if analysis.channels > spectrum.LARGEST_CHANNELS:
        note = f"more than {spectrum.LARGEST_CHANNELS} coupled channels are not analyzed"
        return Assessment(StepBound(None, None, False, (note,)), None, Limits(math.inf), False, (), ())
    starts = analysis.cases({})
    names, ends = analysis.ends()
    others = [case for values in ends for case in analysis.cases(values)]
    first = min(starts, key=lambda c: c.step)
    hardest = min([first, *others], key=lambda c: c.step)
    now = analysis.walled(first)
    worst = now if hardest is first else analysis.walled(hardest)
    unknown = tuple(sorted({n for c in (*starts, *others) for n in c.unknown}))
    known = math.isfinite(now.step) and not unknown
    constant = analysis.linear and not any(c.spectrum.varies for c in starts) and len(starts) == 1
    sure = constant and not now.spectrum.grows and not now.notes and known and not len(now.limits.oscillations)
    walls = any(not a.periodic for a in grid.axes) and closed
    formula = analysis.formula(now.step) if closed else None
    bound = StepBound(
        value=now.step if known else None,
        formula=formula,
        exact=sure and not walls,
        notes=_notes(analysis, now, unknown),
        worst=worst.step if not unknown and math.isfinite(worst.step) else None,
    )
    proof = None if not sure else CLOSURE if walls else 1.0
    varied = tuple(names) if worst.step < now.step else ()
    return Assessment(bound, proof, now.limits, now.spectrum.oscillates, unknown, varied)


def _notes(analysis: StepAnalysis, case: Case, unknown: Sequence[str]) -> tuple[str, ...]:
    notes = []
    if not analysis.linear:
        further = " and where its reaction takes it" if case.samples.state else ""
        notes.append(f"linearized over the range of the initial state{further}")
    if case.spectrum.varies:
        notes.append("coefficients frozen at sample cells")
    if case.spectrum.grows:
        notes.append("growing modes were moved to the imaginary axis")
    if any(not a.periodic for a in analysis.grid.axes) and analysis.closed:
        cells = spectrum.line_cells(analysis.channels)
        notes.append(f"walls by the closed operator of {cells} cells" if cells else "closures at walls left out")
    notes += [f"'{name}' is not known before training or running; its terms are left out" for name in unknown]
    return (*notes, *case.notes)


@dataclass
class StepAnalysis:
    """The numbers behind an assessment: cases, an operator at every sampled wave and cell of each."""

    system: System
    grid: Grid
    rules: tuple[GhostRule, ...]
    scheme: Marched
    parts: Parts
    length: float
    closed: bool

    def __post_init__(self) -> None:
        self.order = self.system.problem.numerics.order
        self.unknowns = [u.symbol for u in self.system.unknowns]
        self.linear = all(degrees(e, self.unknowns) <= {0, 1} for terms in self.parts for e in terms)
        free = {s for terms in self.parts for e in terms for s in e.free_symbols}
        self.present = [m for s, m in self.system.symbols if s in free]
        self.marching = any(s.name == self.system.problem.marching for s in free)
        self.sizes = spectrum.sizes_of(self.system, self.parts)
        self.channels = sum(self.sizes.values())
        signs = spectrum.has_odd_derivatives(self.parts)
        waves = spectrum.wave_numbers(self.grid.axes, self.order, signs, self.channels) if self.closed else []
        self.thetas = waves or [np.zeros(1) for _ in self.grid.axes] or [np.zeros(1)]
        self.count = max(1, min(257, spectrum.MATRICES // (len(self.thetas[0]) * self.channels**2)))

    def times(self) -> list[float]:
        """Start, middle and end where coefficients depend on the marching coordinate, else the start."""
        time = self.system.problem.time
        if time is None:
            return [0.0]
        start, end = float(time.lower), float(time.upper)
        return [start, (start + end) / 2, end] if self.marching else [start]

    def ends(self) -> tuple[list[str], list[dict[str, float]]]:
        """The bounded learnables in the rates, and the combinations of their ends."""
        bounds: dict[str, tuple[float, float]] = {}
        for m in self.present:
            c = m.constraint if isinstance(m, LearnedCoefficient) else None
            if isinstance(m, LearnedCoefficient) and c is not None and c.lower is not None and c.upper is not None:
                bounds[m.name] = (float(c.lower), float(c.upper))
        names = list(bounds)
        if len(names) > MOST_VARIED:
            return names, [{n: bounds[n][k] for n in names} for k in (0, 1)]
        return names, [dict(zip(names, ends, strict=True)) for ends in product(*bounds.values())] if names else []

    def formula(self, step: float) -> sp.Expr | None:
        """The bound in closed form where the table has one and it gives the bound that was found."""
        found = closed_forms.formula(self.system, self.scheme, self.order) if math.isfinite(step) else None
        if found is None:
            return None
        samples = Samples(self.system, self.grid, self.order)
        learned = {n: float(samples.value(sp.Symbol(n, real=True)).flat[0]) for n, _ in self.system.starts
                   if sp.Symbol(n, real=True) in found.free_symbols}  # fmt: skip
        missing = {s.name for s in found.free_symbols} - set(learned) - {f"h_{a.name}" for a in self.grid.axes}
        if missing:
            return None
        value = closed_forms.at(found, {a.name: float(a.spacing) for a in self.grid.axes}, learned)
        return found if abs(value - step) <= AGREEMENT * step else None

    # --- one case -----------------------------------------------------------------------------------------------------

    def cases(self, fixed: dict[str, float]) -> list[Case]:
        """Cases at all times; where the initial state is unstable, also at the state that the local terms lead to."""
        found = [self.case(fixed, t) for t in self.times()]
        if self.linear or not any(c.spectrum.grows for c in found):
            return found
        state = reached(found[0].samples, self.parts, self.length)
        return found if state is None else [*found, self.case(fixed, self.times()[0], state)]

    def case(self, fixed: dict[str, float], time: float, state: State | None = None) -> Case:
        """The largest step at given learned values, time and state (default: the initial one)."""
        with np.errstate(all="ignore"):
            return self._case(fixed, time, state or {})

    def _case(self, fixed: dict[str, float], time: float, state: State) -> Case:
        samples = Samples(self.system, self.grid, self.order, fixed, time, state)
        chosen = spectrum.choose_samples(samples, self.count, self.parts)
        spacings = [float(a.spacing) for a in self.grid.axes]
        waves = Waves(self.sizes, self.thetas, spacings)
        unknown: dict[str, None] = {}
        moved = spectrum.tangents(Linearizer(samples, chosen, waves), self.parts, unknown)
        matrices = waves.matrix(moved)  # type: ignore[arg-type]
        found = self._spectrum(matrices, matrices.shape[0] > 1, 1)
        limits = spectrum.limits(found, self.scheme, self.linear)
        step = limits.allowed(self.scheme, self.length)
        return Case(step, limits, found, tuple(unknown), samples, chosen, matrices)

    def walled(self, case: Case) -> Case:
        """The same with closures at walls taken into account."""
        if not self.closed:
            return case
        with np.errstate(all="ignore"):
            step = self._closed_step(case)
        return replace(case, step=min(step, case.step), limits=replace(case.limits, step=step))

    def _spectrum(self, matrices: Array, varies: bool, cells: int) -> Spectrum:
        if isinstance(self.scheme, Leapfrog):
            kicked = spectrum.channel_indices(self.sizes, self.scheme.kicked, cells)
            drifted = spectrum.channel_indices(self.sizes, self.scheme.drifted, cells)
            return spectrum.of_leapfrog(matrices, kicked, drifted, varies)
        return spectrum.of_matrices(matrices, self.scheme, varies)

    def _closed_step(self, case: Case) -> float:
        """The step that the region allows across walls: every axis shrinks it by as much as its closed operator, taken where the
        symbol is largest, asks for less than the periodic one."""
        periodic = case.limits.step
        step = periodic
        for found in self.closed_spectra(case):
            closed = spectrum.limits(found, self.scheme, self.linear).step
            step = min(step, closed) if math.isinf(periodic) else step * min(1.0, closed / periodic)
        return step

    def closed_spectra(self, case: Case) -> Iterator[Spectrum]:
        """The spectrum of the closed operator across every bounded axis."""
        finite = np.where(np.isfinite(case.matrices), np.abs(case.matrices), 0.0)
        size = finite.sum(axis=(-1, -2))
        sample, wave = np.unravel_index(int(np.argmax(size)), size.shape)
        own = case.chosen[[int(sample) % len(case.chosen)]]
        for k in self._bounded():
            thetas = [float(t[int(wave)]) for t in self.thetas]
            line = spectrum.line_of(self.sizes, k, self.grid.axes, self.rules, case.samples, thetas)
            moved = spectrum.tangents(Linearizer(case.samples, own, line), self.parts, {})
            yield self._spectrum(line.matrix(moved), False, line.cells)  # type: ignore[arg-type]

    def _bounded(self) -> Iterator[int]:
        if not spectrum.line_cells(self.channels):
            return iter(())
        ruled = {r.axis for r in self.rules}
        return (k for k, a in enumerate(self.grid.axes) if not a.periodic and a.name in ruled)
