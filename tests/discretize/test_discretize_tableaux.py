"""Time schemes as data: their order conditions, and their stability regions."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from npde.diagnostics import InternalError
from npde.discretize import embedded, regions, tableaux
from npde.discretize.scheme import AdamsBashforth, RungeKutta

RICCATI = 0.8333833914643604
"""u(1) of u' = -u² + t, u(0) = 1, by an eighth-order method at tolerance 1e-13."""

ORDERS = {"euler": 1, "midpoint": 2, "heun": 2, "ssprk3": 3, "rk4": 4}


@pytest.mark.parametrize("name", sorted(ORDERS))
def test_tableaux_have_their_order(name: str) -> None:
    tableau = tableaux.TABLEAUX[name]
    assert tableau.order == ORDERS[name]
    coefficients = regions.polynomial(tableau)
    factorial = Fraction(1)
    for k in range(1, tableau.order + 1):
        factorial *= k
        assert coefficients[k] == 1 / factorial


@pytest.mark.parametrize("name", sorted(ORDERS))
def test_a_scheme_converges_at_its_order(name: str) -> None:
    tableau = tableaux.TABLEAUX[name]

    def march(steps: int) -> float:
        """u' = -u² + t, by the tableau as written."""
        t, u, dt = 0.0, 1.0, 1.0 / steps
        for _ in range(steps):
            slopes: list[float] = []
            for row, c in zip(tableau.a, tableau.c, strict=True):
                at = u + dt * sum(float(a) * k for a, k in zip(row, slopes, strict=False))
                slopes.append(-(at**2) + t + float(c) * dt)
            u += dt * sum(float(b) * k for b, k in zip(tableau.b, slopes, strict=True))
            t += dt
        return u

    errors = [abs(march(n) - RICCATI) for n in (32, 64)]
    assert np.log2(errors[0] / errors[1]) == pytest.approx(tableau.order, abs=0.1)


@pytest.mark.parametrize(
    "change",
    [
        {"order": 2},
        {"b": (Fraction(1, 6), Fraction(1, 3), Fraction(1, 3), Fraction(1, 3))},
        {"c": (Fraction(0), Fraction(1, 2), Fraction(1, 2), Fraction(1, 2))},
        {"b": (Fraction(1, 6), Fraction(1, 2), Fraction(1, 6), Fraction(1, 6))},
    ],
)
def test_a_wrong_tableau_is_a_bug(change: dict[str, object]) -> None:
    with pytest.raises(InternalError):
        tableaux.checked(replace(tableaux.RK4, **change))  # type: ignore[arg-type]


def test_an_implicit_tableau_is_a_bug() -> None:
    implicit = replace(tableaux.EULER, a=((Fraction(1),),), c=(Fraction(1),))
    with pytest.raises(InternalError):
        tableaux.checked(implicit)


def test_an_embedded_pair_has_its_orders() -> None:
    pair = embedded.DOPRI5
    assert (pair.tableau.order, pair.tableau.a[-1]) == (5, pair.tableau.b)
    wrong = (pair.lower[0] + Fraction(1, 100), *pair.lower[1:-1], pair.lower[-1] - Fraction(1, 100))
    with pytest.raises(InternalError):
        tableaux.checked(replace(pair.tableau, b=wrong, order=4))
    with pytest.raises(InternalError):
        tableaux.checked(replace(pair.tableau, order=4))


@pytest.mark.parametrize("entry", range(7))
def test_the_middle_of_a_step_checks_itself(entry: int) -> None:
    middle = [str(x) for x in embedded.DOPRI5.middle]
    middle[entry] = str(Fraction(middle[entry]) + Fraction(1, 10**6))
    with pytest.raises(InternalError, match="middle"):
        embedded.embedded(embedded.DOPRI5.tableau, [str(x) for x in embedded.DOPRI5.lower], middle)


