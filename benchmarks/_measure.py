"""Times, memory, and what the machine can do."""

from __future__ import annotations

import ctypes
import gc
import os
import platform
import re
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from npde.native.build import load

LOOPS = Path(__file__).parent / "loops"

COPY = """#include <stddef.h>
void copy(float *restrict to, const float *restrict from, ptrdiff_t n, int times) {
    #pragma omp parallel
    for (int k = 0; k < times; k++) {
        #pragma omp for simd schedule(static)
        for (ptrdiff_t i = 0; i < n; i++) to[i] = from[i];
    }
}
"""


@dataclass(frozen=True)
class Times:
    """Seconds of repeated runs, and bytes that a run had beyond what was there before."""

    seconds: tuple[float, ...]
    added: int | None = None

    @property
    def median(self) -> float:
        """The middle run."""
        return statistics.median(self.seconds)

    @property
    def best(self) -> float:
        """The quickest run: what others on the machine disturbed least."""
        return min(self.seconds)


CLOCKS = {"wall": time.perf_counter, "processor": time.process_time}
"""Processor time of one thread is what to compare where others use the machine too."""


def repeated(run: Callable[[], Any], seconds: float, clock: str = "wall") -> list[float]:
    """Seconds of runs one after the other, at least one, until the time is over. The first one finds cold caches, so it counts
    only if there is little time for others."""
    gc.collect()
    found: list[float] = []
    begin = time.perf_counter()
    is_first = True
    while not found or time.perf_counter() - begin < seconds:
        before = CLOCKS[clock]()
        run()
        spent = CLOCKS[clock]() - before
        if not is_first or spent > seconds / 4:
            found.append(spent)
        is_first = False
    return found


def added_bytes(run: Callable[[], Any]) -> int | None:
    """The most memory that a run holds beyond what was held before it; None where the system does not say."""
    run()
    gc.collect()
    _trim()
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return None
    before = _status("VmRSS")
    run()
    return max(0, _status("VmHWM") - before)


def copy_bandwidth(floats: int, clock: str = "wall") -> float:
    """Bytes a second (read and written) of copying that many floats again and again, with all threads."""
    library = load(COPY, name="copy")
    source, target = np.ones(floats, np.float32), np.zeros(floats, np.float32)
    times = max(1, int(4e8 / (8 * floats)))
    pointers = [a.ctypes.data_as(ctypes.c_void_p) for a in (target, source)]
    best = float("inf")
    for _ in range(7):
        begin = CLOCKS[clock]()
        library.copy(*pointers, ctypes.c_ssize_t(floats), times)
        best = min(best, CLOCKS[clock]() - begin)
    return 8 * floats * times / best


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def machine() -> str:
    """The model of the processor, the cores used, and the vectors it has."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return f"{platform.processor()}, {cores()} cores"
    model = re.search(r"model name\s*:\s*(.*)", text)
    flags = re.search(r"flags\s*:\s*(.*)", text)
    vectors = next((v for v in ("avx512f", "avx2", "avx") if flags and v in flags[1].split()), "no wide vectors")
    return f"{model[1] if model else platform.machine()}, {cores()} cores, {vectors}"


def _status(key: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1]) * 1024
    return 0


def _trim() -> None:
    """Hands memory that is free back to the system, so that it is not counted as held."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (OSError, AttributeError):
        return
