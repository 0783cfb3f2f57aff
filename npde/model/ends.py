"""Where a march begins and what it returns: initial data and outputs."""

from __future__ import annotations

from npde.diagnostics.catalogue import equations as codes
from npde.model import expression as ex
from npde.model.declarations import arguments, sizes
from npde.model.elaborate import Place
from npde.model.equations import first_complex
from npde.model.orders import time_derivatives
from npde.model.problem import Field, Initial, Output
from npde.model.references import elaborator
from npde.model.scope import Broken, Scope
from npde.model.traversal import children
from npde.model.words import describe_shape
from npde.source import Span
from npde.syntax import tree


def read_initial(scope: Scope, statement: tree.Initial) -> Initial | None:
    """`initial u = value`, `initial dt(u) = value`."""
    target = initial_target(scope, statement.target)
    if target is None:
        return None
    field, order = target
    reading = elaborator(scope, Place("initial", "initial data", field.shape))
    value = reading.read(statement.value)
    if value is None:
        return None
    if scope.marching is not None and scope.marching in value.type.coordinates:
        leaf = value
        while inner := next((c for c in children(leaf) if scope.marching in c.type.coordinates), None):
            leaf = inner
        reading.report(codes.INITIAL_VARIES, leaf.span, name=scope.marching)
        return None
    if value.type.shape not in ((), field.shape):
        data = {"name": field.name, "expected": describe_shape(field.shape), "given": describe_shape(value.type.shape)}
        reading.report(codes.INITIAL_SHAPE, value.span, **data)
        return None
    culprit = first_complex(value)
    if culprit is not None and not field.is_complex:
        hint = f"declare it as `field {field.name}({', '.join(field.coordinates)}) complex`, or take `re(…)`."
        reading.report(codes.COMPLEX_INITIAL, culprit.span, hint, name=field.name)
        return None
    return Initial(field.name, order, value, statement.span)


def initial_target(scope: Scope, node: tree.Expression) -> tuple[Field, int] | None:
    """The field on the left side and 0, or 1 for its time derivative; None after reporting a mistake."""
    order = 0
    if isinstance(node, tree.Call) and isinstance(node.callee, tree.Name) and len(node.arguments) == 1:
        orders = scope.derivative(node.callee.id) if node.callee.id not in scope.names else None
        if orders is not None and scope.marching is not None and list(orders) == [scope.marching]:
            order, node = orders[scope.marching], node.arguments[0]
    called = node.callee if isinstance(node, tree.Call) else node
    if isinstance(node, tree.Call) and isinstance(called, tree.Name) and not scope.means_something(called.id):
        scope.unknown_function(called)
        return None
    declared = scope.find(called.id) if isinstance(called, tree.Name) else None
    if isinstance(called, tree.Name) and declared is None and node is called:
        scope.undeclared(called)
        return None
    if isinstance(declared, Broken):
        return None
    if isinstance(declared, Field) and node is called and order < 2:
        return declared, order
    why, hint = "not a field", ""
    if isinstance(declared, Field):
        why = "its value where the march begins" if order < 2 else "of second order"
        hint = f"write `initial {declared.name} = …`."
    scope.collector.add(codes.INITIAL_TARGET.at(node.span, why=why, hint=hint))
    return None


def check_initials(
    scope: Scope, initials: list[Initial], orders: dict[str, int], *, failed: bool, equations_fine: bool
) -> None:
    """Whether each evolved field starts from exactly its initial data; reported if not."""
    seen: dict[tuple[str, int], Initial] = {}
    for initial in initials:
        key = (initial.field, initial.time_order)
        if key in seen:
            line, _ = scope.source.position(seen[key].span.start)
            notes = (f"The first one is in line {line}.",)
            what = named(scope, *key)
            scope.collector.add(codes.INITIAL_TWICE.at(initial.span, what=what[0].upper() + what[1:], notes=notes))
        elif initial.time_order and initial.field in orders and orders[initial.field] < 2:
            scope.collector.add(codes.INITIAL_SUPERFLUOUS.at(initial.span, name=initial.field))
        seen.setdefault(key, initial)
    if failed or not equations_fine:
        return
    for field in scope.fields:
        for order in range(orders.get(field.name, 0)):
            if (field.name, order) not in seen:
                what = named(scope, field.name, order)
                target = field.name if not order else f"d{scope.marching}({field.name})"
                hint = f"add `initial {target} = …`."
                scope.collector.add(codes.NO_INITIAL.at(field.span, what=what[0].upper() + what[1:], hint=hint))


def named(scope: Scope, field: str, order: int) -> str:
    """A field or its velocity, in words."""
    return f"the field '{field}'" if not order else f"the derivative 'd{scope.marching}({field})'"


def read_output(scope: Scope, statement: tree.Output) -> Output | None:
    """`output y[10] = value`, `output density(x, t) = value`."""
    name = statement.name
    free = scope.is_free(name)
    shape = sizes(scope, name, statement.sizes, most=1, allowed="an output has at most one")
    listed = arguments(scope, name, statement.arguments or (), primes=False)
    if shape is None or listed is None:
        return None
    reading = elaborator(scope, Place("output", "an output", shape))
    value = reading.read(statement.value)
    if value is None or not free:
        return None
    scope.outputs[name.id] = name.span
    stray = next((c for c in value.type.coordinates if c not in listed and c != scope.marching), None)
    if stray is not None:
        wanted = sorted({*listed, *value.type.coordinates} - {scope.marching or ""}, key=scope.position)
        wanted += [c for c in listed if c == scope.marching]
        hint = f"write `output {name.id}({', '.join(wanted)}) = …`."
        reading.report(codes.OUTPUT_COORDINATES, value.span, hint, name=name.id, coordinate=stray)
        return None
    if value.type.shape != shape:
        data = {"name": name.id, "expected": describe_shape(shape), "given": describe_shape(value.type.shape)}
        given = value.type.shape
        hint = f"write `output {name.id}[{given[0]}]…`." if len(given) == 1 else ""
        reading.report(codes.OUTPUT_SHAPE, value.span, hint, **data)
        return None
    if value.type.is_complex:
        reading.report(codes.OUTPUT_COMPLEX, value.span, name=name.id)
        return None
    return Output(name.id, shape, listed, value, statement.span)


def check_outputs(scope: Scope, outputs: list[Output], orders: dict[str, int]) -> None:
    """Whether the time derivatives in outputs are states: velocities of second-order fields; reported if not."""
    for output in outputs:
        for field, order, node in time_derivatives(output.value, scope.marching):
            if orders.get(field, 2) < 2 or order > 1:
                scope.collector.add(codes.VELOCITY.at(_span(node), name=field))


def _span(node: ex.Expr) -> Span:
    return node.span
