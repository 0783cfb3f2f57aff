"""A line search to the strong Wolfe conditions.

    φ(α) ≤ φ(0) + c₁ α φ'(0)   and   |φ'(α)| ≤ c₂ |φ'(0)|

Source: Nocedal & Wright, *Numerical Optimization*, 2nd ed., algorithms 3.5 (bracketing) and 3.6 (zoom), the trial points
of the zoom by cubic interpolation (equation 3.59), kept away from the ends of the bracket.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import copysign, isfinite, sqrt

from torch import Tensor

DECREASE = 1e-4
"""c₁."""
CURVATURE = 0.9
"""c₂."""
GROWTH = 4.0
"""How much farther the next trial of the bracketing lies."""


@dataclass(frozen=True, slots=True, eq=False)
class Point:
    """A trial: α, φ(α), φ'(α) and the gradient there. A march that blew up has the value infinity."""

    step: float
    value: float
    slope: float
    gradient: Tensor


def strong_wolfe(evaluate: Callable[[float], Point], origin: Point, first: float, most: int = 25) -> Point:
    """A point that meets both conditions; after `most` trials the best that meets the first, `origin` if none does.

    Args:
        evaluate: φ at a step; the value may be infinite.
        origin: the point at α = 0, its slope negative.
        first: first trial step.
    """
    previous, step = origin, first
    for trial in range(most):
        point = evaluate(step)
        if _is_high(point, origin) or (trial > 0 and point.value >= previous.value):
            return _zoom(evaluate, origin, previous, point, most - trial - 1)
        if abs(point.slope) <= -CURVATURE * origin.slope:
            return point
        if point.slope >= 0:
            return _zoom(evaluate, origin, point, previous, most - trial - 1)
        previous, step = point, GROWTH * step
    return previous


def _zoom(evaluate: Callable[[float], Point], origin: Point, low: Point, high: Point, most: int) -> Point:
    """The search in a bracket whose end `low` is the best point so far that meets the first condition."""
    for _ in range(most):
        width = high.step - low.step
        if abs(width) <= 1e-12 * max(abs(low.step), abs(high.step)):
            break
        point = evaluate(_between(low, high))
        if _is_high(point, origin) or point.value >= low.value:
            high = point
            continue
        if abs(point.slope) <= -CURVATURE * origin.slope:
            return point
        if point.slope * width >= 0:
            high = low
        low = point
    return low


def _is_high(point: Point, origin: Point) -> bool:
    return not point.value <= origin.value + DECREASE * point.step * origin.slope


def _between(low: Point, high: Point) -> float:
    """The minimum of the cubic through values and slopes of both ends, kept to the middle eight tenths of the bracket;
    a quarter of it from `low` where the far end is not finite."""
    width = high.step - low.step
    if not isfinite(high.value):
        return low.step + 0.25 * width
    d1 = low.slope + high.slope - 3 * (high.value - low.value) / width
    square = d1 * d1 - low.slope * high.slope
    if square < 0:
        return low.step + 0.5 * width
    d2 = copysign(sqrt(square), width)
    denominator = high.slope - low.slope + 2 * d2
    if denominator == 0:
        return low.step + 0.5 * width
    share = 1 - (high.slope + d2 - d1) / denominator
    return low.step + min(max(share, 0.1), 0.9) * width
