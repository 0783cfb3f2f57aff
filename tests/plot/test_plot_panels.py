"""What a run file is drawn as: panels, colors, frames."""

from __future__ import annotations

import math
from pathlib import Path

import h5py
import numpy as np
import pytest

import npde
from npde.diagnostics import DiagnosticError, NpdeError
from npde.files.trajectory import trajectory
from npde.plot import SUFFIXES, check_suffix, save
from npde.plot.animate import _fixed
from npde.plot.draw import maps, plane, still
from npde.plot.run import PANELS, colors_of, read_run, thinned

TEXT = """model many
coordinates x in [0, 2], y in [0, 1], t in [0, 1]
field v[5](x, y, t), psi(x, y, t) complex, a(x, y, t)
dt(v) = -v
dt(psi) = -psi
dt(a) = -a
boundary periodic
initial v = [0, 0, 0, 0, 0]
initial psi = 0
initial a = 0
grid x: 8, y: 4
march rk4, steps: 4
"""


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Five components, a complex field, a real one: eight panels."""
    scheme = npde.parse(TEXT)._base.compilation.scheme
    rng = np.random.default_rng(0)
    with trajectory(tmp_path / "run.h5", scheme) as file:
        psi = rng.standard_normal((1, 5, 8, 4)) + 1j
        file.append({"v": rng.standard_normal((1, 5, 5, 8, 4)), "psi": psi, "a": np.ones((1, 5, 8, 4))})
    return tmp_path / "run.h5"


def test_panels_in_order_of_declaration_and_what_is_left_out(run: Path) -> None:
    with h5py.File(run) as file:
        found = read_run(file)
        assert [p.label for p in found.panels] == ["v[0]", "v[1]", "v[2]", "v[3]", "v[4]", "|psi|"]
        assert found.left_out == 2
        assert len(found.panels) == PANELS
        assert found.model == "many"
        assert found.time == "t"
        assert [(name, extent) for name, _, extent in found.axes] == [("x", (0, 2)), ("y", (0, 1))]
        assert np.array_equal(found.panels[3].read(2), file["v"][0, 2, 3])
        assert np.array_equal(found.panels[5].read(2), np.abs(file["psi"][0, 2]))
        figure = still(found)
        assert figure.get_suptitle() == "many, t = 1 (2 more not shown)"
        assert [a.get_title() for a in figure.axes if a.get_title()] == [p.label for p in found.panels]


def test_a_map_shows_rows_of_y_and_the_right_way_up(run: Path) -> None:
    with h5py.File(run) as file:
        found = read_run(file)
        _, images, _ = maps(found, 1, over_run=True)
        shown = images[0].get_array()
        assert shown.shape == (4, 8)
        assert shown[3, 1] == file["v"][0, 1, 0, 1, 3]
        assert images[0].origin == "lower"
        assert images[0].get_extent() == [0, 2, 0, 1]
    volume = np.arange(24).reshape(2, 3, 4)
    assert np.array_equal(plane(volume), volume[:, :, 2].T)


def test_a_still_uses_all_its_colors_and_an_animation_those_of_the_run(run: Path) -> None:
    with h5py.File(run) as file:
        found = read_run(file)
        whole, one = (maps(found, 1, over_run=flag)[1][0].norm for flag in (True, False))
        values = file["v"][0, 1, 0]
        assert one.vmax == pytest.approx(np.abs(values).max())
        assert whole.vmax == pytest.approx(np.abs(file["v"][0, :, 0]).max())


@pytest.mark.parametrize(
    ("low", "high", "name", "ends"),
    [
        (0.0, 1.0, "viridis", (0, 1)),
        (-3.0, -1.0, "viridis", (-3, -1)),
        (-1.0, 2.0, "RdBu_r", (-2, 2)),
        (-0.01, 1.0, "viridis", (-0.01, 1)),
        (2.0, 2.0, "viridis", (2, 2.002)),
        (0.0, 0.0, "viridis", (0, 0.001)),
    ],
)
def test_colors_follow_the_range(low: float, high: float, name: str, ends: tuple[float, float]) -> None:
    colors, norm = colors_of(low, high)
    assert colors.name == name
    assert (norm.vmin, norm.vmax) == pytest.approx(ends)


def test_a_phase_fades_where_nothing_is(tmp_path: Path) -> None:
    text = TEXT.replace("v[5](x, y, t), ", "").replace("dt(v) = -v\n", "").replace("initial v = [0, 0, 0, 0, 0]\n", "")
    scheme = npde.parse(text)._base.compilation.scheme
    psi = np.zeros((1, 5, 8, 4), complex)
    psi[..., :4, :] = 1j
    psi[..., 4:, :] = -1e-12
    with trajectory(tmp_path / "run.h5", scheme) as file:
        file.append({"psi": psi, "a": np.ones((1, 5, 8, 4))})
    with h5py.File(tmp_path / "run.h5") as file:
        phase = read_run(file).panels[1]
        assert phase.label == "phase of psi"
        assert np.allclose(phase.read(0)[:4], math.pi / 2)
        assert phase.norm.vmin == -math.pi
        opacity = phase.opacity(0)
        assert np.all(opacity[:4] == 1)
        assert opacity[4:].max() < 1e-10


def test_frames_are_thinned_evenly() -> None:
    assert thinned(3, 10).tolist() == [0, 1, 2]
    found = thinned(1000, 120)
    assert (found[0], found[-1], len(found)) == (0, 999, 120)
    assert set(np.diff(found)) <= {8, 9}


def test_times_in_titles_have_as_many_digits_in_every_frame(run: Path) -> None:
    with h5py.File(run) as file:
        found = read_run(file)
        assert [_fixed(found, n) for n in range(5)] == ["0.00", "0.25", "0.50", "0.75", "1.00"]


def test_what_cannot_be_drawn(tmp_path: Path, run: Path) -> None:
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["u"] = np.zeros(3)
    with pytest.raises(NpdeError, match="is not a file that `npde run` wrote"):
        save(tmp_path / "other.h5", tmp_path / "p.png")
    with pytest.raises(DiagnosticError, match="N1001"):
        save(tmp_path / "none.h5", tmp_path / "p.png")
    with pytest.raises(NpdeError, match="should end in one of"):
        check_suffix("p.bmp")
    assert set(SUFFIXES) == {".png", ".svg", ".pdf", ".gif", ".mp4"}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["other.h5", "run.h5"]


def test_a_gif_calls_its_progress(tmp_path: Path, run: Path) -> None:
    seen: list[int] = []
    assert save(run, tmp_path / "p.gif", seen.append) == 5
    assert seen == [1, 2, 3, 4, 5]
