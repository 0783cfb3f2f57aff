"""Training with modules that the compiler made: names, files, windows, watched bounds, runs that are opened again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import npde
from npde.diagnostics import DiagnosticError
from npde.train import Network, Warned, evaluate, fit, learnables, open_run, supervised, trajectories

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
GRID = {"grid": {"x": 24, "y": 24}, "march": "rk4,steps=60", "dtype": torch.float64}

SCHROEDINGER = """
model packet
coordinates x in [-8, 8], t in [0, 0.4]
field psi(x, t) complex
learn a = 0.5 in [0, 2]
i*dt(psi) = -1/2*dxx(psi) + a*x^2*psi
boundary periodic
initial psi = exp(-(x + 2)^2)
grid x: 64
march rk4, steps: 40
output density(x, t) = abs2(psi)
"""

DRIVEN = """
model driven
coordinates x in [0, 1], t in [0, 1]
field u(x, t)
learn g = 1
input s(t)
dt(u) = -u + g*s*cos(pi*x)
boundary dn(u) = 0
initial u = 0
grid x: 8
march heun, steps: 20
output y(t) = integral(u*cos(pi*x), x)
"""


def fisher(**more):
    return npde.load(EXAMPLES / "fisher.npde").compile(**GRID | more)


def observed(every=10, noise=0.01, D=0.3, r=1.4):
    """Frames of Fisher's equation and their times."""
    net = fisher(set={"D": D, "r": r})
    with torch.no_grad():
        states = net.march(steps=60, every=every)[:, :, 0].numpy()
    rng = np.random.default_rng(2)
    times = [net.DT * every * n for n in range(states.shape[1])]
    return states + noise * rng.normal(size=states.shape), times


def test_fisher_is_recovered_from_frames_with_one_percent_noise():
    frames, times = observed()
    net = fisher()
    data = trajectories(net, {"u": frames}, times)
    assert data.start == "file"
    run = fit(net, data, strategy="lbfgs", epochs=30)
    found = {row.name: row.estimate for row in run.table}
    assert found["D"] == pytest.approx(0.3, rel=0.02)
    assert found["r"] == pytest.approx(1.4, rel=0.02)


def test_a_start_is_told_from_noise():
    frames, times = observed()
    net = fisher()
    assert trajectories(net, {"u": frames}, times).start == "file"
    assert trajectories(net, {"u": np.roll(frames, 2, axis=2)}, times).start == "data"
    assert trajectories(net, {"u": frames[:, 1:]}, times[1:]).start == "data"
    x = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    smooth = frames + 0.05 * np.cos(x)[:, None] * np.cos(x)
    assert trajectories(net, {"u": smooth}, times).start == "data"
    wide = np.exp(-(np.linspace(-10, 10, 24)[:, None] ** 2 + np.linspace(-10, 10, 24) ** 2) / 3)
    assert trajectories(net, {"u": np.stack([wide, wide])[None]}, times[:2]).start == "data"


def test_a_run_is_opened_again_with_the_learned_values(tmp_path):
    frames, times = observed()
    net = fisher()
    run = fit(net, trajectories(net, {"u": frames}, times), strategy="lbfgs", epochs=5, run_dir=tmp_path / "run")
    again = open_run(tmp_path / "run")
    assert torch.equal(again.raw_D, net.raw_D)
    assert again.march(steps=1).dtype == torch.float64
    assert tuple(again.GRID) == (24, 24)
    assert again.STEPS == 60
    assert float(open_run(tmp_path / "run", "start").D.detach()) == pytest.approx(0.1)
    assert (tmp_path / "run" / "model.npde").read_text() == (EXAMPLES / "fisher.npde").read_text()
    assert run.path == tmp_path / "run"


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(DiagnosticError, match="N1108"):
        open_run(tmp_path)


