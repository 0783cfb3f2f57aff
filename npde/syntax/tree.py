"""The syntax tree: what was written. Untyped nodes, each with its span; spans take no part in equality."""

from __future__ import annotations

from dataclasses import field
from typing import Literal, TypeAlias

from npde.records import dataclass
from npde.source import NOWHERE, Source, Span


def _span() -> Span:
    return field(default=NOWHERE, compare=False, repr=False)


# --- expressions ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Number:
    """A literal as written: `2`, `0.1`, `2e-5`."""

    text: str
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Name:
    """A name, with primes: `x'` is `Name("x", 1)`. Greek letters are already spelled out."""

    id: str
    primes: int = 0
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class String:
    """A string argument or docstring, unquoted."""

    text: str
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Call:
    """`f(a, b)`; the callee of `adjoint(K)(v)` is itself a call. `∇²u`, `Δu`, `∇u`, `∇·F`, `∂t u` are read as calls of
    `lap`, `lap`, `grad`, `div`, `dt`; `·` and `×` as `Binary` operators "·" and "×"."""

    callee: Expression
    arguments: tuple[Expression, ...]
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Index:
    """`u[0]`."""

    operand: Expression
    index: Expression
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Unary:
    """`-a` or `+a`."""

    operator: Literal["-", "+"]
    operand: Expression
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Binary:
    """`a + b` and the like; "@" contracts components."""

    operator: Literal["+", "-", "*", "/", "^", "@", "·", "×"]
    left: Expression
    right: Expression
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Compare:
    """`a < b`; occurs only as an argument of a call."""

    operator: Literal["<", "<=", ">", ">=", "==", "!="]
    left: Expression
    right: Expression
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Vector:
    """`[a, b]`."""

    items: tuple[Expression, ...]
    span: Span = _span()


Expression: TypeAlias = Number | Name | String | Call | Index | Unary | Binary | Compare | Vector


# --- statements -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Model:
    """`model NAME "docstring"`."""

    name: Name
    doc: String | None
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class CoordinateGroup:
    """`x, y in [0, 20]`: names that share extents."""

    names: tuple[Name, ...]
    lower: Expression
    upper: Expression
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Coordinates:
    """`coordinates x, y in [0, 20], t in [0, 10]`."""

    groups: tuple[CoordinateGroup, ...]
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class FieldItem:
    """`u[16](x, y, t) complex`."""

    name: Name
    sizes: tuple[Expression, ...]
    arguments: tuple[Name, ...]
    is_complex: bool
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Field:
    """`field u(x, t), v(x, t)`."""

    items: tuple[FieldItem, ...]
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class LetItem:
    """`k = 2*pi` or `V(x) = x^2/2`; `arguments` is None without brackets."""

    name: Name
    arguments: tuple[Name, ...] | None
    value: Expression
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Let:
    """`let Du = 2e-5, Dv = 1e-5`."""

    items: tuple[LetItem, ...]
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class ConstraintClause:
    """`> a`, `< b`, `>= a`, `<= b` (one bound) or `in [a, b]` (operator "in", two bounds); `in stable` has no bounds."""

    operator: Literal[">", "<", ">=", "<=", "in", "in stable"]
    bounds: tuple[Expression, ...]
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class StencilClause:
    """`stencil 3x3 moments 2`: extents an axis."""

    extents: tuple[int, ...]
    moments: int | None
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class LearnItem:
    """`D = 0.1 > 0`, `V(x, y) = 0`, `W(x, x')`, `K[16, 16](t) stencil 3x3 = lap`, `f(u, v) = mlp(32, 32, tanh)`."""

    name: Name
    sizes: tuple[Expression, ...]
    arguments: tuple[Name, ...] | None
    stencil: StencilClause | None
    value: Expression | None
    constraint: ConstraintClause | None
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Learn:
    """`learn F = 0.04 > 0, k = 0.06 > 0`."""

    items: tuple[LearnItem, ...]
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class InputItem:
    """`s[8](t)`; `arguments` is None without brackets (a number a sample)."""

    name: Name
    sizes: tuple[Expression, ...]
    arguments: tuple[Name, ...] | None
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Input:
    """`input s(x, t)`."""

    items: tuple[InputItem, ...]
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Equation:
    """`expr = expr`."""

    left: Expression
    right: Expression
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class PeriodicClause:
    """`periodic`."""

    span: Span = _span()


@dataclass(frozen=True, slots=True)
class OutflowClause:
    """`outflow`."""

    span: Span = _span()


@dataclass(frozen=True, slots=True)
class AbsorbingClause:
    """`absorbing(width)`."""

    width: Expression
    span: Span = _span()


BoundaryClause: TypeAlias = PeriodicClause | OutflowClause | AbsorbingClause | Equation


@dataclass(frozen=True, slots=True)
class Boundary:
    """`boundary CLAUSE` (every side), `boundary x: CLAUSE` (both ends of an axis), `boundary x = 0: CLAUSE, CLAUSE`."""

    coordinate: Name | None
    position: Expression | None
    clauses: tuple[BoundaryClause, ...]
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Initial:
    """`initial u = …` or `initial dt(u) = …`."""

    target: Expression
    value: Expression
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Output:
    """`output y[10] = …`, `output density(x, t) = …`."""

    name: Name
    sizes: tuple[Expression, ...]
    arguments: tuple[Name, ...] | None
    value: Expression
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class GridItem:
    """`x: 128`, or the option `upwind 3` (name "upwind")."""

    name: Name
    value: Expression
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Grid:
    """`grid x: 128, y: 128`, `grid x: 128, upwind 3`."""

    items: tuple[GridItem, ...]
    upwind: Expression | None
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Order:
    """`order 4`."""

    value: Expression
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Setting:
    """`steps: 200`, `dt: auto`, `tolerance: 1e-8`; a bare word is a `Name`."""

    name: Name
    value: Expression
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class March:
    """`march strang along z, steps: 5`."""

    scheme: Name
    along: Name | None
    settings: tuple[Setting, ...]
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Solve:
    """`solve gmres, iterations: 200, tolerance: 1e-8`."""

    method: Name
    settings: tuple[Setting, ...]
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Network:
    """`network cnn`."""

    kind: Name
    span: Span = _span()


Statement: TypeAlias = (
    Model
    | Coordinates
    | Field
    | Let
    | Learn
    | Input
    | Equation
    | Boundary
    | Initial
    | Output
    | Grid
    | Order
    | March
    | Solve
    | Network
)


@dataclass(frozen=True, slots=True)
class Comment:
    """`# …` with the offset it starts at; `fmt` keeps comments, nothing else reads them."""

    text: str
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class SyntaxTree:
    """A whole file: its statements in order, and its comments."""

    statements: tuple[Statement, ...]
    comments: tuple[Comment, ...] = field(default=(), compare=False)
    source: Source = field(default=Source("<text>", ""), compare=False, repr=False)
