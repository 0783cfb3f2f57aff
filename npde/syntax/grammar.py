"""The text of `grammar/npde.lark`: the checkout's file first, else the copy that a wheel carries."""

from __future__ import annotations

from pathlib import Path

from npde.diagnostics.record import InternalError

_PACKAGE = Path(__file__).resolve().parent.parent
PLACES = (_PACKAGE.parent / "grammar" / "npde.lark", _PACKAGE / "_grammar" / "npde.lark")
"""Where the grammar may lie: beside the package in a checkout, inside the package in a wheel."""


def grammar_text() -> str:
    """The grammar as written.

    Raises:
        InternalError: no copy of the grammar is installed.
    """
    for place in PLACES:
        if place.is_file():
            return place.read_text(encoding="utf-8")
    raise InternalError("The grammar 'npde.lark' is missing from this installation of npde.")
