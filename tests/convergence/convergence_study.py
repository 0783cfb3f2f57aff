"""What a convergence study is: errors on ever finer grids or steps, and the order seen in the finest pair above rounding."""

from __future__ import annotations

from dataclasses import dataclass
from math import log, nan
from typing import Protocol

ROUNDING = 2e-12
"""Errors below this, relative to the solution, may be rounding: pairs with one of them are not judged."""

NAME = 76
"""Columns of a name."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: what was refined, how often, and what came out. `sizes` are cells along x, or steps."""

    name: str
    sizes: tuple[int, ...]
    errors: tuple[float, ...]
    claim: int
    slack: float

    @property
    def order(self) -> float:
        """The order seen in the finest pair above rounding; nan if fewer than three sizes are above it."""
        above = [k for k, e in enumerate(self.errors) if e > ROUNDING]
        if len(above) < 3:
            return nan
        a, b = above[-2:]
        return log(self.errors[a] / self.errors[b]) / log(self.sizes[b] / self.sizes[a])

    @property
    def holds(self) -> bool:
        """Whether the observed order is at least the claim, less the slack."""
        return self.order >= self.claim - self.slack

    def line(self) -> str:
        """The row as text."""
        errors = " ".join(f"{e:.0e}".replace("e-0", "e-") for e in self.errors)
        return (
            f"{self.name:<{NAME}.{NAME}} {errors:<23}  {self.order:5.2f}  {self.claim}  {'ok' if self.holds else 'LOW'}"
        )


class Study(Protocol):
    """What makes a row."""

    slow: bool

    @property
    def name(self) -> str: ...

    def row(self) -> Row: ...


def title_line(title: str) -> str:
    """The first line of a table."""
    return f"{title:<{NAME}} {'errors, refined':<23}   seen  of"


def tail(held: int, total: int) -> str:
    """The last line of a table: it counts."""
    return f"{held} of {total} hold"
