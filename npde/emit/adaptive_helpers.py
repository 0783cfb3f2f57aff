"""The adaptive scheme as emitted files carry it: its coefficients come from the tableau."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from npde.discretize.embedded import DOPRI5

ADAPTIVE: dict[str, str] = {}
"""By name, in the order in which they are emitted."""

ADAPTIVE_NEEDS: dict[str, tuple[str, ...]] = {
    "dopri5": ("NotConverged", "Progress", "between", "error_size", "first_size")
}
"""Helpers that call other helpers."""


def _tuple(values: Sequence[Fraction]) -> str:
    """`(1 / 5, 0, 3)`."""
    return f"({', '.join(str(v).replace('/', ' / ') for v in values)}{',' * (len(values) == 1)})"


ROWS = "\n".join(f"    {_tuple(row[:k])}," for k, row in enumerate(DOPRI5.tableau.a) if k)
NODES = _tuple(DOPRI5.tableau.c)
ERROR = _tuple([b - e for b, e in zip(DOPRI5.tableau.b, DOPRI5.lower, strict=True)])
MIDDLE = _tuple(DOPRI5.middle)

ADAPTIVE["Progress"] = '''
class Progress(NamedTuple):
    """Where an adaptive march stands: its last step, from `start` to `stop` (counted from the start of the call), the states
    there and in the middle, the rates at both ends; the size to try next, and the error of the last step."""

    start: float
    stop: float
    before: Tensor
    middle: Tensor
    after: Tensor
    rate_before: Tensor
    rate_after: Tensor
    size: float
    error: float
'''

ADAPTIVE["between"] = '''
def between(at: Progress, time: float) -> Tensor:
    """The state at a time inside the last step: the polynomial of degree 4 through its two ends, their rates, and the middle."""
    h = at.stop - at.start
    if time >= at.stop:
        return at.after
    x = (time - at.start) / h
    f, g = h * at.rate_before, h * at.rate_after
    u, v, w = at.before, at.middle, at.after
    a, b, c = 2 * (g - f) - 8 * (u + w) + 16 * v, 5 * f - 3 * g + 18 * u + 14 * w - 32 * v, g - 4 * f - 11 * u - 5 * w + 16 * v
    return (((a * x + b) * x + c) * x + f) * x + u
'''

ADAPTIVE["error_size"] = '''
def error_size(error: Tensor, before: Tensor, after: Tensor, tolerance: float) -> float:
    """The root mean square of error / (tolerance (1 + |state|)), that of the worst sample."""
    scale = tolerance * (1 + torch.maximum(before.abs(), after.abs()))
    return float((error / scale).flatten(1).square().mean(1).amax().sqrt())
'''

ADAPTIVE["first_size"] = '''
def first_size(rate: Callable[[Tensor, float], Tensor], state: Tensor, slope: Tensor, time: float, tolerance: float) -> float:
    """A first step size, from the sizes of the state, its rate, and how fast that changes (Hairer, Norsett and Wanner, II.4)."""
    value, speed = (error_size(v, state, state, tolerance) for v in (state, slope))
    small = 0.01 * value / speed if value > 1e-5 and speed > 1e-5 else 1e-6
    turn = error_size(rate(state + small * slope, time + small) - slope, state, state, tolerance) / small
    fastest = max(speed, turn)
    return min(100 * small, (0.01 / fastest) ** 0.2 if fastest > 1e-15 else max(1e-6, 1e-3 * small))
'''

ADAPTIVE["dopri5"] = f'''
STAGES = (
{ROWS}
)  # the rates that each stage starts from; the last one is the new state
NODES = {NODES}
ERROR = {ERROR}  # order 5 less order 4
MIDDLE = {MIDDLE}


def dopri5(
    rate: Callable[[Tensor, float], Tensor],
    state: Tensor,
    at: Progress | None,
    begin: float,
    end: float,
    limit: float,
    tolerance: float,
    fresh: bool = False,
) -> tuple[Tensor, Progress]:
    """The state at the time `end` from that at `begin`, by steps of Dormand and Prince that keep the error below a tolerance.

    A step may go past `end` (between its ends lies a polynomial), not past `limit`. `at` is where the march stood before, None
    at its start; `fresh` where the rate has changed since. One size serves all samples; it follows the error of the worst one
    (PI controller), and counts as a constant for gradients. Raises NotConverged with the errors seen, in units of the tolerance.
    """
    if at is None:
        slope = rate(state, begin)
        with torch.no_grad():
            size = first_size(rate, state, slope, begin, tolerance)
        at = Progress(begin, begin, state, state, state, slope, slope, size, 1e-4)
    elif fresh:
        at = at._replace(rate_after=rate(at.after, begin))
    errors: list[float] = []
    for _ in range(100_000):
        now, value, size = at.stop, at.after, at.size
        if now >= end:
            return between(at, end), at
        stop = limit if now + 1.01 * size >= limit else now + size
        h = stop - now
        slopes = [at.rate_after]
        for row, node in zip(STAGES, NODES[1:], strict=True):
            stage = value + h * sum(w * k for w, k in zip(row, slopes, strict=True) if w)
            slopes.append(rate(stage, now + node * h))
        with torch.no_grad():
            error = error_size(h * sum(w * k for w, k in zip(ERROR, slopes, strict=True) if w), value, stage, tolerance)
        errors.append(error)
        if error <= 1:
            factor = min(10.0, max(0.2, 0.9 * max(error, 1e-10) ** -0.17 * at.error**0.04))
            middle = value + h * sum(w * k for w, k in zip(MIDDLE, slopes, strict=True) if w)
            following = h * factor if stop < limit or h > 0.5 * size else size
            at = Progress(now, stop, value, middle, stage, slopes[0], slopes[-1], following, max(error, 1e-4))
        else:
            at = at._replace(size=h * (max(0.2, 0.9 * error**-0.2) if error < math.inf else 0.2))
            if at.size <= 1e-14 * max(abs(now), limit - begin):
                break
    raise NotConverged("the control of the step size", errors)
'''
