"""The interpreter itself, against what can be worked out by hand."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from npde import model, syntax
from npde.model import Problem
from npde.model.traversal import walk
from npde.source import Source
from tests.reference.evaluate import View
from tests.reference.interpreter import initial_state, interpret, outputs, rate, settled
from tests.reference.jets import Jet, function, power
from tests.reference.programs import generate
from tests.reference.weights import centered, halfway, weights


def problem(text: str) -> Problem:
    return model.build(syntax.parse(Source("test.npde", text)))


def line(
    equation: str, *, boundary: str = "boundary periodic", cells: int = 16, order: int = 2, initial: str = "0",
    declare: str = "", field: str = "u(x, t)", extent: str = "[0, 1]", march: str = "march rk4, steps: 4", more: str = "",
) -> Problem:  # fmt: skip
    return problem(
        f"coordinates x in {extent}, t in [0, 1]\nfield {field}\n{declare}\n{equation}\n{boundary}\n"
        f"initial {field.split('(')[0].split('[')[0]} = {initial}\ngrid x: {cells}\norder {order}\n{march}\n{more}\n"
    )


# --- weights and jets -------------------------------------------------------------------------------------------------


def test_known_stencils() -> None:
    assert np.allclose(centered(2, 2)[1], [1, -2, 1])
    assert np.allclose(centered(2, 4)[1], [-1 / 12, 4 / 3, -5 / 2, 4 / 3, -1 / 12])
    assert np.allclose(centered(1, 4)[1], [1 / 12, -2 / 3, 0, 2 / 3, -1 / 12])
    assert np.allclose(halfway(1, 4), [1 / 24, -27 / 24, 27 / 24, -1 / 24])
    assert np.allclose(halfway(0, 4), [-1 / 16, 9 / 16, 9 / 16, -1 / 16])


@pytest.mark.parametrize("derivative", [0, 1, 2, 3, 4])
def test_weights_are_exact_on_polynomials(derivative: int) -> None:
    offsets = [-1.5, -0.2, 0.3, 1.0, 2.5, 3.1]
    w = weights(offsets, derivative)
    for power_ in range(6):
        exact = math.factorial(derivative) if power_ == derivative else 0.0
        assert w @ np.array(offsets) ** power_ == pytest.approx(exact, abs=1e-10)


FUNCTIONS: dict[str, Callable[[complex], complex]] = {
    "exp": np.exp, "log": np.log, "sqrt": np.sqrt, "sin": np.sin, "cos": np.cos, "tan": np.tan, "sinh": np.sinh, "cosh": np.cosh,
    "tanh": np.tanh, "sech": lambda z: 1 / np.cosh(z), "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "softplus": lambda z: np.log(1 + np.exp(z)),
}  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
def test_jets_are_exact_derivatives(name: str) -> None:
    """Against Cauchy's integral over a small circle."""
    at, radius, points = 0.7, 0.3, 64
    circle = at + radius * np.exp(2j * np.pi * np.arange(points) / points)
    found = function(name, Jet.variable(np.array(at), 4))
    for order in range(5):
        values = FUNCTIONS[name](circle) * np.exp(-2j * np.pi * order * np.arange(points) / points)
        exact = math.factorial(order) * values.mean().real / radius**order
        assert float(found.derivative(order)) == pytest.approx(exact, rel=1e-9)


def test_powers_of_jets() -> None:
    x = Jet.variable(np.array(2.0), 3)
    assert float(power(x, Jet.of(np.array(5.0), 3)).derivative(3)) == pytest.approx(60 * 4)
    assert float(power(x, Jet.of(np.array(0.5), 3)).derivative(2)) == pytest.approx(-0.25 * 2**-1.5)
    assert float(power(x, Jet.of(np.array(-1.0), 3)).derivative(1)) == pytest.approx(-0.25)


