"""The LALR automaton: shifts tokens and reduces rules as the tables say. It keeps its own stacks and never recurses."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from npde.diagnostics.record import InternalError
from npde.syntax.tables import START, Tables
from npde.syntax.token import END, Token

Actions = Mapping[str, Callable[[list[Any]], Any]]


class Stuck(Exception):
    """No action for the token at `index` (the number of tokens: the statement ends too early).

    `expected` are the kinds that could have stood there, sorted.
    """

    def __init__(self, index: int, expected: tuple[str, ...]):
        super().__init__(index, expected)
        self.index = index
        self.expected = expected


def run(tables: Tables, tokens: Sequence[Token], actions: Actions) -> Any:
    """The value of the statement that the tokens form.

    Args:
        tables: what `npde.syntax.tables.load` gives.
        tokens: of one statement, without line ends and comments.
        actions: by name, what makes a rule's value from the values of its symbols.

    Raises:
        Stuck: the tokens are no statement.
    """
    states, rules = tables.states, tables.rules
    stack: list[int] = [0]
    values: list[Any] = []
    for index, token in enumerate((*tokens, Token(END, "", 0, 0))):
        while True:
            shift, reduce, _ = states[stack[-1]]
            if token.kind in shift:
                break
            if token.kind not in reduce:
                raise Stuck(index, expected(tables, tokens[:index]))
            rule = rules[reduce[token.kind]]
            start = len(values) - rule.length
            values[start:] = [_value(rule.action, values[start:], actions)]
            if rule.left == START:
                return values[0]
            del stack[len(stack) - rule.length :]
            stack.append(states[stack[-1]][2][rule.left])
        stack.append(shift[token.kind])
        values.append(token)
    raise InternalError("The tables accept what follows the end of a statement.")


def expected(tables: Tables, tokens: Sequence[Token]) -> tuple[str, ...]:
    """The kinds of token that can follow these tokens, which begin a statement.

    The automaton runs again up to that place: rules reduced in view of the token that does not fit are not taken back.
    """
    stack = [0]
    for token in tokens:
        _advance(tables, stack, token.kind)
    shift, reduce, _ = tables.states[stack[-1]]
    return tuple(kind for kind in sorted({*shift, *reduce}) if _advance(tables, list(stack), kind))


def _advance(tables: Tables, stack: list[int], kind: str) -> bool:
    """Reduces as `kind` asks and shifts it, on the states alone; whether that is possible."""
    while True:
        shift, reduce, _ = tables.states[stack[-1]]
        if kind in shift:
            stack.append(shift[kind])
            return True
        if kind not in reduce:
            return False
        rule = tables.rules[reduce[kind]]
        if rule.left == START:
            return True
        del stack[len(stack) - rule.length :]
        stack.append(tables.states[stack[-1]][2][rule.left])


def _value(action: str, children: list[Any], actions: Actions) -> Any:
    """Repetitions are lists that grow and are spliced into the rule that holds them."""
    if action == "*":
        if children and isinstance(children[0], list):
            children[0].extend(children[1:])
            return children[0]
        return children
    flat = [item for child in children for item in (child if isinstance(child, list) else (child,))]
    return actions[action](flat) if action else flat[0]