def test_adams_bashforth() -> None:
    assert tableaux.adams_bashforth_defect(tableaux.AB2.weights) == (0, 0)
    assert any(tableaux.adams_bashforth_defect((Fraction(3, 2), Fraction(1, 2))))
    assert tableaux.AB2.starter.order >= 1
    assert tableaux.adams_bashforth_defect(tableaux.AB3.weights) == (0, 0, 0)
    assert tableaux.AB3.starter.order >= 2


# --- regions ----------------------------------------------------------------------------------------------------------

REAL = {"euler": 2.0, "midpoint": 2.0, "heun": 2.0, "ssprk3": 2.5127453266, "rk4": 2.7852935634}
IMAGINARY = {"euler": 0.0, "midpoint": 0.0, "heun": 0.0, "ssprk3": 3**0.5, "rk4": 8**0.5}


@pytest.mark.parametrize("name", sorted(REAL))
def test_intervals_of_the_regions(name: str) -> None:
    scheme = RungeKutta(tableaux.TABLEAUX[name])
    assert regions.real_interval(scheme) == pytest.approx(REAL[name], abs=1e-8)
    assert regions.imaginary_interval(scheme) == pytest.approx(IMAGINARY[name], abs=1e-6)
    assert regions.has_imaginary_interval(scheme) == (IMAGINARY[name] > 0)


def test_interval_of_adams_bashforth() -> None:
    assert regions.real_interval(tableaux.AB2) == pytest.approx(1.0, abs=1e-8)
    assert not regions.has_imaginary_interval(tableaux.AB2)
    assert regions.real_interval(tableaux.AB3) == pytest.approx(6 / 11, abs=1e-8)
    assert regions.imaginary_interval(tableaux.AB3) == pytest.approx(0.7236, abs=1e-4)


@pytest.mark.parametrize("scheme", [tableaux.AB2, tableaux.AB3], ids=["ab2", "ab3"])
def test_growth_is_the_largest_root_of_a_multistep_scheme(scheme: AdamsBashforth) -> None:
    generator = np.random.default_rng(5)
    z = np.concatenate([generator.normal(size=20) + 1j * generator.normal(size=20), [0, 1e-9, -6 / 11, 1e-9j]])
    growth = regions.growth(scheme, z)
    for value, found in zip(z, growth, strict=True):
        weights = [float(w) * value for w in scheme.weights]
        polynomial = [1, -1 - weights[0], *(-w for w in weights[1:])]
        assert found == pytest.approx(np.abs(np.roots(polynomial)).max(), rel=1e-11)


@pytest.mark.parametrize("name", sorted(REAL))
def test_growth_is_what_one_step_does(name: str) -> None:
    tableau = tableaux.TABLEAUX[name]
    z = complex(-0.7, 1.1)
    slopes: list[complex] = []
    for row in tableau.a:
        slopes.append(z * (1 + sum(float(a) * k for a, k in zip(row, slopes, strict=False))))
    after = 1 + sum(float(b) * k for b, k in zip(tableau.b, slopes, strict=True))
    assert regions.growth(RungeKutta(tableau), np.array([z]))[0] == pytest.approx(abs(after), rel=1e-14)


@pytest.mark.parametrize("scheme", [*map(RungeKutta, tableaux.TABLEAUX.values()), tableaux.AB2, tableaux.AB3], ids=str)
def test_the_largest_step_is_at_the_edge_of_the_region(scheme: regions.Explicit) -> None:
    generator = np.random.default_rng(3)
    eigenvalues = -generator.uniform(0.1, 5, 50) + 1j * generator.uniform(-3, 3, 50)
    step = regions.largest_step(scheme, eigenvalues)
    assert np.all(regions.growth(scheme, 0.999 * step * eigenvalues) <= 1 + 1e-9)
    assert np.any(regions.growth(scheme, 1.001 * step * eigenvalues) > 1)


def test_without_eigenvalues_no_step_is_too_large() -> None:
    assert regions.largest_step(RungeKutta(tableaux.EULER), np.zeros(3, dtype=complex)) == float("inf")
