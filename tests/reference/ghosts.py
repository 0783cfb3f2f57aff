"""Ghost cells: the polynomial through the wall conditions and the nearest q cells."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from npde.model import expression as ex
from npde.model.problem import Condition
from tests.reference.grid import Array, Setting, Where, interior_cells


class Ghosts:
    """What a `View` knows of walls."""

    setting: Setting
    fields: Mapping[str, Array]
    dimensions: int
    value: Callable[[ex.Expr, Where], Array]
    _constant: Callable[[complex], Array]

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
            if max(factors) >= size:
                raise NotImplementedError(
                    f"a condition of normal order {max(factors)} needs a polynomial of that degree"
                )
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


def _holds_field(e: ex.Expr) -> bool:
    return any(isinstance(n, ex.FieldRef) for n in ex.walk(e))
