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
from npde.model.problem import Exact, Let
from npde.model.traversal import children
from npde.source import Span
from npde.symbolic import operators as op
from npde.symbolic import pairs
from npde.symbolic.calculus import Calculus
from npde.symbolic.integrals import Inseparable, separate
from npde.symbolic.pairs import Pair
from npde.symbolic.refusal import Refused
from npde.symbolic.sizes import LARGEST, Sizes
from npde.symbolic.symbols import SymbolTable
from npde.symbolic.values import Arrays, Value, leaves
from npde.symbolic.variation import NotDifferentiable, time_derivative
from npde.symbolic.vectors import Vectors

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
    sizes: Sizes = field(default_factory=Sizes)
    vectors: Vectors = field(init=False)
    _memo: dict[int, Value] = field(default_factory=dict)
    _kept: list[ex.Expr] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.vectors = Vectors(self.calculus, self.arrays)

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
            value = self._combine(node, [self._memo[id(n)] for n in below])
            self._check(value, node)
            self._memo[id(node)] = value
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
                return children(node)

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
                return self.vectors.derivative(node, parts[0])
            case ex.VectorOf():
                return self.arrays.rows_to_columns(parts, node.items[0].type.shape)
            case ex.Component():
                return self.arrays.component(parts[0], node.index, node.operand.type.shape)
            case ex.Dot() | ex.Cross() | ex.Contract():
                return self.vectors.product(node, parts)
            case ex.Integral() | ex.Mean() | ex.Sum():
                return self._reduction(node, parts[0])
            case _:
                return self._learned(node, parts)

    def _check(self, value: Value, node: ex.Expr) -> None:
        """Refuse what has no finite real value, and what has grown too large, at the smallest expression that does."""
        for e in leaves(value):
            size = self.sizes.of(e)
            if size > LARGEST:
                raise Refused(codes.TOO_LARGE.at(node.span, limit=LARGEST))
            if size == 0:
                raise Refused(codes.NO_REAL_VALUE.at(node.span))

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
        shifted: list[str] = []
        for coordinate, argument in zip(over, node.arguments, strict=False):
            match argument:
                case ex.CoordinateRef() if argument.name + ("'" if argument.primed else "") == coordinate:
                    continue
                case ex.CoordinateRef(primed=True) if argument.name == coordinate:
                    primed.append(coordinate)
                case ex.Binary(
                    operator="-", left=ex.CoordinateRef(primed=False) as x, right=ex.CoordinateRef(primed=True) as y
                ) if x.name == y.name == coordinate:
                    shifted.append(coordinate)
                case _:
                    raise Refused(codes.ARGUMENT_ORDER.at(argument.span, name=node.name, coordinate=coordinate))
        if primed and shifted:
            raise Refused(codes.ARGUMENT_ORDER.at(node.span, name=node.name, coordinate=primed[0]))
        return self.table.twin(symbol, shifted or primed, shifted=bool(shifted))

    def _let(self, name: str) -> Let:
        return next(let for let in self.table.problem.lets if let.name == name)

    def _substituted(self, node: ex.LetRef, arguments: list[Value], body: Value) -> Value:
        let = self._let(node.name)
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
                    raise InternalError(f"the known function '{node.name}' holds the array '{s}'")
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
                value = self._time_derivative(value, order)
            else:
                value = self.arrays.each(lambda e, c=coordinate, n=order: self.calculus.diff(e, c, n), value)  # type: ignore[misc]
        return value

    def _time_derivative(self, value: Value, order: int) -> Value:
        def derive(e: sp.Expr) -> sp.Expr:
            try:
                for _ in range(order):
                    e = time_derivative(e, self.table, self.calculus)
            except NotDifferentiable as error:
                raise InternalError(f"the model let through a time derivative: {error}") from None
            return e

        return self.arrays.each(derive, value)

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
                return Pair(op.ClosureApply(closure, *(self._real(p) for p in parts)))
            case ex.Lift():
                return Pair(op.LiftOf(self._real(parts[0]), node.occurrence, count))
            case ex.Linear():
                return Pair(op.LinearOf(self._real(parts[0]), node.occurrence, count))
            case ex.Regions():
                return self.arrays.each(lambda e: op.RegionsOf(e, node.count), parts[0])
            case ex.Noise():
                return Pair(op.NoiseOf(node.seed, self._real(parts[0]), count))
            case _:
                raise InternalError(f"no meaning for {type(node).__name__}")

    def _real(self, value: Value) -> sp.Expr:
        whole = self.arrays.array(value)
        if not whole.is_real:
            raise InternalError("the model let through a complex argument")
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


def _where(relation: Callable[..., sp.Expr], left: Pair, right: Pair, a: Pair, b: Pair) -> Pair:
    known = left.re.is_Rational and right.re.is_Rational
    condition = relation(left.re, right.re) if known else relation(left.re, right.re, evaluate=False)
    im = pairs.ZERO if a.im == b.im == 0 else op.Where(condition, a.im, b.im)
    return Pair(op.Where(condition, a.re, b.re), im)
