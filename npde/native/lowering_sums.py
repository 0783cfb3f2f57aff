"""Sums of many terms: convolution layers, matrices, sums over the grid. Short ones are written out, long ones loop over a table."""

from __future__ import annotations

from itertools import product
from math import prod

import sympy as sp

from npde.graph.graph import Node, Region
from npde.graph.layers import ConvolutionAdjoint, Reduction
from npde.native.lowering_walls import Channel, WallLowering, channel_of
from npde.native.samples import are_side_by_side
from npde.native.values import Box, Correlation, Element, Fold, Product, Shift, Total, Unfit

WRITTEN_OUT = 40
"""Weights of a convolution layer that are written out in a kernel; more are a loop over a table of weights."""

WRITTEN_OUT_CELL = 300
"""The same of a layer within a cell, whose inputs are no arrays when it is written out."""


class SumLowering(WallLowering):
    """Layers that are sums of products."""

    @property
    def _written_out(self) -> int:
        """The most weights of a layer within a cell that are written out. Where samples are cells, what it reads are arrays."""
        return WRITTEN_OUT if are_side_by_side(self.graph) else WRITTEN_OUT_CELL

    # --- where --------------------------------------------------------------------------------------------------------

    def _channels(self, node: Node) -> range:
        return range(node.shape.channels)

    def _label(self, node: Node, channel: int) -> str:
        return node.name if node.shape.channels == 1 else f"{node.name}_{channel}"

    def _box(self, node: Node) -> Box:
        if are_side_by_side(self.graph):
            return self.values.interior if node.shape.batch else (None,)
        return self._region_box(node.region, tuple(e > 1 for e in node.shape.extents))

    def _region_box(self, region: Region, varies: tuple[bool, ...]) -> Box:
        return tuple(
            (-h, n + h + (1 if region.face == i else 0)) if v else None
            for i, (n, h, v) in enumerate(zip(self.values.grid, region.halo, varies, strict=True))
        )

    def _spread(self, value: int, box: Box | None = None) -> int:
        """A value on all cells (of a box), also along axes on which it does not vary."""
        own = self.values[value]
        full = tuple(o if o is not None else b for o, b in zip(own.box, box or self.values.interior, strict=True))
        symbol = sp.Symbol("a", real=True)
        return self.values.map(symbol, [(symbol, value, self.values.here)], full, own.name)

    # --- products -----------------------------------------------------------------------------------------------------

    def _sum_of_products(
        self, pairs: list[tuple[int, int]], box: Box, name: str, shifts: list[Shift] | None = None
    ) -> int:
        here = [self.values.here] * len(pairs) if shifts is None else shifts
        terms, total = [], []
        for k, ((a, b), shift) in enumerate(zip(pairs, here, strict=True)):
            x, y = sp.Symbol(f"a{k}", real=True), sp.Symbol(f"b{k}", real=True)
            terms += [(x, a, self.values.here), (y, b, shift)]
            total.append(x * y)
        return self.values.map(sp.Add(*total), terms, box, name)

    def _product(self, node: Node, matrix: Channel, vector: Channel) -> Channel:
        """`A v` over channels, in each cell."""
        names = [self._label(node, n) for n in self._channels(node)]
        if len(matrix) == 1 < len(names) * len(vector):
            return self._rows(matrix[0], vector, self._box(node), names, (self.values.here,))
        pairs = [[(matrix[n * len(vector) + m], v) for m, v in enumerate(vector)] for n in self._channels(node)]
        return tuple(self._sum_of_products(row, self._box(node), name) for row, name in zip(pairs, names, strict=True))

    def _rows(
        self,
        table: int,
        sources: Channel,
        box: Box,
        names: list[str],
        shifts: tuple[Shift, ...],
        grown: Box | None = None,
    ) -> Channel:
        """`Σ_i Σ_k table[c, i, k] source_i(· + shift_k)` for each c; `table` is the value of its first entry, `grown` the box on
        which sources are read."""
        first = self.values[table].operation
        assert isinstance(first, Element)
        full = tuple((0, n) if b is None else b for b, n in zip(box, self.values.grid, strict=True))
        spread = tuple(self._spread(s, grown or full) for s in sources)
        columns = tuple(i * len(shifts) for i in range(len(sources)))
        size = len(sources) * len(shifts)
        batch = self.values[table].batch or any(self.values[s].batch for s in spread)
        return tuple(
            self.values.add(
                Correlation(spread, first.argument, first.element + c * size, columns, shifts), full, batch, n
            )
            for c, n in enumerate(names)
        )

    # --- convolutions -------------------------------------------------------------------------------------------------

    def _taps(self, extents: tuple[int, ...]) -> tuple[Shift, ...]:
        return tuple(
            tuple(k - e // 2 for k, e in zip(index, extents, strict=True)) for index in product(*map(range, extents))
        )

    def _correlate(self, node: Node, extents: tuple[int, ...], sources: Channel, kernel: Channel) -> int:
        """`Σ_i Σ_k kernel[i, k] source_i(· + k)`."""
        taps = self._taps(extents)
        pairs: list[tuple[int, int]] = []
        shifts: list[Shift] = []
        for i, source in enumerate(sources):
            pairs += [(kernel[i * len(taps) + k], source) for k in range(len(taps))]
            shifts += taps
        return self._sum_of_products(pairs, self._box(node), node.name, shifts)

    def _released(self, node: Node, extents: tuple[int, ...], source: int, kernel: Channel) -> int:
        """A stencil with weights of its own, the same for all channels."""
        if len(kernel) == 1 < prod(extents):
            return self._looped(node, extents, (source,), kernel, [node.name])[0]
        return self._correlate(node, extents, (source,), kernel)

    def _looped(
        self, node: Node, extents: tuple[int, ...], sources: Channel, kernel: Channel, names: list[str]
    ) -> Channel:
        box = self._box(node)
        grown = tuple(
            (0 - e // 2, n + e // 2) if b is None else (b[0] - e // 2, b[1] + e // 2)
            for b, n, e in zip(box, self.values.grid, extents, strict=True)
        )
        return self._rows(kernel[0], sources, box, names, self._taps(extents), grown)

    def _convolution(self, node: Node, extents: tuple[int, ...], sources: Channel, kernel: Channel) -> Channel:
        size = len(sources) * prod(extents)
        if len(kernel) == 1 < size * node.shape.channels:
            return self._looped(node, extents, sources, kernel, [self._label(node, c) for c in self._channels(node)])
        return tuple(
            self._correlate(node, extents, sources, kernel[c * size : (c + 1) * size]) for c in self._channels(node)
        )

    def _adjoint(self, node: Node, layer: ConvolutionAdjoint, inputs: list[Channel]) -> Channel:
        """Transposed convolution onto cells and ghost cells, then each axis folded back, last first."""
        sources, kernel, *extra = inputs
        sources = tuple(
            self.values.copy(s, f"{self.values[s].name}_alone", self.values.interior) for s in sources
        )  # zero around its cells
        halo = tuple(e // 2 for e in layer.extents)
        box = tuple((-h, n + h) for n, h in zip(self.values.grid, halo, strict=True))
        found = []
        for i, value in enumerate(self._transposed(node, self._taps(layer.extents), sources, kernel, box)):
            values = dict(zip(layer.symbols, (channel_of(e, i) for e in extra), strict=True))
            for axis in reversed(range(self.values.dimension)):
                if halo[axis]:
                    walls = self._walls(layer.rules, axis, halo[axis], {}, homogeneous=True)
                    fill = self._fill(value, axis, halo[axis], None if layer.periodic[axis] else walls, values)
                    inner = tuple(
                        (0, n) if a == axis else b
                        for a, (n, b) in enumerate(zip(self.values.grid, self.values[value].box, strict=True))
                    )
                    value = self.values.add(Fold(value, fill), inner, True, self._label(node, i))
            found.append(value)
        return tuple(found)

    def _transposed(
        self, node: Node, taps: tuple[Shift, ...], sources: Channel, kernel: Channel, box: Box
    ) -> list[int]:
        """`Σ_c Σ_k kernel[c, i, k] source_c(· - k)` for each channel i of the node."""
        back = tuple(tuple(-s for s in tap) for tap in taps)
        size = node.shape.channels * len(taps)
        found = []
        for i in self._channels(node):
            if len(kernel) == 1 < len(sources) * size:
                first = self.values[kernel[0]].operation
                assert isinstance(first, Element)
                columns = tuple(c * size for c in range(len(sources)))
                layer = Correlation(sources, first.argument, first.element + i * len(taps), columns, back)
                found.append(self.values.add(layer, box, True, self._label(node, i)))
                continue
            pairs: list[tuple[int, int]] = []
            shifts: list[Shift] = []
            for c, source in enumerate(sources):
                pairs += [(kernel[c * size + i * len(taps) + k], source) for k in range(len(taps))]
                shifts += back
            found.append(self._sum_of_products(pairs, box, self._label(node, i), shifts))
        return found

    # --- over the grid ------------------------------------------------------------------------------------------------

    def _dense(self, node: Node, axes: tuple[int, ...], sources: Channel, matrix: Channel) -> Channel:
        """`Σ_m W[n, m] e_m` over the entries along `axes`."""
        first = self.values[matrix[0]].operation
        if not isinstance(first, Element):
            raise Unfit("a matrix that changes within a step has no native kernel")
        found = []
        for c, source in enumerate(sources):
            spread = self._spread(source, tuple((0, n) if a in axes else None for a, n in enumerate(self.values.grid)))
            own = self.values[spread]
            layer = Product(spread, first.argument, first.element, axes, False)
            batch = own.batch or self.values[matrix[0]].batch
            found.append(self.values.add(layer, own.box, batch, self._label(node, c)))
        return tuple(found)

    def _reduced(self, layer: Reduction, value: int, name: str) -> int:
        """A sum over axes times a factor; along axes on which the value does not vary it is a product."""
        own = self.values[value]
        present = tuple(a for a in layer.axes if own.box[a] is not None)
        counts = dict(enumerate(self.values.grid))
        scale = layer.scale * prod(counts[a] for a in layer.axes if a not in present)
        if layer.kind == "mean":
            scale = sp.Rational(1, prod(counts[a] for a in present))
        box = tuple(None if a in present else b for a, b in enumerate(own.box))
        total = self.values.add(Total(value, present), box, own.batch, f"{name}_sum") if present else value
        symbol = sp.Symbol("a", real=True)
        return self.values.map(scale * symbol, [(symbol, total, self.values.here)], box, name)
