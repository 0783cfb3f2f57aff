"""Expressions of a `Problem` as NumPy arrays, straight from the definitions of the language. Nothing here is fast.

Every value is an array `[B, *components, *space, *primed]`: one axis a space coordinate, then one for each primed twin;
axes along which a value does not vary have length 1. A value is taken at a `Where`: at cells with `pads[i]` ghost cells
beyond both ends of axis i, or at the faces across one axis, or at a wall.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from npde.model import expression as ex
from npde.model.problem import LearnedCoefficient
from tests.reference.differences import DIFFERENTIAL, Differences
from tests.reference.ghosts import Ghosts
from tests.reference.grid import Array, Axis, Setting, Where, interior_cells
from tests.reference.layers import Layers
from tests.reference.pointwise import COMPARISONS, OPERATIONS, elementary
from tests.reference.upwind import Replaced, Upwind

__all__ = ["Array", "Setting", "View", "Where"]


@dataclass
class View(Ghosts, Differences, Layers, Upwind):
    """Expressions at one moment: fields `[B, *components, *cells]`, velocities, time, and the number of the step."""

    setting: Setting
    fields: Mapping[str, Array]
    velocities: Mapping[str, Array] = field(default_factory=dict)
    time: float = 0.0
    step: int = 0
    without_derivatives: bool = False
    positions: dict[str, Array] = field(default_factory=dict)
    replaced: Replaced | None = None

    # --- layout -------------------------------------------------------------------------------------------------------

    @property
    def dimensions(self) -> int:
        return len(self.setting.axes)

    def slot(self, name: str, components: int) -> int:
        """The array axis of a coordinate, "x" or "x'"."""
        axis = self.setting.number[name.rstrip("'")]
        return 1 + components + axis + self.dimensions * name.endswith("'")

    def along(self, values: Array, name: str) -> Array:
        """A row of numbers as a scalar value that varies over one coordinate."""
        shape = [1] * (1 + 2 * self.dimensions)
        shape[self.slot(name, 0)] = len(values)
        return np.reshape(values, shape)

    def to_shape(self, value: Array, own: tuple[int, ...], wanted: tuple[int, ...]) -> Array:
        """A scalar made to join a value with components."""
        if own == wanted or own:
            return value
        return value.reshape(value.shape[:1] + (1,) * len(wanted) + value.shape[1:])

    # --- expressions --------------------------------------------------------------------------------------------------

    def value(self, e: ex.Expr, where: Where) -> Array:
        """The value of an expression."""
        if isinstance(e, DIFFERENTIAL) and self.without_derivatives and not self._is_velocity(e):
            return np.zeros((1,) * (1 + len(e.type.shape) + 2 * self.dimensions))
        if where.face is not None and self._is_read_from_cells(e):
            return self._on_face(e, where)
        match e:
            case ex.Number():
                return self._constant(float(e.value))
            case ex.Constant():
                return self._constant(math.pi if e.name == "pi" else 1j)
            case ex.CoordinateRef():
                return self._coordinate(e, where)
            case ex.FieldRef():
                return self._field(e, where)
            case ex.LetRef():
                return self._let(e, where)
            case ex.LearnRef():
                return self._learned(e, where)
            case ex.InputRef():
                return self._input(e, where)
            case ex.Negate():
                return -self.value(e.operand, where)
            case ex.Binary():
                return self._binary(e, where)
            case ex.Elementary():
                parts = [self.to_shape(self.value(a, where), a.type.shape, e.type.shape) for a in e.arguments]
                return elementary(e.function, parts)
            case ex.Comparison():
                left, right = self._joined(e, e.left, e.right, where)
                return COMPARISONS[e.operator](left, right)
            case ex.Where():
                test = self.to_shape(self.value(e.condition, where), e.condition.type.shape, e.type.shape)
                then, otherwise = self._joined(e, e.then, e.otherwise, where)
                return np.where(test, then, otherwise)
            case ex.Derivative():
                return self._derivative(e, where)
            case ex.Laplacian():
                parts = [self._linear(e.operand, axis, 2, where) for axis in range(self.dimensions)]
                return sum(parts[1:], parts[0])
            case ex.Gradient():
                parts = [self._linear(e.operand, axis, 1, where) for axis in range(self.dimensions)]
                return np.stack(np.broadcast_arrays(*parts), axis=len(e.type.shape))
            case ex.Divergence():
                return self._divergence(e, where)
            case ex.Curl():
                return self._curl(e, where)
            case ex.VectorOf():
                parts = [self.value(i, where) for i in e.items]
                return np.stack(np.broadcast_arrays(*parts), axis=1)
            case ex.Component():
                return self.value(e.operand, where)[:, e.index]
            case ex.Dot():
                return (self.value(e.left, where) * self.value(e.right, where)).sum(axis=1)
            case ex.Cross():
                left, right = np.broadcast_arrays(self.value(e.left, where), self.value(e.right, where))
                return np.cross(left, right, axis=1)
            case ex.Contract():
                matrix, vector = self.value(e.matrix, where), self.value(e.operand, where)
                return (matrix * vector[:, None]).sum(axis=2)
            case ex.Integral() | ex.Mean() | ex.Sum():
                return self._reduced(e, where)
            case ex.ApplyKernel():
                return self._adjoint(e, where) if e.adjoint else self._kernel(e, where)
            case ex.ApplyClosure():
                return self._closure(e, where)
            case ex.Lift():
                return self._lift(e, where)
            case ex.Linear():
                return self._read_out(e)
            case ex.Regions():
                return self._regions(e)
            case ex.Noise():
                return self._noise(e, where)
            case _:
                raise NotImplementedError(type(e).__name__)

    def _constant(self, value: complex) -> Array:
        return np.full((1,) * (1 + 2 * self.dimensions), value)

    def _joined(self, e: ex.Expr, left: ex.Expr, right: ex.Expr, where: Where) -> tuple[Array, Array]:
        a, b = self.value(left, where), self.value(right, where)
        return self.to_shape(a, left.type.shape, e.type.shape), self.to_shape(b, right.type.shape, e.type.shape)

    def _binary(self, e: ex.Binary, where: Where) -> Array:
        left, right = self._joined(e, e.left, e.right, where)
        return OPERATIONS[e.operator](left, right)

    # --- references ---------------------------------------------------------------------------------------------------

    def _coordinate(self, e: ex.CoordinateRef, where: Where) -> Array:
        name = e.name + "'" * e.primed
        if name in self.positions:
            return self.positions[name]
        if e.name == self.setting.problem.marching:
            return self._constant(self.time)
        number = self.setting.number[e.name]
        axis = self.setting.axes[number]
        if e.primed:
            return self.along(axis.at_cells(0), name)
        if where.wall is not None and where.wall[0] == number:
            return self._constant(where.wall[1])
        at = axis.at_faces if where.face == number else axis.at_cells
        return self.along(at(where.pads[number]), name)

    def _let(self, e: ex.LetRef, where: Where) -> Array:
        let = self.setting.lets[e.name]
        bound = {p: self.value(a, where) for p, a in zip(let.parameters, e.arguments, strict=True)}
        return replace(self, positions=bound).value(let.value, where)

    def _field(self, e: ex.FieldRef, where: Where) -> Array:
        axes = {self.setting.number[c] for c in e.primed}
        cells = self._ghosted(e.name, where.without(axes).pads)
        components = len(e.type.shape)
        value = cells.reshape(cells.shape + (1,) * self.dimensions)
        for axis in sorted(axes):
            value = np.swapaxes(value, 1 + components + axis, 1 + components + axis + self.dimensions)
        return value

    def _learned(self, e: ex.LearnRef, where: Where) -> Array:
        declared = self.setting.declared[e.name]
        assert isinstance(declared, LearnedCoefficient)
        array = np.asarray(self.setting.learned[e.name])
        marching = self.setting.problem.marching
        names = [c for c in declared.coordinates if c != marching]
        arguments = [a for c, a in zip(declared.coordinates, e.arguments, strict=True) if c != marching]
        if marching in declared.coordinates:
            array = array[self.step]
        return self._placed(array[None], len(declared.shape), names, arguments, where)

    def _input(self, e: ex.InputRef, where: Where) -> Array:
        declared = next(d for d in self.setting.problem.inputs if d.name == e.name)
        array = np.asarray(self.setting.inputs[e.name])
        marching = self.setting.problem.marching
        if marching in declared.coordinates:
            array = array[:, self.step]
        names = [c for c in declared.coordinates if c != marching]
        arguments: list[ex.Expr] = [ex.CoordinateRef(c, c in e.primed, ex.Type()) for c in names]
        return self._placed(array, len(declared.shape), names, arguments, where)

    def _placed(self, array: Array, components: int, names: list[str], arguments: list[ex.Expr], where: Where) -> Array:
        """An array `[B, *components, *coordinates]` with its axes where its arguments say, on the cells of `where`."""
        order: list[int] = []
        for k, (name, argument) in enumerate(zip(names, arguments, strict=True)):
            axis = 1 + components + len(order)
            if isinstance(argument, ex.Binary):
                array = self._differences(array, axis, name.rstrip("'"), argument)
                first, second = argument.left, argument.right
                assert isinstance(first, ex.CoordinateRef)
                assert isinstance(second, ex.CoordinateRef)
                order += [self.slot(name, components), self.slot(name + "'", components)]
            else:
                assert isinstance(argument, ex.CoordinateRef)
                order.append(self.slot(argument.name + "'" * argument.primed, components))
            assert len(order) >= k
        lead = 1 + components
        array = np.transpose(array, (*range(lead), *(lead + int(k) for k in np.argsort(order))))
        shape = list(array.shape[:lead]) + [1] * (2 * self.dimensions)
        for slot, length in zip(sorted(order), array.shape[lead:], strict=True):
            shape[slot] = length
        array = array.reshape(shape)
        for slot in sorted(order):
            axis_number = slot - lead
            if axis_number < self.dimensions:
                array = self._extended(array, slot, axis_number, where)
        return array

    def _differences(self, array: Array, axis: int, name: str, argument: ex.Binary) -> Array:
        """w(x - x') on a periodic axis: one axis for x, one for x'. x = 0 lies a whole number of cells from the end."""
        ax = self.setting.axes[self.setting.number[name]]
        shift = round(ax.lower / ax.spacing)
        j, k = np.arange(ax.cells)[:, None], np.arange(ax.cells)[None, :]
        assert isinstance(argument.left, ex.CoordinateRef)
        apart = k - j if argument.left.primed else j - k
        return np.take(array, (apart - shift) % ax.cells, axis=axis)

    def _extended(self, array: Array, slot: int, number: int, where: Where) -> Array:
        """A learned array or input at ghosts or faces: wrapped, or the nearest cell; at faces the mean of two cells."""
        axis, pad = self.setting.axes[number], where.pads[number]
        if where.wall is not None:
            return array if where.wall[0] == number else self._extrapolated(array, slot, axis, pad)
        if where.face == number:
            faces = np.arange(-pad, axis.cells + 1 + pad)
            below = np.take(array, axis.cell_index(faces - 1), axis=slot)
            return (below + np.take(array, axis.cell_index(faces), axis=slot)) / 2
        return np.take(array, axis.cell_index(np.arange(-pad, axis.cells + pad)), axis=slot)

    def _extrapolated(self, array: Array, slot: int, axis: Axis, pad: int) -> Array:
        """Wall data given as an array, beyond the ends of the wall: by the polynomial through the q nearest cells."""
        if axis.periodic or not pad:
            return np.take(array, np.arange(-pad, axis.cells + pad) % axis.cells, axis=slot)
        q = interior_cells(self.setting.order)
        rows = np.moveaxis(array, slot, -1)
        inner = np.arange(q) + 0.5
        matrix = np.vander(inner, q, increasing=True)
        reach = np.vander(-(np.arange(pad) + 0.5), q, increasing=True) @ np.linalg.inv(matrix)
        low = rows[..., :q] @ reach.T
        high = rows[..., ::-1][..., :q] @ reach.T
        return np.moveaxis(np.concatenate([low[..., ::-1], rows, high], axis=-1), -1, slot)
