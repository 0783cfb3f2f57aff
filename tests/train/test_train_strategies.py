"""Adam and L-BFGS by themselves: their formulas, their schedules, their line search."""

from __future__ import annotations

from math import cos, exp, inf, pi

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from npde.train import Adam, Lbfgs, Network, Task, fit, supervised, trajectories
from npde.train.linesearch import CURVATURE, DECREASE, Point, strong_wolfe
from npde.train.loss import MeanSquare

# --- line search ------------------------------------------------------------------------------------------------------

CURVES = {
    "parabola": (lambda a: (a - 3) ** 2, lambda a: 2 * (a - 3)),
    "far": (lambda a: (a - 300) ** 2, lambda a: 2 * (a - 300)),
    "near": (lambda a: (a - 1e-4) ** 2, lambda a: 2 * (a - 1e-4)),
    "quartic": (lambda a: (a - 2) ** 4 - a, lambda a: 4 * (a - 2) ** 3 - 1),
    "well": (lambda a: -a / (a * a + 2), lambda a: (a * a - 2) / (a * a + 2) ** 2),
    "waves": (lambda a: -a * exp(-a / 5) + 0.3 * cos(4 * a), lambda a: (a / 5 - 1) * exp(-a / 5) - 1.2 * np.sin(4 * a)),
    "wall": (lambda a: -a if a < 0.7 else inf, lambda a: -1.0 if a < 0.7 else 0.0),
}


def search(curve, first):
    value, slope = CURVES[curve]
    tried = []

    def evaluate(step):
        tried.append(step)
        return Point(step, float(value(step)), float(slope(step)), torch.zeros(1))

    origin = evaluate(0.0)
    return origin, strong_wolfe(evaluate, origin, first), tried


@pytest.mark.parametrize("curve", [name for name in CURVES if name != "wall"])
@pytest.mark.parametrize("first", [1e-3, 0.1, 1.0, 30.0])
def test_the_line_search_meets_both_conditions(curve, first):
    origin, found, tried = search(curve, first)
    assert found.value <= origin.value + DECREASE * found.step * origin.slope
    assert abs(found.slope) <= CURVATURE * abs(origin.slope)
    assert len(tried) <= 20


@given(st.floats(0.01, 100), st.floats(0.01, 100), st.floats(1e-3, 1e3))
def test_the_line_search_meets_both_conditions_on_any_parabola(minimum, curvature, first):
    def evaluate(step):
        return Point(step, curvature * (step - minimum) ** 2, 2 * curvature * (step - minimum), torch.zeros(1))

    origin = evaluate(0.0)
    found = strong_wolfe(evaluate, origin, first)
    assert found.value <= origin.value + DECREASE * found.step * origin.slope
    assert abs(found.slope) <= CURVATURE * abs(origin.slope)


def test_the_line_search_stays_before_a_wall():
    _, found, _ = search("wall", 1.0)
    assert 0.3 < found.step < 0.7
    assert found.value < 0


# --- L-BFGS -----------------------------------------------------------------------------------------------------------


class Rosenbrock(torch.nn.Module):
    """Two outputs whose squares sum to Rosenbrock's function of (a, b): the minimum is at (1, 1)."""

    FIELDS = {"u": (0, 1, False)}
    INPUTS: dict = {"s": (1,)}
    STEPS, DT, START = 1, 1.0, 0.0

    def __init__(self):
        super().__init__()
        self.a = torch.nn.Parameter(torch.tensor(-1.2, dtype=torch.float64))
        self.b = torch.nn.Parameter(torch.tensor(1.0, dtype=torch.float64))

    def forward(self, s, state=None):
        residuals = torch.stack([1 - self.a, 10 * (self.b - self.a**2)])
        return residuals.expand(len(s), 2) * s


def rosenbrock():
    module = Rosenbrock()
    return module, supervised(module, {"s": np.ones((1, 1))}, {"y": np.zeros((1, 2))})


def test_lbfgs_solves_rosenbrock_s_valley():
    module, data = rosenbrock()
    run = fit(module, data, strategy=Lbfgs(tolerance=1e-12), epochs=60)
    assert run.stopped == "converged"
    assert len(run.history) <= 50
    assert float(module.a.detach()) == pytest.approx(1, abs=1e-8)
    assert float(module.b.detach()) == pytest.approx(1, abs=1e-8)
    losses = [record.loss for record in run.history]
    assert losses == sorted(losses, reverse=True)


def test_lbfgs_does_not_depend_on_the_scale_of_the_loss():
    steps = []
    for scale in (1.0, 1e-8):
        module, _ = rosenbrock()
        data = supervised(module, {"s": np.full((1, 1), scale)}, {"y": np.zeros((1, 2))})
        steps.append(len(fit(module, data, strategy=Lbfgs(tolerance=1e-10), epochs=80).history))
        assert float(module.a.detach()) == pytest.approx(1, abs=1e-6)
    assert abs(steps[0] - steps[1]) <= 5


def test_lbfgs_gives_the_same_whether_the_batch_is_cut_or_not(scores):
    torch.manual_seed(0)
    features, targets = torch.randn(30, 4), torch.randn(30, 3)
    ends = []
    for batch in (30, 7):
        module = type(scores)(dtype=torch.float64)
        data = supervised(module, {"features": features}, {"y": targets})
        fit(module, data, strategy="lbfgs", epochs=8, batch=batch)
        ends.append(module.linear_0.weight.detach().clone())
    torch.testing.assert_close(*ends, rtol=1e-6, atol=1e-8)


