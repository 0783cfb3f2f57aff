"""Readers of arithmetic: sums, products, powers, products of vectors, `[a, b]` and `u[k]`."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from npde.diagnostics.catalogue import types as codes
from npde.model import expression as ex
from npde.model.constant import magnitude
from npde.model.elaborate import Elaborator, Reader, Reading, complete, union
from npde.model.limits import CHAIN, MAX_EXPONENT
from npde.model.reading_constants import constant, whole_number
from npde.model.words import describe_shape, describe_type
from npde.source import Span
from npde.syntax import tree


def chain(reading: Elaborator, node: tree.Binary) -> Reading:
    """A sum or product of any length: joined from the left, or as a balanced tree of the same value when long."""
    operators = ("+", "-") if node.operator in "+-" else ("*", "/")
    links: list[tree.Binary] = []
    first: tree.Expression = node
    while isinstance(first, tree.Binary) and first.operator in operators:
        links.append(first)
        first = first.left
    links.reverse()
    total = yield first
    terms: list[tuple[str, ex.Expr | None]] = [(operators[0], total)]
    for link in links:
        term = yield link.right
        terms.append((link.operator, term))
        if total is None or term is None:
            total = total or term
            continue
        joined = reading.join(link.operator, total, term, link.span)
        if joined is None or (link.operator == "/" and not divides(reading, term)):
            return None
        total = ex.Binary(link.operator, total, term, joined, link.span)  # type: ignore[arg-type]
    whole = complete([t for _, t in terms])
    if whole is None:
        return None
    if len(whole) <= CHAIN:
        return total
    return balanced([(o == operators[1], t) for (o, _), t in zip(terms, whole, strict=True)], operators)


def divides(reading: Elaborator, divisor: ex.Expr) -> bool:
    """Whether one can divide by it: not by a constant zero."""
    if divisor.type.coordinates or divisor.type.shape:
        return True
    known, value = constant(reading, divisor)
    if known and value == 0:
        reading.report(codes.DIVISION_BY_ZERO, divisor.span)
        return False
    return known


def power(reading: Elaborator, node: tree.Binary) -> Reading:
    """`a ^ b`; a constant power is evaluated, within bounds, to see that it can be."""
    base = yield node.left
    exponent = yield node.right
    if base is None or exponent is None:
        return None
    if exponent.type.is_complex or exponent.type.shape:
        reading.report(codes.EXPONENT, node.right.span, given=describe_type(exponent.type))
        return None
    kind = ex.Type(base.type.shape, base.type.is_complex, union(base.type.coordinates, exponent.type.coordinates))
    power = ex.Binary("^", base, exponent, kind, node.span)
    if exponent.type.coordinates:
        return power
    known, value = constant(reading, exponent)
    if not known:
        return None
    if isinstance(value, Fraction | float) and magnitude(value) > MAX_EXPONENT:
        reading.report(codes.TOO_LARGE, node.right.span, why=f"the exponent is larger than {MAX_EXPONENT}")
        return None
    known, _ = (True, None) if base.type.coordinates else constant(reading, power)
    return power if known else None


def product(reading: Elaborator, node: tree.Binary) -> Reading:
    """`@`, `·` and `×`."""
    left = yield node.left
    right = yield node.right
    if left is None or right is None:
        return None
    shapes = left.type.shape, right.type.shape
    if node.operator == "@":
        return contract(reading, left, right, node.span)
    if () not in shapes and node.operator == "·":
        return dot(reading, left, right, node.span)
    if () not in shapes and node.operator == "×":
        return cross(reading, left, right, node.span)
    joined = reading.join("*", left, right, node.span)
    return None if joined is None else ex.Binary("*", left, right, joined, node.span)


def contract(reading: Elaborator, matrix: ex.Expr, operand: ex.Expr, span: Span) -> ex.Expr | None:
    """`A@u`."""
    a, u = matrix.type.shape, operand.type.shape
    if len(a) != 2:
        return reading.needs("@", "a matrix on its left", matrix)
    if u != (a[1],):
        return reading.needs("@", f"a vector of {a[1]} on its right", operand)
    return ex.Contract(matrix, operand, reading.kind((a[0],), matrix, operand), span)


def dot(reading: Elaborator, left: ex.Expr, right: ex.Expr, span: Span) -> ex.Expr | None:
    """`dot(a, b)`."""
    if len(left.type.shape) != 1:
        return reading.needs("dot", "two vectors of equal length", left)
    if right.type.shape != left.type.shape:
        return reading.needs("dot", f"two vectors of equal length, here {left.type.shape[0]}", right)
    return ex.Dot(left, right, reading.kind((), left, right), span)


def cross(reading: Elaborator, left: ex.Expr, right: ex.Expr, span: Span) -> ex.Expr | None:
    """`cross(a, b)`."""
    wrong = next((v for v in (left, right) if v.type.shape != (3,)), None)
    if wrong is not None:
        return reading.needs("cross", "two vectors of 3", wrong)
    return ex.Cross(left, right, reading.kind((3,), left, right), span)


def vector(reading: Elaborator, node: tree.Vector) -> Reading:
    """`[a, b]`."""
    reading.in_vector += 1
    items: list[ex.Expr | None] = []
    for item in node.items:
        items += [(yield item)]
    reading.in_vector -= 1
    whole = complete(items)
    if whole is None:
        return None
    shape = whole[0].type.shape
    wrong = next((e for e in whole if e.type.shape != shape), None)
    if wrong is not None:
        given, first = describe_shape(wrong.type.shape), describe_shape(shape)
        reading.report(codes.ITEMS_DIFFER, wrong.span, given=given, first=first)
        return None
    return ex.VectorOf(whole, reading.kind((len(whole), *shape), *whole), node.span)


def index(reading: Elaborator, node: tree.Index) -> Reading:
    """`u[k]`."""
    operand = yield node.operand
    number = whole_number(reading, node.index, "The index of a component")
    if operand is None or number is None:
        return None
    if not operand.type.shape:
        reading.report(codes.SCALAR_INDEXED, node.operand.span)
        return None
    if not 0 <= number < operand.type.shape[0]:
        reading.report(codes.NO_SUCH_COMPONENT, node.index.span, index=number, last=operand.type.shape[0] - 1)
        return None
    return ex.Component(operand, number, reading.kind(operand.type.shape[1:], operand), node.span)


def balanced(terms: Sequence[tuple[bool, ex.Expr]], operators: tuple[str, str]) -> ex.Expr:
    """A long sum (or product) as a balanced tree of the same value; a term's flag says that it is subtracted (divided).

    `a - b + c - d` is `(a - b) + (c - d)`: within a half that begins with a subtracted term, signs are seen from it.
    """
    if len(terms) == 1:
        return terms[0][1]
    middle = len(terms) // 2
    left, right = balanced(terms[:middle], operators), balanced(terms[middle:], operators)
    operator = operators[terms[0][0] != terms[middle][0]]
    shape = left.type.shape or right.type.shape
    varies = union(left.type.coordinates, right.type.coordinates)
    kind = ex.Type(shape, left.type.is_complex or right.type.is_complex, varies)
    return ex.Binary(operator, left, right, kind, left.span.to(right.span))  # type: ignore[arg-type]


READERS: dict[str, Reader] = {
    "(chain)": chain,
    "(power)": power,
    "(product)": product,
    "(vector)": vector,
    "(index)": index,
}
