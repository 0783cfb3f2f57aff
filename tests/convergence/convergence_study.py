"""What a convergence study is: errors on ever finer grids or steps, and the order seen in the finest pair above rounding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log

ROUNDING = 2e-12
"""Errors below this, relative to the solution, may be rounding: pairs with one of them are not judged."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: what was refined, how often, and what came out. `sizes` are cells an axis, or steps."""

    name: str
    sizes: tuple[int, ...]
    errors: tuple[float, ...]
    claim: int
    slack: float

    @property
    def pair(self) -> tuple[int, int] | None:
        """The finest pair above rounding; None if fewer than three sizes are above it."""
        above = [k for k, e in enumerate(self.errors) if e > ROUNDING]
        return (above[-2], above[-1]) if len(above) >= 3 else None

    @property
    def order(self) -> float:
        """The observed order; nan if there is no pair."""
        if self.pair is None:
            return float("nan")
        a, b = self.pair
        return log(self.errors[a] / self.errors[b]) / log(self.sizes[b] / self.sizes[a])

    @property
    def holds(self) -> bool:
        """Whether the observed order is at least the claim, less the slack."""
        return self.order >= self.claim - self.slack

    def line(self) -> str:
        """The row as text."""
        errors = " ".join(f"{e:7.1e}" for e in self.errors)
        return f"{self.name:<58.58} {errors}  {self.order:5.2f} {self.claim} {'ok' if self.holds else 'LOW'}"


def header(name: str, count: int = 4) -> str:
    """The heads of the columns of `Row.line`."""
    errors = f"errors on {count} refinements"
    return f"{name:<58} {errors:<{8 * count - 1}}  {'seen':>5} claim"


def table(title: str, rows: Sequence[Row]) -> str:
    """A block of the printed table."""
    lines = [header(title), *(r.line() for r in rows)]
    return "\n".join(lines)
