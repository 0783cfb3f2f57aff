"""Perturbations that are waves: on a periodic axis every stencil is a number, its symbol h^{-m} Σ_k w_k e^{iθ s_k}."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import sympy as sp

from npde.discretize.numeric import Array
from npde.discretize.scheme import Stencil


@dataclass
class Waves:
    """Perturbations e^{iθ·j}: tangents `[components, samples, waves, channels]`, `thetas` one array of waves an axis.

    `sizes` has the channels of each unknown; all are 1 where components do not mix: they then count as further samples.
    """

    sizes: Mapping[sp.Symbol, int]
    thetas: Sequence[Array]
    spacings: Sequence[float]

    def __post_init__(self) -> None:
        self.first = dict(zip(self.sizes, accumulate(self.sizes.values(), initial=0), strict=False))
        self.channels = sum(self.sizes.values())

    def unknown(self, symbol: sp.Symbol) -> Array:
        count = self.sizes[symbol]
        one = np.zeros((count, 1, 1, self.channels), dtype=complex)
        for c in range(count):
            one[c, 0, 0, self.first[symbol] + c] = 1
        return one

    def scale(self, coefficient: Array, tangent: Array) -> Array:
        return coefficient[:, :, None, None] * tangent

    def add(self, tangents: Sequence[Array]) -> Array:
        return sum(tangents[1:], tangents[0])

    def stencil(self, tangent: Array, axis: int, stencil: Stencil) -> Array:
        return self.symbol(axis, stencil)[None, None, :, None] * tangent

    def transposed(self, tangent: Array, axis: int, stencil: Stencil, closing: sp.Symbol) -> Array:  # noqa: ARG002 - no walls
        return np.conj(self.symbol(axis, stencil))[None, None, :, None] * tangent

    to_face = stencil
    from_face = stencil

    def symbol(self, axis: int, stencil: Stencil) -> Array:
        """h^{-m} Σ_k w_k e^{iθ s_k}; half offsets of faces cancel between `to_face` and `from_face`."""
        theta = self.thetas[axis]
        total = np.zeros(len(theta), dtype=complex)
        for offset, weight in zip(stencil.offsets, stencil.weights, strict=True):
            total += float(weight) * np.exp(1j * theta * float(offset))
        return total / self.spacings[axis] ** stencil.derivative

    def reduce(self, tangent: Array, axes: Sequence[int], measure: float) -> Array:
        constant = np.ones(len(self.thetas[0]), dtype=bool)
        for k in axes:
            constant &= self.thetas[k] == 0
        return measure * constant[None, None, :, None] * tangent

    def components(self, tangent: Array, which: Sequence[int]) -> Array:
        return tangent[list(which)] if len(tangent) > 1 else tangent

    def stack(self, tangents: Sequence[Array]) -> Array:
        shape = np.broadcast_shapes(*(t.shape for t in tangents))
        return np.concatenate([np.broadcast_to(t, (1, *shape[1:])) for t in tangents])

    def mix(self, matrix: Array, tangent: Array) -> Array:
        wide = np.broadcast_to(matrix, (matrix.shape[0], max(matrix.shape[1], len(tangent)), matrix.shape[2]))
        return np.einsum("ocs,cskn->oskn", *_same(wide, tangent))

    def matrix(self, parts: Sequence[Array | None]) -> Array:
        """The frozen operator `[samples, waves, channels, channels]`."""
        zero = np.zeros((1, 1, 1, self.channels), dtype=complex)
        present = [zero if part is None else part for part in parts]
        if all(size == 1 for size in self.sizes.values()):
            count = max(len(p) for p in present)
            whole = np.stack(np.broadcast_arrays(*(p[np.arange(count) % len(p)] for p in present)))
            shape = (-1, whole.shape[3], self.channels, self.channels)
            return whole.transpose(1, 2, 3, 0, 4).reshape(shape)
        rows = [np.broadcast_to(p, (n, *p.shape[1:])) for p, n in zip(present, self.sizes.values(), strict=True)]
        shape = np.broadcast_shapes(*(r.shape[1:] for r in rows))
        return np.concatenate([np.broadcast_to(r, (len(r), *shape)) for r in rows]).transpose(1, 2, 0, 3)


def _same(matrix: Array, tangent: Array) -> tuple[Array, Array]:
    """The matrix and the tangent with as many samples and components each."""
    count = max(matrix.shape[2], tangent.shape[1])
    grown = np.broadcast_to(matrix, (*matrix.shape[:2], count))
    return grown, np.broadcast_to(tangent, (matrix.shape[1], count, *tangent.shape[2:]))
