"""Gray–Scott: two substances that diffuse and react, and draw a labyrinth."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import torch

import npde
from demo.paths import example
from npde.files.trajectory import trajectory
from npde.plot import save
from npde.simulate import Simulation

CELLS = 192
END = 8000
EVERY = 100
COMMAND = "\n".join([
    f"npde run {{example}} --grid x={CELLS},y={CELLS} --order 4 \\",
    f"    --extent t=0,{END} -o gray_scott.h5 --plot {{gif}}",
])  # fmt: skip


@dataclass(frozen=True, slots=True)
class Simulated:
    """What was computed and where it is."""

    steps: int
    cells: int
    seconds: float
    data: Path
    picture: Path
    film: Path


def simulate(folder: Path) -> Simulated:
    """The example on a coarser grid at fourth order, four times as long as its file says, so that the pattern fills the plane."""
    net = npde.load(example("gray_scott")).compile(
        dtype=torch.float64, grid={"x": CELLS, "y": CELLS}, order=4, extent={"t": (0, END)}
    )
    run = Simulation(net, {}, net.STEPS, EVERY)
    data, picture, film = (folder / f"gray_scott.{kind}" for kind in ("h5", "png", "gif"))
    began = time.perf_counter()
    state = run.start()
    with trajectory(data, run.scheme, every=EVERY) as file:
        file.append({name: value[:, None].numpy() for name, value in net.unpack(state).items()})
        for piece in run.pieces(state):
            file.append({name: value.numpy() for name, value in net.unpack(piece.frames).items()})
    seconds = time.perf_counter() - began
    save(data, picture)
    save(data, film)
    return Simulated(net.STEPS, CELLS * CELLS, seconds, data, picture, film)
