"""Where rollouts start when nobody says: from the file's initial state if that is what was observed, else from the data.

A measured first frame carries noise, and a rollout that starts from it takes the noise for part of the state, which biases what
is learned. So the residual of the first frame and the file's initial state is looked at. It is noise if it is small and rough:
for white noise r the ratio Σ(r_{j+1} - r_j)² / Σ(r_{j+1}² + r_j²) is 1, for a smooth difference it is near 0.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from npde.train.data import Start
from npde.train.network import Network

EXACT = 1e-3
"""Relative L2 distance below which a first frame is the file's initial state."""
NOISY = 0.5
"""Relative L2 distance up to which a rough residual is taken for noise: a localized state has a small norm."""
ROUGH = 0.5
"""Ratio from which a residual counts as rough."""


def found_start(
    network: Network, inputs: Mapping[str, Tensor], states: Tensor, mask: Tensor | None, first: int
) -> Start:
    """Where rollouts start for states [B, T, C, *grid] whose first frame belongs to step `first`."""
    if first != 0:
        return "data"
    given = tuple(x.to(network.device, network.dtype) for x in inputs.values())
    samples = max((len(x) for x in given), default=1)
    with torch.no_grad():
        expected = network.first_state(tuple(x.expand(samples, *x.shape[1:]) for x in given)).cpu().to(states)
    seen = torch.ones_like(states[:, 0]) if mask is None else mask[:, 0].to(states)
    residual = (states[:, 0] - expected) * seen
    error = residual.square().flatten(1).sum(1)
    size = (expected.square() * seen).flatten(1).sum(1)
    is_exact = error <= EXACT**2 * size
    is_noise = (error <= NOISY**2 * size) & (_roughness(residual, seen) >= ROUGH)
    return "file" if bool(seen.any()) and bool((is_exact | is_noise).all()) else "data"


def _roughness(residual: Tensor, seen: Tensor) -> Tensor:
    """The ratio above, over the axes of the grid, of each sample; pairs of cells that were both observed."""
    jumps, sizes = torch.zeros(len(residual)).to(residual), torch.zeros(len(residual)).to(residual)
    for axis in range(2, residual.ndim):
        cells = residual.shape[axis]
        left, right = residual.narrow(axis, 0, cells - 1), residual.narrow(axis, 1, cells - 1)
        both = seen.narrow(axis, 0, cells - 1) * seen.narrow(axis, 1, cells - 1)
        jumps += (both * (right - left).square()).flatten(1).sum(1)
        sizes += (both * (right.square() + left.square())).flatten(1).sum(1)
    return jumps / torch.where(sizes > 0, sizes, torch.ones_like(sizes))
