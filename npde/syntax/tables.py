"""The LALR tables that the parser runs on: read from the generated file, or made by lark if the grammar is newer."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from npde.syntax.grammar import grammar_text

START = "statement"
GENERATED = Path(__file__).with_name("_tables.json")


@dataclass(frozen=True, slots=True)
class Rule:
    """A production: its left side, how many symbols it takes, and the action of `npde.syntax.build` it calls."""

    left: str
    length: int
    action: str


@dataclass(frozen=True, slots=True)
class Tables:
    """What to lex and how to parse: see `npde.syntax.generate.tables_of`."""

    lexer: re.Pattern[str]
    kinds: tuple[str, ...]
    words: frozenset[str]
    rules: tuple[Rule, ...]
    states: tuple[tuple[Mapping[str, int], Mapping[str, int], Mapping[str, int]], ...]


@cache
def load() -> Tables:
    """The tables of the grammar, made once a process."""
    text = grammar_text()
    return from_data(_generated(text) or _made(text))


def from_data(data: dict[str, Any]) -> Tables:
    """Tables from plain data."""
    groups = [f"(?P<k{i}>{pattern or re.escape(kind)})" for i, (kind, pattern) in enumerate(data["lexer"])]
    lexer = re.compile("|".join(groups))
    kinds = tuple(kind for kind, _ in data["lexer"])
    rules = tuple(Rule(*rule) for rule in data["rules"])
    return Tables(lexer, kinds, frozenset(data["words"]), rules, tuple(map(tuple, data["states"])))


def _generated(text: str) -> dict[str, Any] | None:
    from hashlib import sha256

    if not GENERATED.is_file():
        return None
    data: dict[str, Any] = json.loads(GENERATED.read_text(encoding="utf-8"))
    is_current = data["digest"] == sha256(text.replace("\r\n", "\n").encode()).hexdigest()
    return data if is_current else None


def _made(text: str) -> dict[str, Any]:
    from npde.syntax.generate import tables_of

    return tables_of(text)
