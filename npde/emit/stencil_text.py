"""Stencils as text: shifted slices, weighted and summed."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import gcd, lcm

from npde.diagnostics import InternalError
from npde.emit.constants import Constants
from npde.emit.sums import Term, accumulated
from npde.emit.text import Writer
from npde.graph.graph import Block, LayerGraph, Node, Region
from npde.graph.layers import (
    StencilLayer,
    Tap,
)


@dataclass
class StencilEmitter:
    """What all emitters of nodes share, and fixed and released stencils. `names` maps nodes to the text of their values."""

    graph: LayerGraph
    block: Block
    constants: Constants
    writer: Writer
    names: dict[str, str]
    batch: str
    helpers: set[str]

    @property
    def dimension(self) -> int:
        return len(self.graph.scheme.grid.axes)

    def _node(self, name: str) -> Node:
        return self.block.node(name)

    def _helper(self, name: str) -> str:
        self.helpers.add(name)
        return name

    def _slice(self, source: str, node: Node, region: Region, offset: tuple[Fraction, ...]) -> str:
        """`source` shifted by `offset`, on `region`: entry j of the result is the value at j + offset."""
        parts = []
        for i in range(self.dimension):
            if node.shape.extents[i] == 1:
                parts.append(":")
                continue
            first_out = -Fraction(region.halo[i]) - (Fraction(1, 2) if region.face == i else 0)
            first_in = -Fraction(node.region.halo[i]) - (Fraction(1, 2) if node.region.face == i else 0)
            start = first_out + offset[i] - first_in
            count = self.graph.scheme.grid.axes[i].cells + 2 * region.halo[i] + (1 if region.face == i else 0)
            stop = start + count - node.shape.extents[i]
            if start.denominator != 1 or start < 0 or stop > 0:
                raise InternalError(f"stencil reads outside its operand in {self.block.name}")
            parts.append(f"{int(start) if start else ''}:{int(stop) if stop else ''}")
        return source if all(p == ":" for p in parts) else f"{source}[..., {', '.join(parts)}]"

    def _stencil(self, node: Node, layer: StencilLayer, source: str) -> str:
        of = self._node(node.inputs[0])
        groups: dict[str, list[Tap]] = {}
        for tap in layer.taps:
            groups.setdefault(self.constants.volume(tap.powers), []).append(tap)
        merged = {divisor: self._merged(taps) for divisor, taps in groups.items()}
        texts = [self._weighted(taps, divisor, of, node.region, source) for divisor, taps in merged.items()]
        if any(len(taps) < 2 for taps in merged.values()):
            return " + ".join(texts)
        return texts[0] + "".join(f".add_({text})" for text in texts[1:])

    @staticmethod
    def _merged(taps: list[Tap]) -> list[tuple[tuple[Fraction, ...], Fraction]]:
        weights: dict[tuple[Fraction, ...], Fraction] = {}
        for tap in taps:
            weights[tap.offset] = weights.get(tap.offset, Fraction(0)) + tap.weight
        return sorted(((o, w) for o, w in weights.items() if w), key=lambda item: (-item[1], item[0]))

    def _weighted(
        self, taps: list[tuple[tuple[Fraction, ...], Fraction]], divisor: str, of: Node, region: Region, source: str
    ) -> str:
        """`(a + b).sub_(c, alpha=2).div_(DX**2)`: one common denominator, units first."""
        denominator = lcm(*(w.denominator for _, w in taps))
        common = gcd(*(int(w * denominator) for _, w in taps))
        whole = [(o, int(w * denominator) // common) for o, w in taps]
        terms = []
        for offset, weight in sorted(whole, key=lambda tap: tap[1] != 1):
            size = "" if abs(weight) == 1 else str(abs(weight))
            terms.append(Term(self._slice(source, of, region, offset), size, weight < 0))
        scale = Fraction(common, denominator)
        below = " * ".join(t for t in (str(scale.denominator) if scale.denominator != 1 else "", divisor) if t)
        return accumulated(terms, str(scale.numerator) if scale.numerator != 1 else "", below)

    def _released(self, node: Node, inputs: list[str]) -> str:
        source, kernel = inputs
        of = self._node(node.inputs[0]).shape
        channels = of.channels
        if not of.batch:  # axes of components before those of the grid, or none
            d = self.dimension
            flat = f"{source}.reshape(-1, 1, *{source}.shape[-{d}:])"
            back = f".unflatten(0, (*{source}.shape[:-{d}], 1))[..., 0, 0{', :' * d}]"
            return f"functional.conv{d}d({flat}, {kernel}[None, None]){back}"
        if channels == 1:
            return f"functional.conv{self.dimension}d({source}, {kernel}[None, None])"
        shape = f"({source}.shape[0], {channels})"
        folded = f"{source}.flatten(0, 1)[:, None]"
        return f"functional.conv{self.dimension}d({folded}, {kernel}[None, None])[:, 0].unflatten(0, {shape})"
