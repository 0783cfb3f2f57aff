"""The derivative of the rates along the state, frozen at sample cells: one walk, two ways to carry neighbors.

On periodic axes a perturbation is a wave and every stencil a number (`Waves`); across a bounded axis it is a vector of N
cells whose ghost cells follow from it (`Line`). Tangents are `[components, …, unknown channels or columns]`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any, Protocol

import numpy as np
import sympy as sp

from npde.discretize import stencils
from npde.discretize.numeric import Array, Pointwise, Unknown
from npde.discretize.samples import Samples
from npde.discretize.scheme import Stencil
from npde.model.problem import LearnedStencil
from npde.symbolic import operators as op
from npde.symbolic.calculus import REDUCING
from npde.symbolic.system import Unknown as UnknownArray

Tangent = Any
"""What a `Backend` makes; None stands for zero."""


class Backend(Protocol):
    """How perturbations and stencils are represented."""

    def unknown(self, symbol: sp.Symbol) -> Tangent: ...

    def scale(self, coefficient: Array, tangent: Tangent) -> Tangent: ...

    def add(self, tangents: Sequence[Tangent]) -> Tangent: ...

    def stencil(self, tangent: Tangent, axis: int, stencil: Stencil) -> Tangent: ...

    def transposed(self, tangent: Tangent, axis: int, stencil: Stencil, closing: sp.Symbol) -> Tangent: ...

    def to_face(self, tangent: Tangent, axis: int, stencil: Stencil) -> Tangent: ...

    def from_face(self, tangent: Tangent, axis: int, stencil: Stencil) -> Tangent: ...

    def reduce(self, tangent: Tangent, axes: Sequence[int], measure: float) -> Tangent: ...

    def components(self, tangent: Tangent, which: Sequence[int]) -> Tangent: ...

    def stack(self, tangents: Sequence[Tangent]) -> Tangent: ...

    def mix(self, matrix: Array, tangent: Tangent) -> Tangent: ...


@dataclass
class Linearizer:
    """Tangents of expressions over `samples`, restricted to the samples `chosen`."""

    samples: Samples
    chosen: Array
    backend: Backend
    _memo: dict[tuple[sp.Expr, int | None], Tangent] = field(default_factory=dict)

    def tangent(self, e: sp.Expr, face: int | None = None) -> Tangent:
        """δe, on the faces across axis `face` if given; None if it is zero.

        Raises:
            Unknown: it needs a value that is not known yet.
        """
        key = (e, face)
        if key not in self._memo:
            self._memo[key] = self._find(e, face)
        return self._memo[key]

    def value(self, e: sp.Expr) -> Array:
        """The frozen value of an expression at the chosen samples."""
        whole = self.samples.value(e)
        return whole[..., self.chosen] if whole.shape[-1] > 1 else whole

    def _find(self, e: sp.Expr, face: int | None) -> Tangent:
        if not any(isinstance(self.samples.meanings.get(s), UnknownArray) for s in e.free_symbols):
            return None
        if isinstance(e, sp.Add):
            return self._sum([self.tangent(a, face) for a in e.args])
        if isinstance(e, sp.Mul):
            return self._product(e, face)
        if isinstance(e, op.Where):
            return self._where(e, face)
        if isinstance(e, sp.Symbol | op.GridOperator):
            return self._leaf(e, face)
        return self._sum([self._scaled(self._slope(e, k), self.tangent(a, face)) for k, a in enumerate(e.args)])

    def _slope(self, e: sp.Expr, k: int) -> sp.Expr:
        if isinstance(e, sp.Pow):
            base, exponent = e.args
            return exponent * sp.Pow(base, exponent - 1) if k == 0 else e * sp.log(base)
        return e.fdiff(k + 1)

    def _sum(self, parts: Sequence[Tangent]) -> Tangent:
        present = [p for p in parts if p is not None]
        return self.backend.add(present) if present else None

    def _scaled(self, coefficient: sp.Expr, tangent: Tangent) -> Tangent:
        return None if tangent is None else self.backend.scale(self.value(coefficient), tangent)

    def _product(self, e: sp.Expr, face: int | None) -> Tangent:
        """Σ_k δa_k Π_{j≠k} a_j, the products of the others from the left and from the right."""
        moved = [self.tangent(a, face) for a in e.args]
        present = [k for k, m in enumerate(moved) if m is not None]
        if len(present) == 1:
            k = present[0]
            rest = sp.Mul(*e.args[:k], *e.args[k + 1 :])
            return self._scaled(rest, moved[k])
        if not present:
            return None
        values = [self.value(a) for a in e.args]
        one = np.ones((1, 1))
        left = list(accumulate(values[:-1], np.multiply, initial=one))
        right = list(accumulate(values[:0:-1], np.multiply, initial=one))[::-1]
        return self.backend.add([self.backend.scale(left[k] * right[k], moved[k]) for k in present])

    def _where(self, e: sp.Expr, face: int | None) -> Tangent:
        holds = self.value(e.args[0]).astype(float)
        parts = []
        for weight, branch in ((holds, e.args[1]), (1 - holds, e.args[2])):
            moved = self.tangent(branch, face)
            if moved is not None:
                parts.append(self.backend.scale(weight, moved))
        return self._sum(parts)

    # --- operators ----------------------------------------------------------------------------------------------------

    def _leaf(self, e: sp.Expr, face: int | None) -> Tangent:
        match e:
            case op.Component():
                inner = self.tangent(e.args[0], face)
                return None if inner is None else self.backend.components(inner, [int(e.args[1])])
            case op.Stack():
                return self._stack(e, face)
            case op.MatVec():
                inner = self.tangent(e.args[1], face)
                return None if inner is None else self.backend.mix(self.samples.matrix(e.args[0]), inner)
            case op.DotProduct():
                return self._dot(e, face)
            case op.ClosureApply():
                self.samples.notes[f"the network '{e.args[0]}' starts at zero"] = None
                return None
            case _ if face is not None:
                return self._on_face(e, face)
            case sp.Symbol():
                return self.backend.unknown(e)
            case _:
                return self._neighbors(e)

    def _stack(self, e: sp.Expr, face: int | None) -> Tangent:
        parts = [self.tangent(a, face) for a in e.args]
        some = next((p for p in parts if p is not None), None)
        if some is None:
            return None
        zero = self.backend.scale(np.zeros((1, 1)), some)
        return self.backend.stack([zero if p is None else p for p in parts])

    def _dot(self, e: sp.Expr, face: int | None) -> Tangent:
        a, b = e.args
        parts = []
        for moved, kept in ((self.tangent(a, face), b), (self.tangent(b, face), a)):
            if moved is not None:
                scaled = self.backend.scale(self.value(kept), moved)
                parts.append(self.backend.mix(np.ones((1, 1, 1)), scaled))
        return self._sum(parts)

    def _on_face(self, e: sp.Expr, face: int) -> Tangent:
        order = self.samples.order
        own = self.samples.names[face]
        if isinstance(e, op.Diff) and str(e.args[1]) == own and e.args[2] == 1:
            inner, stencil = self.tangent(e.args[0]), stencils.staggered(order)
        else:
            inner, stencil = self.tangent(e), stencils.interpolation(order)
        return None if inner is None else self.backend.to_face(inner, face, stencil)

    def _neighbors(self, e: sp.Expr) -> Tangent:
        order = self.samples.order
        if isinstance(e, op.FaceDiff):
            axis = self.samples.names.index(str(e.args[1]))
            flux = self.tangent(e.args[0], axis)
            return None if flux is None else self.backend.from_face(flux, axis, stencils.staggered(order))
        if isinstance(e, op.FluxDissipation):
            return self._dissipation(e)
        if isinstance(e, op.KernelApply | op.KernelAdjoint):
            return self._kernel(e)
        if isinstance(e, op.Nonlocal | op.NonlocalConvolution):
            return self._nonlocal(e)
        inner = self.tangent(e.args[0])
        if inner is None:
            return None
        if isinstance(e, op.Diff):
            axis = self.samples.names.index(str(e.args[1]))
            return self.backend.stencil(inner, axis, stencils.centered(int(e.args[2]), order))
        if isinstance(e, op.Biased):
            axis = self.samples.names.index(str(e.args[1]))
            return self.backend.stencil(inner, axis, stencils.biased(int(e.args[2]), int(e.args[3])))
        if isinstance(e, op.Lap):
            second = stencils.centered(2, order)
            return self._sum([self.backend.stencil(inner, k, second) for k in range(len(self.samples.names))])
        if isinstance(e, REDUCING):
            over = [self.samples.names.index(str(x)) for x in e.args[1:]]
            return self.backend.reduce(inner, over, self.samples.measure(e, over))
        raise Unknown(type(e).__name__)

    def _dissipation(self, e: sp.Expr) -> Tangent:
        """Speeds are frozen, so that they may stand outside."""
        inner = self.tangent(e.args[1])
        if inner is None:
            return None
        axis = self.samples.names.index(str(e.args[2]))
        at_face = self.backend.to_face(inner, axis, stencils.dissipation(int(e.args[3])))
        return self.backend.scale(self.value(e.args[0]), self.backend.from_face(at_face, axis, stencils.staggered(2)))

    def _kernel(self, e: sp.Expr) -> Tangent:
        """A learned stencil that starts from an operator, or its transpose."""
        meaning = self.samples.meanings.get(e.args[0])
        if not isinstance(meaning, LearnedStencil) or meaning.start is None:
            raise Unknown(str(e.args[0]))
        inner = self.tangent(e.args[1])
        if inner is None:
            return None
        if meaning.start == "lap":
            orders = [[2 if k == j else 0 for k in range(len(meaning.extents))] for j in range(len(meaning.extents))]
        else:
            orders = [[meaning.start[1:].count(name) for name in self.samples.names]]
        closing = e.args[2] if isinstance(e, op.KernelAdjoint) else None
        return self._sum([self._powers(inner, powers, meaning, closing) for powers in orders])

    def _powers(
        self, tangent: Tangent, powers: Sequence[int], meaning: LearnedStencil, closing: sp.Symbol | None
    ) -> Tangent:
        for axis, m in enumerate(powers):
            if m and closing is None:
                tangent = self.backend.stencil(tangent, axis, widest(m, meaning.extents[axis]))
            elif m:
                tangent = self.backend.transposed(tangent, axis, widest(m, meaning.extents[axis]), closing)
        return tangent

    def _nonlocal(self, e: sp.Expr) -> Tangent:
        """A kernel in closed form counts with its largest row sum, whatever the wave number: an estimate, and noted as one."""
        inner = self.tangent(e.args[1])
        if inner is None:
            return None
        gain = _row_sum(e, self.samples)
        self.samples.notes["nonlocal terms enter by the largest row sum of their kernel"] = None
        return self.backend.scale(np.array([[gain]]), inner)


def widest(derivative: int, extent: int) -> Stencil:
    """The most accurate centered stencil of a derivative that fits into a learned stencil."""
    fitting = [p for p in (2, 4, 6) if stencils.radius(derivative, p) <= extent // 2]
    return stencils.centered(derivative, max(fitting, default=2))


def _row_sum(e: sp.Expr, samples: Samples) -> float:
    """∫ W(x, x') dx' where it is largest, by a midpoint sum of 32 points an axis."""
    kernel = e.args[0]
    over = [samples.names.index(str(x)) for x in e.args[2:]]
    if kernel in samples.meanings:
        if kernel.name not in samples.starts:
            raise Unknown(kernel.name)
        kernel = samples.starts[kernel.name]
    volume, points = 1.0, []
    for k in over:
        axis = samples.grid.axes[k]
        length = float(axis.upper - axis.lower)
        points.append(float(axis.lower) + (np.arange(32) + 0.5) * length / 32)
        volume *= length / 32
    mesh = [m.reshape(-1) for m in np.meshgrid(*points, indexing="ij")]
    best = 0.0
    for position in range(0, len(mesh[0]), max(1, len(mesh[0]) // 8)):
        total = _kernel_sum(e, kernel, samples, mesh, position)
        best = total * volume if abs(total * volume) > abs(best) else best
    return best


def _kernel_sum(e: sp.Expr, kernel: sp.Expr, samples: Samples, mesh: Sequence[Array], position: int) -> float:
    values: dict[sp.Symbol, Array] = {}
    for x, points in zip(e.args[2:], mesh, strict=True):
        values[op.primed(x)] = points[None, :]
        values[x] = points[None, :] if isinstance(e, op.NonlocalConvolution) else points[position][None, None]
    for s in kernel.free_symbols - set(values):
        values[s] = samples.value(s)[..., :1]
    return float(np.broadcast_to(Pointwise(values)(kernel), (1, len(mesh[0]))).sum())
