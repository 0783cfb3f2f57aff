"""Moves what does not change during a march into the block `coefficients`, computed once a call.

Invariant: learned values and inputs without a step axis, and whatever is computed from these alone. Needs and keeps
topological order; every other invariant of the graph is untouched.
"""

from __future__ import annotations

from dataclasses import replace

from npde.graph.builder import BlockBuilder
from npde.graph.graph import Block, Node
from npde.graph.layers import (
    AffineWeights,
    Coefficient,
    CoordinateArray,
    Factorization,
    InputArray,
    Join,
    PhiFunctions,
    Placeholder,
    Propagator,
    SteadyFactors,
    Weight,
)


def hoist(blocks: tuple[Block, ...], skip: frozenset[str], *, untied: bool = False) -> tuple[Block, ...]:
    """The blocks with `coefficients` in front (if anything moved); those named in `skip` stay as they are.

    `untied`: released matrices have weights for each step and stage.
    """
    builder = BlockBuilder("coefficients")
    exported: dict[str, None] = {}
    by_name = {b.name: b for b in blocks}
    out = [b if b.name in skip else _hoist_block(b, by_name, builder, exported, untied) for b in blocks]
    if not exported:
        return tuple(out)
    return (builder.finish(tuple(exported)), *out)


def changes(block: Block, *, time_too: bool = True) -> bool:
    """Whether a block depends on the step (or the time) besides its state."""
    for node in block.nodes:
        match node.layer:
            case Weight(per_step=True) | InputArray(per_step=True):
                return True
            case Placeholder() if node.name == "t" and time_too:
                return True
            case _:
                pass
    return False


def _hoist_block(
    block: Block, blocks: dict[str, Block], builder: BlockBuilder, exported: dict[str, None], untied: bool
) -> Block:
    fixed: dict[str, str] = {}
    for node in block.nodes:
        if _invariant(node, fixed, blocks, untied) and not _spreads_over_the_batch(block, node):
            inputs = tuple(fixed[i] for i in node.inputs)
            builder.span = node.span
            fixed[node.name] = builder.add(node.layer, inputs, node.shape, node.region, node.name)
    kept: list[Node] = []
    wanted = {i for n in block.nodes if n.name not in fixed for i in n.inputs} | set(block.outputs)
    for node in block.nodes:
        if node.name not in fixed or isinstance(node.layer, CoordinateArray):
            kept.append(node)
        elif node.name in wanted:
            exported[fixed[node.name]] = None
            kept.append(replace(node, layer=Coefficient(fixed[node.name]), inputs=()))
    read = {i for n in kept for i in n.inputs} | set(block.outputs)
    return replace(block, nodes=tuple(n for n in kept if n.name in read or not isinstance(n.layer, CoordinateArray)))


def _invariant(node: Node, fixed: dict[str, str], blocks: dict[str, Block], untied: bool) -> bool:
    match node.layer:
        case Placeholder():
            return False
        case Weight(per_step=per_step) | InputArray(per_step=per_step):
            return not per_step
        case Factorization(block=name) | Propagator(block=name) | PhiFunctions(block=name) | SteadyFactors(block=name):
            return not changes(blocks[name])
        case AffineWeights(block=name, released=released):
            return (released is None or not untied) and not changes(blocks[name], time_too=False)
        case CoordinateArray():
            return True
        case _:
            return (bool(node.inputs) and all(i in fixed for i in node.inputs)) or _is_constant(node)


def _spreads_over_the_batch(block: Block, node: Node) -> bool:
    """Whether an array gets its samples from the state alone: one for each, all alike."""
    return isinstance(node.layer, Join) and node.shape.batch and not any(block.node(i).shape.batch for i in node.inputs)


def _is_constant(node: Node) -> bool:
    from npde.graph.layers import KernelMatrix, Pointwise

    return isinstance(node.layer, Pointwise | KernelMatrix) and not node.inputs
