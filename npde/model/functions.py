"""Readers of functions: elementary ones, `where`, products of vectors, `noise`, and the learned ends of a network."""

from __future__ import annotations

from fractions import Fraction

from npde.diagnostics.catalogue import types as codes
from npde.model import arithmetic
from npde.model import expression as ex
from npde.model.elaborate import Elaborator, Reader, Reading
from npde.model.limits import MAX_COMPONENTS
from npde.model.reading_constants import constant, whole_number
from npde.model.scope import ELEMENTARY
from npde.model.words import describe_shape
from npde.syntax import tree

REAL_ONLY = ("sigmoid", "softplus", "relu", "gelu", "min", "max")
REAL_VALUED = ("abs", "abs2", "re", "im")


def name_of(node: tree.Call) -> str:
    """The name that is called."""
    return node.callee.id if isinstance(node.callee, tree.Name) else ""


def needs_real(reading: Elaborator, name: str, value: ex.Expr) -> bool:
    """Whether a value is real; reported if not."""
    if not value.type.is_complex:
        return True
    hint = "take `re(…)`, `im(…)`, `abs(…)` or `abs2(…)` of it first."
    reading.report(codes.NEEDS_REAL, value.span, hint, name=name)
    return False


def are_real(reading: Elaborator, name: str, values: tuple[ex.Expr, ...]) -> bool:
    """Whether all values are real; every complex one is reported."""
    return [needs_real(reading, name, v) for v in values].count(False) == 0


def elementary(reading: Elaborator, node: tree.Call) -> Reading:
    """`exp(a)`, `min(a, b, …)`."""
    name = name_of(node)
    several = name in ("min", "max")
    expected, most = ("two or more arguments", 64) if several else ("one argument", 1)
    fits = reading.has_arguments(node, name, expected, 2 if several else 1, most)
    values = yield from reading.arguments(node)
    if values is None or not fits:
        return None
    if name in REAL_ONLY and not are_real(reading, name, values):
        return None
    shape: tuple[int, ...] = ()
    for value in values:
        joined = reading.join(name, ex.Number(_ONE, ex.Type(shape)), value, node.span)
        if joined is None:
            return None
        shape = joined.shape
    kind = reading.kind(shape, *values)
    if name in REAL_VALUED:
        kind = ex.Type(shape, False, kind.coordinates)
    result = ex.Elementary(name, values, kind, node.span)  # type: ignore[arg-type]
    known, _ = (True, None) if kind.coordinates else constant(reading, result)
    return result if known else None


_ONE = Fraction(1)


def where(reading: Elaborator, node: tree.Call) -> Reading:
    """`where(a < b, then, otherwise)`."""
    fits = reading.has_arguments(node, "where", "a condition and two values", 3, 3)
    condition, *rest = node.arguments or (None,)
    left = right = None
    if isinstance(condition, tree.Compare):
        left = yield condition.left
        right = yield condition.right
    elif condition is not None:
        tested = yield condition
        if tested is not None:
            hint = "compare it with something, `where(… > 0, …, …)`."
            reading.report(codes.CONDITION_EXPECTED, condition.span, hint)
    branches: list[ex.Expr | None] = []
    for argument in rest:
        branches += [(yield argument)]
    if not fits or left is None or right is None or branches[0] is None or branches[1] is None:
        return None
    assert isinstance(condition, tree.Compare)
    if not are_real(reading, condition.operator, (left, right)):
        return None
    compared = reading.join(condition.operator, left, right, condition.span)
    chosen = reading.join("where", branches[0], branches[1], node.span)
    if compared is None or chosen is None:
        return None
    test = ex.Comparison(condition.operator, left, right, compared, condition.span)
    if compared.shape and compared.shape != chosen.shape and chosen.shape:
        given = {"left": describe_shape(compared.shape), "right": describe_shape(chosen.shape)}
        reading.report(codes.SHAPES_DIFFER, node.span, operator="where", **given)
        return None
    kind = reading.kind(compared.shape or chosen.shape, test, branches[0], branches[1])
    return ex.Where(test, branches[0], branches[1], kind, node.span)


def dot(reading: Elaborator, node: tree.Call) -> Reading:
    """`dot(a, b)`."""
    fits = reading.has_arguments(node, "dot", "two arguments", 2, 2)
    values = yield from reading.arguments(node)
    return arithmetic.dot(reading, values[0], values[1], node.span) if values and fits else None


