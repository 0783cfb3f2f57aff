"""The layout: boxes do not overlap, data flows downward, frames hold what is in them."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from view_examples import EXAMPLES, graph_of

from npde.view.diagram import Box, Diagram, Edge
from npde.view.layout import Layout, isotonic, place
from npde.view.summarize import summarize

numbers = st.floats(-100, 100)
weighted = st.lists(st.tuples(numbers, st.floats(0.01, 10)), min_size=1, max_size=12)


@given(weighted)
def test_isotonic_regression_is_the_max_min_of_means(pairs: list[tuple[float, float]]) -> None:
    values, weights = np.array([v for v, _ in pairs]), np.array([w for _, w in pairs])
    n = len(pairs)

    def mean(i: int, j: int) -> float:
        return float(np.average(values[i : j + 1], weights=weights[i : j + 1]))

    expected = [max(min(mean(i, j) for j in range(k, n)) for i in range(k + 1)) for k in range(n)]
    np.testing.assert_allclose(isotonic(list(values), list(weights)), expected, atol=1e-9)


def check(layout: Layout) -> None:
    boxes = {p.box.id: p for p in layout.boxes}
    for a, b in combinations(layout.boxes, 2):
        apart = a.x + a.width <= b.x or b.x + b.width <= a.x or a.y + a.height <= b.y or b.y + b.height <= a.y
        assert apart, f"{a.box.id} overlaps {b.box.id}"
    for route in layout.routes:
        source, target = boxes[route.source], boxes[route.target]
        assert route.points[0][1] == pytest.approx(source.y + source.height)
        assert route.points[-1][1] == pytest.approx(target.y)
        heights = [y for _, y in route.points]
        assert heights == sorted(heights)
        for x, y in route.points[1:-1]:
            inside = [p.box.id for p in layout.boxes if p.x < x < p.x + p.width and p.y < y < p.y + p.height]
            assert not inside, f"the edge {route.source} → {route.target} runs through {inside}"
    for frame in layout.boxes:
        if frame.inner is None:
            continue
        for p in frame.inner.boxes:
            assert frame.x <= p.x and p.x + p.width <= frame.x + frame.width
            assert frame.y <= p.y and p.y + p.height <= frame.y + frame.height
        check(frame.inner)


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_are_laid_out_cleanly(name: str) -> None:
    for diagram in summarize(graph_of(name)):
        check(place(diagram))


@given(st.data())
def test_any_acyclic_diagram_is_laid_out_cleanly(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 12))
    titles = data.draw(st.lists(st.text("abcdef ", max_size=30), min_size=count, max_size=count))
    boxes = tuple(Box(f"b/{i}", "pointwise", t, formula=("x",) * (i % 4)) for i, t in enumerate(titles))
    pairs = [(i, j) for i in range(count) for j in range(i + 1, count)]
    chosen = data.draw(st.lists(st.sampled_from(pairs), unique=True, max_size=20)) if pairs else []
    edges = tuple(Edge(f"b/{i}", f"b/{j}") for i, j in chosen)
    check(place(Diagram("d", "", boxes, edges)))
