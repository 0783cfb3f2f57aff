"""From text to tokens."""

from __future__ import annotations

from npde.source import Source
from npde.syntax.tables import Tables
from npde.syntax.token import BAD, Token

_SKIPPED = "__IGNORE_0"


def tokens(source: Source, tables: Tables) -> list[Token]:
    """The tokens of a source, line ends and comments included."""
    text, match, kinds, words = source.text, tables.lexer.match, tables.kinds, tables.words
    found: list[Token] = []
    place = 1 if text.startswith("\ufeff") else 0
    while place < len(text):
        hit = match(text, place)
        if hit is None:
            found.append(Token(BAD, text[place], place, place + 1))
            place += 1
            continue
        kind, start, place = kinds[int(hit.lastgroup[1:])], place, hit.end()  # type: ignore[index]
        if kind == _SKIPPED:
            continue
        word = hit.group()
        found.append(Token(word if kind == "NAME" and word in words else kind, word, start, place))
    return found
