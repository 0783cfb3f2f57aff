"""Fills and folds as C functions: short loops along the walls, in place."""

from __future__ import annotations

import sympy as sp

from npde.native.c_expression import SUM
from npde.native.c_values import Nest, Position, ValueWriter
from npde.native.program import Border
from npde.native.values import Fill, Fold


class BorderWriter(ValueWriter):
    """Writes the borders of one program."""

    def _fill(self, border: Border) -> Fill:
        operation = self.program.values[border.value].operation
        assert isinstance(operation, Fill | Fold)
        return operation if isinstance(operation, Fill) else operation.fill

    def _border(self, border: Border) -> list[str]:
        """A fill or fold along one axis. Both ends of a periodic axis are one loop; walls belong to the threads at their rows."""
        fill = self._fill(border)
        if fill.walls is None:
            return self._border_loops(self._sides(border, (0, 1)), fill.axis, "first")
        splits = isinstance(self.program.values[border.value].operation, Fill) and self.dimension > 1
        lines = self._border_loops(self._sides(border, (0,)), fill.axis, "first")
        return lines + self._border_loops(self._sides(border, (1,)), fill.axis, "last" if splits else "first")

    def _sides(self, border: Border, sides: tuple[int, ...]) -> Nest:
        """What is done for one entry along the axis' lower (0) and upper (1) end."""
        operation, fill = self.program.values[border.value].operation, self._fill(border)
        assert isinstance(operation, Fill | Fold)
        box, n = self.program.values[operation.source].box, self.layout.grid[fill.axis]
        at = (n - 1) * sides[0]
        along = [(v if i is not None else "", 0) for v, i in zip(self.variables, box, strict=True)]
        nest = Nest(
            tuple((at, at + 1) if a == fill.axis else i for a, i in enumerate(box)),
            tuple(("", at) if a == fill.axis else p for a, p in enumerate(along)),
            frozenset(),
        )
        ghosts = [
            (s, k, self._across(nest, fill.axis, -1 - k if s == 0 else n + k)) for s in sides for k in range(fill.width)
        ]
        for side, k, ghost in ghosts:
            if isinstance(operation, Fill):
                self._fill_ghost(nest, border.buffer, fill, side, k, ghost)
            else:
                self._fold_ghost(nest, border.buffer, fill, side, k, ghost)
        if isinstance(operation, Fold):
            for _, _, ghost in ghosts:
                nest.body.append(f"{self._place(nest, border.buffer, ghost)} = 0;")
        return nest

    def _across(self, nest: Nest, axis: int, index: int) -> Position:
        return tuple(("", index) if a == axis else p for a, p in enumerate(nest.position))

    def _fill_ghost(self, nest: Nest, buffer: int, fill: Fill, side: int, k: int, ghost: Position) -> None:
        n = self.layout.grid[fill.axis]
        target = self._place(nest, buffer, ghost)
        if fill.walls is None:
            source = self._across(nest, fill.axis, n - 1 - k if side == 0 else k)
            nest.body.append(f"{target} = {self._place(nest, buffer, source)};")
            return
        wall = fill.walls[side]
        names = self._wall_names(nest, fill)
        terms = []
        for j, weight in enumerate(wall.weights[k]):
            if weight != 0:
                cell = self._across(nest, fill.axis, j if side == 0 else n - 1 - j)
                terms.append(f"{self.printer.text(weight, names, SUM + 1)} * {self._place(nest, buffer, cell)}")
        if wall.data[k] != 0:
            terms.append(self.printer.text(wall.data[k], names, SUM))
        nest.body.append(f"{target} = {' + '.join(terms) or self.printer.number(0.0)};")

    def _fold_ghost(self, nest: Nest, buffer: int, fill: Fill, side: int, k: int, ghost: Position) -> None:
        n = self.layout.grid[fill.axis]
        source = self._place(nest, buffer, ghost)
        if fill.walls is None:
            target = self._across(nest, fill.axis, n - 1 - k if side == 0 else k)
            nest.body.append(f"{self._place(nest, buffer, target)} += {source};")
            return
        names = self._wall_names(nest, fill)
        for j, weight in enumerate(fill.walls[side].weights[k]):
            if weight != 0:
                target = self._across(nest, fill.axis, j if side == 0 else n - 1 - j)
                nest.body.append(
                    f"{self._place(nest, buffer, target)} += {self.printer.text(weight, names, SUM + 1)} * {source};"
                )

    def _wall_names(self, nest: Nest, fill: Fill) -> dict[sp.Symbol, str]:
        return {s: self._value(nest, v, nest.position) for s, v in zip(fill.symbols, fill.values, strict=True)}

    def _border_loops(self, nest: Nest, axis: int, owner: str) -> list[str]:
        """Loops along a wall. The slowest axis' own walls are the work of the thread `owner`; other walls go by rows."""
        last_axis = self.dimension - 1
        axes = [a for a, i in enumerate(nest.box) if i is not None and a != axis]
        body = [f"    {line}" for line in nest.body]
        if last_axis in axes:
            interval = nest.box[last_axis]
            assert interval is not None
            lines = [*nest.rows, f"for (long j = {interval[0]}; j < {interval[1]}; ++j) {{", *body, "}"]
        else:
            lines = [*nest.rows, "{", *body, "}"]
        for a in reversed(axes):
            interval = nest.box[a]
            if a == last_axis:
                continue
            assert interval is not None
            variable = self.variables[a]
            lower, upper = str(interval[0]), str(interval[1])
            if a == 0:
                lower = f"(first ? {lower} : lo)"
                upper = f"(last ? {upper} : hi)"
            head = f"for (long {variable} = {lower}; {variable} < {upper}; ++{variable}) {{"
            lines = [head, *(f"    {line}" for line in lines), "}"]
        if 0 in axes and self.dimension > 1:
            return lines
        return [f"if ({owner}) {{", *(f"    {line}" for line in lines), "}"]
