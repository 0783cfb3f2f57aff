"""The matrix of studies: every operator at every order that is claimed, on every kind of wall, in every dimension."""

from __future__ import annotations

from collections.abc import Iterator

from tests.convergence.convergence_space import KINDS, OPERATORS, Case
from tests.convergence.convergence_time import Study, studies

QUICK = {"lap", "advection", "wave"}
"""Operators whose line is part of the default suite; the plane and the others are slow."""

LIMITS: dict[tuple[str, int, str], str] = {
    ("nested", 2, "neumann"): "nested first derivatives next to a wall with a slope are of first order",
    ("nested", 2, "robin"): "nested first derivatives next to a wall with a slope are of first order",
}
"""What is known to fall short of its order; stated in docs/numerics.md. Left out of the matrix, shown by the table."""

COARSE = {("flux plane", 6, 2), ("flux plane", 2, 2), ("power", 6, 2), ("wave", 6, 1), ("gated", 6, 3)}
"""(operator, order, dimension) whose grids are too coarse, or too near rounding, to show the order within the band: seen orders
are within 0.4 of the claim and rising. They are shown by the table and not judged."""


def space_cases() -> Iterator[Case]:
    """Cases with the same kind of wall all around."""
    for name, operator in OPERATORS.items():
        for dimension in operator.dimensions:
            for kind in KINDS:
                for order in (2, 4, 6) if kind == "periodic" else operator.walls:
                    if (name, order, kind) in LIMITS or (name, order, dimension) in COARSE:
                        continue
                    slow = name not in QUICK or dimension > 1
                    yield Case(
                        operator, order, ((kind, kind),) * dimension, slow and not (name == "lap" and dimension == 2)
                    )


def time_studies() -> Iterator[Study]:
    """Every scheme on every kind of problem."""
    yield from studies()
