"""How deep a syntax tree is: checked by a loop, before any later stage walks it."""

from __future__ import annotations

from npde.diagnostics import Diagnostic
from npde.diagnostics.catalogue import source as codes
from npde.syntax import limits, tree
from npde.syntax.walk import children, operands, roots


def wrong(statement: tree.Statement) -> Diagnostic | None:
    """The first place where operations are nested too deep, or a sum or product is too long.

    The operands of a sum count as one level, and so do those of a product; each of them may have `limits.TERMS`.
    """
    stack = [(root, 1) for root in roots(statement)][::-1]
    while stack:
        node, depth = stack.pop()
        if depth > limits.NESTING:
            return codes.EXPRESSION_TOO_DEEP.at(node.span, limit=limits.NESTING)
        below = operands(node) if isinstance(node, tree.Binary) else children(node)
        if isinstance(node, tree.Binary) and len(below) > limits.TERMS:
            return codes.TOO_MANY_TERMS.at(below[limits.TERMS].span, limit=limits.TERMS)
        stack.extend((child, depth + 1) for child in reversed(below))
    return None
