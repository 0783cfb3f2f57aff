"""Ghost cells: exact where the field is a polynomial of the degree that the closure stands for."""

from __future__ import annotations

from fractions import Fraction

import pytest
import sympy as sp

from npde import discretize
from npde.diagnostics import DiagnosticError
from npde.discretize.ghosts import SingularWall, interior_cells, outflow, rule
from npde.discretize.halo import halo
from npde.discretize.scheme import Axis, GhostRule
from npde.source import NOWHERE
from npde.symbolic.symbols import real
from npde.symbolic.system import Wall
from tests.symbolic.texts import heat, system

AXIS = Axis("x", 8, Fraction(-1, 3), Fraction(5, 2), False)
S = sp.Symbol("s")

CONDITIONS = {
    "dirichlet": (1,),
    "neumann": (0, 1),
    "robin": (3, 2),
    "scaled": (5,),
    "robin with a negative sign": (1, -7),
}


def polynomial(degree: int) -> sp.Expr:
    """A polynomial in x with all coefficients."""
    return sum(sp.Rational(k + 2, 3 * k + 1) * (-1) ** k * S**k for k in range(degree + 1))


def positions(side: str, count: int) -> tuple[list[sp.Expr], list[sp.Expr], sp.Expr]:
    """Ghost cells and interior cells counted from a wall, and the wall."""
    h = sp.Rational(AXIS.spacing)
    sign = -1 if side == "lower" else 1
    wall = sp.Rational(AXIS.lower if side == "lower" else AXIS.upper)
    outside = [wall + sign * (k + sp.Rational(1, 2)) * h for k in range(count)]
    inside = [wall - sign * (k + sp.Rational(1, 2)) * h for k in range(AXIS.cells)]
    return outside, inside, wall


def data_of(p: sp.Expr, coefficients: tuple[sp.Expr, ...], side: str, wall: sp.Expr) -> sp.Expr:
    """Σ c_m ∂_n^m p at the wall."""
    sign = -1 if side == "lower" else 1
    return sum(c * sign**m * sp.diff(p, S, m).subs(S, wall) for m, c in enumerate(coefficients))


def filled(found: GhostRule, p: sp.Expr, side: str, *data: sp.Expr) -> list[sp.Expr]:
    """What a rule puts into its ghost cells."""
    _, inside, _ = positions(side, 1)
    values = [p.subs(S, at) for at in inside]
    return [
        sp.simplify(
            sum(w * values[j] for j, w in enumerate(row)) + sum(s * g for s, g in zip(share, data, strict=True))
        )
        for row, share in zip(found.weights, found.data_weights, strict=True)
    ]


@pytest.mark.parametrize("side", ["lower", "upper"])
@pytest.mark.parametrize("order", [2, 4, 6])
@pytest.mark.parametrize("kind", sorted(CONDITIONS))
def test_polynomials_are_continued_exactly(kind: str, order: int, side: str) -> None:
    coefficients = tuple(sp.Integer(c) for c in CONDITIONS[kind])
    wall = Wall(real("u"), "x", side, coefficients, real("g"), NOWHERE)  # type: ignore[arg-type]
    found = rule([wall], AXIS, order, 3)
    outside, _, at = positions(side, 3)
    q = interior_cells(order)
    exact, beyond = polynomial(q), polynomial(q) + S ** (order + 1)
    assert filled(found, exact, side, data_of(exact, coefficients, side, at)) == [exact.subs(S, x) for x in outside]
    assert filled(found, beyond, side, data_of(beyond, coefficients, side, at))[2] != beyond.subs(S, outside[2])
    assert sum(w != 0 for w in found.weights[0]) == q
    wide = rule([wall], AXIS, order, 3, read=2)
    exact = polynomial(order)
    assert filled(wide, exact, side, data_of(exact, coefficients, side, at)) == [exact.subs(S, x) for x in outside]
    assert wide.weights[1:] == found.weights[1:]
    assert all(w.is_Rational for row in found.weights for w in row)


