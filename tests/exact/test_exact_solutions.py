"""Marches against exact solutions and invariants, in float64."""

from __future__ import annotations

import math

import pytest
import torch

from tests.comparison import compiled


def error(net: torch.nn.Module, exact: torch.Tensor, channel: int = 0) -> float:
    with torch.no_grad():
        return float((net()[0, channel] - exact).abs().max())


def cells(n: int, lower: float, upper: float, periodic: bool) -> torch.Tensor:
    return lower + (upper - lower) / n * (torch.arange(n, dtype=torch.float64) + (0 if periodic else 0.5))


def observed(errors: list[float]) -> float:
    return math.log2(errors[-2] / errors[-1])


@pytest.mark.parametrize(("order", "grids"), [(2, (16, 32, 64)), (4, (16, 32, 64)), (6, (24, 48, 96))])
def test_a_heat_mode_between_cold_walls_decays_at_the_exact_rate(order: int, grids: tuple[int, ...]) -> None:
    errors = []
    for n in grids:
        text = (
            "coordinates x in [0, 1], t in [0, 0.02]\nfield u(x, t)\ndt(u) = dxx(u)\nboundary u = 0\n"
            f"initial u = sin(2*pi*x)\ngrid x: {n}\norder {order}\nmarch rk4, steps: {n * n // 6}\n"
        )
        _, net = compiled(text)
        x = cells(n, 0, 1, False)
        errors.append(error(net, math.exp(-4 * math.pi**2 * 0.02) * torch.sin(2 * math.pi * x)))
    assert observed(errors) > order - 0.2


@pytest.mark.parametrize("order", [2, 4])
def test_sound_in_a_room_with_hard_walls(order: int) -> None:
    """p = cos(πx) cos(2πy) cos(ωt), ω² = 5π²; the velocity is odd and the pressure even at the walls."""
    frequency, errors = math.sqrt(5) * math.pi, []
    for n in (16, 32, 64):
        text = (
            "coordinates x, y in [0, 1], t in [0, 1]\nfield p(x, y, t), u(x, y, t), v(x, y, t)\n"
            "dt(p) = -dx(u) - dy(v)\ndt(u) = -dx(p)\ndt(v) = -dy(p)\n"
            "boundary x: u = 0, dn(p) = 0\nboundary y: v = 0, dn(p) = 0\n"
            "initial p = cos(pi*x)*cos(2*pi*y)\ninitial u = 0\ninitial v = 0\n"
            f"grid x: {n}, y: {n}\norder {order}\nmarch rk4, steps: {4 * n}\n"
        )
        compilation, net = compiled(text)
        assert compilation.graph.scheme.space_order == order
        x = cells(n, 0, 1, False)
        mode = torch.cos(math.pi * x)[:, None] * torch.cos(2 * math.pi * x)
        errors.append(error(net, math.cos(frequency) * mode))
        assert abs(float(net()[0, 0].sum())) < 1e-12 * n * n
    assert observed(errors) > order - 0.2


@pytest.mark.parametrize("order", [2, 4])
def test_light_between_conductors(order: int) -> None:
    """E = sin(πx) sin(2πy) cos(ωt), ω² = 5π²: E is odd at a conductor, the magnetic field along it even."""
    errors = []
    for n in (16, 32, 64):
        text = (
            "coordinates x, y in [0, 1], t in [0, 1]\nfield E(x, y, t), Hx(x, y, t), Hy(x, y, t)\n"
            "dt(E) = dx(Hy) - dy(Hx)\ndt(Hx) = -dy(E)\ndt(Hy) = dx(E)\n"
            "boundary x: E = 0, dn(Hy) = 0\nboundary y: E = 0, dn(Hx) = 0\n"
            "initial E = sin(pi*x)*sin(2*pi*y)\ninitial Hx = 0\ninitial Hy = 0\n"
            f"grid x: {n}, y: {n}\norder {order}\nmarch rk4, steps: {4 * n}\n"
        )
        compilation, net = compiled(text)
        assert compilation.graph.scheme.space_order == order
        x = cells(n, 0, 1, False)
        mode = torch.sin(math.pi * x)[:, None] * torch.sin(2 * math.pi * x)
        errors.append(error(net, math.cos(math.sqrt(5) * math.pi) * mode))
    assert observed(errors) > order - 0.2


