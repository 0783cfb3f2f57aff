"""Processes that export for ever, to be killed.

Reads `KIND FOLDER` a line and answers with the number of a new process, a fork of this one (which has imported everything), once
that has exported once. `wait` answers with the exit status of the last.
"""

from __future__ import annotations

import itertools
import os
import sys
from pathlib import Path

import torch

import npde
from npde.files import write_text
from npde.files.trajectory import trajectory

MODEL = """model m
coordinates x in [0, 1], t in [0, 0.00001]
field u(x, t)
learn a(x) = 1 > 0
dt(u) = a*dxx(u)
boundary periodic
initial u = sin(2*pi*x)
grid x: 512
march euler, steps: 20
"""
MARK = "# a mark at the end\n"


def export(kind: str, folder: Path) -> None:
    """Every export differs from the one before, so that halves of two would show."""
    net = npde.parse(MODEL).compile(dtype=torch.float64)
    for n in itertools.count():
        if n == 1:
            print(os.getpid(), flush=True)  # noqa: T201
        net.a = 1.0 + (n % 7) / 10
        match kind:
            case "pretrained":
                net.save_pretrained(folder / "model")
            case "source":
                write_text(folder / "model.py", net.source + f"# {n}\n" * 20_000 + MARK)
            case "trajectory":
                frames = net.march(every=1).detach().numpy()
                with trajectory(folder / "run.h5", net.graph.scheme, attributes={"run": n}) as file:
                    for frame in range(file.frames):
                        file.append({"u": frames[:, frame : frame + 1, 0]})


def main() -> None:
    """Answers until the input ends."""
    child = 0
    for line in sys.stdin:
        if line == "wait\n":
            _, status = os.waitpid(child, 0)
            print(os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201
            continue
        kind, _, folder = line.strip().partition(" ")
        child = os.fork()
        if not child:
            export(kind, Path(folder))


if __name__ == "__main__":
    npde.parse(MODEL).compile()
    main()
