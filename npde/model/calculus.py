"""Readers of differential and integral operators."""

from __future__ import annotations

from npde.diagnostics.catalogue import names as name_codes
from npde.diagnostics.catalogue import types as codes
from npde.diagnostics.catalogue import unsupported
from npde.model import expression as ex
from npde.model.elaborate import Elaborator, Reader, Reading, union
from npde.model.functions import name_of, stands_in
from npde.model.limits import MAX_DERIVATIVE
from npde.model.reading_constants import whole_number
from npde.model.scope import Broken
from npde.model.traversal import walk
from npde.syntax import tree


def derivative(reading: Elaborator, node: tree.Call) -> Reading:
    """`dxx(u)`, `dt(u)`."""
    name = name_of(node)
    orders = reading.scope.derivative(name) or {}
    fits = reading.has_arguments(node, name, "one argument", 1, 1)
    values = yield from reading.arguments(node)
    return differentiate(reading, node, values[0], orders) if values and fits else None


def general_derivative(reading: Elaborator, node: tree.Call) -> Reading:
    """`d(u, x, 4)`."""
    if not reading.has_arguments(node, "d", "an expression, a coordinate and an order", 2, 3):
        return None
    operand = yield node.arguments[0]
    coordinate = coordinate_name(reading, node.arguments[1], "d")
    order = 1
    if len(node.arguments) == 3:
        given = whole_number(reading, node.arguments[2], "The order of a derivative")
        if given is None:
            return None
        order = given
    if operand is None or coordinate is None:
        return None
    if coordinate.endswith("'"):
        span = node.arguments[1].span
        reading.report(name_codes.MISPLACED_PRIME, span, name=coordinate, why="derivatives are taken in x, not in x'")
        return None
    if not 1 <= order <= MAX_DERIVATIVE:
        reading.report(codes.DERIVATIVE_ORDER, node.arguments[2].span, limit=MAX_DERIVATIVE, given=order)
        return None
    return differentiate(reading, node, operand, {coordinate: order})


def differentiate(reading: Elaborator, node: tree.Call, operand: ex.Expr, orders: dict[str, int]) -> ex.Expr | None:
    """The derivative of `operand`, after checking that it may stand here."""
    name = name_of(node)
    total = sum(orders.values())
    if total > MAX_DERIVATIVE:
        reading.report(codes.DERIVATIVE_ORDER, node.callee.span, limit=MAX_DERIVATIVE, given=total)
        return None
    sequence = tuple(sorted(orders.items(), key=lambda item: reading.scope.position(item[0])))
    if reading.scope.marching in orders:
        return in_time(reading, node, operand, sequence)
    if not differentiable(reading, node, name, operand):
        return None
    return ex.Derivative(operand, sequence, operand.type, node.span)


def in_time(
    reading: Elaborator, node: tree.Call, operand: ex.Expr, orders: tuple[tuple[str, int], ...]
) -> ex.Expr | None:
    """A derivative in the marching coordinate: of a whole field, first or second order, in equations and outputs."""
    name, time = name_of(node), reading.scope.marching
    if reading.place.kind not in ("equation", "output"):
        why = "derivatives in the marching coordinate belong to equations"
        reading.report(codes.NOT_HERE, node.callee.span, name=name, place=reading.place.words, why=why)
        return None
    if len(orders) > 1 or isinstance(operand, ex.Derivative | ex.Laplacian | ex.Gradient | ex.Divergence | ex.Curl):
        reading.report(unsupported.MIXED_TIME_DERIVATIVE, node.span, time=time)
        return None
    if not isinstance(operand, ex.FieldRef) or operand.primed:
        hint = ""
        if isinstance(operand, ex.Component):
            hint = "write one equation for all components, `dt(u) = [a, b]`."
        reading.report(codes.TIME_DERIVATIVE_OF, operand.span, hint, name=name)
        return None
    if orders[0][1] > 2:
        hint = "introduce the derivative as a field of its own."
        reading.report(unsupported.HIGH_TIME_ORDER, node.span, hint, order=orders[0][1])
        return None
    return ex.Derivative(operand, orders, operand.type, node.span)


def differentiable(reading: Elaborator, node: tree.Call, name: str, operand: ex.Expr) -> bool:
    """Whether a derivative in space may be taken here; reported if not."""
    kind = reading.place.kind
    if kind in ("initial", "known", "start", "constant"):
        reading.report(unsupported.INITIAL_OPERATOR, node.span, name=name, place=reading.place.words)
        return False
    primed = next((c for c in operand.type.coordinates if c.endswith("'")), None)
    if primed is not None:
        reading.report(unsupported.PRIMED_DERIVATIVE, node.span, coordinate=primed)
        return False
    inner = next((n for n in walk(operand) if is_time_derivative(reading, n)), None)
    if inner is not None:
        reading.report(unsupported.MIXED_TIME_DERIVATIVE, node.span, time=reading.scope.marching)
        return False
    return True


def is_time_derivative(reading: Elaborator, node: ex.Expr) -> bool:
    """Whether a node is a derivative in the marching coordinate."""
    return isinstance(node, ex.Derivative) and any(c == reading.scope.marching for c, _ in node.orders)


