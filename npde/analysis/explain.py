"""`npde explain FILE`: what the compiler made of a file and why, in the order of the pipeline."""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

from npde.analysis.knowledge import invariant_lines, memory_lines, modified_lines
from npde.analysis.summary import Analysis, analyze
from npde.analysis.text import (
    axis_text,
    bound_text,
    ghost_text,
    rate_name,
    stencil_text,
    term_text,
    time_text,
    wall_text,
)
from npde.discretize.scheme import Scheme
from npde.discretize.wave_layers import is_of_layers
from npde.graph import LayerGraph, Parameter, SubModule
from npde.graph.cost import parameter_count
from npde.graph.layers import StencilLayer
from npde.symbolic.operators import Stretch
from npde.view.notation import exact_text, formula, quantity


def explain(graph: LayerGraph) -> str:
    """Equations, grid, stencils, walls, time scheme, step bound, what is learned, cost; a titled section each."""
    scheme = graph.scheme
    analysis = analyze(scheme, graph)
    problem = scheme.system.problem
    parts = [problem.name + (f": {problem.doc}" if problem.doc else "")]
    sections = (
        ("Equations", equations(scheme)),
        ("Grid", grid(scheme)),
        ("Stencils", stencils(graph)),
        ("Walls", walls(scheme)),
        ("Time" if problem.marching else "Solve", time_text(scheme)),
        ("Step bound", bound_text(scheme, analysis.dt_bound) if problem.marching else ()),
        ("Modified equation", modified_lines(analysis)),
        ("Invariants", invariant_lines(analysis) if problem.marching else ()),
        ("Network", network(graph, analysis)),
        ("Native kernels", kernels(graph)),
        ("Learned", learned(graph)),
        (f"Cost of a {'step' if problem.marching else 'solve'} (float32, one sample)", cost(analysis)),
        ("Peak memory (float32, one sample)", memory_lines(analysis)),
    )
    for title, lines in sections:
        listed = [f"  {line}".rstrip() for line in lines]
        if listed:
            parts.append("\n".join([title, *listed]))
    return "\n\n".join(parts) + "\n"


def equations(scheme: Scheme) -> Iterator[str]:
    """The canonical equations, and each term's kind."""
    system = scheme.system
    for unknown, rate, terms in zip(system.unknowns, system.rates, system.terms, strict=True):
        yield f"{rate_name(system, unknown) if system.kind == 'evolution' else '0'} = {formula(rate)}"
        yield from (f"    {formula(term.expression)}: {term_text(term)}" for term in terms)


def grid(scheme: Scheme) -> Iterator[str]:
    """The axes, and the order of accuracy."""
    if not scheme.grid.axes:
        yield "no space coordinates: a system of ordinary differential equations"
        return
    yield from map(axis_text, scheme.grid.axes)
    yield f"order {scheme.order}" + (
        f"; its weakest term has order {scheme.space_order}" if scheme.space_order != scheme.order else ""
    )


def kernels(graph: LayerGraph) -> Iterator[str]:
    """How compiled loops march the step, or why they do not."""
    from npde.native.kernels import summary

    yield summary(graph)


def stencils(graph: LayerGraph) -> Iterator[str]:
    """Every fixed stencil once, with all it is applied to; in the formula that is f."""
    seen: dict[str, list[StencilLayer]] = {}
    for block in graph.blocks:
        for node in block.nodes:
            if isinstance(node.layer, StencilLayer):
                found = seen.setdefault(stencil_text(node.layer, graph.scheme.grid.axes), [])
                if node.layer.operator not in {layer.operator for layer in found}:
                    found.append(node.layer)
    for text, layers in seen.items():
        yield f"{', '.join(layer.operator for layer in layers)}: {len({tap.offset for tap in layers[0].taps})} points"
        yield f"    {text}"


def walls(scheme: Scheme) -> Iterator[str]:
    """Conditions, and the ghost cells that follow from them."""
    yield from map(wall_text, scheme.system.walls)
    yield from layers(scheme)
    for rule in scheme.ghosts:
        yield from ghost_text(rule)