# --- space ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [2, 4, 6])
@pytest.mark.parametrize(
    "operator, exact",
    [
        ("dx(u)", lambda x: np.cos(x) * np.exp(np.sin(x))),
        ("dxx(u)", lambda x: (np.cos(x) ** 2 - np.sin(x)) * np.exp(np.sin(x))),
        ("d(u, x, 3)", lambda x: (np.cos(x) ** 3 - 3 * np.sin(x) * np.cos(x) - np.cos(x)) * np.exp(np.sin(x))),
        ("div(u*grad(u))", lambda x: (2 * np.cos(x) ** 2 - np.sin(x)) * np.exp(2 * np.sin(x))),
        ("dx(dx(u))", lambda x: (np.cos(x) ** 2 - np.sin(x)) * np.exp(np.sin(x))),
    ],
)
def test_differences_converge_at_their_order(
    operator: str, exact: Callable[[np.ndarray], np.ndarray], order: int
) -> None:
    errors = []
    for cells in (32, 64):
        p = line(f"dt(u) = {operator}", cells=cells, order=order, initial="exp(sin(x))", extent="[0, 2*pi]")
        x = 2 * np.pi * np.arange(cells) / cells
        errors.append(np.abs(rate(p, initial_state(p))[0, 0] - exact(x)).max())
    assert math.log2(errors[0] / errors[1]) > order - 0.3


def ghosts(boundary: str, order: int, values: list[float]) -> np.ndarray:
    p = line("dt(u) = dxx(u)", boundary=boundary, cells=len(values), order=order)
    view = View(settled(p, None, None), {"u": np.array([values])})
    return view.filled(view.fields["u"], "u", (2,), homogeneous=False)[0]


def test_ghosts_of_second_order_mirror_the_wall() -> None:
    values = [1.0, 2.0, 4.0, 7.0, 3.0]
    h = 0.2
    found = ghosts("boundary x = 0: u = 5\nboundary x = 1: dn(u) = 3", 2, values)
    assert found[1] == pytest.approx(2 * 5 - 1)
    assert found[-2] == pytest.approx(3 + h * 3)
    found = ghosts("boundary x = 0: u + 2*dn(u) = 1\nboundary x = 1: u - 4 = 0", 2, values)
    assert (found[1] + 1) / 2 + 2 * (found[1] - 1) / h == pytest.approx(1)
    assert found[-2] == pytest.approx(8 - 3)


@pytest.mark.parametrize("order", [2, 4, 6])
@pytest.mark.parametrize(
    "wall", ["u = {v}", "dn(u) = {d}", "u + 0.5*dn(u) = {r}", "2*u - dxx(u) = {c}", "u - 0.2*dx(u) = {s}"]
)
def test_ghosts_are_exact_on_polynomials(order: int, wall: str) -> None:
    """A polynomial of the degree that the closure has is continued exactly."""
    degree = 1 if order == 2 else order
    if order == 2 and "dxx" in wall:
        pytest.skip("a line has no second derivative")
    cells, c = 8, [0.3, -0.7, 1.1, 0.4, -0.9, 0.6, 0.2][: degree + 1]
    p = np.polynomial.Polynomial(c)
    x = (np.arange(-2, cells + 2) + 0.5) / cells

    def clause(at: float, outward: int) -> str:
        value, slope, bend = p(at), outward * p.deriv()(at), p.deriv(2)(at)
        data = {
            "v": value,
            "d": slope,
            "r": value + 0.5 * slope,
            "c": 2 * value - bend,
            "s": value - 0.2 * p.deriv()(at),
        }
        return wall.format(**{k: f"({float(v)!r})" for k, v in data.items()})

    found = ghosts(f"boundary x = 0: {clause(0, -1)}\nboundary x = 1: {clause(1, 1)}", order, list(p(x[2:-2])))
    assert found == pytest.approx(p(x), abs=1e-9)


def test_corners_are_filled_axis_by_axis() -> None:
    text = (
        "coordinates x, y in [0, 1], t in [0, 1]\nfield u(x, y, t)\ndt(u) = dxy(u) + lap(u)\n"
        "boundary x = 0: u = y\nboundary x = 1: u = 2*y\nboundary y = 0: u = 0\nboundary y = 1: u = 1 + x\n"
        "initial u = 0\ngrid x: 4, y: 4\nmarch rk4, steps: 4\n"
    )
    p = problem(text)
    x = (np.arange(4) + 0.5) / 4
    exact = x[None, :] * (1 + x[:, None])  # y (1 + x): bilinear, so ghosts and derivative are exact
    assert rate(p, exact[None, None])[0, 0] == pytest.approx(np.ones((4, 4)))


@pytest.mark.parametrize("order", [2, 4, 6])
def test_a_flux_conserves_mass_on_a_periodic_axis(order: int) -> None:
    p = line(
        "dt(u) = div(a*grad(u)) + div([u^2])", order=order, declare="learn a(x) = 1 + x > 0", initial="sin(6*x)^2 + x"
    )
    assert rate(p, initial_state(p)).sum() == pytest.approx(0, abs=1e-9)


