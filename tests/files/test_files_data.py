"""Training data in three layouts, and files that are not what they should be."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from npde.diagnostics import DiagnosticError
from npde.files import Data, read
from npde.files import data as data_module
from npde.model import Problem

X = np.arange(4) / 4
Y = (np.arange(6) + 0.5) / 3
T = np.array([0.0, 0.3, 1.0])
VALUES = np.random.default_rng(0).standard_normal((5, 3, 4, 6))

FLOW = """model flow
coordinates x, y in [0, 1], t in [0, 1]
field p(x, y, t), v[2](x, y, t)
dt(p) = -div(v)
dt(v) = -grad(p)
boundary periodic
initial p = 0
initial v = [0, 0]
grid x: 4, y: 6
march rk4, steps: 20
"""


def write(path: Path, **arrays: Any) -> Path:
    with h5py.File(path, "w") as file:
        for name, value in arrays.items():
            file[name.replace("__", "/")] = value
    return path


def npde_file(path: Path, **more: Any) -> Path:
    return write(path, **{"u": VALUES, "t": T, "x": X, "y": Y} | more)


def codes(path: Path, problem: Problem, **options: Any) -> list[str]:
    with pytest.raises(DiagnosticError) as caught:
        read(path, problem, **options)
    assert all(d.message.endswith(".") for d in caught.value.diagnostics)
    return [d.code for d in caught.value.diagnostics]


# --- layouts ----------------------------------------------------------------------------------------------------------


def test_npdes_own_layout(tmp_path: Path, heat: Problem) -> None:
    found = read(npde_file(tmp_path / "d.h5"), heat)
    assert isinstance(found, Data)
    assert found.layout == "npde"
    assert found.samples == 5
    assert np.array_equal(found.fields["u"], VALUES)
    assert np.array_equal(found.times, T)
    assert np.array_equal(found.positions["y"], Y)


def test_first_samples_only_and_other_names(tmp_path: Path, heat: Problem) -> None:
    path = write(tmp_path / "d.h5", density=VALUES, time=T)
    found = read(path, heat, names={"u": "density", "t": "time"}, samples=2)
    assert np.array_equal(found.fields["u"], VALUES[:2])
    assert np.array_equal(found.times, T)


def test_without_a_batch_axis_there_is_one_sample(tmp_path: Path, heat: Problem) -> None:
    found = read(npde_file(tmp_path / "d.h5", u=VALUES[2]), heat)
    assert found.fields["u"].shape == (1, 3, 4, 6)
    assert np.array_equal(found.fields["u"][0], VALUES[2])


@pytest.mark.parametrize("kind", [np.float32, np.float16, np.int16, np.bool_])
def test_real_and_whole_numbers_of_any_width(tmp_path: Path, heat: Problem, kind: type) -> None:
    found = read(npde_file(tmp_path / "d.h5", u=VALUES.astype(kind)), heat)
    assert np.array_equal(found.fields["u"], VALUES.astype(kind))


def test_pdebench_with_one_tensor(tmp_path: Path, problem_of: Callable[[str], Problem]) -> None:
    """As its advection and Burgers files: the times have one entry more than there are frames."""
    burgers = problem_of(
        "model b\ncoordinates x in [0, 1], t in [0, 2]\nfield u(x, t)\ndt(u) = -u*dx(u)\nboundary periodic\n"
        "initial u = 0\ngrid x: 8\nmarch rk4, steps: 200\n"
    )
    tensor = VALUES[:, :, 0, :2].repeat(4, axis=2).astype(np.float32)
    centers = (np.arange(8) + 0.5) / 8  # periodic axes are let off half a cell
    path = tmp_path / "d.hdf5"
    write(path, **{"tensor": tensor, "x-coordinate": centers, "t-coordinate": np.linspace(0, 0.03, 4)})
    found = read(path, burgers)
    assert found.layout == "pdebench"
    assert np.array_equal(found.fields["u"], tensor)
    assert np.allclose(found.times, [0, 0.01, 0.02])
    assert np.array_equal(found.positions["x"], centers)


def test_pdebench_with_a_data_set_a_field(tmp_path: Path, problem_of: Callable[[str], Problem]) -> None:
    """As its compressible Navier-Stokes files."""
    gas = problem_of(
        "model g\ncoordinates x in [0, 1], t in [0, 1]\nfield density(x, t), Vx(x, t)\ndt(density) = -dx(density*Vx)\n"
        "dt(Vx) = -dx(density)\nboundary periodic\ninitial density = 1\ninitial Vx = 0\ngrid x: 6\nmarch rk4, steps: 10\n"
    )
    a, b = VALUES[:, :, 0], VALUES[:, :, 1]
    path = write(
        tmp_path / "d.h5",
        **{
            "density": a,
            "Vx": b,
            "pressure": b,
            "x-coordinate": (np.arange(6) + 0.5) / 6,
            "t-coordinate": np.arange(4),
        },
    )
    found = read(path, gas)
    assert set(found.fields) == {"density", "Vx"}
    assert np.array_equal(found.fields["Vx"], b)
    assert found.times.tolist() == [0, 1, 2]


def test_pdebench_with_a_group_a_sample(tmp_path: Path, problem_of: Callable[[str], Problem]) -> None:
    """As its reaction-diffusion files: [T, x, y, C], the fields in the channels."""
    flow = problem_of(FLOW)
    samples = np.random.default_rng(1).standard_normal((2, 3, 4, 6, 3)).astype(np.float32)
    arrays: dict[str, Any] = {}
    for n, sample in enumerate(samples):
        arrays |= {f"{n:04d}__data": sample, f"{n:04d}__grid__t": T}
        arrays |= {f"{n:04d}__grid__x": (np.arange(4) + 0.5) / 4, f"{n:04d}__grid__y": (np.arange(6) + 0.5) / 6}
    found = read(write(tmp_path / "d.h5", **arrays), flow)
    assert found.layout == "pdebench"
    assert np.array_equal(found.fields["p"], samples[..., 0])
    assert found.fields["v"].shape == (2, 3, 2, 4, 6)
    assert np.array_equal(found.fields["v"], np.moveaxis(samples[..., 1:], -1, 2))
    assert np.array_equal(found.times, T)
    assert read(tmp_path / "d.h5", flow, samples=1).fields["p"].shape[0] == 1


def well_file(path: Path) -> tuple[Path, np.ndarray, np.ndarray]:
    pressure = np.random.default_rng(2).standard_normal((2, 3, 4, 6)).astype(np.float32)
    velocity = np.random.default_rng(3).standard_normal((2, 3, 4, 6, 2)).astype(np.float32)
    with h5py.File(path, "w") as file:
        file["t0_fields/pressure"] = pressure
        file["t1_fields/velocity"] = velocity
        file["t0_fields/mask"] = np.ones((4, 6))
        file["t0_fields/mask"].attrs.update({"sample_varying": False, "time_varying": False})
        file["t0_fields"].attrs["field_names"] = ["pressure", "mask"]
        file["dimensions/time"] = T
        file["dimensions/x"] = (np.arange(4) + 0.5) / 4
        file["dimensions/y"] = (np.arange(6) + 0.5) / 6
        file["dimensions"].attrs["spatial_dims"] = ["x", "y"]
        file["scalars/gamma"] = 1.4
    return path, pressure, velocity


def test_the_well(tmp_path: Path, problem_of: Callable[[str], Problem]) -> None:
    path, pressure, velocity = well_file(tmp_path / "d.hdf5")
    found = read(path, problem_of(FLOW), names={"p": "pressure", "v": "velocity"})
    assert found.layout == "the_well"
    assert np.array_equal(found.fields["p"], pressure)
    assert np.array_equal(found.fields["v"], np.moveaxis(velocity, -1, 2))
    assert np.array_equal(found.times, T)
    assert found.positions["y"].shape == (6,)


def test_a_field_that_varies_with_neither_sample_nor_time(tmp_path: Path, problem_of: Callable[[str], Problem]) -> None:
    path, _, _ = well_file(tmp_path / "d.hdf5")
    with h5py.File(path, "r+") as file:
        del file["dimensions/time"]
        file["dimensions/time"] = np.zeros(1)
    found = read(path, problem_of(FLOW), names={"p": "mask", "v": "none"})
    assert found.fields["p"].shape == (1, 1, 4, 6)


# --- inputs, outputs, labels ------------------------------------------------------------------------------------------

CLASSES = """model classes
coordinates x in [0, 1], t in [0, 1]
field u(x, t)
learn W(x, x')
input image(x), s[2](t), level
dt(u) = integral(W(x, x')*u(x'), x') + s[0] + s[1] + level
boundary dn(u) = 0
initial u = image
grid x: 6
march euler, steps: 4
output logits[3] = linear(u)
"""


def test_inputs_and_labels(tmp_path: Path, problem_of: Callable[[str], Problem]) -> None:
    classes = problem_of(CLASSES)
    arrays = {
        "image": VALUES[:, 0, 0],
        "s": VALUES[:, :, :2, 0],
        "level": VALUES[:, 0, 0, 0],
        "labels": np.array([0, 2, 1, 1, 0]),
    }
    found = read(write(tmp_path / "d.h5", **arrays), classes)
    assert found.fields == {}
    assert {name: array.shape for name, array in found.inputs.items()} == {
        "image": (5, 6),
        "s": (5, 3, 2),
        "level": (5,),
    }
    assert found.outputs["logits"].tolist() == [0, 2, 1, 1, 0]
    assert found.samples == 5
    scores = read(write(tmp_path / "e.h5", **(arrays | {"logits": VALUES[:, 0, 0, :3]})), classes)
    assert scores.outputs["logits"].shape == (5, 3)


def test_every_input_has_to_be_there(tmp_path: Path, problem_of: Callable[[str], Problem]) -> None:
    path = write(tmp_path / "d.h5", image=VALUES[:, 0, 0], labels=np.zeros(5, int))
    with pytest.raises(DiagnosticError) as caught:
        read(path, problem_of(CLASSES))
    assert [d.code for d in caught.value.diagnostics] == ["N1003", "N1003"]
    text = caught.value.source
    assert [text.snippet(d.span) for d in caught.value.diagnostics] == ["s", "level"]


def test_samples_that_do_not_agree(tmp_path: Path, problem_of: Callable[[str], Problem]) -> None:
    arrays = {
        "image": VALUES[:, 0, 0],
        "s": VALUES[:1, :, :2, 0],
        "level": VALUES[:3, 0, 0, 0],
        "labels": np.zeros(5, int),
    }
    assert codes(write(tmp_path / "d.h5", **arrays), problem_of(CLASSES)) == ["N1011"]


# --- files that are wrong ---------------------------------------------------------------------------------------------


def test_a_complex_array_is_never_cut_down(tmp_path: Path, heat: Problem) -> None:
    assert codes(npde_file(tmp_path / "d.h5", u=VALUES + 1j), heat) == ["N1005"]


@pytest.mark.parametrize("values", [np.array([b"a"] * 5), np.zeros(5, dtype=[("a", "f8"), ("b", "i4")])])
def test_arrays_that_hold_no_numbers(tmp_path: Path, heat: Problem, values: np.ndarray) -> None:
    assert codes(npde_file(tmp_path / "d.h5", u=values), heat) == ["N1005"]


def test_another_grid_is_told_with_the_option_that_mends_it(tmp_path: Path, heat: Problem) -> None:
    path = write(tmp_path / "d.h5", u=np.zeros((5, 3, 8, 12)), t=T)
    with pytest.raises(DiagnosticError) as caught:
        read(path, heat)
    (found,) = caught.value.diagnostics
    assert found.code == "N1004"
    assert "[5, 3, 8, 12]" in found.message
    assert "[batch, t, 4, 6]" in found.message
    assert "--grid x=8,y=12" in found.hint


@pytest.mark.parametrize("shape", [(), (5,), (5, 3, 24), (5, 3, 4, 6, 1), (5, 3, 6, 4)])
def test_other_shapes(tmp_path: Path, heat: Problem, shape: tuple[int, ...]) -> None:
    assert codes(npde_file(tmp_path / "d.h5", u=np.zeros(shape)), heat) == ["N1004"]


def test_other_positions_are_told_with_the_option_that_mends_them(tmp_path: Path, heat: Problem) -> None:
    with pytest.raises(DiagnosticError) as caught:
        read(npde_file(tmp_path / "d.h5", y=3 * Y), heat)
    (found,) = caught.value.diagnostics
    assert found.code == "N1008"
    assert "--extent y=0,6" in found.hint
    read(npde_file(tmp_path / "e.h5", x=X + 0.125), heat)
    assert codes(npde_file(tmp_path / "f.h5", y=Y + 0.1), heat) == ["N1008"]


def test_values_that_are_not_finite(tmp_path: Path, heat: Problem) -> None:
    values = VALUES.copy()
    values[0, 0, 0, :3] = [np.nan, np.inf, -np.inf]
    with pytest.raises(DiagnosticError, match="3 of 360"):
        read(npde_file(tmp_path / "d.h5", u=values), heat)


def test_times_have_to_be_there_and_as_many(tmp_path: Path, heat: Problem) -> None:
    assert codes(write(tmp_path / "d.h5", u=VALUES), heat) == ["N1003"]
    assert codes(npde_file(tmp_path / "e.h5", t=T[:2]), heat) == ["N1012"]


def test_nothing_to_learn_from(tmp_path: Path, heat: Problem) -> None:
    with pytest.raises(DiagnosticError) as caught:
        read(write(tmp_path / "d.h5", w=VALUES, t=T), heat)
    (found,) = caught.value.diagnostics
    assert found.code == "N1003"
    assert "'w'" in found.label


def test_what_is_no_data_file(tmp_path: Path, heat: Problem) -> None:
    (tmp_path / "text.h5").write_text("hello")
    whole = npde_file(tmp_path / "whole.h5").read_bytes()
    (tmp_path / "cut.h5").write_bytes(whole[: len(whole) // 2])
    for name in ("text.h5", "none.h5", "", "cut.h5"):
        assert codes(tmp_path / name, heat) == ["N1001"]
    with h5py.File(tmp_path / "empty.h5", "w"):
        pass
    assert codes(tmp_path / "empty.h5", heat) == ["N1010"]
    assert codes(npde_file(tmp_path / "d.h5"), heat, layout="netcdf") == ["N1010"]


def test_links_out_of_the_file_are_not_followed(tmp_path: Path, heat: Problem) -> None:
    npde_file(tmp_path / "secret.h5")
    with h5py.File(tmp_path / "link.h5", "w") as file:
        file["u"] = h5py.ExternalLink("secret.h5", "u")
    assert codes(tmp_path / "link.h5", heat) == ["N1013"]
    layout = h5py.VirtualLayout(VALUES.shape, "f8")
    layout[:] = h5py.VirtualSource(tmp_path / "secret.h5", "u", VALUES.shape)
    with h5py.File(tmp_path / "virtual.h5", "w") as file:
        file.create_virtual_dataset("u", layout)
    assert codes(tmp_path / "virtual.h5", heat) == ["N1013"]
    (tmp_path / "raw.bin").write_bytes(bytes(8 * VALUES.size))
    with h5py.File(tmp_path / "raw.h5", "w") as file:
        file.create_dataset("u", VALUES.shape, "f8", external=str(tmp_path / "raw.bin"))
    assert codes(tmp_path / "raw.h5", heat) == ["N1013"]


def test_a_small_file_that_claims_to_be_huge_is_refused_at_once(tmp_path: Path, heat: Problem) -> None:
    with h5py.File(tmp_path / "d.h5", "w") as file:
        file.create_dataset("u", (10**7, 3, 4, 6), "f8", chunks=(1, 3, 4, 6), maxshape=(None, 3, 4, 6))
        file.create_dataset("x", (10**12,), "f8", chunks=(1024,))
        file["t"] = T
    assert (tmp_path / "d.h5").stat().st_size < 10**6
    start = time.perf_counter()
    assert codes(tmp_path / "d.h5", heat) == ["N1006"]
    assert time.perf_counter() - start < 1


def test_memory_is_that_of_the_machine(tmp_path: Path, heat: Problem, monkeypatch: pytest.MonkeyPatch) -> None:
    path = npde_file(tmp_path / "d.h5")
    monkeypatch.setattr(data_module, "available_bytes", lambda: VALUES.nbytes)
    assert codes(path, heat) == ["N1006"]
    assert read(path, heat, samples=3).samples == 3


def test_damaged_samples_of_another_shape(tmp_path: Path, problem_of: Callable[[str], Problem]) -> None:
    arrays = {"0000__data": np.zeros((3, 4, 6, 3)), "0001__data": np.zeros((3, 4, 5, 3)), "0000__grid__t": T}
    with pytest.raises(DiagnosticError, match="differ in shape") as caught:
        read(write(tmp_path / "d.h5", **arrays), problem_of(FLOW))
    assert caught.value.diagnostics[0].label == "'/0001/data' has shape [3, 4, 5, 3], the first sample [3, 4, 6, 3]"


def test_channels_that_are_not_the_fields_are_counted(tmp_path: Path, problem_of: Callable[[str], Problem]) -> None:
    arrays = {"0000__data": np.zeros((3, 4, 6, 2)), "0000__grid__t": T}
    with pytest.raises(DiagnosticError) as caught:
        read(write(tmp_path / "d.h5", **arrays), problem_of(FLOW))
    assert "2 channels, and the fields of the model have 3" in caught.value.diagnostics[0].label


def test_soft_links_in_circles_do_no_harm(tmp_path: Path, heat: Problem) -> None:
    path = npde_file(tmp_path / "d.h5")
    with h5py.File(path, "r+") as file:
        file["loop"] = h5py.SoftLink("/loop")
        file["self"] = file["/"]
        file["gone"] = h5py.SoftLink("/nowhere")
    assert read(path, heat).samples == 5
