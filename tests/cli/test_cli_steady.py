"""Steady problems on the command line: check, run, plot, train, and what a failed solve says."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import torch
import xarray
from PIL import Image

import npde as package

POISSON = """model box
coordinates x, y in [0, 1]
field u(x, y), w(x, y) complex
learn a = 1 > 0
input s(x)
a*lap(u) = s
lap(w) + 30*w = i*u
boundary u = 0, w = 0
grid x: 12, y: 10
output total = integral(u, x, y)
output flux[2](x) = integral([u, 2*u], y)
"""
ROD = """model rod
coordinates x in [0, 1]
field u(x)
learn k(x) = 1 > 0, q = 1
div(k*grad(u)) = -q*exp(-20*(x - 0.4)^2)
boundary u = 0
grid x: 24
"""


def write(name: str, text: str) -> None:
    Path(name).write_text(text)


def width(name: str) -> int:
    with Image.open(name) as image:
        return image.size[0]


def test_a_solution_is_written_with_inputs_and_outputs(npde) -> None:
    write("box.npde", POISSON)
    with h5py.File("in.h5", "w") as file:
        file["s"] = np.stack([np.ones(12), np.linspace(0, 1, 12)])
    result = npde("run", "box.npde", "--input", "s=in.h5:s", "-o", "out.h5", "--plot", "out.png")
    first, field, modulus, *_ = result.stdout.splitlines()
    assert first.startswith("box: solved in ")
    assert first.endswith(" s, 2 samples")
    assert field.startswith("  u in [-0.")
    assert modulus.startswith("  |w| in [")
    net = package.load("box.npde").compile(dtype="float64")
    with torch.no_grad():
        given = torch.as_tensor(np.stack([np.ones(12), np.linspace(0, 1, 12)]))
        fields, outputs = net.unpack(net.solve(given)), net(given)
    with xarray.open_dataset("out.h5", engine="h5netcdf", invalid_netcdf=True) as data:
        assert data["u"].dims == ("batch", "x", "y")
        assert np.array_equal(data["u"].values, fields["u"].numpy())
        assert np.array_equal(data["w"].values, fields["w"].numpy())
        assert np.allclose(data["total"].values, outputs["total"].numpy())
        assert data["flux"].shape == (2, 2, 12)
    assert width("out.png") > 300


def test_one_axis_is_drawn_as_curves(npde) -> None:
    write("rod.npde", ROD)
    result = npde("run", "rod.npde", "--plot", "rod.png", "--json")
    found = json.loads(result.stdout)
    assert set(found) == {"model", "samples", "seconds", "ranges", "written"}
    assert width("rod.png") > 300


def test_check_and_explain_say_how_it_is_solved(npde) -> None:
    write("rod.npde", ROD)
    checked = npde("check", "rod.npde").stdout
    assert "solve    steady, by block LU" in checked
    assert "step" not in checked.replace("steady", "")
    explained = npde("explain", "rod.npde").stdout
    assert "L q = -s solved by block-tridiagonal LU" in explained
    assert "one solve with the transposed matrix" in explained
    write(
        "ring.npde",
        ROD.replace("boundary u = 0", "boundary periodic").replace("-q*exp(-20*(x - 0.4)^2)", "sin(2*pi*x)"),
    )
    assert "defined up to a constant: the mean is zero" in npde("check", "ring.npde").stdout
    assert "L annihilates constants" in npde("explain", "ring.npde").stdout
    assert '"space": 2' in npde("check", "rod.npde", "--json").stdout


def test_a_coefficient_is_trained_through_the_solve(npde) -> None:
    write("rod.npde", ROD)
    npde("run", "rod.npde", "--set", "q=3", "-o", "data.h5")
    result = npde("train", "rod.npde", "--data", "data.h5", "-o", "run", "--strategy", "lbfgs", "--epochs", 40)
    assert "wrote run" in result.stdout
    evaluated = npde("eval", "run", "--data", "data.h5", "--json")
    assert json.loads(evaluated.stdout)["errors"]["u"]["relative_l2"] < 1e-3


def test_a_solve_that_does_not_converge_is_a_diagnostic(npde) -> None:
    write(
        "bratu.npde",
        "model bratu\ncoordinates x in [0, 1]\nfield u(x)\ndxx(u) + 4*exp(u) = 0\nboundary u = 0\ngrid x: 16\n",
    )
    result = npde("run", "bratu.npde", status=1)
    assert "error[N1023]: Newton's method did not converge in " in result.stderr
    assert "relative residuals: 1, " in result.stderr
    assert not Path("bratu.h5").exists()


def test_what_does_not_balance_is_a_diagnostic(npde) -> None:
    write("ring.npde", "model ring\ncoordinates x in [0, 1]\nfield u(x)\ndxx(u) = 1\nboundary periodic\ngrid x: 16\n")
    result = npde("run", "ring.npde", status=1)
    assert "error[N1024]: The equation has no solution" in result.stderr
