"""Which scheme marches which system, and what each refuses."""

from __future__ import annotations

import pytest
import sympy as sp

from npde import discretize
from npde.diagnostics import DiagnosticError
from npde.discretize.scheme import (
    AdamsBashforth,
    Adaptive,
    Exponential,
    Implicit,
    ImplicitExplicit,
    Leapfrog,
    RungeKutta,
    Scheme,
    Splitting,
)
from npde.view.notation import formula
from tests.symbolic.texts import heat, system

PLANE = {"coordinates": "x, y in [0, 1], t in [0, 1]", "field": "u(x, y, t)", "grid": "x: 16, y: 16"}
PSI = {"field": "psi(x, t) complex", "initial": "initial psi = 1"}
WAVE = "initial u = 0\ninitial dt(u) = 0"


def scheme(equation: str = "dt(u) = dxx(u)", **more: str) -> Scheme:
    return discretize.build(system(heat(equation, **more)))


def refused(equation: str, **more: str) -> tuple[str, str]:
    """The code of a refusal and what it points at."""
    with pytest.raises(DiagnosticError) as caught:
        scheme(equation, **more)
    first = caught.value.diagnostics[0]
    return first.code, caught.value.source.snippet(first.span)


@pytest.mark.parametrize("name", ["euler", "midpoint", "heun", "ssprk3", "rk4"])
def test_one_step_schemes(name: str) -> None:
    found = scheme(march=f"{name}, steps: 100000").time
    assert isinstance(found, RungeKutta)
    assert found.tableau.name == name


def test_two_steps() -> None:
    found = scheme(march="ab2, steps: 100000").time
    assert isinstance(found, AdamsBashforth)
    assert found.starter.name == "heun"


def test_an_adaptive_scheme_has_a_tolerance() -> None:
    found = scheme(march="dopri5, steps: 10, tolerance: 1e-9").time
    assert isinstance(found, Adaptive)
    assert found.tolerance == 1e-9
    default = scheme(march="dopri5, steps: 10").time
    assert isinstance(default, Adaptive)
    assert default.tolerance == 1e-6


# --- leapfrog ---------------------------------------------------------------------------------------------------------


def test_leapfrog_kicks_velocities_and_drifts_fields() -> None:
    given = {"field": "u(x, t), v(x, t)", "initial": WAVE + "\ninitial v = 0\ninitial dt(v) = 0"}
    found = scheme("dtt(u) = dxx(u) - v\ndtt(v) = -u*t", march="leapfrog, steps: 1000", **given).time
    assert found == Leapfrog((2, 3), (0, 1))


def test_leapfrog_staggers_real_and_imaginary_part() -> None:
    found = scheme("i*dt(psi) = -dxx(psi) + x*psi", march="leapfrog, steps: 10000", **PSI).time
    assert found == Leapfrog((1,), (0,))


def test_leapfrog_finds_two_groups_of_real_fields() -> None:
    given = {"field": "p(x, t), v(x, t), q(x, t)", "initial": "initial p = 0\ninitial v = 0\ninitial q = 0"}
    found = scheme("dt(p) = -dx(v)\ndt(v) = -dx(p) + q\ndt(q) = -v", march="leapfrog, steps: 1000", **given).time
    assert found == Leapfrog((1,), (0, 2))


@pytest.mark.parametrize(
    ("equation", "more", "culprit"),
    [
        ("dtt(u) = dxx(u) - dt(u)", {"initial": WAVE}, "dt(u)"),
        ("dt(u) = dxx(u)", {}, "dxx(u)"),
        ("i*dt(psi) = -dxx(psi) + abs2(psi)*psi", PSI, "abs2(psi)*psi"),
    ],
)
def test_leapfrog_refuses(equation: str, more: dict[str, str], culprit: str) -> None:
    assert refused(equation, march="leapfrog, steps: 1000", **more) == ("N0976", culprit)