def cross(reading: Elaborator, node: tree.Call) -> Reading:
    """`cross(a, b)`."""
    fits = reading.has_arguments(node, "cross", "two arguments", 2, 2)
    values = yield from reading.arguments(node)
    return arithmetic.cross(reading, values[0], values[1], node.span) if values and fits else None


def noise(reading: Elaborator, node: tree.Call) -> Reading:
    """`noise(seed, amplitude)`, in initial data."""
    fits = reading.has_arguments(node, "noise", "a seed and an amplitude", 2, 2)
    if not stands_in(reading, node, "noise", "initial", "it belongs to initial data"):
        return None
    if not fits:
        return None
    seed = whole_number(reading, node.arguments[0], "The seed of 'noise'")
    amplitude = yield node.arguments[1]
    if seed is None or amplitude is None:
        return None
    if not 0 <= seed < 2**32:
        reading.report(codes.NOISE_SEED, node.arguments[0].span, given=seed)
        return None
    if not needs_real(reading, "noise", amplitude):
        return None
    if amplitude.type.shape:
        return reading.needs("noise", "a scalar amplitude", amplitude)
    shape = () if reading.in_vector else reading.place.shape
    space = tuple(sorted(c.name for c in reading.scope.space))
    return ex.Noise(seed, amplitude, ex.Type(shape, False, space), node.span)


def lift(reading: Elaborator, node: tree.Call) -> Reading:
    """`lift(image)`, in initial data: onto the components of the field."""
    fits = reading.has_arguments(node, "lift", "one argument", 1, 1)
    if not stands_in(reading, node, "lift", "initial", "it starts a field from an input") or not fits:
        return None
    operand = yield node.arguments[0]
    if operand is None or not needs_real(reading, "lift", operand):
        return None
    if len(operand.type.shape) > 1:
        return reading.needs("lift", "a scalar or a vector", operand)
    kind = ex.Type(reading.place.shape, False, operand.type.coordinates)
    return ex.Lift(operand, reading.scope.occurrence("lift"), kind, node.span)


def linear(reading: Elaborator, node: tree.Call) -> Reading:
    """`linear(v)`, in outputs: a dense read-out as wide as the output."""
    fits = reading.has_arguments(node, "linear", "one argument", 1, 1)
    if not stands_in(reading, node, "linear", "output", "it is a read-out") or not fits:
        return None
    operand = yield node.arguments[0]
    if operand is None or not needs_real(reading, "linear", operand):
        return None
    marching = tuple(c for c in operand.type.coordinates if c == reading.scope.marching)
    kind = ex.Type(reading.place.shape, False, marching)
    return ex.Linear(operand, reading.scope.occurrence("linear"), kind, node.span)


def regions(reading: Elaborator, node: tree.Call) -> Reading:
    """`regions(v, n)`, in outputs: integrals over n equal tiles."""
    fits = reading.has_arguments(node, "regions", "a value and a count", 2, 2)
    if not stands_in(reading, node, "regions", "output", "it is a read-out") or not fits:
        return None
    operand = yield node.arguments[0]
    count = whole_number(reading, node.arguments[1], "The number of regions")
    if operand is None or count is None or not needs_real(reading, "regions", operand):
        return None
    if operand.type.shape:
        return reading.needs("regions", "a scalar", operand)
    if len(reading.scope.space) not in (1, 2) and not reading.scope.strangers:
        why = f"it divides a line or a plane, not {len(reading.scope.space)} dimensions"
        reading.report(codes.NOT_HERE, node.span, name="regions", place="this problem", why=why)
        return None
    if not 1 <= count <= MAX_COMPONENTS:
        what = f"The number of regions, between 1 and {MAX_COMPONENTS},"
        reading.report(codes.NOT_WHOLE, node.arguments[1].span, what=what, value=count)
        return None
    marching = tuple(c for c in operand.type.coordinates if c == reading.scope.marching)
    return ex.Regions(operand, count, ex.Type((count,), False, marching), node.span)


def stands_in(reading: Elaborator, node: tree.Call, name: str, kind: str, why: str) -> bool:
    """Whether an operator stands where it belongs; reported if not."""
    if reading.place.kind == kind:
        return True
    reading.report(codes.NOT_HERE, node.callee.span, name=name, place=reading.place.words, why=why)
    return False


READERS: dict[str, Reader] = {
    **dict.fromkeys(ELEMENTARY, elementary),
    "where": where,
    "dot": dot,
    "cross": cross,
    "noise": noise,
    "lift": lift,
    "linear": linear,
    "regions": regions,
}