def layers(scheme: Scheme) -> Iterator[str]:
    """Absorbing layers: their width, and the stretching inside."""
    stretches = {str(f.args[0]): f for rate in scheme.system.rates for f in rate.atoms(Stretch)}
    cells = dict(scheme.layers)
    for absorbing in scheme.system.problem.absorbing:
        name = absorbing.coordinate
        yield f"absorbing layers at both ends of {name}, {exact_text(absorbing.width)} wide ({cells[name]} cells), zero behind"
        if name in stretches:
            *_, strength, degree = stretches[name].args
            depth = f"(depth/{exact_text(absorbing.width)})^{degree}"
            yield f"    d/d{name} becomes (1/s) d/d{name}, s = 1 + {formula(strength)}*i*{depth}; coefficients are constant inside"
            yield "    of a wave that enters at a right angle 1e-6 returns, but for discretization"
    if scheme.layers and not stretches:
        held = [u.symbol.name for u in scheme.system.unknowns if is_of_layers(scheme.system, u)]
        if held:
            yield f"    matched: {', '.join(held)} belong to the layers, zero at the start; coefficients are constant inside"
            yield "    of a wave that enters at a right angle 1e-6 returns, but for discretization"
        else:
            yield "    damped, which is not matched: a wave of the layer's width returns with 5 %"


def network(graph: LayerGraph, analysis: Analysis) -> Iterator[str]:
    """The realisation, what is released, and the receptive field."""
    kind = {"cnn": "convolutional", "mlp": "fully connected", "rnn": "recurrent"}[graph.network]
    trains = {"none": "only what the file learns trains", "kernels": "each operator's kernel trains too",
              "layers": "each layer's kernel trains too"}[graph.options.free]  # fmt: skip
    yield f"{graph.network} ({kind}); {trains}"
    if analysis.reach is not None and graph.scheme.grid.axes:
        names = [a.name for a in graph.scheme.grid.axes]
        cells = ["all" if r is None else f"{r}" for r in analysis.reach]
        spread = ", ".join(f"{c} along {n}" for c, n in zip(cells, names, strict=True))
        yield f"receptive field of a step, in cells on each side: {spread}"


def learned(graph: LayerGraph) -> Iterator[str]:
    """A line a learned array or sub-network: its size, and the set it is kept in."""
    total = 0
    items: tuple[Parameter | SubModule, ...] = (*graph.parameters, *graph.modules)
    for item in items:
        count = parameter_count(item)
        total += count
        yield f"{_name(item)}: {count:,} number{'s' * (count != 1)}{_remarks(item)}"
    yield f"in all: {total:,}" if total else "nothing"


def cost(analysis: Analysis) -> Iterator[str]:
    """FLOPs and bytes."""
    found = analysis.cost
    yield f"{quantity(found.flops)}FLOP, {quantity(found.bytes)}B moved when nothing is fused"
    if "time" in analysis.order:
        yield f"{quantity(found.flops * analysis.steps)}FLOP for all {analysis.steps:,} steps"


def _name(item: Parameter | SubModule) -> str:
    return item.attribute if isinstance(item, Parameter) else item.name


def _remarks(item: Parameter | SubModule) -> str:
    match item:
        case SubModule(kind="closure"):
            sizes = (item.in_features, *item.widths, item.out_features)
            return f", a network {'-'.join(map(str, sizes))} with {item.activation}"
        case SubModule():
            return f", {item.kind} {item.in_features} to {item.out_features} with bias"
        case Parameter():
            return "".join(f", {remark}" for remark in _parameter_remarks(item))
        case _:
            assert_never(item)


def _parameter_remarks(item: Parameter) -> Iterator[str]:
    if item.shape:
        yield "x".join(map(str, item.shape))
    if item.steps is not None:
        yield f"one for each of {item.steps:,} steps"
    if item.lower is not None and item.upper is not None:
        yield f"in [{exact_text(item.lower)}, {exact_text(item.upper)}]"
    elif item.lower is not None:
        yield f"> {exact_text(item.lower)}"
    elif item.upper is not None:
        yield f"< {exact_text(item.upper)}"
    if item.start is not None:
        yield f"starts at {formula(item.start)}"
    elif item.taps is None and item.kind != "released":
        yield "starts at random"
    if item.frozen:
        yield "does not train"
