"""Beams and plates against textbook values (S. Timoshenko, Vibration Problems in Engineering; Timoshenko and Woinowsky-Krieger,
Theory of Plates and Shells), read off the emitted modules."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.comparison import compiled

BEAMS = [
    ("u = 0, dxx(u) = 0", "u = 0, dxx(u) = 0", (np.pi, 2 * np.pi, 3 * np.pi)),
    ("u = 0, dn(u) = 0", "u = 0, dn(u) = 0", (4.730040745, 7.853204624, 10.99560784)),
    ("u = 0, dn(u) = 0", "dxx(u) = 0, dn(dxx(u)) = 0", (1.875104069, 4.694091133, 7.854757438)),
    ("u = 0, dn(u) = 0", "u = 0, dxx(u) = 0", (3.926602312, 7.068582746, 10.21017612)),
]
"""Ends, and β of the lowest modes of u_tt = -u_xxxx on [0, 1]: frequencies are β²."""


@pytest.mark.parametrize(("lower", "upper", "wanted"), BEAMS)
@pytest.mark.parametrize(("order", "tolerance"), [(2, 2e-2), (4, 2e-3), (6, 4e-4)])
def test_frequencies_of_beams(lower: str, upper: str, wanted: tuple[float, ...], order: int, tolerance: float) -> None:
    cells = 24
    text = (
        f"coordinates x in [0, 1], t in [0, 1]\nfield u(x, t)\ndt(u) = -d(u, x, 4)\nboundary x = 0: {lower}\n"
        f"boundary x = 1: {upper}\ninitial u = 0\ngrid x: {cells}\norder {order}\nmarch crank_nicolson, steps: 1\n"
    )
    _, net = compiled(text)
    with torch.no_grad():
        matrix = net.rhs(torch.eye(cells, dtype=torch.float64)[:, None])[:, 0].numpy().T
    found = np.sort(-np.linalg.eigvals(matrix).real)[: len(wanted)] ** 0.25
    assert found == pytest.approx(wanted, rel=tolerance)


def test_a_supported_plate_under_a_wave_of_load() -> None:
    """lap(lap(w)) = sin(πx) sin(πy), simply supported: w = load/(4 π⁴), found by marching to rest."""
    text = (
        "coordinates x, y in [0, 1], t in [0, 1/20]\nfield w(x, y, t)\ndt(w) = sin(pi*x)*sin(pi*y) - lap(lap(w))\n"
        "boundary w = 0, lap(w) = 0\ninitial w = 0\ngrid x: 12, y: 12\norder 4\nmarch backward_euler, steps: 20\n"
    )
    _, net = compiled(text)
    with torch.no_grad():
        w = net.march()[0, 0].numpy()
    middle = (np.arange(12) + 0.5) / 12
    load = np.sin(np.pi * middle)[:, None] * np.sin(np.pi * middle)
    assert np.abs(w - load / (4 * np.pi**4)).max() < 2e-3 / (4 * np.pi**4)
