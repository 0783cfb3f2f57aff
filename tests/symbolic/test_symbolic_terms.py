"""What is known about each term."""

from __future__ import annotations

import pytest
import sympy as sp

from npde.symbolic import operators as op
from npde.symbolic.classify import NONLINEAR, degrees, derivative_order, is_pointwise
from npde.symbolic.symbols import real
from npde.symbolic.system import Term
from tests.symbolic.texts import heat, system

DECLARED = (
    "learn D = 0.1 > 0, r = 1\nlearn a(x) = 1\nlearn e(t) = 1\nlearn f(q) = mlp(4, tanh)\nlearn W(x, x')\n"
    "learn K stencil 3\ninput s(t)\ninput g(x)\nlet V(x) = x^2"
)

L, C, P, S, A = "linear", "constant", "conservative", "source", "affine"
CASES: list[tuple[str, set[str], int, tuple[str, ...]]] = [
    ("D*dxx(u)", {L, C, P}, 2, ("D",)),
    ("-u", {L, C}, 0, ()),
    ("D^2*u", {L, C}, 0, ()),
    ("a*dxx(u)", {L}, 2, ("a",)),
    ("dxx(a*u)", {L, P}, 2, ("a",)),
    ("div(a*grad(u))", {L, P}, 2, ("a",)),
    ("V*u", {L}, 0, ()),
    ("t*u", {L}, 0, ()),
    ("e*dxx(u)", {L, P}, 2, ("e",)),
    ("u*dx(u)", {C}, 1, ()),
    ("dx(u^2/2)", {C, P}, 1, ()),
    ("dxx(dxx(u))", {L, C, P}, 4, ()),
    ("r*u*(1 - u)", {C}, 0, ("r",)),
    ("r*(1 - u)", {C, A}, 0, ("r",)),
    ("u^3", {C}, 0, ()),
    ("f(u)", {C}, 0, ()),
    ("g", {S}, 0, ()),
    ("V", {S}, 0, ()),
    ("a*s", {S}, 0, ("a",)),
    ("D*a*u", {L}, 0, ("D", "a")),
    ("exp(D)*u", {L, C}, 0, ()),
    ("integral(W(x, x')*u(x'), x')", {L}, 0, ("W",)),
    ("tanh(integral(W(x, x')*u(x'), x'))", set(), 0, ()),
    ("K(u)", {L, C}, 2, ("K",)),
    ("adjoint(K)(K(u))", {L, C}, 4, ()),
    ("mean(u, x)", {L, C}, 0, ()),
    ("u*mean(u, x)", {C}, 0, ()),
    ("where(x < 1/2, u, 2*u)", {L}, 0, ()),
    ("where(u < 1/2, u, 2*u)", {C}, 0, ()),
]


def flags(term: Term) -> set[str]:
    """The properties a term has."""
    return {name for name in (L, C, P, S, A) if getattr(term, name)}


@pytest.mark.parametrize(("expression", "properties", "order", "affine"), CASES)
def test_a_term(expression: str, properties: set[str], order: int, affine: tuple[str, ...]) -> None:
    found = system(heat(f"dt(u) = {expression}", declare=DECLARED))
    (term,) = found.terms[0]
    kept = properties | ({C} if term.constant and S in properties else set())
    assert flags(term) == kept
    assert (term.order, term.affine_in) == (order, affine)
    assert found.problem.source.snippet(term.span) == expression.removeprefix("-")


def test_terms_stand_in_the_order_of_the_text_with_their_spans() -> None:
    found = system(heat("dt(u) - r*u = D*dxx(u) + u^3 - g", declare=DECLARED))
    texts = [found.problem.source.snippet(t.span) for t in found.terms[0]]
    assert texts == ["r*u", "D*dxx(u)", "u^3", "g"]


def test_terms_sum_to_the_rate() -> None:
    found = system(heat("i*dt(u) = -dxx(u)/2 + a*u + abs2(u)*u - D*conj(u)", field="u(x, t) complex", declare=DECLARED))
    for rate, terms in zip(found.rates, found.terms, strict=True):
        assert sp.Add(*(t.expression for t in terms)) == rate


# --- degrees ----------------------------------------------------------------------------------------------------------

u, v, x = real("u"), real("v"), real("x")


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        (sp.Integer(3), {0}),
        (u, {1}),
        (u + 1, {0, 1}),
        (u * v, {2}),
        ((u + 1) ** 2, {0, 1, 2}),
        (op.Lap(u) * x, {1}),
        (op.Lap(u**2), {2}),
        (u * op.Diff(v, x, 1), {2}),
        (sp.sin(u), {NONLINEAR}),
        (sp.sin(x) * u, {1}),
        (1 / u, {NONLINEAR}),
        (u**17, {NONLINEAR}),
        (op.DotProduct(u, v), {2}),
        (op.Where(sp.Lt(x, 0), u, 2), {0, 1}),
        (op.Where(sp.Lt(u, 0), u, 2), {NONLINEAR}),
    ],
)
def test_degrees(expression: sp.Expr, wanted: set[int]) -> None:
    assert degrees(expression, (u, v)) == wanted


def test_derivative_order_adds_up_nested_operators() -> None:
    assert derivative_order(op.Lap(op.Diff(u, x, 1) + op.Diff(u, x, 3)), 1) == 5
    assert derivative_order(op.FaceDiff(u * op.Diff(u, x, 1), x), 1) == 2
    assert derivative_order(sp.sin(u), 1) == 0


def test_pointwise_means_the_cell_alone() -> None:
    assert is_pointwise(op.Component(u, 0) * sp.tanh(u) + op.ClosureApply(v, u))
    assert not is_pointwise(u + op.Lap(u))
    assert not is_pointwise(op.MeanOf(u, x))
