"""Equations as people write them and the canonical form they must become."""

from __future__ import annotations

from pathlib import Path

import pytest
import sympy as sp

from npde.diagnostics import DiagnosticError
from npde.symbolic import operators as op
from npde.symbolic.symbols import real
from tests.symbolic.texts import heat, rates, system

TWO = "u(x, t), v(x, t)"
START_TWO = "initial u = 0\ninitial v = 0"
PLANE = {"coordinates": "x, y in [0, 1], t in [0, 1]", "field": "u(x, y, t)", "grid": "x: 16, y: 16"}
LEARN = "learn D = 0.1 > 0\nlearn c(x) = 1"
WAVE = "initial u = 0\ninitial dt(u) = 0"

REAL = [
    ("dt(u) = D*dxx(u)", "D*Diff(u, x, 2)"),
    ("D*dxx(u) = dt(u)", "D*Diff(u, x, 2)"),
    ("dt(u) - D*dxx(u) = 0", "D*Diff(u, x, 2)"),
    ("0 = D*dxx(u) - dt(u)", "D*Diff(u, x, 2)"),
    ("2*dt(u) + u = D*dxx(u)", "D*Diff(u, x, 2)/2 - u/2"),
    ("dt(u)/D = dxx(u)", "D*Diff(u, x, 2)"),
    ("(1 + x^2)*dt(u) = dxx(u)", "Diff(u, x, 2)/(x**2 + 1)"),
    ("dt(u) + dt(u) = dxx(u)", "Diff(u, x, 2)/2"),
    ("dt(u) = 0.1*u", "u/10"),
    ("dt(u) = 1e-3*u", "u/1000"),
    ("dt(u) = u^2*u", "u**3"),
    ("dt(u) = u - u", "0"),
    ("dt(u) = lap(u)", "Lap(u)"),
    ("dt(u) = lap(u^3 - u - D*lap(u))", "-D*Lap(Lap(u)) - Lap(u) + Lap(u**3)"),
    ("dt(u) = dx(3*u + 2)", "3*Diff(u, x, 1)"),
    ("dt(u) = dx(D*c*u)", "D*Diff(c*u, x, 1)"),
    ("dt(u) = dx(u^2/2)", "Diff(u**2, x, 1)/2"),
    ("dt(u) = dx(dx(u))", "Diff(Diff(u, x, 1), x, 1)"),
    ("dt(u) = d(u, x, 4)", "Diff(u, x, 4)"),
    ("dt(u) = div(c*grad(u))", "FaceDiff(c*Diff(u, x, 1), x)"),
    ("dt(u) = div(D*grad(u))", "D*FaceDiff(Diff(u, x, 1), x)"),
    ("dt(u) = div(c*grad(u) - grad(u^2))", "FaceDiff(c*Diff(u, x, 1), x) - FaceDiff(Diff(u**2, x, 1), x)"),
    ("dt(u) = tanh(u)*relu(u) + sigmoid(u)", "Relu(u)*tanh(u) + Sigmoid(u)"),
    ("dt(u) = max(u, 1, x)", "Maximum(Maximum(u, 1), x)"),
    ("dt(u) = where(u < 0, 0, u)", "Where(u < 0, 0, u)"),
    ("dt(u) = where(1 < 2, u, 0)", "u"),
    ("dt(u) = sqrt(u^2)", "AbsoluteValue(u)"),
    ("dt(u) = abs(u)", "AbsoluteValue(u)"),
    ("dt(u) = sech(u)", "1/cosh(u)"),
    ("dt(u) = integral(u, x)", "IntegralOf(u, x)"),
    ("dt(u) = u - mean(u, x)", "u - MeanOf(u, x)"),
    ("dt(u) = pi*u", "pi*u"),
]  # fmt: skip


@pytest.mark.parametrize(("equation", "wanted"), REAL)
def test_one_real_field(equation: str, wanted: str) -> None:
    assert rates(heat(equation, declare=LEARN)) == [wanted]


def test_a_learned_scalar_leaves_the_operator_and_a_learned_field_stays() -> None:
    D, c, u, x = (real(n) for n in ("D", "c", "u", "x"))
    rate = system(heat("dt(u) = dxx(D*c*u)", declare=LEARN)).rates[0]
    assert rate == D * op.Diff(c * u, x, 2)


def test_a_known_function_is_differentiated_exactly() -> None:
    rate = system(heat("dt(u) = V(x)*u + dx(V)", declare="let V(x) = sin(2*x)")).rates[0]
    x, u = real("x"), real("u")
    assert rate == u * sp.sin(2 * x) + 2 * sp.cos(2 * x)


