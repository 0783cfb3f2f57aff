"""Walking through checked expressions: iterative, so depth is no matter."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from npde.model import expression as ex

Result = TypeVar("Result")


def children(expr: ex.Expr) -> tuple[ex.Expr, ...]:
    """The direct sub-expressions, left to right."""
    match expr:
        case ex.Number() | ex.Constant() | ex.CoordinateRef() | ex.FieldRef() | ex.InputRef():
            return ()
        case ex.LetRef() | ex.LearnRef() | ex.Elementary() | ex.ApplyClosure():
            return expr.arguments
        case ex.Binary() | ex.Comparison() | ex.Dot() | ex.Cross():
            return (expr.left, expr.right)
        case ex.Where():
            return (expr.condition, expr.then, expr.otherwise)
        case ex.VectorOf():
            return expr.items
        case ex.Contract():
            return (expr.matrix, expr.operand)
        case ex.Noise():
            return (expr.amplitude,)
        case _:
            return (expr.operand,)


def walk(expr: ex.Expr) -> Iterator[ex.Expr]:
    """Every sub-expression, the expression itself first, left to right."""
    pending = [expr]
    while pending:
        node = pending.pop()
        yield node
        pending.extend(reversed(children(node)))


def fold(expr: ex.Expr, combine: Callable[[ex.Expr, tuple[Result, ...]], Result]) -> Result:
    """`combine(node, results of its children)` from the leaves up."""
    pending: list[tuple[ex.Expr, bool]] = [(expr, False)]
    results: list[Result] = []
    while pending:
        node, ready = pending.pop()
        below = children(node)
        if not ready and below:
            pending.append((node, True))
            pending.extend((child, False) for child in reversed(below))
            continue
        cut = len(results) - len(below)
        results[cut:] = [combine(node, tuple(results[cut:]))]
    return results[0]
