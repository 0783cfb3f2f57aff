"""Runs built kernels on torch tensors: threads, workspaces, what a gradient is collected in."""

from __future__ import annotations

import ctypes
import math
import os
import threading
import warnings
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakValueDictionary

import torch
from torch import Tensor

from npde.diagnostics import NpdeError
from npde.native import build
from npde.native.arena import Arena
from npde.native.c_driver import CFile
from npde.native.c_expression import Real
from npde.native.kernels import Kernels
from npde.native.packing import packed, packed_arguments, unpacked
from npde.native.segments import Costs, Plan, fastest, least, usual
from npde.native.sharing import Share
from npde.native.values import Unfit

REAL: dict[torch.dtype, Real] = {torch.float32: "float", torch.float64: "double"}


RESULTS, HOLES, HEAP = 7, 3, 2**25
"""Arrays of the size of what a march returns that it and its gradient have at once: that, the gradients of both ends, four in
passing while a mean square is differentiated. Below `HEAP` bytes (from which on glibc maps an array of its own) the heap keeps
more: an aligned array does not fit where one of its size was freed."""

COPIES = 4
"""Arrays of the size of an argument: it, its gradient, and both once more in passing."""

SPARE = 2**16
"""Bytes of small arrays."""

PROCESS = os.getpid()
"""Where this was imported. A child that was forked has none of OpenMP's threads, and would wait for them for ever."""


_LONG, _INT, _POINTER = ctypes.c_long, ctypes.c_int, ctypes.c_void_p

SIGNATURES: dict[str, tuple[Any, list[Any]]] = {
    "npde_march_bytes": (_LONG, [_LONG] * 4),
    "npde_march_depth": (_LONG, [_LONG] * 3),
    "npde_march": (None, [_POINTER] * 5 + [_LONG] * 4 + [_INT] * 2 + [_LONG, _POINTER, _INT]),
    "npde_march_back_bytes": (_LONG, [_LONG] * 4),
    "npde_march_back": (None, [_POINTER] * 6 + [_LONG] * 5 + [_INT] * 2 + [_POINTER, _INT]),
}
"""What the functions of a kernel return and take."""


class NativeError(NpdeError):
    """A native march cannot be run; the message says why."""


@dataclass
class Runtime:
    """The built kernels of one graph, made when first needed. `key` names it in calls of the operators;
    `depth` is how many steps time blocking takes at once (-1: as the caches suggest, 0: none)."""

    kernels: Kernels
    key: str
    depth: int = -1
    arena: Arena = field(default_factory=Arena)
    _built: dict[object, tuple[CFile, ctypes.CDLL]] = field(default_factory=dict)
    _refused: set[frozenset[int]] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def forward(self, dtype: torch.dtype) -> tuple[CFile, ctypes.CDLL]:
        """The march for a type of numbers; raises CompilerError where it cannot be built."""
        return self._get((dtype,), lambda: self.kernels.forward(REAL[dtype]))

    def backward(self, dtype: torch.dtype, wanted: frozenset[int]) -> tuple[CFile, ctypes.CDLL]:
        """The gradient of the march with respect to the state and the arguments `wanted`."""
        return self._get((dtype, wanted), lambda: self.kernels.backward(REAL[dtype], wanted))

    def costs(
        self, shape: tuple[int, ...], dtype: torch.dtype, wanted: frozenset[int], steps: int, every: int
    ) -> tuple[Costs, int]:
        """Bytes of what a plan may choose of, and of all else that a march and its gradient add beside their arguments."""
        shape = self.kernels.marched(shape)
        file, library = self.backward(dtype, wanted)
        count, _ = self.teams(file, library, shape[0], steps, dtype)
        carried, number = self.kernels.carried, dtype.itemsize
        saved = shape[0] * carried * math.prod(shape[2:]) * number
        costs = Costs(saved, count * carried * file.layout.padded * number, self.more)
        like = torch.empty(shape, dtype=dtype, device="meta")
        sizes = (like.nbytes, math.prod(frames_shape(like, steps, every)) * number)
        returned = sum(size * (RESULTS + HOLES * (size < HEAP)) for size in sizes)
        working = library.npde_march_back_bytes(shape[0], steps, 0, count)
        file, library = self.forward(dtype)
        working += library.npde_march_bytes(steps, *self.teams(file, library, shape[0], steps, dtype), self.depth)
        return costs, returned + working + SPARE

    def differentiates(self, dtype: torch.dtype, wanted: frozenset[int]) -> bool:
        """Whether that gradient has native form. A warning says once why it has not."""
        if wanted in self._refused:
            return False
        try:
            self.backward(dtype, wanted)
        except Unfit as unfit:
            self._refused.add(wanted)
            warnings.warn(f"No native kernel for {unfit}, so torch marches where it is asked for.", stacklevel=2)
            return False
        return True

    def teams(self, file: CFile, library: ctypes.CDLL, batch: int, steps: int, dtype: torch.dtype) -> tuple[int, int]:
        """How many teams of how many threads: samples side by side when there are enough, else rows of one sample, if there is
        work enough between two barriers."""
        threads = max(torch.get_num_threads(), 1) if os.getpid() == PROCESS else 1
        side_by_side = min(threads, max(batch, 1)), 1
        if batch >= threads or file.layout.units < 2 * threads:
            return side_by_side
        depth = library.npde_march_depth(steps, threads, self.depth) if hasattr(library, "npde_march_depth") else 0
        share = Share(steps * file.operations, dtype.itemsize, steps / depth if depth else steps * file.waits)
        return (1, threads) if share.pays(batch, threads) else side_by_side

    @property
    def more(self) -> int:
        """Arrays that the way back needs beside those of a segment's states."""
        return int(any(p.name == "finish" for p in self.kernels.programs))

    def _get(self, key: object, make) -> tuple[CFile, ctypes.CDLL]:  # type: ignore[no-untyped-def]
        with self._lock:
            if key not in self._built:
                file = make()
                self._built[key] = (file, declared(build.load(file.text, name=self.kernels.graph.name)))
            return self._built[key]


