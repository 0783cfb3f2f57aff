"""One wall condition: which field it is for, linear in it, of which normal order."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from npde.diagnostics import Diagnostic
from npde.diagnostics.catalogue import conditions as codes
from npde.diagnostics.catalogue import unsupported
from npde.model import expression as ex
from npde.model.elaborate import Place
from npde.model.equations import first_complex
from npde.model.orders import fields_of
from npde.model.problem import Field
from npde.model.references import elaborator
from npde.model.scope import Scope
from npde.model.traversal import children, fold
from npde.model.words import describe_shape
from npde.source import Span
from npde.syntax import tree

WALL = Place("boundary", "a boundary condition")


@dataclass(frozen=True, slots=True)
class WallClause:
    """`left = right` with `field` on the left."""

    field: Field
    left: ex.Expr
    right: ex.Expr
    span: Span


def read_clause(scope: Scope, clause: tree.Equation) -> WallClause | None:
    """A condition, the field moved to the left side; None after reporting a mistake."""
    reading = elaborator(scope, WALL)
    left, right = reading.read(clause.left), reading.read(clause.right)
    if left is None or right is None:
        return None
    names = fields_of(left, right)
    if not names:
        reading.report(codes.NO_FIELD_IN_CONDITION, clause.span)
        return None
    if len(names) > 1:
        reading.report(unsupported.COUPLED_CONDITION, clause.span, first=names[0], second=names[1])
        return None
    field = next(f for f in scope.fields if f.name == names[0])
    if not fields_of(left):
        left, right = right, left
    elif fields_of(right):
        joined = reading.join("-", left, right, clause.span)
        if joined is None:
            return None
        left, right = ex.Binary("-", left, right, joined, clause.span), ex.Number(Fraction(0), ex.Type(), clause.span)
    for side in (left, right):
        if side.type.shape not in ((), field.shape):
            data = {
                "field": field.name,
                "expected": describe_shape(field.shape),
                "given": describe_shape(side.type.shape),
            }
            reading.report(codes.CONDITION_SHAPE, side.span, **data)
            return None
    culprit = first_complex(left) or first_complex(right)
    if culprit is not None and not field.is_complex:
        reading.report(codes.COMPLEX_CONDITION, culprit.span, field=field.name)
        return None
    return WallClause(field, left, right, clause.span)


@dataclass(frozen=True, slots=True)
class Linearity:
    """What a part of a condition is in the field: its degree, normal order, whether a factor varies across the wall, and
    what is wrong with it."""

    degree: int = 0
    order: int = 0
    varies: bool = False
    wrong: Diagnostic | None = None


def normal_order(clause: WallClause, coordinate: str) -> int | Diagnostic:
    """The highest normal order of a condition at a side of `coordinate`, or why it is no condition there."""

    def combine(node: ex.Expr, parts: tuple[Linearity, ...]) -> Linearity:
        wrong = next((p.wrong for p in parts if p.wrong is not None), None)
        degree = max((p.degree for p in parts), default=0)
        order = max((p.order for p in parts), default=0)
        varies = any(p.varies for p in parts)
        if wrong is not None:
            return Linearity(1, order, varies, wrong)
        if degree == 0 and not isinstance(node, ex.FieldRef):
            return Linearity()
        return _linearity(node, parts, Linearity(degree, order, varies), clause.field.name, coordinate)

    found = fold(clause.left, combine)
    if found.wrong is not None:
        return found.wrong
    stray = _varying_data(clause.left, coordinate) or _varying_data(clause.right, coordinate)
    if stray is not None:
        return codes.DATA_VARIES.at(stray.span, coordinate=coordinate)
    return found.order


def _linearity(node: ex.Expr, parts: tuple[Linearity, ...], below: Linearity, field: str, coordinate: str) -> Linearity:
    """The linearity of a node that holds the field, from that of its parts."""

    def fail(diagnostic: Diagnostic) -> Linearity:
        return Linearity(1, below.order, below.varies, diagnostic)

    def nonlinear(why: str) -> Linearity:
        return fail(codes.NONLINEAR_CONDITION.at(node.span, field=field, why=why))

    match node:
        case ex.FieldRef() if node.primed:
            return fail(codes.WALL_OPERATOR.at(node.span, name="integral"))
        case ex.FieldRef():
            return Linearity(1)
        case ex.Negate() | ex.Binary(operator="+" | "-"):
            return below
        case ex.Binary(operator="*"):
            if all(p.degree for p in parts):
                return nonlinear("a product of the field with itself")
            factor = node.right if parts[0].degree else node.left
            return Linearity(1, below.order, below.varies or coordinate in factor.type.coordinates)
        case ex.Binary(operator="/"):
            if parts[1].degree:
                return nonlinear("divides by the field")
            return Linearity(1, below.order, below.varies or coordinate in node.right.type.coordinates)
        case ex.NormalDerivative():
            return _differentiated(below, 1) if not below.varies else nonlinear("a factor varies across the wall")
        case ex.Derivative():
            along = next((c for c, _ in node.orders if c != coordinate), None)
            if along is not None:
                return fail(unsupported.OBLIQUE_CONDITION.at(node.span, along=along, coordinate=coordinate))
            count = dict(node.orders)[coordinate]
            return _differentiated(below, count) if not below.varies else nonlinear("a factor varies across the wall")
        case ex.Laplacian():
            return _differentiated(below, 2) if not below.varies else nonlinear("a factor varies across the wall")
        case ex.Component():
            return fail(unsupported.COMPONENT_CONDITION.at(node.span, field=field))
        case ex.Gradient() | ex.Divergence() | ex.Curl():
            name = {ex.Gradient: "grad", ex.Divergence: "div", ex.Curl: "curl"}[type(node)]
            return fail(codes.WALL_OPERATOR.at(node.span, name=name))
        case ex.Integral() | ex.Mean() | ex.Sum():
            return fail(codes.WALL_OPERATOR.at(node.span, name=type(node).__name__.lower()))
        case ex.Dot() | ex.Cross() | ex.Contract() | ex.VectorOf():
            return fail(unsupported.COMPONENT_CONDITION.at(node.span, field=field))
        case _:
            return nonlinear("a nonlinear function of the field")


def _differentiated(below: Linearity, count: int) -> Linearity:
    return Linearity(below.degree, below.order + count, below.varies)


def _varying_data(expr: ex.Expr, coordinate: str) -> ex.Expr | None:
    """A learned value or an input that varies over `coordinate` and is not integrated over it."""
    pending = [expr]
    while pending:
        node = pending.pop()
        if isinstance(node, ex.LearnRef | ex.InputRef) and coordinate in node.type.coordinates:
            return node
        if isinstance(node, ex.Integral | ex.Mean | ex.Sum) and coordinate in node.over:
            continue
        pending.extend(reversed(children(node)))
    return None
