"""`learn D = 0.1 in stable`: the interval of values for which the step that the file states is stable.

    D in (0, D_max),  D_max the largest value with bound(D_max) ≥ dt

The bound is that of the von Neumann analysis with D at that value everywhere, closures at walls included. Several such
learnables share one factor: each goes up to λ times its start, λ the largest at which the bound still admits the step; then
every combination of their ends does too, which is checked, as is the bound in between. Other bounded learnables count with
their worst ends, all others with their starts. A scheme that is stable for every step leaves D > 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import product
from typing import assert_never

import numpy as np

from npde.diagnostics import Collector
from npde.diagnostics.catalogue import stability as codes
from npde.discretize import tableaux
from npde.discretize.numeric import Unknown
from npde.discretize.samples import Samples
from npde.discretize.scheme import (
    AdamsBashforth,
    Adaptive,
    Exponential,
    GhostRule,
    Grid,
    Implicit,
    ImplicitExplicit,
    Leapfrog,
    RungeKutta,
    Splitting,
    TimeScheme,
)
from npde.discretize.stability import Parts, StepAnalysis
from npde.model.problem import Constraint, LearnedCoefficient
from npde.symbolic.system import System

FARTHEST = 1e6
"""A multiple of the start beyond which a bound is said not to restrict a value."""

DIGITS = 6
"""Of the end that is kept, rounded down."""

BETWEEN = (1e-6, 0.03, 0.1, 0.25, 0.5, 0.75, 0.9)
"""Shares of the interval at which the bound is looked at again."""

Bound = Callable[[dict[str, float]], float]
"""The largest stable step at given values."""


def stable_names(system: System) -> tuple[LearnedCoefficient, ...]:
    """The learnables that are declared `in stable`."""
    found = (x for x in system.problem.learned if isinstance(x, LearnedCoefficient))
    return tuple(x for x in found if x.constraint is not None and x.constraint.stable)


def bounded(
    system: System,
    grid: Grid,
    rules: Sequence[GhostRule],
    scheme: TimeScheme,
    length: float,
    steps: int | None,
    collector: Collector,
) -> System:
    """The system with every `in stable` replaced by its interval; what has none is reported."""
    learned = stable_names(system)
    if not learned:
        return system
    if steps is None:
        collector.add(codes.STABLE_STEP.at(learned[0].span, name=learned[0].name))
        return system
    try:
        found = _interval(system, grid, rules, scheme, length, steps, learned)
    except _Refused as refused:
        spans = {x.name: x.span for x in learned}
        collector.add(refused.code.at(spans[refused.name], hint=refused.hint, name=refused.name, why=refused.why))
        return system
    return _constrained(system, {x.name: Constraint(Fraction(0), found.get(x.name), True) for x in learned})


class _Refused(Exception):
    def __init__(self, name: str, why: str, *, is_start: bool = False, hint: str = ""):
        super().__init__(why)
        self.name, self.why, self.hint = name, why, hint
        self.code = codes.STABLE_START if is_start else codes.STABLE_UNKNOWN


def _interval(
    system: System,
    grid: Grid,
    rules: Sequence[GhostRule],
    scheme: TimeScheme,
    length: float,
    steps: int,
    learned: Sequence[LearnedCoefficient],
) -> dict[str, Fraction]:
    """The upper ends by name; empty where every step is stable."""
    parts: Parts = [[t.expression for t in terms] for terms in system.terms]
    is_closed = True
    match scheme:
        case RungeKutta() | AdamsBashforth() | Leapfrog():
            marched = scheme
        case Splitting(pointwise=pointwise, flow=None):
            marched, parts, is_closed = tableaux.RK4_SCHEME, [[e] for e in pointwise], False
        case Splitting() | Implicit() | Adaptive():
            return {}
        case ImplicitExplicit() | Exponential():
            why = "the bound of a scheme that splits the rates is estimated at the start values alone"
            raise _Refused(learned[0].name, why, hint=f"write an interval, `{learned[0].name} in [0, 1]`.")
        case _:
            assert_never(scheme)
    analysis = StepAnalysis(system, grid, tuple(rules), marched, parts, length, is_closed)
    starts = _starts(system, grid, learned)
    dt = length / steps

    ends: list[dict[str, float]] = [{}, *analysis.ends()[1]]

    def bound(values: dict[str, float]) -> float:
        cases = [case for other in ends for case in analysis.cases({**other, **values})]
        missing = next((name for c in cases for name in c.unknown), None)
        if missing is not None:
            raise _Refused(learned[0].name, f"'{missing}' is not known before training or running")
        return analysis.walled(min(cases, key=lambda c: c.step)).step

    factor = _largest_factor(bound, starts, dt)
    largest = {name: _rounded_down(factor * start) for name, start in starts.items()}
    for name, end in largest.items():
        if not starts[name] < end:
            raise _bad_start(name, bound(starts), dt)
    _verify(bound, {name: float(end) for name, end in largest.items()}, dt)
    return largest


def _starts(system: System, grid: Grid, learned: Sequence[LearnedCoefficient]) -> dict[str, float]:
    """The largest start value of each."""
    samples = Samples(system, grid, system.problem.numerics.order)
    symbols = {m.name: s for s, m in system.symbols if isinstance(m, LearnedCoefficient)}
    found = {}
    for x in learned:
        try:
            found[x.name] = float(np.max(samples.value(symbols[x.name])))
        except (Unknown, KeyError):
            raise _Refused(
                x.name, "it starts at random", hint=f"give it a start: `learn {x.name} = 0.1 in stable`."
            ) from None
    return found


def _largest_factor(bound: Bound, starts: dict[str, float], dt: float) -> float:
    """λ with bound(λ · starts) = dt, from below; found by false position on dt/bound, which is nearly affine in λ."""

    def excess(factor: float) -> float:
        step = bound({name: factor * start for name, start in starts.items()})
        return dt / step - 1 if step > 0 else math.inf

    low, below = 1.0, excess(1.0)
    name = next(iter(starts))
    if below >= 0:
        raise _bad_start(name, dt / (below + 1), dt)
    high = 2.0 if below <= -1 else min(FARTHEST, max(2.0, 1.1 / (below + 1)))
    above = excess(high)
    while above < 0:
        if high >= FARTHEST:
            raise _Refused(name, "it does not restrict the step", hint=f"write `{name} > 0`.")
        low, below, high = high, above, min(FARTHEST, 4 * high)
        above = excess(high)
    for _ in range(60):
        if high - low <= 1e-9 * high:
            break
        share = below / (below - above) if math.isfinite(above) else 0.5
        middle = low + (high - low) * min(max(share, 1e-3), 1 - 1e-3)
        value = excess(middle)
        if value < 0:
            low, below = middle, value
            if value > -1e-9:
                break
        else:
            high, above = middle, value
    return low


def _bad_start(name: str, step: float, dt: float) -> _Refused:
    why = f"there the step must not exceed {step:.4g}, and it is {dt:.4g}"
    return _Refused(name, why, is_start=True, hint="take shorter steps, or start at a smaller value.")


def _rounded_down(value: float) -> Fraction:
    """A value with a few digits, not above it."""
    shift = DIGITS - 1 - math.floor(math.log10(value))
    digits = math.floor(value * 10.0**shift)
    return Fraction(digits) / Fraction(10) ** shift


def _verify(bound: Bound, ends: dict[str, float], dt: float) -> None:
    """The bound admits the step all along the diagonal, and where some values are large and others small."""
    corners = [dict.fromkeys(ends, share) for share in BETWEEN]
    if len(ends) > 1:
        mixed = [dict(zip(ends, shares, strict=True)) for shares in product((1e-6, 1.0), repeat=min(len(ends), 4))]
        corners += [m for m in mixed if len(m) == len(ends)]
    for shares in corners:
        if bound({name: shares.get(name, 1.0) * end for name, end in ends.items()}) < dt * (1 - 1e-9):
            name = next(iter(ends))
            raise _Refused(name, "the values for which the step is stable are no interval from zero")


def _constrained(system: System, constraints: dict[str, Constraint]) -> System:
    def kept(x: object) -> object:
        is_one = isinstance(x, LearnedCoefficient) and x.name in constraints
        return replace(x, constraint=constraints[x.name]) if is_one else x  # type: ignore[type-var, attr-defined]

    problem = replace(system.problem, learned=tuple(kept(x) for x in system.problem.learned))  # type: ignore[misc]
    return replace(system, problem=problem, symbols=tuple((s, kept(m)) for s, m in system.symbols))  # type: ignore[misc]
