"""From the bytes of a file to a source."""

from __future__ import annotations

from npde.diagnostics import DiagnosticError
from npde.diagnostics.catalogue import source as codes
from npde.source import Source, Span
from npde.syntax import limits


def decode(data: bytes, name: str) -> Source:
    """The text of a `.npde` file: UTF-8, without the byte order mark that some editors put first. Line ends stay.

    Raises:
        DiagnosticError: the bytes are no UTF-8, or too many.
    """
    if len(data) > limits.SOURCE_BYTES + 3:
        source = Source(name, data[:80].decode("utf-8", "replace"))
        wrong = codes.FILE_TOO_LARGE.at(Span(0, 1), size=len(data), limit=limits.SOURCE_BYTES)
        raise DiagnosticError([wrong], source)
    try:
        return Source(name, data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        before = len(data[: error.start].decode("utf-8-sig"))
        shown = " ".join(f"0x{byte:02X}" for byte in data[error.start : error.end])
        source = Source(name, data.decode("utf-8-sig", "replace"))
        raise DiagnosticError([codes.NOT_UTF8.at(Span(before, before + 1), bytes=shown)], source) from None
