"""Step bounds, against the eigenvalues of matrices that the test assembles by itself and against marching."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from npde import discretize
from npde.diagnostics import DiagnosticError
from npde.discretize import closed_forms, regions, spectrum, tableaux
from npde.discretize.linearize import Linearizer
from npde.discretize.samples import Samples
from npde.discretize.scheme import RungeKutta, Scheme
from tests.symbolic.texts import heat, system

Array = np.ndarray[Any, np.dtype[Any]]

PLANE = {"coordinates": "x, y in [0, 1], t in [0, 1]", "field": "u(x, y, t)", "grid": "x: 16, y: 20"}
PSI = {"field": "psi(x, t) complex", "initial": "initial psi = 1"}
WAVE = {"initial": "initial u = sin(2*pi*x)\ninitial dt(u) = 0"}

SECOND = {
    2: [1, -2, 1],
    4: [-1 / 12, 4 / 3, -5 / 2, 4 / 3, -1 / 12],
    6: [1 / 90, -3 / 20, 3 / 2, -49 / 18, 3 / 2, -3 / 20, 1 / 90],
}
FIRST = {
    2: [-1 / 2, 0, 1 / 2],
    4: [1 / 12, -2 / 3, 0, 2 / 3, -1 / 12],
    6: [-1 / 60, 3 / 20, -3 / 4, 0, 3 / 4, -3 / 20, 1 / 60],
}


def scheme(equation: str, **more: str) -> Scheme:
    return discretize.build(system(heat(equation, **more)))


def circulant(weights: list[float], n: int) -> Array:
    """A stencil on a periodic axis, as a matrix (spacing 1)."""
    reach = len(weights) // 2
    matrix = np.zeros((n, n))
    for j in range(n):
        for k, w in enumerate(weights):
            matrix[j, (j + k - reach) % n] += w
    return matrix


def closed(weights: list[float], n: int, q: int, condition: str) -> Array:
    """A stencil between walls, ghost cells from polynomials fitted by solving for their coefficients."""
    reach = len(weights) // 2
    extension = np.zeros((n + 2 * reach, n))
    extension[reach : reach + n] = np.eye(n)
    points = np.arange(q) + 0.5
    powers = np.arange(q + 1)
    conditions = np.zeros((q + 1, q + 1))
    conditions[0] = powers == (0 if condition == "dirichlet" else 1)
    conditions[1:] = points[:, None] ** powers
    inverse = np.linalg.inv(conditions)
    for k in range(reach):
        row = (-(k + 0.5)) ** powers @ inverse[:, 1:]
        extension[reach - 1 - k, :q] = row
        extension[reach + n + k, n - q :] = row[::-1]
    matrix = np.zeros((n, n))
    for j in range(n):
        for k, w in enumerate(weights):
            matrix[j] += w * extension[j + k]
    return matrix


def largest(matrix: Array, name: str) -> float:
    """The largest stable step for the eigenvalues of a matrix."""
    found = tableaux.AB2 if name == "ab2" else RungeKutta(tableaux.TABLEAUX[name])
    return regions.largest_step(found, np.linalg.eigvals(matrix).astype(complex))


# --- the periodic symbol ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [2, 4, 6])
@pytest.mark.parametrize("name", ["euler", "heun", "ssprk3", "rk4", "ab2"])
def test_diffusion(name: str, order: int) -> None:
    bound = scheme("dt(u) = 0.3*dxx(u)", more=f"order {order}", march=f"{name}, dt: auto", grid="x: 24").bound
    matrix = 0.3 * 24**2 * circulant(SECOND[order], 24)
    assert bound.value == pytest.approx(largest(matrix, name), rel=1e-6)
    assert bound.exact


@pytest.mark.parametrize("order", [2, 4, 6])
@pytest.mark.parametrize("name", ["ssprk3", "rk4"])
def test_advection(name: str, order: int) -> None:
    bound = scheme("dt(u) = -2*dx(u)", more=f"order {order}", march=f"{name}, dt: auto", grid="x: 256").bound
    matrix = -2 * 256 * circulant(FIRST[order], 256)
    assert bound.value == pytest.approx(largest(matrix, name), rel=2e-3)
    assert bound.exact


def test_advection_and_diffusion() -> None:
    bound = scheme("dt(u) = 0.01*dxx(u) - dx(u)", march="rk4, dt: auto", grid="x: 64").bound
    matrix = 0.01 * 64**2 * circulant(SECOND[2], 64) - 64 * circulant(FIRST[2], 64)
    assert bound.value == pytest.approx(largest(matrix, "rk4"), rel=1e-2)


def test_weakly_damped_advection_by_euler_is_bounded_by_its_damping() -> None:
    bound = scheme("dt(u) = 0.05*dxx(u) - dx(u)", march="euler, dt: auto", grid="x: 64").bound
    matrix = 0.05 * 64**2 * circulant(SECOND[2], 64) - 64 * circulant(FIRST[2], 64)
    assert bound.value == pytest.approx(largest(matrix, "euler"), rel=1e-2)


def test_two_axes_of_different_spacing() -> None:
    bound = scheme("dt(u) = 0.1*lap(u) + 0.05*dxy(u)", **PLANE, march="rk4, dt: auto").bound
    one, two = np.eye(16), np.eye(20)
    matrix = 0.1 * (
        np.kron(16**2 * circulant(SECOND[2], 16), two) + np.kron(one, 20**2 * circulant(SECOND[2], 20))
    ) + 0.05 * np.kron(16 * circulant(FIRST[2], 16), 20 * circulant(FIRST[2], 20))
    assert bound.value == pytest.approx(largest(matrix, "rk4"), rel=1e-2)


def test_three_axes() -> None:
    space = {"coordinates": "x, y, z in [0, 1], t in [0, 1]", "field": "u(x, y, z, t)", "grid": "x: 8, y: 10, z: 12"}
    bound = scheme("dt(u) = lap(u)", **space, march="euler, dt: auto").bound
    assert bound.value == pytest.approx(2 / (4 * (64 + 100 + 144)), rel=1e-6)


@pytest.mark.parametrize("order", [2, 4])
def test_flux_form_with_constant_coefficient(order: int) -> None:
    bound = scheme("dt(u) = div(0.5*grad(u))", more=f"order {order}", march="euler, dt: auto", grid="x: 16").bound
    peak = {2: 4.0, 4: (7 / 3) ** 2}[order]
    assert bound.value == pytest.approx(2 / (0.5 * peak * 256), rel=1e-6)
    assert bound.exact


def test_an_odd_number_of_cells_has_no_highest_wave() -> None:
    bound = scheme("dt(u) = dxx(u)", march="euler, dt: auto", grid="x: 5").bound
    assert bound.value == pytest.approx(largest(25 * circulant(SECOND[2], 5), "euler"), rel=1e-6)


@pytest.mark.parametrize("order", [2, 4, 6])
def test_schroedinger_by_leapfrog_and_rk4(order: int) -> None:
    peak = -np.linalg.eigvalsh(circulant(SECOND[order], 32)).min() * 32**2
    leap = scheme("i*dt(psi) = -1/2*dxx(psi)", **PSI, march="leapfrog, dt: auto", more=f"order {order}").bound
    assert leap.value == pytest.approx(2 / (peak / 2), rel=1e-6)
    rk = scheme("i*dt(psi) = -1/2*dxx(psi)", **PSI, march="rk4, dt: auto", more=f"order {order}").bound
    assert rk.value == pytest.approx(8**0.5 / (peak / 2), rel=1e-6)


def test_waves_by_leapfrog() -> None:
    bound = scheme("dtt(u) = 4*dxx(u)", **WAVE, march="leapfrog, dt: auto").bound
    assert bound.value == pytest.approx(1 / (2 * 32), rel=1e-9)
    assert bound.exact


def test_reactions_add_their_jacobian() -> None:
    bound = scheme("dt(u) = dxx(u) - 500*u", march="euler, dt: auto").bound
    assert bound.value == pytest.approx(2 / (4 * 32**2 + 500), rel=1e-6)
    varying = scheme("dt(u) = dxx(u) - 500*u^3", initial="initial u = 2*sin(2*pi*x)", march="euler, dt: auto").bound
    assert varying.value == pytest.approx(2 / (4 * 32**2 + 1500 * 4), rel=1e-3)
    assert not varying.exact


def test_growing_modes_do_not_restrict_the_step() -> None:
    bound = scheme("dt(u) = dxx(u) + 30*u", march="rk4, dt: auto").bound
    assert bound.value == pytest.approx(2.7852935634 / (4 * 32**2 - 30), rel=1e-6)
    assert not bound.exact
    assert any("growing" in note for note in bound.notes)


def test_growing_oscillations_are_moved_to_the_imaginary_axis() -> None:
    text = "coordinates t in [0, 1]\nfield u(t), v(t)\ndt(u) = 5*u - 100*v\ndt(v) = 100*u + 5*v\n"
    bound = discretize.build(system(text + "initial u = 1\ninitial v = 0\nmarch rk4, dt: auto\n")).bound
    assert bound.value == pytest.approx(8**0.5 / 100, rel=1e-6)
    assert not bound.exact


def test_a_transport_speed_is_taken_where_it_is_largest() -> None:
    bound = scheme("dt(u) = -u*dx(u)", initial="initial u = 3*sin(2*pi*x)", march="rk4, dt: auto", grid="x: 512").bound
    assert bound.value == pytest.approx(8**0.5 / (3 * 512), rel=1e-2)


def test_variable_coefficients_are_taken_where_they_are_largest() -> None:
    bound = scheme(
        "dt(u) = div(a*grad(u))", declare="let a(x) = 1 + x", march="euler, dt: auto", boundary="u = 0"
    ).bound
    assert bound.value == pytest.approx(2 / (4 * 2 * 32**2), rel=0.05)
    assert not bound.exact


def test_vectors_with_a_known_matrix() -> None:
    given = {"field": "u[2](x, t)", "declare": "learn A[2, 2] = [[-3, 1], [0, -700]]"}
    bound = scheme("dt(u) = 0.1*dxx(u) + A@u", **given, march="rk4, dt: auto").bound
    assert bound.value == pytest.approx(2.7852935634 / (0.4 * 32**2 + 700), rel=1e-6)


def test_arrays_of_different_sizes_that_do_not_mix() -> None:
    given = {"field": "u[3](x, t), v[2](x, t)", "initial": "initial u = 0\ninitial v = 0"}
    equations = "dt(u) = dxx(u) - [1, 20, 3]*u\ndt(v) = dxx(v) - [4, 900]*v"
    for boundary in ("periodic", "u = 0, v = 0"):
        bound = scheme(equations, **given, boundary=boundary, march="euler, dt: auto").bound
        assert bound.value == pytest.approx(2 / (4 * 32**2 + 900), rel=1e-6)


def test_many_channels_that_do_not_mix_cost_nothing_and_those_that_do_are_left_alone() -> None:
    many = scheme("dt(u) = dxx(u) - u^3", field="u[2000](x, t)", initial="initial u = 1", march="euler, dt: auto").bound
    assert many.value == pytest.approx(2 / (4 * 32**2 + 3), rel=1e-6)
    mixed = scheme("dt(u) = dxx(u) - dot(u, u)*u", field="u[100](x, t)", march="euler, steps: 100000").bound
    assert mixed.value is None
    assert "coupled channels" in mixed.notes[0]


# --- walls ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["euler", "rk4"])
@pytest.mark.parametrize("condition", ["dirichlet", "neumann"])
@pytest.mark.parametrize("order", [2, 4, 6])
def test_closures_at_walls(order: int, condition: str, name: str) -> None:
    boundary = "u = 0" if condition == "dirichlet" else "dn(u) = 0"
    bound = scheme(
        "dt(u) = dxx(u)", boundary=boundary, more=f"order {order}", march=f"{name}, dt: auto", grid="x: 32"
    ).bound
    matrix = 32**2 * closed(SECOND[order], 32, 1 if order == 2 else order, condition)
    periodic = largest(32**2 * circulant(SECOND[order], 32), name)
    assert bound.value == pytest.approx(min(periodic, largest(matrix, name)), rel=1e-5)
    assert not bound.exact


@pytest.mark.parametrize("order", [2, 4, 6])
@pytest.mark.parametrize("flux", [False, True])
def test_the_closed_operator_entry_by_entry(order: int, flux: bool) -> None:
    boundary = "x = 0: u = 0\nboundary x = 1: dn(u) = 0"
    equation = "dt(u) = div(grad(u))" if flux else "dt(u) = dxx(u)"
    found = scheme(equation, boundary=boundary, more=f"order {order}", march="rk4, dt: auto", grid="x: 32")
    samples = Samples(found.system, found.grid, order)
    sizes = {u.symbol: 1 for u in found.system.unknowns}
    line = spectrum.line_of(sizes, 0, found.grid.axes, found.ghosts, samples, [0.0])
    parts = [[t.expression for t in terms] for terms in found.system.terms]
    (matrix,) = line.matrix(spectrum.tangents(Linearizer(samples, np.array([0]), line), parts, {}))
    q = 1 if order == 2 else order
    half = {
        2: [-1, 1],
        4: [1 / 24, -9 / 8, 9 / 8, -1 / 24],
        6: [-3 / 640, 25 / 384, -75 / 64, 75 / 64, -25 / 384, 3 / 640],
    }
    weights = list(np.convolve(half[order], half[order])) if flux else SECOND[order]
    left, right = (closed(weights, 32, q, kind) for kind in ("dirichlet", "neumann"))
    wanted = np.concatenate([left[:16], right[16:]])
    assert np.allclose(matrix, 32**2 * wanted, rtol=1e-12, atol=1e-8)


def test_a_closure_that_enlarges_the_spectrum_shrinks_the_step() -> None:
    bounded = scheme("dt(u) = dxx(u)", boundary="u = 0", more="order 6", march="euler, dt: auto").bound
    periodic = scheme("dt(u) = dxx(u)", more="order 6", march="euler, dt: auto").bound
    assert bounded.value is not None
    assert periodic.value is not None
    assert 1.05 < periodic.value / bounded.value < 1.4


def test_closures_in_flux_form_agree_with_the_same_operator() -> None:
    flux = scheme("dt(u) = div(grad(u))", boundary="u = 0", march="rk4, dt: auto").bound
    plain = scheme("dt(u) = dxx(u)", boundary="u = 0", march="rk4, dt: auto").bound
    assert flux.value == pytest.approx(plain.value, rel=1e-9)


def test_robin_walls_with_learned_coefficients() -> None:
    boundary = "x = 0: u - b*dn(u) = 0\nboundary x = 1: u = 0"
    bound = scheme("dt(u) = dxx(u)", boundary=boundary, declare="learn b = 0.3", march="euler, dt: auto").bound
    assert bound.value is not None
    assert bound.value <= 2 / (4 * 32**2) * (1 + 1e-9)


def test_waves_between_walls() -> None:
    bound = scheme("dtt(u) = dxx(u)", boundary="u = 0", **WAVE, march="leapfrog, dt: auto").bound
    assert bound.value == pytest.approx(1 / 32, rel=1e-2)


@pytest.mark.parametrize("name", ["heun", "ab2"])
def test_closures_that_damp_an_oscillation_a_little_do_not_stop_it(name: str) -> None:
    boundary = "x = 0: dn(psi) = -0.3*psi\nboundary x = 1: dn(psi) = 0"
    found = scheme(
        "i*dt(psi) = -dxx(psi) + 0.3*conj(psi)",
        **PSI,
        boundary=boundary,
        more="order 4",
        march=f"{name}, steps: 100000000",
    )
    assert (
        codes("i*dt(psi) = -dxx(psi)", **PSI, boundary=boundary, more="order 4", march=f"{name}, steps: 1000")[0]
        == "N0703"
    )
    assert found.bound.value is not None
    assert found.bound.value > 1e-8


# --- learnables and what is not known ---------------------------------------------------------------------------------


def test_automatic_steps_take_the_worst_end_of_an_interval() -> None:
    found = scheme("dt(u) = D*dxx(u)", declare="learn D = 0.1 in [0, 0.5]", march="euler, dt: auto")
    assert found.bound.value == pytest.approx(2 / (0.4 * 32**2))
    assert found.bound.worst == pytest.approx(2 / (2 * 32**2))
    assert found.steps == int(np.ceil(1 / (0.9 * 2 / (2 * 32**2))))
    assert float(found.dt) <= 0.9 * found.bound.worst * (1 + 1e-9)


def test_learned_fields_take_the_worst_end_too() -> None:
    given = {**WAVE, "declare": "learn c(x) = 1 in [0.5, 2]"}
    found = scheme("dtt(u) = c^2*dxx(u)", **given, march="leapfrog, dt: auto")
    assert found.bound.value == pytest.approx(1 / 32)
    assert found.bound.worst == pytest.approx(1 / 64)


@pytest.mark.parametrize(
    ("equation", "more"),
    [
        ("dt(u) = dxx(u) + integral(W(x, x')*u(x'), x')", {"declare": "learn W(x, x')"}),
        ("dt(u) = dxx(u) + K(u)", {"declare": "learn K stencil 3"}),
        ("dt(u) = a*dxx(u)", {"declare": "input a(x)"}),
        ("dt(u) = dxx(u) - u^3", {"declare": "input s(x)", "initial": "initial u = s"}),
    ],
)
def test_without_a_bound_steps_are_asked_for(equation: str, more: dict[str, str]) -> None:
    with pytest.raises(DiagnosticError) as caught:
        scheme(equation, march="rk4, dt: auto", **more)
    (found,) = caught.value.diagnostics
    assert found.code == "N0706"
    assert "steps:" in found.hint
    assert scheme(equation, march="rk4, steps: 100000", **more).bound.value is None


def test_an_unknown_initial_state_does_not_matter_to_a_linear_equation() -> None:
    given = {"declare": "input s(x)", "initial": "initial u = s"}
    assert scheme("dt(u) = dxx(u) + s", march="rk4, dt: auto", **given).bound.exact


def test_a_closure_starts_at_zero() -> None:
    bound = scheme("dt(u) = dxx(u) + f(u)", declare="learn f(q) = mlp(4, tanh)", march="euler, dt: auto").bound
    assert bound.value == pytest.approx(2 / (4 * 32**2))
    assert not bound.exact


def test_a_stencil_that_starts_from_an_operator_is_known() -> None:
    bound = scheme("dt(u) = K(u)", declare="learn K stencil 3 = dxx", march="euler, dt: auto").bound
    assert bound.value == pytest.approx(2 / (4 * 32**2))


@pytest.mark.parametrize("condition", ["dirichlet", "neumann"])
@pytest.mark.parametrize(("start", "taps"), [("dx", FIRST[4]), ("dxx", SECOND[4])])
def test_a_transposed_stencil_takes_its_walls_along(start: str, taps: list[float], condition: str) -> None:
    built = scheme(
        "dt(u) = adjoint(K)(u)", declare=f"learn K stencil 5 = {start}", grid="x: 32", more="order 4",
        boundary="u = 0" if condition == "dirichlet" else "dn(u) = 0", march="rk4, steps: 1000000",
    )  # fmt: skip
    samples = Samples(built.system, built.grid, 4)
    sizes = {u.symbol: 1 for u in built.system.unknowns}
    line = spectrum.line_of(sizes, 0, built.grid.axes, built.ghosts, samples, [0.0])
    moved = Linearizer(samples, np.array([0]), line).tangent(built.system.rates[0])
    expected = 32 ** (len(start) - 1) * closed(taps, 32, 4, condition).T
    assert np.allclose(line.matrix([moved])[0], expected)


def test_implicit_schemes_need_no_bound() -> None:
    assert scheme("dt(u) = dxx(u)", march="crank_nicolson, steps: 1").bound.value is None
    with pytest.raises(DiagnosticError) as caught:
        scheme("dt(u) = dxx(u)", march="crank_nicolson, dt: auto")
    assert caught.value.diagnostics[0].code == "N0706"


def test_a_splitting_without_exact_flow_is_bounded_by_its_reaction() -> None:
    found = scheme("dt(u) = dxx(u) - 50*sinh(u)", initial="initial u = sin(2*pi*x)", march="strang, dt: auto").bound
    assert found.value == pytest.approx(2.7852935634 / (50 * np.cosh(1)), rel=1e-2)


# --- verdicts ---------------------------------------------------------------------------------------------------------


def codes(equation: str, **more: str) -> list[str]:
    """Codes of the errors, or of the warnings if there is none."""
    try:
        return [w.code for w in scheme(equation, **more).warnings]
    except DiagnosticError as error:
        return [d.code for d in error.diagnostics]


VERDICTS: list[tuple[str, dict[str, str], list[str]]] = [
    ("dt(u) = dxx(u)", {"march": "euler, steps: 2048"}, []),
    ("dt(u) = dxx(u)", {"march": "euler, steps: 2047"}, ["N0701"]),
    ("dt(u) = dxx(u)", {"march": "euler, steps: 2000", "boundary": "u = 0"}, ["N0702"]),
    ("dt(u) = dxx(u)", {"march": "euler, steps: 1000", "boundary": "u = 0"}, ["N0701"]),
    ("dt(u) = dxx(u) - u^3", {"march": "euler, steps: 10"}, ["N0702"]),
    ("dt(u) = D*dxx(u)", {"march": "euler, steps: 500", "declare": "learn D = 0.1 in [0, 1]"}, ["N0707"]),
    ("dt(u) = D*dxx(u)", {"march": "euler, steps: 2048", "declare": "learn D = 0.1 in [0, 1]"}, []),
    ("dt(u) = -dx(u)", {"march": "rk4, steps: 20"}, []),
    ("dt(u) = -dx(u)", {"march": "rk4, steps: 5"}, ["N0701"]),
    ("dt(u) = -dx(u)", {"march": "euler, steps: 100"}, ["N0703"]),
    ("dt(u) = -dx(u)", {"march": "euler, steps: 10000"}, ["N0704"]),
    ("dt(u) = -dx(u)", {"march": "euler, steps: 1000000"}, []),
    ("dt(u) = -dx(u)", {"march": "heun, steps: 1000"}, []),
    ("i*dt(psi) = -dxx(psi)", {**PSI, "march": "euler, steps: 100000000"}, ["N0705"]),
    ("i*dt(psi) = -dxx(psi) + abs2(psi)*psi", {**PSI, "march": "euler, steps: 100000000"}, ["N0705"]),
    ("i*dt(psi) = -dxx(psi)", {**PSI, "march": "rk4, steps: 1000"}, ["N0701"]),
    ("dt(psi) = (1 + i)*dxx(psi)", {**PSI, "march": "euler, steps: 10000"}, []),
    ("dtt(u) = dxx(u)", {**WAVE, "march": "leapfrog, steps: 32"}, []),
    ("dtt(u) = dxx(u)", {**WAVE, "march": "leapfrog, steps: 31"}, ["N0701"]),
]


@pytest.mark.parametrize(("equation", "more", "wanted"), VERDICTS)
def test_verdicts(equation: str, more: dict[str, str], wanted: list[str]) -> None:
    assert codes(equation, **more) == wanted


def test_a_verdict_names_the_bound_and_the_remedy() -> None:
    with pytest.raises(DiagnosticError) as caught:
        scheme("dt(u) = dxx(u)", march="euler, steps: 10")
    (found,) = caught.value.diagnostics
    assert "0.0004883" in found.label
    remedy = int(found.hint.split("steps: ")[1].split("`")[0])
    assert codes("dt(u) = dxx(u)", march=f"euler, steps: {remedy}") == []
    assert any("h_x^2" in note for note in found.notes)


# --- by marching ------------------------------------------------------------------------------------------------------


def marched(step: Callable[[Array, float], Array], matrix: Array, dt: float) -> float:
    """The growth of a random state over many steps."""
    state = np.random.default_rng(0).standard_normal(len(matrix))
    for _ in range(4000):
        state = step(state, dt)
        size = np.abs(state).max()
        if size > 1e12:
            return float(size)
    return float(np.abs(state).max())


def stepping(name: str, matrix: Array) -> Callable[[Array, float], Array]:
    tableau = tableaux.TABLEAUX[name]

    def step(state: Array, dt: float) -> Array:
        slopes: list[Array] = []
        for row in tableau.a:
            at = state + dt * sum(float(a) * k for a, k in zip(row, slopes, strict=False))
            slopes.append(matrix @ at)
        return state + dt * sum(float(b) * k for b, k in zip(tableau.b, slopes, strict=True))

    return step


@settings(max_examples=40)
@given(
    coefficients=st.tuples(*[st.integers(-9, 9)] * 8),
    name=st.sampled_from(["euler", "heun", "ssprk3", "rk4"]),
    order=st.sampled_from([2, 4]),
)
def test_random_linear_systems_are_stable_below_the_bound_and_unstable_above(
    coefficients: tuple[int, ...], name: str, order: int
) -> None:
    """u' = a u_xx + b v_xx + e v_x - g u, v' = c u_xx + d v_xx + f u_x - h v on 16 periodic cells."""
    a, b, c, d, e, f, g, h = coefficients
    a, d, g, h = abs(a) + 1, abs(d) + 1, abs(g), abs(h)
    b, c = b / 10, c / 10
    equations = (
        f"dt(u) = {a}*dxx(u) + {b}*dxx(v) + {e}*dx(v) - {g}*u\ndt(v) = {c}*dxx(u) + {d}*dxx(v) + {f}*dx(u) - {h}*v"
    )
    given_fields = {"field": "u(x, t), v(x, t)", "initial": "initial u = 0\ninitial v = 0", "grid": "x: 16"}
    bound = scheme(equations, **given_fields, march=f"{name}, dt: auto", more=f"order {order}").bound
    if not bound.exact or bound.value is None:
        return
    second, first, one = 256 * circulant(SECOND[order], 16), 16 * circulant(FIRST[order], 16), np.eye(16)
    matrix = np.block([[a * second - g * one, b * second + e * first], [c * second + f * first, d * second - h * one]])
    step = stepping(name, matrix)
    assert marched(step, matrix, 0.98 * bound.value) < 1e3
    assert marched(step, matrix, 1.02 * bound.value) > 1e6


# --- closed forms and cost --------------------------------------------------------------------------------------------

FORMULAS = [
    ("dt(u) = D*dxx(u)", {"march": "rk4, dt: auto"}, "0.6963"),
    ("dt(u) = D*dxx(u) + 2*dyy(u)", {**PLANE, "march": "euler, dt: auto"}, "2/"),
    ("dt(u) = D*lap(u)", {**PLANE, "march": "heun, dt: auto", "more": "order 4"}, "2/"),
    ("dt(u) = div(D*grad(u))", {"march": "euler, dt: auto", "more": "order 4"}, "h_x**2"),
    ("dt(u) = -D*dx(u)", {"march": "rk4, dt: auto"}, "sqrt(2)"),
    ("dt(u) = D*dx(u) - 3*dy(u)", {**PLANE, "march": "ssprk3, dt: auto"}, "sqrt(3)"),
    ("dtt(u) = D^2*dxx(u)", {**WAVE, "march": "leapfrog, dt: auto"}, "h_x"),
    ("i*dt(psi) = -D*dxx(psi)", {**PSI, "march": "leapfrog, dt: auto"}, "h_x**2"),
    ("i*dt(psi) = -D*dxx(psi)", {**PSI, "march": "rk4, dt: auto", "more": "order 4"}, "sqrt(2)"),
]


@pytest.mark.parametrize(("equation", "more", "text"), FORMULAS)
def test_closed_forms_agree_with_sampled_bounds(equation: str, more: dict[str, str], text: str) -> None:
    found = scheme(equation, declare="learn D = 0.7 > 0", **more)
    formula = found.bound.formula
    assert formula is not None
    assert text in str(formula)
    spacings = {a.name: float(a.spacing) for a in found.grid.axes}
    assert closed_forms.at(formula, spacings, {"D": 0.7}) == pytest.approx(found.bound.value, rel=2e-2)


@pytest.mark.parametrize(
    "equation", ["dt(u) = dxx(u) - u", "dt(u) = dxx(u) - dx(u)", "dt(u) = (1 + x)*dxx(u)", "dt(u) = dxx(u^2)"]
)
def test_other_equations_have_no_closed_form(equation: str) -> None:
    assert scheme(equation, initial="initial u = 1").bound.formula is None


def test_the_cost_does_not_depend_on_the_grid() -> None:
    def seconds(cells: int) -> float:
        given = system(
            heat("dt(u) = div((1 + u^2)*grad(u)) + u*(1 - u)", **{**PLANE, "grid": f"x: {cells}, y: {cells}"},
                 boundary="u = 0", declare="", march="rk4, steps: 100000000", more="order 4")
            .replace("initial u = 0", "initial u = sin(pi*x)*sin(pi*y)")
        )  # fmt: skip
        best = float("inf")
        for _ in range(3):
            start = time.perf_counter()
            discretize.build(given)
            best = min(best, time.perf_counter() - start)
        return best

    seconds(64)
    small, large = seconds(64), seconds(4096)
    assert large < 3 * small + 0.05
    assert large < 1.0


def test_formulas_hold_spacings_and_learnables_only() -> None:
    formula = scheme("dt(u) = D*dxx(u)", declare="learn D = 0.7 > 0", march="rk4, dt: auto").bound.formula
    assert isinstance(formula, sp.Expr)
    assert list(closed_forms.names(formula)) == ["D", "h_x"]


def test_a_reaction_is_followed_to_where_it_saturates() -> None:
    """u' = u - u³ from 0.01: the bound is that at u = 1, λ = -4 D/h² - 2, not that at the start."""
    text = heat(
        "dt(u) = 0.01*dxx(u) + 40*u - 40*u^3", initial="initial u = 0.01", march="euler, dt: auto", grid="x: 16"
    )
    bound = discretize.build(system(text)).bound
    assert bound.value == pytest.approx(2 / (4 * 0.01 * 256 + 80), rel=1e-2)
    assert any("where its reaction takes it" in note for note in bound.notes)


