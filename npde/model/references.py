"""Readers of declared names with arguments: `u(x')`, `V(x)`, `W(x, x')`, `w(x - x')`, `K(u)`, `adjoint(K)(v)`, `f(u)`."""

from __future__ import annotations

from npde.diagnostics.catalogue import names as name_codes
from npde.diagnostics.catalogue import types as codes
from npde.diagnostics.catalogue import unsupported
from npde.model import arithmetic, calculus, functions
from npde.model import expression as ex
from npde.model.elaborate import Elaborator, Place, Reader, Reading
from npde.model.functions import name_of
from npde.model.problem import Coordinate, Field, Input, LearnedClosure, LearnedCoefficient, LearnedStencil, Let
from npde.model.reading_constants import whole_number
from npde.model.scope import Broken, Scope
from npde.model.traversal import walk
from npde.model.words import describe_shape, describe_type
from npde.source import Span
from npde.syntax import tree


def declared(reading: Elaborator, node: tree.Call) -> Reading:
    """A declared name (or constant) that is called."""
    assert isinstance(node.callee, tree.Name)
    what = reading.scope.find(node.callee.id)
    match what:
        case Field() | Input():
            return array(reading, what, node)
        case Let() if what.parameters:
            return (yield from known(reading, what, node))
        case LearnedCoefficient() if what.coordinates:
            return (yield from learned(reading, what, node))
        case LearnedStencil():
            return (yield from stencil(reading, what, node, adjoint=False))
        case LearnedClosure():
            return (yield from closure(reading, what, node))
    yield from reading.arguments(node)
    why = "declared without arguments" if what is not None else "a number"
    if isinstance(what, Coordinate):
        why = "a coordinate"
    hint = "write `*` for a product." if len(node.arguments) == 1 else ""
    reading.report(name_codes.NOT_CALLABLE, node.callee.span, hint, name=node.callee.id, why=why)
    return None


def array(reading: Elaborator, what: Field | Input, node: tree.Call) -> ex.Expr | None:
    """`u(x')`: the coordinates in order, primed or not; the marching one may be left out."""
    marching = reading.scope.marching
    full = what.coordinates
    short = tuple(c for c in full if c != marching)
    given = tuple(a.id if isinstance(a, tree.Name) else "" for a in node.arguments)
    if not full:
        hint = f"write `{what.name}*(…)` for a product."
        reading.report(
            name_codes.NOT_CALLABLE, node.callee.span, hint, name=what.name, why="declared without arguments"
        )
        return None
    if given not in (full, short):
        wrong_arguments(reading, what.name, what.coordinates, node)
        return None
    primed: list[str] = []
    for argument in node.arguments:
        assert isinstance(argument, tree.Name)
        reading.scope.find(argument.id)
        if argument.primes and (argument.primes > 1 or argument.id == marching):
            why = "steps of the march are not integrated over" if argument.id == marching else "one prime is enough"
            reading.report(name_codes.MISPLACED_PRIME, argument.span, name=argument.id, why=why)
            return None
        primed += [argument.id] * argument.primes
    return reading.array(what, tuple(primed), node.span)


def wrong_arguments(reading: Elaborator, name: str, coordinates: tuple[str, ...], node: tree.Call) -> None:
    """Report the arguments of a field, an input or a learned value: a point value, or other coordinates."""
    known = {c.name for c in reading.scope.coordinates}
    short = tuple(c for c in coordinates if c != reading.scope.marching)
    for argument in node.arguments:
        if isinstance(argument, tree.Name) and argument.id not in known:
            if reading.scope.find(argument.id) is None:
                reading.scope.undeclared(argument)
                return
            continue
        if not isinstance(argument, tree.Name) and len(node.arguments) in (len(coordinates), len(short)):
            reading.report(unsupported.POINT_VALUE, argument.span, name=name)
            return
    expected = f"`{name}({', '.join(short)})` or `{name}`" if short else f"`{name}`"
    reading.report(
        name_codes.REFERENCE_ARGUMENTS, node.span, name=name, expected=expected.replace("`", "'"),
        why=f"declared with ({', '.join(coordinates)})", hint=_completed(name, short, node),
    )  # fmt: skip


