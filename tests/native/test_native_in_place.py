"""Channels written in place: which may be, that nothing is read after it was overwritten, and that results do not depend on it."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace

import pytest
import torch

from npde.diagnostics import InternalError
from npde.driver import Compilation
from npde.native import c_driver
from npde.native.in_place import obstacle, wall_distance
from npde.native.kernels import Kernels, describe, lower
from npde.native.program import Program
from npde.options import CompileOptions, Overrides
from npde.source import Source
from tests.native.native_comparison import pair

MODEL = """model m
coordinates {axes} in [0, 1], t in [0, 0.001]
field {fields}
{equations}
{walls}
{initial}
{more}
march {scheme}, steps: 20
"""
PLANE, SPACE = "x, y", "x, y, z"
WALLS = "boundary x = 0: {f} = 0\nboundary x = 1: dn({f}) = 0\nboundary y: periodic"
STEEP = "boundary x = 0: {f} = 0.1\nboundary x = 1: dn({f}) = 0\nboundary y: periodic"


def model(
    kind: str, axes: str = PLANE, walls: str = "boundary periodic", scheme: str = "leapfrog", order: int = 2
) -> str:
    """One of: a Schrödinger equation, a wave, diffusion, diffusion beside what grows in each cell, growth alone."""
    fields, equations, first = {
        "schrodinger": (f"psi({axes}, t) complex", "i*dt(psi) = -1/2*lap(psi) + cos(x)*psi", "initial psi = sin(2*pi*y)"),
        "wave": (f"u({axes}, t)", "dtt(u) = lap(u) - u^3", "initial u = sin(2*pi*y)\ninitial dt(u) = 0"),
        "diffusion": (f"u({axes}, t)", "dt(u) = 0.1*lap(u) + u*(1 - u)", "initial u = sin(2*pi*y)"),
        "nerve": (
            f"u({axes}, t), w({axes}, t)", "dt(u) = 0.1*lap(u) + u - u^3 - w\ndt(w) = 0.3*(u - w)",
            "initial u = sin(2*pi*y)\ninitial w = 0",
        ),
        "growth": (f"u({axes}, t)", "dt(u) = u*(1 - u)", "initial u = sin(2*pi*y)"),
    }[kind]  # fmt: skip
    if kind == "nerve":
        fields = fields.replace(", w(", "\nfield w(")
    names = re.findall(r"(\w+)\(", fields)
    return MODEL.format(
        axes=axes, fields=fields, equations=equations, initial=first, scheme=scheme, more=f"order {order}",
        walls="\n".join(walls.format(f=name) for name in names) if "{f}" in walls else walls,
    )  # fmt: skip


def kernels(text: str, **grid: int) -> Kernels:
    return lower(Compilation(Source("<test>", text), Overrides(grid=grid), CompileOptions()).graph)


@pytest.mark.parametrize(
    ("text", "channels"),
    [
        (model("schrodinger"), (0, 1)),  # a half step reads the other part's neighbors, its own part here
        (model("wave"), (1,)),  # velocity; the force on it reads positions around
        (model("diffusion", scheme="euler"), ()),
        (
            model("diffusion", scheme="rk4"),
            (0,),
        ),  # stages have arrays of their own, and the last sweep reads the old state here
        (model("nerve", scheme="euler"), (1,)),
        (model("growth", scheme="euler"), (0,)),
        (model("growth", scheme="rk4"), (0,)),
        (model("nerve", scheme="heun"), (0,)),  # the second stage of u reads w as it was
        (model("diffusion", scheme="ab2"), (1,)),  # the rate before
    ],
    ids=[
        "schrodinger",
        "wave",
        "diffusion",
        "diffusion by rk4",
        "nerve",
        "growth",
        "growth by rk4",
        "nerve by heun",
        "diffusion by ab2",
    ],
)
def test_which_channels(text: str, channels: tuple[int, ...]) -> None:
    step = kernels(text, x=12, y=16).programs[0]
    assert step.in_place == channels
    assert f"#define ARRAYS {2 * step.carried - len(channels)} " in kernels(text, x=12, y=16).forward("double").text


def test_it_is_printed() -> None:
    graph = Compilation(Source("<test>", model("wave")), Overrides(grid={"x": 12, "y": 16}), CompileOptions()).graph
    assert "  may be written in place: next_velocity_0, of velocity_0\n" in describe(graph)
    step = lower(graph).programs[0]
    assert obstacle(step, 0) == "phase 1 reads it"


def test_a_channel_that_neighbors_read_is_refused() -> None:
    found = kernels(model("diffusion", scheme="euler"), x=12, y=16)
    marked = replace(found, programs=(replace(found.programs[0], in_place=(0,)),))
    with pytest.raises(InternalError, match="cannot be written in place: phase 1 reads it"):
        marked.forward("double")


def test_ghost_cells_filled_too_late_are_refused() -> None:
    found = kernels(model("schrodinger"), x=12, y=16).programs[0]
    late = (found.phases[0], replace(found.phases[1], borders=found.phases[0].borders + found.phases[1].borders))
    late = (*late, *found.phases[2:])
    assert obstacle(replace(found, phases=late), 0) is None  # it is written in phase 2
    last = (*found.phases[:2], replace(found.phases[2], borders=found.phases[0].borders))
    assert obstacle(replace(found, phases=last), 0) == "borders of phase 2 look at it"


def march(text: str, steps: int, threads: int, depth: int, **grid: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Torch's states and those of kernels, last and framed."""
    torch_net, native_net = pair(text, grid=grid)
    state = torch_net.initial_state(2).detach()
    state = state + 0.1 * torch.rand(state.shape, dtype=state.dtype, generator=torch.Generator().manual_seed(0))
    runtime = native_net._npde.backend.runtime  # type: ignore[union-attr]
    before = torch.get_num_threads()
    with torch.no_grad():
        expected = torch.cat(
            [torch_net.march(state, steps=steps)[:, None], torch_net.march(state, steps=steps, every=3)], 1
        )
        try:
            torch.set_num_threads(threads)
            runtime.depth = depth
            one = state[:1] if threads > 1 else state  # one sample is shared by the threads
            found = torch.cat(
                [native_net.march(one, steps=steps)[:, None], native_net.march(one, steps=steps, every=3)], 1
            )
        finally:
            torch.set_num_threads(before)
    return found, expected[: len(found)]