def test_leapfrog_refuses_mixed_orders_in_time() -> None:
    given = {"field": "u(x, t), v(x, t)", "initial": WAVE + "\ninitial v = 0"}
    assert refused("dtt(u) = dxx(u)\ndt(v) = u", march="leapfrog, steps: 1000", **given)[0] == "N0976"


# --- implicit ---------------------------------------------------------------------------------------------------------

SOLVES = [
    ("dt(u) = dxx(u)", "periodic", "", "fft", (1,)),
    ("dt(u) = dxx(u) - u + sin(t)", "periodic", "order 4", "fft", (2,)),
    ("dt(u) = q*dxx(u) + x", "periodic", "", "fft", (1,)),
    ("dt(u) = dxx(u) + x*u", "periodic", "", "block_lu", (1,)),
    ("dt(u) = div(a*grad(u))", "periodic", "", "block_lu", (1,)),
    ("dt(u) = dxx(u)", "u = 0", "", "fft", (1,)),
    ("dt(u) = q*dxx(u)", "x = 0: u = sin(t)\nboundary x = 1: dn(u) = 2", "", "fft", (1,)),
    ("dt(u) = dxx(u)", "u + dn(u) = 0", "", "block_lu", (1,)),
    ("dt(u) = dxx(u)", "u = 0", "order 4", "block_lu", (3,)),
    ("dt(u) = dxx(u)", "dn(u) = 0", "order 6", "block_lu", (5,)),
    ("dt(u) = div(a*grad(u))", "u = 0", "order 4", "block_lu", (3,)),
    ("dt(u) = -dxx(dxx(u))", "periodic", "", "fft", (2,)),
    ("dt(u) = K(u)", "periodic", "", "block_lu", (2,)),
    ("dt(u) = -adjoint(K)(K(u))", "periodic", "", "block_lu", (4,)),
]


@pytest.mark.parametrize(("equation", "boundary", "order", "method", "reach"), SOLVES)
def test_how_an_implicit_step_is_solved(
    equation: str, boundary: str, order: str, method: str, reach: tuple[int, ...]
) -> None:
    declared = "learn q = 1, a(x) = 1 > 0\nlearn K stencil 5 = dxx"
    found = scheme(equation, boundary=boundary, more=order, declare=declared, march="crank_nicolson, steps: 10").time
    assert isinstance(found, Implicit)
    assert (found.solve.method, found.solve.reach) == (method, reach)


def test_the_schroedinger_equation_couples_its_parts_in_one_transform() -> None:
    found = scheme("i*dt(psi) = -dxx(psi)", march="crank_nicolson, steps: 10", **PSI).time
    assert isinstance(found, Implicit)
    assert found.solve.method == "fft"


@pytest.mark.parametrize(
    ("equation", "declared"),
    [
        ("dt(u) = dxx(u) - u^3", ""),
        ("dt(u) = dxx(u) + f(u)", "learn f(q) = mlp(4, tanh)"),
    ],
)
@pytest.mark.parametrize("name", ["backward_euler", "crank_nicolson", "bdf2"])
def test_what_is_not_linear_is_solved_by_newton(name: str, equation: str, declared: str) -> None:
    found = scheme(equation, declare=declared, march=f"{name}, steps: 10").time
    assert isinstance(found, Implicit)
    assert (found.name, found.linear, found.solve.reach) == (name, None, (1,))


