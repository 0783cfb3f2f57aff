"""Centered differences, fluxes at faces, exact derivatives of closed forms."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from npde.model import expression as ex
from npde.model.traversal import walk
from tests.reference.grid import Array, Setting, Where
from tests.reference.jets import Jet, function, power
from tests.reference.upwind import Key, Replaced
from tests.reference.weights import centered, halfway

DIFFERENTIAL = (ex.Derivative, ex.Laplacian, ex.Gradient, ex.Divergence, ex.Curl)


class Differences:
    """What a `View` knows of derivatives."""

    setting: Setting
    velocities: Mapping[str, Array]
    positions: dict[str, Array]
    replaced: Replaced | None
    dimensions: int
    value: Callable[[ex.Expr, Where], Array]
    to_shape: Callable[[Array, tuple[int, ...], tuple[int, ...]], Array]

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
            case ex.Derivative(orders=((along, n),)) if along == name and self._is_closed(e.operand):
                return self._exactly(e.operand, axis, order + n, where)
            case _:
                return difference(e)

    def _is_closed(self, e: ex.Expr) -> bool:
        """Whether a scalar is a closed form of the coordinates: no field, array or operator in it."""
        plain = (
            ex.Number, ex.Constant, ex.CoordinateRef, ex.LetRef, ex.Negate, ex.Binary, ex.Elementary, ex.Where,
            ex.Comparison, ex.LearnRef, ex.InputRef,
        )  # fmt: skip
        marching = {self.setting.problem.marching}
        for node in walk(e):
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
        if self.replaced is not None and order == 1 and self.replaced.covers(e, where):
            return self._standing_in((e, axis, False))
        offsets, taps = centered(order, self.setting.order)
        reach = offsets[-1]
        slot = 1 + len(e.type.shape) + axis
        cells = self._full(self.value(e, where.padded(axis, reach)), slot, axis, where.padded(axis, reach))
        count = cells.shape[slot] - 2 * reach
        total = sum(
            w * np.take(cells, np.arange(count) + reach + s, axis=slot) for s, w in zip(offsets, taps, strict=True)
        )
        return total / self.setting.axes[axis].spacing ** order

    def _standing_in(self, key: Key) -> Array:
        """The number that stands for a derivative."""
        assert self.replaced is not None
        self.replaced.seen[key] = None
        return np.full((1,) * (1 + len(key[0].type.shape) + 2 * self.dimensions), self.replaced.values.get(key, 0.0))

    def _full(self, value: Array, slot: int, axis: int, where: Where) -> Array:
        """A value that happens not to vary along an axis, spread over it."""
        count = self.setting.axes[axis].cells + 2 * where.pads[axis]
        return np.repeat(value, count, axis=slot) if value.shape[slot] == 1 and count > 1 else value

    # --- fluxes -------------------------------------------------------------------------------------------------------

    def _divergence(self, e: ex.Divergence, where: Where) -> Array:
        """∇·F. With a derivative in F in flux form, F at the faces; else centered differences."""
        staggered = any(self._differs(n) for n in walk(e.operand))
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
            for n in walk(node.operand)
        )

    def _face_difference(self, flux: ex.Expr, axis: int, where: Where) -> Array:
        """(F_{j+1/2} - F_{j-1/2})/h, or its staggered form of higher order."""
        if self.replaced is not None and self.replaced.covers(flux, where):
            return self._standing_in((flux, axis, True))
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
