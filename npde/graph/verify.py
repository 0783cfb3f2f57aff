"""What every layer graph keeps: checked after the build and after every pass. A failure is a bug of npde."""

from __future__ import annotations

from npde.diagnostics import InternalError
from npde.graph.graph import Block, LayerGraph
from npde.graph.layers import (
    AdaptiveStep,
    AffineWeights,
    Call,
    Coefficient,
    Factorization,
    Ghost,
    IterativeSolve,
    Join,
    KrylovSolve,
    Loop,
    NewtonLayer,
    PhiFunctions,
    Placeholder,
    Pointwise,
    Propagator,
    SolveLayer,
    SteadyFactors,
    SteadySolve,
)


def verify(graph: LayerGraph) -> None:
    """Raises InternalError if an input is missing or comes later, a name repeats, a called block or a coefficient does not
    exist, a shape does not follow, or a called block is called with the wrong number of values."""
    names = {b.name for b in graph.blocks}
    if len(names) != len(graph.blocks):
        raise InternalError("two blocks share a name")
    exported = set(graph.block("coefficients").outputs) if "coefficients" in names else set()
    for block in graph.blocks:
        _verify_block(graph, block, names, exported)


def _verify_block(graph: LayerGraph, block: Block, names: set[str], exported: set[str]) -> None:
    def fail(what: str) -> None:
        raise InternalError(f"layer graph of {graph.name}, block {block.name}: {what}")

    seen: dict[str, object] = {}
    for node in block.nodes:
        if node.name in seen:
            fail(f"{node.name} is defined twice")
        for source in node.inputs:
            if source not in seen:
                fail(f"{node.name} reads {source} before it is computed")
        shapes = [seen[i].shape for i in node.inputs]  # type: ignore[attr-defined]
        match node.layer:
            case Placeholder() if node.name not in block.inputs:
                fail(f"{node.name} is not an input of the block")
            case Call(block=callee) | Loop(block=callee):
                if callee not in names:
                    fail(f"{node.name} calls the unknown block {callee}")
            case (
                Factorization(block=callee)
                | Propagator(block=callee)
                | PhiFunctions(block=callee)
                | NewtonLayer(block=callee)
                | AdaptiveStep(block=callee)
                | SolveLayer(block=callee)
                | KrylovSolve(block=callee)
                | SteadyFactors(block=callee)
                | SteadySolve(block=callee)
                | IterativeSolve(block=callee)
                | AffineWeights(block=callee)
            ) if callee not in names:
                fail(f"{node.name} needs the unknown block {callee}")
            case Coefficient(name=name) if name not in exported:
                fail(f"{node.name} needs the coefficient {name}, which is not computed")
            case Pointwise(symbols=symbols) if len(symbols) != len(node.inputs):
                fail(f"{node.name} has {len(node.inputs)} inputs for {len(symbols)} symbols")
            case Join() if len(shapes) > 1 and node.shape.channels != sum(s.channels for s in shapes):
                fail(f"{node.name} joins {[s.channels for s in shapes]} channels to {node.shape.channels}")
            case Ghost(data=data, symbols=symbols) if len(node.inputs) != 1 + len(data) + len(symbols):
                fail(f"{node.name} has the wrong number of wall values")
            case _:
                pass
        seen[node.name] = node
    for output in block.outputs:
        if output not in seen:
            fail(f"the output {output} is not computed")
