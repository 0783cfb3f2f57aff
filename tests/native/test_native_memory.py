"""What a march keeps for its gradient: plans within a budget, the same gradients whatever is kept, memory that is used again."""

from __future__ import annotations

import functools
import gc
import os
import signal
import threading
import weakref

import pytest
import torch

from npde.diagnostics import DiagnosticError
from npde.emit.rollout import Options
from npde.native.arena import Arena
from npde.native.runtime import runtime
from npde.native.segments import Costs, Plan, fastest, least, repeated, usual
from tests.native.native_comparison import marched, pair, worst
from tests.native.test_native_leapfrog import WAVE
from tests.native.test_native_march import FISHER

# --- plans ------------------------------------------------------------------------------------------------------------


@functools.cache
def fewest(steps: int, kept: int) -> int:
    """Steps made again at least, by trying all ways."""
    if steps <= kept:
        return steps - 1
    if kept == 1:
        return steps * (steps - 1) // 2
    return min(m + fewest(steps - m, kept - 1) + fewest(m, kept) for m in range(1, steps))


def test_binomial_checkpointing_makes_the_fewest_steps_again() -> None:
    for steps in range(1, 60):
        assert repeated(steps, steps) == steps - 1
        for slots in range(3, min(steps, 12)):
            assert repeated(steps, slots) in (None, fewest(steps, slots - 2))
    assert repeated(60, 3) is None  # one kept state would make 59 marches
    assert repeated(60, 2) is None  # nothing to march in


def test_the_fastest_plan_that_fits() -> None:
    costs = Costs(saved=1000, array=100)
    assert fastest(1000, costs, 10**6) == usual(1000) == Plan(31, 31)
    for room in (30_000, 10_000, 5_000, least(1000, costs)):
        plan = fastest(1000, costs, room)
        assert plan is not None
        assert costs.bytes(1000, plan) <= room
    assert fastest(1000, costs, least(1000, costs) - 1) is None


# --- gradients --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [FISHER, WAVE], ids=["fisher", "wave"])
def test_gradients_are_the_same_whatever_is_kept(text: str, quick_builds: None, one_thread: None) -> None:
    torch_net, net = pair(text)
    made = runtime(net._npde.backend.runtime.key)  # type: ignore[union-attr]
    shape = (2, *net.initial_state(1).shape[1:])
    given = range(len(made.kernels.arguments))
    wanted = frozenset(k for k in given if made.kernels.arguments[k].kind == "coefficient")
    expected = marched(torch_net, steps=20, every=3)
    plans = set()
    costs, fixed = made.costs(shape, torch.float64, wanted, 20, 3)
    for room in range(least(20, costs), costs.bytes(20, usual(20, made.more)) + 1, costs.array // 2):
        net._rollout = Options(memory=fixed + 10_000 + room)
        plans.add(fastest(20, costs, room))
        for name, gradient in marched(net, steps=20, every=3).items():
            torch.testing.assert_close(gradient, expected[name], rtol=1e-12, atol=1e-12)
    assert len(plans) > 3
    assert any(p.slots < p.keep for p in plans)


def test_a_budget_that_is_too_small_says_what_is_enough(quick_builds: None) -> None:
    _, net = pair(FISHER)
    net._rollout = Options(memory=1000)
    with pytest.raises(DiagnosticError, match="N1022") as caught:
        net(steps=20)
    (diagnostic,) = caught.value.diagnostics
    assert "MB" in str(diagnostic.hint)
    with torch.no_grad():
        net(steps=20)


# --- memory that is used again ----------------------------------------------------------------------------------------


def test_what_a_march_left_in_memory_does_not_matter(quick_builds: None) -> None:
    """Marches of other lengths, of NaN, and with gradients, between two equal ones."""
    torch_net, net = pair(FISHER)
    bad = torch.full((2, 1, 16, 12), torch.nan, dtype=torch.float64).requires_grad_()
    for steps in (5, 9):
        torch.autograd.grad(net(bad, steps=steps).sum(), [bad])
        assert worst(torch_net, net, steps=5) == {}


def test_blocks_are_used_again_and_never_shared() -> None:
    arena = Arena()
    with arena.memory(1000, "a") as (first, is_clean):
        assert is_clean
        with arena.memory(1000, "a") as (second, _):
            assert first.value != second.value
    with arena.memory(1000, "a") as (third, is_clean):
        assert (third.value in (first.value, second.value), is_clean) == (True, True)
    with arena.memory(500, "b") as (fourth, is_clean):
        assert (fourth.value in (first.value, second.value), is_clean) == (True, False)
    assert len(arena.blocks) == 2


def test_threads_march_side_by_side(quick_builds: None) -> None:
    _, net = pair(FISHER)
    state = torch.rand(1, 1, 16, 12, dtype=torch.float64)
    with torch.no_grad():
        expected = net(state, steps=20)
    wrong: list[float] = []

    def run() -> None:
        for _ in range(50):
            with torch.no_grad():
                if not torch.equal(net(state, steps=20), expected):
                    wrong.append(1.0)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_memory_goes_with_the_model(quick_builds: None) -> None:
    _, net = pair(FISHER.replace("0.25", "0.26"), grid={"x": 640, "y": 640})
    net(steps=2)
    (block,) = net._npde.backend.runtime.arena.blocks  # type: ignore[union-attr]
    pages = weakref.ref(block.pages)
    assert len(block.pages) > 2 * 640 * 640 * 8
    del block, net
    gc.collect()
    assert pages() is None


def test_a_child_of_a_fork_marches(quick_builds: None) -> None:
    """Its pages are its own; and it waits neither for threads that it does not have, nor for a lock that another thread held."""
    _, net = pair(FISHER)
    made = net._npde.backend.runtime  # type: ignore[union-attr]
    state = torch.rand(1, 1, 16, 12, dtype=torch.float64)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with torch.no_grad():
            expected = net(state, steps=20)
            with made._lock:
                child = os.fork()
            if child == 0:
                signal.alarm(20)
                os._exit(int(not torch.equal(net(state, steps=20), expected)))
            assert torch.equal(net(state, steps=20), expected)
        assert os.waitpid(child, 0)[1] == 0
    finally:
        torch.set_num_threads(before)
