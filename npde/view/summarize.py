"""The picture a scientist reads: a graph with its sources, its moving about of data and its chains of pointwise nodes folded
into the layers that use them, loops as frames, blocks that are called several times as pictures of their own."""

from __future__ import annotations

from dataclasses import dataclass, field

from npde.graph.graph import Block, LayerGraph
from npde.graph.layers import (
    AdaptiveStep,
    AffineWeights,
    Call,
    Factorization,
    IterativeSolve,
    KrylovSolve,
    Loop,
    NewtonLayer,
    PhiFunctions,
    Propagator,
    SolveLayer,
    SteadyFactors,
    SteadySolve,
)
from npde.view.boxes import BoxMaker
from npde.view.diagram import Box, Diagram, Edge
from npde.view.folding import Folding
from npde.view.notation import exact_text, shape_text
from npde.view.values import called_once, flatten


def summarize(graph: LayerGraph) -> tuple[Diagram, ...]:
    """The model-level diagrams: the whole network first, then each block that is used in several places."""
    summary = _Summary(graph)
    root = graph.blocks[-1]
    out = [summary.diagram(root, graph.name)]
    shown = {root.name, *summary.once, *summary.looped}
    for name in _referenced(graph):
        if name not in shown:
            shown.add(name)
            out.append(summary.diagram(graph.block(name), _block_title(graph, name)))
    return tuple(out)


def _referenced(graph: LayerGraph) -> list[str]:
    """Blocks in the order in which they are first used."""
    out: list[str] = []
    for block in reversed(graph.blocks):
        for node in block.nodes:
            match node.layer:
                case Call(block=name) | Factorization(block=name) | Propagator(block=name) | SolveLayer(block=name):
                    out.append(name)
                case (
                    AffineWeights(block=name)
                    | PhiFunctions(block=name)
                    | SteadyFactors(block=name)
                    | SteadySolve(block=name)
                ):
                    out.append(name)
                case IterativeSolve(block=name) | NewtonLayer(block=name) | KrylovSolve(block=name):
                    out.append(name)
                case AdaptiveStep(block=name):
                    out.append(name)
                case _:
                    pass
    return list(dict.fromkeys(out))


def _block_title(graph: LayerGraph, name: str) -> str:
    calls = sum(isinstance(n.layer, Call) and n.layer.block == name for b in graph.blocks for n in b.nodes)
    if calls > 1:
        return f"{name}, evaluated {calls} times a step"
    if name == "linear_part":
        return "L, the linear part"
    affine = any(isinstance(n.layer, AffineWeights) and n.layer.block == name for b in graph.blocks for n in b.nodes)
    return f"{name}, turned into W and b" if affine else name


@dataclass
class _Summary:
    graph: LayerGraph
    once: frozenset[str] = field(init=False)
    looped: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        self.once = called_once(self.graph)
        self.looped = frozenset(
            n.layer.block for b in self.graph.blocks for n in b.nodes if isinstance(n.layer, Loop)
        )  # fmt: skip

    def diagram(self, block: Block, title: str) -> Diagram:
        """The picture of one block."""
        folding = Folding(self.graph, flatten(self.graph, block, self.once))
        maker = BoxMaker(self.graph, folding)
        values = [v for v in folding.flat.values.values() if folding.is_box(v)]
        boxes: list[Box] = []
        edges: dict[tuple[str, str], str] = {}
        for value in values:
            layer = value.node.layer
            inner = self.diagram(self.graph.block(layer.block), "") if isinstance(layer, Loop) else None
            boxes.append(maker.box(value, inner))
            for source, via in folding.sources(value).items():
                edges[source, value.id] = via
        boxes = [maker.with_name(b) for b in boxes]
        for position, name in enumerate(folding.flat.outputs):
            shape = shape_text(folding.flat.values[name].node.shape)
            title_out = self._output_title(block, position, folding)
            port = Box(f"{block.name}/→{position}", "port", title_out, members=folding.moves(name), shape=shape)
            boxes.append(port)
            edges[folding.unmoved(name), port.id] = ""
        shapes = {b.id: b.shape for b in boxes}
        labelled = tuple(Edge(s, t, via or _changed(s, shapes, edges)) for (s, t), via in edges.items())
        entries = tuple(i for i in folding.flat.inputs if i in shapes)
        return Diagram(block.name, title, tuple(boxes), labelled, entries)

    def _output_title(self, block: Block, position: int, folding: Folding) -> str:
        name = block.outputs[position]
        if block.name == self.graph.blocks[-1].name:
            return self._result_title(name, folding)
        if block.name in self.looped and position < len(block.inputs):
            return f"next {folding.wording.text(folding.flat.inputs[position])}"
        return name

    def _result_title(self, name: str, folding: Folding) -> str:
        system = self.graph.scheme.system
        if name in {o.name for o in system.outputs}:
            return f"output {name}"
        end = system.problem.time
        state = folding.wording.state
        return f"{state} at {end.name} = {exact_text(end.upper)}" if end is not None else state


def _changed(source: str, shapes: dict[str, str], edges: dict[tuple[str, str], str]) -> str:
    """The shape of a value where it is news: not the shape of what its box reads, and not written in the box already."""
    before = {shapes[s] for s, t in edges if t == source}
    is_new = before != {shapes[source]} and (before or not source.endswith("/state"))
    return shapes[source] if is_new else ""
