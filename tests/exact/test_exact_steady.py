"""Steady problems with known solutions: the field of a point source against the Hankel function, and what layers return."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.special import hankel1

import npde

NARROW = 800.0
"""Source `exp(-a r²)`: away from it the field is that of a point source of the strength of its spectrum at k."""


def solution(text: str) -> np.ndarray:
    with torch.no_grad():
        re, im = npde.parse(text).compile(dtype=torch.float64)()[0].numpy()
    return re + 1j * im


def point_source_error(cells: int, order: int, k: float = 20.0, width: float = 0.25) -> float:
    """Largest error away from source and layers, relative to the largest value there."""
    text = (
        f"coordinates x, y in [0, 1]\nfield u(x, y) complex\n"
        f"lap(u) + {k}^2*u = -exp(-{NARROW}*((x - 0.5)^2 + (y - 0.5)^2))\nboundary absorbing({width})\n"
        f"grid x: {cells}, y: {cells}\norder {order}\n"
    )
    x = (np.arange(cells) + 0.5) / cells - 0.5
    r = np.hypot(x[:, None], x[None, :])
    exact = 0.25j * math.pi / NARROW * math.exp(-k * k / (4 * NARROW)) * hankel1(0, k * r)
    inside = np.abs(x) < 0.5 - width
    seen = (r > 0.2) & inside[:, None] & inside[None, :]
    return float(np.abs(solution(text) - exact)[seen].max() / np.abs(exact)[seen].max())


@pytest.mark.parametrize(("order", "grids"), [(2, (32, 48, 64)), (4, (40, 56, 80)), (6, (48, 64, 88))])
def test_a_point_source_gives_a_hankel_function(order: int, grids: tuple[int, ...]) -> None:
    """u = i/4 H₀⁽¹⁾(k r) ŝ(k): outgoing, with the time factor e^{-iωt}; the error falls at the order of the scheme."""
    errors = [point_source_error(n, order) for n in grids]
    orders = [
        math.log(a / b) / math.log(m / n) for (a, b), (n, m) in zip(pairwise(errors), pairwise(grids), strict=True)
    ]
    assert orders[-1] > order - 0.35, errors
    assert errors[-1] < {2: 0.03, 4: 5e-4, 6: 1e-4}[order]


def reflection(order: int, per_wavelength: int, width: float) -> float:
    """The amplitude that a layer `width` wavelengths wide returns at a right angle, by a fit of both waves of the grid."""
    k = 20 * math.pi
    cells = 10 * per_wavelength
    text = (
        f"coordinates x in [0, 1]\nfield u(x) complex\ndxx(u) + (20*pi)^2*u = -exp(-4000*(x - 0.5)^2)\n"
        f"boundary absorbing({width / 10})\ngrid x: {cells}\norder {order}\n"
    )
    symbol = {2: (-2, 1), 4: (-5 / 2, 4 / 3, -1 / 12), 6: (-49 / 18, 3 / 2, -3 / 20, 1 / 90)}[order]

    def rest(q: float) -> float:
        waves = (2 * w * math.cos((j + 1) * q / cells) for j, w in enumerate(symbol[1:]))
        return (symbol[0] + sum(waves)) * cells**2 + k * k

    low, high = 0.5 * k, 1.5 * k
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if rest(middle) > 0 else (low, middle)
    x = (np.arange(cells) + 0.5) / cells
    seen = (x > 0.65) & (x < 0.99 - width / 10)
    waves = np.stack([np.exp(1j * low * x[seen]), np.exp(-1j * low * x[seen])], axis=1)
    out, back = np.linalg.lstsq(waves, solution(text)[seen], rcond=None)[0]
    return float(abs(back / out))


@pytest.mark.parametrize(("order", "cells"), [(2, 24), (4, 12), (6, 12)])
def test_a_layer_of_one_wavelength_returns_less_than_a_thousandth(order: int, cells: int) -> None:
    assert reflection(order, cells, 1.0) < 1e-3


def test_wider_layers_and_finer_grids_return_less() -> None:
    assert reflection(4, 16, 2.0) < 1e-5
    assert reflection(4, 32, 1.0) < 3e-5


def test_the_wave_leaves_and_nothing_stands() -> None:
    """Without a layer the same equation has standing waves: walls reflect everything."""
    text = (
        "coordinates x in [0, 1]\nfield u(x) complex\ndxx(u) + (20*pi + 1)^2*u = -exp(-4000*(x - 0.5)^2)\nboundary {}\n"
        "grid x: 240\norder 4\n"
    )
    x = (np.arange(240) + 0.5) / 240
    seen = (x > 0.6) & (x < 0.85)
    left = np.abs(solution(text.format("absorbing(0.1)"))[seen])
    walled = np.abs(solution(text.format("u = 0"))[seen])
    assert left.max() / left.min() < 1.01
    assert walled.max() / walled.min() > 10


def test_coefficients_inside_a_layer_take_the_value_at_its_edge() -> None:
    """What a coefficient does inside the layer changes nothing, be it a formula or learned."""
    text = (
        "coordinates x in [0, 1]\nfield u(x) complex\nlearn n(x) = 1\n"
        "dxx(u) + 900*({} + n)*u = -exp(-1000*(x - 0.5)^2)\nboundary absorbing(0.25)\ngrid x: 80\n"
    )
    plain = solution(text.format("0.2*x"))
    inside = solution(text.format("0.2*max(min(x, 0.75), 0.25)"))
    assert np.abs(plain - inside).max() < 1e-4 * np.abs(plain).max()  # its wave number differs in the sixth digit
    net = npde.parse(text.format("0.2*x")).compile(dtype=torch.float64)
    x = (torch.arange(80, dtype=torch.float64) + 0.5) / 80
    with torch.no_grad():
        before = net()
        net.n = torch.where(x > 0.75, 6.0, 1.0)
        assert torch.equal(net(), before)
        net.n = torch.where(x > 0.74, 1.1, 1.0)
        assert float((net() - before).abs().max()) > 1e-5


# --- marched waves ----------------------------------------------------------------------------------------------------


def packet_error(width: float) -> tuple[float, float]:
    """A free packet that leaves: the largest error away from the layers while it does, and at the end, when it has left."""
    k, cells, frames = 5.0, 400, 8
    text = (
        "coordinates x in [-10, 10], t in [0, 4]\nfield psi(x, t) complex\ni*dt(psi) = -1/2*dxx(psi)\n"
        f"boundary absorbing({width})\ninitial psi = exp(-x^2/2 + {k}*i*x)\ngrid x: {cells}\norder 4\n"
        "march crank_nicolson, steps: 1600\n"
    )
    with torch.no_grad():
        found = npde.parse(text).compile(dtype=torch.float64).march(every=1600 // frames)[0].numpy()
    x = -10 + (np.arange(cells) + 0.5) * 20 / cells
    errors = []
    for frame, (re, im) in enumerate(found):
        spread = 1 + 1j * frame * 4 / frames
        exact = np.exp(-((x - 1j * k) ** 2) / (2 * spread) - k * k / 2) / np.sqrt(spread)
        errors.append(float(np.abs(re + 1j * im - exact)[np.abs(x) < 9.8 - width].max()))
    return max(errors), errors[-1]


def test_a_schrodinger_packet_leaves() -> None:
    """Crank-Nicolson's own error is 2e-3 here; what a layer of two wavelengths returns is far below."""
    largest, last = packet_error(2.5)
    assert largest < 4e-3
    assert last < 2e-4


def damped(width: float) -> float:
    """The amplitude that is left of a packet of wavelength 1/4 and amplitude 1 that met a damped layer."""
    text = (
        "coordinates x in [0, 4], t in [0, 5]\nfield u(x, t)\ndtt(u) = dxx(u)\n"
        f"boundary absorbing({width})\ninitial u = exp(-20*(x - 2)^2)*cos(8*pi*x)\ninitial dt(u) = 0\n"
        "grid x: 400\norder 4\nmarch rk4, dt: auto\n"
    )
    with torch.no_grad():
        return float(2 * npde.parse(text).compile(dtype=torch.float64)()[0, 0].abs().max())


def test_a_damped_layer_damps() -> None:
    assert damped(0.25) < 0.06
    assert damped(0.5) < 4e-3
