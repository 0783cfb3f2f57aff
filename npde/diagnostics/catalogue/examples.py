"""Short `.npde` texts for the catalogue: a heat equation with some of its lines replaced."""

from __future__ import annotations


def heat(
    *,
    coordinates: str = "coordinates x in [0, 1], t in [0, 1]",
    field: str = "field u(x, t)",
    declare: str = "",
    equation: str = "dt(u) = dxx(u)",
    boundary: str = "boundary periodic",
    initial: str = "initial u = 0",
    grid: str = "grid x: 32",
    march: str = "march rk4, steps: 2000",
    more: str = "",
) -> str:
    """A whole model of about eight lines; an empty replacement leaves the line out."""
    lines = ("model heat", coordinates, field, declare, equation, boundary, initial, grid, march, more)
    return "".join(f"{line}\n" for line in lines if line)
