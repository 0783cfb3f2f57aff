"""Leapfrog marches as chains of merged kicks: the states that they return, their gradients, and where kicks may not be merged."""

from __future__ import annotations

import itertools

import pytest
import torch

from npde.emit.rollout import Options
from tests.native.native_comparison import pair, worst

WAVE = """model membrane
coordinates x in [0, 1], t in [0, 1]
field u(x, t)
learn c(x) = 1
dtt(u) = c^2*dxx(u) - u^3
boundary x = 0: u = sin(t)
boundary x = 1: dn(u) = 0
initial u = sin(x)
initial dt(u) = 0
grid x: 21
march leapfrog, steps: 100
"""
SCHRODINGER = """model driven
coordinates x, y in [0, 6], t in [0, 1]
field psi(x, y, t) complex
learn V(x, y) = 0.1
learn q = 0.3
i*dt(psi) = -1/2*lap(psi) + (V + q*sin(3*t))*psi
boundary x: periodic
boundary y = 0: psi = 0
boundary y = 6: dn(psi) = 0
initial psi = exp(-(x-3)^2)
grid x: 31, y: 9
march leapfrog, steps: 200
"""
DRIVEN = WAVE.replace("learn c", "input s(t)\nlearn c").replace("- u^3", "+ s*x")


def programs(net) -> list[str]:  # type: ignore[no-untyped-def]
    return [p.name for p in net._npde.backend.runtime.kernels.programs]


@pytest.mark.parametrize("text", [WAVE, SCHRODINGER], ids=["wave", "schrodinger"])
def test_states_frames_and_gradients(text: str, quick_builds: None) -> None:
    torch_net, native_net = pair(text)
    assert programs(native_net) == ["step", "finish"]
    before = torch.get_num_threads()
    try:
        for (steps, every), (batch, threads) in itertools.product(
            ((0, 1), (1, None), (7, 3), (8, 4), (5, 1)), ((1, 2), (3, 2))
        ):
            torch.set_num_threads(threads)
            assert worst(torch_net, native_net, steps=steps, every=every, batch=batch) == {}, (steps, every, batch)
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("keep", [1, 3, 20])
def test_segments(keep: int, quick_builds: None, one_thread: None) -> None:
    torch_net, native_net = pair(WAVE)
    native_net._rollout = Options(every=keep)
    assert worst(torch_net, native_net, steps=9, every=3) == {}


def test_bands(quick_builds: None) -> None:
    _, net = pair(SCHRODINGER)
    runtime = net._npde.backend.runtime  # type: ignore[union-attr]
    state = torch.rand(3, 2, 31, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    before = torch.get_num_threads()
    try:
        for depth, threads in itertools.product((2, 3), (1, 2)):
            torch.set_num_threads(threads)
            with torch.no_grad():
                runtime.depth = 0
                expected = (
                    net.march(state, steps=11),
                    net.march(state, steps=9, every=4),
                    net.march(state, steps=8, every=4),
                )
                runtime.depth = depth
                found = (
                    net.march(state, steps=11),
                    net.march(state, steps=9, every=4),
                    net.march(state, steps=8, every=4),
                )
            for a, b in zip(expected, found, strict=True):
                torch.testing.assert_close(b, a, rtol=1e-12, atol=1e-12)
    finally:
        torch.set_num_threads(before)


def test_a_chain_has_two_forces_a_step_less_than_before(quick_builds: None) -> None:
    """One sweep a step for waves: the force is evaluated once."""
    _, net = pair(WAVE)
    step, finish = net._npde.backend.runtime.kernels.programs  # type: ignore[union-attr]
    for program in (step, finish):
        assert sum(len(phase.sweeps) for phase in program.phases) == 1


@pytest.mark.parametrize("text, free", [(DRIVEN, "none"), (WAVE, "layers")], ids=["input", "released"])
def test_kicks_that_see_different_forces_stay_apart(text: str, free: str, quick_builds: None) -> None:
    torch_net, native_net = pair(text, free=free)
    assert programs(native_net) == ["step"]
    assert worst(torch_net, native_net, steps=4, every=2) == {}
