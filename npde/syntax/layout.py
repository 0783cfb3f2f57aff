"""From tokens to statements: one a line; a line goes on inside brackets and after a trailing operator or comma.

Where a bracket is not closed or a line ends in an operator by mistake, what follows is still read: a new line that can
only begin a statement, because it starts with a keyword or holds a `=` of its own, ends the one before it.
"""

from __future__ import annotations

from collections.abc import Sequence

from npde.syntax.token import Token

OPENING = frozenset("([")
CLOSING = frozenset(")]")
SIGNS = frozenset("+-−*/^@·⋅×")
COMPARISONS = frozenset({"<", "<=", ">", ">=", "==", "!=", "≤", "≥", "≠"})
TRAILING = SIGNS | COMPARISONS | {"=", ",", "PREFIX"}
"""Kinds of token after which a line goes on."""

KEYWORDS = (
    "model", "coordinates", "field", "let", "learn", "input", "boundary", "initial", "output", "grid", "order", "march",
    "solve", "network",
)  # fmt: skip
"""Words that start a statement."""


def statements(tokens: Sequence[Token]) -> list[list[Token]]:
    """The tokens of each statement, without line ends and comments."""
    found: list[list[Token]] = [[]]
    depth = 0
    for index, token in enumerate(tokens):
        if token.kind == "COMMENT":
            continue
        if token.kind == "NEWLINE":
            goes_on = depth > 0 or (bool(found[-1]) and found[-1][-1].kind in TRAILING)
            if not goes_on or _starts_anew(tokens, index + 1, found[-1], depth):
                found.append([])
                depth = 0
            continue
        depth = max(0, depth + (token.kind in OPENING) - (token.kind in CLOSING))
        found[-1].append(token)
    return [statement for statement in found if statement]


def _starts_anew(tokens: Sequence[Token], start: int, before: Sequence[Token], depth: int) -> bool:
    """Whether the line at `start` begins a statement although the one before it is not complete."""
    if start == len(tokens) or tokens[start].kind in {"NEWLINE", "COMMENT"}:
        return False
    if tokens[start].kind in KEYWORDS:
        return True
    has_equals = any(token.kind == "=" for token in before)
    takes_one = before[0].kind not in {"let", "learn", "boundary"}
    for index in range(start, len(tokens)):
        kind = tokens[index].kind
        if kind == "NEWLINE":
            return False
        if kind == "=":
            return depth > 0 or (has_equals and takes_one and before[-1].kind != ",")
        depth += (kind in OPENING) - (kind in CLOSING)
    return False
