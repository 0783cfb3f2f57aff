"""Operations of expressions, and of whole steps."""

from __future__ import annotations

from math import prod

import sympy as sp

from npde.native.program import Program
from npde.native.values import Box, Correlation, KernelGradient, Map, MatrixGradient, Product, Total

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


def work(program: Program) -> int:
    """Operations of one step on all cells of a sample, an entry that is stored as one more."""
    values, total = program.values, 0
    for value in values.items:
        match value.operation:
            case Map(expression=expression):
                each = operations(expression) + 1
            case Correlation(sources=sources, shifts=shifts):
                each = 2 * len(sources) * len(shifts)
            case Product(source=source, axes=axes):
                each = 2 * _entries(tuple(values[source].box[a] for a in axes))
            case Total(source=source, axes=axes):
                each = _entries(tuple(values[source].box[a] for a in axes))
            case KernelGradient(bars=bars, sources=sources, shifts=shifts):
                each = 2 * len(bars) * len(sources) * len(shifts)
            case MatrixGradient(bar=bar, source=source, axes=axes):
                each = 2 * _entries(tuple(values[bar].box[a] for a in axes))
                total += each * _entries(values[source].box)
                continue
            case _:
                continue
        total += each * _entries(value.box)
    return total


def _entries(box: Box) -> int:
    return prod(i[1] - i[0] for i in box if i is not None)