def test_faces_take_learned_means_and_closed_forms_in_place() -> None:
    cells, h = 8, 1 / 8
    rng = np.random.default_rng(0)
    a, u = rng.uniform(1, 2, cells), rng.normal(size=cells)
    p = line("dt(u) = div(a*grad(u))", cells=cells, declare="learn a(x) = 1")
    mean = (a + np.roll(a, 1)) / 2
    flux = mean * (u - np.roll(u, 1)) / h
    assert rate(p, u[None, None], {"a": a})[0, 0] == pytest.approx((np.roll(flux, -1) - flux) / h)
    p = line("dt(u) = div((1 + x^2)*grad(u))", cells=cells)
    face = ((np.arange(cells) - 0.5) * h) % 1
    flux = (1 + face**2) * (u - np.roll(u, 1)) / h
    assert rate(p, u[None, None])[0, 0] == pytest.approx((np.roll(flux, -1) - flux) / h)
    p = line("dt(u) = div((1 + u^2)*grad(u))", cells=cells)
    flux = (1 + ((u + np.roll(u, 1)) / 2) ** 2) * (u - np.roll(u, 1)) / h
    assert rate(p, u[None, None])[0, 0] == pytest.approx((np.roll(flux, -1) - flux) / h)


def test_learned_arrays_end_with_their_nearest_cell() -> None:
    a = np.array([1.0, 2.0, 4.0, 8.0])
    p = line("dt(u) = dxx(a*u)", cells=4, declare="learn a(x) = 1", boundary="boundary dn(u) = 0")
    padded = np.array([1.0, 1, 2, 4, 8, 8])
    exact = (padded[:-2] - 2 * padded[1:-1] + padded[2:]) * 16
    assert rate(p, np.ones((1, 1, 4)), {"a": a})[0, 0] == pytest.approx(exact)


def test_closed_forms_are_differentiated_exactly() -> None:
    p = line("dt(u) = dxx(u + V) + dx(3*V(x))", declare="let V(x) = sin(3*x)*x", boundary="boundary u = 0", cells=8)
    x = (np.arange(8) + 0.5) / 8
    second = 6 * np.cos(3 * x) - 9 * x * np.sin(3 * x)
    first = 3 * x * np.cos(3 * x) + np.sin(3 * x)
    assert rate(p, np.zeros((1, 1, 8)))[0, 0] == pytest.approx(second + 3 * first)


# --- operators --------------------------------------------------------------------------------------------------------


def test_a_nonlocal_kernel_is_the_matrix_h_w() -> None:
    rng = np.random.default_rng(0)
    w, u = rng.normal(size=(6, 6)), rng.normal(size=6)
    p = line("dt(u) = integral(W(x, x')*u(x'), x')", cells=6, declare="learn W(x, x')")
    assert rate(p, u[None, None], {"W": w})[0, 0] == pytest.approx(w @ u / 6)
    p = line("dt(u) = integral(W(x', x)*u(x'), x')", cells=6, declare="learn W(x, x')")
    assert rate(p, u[None, None], {"W": w})[0, 0] == pytest.approx(w.T @ u / 6)


def test_a_difference_of_coordinates_is_a_convolution() -> None:
    rng = np.random.default_rng(0)
    w, u = rng.normal(size=6), rng.normal(size=6)
    p = line("dt(u) = integral(w(x - x')*u(x'), x')", cells=6, declare="learn w(x)")
    exact = [sum(w[(j - k) % 6] * u[k] for k in range(6)) / 6 for j in range(6)]
    assert rate(p, u[None, None], {"w": w})[0, 0] == pytest.approx(exact)
    p = line("dt(u) = integral(w(x - x')*u(x'), x')", cells=6, declare="learn w(x)", extent="[-0.5, 0.5]")
    exact = [sum(w[(j - k + 3) % 6] * u[k] for k in range(6)) / 6 for j in range(6)]  # w[3] belongs to x = 0
    assert rate(p, u[None, None], {"w": w})[0, 0] == pytest.approx(exact)


