"""Upwind-biased differences: against the NumPy interpreter, by their stencils, their bounds, and what they are for."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp
import torch

from npde import discretize
from npde.discretize import stencils
from npde.discretize.signs import sign
from npde.discretize.upwind import upwinded
from npde.symbolic import operators as op
from tests.comparison import compiled, difference, physical
from tests.reference.interpreter import interpret
from tests.symbolic.texts import heat, system

PERIODIC = (
    "-dx(u)", "-u*dx(u)", "sin(2*pi*x)*dx(u) - u^2", "-dx(u^2)/2", "-x*dx(u^2)/2", "dx((1 + x)*u)", "c*dx(u)", "-a*dx(u)",
    "-u*dx(u) - dx(u^3)/3 + 0.01*dxx(u)", "-div([u^2])", "-div([sin(x)*u - 0.1*grad(u)[0]])", "0.1*dx(u)*integral(dx(u)^2, x)",
)  # fmt: skip
THROUGH = ("-dx(u)", "-(1 + u^2)*dx(u)", "-dx(u^2)/2", "-(1 + x)*dx(u) + a*u")
OUTFLOW = "boundary x = 0: u = 1 + t\nboundary x = 1: outflow"
WALLED = "boundary x = 0: u + dn(u) = 1\nboundary x = 1: dn(u) = t"
CASES = [
    *((e, "boundary periodic") for e in PERIODIC),
    *((e, OUTFLOW) for e in THROUGH),
    ("0.1*dxx(u) - u*dx(u) - dx(x*u^2)", WALLED),
]


@pytest.mark.parametrize(("equation", "boundary"), CASES)
@pytest.mark.parametrize("upwind", [1, 3, 5])
def test_marches_as_the_interpreter_does(equation: str, boundary: str, upwind: int) -> None:
    for order, network in ((2, "cnn"), (4, "mlp")):
        text = (
            "coordinates x in [0, 1], t in [0, 0.01]\nfield u(x, t)\nlearn c = 0.3, a(x) = 0.5 > 0\n"
            f"dt(u) = {equation} + 0.1*a*c\n{boundary}\ninitial u = 0.2 + sin(2*pi*x + 0.3)\n"
            f"grid x: 13, upwind {upwind}\norder {order}\nmarch rk4, steps: 2\n"
        )
        compilation, net = compiled(text, network)
        with torch.no_grad():
            found = net.march(every=1).numpy()
        p = compilation.problem
        wanted = interpret(p, physical(net, p), {}, steps=2, batch=1, dt=float(compilation.scheme.dt))
        assert difference(found, wanted) < 1e-11


def test_in_the_plane_every_axis_has_its_own_sign() -> None:
    text = (
        "coordinates x, y in [0, 1], t in [0, 0.01]\nfield u(x, y, t)\nlet v(x) = cos(2*pi*x)\n"
        "dt(u) = -dot([v, 1], grad(u)) - div([0, u^2])/3\nboundary periodic\ninitial u = sin(2*pi*(x + y)) + 1/4\n"
        "grid x: 12, y: 9, upwind 3\nmarch ssprk3, steps: 2\n"
    )
    compilation, net = compiled(text)
    with torch.no_grad():
        found = net.march(every=1).numpy()
    wanted = interpret(compilation.problem, {}, {}, steps=2, batch=1, dt=float(compilation.scheme.dt))
    assert difference(found, wanted) < 1e-12


@pytest.mark.parametrize("k", [1, 2, 3])
def test_a_biased_stencil_is_exact_to_its_order(k: int) -> None:
    for lower, upper in ((k, k - 1), (k - 1, k)):
        s = stencils.biased(lower, upper)
        for degree in range(2 * k):
            total = sum(w * o**degree for w, o in zip(s.weights, s.offsets, strict=True))
            assert total == (1 if degree == 1 else 0)
        assert sum(w * o ** (2 * k) for w, o in zip(s.weights, s.offsets, strict=True)) != 0
        assert sum(w != 0 for w in s.weights) <= 2 * k


@pytest.mark.parametrize("k", [1, 2, 3])
def test_centered_plus_dissipation_is_biased(k: int) -> None:
    """D_{k,k} - Δ(β (-1)^{k-1} δⁿ) takes the further point from below, for a flow from below."""
    inner = stencils.dissipation(2 * k - 1)
    flux = dict(zip(inner.offsets, inner.weights, strict=True))
    half = sp.Rational(1, 2)
    spread: dict[object, object] = {}
    for o, w in flux.items():
        spread[o + half] = spread.get(o + half, 0) + w  # type: ignore[operator]
        spread[o - half] = spread.get(o - half, 0) - w  # type: ignore[operator]
    centered = stencils.biased(k, k)
    below = stencils.biased(k, k - 1)
    for o, c, b in zip(centered.offsets, centered.weights, below.weights, strict=True):
        assert c - spread.get(o, 0) == b  # type: ignore[operator]


# --- signs ------------------------------------------------------------------------------------------------------------

SIGNS = [
    ("2", 1),
    ("-pi", -1),
    ("D", 1),
    ("-D*(1 + x^2)", -1),
    ("c", 0),
    ("exp(c)*E", -1),
    ("u^2 + abs(u)", 1),
    ("u", 0),
]


@pytest.mark.parametrize(("coefficient", "wanted"), SIGNS)
def test_the_sign_of_a_coefficient(coefficient: str, wanted: int) -> None:
    declared = "learn D = 1 > 0, c = 1, E = -1 in [-2, 0]"
    found = system(heat(f"dt(u) = ({coefficient})*dx(u) + D*c*E", declare=declared))
    factor = discretize.upwind.slope_factor([found.rates[0]], sp.Symbol("u", real=True), sp.Symbol("x", real=True))
    assert factor is not None
    assert sign(factor, found) == wanted


def test_a_known_sign_takes_one_stencil_and_an_unknown_one_two() -> None:
    def count(equation: str) -> int:
        return len(discretize.build(system(heat(equation, grid="x: 32, upwind 3"))).system.rates[0].atoms(op.Biased))

    assert count("dt(u) = -dx(u) - 2*dx(u)") == 1
    assert count("dt(u) = -u*dx(u) - 2*dx(u)") == 2


def test_without_the_option_nothing_changes() -> None:
    found = system(heat("dt(u) = -u*dx(u)"))
    assert upwinded(found, found.terms[0][0].span, None) is found  # type: ignore[arg-type]


def test_speeds_of_other_fields_and_slopes_of_slopes_stay_centered() -> None:
    text = (
        "coordinates x in [0, 1], t in [0, 1]\nfield u(x, t), v(x, t)\ndt(u) = -dx(v) - u*dx(u)\ndt(v) = -dx(u) + dx(v)^2\n"
        "boundary periodic\ninitial u = 0\ninitial v = 0\ngrid x: 32, upwind 3\nmarch rk4, steps: 2000\n"
    )
    first, second = discretize.build(system(text)).system.rates
    assert {str(o.args[0]) for o in first.atoms(op.Biased)} == {"u"}
    assert not second.has(op.Biased)


# --- orders and bounds ------------------------------------------------------------------------------------------------

ORDERS = [
    ("dt(u) = -dx(u)", "periodic", 5, 2, 5),
    ("dt(u) = -dx(u)", "periodic", 1, 4, 1),
    ("dt(u) = dxx(u) - u*dx(u)", "periodic", 3, 2, 2),
    ("dt(u) = dxx(u) - u*dx(u)", "periodic", 3, 4, 3),
    ("dt(u) = -dx(u^2)", "x = 0: u = 1\nboundary x = 1: outflow", 5, 4, 4),
    ("dt(u) = -dx(u^2)", "x = 0: u = 1\nboundary x = 1: outflow", 3, 4, 3),
]


@pytest.mark.parametrize(("equation", "boundary", "upwind", "order", "claimed"), ORDERS)
def test_the_order_that_is_claimed(equation: str, boundary: str, upwind: int, order: int, claimed: int) -> None:
    text = heat(equation, boundary=boundary, grid=f"x: 32, upwind {upwind}", more=f"order {order}")
    assert discretize.build(system(text)).space_order == claimed


@pytest.mark.parametrize(
    ("upwind", "scheme", "courant"), [(1, "euler", 1.0), (3, "ssprk3", 1.626), (5, "ssprk3", 1.435)]
)
def test_the_bound_on_periodic_axes(upwind: int, scheme: str, courant: float) -> None:
    """Courant numbers: 1 for Euler with one-sided differences; those of ssprk3 from Shu's schemes by scanning the symbol."""
    found = discretize.build(
        system(heat("dt(u) = -2*dx(u)", grid=f"x: 64, upwind {upwind}", march=f"{scheme}, dt: auto"))
    )
    assert found.bound.value is not None
    assert 2 * found.bound.value * 64 == pytest.approx(courant, rel=2e-3)


