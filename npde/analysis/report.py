"""`npde explain FILE -o report.html`: what is known about a scheme, as one page that needs nothing but a browser.

The stability region of the scheme with the spectrum of the operator times the step in it, the predicted errors and their
orders, the modified equation, invariants with their reasons, stencils, cost and memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape
from importlib.resources import files
from math import isfinite, prod

import numpy as np

from npde.analysis import figures
from npde.analysis.eigenvalues import eigenvalues
from npde.analysis.knowledge import invariant_lines, modified_lines
from npde.analysis.modified import DT
from npde.analysis.summary import Analysis
from npde.analysis.text import bound_text, time_text
from npde.discretize.closed_forms import spacing
from npde.discretize.numeric import Unknown as NotKnown
from npde.discretize.samples import Samples
from npde.files.limits import human
from npde.graph.cost import costs, step_block
from npde.graph.layers import StencilLayer
from npde.view.describe import label
from npde.view.mathml import equation_markup
from npde.view.notation import quantity
from npde.view.svg import variables
from npde.view.theme import DARK, LIGHT

BATCHES = (1, 8)
"""Batches whose memory is predicted."""


def report(analysis: Analysis) -> str:
    """The page as text; the same file gives the same text."""
    graph = analysis.graph
    problem = graph.scheme.system.problem
    style = _asset("npde.view", "page.css").replace("LIGHT", variables(LIGHT)).replace("DARK", variables(DARK))
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(graph.name)}: analysis</title>",
        f"<style>{style}{_asset('npde.analysis', 'report.css')}</style></head><body>",
        f"<header><div><h1>{escape(graph.name)}</h1><p>{escape(problem.doc)}</p></div></header>",
        f'<div class="equations">{"".join(equation_markup(e) for e in problem.equations)}</div>',
        f'<dl class="facts">{"".join(_fact(*row) for row in facts(analysis))}</dl>',
        *_section("Stability and order", _plots(analysis)),
        *_section("Scheme and step bound", _text([*time_text(graph.scheme), *_bound(analysis)])),
        *_section("Modified equation", _text(modified_lines(analysis))),
        *_section("Invariants", _text(invariant_lines(analysis)) if problem.marching else ()),
        *_section("Stencils", _stencils(analysis)),
        *_section("Cost of a step, node by node (float32, one sample)", _cost(analysis)),
        *_section("Peak memory (float32), predicted", _memory(analysis)),
        f"<footer>{FOOTNOTE}</footer></body></html>",
    ]
    return "\n".join(parts) + "\n"


FOOTNOTE = (
    "FLOPs and bytes count every node by itself, its inputs read once and its value written once. Memory is what PyTorch "
    "allocates at its peak, found by running the emitted module on the meta device, without the interpreter and libraries."
)


def _asset(package: str, name: str) -> str:
    return files(package).joinpath(name).read_text(encoding="utf-8")


def _fact(name: str, value: str) -> str:
    return f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>"


def _section(title: str, lines: Iterable[str]) -> Iterator[str]:
    body = [*lines]
    if body:
        yield f"<section><h2>{escape(title)}</h2>"
        yield from body
        yield "</section>"


def _text(lines: Iterable[str]) -> Iterator[str]:
    body = escape("\n".join(lines))
    if body:
        yield f'<pre class="text">{body}</pre>'


def _bound(analysis: Analysis) -> Iterator[str]:
    scheme = analysis.graph.scheme
    if scheme.system.problem.marching:
        yield from bound_text(scheme, analysis.dt_bound)


def facts(analysis: Analysis) -> Iterator[tuple[str, str]]:
    """Name and value of what stands on top."""
    scheme = analysis.graph.scheme
    yield "grid", " × ".join(f"{a.cells}" for a in scheme.grid.axes) or "none"
    if scheme.grid.axes:
        yield "order in space", str(analysis.order["space"])
    if "time" in analysis.order:
        yield "order in time", f"{analysis.order['time']} ({scheme.name})"
        yield "step", f"{analysis.dt:.4g}, {analysis.steps:,} of them"
        yield "largest stable step", "every step" if analysis.dt_max is None else f"{analysis.dt_max:.4g}"
    yield "kept", ", ".join(analysis.invariants) or "nothing proved"
    yield "learns", f"{analysis.cost.parameters:,} number{'s' * (analysis.cost.parameters != 1)}"


def _plots(analysis: Analysis) -> Iterator[str]:
    scheme = analysis.graph.scheme
    found = eigenvalues(scheme) if scheme.system.problem.marching else None
    shown = []
    if found is not None and len(found.periodic):
        keys = '<span class="key region"></span>|R(z)| ≤ 1 <span class="key eigen"></span>eigenvalues of the periodic operator'
        keys += ' <span class="key wall"></span>of the operator between walls' if len(found.closed) else ""
        caption = f"{scheme.name}: the spectrum of the linearized operator, times dt, in the stability region. {keys}"
        shown.append(f"<figure>{figures.stability(scheme, found)}<figcaption>{caption}</figcaption></figure>")
    lines = predicted(analysis)
    if lines:
        caption = "Sizes of the leading errors at the initial state, relative to the largest rate, as h and dt shrink together."
        shown.append(f"<figure>{figures.orders(lines)}<figcaption>{caption}</figcaption></figure>")
    if shown:
        yield f'<div class="plots">{"".join(shown)}</div>'


def predicted(analysis: Analysis) -> list[tuple[str, int, float]]:
    """(name, order, size relative to the rates) of the leading errors at the initial state; without those that have no size."""
    scheme, errors = analysis.graph.scheme, analysis.errors
    samples = Samples(scheme.system, scheme.grid, scheme.order)
    numbers = {spacing(a.name): float(a.spacing) for a in scheme.grid.axes} | {DT: float(scheme.dt)}
    found = []
    for name, vector, key in (("in space", errors.space, "space"), ("in time", errors.time, "time")):
        if vector is None or key not in analysis.order:
            continue
        try:
            with np.errstate(all="ignore"):
                sizes = [_size(samples, e.xreplace(numbers)) for e in vector if e != 0]
                rates = [_size(samples, e) for e in scheme.system.rates]
        except (NotKnown, KeyError, ValueError, IndexError):
            continue
        if sizes and max(rates) > 0 and max(sizes) > 0 and isfinite(max(sizes)):
            found.append((name, analysis.order[key], max(sizes) / max(rates)))
    return found


def _size(samples: Samples, e: object) -> float:
    return float(np.max(np.abs(samples.value(e))))


def _stencils(analysis: Analysis) -> Iterator[str]:
    graph = analysis.graph
    seen: dict[StencilLayer, None] = {}
    for block in graph.blocks:
        for node in block.nodes:
            if isinstance(node.layer, StencilLayer):
                seen.setdefault(node.layer)
    drawn = []
    for layer in seen:
        picture = figures.stencil(layer, [a.name for a in graph.scheme.grid.axes])
        if picture:
            drawn.append(f"<div><h3>{escape(layer.operator)}</h3>{picture}</div>")
    if drawn:
        yield f'<div class="stencils">{"".join(drawn)}</div>'


def _cost(analysis: Analysis) -> Iterator[str]:
    """The blocks a step runs, each with its nodes that do work; FLOPs and bytes a grid point."""
    graph = analysis.graph
    found = costs(graph)
    cells = prod(graph.scheme.grid.shape) or 1
    root = step_block(graph)
    yield '<div class="scroll"><table><tr><th>block</th><th>value</th><th>layer</th><th class="number">FLOP</th>'
    yield '<th class="number">FLOP a point</th><th class="number">bytes</th><th class="number">bytes a point</th></tr>'
    skipped = {"initial", "output", "coefficients", "forward"}
    for block in graph.blocks:
        if block.name in skipped:
            continue
        by_name = {n.name: n for n in block.nodes}
        for node in block.nodes:
            cost = found.nodes.get((block.name, node.name))
            if cost is None or not cost.bytes or (block.name == root and cost.flops == 0):
                continue
            words = label(graph, node.layer, tuple(by_name[i].shape for i in node.inputs), node.shape)
            numbers = (
                quantity(cost.flops),
                f"{cost.flops / cells:.3g}",
                f"{quantity(cost.bytes)}B",
                f"{cost.bytes / cells:.3g}",
            )
            tail = "".join(f"<td class=number>{n}</td>" for n in numbers)
            names = (
                f"<td>{escape(block.name)}</td><td><code>{escape(node.name)}</code></td><td>{escape(words.title)}</td>"
            )
            yield f"<tr>{names}{tail}</tr>"
    total = found.step
    sums = (
        quantity(total.flops),
        f"{total.flops / cells:.3g}",
        f"{quantity(total.bytes)}B",
        f"{total.bytes / cells:.3g}",
    )
    yield f"<tr><th colspan=3>a step, all its calls</th>{''.join(f'<td class=number>{n}</td>' for n in sums)}</tr></table></div>"


def _memory(analysis: Analysis) -> Iterator[str]:
    from npde.analysis.footprint import depends_on_data

    yield '<div class="scroll"><table><tr><th>march</th><th class="number">batch</th><th class="number">peak</th>'
    yield "<th>largest parts</th></tr>"
    kinds = ((False, "forward"), (True, "with gradients")) if analysis.cost.parameters else ((False, "forward"),)
    for grad, name in kinds:
        if depends_on_data(analysis.graph, grad):
            yield f"<tr><td>{name}</td><td colspan=3>depends on the number of adaptive steps</td></tr>"
            continue
        for batch in BATCHES:
            found = analysis.footprint(batch, grad)
            parts = ", ".join(f"{human(s.bytes)} {s.text()}" for s in found.shares[:3])
            numbers = f"<td class=number>{batch}</td><td class=number>{human(found.peak)}</td>"
            yield f"<tr><td>{name}</td>{numbers}<td>{escape(parts)}</td></tr>"
    yield "</table></div>"
