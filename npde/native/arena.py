"""Memory that marches of one model use again: fresh pages cost more than a short march.

    with arena.memory(count, key) as (address, is_clean): …
    view = arena.lent(count)      # in use as long as the view is, or a tensor that was made of it

A block is taken out while it is used, so threads and nested calls never share one, and a process that forks meanwhile loses it at
worst; its pages are private. At most two blocks are kept (a march and its gradient) and one that was lent (the states in between,
which would be the largest and oddest block in the heap, and leave holes there), none above `LARGEST`; they go with the model.
"""

from __future__ import annotations

import ctypes
import mmap
import weakref
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

LARGEST = 2**30
"""Bytes of a block that is kept; one above it is given back after each march."""

MOST = 2
"""Blocks that are kept."""


@dataclass(frozen=True, slots=True)
class _Block:
    pages: mmap.mmap
    key: object


@dataclass
class Arena:
    """Blocks that are not in use, and pages that were lent and came back."""

    blocks: deque[_Block] = field(default_factory=lambda: deque(maxlen=MOST))
    returned: deque[mmap.mmap] = field(default_factory=lambda: deque(maxlen=1))

    @contextmanager
    def memory(self, count: int, key: object) -> Iterator[tuple[ctypes.c_void_p, bool]]:
        """`count` bytes at the beginning of a page. They are clean if they are zero, or if their last use had the same `key`, which
        says how they are divided: then what has to be zero in them is.

        Raises:
            OSError: there is not enough memory.
        """
        block = self._taken(count, key)
        is_clean = block is None or block.key == key
        pages = _mapped(count) if block is None else block.pages
        yield ctypes.c_void_p(ctypes.addressof(ctypes.c_char.from_buffer(pages))), is_clean
        if len(pages) <= LARGEST:  # dropped where the use failed
            self.blocks.append(_Block(pages, key))

    def lent(self, count: int) -> memoryview:
        """`count` bytes at the beginning of a page, whatever is in them, for as long as somebody holds the view.

        Raises:
            OSError: there is not enough memory.
        """
        pages = None
        with suppress(IndexError):  # what is too small goes before more is asked for
            pages = self.returned.popleft()
        if pages is None or len(pages) < count:
            pages = None
            pages = _mapped(count)
        view = memoryview(pages)
        if len(pages) <= LARGEST:
            weakref.finalize(view, self.returned.append, pages).atexit = False
        return view

    def _taken(self, count: int, key: object) -> _Block | None:
        """A block of the same use; where there are enough blocks, any that is large enough."""
        found: list[_Block] = []
        with suppress(IndexError):  # each block goes to one thread
            while True:
                found.append(self.blocks.popleft())
        large = [b for b in found if len(b.pages) >= count]
        chosen = next((b for b in large if b.key == key), large[0] if large and len(found) == MOST else None)
        self.blocks.extend(b for b in found if b is not chosen)
        return chosen


def _mapped(count: int) -> mmap.mmap:
    """New pages, zero."""
    return mmap.mmap(-1, max(count, 1), mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
