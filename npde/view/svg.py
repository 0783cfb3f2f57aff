"""A drawing as SVG: one self-contained element, light or dark as the reader's system is."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from itertools import pairwise

from npde.view.drawing import Curve, Drawing, Group, Item, Rect, Text
from npde.view.metrics import notes
from npde.view.theme import DARK, LIGHT

SANS = "Inter,'Segoe UI',Helvetica,Arial,'DejaVu Sans',sans-serif"
MONO = "'JetBrains Mono',Menlo,Consolas,'DejaVu Sans Mono',monospace"


def svg(drawing: Drawing, embedded: bool = False) -> str:
    """The picture as text. `embedded`: the page around it defines the colors, so none are set and no paper is drawn."""
    width, height = round(drawing.width), round(drawing.height)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" aria-label="{escape(drawing.title)}" class="npde-graph">',
        f"<title>{escape(drawing.title)}</title>",
        f"<style>{style(embedded)}</style>",
        '<defs><marker id="npde-arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0.5,0.5 L7.5,4 L0.5,7.5 z" fill="context-stroke"/></marker></defs>',
    ]
    if not embedded:
        lines.append(f'<rect class="f-paper" width="{width}" height="{height}"/>')
    lines.extend(_markup(drawing.items))
    lines.append("</svg>")
    return "\n".join(lines) + "\n"


def variables(theme: dict[str, str]) -> str:
    """The colors as CSS variables."""
    return "".join(f"--{role}:{color};" for role, color in theme.items())


def style(embedded: bool) -> str:
    """Classes for every role; with the colors of both themes unless the page gives them."""
    rules = [f".npde-graph text{{font-family:{SANS}}}", f".npde-graph .mono{{font-family:{MONO}}}"]
    rules.append(".npde-graph .bold{font-weight:600}")
    for role in LIGHT:
        rules.append(f".f-{role}{{fill:var(--{role})}}")
        rules.append(f".s-{role}{{stroke:var(--{role})}}")
    if not embedded:
        rules.insert(0, f".npde-graph{{{variables(LIGHT)}}}")
        rules.insert(1, f"@media (prefers-color-scheme:dark){{.npde-graph{{{variables(DARK)}}}}}")
    return "".join(rules)


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _markup(items: tuple[Item, ...]) -> Iterator[str]:
    for item in items:
        match item:
            case Rect():
                dash = ' stroke-dasharray="5 4"' if item.dashed else ""
                stroke = f" s-{item.stroke}" if item.stroke != "none" else ""
                yield (
                    f'<rect class="f-{item.fill}{stroke}" x="{_number(item.x)}" y="{_number(item.y)}" '
                    f'width="{_number(item.width)}" height="{_number(item.height)}" rx="{_number(item.radius)}"{dash}/>'
                )
            case Curve():
                arrow = ' marker-end="url(#npde-arrow)"' if item.arrow else ""
                yield f'<path class="s-{item.stroke}" fill="none" stroke-width="1.3" d="{_path(item)}"{arrow}/>'
            case Text():
                font = "" if item.font == "sans" else f" {item.font}"
                anchor = "" if item.anchor == "start" else f' text-anchor="{item.anchor}"'
                yield (
                    f'<text class="f-{item.role}{font}" x="{_number(item.x)}" y="{_number(item.y)}" '
                    f'font-size="{_number(item.size)}"{anchor} xml:space="preserve">{escape(item.text)}</text>'
                )
            case Group():
                span = item.box.span
                members = escape(" ".join(item.box.members))
                yield (
                    f'<g class="node" tabindex="0" data-box="{escape(item.box.id)}" data-members="{members}" '
                    f'data-span="{span.start},{span.stop}">'
                )
                yield f"<title>{escape(tooltip(item))}</title>"
                yield from _markup(item.items)
                yield "</g>"


def tooltip(group: Group) -> str:
    """What a box says when the pointer rests on it."""
    box = group.box
    parts = [box.title, " ".join(box.formula), *notes(box)]
    if box.shape:
        parts.append(f"gives {box.shape}")
    return "\n".join(p for p in parts if p)


def _path(curve: Curve) -> str:
    """Cubic curves that leave and enter vertically, or straight lines whose corners are rounded."""
    x, y = curve.points[0]
    out = [f"M{_number(x)},{_number(y)}"]
    if curve.straight:
        for corner, beyond in pairwise(curve.points[1:]):
            near, far = _toward(corner, (x, y)), _toward(corner, beyond)
            out.append(f"L{_pair(near)}Q{_pair(corner)} {_pair(far)}")
            x, y = corner
        return "".join(out) + f"L{_pair(curve.points[-1])}"
    for x1, y1 in curve.points[1:]:
        if abs(x1 - x) < 0.5:
            out.append(f"L{_pair((x1, y1))}")
        else:
            bend = (y1 - y) / 2
            out.append(f"C{_pair((x, y + bend))} {_pair((x1, y1 - bend))} {_pair((x1, y1))}")
        x, y = x1, y1
    return "".join(out)


def _pair(point: tuple[float, float]) -> str:
    return f"{_number(point[0])},{_number(point[1])}"


def _toward(corner: tuple[float, float], other: tuple[float, float], radius: float = 10.0) -> tuple[float, float]:
    """The point `radius` away from a corner on the way to another point."""
    dx, dy = other[0] - corner[0], other[1] - corner[1]
    length = max((dx * dx + dy * dy) ** 0.5, 1e-9)
    step = min(radius, length / 2) / length
    return corner[0] + dx * step, corner[1] + dy * step
