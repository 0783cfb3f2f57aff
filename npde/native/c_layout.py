"""Where the entries of padded arrays lie in memory."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from npde.native.c_expression import Real

LINE = 64
"""Bytes of a cache line; rows of cells start at multiples of it."""

CHUNK = 2048
"""Cells of a one-dimensional grid that are one piece of work."""


@dataclass(frozen=True)
class Layout:
    """Padded arrays of one sample: `grid` cells, `margins` beyond them (lower, upper) along each axis."""

    grid: tuple[int, ...]
    margins: tuple[tuple[int, int], ...]
    real: Real

    @property
    def lanes(self) -> int:
        """Entries of a cache line."""
        return LINE // (4 if self.real == "float" else 8)

    def lower(self, axis: int) -> int:
        """Entries before cell 0."""
        margin = self.margins[axis][0]
        return _up(margin, self.lanes) if axis == len(self.grid) - 1 else margin

    def extent(self, axis: int) -> int:
        """All entries along an axis. Along the fastest: from one row to the next, whose lower margin lies at the end of this one's
        padding; an odd number of lines, so that rows do not meet in the same sets of a cache."""
        total = sum(self.margins[axis]) + self.grid[axis]
        return (-(-total // self.lanes) | 1) * self.lanes if axis == len(self.grid) - 1 else total

    def strides(self, varies: tuple[bool, ...]) -> tuple[int, ...]:
        """Distance of neighbors along each axis; 0 where an array does not vary."""
        found = []
        for axis, v in enumerate(varies):
            behind = [self.extent(a) for a in range(axis + 1, len(varies)) if varies[a]]
            found.append(prod(behind) if v else 0)
        return tuple(found)

    def origin(self, varies: tuple[bool, ...]) -> int:
        """Position of cell (0, …, 0)."""
        return sum(self.lower(a) * s for a, s in enumerate(self.strides(varies)))

    def size(self, varies: tuple[bool, ...]) -> int:
        """Entries of an array, a whole number of cache lines: the lower margin of the first row, then all rows, and vectors may
        read the line behind the last cell."""
        rows = prod(self.extent(a) for a, v in enumerate(varies) if v)
        return _up(rows, self.lanes) + self.lower(len(self.grid) - 1) + self.lanes

    @property
    def padded(self) -> int:
        """Entries of an array that varies along all axes."""
        return self.size((True,) * len(self.grid))

    @property
    def parts(self) -> int:
        """Entries of an array that holds a double for each piece of work."""
        return _up(self.units * (2 if self.real == "float" else 1), self.lanes)

    @property
    def cells(self) -> int:
        return prod(self.grid)

    @property
    def units(self) -> int:
        """Pieces of work of a sweep: rows (planes) along the slowest axis, or chunks of a line."""
        return self.grid[0] if len(self.grid) > 1 else -(-self.grid[0] // CHUNK)


def _up(n: int, multiple: int) -> int:
    return -(-n // multiple) * multiple