def test_walls_that_mirror_what_is_not_symmetric_claim_and_keep_order_2() -> None:
    """A speed of sound that varies across the wall, against a finer grid."""
    found = []
    for n in (20, 60, 180):
        text = (
            "coordinates x in [0, 1], t in [0, 1/2]\nfield p(x, t), v(x, t)\ndt(p) = -(1 + x)*dx(v)\ndt(v) = -dx(p)\n"
            f"boundary v = 0, dn(p) = 0\ninitial p = exp(-40*(x - 1/2)^2)\ninitial v = 0\ngrid x: {n}\norder 4\n"
            "march rk4, steps: 800\n"
        )
        compilation, net = compiled(text)
        assert compilation.graph.scheme.space_order == 2
        with torch.no_grad():
            found.append(net()[0, 0])
    coarse, middle, fine = (state[i :: 3**k] for k, (state, i) in enumerate(zip(found, (0, 1, 4), strict=True)))
    ratio = float((coarse - fine).abs().max() / (middle - fine).abs().max())
    assert ratio > 3**1.8


@pytest.mark.parametrize(("order", "grids"), [(2, (32, 64)), (4, (40, 80)), (6, (56, 112))])
def test_a_heat_kernel_spreads(order: int, grids: tuple[int, ...]) -> None:
    """exp(-r²/(4 (t + s)))/(t + s) solves u_t = lap(u) in the plane; the box is wide enough for it to vanish at the walls."""
    start, end = 0.25, 0.5
    errors = []
    for n in grids:
        text = (
            f"coordinates x in [-7, 7], y in [-6, 8], t in [{start}, {end}]\nfield u(x, y, t)\ndt(u) = lap(u)\n"
            f"boundary x: periodic\nboundary y: u = 0\ninitial u = exp(-(x^2 + y^2)/{4 * start})/{start}\n"
            f"grid x: {n}, y: {n}\norder {order}\nmarch rk4, steps: {n * n // 48}\n"
        )
        _, net = compiled(text)
        x, y = cells(n, -7, 7, True), cells(n, -6, 8, False)
        r2 = x[:, None] ** 2 + y**2
        errors.append(error(net, torch.exp(-r2 / (4 * end)) / end))
    assert observed(errors) > order - 0.2, errors


def test_d_alembert() -> None:
    errors = []
    for n in (64, 128, 256):
        text = (
            "coordinates x in [0, 1], t in [0, 0.75]\nfield u(x, t)\nlet w(x) = exp(50*(cos(2*pi*(x - 0.3)) - 1))\n"
            "dtt(u) = dxx(u)\nboundary periodic\ninitial u = w\ninitial dt(u) = 0\n"
            f"grid x: {n}\nmarch leapfrog, steps: {2 * n}\n"
        )
        _, net = compiled(text)
        x = cells(n, 0, 1, True)
        pulse = lambda y: torch.exp(50 * (torch.cos(2 * math.pi * (y - 0.3)) - 1))  # noqa: E731
        errors.append(error(net, (pulse(x - 0.75) + pulse(x + 0.75)) / 2))
    assert observed(errors) > 1.8


def test_the_soliton_of_the_example_keeps_its_shape() -> None:
    errors = []
    for n, steps in ((128, 250), (256, 1000)):
        text = (
            "coordinates x in [-20, 20], t in [0, 5]\nfield psi(x, t) complex\n"
            "i*dt(psi) = -1/2*dxx(psi) - abs2(psi)*psi\nboundary periodic\ninitial psi = sech(x)*exp(i*x/2)\n"
            f"grid x: {n}\norder 4\nmarch strang, steps: {steps}\n"
        )
        _, net = compiled(text)
        x = cells(n, -20, 20, True)
        envelope = 1 / torch.cosh(x - 2.5)
        errors.append(error(net, envelope * torch.cos(x / 2 + 5 * 3 / 8)))
    assert observed(errors) > 3.7  # steps fall with the square of the spacing, so order 4 shows in space
    assert errors[-1] < 3e-3