def test_what_is_overwritten_too_early_changes_values(monkeypatch: pytest.MonkeyPatch, quick_builds: None) -> None:
    """Diffusion in place is another march: with the check out of the way it is noticed."""
    monkeypatch.setattr(c_driver, "verify", lambda program: None)
    sound = Kernels.forward

    def marked(self: Kernels, real: str):  # type: ignore[no-untyped-def]
        return sound(replace(self, programs=tuple(replace(p, in_place=(0,)) for p in self.programs)), real)  # type: ignore[arg-type]

    monkeypatch.setattr(Kernels, "forward", marked)
    for depth in (0, 3):
        found, expected = march(model("diffusion", scheme="euler"), 6, 1, depth, x=21, y=19)
        assert not torch.allclose(found, expected, rtol=1e-6, atol=1e-6)


CASES = {
    "schrodinger": (model("schrodinger"), {"x": 41, "y": 19}),
    "walls": (model("schrodinger", walls=WALLS), {"x": 37, "y": 17}),
    "walls, fourth order": (model("schrodinger", walls=WALLS, order=4), {"x": 45, "y": 16}),
    "space": (model("schrodinger", SPACE), {"x": 23, "y": 5, "z": 7}),
    "space, walls": (
        model("schrodinger", SPACE, walls=WALLS + "\nboundary z: periodic", order=4), {"x": 33, "y": 8, "z": 9},
    ),
    "wave": (model("wave", walls=STEEP), {"x": 40, "y": 18}),
    "nerve": (model("nerve", walls=STEEP, scheme="euler"), {"x": 43, "y": 35}),
    "rk4": (model("diffusion", walls=STEEP, scheme="rk4", order=4), {"x": 50, "y": 18}),
    "heun": (model("nerve", scheme="heun"), {"x": 39, "y": 16}),
    "ab2": (model("diffusion", walls=STEEP, scheme="ab2"), {"x": 21, "y": 16}),
    "growth": (model("growth", scheme="euler"), {"x": 29, "y": 5}),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_torch_and_kernels_agree(case: str, quick_builds: None) -> None:
    text, grid = CASES[case]
    for threads, depth in itertools.product((1, 2), (0, 2, 3, 5)):
        found, expected = march(text, 11, threads, depth, **grid)
        assert float((found - expected).abs().max()) <= 1e-12 * float(expected.abs().max()), (threads, depth)


def test_waves_stay_behind_walls_that_look_far() -> None:
    """A wall of n cells is past after d waves BEHIND rows apart if d BEHIND >= n - 1."""
    for text in (CASES["walls, fourth order"][0], model("nerve", walls=STEEP, scheme="euler", order=6)):
        found = kernels(text, x=45, y=16)
        c = found.forward("double").text
        behind, at_once = (int(re.search(rf"#define {name} (\d+)L", c)[1]) for name in ("BEHIND", "AT_ONCE"))  # type: ignore[index]
        step: Program = found.programs[0]
        distance = wall_distance(step, step.in_place)
        cells = [
            len(row)
            for value in step.values.items
            for wall in getattr(value.operation, "walls", None) or ()
            for row in wall.weights
        ]
        assert distance >= 1
        assert distance * behind >= max(cells) - 1
        assert at_once >= max(cells)
        assert behind >= step.reach
