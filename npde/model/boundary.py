"""Boundary statements: read one by one, then shared out to fields, axes and sides, and counted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from npde.diagnostics import Diagnostic
from npde.diagnostics.catalogue import conditions as codes
from npde.diagnostics.catalogue import unsupported
from npde.model.counting import SIDES, AbsorbingClause, Counting, Stated, Where, side_name
from npde.model.elaborate import Place
from npde.model.orders import AxisOrders
from npde.model.problem import Absorbing, Condition, Coordinate, Equation, Exact, Outflow, Output, Side
from npde.model.reading_constants import real_constant
from npde.model.references import elaborator
from npde.model.scope import Broken, Scope
from npde.model.walls import WallClause, normal_order, read_clause
from npde.model.words import spell
from npde.syntax import tree


@dataclass
class Walls:
    """The boundary statements of a file, as read so far, and what came of them."""

    stated: list[Stated] = field(default_factory=list)
    failed: bool = False
    periodic: list[str] = field(default_factory=list)
    absorbing: list[Absorbing] = field(default_factory=list)
    conditions: list[Condition] = field(default_factory=list)
    outflows: list[Outflow] = field(default_factory=list)


# --- reading ----------------------------------------------------------------------------------------------------------


def read_boundary(scope: Scope, statement: tree.Boundary, walls: Walls) -> None:
    """`boundary …`: its place, then its clauses."""
    where = place(scope, statement)
    for clause in statement.clauses:
        stated: Stated | None = None
        match clause:
            case tree.Equation():
                read = read_clause(scope, clause)
                stated = Stated(where, read, clause.span) if where and read else None
            case tree.AbsorbingClause():
                absorbing = read_absorbing(scope, clause, where)
                stated = Stated(where, absorbing, clause.span) if where and absorbing else None
            case tree.PeriodicClause() if where and where.side:
                hint = f"write `boundary {where.coordinate.name if where.coordinate else 'x'}: periodic`."
                scope.collector.add(codes.PERIODIC_SIDE.at(clause.span, hint=hint))
            case _:
                stated = Stated(where, clause, clause.span) if where else None
        walls.failed |= stated is None
        if stated is not None:
            walls.stated.append(stated)


def place(scope: Scope, statement: tree.Boundary) -> Where | None:
    """Which sides a statement is for; None after reporting a mistake."""
    if statement.coordinate is None:
        return Where(None, None, statement.span)
    name = statement.coordinate
    declared = scope.find(name.id)
    if isinstance(declared, Broken):
        return None
    if name.primes or not isinstance(declared, Coordinate):
        if declared is None and name.id in scope.coordinate_names:
            scope.undeclared(name)
        else:
            scope.not_a_coordinate(name.id, name.span)
        return None
    if name.id == scope.marching:
        fields = ", ".join(f"`initial {f.name} = …`" for f in scope.fields[:1])
        hint = f"write {fields}." if fields else ""
        scope.collector.add(codes.NOT_AN_AXIS.at(name.span, hint=hint, name=name.id))
        return None
    if statement.position is None:
        return Where(declared, None, name.span)
    what = f"The position of a side of '{name.id}'"
    position = real_constant(elaborator(scope, Place("constant", what, parameters=())), statement.position, what)
    if position is None:
        return None
    written = scope.extents[name.id]
    for ends in (written, (declared.lower, declared.upper)):
        for side, end in zip(SIDES, ends, strict=True):
            if same(position, end):
                return Where(declared, side, name.span.to(statement.position.span))
    nearer = min(written, key=lambda end: (abs(float(end) - float(position)), float(end)))
    data = {"coordinate": name.id, "position": spell(position), "lower": spell(written[0]), "upper": spell(written[1])}
    hint = f"write `boundary {name.id} = {spell(nearer)}: …`."
    scope.collector.add(codes.NO_SUCH_SIDE.at(statement.position.span, hint=hint, **data))
    return None


def same(a: Exact, b: Exact) -> bool:
    """Whether two constants are equal: exactly for fractions, to rounding for floats."""
    if isinstance(a, float) or isinstance(b, float):
        return abs(float(a) - float(b)) <= 1e-12 * max(abs(float(a)), abs(float(b)))
    return a == b


def read_absorbing(scope: Scope, clause: tree.AbsorbingClause, where: Where | None) -> AbsorbingClause | None:
    """`absorbing(width)`, thinner than half of every axis it is for."""
    what = "The width of an absorbing layer"
    width = real_constant(elaborator(scope, Place("constant", what, parameters=())), clause.width, what)
    if width is None or where is None:
        return None
    if where.side is not None and where.coordinate is not None:
        hint = f"write `boundary {where.coordinate.name}: absorbing({spell(width)})`."
        scope.collector.add(unsupported.ONE_ABSORBING_SIDE.at(clause.span, hint=hint))
        return None
    for axis in [where.coordinate] if where.coordinate else scope.space:
        if not 0 < 2 * width < axis.upper - axis.lower:
            data = {"coordinate": axis.name, "given": spell(width), "length": spell(length(axis))}
            scope.collector.add(codes.ABSORBING_WIDTH.at(clause.width.span, **data))
            return None
    return AbsorbingClause(width, clause.span)


def length(coordinate: Coordinate) -> Exact:
    """upper − lower."""
    return coordinate.upper - coordinate.lower


# --- sharing out ------------------------------------------------------------------------------------------------------


Key: TypeAlias = tuple[str, str, Side]


def share(
    scope: Scope,
    walls: Walls,
    orders: AxisOrders,
    shown: AxisOrders,
    waves: frozenset[tuple[str, str]],
    equations: list[Equation],
    outputs: list[Output],
    *,
    count: bool,
) -> None:
    """Find periodic and absorbing axes, give each side its conditions, and count them against the derivatives.

    `orders` are those of the equations; `shown` those of the outputs, which count where the equations have none; `waves` are
    the (field, coordinate) at whose walls waves are reflected.
    Without `count` (there were mistakes before) only what single statements say is checked.
    """

    def asked(field_name: str, axis: str) -> int:
        return orders.of(field_name, axis) or shown.of(field_name, axis)

    kinds = axis_kinds(scope, walls)
    at_sides: dict[Key, list[tuple[Stated, Condition]]] = {}
    outflow: dict[tuple[str, Side], Stated] = {}
    used: set[int] = set()
    for stated in walls.stated:
        for axis in [stated.where.coordinate] if stated.where.coordinate else scope.space:
            if not has_walls(scope, walls, stated, axis, kinds):
                continue
            sides = SIDES if stated.where.side is None else (stated.where.side,)
            if isinstance(stated.clause, tree.OutflowClause):
                add_outflow(scope, stated, axis, sides, outflow)
                used.update(id(stated) for f in scope.fields if asked(f.name, axis.name))
            elif isinstance(stated.clause, WallClause):
                order = normal_order(stated.clause, axis.name)
                if isinstance(order, Diagnostic):
                    scope.collector.add(order)
                    walls.failed = True
                    used.add(id(stated))
                    continue
                clause = stated.clause
                if not asked(clause.field.name, axis.name):
                    continue
                used.add(id(stated))
                for side in sides:
                    condition = Condition(
                        clause.field.name, axis.name, side, clause.left, clause.right, order, clause.span
                    )
                    at_sides.setdefault((clause.field.name, axis.name, side), []).append((stated, condition))
    if walls.failed or not count:
        return
    expressions = [side for e in equations for side in (e.left, e.right)] + [o.value for o in outputs]
    for declared in scope.fields:
        for axis in scope.space:
            if kinds.get(axis.name) is None and asked(declared.name, axis.name):
                given = {side: at_sides.get((declared.name, axis.name, side), []) for side in SIDES}
                order = asked(declared.name, axis.name)
                needed = max(order, 2) if (declared.name, axis.name) in waves else order
                Counting(scope, declared, axis, order, needed, given, outflow, expressions).settle(walls)
    for stated in walls.stated:
        if isinstance(stated.clause, WallClause | tree.OutflowClause) and id(stated) not in used:
            scope.collector.add(codes.UNUSED_CONDITION.at(stated.span, why=why_unused(scope, stated, kinds)))


def why_unused(scope: Scope, stated: Stated, kinds: dict[str, tuple[str, Stated]]) -> str:
    """Why a condition has no effect."""
    if not scope.space:
        return "there is no space coordinate"
    if stated.where.coordinate is None and all(c.name in kinds for c in scope.space):
        return "no side has a wall"
    name = f"'{stated.clause.field.name}'" if isinstance(stated.clause, WallClause) else "a field"
    axis = f" across '{stated.where.coordinate.name}'" if stated.where.coordinate else ""
    return f"no equation differentiates {name}{axis}"


def axis_kinds(scope: Scope, walls: Walls) -> dict[str, tuple[str, Stated]]:
    """The axes without walls: "periodic" or "absorbing", and the statement that says so."""
    kinds: dict[str, tuple[str, Stated]] = {}
    words = {tree.PeriodicClause: "periodic", AbsorbingClause: "absorbing"}
    plain = [s for s in walls.stated if type(s.clause) in words]
    for stated in sorted(plain, key=lambda s: s.where.coordinate is None):
        kind = words[type(stated.clause)]
        for axis in [stated.where.coordinate] if stated.where.coordinate else scope.space:
            first = kinds.get(axis.name)
            if first is None:
                kinds[axis.name] = (kind, stated)
            elif first[0] != kind and (kind == "periodic" or stated.where.coordinate is not None):
                earlier, later = sorted((first, (kind, stated)), key=lambda k: k[1].span)
                data = {"coordinate": axis.name, "first": earlier[0], "second": later[0]}
                scope.collector.add(codes.CONFLICT.at(later[1].span, **data))
    for axis in scope.space:
        if axis.name not in kinds:
            continue
        by = kinds[axis.name][1]
        if isinstance(by.clause, AbsorbingClause):
            walls.absorbing.append(Absorbing(axis.name, by.clause.width, by.span))
        else:
            walls.periodic.append(axis.name)
    return kinds


def has_walls(
    scope: Scope, walls: Walls, stated: Stated, axis: Coordinate, kinds: dict[str, tuple[str, Stated]]
) -> bool:
    """Whether a condition can be stated at an axis; reported if the statement names one that has no walls."""
    if isinstance(stated.clause, tree.PeriodicClause | AbsorbingClause):
        return False
    if axis.name not in kinds:
        return True
    if stated.where.coordinate is not None:
        kind, by = kinds[axis.name]
        line, _ = scope.source.position(by.span.start)
        code = codes.ON_PERIODIC if kind == "periodic" else codes.WITH_ABSORBING
        scope.collector.add(code.at(stated.where.span, coordinate=axis.name, line=line))
        walls.failed = True
    return False


def add_outflow(
    scope: Scope, stated: Stated, axis: Coordinate, sides: tuple[Side, ...], outflow: dict[tuple[str, Side], Stated]
) -> None:
    """Remember `outflow` at sides; a second one is reported."""
    for side in sides:
        if (axis.name, side) in outflow:
            scope.collector.add(codes.STATED_FOR_SIDE_TWICE.at(stated.span, side=side_name(axis, side)))
        outflow.setdefault((axis.name, side), stated)
