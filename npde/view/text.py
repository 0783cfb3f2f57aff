"""A graph as plain text: the model-level tree first, then every block with its nodes, in 80 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from npde.graph.graph import Block, LayerGraph, Node
from npde.graph.layers import Call, Loop, Pointwise, StencilLayer
from npde.view.describe import label
from npde.view.diagram import Box, Diagram
from npde.view.facts import Facts
from npde.view.notation import formula, quantity, shape_text, shortened, wrapped

WIDTH = 80
SHAPE = 20
COST = 10


def text(graph: LayerGraph) -> str:
    """The whole graph."""
    facts = Facts(graph)
    lines = [graph.name, "=" * len(graph.name)]
    for equation in facts.equations:
        lines.extend(textwrap.wrap(equation, WIDTH, initial_indent="  ", subsequent_indent=" " * 6))
    lines.append("")
    lines.extend(f"{name:<16} {value}" for name, value in facts.rows)
    for diagram in facts.diagrams:
        lines += ["", diagram.title, "-" * len(diagram.title), _columns("", "gives", "learns")]
        lines.extend(_tree(diagram, ""))
    lines += ["", "Blocks", "------"]
    for block in graph.blocks:
        lines += ["", *_block(facts, block)]
    if graph.parameters or graph.modules:
        lines += ["", "Learned", "-------"]
        lines.extend(_learned(graph))
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _columns(left: str, middle: str, right: str) -> str:
    room = WIDTH - SHAPE - COST - 2
    return f"{shortened(left, room):<{room}} {middle:<{SHAPE}} {right:>{COST}}"


def _tree(diagram: Diagram, indent: str) -> Iterator[str]:
    for k, box in enumerate(diagram.boxes):
        last = k + 1 == len(diagram.boxes)
        words = f"{box.title} × {box.trips:,}" if box.inner is not None else box.title
        said = " ".join(box.formula)
        room = WIDTH - SHAPE - COST - 2 - len(indent) - 3
        both = f"{words}: {said}" if said else words
        first = both if len(both) <= room else words
        yield _columns(f"{indent}{'└─' if last else '├─'} {first}", box.shape, _count(box))
        below = indent + ("   " if last else "│  ")
        if first != both:
            yield shortened(f"{below}   {said}", WIDTH)
        if box.inner is not None:
            yield from _tree(box.inner, below)


def _count(box: Box) -> str:
    return f"{box.count:,}" if box.count else ""


def _block(facts: Facts, block: Block) -> Iterator[str]:
    graph = facts.graph
    cost = facts.costs.blocks[block.name]
    yield f"{block.name}({', '.join(block.inputs)})"
    yield _columns("", f"{quantity(cost.bytes)}B moved".strip(), f"{quantity(cost.flops)}FLOP")
    by_name = {n.name: n for n in block.nodes}
    for node in block.nodes:
        yield from _node(facts, block, node, tuple(by_name[i] for i in node.inputs), graph)
    first, *rest = textwrap.wrap(", ".join(block.outputs), WIDTH - 9)
    yield f"  return {first}"
    yield from (f"         {line}" for line in rest)


def _node(facts: Facts, block: Block, node: Node, inputs: tuple[Node, ...], graph: LayerGraph) -> Iterator[str]:
    words = label(graph, node.layer, tuple(i.shape for i in inputs), node.shape)
    cost = facts.costs.nodes.get((block.name, node.name))
    match node.layer:
        case Pointwise(expression=expression):
            said = formula(expression)
        case StencilLayer(operator=operator):
            said = f"{operator}, {words.title}"
        case Call() | Loop():
            said = f"{words.title}({', '.join(node.inputs)})"
        case _:
            said = f"{words.title}({', '.join(node.inputs)})" if node.inputs else words.title
    flops = f"{quantity(cost.flops)}".strip() if cost is not None and cost.flops else ""
    room = WIDTH - SHAPE - COST - 2
    first, *rest = wrapped(f"{node.name} = {said}", room - 2, 12)
    yield _columns(f"  {first}", shape_text(node.shape), flops)
    for line in rest:
        yield f"      {line}"


def _learned(graph: LayerGraph) -> Iterator[str]:
    from npde.graph.cost import parameter_count

    for p in graph.parameters:
        size = " × ".join(map(str, p.shape)) or "scalar"
        untied = [f"{n} {what}" for n, what in ((p.stages, "stages"), (p.steps, "steps")) if n]
        kept = ""
        if p.lower is not None or p.upper is not None:
            kept = f"in ({_bound(p.lower, '-inf')}, {_bound(p.upper, 'inf')})"
        frozen = "frozen" if p.frozen else ""
        words = ", ".join(w for w in (size, *untied, kept, frozen) if w)
        yield _columns(f"{p.attribute}: {p.kind}", shortened(words, SHAPE), f"{parameter_count(p):,}")
    for m in graph.modules:
        sizes = " → ".join(map(str, (m.in_features, *m.widths, m.out_features)))
        yield _columns(f"{m.name}: {m.kind}", shortened(sizes, SHAPE), f"{m.parameters:,}")


def _bound(value: object, infinite: str) -> str:
    return infinite if value is None else f"{float(value):.6g}"  # type: ignore[arg-type]
