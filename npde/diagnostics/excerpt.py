"""The user's lines with the span underlined: what stands between the header and the notes of a diagnostic."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from npde.source import Source, Span

TAB = 4
CHARACTERS = 4
"""Characters of a line that are shown for each column: combining ones take none."""

LINES = 3
"""Lines of a span that are shown; of a longer one, the first and the last."""


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the excerpt: its number (none below a line and where lines are left out), text, and underline or label."""

    number: int | None
    text: str
    is_mark: bool = False


def excerpt(source: Source, span: Span, label: str, room: int) -> list[Row]:
    """Rows that show `span` in at most `room` columns, the label behind the last underline or, if long, below it."""
    rows: list[Row] = []
    numbers = list(_lines(source, span))
    shown = numbers if len(numbers) <= LINES else [numbers[0], numbers[-1]]
    for number in shown:
        if rows and number != shown[0] and len(shown) < len(numbers):
            rows.append(Row(None, "..."))
        line = source.line(number)
        text, start, length = _window(line, *_part(source, span, number, line), room)
        rows.append(Row(number, text))
        mark = " " * start + "^" * length
        if number == shown[-1]:
            rows.extend(_labelled(mark, start, label, room))
        else:
            rows.append(Row(None, mark, True))
    return rows


def printable(text: str) -> str:
    """Text without anything that moves a terminal's cursor, hides or reorders: such characters by their number."""
    return "".join(_shown(c, 0) if c != "\n" else c for c in text)


def columns(text: str) -> int:
    """How many columns of a terminal a printable text takes."""
    return len(text) if text.isascii() else sum(map(_width, text))


def _lines(source: Source, span: Span) -> Iterator[int]:
    first, _ = source.position(span.start)
    last, column = source.position(max(span.start, span.stop))
    if last > first and column == 1:
        last -= 1
    yield from range(first, last + 1)


def _part(source: Source, span: Span, number: int, line: str) -> tuple[int, int]:
    """The part of a span that lies in a line; of lines after the first, without their indentation."""
    start = source.start_of(number)
    indent = len(line) - len(line.lstrip())
    begin = span.start - start if span.start >= start else indent
    return begin, max(begin, min(span.stop - start, len(line)))


def _shown(character: str, column: int) -> str:
    if character == "\t":
        return " " * (TAB - column % TAB)
    if character.isascii():
        return character if character.isprintable() else "\N{REPLACEMENT CHARACTER}"
    if unicodedata.category(character) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}:
        return f"<U+{ord(character):04X}>"
    return character


def _width(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in {"W", "F"} else 1


def _window(line: str, begin: int, end: int, room: int) -> tuple[str, int, int]:
    """A line cut to `room` columns around `line[begin:end]`: text, and start and length of the underline."""
    first, last = 0, len(line)
    if last > room or columns(line) > room:
        before = room // 3 if end - begin <= room // 2 else 8
        first = max(0, begin - before)
        first = min(first, max(0, last - room + 2)) if line.isascii() else first
    text, edges, place = "…" * (first > 0), [], int(first > 0)
    for character in line[first : first + CHARACTERS * room]:
        shown = _shown(character, place)
        if place + columns(shown) > room - 1:
            break
        edges.append(place)
        text += shown
        place += columns(shown)
    edges.append(place)
    is_cut = first + len(edges) - 1 < last
    start = edges[min(begin - first, len(edges) - 1)]
    stop = edges[min(end - first, len(edges) - 1)]
    return text + "…" * is_cut, start, max(1, stop - start)


def _labelled(mark: str, start: int, label: str, room: int) -> list[Row]:
    if not label:
        return [Row(None, mark, True)]
    if len(mark) + 1 + columns(label) <= room:
        return [Row(None, f"{mark} {label}", True)]
    indent = max(0, min(start, room - columns(label)))
    return [Row(None, mark, True), Row(None, " " * indent + label, True)]
