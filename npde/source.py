"""Source text and positions in it.

Every later record points back into a `Source` by a `Span`: a half-open range of character offsets.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from functools import cached_property


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """The characters `text[start:stop]` of a source."""

    start: int
    stop: int

    def to(self, other: Span) -> Span:
        """The smallest span that covers both."""
        return Span(min(self.start, other.start), max(self.stop, other.stop))


NOWHERE = Span(0, 0)
"""The span of what no user wrote (an option on the command line, say)."""


@dataclass(frozen=True)
class Source:
    """A named text. `name` is what a diagnostic prints: a path as the user gave it, or `<text>`."""

    name: str
    text: str = field(repr=False)

    @cached_property
    def _line_starts(self) -> list[int]:
        starts = [0]
        starts.extend(i + 1 for i, c in enumerate(self.text) if c == "\n")
        return starts

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column, both counted from 1, of a character offset."""
        line = bisect_right(self._line_starts, offset)
        return line, offset - self._line_starts[line - 1] + 1

    def line(self, number: int) -> str:
        """The text of a line (counted from 1) without its end."""
        start = self._line_starts[number - 1]
        stop = self._line_starts[number] - 1 if number < len(self._line_starts) else len(self.text)
        return self.text[start:stop].rstrip("\r")

    def start_of(self, number: int) -> int:
        """The offset of the first character of a line (counted from 1)."""
        return self._line_starts[number - 1]

    def snippet(self, span: Span) -> str:
        """The characters of a span."""
        return self.text[span.start : span.stop]
