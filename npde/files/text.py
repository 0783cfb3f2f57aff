"""Reads the text of a model."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from npde.diagnostics import DiagnosticError
from npde.diagnostics.catalogue import data as codes
from npde.files.atomic import reason
from npde.source import Source
from npde.syntax.encoding import decode
from npde.syntax.limits import SOURCE_BYTES

STANDARD_INPUT = "-"


def read_source(path: str | os.PathLike[str]) -> Source:
    """The text of the file at `path`; of standard input when `path` is "-".

    Raises:
        DiagnosticError: N1001 when it cannot be read, N00xx when it is too large or not UTF-8.
    """
    limit = SOURCE_BYTES + 4  # a byte order mark does not count, and one byte more tells that there is more
    if path == STANDARD_INPUT:
        return decode(sys.stdin.buffer.read(limit), "<stdin>")
    name = os.fspath(path)
    try:
        with Path(path).open("rb") as file:
            content = file.read(limit)
    except (OSError, ValueError) as error:
        why = reason(error) if isinstance(error, OSError) else str(error)
        raise DiagnosticError([codes.CANNOT_OPEN.at(path=name, reason=why)], Source(name, "")) from error
    return decode(content, name)