@pytest.mark.parametrize("upwind", [1, 3, 5])
@pytest.mark.parametrize("order", [2, 4])
def test_closed_operators_decay(upwind: int, order: int) -> None:
    for cells in (12, 33):
        text = (
            "coordinates x in [0, 1], t in [0, 1]\nfield u(x, t)\ndt(u) = -dx(u)\nboundary x = 0: u = 0\nboundary x = 1: outflow\n"
            f"initial u = 0\ngrid x: {cells}, upwind {upwind}\norder {order}\nmarch rk4, dt: auto\n"
        )
        _, net = compiled(text)
        with torch.no_grad():
            matrix = net.rhs(torch.eye(cells, dtype=torch.float64)[:, None])[:, 0].numpy().T
        assert np.linalg.eigvals(matrix).real.max() < -1


# --- what they are for ------------------------------------------------------------------------------------------------


def marched(text: str) -> np.ndarray:
    """All states of the first field."""
    _, net = compiled(text)
    with torch.no_grad():
        return net.march(every=1)[0, :, 0].numpy()


def test_a_pulse_leaves_without_reflection() -> None:
    """Upwind differences know of no way back: what stays after the pulse has left is at rounding, beside 1e-3 of centered ones."""
    text = (
        "coordinates x in [0, 1], t in [0, 2]\nfield u(x, t)\ndt(u) = -dx(u)\nboundary x = 0: u = 0\nboundary x = 1: outflow\n"
        "initial u = exp(-200*(x - 0.5)^2)\ngrid x: 80{0}\norder 4\nmarch rk4, dt: auto\n"
    )
    for option, left in ((", upwind 3", 1e-9), (", upwind 5", 1e-7), ("", 1e-2)):
        states = marched(text.replace("{0}", option))
        assert np.abs(states[-1]).max() < left
        assert np.abs(states).max() < 1.01


