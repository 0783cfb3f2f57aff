"""How many ghost cells of each unknown an expression reads.

Nested operators add up: `Lap(Lap(u))` at order 2 reads two cells beyond an end. In flux form of order p the difference reads
p/2 - 1 faces beyond those of the cell, and a value or staggered derivative at a face p/2 cells on either side: p - 1 in all.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import sympy as sp

from npde.discretize import stencils
from npde.model.problem import LearnedStencil
from npde.symbolic import operators as op
from npde.symbolic.calculus import REDUCING, values
from npde.symbolic.system import Meaning, System, Unknown

Halo = dict[tuple[sp.Symbol, str], int]
"""(unknown, axis) → ghost cells beyond each end."""

Reach = tuple[int, ...]
"""Cells beyond each end, an axis."""


def halo(expressions: Iterable[sp.Expr], system: System, order: int) -> Halo:
    """The widest request for each unknown and axis; what reads no ghost cell is left out."""
    reader = _Reader(dict(system.symbols), tuple(c.name for c in system.problem.space), order)
    start = (0,) * len(reader.axes)
    for e in expressions:
        reader.read(e, start, None)
    return reader.found


def reach(expressions: Iterable[sp.Expr], system: System, order: int) -> dict[str, int]:
    """How far the dependency of expressions on the unknowns reaches, an axis: as `halo`, transposed stencils counted too."""
    reader = _Reader(dict(system.symbols), tuple(c.name for c in system.problem.space), order, transposed=True)
    for e in expressions:
        reader.read(e, (0,) * len(reader.axes), None)
    widest: dict[str, int] = {}
    for (_, axis), n in reader.found.items():
        widest[axis] = max(n, widest.get(axis, 0))
    return widest


def own_radius(e: sp.Expr, order: int, axes: tuple[str, ...], meanings: dict[sp.Symbol, Meaning]) -> Reach:
    """Cells that one operator outside of a flux reads on either side, an axis."""
    match e:
        case op.Diff():
            return tuple(stencils.radius(int(e.args[2]), order) if a == str(e.args[1]) else 0 for a in axes)
        case op.Biased():
            return tuple(max(int(n) for n in e.args[2:]) if a == str(e.args[1]) else 0 for a in axes)
        case op.FluxDissipation():
            return tuple((int(e.args[3]) + 1) // 2 if a == str(e.args[2]) else 0 for a in axes)
        case op.Lap():
            return (stencils.radius(2, order),) * len(axes)
        case op.KernelApply() | op.KernelAdjoint():
            meaning = meanings.get(e.args[0])
            return tuple(n // 2 for n in meaning.extents) if isinstance(meaning, LearnedStencil) else (0,) * len(axes)
        case _:
            return (0,) * len(axes)


@dataclass
class _Reader:
    meanings: dict[sp.Symbol, Meaning]
    axes: tuple[str, ...]
    order: int
    transposed: bool = False
    found: Halo = field(default_factory=dict)
    _seen: set[tuple[sp.Expr, Reach, int | None]] = field(default_factory=set)

    def read(self, e: sp.Expr, reach: Reach, face: int | None) -> None:
        """Note what `e` reads on the cells within `reach`, or on the faces across axis `face`."""
        pending = [(e, reach, face)]
        while pending:
            item = pending.pop()
            if item in self._seen or not item[0].free_symbols:
                continue
            self._seen.add(item)
            pending.extend(self._below(*item))

    def _below(self, e: sp.Expr, reach: Reach, face: int | None) -> list[tuple[sp.Expr, Reach, int | None]]:
        pointwise = not isinstance(e, sp.Symbol | op.GridOperator) or isinstance(
            e, op.Component | op.Stack | op.ClosureApply
        )
        if pointwise:
            return [(a, reach, face) for a in values(e)]
        if face is not None:
            near = self._widened(reach, face, self.order // 2)
            staggered = isinstance(e, op.Diff) and str(e.args[1]) == self.axes[face] and e.args[2] == 1
            return [(e.args[0] if staggered else e, near, None)]
        match e:
            case sp.Symbol():
                self._note(e, reach)
                return []
            case op.FaceDiff():
                axis = self.axes.index(str(e.args[1]))
                return [(e.args[0], self._widened(reach, axis, self.order // 2 - 1), axis)]
            case op.KernelAdjoint():
                own = own_radius(e, self.order, self.axes, self.meanings)
                self._note(e.args[2], own)
                further = tuple(r + s for r, s in zip(reach, own, strict=True))
                return [(e.args[1], further if self.transposed else (0,) * len(self.axes), None)]
            case op.Nonlocal() | op.NonlocalConvolution():
                return [(e.args[1], self._summed(reach, e.args[2:]), None)]
            case _ if isinstance(e, REDUCING):
                return [(e.args[0], self._summed(reach, e.args[1:]), None)]
            case _:
                own = own_radius(e, self.order, self.axes, self.meanings)
                inner = tuple(r + s for r, s in zip(reach, own, strict=True))
                return [(a, inner, None) for a in values(e)]

    def _note(self, symbol: sp.Expr, reach: Reach) -> None:
        if isinstance(self.meanings.get(symbol), Unknown):
            for axis, r in zip(self.axes, reach, strict=True):
                if r:
                    self.found[symbol, axis] = max(r, self.found.get((symbol, axis), 0))

    def _summed(self, reach: Reach, over: Iterable[sp.Expr]) -> Reach:
        names = {str(x) for x in over}
        return tuple(0 if a in names else r for a, r in zip(self.axes, reach, strict=True))

    def _widened(self, reach: Reach, axis: int, by: int) -> Reach:
        return tuple(r + by if k == axis else r for k, r in enumerate(reach))
