"""Stiff, nonlinear and long marches against exact solutions, invariants and each other, in float64."""

from __future__ import annotations

import math

import pytest
import torch

from tests.comparison import EXAMPLES, compiled
from tests.exact.test_exact_solutions import cells, observed


@pytest.mark.parametrize("scheme", ["etdrk2", "sbdf2"])
def test_cahn_hilliard_keeps_its_mass_and_loses_energy(scheme: str) -> None:
    text = (EXAMPLES / "cahn_hilliard.npde").read_text()
    _, net = compiled(text.replace("march etdrk2, dt: 0.05", f"march {scheme}, dt: 0.05"))
    with torch.no_grad():
        c = net.march(every=50)[0, :, 0]
    mass = c.sum((1, 2))
    assert float((mass - mass[0]).abs().max()) <= 1e-12 * float(c[0].abs().sum())
    slopes = sum((c - c.roll(1, axis)) ** 2 for axis in (1, 2))
    energy = (c**4 / 4 - c**2 / 2 + 0.25 * slopes).sum((1, 2))  # spacing 1, kappa/2 = 1/4
    assert bool((energy.diff() < 0).all())
    assert float(c[-1].abs().max()) > 0.9  # it has separated


TURNS = [
    ("strang", ((96, 1800), (128, 4267), (160, 8333)), 3e-3),
    ("etdrk4", ((112, 1250), (144, 1822), (192, 2806)), 1e-4),
]
"""Cells and steps, which grow so that the error in time, of order 2 or 4, falls at the order in space, 6; what is left of it."""


@pytest.mark.parametrize(("scheme", "runs", "limit"), TURNS)
def test_a_soliton_turns_ten_times(scheme: str, runs: tuple[tuple[int, int], ...], limit: float) -> None:
    """psi = sech(x) e^{it/2} has the period 4 pi."""
    errors = []
    for n, steps in runs:
        text = (
            "coordinates x in [-14, 14], t in [0, 40*pi]\nfield psi(x, t) complex\n"
            "i*dt(psi) = -1/2*dxx(psi) - abs2(psi)*psi\nboundary periodic\ninitial psi = sech(x)\n"
            f"grid x: {n}\norder 6\nmarch {scheme}, steps: {steps}\n"
        )
        _, net = compiled(text)
        with torch.no_grad():
            start = net.initial_state()
            errors.append(float((net.march(start) - start).abs().max()))
    order = math.log(errors[-2] / errors[-1]) / math.log(runs[-1][0] / runs[-2][0])
    assert order > 5.7, errors
    assert errors[-1] < limit


@pytest.mark.parametrize("state", [0, 1, 2])
@pytest.mark.parametrize("scheme", ["crank_nicolson", pytest.param("sbdf2", marks=pytest.mark.slow), "leapfrog"])
def test_eigenstates_of_the_oscillator_only_turn(scheme: str, state: int) -> None:
    hermite = ("1", "sqrt(2)*x", "(2*x^2 - 1)/sqrt(2)")[state]
    errors = []
    for n, steps in ((48, 400), (96, 1600)):
        text = (
            "coordinates x in [-8, 8], t in [0, 2]\nfield psi(x, t) complex\nlet V(x) = x^2/2\n"
            f"i*dt(psi) = -1/2*dxx(psi) + V*psi\nboundary psi = 0\ninitial psi = {hermite}*exp(-x^2/2)/pi^(1/4)\n"
            f"grid x: {n}\norder 4\nmarch {scheme}, steps: {steps}\n"
        )
        _, net = compiled(text)
        with torch.no_grad():
            start = net.initial_state()[0, 0]
            end = net.march()[0]
        angle = (state + 0.5) * 2
        wanted = torch.stack((start * math.cos(angle), -start * math.sin(angle)))
        errors.append(float((end - wanted).abs().max()))
    assert observed(errors) > 3.7
    assert errors[-1] < 2e-3


@pytest.mark.parametrize("a", [0.2, -1.0])
@pytest.mark.parametrize(
    "scheme",
    ["sbdf2", *(pytest.param(s, marks=pytest.mark.slow) for s in ("cnab2", "crank_nicolson", "bdf2", "strang"))],
)
def test_a_front_travels(scheme: str, a: float) -> None:
    """u = (1 - tanh((x - c t)/(2 sqrt 2)))/2 solves u_t = u_xx + u (1 - u)(u - a) with c = (1/2 - a) sqrt 2: Nagumo's equation,
    and that of Allen and Cahn for a = -1."""
    errors = []
    for steps in (20, 40):
        text = (
            f"coordinates x in [-16, 20], t in [0, 3]\nfield u(x, t)\ndt(u) = dxx(u) + u*(1 - u)*(u - ({a}))\n"
            "boundary dn(u) = 0\ninitial u = (1 - tanh(x/(2*sqrt(2))))/2\ngrid x: 120\norder 4\n"
            f"march {scheme}, steps: {steps}\n"
        )
        _, net = compiled(text)
        x = cells(120, -16, 20, False)
        exact = (1 - torch.tanh((x - 3 * (0.5 - a) * math.sqrt(2)) / (2 * math.sqrt(2)))) / 2
        with torch.no_grad():
            errors.append(float((net.march()[0, 0] - exact).abs().max()))
    assert errors[-1] < 4e-3
    assert observed(errors) > 1.85 or errors[-1] < 1e-5, errors  # the grid leaves 4e-6


STIFF = {
    "Kuramoto-Sivashinsky": (
        "coordinates x in [0, 32*pi], t in [0, 20]\nfield u(x, t)\ndt(u) = -dx(u^2)/2 - dxx(u) - d(u, x, 4)\n"
        "boundary periodic\ninitial u = cos(x/16)*(1 + sin(x/16))\ngrid x: 256\n"
    ),
    "Allen-Cahn": (
        "coordinates x in [0, 1], t in [0, 5]\nfield u(x, t)\ndt(u) = 0.01*dxx(u) + u - u^3\n"
        "boundary periodic\ninitial u = 0.5*sin(2*pi*x) + 0.3*cos(6*pi*x)\ngrid x: 256\n"
    ),
}  # fmt: skip


@pytest.mark.parametrize("scheme", ["etdrk4", pytest.param("sbdf2", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", sorted(STIFF))
def test_stiff_problems_are_marched_at_fifty_times_the_explicit_step(name: str, scheme: str) -> None:
    """The explicit step is that of `dt: auto` for rk4, and the reference is rk4's march with it."""
    explicit, fine = compiled(f"{STIFF[name]}march rk4, dt: auto\n")
    _, net = compiled(f"{STIFF[name]}march {scheme}, steps: {explicit.scheme.steps // 50}\n")
    with torch.no_grad():
        found, wanted = net.march()[0, 0], fine.march()[0, 0]
    error = float((found - wanted).abs().max() / wanted.abs().max())
    assert error < {"etdrk4": 1e-4, "sbdf2": 3e-2}[scheme], error
