"""Run files: xarray opens them, npde reads them back."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
import xarray

import npde
from npde.diagnostics import DiagnosticError
from npde.discretize.scheme import Scheme
from npde.files import read, trajectory

TEXT = """model both
coordinates x in [-1, 1], y in [0, 3], z in [0, 1]
field psi(x, y, z) complex, v[2](x, y, z)
input s(z), g(x)
dz(psi) = 1e-12*i*lap(psi) + s
dz(v) = 1e-12*lap(v) + g
boundary x: periodic
boundary y = 0: psi = 0, v = 0
boundary y = 3: psi = 0, v = 0
initial psi = 0
initial v = [0, 0]
grid x: 4, y: 3
march rk4 along z, steps: 6
output total(z) = integral(re(psi), x, y)
output final = mean(v[0], x, y)
"""


@pytest.fixture(scope="module")
def scheme() -> Scheme:
    """Two fields (one complex, one with components) along z."""
    compilation = npde.parse(TEXT)._base.compilation
    return compilation.scheme


def write(path: Path, scheme: Scheme, **options: object) -> tuple[np.ndarray, np.ndarray]:
    psi = np.random.default_rng(0).standard_normal((2, 4, 4, 3)) * (1 + 2j)
    v = np.random.default_rng(1).standard_normal((2, 4, 2, 4, 3))
    problem = scheme.system.problem
    with trajectory.trajectory(path, scheme, batch=2, every=2, **options) as file:
        assert file.frames == 4
        file.append({"psi": psi[:, :1], "v": v[:, :1]})
        file.append({"psi": psi[:, 1:], "v": v[:, 1:]})
        file.put(problem.inputs[0], np.arange(6.0)[None])
        file.put(problem.inputs[1], np.ones((2, 4)))
        for n in range(6):
            file.append_output(problem.outputs[0], np.full((2, 1), float(n)), n)
        file.put(problem.outputs[1], np.zeros(2))
    return psi, v


def test_xarray_opens_it_without_npde(tmp_path: Path, scheme: Scheme) -> None:
    psi, v = write(tmp_path / "run.h5", scheme, attributes={"versions": {"npde": "0"}})
    with xarray.open_dataset(tmp_path / "run.h5", engine="h5netcdf") as found:
        assert found["psi"].dims == ("batch", "z", "x", "y")
        assert found["v"].dims == ("batch", "z", "v_component", "x", "y")
        assert found["total"].dims == ("batch", "z_end")
        assert found["s"].dims == ("batch", "z_begin")
        assert found["g"].dims == ("batch", "x")
        assert found["final"].dims == ("batch",)
        assert found["psi"].dtype == np.complex128
        assert np.array_equal(found["psi"], psi)
        assert np.array_equal(found["v"], v)
        assert np.allclose(found["z"], [0, 1 / 3, 2 / 3, 1])
        assert np.allclose(found["z_begin"], np.arange(6) / 6)
        assert np.allclose(found["z_end"], np.arange(1, 7) / 6)
        assert np.allclose(found["x"], [-1, -0.5, 0, 0.5])
        assert np.allclose(found["y"], [0.5, 1.5, 2.5])
        assert found["total"][0].values.tolist() == [0, 1, 2, 3, 4, 5]
        assert found.attrs["npde"] == TEXT
        assert found.attrs["model"] == "both"
        assert json.loads(found.attrs["versions"]) == {"npde": "0"}
        assert found["psi"].sel(z=0.6, method="nearest").shape == (2, 4, 3)


def test_npde_reads_it_back_as_training_data(tmp_path: Path, scheme: Scheme) -> None:
    psi, v = write(tmp_path / "run.h5", scheme)
    found = read(tmp_path / "run.h5", scheme.system.problem)
    assert found.layout == "npde"
    assert np.array_equal(found.fields["psi"], psi)
    assert np.array_equal(found.fields["v"], v)
    assert np.allclose(found.times, [0, 1 / 3, 2 / 3, 1])
    assert found.inputs["s"].shape == (2, 6)
    assert found.outputs["total"].shape == (2, 6)
    assert found.samples == 2


def test_single_precision(tmp_path: Path, scheme: Scheme) -> None:
    write(tmp_path / "run.h5", scheme, dtype="float32")
    with h5py.File(tmp_path / "run.h5") as file:
        assert file["psi"].dtype == np.complex64
        assert file["v"].dtype == np.float32


def test_same_run_same_bytes(tmp_path: Path, scheme: Scheme) -> None:
    write(tmp_path / "a.h5", scheme)
    write(tmp_path / "b.h5", scheme)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_a_run_that_fails_leaves_no_file_and_keeps_the_last(tmp_path: Path, scheme: Scheme) -> None:
    write(tmp_path / "run.h5", scheme)
    before = (tmp_path / "run.h5").read_bytes()
    with pytest.raises(KeyError), trajectory.trajectory(tmp_path / "run.h5", scheme) as file:
        file.append({"nothing": np.zeros((1, 1, 4, 3))})
    assert (tmp_path / "run.h5").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["run.h5"]


def test_noise_has_the_share_of_each_fields_deviation(tmp_path: Path) -> None:
    scheme = npde.parse(TEXT.replace("x: 4, y: 3", "x: 64, y: 64"))._base.compilation.scheme
    shape = (1, 7, 64, 64)
    clean = 3 + 2 * np.random.default_rng(5).standard_normal(shape) * np.exp(1j)
    v = np.zeros((1, 7, 2, 64, 64))
    v[:, :, 1] = 10
    for seed in (1, 1, 2):
        with trajectory.trajectory(tmp_path / f"{seed}.h5", scheme) as file:
            file.append({"psi": clean, "v": v})
            file.add_noise(0.05, seed)
    with h5py.File(tmp_path / "1.h5") as one, h5py.File(tmp_path / "2.h5") as two:
        noise = one["psi"][()] - clean
        assert np.abs(noise).std() > 0
        assert np.sqrt((np.abs(noise) ** 2).mean()) == pytest.approx(0.1, rel=0.02)
        assert abs(noise.mean()) < 0.01
        assert noise.real.std() == pytest.approx(noise.imag.std(), rel=0.05)
        assert (one["v"][()] - v).std() == pytest.approx(0.05 * 5, rel=0.02)
        assert not np.array_equal(one["psi"][()], two["psi"][()])


def test_blocks_cover_a_long_run_once(tmp_path: Path, scheme: Scheme, monkeypatch: pytest.MonkeyPatch) -> None:
    psi, _ = write(tmp_path / "run.h5", scheme)
    whole = np.sqrt((np.abs(psi - psi.mean()) ** 2).mean())
    for block in (1, 24, 10**6):
        monkeypatch.setattr(trajectory, "BLOCK", block)
        with h5py.File(tmp_path / "run.h5") as file:
            count = sum(file["psi"][index].size for index in trajectory._blocks(file["psi"]))
            assert count == psi.size
            assert trajectory._deviation(file["psi"]) == pytest.approx(whole, rel=1e-12)


def test_a_long_text_fits_into_the_attributes(tmp_path: Path) -> None:
    text = TEXT + "# " + "long " * 20_000 + "\n"
    scheme = npde.parse(text)._base.compilation.scheme
    write(tmp_path / "run.h5", scheme)
    with xarray.open_dataset(tmp_path / "run.h5", engine="h5netcdf") as found:
        assert found.attrs["npde"] == text


def test_a_run_larger_than_the_disk_is_refused_before_it_starts(tmp_path: Path) -> None:
    model = npde.parse(TEXT.replace("x: 4, y: 3", "x: 20000, y: 20000").replace("steps: 6", "steps: 10000000"))
    scheme = model._base.compilation.scheme
    file = trajectory.trajectory(tmp_path / "run.h5", scheme)
    with pytest.raises(DiagnosticError, match=r"it would take .*TiB, and .* are free; `--every` keeps fewer frames"):
        file.__enter__()
    assert list(tmp_path.iterdir()) == []


def test_positions_are_those_of_the_module(scheme: Scheme) -> None:
    net = npde.parse(TEXT.replace("initial psi = 0", "initial psi = x + i*y")).compile(dtype="float64")
    start = net.unpack(net.initial_state(1, s=torch.zeros(1, 6), g=torch.zeros(1, 4)))["psi"][0]
    x, y = (trajectory.positions(axis) for axis in scheme.grid.axes)
    assert np.allclose(start.real.numpy(), x[:, None] + 0 * y, atol=1e-15)
    assert np.allclose(start.imag.numpy(), y + 0 * x[:, None], atol=1e-15)