def test_mixed_derivatives_nest_in_order_of_declaration() -> None:
    assert rates(heat("dt(u) = dxy(u)", **PLANE)) == ["Diff(Diff(u, x, 1), y, 1)"]
    assert rates(heat("dt(u) = dyx(u)", **PLANE)) == ["Diff(Diff(u, x, 1), y, 1)"]


def test_a_flux_without_derivative_is_centered_and_one_with_is_at_faces() -> None:
    given = heat("dt(u) = -div([u, 2*u^2])", **PLANE)
    assert rates(given) == ["-Diff(u, x, 1) - 2*Diff(u**2, y, 1)"]
    mixed = heat("dt(u) = div(u^2*grad(u) + [u, 0])", **PLANE)
    assert rates(mixed) == ["FaceDiff(u, x) + FaceDiff(u**2*Diff(u, x, 1), x) + FaceDiff(u**2*Diff(u, y, 1), y)"]


def test_gradients_dot_and_curl() -> None:
    assert rates(heat("dt(u) = dot(grad(u), grad(u))", **PLANE)) == ["Diff(u, x, 1)**2 + Diff(u, y, 1)**2"]
    assert rates(heat("dt(u) = dot([1, 2], grad(u))", **PLANE)) == ["Diff(u, x, 1) + 2*Diff(u, y, 1)"]
    assert rates(heat("dt(u) = curl(u*[1, 1])", **PLANE)) == ["Diff(u, x, 1) - Diff(u, y, 1)"]
    assert rates(heat("dt(u) = dot([1, 2], curl(u))", **PLANE)) == ["-2*Diff(u, x, 1) + Diff(u, y, 1)"]


def test_curl_in_three_dimensions() -> None:
    space = {"coordinates": "x, y, z in [0, 1], t in [0, 1]", "field": "E[3](x, y, z, t)", "grid": "x: 8, y: 8, z: 8"}
    (found,) = rates(heat("dt(E) = curl(E)", **space, initial="initial E = [0, 0, 0]"))
    rows = [
        "-Diff(Component(E, 1), z, 1) + Diff(Component(E, 2), y, 1)",
        "Diff(Component(E, 0), z, 1) - Diff(Component(E, 2), x, 1)",
        "-Diff(Component(E, 0), y, 1) + Diff(Component(E, 1), x, 1)",
    ]
    assert found == f"Stack({', '.join(rows)})"
    assert rates(heat("dt(E) = cross([0, 0, 2], E)", **space, initial="initial E = [0, 0, 0]")) == [
        "Stack(-2*Component(E, 1), 2*Component(E, 0), 0)"
    ]


def test_what_does_not_vary_along_an_axis_leaves_its_operators() -> None:
    declared = "learn g(y) = 1"
    assert rates(heat("dt(u) = dx(g*u)", declare=declared, **PLANE)) == ["g*Diff(u, x, 1)"]
    assert rates(heat("dt(u) = dy(g*u)", declare=declared, **PLANE)) == ["Diff(g*u, y, 1)"]
    assert rates(heat("dt(u) = dx(g)", declare=declared, **PLANE)) == ["0"]
    assert rates(heat("dt(u) = lap(u*mean(u, x, y))", **PLANE)) == ["Lap(u)*MeanOf(u, x, y)"]
    assert rates(heat("dt(u) = lap(t*u)", **PLANE)) == ["t*Lap(u)"]


def test_coupled_fields_stay_in_order_of_declaration() -> None:
    found = system(heat("dt(v) = u\ndt(u) = dxx(v)", field=TWO, initial=START_TWO))
    assert [str(u.symbol) for u in found.unknowns] == ["u", "v"]
    assert [str(r) for r in found.rates] == ["Diff(v, x, 2)", "u"]


def test_a_vector_field_is_one_array_and_gradients_of_it_do_not_unroll() -> None:
    given = {"field": "u[16](x, t)", "declare": "learn a(x) = 1"}
    found = system(heat("dt(u) = div(a*grad(u)) - u*u", **given))
    assert str(found.rates[0]) == "-u**2 + FaceDiff(a*Diff(u, x, 1), x)"
    assert found.unknowns[0].shape == (16,)


def test_components_and_vectors() -> None:
    assert rates(heat("dt(u) = [u[1], -u[0]]", field="u[2](x, t)")) == ["Stack(Component(u, 1), -Component(u, 0))"]
    assert rates(heat("dt(u) = dxx(u) - u[0]*u", field="u[2](x, t)")) == ["-u*Component(u, 0) + Diff(u, x, 2)"]