def in_space(reading: Elaborator, node: tree.Call) -> Reading:
    """`lap grad div curl`."""
    name, dimensions = name_of(node), len(reading.scope.space)
    fits = reading.has_arguments(node, name, "one argument", 1, 1)
    values = yield from reading.arguments(node)
    if values is None or not fits:
        return None
    operand, span = values[0], node.span
    if not dimensions:
        reading.report(name_codes.COORDINATE_GROUP_SPACE, span, name=name)
        return None
    if not differentiable(reading, node, name, operand):
        return None
    shape = operand.type.shape
    match name:
        case "lap":
            return ex.Laplacian(operand, operand.type, span)
        case "grad":
            return ex.Gradient(operand, reading.kind((*shape, dimensions), operand), span)
        case "div":
            if shape[-1:] != (dimensions,):
                hint = "use `dx(…)` for the derivative of a scalar." if not shape and dimensions == 1 else ""
                return needs_vector(reading, name, dimensions, operand, hint)
            return ex.Divergence(operand, reading.kind(shape[:-1], operand), span)
        case _:
            return curl(reading, operand, dimensions, node)


def curl(reading: Elaborator, operand: ex.Expr, dimensions: int, node: tree.Call) -> ex.Expr | None:
    """`curl`: (3,) → (3,) in 3-D; (2,) → () and () → (2,) in 2-D."""
    shapes = {(2, (2,)): (), (2, ()): (2,), (3, (3,)): (3,)}
    shape = shapes.get((dimensions, operand.type.shape))
    if shape is None:
        if dimensions == 1:
            why = "a curl needs a plane or space"
            reading.report(codes.NOT_HERE, node.callee.span, name="curl", place="one dimension", why=why)
            return None
        return needs_vector(reading, "curl", dimensions, operand, "")
    return ex.Curl(operand, reading.kind(shape, operand), node.span)


def needs_vector(reading: Elaborator, name: str, dimensions: int, operand: ex.Expr, hint: str) -> ex.Expr | None:
    """Report an operand that has no component for each space coordinate; gives None."""
    expected = f"a vector of {dimensions} (one component a space coordinate)"
    return reading.needs(name, expected, operand, hint)


def normal(reading: Elaborator, node: tree.Call) -> Reading:
    """`dn(u)`, in boundary conditions."""
    fits = reading.has_arguments(node, "dn", "one argument", 1, 1)
    if not stands_in(reading, node, "dn", "boundary", "it is the derivative along the outward normal of a wall"):
        return None
    values = yield from reading.arguments(node)
    if values is None or not fits:
        return None
    return ex.NormalDerivative(values[0], values[0].type, node.span)


def over_coordinates(reading: Elaborator, node: tree.Call) -> Reading:
    """`integral(e, x, y)`, `mean(e, x)`, `sum(e, x)`."""
    name = name_of(node)
    if not node.arguments:
        reading.has_arguments(node, name, "an expression and coordinates", 2, 2)
        return None
    if reading.place.is_known:
        reading.report(unsupported.INITIAL_OPERATOR, node.span, name=name, place=reading.place.words)
        return None
    operand = yield node.arguments[0]
    if len(node.arguments) == 1:
        listed = ", ".join(c.name for c in reading.scope.space)
        hint = f"write `{name}(…, {listed})` for all of space." if listed else ""
        reading.report(codes.OVER_COORDINATES, node.span, hint, name=name, why="no coordinate to run over")
        return None
    over: list[str] = []
    for argument in node.arguments[1:]:
        coordinate = coordinate_name(reading, argument, name)
        if coordinate is None:
            return None
        if coordinate in over:
            why = f"'{coordinate}' is listed twice"
            reading.report(codes.OVER_COORDINATES, argument.span, name=name, why=why)
            return None
        if coordinate.rstrip("'") == reading.scope.marching:
            reading.report(unsupported.TIME_INTEGRAL, argument.span, name=name, coordinate=coordinate)
            return None
        if operand is not None and coordinate.endswith("'") and coordinate not in operand.type.coordinates:
            plain = coordinate.rstrip("'")
            hint = f"write the variable of the integral with its prime, `u({coordinate})`, or integrate over '{plain}'."
            reading.report(codes.NOTHING_VARIES, argument.span, hint, name=coordinate)
            return None
        over.append(coordinate)
    if operand is None:
        return None
    left = union(tuple(c for c in operand.type.coordinates if c not in over))
    kind = ex.Type(operand.type.shape, operand.type.is_complex, left)
    if name == "integral":
        return ex.Integral(operand, tuple(over), kind, node.span)
    return (ex.Mean if name == "mean" else ex.Sum)(operand, tuple(over), kind, node.span)


def coordinate_name(reading: Elaborator, node: tree.Expression, name: str) -> str | None:
    """A coordinate given by name, "x" or "x'"; reported if it is not one."""
    if not isinstance(node, tree.Name) or node.primes > 1:
        reading.report(codes.OVER_COORDINATES, node.span, name=name, why="not the name of a coordinate")
        return None
    if all(c.name != node.id for c in reading.scope.coordinates):
        if not isinstance(reading.scope.find(node.id), Broken):
            reading.scope.not_a_coordinate(node.id, node.span)
        return None
    return node.id + "'" * node.primes


READERS: dict[str, Reader] = {
    "(derivative)": derivative,
    "d": general_derivative,
    "lap": in_space,
    "grad": in_space,
    "div": in_space,
    "curl": in_space,
    "dn": normal,
    "integral": over_coordinates,
    "mean": over_coordinates,
    "sum": over_coordinates,
}
