"""Who takes part in a case, by name."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks import _loops, _npde, _peers
from benchmarks._cases import Case

OURS = ("npde", "loops")
"""How names begin of those that must not fail."""


def contestants(case: Case) -> dict[str, Callable[[], _npde.Run]]:
    """What makes a contestant ready, in the order of the table."""
    found: dict[str, Callable[[], _npde.Run]] = {"npde native": lambda: _npde.marched(case, backend="native")}
    if case.family:
        found["loops by hand"] = lambda: _loops.march(case)
    found["npde torch, compiled"] = lambda: _npde.marched(case, backend="torch", compiled=True)
    found["npde torch"] = lambda: _npde.marched(case, backend="torch")
    if not case.family:
        return found
    if not case.trains:
        found["torch.compile, sliced"] = lambda: _npde.by_hand(case, "slice")
    found["torch.compile, rolled"] = lambda: _npde.by_hand(case, "roll")
    found["Devito"] = lambda: _peers.devito(case)
    found["JAX"] = lambda: _peers.jax(case)
    found["numba"] = lambda: _peers.numba(case)
    found["py-pde"] = lambda: _peers.pypde(case)
    return found