def test_learnables_have_the_names_of_the_file():
    net = npde.load(EXAMPLES / "rows.npde").compile()
    assert [known.name for known in learnables(net)] == ["W", "g", "b", "D", "linear_0"]
    assert Network(net).weights == {"raw_W", "linear_0.weight"}


def test_a_march_that_blows_up_is_compared_with_the_bound():
    frames, times = observed()
    net = fisher()

    def push(record, module):
        if record.epoch == 2:
            module.D = 8.0

    with pytest.raises(DiagnosticError, match="N1101") as caught:
        fit(net, trajectories(net, {"u": frames}, times), lr=1e-3, epochs=6, callback=push)
    notes = caught.value.diagnostics[0].notes
    assert any("longer than the scheme is stable for" in note and "D = 8" in note for note in notes)


def test_a_step_beyond_its_bound_is_a_warning_once():
    frames, times = observed()
    net = fisher()
    events = []

    def nudge(record, module):
        module.D = 1.42

    data = trajectories(net, {"u": frames}, times)
    fit(net, data, lr=1e-9, epochs=4, reporter=events.append, callback=nudge)
    (warning,) = [event.diagnostic for event in events if isinstance(event, Warned)]
    assert warning.code == "N1121"
    assert "of epoch 2" in warning.message
    assert "'D' = 1.42" in warning.label


def test_windows_of_an_autonomous_model_share_batches_whatever_their_start():
    frames, times = observed()
    net = fisher()
    assert Network(net).is_autonomous
    data = trajectories(net, {"u": frames}, times, start="data").windows(2)
    assert len(data.groups) == 1
    assert data.batches(32) == 1
    assert evaluate(net, data).samples == 6
    driven = npde.parse(DRIVEN).compile()
    assert not Network(driven).is_autonomous
    forced = npde.parse(DRIVEN.replace("input s(t)\n", "").replace("g*s*", "g*sin(t)*")).compile()
    assert not Network(forced).is_autonomous
    cnn = npde.load(EXAMPLES / "parabolic_cnn.npde").compile()
    assert not Network(cnn).is_autonomous


def test_released_layers_train():
    frames, times = observed()
    net = fisher(free="kernels")
    data = trajectories(net, {"u": frames}, times)
    before = evaluate(net, data).loss
    run = fit(net, data, strategy="lbfgs", epochs=15)
    assert run.history[-1].loss < 0.1 * before
    assert len(run.values) > 1


def test_outputs_after_each_step_are_learned_from():
    truth = npde.parse(DRIVEN).compile(dtype=torch.float64, set={"g": 2.5})
    s = np.random.default_rng(0).normal(size=(6, 20))
    with torch.no_grad():
        y = truth(torch.as_tensor(s))
    net = npde.parse(DRIVEN).compile(dtype=torch.float64)
    run = fit(net, supervised(net, {"s": s}, {"y": y}), strategy="lbfgs", epochs=20)
    assert run.values["g"] == pytest.approx(2.5, rel=1e-6)
    assert evaluate(net, supervised(net, {"s": s}, y)).errors["y"].rmse < 1e-6


def test_a_complex_field_is_fitted_and_its_density_too():
    model = npde.parse(SCHROEDINGER)
    net = model.compile(dtype=torch.float64, set={"a": 0.8})
    with torch.no_grad():
        states = net.march(steps=40, every=10)
        density = net()
    psi = torch.complex(states[:, :, 0], states[:, :, 1])
    other = model.compile(dtype=torch.float64)
    fit(other, trajectories(other, {"psi": psi}, [0, 0.1, 0.2, 0.3, 0.4]), strategy="lbfgs", epochs=20)
    assert float(other.a.detach()) == pytest.approx(0.8, rel=1e-4)
    other = model.compile(dtype=torch.float64)
    fit(other, supervised(other, {}, {"density": density}), strategy="lbfgs", epochs=20)
    assert float(other.a.detach()) == pytest.approx(0.8, rel=1e-4)
