"""Walls that reflect the waves of first-order systems: which they are, and whether mirroring keeps the order of the scheme there.

A wall x = 0 with v = 0 and dn(p) = 0 continues v as an odd and p as an even function. That is exact where the equations stay the
same under x -> -x, v -> -v; elsewhere (a coefficient that varies across the wall, a rotation, data) the continued fields have a
kink in a derivative, and mirrored ghost cells are of order 2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import sympy as sp

from npde.discretize.support import derivatives
from npde.model.problem import LearnedStencil
from npde.model.waves import wave_fields
from npde.symbolic import operators as op
from npde.symbolic.calculus import Calculus
from npde.symbolic.context import calculus_of
from npde.symbolic.system import System, Wall

Parity = Literal[1, -1]
EVEN: Parity = 1
ODD: Parity = -1


def mirroring(system: System) -> tuple[Wall, ...]:
    """The walls at which a field that is differentiated once, in a system of waves, is mirrored."""
    problem, orders = system.problem, derivatives(system)
    stencils = {d.name: d for d in problem.learned if isinstance(d, LearnedStencil)}
    waves = wave_fields(problem.equations, tuple(c.name for c in problem.space), problem.marching, stencils)
    fields = {u.symbol: u.field for u in system.unknowns}

    def is_mirror(wall: Wall) -> bool:
        key = (fields[wall.unknown], wall.coordinate)
        return key in waves and orders.of(*key) == 1

    return tuple(wall for wall in system.walls if is_mirror(wall))


def is_symmetric(system: System, walls: tuple[Wall, ...]) -> bool:
    """Whether the equations stay the same when fields are mirrored at `walls`: each is odd or even there, without data."""
    found: dict[str, dict[sp.Symbol, Parity]] = {}
    for wall in walls:
        parity = _of_condition(wall)
        if parity is None or found.setdefault(wall.coordinate, {}).setdefault(wall.unknown, parity) != parity:
            return False
    return all(_holds(system, axis, parities) for axis, parities in found.items())


def _of_condition(wall: Wall) -> Parity | None:
    """Odd at `u = 0`, even at `dn(u) = 0`."""
    if wall.data != 0:
        return None
    match [m for m, c in enumerate(wall.coefficients) if c != 0]:
        case [0]:
            return ODD
        case [1]:
            return EVEN
        case _:
            return None


def _holds(system: System, axis: str, parities: Mapping[sp.Symbol, Parity]) -> bool:
    """Whether every rate has the parity of its unknown; an unknown that no wall mirrors takes that of its rate."""
    rates = [(u.symbol, [t.expression for t in terms]) for u, terms in zip(system.unknowns, system.terms, strict=True)]
    mirror = Mirror(calculus_of(system), axis, dict(parities), frozenset(symbol for symbol, _ in rates))
    for _ in rates:
        for symbol, terms in rates:
            first = next((p for t in terms if (p := mirror.parity(t)) is not None), None)
            if first is not None:
                mirror.known.setdefault(symbol, first)
    return all(mirror.parity(t) == mirror.known.get(symbol) for symbol, terms in rates for t in terms)


@dataclass(frozen=True)
class Mirror:
    """A wall across `axis`, and the parities of the unknowns there, as far as they are known."""

    calculus: Calculus
    axis: str
    known: dict[sp.Symbol, Parity]
    unknowns: frozenset[sp.Symbol]

    def parity(self, e: sp.Expr) -> Parity | None:
        """Whether an expression is even or odd across the wall; None where it is neither, or not known."""
        if e in self.unknowns:
            return self.known.get(e)
        if not e.free_symbols & self.unknowns and self.axis not in self.calculus.varies(e):
            return EVEN
        match e:
            case op.Diff() | op.FaceDiff():
                inner = self.parity(e.args[0])
                times = int(e.args[2]) if isinstance(e, op.Diff) else 1
                return inner if inner is None or str(e.args[1]) != self.axis or times % 2 == 0 else _turned(inner)
            case op.Lap():
                return self.parity(e.args[0])
            case sp.Pow() if e.exp.is_Integer:
                base = self.parity(e.base)
                return base if base is None or e.exp % 2 else EVEN
            case sp.Mul():
                parts = [self.parity(factor) for factor in e.args]
                return None if None in parts else (ODD if parts.count(ODD) % 2 else EVEN)
            case sp.Add():
                kinds = {self.parity(a) for a in e.args}
                return kinds.pop() if len(kinds) == 1 else None
            case _:
                return None


def _turned(parity: Parity) -> Parity:
    return ODD if parity == EVEN else EVEN
