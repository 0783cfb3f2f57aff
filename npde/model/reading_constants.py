"""Constants where they are read: their values, or a report of why there is none. What they are worth is `constant.evaluate`."""

from __future__ import annotations

from fractions import Fraction

from npde.diagnostics.catalogue import types as codes
from npde.model import expression as ex
from npde.model.constant import ConstantError, Value, evaluate
from npde.model.elaborate import Elaborator, Place
from npde.model.problem import Exact
from npde.model.words import describe_type, spell
from npde.syntax import tree


def constant(reading: Elaborator, expr: ex.Expr) -> tuple[bool, Value | None]:
    """(no mistake, the value or None if it is not a constant)."""
    try:
        return True, evaluate(expr, {}, reading.scope.values)
    except ConstantError as error:
        if error.reason == "unknown":
            return True, None
        report_constant(reading, error)
        return False, None


def report_constant(reading: Elaborator, error: ConstantError) -> None:
    """Report why a constant has no value."""
    match error.reason:
        case "zero":
            reading.report(codes.DIVISION_BY_ZERO, error.span)
        case "large":
            reading.report(codes.TOO_LARGE, error.span, why=error.text)
        case _:
            reading.report(codes.NO_VALUE, error.span, why=error.text)


def real_constant(reading: Elaborator, node: tree.Expression, what: str) -> Exact | None:
    """The value of a real constant expression; reported if it is not one. `what` is "The width of a layer", say."""
    inside = Elaborator(reading.scope, Place("constant", what, parameters=()), reading.readers)
    expr = inside.read(node)
    if expr is None:
        return None
    if expr.type.is_complex or expr.type.shape:
        reading.report(codes.NOT_CONSTANT, node.span, what=what, why=f"{describe_type(expr.type)}, not a real number")
        return None
    known, value = constant(reading, expr)
    if isinstance(value, Fraction | float):
        return value
    if known:
        reading.report(codes.NOT_CONSTANT, node.span, what=what, why="not known when the file is read")
    return None


def whole_number(reading: Elaborator, node: tree.Expression, what: str) -> int | None:
    """A constant whole number; reported if it is not one."""
    value = real_constant(reading, node, what)
    if value is None:
        return None
    if value != int(value):
        reading.report(codes.NOT_WHOLE, node.span, what=what, value=spell(value))
        return None
    return int(value)
