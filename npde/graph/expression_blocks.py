"""Blocks that evaluate expressions of a state, on the grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import sympy as sp

from npde.discretize.scheme import Leapfrog, RungeKutta, Scheme
from npde.graph.builder import BlockBuilder
from npde.graph.flat import Operator
from npde.graph.graph import Block, Region, Shape
from npde.graph.layers import (
    Channels,
    Join,
)
from npde.graph.lower import Lowering
from npde.graph.names import Names
from npde.graph.released import Releaser
from npde.model.problem import LearnedCoefficient
from npde.options import CompileOptions, NetworkKind
from npde.source import Span
from npde.symbolic import operators as op

DT = sp.Symbol("dt", positive=True)
"""The step, a constant of the emitted module."""


@dataclass
class ExpressionBlocks:
    """What the blocks of one graph share while they are built."""

    scheme: Scheme
    options: CompileOptions
    network: NetworkKind
    names: Names = field(init=False)
    blocks: list[Block] = field(default_factory=list)
    releaser: Releaser | None = None
    operators: dict[tuple[str, sp.Expr], Operator] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.names = Names(self.scheme)
        if self.options.free != "none":
            untied = self.options.free == "layers"
            stages = self._stages() if untied else None
            self.releaser = Releaser(self.scheme, self.names, self.scheme.steps if untied else None, stages)
            self.names.frozen.update(self._redundant())

    @property
    def dimension(self) -> int:
        return len(self.scheme.grid.axes)

    @property
    def interior(self) -> Region:
        return Region((0,) * self.dimension)

    @property
    def channels(self) -> int:
        return sum(u.channels for u in self.scheme.system.unknowns)

    def state_shape(self, channels: int | None = None) -> Shape:
        return Shape(True, self.channels if channels is None else channels, self.scheme.grid.shape)

    @property
    def scalar(self) -> Shape:
        return Shape(False, 1, (1,) * self.dimension)

    def _stages(self) -> int | None:
        match self.scheme.time:
            case RungeKutta(tableau=tableau):
                return len(tableau.b) if len(tableau.b) > 1 else None
            case Leapfrog():
                return 2
            case _:
                return None

    def _redundant(self) -> set[str]:
        """Learned scalars that only scale a released stencil."""
        found = set()
        for rate in self.scheme.system.rates:
            for term in sp.Add.make_args(rate):
                factors = sp.Mul.make_args(term)
                if not any(isinstance(f, op.Diff | op.Lap | op.FaceDiff | op.Biased) for f in factors):
                    continue
                for factor in factors:
                    meaning = self.names.meanings.get(factor)
                    if isinstance(meaning, LearnedCoefficient) and not meaning.coordinates and not meaning.shape:
                        found.add(factor.name)
        return found

    def timed(self, expressions: Sequence[sp.Expr], homogeneous: bool = False) -> bool:
        """Whether expressions, or (unless `homogeneous`) the wall data of their unknowns, hold the marching coordinate itself."""
        marching = self.scheme.system.problem.marching
        if marching is None:
            return False
        time = self.names.symbol(marching)
        closed = not homogeneous and any(e.has(op.GridOperator) for e in expressions)
        walls = [d for g in self.scheme.ghosts for d in g.data] if closed else []
        return any(time in e.free_symbols for e in (*expressions, *walls))

    def expression_block(
        self,
        name: str,
        expressions: Sequence[sp.Expr],
        layout: Sequence[int] | None,
        shapes: Sequence[int],
        *,
        homogeneous: bool = False,
        release: bool = False,
        join: bool = True,
    ) -> Block:
        """A block that evaluates expressions (with `shapes` channels each) of a state whose channels are the unknowns of
        `layout` (None: no state); joined along the channels if `join`."""
        widths: dict[sp.Symbol, tuple[int, ...]] = {}
        for attempt in range(2):
            builder = BlockBuilder(name, self._span(expressions))
            lowering = self._lowering(builder, expressions, layout, homogeneous, release)
            lowering.widths = widths if attempt else {}
            nodes = [
                lowering.value(e, self.interior, hint=f"{name}_{i}" if len(expressions) > 1 else "value")
                for i, e in enumerate(expressions)
            ]
            widths = lowering.requested
        if not join:
            return builder.finish(tuple(nodes))
        nodes = [self._spread(builder, n, c) for n, c in zip(nodes, shapes, strict=True)]
        out = builder.add(Join(), tuple(nodes), self.state_shape(sum(shapes)), self.interior, "rate")
        return builder.finish((out,))

    def _spread(self, builder: BlockBuilder, name: str, channels: int) -> str:
        """A value repeated over the components of the unknown that it is for."""
        shape = builder.nodes[name].shape
        if shape.channels == channels:
            return name
        spread = Shape(shape.batch, channels, self.scheme.grid.shape)
        return builder.add(Join(), (name,), spread, self.interior, f"{name}_all")

    def _lowering(
        self,
        builder: BlockBuilder,
        expressions: Sequence[sp.Expr],
        layout: Sequence[int] | None,
        homogeneous: bool,
        release: bool,
    ) -> Lowering:
        unknowns: dict[sp.Symbol, str] = {}
        if layout is not None:
            unknowns = self._split(builder, layout)
        timed = self.timed(expressions, homogeneous)
        time = builder.placeholder("t", self.scalar, self.interior) if timed else None
        lowering = Lowering(
            self.scheme, builder, self.names, unknowns, time, homogeneous=homogeneous, hoists=layout is not None
        )
        if release and self.releaser is not None:
            lowering.release = self.releaser
        return lowering

    def _split(self, builder: BlockBuilder, layout: Sequence[int]) -> dict[sp.Symbol, str]:
        all_unknowns = self.scheme.system.unknowns
        total = sum(all_unknowns[k].channels for k in layout)
        state = builder.placeholder("state", self.state_shape(total), self.interior)
        unknowns, start = {}, 0
        for k in layout:
            unknown = all_unknowns[k]
            stop = start + unknown.channels
            unknowns[unknown.symbol] = builder.add(
                Channels(start, stop), (state,), self.state_shape(unknown.channels), self.interior, unknown.symbol.name
            )
            start = stop
        return unknowns

    def _span(self, expressions: Sequence[sp.Expr]) -> Span:
        for terms, rate in zip(self.scheme.system.terms, self.scheme.system.rates, strict=False):
            if rate in expressions and terms:
                return terms[0].span
        equations = self.scheme.system.problem.equations
        return equations[0].span
