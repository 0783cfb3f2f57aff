"""The receptive field of a step: how many cells away a cell of the state can still be felt one step later.

Stencils and convolutions add their half-widths, stages add up, and what sums over an axis or solves along it reaches all of
it. Boundary closures are left out: this is the reach of the interior.
"""

from __future__ import annotations

from math import ceil, inf

from npde.graph.cost import pattern_reach, step_block
from npde.graph.graph import LayerGraph, Node
from npde.graph.layers import (
    AdaptiveStep,
    AffineWeights,
    Call,
    CircularConvolution,
    Coefficient,
    Convolution,
    ConvolutionAdjoint,
    Dense,
    Factorization,
    IterativeSolve,
    KrylovSolve,
    Loop,
    NewtonLayer,
    PhiFunctions,
    Propagator,
    ReadOut,
    Reduction,
    RegionIntegrals,
    ReleasedStencil,
    SolveLayer,
    SparseAffine,
    SpectralLayer,
    SteadyFactors,
    SteadySolve,
    StencilLayer,
)

Reach = tuple[float, ...]
"""Cells on each side, an axis; infinite where the whole axis is reached."""


def receptive_field(graph: LayerGraph) -> tuple[int | None, ...] | None:
    """Cells on each side that one step looks at, an axis (None: all of them); None when nothing is marched."""
    name = step_block(graph)
    if name is None:
        return None
    block = graph.block(name)
    axes = len(graph.scheme.grid.axes)
    state = block.inputs[0]
    outputs = _outputs(graph, name, {state: (0.0,) * axes})
    reach = _widest([r for r in outputs if r is not None], axes)
    return tuple(None if r == inf else ceil(r) for r in reach)


def block_reach(graph: LayerGraph, name: str) -> Reach:
    """How far a block looks in its first input."""
    axes = len(graph.scheme.grid.axes)
    outputs = _outputs(graph, name, {graph.block(name).inputs[0]: (0.0,) * axes})
    return _widest([r for r in outputs if r is not None], axes)


def _widest(reaches: list[Reach], axes: int) -> Reach:
    return tuple(max((r[i] for r in reaches), default=0.0) for i in range(axes))


def _outputs(graph: LayerGraph, name: str, given: dict[str, Reach]) -> list[Reach | None]:
    """The reach of each output of a block; None for what does not depend on the state."""
    block = graph.block(name)
    known: dict[str, Reach | None] = dict.fromkeys(block.inputs)
    known.update(given)
    by_name = {n.name: n for n in block.nodes}
    for node in block.nodes:
        if node.name not in known:
            known[node.name] = _node(graph, node, by_name, known)
    return [known[o] for o in block.outputs]


def _node(graph: LayerGraph, node: Node, by_name: dict[str, Node], known: dict[str, Reach | None]) -> Reach | None:
    below = [known[i] for i in node.inputs]
    felt = [r for r in below if r is not None]
    if not felt:
        return None
    axes = len(graph.scheme.grid.axes)
    if isinstance(node.layer, Call | Loop | AdaptiveStep):
        callee = graph.block(node.layer.block)
        given = {p: r for p, r in zip(callee.inputs, below, strict=False) if r is not None}
        return _widest([r for r in _outputs(graph, callee.name, given) if r is not None], axes)
    own = _own(graph, node, by_name)
    return tuple(a + b for a, b in zip(_widest(felt, axes), own, strict=True))


def _own(graph: LayerGraph, node: Node, by_name: dict[str, Node]) -> Reach:
    """What the layer itself adds."""
    axes = range(len(graph.scheme.grid.axes))
    match node.layer:
        case StencilLayer(taps=taps):
            return tuple(max((abs(float(t.offset[i])) for t in taps), default=0.0) for i in axes)
        case ReleasedStencil(extents=extents) | Convolution(extents=extents) | ConvolutionAdjoint(extents=extents):
            return tuple(float(e // 2) for e in extents)
        case Dense(axes=over) | Reduction(axes=over) | CircularConvolution(axes=over):
            return tuple(inf if i in over else 0.0 for i in axes)
        case ReadOut() | RegionIntegrals():
            return tuple(inf for _ in axes)
        case SolveLayer(block=block) | KrylovSolve(block=block) | NewtonLayer(block=block):
            return tuple(inf if r else 0.0 for r in block_reach(graph, block))
        case SteadySolve(block=block) | IterativeSolve(block=block):
            return tuple(inf if r else 0.0 for r in block_reach(graph, block))
        case SpectralLayer() | SparseAffine():
            return _through_weights(graph, by_name[node.inputs[1]])
        case _:
            return tuple(0.0 for _ in axes)


def _through_weights(graph: LayerGraph, weights: Node) -> Reach:
    """The reach of a layer whose matrix is a value of its own, maybe computed once by the block `coefficients`."""
    layer = weights.layer
    if isinstance(layer, Coefficient):
        layer = graph.block("coefficients").node(layer.name).layer
    match layer:
        case AffineWeights(offsets=offsets):
            return tuple(float(r) for r in pattern_reach(offsets))
        case Propagator(block=block) | PhiFunctions(block=block):
            return tuple(inf if r else 0.0 for r in block_reach(graph, block))
        case Factorization(block=block) | SteadyFactors(block=block):
            return tuple(inf if r else 0.0 for r in block_reach(graph, block))
        case _:
            return tuple(inf for _ in graph.scheme.grid.axes)
