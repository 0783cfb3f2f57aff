"""Readers of declarations: coordinates, fields, known values and inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

from npde.diagnostics.catalogue import names as codes
from npde.diagnostics.catalogue import numerics as numerics_codes
from npde.model import expression as ex
from npde.model.elaborate import Place
from npde.model.limits import MAX_COMPONENTS, MAX_FIELDS
from npde.model.problem import Coordinate, Exact, Field, Input, Let
from npde.model.reading_constants import constant, real_constant
from npde.model.references import elaborator, read_whole
from npde.model.scope import INPUT_NAMES, Broken, Scope
from npde.model.words import spell
from npde.options import Overrides
from npde.syntax import tree


def coordinates(scope: Scope, statement: tree.Coordinates, overrides: Overrides) -> None:
    """`coordinates x, y in [0, 20], t in [0, 10]`."""
    for group in statement.groups:
        names = ", ".join(f"'{n.id}'" for n in group.names)
        reading = elaborator(scope, Place("constant", f"An end of the extent of {names}", parameters=()))
        lower = real_constant(reading, group.lower, reading.place.words)
        upper = real_constant(reading, group.upper, reading.place.words)
        ordered = lower is not None and upper is not None and _is_extent(scope, group, names, lower, upper)
        for name in group.names:
            ends = (lower, upper) if ordered else (Fraction(0), Fraction(1))
            assert ends[0] is not None
            assert ends[1] is not None
            scope.extents[name.id] = (ends[0], ends[1])
            given = overrides.extent.get(name.id)
            coordinate = Coordinate(name.id, *(given or scope.extents[name.id]), name.span)
            scope.declare(name, coordinate)


def _is_extent(scope: Scope, group: tree.CoordinateGroup, names: str, lower: Exact, upper: Exact) -> bool:
    """Whether the ends are in order and apart; reported if not."""
    span = group.lower.span.to(group.upper.span)
    data = {"name": names.strip("'"), "lower": spell(lower), "upper": spell(upper)}
    if not lower < upper:
        hint = f"write `[{spell(upper)}, {spell(lower)}]`." if upper < lower else ""
        scope.collector.add(numerics_codes.EXTENT_ORDER.at(span, hint=hint, **data))
        return False
    if not float(lower) < float(upper):
        scope.collector.add(numerics_codes.NOT_FINITE.at(span, **data))
        return False
    return True


def fields(scope: Scope, statement: tree.Field) -> None:
    """`field u[16](x, y, t) complex`."""
    for item in statement.items:
        shape = sizes(scope, item.name, item.sizes, most=1, allowed="a field has at most one")
        listed = arguments(scope, item.name, item.arguments, primes=False, ordered=False)
        if len(scope.fields) >= MAX_FIELDS:
            number = len(scope.fields) + 1
            scope.collector.add(codes.TOO_MANY_FIELDS.at(item.name.span, limit=MAX_FIELDS, number=number))
            scope.declare(item.name, None)
            continue
        if listed is not None and listed != scope.coordinate_names:
            everything = ", ".join(scope.coordinate_names)
            span = item.arguments[0].span.to(item.arguments[-1].span) if item.arguments else item.name.span
            size = f"[{shape[0]}]" if shape else ""
            hint = f"write `field {item.name.id}{size}({everything}){' complex' * item.is_complex}`."
            scope.collector.add(codes.FIELD_COORDINATES.at(span, hint=hint, name=item.name.id, expected=everything))
            listed = None
        if shape is None or listed is None:
            scope.declare(item.name, None)
            continue
        scope.declare(item.name, Field(item.name.id, shape, listed, item.is_complex, item.name.span))


def inputs(scope: Scope, statement: tree.Input) -> None:
    """`input s(x, t)`, `input image[1](x, y)`."""
    for item in statement.items:
        shape = sizes(scope, item.name, item.sizes, most=1, allowed="an input has at most one")
        listed = arguments(scope, item.name, item.arguments or (), primes=False)
        if item.name.id in INPUT_NAMES:
            scope.collector.add(codes.INPUT_NAME.at(item.name.span, name=item.name.id))
            listed = None
        if shape is None or listed is None:
            scope.declare(item.name, None)
            continue
        scope.declare(item.name, Input(item.name.id, shape, listed, item.name.span))


def lets(scope: Scope, statement: tree.Let, overrides: Overrides) -> None:
    """`let k = 2*pi`, `let V(x) = x^2/2`."""
    for item in statement.items:
        listed = arguments(scope, item.name, item.arguments or (), primes=False)
        if listed is None:
            scope.declare(item.name, None)
            continue
        what = f"the known value '{item.name.id}'"
        reading = elaborator(scope, Place("known", what, parameters=listed, name=item.name.id))
        value = reading.read(item.value)
        if value is None:
            scope.declare(item.name, None)
            continue
        if item.name.id in overrides.set:
            value = ex.Number(overrides.set[item.name.id], ex.Type(), value.span)
        let = Let(item.name.id, listed, value, item.name.span)
        fine, known = (True, None) if listed else constant(reading, value)
        scope.values[let.name] = known
        scope.weight[let.name] = reading.size(value) if known is None else (0, 0)
        scope.declare(item.name, let if fine else None)


def sizes(
    scope: Scope, name: tree.Name, given: Sequence[tree.Expression], *, most: int, allowed: str
) -> tuple[int, ...] | None:
    """The sizes in square brackets, or None after reporting a mistake."""
    if len(given) > most:
        span = given[0].span.to(given[-1].span)
        scope.collector.add(codes.SIZES.at(span, name=name.id, given=len(given), allowed=allowed))
        return None
    shape: list[int] = []
    for node in given:
        size = read_whole(scope, node, f"The number of components of '{name.id}'")
        if size is None:
            return None
        if not 1 <= size <= MAX_COMPONENTS:
            scope.collector.add(codes.COMPONENTS.at(node.span, name=name.id, limit=MAX_COMPONENTS, given=size))
            return None
        shape.append(size)
    return tuple(shape)


def arguments(
    scope: Scope, name: tree.Name, given: Sequence[tree.Name], *, primes: bool, ordered: bool = True
) -> tuple[str, ...] | None:
    """The coordinates a declaration lists, "x'" where primed, or None after reporting a mistake."""
    listed: list[str] = []
    for argument in given:
        if not _is_coordinate(scope, argument):
            return None
        if argument.primes:
            why = ""
            if not primes:
                why = "only a learned kernel is declared with primes"
            elif argument.primes > 1:
                why = "a coordinate is primed once"
            elif argument.id == scope.marching:
                why = "the marching coordinate is not integrated over"
            elif argument.id not in {a.id for a in given if not a.primes}:
                why = f"its partner '{argument.id}' is not among the arguments"
            if why:
                scope.collector.add(codes.MISPLACED_PRIME.at(argument.span, name=argument.id, why=why))
                return None
        listed.append(argument.id + "'" * argument.primes)
    if not ordered:
        return tuple(listed)
    for argument, (earlier, later) in zip(given[1:], pairwise(listed), strict=False):
        same = [c for c in listed if c.endswith("'") == later.endswith("'")]
        ranks = [scope.position(c) for c in same]
        if listed.count(later) > 1 or ranks != sorted(ranks):
            why = f"'{later}' after '{earlier}'" if listed.count(later) == 1 else f"'{later}' is listed twice"
            plain = sorted({c for c in listed if not c.endswith("'")}, key=scope.position)
            primed = sorted({c for c in listed if c.endswith("'")}, key=scope.position)
            hint = f"write `{name.id}({', '.join([*plain, *primed])})`."
            scope.collector.add(codes.ARGUMENT_ORDER.at(argument.span, hint=hint, name=name.id, why=why))
            return None
    return tuple(listed)


def _is_coordinate(scope: Scope, argument: tree.Name) -> bool:
    """Whether a name is a coordinate; reported if not."""
    declared = scope.find(argument.id)
    if isinstance(declared, Coordinate):
        return True
    if isinstance(declared, Broken):
        return False
    if declared is None and argument.id in scope.coordinate_names:
        scope.undeclared(argument)
        return False
    hint = ""
    if isinstance(declared, Field):
        hint = "what depends on a field is a small network, `learn f(u) = mlp(16, tanh)`, or a formula in the equation."
    scope.not_a_coordinate(argument.id, argument.span, hint)
    return False


def with_extent(coordinate: Coordinate, ends: tuple[Exact, Exact]) -> Coordinate:
    """The coordinate on another extent."""
    return replace(coordinate, lower=ends[0], upper=ends[1])
