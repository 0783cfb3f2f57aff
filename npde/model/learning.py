"""Readers of `learn`: coefficients with their start and constraint, stencils, closures."""

from __future__ import annotations

from fractions import Fraction
from itertools import product

from npde.diagnostics import Code
from npde.diagnostics.catalogue import learning as codes
from npde.diagnostics.catalogue import names as name_codes
from npde.model import expression as ex
from npde.model.constant import ConstantError, Value, evaluate
from npde.model.declarations import arguments, sizes
from npde.model.elaborate import Elaborator, Place
from npde.model.limits import MAX_LAYERS, MAX_STENCIL, MAX_WIDTH
from npde.model.problem import Constraint, Exact, LearnedClosure, LearnedCoefficient, LearnedStencil, Let
from npde.model.reading_constants import real_constant, report_constant
from npde.model.references import elaborator, read_whole
from npde.model.scope import Scope, nearest
from npde.model.words import describe_shape, describe_type, spell
from npde.options import Overrides
from npde.source import Span
from npde.syntax import tree

ACTIVATIONS = ("tanh", "relu", "sigmoid", "softplus", "gelu", "sin")


def learn(scope: Scope, statement: tree.Learn, overrides: Overrides) -> None:
    """`learn D = 0.1 > 0`, `learn K[16, 16] stencil 3x3`, `learn f(u) = mlp(16, tanh)`."""
    for item in statement.items:
        called = item.value.callee if isinstance(item.value, tree.Call) else None
        name = called.id if isinstance(called, tree.Name) else ""
        if item.stencil is not None:
            scope.declare(item.name, stencil(scope, item, item.stencil))
        elif name == "mlp":
            scope.declare(item.name, closure(scope, item))
        elif name and name not in scope.names and nearest(name, ["mlp"]):
            scope.collector.add(name_codes.UNKNOWN_FUNCTION.at(called.span, name=name, hint="did you mean `mlp`?"))  # type: ignore[union-attr]
            scope.declare(item.name, None)
        else:
            scope.declare(item.name, coefficient(scope, item, overrides))


# --- coefficients -----------------------------------------------------------------------------------------------------


def coefficient(scope: Scope, item: tree.LearnItem, overrides: Overrides) -> LearnedCoefficient | None:
    """A learned scalar, field, kernel or matrix."""
    name = item.name.id
    shape = sizes(scope, item.name, item.sizes, most=2, allowed="a learned value has at most two")
    listed = arguments(scope, item.name, item.arguments or (), primes=True)
    constraint = bounds(scope, item)
    if shape is None or listed is None:
        return None
    start: ex.Expr | None = None
    reading = elaborator(scope, Place("start", f"the start of '{name}'", shape, listed, name))
    if item.value is not None:
        start = reading.read(item.value)
        if start is None or not _is_start(reading, name, shape, start):
            return None
    if isinstance(constraint, bool) and not constraint:
        return None
    kept = constraint if isinstance(constraint, Constraint) else None
    given = overrides.set.get(name)
    if given is not None:
        start = ex.Number(given, ex.Type(), item.value.span if item.value else item.name.span)
    elif start is not None and kept is not None and not _is_inside(reading, name, listed, start, kept):
        return None
    return LearnedCoefficient(name, shape, listed, start, kept, item.name.span)


def bounds(scope: Scope, item: tree.LearnItem) -> Constraint | bool:
    """The constraint; True without one, False after reporting a mistake."""
    clause = item.constraint
    if clause is None:
        return True
    if clause.operator == "in stable":
        return Constraint(Fraction(0), None, stable=True)
    what = f"A bound of '{item.name.id}'"
    reading = elaborator(scope, Place("constant", what, parameters=()))
    values = [real_constant(reading, b, what) for b in clause.bounds]
    if any(v is None for v in values):
        return False
    if clause.operator in (">", ">="):
        return Constraint(values[0], None)
    if clause.operator in ("<", "<="):
        return Constraint(None, values[0])
    lower, upper = values
    assert lower is not None
    assert upper is not None
    if not lower < upper:
        span = clause.bounds[0].span.to(clause.bounds[1].span)
        hint = f"write `in [{spell(upper)}, {spell(lower)}]`." if upper < lower else ""
        data = {"name": item.name.id, "lower": spell(lower), "upper": spell(upper)}
        scope.collector.add(codes.BOUNDS_ORDER.at(span, hint=hint, **data))
        return False
    return Constraint(lower, upper)


def _is_start(reading: Elaborator, name: str, shape: tuple[int, ...], start: ex.Expr) -> bool:
    """Whether a start is real and of the right shape; reported if not."""
    if not start.type.is_complex and start.type.shape in ((), shape):
        return True
    expected = describe_shape(shape).removeprefix("a ")
    reading.report(codes.START_VALUE, start.span, name=name, shape=expected, given=describe_type(start.type))
    return False


