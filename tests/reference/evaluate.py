"""Expressions of a `Problem` as NumPy arrays, straight from the definitions of the language. Nothing here is fast.

Every value is an array `[B, *components, *space, *primed]`: one axis a space coordinate, then one for each primed twin;
axes along which a value does not vary have length 1. A value is taken at a `Where`: at cells with `pads[i]` ghost cells
beyond both ends of axis i, or at the faces across one axis, or at a wall.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from npde.model import expression as ex
from npde.model.problem import Condition, Field, LearnedClosure, LearnedCoefficient, LearnedStencil, Let, Problem
from tests.reference.jets import Jet, function, power
from tests.reference.weights import centered, halfway

Array = np.ndarray
DIFFERENTIAL = (ex.Derivative, ex.Laplacian, ex.Gradient, ex.Divergence, ex.Curl)


@dataclass(frozen=True)
class Axis:
    """A space coordinate with its cells: x_j = a + j h where periodic, else a + (j + 1/2) h."""

    name: str
    lower: float
    upper: float
    cells: int
    periodic: bool

    @property
    def spacing(self) -> float:
        return (self.upper - self.lower) / self.cells

    def at_cells(self, pad: int) -> Array:
        """Positions of the cells and `pad` ghosts on both sides; wrapped where periodic."""
        index = np.arange(-pad, self.cells + pad)
        if self.periodic:
            return self.lower + (index % self.cells) * self.spacing
        return self.lower + (index + 0.5) * self.spacing

    def at_faces(self, pad: int) -> Array:
        """Positions of the faces, face f between cells f - 1 and f, and `pad` faces beyond the outer ones."""
        index = np.arange(-pad, self.cells + 1 + pad)
        if self.periodic:
            return self.lower + ((index - 0.5) % self.cells) * self.spacing
        return self.lower + index * self.spacing

    def cell_index(self, index: Array) -> Array:
        """Cell numbers of an array without ghosts: wrapped where periodic, else the nearest cell."""
        return index % self.cells if self.periodic else np.clip(index, 0, self.cells - 1)


@dataclass(frozen=True)
class Where:
    """Where a value is taken; `wall` is (axis, position) at a side."""

    pads: tuple[int, ...]
    face: int | None = None
    wall: tuple[int, float] | None = None

    def padded(self, axis: int, by: int) -> Where:
        """The same with more ghosts along an axis."""
        return replace(self, pads=tuple(p + by * (i == axis) for i, p in enumerate(self.pads)))

    def without(self, axes: set[int]) -> Where:
        """The same at the bare cells of some axes."""
        pads = tuple(0 if i in axes else p for i, p in enumerate(self.pads))
        return Where(pads, None if self.face in axes else self.face, self.wall)


@dataclass(frozen=True)
class Setting:
    """What does not change while a problem is marched."""

    problem: Problem
    learned: Mapping[str, Array]
    inputs: Mapping[str, Array]

    @cached_property
    def axes(self) -> tuple[Axis, ...]:
        cells = dict(self.problem.numerics.cells)
        periodic = self.problem.periodic
        return tuple(
            Axis(c.name, float(c.lower), float(c.upper), cells[c.name], c.name in periodic) for c in self.problem.space
        )

    @cached_property
    def number(self) -> dict[str, int]:
        return {a.name: i for i, a in enumerate(self.axes)}

    @property
    def order(self) -> int:
        return self.problem.numerics.order

    @cached_property
    def lets(self) -> dict[str, Let]:
        return {d.name: d for d in self.problem.lets}

    @cached_property
    def declared(self) -> dict[str, LearnedCoefficient | LearnedStencil | LearnedClosure]:
        return {d.name: d for d in self.problem.learned}

    @cached_property
    def fields(self) -> dict[str, Field]:
        return {f.name: f for f in self.problem.fields}

    @property
    def inside(self) -> Where:
        return Where((0,) * len(self.axes))


@dataclass
class View:
    """Expressions at one moment: fields `[B, *components, *cells]`, velocities, time, and the number of the step."""

    setting: Setting
    fields: Mapping[str, Array]
    velocities: Mapping[str, Array] = field(default_factory=dict)
    time: float = 0.0
    step: int = 0
    without_derivatives: bool = False
    positions: dict[str, Array] = field(default_factory=dict)

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

    # --- ghost cells --------------------------------------------------------------------------------------------------

    def _ghosted(self, name: str, pads: tuple[int, ...]) -> Array:
        """A field with ghost cells."""
        return self.filled(self.fields[name], name, pads, homogeneous=False)

    def filled(self, cells: Array, name: str, pads: tuple[int, ...], *, homogeneous: bool) -> Array:
        """Ghost cells by the conditions of field `name`, axis by axis in order, earlier ghosts included."""
        done = [0] * self.dimensions
        lead = cells.ndim - self.dimensions
        for number, axis in enumerate(self.setting.axes):
            pad = pads[number]
            if pad and axis.periodic:
                cells = np.take(cells, np.arange(-pad, axis.cells + pad) % axis.cells, axis=lead + number)
            elif pad:
                rows = np.moveaxis(cells, lead + number, -1)
                low = self._side(rows, name, number, "lower", pad, tuple(done), lead, homogeneous)
                high = self._side(rows[..., ::-1], name, number, "upper", pad, tuple(done), lead, homogeneous)
                cells = np.moveaxis(np.concatenate([low[..., ::-1], rows, high], axis=-1), -1, lead + number)
            done[number] = pad
        return cells

    def _side(
        self,
        rows: Array,
        name: str,
        number: int,
        side: str,
        pad: int,
        pads: tuple[int, ...],
        lead: int,
        homogeneous: bool,
    ) -> Array:
        """`pad` ghosts beyond a wall, the nearest first: the polynomial through the conditions and q cells.

        With ξ the distance from the wall in cells, outward: u(ξ) = Σ c_j ξ^j, ∂_n^m u = m! c_m / h^m at the wall, and the
        cells lie at ξ = -1/2, -3/2, …
        """
        axis = self.setting.axes[number]
        conditions = [
            c for c in self.setting.problem.conditions if (c.field, c.coordinate, c.side) == (name, axis.name, side)
        ]
        if not conditions:
            raise NotImplementedError(f"no condition on '{name}' at the {side} side of '{axis.name}'")
        q = interior_cells(self.setting.order)
        size = q + len(conditions)
        lines = rows.shape[:-1]
        system: list[Array] = []
        right: list[Array] = []
        for condition in conditions:
            factors, data = self._condition(condition, number, pads, lead, len(lines))
            row = np.zeros((*np.broadcast_shapes(*(np.shape(f) for f in factors.values())), size), dtype=complex)
            for m, factor in factors.items():
                row[..., m] += factor * math.factorial(m) / axis.spacing**m
            system.append(np.broadcast_to(row, (*lines, size)))
            right.append(np.broadcast_to(np.zeros(()) if homogeneous else data, lines))
        for k in range(q):
            system.append(np.broadcast_to((-(k + 0.5)) ** np.arange(size), (*lines, size)))
            right.append(rows[..., k])
        polynomial = np.linalg.solve(np.stack(system, axis=-2), np.stack(right, axis=-1)[..., None])[..., 0]
        at = (np.arange(pad) + 0.5)[:, None] ** np.arange(size)
        ghosts = polynomial @ at.T
        return ghosts if np.iscomplexobj(rows) else ghosts.real

    def _condition(
        self, condition: Condition, number: int, pads: tuple[int, ...], lead: int, lines: int
    ) -> tuple[dict[int, Array], Array]:
        """Σ_m factor_m ∂_n^m u = data, along the wall, shaped like the rows that meet it."""
        axis = self.setting.axes[number]
        at = axis.lower if condition.side == "lower" else axis.upper
        where = Where(pads, wall=(number, at))
        sign = -1 if condition.side == "lower" else 1
        parts = self._normal_parts(condition.left, sign, number, where)
        data = self._row(self.value(condition.right, where), number, lead)
        if None in parts:
            data = data - self._row(parts.pop(None), number, lead)
        factors = {m: self._row(f, number, lead) for m, f in parts.items() if m is not None}
        assert all(np.ndim(f) <= lines for f in factors.values())
        return factors, data

    def _components(self, value: Array) -> int:
        """How many axes of components a value has."""
        return value.ndim - 1 - 2 * self.dimensions

    def _row(self, value: Array, number: int, lead: int) -> Array:
        """A value at a wall without its primed axes and the axis across it, with as many components as the field."""
        components = self._components(value)
        value = value.reshape(value.shape[: 1 + components + self.dimensions])
        value = np.squeeze(value, axis=1 + components + number)
        missing = lead - 1 - components
        return value.reshape(value.shape[:1] + (1,) * missing + value.shape[1:])

    def _normal_parts(self, e: ex.Expr, sign: int, number: int, where: Where) -> dict[int | None, Array]:
        """An expression at a wall as {m: factor of ∂_n^m u}, and under None what is free of the field."""
        if not _holds_field(e):
            return {None: self.value(e, where)}

        def combined(first: Array, second: Array, operation: Callable[[Array, Array], Array]) -> Array:
            axes = max(self._components(first), self._components(second))
            wide = [v.reshape(v.shape[:1] + (1,) * (axes - self._components(v)) + v.shape[1:]) for v in (first, second)]
            return operation(*wide)

        def scaled(parts: dict[int | None, Array], by: Array) -> dict[int | None, Array]:
            return {m: combined(f, by, np.multiply) for m, f in parts.items()}

        def raised(parts: dict[int | None, Array], by: int) -> dict[int | None, Array]:
            assert None not in parts
            return {m + by: f for m, f in parts.items() if m is not None}

        again = lambda part: self._normal_parts(part, sign, number, where)  # noqa: E731
        match e:
            case ex.FieldRef():
                return {0: self._constant(1.0)}
            case ex.Negate():
                return scaled(again(e.operand), self._constant(-1.0))
            case ex.Binary(operator="+" | "-"):
                total = again(e.left)
                signed = again(e.right) if e.operator == "+" else scaled(again(e.right), self._constant(-1.0))
                for m, f in signed.items():
                    total[m] = combined(total[m], f, np.add) if m in total else f
                return total
            case ex.Binary(operator="*") if _holds_field(e.left):
                return scaled(again(e.left), self.value(e.right, where))
            case ex.Binary(operator="*"):
                return scaled(again(e.right), self.value(e.left, where))
            case ex.Binary(operator="/"):
                return scaled(again(e.left), 1 / self.value(e.right, where))
            case ex.NormalDerivative():
                return raised(again(e.operand), 1)
            case ex.Derivative():
                ((_, order),) = e.orders
                return scaled(raised(again(e.operand), order), self._constant(float(sign**order)))
            case ex.Laplacian():  # along the wall the condition of lower order leaves no variation
                return raised(again(e.operand), 2)
            case _:
                raise NotImplementedError(type(e).__name__)

    # --- differences --------------------------------------------------------------------------------------------------

    def _is_velocity(self, e: ex.Expr) -> bool:
        return isinstance(e, ex.Derivative) and e.orders[0][0] == self.setting.problem.marching

    def _derivative(self, e: ex.Derivative, where: Where) -> Array:
        if self._is_velocity(e):
            assert isinstance(e.operand, ex.FieldRef)
            assert not any(where.pads)
            value = self.velocities[e.operand.name]
            return value.reshape(value.shape + (1,) * self.dimensions)
        (name, order), *rest = reversed(e.orders)
        inner = ex.Derivative(e.operand, tuple(reversed(rest)), e.type) if rest else e.operand
        return self._linear(inner, self.setting.number[name], order, where)

    def _linear(self, e: ex.Expr, axis: int, order: int, where: Where) -> Array:
        """∂^order e along an axis: sums term by term, factors that do not vary along it outside, closed forms exactly."""

        def difference(part: ex.Expr) -> Array:
            return self._difference(part, axis, order, where)

        return self._termwise(e, axis, order, where, difference)

    def _termwise(
        self, e: ex.Expr, axis: int, order: int, where: Where, difference: Callable[[ex.Expr], Array]
    ) -> Array:
        name = self.setting.axes[axis].name
        again = lambda part: self._termwise(part, axis, order, where, difference)  # noqa: E731
        match e:
            case _ if name not in e.type.coordinates:
                return np.zeros((1,) * (1 + len(e.type.shape) + 2 * self.dimensions))
            case ex.Negate():
                return -again(e.operand)
            case ex.Binary(operator="+" | "-"):
                left = self.to_shape(again(e.left), e.left.type.shape, e.type.shape)
                right = self.to_shape(again(e.right), e.right.type.shape, e.type.shape)
                return left + right if e.operator == "+" else left - right
            case ex.Binary(operator="*" | "/") if name not in e.right.type.coordinates:
                left = self.to_shape(again(e.left), e.left.type.shape, e.type.shape)
                right = self.to_shape(self.value(e.right, where), e.right.type.shape, e.type.shape)
                return left * right if e.operator == "*" else left / right
            case ex.Binary(operator="*") if name not in e.left.type.coordinates:
                left = self.to_shape(self.value(e.left, where), e.left.type.shape, e.type.shape)
                return left * self.to_shape(again(e.right), e.right.type.shape, e.type.shape)
            case ex.VectorOf():
                return np.stack(np.broadcast_arrays(*(again(i) for i in e.items)), axis=1)
            case _ if self._is_closed(e):
                return self._exactly(e, axis, order, where)
            case _:
                return difference(e)

    def _is_closed(self, e: ex.Expr) -> bool:
        """Whether a scalar is a closed form of the coordinates: no field, array or operator in it."""
        plain = (
            ex.Number, ex.Constant, ex.CoordinateRef, ex.LetRef, ex.Negate, ex.Binary, ex.Elementary, ex.Where,
            ex.Comparison, ex.LearnRef, ex.InputRef,
        )  # fmt: skip
        marching = {self.setting.problem.marching}
        for node in ex.walk(e):
            lives_on_grid = isinstance(node, ex.LearnRef | ex.InputRef) and set(node.type.coordinates) - marching
            if not isinstance(node, plain) or lives_on_grid or node.type.shape:
                return False
        return True

    def _exactly(self, e: ex.Expr, axis: int, order: int, where: Where) -> Array:
        """The exact derivative of a closed form."""
        name = self.setting.axes[axis].name
        value = self._jet(e, name, order, where).derivative(order)
        return np.broadcast_to(value, np.broadcast_shapes(value.shape, (1,) * (1 + 2 * self.dimensions)))

    def _jet(self, e: ex.Expr, name: str, order: int, where: Where) -> Jet:
        again = lambda part: self._jet(part, name, order, where)  # noqa: E731
        match e:
            case ex.CoordinateRef() if e.name == name and not e.primed and name not in self.positions:
                return Jet.variable(self.value(e, where), order)
            case ex.Negate():
                return -again(e.operand)
            case ex.Binary(operator="^"):
                return power(again(e.left), again(e.right))
            case ex.Binary():
                left, right = again(e.left), again(e.right)
                return {"+": left.__add__, "-": left.__sub__, "*": left.__mul__, "/": left.__truediv__}[e.operator](
                    right
                )
            case ex.Elementary(function="min" | "max"):
                best, *rest = [again(a) for a in e.arguments]
                for other in rest:
                    first = best.c[0] <= other.c[0] if e.function == "min" else best.c[0] >= other.c[0]
                    best = Jet([np.where(first, a, b) for a, b in zip(best.c, other.c, strict=True)])
                return best
            case ex.Elementary():
                return function(e.function, again(e.arguments[0]))
            case ex.Where():
                test, then, otherwise = self.value(e.condition, where), again(e.then), again(e.otherwise)
                return Jet([np.where(test, a, b) for a, b in zip(then.c, otherwise.c, strict=True)])
            case ex.LetRef() if e.type.coordinates:
                let = self.setting.lets[e.name]
                inner = _Substituted(dict(zip(let.parameters, e.arguments, strict=True)))
                return again(inner.into(let.value))
            case _:
                return Jet.of(self.value(e, where), order)

    def _difference(self, e: ex.Expr, axis: int, order: int, where: Where) -> Array:
        """The centered difference of cell values."""
        offsets, taps = centered(order, self.setting.order)
        reach = offsets[-1]
        slot = 1 + len(e.type.shape) + axis
        cells = self._full(self.value(e, where.padded(axis, reach)), slot, axis, where.padded(axis, reach))
        count = cells.shape[slot] - 2 * reach
        total = sum(
            w * np.take(cells, np.arange(count) + reach + s, axis=slot) for s, w in zip(offsets, taps, strict=True)
        )
        return total / self.setting.axes[axis].spacing ** order

    def _full(self, value: Array, slot: int, axis: int, where: Where) -> Array:
        """A value that happens not to vary along an axis, spread over it."""
        count = self.setting.axes[axis].cells + 2 * where.pads[axis]
        return np.repeat(value, count, axis=slot) if value.shape[slot] == 1 and count > 1 else value

    # --- fluxes -------------------------------------------------------------------------------------------------------

    def _divergence(self, e: ex.Divergence, where: Where) -> Array:
        """∇·F. With a derivative in F in flux form, F at the faces; else centered differences."""
        staggered = any(self._differs(n) for n in ex.walk(e.operand))
        total: Array | float = 0.0
        for axis in range(self.dimensions):
            flux = self._component(e.operand, axis)
            if staggered:
                total = total + self._termwise(
                    flux, axis, 1, where, lambda f, a=axis: self._face_difference(f, a, where)
                )
            else:
                total = total + self._linear(flux, axis, 1, where)
        return np.asarray(total)

    def _differs(self, node: ex.Expr) -> bool:
        """Whether a node is a difference on the grid (derivatives of closed forms are not)."""
        if not isinstance(node, DIFFERENTIAL):
            return False
        return any(
            isinstance(n, ex.FieldRef | ex.ApplyKernel | ex.Integral)
            or (isinstance(n, ex.LearnRef | ex.InputRef) and n.type.coordinates)
            for n in ex.walk(node.operand)
        )

    def _face_difference(self, flux: ex.Expr, axis: int, where: Where) -> Array:
        """(F_{j+1/2} - F_{j-1/2})/h, or its staggered form of higher order."""
        order = self.setting.order
        outer = order // 2 - 1
        at = replace(where.padded(axis, outer), face=axis)
        faces = self.value(flux, at)
        slot = 1 + len(flux.type.shape) + axis
        if faces.shape[slot] == 1:
            return np.zeros_like(faces)
        taps = halfway(1, order)
        count = faces.shape[slot] - order + 1
        total = sum(w * np.take(faces, np.arange(count) + k, axis=slot) for k, w in enumerate(taps))
        return total / self.setting.axes[axis].spacing

    def _is_read_from_cells(self, e: ex.Expr) -> bool:
        """Whether a value at a face is made from values at cells: fields and operators, not pointwise parts."""
        return isinstance(e, (ex.FieldRef, ex.ApplyKernel, *DIFFERENTIAL)) or (
            isinstance(e, ex.Integral | ex.Mean | ex.Sum) and bool(e.type.coordinates)
        )

    def _on_face(self, e: ex.Expr, where: Where) -> Array:
        """A field or operator at faces: its own first derivative staggered, anything else interpolated."""
        axis = where.face
        assert axis is not None
        if isinstance(e, ex.Gradient):
            parts = [self._first_on_face(e.operand, k, where) for k in range(self.dimensions)]
            return np.stack(np.broadcast_arrays(*parts), axis=len(e.type.shape))
        if isinstance(e, ex.Derivative) and e.orders[-1] == (self.setting.axes[axis].name, 1):
            rest = e.orders[:-1]
            return self._first_on_face(ex.Derivative(e.operand, rest, e.type) if rest else e.operand, axis, where)
        return self._between(e, axis, where, derivative=0)

    def _first_on_face(self, e: ex.Expr, along: int, where: Where) -> Array:
        """∂e/∂x_k at faces across one axis: staggered for k across it, else the centered difference interpolated."""
        axis = where.face
        assert axis is not None
        if along == axis:
            return self._termwise(e, axis, 1, where, lambda part: self._between(part, axis, where, derivative=1))
        name = self.setting.axes[along].name
        whole = ex.Derivative(e, ((name, 1),), e.type)
        return self._termwise(
            e, along, 1, where,
            lambda part: self._between(ex.Derivative(part, whole.orders, part.type), axis, where, derivative=0),
        )  # fmt: skip

    def _between(self, e: ex.Expr, axis: int, where: Where, *, derivative: int) -> Array:
        """Cell values interpolated to faces, or differenced between them."""
        order = self.setting.order
        at = replace(where, face=None).padded(axis, order // 2)
        cells = self.value(e, at)
        slot = 1 + len(e.type.shape) + axis
        if cells.shape[slot] == 1 and derivative == 0:
            return cells
        cells = self._full(cells, slot, axis, at)
        count = cells.shape[slot] - order + 1
        taps = halfway(derivative, order)
        total = sum(w * np.take(cells, np.arange(count) + k, axis=slot) for k, w in enumerate(taps))
        return total / self.setting.axes[axis].spacing ** derivative

    def _component(self, e: ex.Expr, k: int) -> ex.Expr:
        """Component k along the last axis of the shape, as an expression: taken inside sums and products."""
        kind = replace(e.type, shape=e.type.shape[:-1])
        again = lambda part: self._component(part, k) if part.type.shape else part  # noqa: E731
        match e:
            case ex.Gradient():
                return ex.Derivative(e.operand, ((self.setting.axes[k].name, 1),), kind)
            case ex.VectorOf() if len(e.type.shape) == 1:
                return e.items[k]
            case ex.VectorOf():
                return replace(e, items=tuple(again(i) for i in e.items), type=kind)
            case ex.Negate():
                return replace(e, operand=again(e.operand), type=kind)
            case ex.Binary():
                return replace(e, left=again(e.left), right=again(e.right), type=kind)
            case ex.Elementary():
                return replace(e, arguments=tuple(again(a) for a in e.arguments), type=kind)
            case _ if len(e.type.shape) == 1:
                return ex.Component(e, k, kind)
            case _:
                raise NotImplementedError(f"last component of {type(e).__name__}")

    def _curl(self, e: ex.Curl, where: Where) -> Array:
        d = lambda part, axis: self._linear(part, axis, 1, where)  # noqa: E731
        if not e.operand.type.shape:
            return np.stack(np.broadcast_arrays(d(e.operand, 1), -d(e.operand, 0)), axis=1)
        v = [self._component(e.operand, k) for k in range(len(self.setting.axes))]
        if len(v) == 2:
            return d(v[1], 0) - d(v[0], 1)
        parts = [d(v[2], 1) - d(v[1], 2), d(v[0], 2) - d(v[2], 0), d(v[1], 0) - d(v[0], 1)]
        return np.stack(np.broadcast_arrays(*parts), axis=1)

    # --- sums over the grid -------------------------------------------------------------------------------------------

    def _reduced(self, e: ex.Integral | ex.Mean | ex.Sum, where: Where) -> Array:
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
        name = next(n.name for n in ex.walk(e.operand) if isinstance(n, ex.FieldRef))
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


# --- small functions --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Substituted:
    """Parameters of a known function replaced by its arguments."""

    given: dict[str, ex.Expr]

    def into(self, e: ex.Expr) -> ex.Expr:
        match e:
            case ex.CoordinateRef() if e.name in self.given and not e.primed:
                return self.given[e.name]
            case ex.Negate():
                return replace(e, operand=self.into(e.operand))
            case ex.Binary() | ex.Comparison():
                return replace(e, left=self.into(e.left), right=self.into(e.right))
            case ex.Elementary() | ex.LetRef():
                return replace(e, arguments=tuple(self.into(a) for a in e.arguments))
            case ex.Where():
                test = self.into(e.condition)
                assert isinstance(test, ex.Comparison)
                return replace(e, condition=test, then=self.into(e.then), otherwise=self.into(e.otherwise))
            case _:
                return e


def _holds_field(e: ex.Expr) -> bool:
    return any(isinstance(n, ex.FieldRef) for n in ex.walk(e))


def interior_cells(order: int) -> int:
    """q: cells that a ghost polynomial passes through."""
    return 1 if order == 2 else order


def mixer(x: Array) -> Array:
    """The 32-bit mixer of `Noise`."""
    mask = np.uint64(0xFFFFFFFF)
    x = x ^ (x >> np.uint64(16))
    x = (x * np.uint64(0x7FEB352D)) & mask
    x = x ^ (x >> np.uint64(15))
    x = (x * np.uint64(0x846CA68B)) & mask
    return x ^ (x >> np.uint64(16))


OPERATIONS: dict[str, Callable[[Array, Array], Array]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "^": lambda a, b: a**b,
}
COMPARISONS: dict[str, Callable[[Array, Array], Array]] = {
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
    "==": np.equal,
    "!=": np.not_equal,
}
FUNCTIONS: dict[str, Callable[[Array], Array]] = {
    "exp": np.exp, "log": np.log, "sqrt": np.sqrt, "sin": np.sin, "cos": np.cos, "tan": np.tan, "sinh": np.sinh,
    "cosh": np.cosh, "tanh": np.tanh, "abs": np.abs, "conj": np.conj, "re": np.real, "im": np.imag,
    "sech": lambda z: 1 / np.cosh(z),
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "softplus": lambda z: np.logaddexp(0, z),
    "relu": lambda z: np.maximum(z, 0),
    "gelu": lambda z: 0.5 * z * (1 + np.vectorize(math.erf)(z / math.sqrt(2))),
    "abs2": lambda z: np.real(z) ** 2 + np.imag(z) ** 2,
}  # fmt: skip


def elementary(name: str, arguments: list[Array]) -> Array:
    """An elementary function of arrays."""
    if name in ("min", "max"):
        chosen = arguments[0]
        for other in arguments[1:]:
            chosen = np.minimum(chosen, other) if name == "min" else np.maximum(chosen, other)
        return chosen
    return FUNCTIONS[name](arguments[0])
