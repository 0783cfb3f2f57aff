"""dopri5 as emitted: against SciPy's, its error against the tolerance, times that are asked for, batches, gradients."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from tests.comparison import compiled

Rate = Callable[[float, np.ndarray], list[float]]

SYSTEMS: dict[str, tuple[str, float, Rate, list[float]]] = {
    "decay": ("field u(t)\ndt(u) = -u", 5, lambda t, y: [-y[0]], [1.0]),
    "logistic": ("field u(t)\ndt(u) = 3*u*(1 - u)", 4, lambda t, y: [3 * y[0] * (1 - y[0])], [0.1]),
    "clock": ("field u(t)\ndt(u) = cos(3*t)*u - sin(t)", 6, lambda t, y: [math.cos(3 * t) * y[0] - math.sin(t)], [1.0]),
    "oscillator": ("field u(t), v(t)\ndt(u) = v\ndt(v) = -4*u", 6, lambda t, y: [y[1], -4 * y[0]], [1.0, 0.0]),
    "van der Pol": ("field u(t), v(t)\ndt(u) = v\ndt(v) = 3*(1 - u^2)*v - u", 8,
                    lambda t, y: [y[1], 3 * (1 - y[0] ** 2) * y[1] - y[0]], [2.0, 0.0]),
    "Lotka-Volterra": ("field u(t), v(t)\ndt(u) = u*(1.5 - v)\ndt(v) = v*(u - 3)", 8,
                       lambda t, y: [y[0] * (1.5 - y[1]), y[1] * (y[0] - 3)], [1.0, 1.0]),
    "Brusselator": ("field u(t), v(t)\ndt(u) = 1 + u^2*v - 4*u\ndt(v) = 3*u - u^2*v", 10,
                    lambda t, y: [1 + y[0] ** 2 * y[1] - 4 * y[0], 3 * y[0] - y[0] ** 2 * y[1]], [1.5, 3.0]),
    "pendulum": ("field u(t), v(t)\ndt(u) = v\ndt(v) = -sin(u) - 0.2*v + 0.5*cos(t)", 10,
                 lambda t, y: [y[1], -math.sin(y[0]) - 0.2 * y[1] + 0.5 * math.cos(t)], [1.0, 0.0]),
    "Lorenz": ("field u(t), v(t), w(t)\ndt(u) = 10*(v - u)\ndt(v) = u*(28 - w) - v\ndt(w) = u*v - 8/3*w", 2,
               lambda t, y: [10 * (y[1] - y[0]), y[0] * (28 - y[2]) - y[1], y[0] * y[1] - 8 / 3 * y[2]], [1.0, 1.0, 1.0]),
    "Euler's body": ("field u(t), v(t), w(t)\ndt(u) = v*w\ndt(v) = -u*w\ndt(w) = -0.51*u*v", 12,
                     lambda t, y: [y[1] * y[2], -y[0] * y[2], -0.51 * y[0] * y[1]], [0.0, 1.0, 1.0]),
}  # fmt: skip


def march(name: str, tolerance: str, steps: int = 7) -> np.ndarray:
    """[steps + 1, C]."""
    equations, end, _, start = SYSTEMS[name]
    initial = "\n".join(f"initial {u} = {v}" for u, v in zip("uvw", start, strict=False))
    text = (
        f"coordinates t in [0, {end}]\n{equations}\n{initial}\nmarch dopri5, steps: {steps}, tolerance: {tolerance}\n"
    )
    _, net = compiled(text)
    with torch.no_grad():
        return net.march(every=1)[0].numpy()


@pytest.mark.parametrize("name", SYSTEMS)
def test_ten_systems_against_scipy(name: str) -> None:
    """Errors against an eighth-order reference are those of SciPy's RK45 (the same pair, without the PI controller), at most ten
    times as large, at every time that was asked for."""
    _, end, rate, start = SYSTEMS[name]
    times = np.linspace(0, end, 8)
    exact = solve_ivp(rate, (0, end), start, "DOP853", times, rtol=1e-13, atol=1e-13).y.T
    other = solve_ivp(rate, (0, end), start, "RK45", times, rtol=1e-7, atol=1e-7).y.T
    error, scipys = (np.abs(found - exact).max() for found in (march(name, "1e-7"), other))
    assert error <= 10 * max(scipys, 1e-7 * np.abs(exact).max())


@pytest.mark.parametrize("name", ["Lotka-Volterra", "clock"])
def test_the_error_follows_the_tolerance_over_six_decades(name: str) -> None:
    _, end, rate, start = SYSTEMS[name]
    exact = solve_ivp(rate, (0, end), start, "DOP853", np.linspace(0, end, 8), rtol=1e-13, atol=1e-13).y.T
    errors = [np.abs(march(name, f"1e-{k}") - exact).max() for k in range(4, 11)]
    slope = np.polyfit(np.arange(4, 11), -np.log10(errors), 1)[0]
    assert 0.8 < slope < 1.3, errors
    assert all(b < a for a, b in pairwise(errors))
    assert errors[-1] < 1e-8


def test_times_asked_for_do_not_change_the_steps() -> None:
    few, many = march("van der Pol", "1e-8", steps=2), march("van der Pol", "1e-8", steps=64)
    assert np.array_equal(few[-1], many[-1])
    assert np.abs(few[1] - many[32]).max() < 1e-12


FISHER = (
    "coordinates x in [0, 1], t in [0, 0.5]\nfield u(x, t)\nlearn D = 0.02 > 0, r = 2\ninput g(t)\n"
    "dt(u) = D*dxx(u) + r*u*(1 - u) + g\nboundary x = 0: u = t\nboundary x = 1: dn(u) = 0\n"
    "initial u = 0.3 + x\ngrid x: 12\nmarch dopri5, steps: 4, tolerance: 1e-10\n"
)


@pytest.mark.parametrize("network", ["cnn", "mlp", "rnn"])
def test_values_of_a_step_hold_for_all_of_it(network: str) -> None:
    """Against rk4 with the same values over finer steps."""
    _, net = compiled(FISHER, network)
    fine_text = FISHER.replace("dopri5, steps: 4, tolerance: 1e-10", "rk4, steps: 400")
    _, fine = compiled(fine_text, network)
    g = torch.tensor([[0.1, -0.5, 1.0, 0.0], [0.0, 0.3, 0.0, 2.0]], dtype=torch.float64)
    with torch.no_grad():
        found, wanted = net.march(g), fine.march(g.repeat_interleave(100, 1))
    assert float((found - wanted).abs().max()) < 1e-8


def test_one_step_size_a_batch_from_its_worst_sample() -> None:
    text = "coordinates t in [0, 1]\nfield u(t)\ninput k\ndt(u) = -k*u\ninitial u = 1\nmarch dopri5, steps: 1, tolerance: 1e-9\n"
    _, net = compiled(text)
    calls = []
    rate = net.rhs
    net.rhs = lambda *a: (calls.append(1), rate(*a))[1]
    counts = []
    for k in ([0.1], [40.0], [0.1, 40.0]):
        calls.clear()
        with torch.no_grad():
            net.march(torch.tensor(k, dtype=torch.float64))
        counts.append(len(calls))
    assert counts[0] < counts[1] == counts[2]


def test_gradients_are_those_of_the_accepted_steps() -> None:
    _, net = compiled(FISHER)
    g = torch.tensor([[0.1, -0.5, 1.0, 0.0]], dtype=torch.float64)
    start = net.initial_state(1).detach().requires_grad_()
    value = (net.march(g, start) ** 2).sum()
    slope_r, slope_u = torch.autograd.grad(value, (net.r, start))

    def at(shift: float, direction: torch.Tensor) -> float:
        with torch.no_grad():
            net.r += shift
            found = float((net.march(g, start.detach() + direction) ** 2).sum())
            net.r -= shift
        return found

    zero, h = torch.zeros_like(start), 1e-4
    assert float(slope_r) == pytest.approx((at(h, zero) - at(-h, zero)) / (2 * h), rel=1e-6)
    direction = torch.sin(torch.arange(12, dtype=torch.float64)).reshape(start.shape)
    wanted = (at(0, h * direction) - at(0, -h * direction)) / (2 * h)
    assert float((slope_u * direction).sum()) == pytest.approx(wanted, rel=1e-6)


def test_what_has_no_solution_beyond_a_time_is_an_error() -> None:
    _, net = compiled("coordinates t in [0, 2]\nfield u(t)\ndt(u) = u^2\ninitial u = 1\nmarch dopri5, steps: 2\n")
    with pytest.raises(RuntimeError, match="control of the step size did not converge"):
        net.march()