def declared(library: ctypes.CDLL) -> ctypes.CDLL:
    """A kernel that knows what its functions take."""
    for name, (returned, taken) in SIGNATURES.items():
        if hasattr(library, name):
            function = getattr(library, name)
            function.restype, function.argtypes = returned, taken
    return library


RUNTIMES: WeakValueDictionary[str, Runtime] = WeakValueDictionary()
"""Live runtimes by key: operators of torch take texts, not objects."""


def _free_locks() -> None:
    """Who held a lock when a process was forked is not in the child."""
    for made in RUNTIMES.values():
        made._lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_free_locks)


def runtime(key: str) -> Runtime:
    """The runtime of that key.

    Raises:
        NativeError: its module is gone, or was compiled in another process.
    """
    found = RUNTIMES.get(key)
    if found is None:
        raise NativeError("The model of this native march is not compiled in this process: compile it, then run.")
    return found


@torch.compiler.assume_constant_result  # type: ignore[untyped-decorator]
def differentiates(key: str, dtype: torch.dtype, wanted: str) -> bool:
    """Whether the march has a gradient with respect to the state and the arguments `wanted`, whose kernels are built."""
    return runtime(key).differentiates(dtype, frozenset(map(int, wanted.split())))


@torch.compiler.assume_constant_result  # type: ignore[untyped-decorator]
def planned(
    key: str, shape: tuple[int, ...], dtype: torch.dtype, wanted: str, steps: int, every: int, keep: int | None,
    memory: int | None, given: int,
) -> tuple[int, int, int]:  # fmt: skip
    """Steps between saved states, arrays for what the gradient makes again, and 0; where `memory` is too small, what is enough.

    Args:
        key: of the runtime.
        shape, dtype: of the state; the shape is looked at where `memory` is given, and `given`, too.
        wanted: numbers of the arguments whose gradients are asked for.
        steps, every: of the march.
        keep: the first of the results, where it is given.
        memory: bytes that the march and its gradient may add, where that is given.
        given: bytes of all arguments.
    """
    made = runtime(key)
    plan = usual(steps, made.more) if keep is None else Plan.all_kept(keep, made.more)
    if memory is not None and steps and math.prod(shape):
        costs, fixed = made.costs(shape, dtype, frozenset(map(int, wanted.split())), steps, every)
        fixed += COPIES * given
        found = fastest(steps, costs, memory - fixed)
        if found is None:
            return plan.keep, plan.slots, fixed + least(steps, costs)
        plan = found
    return plan.keep, plan.slots, 0


def march(
    state: Tensor, arguments: list[Tensor], key: str, steps: int, every: int, keep: int
) -> tuple[Tensor, Tensor, Tensor]:
    """The last state, frames [B, steps // every + 1, C, *grid], and the carry at every `keep`-th step."""
    made = runtime(key)
    if made.kernels.are_side_by_side:
        batch, given = state.shape[0], packed_arguments(made.kernels.arguments, arguments)
        final, frames, saved = _march(made, packed(state, 0), given, steps, every, keep)
        return unpacked(final, 0, batch), unpacked(frames, 0, batch) if every else frames, saved
    return _march(made, state.contiguous(), [a.contiguous() for a in arguments], steps, every, keep)


