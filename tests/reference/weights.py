"""Finite-difference weights by Fornberg's recursion (Mathematics of Computation 51, 1988), in floating point."""

from __future__ import annotations

import numpy as np


def weights(offsets: list[float], derivative: int) -> np.ndarray:
    """w with Σ w_k f(offsets[k]) ≈ f^(derivative)(0), exact for polynomials of degree < len(offsets)."""
    count = len(offsets)
    table = np.zeros((count, derivative + 1))
    table[0, 0] = 1.0
    product = 1.0
    for new in range(1, count):
        before, product_new = product, 1.0
        for old in range(new):
            gap = offsets[new] - offsets[old]
            product_new *= gap
            for m in range(min(new, derivative), -1, -1):
                table_old = table[old, m]
                if old == new - 1:
                    lower = m * table[old, m - 1] if m else 0.0
                    table[new, m] = before / product_new * (lower - offsets[old] * table_old)
        for old in range(new):
            gap = offsets[new] - offsets[old]
            for m in range(min(new, derivative), -1, -1):
                lower = m * table[old, m - 1] if m else 0.0
                table[old, m] = (offsets[new] * table[old, m] - lower) / gap
        product = product_new
    return table[:, derivative]


def centered(derivative: int, order: int) -> tuple[list[int], np.ndarray]:
    """The centered stencil of a derivative to an even order: offsets in cells, weights for unit spacing."""
    reach = (derivative + 1) // 2 + order // 2 - 1
    offsets = list(range(-reach, reach + 1))
    return offsets, weights([float(s) for s in offsets], derivative)


def halfway(derivative: int, order: int) -> np.ndarray:
    """Weights on the `order` nearest points at ±1/2, ±3/2, … for the value (0) or the first derivative (1) between."""
    return weights([s + 0.5 for s in range(-order // 2, order // 2)], derivative)
