"""`npde run`: what is written, what is said, and what happens when a field is no longer finite."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray
from PIL import Image

import npde as package
from npde import simulate as simulate_module
from npde.cli import progress

WAVE = """model pulse
coordinates x in [0, 1], t in [0, 1]
field psi(x, t) complex, v[2](x, t)
input s(t), g(x)
i*dt(psi) = -0.001*dxx(psi) + s*psi
dt(v) = -v + [g, s]
boundary periodic
initial psi = exp(-50*(x - 0.5)^2)
initial v = [0, 0]
grid x: 16
march rk4, steps: 12
output total(t) = integral(abs2(psi), x)
output last[3] = [integral(v[0], x), integral(v[1], x), 7]
"""
HEAT_2D = """model plate
coordinates x in [0, 2], y in [0, 1], t in [0, 0.01]
field u(x, y, t)
dt(u) = lap(u)
boundary periodic
initial u = sin(pi*x)
grid x: 16, y: 8
march rk4, steps: 10
"""


def test_a_run_is_what_the_module_computes(npde) -> None:
    result = npde("run", "heat.npde", "-o", "out.h5", "--every", 5)
    first, field, wrote = result.stdout.splitlines()
    assert first.startswith("heat: 20 steps from t = 0 to 0.1 in ")
    assert first.endswith(" s, 5 frames")
    assert field.startswith("  u in [0.0")
    assert wrote == "wrote out.h5"
    net = package.load("heat.npde").compile(dtype="float64")
    expected = net.march(every=5).detach().numpy()[:, :, 0]
    with xarray.open_dataset("out.h5", engine="h5netcdf") as found:
        assert np.allclose(found["u"], expected, rtol=0, atol=1e-15)
        assert found["t"].values.tolist() == pytest.approx([0, 0.025, 0.05, 0.075, 0.1])
        options = json.loads(found.attrs["options"])
        assert (options["dtype"], options["every"], options["seed"]) == ("float64", 5, 0)
        assert set(json.loads(found.attrs["versions"])) == {"npde", "python", "torch"}


def test_frames_that_do_not_divide_the_steps(npde) -> None:
    npde("run", "heat.npde", "-o", "out.h5", "--every", 7)
    with h5py.File("out.h5") as found:
        assert found["t"][()].tolist() == pytest.approx([0, 0.035, 0.07])
    npde("run", "heat.npde", "-o", "out.h5", "--every", 100)
    with h5py.File("out.h5") as found:
        assert found["u"].shape == (1, 1, 16)


def test_the_name_of_the_model_is_the_default(npde) -> None:
    assert "wrote heat.h5" in npde("run", "heat.npde").stdout
    Path("heat.h5").unlink()
    npde("run", "heat.npde", "--plot", "p.png")
    assert not Path("heat.h5").exists()


def test_json_and_single_precision(npde) -> None:
    found = json.loads(npde("run", "heat.npde", "-o", "out.h5", "--dtype", "float32", "--json").stdout)
    assert found["written"] == ["out.h5"]
    assert (found["steps"], found["frames"], found["samples"]) == (20, 21, 1)
    assert found["ranges"]["u"][0] < found["ranges"]["u"][1]
    with h5py.File("out.h5") as file:
        assert file["u"].dtype == np.float32


def test_inputs_outputs_components_and_complex_fields(npde) -> None:
    Path("pulse.npde").write_text(WAVE)
    rng = np.random.default_rng(0)
    s, g = rng.standard_normal((3, 9)), rng.standard_normal((16,))
    with h5py.File("d.h5", "w") as file:
        file["signal"], file["g"] = s, g
    result = npde("run", "pulse.npde", "-o", "out.h5", "--input", "s=d.h5:signal", "--input", "g=d.h5", "--every", 2)
    assert "pulse: 9 steps from t = 0 to 0.75" in result.stdout
    assert "3 samples" in result.stdout
    net = package.load("pulse.npde").compile(dtype="float64")
    import torch

    tensors = (torch.as_tensor(s), torch.as_tensor(g).expand(3, 16))
    with torch.no_grad():
        states = net.unpack(net.march(*tensors, every=2))
        outputs = net(*tensors)
    with xarray.open_dataset("out.h5", engine="h5netcdf") as found:
        assert found["psi"].shape == (3, 5, 16)
        assert found["v"].dims == ("batch", "t", "v_component", "x")
        assert np.allclose(found["psi"], states["psi"].numpy(), atol=1e-14)
        assert np.allclose(found["v"], states["v"].numpy(), atol=1e-14)
        assert np.allclose(found["total"], outputs["total"].numpy(), atol=1e-14)
        assert np.allclose(found["last"], outputs["last"].numpy(), atol=1e-14)
        assert np.array_equal(found["s"], s)
        assert found["total"].dims == ("batch", "t_end")
    constant = npde("run", "pulse.npde", "-o", "c.h5", "--input", "s=0.5", "--input", "g=0")
    assert "12 steps" in constant.stdout


def test_inputs_that_are_missing_or_wrong(npde) -> None:
    Path("pulse.npde").write_text(WAVE)
    result = npde("run", "pulse.npde", status=1)
    assert "The input 's' was not given." in result.stderr
    assert "The input 'g' was not given." in result.stderr
    assert not list(Path().glob("*.h5"))
    assert "has no input 'w'" in npde("run", "heat.npde", "--input", "w=1", status=1).stderr
    assert "not of the form" in npde("run", "heat.npde", "--input", "w", status=2).stderr
    assert "given twice" in npde("run", "heat.npde", "--input", "w=1", "--input", "w=2", status=2).stderr


def test_resize(npde) -> None:
    Path("pulse.npde").write_text(WAVE)
    with h5py.File("d.h5", "w") as file:
        file["g"] = np.arange(32.0)
    npde("run", "pulse.npde", "--input", "s=0", "--input", "g=d.h5", status=1)
    npde("run", "pulse.npde", "--input", "s=0", "--input", "g=d.h5", "--resize", "-o", "out.h5")
    with h5py.File("out.h5") as file:
        assert np.allclose(file["g"][0], 2 * np.arange(16) + 0.5)


def test_noise_is_repeatable_and_of_the_asked_size(npde) -> None:
    for name, args in {
        "clean": (),
        "a": ("--noise", 0.1),
        "b": ("--noise", 0.1),
        "c": ("--noise", 0.1, "--seed", 1),
    }.items():
        npde("run", "heat.npde", "-o", f"{name}.h5", "--grid", "x=64", "--march", "steps=400", "--every", 10, *args)
    found = {}
    for name in ("clean", "a", "b", "c"):
        with h5py.File(f"{name}.h5") as file:
            found[name] = file["u"][()]
    assert np.array_equal(found["a"], found["b"])
    assert not np.array_equal(found["a"], found["c"])
    assert (found["a"] - found["clean"]).std() / found["clean"].std() == pytest.approx(0.1, rel=0.05)


def test_a_run_that_blows_up_names_field_step_and_step_bound(npde) -> None:
    npde("new", "fisher", "--like", "fisher")
    result = npde("run", "fisher.npde", "-o", "out.h5", "--grid", "x=64,y=64", "--march", "steps=10", status=1)
    assert "error[N1020]: 'u' is not finite after step " in result.stderr
    assert "6 | dt(u) = D*lap(u) + r*u*(1 - u)" in result.stderr
    assert "the step is 1, and rk4 is " in result.stderr
    steps = int(result.stderr.split("`--march steps=")[1].split("`")[0])
    assert not Path("out.h5").exists()
    npde("run", "fisher.npde", "-o", "out.h5", "--grid", "x=64,y=64", "--march", f"steps={steps}")


@pytest.mark.parametrize("piece", [1, 3, 1000])
def test_the_first_bad_step_is_found_whatever_the_pieces(npde, piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    text = Path("heat.npde").read_text().replace("r*u", "u^3").replace("sin(pi*x/2)", "40 + 0*x")
    net = package.parse(text).compile(dtype="float64")
    monkeypatch.setattr(simulate_module.Simulation, "_first_length", lambda self: piece)
    run = simulate_module.Simulation(net, {}, 20, 1)
    with pytest.raises(package.DiagnosticError) as caught:
        list(run.pieces(run.start()))
    step = int(caught.value.diagnostics[0].message.split("step ")[1].split(",")[0])
    with torch.no_grad():
        assert torch.isfinite(net.march(steps=step - 1)).all()
        assert not torch.isfinite(net.march(steps=step)).all()


def test_initial_data_that_are_not_finite_are_told_where_they_are_given(npde) -> None:
    Path("heat.npde").write_text(Path("heat.npde").read_text().replace("sin(pi*x/2)", "log(x - 0.5)"))
    result = npde("run", "heat.npde", status=1)
    assert "'u' is not finite after step 0" in result.stderr
    assert "initial u = log(x - 0.5)" in result.stderr


def test_pieces_do_not_change_a_number(npde) -> None:
    net = package.load("heat.npde").compile(dtype="float64")
    run = simulate_module.Simulation(net, {}, 20, 2)
    pieces = list(run.pieces(run.start()))
    assert sum(p.steps for p in pieces) == 20
    assert len(pieces) > 1
    import torch

    whole = net.march(every=2)[:, 1:]
    assert torch.equal(torch.cat([p.frames for p in pieces], dim=1), whole)


def test_multistep_schemes_run_in_one_piece(npde) -> None:
    net = package.load("heat.npde").compile(dtype="float64", march="ab2,steps=200")
    run = simulate_module.Simulation(net, {}, 200, 2)
    assert [p.steps for p in run.pieces(run.start())] == [200]


# --- pictures ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["heat", "plate", "pulse"])
def test_pictures(npde, name: str) -> None:
    Path("plate.npde").write_text(HEAT_2D)
    Path("pulse.npde").write_text(WAVE)
    inputs = ("--input", "s=1", "--input", "g=1", "--every", "4") if name == "pulse" else ()
    result = npde("run", f"{name}.npde", "--plot", "p.png", "--plot", "p.gif", "--plot", "p.svg", *inputs)
    assert [line for line in result.stdout.splitlines() if line.startswith("wrote")] == [
        "wrote p.png",
        "wrote p.gif",
        "wrote p.svg",
    ]
    with Image.open("p.png") as picture:
        assert min(picture.size) > 300
        colors = picture.convert("RGB").getcolors(2**24)
        assert len(colors) > 50
    with Image.open("p.gif") as picture:
        frames = []
        for n in range(picture.n_frames):
            picture.seek(n)
            frames.append(picture.convert("RGB").tobytes())
        assert len(frames) == {"heat": 21, "plate": 11, "pulse": 4}[name]
        assert len(set(frames)) == len(frames)


def test_pictures_are_the_same_bytes_each_time(npde) -> None:
    for n in (1, 2):
        npde("run", "heat.npde", "--plot", f"{n}.png", "--plot", f"{n}.svg")
    assert Path("1.png").read_bytes() == Path("2.png").read_bytes()
    assert Path("1.svg").read_bytes() == Path("2.svg").read_bytes()


def test_a_wrong_picture_is_refused_before_anything_runs(npde) -> None:
    assert "should end in" in npde("run", "heat.npde", "--plot", "p.bmp", status=2).stderr
    assert "should end in one of .h5" in npde("run", "heat.npde", "-o", "out.txt", status=2).stderr
    assert "use --plot" in " ".join(npde("run", "heat.npde", "-o", "out.png", status=2).stderr.split())
    import shutil

    if shutil.which("ffmpeg") is None:
        assert "ffmpeg" in npde("run", "heat.npde", "--plot", "p.mp4", status=2).stderr
    assert not list(Path().glob("p.*"))


# --- progress ---------------------------------------------------------------------------------------------------------


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


def test_progress_is_silent_for_two_seconds_then_plain_lines(capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    with progress.Meter("steps", 100) as meter:
        meter.update(1)
        clock.now = 1.9
        meter.update(2)
        assert capsys.readouterr().err == ""
        clock.now = 11
        meter.update(50, "t = 1")
        clock.now = 12
        meter.update(51)
        clock.now = 22
        meter.update(90)
    captured = capsys.readouterr()
    assert captured.err == "50 of 100 steps (50%), t = 1\n90 of 100 steps (90%)\n"
    assert captured.out == ""


def test_progress_is_a_bar_on_a_terminal(capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    with progress.Meter("steps", 100) as meter:
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
        clock.now = 5
        meter.update(50, "t = 1")
        assert meter.bar is not None
        assert meter.bar.tasks[0].completed == 50
    assert meter.bar.finished is False
