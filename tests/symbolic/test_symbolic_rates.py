"""Equations that the language does not let through yet and the symbolic stage can solve: written by hand."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
import sympy as sp

from npde import symbolic
from npde.diagnostics import DiagnosticError
from npde.model import expression as ex
from npde.model.problem import Equation, Problem
from npde.symbolic import System
from npde.symbolic.symbols import real
from tests.symbolic.texts import heat, problem

OVER = ex.Type((), False, ("t", "x"))
U, V = ex.FieldRef("u", (), OVER), ex.FieldRef("v", (), OVER)
DT_U, DT_V = ex.Derivative(U, (("t", 1),), OVER), ex.Derivative(V, (("t", 1),), OVER)


def plus(a: ex.Expr, b: ex.Expr) -> ex.Expr:
    return ex.Binary("+", a, b, OVER)


def times(a: ex.Expr | int, b: ex.Expr) -> ex.Expr:
    factor = ex.Number(Fraction(a), ex.Type()) if isinstance(a, int) else a
    return ex.Binary("*", factor, b, OVER)


def with_equations(*equations: tuple[ex.Expr, ex.Expr]) -> System:
    """Two fields u and v with other equations than a text could give them."""
    text = heat("dt(u) = v\ndt(v) = u", field="u(x, t), v(x, t)", initial="initial u = 0\ninitial v = 0")
    return symbolic.build(replace(problem(text), equations=tuple(Equation(a, b) for a, b in equations)))


def test_coupled_time_derivatives_are_solved_together() -> None:
    found = with_equations((plus(times(2, DT_U), DT_V), U), (plus(DT_U, times(3, DT_V)), V))
    u, v = real("u"), real("v")
    assert [sp.expand(r) for r in found.rates] == [(3 * u - v) / 5, (2 * v - u) / 5]


def test_coefficients_may_be_functions_of_position() -> None:
    x = ex.CoordinateRef("x", False, ex.Type((), False, ("x",)))
    found = with_equations((plus(DT_U, times(x, DT_V)), U), (DT_V, V))
    u, v, position = real("u"), real("v"), real("x")
    assert sp.expand(found.rates[0] - (u - position * v)) == 0
    assert found.rates[1] == v


@pytest.mark.parametrize(
    "equations",
    [
        ((plus(DT_U, DT_V), U), (plus(DT_U, DT_V), V)),
        ((plus(DT_U, times(U, DT_V)), U), (plus(times(V, DT_U), DT_V), V)),
    ],
    ids=["singular", "coefficients with fields"],
)
def test_what_cannot_be_solved_is_refused(equations: tuple[tuple[ex.Expr, ex.Expr], ...]) -> None:
    with pytest.raises(DiagnosticError) as caught:
        with_equations(*equations)
    assert {d.code for d in caught.value.diagnostics} == {"N0957"}


def test_the_chain_rule_gives_the_rate_of_an_expression() -> None:
    square = ex.Binary("^", U, ex.Number(Fraction(2), ex.Type()), OVER)
    found = with_equations((ex.Derivative(square, (("t", 1),), OVER), U), (DT_V, V))
    assert found.rates[0] == sp.Rational(1, 2)


def damped_wave(boundary: str) -> Problem:
    """dtt(u) = dxx(u) + lap(dt(u)): an operator on a velocity."""
    text = heat("dtt(u) = dxx(u)", boundary=boundary, initial="initial u = 0\ninitial dt(u) = 0")
    given = problem(text)
    right = plus(given.equations[0].right, ex.Laplacian(DT_U, OVER))
    return replace(given, equations=(Equation(given.equations[0].left, right),))


def test_a_velocity_under_an_operator_has_walls_of_its_own() -> None:
    found = symbolic.build(damped_wave("x = 0: u = t^2\nboundary x = 1: dn(u) + 2*u = sin(t)"))
    walls = {(str(w.unknown), w.side): (str(w.coefficients), str(w.data)) for w in found.walls}
    assert str(found.rates[1]) == "Diff(u, x, 2) + Lap(u_t)"
    assert walls == {
        ("u", "lower"): ("(1,)", "t**2"),
        ("u", "upper"): ("(2, 1)", "sin(t)"),
        ("u_t", "lower"): ("(1,)", "2*t"),
        ("u_t", "upper"): ("(2, 1)", "cos(t)"),
    }
