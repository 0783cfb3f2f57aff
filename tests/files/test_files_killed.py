"""Exports killed at any moment leave what was there before, or what was to be there: never a part of it."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from exported import MARK, MODEL

import npde

ROOT = Path(__file__).parents[2]


class Exporter:
    """The process of `exported.py`."""

    def __init__(self) -> None:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, str(Path(__file__).with_name("exported.py"))]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def ask(self, line: str) -> int:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def close(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


@pytest.fixture(scope="module")
def exporter() -> Iterator[Exporter]:
    made = Exporter()
    yield made
    made.close()


def check_pretrained(folder: Path) -> None:
    """A folder loads, and holds one export. Between its two renames a new one has no name; the old one still lies beside it."""
    if not (folder / "model").exists():
        assert any(p.name.endswith(".old") for p in folder.iterdir())
        return
    values = npde.from_pretrained(folder / "model").a.detach()
    assert torch.equal(values, values[:1].expand_as(values))


def check_source(folder: Path) -> None:
    text = (folder / "model.py").read_text()
    assert text.endswith(MARK)
    assert len(set(text.removesuffix(MARK).splitlines()[-20_000:])) == 1


def check_trajectory(folder: Path) -> None:
    with h5py.File(folder / "run.h5") as file:
        assert file["u"].shape == (1, 21, 512)
        assert np.isfinite(file["u"][:]).all()
        assert file["u"][0, -1].any()
        assert file.attrs["npde"] == MODEL


CHECKS = {"pretrained": check_pretrained, "source": check_source, "trajectory": check_trajectory}


def kill(exporter: Exporter, kind: str, folder: Path, kills: int) -> None:
    """Kills exports after a few milliseconds each, and looks at what is there."""
    moments = random.Random(kind)
    for _ in range(kills):
        child = exporter.ask(f"{kind} {folder}")
        time.sleep(moments.uniform(0, 0.05))
        os.kill(child, signal.SIGKILL)
        assert exporter.ask("wait") == -signal.SIGKILL
        CHECKS[kind](folder)


@pytest.mark.parametrize("kind", CHECKS)
def test_a_killed_export_is_whole(exporter: Exporter, kind: str, tmp_path: Path) -> None:
    kill(exporter, kind, tmp_path, 2)


@pytest.mark.slow
@pytest.mark.parametrize("kind", CHECKS)
def test_twenty_killed_exports_are_whole(exporter: Exporter, kind: str, tmp_path: Path) -> None:
    kill(exporter, kind, tmp_path, 20)
