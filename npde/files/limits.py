"""How much memory there is: what files announce is compared with it before anything is allocated."""

from __future__ import annotations

import os
from pathlib import Path

from npde.diagnostics.quantities import human as human

SHARE = 0.8
"""Of what is free, the part that one file may take."""


def available_bytes() -> int:
    """Bytes that can be allocated: the least of what the machine has free and what its cgroups leave."""
    return min(_machine(), _cgroup())


def _machine() -> int:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        fields = dict(line.split(":", 1) for line in lines)
        return int(fields["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return _physical()


def _physical() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return 4 * 2**30


def _cgroup() -> int:
    pairs = (
        ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
        ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
    )
    for limit, used in pairs:
        try:
            return max(0, int(Path(limit).read_text()) - int(Path(used).read_text()))
        except (OSError, ValueError):
            continue
    return 2**62
