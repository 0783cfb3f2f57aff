"""What native tests have in common: quick builds, numbers of threads.

They march small grids by two threads too: the cost model would leave those to one.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from npde.native import build, sharing


@pytest.fixture(autouse=True)
def threads_share(monkeypatch: pytest.MonkeyPatch) -> None:
    """Barriers cost nothing, so threads share whatever they can."""
    monkeypatch.setattr(sharing, "WAKE", 0.0)
    monkeypatch.setattr(sharing, "BARRIER", 0.0)


@pytest.fixture(autouse=True)
def threads_as_before() -> Iterator[None]:
    """Whatever a test sets."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def one_thread(threads_as_before: None) -> None:
    torch.set_num_threads(1)


@pytest.fixture
def quick_builds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernels built without optimisation, in half the time: these tests ask whether what is written is right."""
    load = build.load
    monkeypatch.setattr(build, "load", lambda source, *, name: load(source, name=name, flags=("-O0",)))
