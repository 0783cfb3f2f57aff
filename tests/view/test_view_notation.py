"""Formulas, shapes and counts as text."""

from __future__ import annotations

from fractions import Fraction

import pytest
import sympy as sp

from npde.graph.graph import Shape
from npde.symbolic import operators as op
from npde.view.notation import exact_text, formula, quantity, shape_text, shortened, wrapped

u, v, k1, k2, dt, x, nu = sp.symbols("u v k1 k2 dt x nu", real=True)


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        (u + dt * (k1 + 2 * k2) / 6, "u + dt*(k1 + 2*k2)/6"),
        (nu * op.Lap(u) - u**3, "nu*lap(u) - u^3"),
        (-u + 1, "1 - u"),
        (-u - v, "-u - v"),
        (x - sp.Rational(5, 4), "x - 1.25"),
        (sp.Rational(1, 50000) * op.Lap(u), "2e-05*lap(u)"),
        (u / 3, "u/3"),
        (2 * u / 3, "2*u/3"),
        (u / v, "u/v"),
        (u / (v * nu), "u/(nu*v)"),
        ((u + v) * x, "x*(u + v)"),
        (u**2, "u^2"),
        (u ** (v + 1), "u^(v + 1)"),
        ((u * v) ** 3, "u^3*v^3"),
        (sp.exp(-(x**2)), "exp(-x^2)"),
        (sp.sqrt(u), "sqrt(u)"),
        (op.Diff(u, x, 2), "dxx(u)"),
        (op.Relu(u) + op.Sigmoid(v), "relu(u) + sigmoid(v)"),
        (op.Where(sp.StrictLessThan(u, 1), u, -v), "where(u < 1, u, -v)"),
        (op.KernelAdjoint(sp.Symbol("K"), u, v), "adjoint(K)(u)"),
        (op.Nonlocal(sp.Symbol("W"), u, x), "integral(W*u, x')"),
        (sp.Float("0.1") * u, "0.1*u"),
        (sp.Integer(0), "0"),
        (-sp.Integer(3) * u, "-3*u"),
    ],
)
def test_formulas_read_as_the_language_is_written(expression: sp.Expr, text: str) -> None:
    assert formula(expression) == text


def test_the_state_comes_first() -> None:
    assert formula(u + k1) == "k1 + u"
    assert formula(u + k1, first="u") == "u + k1"


def test_shapes_name_the_batch_only_where_it_varies() -> None:
    assert shape_text(Shape(True, 16, (8, 8))) == "[B, 16, 8, 8]"
    assert shape_text(Shape(False, 1, (8,))) == "[1, 8]"


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 "), (999, "999 "), (1000, "1 k"), (7424, "7.42 k"), (999_600, "1 M"), (1.5e9, "1.5 G")]
)
def test_quantities_have_three_digits(count: float, text: str) -> None:
    assert quantity(count) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(Fraction(3), "3"), (Fraction(1, 40), "0.025"), (Fraction(1, 6), "1/6"), (2.5, "2.5"), (Fraction(-1, 3), "-1/3")],
)
def test_exact_numbers(value: Fraction | float, text: str) -> None:
    assert exact_text(value) == text


def test_long_formulas_break_outside_brackets() -> None:
    assert wrapped("rate = D*lap(u) + r*u*(1 - u) - v", 26, 3) == ("rate = D*lap(u)", "+ r*u*(1 - u) - v")
    assert wrapped("short", 26, 3) == ("short",)
    lines = wrapped("a" * 200, 26, 3)
    assert len(lines) == 3
    assert max(map(len, lines)) <= 26
    assert lines[-1].endswith("…")


def test_nothing_is_lost_but_what_an_ellipsis_marks() -> None:
    text = "exp(-80*(x - 1.25)^2 - 80*(y - 1.25)^2)/4 + 0.01*noise(1) - something*else"
    assert "".join(wrapped(text, 20, 20)).replace(" ", "") == text.replace(" ", "")
    assert shortened(text, 10) == "exp(-80*(…"