@pytest.mark.parametrize(
    ("equation", "declared", "method", "per_sample", "varies"),
    [
        ("dt(u) = D*dxx(u)", "learn D(t) = 1", "fft", False, True),
        ("dt(u) = dxx(u) + cos(t)*u", "", "fft", False, True),
        ("dt(u) = dxx(u) + s*u", "input s(x)", "block_lu", True, False),
        ("dt(u) = dxx(u) + s*u", "input s(x, t)", "block_lu", True, True),
        ("dt(u) = s*dxx(u)", "input s", "fft", True, False),
        ("dt(u) = dxx(u) - mean(u, x)", "", "gmres", False, False),
        ("dt(u) = dxx(u) + s", "input s(x, t)", "fft", False, False),
    ],
)
@pytest.mark.parametrize("name", ["backward_euler", "crank_nicolson", "bdf2"])
def test_a_linear_step_is_one_linear_system(
    name: str, equation: str, declared: str, method: str, per_sample: bool, varies: bool
) -> None:
    found = scheme(equation, declare=declared, march=f"{name}, steps: 10").time
    assert isinstance(found, Implicit)
    assert found.linear is not None
    assert (found.solve.method, found.solve.per_sample, found.solve.varies) == (method, per_sample, varies)


def test_the_stiff_part_holds_what_changes() -> None:
    declared = "learn D(t) = 1\ninput s"
    found = scheme("dt(u) = D*dxx(u) + s*dx(u) - u^3", declare=declared, march="sbdf2, steps: 10").time
    assert isinstance(found, ImplicitExplicit)
    assert str(found.explicit[0]) == "-u**3"
    assert (found.solve.method, found.solve.per_sample, found.solve.varies) == ("fft", True, True)


def test_affine_terms_count_in_brackets() -> None:
    found = scheme("dt(u) = dxx(u) - 3*(u - 1)", march="crank_nicolson, steps: 10").time
    assert isinstance(found, Implicit)
    assert found.linear is not None
    assert found.linear[0].coeff(sp.Symbol("u", real=True)) == -3


def test_crank_nicolson_takes_sources_and_data_that_change() -> None:
    boundary = "x = 0: u = sin(t)\nboundary x = 1: dn(u) = s"
    given = {"declare": "input s(t)\nlearn g(x) = 1", "boundary": boundary, "march": "crank_nicolson, steps: 10"}
    assert isinstance(scheme("dt(u) = dxx(u) + g*s + cos(t)", **given).time, Implicit)


# --- splitting --------------------------------------------------------------------------------------------------------


def test_strang_splits_terms_with_derivatives_from_those_without() -> None:
    declared = "learn D = 1 > 0\nlearn V(x) = 0"
    found = scheme("dt(u) = D*(dxx(u) - u) + V*u^2 + 3", declare=declared, march="strang, steps: 10").time
    assert isinstance(found, Splitting)
    assert [str(e) for e in found.linear] == ["D*Diff(u, x, 2)"]
    assert sp.expand(found.pointwise[0]) == sp.expand(sp.Add(*(t for t in sp.Add.make_args(found.pointwise[0]))))
    assert {str(t) for t in sp.Add.make_args(sp.expand(found.pointwise[0]))} == {"-D*u", "V*u**2", "3"}
    assert found.solve.method == "fft"


@pytest.mark.parametrize(
    ("equation", "declared", "culprit"),
    [
        ("dt(u) = dxx(u) - u*dx(u)", "", "u*dx(u)"),
        ("dt(u) = dxx(u) + dxx(u^3)", "", "dxx(u^3)"),
        ("dt(u) = div(a*grad(u))", "learn a(x) = 1", "div(a*grad(u))"),
        ("dt(u) = a*dxx(u)", "input a(x, t)", "a*dxx(u)"),
        ("dt(u) = dxx(u) + K(u)", "learn K stencil 3 = dxx", "K(u)"),
        ("dt(u) = dxx(u) - u*mean(u, x)", "", "u*mean(u, x)"),
    ],
)
def test_strang_refuses_what_belongs_to_neither_half(equation: str, declared: str, culprit: str) -> None:
    assert refused(equation, declare=declared, march="strang, steps: 10") == ("N0975", culprit)


def test_strang_on_bounded_axes_solves_a_linear_system() -> None:
    found = scheme("dt(u) = lap(u) - u^3", **{**PLANE, "boundary": "dn(u) = 1"}, march="strang, steps: 10").time
    assert isinstance(found, Splitting)
    assert (found.solve.method, found.solve.reach) == ("axes", (1, 1))


