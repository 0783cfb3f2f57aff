"""`npde train`, `eval`, and models from folders."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

import npde as package


@pytest.fixture
def trained(npde):
    """Data from D = 0.5, and a run that started at 0.2."""
    npde("run", "heat.npde", "-o", "d.h5", "--every", 2)
    args = ("--data", "d.h5", "-o", "runs/a", "--set", "D=0.2", "--fix", "r", "--strategy", "lbfgs", "--epochs", 15)
    return npde("train", "heat.npde", *args, "--dtype", "float64")


def test_train_recovers_and_says_so(trained) -> None:
    lines = trained.stdout.splitlines()
    assert lines[0].startswith("heat: ")
    table = {line.split()[0]: line.split()[1:] for line in lines if line.startswith(("  D", "  r"))}
    assert table["D"][0] == "0.2"
    assert float(table["D"][1]) == pytest.approx(0.5, rel=1e-4)
    assert table["r"] == ["(fixed)", "0", "0"]
    assert lines[-1] == "wrote runs/a"
    assert "lbfgs on 1 sample, loss mse, to runs/a" in trained.stderr
    assert Path("runs/a/latest").is_file()


def test_train_again_in_the_same_folder(npde, trained) -> None:
    args = (
        "--data",
        "d.h5",
        "-o",
        "runs/a",
        "--set",
        "D=0.2",
        "--fix",
        "r",
        "--strategy",
        "lbfgs",
        "--dtype",
        "float64",
    )
    assert "N1105" in npde("train", "heat.npde", *args, status=1).stderr
    again = npde("train", "heat.npde", *args, "--epochs", 20, "--resume", "--json")
    found = json.loads(again.stdout)
    assert found["values"]["D"] == pytest.approx(0.5, rel=1e-4)
    assert found["fixed"] == ["r"]
    assert len(found["history"]) == found["epochs"]


def test_eval_of_a_run(npde, trained) -> None:
    text = npde("eval", "runs/a", "--data", "d.h5").stdout
    assert text.startswith("heat: 1 sample, loss ")
    assert "relative L2" in text
    after = json.loads(npde("eval", "runs/a", "--data", "d.h5", "--json").stdout)
    before = json.loads(npde("eval", "runs/a", "--data", "d.h5", "--json", "--which", "start").stdout)
    assert after["errors"]["u"]["relative_l2"] < 1e-4 < before["errors"]["u"]["relative_l2"]
    fresh = json.loads(npde("eval", "heat.npde", "--data", "d.h5", "--json").stdout)
    assert fresh["errors"]["u"]["relative_l2"] < 1e-5  # float32, but the true D


def test_folders_are_models_for_run_and_graph(npde, trained) -> None:
    npde("run", "runs/a", "-o", "from_run.h5")
    assert "heat" in npde("graph", "runs/a").stdout
    net = package.load("heat.npde").compile(dtype="float64", grid={"x": 8})
    net.save_pretrained("saved")
    found = json.loads(npde("run", "saved", "-o", "from_saved.h5", "--json").stdout)
    assert found["ranges"]["u"][1] == pytest.approx(net().max().item(), rel=1e-12)
    assert "overrides" in npde("run", "saved", "--grid", "x=4", status=2).stderr
    Path("empty").mkdir()
    assert "N1030" in npde("run", "empty", status=1).stderr


def test_train_goes_on_from_a_folder(npde, trained) -> None:
    npde("train", "runs/a", "--data", "d.h5", "-o", "runs/b", "--epochs", 1, "--lr", 1e-6)
    after = json.loads(npde("eval", "runs/b", "--data", "d.h5", "--json").stdout)
    assert after["errors"]["u"]["relative_l2"] < 1e-3
    npde("train", "runs/a", "--data", "d.h5", "-o", "runs/c", "--epochs", 1, "--lr", 1e-6, "--memory", "10 MB")


def test_what_is_wrong_with_the_command_line(npde) -> None:
    npde("run", "heat.npde", "-o", "d.h5")
    train = ("train", "heat.npde", "--data", "d.h5", "-o", "runs/x", "--epochs", 1)
    assert "Missing option '--data'" in npde("train", "heat.npde", status=2).stderr
    assert "not of the form" in npde(*train, "--name", "u", status=2).stderr
    assert "out of range" in npde(*train, "--lr", -1, status=2).stderr
    assert "not supported yet" in npde(*train, "--strategy", "pil", status=1).stderr
    assert "N1104" in npde(*train, "--fix", "q", status=1).stderr
    assert "N1022" in npde(*train, "-o", "runs/y", "--memory", "1 kB", status=1).stderr
    assert "'memory' is a number of bytes" in npde(*train, "--memory", "much", status=2).stderr
    assert "N1001" in npde("train", "heat.npde", "--data", "none.h5", status=1).stderr
    assert "cannot be used here" in npde(*train, "--device", "cuda:7", status=2).stderr
    grid = npde(*train, "--grid", "x=8", status=1).stderr
    assert "--grid x=16" in grid
    assert not Path("runs/x").exists()


def test_classes_are_counted(npde) -> None:
    Path("c.npde").write_text(
        "model c\ncoordinates x in [0, 1], t in [0, 1]\nfield u(x, t)\nlearn b(x) = 0\ninput image(x)\ndt(u) = -u + b\n"
        "boundary dn(u) = 0\ninitial u = image\ngrid x: 4\nmarch euler, steps: 2\noutput logits[2] = linear(u)\n"
    )
    import h5py

    images = torch.randn(40, 4, generator=torch.Generator().manual_seed(0))
    with h5py.File("c.h5", "w") as file:
        file["image"] = images.numpy()
        file["labels"] = (images[:, 0] > 0).long().numpy()
    npde("train", "c.npde", "--data", "c.h5", "-o", "runs/c", "--epochs", 40, "--strategy", "lbfgs", "--val", 0.1)
    text = npde("eval", "runs/c", "--data", "c.h5").stdout
    assert "true \\ said" in text
    accuracy = float(text.split("accuracy ")[1].split("%")[0])
    assert accuracy > 90
