"""Stencils: exact on polynomials up to their degree, and no further."""

from __future__ import annotations

from fractions import Fraction
from math import factorial

import pytest
import sympy as sp

from npde.diagnostics import InternalError
from npde.discretize import stencils
from npde.discretize.scheme import Stencil


def applied(stencil: Stencil, power: int) -> Fraction:
    """The stencil of s^power at 0."""
    return sum((w * o**power for o, w in zip(stencil.offsets, stencil.weights, strict=True)), Fraction(0))


def exact(derivative: int, power: int) -> Fraction:
    return Fraction(factorial(power)) if power == derivative else Fraction(0)


CENTERED = [(m, p) for m in range(1, 9) for p in (2, 4, 6)]


@pytest.mark.parametrize(("derivative", "order"), CENTERED)
def test_centered_stencils_have_exactly_their_order(derivative: int, order: int) -> None:
    stencil = stencils.centered(derivative, order)
    for power in range(derivative + order):
        assert applied(stencil, power) == exact(derivative, power)
    assert applied(stencil, derivative + order) != 0
    assert sum(stencil.weights) == 0
    assert (stencil.derivative, stencil.order) == (derivative, order)
    assert max(stencil.offsets) == stencils.radius(derivative, order)


@pytest.mark.parametrize(("derivative", "order"), CENTERED)
def test_centered_stencils_are_symmetric(derivative: int, order: int) -> None:
    weights = stencils.centered(derivative, order).weights
    assert weights == tuple((-1) ** derivative * w for w in reversed(weights))


@pytest.mark.parametrize("order", [2, 4, 6])
def test_staggered_differences_and_interpolation(order: int) -> None:
    for stencil, derivative in ((stencils.staggered(order), 1), (stencils.interpolation(order), 0)):
        assert all((2 * o).denominator == 1 and o.denominator == 2 for o in stencil.offsets)
        for power in range(order + derivative):
            assert applied(stencil, power) == exact(derivative, power)
        assert applied(stencil, order + derivative) != 0
        assert len(stencil.offsets) == order


def test_weights_agree_with_sympys() -> None:
    points = [Fraction(-3, 2), Fraction(0), Fraction(1), Fraction(2), Fraction(7, 2)]
    for derivative in range(5):
        theirs = sp.finite_diff_weights(derivative, [sp.Rational(p) for p in points], sp.Rational(1, 3))[derivative][-1]
        ours = stencils.weights(points, derivative, Fraction(1, 3))
        assert [sp.Rational(w) for w in ours] == theirs


def test_a_wrong_set_of_points_is_a_bug() -> None:
    with pytest.raises(InternalError):
        stencils.weights([Fraction(0), Fraction(1)], 2)
    with pytest.raises(InternalError):
        stencils.weights([Fraction(0), Fraction(0), Fraction(1)], 1)
