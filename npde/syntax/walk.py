"""Walks over the syntax tree, by loops: a tree may be deeper than Python's stack."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import assert_never

from npde.syntax import tree

_SUM = frozenset("+-")


def operands(node: tree.Binary) -> list[tree.Expression]:
    """The terms of a sum, or the factors of a product, left to right: `a - b + c` has three. A power has two."""
    found: list[tree.Expression] = []
    here: tree.Expression = node
    while isinstance(here, tree.Binary) and is_chained(node, here):
        found.append(here.right)
        here = here.left
    found.append(here)
    return found[::-1]


def is_chained(node: tree.Binary, left: tree.Binary) -> bool:
    """Whether `left` belongs to the sum or product that ends in `node`."""
    if node.operator == "^":
        return left is node
    return left.operator != "^" and (node.operator in _SUM) == (left.operator in _SUM)


def children(node: tree.Expression) -> tuple[tree.Expression, ...]:
    """The direct sub-expressions, left to right."""
    match node:
        case tree.Number() | tree.Name() | tree.String():
            return ()
        case tree.Call():
            return (node.callee, *node.arguments)
        case tree.Index():
            return (node.operand, node.index)
        case tree.Unary():
            return (node.operand,)
        case tree.Binary() | tree.Compare():
            return (node.left, node.right)
        case tree.Vector():
            return node.items
        case _:
            assert_never(node)


def roots(node: object) -> Iterator[tree.Expression]:
    """The expressions of a statement or of a part of one, those not within another expression, in order."""
    if isinstance(node, tree.Expression):
        yield node
        return
    for entry in fields(node):  # type: ignore[arg-type]
        value = getattr(node, entry.name)
        for item in value if isinstance(value, tuple) else (value,):
            if hasattr(item, "span"):
                yield from roots(item)