def test_lbfgs_finds_the_least_squares_solution(scores):
    generator = torch.Generator().manual_seed(4)
    module = scores.double()
    features = torch.randn(30, 4, generator=generator, dtype=torch.float64)
    targets = torch.randn(30, 3, generator=generator, dtype=torch.float64)
    fit(module, supervised(module, {"features": features}, {"y": targets}), strategy="lbfgs", epochs=100)
    design = torch.cat([features, torch.ones(30, 1, dtype=torch.float64)], dim=1)
    wanted = torch.linalg.lstsq(design, targets).solution
    torch.testing.assert_close(module.linear_0.weight.detach(), wanted[:4].T, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(module.linear_0.bias.detach(), wanted[4], rtol=1e-5, atol=1e-6)


# --- Adam -------------------------------------------------------------------------------------------------------------


def test_rates_of_the_schedules():
    cosine = Adam(lr=2.0, schedule="cosine")
    assert [cosine.rate(k, 10, 5) for k in (0, 5)] == pytest.approx([2.0, 1 + cos(pi / 2)])
    assert cosine.rate(9, 10, 5) < 0.1
    assert [Adam(lr=2.0, schedule="constant").rate(k, 10, 5) for k in (0, 9)] == [2.0, 2.0]
    step = Adam(lr=2.0, schedule="step", every=3, factor=0.5)
    assert [step.rate(k, 100, 5) for k in (0, 14, 15, 30)] == [2.0, 2.0, 1.0, 0.5]
    warm = Adam(lr=2.0, schedule="cosine", warmup=0.2)
    rates = [warm.rate(k, 100, 5) for k in range(100)]
    assert rates[:20] == sorted(rates[:20])
    assert rates[20:] == sorted(rates[20:], reverse=True)
    assert max(rates) == pytest.approx(2.0)


def test_a_schedule_runs_over_the_whole_fit(scores):
    data = supervised(scores, {"features": torch.eye(4)}, {"y": torch.ones(4, 3)})
    run = fit(scores, data, strategy=Adam(lr=0.5), epochs=4, batch=2)
    steps = [0.25 * (1 + cos(pi * step / 8)) for step in range(8)]
    assert [record.rate for record in run.history] == pytest.approx(steps[1::2])


def test_one_step_of_adam_by_hand(scores):
    """The first step is η g / (|g| + ε√…), whatever the size of g."""
    features, targets = torch.eye(4), torch.ones(4, 3)
    before = scores.linear_0.bias.detach().clone()
    data = supervised(scores, {"features": features}, {"y": targets})
    fit(scores, data, strategy=Adam(lr=0.01, schedule="constant"), epochs=1, batch=4)
    moved = scores.linear_0.bias.detach() - before
    torch.testing.assert_close(moved.abs(), torch.full((3,), 0.01), rtol=1e-4, atol=0)


def test_minibatches_add_up_to_the_full_gradient(scores):
    """With every batch the loss is the mean over its items: two halves weigh as much as the whole."""
    generator = torch.Generator().manual_seed(4)
    data = supervised(
        scores, {"features": torch.randn(12, 4, generator=generator)}, {"y": torch.randn(12, 3, generator=generator)}
    )
    network = Network(scores)
    task = Task(network, data, MeanSquare(), dict(scores.named_parameters()), 1, 6, 0)
    parts = [float(task.loss_of(batch).detach()) for batch in task.minibatches(1)]
    (whole,) = data.in_order(12, network.like)
    assert np.mean(parts) == pytest.approx(float(task.loss_of(whole).detach()), rel=1e-6)


def test_clipping_bounds_the_step_of_plain_descent(scores):
    """Gradients are clipped by their common norm before Adam sees them: its moments show it."""
    features, targets = 100 * torch.eye(4), torch.full((4, 3), 1e4)
    data = supervised(scores, {"features": features}, {"y": targets})
    task = Task(Network(scores), data, MeanSquare(), dict(scores.named_parameters()), 1, 4, 0)
    solver = Adam(clip=1.0).begin(task)
    progress = solver.epoch(1)
    assert progress.gradient_norm > 100
    moments = torch.cat([entry["exp_avg"].flatten() for entry in solver.state().values()])
    assert float(moments.norm()) == pytest.approx(0.1, rel=1e-4)


def test_weight_decay_leaves_physical_values_alone(front):
    module = front(0.3, 1.0)
    with torch.no_grad():
        states = module.march(steps=2, every=1)
    data = trajectories(module, {"u": states[:, :, 0]}, [0, 0.1, 0.2])
    fit(module, data, strategy=Adam(lr=1e-8, weight_decay=1e6), epochs=5)
    assert float(module.D.detach()) == pytest.approx(0.3, rel=1e-5)


def test_weight_decay_shrinks_weights_and_not_biases(scores):
    features, targets = torch.zeros(4, 4), torch.zeros(4, 3)
    with torch.no_grad():
        scores.linear_0.bias.fill_(1.0)
    before = scores.linear_0.weight.detach().clone()
    data = supervised(scores, {"features": features}, {"y": targets})
    options = Adam(lr=0.01, weight_decay=0.1, schedule="constant")
    fit(scores, data, strategy=options, epochs=1)
    torch.testing.assert_close(scores.linear_0.weight.detach(), before * (1 - 0.001))
    torch.testing.assert_close(scores.linear_0.bias.detach(), torch.full((3,), 0.99))
