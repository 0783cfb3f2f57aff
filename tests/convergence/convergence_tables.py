"""The tables of studies by title."""

from __future__ import annotations

from functools import cache

import torch

from tests.convergence.convergence_space import cases
from tests.convergence.convergence_steady import studies as steady
from tests.convergence.convergence_study import Row, Study
from tests.convergence.convergence_time import studies

TITLES = ("space", "time", "steady")


@cache
def studies_of(title: str) -> tuple[Study, ...]:
    """The rows of a table, in order."""
    return tuple({"space": cases, "time": studies, "steady": steady}[title]())


def row(place: tuple[str, int]) -> Row:
    """The study at a place, done in a process of its own."""
    torch.set_num_threads(1)
    title, index = place
    return studies_of(title)[index].row()
