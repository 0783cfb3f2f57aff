"""The values of a block laid flat: blocks that are called once are taken in, coefficients stand for what computes them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace

from npde.graph.graph import Block, LayerGraph, Node
from npde.graph.layers import (
    AdaptiveStep,
    AffineWeights,
    Call,
    Channels,
    Coefficient,
    CoordinateArray,
    Crop,
    Extend,
    Factorization,
    Flatten,
    Ghost,
    InputArray,
    IterativeSolve,
    Join,
    KernelMatrix,
    KrylovSolve,
    Loop,
    NewtonLayer,
    Noise,
    PhiFunctions,
    Placeholder,
    Pointwise,
    Propagator,
    SolveLayer,
    SteadyFactors,
    SteadySolve,
    Unflatten,
    Weight,
)


@dataclass(frozen=True, slots=True)
class Value:
    """A node of the graph with the ids ("block/name") of what it reads."""

    id: str
    node: Node
    inputs: tuple[str, ...]


@dataclass
class Flat:
    """Values in topological order; `inputs` and `outputs` are ids."""

    name: str
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    values: dict[str, Value] = field(default_factory=dict)

    def readers(self) -> dict[str, list[str]]:
        """Who reads each value, in order."""
        out: dict[str, list[str]] = {name: [] for name in self.values}
        for value in self.values.values():
            for source in value.inputs:
                out[source].append(value.id)
        return out


def called_once(graph: LayerGraph) -> frozenset[str]:
    """Blocks that exactly one call (and nothing else) runs."""
    calls: Counter[str] = Counter()
    other: set[str] = set()
    for block in graph.blocks:
        for node in block.nodes:
            match node.layer:
                case Call(block=name):
                    calls[name] += 1
                case Loop(block=name) | Factorization(block=name) | Propagator(block=name) | PhiFunctions(block=name):
                    other.add(name)
                case SolveLayer(block=name) | KrylovSolve(block=name) | AdaptiveStep(block=name):
                    other.add(name)
                case NewtonLayer(block=name) | AffineWeights(block=name):
                    other.add(name)
                case SteadyFactors(block=name) | SteadySolve(block=name) | IterativeSolve(block=name):
                    other.add(name)
                case _:
                    pass
    return frozenset(name for name, count in calls.items() if count == 1 and name not in other)


def flatten(graph: LayerGraph, block: Block, once: frozenset[str]) -> Flat:
    """The values of a block, those of blocks called once in their place."""
    flat = Flat(block.name)
    if any(b.name == "coefficients" for b in graph.blocks):
        _add(graph, graph.block("coefficients"), (), once, flat)
        flat.outputs = ()
    flat.inputs = tuple(f"{block.name}/{i}" for i in block.inputs)
    flat.outputs = _add(graph, block, flat.inputs, once, flat, root=True)
    return _needed(flat)


def _add(
    graph: LayerGraph, block: Block, arguments: tuple[str, ...], once: frozenset[str], flat: Flat, root: bool = False
) -> tuple[str, ...]:
    """Adds the values of a block that reads `arguments`; the ids of its outputs."""
    ids = {} if root else dict(zip(block.inputs, arguments, strict=False))
    for node in block.nodes:
        if node.name in ids:
            continue
        inputs = tuple(ids[i] for i in node.inputs)
        match node.layer:
            case Call(block=name) if name in once:
                ids[node.name] = _add(graph, graph.block(name), inputs, once, flat)[0]
                _widen(flat, ids[node.name], node)
            case Coefficient(name=name):
                ids[node.name] = f"coefficients/{name}"
            case _:
                ids[node.name] = f"{block.name}/{node.name}"
                flat.values[ids[node.name]] = Value(ids[node.name], node, inputs)
    return tuple(ids[o] for o in block.outputs)


def _widen(flat: Flat, name: str, call: Node) -> None:
    """Gives the value of a block that was taken in the shape that its call has (a batch, where the block has none)."""
    value = flat.values[name]
    while isinstance(value.node.layer, Join) and len(value.inputs) == 1:
        value = flat.values[value.inputs[0]]
    if isinstance(value.node.layer, Pointwise) and value.node.shape.channels == call.shape.channels:
        flat.values[value.id] = replace(value, node=replace(value.node, shape=call.shape))


def _needed(flat: Flat) -> Flat:
    """Without the values that no output needs."""
    needed = {*flat.outputs, *flat.inputs}
    for value in reversed(flat.values.values()):
        if value.id in needed:
            needed.update(value.inputs)
    flat.values = {k: v for k, v in flat.values.items() if k in needed}
    return flat


def is_source(value: Value) -> bool:
    """What enters without being data of a sample: learned arrays, coordinates, the time, factors of a solve."""
    match value.node.layer:
        case Weight() | CoordinateArray() | Noise() | Coefficient() | Factorization() | Propagator() | AffineWeights():
            return True
        case KernelMatrix() | PhiFunctions() | SteadyFactors():
            return True
        case Placeholder():
            return not value.node.shape.batch
        case _:
            return False


def passes_through(value: Value) -> bool:
    """Whether a value is its first input, moved: the reader is shown that input instead."""
    match value.node.layer:
        case Channels() | Crop() | Extend() | Ghost() | Flatten() | Unflatten():
            return True
        case Join():
            return len(value.inputs) == 1
        case _:
            return False


def constants(flat: Flat) -> frozenset[str]:
    """Values that no data of a sample reaches."""
    out: set[str] = set()
    for value in flat.values.values():
        if is_source(value) or (
            not isinstance(value.node.layer, Placeholder | InputArray | Call | Loop)
            and all(i in out for i in value.inputs)
        ):
            out.add(value.id)
    return frozenset(out)


def is_pointwise(value: Value) -> bool:
    """Whether the value is an expression of its inputs, entry by entry."""
    return isinstance(value.node.layer, Pointwise)
