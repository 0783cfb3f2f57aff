"""Equations: one for each field, solvable for its time derivative."""

from __future__ import annotations

from typing import Literal

from npde.diagnostics.catalogue import equations as codes
from npde.diagnostics.catalogue import unsupported
from npde.model import expression as ex
from npde.model.elaborate import Place
from npde.model.orders import fields_of, time_derivatives
from npde.model.problem import Equation, Field
from npde.model.references import elaborator
from npde.model.scope import Scope
from npde.model.traversal import children, fold
from npde.model.words import describe_shape
from npde.syntax import tree

EQUATION = Place("equation", "an equation")


def read_equation(scope: Scope, statement: tree.Equation) -> Equation | None:
    """`expr = expr`: both sides checked, of one shape, with a field in it."""
    reading = elaborator(scope, EQUATION)
    left, right = reading.read(statement.left), reading.read(statement.right)
    if left is None or right is None:
        return None
    a, b = left.type.shape, right.type.shape
    if a != b and a and b:
        data = {"left": describe_shape(a), "right": describe_shape(b)}
        reading.report(codes.SIDES_DIFFER, statement.span, **data)
        return None
    if not fields_of(left, right):
        reading.report(codes.NO_UNKNOWN, statement.span)
        return None
    return Equation(left, right, statement.span)


def assign(scope: Scope, equations: list[Equation], *, all_read: bool) -> dict[str, int]:
    """The order in time of every evolved field, after checking that each field has exactly one equation.

    `all_read` is false when an equation had a mistake; a field without an equation is then no second one.
    """
    if scope.marching is None:
        assign_steady(scope, equations, all_read=all_read)
        return {}
    orders: dict[str, int] = {}
    for equation in equations:
        for field, order, _ in derivatives(scope, equation):
            orders[field] = max(order, orders.get(field, 0))
    if not orders and equations and all_read:
        span = scope.time.span if scope.time else equations[0].span
        hint = f"write `d{scope.marching}({scope.fields[0].name}) = …`." if scope.fields else ""
        scope.collector.add(codes.NOTHING_MARCHES.at(span, name=scope.marching, hint=hint))
        return {}
    solved: dict[str, Equation] = {}
    stray = False
    for equation in equations:
        name = determined(scope, equation, orders)
        if name is None:
            stray = True
            continue
        if name in solved:
            twice(scope, name, equation, solved[name])
            continue
        solved[name] = equation
        for declared in [f for f in scope.fields if f.name == name]:  # none if a second declaration spoiled it
            check_form(scope, equation, declared)
    if all_read and not stray:
        for missing in [f for f in scope.fields if f.name not in solved]:
            hint = f"add `d{scope.marching}({missing.name}) = …`."
            scope.collector.add(codes.NO_EQUATION.at(missing.span, name=missing.name, hint=hint))
    return {f: n for f, n in orders.items() if f in solved}


def derivatives(scope: Scope, equation: Equation) -> list[tuple[str, int, ex.Derivative]]:
    """Every time derivative of both sides."""
    return [d for side in (equation.left, equation.right) for d in time_derivatives(side, scope.marching)]


def twice(scope: Scope, field: str, equation: Equation, first: Equation) -> None:
    """Report a second equation."""
    line, _ = scope.source.position(first.span.start)
    notes = (f"The first one is in line {line}.",)
    scope.collector.add(codes.EQUATION_TWICE.at(equation.span, name=field, notes=notes))


def determined(scope: Scope, equation: Equation, orders: dict[str, int]) -> str | None:
    """The one field whose highest time derivative the equation has; reported if there is none, or several."""
    found = derivatives(scope, equation)
    highest = list(dict.fromkeys(f for f, n, _ in found if n == orders[f]))
    if len(highest) == 1:
        return highest[0]
    if highest:
        second = next(node for f, n, node in found if f == highest[1] and n == orders[f])
        data = {"first": highest[0], "second": highest[1]}
        scope.collector.add(unsupported.COUPLED_TIME_DERIVATIVES.at(second.span, **data))
    elif found:
        name = found[0][0]
        scope.collector.add(codes.EQUATION_TWICE.at(equation.span, name=name))
    else:
        scope.collector.add(unsupported.ALGEBRAIC.at(equation.span))
    return None


