"""The door of the views: one function, one format a call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, assert_never, get_args

from npde.diagnostics import DiagnosticError
from npde.diagnostics.catalogue.unsupported import NOT_YET
from npde.graph.graph import LayerGraph

if TYPE_CHECKING:
    from npde.view.drawing import Drawing

Format = Literal["txt", "json", "dot", "mmd", "svg", "png", "html", "onnx"]

FORMATS: tuple[Format, ...] = get_args(Format)
"""What `npde graph -o g.KIND` writes."""


def render(graph: LayerGraph, kind: Format) -> str | bytes:
    """The graph as `kind`: text (`txt`, `json`, `dot`, `mmd`, `svg`, `html`) or bytes (`png`).

    Raises DiagnosticError for `onnx`, which is not supported yet, and ValueError for a kind that does not exist.
    """
    match kind:
        case "txt":
            from npde.view.text import text

            return text(graph)
        case "json":
            from npde.view.document import to_json

            return to_json(graph)
        case "dot":
            from npde.view.facts import Facts
            from npde.view.markup import dot

            return dot(Facts(graph))
        case "mmd":
            from npde.view.facts import Facts
            from npde.view.markup import mermaid

            return mermaid(Facts(graph))
        case "svg":
            from npde.view.svg import svg

            return svg(drawing(graph))
        case "png":
            from npde.view.png import png

            return png(drawing(graph))
        case "html":
            from npde.view.page import page

            return page(graph)
        case "onnx":
            missing = NOT_YET.at(
                what="The format 'onnx'",
                why="this view is not written yet",
                hint="Export the compiled module with `torch.onnx.export`, or choose another format.",
            )
            raise DiagnosticError((missing,), graph.scheme.system.problem.source)
        case _ if kind not in FORMATS:
            raise ValueError(f"a graph cannot be written as '{kind}'; formats are {', '.join(FORMATS)}")
        case _:
            assert_never(kind)


def drawing(graph: LayerGraph) -> Drawing:
    """The model-level picture under the model's name and equations."""
    from npde.view.drawing import compose
    from npde.view.facts import Facts

    facts = Facts(graph)
    return compose(facts.graph.name, facts.equations, facts.caption, facts.diagrams)
