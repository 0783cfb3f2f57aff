"""Reads the text of a model."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from npde.diagnostics import DiagnosticError
from npde.diagnostics.catalogue import data as codes
from npde.diagnostics.catalogue.source import FILE_TOO_LARGE, NOT_UTF8
from npde.files.atomic import reason
from npde.source import Source, Span
from npde.syntax.limits import SOURCE_BYTES

STANDARD_INPUT = "-"


def read_source(path: str | os.PathLike[str]) -> Source:
    """The text of the file at `path`; of standard input when `path` is "-".

    Raises:
        DiagnosticError: N1001 when it cannot be read, N0010 when it is too large, N0001 when it is not UTF-8.
    """
    if path == STANDARD_INPUT:
        return decode(sys.stdin.buffer.read(SOURCE_BYTES + 1), "<stdin>")
    name = os.fspath(path)
    try:
        with Path(path).open("rb") as file:
            return decode(file.read(SOURCE_BYTES + 1), name)
    except (OSError, ValueError) as error:
        why = reason(error) if isinstance(error, OSError) else str(error)
        raise DiagnosticError([codes.CANNOT_OPEN.at(path=name, reason=why)], Source(name, "")) from error


def decode(content: bytes, name: str) -> Source:
    """Bytes as a source. Raises as `read_source` does."""
    if len(content) > SOURCE_BYTES:
        too_large = FILE_TOO_LARGE.at(size=f"more than {SOURCE_BYTES}", limit=SOURCE_BYTES)
        raise DiagnosticError([too_large], Source(name, ""))
    try:
        return Source(name, content.decode("utf-8"))
    except UnicodeDecodeError as error:
        bad = content[error.start : error.end].hex(" ")
        before = len(content[: error.start].decode("utf-8"))
        shown = Source(name, content.decode("utf-8", "replace"))
        raise DiagnosticError([NOT_UTF8.at(Span(before, before + 1), bytes=f"byte {bad}")], shown) from error
