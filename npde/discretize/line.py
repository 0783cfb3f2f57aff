"""Perturbations across one bounded axis: vectors of N cells whose ghost cells follow from them by the ghost rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import sympy as sp

from npde.discretize.numeric import Array
from npde.discretize.scheme import Stencil


@dataclass
class Strip:
    """A tangent on cells -margin … N - 1 + margin of a line (or the faces of these): `[components, rows, columns]`."""

    data: Array
    margin: int


@dataclass
class Line:
    """Perturbations of N cells across one bounded axis, closed by ghost rules; waves of one wave number along the others."""

    sizes: Mapping[sp.Symbol, int]
    axis: int
    cells: int
    weights: dict[tuple[sp.Symbol, str], tuple[Array, ...]]
    thetas: Sequence[float]
    spacings: Sequence[float]

    def __post_init__(self) -> None:
        self.first = dict(zip(self.sizes, accumulate(self.sizes.values(), initial=0), strict=False))
        self.channels = sum(self.sizes.values())

    def unknown(self, symbol: sp.Symbol) -> Strip:
        line, width = self._closed(symbol)
        count = self.sizes[symbol]
        data = np.zeros((count, len(line), self.channels * self.cells), dtype=complex)
        for c in range(count):
            start = (self.first[symbol] + c) * self.cells
            data[c, :, start : start + self.cells] = line
        return Strip(data, width)

    def _closed(self, symbol: sp.Symbol) -> tuple[Array, int]:
        """The cells of an unknown and its ghost cells as functions of its cells, and the number of ghost cells a side."""
        width = min(
            (len(self.weights[symbol, side]) for side in ("lower", "upper") if (symbol, side) in self.weights),
            default=0,
        )
        line = np.zeros((self.cells + 2 * width, self.cells))
        line[width : width + self.cells] = np.eye(self.cells)
        for k in range(width):
            for side in ("lower", "upper"):
                row = self.weights[symbol, side][k]
                own = np.zeros(self.cells)
                own[: len(row)] = row
                if side == "lower":
                    line[width - 1 - k] = own
                else:
                    line[width + self.cells + k] = own[::-1]
        return line, width

    def scale(self, coefficient: Array, tangent: Strip) -> Strip:
        return Strip(coefficient[:, :1, None] * tangent.data, tangent.margin)

    def add(self, tangents: Sequence[Strip]) -> Strip:
        cropped = self._common(tangents)
        margin = min(t.margin for t in tangents)
        return Strip(sum(cropped[1:], cropped[0]), margin)

    def _common(self, tangents: Sequence[Strip]) -> list[Array]:
        margin = min(t.margin for t in tangents)
        return [t.data[:, t.margin - margin : t.data.shape[1] - (t.margin - margin)] for t in tangents]

    def stencil(self, tangent: Strip, axis: int, stencil: Stencil) -> Strip:
        if axis != self.axis:
            return Strip(self._factor(axis, stencil) * tangent.data, tangent.margin)
        reach = int(max(stencil.offsets))
        return Strip(self._shifted(tangent.data, stencil, 2 * reach), tangent.margin - reach)

    def transposed(self, tangent: Strip, axis: int, stencil: Stencil, closing: sp.Symbol) -> Strip:
        """The transpose of a stencil and of the ghost rules of the unknown `closing`, which it reads."""
        if axis != self.axis:
            return Strip(np.conj(self._factor(axis, stencil)) * tangent.data, tangent.margin)
        line, width = self._closed(closing)
        own = self.stencil(Strip(line[None].astype(complex), width), axis, stencil)
        closed = own.data[0, own.margin : len(own.data[0]) - own.margin]
        inner = tangent.data[:, tangent.margin : tangent.data.shape[1] - tangent.margin]
        return Strip(closed.T @ inner, 0)

    def to_face(self, tangent: Strip, axis: int, stencil: Stencil) -> Strip:
        if axis != self.axis:
            return Strip(self._factor(axis, stencil) * tangent.data, tangent.margin)
        half = len(stencil.offsets) // 2
        return Strip(self._shifted(tangent.data, stencil, 2 * half - 1), tangent.margin - half)

    def from_face(self, tangent: Strip, axis: int, stencil: Stencil) -> Strip:
        if axis != self.axis:
            return Strip(self._factor(axis, stencil) * tangent.data, tangent.margin)
        half = len(stencil.offsets) // 2
        return Strip(self._shifted(tangent.data, stencil, 2 * half - 1), tangent.margin - half + 1)

    def _shifted(self, data: Array, stencil: Stencil, lost: int) -> Array:
        rows = data.shape[1] - lost
        first = min(stencil.offsets)
        total = np.zeros((len(data), rows, data.shape[2]), dtype=complex)
        for offset, weight in zip(stencil.offsets, stencil.weights, strict=True):
            start = int(offset - first)
            total += float(weight) * data[:, start : start + rows]
        return total / self.spacings[self.axis] ** stencil.derivative

    def _factor(self, axis: int, stencil: Stencil) -> complex:
        total = sum(
            float(w) * np.exp(1j * self.thetas[axis] * float(s))
            for s, w in zip(stencil.offsets, stencil.weights, strict=True)
        )
        return complex(total) / self.spacings[axis] ** stencil.derivative

    def reduce(self, tangent: Strip, axes: Sequence[int], measure: float) -> Strip:
        if any(self.thetas[k] != 0 for k in axes if k != self.axis):
            return Strip(0 * tangent.data, tangent.margin)
        if self.axis not in axes:
            return Strip(measure * tangent.data, tangent.margin)
        inner = tangent.data[:, tangent.margin : tangent.data.shape[1] - tangent.margin]
        mean = measure * inner.mean(axis=1, keepdims=True)
        return Strip(np.broadcast_to(mean, (len(inner), self.cells, mean.shape[2])), 0)

    def components(self, tangent: Strip, which: Sequence[int]) -> Strip:
        return Strip(tangent.data[list(which)] if len(tangent.data) > 1 else tangent.data, tangent.margin)

    def stack(self, tangents: Sequence[Strip]) -> Strip:
        return Strip(np.concatenate(self._common(tangents)), min(t.margin for t in tangents))

    def mix(self, matrix: Array, tangent: Strip) -> Strip:
        own = np.broadcast_to(matrix[:, :, 0], (matrix.shape[0], max(matrix.shape[1], len(tangent.data))))
        data = np.broadcast_to(tangent.data, (own.shape[1], *tangent.data.shape[1:]))
        return Strip(np.einsum("oc,crn->orn", own, data), tangent.margin)

    def matrix(self, parts: Sequence[Strip | None]) -> Array:
        """The closed operators `[components that do not mix, rows, rows]`, rows over (channel, cell)."""
        rows = []
        for part, size in zip(parts, self.sizes.values(), strict=True):
            inner = np.zeros((1, self.cells, self.channels * self.cells), dtype=complex)
            if part is not None:
                inner = part.data[:, part.margin : part.data.shape[1] - part.margin]
            rows.append(
                inner if size == 1 else np.broadcast_to(inner, (size, *inner.shape[1:])).reshape(1, -1, inner.shape[2])
            )
        count = max(len(r) for r in rows)
        return np.concatenate([r[np.arange(count) % len(r)] for r in rows], axis=1)