def test_the_ground_state_of_the_oscillator_only_turns() -> None:
    errors = []
    for n, steps in ((64, 100), (128, 200)):
        text = (
            "coordinates x in [-8, 8], t in [0, 2]\nfield psi(x, t) complex\nlet V(x) = x^2/2\n"
            "i*dt(psi) = -1/2*dxx(psi) + V*psi\nboundary periodic\ninitial psi = exp(-x^2/2)/pi^(1/4)\n"
            f"grid x: {n}\nmarch crank_nicolson, steps: {steps}\n"
        )
        _, net = compiled(text)
        x = cells(n, -8, 8, True)
        errors.append(error(net, torch.exp(-(x**2) / 2) / math.pi**0.25 * math.cos(1.0)))
    assert observed(errors) > 1.8


def test_crank_nicolson_keeps_the_norm_over_ten_thousand_steps() -> None:
    text = (
        "coordinates x in [-10, 10], t in [0, 200]\nfield psi(x, t) complex\nlearn V(x) = x^2/2\n"
        "i*dt(psi) = -1/2*dxx(psi) + V*psi\nboundary periodic\ninitial psi = exp(-(x + 3)^2 + 2*i*x)\n"
        "grid x: 32\nmarch crank_nicolson, steps: 10000\n"
    )
    _, net = compiled(text)
    with torch.no_grad():
        start = net.initial_state()
        end = net(start)
    assert abs(float((end**2).sum() / (start**2).sum()) - 1) < 1e-10


def test_flux_form_keeps_the_mass() -> None:
    text = (
        "coordinates x, y in [0, 1], t in [0, 1]\nfield u(x, y, t)\nlearn a(x, y) = 1 > 0\n"
        "dt(u) = 0.01*div(a*(1 + u^2)*grad(u))\nboundary periodic\ninitial u = sin(2*pi*x)*cos(2*pi*y) + 0.3\n"
        "grid x: 12, y: 10\norder 4\nmarch rk4, steps: 1000\n"
    )
    _, net = compiled(text)
    with torch.no_grad():
        net.a = 1 + 0.5 * torch.rand(12, 10, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        start = net.initial_state()
        end = net(start)
    assert abs(float(end.sum() - start.sum())) < 1e-12 * float(start.abs().sum())
    assert float(end.std()) < 0.9 * float(start.std())


def test_leapfrog_energy_has_no_trend() -> None:
    text = (
        "coordinates x in [0, 1], t in [0, 50]\nfield u(x, t)\ndtt(u) = dxx(u)\nboundary u = 0\n"
        "initial u = sin(pi*x) + 0.3*sin(3*pi*x)\ninitial dt(u) = 0\ngrid x: 32\nmarch leapfrog, steps: 4000\n"
    )
    _, net = compiled(text)
    with torch.no_grad():
        frames = net(every=10)[0]
    u, v = frames[:, 0], frames[:, 1]
    walls = torch.cat((-u[:, :1], u, -u[:, -1:]), dim=1)
    energy = (v**2).sum(1) / 64 + ((walls.diff(dim=1) * 32) ** 2)[:, 1:-1].sum(1) / 64
    energy += ((walls.diff(dim=1) * 32) ** 2)[:, [0, -1]].sum(1) / 128
    time = torch.linspace(-1, 1, len(energy), dtype=torch.float64)
    slope = float((energy * time).sum() / (time**2).sum())
    assert abs(slope) < 1e-3 * float(energy.mean())
    assert float(energy.max() / energy.min()) < 1.1


def test_gray_scott_rests_in_its_homogeneous_state() -> None:
    text = (
        "coordinates x, y in [0, 1], t in [0, 10]\nfield u(x, y, t), v(x, y, t)\n"
        "dt(u) = 2e-5*lap(u) - u*v^2 + 0.04*(1 - u)\ndt(v) = 1e-5*lap(v) + u*v^2 - 0.1*v\n"
        "boundary periodic\ninitial u = 1\ninitial v = 0\ngrid x: 8, y: 8\nmarch euler, dt: 1\n"
    )
    _, net = compiled(text)
    with torch.no_grad():
        end = net()
    assert torch.equal(end, net.initial_state())
