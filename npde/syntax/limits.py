"""How large a file may be. Everything here is checked on text, tokens or the syntax tree, before anything heavier runs.

The figures are far above what a person writes and low enough that the largest file allowed is read within a second.
"""

from __future__ import annotations

SOURCE_BYTES = 1_000_000
"""Bytes of a file in UTF-8."""

TOKENS = 50_000
"""Words, numbers and signs of a file, comments and line ends included."""

STATEMENTS = 2_000
"""Statements of a file."""

NAMES = 2_000
"""Different names in a file."""

NAME_LENGTH = 64
"""Characters of a name, with Greek letters spelled out."""

DIGITS = 100
"""Digits of a number, those of its exponent not counted."""

MAGNITUDE = 307
"""Decimal exponent of a number other than zero, of either sign: what lies inside holds in double precision."""

NESTING = 200
"""Depth of brackets, and of operations within one another; the terms of a sum, like the factors of a product, count once."""

TERMS = 1_000
"""Terms of a sum, and factors of a product."""