def test_strang_promises_its_order_for_homogeneous_walls_only() -> None:
    def notes(boundary: str) -> int:
        found = scheme("dt(u) = dxx(u) - u^3", boundary=boundary, march="strang, steps: 10").bound.notes
        return sum("lower the order" in note for note in found)

    assert (notes("periodic"), notes("u = 0"), notes("u = 1")) == (0, 0, 1)


# --- space ------------------------------------------------------------------------------------------------------------

ORDERS = [
    ("dt(u) = dxx(u)", "periodic", 6, 6),
    ("dt(u) = dxx(u)", "periodic", 8, 8),
    ("dt(u) = -1/1000*dxxxx(u)", "u = 0, dn(u) = 0", 6, 6),
    ("dt(u) = dx((1 + x)*dx(u))", "dn(u) = 0", 2, 2),
    ("dt(u) = dxx(u)", "u = 0", 6, 6),
    ("dt(u) = div((1 + x)*grad(u))", "u = 0", 4, 4),
    ("dt(u) = div(a*grad(u))", "periodic", 4, 2),
    ("dt(u) = div(q*grad(u))", "periodic", 4, 4),
    ("dt(u) = a*dxx(u)", "u = 0", 4, 4),
    ("dt(u) = dxx(a*u)", "periodic", 4, 4),
    ("dt(u) = dxx(a*u)", "u = 0", 4, 1),
    ("dt(u) = dxx(u) + K(u)", "periodic", 4, 2),
    ("dt(u) = dxx(u) - mean(u, x)", "periodic", 4, 4),
    ("dt(u) = dxx(u) - mean(u, x)", "u = 0", 4, 2),
]


@pytest.mark.parametrize(("equation", "boundary", "order", "claimed"), ORDERS)
def test_the_order_that_is_claimed(equation: str, boundary: str, order: int, claimed: int) -> None:
    declared = "learn q = 1 > 0, a(x) = 1 > 0\nlearn K stencil 3 = dxx"
    found = scheme(equation, boundary=boundary, more=f"order {order}", declare=declared, march="rk4, steps: 10000000")
    assert (found.order, found.space_order) == (order, claimed)


@pytest.mark.parametrize(
    ("equation", "more", "wanted"),
    [
        ("dt(u) = dx(u)", {"boundary": "x = 0: u = 0\nboundary x = 1: outflow"}, ("N0642", "u = 0")),
        ("dt(u) = dxx(u)", {"boundary": "u = 0", "more": "order 8"}, ("N0608", "8")),
        ("dt(u) = dxx(u)", {"boundary": "x = 0: u = 0\nboundary x = 1: outflow"}, ("N0531", "outflow")),
        ("dt(u) = dxx(u)", {"boundary": "dxx(u) = 0"}, ("N0530", "dxx(u) = 0")),
        ("dt(u) = -dxxxx(u)", {"boundary": "u = 0, dxxxx(u) = 0"}, ("N0530", "dxxxx(u) = 0")),
    ],
)
def test_what_space_does_not_do(equation: str, more: dict[str, str], wanted: tuple[str, str]) -> None:
    assert refused(equation, **more) == wanted


def test_one_mistake_one_diagnostic() -> None:
    with pytest.raises(DiagnosticError) as caught:
        scheme("dt(u) = -dxxxx(u)", boundary="x = 0: u = 0, dn(u) = 0\nboundary x = 1: outflow")
    assert [d.code for d in caught.value.diagnostics] == ["N0531"]


def test_a_system_of_ordinary_differential_equations_has_no_axes() -> None:
    text = "coordinates t in [0, 1]\nfield u(t), v(t)\ndt(u) = v\ndt(v) = -u\ninitial u = 1\ninitial v = 0\nmarch rk4, steps: 10\n"
    found = discretize.build(system(text))
    assert found.grid.axes == ()
    assert found.ghosts == ()
    assert found.bound.value == pytest.approx(8**0.5, rel=1e-6)


