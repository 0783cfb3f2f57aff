"""Expressions as text, with as few brackets as reading needs, in ASCII or in mathematical spelling."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import IntEnum
from typing import assert_never

from npde.syntax import tree
from npde.syntax.spelling import LETTER_OF
from npde.syntax.walk import children, operands

BREAK = "\x1f"
"""Stands for a space at which a line may be broken: one after a comma or an operator."""

_RAISED = {"2": "²", "3": "³"}
_PREFIX = {"lap": "∇²", "grad": "∇", "div": "∇·", "curl": "∇×"}
_GREEK = re.compile(r"(?P<letter>[A-Za-z]+?)(?P<rest>[0-9]*(_\w*)?)")


class Level(IntEnum):
    """How tightly the outermost operation of a text binds."""

    COMPARISON = 0
    SUM = 1
    PRODUCT = 2
    SIGN = 3
    PREFIX = 4
    POWER = 5
    TERM = 6


@dataclass(frozen=True, slots=True)
class Printed:
    """Text, how tightly it binds, and whether it ends in a prefix operator with its operand."""

    text: str
    level: Level
    is_ended: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class ExpressionPrinter:
    """Prints expressions; `coordinates` tell which `dx` are derivatives that mathematics writes as `∂x`.

    Inner expressions are printed before outer ones, by a loop, and kept in `printed` by their identity: a tree may be
    nested deeper than Python's stack.
    """

    is_unicode: bool
    coordinates: frozenset[str]
    printed: dict[int, Printed] = field(default_factory=dict)

    def text(self, node: tree.Expression) -> str:
        """The expression, with `BREAK` where a line may be broken."""
        if id(node) not in self.printed:
            for inner in _inner_first(node):
                self.printed[id(inner)] = self._made(inner)
        return self.printed[id(node)].text

    def name(self, node: tree.Name) -> str:
        """A name with its primes: `psi0` is `ψ0` in mathematical spelling."""
        return (greek(node.id) if self.is_unicode else node.id) + "'" * node.primes

    def _print(self, node: tree.Expression) -> Printed:
        return self.printed[id(node)]

    def _made(self, node: tree.Expression) -> Printed:
        match node:
            case tree.Number():
                return Printed(node.text, Level.TERM)
            case tree.Name():
                return Printed(self.name(node), Level.TERM)
            case tree.String():
                return Printed(f'"{node.text}"', Level.TERM)
            case tree.Call():
                return self._call(node)
            case tree.Index():
                return Printed(f"{self._applied(node.operand)}[{self.text(node.index)}]", Level.TERM)
            case tree.Unary():
                operand = self._print(node.operand)
                return Printed(node.operator + _at_least(operand, Level.PREFIX), Level.SIGN, _ends(operand))
            case tree.Binary(operator="^"):
                return self._power(node)
            case tree.Binary(operator="+" | "-"):
                return self._sum(node)
            case tree.Binary():
                return self._product(node)
            case tree.Compare():
                text = f"{self.text(node.left)} {node.operator}{BREAK}{self.text(node.right)}"
                return Printed(text, Level.COMPARISON)
            case tree.Vector():
                return Printed(f"[{self.items(node.items)}]", Level.TERM)
            case _:
                assert_never(node)

    def items(self, nodes: tuple[tree.Expression, ...]) -> str:
        """Expressions with commas between them."""
        return f",{BREAK}".join(self.text(node) for node in nodes)

    def _sum(self, node: tree.Binary) -> Printed:
        terms = operands(node)
        operators = _operators(node, len(terms) - 1)
        parts = [_at_least(self._print(terms[0]), Level.SUM)]
        for operator, term in zip(operators, terms[1:], strict=True):
            parts.append(f" {operator}{BREAK}{_at_least(self._print(term), Level.PRODUCT, sign=False)}")
        return Printed("".join(parts), Level.SUM)

    def _product(self, node: tree.Binary) -> Printed:
        factors = operands(node)
        operators = _operators(node, len(factors) - 1)
        first = self._print(factors[0])
        parts = [_at_least(first, Level.PRODUCT)]
        is_ended = first.level >= Level.PRODUCT and first.is_ended
        for operator, factor in zip(operators, factors[1:], strict=True):
            printed = self._print(factor)
            is_juxtaposed = operator == "*" and printed.level == Level.PREFIX and not is_ended
            parts.append(" " if is_juxtaposed else operator)
            parts.append(_at_least(printed, Level.PREFIX))
            is_ended = printed.level == Level.PREFIX
        return Printed("".join(parts), Level.PRODUCT, is_ended)

    def _power(self, node: tree.Binary) -> Printed:
        base = _at_least(self._print(node.left), Level.TERM)
        if self.is_unicode and isinstance(node.right, tree.Number) and node.right.text in _RAISED:
            return Printed(base + _RAISED[node.right.text], Level.POWER)
        exponent = _at_least(self._print(node.right), Level.TERM if self.is_unicode else Level.POWER)
        return Printed(f"{base}^{exponent}", Level.POWER)

    def _call(self, node: tree.Call) -> Printed:
        operator = self._operator(node)
        if operator is None:
            return Printed(f"{self._applied(node.callee)}({self.items(node.arguments)})", Level.TERM)
        operand = self._print(node.arguments[0])
        is_bare = isinstance(node.arguments[0], tree.Name | tree.Call | tree.Index) and operand.level == Level.TERM
        space = " " if is_bare and operator[0] == "∂" else ""
        text = operand.text if is_bare else f"({operand.text})"
        return Printed(operator + space + text, Level.PREFIX, True)

    def _operator(self, node: tree.Call) -> str | None:
        """The prefix operator that mathematics writes for this call, if it has one."""
        name = node.callee
        if not self.is_unicode or not isinstance(name, tree.Name) or name.primes or len(node.arguments) != 1:
            return None
        if isinstance(node.arguments[0], tree.String | tree.Compare):
            return None
        letters = name.id[1:]
        if name.id[:1] == "d" and letters and all(letter in self.coordinates for letter in letters):
            return f"∂{letters}"
        return _PREFIX.get(name.id)

    def _applied(self, node: tree.Expression) -> str:
        """What arguments or an index follow: never a prefix operator, whose operand they would belong to."""
        if isinstance(node, tree.Call):
            return f"{self._applied(node.callee)}({self.items(node.arguments)})"
        printed = self._print(node)
        return printed.text if isinstance(node, tree.Name | tree.Index) else f"({printed.text})"


def _inner_first(node: tree.Expression) -> list[tree.Expression]:
    """All expressions within one and itself, each after those within it; of a sum or product only the operands."""
    found, stack = [], [node]
    while stack:
        here = stack.pop()
        found.append(here)
        stack.extend(operands(here) if isinstance(here, tree.Binary) else children(here))
    return found[::-1]


def greek(name: str) -> str:
    """A name with a leading Greek letter in place of that letter's name: `psi0` is `ψ0`, `psi_max` is `ψ_max`."""
    hit = _GREEK.fullmatch(name)
    letter = LETTER_OF.get(hit["letter"]) if hit else None
    return letter + hit["rest"] if hit and letter else name


def _operators(node: tree.Binary, count: int) -> list[str]:
    """The operators between the operands of a sum or product, left to right."""
    found: list[str] = []
    here: tree.Expression = node
    while len(found) < count and isinstance(here, tree.Binary):
        found.append(here.operator)
        here = here.left
    return found[::-1]


def _at_least(printed: Printed, level: Level, *, sign: bool = True) -> str:
    """The text, in brackets if it binds less tightly; without `sign`, also if it starts with one."""
    needs = printed.level < level or (not sign and printed.text[:1] in "+-")
    return f"({printed.text})" if needs else printed.text


def _ends(printed: Printed) -> bool:
    return printed.level >= Level.PREFIX and printed.is_ended