def _completed(name: str, coordinates: tuple[str, ...], node: tree.Call) -> str:
    """`u(x')` of a field over (x, y) is mended to `u(x', y)`."""
    given = {a.id: a.id + "'" * a.primes for a in node.arguments if isinstance(a, tree.Name)}
    if len(given) < len(node.arguments) or len(given) >= len(coordinates) or not given.keys() <= set(coordinates):
        return ""
    return f"write `{name}({', '.join(given.get(c, c) for c in coordinates)})`."


def known(reading: Elaborator, what: Let, node: tree.Call) -> Reading:
    """`V(x)`, `G(x - x')`: a known function at functions of coordinates; the marching one may be left out."""
    marching = reading.scope.marching
    values = yield from reading.arguments(node)
    if values is None:
        return None
    short = tuple(p for p in what.parameters if p != marching)
    if len(values) == len(what.parameters):
        names = what.parameters
    elif len(values) == len(short):
        names = short
    else:
        expected = f"'{what.name}({', '.join(short)})' or '{what.name}'"
        why = f"declared with ({', '.join(what.parameters)})"
        reading.report(name_codes.REFERENCE_ARGUMENTS, node.span, name=what.name, expected=expected, why=why)
        return None
    for value in values:
        if not is_position(reading, what.name, value):
            return None
    given = dict(zip(names, values, strict=True))
    filled = tuple(given.get(p) or reading.coordinate(p, False, node.span) for p in what.parameters)
    return reading.known(what, filled, node.span)


def is_position(reading: Elaborator, name: str, value: ex.Expr) -> bool:
    """Whether an argument is a real scalar made of coordinates and known values; reported if not."""
    unknown = ex.FieldRef | ex.LearnRef | ex.InputRef | ex.ApplyClosure | ex.ApplyKernel
    if any(isinstance(n, unknown) for n in walk(value)):
        reading.report(codes.KNOWN_ARGUMENT, value.span, name=name, why="not a position")
        return False
    if value.type.is_complex or value.type.shape:
        reading.report(codes.KNOWN_ARGUMENT, value.span, name=name, why=f"{describe_type(value.type)}, not a position")
        return False
    return True


def learned(reading: Elaborator, what: LearnedCoefficient, node: tree.Call) -> Reading:
    """`W(x, x')`, `V(x')`, `w(x - x')`; the marching coordinate may be left out."""
    marching = reading.scope.marching
    values = yield from reading.arguments(node)
    if values is None:
        return None
    short = tuple(c for c in what.coordinates if c != marching)
    names = what.coordinates if len(values) == len(what.coordinates) else short
    right = len(values) == len(names) and all(fits(c, v) for c, v in zip(names, values, strict=True))
    if not right or len({c for v in values for c in v.type.coordinates}) < len(values):
        wrong_arguments(reading, what.name, what.coordinates, node)
        return None
    given = dict(zip(names, values, strict=True))
    filled = tuple(given.get(c) or reading.coordinate(c, False, node.span) for c in what.coordinates)
    return reading.learned(what, filled, node.span)


def fits(coordinate: str, value: ex.Expr) -> bool:
    """Whether `value` may stand for a declared `coordinate`: itself, primed or not, or a difference of the two."""
    plain = coordinate.rstrip("'")
    match value:
        case ex.CoordinateRef(name=name):
            return name == plain
        case ex.Binary(operator="-", left=ex.CoordinateRef() as a, right=ex.CoordinateRef() as b):
            return a.name == b.name == plain and a.primed != b.primed
        case _:
            return False


