"""Tokens: what the lexer hands to the layout and the layout to the parser."""

from __future__ import annotations

from typing import NamedTuple

from npde.source import Span

BAD = "BAD"
"""The kind of a token that stands for characters the language has no use for; they have been reported."""

END = "$END"
"""The kind of the token after the last one of a statement."""


class Token(NamedTuple):
    """`source.text[start:stop]`; `kind` is the text itself for signs and keywords, else a terminal of the grammar."""

    kind: str
    text: str
    start: int
    stop: int

    @property
    def span(self) -> Span:
        return Span(self.start, self.stop)
