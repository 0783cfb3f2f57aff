"""Learning through a solve: coefficients of steady equations from observed solutions."""

from __future__ import annotations

from pathlib import Path

import torch

import npde
from npde.train import evaluate, fit, solutions

HELMHOLTZ = Path(__file__).parents[2] / "examples" / "helmholtz.npde"


def test_the_index_of_refraction_is_found_from_the_field() -> None:
    model = npde.load(HELMHOLTZ)
    how = {"grid": {"x": 24, "y": 24}, "set": {"k": 20}, "dtype": torch.float64}
    net, truth = model.compile(**how), model.compile(**how)
    x = (torch.arange(24, dtype=torch.float64) + 0.5) / 24
    bump = 0.2 * torch.exp(-40 * ((x[:, None] - 0.6) ** 2 + (x - 0.5) ** 2))
    with torch.no_grad():
        truth.n = 1 + bump
        data = solutions(net, {"u": truth.unpack(truth())["u"]})
    before = evaluate(net, data).errors["u"].relative_l2
    fit(net, data, strategy="lbfgs", loss="relative_l2", epochs=15)
    assert evaluate(net, data).errors["u"].relative_l2 < 0.1 * before
    with torch.no_grad():
        inside = (slice(8, 20), slice(8, 16))
        assert float((net.n - truth.n)[inside].norm()) < 0.5 * float(bump[inside].norm())


def test_each_sample_has_its_own_solution() -> None:
    text = "coordinates x in [0, 1]\nfield u(x)\nlearn D = 2 > 0\ninput s(x)\nD*dxx(u) - u^3 = s\nboundary u = 0\ngrid x: 16\n"
    net = npde.parse(text).compile(dtype=torch.float64)
    s = torch.linspace(-3, 3, 5, dtype=torch.float64)[:, None] * torch.ones(16, dtype=torch.float64)
    with torch.no_grad():
        net.D = 0.5
        data = solutions(net, {"u": net(s)[:, 0]}, inputs={"s": s})
        net.D = 2.0
    fit(net, data, strategy="lbfgs", epochs=20)
    assert abs(float(net.D.detach()) - 0.5) < 1e-4
