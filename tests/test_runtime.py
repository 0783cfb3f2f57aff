"""The allocator: what glibc is told, and that nothing is told where it is absent. It is set for a process, so processes try it."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

from npde import runtime

IS_GLIBC = hasattr(ctypes.CDLL(None), "gnu_get_libc_version")

FAULTS = """
import resource, sys, torch
from npde.runtime import tune_allocator
if sys.argv[1] == "tuned":
    assert tune_allocator()
x = torch.ones(2**24)
for _ in range(8):  # the heap grows until what is freed fits
    y = x + 1
    del y
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    y = x + 1
    del y
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(not IS_GLIBC, reason="glibc's malloc")
def test_temporaries_need_no_new_pages() -> None:
    """Page faults of ten sums of 64 MiB: all pages each time as malloc comes, few when it keeps what is freed."""

    def faults(how: str) -> int:
        done = subprocess.run([sys.executable, "-c", FAULTS, how], capture_output=True, text=True, check=True)
        return int(done.stdout)

    plain, tuned = faults("plain"), faults("tuned")
    assert plain > 10 * 16000
    assert tuned < plain / 2


def test_where_it_is_not_glibc_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    class Other:
        mallopt = None

    monkeypatch.setattr(runtime.ctypes, "CDLL", lambda _: Other())
    assert runtime.tune_allocator() is False


def test_importing_npde_sets_nothing() -> None:
    code = "import npde, sys; print('npde.runtime' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
