"""The architecture page: one HTML file that needs nothing but a browser, light or dark.

The picture, the equations, the `.npde` text and the table of layers show the same things; what the pointer rests on, or a
click pins, is lit in all of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from html import escape
from importlib.resources import files

from npde.graph.cost import Cost, parameter_count
from npde.graph.graph import Block, LayerGraph, Node
from npde.graph.layers import Pointwise, StencilLayer
from npde.source import NOWHERE, Span
from npde.view.describe import label
from npde.view.document import document
from npde.view.drawing import compose
from npde.view.facts import Facts
from npde.view.mathml import equation_markup
from npde.view.notation import formula, quantity, shape_text
from npde.view.svg import svg, variables
from npde.view.theme import DARK, LIGHT


def page(graph: LayerGraph) -> str:
    """The page as text; the same graph gives the same text."""
    facts = Facts(graph)
    problem = graph.scheme.system.problem
    picture = compose(graph.name, (), "", facts.diagrams, heading=False)
    data = json.dumps(document(graph), ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    style = _asset("page.css").replace("LIGHT", variables(LIGHT)).replace("DARK", variables(DARK))
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(graph.name)}: architecture</title>",
        f"<style>{style}</style></head><body>",
        f"<header><div><h1>{escape(graph.name)}</h1><p>{escape(problem.doc)}</p></div>",
        '<button id="theme" type="button">light / dark</button></header>',
        f'<div class="equations">{"".join(equation_markup(e) for e in problem.equations)}</div>',
        f'<dl class="facts">{"".join(_fact(name, value) for name, value in facts.rows)}</dl>',
        f'<main><div class="picture">{svg(picture, embedded=True)}</div>',
        f'<aside><pre class="source" aria-label="source">{"".join(_lines(problem.source.text))}</pre>',
        '<div class="detail"><h3>Point at a layer</h3><p>Its formula, its nodes and the lines it comes from are shown here; '
        "a click keeps them, Escape lets go.</p></div></aside></main>",
        "<section><h2>Learned</h2>",
        *_learned(facts),
        "</section><section><h2>Blocks, node by node</h2>",
        *(part for block in reversed(graph.blocks) for part in _block(facts, block)),
        "</section>",
        f"<footer>{FOOTNOTE}</footer>",
        f'<script type="application/json" id="graph">{data}</script>',
        f"<script>{_asset('page.js')}</script></body></html>",
    ]
    return "\n".join(parts) + "\n"


FOOTNOTE = (
    "FLOPs and bytes are for one sample in single precision, every node run by itself: a sum, product or comparison counts one "
    "operation, an elementary function ten; each node reads its inputs once and writes its value once."
)


def _asset(name: str) -> str:
    return files("npde.view").joinpath(name).read_text(encoding="utf-8")


def _fact(name: str, value: str) -> str:
    return f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>"


def _lines(text: str) -> Iterator[str]:
    for line in text.removesuffix("\n").split("\n"):
        yield f'<span class="line" data-text="{escape(line)}">{escape(line)}</span>'


def _learned(facts: Facts) -> Iterator[str]:
    graph = facts.graph
    if not graph.parameters and not graph.modules:
        yield "<p>Nothing: every coefficient of this model is known.</p>"
        return
    yield '<div class="scroll"><table><tr><th>name</th><th>kind</th><th>shape</th><th>kept in</th>'
    yield '<th class="number">numbers</th></tr>'
    for p in graph.parameters:
        untied = [f"{n} {what}" for n, what in ((p.stages, "stages"), (p.steps, "steps")) if n]
        shape = ", ".join([" × ".join(map(str, p.shape)) or "scalar", *untied])
        kept = "" if p.lower is None and p.upper is None else f"({_bound(p.lower, '−∞')}, {_bound(p.upper, '∞')})"
        kind = f"{p.kind}, frozen" if p.frozen else p.kind
        yield _row((p.attribute, kind, shape, kept), (f"{parameter_count(p):,}",))
    for m in graph.modules:
        sizes = " → ".join(map(str, (m.in_features, *m.widths, m.out_features)))
        yield _row((m.name, m.kind, sizes, m.activation), (f"{m.parameters:,}",))
    yield "</table></div>"


def _bound(value: object, infinite: str) -> str:
    return infinite if value is None else f"{float(value):.6g}"  # type: ignore[arg-type]


def _row(cells: tuple[str, ...], numbers: tuple[str, ...]) -> str:
    texts = "".join(f"<td>{escape(c)}</td>" for c in cells)
    return f"<tr>{texts}{''.join(f'<td class=number>{escape(n)}</td>' for n in numbers)}</tr>"


def _block(facts: Facts, block: Block) -> Iterator[str]:
    cost = facts.costs.blocks[block.name]
    known = f"{len(block.nodes)} nodes · {quantity(cost.flops)}FLOP · {quantity(cost.bytes)}B moved"
    signature = f"{block.name}({', '.join(block.inputs)})"
    yield f"<details open><summary>{escape(signature)}<small>{known}</small></summary>"
    yield '<div class="scroll"><table><tr><th>value</th><th>layer</th><th>formula</th><th>gives</th>'
    yield '<th class="number">FLOP</th><th class="number">bytes</th><th class="number">line</th></tr>'
    by_name = {n.name: n for n in block.nodes}
    for node in block.nodes:
        yield _node(facts, block, node, tuple(by_name[i] for i in node.inputs))
    yield "</table></div></details>"


def _node(facts: Facts, block: Block, node: Node, inputs: tuple[Node, ...]) -> str:
    words = label(facts.graph, node.layer, tuple(i.shape for i in inputs), node.shape)
    cost = facts.costs.nodes.get((block.name, node.name), Cost())
    match node.layer:
        case Pointwise(expression=expression):
            said = formula(expression)
        case StencilLayer(operator=operator):
            said = operator
        case _:
            said = ", ".join(node.inputs)
    swatch = f'<span class="swatch" style="background:var(--{words.family}-fill);border-color:var(--{words.family}-line)"></span>'
    notes = f" ({'; '.join(words.notes)})" if words.notes else ""
    return (
        f'<tr data-node="{escape(block.name)}/{escape(node.name)}"><td><code>{escape(node.name)}</code></td>'
        f"<td>{swatch}{escape(words.title + notes)}</td><td class=formula>{escape(said)}</td>"
        f"<td class=shape>{escape(shape_text(node.shape))}</td><td class=number>{_amount(cost.flops)}</td>"
        f"<td class=number>{_amount(cost.bytes)}</td><td class=number>{_line(facts, node.span)}</td></tr>"
    )


def _amount(count: int) -> str:
    return quantity(count).strip() if count else ""


def _line(facts: Facts, span: Span) -> str:
    return "" if span == NOWHERE else str(facts.graph.scheme.system.problem.source.position(span.start)[0])
