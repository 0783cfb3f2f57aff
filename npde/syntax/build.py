"""From rules of the grammar to nodes of the tree: one small function a rule, called by its name as rules are reduced."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from npde.records import dataclass
from npde.source import Span
from npde.syntax import refuse, tree
from npde.syntax.spelling import SUPERSCRIPTS, ascii_name, prefix_operator, sign
from npde.syntax.token import Token


@dataclass(frozen=True, slots=True)
class _Sizes:
    items: tuple[tree.Expression, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class _Parameters:
    names: tuple[tree.Name, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class _Start:
    value: tree.Expression
    span: Span


@dataclass(frozen=True, slots=True)
class _Moments:
    order: int
    span: Span


@dataclass(frozen=True, slots=True)
class _Clauses:
    items: tuple[tree.BoundaryClause, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class _Upwind:
    value: tree.Expression
    span: Span


@dataclass(frozen=True, slots=True)
class _Arguments:
    items: tuple[tree.Expression, ...]
    span: Span


def _span(children: list[Any]) -> Span:
    return Span(children[0].span.start, children[-1].span.stop)


def _parts(children: Iterable[Any]) -> tuple[Any, ...]:
    """The children that are no signs and no keywords."""
    return tuple(child for child in children if not isinstance(child, Token))


def _one(children: Iterable[Any], kind: type) -> Any:
    return next((child for child in children if isinstance(child, kind)), None)


def _has(children: Iterable[Any], kind: str) -> bool:
    return any(isinstance(child, Token) and child.kind == kind for child in children)


def _name(token: Token) -> tree.Name:
    letters = token.text.rstrip("'\u2032")
    return tree.Name(ascii_name(letters), len(token.text) - len(letters), token.span)


def _names(children: Iterable[Any]) -> tuple[tree.Name, ...]:
    return tuple(_name(child) for child in children if isinstance(child, Token) and child.kind == "NAME")


# --- expressions ------------------------------------------------------------------------------------------------------


def _binary(children: list[Any]) -> tree.Binary:
    left, operator, right = children
    return tree.Binary(sign(operator.text), left, right, _span(children))  # type: ignore[arg-type]


def _superscript(children: list[Any]) -> tree.Binary:
    base, mark = children
    return tree.Binary("^", base, tree.Number(SUPERSCRIPTS[mark.text], mark.span), _span(children))


def _unary(children: list[Any]) -> tree.Unary:
    return tree.Unary(sign(children[0].text), children[1], _span(children))  # type: ignore[arg-type]


def _juxtaposed(children: list[Any]) -> tree.Binary:
    return tree.Binary("*", children[0], children[1], _span(children))


def _prefix(children: list[Any]) -> tree.Call:
    operator, operand = children
    return tree.Call(tree.Name(prefix_operator(operator.text), 0, operator.span), (operand,), _span(children))


def _call(children: list[Any]) -> tree.Call:
    arguments = _one(children, _Arguments)
    return tree.Call(children[0], arguments.items if arguments else (), _span(children))


def _group(children: list[Any]) -> tree.Expression:
    """What stands in brackets is itself; its span takes the brackets in."""
    inner: tree.Expression = children[1]
    return replace(inner, span=_span(children))


def _string(token: Token) -> tree.String:
    return tree.String(token.text[1:-1], token.span)


def _compare(children: list[Any]) -> tree.Compare:
    left, operator, right = children
    return tree.Compare(sign(operator.text), left, right, _span(children))  # type: ignore[arg-type]


# --- statements -------------------------------------------------------------------------------------------------------


def _model(children: list[Any]) -> tree.Model:
    doc = _string(children[2]) if len(children) == 3 else None
    return tree.Model(_name(children[1]), doc, _span(children))


def _coordinate_group(children: list[Any]) -> tree.CoordinateGroup:
    lower, upper = _one(children, _Sizes).items
    return tree.CoordinateGroup(_names(children), lower, upper, _span(children))


def _field_item(children: list[Any]) -> tree.FieldItem:
    sizes = _one(children, _Sizes)
    return tree.FieldItem(_name(children[0]), sizes.items if sizes else (), _one(children, _Parameters).names,
                          _has(children, "complex"), _span(children))  # fmt: skip


def _let_item(children: list[Any]) -> tree.LetItem:
    parameters = _one(children, _Parameters)
    return tree.LetItem(_name(children[0]), parameters.names if parameters else None, children[-1], _span(children))


def _learn_item(children: list[Any]) -> tree.LearnItem:
    sizes, parameters, start = _one(children, _Sizes), _one(children, _Parameters), _one(children, _Start)
    return tree.LearnItem(
        _name(children[0]),
        sizes.items if sizes else (),
        parameters.names if parameters else None,
        _one(children, tree.StencilClause),
        start.value if start else None,
        _one(children, tree.ConstraintClause),
        _span(children),
    )


def _stencil(children: list[Any]) -> tree.StencilClause:
    moments = _one(children, _Moments)
    extents = tuple(refuse.whole_number(extent, children[1]) for extent in children[1].text.split("x"))
    return tree.StencilClause(extents, moments.order if moments else None, _span(children))


def _bound(children: list[Any]) -> tree.ConstraintClause:
    return tree.ConstraintClause(sign(children[0].text), (children[1],), _span(children))  # type: ignore[arg-type]


def _in_set(children: list[Any]) -> tree.ConstraintClause:
    refuse.stable(_name(children[1]), children[1])
    return tree.ConstraintClause("in stable", (), _span(children))


def _input_item(children: list[Any]) -> tree.InputItem:
    sizes, parameters = _one(children, _Sizes), _one(children, _Parameters)
    return tree.InputItem(_name(children[0]), sizes.items if sizes else (), parameters.names if parameters else None,
                          _span(children))  # fmt: skip


def _output(children: list[Any]) -> tree.Output:
    sizes, parameters = _one(children, _Sizes), _one(children, _Parameters)
    return tree.Output(_name(children[1]), sizes.items if sizes else (), parameters.names if parameters else None,
                       children[-1], _span(children))  # fmt: skip


def _initial(children: list[Any]) -> tree.Initial:
    equation: tree.Equation = children[1]
    return tree.Initial(equation.left, equation.right, _span(children))


def _boundary(children: list[Any]) -> tree.Boundary:
    return tree.Boundary(None, None, children[-1].items, _span(children))


def _boundary_axis(children: list[Any]) -> tree.Boundary:
    return tree.Boundary(refuse.side(children[1], children[1]), None, children[-1].items, _span(children))


def _boundary_side(children: list[Any]) -> tree.Boundary:
    side: tree.Equation = children[1]
    return tree.Boundary(refuse.side(side.left, side), side.right, children[-1].items, _span(children))


def _grid(children: list[Any]) -> tree.Grid:
    upwind = _one(children, _Upwind)
    items = tuple(child for child in children if isinstance(child, tree.GridItem))
    return tree.Grid(items, upwind.value if upwind else None, _span(children))


def _march(children: list[Any]) -> tree.March:
    names = _names(children)
    return tree.March(names[0], names[1] if len(names) > 1 else None, _parts(children), _span(children))


ACTIONS: MappingProxyType[str, Callable[[list[Any]], Any]] = MappingProxyType({
    "binary": _binary,
    "superscript": _superscript,
    "unary": _unary,
    "juxtaposed": _juxtaposed,
    "unclear_product": refuse.unclear_product,
    "unclear_power": refuse.unclear_power,
    "prefix": _prefix,
    "call": _call,
    "arguments": lambda c: _Arguments(_parts(c), _span(c)),
    "index": lambda c: tree.Index(c[0], c[2], _span(c)),
    "group": _group,
    "vector": lambda c: tree.Vector(_parts(c), _span(c)),
    "number": lambda c: tree.Number(c[0].text, c[0].span),
    "name": lambda c: _name(c[0]),
    "string": lambda c: _string(c[0]),
    "compare": _compare,
    "model": _model,
    "coordinates": lambda c: tree.Coordinates(_parts(c), _span(c)),
    "coordinate_group": _coordinate_group,
    "interval": lambda c: _Sizes(_parts(c), _span(c)),
    "sizes": lambda c: _Sizes(_parts(c), _span(c)),
    "parameters": lambda c: _Parameters(_names(c), _span(c)),
    "field": lambda c: tree.Field(_parts(c), _span(c)),
    "field_item": _field_item,
    "let": lambda c: tree.Let(_parts(c), _span(c)),
    "let_item": _let_item,
    "learn": lambda c: tree.Learn(_parts(c), _span(c)),
    "learn_item": _learn_item,
    "start": lambda c: _Start(c[1], _span(c)),
    "stencil": _stencil,
    "moments": lambda c: _Moments(refuse.whole_number(c[-1].text, c[-1]), _span(c)),
    "bound": _bound,
    "between": lambda c: tree.ConstraintClause("in", c[1].items, _span(c)),
    "in_set": _in_set,
    "input": lambda c: tree.Input(_parts(c), _span(c)),
    "input_item": _input_item,
    "output": _output,
    "equation": lambda c: tree.Equation(c[0], c[2], _span(c)),
    "initial": _initial,
    "boundary_everywhere": _boundary,
    "boundary_axis": _boundary_axis,
    "boundary_side": _boundary_side,
    "clauses": lambda c: _Clauses(_parts(c), _span(c)),
    "periodic": lambda c: tree.PeriodicClause(_span(c)),
    "outflow": lambda c: tree.OutflowClause(_span(c)),
    "absorbing": lambda c: tree.AbsorbingClause(c[2], _span(c)),
    "grid": _grid,
    "grid_item": lambda c: tree.GridItem(_name(c[0]), c[2], _span(c)),
    "upwind": lambda c: _Upwind(c[1], _span(c)),
    "order": lambda c: tree.Order(c[1], _span(c)),
    "march": _march,
    "solve": lambda c: tree.Solve(_name(c[1]), _parts(c), _span(c)),
    "setting": lambda c: tree.Setting(_name(c[0]), c[2], _span(c)),
    "network": lambda c: tree.Network(_name(c[1]), _span(c)),
})  # fmt: skip
