"""The mathematics: `∂_τ q = F(q)` (first order in τ), or `F(q) = 0` when steady, all real.

A complex field is two real unknowns; `dtt(u)` is reduced to `∂_τ u = u_t, ∂_τ u_t = …` and remembered. The order of
`unknowns` is the channel order of every state: fields in order of declaration (real part then imaginary part, each with all
its components), then the velocities in the same layout, then what absorbing layers add (`npde.discretize.wave_layers`).
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import sympy as sp

from npde.model.problem import Input, LearnedClosure, LearnedCoefficient, LearnedStencil, Problem, Side
from npde.records import dataclass
from npde.source import Span

Part = Literal["value", "re", "im"]


@dataclass(frozen=True, slots=True)
class Unknown:
    """One real unknown array: a real field, one part of a complex field, or the velocity of one of these."""

    symbol: sp.Symbol
    field: str
    part: Part
    is_velocity: bool
    shape: tuple[int, ...]

    @property
    def channels(self) -> int:
        """Channels it takes in a state."""
        return self.shape[0] if self.shape else 1


@dataclass(frozen=True, slots=True)
class CoordinateMeaning:
    """A symbol that is a coordinate; `primed` is its integration twin."""

    name: str
    primed: bool = False


Meaning: TypeAlias = Unknown | CoordinateMeaning | LearnedCoefficient | LearnedStencil | LearnedClosure | Input
"""What a symbol of the system stands for. Lets are substituted and leave no symbol."""


@dataclass(frozen=True, slots=True)
class Term:
    """One summand of an equation's right-hand side and what is known about it.

    `linear`: homogeneous of degree one in the unknowns. `constant`: its coefficients do not vary over space or time (they may
    be learned scalars). `conservative`: a discrete divergence, so its sum over a periodic grid vanishes. `order`: the highest
    derivative in it (0: pointwise). `affine_in`: learned names it is affine in. `source`: free of unknowns. `affine`: linear but
    for a source that is not written out, as `F*(1 - u)`.
    """

    expression: sp.Expr
    linear: bool
    constant: bool
    conservative: bool
    source: bool
    order: int
    affine_in: tuple[str, ...]
    span: Span
    affine: bool = False


@dataclass(frozen=True, slots=True)
class Wall:
    """`Σ_m coefficients[m] ∂_n^m unknown = data` at one side of an axis, n outward; `coefficients` by order m from 0."""

    unknown: sp.Symbol
    coordinate: str
    side: Side
    coefficients: tuple[sp.Expr, ...]
    data: sp.Expr
    span: Span


@dataclass(frozen=True, slots=True)
class SystemOutput:
    """What the network returns: `parts` is (value,) or (re, im), each of `shape`. `per_step` when it varies over τ.
    `coordinates` are the space coordinates it keeps."""

    name: str
    shape: tuple[int, ...]
    coordinates: tuple[str, ...]
    parts: tuple[sp.Expr, ...]
    per_step: bool
    span: Span


@dataclass(frozen=True)
class System:
    """Canonical form. `rates[k]` is ∂_τ of `unknowns[k]`, or the k-th residual when `kind` is "steady"."""

    problem: Problem
    kind: Literal["evolution", "steady"]
    unknowns: tuple[Unknown, ...]
    rates: tuple[sp.Expr, ...]
    terms: tuple[tuple[Term, ...], ...]
    walls: tuple[Wall, ...]
    initial: tuple[sp.Expr, ...]
    outputs: tuple[SystemOutput, ...]
    symbols: tuple[tuple[sp.Symbol, Meaning], ...]
    starts: tuple[tuple[str, sp.Expr], ...] = ()
    """Start value of each learned coefficient that has one, in the system's symbols (coordinates)."""

    @property
    def is_second_order(self) -> bool:
        """Whether every field was given by `dtt`."""
        velocities = sum(u.is_velocity for u in self.unknowns)
        return velocities > 0 and 2 * velocities == len(self.unknowns)

    def meaning(self, symbol: sp.Symbol) -> Meaning:
        """What a symbol stands for; KeyError if it is not one of the system's."""
        return dict(self.symbols)[symbol]
