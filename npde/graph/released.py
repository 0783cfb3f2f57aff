"""`--free kernels|layers`: stencils that become weights, started at their finite-difference values."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from itertools import product

import sympy as sp

from npde.discretize import stencils
from npde.discretize.scheme import Scheme, Stencil
from npde.graph.arrays import Released
from npde.graph.builder import identifier
from npde.graph.graph import Parameter
from npde.graph.layers import Tap
from npde.graph.names import Names, exact
from npde.model.problem import LearnedStencil

Box = tuple[tuple[tuple[int, ...], sp.Expr], ...]


def scale_of(scheme: Scheme, powers: tuple[int, ...]) -> sp.Expr:
    """h^m: what makes a difference kernel dimensionless."""
    out: sp.Expr = sp.Integer(1)
    for axis, power in zip(scheme.grid.axes, powers, strict=True):
        out *= exact(axis.spacing) ** power
    return out


def box(scheme: Scheme, taps: tuple[Tap, ...], extents: tuple[int, ...], scale: sp.Expr) -> Box:
    """Taps on their bounding box: index in the box → weight times `scale`."""
    values: dict[tuple[int, ...], sp.Expr] = {}
    for tap in taps:
        index = tuple(int(o) + e // 2 for o, e in zip(tap.offset, extents, strict=True))
        weight = exact(tap.weight) / scale_of(scheme, tap.powers) * scale
        values[index] = values.get(index, sp.Integer(0)) + weight
    return tuple(sorted(values.items()))


@dataclass
class Releaser:
    """Names released occurrences and remembers their weights; `stages` a step when untied (`layers`)."""

    scheme: Scheme
    names: Names
    steps: int | None
    stages: int | None
    order: dict[tuple[str, tuple[Tap, ...]], str] = field(default_factory=dict)

    def __call__(self, text: str, taps: tuple[Tap, ...], extents: tuple[int, ...]) -> Released:
        key = (text, taps)
        if key not in self.order:
            base = "kernel_" + identifier(text)
            taken = set(self.order.values())
            name = base if base not in taken else f"{base}_{len(taken)}"
            self.order[key] = name
            scale = scale_of(self.scheme, taps[0].powers)
            self.names.released[name] = Parameter(
                name, f"raw_{name}", "released", extents, (), self.steps, self.stages, None, None, scale, None,
                box(self.scheme, taps, extents, scale), 1, False,
            )  # fmt: skip
        return Released(self.order[key], text, taps, extents, self.steps is not None)


def start_taps(scheme: Scheme, kernel: LearnedStencil) -> tuple[Box, sp.Expr]:
    """The operator a learned stencil starts from, as taps on its extents, and its scale h^m."""
    dimension = len(scheme.grid.axes)
    names = [a.name for a in scheme.grid.axes]
    terms: list[tuple[int, ...]] = []
    if kernel.start == "lap":
        terms = [tuple(2 if i == j else 0 for j in range(dimension)) for i in range(dimension)]
    else:
        letters = (kernel.start or "")[1:]
        terms = [tuple(letters.count(n) for n in names)]
    taps: list[Tap] = []
    for powers in terms:
        parts = []
        for i, m in enumerate(powers):
            if m == 0:
                parts.append([(Fraction(0), Fraction(1))])
                continue
            stencil = _widest(m, kernel.extents[i])
            parts.append(list(zip(stencil.offsets, stencil.weights, strict=True)))
        for combination in product(*parts):
            weight = Fraction(1)
            for _, w in combination:
                weight *= w
            if weight:
                taps.append(Tap(tuple(o for o, _ in combination), weight, powers))
    scale = scale_of(scheme, taps[0].powers)
    return box(scheme, tuple(taps), kernel.extents, scale), scale


def _widest(derivative: int, extent: int) -> Stencil:
    """The most accurate centered stencil of a derivative that fits into an extent."""
    best = stencils.centered(derivative, 2)
    for order in (4, 6):
        candidate = stencils.centered(derivative, order)
        if max(int(abs(o)) for o in candidate.offsets) <= extent // 2:
            best = candidate
    return best