def _march(
    made: Runtime, state: Tensor, given: list[Tensor], steps: int, every: int, keep: int
) -> tuple[Tensor, Tensor, Tensor]:
    """`march` of contiguous tensors as kernels take them."""
    file, library = made.forward(state.dtype)
    batch, grid = state.shape[0], state.shape[2:]
    final = torch.empty_like(state)
    frames = state.new_empty(frames_shape(state, steps, every))
    saved = _lasting(made.arena, saved_shape(state.shape, steps, keep, made.kernels.carried), state.dtype)
    if batch == 0 or math.prod(grid) == 0:
        return final, frames, saved
    count, size = made.teams(file, library, batch, steps, state.dtype)
    needed = library.npde_march_bytes(steps, count, size, made.depth)
    with made.arena.memory(needed, (library._name, needed, count, size)) as (memory, is_clean):
        library.npde_march(
            state.data_ptr(), _pointers(given), final.data_ptr(), frames.data_ptr(), saved.data_ptr(), batch, steps, every, keep,
            count, size, made.depth, memory, is_clean,
        )  # fmt: skip
    return final, frames, saved


def march_back(
    saved: Tensor, final_bar: Tensor, frames_bar: Tensor, arguments: list[Tensor], key: str, wanted: list[int],
    steps: int, every: int, keep: int, slots: int,
) -> list[Tensor]:  # fmt: skip
    """The gradients of `march`: of the state, then of each wanted argument."""
    made = runtime(key)
    if steps == 0:
        state_bar = final_bar + frames_bar[:, 0] if every else final_bar.clone()
        return [state_bar, *(torch.zeros_like(arguments[k]) for k in wanted)]
    saved = saved.contiguous()
    if made.kernels.are_side_by_side:
        batch, of = final_bar.shape[0], made.kernels.arguments
        bars = packed(final_bar, 0, repeats=False), packed(frames_bar, 0, repeats=False) if every else frames_bar
        given = packed_arguments(of, arguments)
        state_bar, *found = _march_back(made, saved, *bars, given, wanted, steps, every, keep, slots)
        gradients = [unpacked(g, 1, batch) if of[k].batch else g[..., 0] for k, g in zip(wanted, found, strict=True)]
        return [unpacked(state_bar, 0, batch), *gradients]
    given = [a.contiguous() for a in arguments]
    return _march_back(
        made, saved, final_bar.contiguous(), frames_bar.contiguous(), given, wanted, steps, every, keep, slots
    )


def _march_back(
    made: Runtime, saved: Tensor, final_bar: Tensor, frames_bar: Tensor, given: list[Tensor], wanted: list[int],
    steps: int, every: int, keep: int, slots: int,
) -> list[Tensor]:  # fmt: skip
    """`march_back` of contiguous tensors as kernels take them."""
    file, library = made.backward(final_bar.dtype, frozenset(wanted))
    batch = final_bar.shape[0]
    state_bar = torch.empty_like(final_bar)
    count, size = made.teams(file, library, batch, steps, final_bar.dtype)
    found = {k: torch.empty_like(given[k]) for k in sorted(wanted)}
    needed = library.npde_march_back_bytes(batch, steps, slots, count)
    with made.arena.memory(needed, (library._name, slots, count, size)) as (memory, is_clean):
        library.npde_march_back(
            saved.data_ptr(), _pointers(given), final_bar.data_ptr(), frames_bar.data_ptr(), state_bar.data_ptr(),
            _pointers(list(found.values())), batch, steps, every, keep, slots, count, size, memory, is_clean,
        )  # fmt: skip
    return [state_bar, *(found[k] for k in wanted)]


def frames_shape(state: Tensor, steps: int, every: int) -> tuple[int, ...]:
    """[B, frames, C, *grid], empty without frames."""
    return (state.shape[0], steps // every + 1, *state.shape[1:]) if every else (0,)


def saved_shape(shape: tuple[int, ...], steps: int, keep: int, carried: int) -> tuple[int, ...]:
    """[segments, B, carried, *grid] for states of a shape, empty if nothing is kept."""
    return (-(-steps // keep), shape[0], carried, *shape[2:]) if keep else (0,)


def _lasting(arena: Arena, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """A tensor, whatever is in it, whose memory the arena gets back."""
    count = math.prod(shape)
    if not count:
        return torch.empty(shape, dtype=dtype)
    return torch.frombuffer(arena.lent(count * dtype.itemsize), dtype=dtype, count=count).view(shape)


def _pointers(tensors: list[Tensor]) -> ctypes.Array[ctypes.c_void_p]:
    return (ctypes.c_void_p * (len(tensors) + 1))(*(t.data_ptr() for t in tensors))
