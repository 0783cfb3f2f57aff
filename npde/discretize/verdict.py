"""What is said about a step: refused where its instability is proved, warned of where it is likely."""

from __future__ import annotations

import math

from npde.diagnostics import Collector
from npde.diagnostics.catalogue import stability as codes
from npde.discretize import spectrum
from npde.discretize.scheme import RungeKutta, TimeScheme
from npde.discretize.spectrum import Marched
from npde.discretize.stability import Assessment
from npde.model.limits import MAX_STEPS
from npde.model.problem import March
from npde.symbolic.system import System

SLACK = 1 + 1e-9
"""A step at the bound itself is stable; so much is rounding."""


def refuse_euler(system: System, scheme: TimeScheme, march: March, collector: Collector) -> bool:
    """Whether Euler's method meets a Schrödinger equation: refused whatever the step."""
    if not (isinstance(scheme, RungeKutta) and scheme.tableau.name == "euler" and is_schrodinger(system)):
        return False
    hint = "use `march crank_nicolson` or `march strang`, which keep the norm, or `march rk4, dt: auto`."
    collector.add(codes.EULER_SCHRODINGER.at(march.place, hint=hint))
    return True


def is_schrodinger(system: System) -> bool:
    """Whether the derivatives of a complex field turn its phase only: re by im and im by re."""
    for k, u in enumerate(system.unknowns):
        if u.part != "re" or u.is_velocity or system.unknowns[k + 1].part != "im":
            continue
        v = system.unknowns[k + 1]
        sides = ((system.terms[k], u, v), (system.terms[k + 1], v, u))
        spatial = [(t, own, other) for terms, own, other in sides for t in terms if t.order and t.linear]
        turned = all(own.symbol not in t.expression.free_symbols for t, own, _ in spatial)
        if spatial and turned and all(other.symbol in t.expression.free_symbols for t, _, other in spatial):
            return True
    return False


def judge(assessment: Assessment, scheme: Marched, march: March, dt: float, steps: int, collector: Collector) -> None:
    """Diagnostics of a step that was stated."""
    length = dt * steps
    if not _judge_oscillations(assessment, scheme, march, dt, length, collector):
        return
    bound, allowed = assessment.bound, assessment.limits.step
    if dt > allowed * SLACK:
        hint = _remedy(march, allowed, length)
        data = {"dt": _short(dt), "bound": _short(allowed)}
        proved = assessment.proof is not None and dt > assessment.proof * allowed * SLACK
        code = codes.UNSTABLE if proved else codes.LIKELY_UNSTABLE
        collector.add(code.at(march.place, hint=hint, notes=(*notes(assessment), *_origin(march)), **data))
        return
    if bound.worst is not None and dt > bound.worst * SLACK and assessment.varied:
        names = " and ".join(f"'{n}'" for n in assessment.varied)
        hint = _remedy(march, bound.worst, length)
        collector.add(
            codes.LEARNABLE_LEAVES.at(march.place, hint=hint, dt=_short(dt), bound=_short(bound.worst), names=names)
        )


def _judge_oscillations(
    assessment: Assessment, scheme: Marched, march: March, dt: float, length: float, collector: Collector
) -> bool:
    """Whether oscillations are no reason to refuse; growth over the run is reported."""
    oscillations = assessment.limits.oscillations
    if not len(oscillations):
        return True
    factor = spectrum.amplification(scheme, oscillations, dt, length)  # type: ignore[arg-type]
    hint = "use `march rk4, dt: auto`, whose region holds an interval of the imaginary axis."
    data = {"scheme": march.scheme, "factor": _short(factor) if factor < 1e6 else "more than a million"}
    if assessment.oscillates and factor > spectrum.FATAL:
        collector.add(codes.OSCILLATION.at(march.place, hint=hint, **data))
        return False
    if factor > assessment.limits.tolerance:
        collector.add(codes.OSCILLATION_SLOW.at(march.place, hint=hint, **data))
    return not assessment.oscillates


def notes(assessment: Assessment) -> tuple[str, ...]:
    """The bound's formula and assumptions, as notes of a diagnostic."""
    bound = assessment.bound
    written = str(bound.formula).replace("**", "^")
    formula = () if bound.formula is None else (f"The bound is dt <= {written}.",)
    return (*formula, *(f"{note[0].upper()}{note[1:]}." for note in bound.notes))


def _origin(march: March) -> tuple[str, ...]:
    return ("The step comes from the option '--march'.",) if march.by_option else ()


def _remedy(march: March, bound: float, length: float) -> str:
    if bound <= 0 or length / bound > MAX_STEPS:
        return "use a scheme for stiff equations: `march crank_nicolson` where the equation is linear."
    least = math.ceil(length / (0.9 * bound))
    return f"use `march {march.scheme}, steps: {least}` or more, or `dt: auto`."


def _short(value: float) -> str:
    return f"{value:.4g}"
