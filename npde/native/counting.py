"""Operations of expressions, weighed by how long a processor takes for them, and of whole steps."""

from __future__ import annotations

from math import prod

import sympy as sp

from npde.graph import flops
from npde.graph.flops import Weights
from npde.native.program import Program
from npde.native.values import Box, Correlation, KernelGradient, Map, MatrixGradient, Product, Total

LONG = Weights(negation=1, reciprocal=8, root=8, function=20, choice=1)
"""A division or a root takes as long as eight products, a function of the C library as long as twenty."""


def operations(expression: sp.Expr) -> int:
    """Products and sums that take as long as an expression."""
    return flops.operations(expression, LONG)


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