def _is_inside(reading: Elaborator, name: str, listed: tuple[str, ...], start: ex.Expr, constraint: Constraint) -> bool:
    """Whether a start is strictly inside: a constant exactly, a function at points spread over the grid; reported."""
    for at in _points(reading.scope, listed, reading.size(start)[0]):
        value = _value(reading, start, at)
        if isinstance(value, bool):
            return value
        for part in _flat(value):
            wrong = outside(part, constraint)
            if wrong:
                place = ", ".join(f"{c} = {spell(p)}" for c, p in at.items())
                why = f"{wrong} at {place}" if place else wrong
                hint = "start a little inside the bound." if part in (constraint.lower, constraint.upper) else ""
                reading.report(codes.START_OUTSIDE, start.span, hint, name=name, why=why)
                return False
    return True


def outside(value: Exact, constraint: Constraint) -> str:
    """How a value is not strictly inside, or nothing."""
    if constraint.lower is not None and not value > constraint.lower:
        return f"{spell(value)} is not greater than {spell(constraint.lower)}"
    if constraint.upper is not None and not value < constraint.upper:
        return f"{spell(value)} is not less than {spell(constraint.upper)}"
    return ""


def _points(scope: Scope, listed: tuple[str, ...], nodes: int) -> list[dict[str, float]]:
    """Positions spread over the extents, both ends among them; fewer for large expressions."""
    if not listed:
        return [{}]
    count = max(2, min(17, int((20_000 / max(nodes, 1)) ** (1 / len(listed)))))
    ends = {c.name: (float(c.lower), float(c.upper)) for c in scope.coordinates}
    axes = []
    for coordinate in listed:
        lower, upper = ends[coordinate.rstrip("'")]
        axes.append([lower + (upper - lower) * k / (count - 1) for k in range(count)])
    return [dict(zip(listed, point, strict=True)) for point in product(*axes)]


def _value(reading: Elaborator, start: ex.Expr, at: dict[str, float]) -> Value | bool:
    """The start at a position; False after reporting that it has no value, True if it cannot be told."""
    known = {d.name: (d.parameters, d.value) for d in reading.scope.names.values() if isinstance(d, Let)}
    try:
        return evaluate(start, known, reading.scope.values, at)
    except ConstantError as error:
        if at or error.reason == "unknown":
            return True
        report_constant(reading, error)
        return False


def _flat(value: Value) -> list[Exact]:
    """The real numbers in a constant."""
    if isinstance(value, tuple):
        return [part for item in value for part in _flat(item)]
    return [] if isinstance(value, complex) else [value]


# --- stencils ---------------------------------------------------------------------------------------------------------


def stencil(scope: Scope, item: tree.LearnItem, clause: tree.StencilClause) -> LearnedStencil | None:
    """`learn K[16, 16](t) stencil 3x3 moments 2 = lap`."""
    name = item.name.id
    channels = sizes(scope, item.name, item.sizes, most=2, allowed="a learned stencil has two or none")
    listed = arguments(scope, item.name, item.arguments or (), primes=False)
    if channels is None or listed is None:
        return None

    def wrong(code: Code, span: Span, hint: str = "", **data: object) -> LearnedStencil | None:
        scope.collector.add(code.at(span, hint=hint, notes=(), **data))
        return None

    space = [c for c in scope.coordinate_names if c != scope.marching]
    other = next((c for c in listed if c != scope.marching), None)
    if len(channels) == 1:
        hint = f"write `{name}[{channels[0]}, {channels[0]}]`."
        return wrong(codes.STENCIL_CHANNELS, item.sizes[0].span, hint, given="one")
    if other is not None:
        return wrong(codes.STENCIL_ARGUMENTS, item.name.span, coordinate=other)
    if item.constraint is not None:
        return wrong(codes.NO_CONSTRAINT_HERE, item.constraint.span, what="A learned stencil")
    if len(clause.extents) != len(space):
        count = len(space)
        expected = f"{count} width{'s' * (count != 1)}"
        hint = f"write `stencil {'x'.join([str(clause.extents[0])] * count)}`." if count else ""
        return wrong(codes.STENCIL_EXTENTS, clause.span, hint, name=name, expected=expected, given=len(clause.extents))
    even = next((e for e in clause.extents if e % 2 == 0 or not 1 <= e <= MAX_STENCIL), None)
    if even is not None:
        return wrong(codes.STENCIL_WIDTH, clause.span, name=name, limit=MAX_STENCIL, given=even)
    start = None
    if item.value is not None:
        start = _stencil_start(scope, item, clause, channels, space)
        if start is None:
            return None
    if clause.moments is not None:
        if start is None:
            return wrong(codes.MOMENTS_START, clause.span)
        kept = 1
        cells = 1
        for axis, extent in enumerate(clause.extents, 1):
            kept = kept * (clause.moments + axis - 1) // axis
            cells *= extent
        if kept >= cells:
            return wrong(codes.MOMENTS, clause.span, name=name, cells=cells, moments=clause.moments)
    return LearnedStencil(name, channels, clause.extents, bool(listed), start, clause.moments, item.name.span)


