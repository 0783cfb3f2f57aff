"""`net.graph` shows itself."""

from __future__ import annotations

import pickle
from dataclasses import fields

from view_examples import FOLDER, graph_of

import npde
from npde.graph import LayerGraph
from npde.view import render
from npde.view.drawn import drawn


def test_a_drawn_graph_is_the_same_graph() -> None:
    graph = graph_of("fisher")
    shown = drawn(graph)
    assert isinstance(shown, LayerGraph)
    assert all(getattr(shown, f.name) is getattr(graph, f.name) for f in fields(graph))


def test_it_shows_what_render_writes() -> None:
    graph = graph_of("fisher")
    shown = drawn(graph)
    assert shown.to_html() == render(graph, "html")
    assert shown.to_svg() == shown._repr_html_() == render(graph, "svg")
    assert str(shown) == render(graph, "txt")


def test_a_compiled_network_carries_one() -> None:
    net = npde.load(FOLDER / "wave.npde").compile(grid={"x": 16})
    assert "<svg" in net.graph._repr_html_()
    assert net.graph.to_html().startswith("<!doctype html>")
    assert net.graph.to_networkx().number_of_nodes() > 10
    again = pickle.loads(pickle.dumps(net))
    assert again.graph.to_svg() == net.graph.to_svg()
