"""Weighted sums of arrays as text, without an array for each partial sum.

    w_0 a_0 + w_1 a_1 + w_2 a_2 + ...   ->   torch.add(a_0, a_1, alpha=w_1).add_(a_2, alpha=w_2)...

The first two terms make an array that has no name yet, and the others are added into it. The weights are numbers, so autograd keeps
nothing of such a sum: what is overwritten is needed no more, with or without gradients, and one text serves both.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import sympy as sp

from npde.emit.printer import Printer, ordered

PAIR = re.compile(r"[\w.]+ [+-] [\w.]+")
"""A sum of two names, the one text here that needs brackets beside an operator."""


@dataclass(frozen=True, slots=True)
class Term:
    """`weight * array`, subtracted if `is_negative`; both are text, a weight of 1 is empty."""

    array: str
    weight: str = ""
    is_negative: bool = False


def accumulated(terms: Sequence[Term], factor: str = "", divisor: str = "") -> str:
    """`factor * sum / divisor` of arrays of one shape; an array that has a name is never written into."""
    first, *rest = terms
    if not rest:
        product = " * ".join(t for t in (factor, _product(first)) if t)
        return f"{product} / ({divisor})" if " * " in divisor else f"{product} / {divisor}" if divisor else product
    after = f".mul_({factor})" if factor else ""
    after += f".div_({divisor})" if divisor else ""
    if first.is_negative or first.weight:
        return f"({_product(first)})" + "".join(map(_added, rest)) + after
    second, *rest = rest
    after = "".join(map(_added, rest)) + after
    if second.weight:
        operation = "sub" if second.is_negative else "add"
        return f"torch.{operation}({first.array}, {second.array}, alpha={second.weight}){after}"
    pair = f"{_operand(first.array)} {'-' if second.is_negative else '+'} {_operand(second.array)}"
    return f"({pair}){after}" if after else pair


def _product(term: Term) -> str:
    product = f"{term.weight} * {_operand(term.array)}" if term.weight else _operand(term.array)
    return f"-{product}" if term.is_negative else product


def _operand(array: str) -> str:
    return f"({array})" if PAIR.fullmatch(array) else array


def _added(term: Term) -> str:
    weight = f", alpha={term.weight}" if term.weight else ""
    return f".{'sub' if term.is_negative else 'add'}_({term.array}{weight})"


def combination(expression: sp.Expr, printer: Printer) -> str | None:
    """A linear combination of arrays of one shape whose weights are numbers; None if the expression is something else.

    Sums in brackets are kept: `q + DT / 6 * (k1 + 2 * k2)` adds small rates before they meet the state.
    """
    if not isinstance(expression, sp.Add):
        return None
    terms = []
    for summand in ordered(expression):
        is_negative = bool(summand.could_extract_minus_sign())
        term = _term(-summand if is_negative else summand, is_negative, printer)
        if term is None:
            return None
        terms.append(term)
    return accumulated(terms)


def _term(product: sp.Expr, is_negative: bool, printer: Printer) -> Term | None:
    numbers = [f for f in sp.Mul.make_args(product) if printer.is_constant(f)]
    arrays = [f for f in sp.Mul.make_args(product) if not printer.is_constant(f)]
    if len(arrays) != 1:
        return None
    array = printer.text(arrays[0]) if isinstance(arrays[0], sp.Symbol) else combination(arrays[0], printer)
    if array is None:
        return None
    weight = sp.Mul(*numbers)
    return Term(array, "" if weight == 1 else printer.text(weight), is_negative)
