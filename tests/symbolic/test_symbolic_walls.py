"""Wall conditions as written → Σ c_m ∂_n^m u = g, n outward."""

from __future__ import annotations

import pytest

from npde.diagnostics import DiagnosticError
from tests.symbolic.texts import heat, system

DECLARED = "learn q = 1, b = 2 > 0\nlearn p(y) = 1\nlet g(y) = y^2"
PLANE = {"coordinates": "x in [1, 3], y in [0, 1], t in [0, 1]", "field": "u(x, y, t)", "grid": "x: 16, y: 16"}

CASES = [
    ("u = 0", "(1,)", "0"),
    ("u = 2", "(1,)", "2"),
    ("2*u = 2", "(2,)", "2"),
    ("0 = u - q", "(1,)", "q"),
    ("dn(u) = q", "(0, 1)", "q"),
    ("dn(u) - q*t = 0", "(0, 1)", "q*t"),
    ("u + 2*dn(u) = 1", "(1, 2)", "1"),
    ("b*u + dn(u) = g", "(b, 1)", "y**2"),
    ("u + g*dn(u) = p", "(1, y**2)", "p"),
    ("u = x*y", "(1,)", "{wall}*y"),
    ("dx(u) = 1", "(0, {sign})", "1"),
    ("u - 3*dx(u) = 1", "(1, {minus_three})", "1"),
]


@pytest.mark.parametrize(("condition", "coefficients", "data"), CASES)
@pytest.mark.parametrize("side", ["lower", "upper"])
def test_a_condition(condition: str, coefficients: str, data: str, side: str) -> None:
    position, other = ("1", "3") if side == "lower" else ("3", "1")
    boundary = f"y: periodic\nboundary x = {position}: {condition}\nboundary x = {other}: u = 0"
    found = system(heat("dt(u) = lap(u)", declare=DECLARED, boundary=boundary, **PLANE))
    (wall,) = [w for w in found.walls if w.side == side]
    sign = -1 if side == "lower" else 1
    words = {"sign": sign, "minus_three": -3 * sign, "wall": position}
    wanted = data.format(**words).removeprefix("1*")
    assert str(wall.coefficients) == coefficients.format(**words)
    assert str(wall.data) == wanted
    assert (str(wall.unknown), wall.coordinate) == ("u", "x")


def test_a_complex_field_has_a_wall_for_each_part() -> None:
    boundary = "x = 0: u = 1 + 2*i\nboundary x = 1: dn(u) + 3*u = i*t"
    found = system(heat("i*dt(u) = -dxx(u)", field="u(x, t) complex", boundary=boundary))
    listed = [(str(w.unknown), w.side, str(w.coefficients), str(w.data)) for w in found.walls]
    assert sorted(listed) == [
        ("u_im", "lower", "(1,)", "2"),
        ("u_im", "upper", "(3, 1)", "t"),
        ("u_re", "lower", "(1,)", "1"),
        ("u_re", "upper", "(3, 1)", "0"),
    ]


@pytest.mark.parametrize(
    ("condition", "code"),
    [("dn(u) = i*u", "N0958"), ("(1 + i)*u = 0", "N0958")],
)
def test_complex_coefficients_are_refused(condition: str, code: str) -> None:
    with pytest.raises(DiagnosticError) as caught:
        system(heat("i*dt(u) = -dxx(u)", field="u(x, t) complex", boundary=condition))
    assert {d.code for d in caught.value.diagnostics} == {code}


@pytest.mark.parametrize("declared", ["input b(t)", "input b", "learn b(t) = 1", "input b(x)"])
def test_coefficients_that_change_are_refused(declared: str) -> None:
    with pytest.raises(DiagnosticError) as caught:
        system(heat(declare=declared, boundary="u + b*dn(u) = 0"))
    assert {d.code for d in caught.value.diagnostics} <= {"N0959", "N0513"}


def test_learned_and_position_dependent_coefficients_are_kept() -> None:
    boundary = "y: periodic\nboundary x = 1: p*u + g*dn(u) = 1\nboundary x = 3: u = 0"
    found = system(heat("dt(u) = lap(u)", declare=DECLARED, boundary=boundary, **PLANE))
    assert str(found.walls[0].coefficients) == "(p, y**2)"