def test_a_learned_matrix_acts_as_one_operator() -> None:
    given = {"field": "u[2](x, t)", "declare": "learn A[2, 2]"}
    assert rates(heat("dt(u) = A@u", **given)) == ["MatVec(A, u)"]
    assert rates(heat("dt(u) = -2*A@u", **given)) == ["-2*MatVec(A, u)"]
    assert rates(heat("dt(u) = [[0, 1], [-1, 0]]@u", field="u[2](x, t)")) == [
        "Stack(Component(u, 1), -Component(u, 0))"
    ]


# --- second order in time ---------------------------------------------------------------------------------------------


def test_second_order_is_reduced_and_velocities_come_last() -> None:
    equations = "dtt(u) = dxx(u) - dt(u) + v\ndtt(v) = -v"
    start = "initial u = 1\ninitial dt(u) = 2\ninitial v = 3\ninitial dt(v) = 4"
    found = system(heat(equations, field=TWO, initial=start))
    assert [str(u.symbol) for u in found.unknowns] == ["u", "v", "u_t", "v_t"]
    assert [u.is_velocity for u in found.unknowns] == [False, False, True, True]
    assert [str(r) for r in found.rates] == ["u_t", "v_t", "-u_t + v + Diff(u, x, 2)", "-v"]
    assert found.initial == (1, 3, 2, 4)
    assert found.is_second_order


def test_orders_in_time_may_differ() -> None:
    equations = "dtt(u) = dxx(u)\ndt(v) = u - v"
    found = system(heat(equations, field=TWO, initial="initial u = 0\ninitial dt(u) = 0\ninitial v = 0"))
    assert [str(u.symbol) for u in found.unknowns] == ["u", "v", "u_t"]
    assert not found.is_second_order


# --- complex fields ---------------------------------------------------------------------------------------------------

COMPLEX = [
    ("i*dt(u) = -dxx(u)", "-Diff(u_im, x, 2)", "Diff(u_re, x, 2)"),
    ("dt(u) = i*dxx(u)", "-Diff(u_im, x, 2)", "Diff(u_re, x, 2)"),
    ("2*i*dt(u) + dxx(u) = 0", "-Diff(u_im, x, 2)/2", "Diff(u_re, x, 2)/2"),
    ("2*i*k*dt(u) = u", "u_im/(2*k)", "-u_re/(2*k)"),
    ("(1 + i)*dt(u) = u", "u_im/2 + u_re/2", "u_im/2 - u_re/2"),
    ("(2 + x*i)*dt(u) = u", "u_im*x/(x**2 + 4) + 2*u_re/(x**2 + 4)", "2*u_im/(x**2 + 4) - u_re*x/(x**2 + 4)"),
    ("dt(u) = abs2(u)*u", "u_re*(u_im**2 + u_re**2)", "u_im*(u_im**2 + u_re**2)"),
    ("dt(u) = conj(u)", "u_re", "-u_im"),
    ("dt(u) = re(u) + i*im(u)", "u_re", "u_im"),
    ("dt(u) = u^2", "-u_im**2 + u_re**2", "2*u_im*u_re"),
    ("dt(u) = u*conj(u)", "u_im**2 + u_re**2", "0"),
    ("dt(u) = u + 3", "u_re + 3", "u_im"),
]


@pytest.mark.parametrize(("equation", "real_part", "imaginary_part"), COMPLEX)
def test_one_complex_field(equation: str, real_part: str, imaginary_part: str) -> None:
    found = rates(heat(equation, field="u(x, t) complex", declare="learn k = 2 > 0"))
    assert found == [real_part, imaginary_part]


def test_parts_of_a_complex_field_avoid_names_that_are_taken() -> None:
    found = system(heat("i*dt(u) = -dxx(u) + u_re*u", field="u(x, t) complex", declare="learn u_re(x) = 0"))
    assert [str(u.symbol) for u in found.unknowns] == ["u_re_", "u_im"]
    assert "u_re*u_im" in str(found.rates[0]).replace("u_im*u_re", "u_re*u_im")


def test_velocities_of_complex_fields() -> None:
    found = system(heat("dtt(u) = i*u", field="u(x, t) complex", initial="initial u = i\ninitial dt(u) = 1"))
    assert [str(u.symbol) for u in found.unknowns] == ["u_re", "u_im", "u_re_t", "u_im_t"]
    assert [str(r) for r in found.rates] == ["u_re_t", "u_im_t", "-u_im", "u_re"]
    assert found.initial == (0, 1, 1, 0)


