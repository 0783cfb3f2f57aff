"""`python -m npde.syntax.generate`: lark turns `grammar/npde.lark` into the tables that the parser runs on.

Reading a grammar and building its LALR tables takes lark a quarter of a second, as long as all else that `npde check` does.
So the tables are made once and lie beside this file as JSON together with the digest of the grammar they came from;
`npde.syntax.tables` uses them only if that digest is the grammar's, and comes here otherwise. A test compares both.
"""

from __future__ import annotations

import hashlib
import json
from collections import deque
from typing import Any, NamedTuple

from npde.diagnostics.record import InternalError
from npde.syntax.grammar import grammar_text
from npde.syntax.tables import GENERATED, START

END = "$END"
BETWEEN = frozenset({"NEWLINE", "COMMENT"})
"""What follows a statement in a file; the layout takes it away, so for the parser a statement is followed by its end."""


class State(NamedTuple):
    """What the parser does in one state: by terminal, shift to a state or reduce a rule; by left side, go to a state."""

    shift: dict[str, int]
    reduce: dict[str, int]
    goto: dict[str, int]


def lark_parser(text: str, *, strict: bool = False) -> Any:
    """lark's own parser of the grammar, both for a file of laid-out lines and for one statement."""
    from lark import Lark

    return Lark(text, parser="lalr", lexer="basic", start=["file", START], keep_all_tokens=True,
                maybe_placeholders=False, strict=strict)  # fmt: skip


def tables_of(text: str) -> dict[str, Any]:
    """The tables of a grammar as plain data, the same for the same text whatever the hash seed.

    `lexer` lists (kind, regular expression) in the order to try, `words` the terminals spelled like a name; `rules` are
    [left side, number of symbols, action]; each of `states` is a `State`.
    A literal terminal is called by its own text, a regular one by its name in the grammar.
    """
    from lark.grammar import Rule
    from lark.lexer import TerminalDef

    data, memo = lark_parser(text).memo_serialize([TerminalDef, Rule])
    terminals = [entry for entry in memo.values() if entry["__type__"] == "TerminalDef"]
    kinds = {t["name"]: _kind(t) for t in terminals} | {END: END}
    numbered = [(index, rule) for index, rule in memo.items() if rule["__type__"] == "Rule"]
    rules = {index: _rule(rule) for index, rule in numbered}
    order = sorted(set(map(tuple, rules.values())))
    states = _states(data["parser"]["parser"], kinds, {index: order.index(tuple(r)) for index, r in rules.items()})
    return {
        "digest": digest(text),
        "lexer": _patterns(terminals),
        "words": sorted(kind for kind in kinds.values() if kind.isalpha() and kind.islower()),
        "rules": [list(rule) for rule in order],
        "states": [list(state) for state in states],
    }


def digest(text: str) -> str:
    """What ties tables to the grammar they were made from; line ends do not count."""
    return hashlib.sha256(text.replace("\r\n", "\n").encode()).hexdigest()


def _kind(terminal: dict[str, Any]) -> str:
    is_literal = terminal["pattern"]["__type__"] == "PatternStr"
    return str(terminal["pattern"]["value"] if is_literal else terminal["name"])


def _patterns(terminals: list[dict[str, Any]]) -> list[list[str]]:
    """Regular terminals by priority, then literals that are no words, the longest first, so that `>=` wins over `>`."""
    regular = [t for t in terminals if t["pattern"]["__type__"] == "PatternRE"]
    regular.sort(key=lambda t: (-t["priority"], t["name"]))
    literal = sorted((_kind(t) for t in terminals if t not in regular), key=lambda k: (-len(k), k))
    signs = [[kind, ""] for kind in literal if not kind.isalpha()]
    return [[t["name"], t["pattern"]["value"]] for t in regular] + signs


def _rule(rule: dict[str, Any]) -> list[Any]:
    """Left side, length and action: an alias or the left side itself, "" to pass a single child on, "*" to splice."""
    origin = rule["origin"]["name"]
    length = len(rule["expansion"])
    if origin.startswith("_"):
        return [origin, length, "*"]
    if rule["options"]["expand1"] and rule["alias"] is None and length == 1:
        return [origin, length, ""]
    return [origin, length, rule["alias"] or origin]


def _states(parser: dict[str, Any], kinds: dict[str, str], rules: dict[int, int]) -> list[State]:
    """States in order of a walk from the start over sorted symbols: lark's own numbers follow the hash seed."""
    names = parser["tokens"]
    first, last = parser["start_states"][START], parser["end_states"][START]
    number = {first: 0}
    queue, found = deque([first]), []
    while queue:
        state = State({}, {}, {})
        row = {names[symbol]: action for symbol, action in parser["states"][queue.popleft()].items()}
        row = {symbol: action for symbol, action in row.items() if symbol not in BETWEEN}
        for symbol in sorted(row):
            is_reduce, target = row[symbol]
            if is_reduce:
                state.reduce[kinds[symbol]] = rules[target["@"]]
                continue
            if target not in number:
                number[target] = len(number)
                queue.append(target)
            (state.shift if symbol in kinds else state.goto)[kinds.get(symbol, symbol)] = number[target]
        found.append(state)
    if number[last] != found[0].goto[START]:
        raise InternalError("The tables of the grammar do not end in one accepting state.")
    return found


if __name__ == "__main__":
    GENERATED.write_text(json.dumps(tables_of(grammar_text()), ensure_ascii=True, separators=(",", ":")) + "\n")
