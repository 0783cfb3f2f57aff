"""Values of coefficients and of the initial state at sample cells, the same number whatever the grid.

Learned values stand at their starts (or at an end of their interval), the state at its initial data. Derivatives of the
state are its differences on the real grid, taken at the sample cells only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction

import numpy as np
import sympy as sp

from npde.diagnostics import InternalError
from npde.discretize import stencils
from npde.discretize.numeric import Array, Unknown, ascending, pointwise
from npde.discretize.scheme import Grid, Stencil
from npde.discretize.stretching import stretch_values
from npde.model.problem import Input, LearnedClosure, LearnedCoefficient, LearnedStencil
from npde.symbolic import operators as op
from npde.symbolic.calculus import REDUCING
from npde.symbolic.system import CoordinateMeaning, System
from npde.symbolic.system import Unknown as UnknownArray

COUNTS = {0: 1, 1: 257, 2: 33, 3: 11}
"""Sample cells along an axis, by the number of axes."""

GOLDEN = 0.6180339887498949

Shift = tuple[int, ...]


@dataclass
class Samples:
    """Values `[components, samples]` of expressions of a system at sample cells; one sample where nothing varies.

    `fixed` gives learned coefficients another value than their start, `time` the marching coordinate, `state` unknowns other
    values than their initial ones, the same on all sides of a cell.
    """

    system: System
    grid: Grid
    order: int
    fixed: Mapping[str, float] = field(default_factory=dict)
    time: float = 0.0
    state: Mapping[sp.Symbol, Array] = field(default_factory=dict)
    notes: dict[str, None] = field(default_factory=dict)
    _memo: dict[tuple[sp.Expr, Shift], Array] = field(default_factory=dict)

    def __post_init__(self) -> None:
        axes = self.grid.axes
        count = COUNTS[len(axes)]
        cells = [ascending(np.linspace(0, a.cells - 1, min(a.cells, count)).round()) for a in axes]
        self.shape = tuple(len(c) for c in cells)
        mesh = np.meshgrid(*cells, indexing="ij") if axes else []
        self.cells = [m.reshape(-1) for m in mesh]
        self.meanings = dict(self.system.symbols)
        self.starts = dict(self.system.starts)
        self.initial = dict(zip((u.symbol for u in self.system.unknowns), self.system.initial, strict=True))
        self.names = [a.name for a in axes]
        self.here: Shift = (0,) * len(axes)

    def value(self, e: sp.Expr, shift: Shift | None = None) -> Array:
        """The value of an expression, `shift` cells from the sample cells.

        Raises:
            Unknown: it holds a random start or an input.
        """
        at = self.here if shift is None else shift
        key = (e, at)
        if key not in self._memo:
            self._memo[key] = self._value(e, at)
        return self._memo[key]

    def _value(self, e: sp.Expr, at: Shift) -> Array:
        if isinstance(e, sp.Symbol):
            return self._symbol(e, at)
        if isinstance(e, op.GridOperator):
            return self._operator(e, at)
        if isinstance(e, sp.Number | sp.NumberSymbol):
            return np.array([[float(e)]])
        return pointwise(e, [self.value(a, at) for a in e.args])

    # --- symbols ------------------------------------------------------------------------------------------------------

    def _symbol(self, s: sp.Symbol, at: Shift) -> Array:
        match self.meanings.get(s):
            case CoordinateMeaning(name=name, primed=False):
                return self._position(name, at)
            case UnknownArray():
                return self.state[s] if s in self.state else self.value(self.initial[s], at)
            case LearnedCoefficient(name=name) if name in self.fixed:
                return np.array([[self.fixed[name]]])
            case LearnedCoefficient(name=name):
                if name not in self.starts:
                    raise Unknown(name)
                return self.value(self.starts[name], at)
            case Input(name=name) | LearnedStencil(name=name) | LearnedClosure(name=name):
                raise Unknown(name)
            case _:
                raise InternalError(f"'{s}' has no value")

    def _position(self, name: str, at: Shift) -> Array:
        if name not in self.names:
            return np.array([[self.time]])
        k = self.names.index(name)
        axis = self.grid.axes[k]
        cell = self.cells[k] + at[k]
        if axis.periodic:
            cell = np.mod(cell, axis.cells)
        return (float(axis.first) + cell * float(axis.spacing))[None, :]

    # --- operators ----------------------------------------------------------------------------------------------------

    def _operator(self, e: sp.Expr, at: Shift) -> Array:
        match e:
            case op.Diff():
                return self._difference(e.args[0], str(e.args[1]), stencils.centered(int(e.args[2]), self.order), at)
            case op.FaceDiff():
                return self._difference(e.args[0], str(e.args[1]), stencils.centered(1, 2), at)
            case op.Biased():
                return self._difference(e.args[0], str(e.args[1]), stencils.biased(int(e.args[2]), int(e.args[3])), at)
            case op.FluxDissipation():
                return self._dissipation(e, at)
            case op.Lap():
                second = stencils.centered(2, self.order)
                parts = [self._difference(e.args[0], name, second, at) for name in self.names]
                return sum(parts[1:], parts[0])
            case op.Hold():
                return self.value(e.args[0], at)
            case op.Stretch():
                return stretch_values(e, self.value(e.args[0], at))
            case op.Component():
                whole = self.value(e.args[0], at)
                return whole[int(e.args[1])][None] if len(whole) > 1 else whole
            case op.Stack():
                parts = [self.value(a, at) for a in e.args]
                count = max(p.shape[-1] for p in parts)
                return np.concatenate([np.broadcast_to(p, (1, count)) for p in parts])
            case op.MatVec():
                return np.einsum(
                    "ocs,cs->os", *np.broadcast_arrays(self.matrix(e.args[0]), self.value(e.args[1], at)[None])
                )
            case op.DotProduct():
                return (self.value(e.args[0], at) * self.value(e.args[1], at)).sum(axis=0, keepdims=True)
            case op.ClosureApply():
                self.notes[f"the network '{e.args[0]}' starts at zero"] = None
                return np.zeros((1, 1))
            case op.NoiseOf():
                return self._noise(e, at)
            case _ if isinstance(e, REDUCING):
                return self._reduced(e, at)
            case _:
                raise Unknown(str(e.args[0]))

    def matrix(self, e: sp.Expr) -> Array:
        """The value `[rows, columns, 1 or samples]` of a learned matrix."""
        name = str(e)
        if name not in self.starts:
            raise Unknown(name)
        start = self.starts[name]
        rows = start.args if isinstance(start, op.Stack) else (start,)
        return np.stack([self.value(row) for row in rows])

    def _difference(self, e: sp.Expr, name: str, stencil: Stencil, at: Shift) -> Array:
        k = self.names.index(name)
        h = float(self.grid.axes[k].spacing)
        parts = []
        for offset, weight in zip(stencil.offsets, stencil.weights, strict=True):
            if weight:
                moved = tuple(a + int(offset) if i == k else a for i, a in enumerate(at))
                parts.append(float(weight) / h**stencil.derivative * self.value(e, moved))
        return sum(parts[1:], parts[0])

    def _dissipation(self, e: sp.Expr, at: Shift) -> Array:
        """With the speed of the cell."""
        order = int(e.args[3])
        scale = sum(abs(w) for w in stencils.dissipation(order).weights) * 2
        highest = stencils.centered(order + 1, 2)
        power = Fraction(*(float(self.grid.axes[self.names.index(str(e.args[2]))].spacing) ** order).as_integer_ratio())
        signed = (-1) ** ((order - 1) // 2) * scale / 2 ** (order + 1) * power
        stencil = replace(highest, weights=tuple(signed * w for w in highest.weights))
        return self.value(e.args[0], at) * self._difference(e.args[1], str(e.args[2]), stencil, at)

    def _noise(self, e: sp.Expr, at: Shift) -> Array:
        """Values spread over ±amplitude, both ends among them; not those of the real noise, whose range they have."""
        seed, amplitude, count = int(e.args[0]), e.args[1], int(e.args[2])
        index = np.arange(max(1, int(np.prod(self.shape))))
        steps = sum((7 * k + 1) * s for k, s in enumerate(at))
        unit = np.stack([np.mod((index + 1 + 31 * seed + 17 * steps + 5 * c) * GOLDEN, 1.0) for c in range(count)])
        unit = 2 * unit - 1
        unit[:, 0], unit[:, -1] = -1.0, 1.0
        return self.value(amplitude, at) * unit

    def _reduced(self, e: sp.Expr, at: Shift) -> Array:
        inner = self.value(e.args[0], at)
        over = [self.names.index(str(x)) for x in e.args[1:]]
        if inner.shape[-1] > 1:
            whole = inner.reshape(len(inner), *self.shape)
            mean = whole.mean(axis=tuple(1 + k for k in over), keepdims=True)
            inner = np.broadcast_to(mean, whole.shape).reshape(len(inner), -1)
        return inner * self.measure(e, over)

    def measure(self, e: sp.Expr, over: list[int]) -> float:
        """What a sum of ones over the axes gives: length, 1 or cells."""
        factor = 1.0
        for k in over:
            axis = self.grid.axes[k]
            length: Fraction | float = axis.upper - axis.lower
            factor *= float(length) if isinstance(e, op.IntegralOf) else axis.cells if isinstance(e, op.SumOf) else 1.0
        return factor
