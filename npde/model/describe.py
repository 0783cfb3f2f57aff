"""The checked problem as text, for `npde show --stage problem`."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import assert_never

from npde.model import expression as ex
from npde.model.problem import (
    Condition,
    Constraint,
    Exact,
    Learned,
    LearnedClosure,
    LearnedCoefficient,
    LearnedStencil,
    March,
    Problem,
    Solve,
)  # fmt: skip
from npde.model.traversal import fold
from npde.model.words import spell

SUM, PRODUCT, SIGN, POWER, ATOM = range(5)
PRECEDENCE = {"+": SUM, "-": SUM, "*": PRODUCT, "/": PRODUCT, "^": POWER}


def describe(problem: Problem) -> str:
    """Every part of a problem, a line each, in the order of the record; ends with a line end."""
    text = partial(format_expression, problem=problem)
    lines = [f"problem {problem.name}" + (f'  "{problem.doc}"' if problem.doc else "")]
    groups: tuple[tuple[str, Iterable[str]], ...] = (
        ("coordinates", _coordinates(problem)),
        ("fields", (_declared(f.name, f.shape, f.coordinates) + _kind(f.is_complex) for f in problem.fields)),
        ("known", (f"{_declared(d.name, (), d.parameters)} = {text(d.value)}" for d in problem.lets)),
        ("learned", (_learned(problem, d) for d in problem.learned)),
        ("inputs", (_declared(d.name, d.shape, d.coordinates) for d in problem.inputs)),
        ("equations", (f"{text(e.left)} = {text(e.right)}" for e in problem.equations)),
        ("boundary", _boundary(problem)),
        ("initial", (_initial(problem, i.field, i.time_order, i.value) for i in problem.initials)),
        (
            "outputs",
            (f"{_declared(o.name, o.shape, o.coordinates)} = {text(o.value)}" for o in problem.outputs),
        ),
        ("numerics", _numerics(problem)),
    )
    for title, entries in groups:
        listed = list(entries)
        lines += [title, *(f"  {entry}" for entry in listed)] if listed else []
    return "\n".join(lines) + "\n"


def _coordinates(problem: Problem) -> Iterable[str]:
    for c in problem.coordinates:
        note = "  (marching)" if c.name == problem.marching else ""
        yield f"{c.name} in [{spell(c.lower)}, {spell(c.upper)}]{note}"


def _declared(name: str, shape: tuple[int, ...], coordinates: tuple[str, ...]) -> str:
    size = f"[{', '.join(str(n) for n in shape)}]" if shape else ""
    return name + size + (f"({', '.join(coordinates)})" if coordinates else "")


def _kind(is_complex: bool) -> str:
    return " complex" if is_complex else ""


def _learned(problem: Problem, what: Learned) -> str:
    match what:
        case LearnedCoefficient():
            start = f" = {format_expression(what.start, problem)}" if what.start is not None else " = random"
            return _declared(what.name, what.shape, what.coordinates) + start + _constraint(what.constraint)
        case LearnedStencil():
            extents = "x".join(str(e) for e in what.extents)
            moments = f" moments {what.moments}" if what.moments is not None else ""
            step = " (a kernel a step)" if what.per_step else ""
            return (
                f"{_declared(what.name, what.channels, ())} stencil {extents}{moments} = {what.start or 'random'}{step}"
            )
        case LearnedClosure():
            layers = ", ".join([*(str(w) for w in what.widths), what.activation])
            return f"{_declared(what.name, what.shape, what.parameters)} = mlp({layers})"
        case _:
            assert_never(what)


def _constraint(constraint: Constraint | None) -> str:
    match constraint:
        case Constraint(stable=True, upper=None):
            return " in stable"
        case None | Constraint(None, None):
            return ""
        case Constraint(lower, None) if lower is not None:
            return f" > {spell(lower)}"
        case Constraint(None, upper) if upper is not None:
            return f" < {spell(upper)}"
        case Constraint(lower, upper):
            return f" in [{_end(lower)}, {_end(upper)}]"


def _end(value: Exact | None) -> str:
    return "" if value is None else spell(value)


def _boundary(problem: Problem) -> Iterable[str]:
    yield from (f"{name}: periodic" for name in problem.periodic)
    yield from (f"{a.coordinate}: absorbing({spell(a.width)})" for a in problem.absorbing)
    for condition in problem.conditions:
        equation = f"{format_expression(condition.left, problem)} = {format_expression(condition.right, problem)}"
        kind = {0: "Dirichlet", 1: "Neumann or Robin"}.get(condition.order, f"order {condition.order}")
        yield f"{_side(problem, condition)}: {equation}  ({condition.field}, {kind})"
    for outflow in problem.outflows:
        axis = next(c for c in problem.coordinates if c.name == outflow.coordinate)
        end = axis.lower if outflow.side == "lower" else axis.upper
        yield f"{axis.name} = {spell(end)}: outflow  ({outflow.field})"


def _side(problem: Problem, condition: Condition) -> str:
    axis = next(c for c in problem.coordinates if c.name == condition.coordinate)
    return f"{axis.name} = {spell(axis.lower if condition.side == 'lower' else axis.upper)}"


def _initial(problem: Problem, field: str, order: int, value: ex.Expr) -> str:
    target = f"d{problem.marching}({field})" if order else field
    return f"{target} = {format_expression(value, problem)}"


def _numerics(problem: Problem) -> Iterable[str]:
    numerics = problem.numerics
    if numerics.cells:
        upwind = f", upwind {numerics.upwind}" if numerics.upwind is not None else ""
        yield "grid " + ", ".join(f"{name}: {cells}" for name, cells in numerics.cells) + upwind
    yield f"order {numerics.order}"
    if numerics.march is not None:
        yield _march(numerics.march)
    if numerics.solve is not None:
        yield _solve(numerics.solve)
    if numerics.network is not None:
        yield f"network {numerics.network}"


def _march(march: March) -> str:
    if march.steps is not None:
        return f"march {march.scheme}, steps: {march.steps}"
    dt = march.dt if march.dt is None or march.dt == "auto" else spell(march.dt)
    return f"march {march.scheme}, dt: {dt}"


def _solve(solve: Solve) -> str:
    iterations = f", iterations: {solve.iterations}" if solve.iterations is not None else ""
    tolerance = f", tolerance: {solve.tolerance:g}" if solve.tolerance is not None else ""
    return f"solve {solve.method}{iterations}{tolerance}"


# --- expressions ------------------------------------------------------------------------------------------------------


def format_expression(expr: ex.Expr, problem: Problem | None = None) -> str:
    """A checked expression in the notation of the language, with as few brackets as it needs.

    With its problem, it reads back as the same expression; without, `u(x')` shows only what is primed.
    """
    return fold(expr, partial(_format, problem))[0]


def _format(problem: Problem | None, node: ex.Expr, parts: tuple[tuple[str, int], ...]) -> tuple[str, int]:
    """Text and precedence of a node from those of its children."""
    match node:
        case ex.Number():
            text = spell(node.value)
            return text, PRODUCT if "/" in text else ATOM
        case ex.Constant():
            return node.name, ATOM
        case ex.CoordinateRef():
            return node.name + "'" * node.primed, ATOM
        case ex.FieldRef() | ex.InputRef():
            return node.name + _primed(problem, node), ATOM
        case ex.LetRef() | ex.LearnRef():
            return node.name + (f"({_list(parts)})" if parts else ""), ATOM
        case ex.Negate():
            return f"-{_at_least(parts[0], PRODUCT)}", SIGN
        case ex.Binary():
            return _binary(node, *parts)
        case ex.Comparison():
            return f"{parts[0][0]} {node.operator} {parts[1][0]}", SUM
        case ex.Contract():
            return f"{_at_least(parts[0], ATOM)}@{_at_least(parts[1], ATOM)}", PRODUCT
        case ex.VectorOf():
            return f"[{_list(parts)}]", ATOM
        case ex.Component():
            return f"{_at_least(parts[0], ATOM)}[{node.index}]", ATOM
        case _:
            return _call(node, parts), ATOM


def _primed(problem: Problem | None, node: ex.FieldRef | ex.InputRef) -> str:
    """The arguments of a field or input, if one is primed."""
    if not node.primed:
        return ""
    listed = node.primed
    if problem is not None:
        coordinates = {d.name: d.coordinates for d in problem.fields} | {d.name: d.coordinates for d in problem.inputs}
        listed = tuple(c for c in coordinates[node.name] if c != problem.marching)
    return f"({', '.join(c + chr(39) * (c in node.primed) for c in listed)})"


def _binary(node: ex.Binary, left: tuple[str, int], right: tuple[str, int]) -> tuple[str, int]:
    rank = PRECEDENCE[node.operator]
    if node.operator == "^":
        return f"{_at_least(left, ATOM)}^{_at_least(right, ATOM)}", POWER
    gap = " " if rank == SUM else ""
    second = _at_least(right, rank + 1) if right[1] != SIGN else f"({right[0]})"
    return f"{_at_least(left, rank)}{gap}{node.operator}{gap}{second}", rank


def _call(node: ex.Expr, parts: tuple[tuple[str, int], ...]) -> str:
    arguments = _list(parts)
    match node:
        case ex.Elementary():
            return f"{node.function}({arguments})"
        case ex.Derivative():
            if all(len(c) == 1 for c, _ in node.orders) and sum(n for _, n in node.orders) <= 4:
                return f"d{''.join(c * n for c, n in node.orders)}({arguments})"
            text = arguments
            for coordinate, order in node.orders:
                text = f"d({text}, {coordinate}, {order})"
            return text
        case ex.Integral() | ex.Mean() | ex.Sum():
            return f"{type(node).__name__.lower()}({arguments}, {', '.join(node.over)})"
        case ex.ApplyKernel():
            return f"adjoint({node.kernel})({arguments})" if node.adjoint else f"{node.kernel}({arguments})"
        case ex.ApplyClosure():
            return f"{node.closure}({arguments})"
        case ex.Regions():
            return f"regions({arguments}, {node.count})"
        case ex.Noise():
            return f"noise({node.seed}, {arguments})"
        case _:
            return f"{CALLS[type(node)]}({arguments})"


CALLS: dict[type, str] = {
    ex.Where: "where",
    ex.Laplacian: "lap",
    ex.Gradient: "grad",
    ex.Divergence: "div",
    ex.Curl: "curl",
    ex.NormalDerivative: "dn",
    ex.Dot: "dot",
    ex.Cross: "cross",
    ex.Lift: "lift",
    ex.Linear: "linear",
}


def _list(parts: tuple[tuple[str, int], ...]) -> str:
    return ", ".join(text for text, _ in parts)


def _at_least(part: tuple[str, int], rank: int) -> str:
    text, own = part
    return text if own >= rank else f"({text})"
