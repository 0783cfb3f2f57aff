"""Models that the tests of files are about."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from npde import model, syntax
from npde.model import Problem
from npde.source import Source

HEAT = """model heat
coordinates x in [0, 1], y in [0, 2], t in [0, 1]
field u(x, y, t)
learn D = 0.1 > 0
dt(u) = D*lap(u)
boundary x: periodic
boundary y = 0: u = 0
boundary y = 2: u = 0
initial u = 0
grid x: 4, y: 6
march euler, steps: 10
"""


@pytest.fixture(scope="session")
def problem_of() -> Callable[[str], Problem]:
    """The checked problem of a text."""
    return lambda text: model.build(syntax.parse(Source("m.npde", text)))


@pytest.fixture(scope="session")
def heat(problem_of: Callable[[str], Problem]) -> Problem:
    """u(x, y, t), x periodic on [0, 1] with 4 cells, y bounded on [0, 2] with 6."""
    return problem_of(HEAT)
