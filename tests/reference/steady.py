"""Steady problems by dense matrices: Newton's method on F(q) = left - right, its Jacobian by differences of F.

Absorbing layers in complex arithmetic, from their definition: ∂_x → (1/s) ∂_x with s = 1 + i σ/k₀,
σ = (m + 1) ln(10⁶)/(2 w) (d/w)^m, m the order; zero behind, and coefficients that keep the value at the inner edge.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from npde.model import expression as ex
from npde.model.problem import Problem
from npde.model.traversal import walk
from tests.reference.evaluate import View
from tests.reference.grid import Array, Where
from tests.reference.interpreter import settled
from tests.reference.marching import Layout

STEPS = 60


@dataclass
class SteadyView(View):
    """A view whose derivatives are stretched inside layers; `holds` keeps coefficients there at the inner edge."""

    wave_number: float = 1.0
    holds: bool = False

    def _layer(self, axis: int) -> float | None:
        name = self.setting.axes[axis].name
        return next((float(a.width) for a in self.setting.problem.absorbing if a.coordinate == name), None)

    def _stretch(self, axis: int, where: Where) -> tuple[Array, Array]:
        """1/s and its derivative along an axis at the places of `where`."""
        width, m, ax = self._layer(axis), self.setting.order, self.setting.axes[axis]
        assert width is not None
        x = (ax.at_faces if where.face == axis else ax.at_cells)(where.pads[axis])
        peak = (m + 1) * math.log(1e6) / (2 * width) / self.wave_number
        lower, upper = np.maximum(ax.lower + width - x, 0), np.maximum(x - ax.upper + width, 0)
        s = 1 + 1j * peak * ((lower / width) ** m + (upper / width) ** m)
        slope = 1j * peak * m / width * ((upper / width) ** (m - 1) - (lower / width) ** (m - 1))
        return self.along(1 / s, ax.name), self.along(-slope / s**2, ax.name)

    def _linear(self, e: ex.Expr, axis: int, order: int, where: Where) -> Array:
        plain = super()._linear(e, axis, order, where)
        if self._layer(axis) is None or not self.holds or not _holds_field(e):
            return plain
        one, slope = (self.to_shape(v, (), e.type.shape) for v in self._stretch(axis, where))
        if order == 1:
            return one * plain
        assert order == 2
        return one**2 * plain + one * slope * super()._linear(e, axis, 1, where)

    def _face_difference(self, flux: ex.Expr, axis: int, where: Where) -> Array:
        plain = super()._face_difference(flux, axis, where)
        return plain if self._layer(axis) is None else self._stretch(axis, where)[0] * plain

    def _first_on_face(self, e: ex.Expr, along: int, where: Where) -> Array:
        plain = super()._first_on_face(e, along, where)
        if self._layer(along) is None or along != where.face:
            return plain
        return self._stretch(along, where)[0] * plain

    def _coordinate(self, e: ex.CoordinateRef, where: Where) -> Array:
        value = super()._coordinate(e, where)
        width = self._layer(self.setting.number[e.name])
        if width is None or not self.holds or e.name in self.positions:
            return value
        axis = self.setting.axes[self.setting.number[e.name]]
        return np.clip(value, axis.lower + width, axis.upper - width)

    def _extended(self, array: Array, slot: int, number: int, where: Where) -> Array:
        width, axis = self._layer(number), self.setting.axes[number]
        if width is not None and self.holds:
            inside = np.flatnonzero(
                np.abs(2 * axis.at_cells(0) - axis.lower - axis.upper) <= axis.upper - axis.lower - 2 * width
            )
            array = np.take(array, np.clip(np.arange(axis.cells), inside[0], inside[-1]), axis=slot)
        return super()._extended(array, slot, number, where)

    def _side(self, rows: Array, name: str, number: int, *rest: object) -> Array:
        if self._layer(number) is None:
            return super()._side(rows, name, number, *rest)  # type: ignore[arg-type]
        pad = rest[1]
        assert isinstance(pad, int)
        return np.zeros((*rows.shape[:-1], pad), dtype=rows.dtype)


def _holds_field(e: ex.Expr) -> bool:
    return any(isinstance(n, ex.FieldRef) for n in walk(e))


def _terms(e: ex.Expr, sign: float = 1.0) -> Iterator[tuple[float, ex.Expr]]:
    match e:
        case ex.Negate():
            yield from _terms(e.operand, -sign)
        case ex.Binary(operator="+" | "-"):
            yield from _terms(e.left, sign)
            yield from _terms(e.right, sign if e.operator == "+" else -sign)
        case _:
            yield sign, e


@dataclass(frozen=True)
class SteadyProblem:
    """F of a problem: the left sides less the right ones, packed like a state."""

    problem: Problem
    learned: Mapping[str, Array]
    inputs: Mapping[str, Array]
    wave_number: float = 1.0

    def __call__(self, state: Array) -> Array:
        setting = settled(self.problem, self.learned, self.inputs)
        layout = Layout(setting, {f.name: 0 for f in self.problem.fields})
        view = SteadyView(setting, layout.unpack(state)[0], wave_number=self.wave_number)
        grid = tuple(a.cells for a in setting.axes)
        found: dict[str, Array] = {}
        for equation, field in zip(self.problem.equations, self.problem.fields, strict=True):
            total: Array | float = 0.0
            for side, sign in ((equation.left, 1.0), (equation.right, -1.0)):
                for factor, term in _terms(side, sign):
                    own = replace(view, holds=_holds_field(term))
                    value = own.to_shape(own.value(term, setting.inside), term.type.shape, field.shape)
                    total = total + factor * value[(..., *(0,) * len(grid))]
            whole = np.broadcast_to(np.asarray(total), (state.shape[0], *field.shape, *grid))
            found[field.name] = whole.astype(complex) if field.is_complex else whole.real
        return layout.pack(found, {})

    def _shape(self) -> tuple[int, ...]:
        channels = sum(math.prod(f.shape) * (2 if f.is_complex else 1) for f in self.problem.fields)
        return (channels, *(n for _, n in self.problem.numerics.cells))

    def solve(self, batch: int = 1, *, floating: int = 0, guess: float = 0.0) -> Array:
        """The solution `[B, C, *cells]`; for the first `floating` channels together, one constant is added to the residual and the
        mean is zero."""
        shape = self._shape()
        size = math.prod(shape)
        state = np.full((batch, size), guess)
        for _ in range(STEPS):
            value = self(state.reshape(batch, *shape)).reshape(batch, size)
            jacobian = self._jacobian(state, shape)
            change = np.stack(
                [_solved(j, v, floating * math.prod(shape[1:])) for j, v in zip(jacobian, value, strict=True)]
            )
            state = state - change
            if np.abs(change).max() <= 1e-13 * max(1.0, np.abs(state).max()):
                break
        return state.reshape(batch, *shape)

    def _jacobian(self, state: Array, shape: tuple[int, ...]) -> Array:
        """∂F/∂q of each sample by central differences: exact to rounding where F is linear."""
        batch, size = state.shape
        jacobian = np.zeros((batch, size, size))
        step = 1e-3
        for k in range(size):
            ends = []
            for sign in (1, -1):
                moved = state.copy()
                moved[:, k] += sign * step
                ends.append(self(moved.reshape(batch, *shape)).reshape(batch, size))
            jacobian[:, :, k] = (ends[0] - ends[1]) / (2 * step)
        return jacobian


def _solved(matrix: Array, right: Array, floating: int) -> Array:
    if not floating:
        return np.linalg.solve(matrix, right)
    size = len(right)
    bordered = np.zeros((size + 1, size + 1))
    bordered[:size, :size], bordered[:floating, -1], bordered[-1, :floating] = matrix, 1.0, 1.0
    return np.linalg.solve(bordered, np.append(right, 0.0))[:size]


def solve(
    problem: Problem,
    learned: Mapping[str, Array] | None = None,
    inputs: Mapping[str, Array] | None = None,
    *,
    batch: int = 1,
    floating: int = 0,
    wave_number: float = 1.0,
) -> Array:
    """The solution of a steady problem, `[B, C, *cells]`."""
    return SteadyProblem(problem, learned or {}, inputs or {}, wave_number).solve(batch, floating=floating)