def test_order_two_mirrors_through_the_wall() -> None:
    h = sp.Rational(AXIS.spacing)
    dirichlet = rule([Wall(real("u"), "x", "lower", (sp.Integer(1),), real("g"), NOWHERE)], AXIS, 2, 1)
    assert (dirichlet.weights, dirichlet.data_weights) == (((-1,),), ((2,),))
    neumann = rule([Wall(real("u"), "x", "lower", (sp.Integer(0), sp.Integer(1)), real("g"), NOWHERE)], AXIS, 2, 1)
    assert (neumann.weights, neumann.data_weights) == (((1,),), ((h,),))


PAIRS = {"clamped": (0, 1), "simply supported": (0, 2), "no flux": (1, 3), "free": (2, 3)}


@pytest.mark.parametrize("side", ["lower", "upper"])
@pytest.mark.parametrize("order", [2, 4, 6])
@pytest.mark.parametrize("kind", sorted(PAIRS))
def test_two_conditions_a_side_continue_polynomials_exactly(kind: str, order: int, side: str) -> None:
    conditions = [tuple(sp.Integer(2 if m == k else 0) for m in range(k + 1)) for k in PAIRS[kind]]
    walls = [Wall(real("u"), "x", side, c, real(f"g{k}"), NOWHERE) for k, c in enumerate(conditions)]  # type: ignore[arg-type]
    found = rule(walls, AXIS, order, 4)
    outside, _, at = positions(side, 4)
    degree = order + 1 + (order > 2 and PAIRS[kind][1] == 3)
    exact, beyond = polynomial(degree), polynomial(degree) + S ** (degree + 1)
    data, more = ([data_of(p, c, side, at) for c in conditions] for p in (exact, beyond))
    assert filled(found, exact, side, *data) == [exact.subs(S, x) for x in outside]
    assert filled(found, beyond, side, *more)[3] != beyond.subs(S, outside[3])
    assert found.data == (real("g0"), real("g1"))


@pytest.mark.parametrize("side", ["lower", "upper"])
@pytest.mark.parametrize("order", [2, 4])
def test_outflow_continues_polynomials_below_the_order(order: int, side: str) -> None:
    found = outflow(real("u"), AXIS, side, order, 3)  # type: ignore[arg-type]
    outside, _, _ = positions(side, 3)
    exact, beyond = polynomial(order - 1), polynomial(order - 1) + S**order
    assert filled(found, exact, side) == [exact.subs(S, x) for x in outside]
    assert filled(found, beyond, side)[0] != beyond.subs(S, outside[0])
    assert (found.data, found.data_weights) == ((), ((), (), ()))


def test_a_robin_and_a_third_condition_with_learned_coefficients() -> None:
    a, b = real("a"), real("b")
    values = {a: sp.Rational(3, 2), b: sp.Rational(2, 5)}
    bend = Wall(real("u"), "x", "upper", (sp.Integer(0), sp.Integer(0), sp.Integer(1)), real("m"), NOWHERE)
    learned = rule([Wall(real("u"), "x", "upper", (a, b), real("g"), NOWHERE), bend], AXIS, 4, 3)
    robin = Wall(real("u"), "x", "upper", (values[a], values[b]), real("g"), NOWHERE)
    fixed = rule([robin, bend], AXIS, 4, 3)
    for found, wanted in ((learned.weights, fixed.weights), (learned.data_weights, fixed.data_weights)):
        assert [[sp.simplify(w.subs(values)) for w in row] for row in found] == [list(row) for row in wanted]


@pytest.mark.parametrize("order", [2, 4])
def test_learned_coefficients_give_formulas_that_agree_with_numbers(order: int) -> None:
    a, b = real("a"), real("b")
    learned = rule([Wall(real("u"), "x", "upper", (a, b), real("g"), NOWHERE)], AXIS, order, 2)
    values = {a: sp.Rational(3, 2), b: sp.Rational(2, 5)}
    fixed = rule([Wall(real("u"), "x", "upper", (values[a], values[b]), real("g"), NOWHERE)], AXIS, order, 2)
    assert [[sp.simplify(w.subs(values)) for w in row] for row in learned.weights] == [list(r) for r in fixed.weights]
    assert [[sp.simplify(w.subs(values)) for w in row] for row in learned.data_weights] == [
        list(r) for r in fixed.data_weights
    ]


