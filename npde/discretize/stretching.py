"""The coefficients of a complex stretching as numbers: what `Stretch` stands for."""

from __future__ import annotations

import numpy as np
import sympy as sp

from npde.discretize.numeric import Array


def stretch_values(e: sp.Expr, x: Array) -> Array:
    """A `Stretch` at positions x."""
    _, kind, lower, upper, width, strength, degree = e.args
    a, b, w, t, m = float(lower), float(upper), float(width), float(strength), int(degree)
    below, above = np.maximum(a + w - x, 0) / w, np.maximum(x - b + w, 0) / w
    one = 1 / (1 + 1j * t * (below**m + above**m))
    slope = -1j * t * m / w * (above ** (m - 1) - below ** (m - 1)) * one**3
    value = (one, one**2, slope)[int(kind) // 2]
    return np.asarray(value.imag if int(kind) % 2 else value.real)
