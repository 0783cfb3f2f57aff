"""Sums over the grid, learned operators, read-outs and noise."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from npde.model import expression as ex
from npde.model.problem import LearnedClosure, LearnedStencil
from npde.model.traversal import walk
from tests.reference.grid import Array, Setting, Where
from tests.reference.pointwise import elementary, mixer


class Layers:
    """What a `View` knows of sums and learned operators."""

    setting: Setting
    step: int
    dimensions: int
    value: Callable[[ex.Expr, Where], Array]
    slot: Callable[[str, int], int]
    to_shape: Callable[[Array, tuple[int, ...], tuple[int, ...]], Array]
    filled: Callable[..., Array]
    _full: Callable[[Array, int, int, Where], Array]
    _extended: Callable[[Array, int, int, Where], Array]

    def _reduced(self, e: ex.Integral | ex.Mean | ex.Sum, where: Where) -> Array:
        if getattr(self, "replaced", None) is not None:
            return replace(self, replaced=None)._reduced(e, where)  # type: ignore[type-var]
        plain = {self.setting.number[c] for c in e.over if not c.endswith("'")}
        value = self.value(e.operand, where.without(plain))
        for name in e.over:
            axis = self.setting.axes[self.setting.number[name.rstrip("'")]]
            slot = self.slot(name, len(e.operand.type.shape))
            repeats = axis.cells if value.shape[slot] == 1 else 1
            total = value.sum(axis=slot, keepdims=True) * repeats
            factor = {ex.Integral: axis.spacing, ex.Mean: 1 / axis.cells, ex.Sum: 1.0}[type(e)]
            value = total * factor
        return value

    # --- learned operators --------------------------------------------------------------------------------------------

    def _kernel(self, e: ex.ApplyKernel, where: Where) -> Array:
        """Σ K[o, c, s] u_c(x_{j+s})."""
        stencil = self.setting.declared[e.kernel]
        assert isinstance(stencil, LearnedStencil)
        wide = where
        for axis, extent in enumerate(stencil.extents):
            wide = wide.padded(axis, extent // 2)
        cells = self.value(e.operand, wide)
        components = len(e.operand.type.shape)
        for axis in range(self.dimensions):
            cells = self._full(cells, 1 + components + axis, axis, wide)
        return self._correlated(self._weights(e.kernel), cells.reshape(cells.shape[: 1 + components + self.dimensions]))

    def _weights(self, name: str) -> Array:
        stencil = self.setting.declared[name]
        assert isinstance(stencil, LearnedStencil)
        array = np.asarray(self.setting.learned[name])
        return array[self.step] if stencil.per_step else array

    def _correlated(self, kernel: Array, cells: Array) -> Array:
        """Cells `[B, (in), *padded]` → `[B, (out), *inner, *ones]`."""
        d = self.dimensions
        extents = kernel.shape[-d:]
        inner = [n - e + 1 for n, e in zip(cells.shape[-d:], extents, strict=True)]
        total: Array | float = 0.0
        for offset in np.ndindex(*extents):
            window = cells[(..., *(slice(o, o + n) for o, n in zip(offset, inner, strict=True)))]
            weight = kernel[(..., *offset)]
            part = weight * window if weight.ndim == 0 else np.einsum("oc,bc...->bo...", weight, window)
            total = total + part
        result = np.asarray(total)
        return result.reshape(result.shape + (1,) * d)

    def _adjoint(self, e: ex.ApplyKernel, where: Where) -> Array:
        """Aᵀ v with A the linear part of K on a field with the conditions of the first field in the operand."""
        stencil = self.setting.declared[e.kernel]
        assert isinstance(stencil, LearnedStencil)
        name = next(n.name for n in walk(e.operand) if isinstance(n, ex.FieldRef))
        grid = tuple(a.cells for a in self.setting.axes)
        shape_in, shape_out = stencil.channels[1:], stencil.channels[:1]
        size = math.prod(shape_in) * math.prod(grid)
        basis = np.eye(size).reshape((size, *shape_in, *grid))
        padded = self.filled(basis, name, tuple(x // 2 for x in stencil.extents), homogeneous=True)
        matrix = self._correlated(self._weights(e.kernel), padded).reshape(size, -1)
        v = self.value(e.operand, self.setting.inside)
        v = np.broadcast_to(v, (v.shape[0], *shape_out, *grid, *(1,) * self.dimensions))
        result = (v.reshape(v.shape[0], -1) @ matrix.T).reshape((-1, *shape_in, *grid, *(1,) * self.dimensions))
        for axis in range(self.dimensions):
            result = self._extended(result, 1 + len(shape_in) + axis, axis, replace(where, wall=None))
        return result

    def _closure(self, e: ex.ApplyClosure, where: Where) -> Array:
        closure = self.setting.declared[e.closure]
        assert isinstance(closure, LearnedClosure)
        inputs = np.stack(np.broadcast_arrays(*(self.value(a, where) for a in e.arguments)), axis=-1)
        hidden = inputs
        for layer in range(len(closure.widths) + 1):
            weight = self.setting.learned[f"{e.closure}.{layer}.weight"]
            hidden = hidden @ np.asarray(weight).T + np.asarray(self.setting.learned[f"{e.closure}.{layer}.bias"])
            if layer < len(closure.widths):
                hidden = elementary(closure.activation, [hidden])
        return np.moveaxis(hidden, -1, 1) if closure.shape else hidden[..., 0]

    def _lift(self, e: ex.Lift, where: Where) -> Array:
        value = self.value(e.operand, where)
        if not e.operand.type.shape:
            value = value[:, None]
        weight = np.asarray(self.setting.learned[f"lift.{e.occurrence}.weight"])
        bias = np.asarray(self.setting.learned[f"lift.{e.occurrence}.bias"])
        lifted = np.einsum("oc,bc...->bo...", weight, value) + bias.reshape((-1,) + (1,) * (2 * self.dimensions))
        return lifted if e.type.shape else lifted[:, 0]

    def _read_out(self, e: ex.Linear) -> Array:
        value = self._spread(e.operand)
        weight = np.asarray(self.setting.learned[f"linear.{e.occurrence}.weight"])
        result = value.reshape(value.shape[0], -1) @ weight.T + np.asarray(
            self.setting.learned[f"linear.{e.occurrence}.bias"]
        )
        result = result if e.type.shape else result[:, 0]
        return result.reshape(result.shape + (1,) * (2 * self.dimensions))

    def _spread(self, e: ex.Expr) -> Array:
        """A value on the bare cells, full along each axis it varies over."""
        value = self.value(e, self.setting.inside)
        for number, axis in enumerate(self.setting.axes):
            if axis.name in e.type.coordinates:
                value = self._full(value, 1 + len(e.type.shape) + number, number, self.setting.inside)
        return value

    def _regions(self, e: ex.Regions) -> Array:
        """Integrals over equal tiles; cell j covers [j/N, (j + 1)/N] of its axis."""
        value = self.value(e.operand, self.setting.inside)
        for number in range(self.dimensions):
            value = self._full(value, 1 + number, number, self.setting.inside)
        tiles = [e.count]
        if self.dimensions == 2:
            small = max(k for k in range(1, e.count + 1) if e.count % k == 0 and k * k <= e.count)
            tiles = [small, e.count // small]
        for number, (axis, count) in enumerate(zip(self.setting.axes, tiles, strict=True)):
            edges = np.linspace(0, axis.cells, count + 1)
            cells = np.arange(axis.cells)
            overlap = np.minimum(edges[1:, None], cells + 1) - np.maximum(edges[:-1, None], cells)
            share = np.clip(overlap, 0, None) * axis.spacing
            value = np.moveaxis(np.tensordot(share, value, axes=(1, 1 + number)), 0, 1 + number)
        return value.reshape((value.shape[0], e.count) + (1,) * (2 * self.dimensions))

    def _noise(self, e: ex.Noise, where: Where) -> Array:
        grid = tuple(a.cells for a in self.setting.axes)
        shape = (*e.type.shape, *grid)
        number = np.arange(math.prod(shape), dtype=np.uint64).reshape(shape)
        mixed = mixer((mixer(np.array([e.seed], dtype=np.uint64)) + number) & np.uint64(0xFFFFFFFF))
        unit = 2 * (mixed.astype(float) + 0.5) / 2.0**32 - 1
        unit = unit.reshape((1, *shape, *(1,) * self.dimensions))
        return unit * self.to_shape(self.value(e.amplitude, where), (), e.type.shape)