def stencil(reading: Elaborator, what: LearnedStencil, node: tree.Call, *, adjoint: bool) -> Reading:
    """`K(u)` or `adjoint(K)(v)`."""
    name = f"adjoint({what.name})" if adjoint else what.name
    fits_count = reading.has_arguments(node, name, "one argument", 1, 1)
    values = yield from reading.arguments(node)
    if values is None or not fits_count:
        return None
    operand = values[0]
    if not reading.may_depend(what.name, "learned", node.span):
        return None
    if reading.place.kind in ("initial", "boundary"):
        reading.report(unsupported.INITIAL_OPERATOR, node.span, name=what.name, place=reading.place.words)
        return None
    primed = next((c for c in operand.type.coordinates if c.endswith("'")), None)
    if primed is not None:
        reading.report(unsupported.PRIMED_DERIVATIVE, node.span, coordinate=primed)
        return None
    taken = what.channels[:1] if adjoint else what.channels[1:]
    given = what.channels[1:] if adjoint else what.channels[:1]
    if operand.type.shape != taken:
        expected, shape = describe_shape(taken), describe_shape(operand.type.shape)
        reading.report(codes.CHANNELS, operand.span, name=name, expected=expected, given=shape)
        return None
    kind = reading.kind(given, operand)
    if what.per_step and reading.scope.marching is not None:
        kind = ex.Type(kind.shape, kind.is_complex, tuple(sorted({*kind.coordinates, reading.scope.marching})))
    return ex.ApplyKernel(what.name, operand, adjoint, kind, node.span)


def adjoint(reading: Elaborator, node: tree.Call) -> Reading:
    """`adjoint(K)(v)`; `adjoint(K)` alone is no value."""
    inner = node.callee if isinstance(node.callee, tree.Call) else node
    if inner is node or len(inner.arguments) != 1 or not isinstance(inner.arguments[0], tree.Name):
        reading.report(codes.ADJOINT, node.span, why="not applied to anything" if inner is node else "not a name")
        return None
    name = inner.arguments[0]
    what = reading.scope.find(name.id)
    if isinstance(what, LearnedStencil):
        return (yield from stencil(reading, what, node, adjoint=True))
    yield from reading.arguments(node)
    if what is None:
        reading.scope.undeclared(name)
    elif not isinstance(what, Broken):
        reading.report(codes.ADJOINT, name.span, why="not a learned stencil")
    return None


def closure(reading: Elaborator, what: LearnedClosure, node: tree.Call) -> Reading:
    """`f(u, v)`: one real scalar for each parameter."""
    count = len(what.parameters)
    expected = "one argument" if count == 1 else f"{count} arguments"
    fits_count = reading.has_arguments(node, what.name, expected, count, count)
    values = yield from reading.arguments(node)
    if values is None or not fits_count or not reading.may_depend(what.name, "learned", node.span):
        return None
    for value in values:
        if value.type.is_complex or value.type.shape:
            reading.report(codes.CLOSURE_ARGUMENT, value.span, name=what.name, given=describe_type(value.type))
            return None
    return ex.ApplyClosure(what.name, values, reading.kind(what.shape, *values), node.span)


READERS: dict[str, Reader] = {
    **arithmetic.READERS,
    **functions.READERS,
    **calculus.READERS,
    "(declared)": declared,
    "adjoint": adjoint,
}


def elaborator(scope: Scope, place: Place) -> Elaborator:
    """A reader of the expressions of one place."""
    return Elaborator(scope, place, READERS)


def read(scope: Scope, place: Place, node: tree.Expression) -> ex.Expr | None:
    """One expression, or None after its mistakes were reported."""
    return elaborator(scope, place).read(node)


def read_whole(scope: Scope, node: tree.Expression, what: str) -> int | None:
    """A constant whole number; `what` is "The order", say."""
    return whole_number(elaborator(scope, Place("constant", what, parameters=())), node, what)


def span_of_name(node: tree.Call) -> Span:
    """Where the callee stands."""
    return node.callee.span


__all__ = ["READERS", "elaborator", "name_of", "read", "read_whole"]
