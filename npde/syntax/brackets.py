"""Brackets of a statement, checked before it is parsed: that they match, and that they are not nested too deep."""

from __future__ import annotations

from collections.abc import Sequence

from npde.diagnostics import Diagnostic
from npde.diagnostics.catalogue import source as codes
from npde.diagnostics.catalogue import syntax
from npde.syntax import limits
from npde.syntax.layout import CLOSING, OPENING
from npde.syntax.token import Token

_PARTNER = {"(": ")", "[": "]"}


def wrong(tokens: Sequence[Token]) -> Diagnostic | None:
    """The first mistake in the brackets of a statement."""
    open_ones: list[Token] = []
    for token in tokens:
        if token.kind in OPENING:
            open_ones.append(token)
            if len(open_ones) > limits.NESTING:
                return codes.BRACKETS_TOO_DEEP.at(token.span, limit=limits.NESTING)
        if token.kind not in CLOSING:
            continue
        if not open_ones:
            return syntax.BRACKET_UNOPENED.at(token.span, bracket=token.text, hint="remove it, or open the bracket.")
        opening = open_ones.pop()
        partner = _PARTNER[opening.text]
        if token.text != partner:
            return syntax.BRACKET_MISMATCH.at(token.span, opening=opening.text, closing=token.text,
                                              hint=f"write `{partner}`.")  # fmt: skip
    if not open_ones:
        return None
    opening = open_ones[-1]
    return syntax.BRACKET_OPEN.at(opening.span, bracket=opening.text,
                                  hint=f"add `{_PARTNER[opening.text]}` where it ends.")  # fmt: skip
