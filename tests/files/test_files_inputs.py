"""Run-time inputs from files, constants, and other grids."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from npde.diagnostics import DiagnosticError
from npde.files.inputs import inputs
from npde.files.resize import resized
from npde.model import Problem

TEXT = """model m
coordinates x in [0, 1], t in [0, 1]
field u(x, t)
input s[2](t), g(x), level
dt(u) = dxx(u) + s[0] + s[1] + g + level
boundary dn(u) = 0
initial u = 0
grid x: 8
march euler, steps: 4
"""


@pytest.fixture(scope="module")
def problem(problem_of: Callable[[str], Problem]) -> Problem:
    """Three inputs: with a value a step, over space, and a number."""
    return problem_of(TEXT)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Data sets s, g, level for three samples, and g on another grid."""
    path = tmp_path / "d.h5"
    with h5py.File(path, "w") as target:
        target["s"] = np.arange(24.0).reshape(3, 4, 2)
        target["deep/g"] = np.arange(8.0)
        target["fine"] = np.arange(16.0)
        target["level"] = np.arange(3.0)
    return path


def test_constants_last_for_all_steps(problem: Problem) -> None:
    found = inputs(problem, {"s": "0.5", "g": "-1e-3", "level": "2"}, steps=4)
    assert list(found) == ["s", "g", "level"]
    assert found["s"].shape == (1, 4, 2)
    assert np.all(found["s"] == 0.5)
    assert found["g"].shape == (1, 8)
    assert found["level"].tolist() == [2.0]


def test_data_sets(problem: Problem, file: Path) -> None:
    found = inputs(problem, {"s": f"{file}:s", "g": f"{file}:deep/g", "level": str(file)}, steps=4)
    assert found["s"].shape == (3, 4, 2)
    assert found["g"].tolist() == [list(range(8))]
    assert found["level"].tolist() == [0, 1, 2]


def test_what_is_missing_or_unknown_is_named(problem: Problem, file: Path) -> None:
    with pytest.raises(DiagnosticError) as caught:
        inputs(problem, {"s": "1", "w": "1"}, steps=4)
    found = caught.value.diagnostics
    assert sorted(d.code for d in found) == ["N1009", "N1009", "N1014"]
    assert {TEXT[d.span.start : d.span.stop] for d in found if d.code == "N1009"} == {"g", "level"}
    assert "--input g=FILE.h5:g" in next(d.hint for d in found if TEXT[d.span.start] == "g")
    with pytest.raises(DiagnosticError, match="no data set 'q'"):
        inputs(problem, {"s": f"{file}:q", "g": "0", "level": "0"}, steps=4)
    with pytest.raises(DiagnosticError, match="cannot be opened"):
        inputs(problem, {"s": "none.h5:s", "g": "0", "level": "0"}, steps=4)
    with pytest.raises(DiagnosticError, match="not a finite number"):
        inputs(problem, {"s": "nan", "g": "0", "level": "0"}, steps=4)
    with pytest.raises(DiagnosticError, match=r"shape \[16\], but the model expects \[batch, 8\]"):
        inputs(problem, {"s": "0", "g": f"{file}:fine", "level": "0"}, steps=4)


def test_resize_puts_inputs_onto_the_grid(problem: Problem, file: Path) -> None:
    found = inputs(problem, {"s": "0", "g": f"{file}:fine", "level": "0"}, steps=4, resize=True)
    assert np.allclose(found["g"][0], np.arange(8) * 2 + 0.5)


@pytest.mark.parametrize("cells", [(5, 9), (16, 3), (7, 7), (1, 1)])
def test_resize_is_exact_on_linear_functions_inside(cells: tuple[int, int]) -> None:
    have = (7, 6)
    x, y = ((np.arange(n) + 0.5) / n for n in have)
    array = (2 * x[:, None] - 3 * y)[None, None]
    found = resized(array, 2, cells)[0, 0]
    new_x, new_y = ((np.arange(n) + 0.5) / n for n in cells)
    kept_x, kept_y = (np.clip(new, old[0], old[-1]) for new, old in ((new_x, x), (new_y, y)))
    assert found.shape == cells
    assert np.allclose(found, 2 * kept_x[:, None] - 3 * kept_y, atol=1e-14)
