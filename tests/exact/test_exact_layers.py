"""Absorbing layers of marched real waves: what returns, at which angle, and that nothing grows, in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.linalg import expm

from npde.discretize.wave_layers import is_of_layers
from tests.comparison import compiled


def returned(width: float, order: int, cells: int) -> float:
    """What returns of a packet of wavelength 1/4 and amplitude 1 from layers `width` wavelengths wide, `cells` a wavelength."""
    n = 16 * cells
    text = (
        "coordinates x in [0, 4], t in [0, 5]\nfield u(x, t)\ndtt(u) = dxx(u)\n"
        f"boundary absorbing({width / 4})\ninitial u = 2*exp(-16*(x - 1.5)^2)*sin(8*pi*x)\ninitial dt(u) = 0\n"
        f"grid x: {n}\norder {order}\nmarch rk4, steps: {5 * n // 2}\n"
    )
    _, net = compiled(text)
    with torch.no_grad():
        return float(net.march()[0, 0].abs().max())


@pytest.mark.parametrize(
    ("width", "order", "cells", "limit"),
    [(1, 2, 24, 1e-3), (1, 4, 12, 1e-3), (1, 4, 24, 1e-5), (2, 4, 12, 1e-5), (1, 6, 12, 1e-4)],
)
def test_a_layer_of_one_wavelength_returns_less_than_a_thousandth(
    width: float, order: int, cells: int, limit: float
) -> None:
    assert returned(width, order, cells) < limit


def pulse(text: str, half: float, cells: int) -> torch.Tensor:
    """A pulse in the middle of [-half, half], `cells` a unit."""
    _, net = compiled(text.format(half=half, n=round(2 * half * cells)))
    with torch.no_grad():
        return net.march()[0, 0]


def middle(value: torch.Tensor, cells: int) -> torch.Tensor:
    """The middle of an array, `cells` along each axis."""
    for axis, n in enumerate(value.shape):
        value = value.narrow(axis, (n - cells) // 2, cells)
    return value


def test_a_point_source_leaves_at_every_angle() -> None:
    """Against a domain that is so large that nothing comes back in time."""
    text = (
        "coordinates x, y in [-{half}, {half}], t in [0, 1.2]\nfield u(x, y, t)\ndtt(u) = lap(u)\n{wall}\n"
        "initial u = exp(-200*(x^2 + y^2))\ninitial dt(u) = 0\ngrid x: {n}, y: {n}\norder 4\nmarch rk4, steps: 96\n"
    )
    wanted = middle(pulse(text.replace("{wall}", "boundary u = 0"), 1.6, 40), 40)
    errors = []
    for width in (0.125, 0.25, 0.5):
        found = pulse(text.replace("{wall}", f"boundary absorbing({width})"), 0.5 + width, 40)
        errors.append(float((middle(found, 40) - wanted).abs().max()))
    assert errors[1] < 5e-4  # of a pulse of height 1; a wavelength is about 0.3
    assert errors[2] < 1e-5
    assert errors[0] > 10 * errors[1] > 100 * errors[2]


WALLS = ("y: periodic", "y: dn(u) = 0", "y: u = 0")


@pytest.mark.parametrize("wall", WALLS)
def test_layers_along_one_axis_leave_walls_and_masses_alone(wall: str) -> None:
    """Guided waves with a mass: dispersive, at all angles, between walls of every kind."""
    boundary = (
        f"boundary {wall}" if "periodic" in wall else f"boundary y = -0.5: {wall[3:]}\nboundary y = 0.5: {wall[3:]}"
    )
    text = (
        "coordinates x in [-{half}, {half}], y in [-0.5, 0.5], t in [0, 1.2]\nfield u(x, y, t)\ndtt(u) = lap(u) - 4*u\n"
        f"{{wall}}\n{boundary}\ninitial u = exp(-200*(x^2 + y^2))\ninitial dt(u) = 0\n"
        "grid x: {n}, y: 40\norder 4\nmarch rk4, steps: 96\n"
    )
    wanted = middle(pulse(text.replace("{wall}", "boundary x = -1.6: u = 0\nboundary x = 1.6: u = 0"), 1.6, 40), 40)
    found = middle(pulse(text.replace("{wall}", "boundary x: absorbing(0.5)"), 1.0, 40), 40)
    assert float((found - wanted).abs().max()) < 1e-5 < 0.05 < float(wanted.abs().max())


def test_three_axes_absorb() -> None:
    text = (
        "coordinates x, y, z in [-{half}, {half}], t in [0, 1]\nfield u(x, y, z, t)\ndtt(u) = {equation}\n{wall}\n"
        "initial u = exp(-60*(x^2 + y^2 + z^2))\ninitial dt(u) = 0\ngrid x: {n}, y: {n}, z: {n}\norder 4\nmarch rk4, steps: 30\n"
    )
    for equation in ("lap(u)", "div(grad(u))", "lap(u) - u"):
        stated = text.replace("{equation}", equation)
        wanted = middle(pulse(stated.replace("{wall}", "boundary u = 0"), 1.2, 15), 12)
        errors = []
        for width in (0.2, 0.4, 0.8):
            found = pulse(stated.replace("{wall}", f"boundary absorbing({width})"), 0.4 + width, 15)
            errors.append(float((middle(found, 12) - wanted).abs().max()))
        assert errors[0] > 4 * errors[1] > 80 * errors[2], (equation, errors)


@pytest.mark.parametrize(
    ("equation", "boundary"),
    [
        ("lap(u)", "boundary absorbing(0.25)"),
        ("div((1 + x^2)*grad(u)) - u", "boundary absorbing(0.25)"),
        ("(2 + tanh(x))*dxx(u) + dyy(u) - 3*u", "boundary x: absorbing(0.25)\nboundary y: periodic"),
        ("lap(u)", "boundary x: absorbing(0.3)\nboundary y = -0.5: u = 0\nboundary y = 0.5: dn(u) = 0"),
    ],
)
@pytest.mark.parametrize("order", [2, 4])
def test_nothing_grows(equation: str, boundary: str, order: int) -> None:
    """No eigenvalue of the closed operator has a positive real part, and rough data are gone after a long time."""
    n = 10
    text = (
        f"coordinates x, y in [-0.5, 0.5], t in [0, 1]\nfield u(x, y, t)\ndtt(u) = {equation}\n{boundary}\n"
        f"initial u = 0\ninitial dt(u) = 0\ngrid x: {n}, y: {n}\norder {order}\nmarch rk4, steps: 100\n"
    )
    _, net = compiled(text)
    channels = sum(width for _, width, _ in net.FIELDS.values())
    unit = torch.eye(channels * n * n, dtype=torch.float64).reshape(-1, channels, n, n)
    with torch.no_grad():
        matrix = net.rhs(unit, net.coefficients()).reshape(len(unit), -1).T.numpy()
    assert np.linalg.eigvals(matrix).real.max() < 1e-9
    start = np.zeros(len(matrix))
    start[: 2 * n * n] = np.random.default_rng(0).normal(size=2 * n * n)
    power = expm(matrix)
    for _ in range(13):  # to t = 8192
        power = power @ power
    assert np.abs(power @ start).max() < 1e-3 * np.abs(start).max()


def test_the_energy_of_a_wave_is_gone() -> None:
    text = (
        "coordinates x, y in [-1, 1], t in [0, 4]\nfield u(x, y, t)\nlearn c(x, y) = 1 > 0\ndtt(u) = c^2*lap(u)\n"
        "boundary absorbing(0.5)\ninitial u = exp(-60*(x^2 + y^2))\ninitial dt(u) = 0\ngrid x: 60, y: 60\norder 4\n"
        "march rk4, dt: auto\noutput energy(t) = integral(dt(u)^2 + dx(u)^2 + dy(u)^2, x, y)\n"
    )
    _, net = compiled(text)
    with torch.no_grad():
        energy = net()[0]
    assert float(energy.max()) < 1.2 * float(energy[0])  # these differences are not those that the scheme keeps
    assert float(energy[-1]) < 1e-3 * float(energy[0])  # waves in a plane have a wake


def test_what_layers_add_is_not_asked_for() -> None:
    text = (
        "coordinates x in [0, 1], t in [0, 1]\nfield u(x, t)\nlet u_layer_x = 2\ndtt(u) = dxx(u)/u_layer_x\n"
        "boundary absorbing(0.2)\ninitial u = x\ninitial dt(u) = 0\ngrid x: 40\nmarch crank_nicolson, steps: 50\n"
    )
    compilation, net = compiled(text)
    assert [u.field for u in compilation.scheme.system.unknowns if is_of_layers(compilation.scheme.system, u)] == [
        "u_layer_x_"
    ]
    one = torch.ones(3, 40, dtype=torch.float64)
    state = net.pack(u=one, **{"dt(u)": one})
    assert state.shape == (3, 3, 40)
    assert float(state[:, 2].abs().max()) == 0
    assert torch.isfinite(net.march(state)).all()


def test_what_has_no_matched_layer_is_damped() -> None:
    text = (
        "coordinates x in [0, 1], t in [0, 1]\nfield u(x, t), v(x, t)\ndtt(u) = dxx(u) + dxx(v)\ndtt(v) = dxx(v)\n"
        "boundary absorbing(0.2)\ninitial u = x\ninitial dt(u) = 0\ninitial v = x\ninitial dt(v) = 0\ngrid x: 40\n"
        "march crank_nicolson, steps: 50\n"
    )
    compilation, _ = compiled(text)
    added = [u.field for u in compilation.scheme.system.unknowns if is_of_layers(compilation.scheme.system, u)]
    assert added == ["v_layer_x"]
