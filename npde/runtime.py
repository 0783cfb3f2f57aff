"""What a program that runs modules may set for its process. Nothing here happens on import."""

from __future__ import annotations

import ctypes

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
LARGEST = 2**30
SMALLER = 2**25
"""What glibc before 2.35 takes at most."""


def tune_allocator() -> bool:
    """Lets freed memory stay with the process, so that the temporaries of the next step need no new pages.

    glibc's malloc maps every block above a threshold (which it moves itself, up to 32 MiB) anew and unmaps it when it is freed;
    each step of an eager torch march then pays for fresh, zeroed pages. This raises `M_MMAP_THRESHOLD` and `M_TRIM_THRESHOLD`
    (mallopt(3)) for blocks up to 1 GiB, or 32 MiB where glibc takes no more. The price: the process holds on to the most that
    it has used. It holds for the whole process and cannot be undone.

    Returns:
        True if the allocator took it; False, with nothing changed, where it is not glibc's.
    """
    try:
        library = ctypes.CDLL(None)
        library.gnu_get_libc_version  # noqa: B018 - only glibc has it
        mallopt = library.mallopt
    except (OSError, AttributeError, TypeError):
        return False
    mallopt.argtypes, mallopt.restype = (ctypes.c_int, ctypes.c_int), ctypes.c_int
    takes_blocks = bool(mallopt(M_MMAP_THRESHOLD, LARGEST) or mallopt(M_MMAP_THRESHOLD, SMALLER))
    return takes_blocks and bool(mallopt(M_TRIM_THRESHOLD, LARGEST))
