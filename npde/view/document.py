"""A graph as JSON: everything a program may want, under a schema that only grows (`format` says which).

    format      "npde-graph/1"
    model, doc, network, free, equations [text]
    grid        [{axis, cells, lower, upper, periodic}]
    march       {scheme, steps, dt, start, order} (null when steady)
    source      the `.npde` text
    blocks      [{name, inputs, outputs, cost, nodes: [{name, kind, title, notes, inputs, formula, calls, trips, shape
                {batch, channels, extents}, region {halo, face}, cost, span}]}]
    learned     [{name, stored, kind, shape, steps, stages, lower, upper, count, trains, span}]
    pictures    [{name, title, boxes: [{id, family, title, formula, notes, learned, count, members, shape, trips,
                span, also, inside}],
                edges: [{from, to, label}]}]
    totals      {parameters, step, forward, receptive_field}

A cost is {flops, read, written}, in FLOPs and bytes, for one sample in single precision; a span {start, stop, line, column},
characters counted from 0, lines and columns from 1, or null. Exact numbers are text ("1/40").
"""

from __future__ import annotations

import json
from typing import Any

from npde.graph.cost import Cost, parameter_count
from npde.graph.graph import Block, LayerGraph, Node
from npde.graph.layers import Call, Loop, Pointwise, StencilLayer
from npde.graph.reach import receptive_field
from npde.source import NOWHERE, Source, Span
from npde.view.describe import label
from npde.view.diagram import Diagram
from npde.view.facts import Facts
from npde.view.notation import exact_text, formula

FORMAT = "npde-graph/1"


def document(graph: LayerGraph) -> dict[str, Any]:
    """The graph as plain dictionaries, lists, texts and numbers."""
    facts = Facts(graph)
    problem = graph.scheme.system.problem
    return {
        "format": FORMAT,
        "model": graph.name,
        "doc": problem.doc,
        "network": graph.network,
        "free": graph.options.free,
        "equations": list(facts.equations),
        "grid": [_axis(a) for a in graph.scheme.grid.axes],
        "march": _march(graph),
        "source": problem.source.text,
        "blocks": [_block(facts, b, problem.source) for b in graph.blocks],
        "learned": _learned(graph, problem.source),
        "pictures": [_picture(d, problem.source) for d in facts.diagrams],
        "totals": {
            "parameters": facts.costs.parameters,
            "step": _cost(facts.costs.step),
            "forward": _cost(facts.costs.forward),
            "receptive_field": None if (field := receptive_field(graph)) is None else list(field),
        },
    }


def to_json(graph: LayerGraph) -> str:
    """The document as text."""
    return json.dumps(document(graph), indent=1, ensure_ascii=False) + "\n"


def _axis(axis: Any) -> dict[str, Any]:
    return {
        "axis": axis.name,
        "cells": axis.cells,
        "lower": exact_text(axis.lower),
        "upper": exact_text(axis.upper),
        "periodic": axis.periodic,
    }


def _march(graph: LayerGraph) -> dict[str, Any] | None:
    scheme = graph.scheme
    if scheme.system.problem.marching is None:
        return None
    return {
        "scheme": scheme.name,
        "along": scheme.system.problem.marching,
        "steps": scheme.steps,
        "dt": exact_text(scheme.dt),
        "start": exact_text(scheme.start),
        "order": scheme.order,
    }


def _cost(cost: Cost) -> dict[str, int]:
    return {"flops": cost.flops, "read": cost.read, "written": cost.written}


def _span(span: Span, source: Source) -> dict[str, int] | None:
    if span == NOWHERE:
        return None
    line, column = source.position(span.start)
    return {"start": span.start, "stop": span.stop, "line": line, "column": column}


def _block(facts: Facts, block: Block, source: Source) -> dict[str, Any]:
    by_name = {n.name: n for n in block.nodes}
    return {
        "name": block.name,
        "inputs": list(block.inputs),
        "outputs": list(block.outputs),
        "cost": _cost(facts.costs.blocks[block.name]),
        "nodes": [_node(facts, block, n, [by_name[i] for i in n.inputs], source) for n in block.nodes],
    }


def _node(facts: Facts, block: Block, node: Node, inputs: list[Node], source: Source) -> dict[str, Any]:
    words = label(facts.graph, node.layer, tuple(i.shape for i in inputs), node.shape)
    out: dict[str, Any] = {
        "name": node.name,
        "kind": words.kind,
        "title": words.title,
        "notes": list(words.notes),
        "inputs": list(node.inputs),
        "shape": {"batch": node.shape.batch, "channels": node.shape.channels, "extents": list(node.shape.extents)},
        "region": {"halo": list(node.region.halo), "face": node.region.face},
        "cost": _cost(facts.costs.nodes.get((block.name, node.name), Cost())),
        "span": _span(node.span, source),
    }
    match node.layer:
        case Pointwise(expression=expression):
            out["formula"] = formula(expression)
        case StencilLayer(operator=operator):
            out["formula"] = operator
        case Call(block=callee):
            out["calls"] = callee
        case Loop(block=callee, trips=trips):
            out["calls"], out["trips"] = callee, trips
        case _:
            pass
    return out


def _learned(graph: LayerGraph, source: Source) -> list[dict[str, Any]]:
    out = [
        {
            "name": p.attribute,
            "stored": p.parameter,
            "kind": p.kind,
            "shape": list(p.shape),
            "steps": p.steps,
            "stages": p.stages,
            "lower": None if p.lower is None else exact_text(p.lower),
            "upper": None if p.upper is None else exact_text(p.upper),
            "count": parameter_count(p),
            "trains": not p.frozen,
            "span": _span(p.span, source),
        }
        for p in graph.parameters
    ]
    out += [
        {
            "name": m.name,
            "stored": m.name,
            "kind": m.kind,
            "shape": [m.in_features, *m.widths, m.out_features],
            "steps": None,
            "stages": None,
            "lower": None,
            "upper": None,
            "count": m.parameters,
            "trains": True,
            "span": _span(m.span, source),
        }
        for m in graph.modules
    ]
    return out


def _picture(diagram: Diagram, source: Source) -> dict[str, Any]:
    return {
        "name": diagram.name,
        "title": diagram.title,
        "boxes": [
            {
                "id": b.id,
                "family": b.family,
                "title": b.title,
                "formula": " ".join(b.formula),
                "notes": list(b.notes),
                "learned": list(b.learned),
                "count": b.count,
                "members": list(b.members),
                "shape": b.shape,
                "trips": b.trips,
                "span": _span(b.span, source),
                "also": [_span(s, source) for s in b.also],
                "inside": None if b.inner is None else _picture(b.inner, source),
            }
            for b in diagram.boxes
        ],
        "edges": [{"from": e.source, "to": e.target, "label": e.label} for e in diagram.edges],
    }
