"""`integral(e, x')` → kernel, density and outer factor."""

from __future__ import annotations

import pytest

from npde.diagnostics import DiagnosticError
from tests.symbolic.texts import heat, rates, system

DECLARED = "learn W(x, x')\nlearn w(x)\nlearn b(x) = 1\nlearn q = 2\nlet k = 3"

CASES = [
    ("integral(W(x, x')*u(x'), x')", "Nonlocal(W, u, x)"),
    ("integral(q*W(x, x')*u(x'), x')", "q*Nonlocal(W, u, x)"),
    ("integral(W(x, x')*b(x')*u(x')^2, x')", "Nonlocal(W, b*u**2, x)"),
    ("integral(W(x, x')*b(x)*u(x'), x')", "b*Nonlocal(W, u, x)"),
    ("integral(W(x, x'), x')", "Nonlocal(W, 1, x)"),
    ("integral(W(x, x')*x'*u(x'), x')", "Nonlocal(W, u*x, x)"),
    ("integral(w(x - x')*u(x'), x')", "NonlocalConvolution(w, u, x)"),
    ("integral(exp(-(x - x')^2)*u(x'), x')", "Nonlocal(exp(-(x - x')**2), u, x)"),
    ("integral(u(x'), x')", "IntegralOf(u, x)"),
    ("u*integral(u(x')^2, x')", "u*IntegralOf(u**2, x)"),
    ("integral(u*u(x'), x')", "u*IntegralOf(u, x)"),
    ("integral((u(x') - u)^2, x')", "u**2*IntegralOf(1, x) - 2*u*IntegralOf(u, x) + IntegralOf(u**2, x)"),
    ("integral((x - x')*u(x'), x')", "Nonlocal(x - x', u, x)"),
    ("integral(exp(u(x') - u), x')", "IntegralOf(exp(u), x)*exp(-u)"),
    ("integral(W(x, x')*(u(x') - u), x')", "-u*Nonlocal(W, 1, x) + Nonlocal(W, u, x)"),
    ("integral(tanh(W(x, x')), x')", None),
    ("integral(tanh(u(x') - u), x')", None),
    ("integral(W(x, x')*exp(-(x - x')^2)*u(x'), x')", None),
    ("integral(W(x', x)*u(x'), x')", None),
]


@pytest.mark.parametrize(("integral", "wanted"), [c for c in CASES if c[1] is not None])
def test_separable_integrands(integral: str, wanted: str) -> None:
    assert rates(heat(f"dt(u) = {integral}", declare=DECLARED)) == [wanted]


@pytest.mark.parametrize("integral", [c[0] for c in CASES if c[1] is None])
def test_other_integrands_are_refused(integral: str) -> None:
    with pytest.raises(DiagnosticError) as caught:
        system(heat(f"dt(u) = {integral}", declare=DECLARED))
    assert {d.code for d in caught.value.diagnostics} <= {"N0953", "N0950"}


def test_an_axis_that_is_not_listed_stays() -> None:
    plane = {"coordinates": "x, y in [0, 1], t in [0, 1]", "field": "u(x, y, t)", "grid": "x: 16, y: 16"}
    found = rates(heat("dt(u) = integral(W(x, x')*u(x', y), x')", declare="learn W(x, x')", **plane))
    assert found == ["Nonlocal(W, u, x)"]
    both = "dt(u) = integral(W(x, y, x', y')*u(x', y'), x', y')"
    assert rates(heat(both, declare="learn W(x, y, x', y')", **plane)) == ["Nonlocal(W, u, x, y)"]
    rest = "dt(u) = integral(W(x, x')*u(x', y'), x', y')"
    assert rates(heat(rest, declare="learn W(x, x')", **plane)) == ["Nonlocal(W, IntegralOf(u, y), x)"]


def test_both_parts_of_a_complex_density() -> None:
    found = rates(heat("dt(u) = i*integral(W(x, x')*u(x'), x')", field="u(x, t) complex", declare=DECLARED))
    assert found == ["-Nonlocal(W, u_im, x)", "Nonlocal(W, u_re, x)"]


def test_primed_coordinates_have_a_meaning_where_a_kernel_holds_them() -> None:
    with_kernel = system(heat("dt(u) = integral(exp(-(x - x')^2)*u(x'), x')"))
    assert "x'" in {s.name for s, _ in with_kernel.symbols}
    without = system(heat("dt(u) = integral(W(x, x')*u(x'), x')", declare=DECLARED))
    assert "x'" not in {s.name for s, _ in without.symbols}
