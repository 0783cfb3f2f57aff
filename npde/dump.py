"""Any record of the pipeline as text, or as plain data for programs: what `npde show` prints.

A record is a frozen dataclass of tuples, numbers, names, SymPy expressions and other records. Spans are left out of the text and
are pairs of offsets in the data.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

from npde.source import Source, Span

WIDTH = 100
DEPTH = 400
"""Records nested deeper than this are cut; the language allows about half."""


def text(record: Any, width: int = WIDTH) -> str:
    """The record over as many lines as it needs, two spaces a level; what fits into a line stays in one."""
    return "\n".join(_lines("", record, "", width, 0)) + "\n"


def data(record: Any) -> Any:
    """The record as JSON can hold it: {"kind": class name, field: value, …}; exact numbers and expressions as text."""
    match record:
        case None | bool() | int() | float() | str():
            return record
        case Span(start=start, stop=stop):
            return [start, stop]
        case Source(name=name):
            return {"kind": "Source", "name": name}
        case tuple() | list():
            return [data(item) for item in record]
        case Mapping():
            return {str(key): data(value) for key, value in record.items()}
        case _ if dataclasses.is_dataclass(record):
            return {"kind": type(record).__name__} | {name: data(value) for name, value in _fields(record, True)}
        case _:
            return str(record)


def _fields(record: Any, with_spans: bool) -> Iterator[tuple[str, Any]]:
    for field in dataclasses.fields(record):
        value = getattr(record, field.name)
        if isinstance(value, Source) or (isinstance(value, Span) and not with_spans):
            continue
        yield field.name, value


def _lines(label: str, value: Any, indent: str, width: int, depth: int) -> Iterator[str]:
    short = _inline(value, width - len(indent) - len(label), depth)
    if short is not None:
        yield f"{indent}{label}{short}"
        return
    inner = indent + "  "
    if dataclasses.is_dataclass(value):
        yield f"{indent}{label}{type(value).__name__}"
        for name, entry in _fields(value, False):
            yield from _lines(f"{name}: ", entry, inner, width, depth + 1)
    elif isinstance(value, Mapping):
        yield f"{indent}{label}".rstrip()
        for key, entry in value.items():
            yield from _lines(f"{key}: ", entry, inner, width, depth + 1)
    elif isinstance(value, tuple | list):
        yield f"{indent}{label}".rstrip()
        for entry in value:
            yield from _lines("- ", entry, inner, width, depth + 1)
    else:
        yield f"{indent}{label}{_leaf(value)}"


def _inline(value: Any, room: int, depth: int) -> str | None:
    """The value in one line, None if it does not fit."""
    if room < 8 or depth > DEPTH:
        return "…" if depth > DEPTH else None
    if dataclasses.is_dataclass(value):
        left = room - len(type(value).__name__) - 2
        parts = [(f"{name}=", entry) for name, entry in _fields(value, False)]
        inside = _joined(parts, left, depth)
        return None if inside is None else f"{type(value).__name__}({inside})"
    if isinstance(value, Mapping):
        inside = _joined([(f"{key}: ", entry) for key, entry in value.items()], room - 2, depth)
        return None if inside is None else f"{{{inside}}}"
    if isinstance(value, tuple | list):
        inside = _joined([("", entry) for entry in value], room - 2, depth)
        return None if inside is None else f"[{inside}]"
    shown = _leaf(value)
    return shown if len(shown) <= room and "\n" not in shown else None


def _joined(parts: list[tuple[str, Any]], room: int, depth: int) -> str | None:
    shown: list[str] = []
    for label, value in parts:
        item = _inline(value, room - len(label), depth + 1)
        if item is None:
            return None
        room -= len(label) + len(item) + 2
        shown.append(label + item)
        if room < -2:
            return None
    return ", ".join(shown)


def _leaf(value: Any) -> str:
    match value:
        case None:
            return "none"
        case str():
            return repr(value)
        case bool():
            return "yes" if value else "no"
        case int() | float() | Fraction():
            return str(value)
        case _:
            return str(value)