def test_a_reaction_without_a_saturated_state_is_left_alone() -> None:
    text = heat("dt(u) = 0.01*dxx(u) + u^2", initial="initial u = 1", march="euler, dt: auto", grid="x: 16")
    assert discretize.build(system(text)).bound.value == pytest.approx(2 / (4 * 0.01 * 256 - 2), rel=1e-6)


@pytest.mark.parametrize(("name", "number"), [("euler", 1.0), ("ssprk3", 1.256373), ("rk4", 1.392652)])
def test_first_order_upwind_differences_have_a_closed_form(name: str, number: float) -> None:
    """dt (|a|/h_x + |b|/h_y) <= r, a circle about -r in the region; for euler the condition of Courant, Friedrichs and Lewy."""
    found = scheme(
        "dt(u) = -a*dx(u) + 2*dy(u)", declare="learn a = 1 > 0", march=f"{name}, steps: 100000",
        coordinates="x, y in [0, 1], t in [0, 1]", field="u(x, y, t)", grid="x: 32, y: 16, upwind 1",
    ).bound  # fmt: skip
    h = {sp.Symbol("h_x", positive=True): sp.Rational(1, 32), sp.Symbol("h_y", positive=True): sp.Rational(1, 16)}
    assert found.formula is not None
    value = found.formula.xreplace(h | {sp.Symbol("a", real=True): 1})
    assert float(value) == pytest.approx(number / 64, rel=1e-5)
    assert found.value == pytest.approx(number / 64, rel=1e-4)
