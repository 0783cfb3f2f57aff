"""Forms that the grammar reads only to refuse them with an offer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from npde.diagnostics import Diagnostic
from npde.diagnostics.catalogue import syntax
from npde.source import Source, Span
from npde.syntax import limits, tree
from npde.syntax.token import Token


class Refused(Exception):
    """The statement reads and is refused; `diagnose` makes the diagnostic from the source."""

    def __init__(self, diagnose: Callable[[Source], Diagnostic]):
        super().__init__()
        self.diagnose = diagnose


def unclear_product(children: list[Any]) -> NoReturn:
    """`∇·D∇u`: offers `∇·(D∇u)`."""
    left, right = children
    first = _last_prefixed(left)
    operator, operand = first.callee.span, first.arguments[0].span

    def diagnose(source: Source) -> Diagnostic:
        sign = source.snippet(operator)
        whole = source.snippet(Span(operand.start, right.span.stop))
        return syntax.UNCLEAR_PRODUCT.at(right.callee.span, operator=sign, hint=f"write `{sign}({whole})`.")

    raise Refused(diagnose)


def unclear_power(children: list[Any]) -> NoReturn:
    """`Δu²`: offers `Δ(u²)` and `(Δu)²`."""
    prefixed: tree.Call = children[0]
    operator, operand, mark = prefixed.callee.span, prefixed.arguments[0].span, children[1].span
    end = Span(mark.start, children[-1].span.stop)

    def diagnose(source: Source) -> Diagnostic:
        sign, inner, power = source.snippet(operator), source.snippet(operand), source.snippet(end)
        space = " " * (operand.start - operator.stop)
        whole = f"{sign}{space}{inner}"
        hint = f"write `{sign}({inner}{power})` or `({whole}){power}`."
        return syntax.UNCLEAR_POWER.at(end, operand=inner, whole=whole, hint=hint)

    raise Refused(diagnose)


def side(name: tree.Expression, whole: tree.Expression | tree.Equation) -> tree.Name:
    """The coordinate of `boundary x: …` and `boundary x = 0: …`."""
    if isinstance(name, tree.Name):
        return name
    is_turned = isinstance(whole, tree.Equation) and isinstance(whole.right, tree.Name)

    def diagnose(source: Source) -> Diagnostic:
        hint = ""
        if is_turned and isinstance(whole, tree.Equation):
            hint = f"the coordinate comes first: `{source.snippet(whole.right.span)} = {source.snippet(name.span)}`."
        return syntax.BOUNDARY_SIDE.at(name.span, text=source.snippet(name.span), hint=hint)

    raise Refused(diagnose)


def whole_number(text: str, token: Token) -> int:
    """An extent of a stencil, or the order of its moments."""
    if text.isdecimal() and len(text) <= limits.DIGITS:
        return int(text)
    hint = "write a whole number, such as `3` or `3x3`."
    raise Refused(lambda _: syntax.EXTENTS.at(token.span, text=token.text, hint=hint))


def stable(name: tree.Name, token: Token) -> None:
    """`in stable` is the one set with a name."""
    if name == tree.Name("stable"):
        return
    hint = "write an interval, `in [0, 1]`, or `in stable`."
    raise Refused(lambda _: syntax.CONSTRAINT_SET.at(token.span, name=token.text, hint=hint))


def _last_prefixed(node: tree.Expression) -> Any:
    """The prefix operator with its operand that a product ends in."""
    while not isinstance(node, tree.Call):
        match node:
            case tree.Binary(operator="^"):
                node = node.left
            case tree.Binary():
                node = node.right
            case tree.Unary():
                node = node.operand
            case _:
                return node
    return node
