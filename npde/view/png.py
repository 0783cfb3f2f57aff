"""A drawing as PNG, by matplotlib: the same shapes, in the light theme."""

from __future__ import annotations

from io import BytesIO
from typing import Any

from npde.view.drawing import Curve, Drawing, Group, Item, Rect, Text
from npde.view.theme import LIGHT

SCALE = 2
"""Pixels a unit of the drawing."""

WIDEST = 16_000
"""Pixels a side; larger drawings are scaled down."""


def png(drawing: Drawing) -> bytes:
    """The picture; the same drawing gives the same bytes (no date, no version in them)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    scale = min(SCALE, WIDEST / drawing.width, WIDEST / drawing.height)
    figure = Figure(figsize=(drawing.width / 72, drawing.height / 72), dpi=72 * scale, facecolor=LIGHT["paper"])
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, drawing.width)
    axes.set_ylim(drawing.height, 0)
    axes.set_axis_off()
    for depth, item in enumerate(_flat(drawing.items)):
        _draw(axes, item, depth)
    buffer = BytesIO()
    canvas.print_png(buffer, metadata={"Software": None})
    return buffer.getvalue()


def _flat(items: tuple[Item, ...]) -> list[Item]:
    out: list[Item] = []
    for item in items:
        out.extend(_flat(item.items) if isinstance(item, Group) else [item])
    return out


def _draw(axes: Any, item: Item, depth: int) -> None:
    from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

    match item:
        case Rect():
            edge = "none" if item.stroke == "none" else LIGHT[item.stroke]
            style = f"round,pad=0,rounding_size={min(item.radius, item.width / 2, item.height / 2)}"
            patch = FancyBboxPatch(
                (item.x, item.y), item.width, item.height, boxstyle=style, facecolor=LIGHT[item.fill], edgecolor=edge,
                linewidth=1.0, linestyle="--" if item.dashed else "-", zorder=depth,
            )  # fmt: skip
            axes.add_patch(patch)
        case Curve():
            style = "-|>,head_length=5,head_width=2.5" if item.arrow else "-"
            color = LIGHT[item.stroke]
            arrow = FancyArrowPatch(
                path=_path(item), arrowstyle=style, color=color, linewidth=1.2, zorder=depth, shrinkA=0, shrinkB=0,
                joinstyle="miter", capstyle="butt",
            )  # fmt: skip
            axes.add_patch(arrow)
        case Text():
            family = "DejaVu Sans Mono" if item.font == "mono" else "DejaVu Sans"
            align = {"start": "left", "middle": "center", "end": "right"}[item.anchor]
            axes.text(
                item.x, item.y, item.text, fontsize=item.size * 0.94, family=family, color=LIGHT[item.role], ha=align,
                va="baseline", fontweight="bold" if item.font == "bold" else "normal", zorder=depth, parse_math=False,
            )  # fmt: skip
        case Group():
            pass


def _path(curve: Curve) -> Any:
    from matplotlib.path import Path

    vertices = [curve.points[0]]
    codes = [Path.MOVETO]
    for x1, y1 in curve.points[1:]:
        x, y = vertices[-1]
        if curve.straight or abs(x1 - x) < 0.5:
            vertices.append((x1, y1))
            codes.append(Path.LINETO)
            continue
        bend = (y1 - y) / 2
        vertices += [(x, y + bend), (x1, y1 - bend), (x1, y1)]
        codes += [Path.CURVE4] * 3
    return Path(vertices, codes)