def test_a_stencil_is_a_cross_correlation_and_its_adjoint_the_transpose() -> None:
    rng = np.random.default_rng(0)
    kernel, u, v = rng.normal(size=(3, 2, 3)), rng.normal(size=(1, 2, 7)), rng.normal(size=(1, 3, 7))
    walls = "boundary x = 0: u + 0.3*dn(u) = 0\nboundary x = 1: dn(u) = 0"
    common = {"field": "u[2](x, t)", "declare": "learn K[3, 2] stencil 3\ninput v[3](x)", "boundary": walls, "cells": 7}
    there = line("dt(u) = [dot(K(u), v), 0]", **common)  # type: ignore[arg-type]
    back = line("dt(u) = adjoint(K)(v + 0*u[0])", **common)  # type: ignore[arg-type]
    left = rate(there, u, {"K": kernel}, {"v": v})[0, 0].sum()
    right = (u * rate(back, u, {"K": kernel}, {"v": v})).sum()
    assert left == pytest.approx(right, rel=1e-12)
    inside = np.einsum("ocs,cs->o", kernel, u[0][:, 2:5])
    assert rate(there, u, {"K": kernel}, {"v": v})[0, 0, 3] == pytest.approx(inside @ v[0, :, 3])


def test_regions_share_out_the_whole_integral() -> None:
    text = (
        "coordinates x in [0, 2], y in [0, 3], t in [0, 1]\nfield u(x, y, t)\ndt(u) = -u\ninitial u = 1 + x*y\n"
        "output parts[6] = regions(u, 6)\noutput whole = integral(u, x, y)\ngrid x: 5, y: 7\nmarch rk4, steps: 2\n"
    )
    p = problem(text)
    found = outputs(p, interpret(p))
    assert found["parts"].shape == (1, 6)
    assert found["parts"].sum() == pytest.approx(float(found["whole"][0]))
    corner = problem(text.replace("1 + x*y", "where(x < 0.4, 1, 0)*where(y < 0.4, 1, 0)"))
    assert np.flatnonzero(np.abs(outputs(corner, interpret(corner))["parts"][0]) > 1e-12).tolist() == [0]


def test_noise_is_the_documented_hash() -> None:
    def mix(x: int) -> int:
        x ^= x >> 16
        x = x * 0x7FEB352D % 2**32
        x ^= x >> 15
        x = x * 0x846CA68B % 2**32
        return x ^ (x >> 16)

    p = line("dt(u) = -u", field="u[2](x, t)", cells=3, initial="noise(7, 0.5)")
    expected = [0.5 * (2 * (mix((mix(7) + n) % 2**32) + 0.5) / 2**32 - 1) for n in range(6)]
    assert initial_state(p).ravel() == pytest.approx(expected)


def test_complex_fields_are_real_parts_then_imaginary_parts() -> None:
    p = line("dt(u) = i*u", field="u[2](x, t) complex", cells=1, initial="[1 + 2*i, 3 + 4*i]")
    assert initial_state(p)[0, :, 0].tolist() == [1, 3, 2, 4]
    assert rate(p, initial_state(p))[0, :, 0].tolist() == [-2, -4, 1, 3]


# --- time -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "scheme, order",
    [
        ("euler", 1),
        ("midpoint", 2),
        ("heun", 2),
        ("ssprk3", 3),
        ("rk4", 4),
        ("ab2", 2),
        ("ab3", 3),
        ("lie", 1),
        ("strang", 2),
        ("crank_nicolson", 2),
    ],
)
def test_schemes_have_their_order(scheme: str, order: int) -> None:
    """u' = (cos t) u - u + sin t for the linear ones, u' = (cos t) u - u - u³ for the others."""
    nonlinear = "- u^3" if scheme not in ("crank_nicolson", "strang", "lie") else "+ sin(t)"
    ends = []
    for steps in (20, 40, 320 if order < 3 else 160):
        p = problem(
            f"coordinates t in [0, 2]\nfield u(t)\ndt(u) = cos(t)*u - u {nonlinear}\ninitial u = 0.8\n"
            f"march {scheme}, steps: {steps}\n"
        )
        ends.append(float(interpret(p)[0, -1, 0]))
    coarse, fine = (abs(e - ends[-1]) for e in ends[:-1])
    assert math.log2(coarse / fine) > order - 0.25


def test_adams_bashforth_starts_with_heun() -> None:
    text = "coordinates t in [0, 1]\nfield u(t)\ndt(u) = -u^2\ninitial u = 1\nmarch {}, steps: 5\n"
    assert interpret(problem(text.format("ab2")))[0, 1, 0] == interpret(problem(text.format("heun")))[0, 1, 0]


def test_leapfrog_can_be_reversed() -> None:
    p = line("dtt(u) = dxx(u) - u^3\ninitial dt(u) = cos(6*x)", initial="sin(6*x)", march="march leapfrog, steps: 100")
    there = interpret(p, steps=20)[:, -1]
    there[:, 1] *= -1
    back = interpret(p, state=there, steps=20)[:, -1]
    back[:, 1] *= -1
    assert back == pytest.approx(initial_state(p), abs=1e-12)


