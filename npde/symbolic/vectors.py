"""Vector calculus and vector algebra on values.

div(F) = Σ FaceDiff(F_i, x_i) if F holds a derivative, else Σ Diff(F_i, x_i, 1)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import sympy as sp

from npde.model import expression as ex
from npde.symbolic import operators as op
from npde.symbolic import pairs
from npde.symbolic.calculus import Calculus
from npde.symbolic.pairs import Pair
from npde.symbolic.symbols import Shape
from npde.symbolic.values import Arrays, Columns, Value, leaves


@dataclass
class Vectors:
    """Operators on vectors, over the coordinates of one problem."""

    calculus: Calculus
    arrays: Arrays

    @property
    def space(self) -> tuple[str, ...]:
        return self.calculus.table.space

    def derivative(self, node: ex.Gradient | ex.Divergence | ex.Curl, value: Value) -> Value:
        """grad, div or curl of a value."""
        space = self.space
        shape = node.operand.type.shape

        def d(v: Value, k: int) -> Value:
            return self.arrays.each(lambda e: self.calculus.diff(e, space[k], 1), v)

        def minus(a: Value, b: Value) -> Value:
            return self.arrays.entrywise(lambda p, q: pairs.add(p, pairs.negate(q)), [a, b], [(), ()])

        if isinstance(node, ex.Gradient):
            return Columns(tuple(d(value, k) for k in range(len(space))))
        if isinstance(node, ex.Divergence):
            return self._divergence(self.arrays.columns(value, shape), shape)
        if not shape:
            return Columns((d(value, 1), self.arrays.each(lambda e: -e, d(value, 0))))
        v = self.arrays.columns(value, shape)
        if len(v) == 2:
            return minus(d(v[1], 0), d(v[0], 1))
        return Columns(tuple(minus(d(v[(k + 2) % 3], (k + 1) % 3), d(v[(k + 1) % 3], (k + 2) % 3)) for k in range(3)))

    def _divergence(self, flux: tuple[Value, ...], shape: Shape) -> Value:
        """In flux form, with every component at faces, if the flux holds a derivative."""
        faces = any(self.calculus.has_derivative(e) for item in flux for e in leaves(item))
        parts = []
        for item, c in zip(flux, self.space, strict=True):
            if faces:
                parts.append(self.arrays.each(lambda e, c=c: self.calculus.face_diff(e, c), item))  # type: ignore[misc]
            else:
                parts.append(self.arrays.each(lambda e, c=c: self.calculus.diff(e, c, 1), item))  # type: ignore[misc]
        return self.arrays.total(parts, shape[:-1])

    def product(self, node: ex.Dot | ex.Cross | ex.Contract, parts: list[Value]) -> Value:
        """dot, cross or A@v of two values."""
        if isinstance(node, ex.Cross):
            a, b = (self.arrays.columns(p, (3,)) for p in parts)
            turns = [((k + 1) % 3, (k + 2) % 3) for k in range(3)]
            return Columns(tuple(_minor(a[i], b[j], a[j], b[i]) for i, j in turns))
        if isinstance(node, ex.Dot):
            shapes = [node.left.type.shape, node.right.type.shape]
            if all(isinstance(p, Pair) for p in parts):
                return _bilinear(op.DotProduct, *parts)  # type: ignore[arg-type]
            a, b = (self.arrays.columns(p, s) for p, s in zip(parts, shapes, strict=True))
            return pairs.add(*(pairs.multiply(x, y) for x, y in zip(a, b, strict=True)))  # type: ignore[arg-type]
        return self._contraction(parts[0], parts[1], node.matrix.type.shape)

    def _contraction(self, matrix: Value, vector: Value, shape: Shape) -> Value:
        """A@v: a matrix-vector product for each learned matrix in a sum with scalar factors, else column by column."""
        if isinstance(matrix, Pair) and matrix.is_real:
            split = [self._scaled_matrix(a) for a in sp.Add.make_args(matrix.re)]
            if all(m is not None for _, m in split):
                v = self.arrays.array(vector)
                return pairs.add(*(pairs.scale(factor, _bilinear(op.MatVec, Pair(m), v)) for factor, m in split))
        entries = self.arrays.columns(vector, shape[1:])
        terms = [
            self.arrays.entrywise(pairs.multiply, [column, entry], [shape[:1], ()])
            for column, entry in zip(self.arrays.columns(matrix, shape), entries, strict=True)
        ]
        return self.arrays.total(terms, shape[:1])

    def _scaled_matrix(self, e: sp.Expr) -> tuple[sp.Expr, sp.Symbol | None]:
        """A scalar factor and the matrix symbol that it multiplies, None if it is none."""
        matrices = [f for f in sp.Mul.make_args(e) if self.calculus.shape(f)]
        if len(matrices) != 1 or not isinstance(matrices[0], sp.Symbol):
            return e, None
        return sp.Mul(*(f for f in sp.Mul.make_args(e) if f is not matrices[0])), matrices[0]


def _minor(a: Value, b: Value, c: Value, d: Value) -> Pair:
    """a b - c d."""
    return pairs.add(pairs.multiply(a, b), pairs.negate(pairs.multiply(c, d)))  # type: ignore[arg-type]


def _bilinear(operator: Callable[..., sp.Expr], a: Pair, b: Pair) -> Pair:
    """A real-bilinear operator of complex values."""

    def of(x: sp.Expr, y: sp.Expr) -> sp.Expr:
        return pairs.ZERO if x == 0 or y == 0 else operator(x, y)

    return Pair(of(a.re, b.re) - of(a.im, b.im), of(a.re, b.im) + of(a.im, b.re))
