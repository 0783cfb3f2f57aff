"""Eigenvalues of the linearized rates, as the step bound sees them: for pictures, and for the wave that decides."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from npde.discretize import regions, tableaux
from npde.discretize.numeric import Array
from npde.discretize.reaction import State
from npde.discretize.scheme import AdamsBashforth, Leapfrog, RungeKutta, Scheme, Steady
from npde.discretize.stability import Case, StepAnalysis


@dataclass(frozen=True, slots=True)
class StrictestWave:
    """Where the strictest restriction was found: wave numbers an axis, the sample cell, the marching coordinate, and values of
    the unknowns other than the initial ones."""

    thetas: tuple[float, ...]
    sample: int
    time: float
    state: State


@dataclass(frozen=True)
class Eigenvalues:
    """λ of frozen operators on a periodic grid, and of the operators closed by walls. Of a leapfrog, ±√(-ω²)."""

    periodic: Array
    closed: Array


def _analyzed(scheme: Scheme) -> tuple[StepAnalysis, list[Case]] | None:
    """The analysis of a scheme; of one that is not explicit, as if it were RK4 (only its operators are looked at)."""
    time = scheme.time
    if isinstance(time, Steady):
        return None
    marched = time if isinstance(time, RungeKutta | AdamsBashforth | Leapfrog) else tableaux.RK4_SCHEME
    parts = [[t.expression for t in terms] for terms in scheme.system.terms]
    length = float(scheme.dt) * scheme.steps
    found = StepAnalysis(scheme.system, scheme.grid, scheme.ghosts, marched, parts, length, True)
    if found.channels > 8:
        return None
    return found, found.cases({})


def strictest(scheme: Scheme) -> StrictestWave | None:
    """The wave and cell whose eigenvalue restricts the step most; None where they are not known."""
    analyzed = _analyzed(scheme)
    if analyzed is None:
        return None
    analysis, cases = analyzed
    case = min(cases, key=lambda c: c.step)
    steps = _steps(analysis, case.matrices)
    sample, wave = np.unravel_index(int(np.argmin(steps)), steps.shape)
    thetas = tuple(float(t[int(wave)]) for t in analysis.thetas) if analysis.grid.axes else ()
    return StrictestWave(
        thetas, int(case.chosen[int(sample) % len(case.chosen)]), case.samples.time, case.samples.state
    )


def _steps(analysis: StepAnalysis, matrices: Array) -> Array:
    """The step that every frozen operator allows, `[samples, waves]`."""
    values = _values(matrices)
    if isinstance(analysis.scheme, Leapfrog):
        return -np.abs(values).max(axis=-1)
    moved = np.where(values.real > 0, 1j * values.imag, values)
    return np.where(np.isfinite(moved), regions.allowed(analysis.scheme, moved), np.inf).min(axis=-1)


def _values(matrices: Array) -> Array:
    finite = np.where(np.isfinite(matrices), matrices, 0)
    return np.linalg.eigvals(finite).astype(complex)


def eigenvalues(scheme: Scheme) -> Eigenvalues | None:
    """The eigenvalues that the step bound rests on, at the start values; None where they are not known."""
    analyzed = _analyzed(scheme)
    if analyzed is None:
        return None
    analysis, cases = analyzed
    case = min(cases, key=lambda c: c.step)
    periodic = _values(case.matrices).reshape(-1)
    with np.errstate(all="ignore"):
        closed = [s.eigenvalues for s in analysis.closed_spectra(case)] if not isinstance(scheme.time, Leapfrog) else []
    return Eigenvalues(periodic, np.concatenate(closed) if closed else np.zeros(0, complex))
