"""Diagrams for other tools: DOT (Graphviz) and Mermaid. Both show the model-level pictures, frames as clusters."""

from __future__ import annotations

from collections.abc import Iterator

from npde.view.diagram import Box, Diagram
from npde.view.facts import Facts
from npde.view.metrics import notes
from npde.view.theme import LIGHT


def dot(facts: Facts) -> str:
    """The pictures as one DOT digraph."""
    lines = [
        f"digraph {_quoted(facts.graph.name)} {{",
        f"  label={_quoted(chr(10).join((facts.graph.name, *facts.equations)))};",
        '  labelloc="t"; compound=true; fontname="Helvetica"; nodesep=0.3; ranksep=0.4;',
        '  node [shape=box, style="rounded,filled", fontname="Helvetica", fontsize=11];',
        '  edge [fontname="Helvetica", fontsize=9, color="#8793a3"];',
    ]
    for k, diagram in enumerate(facts.diagrams):
        if k:
            lines.append(
                f"  subgraph {_quoted('cluster_' + diagram.name)} {{ label={_quoted(diagram.title)}; style=dashed;"
            )
        lines.extend(f"  {line}" for line in _dot_diagram(diagram))
        if k:
            lines.append("  }")
    return "\n".join([*lines, "}"]) + "\n"


def _dot_diagram(diagram: Diagram) -> Iterator[str]:
    frames = {b.id: b for b in diagram.boxes if b.inner is not None}
    for box in diagram.boxes:
        if box.inner is None:
            yield (
                f"{_quoted(box.id)} [label={_quoted(chr(10).join(_words(box)))}, "
                f'fillcolor="{LIGHT[f"{box.family}-fill"]}", color="{LIGHT[f"{box.family}-line"]}"];'
            )
            continue
        yield f"subgraph {_quoted('cluster_' + box.id)} {{"
        yield f'  label={_quoted(f"{box.title} × {box.trips:,}")}; style=rounded; color="{LIGHT["frame-line"]}";'
        for line in _dot_diagram(box.inner):
            yield f"  {line}"
        yield "}"
    for edge in diagram.edges:
        options = [f"label={_quoted(edge.label)}"] if edge.label else []
        source, target = edge.source, edge.target
        if source in frames:
            options.append(f"ltail={_quoted('cluster_' + source)}")
            source = _last(frames[source])
        if target in frames:
            options.append(f"lhead={_quoted('cluster_' + target)}")
            target = _first(frames[target])
        attributes = f" [{', '.join(options)}]" if options else ""
        yield f"{_quoted(source)} -> {_quoted(target)}{attributes};"


def _first(frame: Box) -> str:
    assert frame.inner is not None
    return frame.inner.boxes[0].id


def _last(frame: Box) -> str:
    assert frame.inner is not None
    return frame.inner.boxes[-1].id


def _words(box: Box) -> list[str]:
    shape = [box.shape] if box.family == "port" else []
    return [box.title, *box.formula, *notes(box), *shape]


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def mermaid(facts: Facts) -> str:
    """The pictures as one Mermaid flowchart, which many readers of Markdown draw in place."""
    names: dict[str, str] = {}
    lines = ["flowchart TB"]
    for k, diagram in enumerate(facts.diagrams):
        if k:
            lines.append(f'  subgraph p{k}["{_plain(diagram.title)}"]')
        lines.extend(f"  {line}" for line in _mermaid_diagram(diagram, names))
        if k:
            lines.append("  end")
    families = sorted({b.family for d in facts.diagrams for b in d.all_boxes()} - {"frame"})
    lines.extend(
        f"  classDef {family}Box fill:{LIGHT[f'{family}-fill']},stroke:{LIGHT[f'{family}-line']},color:{LIGHT['ink']}"
        for family in families
    )
    return "\n".join(lines) + "\n"


def _mermaid_diagram(diagram: Diagram, names: dict[str, str]) -> Iterator[str]:
    for box in diagram.boxes:
        name = names.setdefault(box.id, f"n{len(names)}")
        if box.inner is None:
            ends = ('(["', '"])') if box.family == "port" else ('["', '"]')
            yield f"{name}{ends[0]}{'<br/>'.join(map(_plain, _words(box)))}{ends[1]}:::{box.family}Box"
            continue
        yield f'subgraph {name}["{_plain(box.title)} × {box.trips:,}"]'
        for line in _mermaid_diagram(box.inner, names):
            yield f"  {line}"
        yield "end"
    for edge in diagram.edges:
        label = f'|"{_plain(edge.label)}"|' if edge.label else ""
        yield f"{names[edge.source]} -->{label} {names[edge.target]}"


def _plain(text: str) -> str:
    """Text that Mermaid does not read as markup."""
    for letter, entity in (("#", "#35;"), ("&", "#38;"), ('"', "#quot;"), ("<", "#lt;"), (">", "#gt;"), ("*", "#42;")):
        text = text.replace(letter, entity)
    return text
