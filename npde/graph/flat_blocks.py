"""Blocks of the mlp realisation: the rates of a flat state."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import partial
from itertools import product
from math import prod

import sympy as sp

from npde.graph.builder import BlockBuilder, identifier
from npde.graph.expression_blocks import ExpressionBlocks
from npde.graph.flat import FlatLowering, Offsets, Operator, pattern, split_affine
from npde.graph.graph import Block, Parameter, Shape
from npde.graph.layers import (
    Channels,
    Convolution,
    Flatten,
    Ghost,
    Join,
    Pointwise,
    StencilLayer,
    Unflatten,
)
from npde.graph.names import operator_text


class FlatBlocks(ExpressionBlocks):
    """As `ExpressionBlocks`, with affine parts as sparse matrices."""

    def flat_block(
        self, name: str, expressions: Sequence[sp.Expr], layout: Sequence[int], shapes: Sequence[int]
    ) -> Block:
        """As `expression_block` for the mlp realisation: affine parts as sparse matrices of the flat state."""
        builder = BlockBuilder(name, self._span(expressions))
        total = sum(self.scheme.system.unknowns[k].channels for k in layout)
        state = builder.placeholder("state", self.state_shape(total), self.interior)
        time = builder.placeholder("t", self.scalar, self.interior) if self.timed(expressions) else None
        cells = prod(self.scheme.grid.shape)
        flat = builder.add(Flatten(), (state,), Shape(True, total, (cells,)), self.interior, "flat_state")
        unknowns, start = {}, 0
        for k in layout:
            unknown = self.scheme.system.unknowns[k]
            shape = Shape(True, unknown.channels, (cells,))
            piece = builder.add(
                Channels(start, start + unknown.channels), (flat,), shape, self.interior, unknown.symbol.name
            )
            unknowns[unknown.symbol] = piece
            start += unknown.channels
        lowering = FlatLowering(
            self.scheme, builder, self.names, unknowns, time, state=flat,
            operator=partial(self._operator, name),
            released=self._release_matrix if self.releaser is not None else None,
        )  # fmt: skip
        nodes = self._flat_rates(lowering, name, expressions, layout, shapes)
        joined = builder.add(Join(), tuple(nodes), Shape(True, sum(shapes), (cells,)), self.interior, "flat_rate")
        out = builder.add(Unflatten(), (joined,), self.state_shape(sum(shapes)), self.interior, "rate")
        return builder.finish((out,))

    def _flat_rates(
        self,
        lowering: FlatLowering,
        name: str,
        expressions: Sequence[sp.Expr],
        layout: Sequence[int],
        shapes: Sequence[int],
    ) -> list[str]:
        """The affine parts of all rates as one matrix (unless released operators train on their own), plus the rest."""
        symbols = frozenset(u.symbol for u in self.scheme.system.unknowns)
        merges = self.releaser is None and lowering.has_matrices
        parts = [split_affine(e, symbols, lowering.banned) if merges else (sp.Integer(0), e) for e in expressions]
        if all(a == 0 for a, _ in parts):
            return [lowering.value(e, self.interior, hint="value") for e in expressions]
        block = self.expression_block(f"{name}_affine", [a for a, _ in parts], layout, shapes)
        self.blocks.append(block)
        together = lowering.sparse(block.name, lowering.state, sum(shapes), self._offsets_of(block))
        nodes, start = [], 0
        for (_, rest), channels in zip(parts, shapes, strict=True):
            shape = Shape(True, channels, (lowering.cells,))
            piece = lowering.builder.add(
                Channels(start, start + channels), (together,), shape, self.interior, "affine_part"
            )
            start += channels
            if rest != 0:
                other = lowering.value(rest, self.interior, hint="nonlinear")
                a, b = sp.Symbol(piece, real=True), sp.Symbol(other, real=True)
                piece = lowering.builder.add(
                    Pointwise(a + b, (a, b)), (piece, other), shape, self.interior, "rate_part"
                )
            nodes.append(piece)
        return nodes

    def _operator(self, name: str, expr: sp.Expr) -> Operator:
        """The grid block of an operator inside a rate."""
        key = (name, expr)
        if key not in self.operators:
            title = f"{name}_{identifier(operator_text(expr))}"
            taken = {b.name for b in self.blocks}
            label = title if title not in taken else f"{title}_{len(taken)}"
            layout = [k for k, u in enumerate(self.scheme.system.unknowns) if u.symbol in expr.free_symbols]
            block = self.expression_block(label, [expr], layout or None, [1], join=False)
            self.blocks.append(block)
            sources = tuple(self.scheme.system.unknowns[k].symbol for k in layout)
            shape = block.node(block.outputs[0]).shape
            self.operators[key] = Operator(label, sources, self._offsets_of(block), shape, "t" in block.inputs)
        return self.operators[key]

    def _offsets_of(self, block: Block) -> Offsets:
        """The cells that the rows of a local block look at, boundary closures included."""
        walls = [0] * self.dimension
        reaches: dict[str, set[tuple[Fraction, ...]]] = {}
        nothing = (Fraction(0),) * self.dimension
        for node in block.nodes:
            before = set().union(*(reaches[i] for i in node.inputs)) or {nothing}
            match node.layer:
                case StencilLayer(taps=taps):
                    steps = {t.offset for t in taps}
                case Convolution(extents=extents):
                    steps = set(product(*([Fraction(k - e // 2) for k in range(e)] for e in extents)))
                case _:
                    steps = {nothing}
            reaches[node.name] = {tuple(a + b for a, b in zip(x, y, strict=True)) for x in before for y in steps}
            if isinstance(node.layer, Ghost):
                for i, axis in enumerate(self.scheme.grid.axes):
                    own = [len(r.weights[0]) for r in node.layer.rules if r.axis == axis.name and r.weights]
                    walls[i] = max([walls[i], *own])
        cells = [tuple(int(x) for x in o) for name in block.outputs for o in reaches[name]]
        return pattern(cells, tuple(walls))

    def _release_matrix(self, sources: int, block: str, rows: int, offsets: Offsets) -> str:
        """A matrix of the mlp realisation that trains on its own."""
        untied = self.options.free == "layers"
        name = f"matrix_{block}"
        cells = prod(self.scheme.grid.shape)
        self.names.released[name] = Parameter(
            name, name, "matrix", (sources * len(offsets), rows * cells), (), self.scheme.steps if untied else None,
            self._stages() if untied else None, None, None, sp.Integer(1), None, None, 1, False,
        )  # fmt: skip
        return name
