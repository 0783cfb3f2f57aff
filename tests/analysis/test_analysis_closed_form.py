"""Closed forms of step bounds that no table holds."""

from __future__ import annotations

import pytest
import sympy as sp

import npde

H, D, R, M, NU = (
    sp.Symbol(n, positive=True) if n == "h_x" else sp.Symbol(n, real=True) for n in ("h_x", "D", "r", "m", "nu")
)
HY = sp.Symbol("h_y", positive=True)


def bound(name: str) -> sp.Expr:
    found = npde.load(f"examples/{name}.npde").analyze().dt_bound
    assert found is not None
    return found


def test_the_reaction_enters_with_its_jacobian() -> None:
    """r (1 - 2 u) at u = 1."""
    form = bound("fisher")
    assert sp.simplify(1 / form - (R + 4 * D / H**2 + 4 * D / HY**2) / form.subs({R: 1, D: 0}).doit()) == 0
    assert float(form.subs({R: 1, D: 0})) == pytest.approx(2.785293563, rel=1e-6)


def test_a_massive_wave_under_leapfrog() -> None:
    """ω² = 16/3 (1/h_x² + 1/h_y²) + m² + 3 g u² at u = 1."""
    g = sp.Symbol("g", real=True)
    expected = 2 / sp.sqrt(sp.Rational(16, 3) * (1 / H**2 + 1 / HY**2) + M**2 + 3 * g)
    assert sp.simplify(bound("klein_gordon") - expected) == 0


def test_fourth_derivatives() -> None:
    form = bound("kuramoto_sivashinsky")
    assert sp.simplify(1 / form / (16 * NU / H**4 - 4 / H**2)).is_number


def test_none_is_better_than_a_wrong_one() -> None:
    assert npde.load("examples/burgers.npde").analyze(set={"nu": 0.0001}).dt_bound is None
