"""Axes, where a value is taken, and what does not change while a problem is marched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from npde.model.problem import Field, LearnedClosure, LearnedCoefficient, LearnedStencil, Let, Problem

Array = np.ndarray


@dataclass(frozen=True)
class Axis:
    """A space coordinate with its cells: x_j = a + j h where periodic, else a + (j + 1/2) h."""

    name: str
    lower: float
    upper: float
    cells: int
    periodic: bool

    @property
    def spacing(self) -> float:
        return (self.upper - self.lower) / self.cells

    def at_cells(self, pad: int) -> Array:
        """Positions of the cells and `pad` ghosts on both sides; wrapped where periodic."""
        index = np.arange(-pad, self.cells + pad)
        if self.periodic:
            return self.lower + (index % self.cells) * self.spacing
        return self.lower + (index + 0.5) * self.spacing

    def at_faces(self, pad: int) -> Array:
        """Positions of the faces, face f between cells f - 1 and f, and `pad` faces beyond the outer ones."""
        index = np.arange(-pad, self.cells + 1 + pad)
        if self.periodic:
            return self.lower + ((index - 0.5) % self.cells) * self.spacing
        return self.lower + index * self.spacing

    def cell_index(self, index: Array) -> Array:
        """Cell numbers of an array without ghosts: wrapped where periodic, else the nearest cell."""
        return index % self.cells if self.periodic else np.clip(index, 0, self.cells - 1)


@dataclass(frozen=True)
class Where:
    """Where a value is taken; `wall` is (axis, position) at a side."""

    pads: tuple[int, ...]
    face: int | None = None
    wall: tuple[int, float] | None = None

    def padded(self, axis: int, by: int) -> Where:
        """The same with more ghosts along an axis."""
        return replace(self, pads=tuple(p + by * (i == axis) for i, p in enumerate(self.pads)))

    def without(self, axes: set[int]) -> Where:
        """The same at the bare cells of some axes."""
        pads = tuple(0 if i in axes else p for i, p in enumerate(self.pads))
        return Where(pads, None if self.face in axes else self.face, self.wall)


@dataclass(frozen=True)
class Setting:
    """What does not change while a problem is marched."""

    problem: Problem
    learned: Mapping[str, Array]
    inputs: Mapping[str, Array]

    @cached_property
    def axes(self) -> tuple[Axis, ...]:
        cells = dict(self.problem.numerics.cells)
        periodic = self.problem.periodic
        return tuple(
            Axis(c.name, float(c.lower), float(c.upper), cells[c.name], c.name in periodic) for c in self.problem.space
        )

    @cached_property
    def number(self) -> dict[str, int]:
        return {a.name: i for i, a in enumerate(self.axes)}

    @property
    def order(self) -> int:
        return self.problem.numerics.order

    @cached_property
    def lets(self) -> dict[str, Let]:
        return {d.name: d for d in self.problem.lets}

    @cached_property
    def declared(self) -> dict[str, LearnedCoefficient | LearnedStencil | LearnedClosure]:
        return {d.name: d for d in self.problem.learned}

    @cached_property
    def fields(self) -> dict[str, Field]:
        return {f.name: f for f in self.problem.fields}

    @property
    def inside(self) -> Where:
        return Where((0,) * len(self.axes))


def interior_cells(order: int) -> int:
    """q: cells that a ghost polynomial passes through."""
    return 1 if order == 2 else order