def _stencil_start(
    scope: Scope, item: tree.LearnItem, clause: tree.StencilClause, channels: tuple[int, ...], space: list[str]
) -> str | None:
    """The name of the operator that a stencil starts at, or None after reporting a mistake."""
    node = item.value
    assert node is not None
    orders = dict.fromkeys(space, 2)
    word = node.id if isinstance(node, tree.Name) and not node.primes else ""
    if word != "lap":
        orders = scope.derivative(word) or {} if word else {}
    if not orders or scope.marching in orders:
        near = nearest(word, ["lap", *(f"d{c}" for c in space), *(f"d{c}{c}" for c in space)]) if word else None
        hint = f"did you mean `{near}`?" if near else ""
        scope.collector.add(codes.STENCIL_START.at(node.span, hint=hint))
        return None
    for coordinate, extent in zip(space, clause.extents, strict=True):
        least = 2 * ((orders.get(coordinate, 0) + 1) // 2) + 1
        if extent < least:
            why = f"needs {least} cells along '{coordinate}'"
            narrow = codes.STENCIL_TOO_NARROW.at(clause.span, name=item.name.id, operator=word, why=why)
            scope.collector.add(narrow)
            return None
    if channels and channels[0] != channels[1]:
        span = item.name.span.to(item.sizes[-1].span)
        scope.collector.add(codes.STENCIL_START_CHANNELS.at(span, out=channels[0], into=channels[1]))
        return None
    return word


# --- closures ---------------------------------------------------------------------------------------------------------


def closure(scope: Scope, item: tree.LearnItem) -> LearnedClosure | None:
    """`learn f[2](u, v) = mlp(32, 32, tanh)`."""
    call = item.value
    assert isinstance(call, tree.Call)
    name = item.name.id

    def wrong(code: Code, span: Span, hint: str = "", **data: object) -> LearnedClosure | None:
        scope.collector.add(code.at(span, hint=hint, notes=(), **data))
        return None

    shape = sizes(scope, item.name, item.sizes, most=1, allowed="a closure has at most one")
    parameters = tuple(a.id for a in item.arguments or ())
    primed = next((a for a in item.arguments or () if a.primes), None)
    if shape is None:
        return None
    if not parameters:
        return wrong(codes.CLOSURE_PARAMETERS, item.name.span, f"write `{name}(u) = mlp(…)`.", why="no arguments")
    twice = next((a for n, a in enumerate(item.arguments or ()) if a.id in parameters[:n]), None)
    if twice is not None:
        return wrong(codes.CLOSURE_PARAMETERS, twice.span, why=f"'{twice.id}' a second time")
    if primed is not None:
        why = "the arguments of a closure are values"
        return wrong(name_codes.MISPLACED_PRIME, primed.span, name=primed.id, why=why)
    if item.constraint is not None:
        return wrong(codes.NO_CONSTRAINT_HERE, item.constraint.span, what="A closure")
    *hidden, last = call.arguments or (None,)
    activation = last.id if isinstance(last, tree.Name) else ""
    if activation not in ACTIVATIONS:
        span = last.span if last is not None else call.span
        near = nearest(activation, ACTIVATIONS) if activation else None
        hint = f"did you mean `{near}`?" if near else "write `mlp(32, 32, tanh)`, say."
        why = f"'{activation}' is not an activation" if activation else "no activation"
        return wrong(codes.CLOSURE_FORM, span, hint, why=why)
    if not 1 <= len(hidden) <= MAX_LAYERS:
        why = "no hidden layer" if not hidden else f"more than {MAX_LAYERS} hidden layers"
        return wrong(codes.CLOSURE_FORM, call.span, "write `mlp(32, 32, tanh)`, say.", why=why)
    widths: list[int] = []
    for node in hidden:
        assert node is not None
        width = read_whole(scope, node, "The width of a hidden layer")
        if width is None:
            return None
        if not 1 <= width <= MAX_WIDTH:
            return wrong(codes.CLOSURE_WIDTH, node.span, limit=MAX_WIDTH, given=width)
        widths.append(width)
    return LearnedClosure(name, parameters, shape, tuple(widths), activation, item.name.span)  # type: ignore[arg-type]


__all__ = ["ACTIVATIONS", "learn", "outside"]
