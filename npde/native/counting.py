"""Operations of expressions."""

from __future__ import annotations

import sympy as sp

FUNCTION = 20
"""Operations that an elementary function counts as."""


def operations(expression: sp.Expr) -> int:
    """Operations of an expression, elementary functions as `FUNCTION`."""
    total = 0
    for node in sp.preorder_traversal(expression):
        match node:
            case sp.Add() | sp.Mul():
                total += len(node.args) - 1
            case sp.Pow():
                exponent = node.exp
                total += (abs(int(exponent)).bit_length() if exponent.is_Integer else FUNCTION) + (
                    8 if exponent.is_negative else 0
                )
            case sp.Function():
                total += FUNCTION
            case _:
                pass
    return total
