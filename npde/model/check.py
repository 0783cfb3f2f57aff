"""The checker: reads the statements in order, then looks at the problem as a whole.

prepare    which names are declared anywhere, which coordinate marches
read       every statement, in order
conclude   one equation a field, initial data, boundary conditions, numerics, convolutions, unused names
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import assert_never

from npde.diagnostics import MAXIMUM, Collector, Diagnostic, DiagnosticError
from npde.diagnostics.catalogue import names as name_codes
from npde.diagnostics.catalogue import numerics as numerics_codes
from npde.diagnostics.catalogue import unsupported
from npde.model import boundary, declarations, ends, equations, learning, numerics
from npde.model import expression as ex
from npde.model.fit import check_fit
from npde.model.orders import axis_orders
from npde.model.problem import (
    Coordinate,
    Equation,
    Initial,
    Input,
    LearnedClosure,
    LearnedCoefficient,
    LearnedStencil,
    Let,
    Numerics,
    Output,
    Problem,
)  # fmt: skip
from npde.model.scope import Broken, Scope, declared_names, kind_of
from npde.model.traversal import walk
from npde.model.waves import wave_fields
from npde.model.words import spell
from npde.options import Overrides
from npde.source import NOWHERE, Span
from npde.syntax import tree


@dataclass
class Draft:
    """The statements read so far; what had a mistake is only remembered as such."""

    name: str = "model"
    doc: str = ""
    model_seen: bool = False
    equations: list[Equation] = field(default_factory=list)
    initials: list[Initial] = field(default_factory=list)
    outputs: list[Output] = field(default_factory=list)
    walls: boundary.Walls = field(default_factory=boundary.Walls)
    numerics: numerics.Draft = field(default_factory=numerics.Draft)
    equation_failed: bool = False
    initial_failed: bool = False


def check(file: tree.SyntaxTree, overrides: Overrides = Overrides()) -> tuple[Problem | None, tuple[Diagnostic, ...]]:  # noqa: B008
    """The problem (None if there is an error) and every diagnostic, warnings too, at most `MAXIMUM`, in source order."""
    scope = prepare(file, overrides)
    draft = Draft()
    for statement in file.statements:
        read(scope, statement, draft, overrides)
    problem = conclude(scope, draft, overrides)
    found = sorted(scope.collector.found, key=lambda d: (d.severity != "error", d.span))[:MAXIMUM]
    ordered = tuple(sorted(found, key=lambda d: d.span))
    return (None if scope.collector.errors else problem), ordered


def build(file: tree.SyntaxTree, overrides: Overrides = Overrides()) -> Problem:  # noqa: B008
    """The problem.

    Raises:
        DiagnosticError: the file has mistakes; it carries the diagnostics.
    """
    problem, found = check(file, overrides)
    if problem is None:
        raise DiagnosticError(found, file.source)
    return problem


# --- prepare ----------------------------------------------------------------------------------------------------------


def prepare(file: tree.SyntaxTree, overrides: Overrides) -> Scope:
    """A scope that knows what the file declares anywhere and which coordinate marches."""
    collector = Collector(file.source)
    later: dict[str, Span] = {}
    for name in declared_names(file):
        later.setdefault(name.id, name.span)
    groups = [g for s in file.statements if isinstance(s, tree.Coordinates) for g in s.groups]
    coordinates = tuple(dict.fromkeys(n.id for g in groups for n in g.names))
    scope = Scope(file.source, collector, "t" if "t" in coordinates else None, later, coordinates)
    march = next((s for s in file.statements if isinstance(s, tree.March)), None)
    along = march.along if march is not None else None
    option = overrides.march.along if overrides.march is not None else None
    if option is not None:
        if option in coordinates:
            scope.marching = option
        else:
            data = {"option": "--march", "name": option, "expected": "a coordinate of the file"}
            collector.add(numerics_codes.OPTION_NAME.at(NOWHERE, **data))
            scope.strangers.add(option)
    elif along is not None and along.id in coordinates and not along.primes:
        scope.marching = along.id
    elif along is not None:
        scope.not_a_coordinate(along.id, along.span)
    return scope


# --- read -------------------------------------------------------------------------------------------------------------


def read(scope: Scope, statement: tree.Statement, draft: Draft, overrides: Overrides) -> None:
    """One statement, into the scope or the draft."""
    match statement:
        case tree.Model():
            read_model(scope, statement, draft)
        case tree.Coordinates():
            declarations.coordinates(scope, statement, overrides)
        case tree.Field():
            declarations.fields(scope, statement)
        case tree.Let():
            declarations.lets(scope, statement, overrides)
        case tree.Learn():
            learning.learn(scope, statement, overrides)
        case tree.Input():
            declarations.inputs(scope, statement)
        case tree.Equation():
            equation = equations.read_equation(scope, statement)
            draft.equation_failed |= equation is None
            draft.equations += [equation] if equation is not None else []
        case tree.Boundary():
            boundary.read_boundary(scope, statement, draft.walls)
        case tree.Initial():
            initial = ends.read_initial(scope, statement)
            draft.initial_failed |= initial is None
            draft.initials += [initial] if initial is not None else []
        case tree.Output():
            output = ends.read_output(scope, statement)
            draft.outputs += [output] if output is not None else []
        case tree.Grid():
            numerics.read_grid(scope, statement, draft.numerics)
        case tree.Order():
            numerics.read_order(scope, statement, draft.numerics)
        case tree.March():
            numerics.read_march(scope, statement, draft.numerics)
        case tree.Solve():
            numerics.read_solve(scope, statement, draft.numerics)
        case tree.Network():
            numerics.read_network(scope, statement, draft.numerics)
        case _:
            assert_never(statement)


def read_model(scope: Scope, statement: tree.Model, draft: Draft) -> None:
    """`model NAME "doc"`."""
    if draft.model_seen:
        scope.collector.add(name_codes.STATED_TWICE.at(statement.span, statement="model"))
        return
    draft.model_seen = True
    draft.name = statement.name.id
    draft.doc = statement.doc.text if statement.doc is not None else ""


# --- conclude ---------------------------------------------------------------------------------------------------------


def conclude(scope: Scope, draft: Draft, overrides: Overrides) -> Problem:
    """Checks of the problem as a whole, and the problem; it is sound only if nothing was reported."""
    check_declarations(scope)
    whole = not any(isinstance(d, Broken) for d in scope.names.values())
    orders = equations.assign(scope, draft.equations, all_read=whole and not draft.equation_failed)
    sound = not scope.collector.errors
    ends.check_outputs(scope, draft.outputs, orders)
    ends.check_initials(
        scope, draft.initials, orders, failed=draft.initial_failed, equations_fine=whole and not draft.equation_failed
    )
    space = tuple(c.name for c in scope.space)
    stencils = {d.name: d for d in scope.names.values() if isinstance(d, LearnedStencil)}
    sides = [side for e in draft.equations for side in (e.left, e.right)]
    across = axis_orders(sides, space, stencils)
    shown = axis_orders([o.value for o in draft.outputs], space, stencils)
    waves = wave_fields(draft.equations, space, scope.marching, stencils)
    boundary.share(scope, draft.walls, across, shown, waves, draft.equations, draft.outputs, count=sound)
    settled = numerics.finish(scope, draft.numerics, overrides)
    check_overrides(scope, overrides)
    without_walls = {*draft.walls.periodic, *(a.coordinate for a in draft.walls.absorbing)}
    if sound:
        check_fit(scope, draft.numerics, overrides, settled, draft.equations, draft.outputs, without_walls)
        check_convolutions(scope, draft, settled)
    check_used(scope)
    return assemble(scope, draft, settled)


def check_declarations(scope: Scope) -> None:
    """There must be coordinates and a field, and at most three axes."""
    if not scope.coordinate_names:
        scope.collector.add(name_codes.NO_COORDINATES.at(hint="add `coordinates x in [0, 1], t in [0, 1]`, say."))
    elif not scope.fields and not any(isinstance(d, Broken) for d in scope.names.values()):
        listed = ", ".join(scope.coordinate_names)
        scope.collector.add(name_codes.NO_FIELD.at(scope.coordinates[0].span, hint=f"add `field u({listed})`."))
    if len(scope.space) > 3 and not scope.strangers:
        scope.collector.add(unsupported.MORE_AXES.at(scope.space[3].span, count=len(scope.space)))


def check_overrides(scope: Scope, overrides: Overrides) -> None:
    """Options must name what the file declares, and their values obey its rules; reported if not."""

    def unknown(option: str, name: str, expected: str) -> None:
        data = {"option": option, "name": name, "expected": expected}
        scope.collector.add(numerics_codes.OPTION_NAME.at(NOWHERE, **data))

    for name in overrides.grid:
        if all(name != c.name for c in scope.space) and not isinstance(scope.names.get(name), Broken):
            unknown("--grid", name, "a space coordinate of the file")
    for name, (lower, upper) in overrides.extent.items():
        if not isinstance(scope.names.get(name), Coordinate | Broken):
            unknown("--extent", name, "a coordinate of the file")
        elif not lower < upper:
            numerics.option(scope, "--extent", f"'{name}' would run from {spell(lower)} to {spell(upper)}")
    for name, value in overrides.set.items():
        declared = scope.names.get(name)
        if isinstance(declared, LearnedCoefficient):
            wrong = learning.outside(value, declared.constraint) if declared.constraint else ""
            if wrong:
                numerics.option(scope, "--set", f"the start of '{name}', {wrong}")
        elif not isinstance(declared, Let | Broken):
            unknown("--set", name, "a known value or a learned one")


def check_convolutions(scope: Scope, draft: Draft, settled: Numerics) -> None:
    """A convolution `w(x - x')` needs a periodic axis whose lower end is a whole number of cells from 0."""
    values = [s for e in draft.equations for s in (e.left, e.right)]
    values += [i.value for i in draft.initials] + [o.value for o in draft.outputs]
    values += [s for c in draft.walls.conditions for s in (c.left, c.right)]
    cells = dict(settled.cells)
    for node in (n for v in values for n in walk(v)):
        if not isinstance(node, ex.LearnRef):
            continue
        for argument in node.arguments:
            if not isinstance(argument, ex.Binary) or not isinstance(argument.left, ex.CoordinateRef):
                continue
            axis = next(c for c in scope.space if c.name == argument.left.name)
            shift = float(axis.lower * cells.get(axis.name, 1) / (axis.upper - axis.lower))
            if axis.name not in draft.walls.periodic or abs(shift - round(shift)) > 1e-9:
                scope.collector.add(unsupported.CONVOLUTION_ON_WALLS.at(node.span, coordinate=axis.name))


def check_used(scope: Scope) -> None:
    """Warn of known values, learned ones and inputs that nothing refers to."""
    for name, declared in scope.names.items():
        if isinstance(declared, Coordinate | Broken) or name in scope.used:
            continue
        if isinstance(declared, Let | Input | LearnedCoefficient | LearnedStencil | LearnedClosure):
            scope.collector.add(name_codes.UNUSED.at(declared.span, name=name, kind=kind_of(declared)))


def assemble(scope: Scope, draft: Draft, settled: Numerics) -> Problem:
    """The record, every tuple in order of declaration."""
    names = [d for d in scope.names.values() if not isinstance(d, Broken)]
    rank = {f.name: n for n, f in enumerate(scope.fields)}
    walls = draft.walls
    return Problem(
        name=draft.name,
        doc=draft.doc,
        coordinates=scope.coordinates,
        marching=scope.marching,
        fields=scope.fields,
        lets=tuple(d for d in names if isinstance(d, Let)),
        learned=tuple(d for d in names if isinstance(d, LearnedCoefficient | LearnedStencil | LearnedClosure)),
        inputs=tuple(d for d in names if isinstance(d, Input)),
        equations=tuple(draft.equations),
        periodic=tuple(walls.periodic),
        conditions=tuple(walls.conditions),
        outflows=tuple(walls.outflows),
        absorbing=tuple(walls.absorbing),
        initials=tuple(sorted(draft.initials, key=lambda i: (rank.get(i.field, 0), i.time_order))),
        outputs=tuple(draft.outputs),
        numerics=settled,
        source=scope.source,
    )