def test_extents_with_pi_give_floating_weights() -> None:
    axis = Axis("x", 10, Fraction(0), 3.141592653589793, False)
    found = rule([Wall(real("u"), "x", "upper", (sp.Integer(1), sp.Integer(2)), real("g"), NOWHERE)], axis, 2, 1)
    h = axis.spacing
    assert float(found.weights[0][0]) == pytest.approx((2 / h - 0.5) / (2 / h + 0.5), rel=1e-14)


def test_a_singular_condition_is_found() -> None:
    h = sp.Rational(AXIS.spacing)
    with pytest.raises(SingularWall):
        rule([Wall(real("u"), "x", "upper", (sp.Integer(1), -h / 2), real("g"), NOWHERE)], AXIS, 2, 1)
    with pytest.raises(DiagnosticError) as caught:
        discretize.build(system(heat(boundary="x = 0: u = 0\nboundary x = 1: u - 1/64*dn(u) = 1")))
    assert caught.value.diagnostics[0].code == "N0708"


# --- how many ---------------------------------------------------------------------------------------------------------

PLANE = {
    "coordinates": "x, y in [0, 1], t in [0, 1]",
    "field": "u(x, y, t)",
    "grid": "x: 16, y: 16",
    "boundary": "u = 0",
}

WIDTHS = [
    ("dt(u) = lap(u)", 2, {"x": 1, "y": 1}),
    ("dt(u) = lap(u)", 4, {"x": 2, "y": 2}),
    ("dt(u) = lap(u)", 6, {"x": 3, "y": 3}),
    ("dt(u) = dxx(u) + dy(u) + dyy(u)", 4, {"x": 2, "y": 2}),
    ("dt(u) = lap(u) + dxy(u)", 2, {"x": 1, "y": 1}),
    ("dt(u) = div((1 + x)*grad(u))", 2, {"x": 1, "y": 1}),
    ("dt(u) = div((1 + x)*grad(u))", 4, {"x": 3, "y": 3}),
    ("dt(u) = div((1 + x)*grad(u))", 6, {"x": 5, "y": 5}),
    ("dt(u) = div((1 + u^2)*grad(u))", 4, {"x": 3, "y": 3}),
    ("dt(u) = div([dx(u) + dy(u), dy(u)])", 2, {"x": 1, "y": 1}),
    ("dt(u) = div([dx(u) + dy(u), dy(u)])", 4, {"x": 3, "y": 3}),
    ("dt(u) = dxx(mean(u, y)) + dyy(u)", 2, {"x": 1, "y": 1}),
    ("dt(u) = lap(u^3)", 2, {"x": 1, "y": 1}),
]


@pytest.mark.parametrize(("equation", "order", "wanted"), WIDTHS)
def test_ghost_cells_that_an_equation_reads(equation: str, order: int, wanted: dict[str, int]) -> None:
    found = system(heat(equation, **PLANE, more=f"order {order}"))
    assert {axis: n for (_, axis), n in halo(found.rates, found, order).items()} == wanted
    scheme = discretize.build(found)
    assert {g.axis: len(g.weights) for g in scheme.ghosts} == wanted


def test_a_learned_stencil_reads_half_its_extent() -> None:
    declared = "learn K[4, 1] stencil 5x3"
    found = system(heat("dt(u) = adjoint(K)(relu(K(u)))", **{**PLANE, "field": "u[1](x, y, t)"}, declare=declared))
    assert {axis: n for (_, axis), n in halo(found.rates, found, 2).items()} == {"x": 2, "y": 1}


def test_nested_operators_add_up() -> None:
    found = system(heat("dt(u) = -lap(lap(u)) - dx(dxx(u))", **{**PLANE, "boundary": "periodic"}))
    assert {axis: n for (_, axis), n in halo(found.rates, found, 2).items()} == {"x": 2, "y": 2}


def test_a_grid_smaller_than_its_closure_is_refused() -> None:
    with pytest.raises(DiagnosticError) as caught:
        discretize.build(system(heat(boundary="u = 0", grid="x: 4", more="order 6")))
    assert caught.value.diagnostics[0].code == "N0605"