# --- stiff ------------------------------------------------------------------------------------------------------------

PARTS = [
    ("dt(u) = dxx(u) - u^3 + 2*u", "", "dxx(u)", "2*u - u^3"),
    ("dt(u) = dxx(u - u^3) + dx(u)", "", "dx(u) + dxx(u)", "-dxx(u^3)"),
    ("dt(u) = (2 + cos(2*pi*x))*dxx(u) + cos(t)*dx(u)", "", "cos(2*pi*x)*dxx(u) + cos(t)*dx(u) + 2*dxx(u)", "0"),
    ("dt(u) = s*dxx(u) + D*dxx(u)", "input s\nlearn D = 1", "D*dxx(u) + s*dxx(u)", "0"),
    ("dt(u) = dxx(u) + mean(dxx(u), x) - s*u", "input s(x)", "dxx(u)", "mean(dxx(u), x) - s*u"),
]


@pytest.mark.parametrize(("equation", "declared", "stiff", "rest"), PARTS)
def test_the_stiff_part_is_found(equation: str, declared: str, stiff: str, rest: str) -> None:
    found = scheme(equation, declare=declared, march="sbdf2, steps: 1000").time
    assert isinstance(found, ImplicitExplicit)
    assert (formula(found.implicit[0]), formula(found.explicit[0])) == (stiff, rest)


def test_exponential_schemes_leave_varying_coefficients_to_the_rest() -> None:
    found = scheme("dt(u) = (2 + cos(2*pi*x))*dxx(u) + dxx(u)", march="etdrk4, steps: 10000").time
    assert isinstance(found, Exponential)
    assert (formula(found.linear[0]), formula(found.explicit[0])) == ("3*dxx(u)", "cos(2*pi*x)*dxx(u)")


def test_a_field_of_second_order_moves_by_its_velocity_implicitly() -> None:
    found = scheme("dtt(u) = dxx(u) - u^3", march="sbdf2, steps: 1000", initial=WAVE).time
    assert isinstance(found, ImplicitExplicit)
    assert [formula(e) for e in found.implicit] == ["u_t", "dxx(u)"]


@pytest.mark.parametrize("name", ["etd1", "etdrk2", "etdrk4"])
def test_exponential_schemes_refuse_walls(name: str) -> None:
    assert refused("dt(u) = dxx(u)", march=f"{name}, steps: 10", boundary="u = 0")[0] == "N0980"


@pytest.mark.parametrize("name", ["imex_euler", "cnab2", "sbdf2", "etdrk4"])
def test_without_a_stiff_part_there_is_an_error(name: str) -> None:
    assert refused("dt(u) = dxx(u^2) - u", march=f"{name}, steps: 10")[0] == "N0981"


MIRRORS = [
    ("dt(u) = dxx(u) + u^3", "u = 0", "", ((-1, -1),)),
    ("dt(u) = dxx(u) + u^3", "x = 0: u = 0\nboundary x = 1: 2*dn(u) = 0", "", ((-1, 1),)),
    ("dt(u) = div(2*grad(u)) + u", "dn(u) = 0", "", ((1, 1),)),
    ("dt(u) = dxx(u) + dx(u)", "u = 0", "", ()),
    ("dt(u) = dxx(u)", "u + dn(u) = 0", "", ()),
    ("dt(u) = dxx(u)", "u = 1", "", ()),
    ("dt(u) = dxx(u)", "u = 0", "order 4", ()),
]


@pytest.mark.parametrize(("equation", "boundary", "order", "wanted"), MIRRORS)
def test_split_steps_are_exact_between_walls_that_mirror(
    equation: str, boundary: str, order: str, wanted: tuple[tuple[int, int], ...]
) -> None:
    found = scheme(equation, boundary=boundary, more=order, march="strang, steps: 10").time
    assert isinstance(found, Splitting)
    assert found.solve.mirrors == wanted
    assert found.linear_is_exact == bool(wanted)
