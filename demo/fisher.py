"""Fisher's equation run backwards: from a few noisy frames to the diffusivity and the growth rate that made them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

import npde
from demo.paths import example
from npde.files import read
from npde.files.trajectory import trajectory
from npde.train import Run, fit, silent

if TYPE_CHECKING:
    from npde.emit.live import LiveModule
    from npde.train import Reporter

TRUTH = {"D": 0.25, "r": 1.3}
NOISE = 0.01
"""Standard deviation of the noise; the field runs from 0 to 1."""
GRID: dict[str, Any] = {"grid": {"x": 64, "y": 64}, "march": "rk4,steps=200", "dtype": torch.float64}
EVERY = 20


@dataclass(frozen=True, eq=False)
class Recovered:
    """`frames` [T, x, y] is what was observed at `times`, `before` and `after` what the model says with its start values and with
    what it learned."""

    run: Run
    data: Path
    times: NDArray[np.float64]
    frames: NDArray[np.float64]
    before: NDArray[np.float64]
    after: NDArray[np.float64]

    @property
    def worst(self) -> float:
        """The largest relative error of the coefficients."""
        return max(abs(float(self.run.values[name]) / truth - 1) for name, truth in TRUTH.items())


def recover(folder: Path, reporter: Reporter = silent) -> Recovered:
    """Observe, forget, learn."""
    model = npde.load(example("fisher"))
    data = observe(model, folder / "fisher.h5")
    net = model.compile(**GRID)
    found = read(data, net.graph.scheme.system.problem)
    before = predicted(net)
    run = fit(net, found, strategy="lbfgs", epochs=40, run_dir=folder / "runs" / "fisher", reporter=reporter)
    assert found.times is not None
    return Recovered(run, data, found.times, found.fields["u"][0], before, predicted(net))


def observe(model: npde.Model, path: Path) -> Path:
    """Frames of a run with the true coefficients, with noise, as a data file."""
    net = model.compile(**GRID, set=TRUTH)
    with torch.no_grad():
        frames = net.march(steps=net.STEPS, every=EVERY)[:, :, 0].numpy()
    noise = NOISE * np.random.default_rng(1).standard_normal(frames.shape)
    with trajectory(path, net.graph.scheme, every=EVERY) as file:
        file.append({"u": frames + noise})
    return path


def predicted(net: LiveModule) -> NDArray[np.float64]:
    """Frames [T, x, y] of the model as it is."""
    with torch.no_grad():
        return net.march(steps=net.STEPS, every=EVERY)[0, :, 0].numpy()
