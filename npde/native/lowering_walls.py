"""Ghost cells of values: the rules of a graph's walls as fills along one axis after the other."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import sympy as sp

from npde.discretize.ghosts import evaluate, lagrange
from npde.discretize.scheme import GhostRule
from npde.graph.graph import LayerGraph
from npde.graph.layers import Extend, Ghost
from npde.graph.names import exact
from npde.native.values import Element, Fill, Values, Wall

Channel = tuple[int, ...]
"""The values of a node, one a channel."""


def channel_of(channels: Channel, index: int) -> int:
    """A channel, or the only one."""
    return channels[index] if len(channels) > 1 else channels[0]


@dataclass
class WallLowering:
    """Fills of one graph."""

    graph: LayerGraph
    values: Values

    # --- ghost cells --------------------------------------------------------------------------------------------------

    def _ghost(self, layer: Ghost, inputs: list[Channel], channel: int, value: int) -> int:
        count = len(layer.data)
        arrays = {k: sp.Symbol(f"data {k}", real=True) for k in layer.data}
        known = {arrays[k]: channel_of(i, channel) for k, i in zip(layer.data, inputs[1 : 1 + count], strict=True)}
        known |= {s: channel_of(i, channel) for s, i in zip(layer.symbols, inputs[1 + count :], strict=True)}
        for axis, width in enumerate(layer.widths):
            if not width:
                continue
            walls = None
            if not self.graph.scheme.grid.axes[axis].periodic:
                walls = self._walls(layer.rules, axis, width, arrays)
            value = self._filled(self._fill(value, axis, width, walls, known), self.values[value].name)
        return value

    def _walls(
        self,
        rules: tuple[GhostRule, ...],
        axis: int,
        width: int,
        arrays: dict[tuple[int, int], sp.Symbol],
        *,
        homogeneous: bool = False,
    ) -> tuple[Wall, Wall] | None:
        """The rules of an axis; `arrays[rule, condition]` stands for wall data that are arrays."""
        name = self.graph.scheme.grid.axes[axis].name
        found = []
        for side in ("lower", "upper"):
            for k, rule in enumerate(rules):
                if (rule.axis, rule.side) == (name, side):
                    given = [arrays.get((k, i), d) for i, d in enumerate(rule.data)]
                    data = [sp.Add(*map(sp.Mul, shares, given)) for shares in rule.data_weights[:width]]
                    if homogeneous:
                        data = [sp.Integer(0)] * width
                    found.append(Wall(rule.weights[:width], tuple(data)))
        return (found[0], found[1]) if found else None

    def _fill(
        self, value: int, axis: int, width: int, walls: tuple[Wall, Wall] | None, known: dict[sp.Symbol, int]
    ) -> Fill:
        used: set[sp.Symbol] = set()
        for wall in walls or ():
            for expression in (*wall.data, *(w for row in wall.weights for w in row)):
                used |= {s for s in expression.free_symbols if s in known}
        symbols = tuple(sorted(used, key=str))
        return Fill(value, axis, width, walls, symbols, tuple(known[s] for s in symbols))

    def _filled(self, fill: Fill, name: str) -> int:
        source = self.values[fill.source]
        if isinstance(source.operation, Element):
            number = self.values.copy(fill.source, f"{source.name}_wide")
            fill = Fill(number, fill.axis, fill.width, fill.walls, fill.symbols, fill.values)
        box = tuple(
            (i[0] - fill.width, i[1] + fill.width) if a == fill.axis and i is not None else i
            for a, i in enumerate(source.box)
        )
        batch = source.batch or any(self.values[v].batch for v in fill.values)
        return self.values.add(fill, box, batch, name)

    def _extend(self, layer: Extend, value: int) -> int:
        for axis, width in enumerate(layer.widths):
            if not width:
                continue
            walls = None
            if not layer.periodic[axis]:
                basis, _ = lagrange(layer.cells)
                rows = tuple(tuple(exact(evaluate(p, Fraction(-2 * k - 1, 2))) for p in basis) for k in range(width))
                walls = (Wall(rows, (sp.Integer(0),) * width),) * 2
            value = self._filled(Fill(value, axis, width, walls, (), ()), self.values[value].name)
        return value
