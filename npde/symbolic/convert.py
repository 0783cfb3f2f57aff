"""Checked expressions → SymPy, by explicit constructors: no text is parsed, decimals are exact rationals.

One memoised traversal with its own stack: depth is no matter, and a sum of ten thousand terms is one `Add`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction

import sympy as sp

from npde.diagnostics import InternalError
from npde.diagnostics.catalogue import not_yet as codes
from npde.model import expression as ex
from npde.model.problem import Exact
from npde.source import Span
from npde.symbolic import operators as op
from npde.symbolic import pairs
from npde.symbolic.calculus import Calculus
from npde.symbolic.integrals import Inseparable, separate
from npde.symbolic.pairs import Pair
from npde.symbolic.refusal import Refused
from npde.symbolic.symbols import Shape, SymbolTable
from npde.symbolic.values import Arrays, Columns, Value
from npde.symbolic.variation import NotDifferentiable, time_derivative

Nodes = tuple[ex.Expr, ...]

RELATIONS: dict[str, Callable[..., sp.Expr]] = {
    "<": sp.StrictLessThan,
    "<=": sp.LessThan,
    ">": sp.StrictGreaterThan,
    ">=": sp.GreaterThan,
    "==": sp.Equality,
    "!=": sp.Unequality,
}


def number(value: Exact) -> sp.Expr:
    """An exact constant as SymPy number; a float keeps its binary value."""
    return sp.Rational(value.numerator, value.denominator) if isinstance(value, Fraction) else sp.Float(value)


def summands(expr: ex.Expr) -> tuple[tuple[int, ex.Expr], ...]:
    """The signed terms of a sum, left to right, brackets that only group opened."""
    found: list[tuple[int, ex.Expr]] = []
    pending = [(1, expr)]
    while pending:
        sign, node = pending.pop()
        match node:
            case ex.Binary(operator="+"):
                pending += [(sign, node.right), (sign, node.left)]
            case ex.Binary(operator="-"):
                pending += [(-sign, node.right), (sign, node.left)]
            case ex.Negate():
                pending.append((-sign, node.operand))
            case _:
                found.append((sign, node))
    return tuple(found)


def factors(expr: ex.Expr) -> Nodes:
    """The factors of a product, left to right."""
    found: list[ex.Expr] = []
    pending = [expr]
    while pending:
        node = pending.pop()
        if isinstance(node, ex.Binary) and node.operator == "*":
            pending += [node.right, node.left]
        else:
            found.append(node)
    return tuple(found)


@dataclass
class Converter:
    """Expressions of one problem → values. `dn(e)` is an error unless a wall is being read (see `walls`)."""

    table: SymbolTable
    calculus: Calculus
    arrays: Arrays
    normal: Callable[[sp.Expr], sp.Expr] | None = None
    _memo: dict[int, Value] = field(default_factory=dict)
    _kept: list[ex.Expr] = field(default_factory=list)

    def __call__(self, expr: ex.Expr) -> Value:
        """The value of an expression.

        Raises:
            Refused: it holds what is not supported.
        """
        pending = [expr]
        while pending:
            node = pending[-1]
            if id(node) in self._memo:
                pending.pop()
                continue
            below = self._below(node)
            missing = [n for n in below if id(n) not in self._memo]
            if missing:
                pending.extend(reversed(missing))
                continue
            self._memo[id(node)] = self._combine(node, [self._memo[id(n)] for n in below])
            self._kept.append(node)
            pending.pop()
        return self._memo[id(expr)]

    def scalar(self, expr: ex.Expr) -> Pair:
        """A value as one expression, vectors stacked."""
        return self.arrays.array(self(expr))

    # --- the traversal ------------------------------------------------------------------------------------------------

    def _below(self, node: ex.Expr) -> Nodes:
        match node:
            case ex.Binary(operator="+" | "-") | ex.Negate():
                return tuple(n for _, n in summands(node))
            case ex.Binary(operator="*"):
                return factors(node)
            case ex.Comparison():
                return ()
            case ex.Where():
                return (node.condition.left, node.condition.right, node.then, node.otherwise)
            case ex.LearnRef():
                return ()
            case ex.LetRef():
                return (*node.arguments, self._let(node.name).value)
            case _:
                return ex.children(node)

    def _combine(self, node: ex.Expr, parts: list[Value]) -> Value:
        match node:
            case ex.Number() | ex.Constant() | ex.CoordinateRef() | ex.FieldRef() | ex.InputRef() | ex.LearnRef():
                return self._leaf(node)
            case ex.LetRef():
                return self._substituted(node, parts[:-1], parts[-1])
            case ex.Comparison():
                return Pair(pairs.ZERO)
            case ex.Binary() | ex.Negate() | ex.Elementary() | ex.Where():
                return self._pointwise(node, parts)
            case ex.Derivative():
                return self._derivative(node, parts[0])
            case ex.NormalDerivative():
                if self.normal is None:
                    raise InternalError("a normal derivative outside of a wall condition")
                return self.arrays.each(self.normal, parts[0])
            case ex.Laplacian():
                return self.arrays.each(self.calculus.lap, parts[0])
            case ex.Gradient() | ex.Divergence() | ex.Curl():
                return self._vector_calculus(node, parts[0])
            case ex.VectorOf():
                return self.arrays.rows_to_columns(parts, node.items[0].type.shape)
            case ex.Component():
                return self.arrays.component(parts[0], node.index, node.operand.type.shape)
            case ex.Dot() | ex.Cross() | ex.Contract():
                return self._vector_algebra(node, parts)
            case ex.Integral() | ex.Mean() | ex.Sum():
                return self._reduction(node, parts[0])
            case _:
                return self._learned(node, parts)

    # --- leaves -------------------------------------------------------------------------------------------------------

    def _leaf(self, node: ex.Expr) -> Pair:
        match node:
            case ex.Number():
                return Pair(number(node.value))
            case ex.Constant():
                return Pair(sp.pi) if node.name == "pi" else pairs.I
            case ex.CoordinateRef():
                x = self.table.coordinates[node.name]
                return Pair(op.primed(x) if node.primed else x)
            case ex.FieldRef():
                return Pair(*(self.table.twin(s, node.primed) if s != 0 else s for s in self.table.value[node.name]))
            case ex.InputRef():
                return Pair(self.table.twin(self.table.named[node.name], node.primed))
            case ex.LearnRef():
                return Pair(self._learned_array(node))
            case _:
                raise InternalError(f"{type(node).__name__} is no leaf")

    def _learned_array(self, node: ex.LearnRef) -> sp.Expr:
        symbol = self.table.named[node.name]
        over = self.table.declared_over(symbol)
        primed: list[str] = []
        for coordinate, argument in zip(over, node.arguments, strict=False):
            match argument:
                case ex.CoordinateRef() if argument.name + ("'" if argument.primed else "") == coordinate:
                    continue
                case ex.CoordinateRef(primed=True) if argument.name == coordinate:
                    primed.append(coordinate)
                case ex.Binary(
                    operator="-", left=ex.CoordinateRef(primed=False) as x, right=ex.CoordinateRef(primed=True) as y
                ) if x.name == y.name == coordinate:
                    return self.table.twin(symbol, (coordinate,), shifted=True)
                case _:
                    raise Refused(codes.ARGUMENT_ORDER.at(argument.span, name=node.name, coordinate=coordinate))
        return self.table.twin(symbol, primed)

    def _let(self, name: str) -> ex.Expr:
        return next(let for let in self.table.problem.lets if let.name == name)  # type: ignore[return-value]

    def _substituted(self, node: ex.LetRef, arguments: list[Value], body: Value) -> Value:
        let = next(let for let in self.table.problem.lets if let.name == node.name)
        mapping: dict[sp.Expr, sp.Expr] = {}
        for parameter, argument in zip(let.parameters, arguments, strict=False):
            x = self.table.coordinates[parameter]
            if not isinstance(argument, Pair) or not argument.is_real:
                raise InternalError(f"argument '{parameter}' of '{node.name}' is no real scalar")
            if argument.re != x:
                mapping[x] = argument.re
        if not mapping:
            return body
        moved = {str(x): e for x, e in mapping.items()}

        def put(e: sp.Expr) -> sp.Expr:
            arrays = [s for s in e.free_symbols if not self.calculus.is_closed(s) and self.table.varies(s) & set(moved)]
            shifts: dict[sp.Expr, sp.Expr] = {}
            for s in sorted(arrays, key=str):
                touched = [c for c in moved if c in self.table.varies(s)]
                if any(moved[c] != op.primed(self.table.coordinates[c]) for c in touched):
                    raise Refused(codes.ARRAY_ELSEWHERE.at(node.span, name=node.name, array=s.name))
                shifts[s] = self.table.twin(s, touched)
            return e.xreplace({**mapping, **shifts})

        return self.arrays.each(put, body)

    # --- pointwise ----------------------------------------------------------------------------------------------------

    def _pointwise(self, node: ex.Expr, parts: list[Value]) -> Value:
        shapes = [n.type.shape for n in self._below(node)]
        return self.arrays.entrywise(self._pointwise_function(node), parts, shapes)

    def _pointwise_function(self, node: ex.Expr) -> Callable[..., Pair]:
        match node:
            case ex.Binary(operator="+" | "-") | ex.Negate():
                signs = [s for s, _ in summands(node)]
                return lambda *z: pairs.add(*(v if s > 0 else pairs.negate(v) for s, v in zip(signs, z, strict=True)))
            case ex.Binary(operator="*"):
                return pairs.multiply
            case ex.Binary(operator="/"):
                return pairs.divide
            case ex.Binary(operator="^"):
                return pairs.power
            case ex.Elementary():
                name = node.function
                return lambda *z: pairs.elementary(name, z)
            case ex.Where():
                relation = RELATIONS[node.condition.operator]
                return lambda left, right, a, b: _where(relation, left, right, a, b)
            case _:
                raise InternalError(f"{type(node).__name__} is not pointwise")

    # --- derivatives --------------------------------------------------------------------------------------------------

    def _derivative(self, node: ex.Derivative, value: Value) -> Value:
        marching = self.table.problem.marching
        for coordinate, order in node.orders:
            if coordinate == marching:
                value = self._time_derivative(node, value, order)
            else:
                value = self.arrays.each(lambda e, c=coordinate, n=order: self.calculus.diff(e, c, n), value)  # type: ignore[misc]
        return value

    def _time_derivative(self, node: ex.Derivative, value: Value, order: int) -> Value:
        def derive(e: sp.Expr) -> sp.Expr:
            try:
                for _ in range(order):
                    e = time_derivative(e, self.table, self.calculus)
            except NotDifferentiable as error:
                raise Refused(codes.TIME_DERIVATIVE_OF.at(node.span, why=str(error))) from None
            return e

        return self.arrays.each(derive, value)

    def _vector_calculus(self, node: ex.Gradient | ex.Divergence | ex.Curl, value: Value) -> Value:
        space = self.table.space
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
        faces = any(self.calculus.has_derivative(e) for item in flux for e in _leaves(item))
        parts = []
        for item, c in zip(flux, self.table.space, strict=True):
            if faces:
                parts.append(self.arrays.each(lambda e, c=c: self.calculus.face_diff(e, c), item))  # type: ignore[misc]
            else:
                parts.append(self.arrays.each(lambda e, c=c: self.calculus.diff(e, c, 1), item))  # type: ignore[misc]
        return self.arrays.total(parts, shape[:-1])

    # --- vectors ------------------------------------------------------------------------------------------------------

    def _vector_algebra(self, node: ex.Dot | ex.Cross | ex.Contract, parts: list[Value]) -> Value:
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
        matrix, vector = parts
        if isinstance(matrix, Pair):
            return _bilinear(op.MatVec, matrix, self.arrays.array(vector))
        shape = node.matrix.type.shape
        entries = self.arrays.columns(vector, shape[1:])
        terms = [
            self.arrays.entrywise(pairs.multiply, [column, entry], [shape[:1], ()])
            for column, entry in zip(matrix.items, entries, strict=True)
        ]
        return self.arrays.total(terms, shape[:1])

    # --- sums over the grid -------------------------------------------------------------------------------------------

    def _reduction(self, node: ex.Integral | ex.Mean | ex.Sum, value: Value) -> Value:
        kinds = {ex.Integral: op.IntegralOf, ex.Mean: op.MeanOf, ex.Sum: op.SumOf}
        primed = tuple(c.rstrip("'") for c in node.over if c.endswith("'"))
        plain = tuple(c for c in node.over if not c.endswith("'"))

        def reduce(e: sp.Expr) -> sp.Expr:
            if e == 0:
                return e
            if primed:
                try:
                    e = separate(e, primed, self.table, self.calculus)
                except Inseparable as error:
                    raise Refused(codes.NONSEPARABLE.at(node.span, why=str(error))) from None
            return kinds[type(node)](e, *(self.table.coordinates[c] for c in plain)) if plain else e

        return self.arrays.each(reduce, value)

    # --- learned layers -----------------------------------------------------------------------------------------------

    def _learned(self, node: ex.Expr, parts: list[Value]) -> Value:
        count = node.type.shape[0] if node.type.shape else 1
        match node:
            case ex.ApplyKernel():
                return self._kernel(node, parts[0])
            case ex.ApplyClosure():
                closure = self.table.named[node.closure]
                return Pair(op.ClosureApply(closure, *(self._real(p, node.span) for p in parts)))
            case ex.Lift():
                return Pair(op.LiftOf(self._real(parts[0], node.span), node.occurrence, count))
            case ex.Linear():
                return Pair(op.LinearOf(self._real(parts[0], node.span), node.occurrence, count))
            case ex.Regions():
                return self.arrays.each(lambda e: op.RegionsOf(e, node.count), parts[0])
            case ex.Noise():
                return Pair(op.NoiseOf(node.seed, self._real(parts[0], node.span), count))
            case _:
                raise InternalError(f"no meaning for {type(node).__name__}")

    def _real(self, value: Value, span: Span) -> sp.Expr:
        whole = self.arrays.array(value)
        if not whole.is_real:
            raise Refused(codes.COMPLEX_LAYER.at(span))
        return whole.re

    def _kernel(self, node: ex.ApplyKernel, value: Value) -> Value:
        kernel = self.table.named[node.kernel]
        whole = self.arrays.array(value)
        if not node.adjoint:
            return self.arrays.each(lambda e: op.KernelApply(kernel, e), whole)
        return self.arrays.each(lambda e: op.KernelAdjoint(kernel, e, self._closing(kernel, e, node.span)), whole)

    def _closing(self, kernel: sp.Symbol, operand: sp.Expr, span: Span) -> sp.Symbol:
        """The unknown whose ghost rules close a kernel: the one that the kernel is applied to inside, or the only one."""
        inner = [a.args[1] for a in operand.atoms(op.KernelApply) if a.args[0] == kernel] or [operand]
        unknowns = {u.symbol: u.field for u in self.table.unknowns}
        found = {s for e in inner for s in e.free_symbols if s in unknowns}
        if not found or len({unknowns[s] for s in found}) > 1:
            raise Refused(codes.ADJOINT_OF_MANY.at(span, name=str(kernel)))
        return min(found, key=lambda s: list(unknowns).index(s))


def _leaves(value: Value) -> list[sp.Expr]:
    if isinstance(value, Pair):
        return [value.re, value.im]
    return [e for item in value.items for e in _leaves(item)]


def _where(relation: Callable[..., sp.Expr], left: Pair, right: Pair, a: Pair, b: Pair) -> Pair:
    known = left.re.is_Rational and right.re.is_Rational
    condition = relation(left.re, right.re) if known else relation(left.re, right.re, evaluate=False)
    im = pairs.ZERO if a.im == b.im == 0 else op.Where(condition, a.im, b.im)
    return Pair(op.Where(condition, a.re, b.re), im)


def _minor(a: Value, b: Value, c: Value, d: Value) -> Pair:
    """a b - c d."""
    return pairs.add(pairs.multiply(a, b), pairs.negate(pairs.multiply(c, d)))  # type: ignore[arg-type]


def _bilinear(operator: Callable[..., sp.Expr], a: Pair, b: Pair) -> Pair:
    """A real-bilinear operator of complex values."""

    def of(x: sp.Expr, y: sp.Expr) -> sp.Expr:
        return pairs.ZERO if x == 0 or y == 0 else operator(x, y)

    return Pair(of(a.re, b.re) - of(a.im, b.im), of(a.re, b.im) + of(a.im, b.re))
