"""Kernels that start from an operator: the widest central differences that fit into their extents."""

from __future__ import annotations

import pytest
import torch

from tests.comparison import compiled


@pytest.mark.parametrize(
    ("extents", "start", "order"),
    [("3x3", "dxx", 2), ("5x3", "dx", 4), ("5x5", "lap", 4), ("7x7", "lap", 6), ("3x7", "dyy", 6), ("5x5", "dxy", 4)],
)
def test_a_kernel_starts_as_its_operator(extents: str, start: str, order: int) -> None:
    text = (
        "coordinates x in [0, 1], y in [0, 2], t in [0, 1e-6]\nfield u(x, y, t)\n{}boundary periodic\ninitial u = 0\n"
        "grid x: 9, y: 11\norder {}\nmarch euler, steps: 1\n"
    )
    _, learned = compiled(text.format(f"learn K stencil {extents} = {start}\ndt(u) = K(u)\n", 2))
    _, fixed = compiled(text.format(f"dt(u) = {start}(u)\n", order))
    state = torch.randn(1, 1, 9, 11, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        found, wanted = ((net.march(state) - state) / net.DT for net in (learned, fixed))
    assert float((found - wanted).abs().max()) < 1e-9 / fixed.DT * 1e-6 * float(wanted.abs().max())
