"""Runs built kernels on torch tensors: threads, workspaces, what a gradient is collected in."""

from __future__ import annotations

import ctypes
import math
import threading
from dataclasses import dataclass, field
from weakref import WeakValueDictionary

import torch
from torch import Tensor

from npde.diagnostics import NpdeError
from npde.native import build
from npde.native.c_driver import CFile
from npde.native.c_expression import Real
from npde.native.kernels import Kernels
from npde.native.values import Argument

REAL: dict[torch.dtype, Real] = {torch.float32: "float", torch.float64: "double"}


class NativeError(NpdeError):
    """A native march cannot be run; the message says why."""


@dataclass
class Runtime:
    """The built kernels of one graph, made when first needed. `key` names it in calls of the operators;
    `depth` is how many steps time blocking takes at once (-1: as the caches suggest, 0: none)."""

    kernels: Kernels
    key: str
    depth: int = -1
    _built: dict[object, tuple[CFile, ctypes.CDLL]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def forward(self, dtype: torch.dtype) -> tuple[CFile, ctypes.CDLL]:
        """The march for a type of numbers; raises CompilerError where it cannot be built."""
        return self._get((dtype,), lambda: self.kernels.forward(REAL[dtype]))

    def backward(self, dtype: torch.dtype, wanted: frozenset[int]) -> tuple[CFile, ctypes.CDLL]:
        """The gradient of the march with respect to the state and the arguments `wanted`."""
        return self._get((dtype, wanted), lambda: self.kernels.backward(REAL[dtype], wanted))

    def _get(self, key: object, make) -> tuple[CFile, ctypes.CDLL]:  # type: ignore[no-untyped-def]
        with self._lock:
            if key not in self._built:
                file = make()
                self._built[key] = (file, build.load(file.text, name=self.kernels.graph.name))
            return self._built[key]


RUNTIMES: WeakValueDictionary[str, Runtime] = WeakValueDictionary()
"""Live runtimes by key: operators of torch take texts, not objects."""


def runtime(key: str) -> Runtime:
    """The runtime of that key.

    Raises:
        NativeError: its module is gone, or was compiled in another process.
    """
    found = RUNTIMES.get(key)
    if found is None:
        raise NativeError("The model of this native march is not compiled in this process: compile it, then run.")
    return found


def teams(batch: int, units: int) -> tuple[int, int]:
    """How many teams of how many threads: samples side by side when there are enough, else rows of one sample."""
    threads = max(torch.get_num_threads(), 1)
    if batch >= threads or units < 2 * threads:
        return min(threads, max(batch, 1)), 1
    return 1, threads


def march(
    state: Tensor, arguments: list[Tensor], key: str, steps: int, every: int, keep: int
) -> tuple[Tensor, Tensor, Tensor]:
    """The last state, frames [B, steps // every + 1, C, *grid], and the carry at every `keep`-th step."""
    made = runtime(key)
    file, library = made.forward(state.dtype)
    batch, grid = state.shape[0], state.shape[2:]
    state = state.contiguous()
    given = [a.contiguous() for a in arguments]
    final = torch.empty_like(state)
    frames = state.new_empty(frames_shape(state, steps, every))
    saved = state.new_empty(saved_shape(state, steps, keep, made.kernels.carried))
    if batch == 0 or math.prod(grid) == 0:
        return final, frames, saved
    count, size = teams(batch, file.layout.units)
    failed = library.npde_march(
        _pointer(state), _pointers(given), _pointer(final), _pointer(frames), _pointer(saved),
        *map(ctypes.c_long, (batch, steps, every, keep)), count, size, ctypes.c_long(made.depth),
    )  # fmt: skip
    if failed:
        raise NativeError("There is not enough memory for a native march.")
    return final, frames, saved


def march_back(
    saved: Tensor, final_bar: Tensor, frames_bar: Tensor, arguments: list[Tensor], key: str, wanted: list[int],
    steps: int, every: int, keep: int,
) -> list[Tensor]:  # fmt: skip
    """The gradients of `march`: of the state, then of each wanted argument."""
    made = runtime(key)
    if steps == 0:
        state_bar = final_bar + frames_bar[:, 0] if every else final_bar.clone()
        return [state_bar, *(torch.zeros_like(arguments[k]) for k in wanted)]
    file, library = made.backward(final_bar.dtype, frozenset(wanted))
    batch = final_bar.shape[0]
    final_bar, frames_bar, saved = final_bar.contiguous(), frames_bar.contiguous(), saved.contiguous()
    given = [a.contiguous() for a in arguments]
    state_bar = torch.empty_like(final_bar)
    count, size = teams(batch, file.layout.units)
    adjoints = [p for p in file.programs if p.name.endswith("_adjoint")]
    collectors = _collectors(file, made.kernels.arguments, steps, batch, count, final_bar)
    accumulators = [a for p in adjoints for a in p.accumulators]
    entries: list[int] = []
    sums: list[int] = []
    fields: list[int] = []
    for accumulator, tensor in zip(accumulators, collectors, strict=True):
        argument = made.kernels.arguments[accumulator.argument]
        is_sum = accumulator.box is None
        entries += [is_sum, argument.per_step, argument.batch, 0 if is_sum else tensor.stride(1)]
        sums.append(tensor.data_ptr() if is_sum else 0)
        fields.append(0 if is_sum else tensor.data_ptr())
    failed = library.npde_march_back(
        _pointer(saved), _pointers(given), _pointer(final_bar), _pointer(frames_bar), _pointer(state_bar),
        (ctypes.c_void_p * (len(sums) + 1))(*sums), (ctypes.c_void_p * (len(sums) + 1))(*fields),
        (ctypes.c_long * (4 * len(sums) + 1))(*entries), *map(ctypes.c_long, (len(sums), batch, steps, every, keep)),
        count, size,
    )  # fmt: skip
    if failed:
        raise NativeError("There is not enough memory for the gradient of a native march.")
    found = [torch.zeros_like(given[k]) for k in wanted]
    places = {k: n for n, k in enumerate(wanted)}
    for accumulator, tensor in zip(accumulators, collectors, strict=True):
        argument = made.kernels.arguments[accumulator.argument]
        target = found[places[accumulator.argument]][:, :, accumulator.element]
        target += _collected(file, argument, accumulator.box, tensor).to(target.dtype)
    return [state_bar, *found]


def _collectors(
    file: CFile, arguments: tuple[Argument, ...], steps: int, batch: int, count: int, like: Tensor
) -> list[Tensor]:
    """Zeros for each accumulator: [steps or 1, batch, units] in double, or [steps or 1, batch or teams, padded array]."""
    made = []
    for program in file.programs:
        if not program.name.endswith("_adjoint"):
            continue
        for accumulator in program.accumulators:
            argument = arguments[accumulator.argument]
            rows = steps if argument.per_step else 1
            if accumulator.box is None:
                made.append(torch.zeros(rows, batch, file.layout.units, dtype=torch.float64))
            else:
                varies = tuple(i is not None for i in accumulator.box)
                width = file.layout.size(varies)
                made.append(like.new_zeros(rows, batch if argument.batch else count, width))
    return made


def _collected(file: CFile, argument: Argument, box: object, tensor: Tensor) -> Tensor:
    """What an accumulator adds to the gradient of its element: [steps or 1, batch or 1, *extents]."""
    if box is None:
        total = tensor.sum(2) if argument.batch else tensor.sum(2).sum(1, keepdim=True)
        return total.reshape(*total.shape, *[1] * len(file.layout.grid))
    assert isinstance(box, tuple)
    layout = file.layout
    varies = tuple(i is not None for i in box)
    extents = [layout.extent(a) if v else 1 for a, v in enumerate(varies)]
    value = tensor[..., : math.prod(extents)].reshape(*tensor.shape[:2], *extents)
    for axis, interval in enumerate(box):
        if interval is not None:
            value = value.narrow(axis + 2, layout.lower(axis) + interval[0], interval[1] - interval[0])
    if not argument.batch:
        value = value.sum(1, keepdim=True)
    for axis, (mine, interval) in enumerate(zip(argument.box, box, strict=True)):
        if mine is None and interval is not None:
            value = value.sum(axis + 2, keepdim=True)
    return value


def frames_shape(state: Tensor, steps: int, every: int) -> tuple[int, ...]:
    """[B, frames, C, *grid], empty without frames."""
    return (state.shape[0], steps // every + 1, *state.shape[1:]) if every else (0,)


def saved_shape(state: Tensor, steps: int, keep: int, carried: int) -> tuple[int, ...]:
    """[segments, B, carried, *grid], empty if nothing is kept."""
    return (-(-steps // keep), state.shape[0], carried, *state.shape[2:]) if keep else (0,)


def _pointer(tensor: Tensor) -> ctypes.c_void_p:
    return ctypes.c_void_p(tensor.data_ptr())


def _pointers(tensors: list[Tensor]) -> ctypes.Array[ctypes.c_void_p]:
    return (ctypes.c_void_p * (len(tensors) + 1))(*(t.data_ptr() for t in tensors))
