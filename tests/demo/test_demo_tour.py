"""The tour of `make demo` leaves what it announces, and its figures are those that are asked for."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 300


def tour(folder, **more):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MPLBACKEND": "Agg", "NO_COLOR": "1"}
    command = [sys.executable, "-m", "demo", str(folder)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT, check=False, **more)


@pytest.mark.slow
def test_the_tour(tmp_path):
    folder = tmp_path / "tour"
    began = time.monotonic()
    done = tour(folder)
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - began < SECONDS
    assert all(len(line) <= 80 for line in done.stdout.splitlines())

    accuracy = float(re.search(r"unseen images\s+([\d.]+)% right", done.stdout)[1])
    assert accuracy >= 95
    for name, truth in (("D", 0.25), ("r", 1.3)):
        shown = re.search(rf"^\s+{name}\s+([\d.]+)\s+([\d.]+)\s+([\d.]+)\s+([\d.]+)%", done.stdout, re.M)
        assert float(shown[1]) == truth
        assert float(shown[3]) == pytest.approx(truth, rel=0.02)
        assert float(shown[4]) <= 2

    with h5py.File(folder / "gray_scott.h5") as file:
        end = file["v"][0, -1]
    assert end.std() > 0.05, "no pattern"
    assert (end > 0.15).mean() > 0.2, "the pattern does not fill the plane"
    with Image.open(folder / "gray_scott.gif") as film:
        assert film.n_frames >= 50
    for picture in ("gray_scott.png", "digits_confusion.png", "fisher_recovered.png"):
        with Image.open(folder / picture) as image:
            assert np.asarray(image.convert("L")).std() > 10, f"{picture} is empty"
    for run in ("parabolic_cnn", "fisher"):
        options = json.loads((folder / "runs" / run / "options.json").read_text())
        assert options["name"] == run
    for model in ("gray_scott", "parabolic_cnn", "fisher"):
        assert "class " in (folder / f"{model}.py").read_text()
        assert "<svg" in (folder / f"{model}.html").read_text()
        assert (folder / f"{model}.svg").read_text().lstrip().startswith("<")


def test_a_folder_with_other_files_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    done = tour(tmp_path)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
