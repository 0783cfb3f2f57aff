"""A layer graph that shows itself: what `net.graph` is in Python and in a notebook."""

from __future__ import annotations

from dataclasses import dataclass, fields

from npde.graph.graph import LayerGraph


@dataclass(frozen=True)
class DrawnGraph(LayerGraph):
    """A `LayerGraph` with its views as methods; the pipeline itself knows nothing of pictures."""

    def to_html(self) -> str:
        """The architecture page, one self-contained file."""
        return self._text("html")

    def to_svg(self) -> str:
        """The model-level picture."""
        return self._text("svg")

    def __str__(self) -> str:
        """The graph as text, in 80 columns."""
        return self._text("txt")

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        return self.to_svg()

    def _text(self, kind: str) -> str:
        from npde.view.render import render

        drawn = render(self, kind)  # type: ignore[arg-type]
        assert isinstance(drawn, str)
        return drawn


def drawn(graph: LayerGraph) -> DrawnGraph:
    """The same graph, able to show itself."""
    return DrawnGraph(**{f.name: getattr(graph, f.name) for f in fields(graph)})
