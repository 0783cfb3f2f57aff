"""How many threads march a sample together: what they save against what it costs them to wait for each other."""

from __future__ import annotations

import os
from dataclasses import dataclass

OPERATION = 2.5e-12
"""Seconds of one operation on a byte of an entry, where loops are vectors and what they read is in a cache: too short elsewhere,
so threads are not called too early."""

WAKE = 20e-6
"""Seconds until threads that sleep have begun."""

SPINNING = 1e-6
"""Seconds of a barrier at which threads are awake."""


def barrier(policy: str | None = None) -> float:
    """Seconds of a barrier under a wait policy of OpenMP (None: the environment's): `PASSIVE` threads sleep at each."""
    chosen = os.environ.get("OMP_WAIT_POLICY", "") if policy is None else policy
    return WAKE if chosen.strip().upper() == "PASSIVE" else SPINNING


BARRIER = barrier()
"""Seconds of a barrier in this process: OpenMP reads the policy when it is loaded, and so does this."""


@dataclass(frozen=True, slots=True)
class Share:
    """A march of one sample: `operations` on numbers of `itemsize` bytes, and how often threads would wait (`waits`)."""

    operations: float
    itemsize: int
    waits: float

    def pays(self, samples: int, threads: int, wait: float | None = None) -> bool:
        """Whether so many threads march so many samples sooner than one does; `wait`: seconds of a barrier."""
        alone = samples * self.operations * self.itemsize * OPERATION
        return alone * (1 - 1 / threads) > WAKE + samples * self.waits * (BARRIER if wait is None else wait)
