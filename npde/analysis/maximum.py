"""The maximum principle: a step whose weights are not negative and sum to one makes no new extrema.

For Σ over axes of c/h² (u_{j+1} - 2 u_j + u_{j-1}), c ≥ 0, at order 2, an Euler step has the weights dt c/h² and 1 - dt d with
d = Σ 2 c/h² (3 c/h² next to a wall that states the value), so dt d ≤ 1 is enough. The Runge-Kutta schemes here are convex
combinations of Euler steps of that length for linear rates without a clock (M. Spijker, SIAM J. Numer. Anal. 20 (1983)
1041-1056); the exponential of such an operator has no negative entry.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import sympy as sp

from npde.analysis.invariants import SIDES, Invariant
from npde.discretize.numeric import Unknown
from npde.discretize.samples import Samples
from npde.discretize.scheme import RungeKutta, Scheme, Splitting, Steady
from npde.model.problem import LearnedCoefficient
from npde.symbolic import operators as op
from npde.symbolic.system import Wall

ROUNDING = 1 + 1e-9


def maximum_principle(scheme: Scheme) -> Iterator[Invariant]:
    """Diffusion of one field with second-order differences, by steps that are averages."""
    if len(scheme.system.unknowns) != 1 or scheme.system.unknowns[0].shape or scheme.order != 2:
        return
    if isinstance(scheme.time, Steady):
        return
    size = _Diffusion(scheme).size()
    if size is None:
        return
    match scheme.time:
        case RungeKutta() if float(scheme.dt) * size <= ROUNDING:
            why = "the step is a convex combination of neighbors: dt times the largest diagonal entry is at most one"
        case Splitting(linear_is_exact=True, pointwise=(e,)) if e == 0:
            why = "the exponential of the second difference has no negative entry"
        case _:
            return
    yield Invariant("maximum", f"maximum principle of {scheme.system.unknowns[0].symbol}", why, True)


@dataclass
class _Diffusion:
    """The rates as Σ c ∂²u, if they are that."""

    scheme: Scheme

    def __post_init__(self) -> None:
        self.symbol = self.scheme.system.unknowns[0].symbol
        self.walls = {(w.coordinate, w.side): w for w in self.scheme.system.walls if w.unknown == self.symbol}

    def size(self) -> float | None:
        """The largest diagonal entry, turned positive, at most; None for any other equation."""
        samples = Samples(self.scheme.system, self.scheme.grid, self.scheme.order)
        total = 0.0
        for term in self.scheme.system.terms[0]:
            found = self._diffusivity(term.expression)
            if found is None or not self._never_negative(found[1]):
                return None
            try:
                largest = float(np.max(samples.value(found[1])))
            except Unknown:
                return None
            for a in self.scheme.grid.axes:
                if a.name in found[0]:
                    total += self._weight(a.name) * largest / float(a.spacing) ** 2
        sides = [(a.name, side) for a in self.scheme.grid.axes if not a.periodic for side in SIDES]
        closed = all(side in self.walls and self._is_known(self.walls[side]) for side in sides)
        return total if total > 0 and closed and not self._has_clock() else None

    def _has_clock(self) -> bool:
        """Whether rates or boundary data depend on the marching coordinate, whose value differs between stages."""
        marching = self.scheme.system.problem.marching
        used = {
            s.name for e in (*self.scheme.system.rates, *(w.data for w in self.walls.values())) for s in e.free_symbols
        }
        return marching in used

    def _weight(self, axis: str) -> int:
        """2, or 3 next to a wall that states the value."""
        return 2 + any(self.walls[axis, side].coefficients[0] != 0 for side in SIDES if (axis, side) in self.walls)

    def _is_known(self, wall: Wall) -> bool:
        """Whether a wall states the value, or an insulated slope."""
        sloped = any(c != 0 for c in wall.coefficients[1:])
        return not sloped or (wall.coefficients[0] == 0 and wall.data == 0)

    def _diffusivity(self, term: sp.Expr) -> tuple[set[str], sp.Expr] | None:
        """(axes, c) of a term c ∂²u."""
        u = self.symbol
        factors = sp.Mul.make_args(term)
        operators = [f for f in factors if isinstance(f, op.DIFFERENTIAL)]
        outer = sp.Mul(*(f for f in factors if f not in operators))
        if len(operators) != 1 or u in outer.free_symbols:
            return None
        match operators[0]:
            case op.Lap(args=(e,)) if e == u:
                return {a.name for a in self.scheme.grid.axes}, outer
            case op.Diff(args=(e, x, n)) if e == u and n == 2:
                return {str(x)}, outer
            case op.FaceDiff(args=(flux, x)):
                inner = sp.Mul(*(f for f in sp.Mul.make_args(flux) if f != op.Diff(u, x, 1)))
                slopes = [f for f in sp.Mul.make_args(flux) if f == op.Diff(u, x, 1)]
                return ({str(x)}, outer * inner) if len(slopes) == 1 and u not in inner.free_symbols else None
            case _:
                return None

    def _never_negative(self, e: sp.Expr) -> bool:
        meanings = dict(self.scheme.system.symbols)
        for f in sp.Mul.make_args(e):
            if f.is_nonnegative or (isinstance(f, sp.Pow) and f.exp.is_even):
                continue
            base = f.base if isinstance(f, sp.Pow) else f
            m = meanings.get(base)
            bound = m.constraint if isinstance(m, LearnedCoefficient) else None
            if bound is None or bound.lower is None or bound.lower < 0:
                return False
        return True
