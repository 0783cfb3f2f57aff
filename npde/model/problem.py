"""The checked problem: what was meant. Every name resolved, every rank and argument list checked."""

from __future__ import annotations

from dataclasses import field
from fractions import Fraction
from typing import Literal, TypeAlias

from npde.model.expression import Expr
from npde.options import NetworkKind
from npde.records import dataclass
from npde.source import NOWHERE, Source, Span

Exact: TypeAlias = Fraction | float
"""A constant: exact where it is rational (decimals are), a float where it is not (π)."""

Side = Literal["lower", "upper"]


def _span() -> Span:
    return field(default=NOWHERE, compare=False, repr=False)


# --- what is declared -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Coordinate:
    """A coordinate and its extent."""

    name: str
    lower: Exact
    upper: Exact
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Field:
    """An unknown over `coordinates`; shape `()` or `(n,)`."""

    name: str
    shape: tuple[int, ...]
    coordinates: tuple[str, ...]
    is_complex: bool
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Let:
    """A known constant (`parameters` empty) or function of coordinates; `value` refers to its parameters by `CoordinateRef`."""

    name: str
    parameters: tuple[str, ...]
    value: Expr
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Constraint:
    """The open interval a learned value is kept in by construction: `> a` is (a, None), `in [a, b]` is (a, b). `in stable` is
    (0, None) until the numerics know which values keep the step stable."""

    lower: Fraction | float | None
    upper: Fraction | float | None
    stable: bool = False


@dataclass(frozen=True, slots=True)
class LearnedCoefficient:
    """A learned scalar (`coordinates` empty), field `a(x, y)`, step-dependent `D(t)`, nonlocal kernel `W(x, x')`
    ("x'" among the coordinates), matrix `A[2, 2]`. `start` is None when it starts at random."""

    name: str
    shape: tuple[int, ...]
    coordinates: tuple[str, ...]
    start: Expr | None
    constraint: Constraint | None
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class LearnedStencil:
    """A learned convolution kernel: `channels` is (out, in) or () for a scalar one; `per_step` when it takes `t`.
    `start` is an operator applied to a placeholder: one of the names `lap dx dxx dy …` (None: random)."""

    name: str
    channels: tuple[int, ...]
    extents: tuple[int, ...]
    per_step: bool
    start: str | None
    moments: int | None
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class LearnedClosure:
    """`learn f[m](u, v) = mlp(32, 32, tanh)`: a pointwise network of its `parameters`; shape `()` or `(m,)`."""

    name: str
    parameters: tuple[str, ...]
    shape: tuple[int, ...]
    widths: tuple[int, ...]
    activation: Literal["tanh", "relu", "sigmoid", "softplus", "gelu", "sin"]
    span: Span = _span()


Learned: TypeAlias = LearnedCoefficient | LearnedStencil | LearnedClosure


@dataclass(frozen=True, slots=True)
class Input:
    """Supplied at run time, `[B, (T,) (n,) *grid]` with `T` when it takes the marching coordinate and `n` with `[n]`."""

    name: str
    shape: tuple[int, ...]
    coordinates: tuple[str, ...]
    span: Span = _span()


# --- what is stated ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Equation:
    """`left = right`, terms on either side as written."""

    left: Expr
    right: Expr
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Condition:
    """A wall condition `left = right` of `field` (which the left side holds) at one side of an axis; linear in the field
    and its derivatives along the axis. `order` is the highest normal order in it (0 Dirichlet, 1 Neumann and Robin)."""

    field: str
    coordinate: str
    side: Side
    left: Expr
    right: Expr
    order: int
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Outflow:
    """No condition: one-sided differences where advection leaves."""

    field: str
    coordinate: str
    side: Side
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Absorbing:
    """A layer of `width` (coordinate units) inside the extent at both ends of `coordinate`."""

    coordinate: str
    width: Exact
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Initial:
    """`initial u = value` (`time_order` 0) or `initial dt(u) = value` (1)."""

    field: str
    time_order: int
    value: Expr
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Output:
    """`output name[width](coordinates) = value`; evaluated after each step if it varies over the marching coordinate."""

    name: str
    shape: tuple[int, ...]
    coordinates: tuple[str, ...]
    value: Expr
    span: Span = _span()


# --- numerics, all defaults -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class March:
    """The time scheme by name; exactly one of `steps` and `dt` is set. `by_option`: the command line has the last word on it.
    `tolerance` is that of an adaptive scheme, None for its default."""

    scheme: str
    steps: int | None
    dt: Fraction | float | Literal["auto"] | None
    span: Span = _span()
    by_option: bool = False
    tolerance: float | None = None

    @property
    def place(self) -> Span:
        """Where the file says so; nowhere if an option does."""
        return NOWHERE if self.by_option else self.span


@dataclass(frozen=True, slots=True)
class Solve:
    """The solver of a steady equation."""

    method: str
    iterations: int | None
    tolerance: float | None
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Numerics:
    """Cells an axis (space coordinates in order of declaration), order in space, schemes."""

    cells: tuple[tuple[str, int], ...]
    order: int
    upwind: int | None
    march: March | None
    solve: Solve | None
    network: NetworkKind | None


@dataclass(frozen=True)
class Problem:
    """A model whose every part has been checked. Tuples are in order of declaration."""

    name: str
    doc: str
    coordinates: tuple[Coordinate, ...]
    marching: str | None
    fields: tuple[Field, ...]
    lets: tuple[Let, ...]
    learned: tuple[Learned, ...]
    inputs: tuple[Input, ...]
    equations: tuple[Equation, ...]
    periodic: tuple[str, ...]
    conditions: tuple[Condition, ...]
    outflows: tuple[Outflow, ...]
    absorbing: tuple[Absorbing, ...]
    initials: tuple[Initial, ...]
    outputs: tuple[Output, ...]
    numerics: Numerics
    source: Source = field(compare=False, repr=False, default=Source("<text>", ""))

    @property
    def space(self) -> tuple[Coordinate, ...]:
        """The coordinates but the marching one."""
        return tuple(c for c in self.coordinates if c.name != self.marching)

    @property
    def time(self) -> Coordinate | None:
        """The marching coordinate."""
        return next((c for c in self.coordinates if c.name == self.marching), None)
