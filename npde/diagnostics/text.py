"""A diagnostic as text for people and as plain data for programs."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from typing import Any, TypeAlias

from npde.diagnostics.excerpt import Row, columns, excerpt, printable
from npde.diagnostics.record import Diagnostic
from npde.source import NOWHERE, Source

_Paint: TypeAlias = Callable[[str, str], str]

_RESET = "\033[0m"
_STYLE = {"error": "\033[1;31m", "warning": "\033[1;33m", "gutter": "\033[1;34m", "message": "\033[1m",
          "note": "\033[1m", "hint": "\033[1;36m"}  # fmt: skip


def render(diagnostic: Diagnostic, source: Source, *, color: bool = False, width: int = 80) -> str:
    """The diagnostic with the line of the source it points at, the span underlined, without a line end at the end.

    Args:
        diagnostic: one at `NOWHERE` (an option's, say) is shown without a line.
        source: what the span points into.
        color: with ANSI escapes; the text is the same without.
        width: columns; longer lines of the source are cut around the span, notes are wrapped.
    """
    paint: _Paint = _painted if color else _plain
    header = f"{diagnostic.severity}[{diagnostic.code}]"
    lines = [paint(header, diagnostic.severity) + paint(f": {printable(diagnostic.message)}", "message")]
    if diagnostic.span == NOWHERE:
        margin = 1
        notes = (diagnostic.label, *diagnostic.notes) if diagnostic.label else diagnostic.notes
        lines.append(f"{' ' * (margin + 1)}{paint('-->', 'gutter')} {printable(source.name)}")
    else:
        line, column = source.position(diagnostic.span.start)
        last, _ = source.position(max(diagnostic.span.start, diagnostic.span.stop))
        margin, notes = len(str(last)), diagnostic.notes
        lines.append(f"{' ' * (margin + 1)}{paint('-->', 'gutter')} {printable(source.name)}:{line}:{column}")
        lines.append(_row(Row(None, ""), margin, diagnostic.severity, paint))
        rows = excerpt(source, diagnostic.span, printable(diagnostic.label), max(20, width - margin - 4))
        lines.extend(_row(row, margin, diagnostic.severity, paint) for row in rows)
    lines.extend(_remark("note", note, margin, width, paint) for note in notes)
    if diagnostic.hint:
        lines.append(_remark("hint", diagnostic.hint, margin, width, paint))
    return "\n".join(lines)


def to_json(diagnostic: Diagnostic, source: Source) -> dict[str, Any]:
    """The diagnostic as plain data: lines and columns are counted from 1, `offset` from 0 in characters."""
    is_somewhere = diagnostic.span != NOWHERE
    return {
        "code": diagnostic.code,
        "severity": diagnostic.severity,
        "message": diagnostic.message,
        "label": diagnostic.label,
        "notes": list(diagnostic.notes),
        "hint": diagnostic.hint,
        "file": source.name,
        "start": _place(source, diagnostic.span.start) if is_somewhere else None,
        "stop": _place(source, diagnostic.span.stop) if is_somewhere else None,
        "text": source.snippet(diagnostic.span),
    }


def _place(source: Source, offset: int) -> dict[str, int]:
    line, column = source.position(offset)
    return {"line": line, "column": column, "offset": offset}


def _row(row: Row, margin: int, severity: str, paint: _Paint) -> str:
    number = "" if row.number is None else str(row.number)
    text = paint(row.text, severity) if row.is_mark else row.text
    return f" {paint(f'{number:>{margin}} |', 'gutter')} {text}".rstrip()


def _remark(kind: str, text: str, margin: int, width: int, paint: _Paint) -> str:
    """`= hint: …`, wrapped; a line of the text that is longer than the width and has no spaces stays whole."""
    indent = " " * (margin + 2 + len(f"= {kind}: "))
    wrapped = [piece for line in printable(text).split("\n") for piece in _wrapped(line, width - len(indent))]
    head = f"{' ' * (margin + 2)}{paint('=', 'gutter')} {paint(f'{kind}:', kind)} "
    return head + f"\n{indent}".join(wrapped)


def _wrapped(line: str, room: int) -> list[str]:
    if columns(line) <= room:
        return [line]
    return textwrap.wrap(line, max(20, room), break_long_words=False, break_on_hyphens=False)


def _plain(text: str, _: str) -> str:
    return text


def _painted(text: str, style: str) -> str:
    return f"{_STYLE[style]}{text}{_RESET}"
