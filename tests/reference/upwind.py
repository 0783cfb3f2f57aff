"""Upwind-biased differences, found by asking: what multiplies ∂_x q, or ∂_x f(q), in the rate of q?

The rate is evaluated with numbers in place of these derivatives. Where it is affine in one of them, with factor c, the
derivative is biased: that of q itself by the sign of c in each cell, that of a flux by dissipation of |c f'|.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from math import comb

import numpy as np

from npde.model import expression as ex
from npde.model.traversal import walk
from tests.reference.grid import Array, Setting, Where
from tests.reference.weights import weights

Key = tuple[ex.Expr, int, bool]
"""What is differentiated, along which axis, and whether in flux form."""


@dataclass(frozen=True)
class Replaced:
    """Derivatives of something of the field `own` at bare cells that a view takes from `values` (else 0), and notes in `seen`."""

    own: str
    values: Mapping[Key, Array | float] = field(default_factory=dict)
    seen: dict[Key, None] = field(default_factory=dict)

    def covers(self, e: ex.Expr, where: Where) -> bool:
        """Whether a derivative of `e` is one of those."""
        bare = not any(where.pads) and where.face is None and where.wall is None
        inner = [n for n in walk(e) if isinstance(n, ex.Derivative | ex.Gradient | ex.Laplacian | ex.Divergence)]
        nested = any(self._holds(n) for n in inner)
        return bare and not nested and self._holds(e)

    def _holds(self, e: ex.Expr) -> bool:
        return any(isinstance(n, ex.FieldRef) and n.name == self.own and not n.primed for n in walk(e))


class Upwind:
    """What a `View` knows of biased differences."""

    setting: Setting
    fields: Mapping[str, Array]
    replaced: Replaced | None
    value: Callable[[ex.Expr, Where], Array]

    def upwinded(self, own: str, rate: Callable[[Upwind], Array]) -> Array:
        """A rate of `own`, a function of the view, with biased derivatives."""
        order = self.setting.problem.numerics.upwind
        if order is None:
            return rate(self)

        def at(values: Mapping[Key, Array | float]) -> tuple[Array, Replaced]:
            replaced = Replaced(own, values)
            return rate(replace(self, replaced=replaced)), replaced  # type: ignore[type-var]

        rest, found = at({})
        total = rest
        for key in found.seen:
            once, twice = at({key: 1.0})[0] - rest, at({key: 2.0})[0] - rest
            assert np.allclose(twice, 2 * once), "a rate that is not affine in a slope"
            total = total + self._biased(own, key, once, (order + 1) // 2)
        return total

    def _biased(self, own: str, key: Key, factor: Array, k: int) -> Array:
        e, number, in_flux = key
        h = self.setting.axes[number].spacing
        if isinstance(e, ex.FieldRef):
            above, below = (self._by_cells(e, number, range(*span)) / h for span in ((1 - k, k + 1), (-k, k)))
            return np.where(factor > 0, factor * above, factor * below)
        inside = self.setting.inside
        slope = self._face_difference(e, number, inside) if in_flux else None  # type: ignore[attr-defined]
        slope = self._by_cells(e, number, range(-k, k + 1)) / h if slope is None else self._bare(slope)
        speed = np.abs(self._speed(own, e, inside.padded(number, 1), number))
        at_faces = np.maximum(np.take(speed, range(speed.shape[number - self._count] - 1), number - self._count),
                              np.take(speed, range(1, speed.shape[number - self._count]), number - self._count))  # fmt: skip
        ref = next(n for n in walk(e) if isinstance(n, ex.FieldRef) and n.name == own)
        jump = self._cells(ref, inside.padded(number, k), number)
        for _ in range(2 * k - 1):
            jump = np.diff(jump, axis=number - self._count)
        flux = at_faces * jump * (-1) ** (k - 1) / (k * comb(2 * k, k))
        return factor * slope + np.abs(factor) * np.diff(flux, axis=number - self._count) / h

    @property
    def _count(self) -> int:
        return len(self.setting.axes)

    def _bare(self, value: Array) -> Array:
        return value[(..., *(0,) * self._count)]

    def _cells(self, e: ex.Expr, where: Where, number: int) -> Array:
        """A value on the cells of `where`, spread over the axis."""
        value = self.value(e, where)
        return self._bare(self._full(value, value.ndim - 2 * self._count + number, number, where))  # type: ignore[attr-defined]

    def _by_cells(self, e: ex.Expr, number: int, offsets: range) -> Array:
        """h ∂e by the cells at `offsets`."""
        reach = max(abs(o) for o in offsets)
        cells = self._cells(e, self.setting.inside.padded(number, reach), number)
        axis = number - self._count
        count = cells.shape[axis] - 2 * reach
        taps = weights([float(o) for o in offsets], 1)
        return sum(
            w * np.take(cells, np.arange(count) + reach + o, axis=axis) for w, o in zip(taps, offsets, strict=True)
        )

    def _speed(self, own: str, e: ex.Expr, where: Where, number: int) -> Array:
        """∂f/∂q by a complex step; what the step makes of ghost cells is divided out."""
        moved = replace(self, fields={**self.fields, own: self.fields[own] + 1e-30j})  # type: ignore[type-var]
        ref = next(n for n in walk(e) if isinstance(n, ex.FieldRef) and n.name == own)
        return moved._cells(e, where, number).imag / moved._cells(ref, where, number).imag
