"""Two threads march what one does not march as soon."""

from __future__ import annotations

import pytest
import torch

import npde
from npde.native import sharing
from npde.native.sharing import SPINNING, WAKE, Share, barrier

FISHER = """model fisher
coordinates x, y in [0, 1], t in [0, 0.001]
field u(x, y, t)
dt(u) = 0.001*lap(u) + u*(1 - u)
boundary periodic
initial u = x*y
grid x: {n}, y: {n}
march euler, steps: 10
"""


@pytest.fixture
def costs(monkeypatch: pytest.MonkeyPatch, threads_share: None) -> pytest.MonkeyPatch:
    """What waiting costs, which other native tests leave out."""
    monkeypatch.setattr(sharing, "WAKE", WAKE)
    monkeypatch.setattr(sharing, "BARRIER", SPINNING)
    return monkeypatch


def teams(n: int, steps: int, batch: int = 1) -> tuple[int, int]:
    """Teams and their threads, of two."""
    net = npde.parse(FISHER.format(n=n)).compile(backend="native", dtype=torch.float32)
    runtime = net._npde.backend.runtime  # type: ignore[union-attr]
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        return runtime.teams(*runtime.forward(torch.float32), batch, steps, torch.float32)
    finally:
        torch.set_num_threads(before)


def test_threads_share_what_is_worth_it(costs: pytest.MonkeyPatch, quick_builds: None) -> None:
    assert teams(32, 1000) == (1, 1)
    assert teams(512, 100) == (1, 2)
    assert teams(512, 0) == (1, 1)
    assert teams(32, 1000, batch=2) == (2, 1), "samples side by side wait for nobody"


def test_threads_that_sleep_share_less(costs: pytest.MonkeyPatch, quick_builds: None) -> None:
    """`OMP_WAIT_POLICY=PASSIVE`: a barrier takes as long as waking a thread."""
    assert teams(128, 1000) == (1, 2)
    costs.setattr(sharing, "BARRIER", barrier("passive"))
    assert teams(128, 1000) == (1, 1)
    assert teams(1024, 100) == (1, 2)


def test_the_policy_is_read_as_openmp_does(costs: pytest.MonkeyPatch) -> None:
    assert [barrier(p) for p in ("PASSIVE", " passive", "active", "")] == [WAKE, WAKE, SPINNING, SPINNING]


def test_two_samples_pay_sooner_than_one(costs: pytest.MonkeyPatch) -> None:
    share = Share(operations=3e6, itemsize=4, waits=0)
    assert not share.pays(1, 2)
    assert share.pays(2, 2)
