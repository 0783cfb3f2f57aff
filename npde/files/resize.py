"""Arrays onto another grid."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]


def resized(array: Array, first_axis: int, cells: tuple[int, ...]) -> Array:
    """Linear interpolation of the last axes, from `first_axis` on, to `cells`: both are cell centers of the same extent.

    Beyond the outermost centers the nearest value stays.
    """
    for axis, count in enumerate(cells, start=first_axis):
        have = array.shape[axis]
        if have == count:
            continue
        at = (np.arange(count) + 0.5) * have / count - 0.5
        low = np.clip(np.floor(at).astype(int), 0, have - 1)
        high = np.clip(low + 1, 0, have - 1)
        share = np.clip(at - low, 0, 1).reshape(-1, *(1,) * (array.ndim - axis - 1))
        array = np.take(array, low, axis) * (1 - share) + np.take(array, high, axis) * share
    return array
