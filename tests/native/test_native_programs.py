"""Random programs, marched by torch and by kernels in all the ways that there are; `generate(SEED)` prints one."""

from __future__ import annotations

import random

import pytest
import torch

from npde.diagnostics import DiagnosticError
from npde.emit.live import LiveModule
from npde.emit.rollout import Options
from npde.native.values import Unfit
from tests.native.native_comparison import BACKWARD, FORWARD, pair, worst
from tests.native.native_programs import generate

pytestmark = pytest.mark.usefixtures("quick_builds")

TOLERANCES = {torch.float64: (FORWARD, BACKWARD), torch.float32: (3e-4, 3e-3)}


def first_fit(seed: int, free: str, dtype: torch.dtype) -> tuple[LiveModule, LiveModule]:
    """The modules of the first of three programs that the compiler does not refuse (too few cells, no stable step) and whose
    gradient has kernels for everything learned or given."""
    for text in map(generate, range(seed, seed + 3000, 1000)):
        try:
            nets = pair(text, free=free, network="cnn", dtype=dtype)
            kernels = nets[1]._npde.backend.runtime.kernels  # type: ignore[union-attr]
            kernels.adjoints(kernels.differentiable)
        except (DiagnosticError, Unfit):
            continue
        return nets
    raise AssertionError(f"no program of {seed} fits")


def differences(seed: int) -> dict[str, float]:
    """A program by one of the ways to march it: samples, threads, frames, what is kept, steps at once."""
    rng = random.Random(seed)
    free = rng.choice(["none"] * 6 + ["kernels", "layers"])
    dtype = rng.choice([torch.float64] * 4 + [torch.float32])
    nets = first_fit(seed, free, dtype)
    torch.set_num_threads(rng.choice([1, 1, 2, 3]))
    nets[1]._npde.backend.runtime.depth = rng.choice([-1, 0, 2, 3, 5, 16])  # type: ignore[union-attr]
    nets[1]._rollout = Options(every=rng.choice([None, 1, 2, 3]))
    steps = rng.choice([nets[0].STEPS, nets[0].STEPS - 1])
    every = rng.choice([None, 1, 2, 3])
    return worst(*nets, *TOLERANCES[dtype], steps=steps, every=every, batch=rng.choice([1, 1, 2, 7]))


@pytest.mark.parametrize("seed", range(6))
def test_a_program(seed: int) -> None:
    assert differences(seed) == {}


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6, 300))
def test_three_hundred_programs(seed: int) -> None:
    assert differences(seed) == {}