def check_form(scope: Scope, equation: Equation, field: Field) -> None:
    """Whether the equation can be solved for the field's time derivative, component by component; reported if not."""
    order = max(n for f, n, _ in derivatives(scope, equation) if f == field.name)
    forms = [linear_form(side, field.name, order, scope.marching) for side in (equation.left, equation.right)]
    node = next(n for f, m, n in derivatives(scope, equation) if f == field.name and m == order)
    if "nested" in forms:
        scope.collector.add(codes.TIME_DERIVATIVE_IN_SPACE.at(node.span, name=field.name))
        return
    if "nonlinear" in forms:
        scope.collector.add(codes.NONLINEAR_TIME_DERIVATIVE.at(node.span, name=field.name))
        return
    check_shape_and_kind(scope, equation, field)


Form = Literal["absent", "linear", "nonlinear", "nested"]


def linear_form(expr: ex.Expr, field: str, order: int, marching: str | None) -> Form:
    """How the highest time derivative of `field` occurs: linearly means in sums, with scalar factors free of it."""

    def combine(node: ex.Expr, parts: tuple[Form, ...]) -> Form:
        match node:
            case ex.Derivative(operand=ex.FieldRef(name=name)) if name == field:
                return "linear" if dict(node.orders).get(marching or "") == order else "absent"
            case _ if all(p == "absent" for p in parts):
                return "absent"
            case _ if "nested" in parts or "nonlinear" in parts:
                return "nested" if "nested" in parts else "nonlinear"
            case ex.Negate() | ex.Binary(operator="+" | "-"):
                return "linear"
            case ex.Binary(operator="*"):
                factor = node.left if parts[0] == "absent" else node.right
                return "linear" if "absent" in parts and not factor.type.shape else "nonlinear"
            case ex.Binary(operator="/"):
                return "linear" if parts[1] == "absent" and not node.right.type.shape else "nonlinear"
            case ex.Binary() | ex.Elementary() | ex.Comparison() | ex.Where():
                return "nonlinear"
            case _:
                return "nested"

    return fold(expr, combine)


def check_shape_and_kind(scope: Scope, equation: Equation, field: Field) -> None:
    """Whether an equation has the shape of its field and is real if the field is; reported if not."""
    shape = equation.left.type.shape or equation.right.type.shape
    if shape != field.shape:
        data = {"name": field.name, "expected": describe_shape(field.shape), "given": describe_shape(shape)}
        wrong = equation.left if equation.left.type.shape == shape else equation.right
        scope.collector.add(codes.EQUATION_SHAPE.at(wrong.span, **data))
        return
    culprit = first_complex(equation.left) or first_complex(equation.right)
    if culprit is not None and not field.is_complex:
        listed = ", ".join(field.coordinates)
        size = f"[{field.shape[0]}]" if field.shape else ""
        hint = f"declare it as `field {field.name}{size}({listed}) complex`, or take `re(…)`."
        scope.collector.add(codes.COMPLEX_IN_REAL.at(culprit.span, name=field.name, hint=hint))


def first_complex(expr: ex.Expr) -> ex.Expr | None:
    """The first innermost complex part of a complex value."""
    node: ex.Expr | None = expr if expr.type.is_complex else None
    while node is not None:
        inner = next((c for c in children(node) if c.type.is_complex), None)
        if inner is None:
            return node
        node = inner
    return None


def assign_steady(scope: Scope, equations: list[Equation], *, all_read: bool) -> None:
    """Whether a steady problem has as many equations as fields, with every field in one; reported if not."""
    fields = scope.fields
    for equation in equations:
        present = [f for f in fields if f.name in fields_of(equation.left, equation.right)]
        shape = equation.left.type.shape or equation.right.type.shape
        same = [f for f in present if f.shape == shape] or present
        if (same and not any(f.is_complex for f in present)) or (same and same[0].shape != shape):
            check_shape_and_kind(scope, equation, same[0])
    if not all_read or not fields:
        return
    occurring = {name for e in equations for name in fields_of(e.left, e.right)}
    missing = [f for f in fields if f.name not in occurring]
    if not missing and len(equations) < len(fields):
        missing = list(fields[len(equations) :])
    for field in missing:
        scope.collector.add(
            codes.NO_EQUATION.at(field.span, name=field.name, hint=f"add an equation for '{field.name}'.")
        )
    if not missing and len(equations) > len(fields):
        name = fields_of(equations[-1].left, equations[-1].right)[0]
        twice(scope, name, equations[-1], equations[0])
