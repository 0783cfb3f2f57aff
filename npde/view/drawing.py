"""A picture as shapes and text with roles for colors, before it is SVG or PNG."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from npde.view.diagram import FAMILY_NAMES, Box, Diagram, Family
from npde.view.layout import FRAME_LOOP, Layout, Placed, Route, moved, place
from npde.view.metrics import FORMULA, LINE, NOTE, PADDING_X, PADDING_Y, TITLE, learned, mono_width, notes, text_width

MARGIN = 28.0
COLUMN_GAP = 48.0
STRIP = 4.0
HEADING = 18.0


@dataclass(frozen=True, slots=True)
class Rect:
    """A rectangle with rounded corners; `fill` and `stroke` are roles."""

    x: float
    y: float
    width: float
    height: float
    radius: float
    fill: str
    stroke: str = "none"
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class Curve:
    """A line through points: smooth with vertical tangents, or straight with rounded corners; an arrow head at its end."""

    points: tuple[tuple[float, float], ...]
    stroke: str = "line"
    arrow: bool = True
    straight: bool = False


@dataclass(frozen=True, slots=True)
class Text:
    """One line of text; `y` is its baseline."""

    x: float
    y: float
    text: str
    size: float
    role: str = "ink"
    font: Literal["sans", "bold", "mono"] = "sans"
    anchor: Literal["start", "middle", "end"] = "start"


@dataclass(frozen=True, slots=True)
class Group:
    """Shapes that belong to one box of the diagram, with its full text as a tooltip."""

    box: Box
    items: tuple[Item, ...]


Item: TypeAlias = Rect | Curve | Text | Group


@dataclass(frozen=True, slots=True)
class Drawing:
    """A finished picture."""

    width: float
    height: float
    title: str
    items: tuple[Item, ...]


@dataclass
class _Canvas:
    items: list[Item] = field(default_factory=list)
    labelled: set[tuple[str, str]] = field(default_factory=set)

    def diagram(self, layout: Layout) -> None:
        """Frames, then edges, then boxes and what is inside frames: later items lie on top."""
        for placed in layout.boxes:
            if placed.inner is not None:
                self._frame(placed)
        for route in layout.routes:
            self._route(route)
        for placed in layout.boxes:
            if placed.inner is None:
                self.items.append(Group(placed.box, tuple(_box_items(placed))))

    def _frame(self, p: Placed) -> None:
        assert p.inner is not None
        right = p.x + p.width - FRAME_LOOP / 2
        start, end = _loop_ends(p)
        repeat = f"× {p.box.trips:,}"
        self.items.append(Rect(p.x, p.y, p.width, p.height, 12, "frame-fill", "frame-line"))
        middle = (start[1] + end[1]) / 2
        lane = end[1] - 16
        turn = (start, (right, start[1]), (right, lane), (end[0], lane), end)
        self.items.append(Curve(turn, "frame-ink", straight=True))
        room = text_width(repeat, TITLE, bold=True)
        self.items.append(Rect(right - room / 2 - 4, middle - 11, room + 8, 22, 6, "frame-fill"))
        header = (
            Rect(p.x, p.y, p.width, 30, 12, "frame-fill"),
            Text(p.x + 14, p.y + 20, p.box.title, TITLE, "frame-ink", "bold"),
            Text(right, middle + 5, repeat, TITLE, "frame-ink", "bold", "middle"),
        )
        self.items.append(Group(p.box, header))
        self.diagram(p.inner)

    def _route(self, route: Route) -> None:
        self.items.append(Curve(route.points))
        if (route.source, route.label) in self.labelled or not route.label:
            return
        self.labelled.add((route.source, route.label))
        (x0, y0), (x1, _) = route.points[:2]
        width = text_width(route.label, NOTE - 1)
        y = y0 + 14
        x = x0 + 0.1 * (x1 - x0) + (5 if x1 >= x0 - 1 else -width - 9)
        self.items.append(Rect(x - 1, y - 8, width + 6, 14, 3, "halo"))
        self.items.append(Text(x + 2, y + 3, route.label, NOTE - 1, "muted"))


def _loop_ends(frame: Placed) -> tuple[tuple[float, float], tuple[float, float]]:
    """Where the state leaves the last port of a loop and enters its first."""
    assert frame.inner is not None and frame.box.inner is not None
    entries = frame.box.inner.entries
    ports = [p for p in frame.inner.boxes if p.box.family == "port"]
    first = max((p for p in ports if p.box.id in entries), key=lambda p: p.x, default=ports[0])
    last = max((p for p in ports if "/→" in p.box.id), key=lambda p: p.x, default=ports[-1])
    return (last.x + last.width, last.y + last.height / 2), (first.x + first.width / 2, first.y)


def _box_items(p: Placed) -> Iterable[Item]:
    box = p.box
    if box.family == "port":
        yield Rect(p.x, p.y, p.width, p.height, p.height / 2, "port-fill", "port-line")
        yield Text(p.x + PADDING_X, p.y + p.height / 2 + 4.5, box.title, TITLE, "ink", "bold")
        yield Text(p.x + p.width - PADDING_X, p.y + p.height / 2 + 4.5, box.shape, NOTE, "muted", "sans", "end")
        return
    yield Rect(p.x, p.y, p.width, p.height, 8, f"{box.family}-fill", f"{box.family}-line")
    yield Rect(p.x, p.y + 8, STRIP, p.height - 16, STRIP / 2, f"{box.family}-line")
    y = p.y + PADDING_Y + TITLE
    yield Text(p.x + PADDING_X, y, box.title, TITLE, f"{box.family}-ink", "bold")
    y += TITLE * (LINE - 1)
    for line in box.formula:
        yield Text(p.x + PADDING_X, y + FORMULA, line, FORMULA, "ink", "mono")
        y += FORMULA * LINE
    for line in notes(box):
        role = "learned-ink" if line in learned(box) else "muted"
        yield Text(p.x + PADDING_X, y + NOTE, line, NOTE, role)
        y += NOTE * LINE


def compose(
    title: str, subtitle: tuple[str, ...], caption: str, diagrams: tuple[Diagram, ...], heading: bool = True
) -> Drawing:
    """The first diagram at the left, the others in a column beside it, under a heading, over a legend."""
    canvas = _Canvas()
    y, widest = _heading(canvas, title, subtitle, caption) if heading else (MARGIN, 0.0)
    layouts = [place(d) for d in diagrams]
    left, bottom = MARGIN, y
    if layouts:
        canvas.diagram(moved(layouts[0], left, y))
        bottom = y + layouts[0].height
        left += layouts[0].width
    right = left
    if layouts[1:]:
        left += COLUMN_GAP
        top = y
        for diagram, layout in zip(diagrams[1:], layouts[1:], strict=True):
            right, top = max(right, left + _panel(canvas, diagram, layout, left, top)), top + layout.height + 74
        bottom = max(bottom, top - 24)
    bottom += 30
    right = max(right, MARGIN + widest, MARGIN + _legend(canvas, diagrams, bottom))
    return Drawing(right + MARGIN, bottom + MARGIN, title, tuple(canvas.items))


def _heading(canvas: _Canvas, title: str, subtitle: tuple[str, ...], caption: str) -> tuple[float, float]:
    """Name, equations, one line of facts. Returns where the picture starts, and the width of the text."""
    y = MARGIN + HEADING
    widest = text_width(title, HEADING, bold=True)
    canvas.items.append(Text(MARGIN, y, title, HEADING, "ink", "bold"))
    for line in subtitle:
        y += TITLE * 1.5
        canvas.items.append(Text(MARGIN, y, line, TITLE, "ink", "mono"))
        widest = max(widest, mono_width(line, TITLE))
    if caption:
        y += NOTE * 1.9
        canvas.items.append(Text(MARGIN, y, caption, NOTE, "muted"))
        widest = max(widest, text_width(caption, NOTE))
    return y + 26, widest


def _panel(canvas: _Canvas, diagram: Diagram, layout: Layout, x: float, y: float) -> float:
    """A block of its own: a plate with its title, its picture on it. Returns its width."""
    width = max(layout.width, text_width(diagram.title, TITLE, bold=True)) + 40
    canvas.items.append(Rect(x, y, width, layout.height + 58, 12, "panel-fill", "panel-line", dashed=True))
    canvas.items.append(Text(x + 16, y + 24, diagram.title, TITLE, "call-ink", "bold"))
    canvas.diagram(moved(layout, x + (width - layout.width) / 2, y + 42))
    return width


def _legend(canvas: _Canvas, diagrams: tuple[Diagram, ...], y: float) -> float:
    """A swatch for each family that occurs. Returns its width."""
    used = {b.family for d in diagrams for b in d.all_boxes()}
    families: list[Family] = [f for f in FAMILY_NAMES if f in used and f not in ("port", "frame")]
    x = MARGIN
    for family in families:
        canvas.items.append(Rect(x, y - 9, 11, 11, 3, f"{family}-fill", f"{family}-line"))
        canvas.items.append(Text(x + 17, y, FAMILY_NAMES[family], NOTE, "muted"))
        x += 17 + text_width(FAMILY_NAMES[family], NOTE) + 20
    return x - MARGIN