# --- what is known ----------------------------------------------------------------------------------------------------


def test_known_functions_are_written_out_with_their_arguments() -> None:
    declared = "let k = 2\nlet f(x) = k*x^2\nlet g(x) = f(2*x) + f(1)"
    assert rates(heat("dt(u) = g*u + f(x + 1)", declare=declared)) == ["u*(8*x**2 + 2) + 2*(x + 1)**2"]


def test_arguments_are_put_in_all_at_once() -> None:
    declared = "let f(x, y) = x - 2*y"
    assert rates(heat("dt(u) = f(y, x)*u", declare=declared, **PLANE)) == ["u*(-2*x + y)"]


def test_outputs_keep_shape_coordinates_and_steps() -> None:
    more = "output a(x, t) = abs2(u)\noutput b[3] = linear(re(u))\noutput c = integral(re(u), x)"
    found = system(heat("i*dt(u) = -dxx(u)", field="u(x, t) complex", more=more)).outputs
    assert [(o.name, o.shape, o.coordinates, o.per_step) for o in found] == [
        ("a", (), ("x",), True),
        ("b", (3,), (), False),
        ("c", (), (), False),
    ]
    assert str(found[0].parts[0]) == "u_im**2 + u_re**2"
    assert str(found[1].parts[0]) == "LinearOf(u_re, 0, 3)"


def test_starts_are_kept_in_the_systems_symbols() -> None:
    declared = "learn V(x) = x^2/2\nlearn W(x) = 3 > 1\nlearn A[2, 2] = [[1, 2], [3, 4]]\nlearn b[2](x)"
    found = system(heat("dt(u) = V*W*(A@u) + b", field="u[2](x, t)", declare=declared))
    starts = {name: str(e) for name, e in found.starts}
    assert starts == {"V": "x**2/2", "W": "3", "A": "Stack(Stack(1, 2), Stack(3, 4))"}


def test_every_example_has_a_canonical_form() -> None:
    folder = Path(__file__).parents[2] / "examples"
    paths = sorted(folder.glob("*.npde"))
    assert len(paths) >= 15
    for path in paths:
        found = system(path.read_text(encoding="utf-8"))
        free = frozenset().union(*(r.free_symbols for r in (*found.rates, *found.initial)))
        assert free <= {s for s, _ in found.symbols}, path.name
        assert all(len(t) == len(sp.Add.make_args(r)) or r == 0 for t, r in zip(found.terms, found.rates, strict=True))


# --- what has no value ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("equation", "culprit"),
    [
        ("dt(u) = dxx(u) + u/(x - x)", "u/(x - x)"),
        ("dt(u) = u + log(x - x)", "log(x - x)"),
        ("dt(u) = u*(x - x - 1)^(1/2)", "(x - x - 1)^(1/2)"),
    ],
)
def test_no_real_value_is_refused_at_the_smallest_expression(equation: str, culprit: str) -> None:
    with pytest.raises(DiagnosticError) as caught:
        system(heat(equation))
    (found,) = caught.value.diagnostics
    assert found.code == "N0960"
    assert caught.value.source.snippet(found.span) == culprit


def test_a_vanishing_factor_of_the_time_derivative_is_refused() -> None:
    with pytest.raises(DiagnosticError) as caught:
        system(heat("(x - x)*dt(u) = dxx(u)"))
    assert caught.value.diagnostics[0].code == "N0957"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("lap(x^3*y^2)", "2*x**3 + 6*x*y**2"),
        ("lap(sin(x))", "-sin(x)"),
        ("lap(u*x)", "Lap(u*x)"),
        ("lap(a*y^2)", "y**2*Diff(a, x, 2) + 2*a"),
        ("lap(a)", "Diff(a, x, 2)"),
        ("div(grad(x^2*y))", "2*y"),
    ],
)
def test_closed_forms_are_differentiated_exactly_along_each_axis(text: str, expected: str) -> None:
    found = rates(heat(f"dt(u) = {text} + 0*a*u", declare="learn a(x) = 1", **PLANE))
    names = {n: real(n) for n in ("u", "x", "y", "a")}
    functions = {"Diff": op.Diff, "Lap": op.Lap}
    assert sp.simplify(sp.sympify(found[0], {**names, **functions}) - sp.sympify(expected, {**names, **functions})) == 0
