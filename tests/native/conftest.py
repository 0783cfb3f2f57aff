"""Native tests march small grids by two threads too: the cost model would leave those to one."""

from __future__ import annotations

import pytest

from npde.native import sharing


@pytest.fixture(autouse=True)
def threads_share(monkeypatch: pytest.MonkeyPatch) -> None:
    """Barriers cost nothing, so threads share whatever they can."""
    monkeypatch.setattr(sharing, "WAKE", 0.0)
    monkeypatch.setattr(sharing, "BARRIER", 0.0)
