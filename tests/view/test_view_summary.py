"""The model-level picture: what a scientist should see, and that nothing is left out of it."""

from __future__ import annotations

import pytest
from hand_made import EULER, fisher
from view_examples import EXAMPLES, graph_of

from npde.diagnostics import DiagnosticError
from npde.graph import LayerGraph
from npde.graph.cost import parameter_count
from npde.view.diagram import Box, Diagram
from npde.view.summarize import summarize


def titles(diagram: Diagram | None) -> list[str]:
    assert diagram is not None
    return [b.title for b in diagram.boxes]


def frame(diagram: Diagram) -> Box:
    (only,) = [b for b in diagram.boxes if b.inner is not None]
    return only


def test_a_residual_network_reads_as_one() -> None:
    (whole,) = summarize(graph_of("parabolic_cnn"))
    assert titles(whole) == [
        "input image", "lift", "euler step, dt = 1/6", "mean over x, y", "linear read-out", "output logits",
    ]  # fmt: skip
    block = frame(whole)
    assert block.trips == 6
    assert titles(block.inner) == [
        "u", "convolution 3×3", "activation relu", "transposed convolution 3×3", "update", "next u",
    ]  # fmt: skip
    assert block.inner is not None
    skip = {(e.source, e.target) for e in block.inner.edges}
    update = next(b for b in block.inner.boxes if b.title == "update")
    assert (block.inner.boxes[0].id, update.id) in skip


def test_a_runge_kutta_step_shows_its_stages_and_its_equation_once() -> None:
    whole, equation = summarize(graph_of("fisher"))
    inner = frame(whole).inner
    assert inner is not None
    formulas = [" ".join(b.formula) for b in inner.boxes if b.formula]
    assert formulas == [
        "k1 = rhs(u)",
        "k2 = rhs(u + dt*k1/2)",
        "k3 = rhs(u + dt*k2/2)",
        "k4 = rhs(u + dt*k3)",
        "u + dt*(k1 + 2*k2 + 2*k3 + k4)/6",
    ]
    assert equation.title == "rhs, evaluated 4 times a step"
    assert titles(equation) == ["u", "5-point stencil", "pointwise", "rate"]
    assert equation.boxes[1].notes == ("periodic",)
    assert equation.boxes[2].learned == ("D: 1", "r: 1")


def test_a_residual_block_keeps_its_rate_apart_from_its_update() -> None:
    """Without the stages before the graph: a scheme written by hand."""
    (whole,) = summarize(fisher(EULER, cells=16, steps=10))
    inner = frame(whole).inner
    assert inner is not None
    formulas = {b.title: " ".join(b.formula) for b in inner.boxes if b.formula}
    assert formulas == {
        "5-point stencil": "lap(u)",
        "pointwise": "rate = D*lap(u) + r*u*(1 - u)",
        "update": "u + dt*rate",
    }
    assert frame(whole).trips == 10


def test_walls_are_quoted_from_the_file() -> None:
    whole = summarize(graph_of("variable_heat"))[0]
    inner = frame(whole).inner
    assert inner is not None
    notes = {" ".join(b.formula): b.notes for b in inner.boxes}
    assert notes["dx(u)"] == ("x = 0: u = 0", "x = 1: u = 1")
    source = graph_of("variable_heat").scheme.system.problem.source
    (along_x,) = [b for b in inner.boxes if b.formula == ("dx(u)",)]
    assert [source.position(s.start)[0] for s in along_x.also] == [6, 7]
    assert notes["dy(u)"] == ("y = 0: dn(u) = 0", "y = 1: u + 0.5*dn(u) = 0")


def test_an_elman_network_reads_its_input_every_step() -> None:
    (whole,) = summarize(graph_of("rows"))
    inner = frame(whole).inner
    assert inner is not None
    assert "input s, a value a step" in titles(inner)
    assert inner.entries == ("step/state",)


def test_coupled_fields_name_their_channels() -> None:
    inner = frame(summarize(graph_of("gray_scott"))[0]).inner
    assert inner is not None
    labels = {e.label for e in inner.edges}
    assert {"u", "v"} <= labels
    formulas = [" ".join(b.formula) for b in inner.boxes if b.formula]
    assert "dt(u) = 2e-05*lap(u) + F*(1 - u) - u*v^2" in formulas


def reachable(graph: LayerGraph, diagrams: tuple[Diagram, ...]) -> set[str]:
    """Nodes of the blocks that the pictures are of, but calls that were taken in."""
    shown = {m.partition("/")[0] for d in diagrams for b in d.all_boxes() for m in b.members}
    inlined = {f"{b.name}/{n.name}" for b in graph.blocks for n in b.nodes if type(n.layer).__name__ == "Call"}
    placeholders = {
        f"{b.name}/{n.name}" for b in graph.blocks for n in b.nodes if type(n.layer).__name__ == "Placeholder"
    }
    references = {
        f"{b.name}/{n.name}" for b in graph.blocks for n in b.nodes if type(n.layer).__name__ == "Coefficient"
    }
    every = {f"{b.name}/{n.name}" for b in graph.blocks if b.name in shown for n in b.nodes}
    return every - inlined - placeholders - references


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_node_is_in_some_box(name: str) -> None:
    graph = graph_of(name)
    diagrams = summarize(graph)
    members = {m for d in diagrams for b in d.all_boxes() for m in b.members}
    assert reachable(graph, diagrams) - members == set()


@pytest.mark.parametrize("network", ["cnn", "mlp", "rnn"])
@pytest.mark.parametrize("name", EXAMPLES)
def test_every_parameter_is_shown_where_it_is_used(name: str, network: str) -> None:
    try:
        graph = graph_of(name, network=network)
    except DiagnosticError:
        pytest.skip("this realisation does not apply")
    names = {entry.split(":")[0] for d in summarize(graph) for b in d.all_boxes() for entry in b.learned}
    trained = {p.attribute for p in graph.parameters if not p.frozen} | {m.name for m in graph.modules}
    assert names == trained


@pytest.mark.parametrize("name", ["fisher", "parabolic_cnn", "rows", "neural_field", "diffractive"])
def test_counts_add_up(name: str) -> None:
    graph = graph_of(name)
    whole = sum(parameter_count(p) for p in graph.parameters) + sum(m.parameters for m in graph.modules)
    assert sum(b.count for d in summarize(graph) for b in d.all_boxes()) == whole


@pytest.mark.parametrize("name", EXAMPLES)
def test_pictures_stay_readable(name: str) -> None:
    """A picture of a picture's worth: the model level of any example has fewer than thirty boxes."""
    for diagram in summarize(graph_of(name)):
        assert len(diagram.all_boxes()) < 30
        for box in diagram.all_boxes():
            assert box.title
            assert len(box.formula) <= 4
