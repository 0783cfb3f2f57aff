"""From tokens to statements: one a line; a line goes on inside brackets and after a trailing operator or comma."""

from __future__ import annotations

from collections.abc import Sequence

from npde.syntax.token import Token

OPENING = frozenset("([")
CLOSING = frozenset(")]")
TRAILING = frozenset("+ - − * / ^ @ · ⋅ × = < <= > >= == != ≤ ≥ ≠ , PREFIX".split())
"""Kinds of token after which a line goes on."""


def statements(tokens: Sequence[Token]) -> list[list[Token]]:
    """The tokens of each statement, without line ends and comments."""
    found: list[list[Token]] = [[]]
    depth = 0
    for token in tokens:
        if token.kind == "COMMENT":
            continue
        if token.kind == "NEWLINE":
            if depth == 0 and found[-1] and found[-1][-1].kind not in TRAILING:
                found.append([])
            continue
        depth += (token.kind in OPENING) - (token.kind in CLOSING)
        found[-1].append(token)
    return [statement for statement in found if statement]