def test_a_shock_moves_at_its_speed_and_the_integral_is_kept() -> None:
    """Burgers' equation from a step of 1 and 0: the shock moves with speed 1/2, without new extrema for upwind 1."""
    text = (
        "coordinates x in [0, 1], t in [0, 0.5]\nfield u(x, t)\ndt(u) = -dx(u^2)/2\nboundary periodic\n"
        "initial u = where(x > 0.2, where(x < 0.4, 1, 0), 0)\ngrid x: 200, upwind 1\nmarch euler, dt: auto\n"
    )
    states = marched(text)
    assert states.min() > -1e-12
    assert states.max() < 1 + 1e-12
    assert np.ptp(states.sum(axis=1)) < 1e-10
    # A rarefaction x = 0.2 + u t behind, the shock in front: at t = 0.5 the first has just not caught up with the second.
    profile = np.clip((np.arange(200) / 200 - 0.2) / 0.5, 0, 1) * (np.arange(200) / 200 < 0.4 + 0.25)
    assert np.abs(states[-1] - profile).mean() < 0.02


def test_an_expansion_opens_as_it_must() -> None:
    """From -1 to 1 the entropy solution is a fan; a mean speed of zero at the face would keep the jump for ever."""
    text = (
        "coordinates x in [-1, 1], t in [0, 0.4]\nfield u(x, t)\ndt(u) = -dx(u^2)/2\nboundary periodic\n"
        "initial u = where(abs(x) < 0.5, where(x > 0, 1, -1), 0)\ngrid x: 200, upwind 1\nmarch euler, dt: auto\n"
    )
    middle = marched(text)[-1][96:105]
    assert np.abs(middle - np.linspace(-0.1, 0.1, 9)).max() < 0.05


def test_gradients_away_from_kinks() -> None:
    text = (
        "coordinates x in [0, 1], t in [0, 0.1]\nfield u(x, t)\nlearn c(x) = 0.3 + sin(2*pi*x)\ndt(u) = -c*dx(u) - dx(c*u^2)/2\n"
        "boundary periodic\ninitial u = 2 + sin(2*pi*x)\ngrid x: 11, upwind 3\nmarch rk4, steps: 3\n"
    )
    _, net = compiled(text)
    start = net.initial_state(1)

    def total(c: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(net, {"c": c}, (start,)).pow(2).sum()

    (name,) = [n for n, _ in net.named_parameters()]
    value = dict(net.named_parameters())[name].detach().requires_grad_()
    assert torch.autograd.gradcheck(lambda c: torch.func.functional_call(net, {name: c}, (start,)), (value,))
    assert name == "c"
    assert total(value).requires_grad
