"""Observed orders against the claims: `python -m tests.convergence` prints the whole table."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.convergence.convergence_space import Case, cases
from tests.convergence.convergence_steady import Steady
from tests.convergence.convergence_steady import studies as steady
from tests.convergence.convergence_study import NAME
from tests.convergence.convergence_time import Study, studies

TIMES = list(studies())
SPACES = list(cases())
STEADY = list(steady())


@pytest.mark.parametrize("study", [s for s in TIMES if not s.slow], ids=lambda s: s.name)
def test_order_in_time(study: Study) -> None:
    row = study.row()
    assert row.holds, row.line()


@pytest.mark.slow
@pytest.mark.parametrize("study", [s for s in TIMES if s.slow], ids=lambda s: s.name)
def test_order_in_time_of_more_problems(study: Study) -> None:
    row = study.row()
    assert row.holds, row.line()


@pytest.mark.parametrize("case", [c for c in SPACES if not c.slow], ids=lambda c: c.name)
def test_order_in_space(case: Case) -> None:
    row = case.row()
    assert row.holds, row.line()


@pytest.mark.slow
@pytest.mark.parametrize("case", [c for c in SPACES if c.slow], ids=lambda c: c.name)
def test_order_in_space_of_more_operators(case: Case) -> None:
    row = case.row()
    assert row.holds, row.line()


@pytest.mark.parametrize("study", [s for s in STEADY if not s.slow], ids=lambda s: s.name)
def test_order_of_a_steady_problem(study: Steady) -> None:
    row = study.row()
    assert row.holds, row.line()


@pytest.mark.slow
@pytest.mark.parametrize("study", [s for s in STEADY if s.slow], ids=lambda s: s.name)
def test_order_of_more_steady_problems(study: Steady) -> None:
    row = study.row()
    assert row.holds, row.line()


def test_the_published_table_has_these_rows() -> None:
    """docs/convergence.md is renewed by `make verify`; its figures may be older than the code, its rows may not."""
    page = (Path(__file__).parents[2] / "docs" / "convergence.md").read_text(encoding="utf-8")
    _, *sections = page.split("\n## In ")
    tables = {"space": SPACES, "time": TIMES, "steady": STEADY}
    found = {}
    for section in sections:
        title, *lines = section.splitlines()
        found[title] = [line[:NAME].rstrip() for line in lines if line.endswith((" ok", " LOW"))]
    assert "space" in found
    for title, names in found.items():
        assert names == [s.name[:NAME].rstrip() for s in tables[title]]
    assert "LOW" not in page


def test_the_matrix_is_large_enough() -> None:
    assert len(TIMES) + len(SPACES) >= 200
    for order in (2, 4, 6):
        for kind in ("periodic", "dirichlet", "neumann", "robin"):
            for dimension in (1, 2):
                assert any(
                    c.order == order and c.dimension == dimension and all(p == (kind, kind) for p in c.kinds)
                    for c in SPACES
                ), (order, kind, dimension)