@pytest.mark.parametrize("scheme", ["crank_nicolson", "strang"])
def test_schroedinger_keeps_its_norm(scheme: str) -> None:
    p = line(
        "i*dt(psi) = -0.5*dxx(psi) + x^2*psi", field="psi(x, t) complex", initial="exp(-(x - 0.4)^2*9 + 5*i*x)",
        march=f"march {scheme}, steps: 40",
    )  # fmt: skip
    frames = interpret(p, steps=10)
    norms = (frames**2).sum(axis=(2, 3))[0]
    assert norms == pytest.approx(np.full(11, norms[0]), rel=1e-11)


def test_a_heat_mode_decays_as_its_symbol_says() -> None:
    cells, dt = 16, 1 / 40
    symbol = -((2 * math.sin(math.pi / cells) * cells) ** 2)
    p = line("dt(u) = dxx(u)", initial="sin(2*pi*x)", cells=cells, march="march crank_nicolson, steps: 40")
    factor = (1 + dt / 2 * symbol) / (1 - dt / 2 * symbol)
    assert interpret(p, steps=3)[0, 3, 0] == pytest.approx(factor**3 * initial_state(p)[0, 0], abs=1e-12)
    p = line("dt(u) = dxx(u)", initial="sin(2*pi*x)", cells=cells, march="march strang, steps: 40")
    assert interpret(p, steps=3)[0, 3, 0] == pytest.approx(
        math.exp(3 * dt * symbol) * initial_state(p)[0, 0], abs=1e-12
    )


def test_what_belongs_to_a_step_holds_for_all_of_it() -> None:
    text = "coordinates t in [0, 1]\nfield u(t)\nlearn D(t) = 1\ninput s(t)\ndt(u) = D*s\ninitial u = 0\nmarch rk4, steps: 4\n"
    d, s = np.array([1.0, 2, 3, 4]), np.array([[1.0, -1, 2, 5]])
    frames = interpret(problem(text), {"D": d}, {"s": s})
    assert frames[0, :, 0] == pytest.approx(np.concatenate([[0], np.cumsum(d * s[0]) / 4]))
    later = interpret(problem(text), {"D": d}, {"s": s}, state=np.zeros((1, 1)), steps=2, start=2)
    assert later[0, :, 0] == pytest.approx([0, 1.5, 6.5])


def test_closed_forms_are_taken_at_the_time_of_the_stage() -> None:
    p = line("dt(u) = dxx(u)", boundary="boundary u = sin(t)", cells=4, march="march midpoint, steps: 10")
    h, dt = 0.25, 0.1
    first = interpret(p, steps=1)[0, 1, 0]
    ghost = 2 * math.sin(dt / 2)
    middle = np.zeros(4)
    padded = np.concatenate([[ghost], middle, [ghost]])
    assert first == pytest.approx(dt * (padded[:-2] - 2 * padded[1:-1] + padded[2:]) / h**2)


@pytest.mark.parametrize("seed", range(40))
def test_random_programs_stay_finite(seed: int) -> None:
    from tests.reference.programs import values

    p = problem(generate(seed))
    assert p.numerics.march is not None
    steps = p.numerics.march.steps or 1
    widths = dict.fromkeys((), (0, 0))
    from npde.model import expression as ex

    cells = dict(p.numerics.cells)
    for e in [i.value for i in p.initials] + [o.value for o in p.outputs]:
        for n in walk(e):
            if isinstance(n, ex.Lift):
                widths[f"lift.{n.occurrence}"] = (math.prod(n.type.shape), math.prod(n.operand.type.shape))
            if isinstance(n, ex.Linear):
                into = math.prod(n.operand.type.shape) * math.prod(cells.get(c, 1) for c in n.operand.type.coordinates)
                widths[f"linear.{n.occurrence}"] = (math.prod(n.type.shape), into)
    learned, inputs = values(p, np.random.default_rng(seed), batch=2, steps=steps, widths=widths)
    frames = interpret(p, learned, inputs, batch=2)
    assert frames.shape[:2] == (2, steps + 1)
    assert np.isfinite(frames).all()
    assert np.abs(frames).max() < 1e3
    for output in outputs(p, frames, learned, inputs).values():
        assert np.isfinite(output).all()
