"""Steps of a march, counted in exact numbers where the file has them."""

from __future__ import annotations

import math
from fractions import Fraction

from npde.diagnostics import InternalError
from npde.diagnostics.catalogue import numerics as codes
from npde.discretize.scheme import StepBound
from npde.model.problem import Coordinate, Exact, March
from npde.symbolic.refusal import Refused

SAFETY = Fraction(9, 10)
"""Share of the bound that `dt: auto` takes."""


def whole_steps(length: Exact, dt: Exact) -> int | None:
    """length/dt where it is whole: exactly so for fractions, to rounding for floats."""
    if isinstance(length, Fraction) and isinstance(dt, Fraction):
        count = length / dt
        return int(count) if count.denominator == 1 else None
    ratio = float(length) / float(dt)
    nearest = round(ratio)
    return nearest if nearest >= 1 and abs(ratio - nearest) <= 1e-9 * nearest else None


def stated_steps(march: March, time: Coordinate) -> int | None:
    """The steps a file states, None for `dt: auto`.

    Raises:
        Refused: the step does not divide the extent.
    """
    if march.steps is not None:
        return march.steps
    if march.dt is None or march.dt == "auto":
        return None
    length = time.upper - time.lower
    count = whole_steps(length, march.dt)
    if count is None:
        ratio = float(length) / float(march.dt)
        near = max(1, round(ratio))
        text = {"dt": f"{float(march.dt):g}", "length": f"{float(length):g}", "steps": f"{ratio:.6g}"}
        hint = f"`steps: {near}` is the nearest."
        raise Refused(codes.DT_DIVIDES.at(march.span, hint=hint, name=time.name, **text))
    return count


def automatic_steps(length: Exact, bound: StepBound) -> int:
    """ceil(T/(0.9 · bound)), the bound taken at the worst end of bounded learnables."""
    if bound.worst is None:
        raise InternalError("no bound to take steps from")
    return max(1, math.ceil(float(length) / (float(SAFETY) * bound.worst)))
