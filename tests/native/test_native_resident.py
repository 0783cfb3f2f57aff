"""`memory=` against what the system says: the resident memory that gradients of marches add to a process of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

MEASURE = """
import gc, json, sys, torch, npde
from npde.native import live

def status(name):
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))

text, dtype, batch, steps, part = sys.stdin.read(), getattr(torch, sys.argv[1]), *map(int, sys.argv[2:4]), float(sys.argv[4])
torch.set_num_threads(2)
net = npde.parse(text).compile(backend="native", dtype=dtype)
state = torch.rand(batch, *net.initial_state(1).shape[1:], dtype=dtype).requires_grad_()
wanted = [state, *net.parameters()]

def train(steps):
    return torch.autograd.grad(net(state, steps=steps).square().mean(), wanted)

calls, original = [], live.planned

def seen(*arguments):
    calls.append((arguments, original(*arguments)))
    return calls[-1][1]

def plan(memory):
    return original(key, tuple(state.shape), dtype, words, steps, 0, None, memory, given)

live.planned = seen
net.limit_memory(2**40)
torch.autograd.grad(net(state[:1], steps=2).sum(), wanted)  # kernels are built, threads are there
((key, _, _, words, _, _, _, _, given), _), = calls
given += 2**14  # a number more a step
net._npde.backend.runtime.arena.blocks.clear()
least = usual = plan(1)[2]
while plan(usual) != plan(None):
    usual += 2**20
budget = int(least + part * (usual - least))
net.limit_memory(budget)
gc.collect()
with open("/proc/self/clear_refs", "w") as peak:
    peak.write("5")
before = status("VmRSS")
for _ in range(6):
    train(steps)
print(json.dumps({"added": status("VmHWM") - before, "budget": budget, "keep": calls[1][1][0], "slots": calls[1][1][1]}))
"""

CONDUCTIVITY = """model conductivity
coordinates x, y in [0, 25.6], t in [0, 1]
field u(x, y, t)
learn a(x, y) = 0.1, r = 1
dt(u) = div(a*grad(u)) + r*u*(1 - u)
boundary periodic
initial u = 0
grid x: 256, y: 256
march euler, steps: 100
"""

WAVE = """model wave
coordinates x, y in [0, 25.6], t in [0, 1]
field u(x, y, t)
learn c = 1
dtt(u) = c^2*lap(u)
boundary periodic
initial u = 0
initial dt(u) = 0
grid x: 256, y: 256
march leapfrog, steps: 100
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of kernels that the processes share."""
    return tmp_path_factory.mktemp("cache")


@pytest.mark.skipif(not os.access("/proc/self/clear_refs", os.W_OK), reason="the system does not tell peaks")
@pytest.mark.parametrize(
    "text, dtype, batch, part, schedule",
    [
        (CONDUCTIVITY, "float64", 8, 0.1, "binomial"),
        pytest.param(CONDUCTIVITY, "float64", 8, 0.6, "binomial", marks=pytest.mark.slow),
        pytest.param(CONDUCTIVITY, "float32", 8, 0.3, "binomial", marks=pytest.mark.slow),
        (CONDUCTIVITY, "float32", 8, 1.0, "usual"),
        pytest.param(WAVE, "float64", 2, 0.0, "binomial", marks=pytest.mark.slow),
        pytest.param(WAVE, "float32", 2, 1.0, "usual", marks=pytest.mark.slow),
    ],
)
def test_what_a_process_adds_stays_below_the_budget(
    text: str, dtype: str, batch: int, part: float, schedule: str, folder: Path
) -> None:
    """`part`: of the way from the least budget, with binomial checkpoints, to one that changes nothing."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, dtype, str(batch), "100", str(part)],
        check=False, input=text, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "NPDE_CACHE": str(folder)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert 0.4 * found["budget"] < found["added"] <= found["budget"]
    is_taken_apart = found["slots"] < found["keep"]
    assert is_taken_apart == (schedule == "binomial")
