"""Eigenvalues of operators with their closures at walls, taken from the emitted module: none grows.

The matrix of a linear right-hand side has the module's answers to unit vectors as columns.
"""

from __future__ import annotations

from itertools import combinations_with_replacement

import numpy as np
import pytest
import torch

from tests.comparison import compiled

CELLS = (12, 33)
"""Few and many, even and odd."""


def matrix(rate: str, lower: str, upper: str, order: int, cells: int, grid: str = "") -> np.ndarray:
    """The closed operator on [0, 1], scaled by nothing."""
    text = (
        f"coordinates x in [0, 1], t in [0, 1]\nfield u(x, t)\nlearn D = 1 > 0\ndt(u) = {rate}\nboundary x = 0: {lower}\n"
        f"boundary x = 1: {upper}\ninitial u = 0\ngrid x: {cells}{grid}\norder {order}\nmarch crank_nicolson, steps: 1\n"
    )
    _, net = compiled(text)
    with torch.no_grad():
        answers = net.rhs(torch.eye(cells, dtype=torch.float64)[:, None])
    return answers[:, 0].numpy().T


def spectrum(*arguments: str | int) -> tuple[float, float, float]:
    """The largest real part and the largest imaginary part, relative to the largest modulus, and this."""
    values = np.linalg.eigvals(matrix(*arguments))  # type: ignore[arg-type]
    largest = float(np.abs(values).max())
    return float(values.real.max()) / largest, float(np.abs(values.imag).max()) / largest, largest


WALLS = {"dirichlet": "u = 0", "neumann": "dn(u) = 0", "robin": "u + 1/2*dn(u) = 0", "stiff robin": "20*u + dn(u) = 0"}


@pytest.mark.parametrize("order", [2, 4, 6])
@pytest.mark.parametrize(
    ("lower", "upper"), [*combinations_with_replacement(sorted(WALLS)[:3], 2), ("stiff robin", "neumann")]
)
def test_heat_decays_and_waves_oscillate(lower: str, upper: str, order: int) -> None:
    """Eigenvalues of ∂² are real and not positive, so those of the wave operator are imaginary."""
    for cells in CELLS:
        growth, turning, largest = spectrum("dxx(u)", WALLS[lower], WALLS[upper], order, cells)
        assert growth < 1e-11
        assert turning < 1e-11
        assert largest < 1.25 * {2: 4, 4: 16 / 3, 6: 272 / 45}[order] * cells**2


@pytest.mark.parametrize("order", [2, 4, 6])
@pytest.mark.parametrize("lower", [*WALLS.values(), "u - 1/3*dn(u) = 0", "3*u - dn(u) = 0"])
def test_eigenvectors_are_real_and_far_from_parallel(lower: str, order: int) -> None:
    """What fast diagonalization relies on: Robin walls that feed in included, on any number of cells."""
    for upper in ("dn(u) = 0", "20*u + dn(u) = 0"):
        for cells in CELLS:
            values, vectors = np.linalg.eig(matrix("dxx(u)", lower, upper, order, cells))
            assert np.abs(values.imag).max() == 0
            assert np.linalg.cond(vectors / np.linalg.norm(vectors, axis=0)) < 4


BEAMS = {
    "clamped": "u = 0, dn(u) = 0",
    "supported": "u = 0, dxx(u) = 0",
    "no flux": "dn(u) = 0, dn(dxx(u)) = 0",
    "free": "dxx(u) = 0, dn(dxx(u)) = 0",
}


@pytest.mark.parametrize("order", [2, 4, 6])
@pytest.mark.parametrize(("lower", "upper"), list(combinations_with_replacement(sorted(BEAMS), 2)))
def test_beams_oscillate(lower: str, upper: str, order: int) -> None:
    """Eigenvalues of -∂⁴ are real and not positive for every pair of ends."""
    for rate in ("-d(u, x, 4)", "-dxx(dxx(u))") if lower == upper else ("-d(u, x, 4)",):
        growth, turning, _ = spectrum(rate, BEAMS[lower], BEAMS[upper], order, 20)
        assert growth < 1e-9
        assert turning < 1e-6


@pytest.mark.parametrize("order", [2, 4])
@pytest.mark.parametrize(("rate", "lower", "upper"), [("-dx(u)", "u = 0", "outflow"), ("dx(u)", "outflow", "u = 0")])
def test_advection_leaves_through_an_outflow(rate: str, lower: str, upper: str, order: int) -> None:
    for cells in CELLS:
        growth, _, largest = spectrum(rate, lower, upper, order, cells)
        assert growth < 0
        assert largest < 2 * cells


@pytest.mark.parametrize("order", [2, 4])
@pytest.mark.parametrize("wall", sorted(WALLS))
def test_advection_and_diffusion_decay(wall: str, order: int) -> None:
    for cells in CELLS:
        assert spectrum("1/50*dxx(u) - dx(u)", "u = 0", WALLS[wall], order, cells)[0] < 0


@pytest.mark.parametrize("order", [2, 4])
def test_third_derivatives_decay_with_two_conditions_at_the_right_side(order: int) -> None:
    for cells in CELLS:
        assert spectrum("-d(u, x, 3)", "u = 0", "u = 0, dn(u) = 0", order, cells)[0] < 0
        assert spectrum("d(u, x, 3)", "u = 0, dn(u) = 0", "u = 0", order, cells)[0] < 0


def test_differences_of_differences_decay() -> None:
    for lower, upper in combinations_with_replacement(sorted(WALLS), 2):
        for order in (2, 4):
            growth, turning, _ = spectrum("dx(dx(u))", WALLS[lower], WALLS[upper], order, 24)
            assert growth < 1e-12
            assert turning < 0.2


ENDS = {"hard wall": "v = 0, dn(p) = 0", "open end": "p = 0, dn(v) = 0"}


def duct(lower: str, upper: str, order: int, cells: int) -> np.ndarray:
    """The closed operator of sound in a duct, (p, v) as one vector."""
    text = (
        "coordinates x in [0, 1], t in [0, 1]\nfield p(x, t), v(x, t)\ndt(p) = -dx(v)\ndt(v) = -dx(p)\n"
        f"boundary x = 0: {lower}\nboundary x = 1: {upper}\ninitial p = 0\ninitial v = 0\ngrid x: {cells}\norder {order}\n"
        "march rk4, dt: auto\n"
    )
    _, net = compiled(text)
    with torch.no_grad():
        answers = net.rhs(torch.eye(2 * cells, dtype=torch.float64).reshape(-1, 2, cells))
    return answers.reshape(-1, 2 * cells).numpy().T


@pytest.mark.parametrize("order", [2, 4])
@pytest.mark.parametrize(("lower", "upper"), list(combinations_with_replacement(sorted(ENDS), 2)))
def test_sound_is_reflected_by_walls(lower: str, upper: str, order: int) -> None:
    """Waves in a first-order system turn at walls of every kind: no eigenvalue has a positive real part."""
    for cells in CELLS:
        values = np.linalg.eigvals(duct(ENDS[lower], ENDS[upper], order, cells))
        assert values.real.max() < 1e-11 * cells
        assert np.abs(values).max() < 2 * cells
