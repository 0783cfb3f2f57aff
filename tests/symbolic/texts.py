"""Short problems for the tests of the symbolic and the numerical stage."""

from __future__ import annotations

from npde import model, symbolic, syntax
from npde.model import Problem
from npde.source import Source
from npde.symbolic import System


def heat(
    equation: str = "dt(u) = dxx(u)",
    *,
    declare: str = "",
    field: str = "u(x, t)",
    coordinates: str = "x in [0, 1], t in [0, 1]",
    boundary: str = "periodic",
    initial: str = "initial u = 0",
    grid: str = "x: 32",
    march: str = "rk4, steps: 100000",
    more: str = "",
) -> str:
    """A model whose parts can be replaced; equations and declarations may have several lines."""
    return (
        f"model m\ncoordinates {coordinates}\nfield {field}\n{declare}\n{equation}\nboundary {boundary}\n{initial}\n"
        + (f"grid {grid}\n" if grid else "")
        + f"march {march}\n{more}\n"
    )


def problem(text: str) -> Problem:
    """The checked problem of a text."""
    return model.build(syntax.parse(Source("<test>", text)))


def system(text: str) -> System:
    """The canonical form of a text."""
    return symbolic.build(problem(text))


def rates(text: str) -> list[str]:
    """The right-hand sides of a text, printed."""
    return [str(rate) for rate in system(text).rates]
