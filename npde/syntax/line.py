"""One statement's tokens with the place where reading came to a halt: what the recognisers of mistakes look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from npde.source import Source, Span
from npde.syntax.token import END, Token

LONGEST = 100
"""Characters of a mended line that a hint still shows whole."""


@dataclass(frozen=True, slots=True)
class Line:
    """`tokens[index]` could not follow what stands before it; one of `expected` could."""

    source: Source
    tokens: Sequence[Token]
    index: int
    expected: frozenset[str]

    @property
    def token(self) -> Token:
        """The token that does not fit, or the end of the statement."""
        if self.index < len(self.tokens):
            return self.tokens[self.index]
        stop = self.tokens[-1].stop
        return Token(END, "", stop, stop)

    @property
    def previous(self) -> Token | None:
        return self.tokens[self.index - 1] if self.index > 0 else None

    @property
    def following(self) -> Token | None:
        return self.tokens[self.index + 1] if self.index + 1 < len(self.tokens) else None

    @property
    def keyword(self) -> str:
        """The kind of the statement's first token."""
        return self.tokens[0].kind

    @property
    def depth(self) -> int:
        """How many brackets are open."""
        kinds = [token.kind for token in self.tokens[: self.index]]
        return kinds.count("(") + kinds.count("[") - kinds.count(")") - kinds.count("]")

    def mended(self, start: int, stop: int, text: str) -> str:
        """The statement with `source.text[start:stop]` replaced, or only what is around the place if that is long."""
        first, last = self.tokens[0].start, max(self.tokens[-1].stop, stop)
        whole = self.source.text[first:start] + text + self.source.text[stop:last]
        if len(whole) <= LONGEST and "\n" not in whole:
            return whole.strip()
        near = [token for token in self.tokens if start - 12 <= token.start and token.stop <= stop + 12]
        left = min((token.start for token in near), default=start)
        right = max((token.stop for token in near), default=stop)
        part = self.source.text[min(left, start) : start] + text + self.source.text[stop : max(right, stop)]
        return " ".join(part.split())

    def between(self) -> Span:
        """From the token before the halt to the token after it."""
        start = self.previous.start if self.previous else self.token.start
        return Span(start, self.token.stop)
