"""Ghost cells: the polynomial through the wall conditions and the nearest q cells."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from npde.model import expression as ex
from npde.model.problem import Condition, LearnedStencil
from npde.model.traversal import children, walk
from tests.reference.grid import Array, Setting, Where

Parts = dict[int | tuple[str, int] | None, Array]


class Ghosts:
    """What a `View` knows of walls."""

    setting: Setting
    fields: Mapping[str, Array]
    dimensions: int
    value: Callable[[ex.Expr, Where], Array]
    _constant: Callable[[complex], Array]
    _linear: Callable[[ex.Expr, int, int, Where], Array]
    _component: Callable[[ex.Expr, int], ex.Expr]
    _differs: Callable[[ex.Expr], bool]

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
        """`pad` ghosts beyond a wall, the nearest first: the polynomial through the conditions and q cells, or without a
        condition (outflow) through as many cells as the order.

        With ξ the distance from the wall in cells, outward: u(ξ) = Σ c_j ξ^j, ∂_n^m u = m! c_m / h^m at the wall, and the
        cells lie at ξ = -1/2, -3/2, … At order 2 a ghost that no other is read beside mirrors the cell at the wall.
        """
        axis = self.setting.axes[number]
        conditions = [
            c for c in self.setting.problem.conditions if (c.field, c.coordinate, c.side) == (name, axis.name, side)
        ]
        order = self.setting.order
        if not conditions:
            left = [(o.field, o.coordinate, o.side) for o in self.setting.problem.outflows]
            if (name, axis.name, side) not in left:
                raise NotImplementedError(f"no condition on '{name}' at the {side} side of '{axis.name}'")
            return self._polynomial(rows, list(range(order)), [], [], np.arange(pad))
        system, right = self._conditions(conditions, rows, number, pads, lead, homogeneous)
        flux = order > 2 and any(c.order >= 3 for c in conditions)  # a condition on the flux takes one cell more
        ghosts = self._polynomial(rows, list(range(order + flux)), system, right, np.arange(pad))
        if order == 2 and len(conditions) == 1 and self._reach(name, number) <= 1:
            ghosts[..., :1] = self._polynomial(rows, [0], system, right, np.arange(1))
        return ghosts

    def _reach(self, name: str, number: int) -> int:
        """How many ghost cells of a field the equations read across an axis at order 2."""
        axis = self.setting.axes[number].name
        nodes = (ex.FieldRef, ex.Gradient, ex.Derivative, ex.Laplacian, ex.Divergence, ex.Curl, ex.ApplyKernel)

        def widest(parts: list[int | None], more: int = 0) -> int | None:
            return max((p + more for p in parts if p is not None), default=None)

        def count(e: ex.Expr, face: bool = False) -> int | None:
            """None where the field does not occur, or is summed over the axis; `face`: at faces across the axis."""
            if isinstance(e, ex.Integral | ex.Mean | ex.Sum) and axis in e.over:
                return None
            if face and isinstance(e, nodes):  # made of the cells on either side, a first difference across it as well
                staggered = isinstance(e, ex.Gradient) or (isinstance(e, ex.Derivative) and e.orders[-1] == (axis, 1))
                inner = count(e.operand) if staggered else count(e)  # type: ignore[union-attr]
                return widest([inner], 1)
            below = [count(c, face) for c in children(e)]
            match e:
                case ex.FieldRef():
                    return 0 if e.name == name and axis not in e.primed else None
                case ex.Derivative():
                    return widest(below, (dict(e.orders).get(axis, 0) + 1) // 2)
                case ex.Laplacian() | ex.Gradient() | ex.Curl():
                    return widest(below, 1)
                case ex.Divergence() if any(self._differs(n) for n in walk(e.operand)):
                    flux = [self._component(e.operand, k) for k in range(self.dimensions)]
                    return widest([count(f, k == number) for k, f in enumerate(flux)])
                case ex.Divergence():
                    return widest(below, 1)
                case ex.ApplyKernel():
                    kernel = self.setting.declared[e.kernel]
                    assert isinstance(kernel, LearnedStencil)
                    own = kernel.extents[number] // 2
                    return widest(below, own) if not e.adjoint else widest([p and max(p, own) for p in below])
                case _:
                    return widest(below)

        problem = self.setting.problem
        found = [count(side) for e in problem.equations for side in (e.left, e.right)]
        firsts = [n for e in problem.equations for n in walk(e.right) if count(n) is not None and _is_first(n, axis)]
        biased = (problem.numerics.upwind + 1) // 2 if problem.numerics.upwind is not None and firsts else 0
        return (
            max((n for n in found if n is not None), default=0) if not biased else max(biased, *(n or 0 for n in found))
        )

    def _conditions(
        self,
        conditions: list[Condition],
        rows: Array,
        number: int,
        pads: tuple[int, ...],
        lead: int,
        homogeneous: bool,
    ) -> tuple[list[dict[int, Array]], list[Array]]:
        """{m: factor of c_m} of each condition, and its data."""
        axis = self.setting.axes[number]
        lines = rows.shape[:-1]
        system: list[dict[int, Array]] = []
        right: list[Array] = []
        for condition in conditions:
            factors, data = self._condition(condition, number, pads, lead, len(lines))
            system.append({m: f * math.factorial(m) / axis.spacing**m for m, f in factors.items()})
            right.append(np.broadcast_to(np.zeros(()) if homogeneous else data, lines))
        return system, right

    def _polynomial(
        self, rows: Array, cells: list[int], system: list[dict[int, Array]], right: list[Array], ghosts: Array
    ) -> Array:
        """The values at `ghosts` of the polynomials through `cells` that meet the conditions."""
        lines, size = rows.shape[:-1], len(cells) + len(system)
        matrix: list[Array] = []
        for factors in system:
            row = np.zeros((*np.broadcast_shapes(*(np.shape(f) for f in factors.values())), size), dtype=complex)
            if max(factors) >= size:
                raise NotImplementedError(
                    f"a condition of normal order {max(factors)} needs a polynomial of that degree"
                )
            for m, factor in factors.items():
                row[..., m] += factor
            matrix.append(np.broadcast_to(row, (*lines, size)))
        matrix += [np.broadcast_to((-(k + 0.5)) ** np.arange(size), (*lines, size)) for k in cells]
        known = np.stack([*right, *(rows[..., k] for k in cells)], axis=-1)
        polynomial = np.linalg.solve(np.stack(matrix, axis=-2), known[..., None])[..., 0]
        values = polynomial @ ((ghosts + 0.5)[:, None] ** np.arange(size)).T
        return values if np.iscomplexobj(rows) else values.real

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
        for key in [k for k in parts if not isinstance(k, int)]:
            known = parts.pop(key)
            if key is not None:
                known = known * self._along(condition, key[1], sign, number, where)
            data = data - self._row(known, number, lead)
        factors = {m: self._row(f, number, lead) for m, f in parts.items() if isinstance(m, int)}
        assert all(np.ndim(f) <= lines for f in factors.values())
        return factors, data

    def _along(self, condition: Condition, m: int, sign: int, number: int, where: Where) -> Array:
        """The second derivatives along the wall of ∂_n^m u, as another condition there states it."""
        place = (condition.field, condition.coordinate, condition.side, m)
        conditions = self.setting.problem.conditions
        other = next(c for c in conditions if (c.field, c.coordinate, c.side, c.order) == place)
        ((_, factor),) = self._normal_parts(other.left, sign, number, where).items()
        along = [a for a in range(self.dimensions) if a != number]
        return sum((self._linear(other.right, a, 2, where) for a in along), np.zeros(())) / factor

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

    def _normal_parts(self, e: ex.Expr, sign: int, number: int, where: Where) -> Parts:
        """An expression at a wall as {m: factor of ∂_n^m u}, under ("along", m) the factor of the second derivatives of ∂_n^m u
        along the wall, and under None what is free of the field."""
        if not _holds_field(e):
            return {None: self.value(e, where)}

        def combined(first: Array, second: Array, operation: Callable[[Array, Array], Array]) -> Array:
            axes = max(self._components(first), self._components(second))
            wide = [v.reshape(v.shape[:1] + (1,) * (axes - self._components(v)) + v.shape[1:]) for v in (first, second)]
            return operation(*wide)

        def scaled(parts: Parts, by: Array) -> Parts:
            return {m: combined(f, by, np.multiply) for m, f in parts.items()}

        def raised(parts: Parts, by: int) -> Parts:
            assert None not in parts
            return {
                m + by if isinstance(m, int) else ("along", m[1] + by): f for m, f in parts.items() if m is not None
            }

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
            case ex.Laplacian():
                inner = again(e.operand)
                along = {("along", m): f for m, f in inner.items() if isinstance(m, int) and self.dimensions > 1}
                assert not along or all(isinstance(m, int) for m in inner), "one lap in a condition"
                return raised(inner, 2) | along
            case _:
                raise NotImplementedError(type(e).__name__)


def _is_first(e: ex.Expr, axis: str) -> bool:
    """Whether a node is a first derivative across an axis, which may be biased."""
    return isinstance(e, ex.Gradient | ex.Divergence) or (
        isinstance(e, ex.Derivative) and dict(e.orders).get(axis) == 1
    )


def _holds_field(e: ex.Expr) -> bool:
    return any(isinstance(n, ex.FieldRef) for n in walk(e))
