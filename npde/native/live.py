"""Live modules that march natively: the emitted module with its loop replaced by an operator."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.forward_ad import unpack_dual

from npde.emit.live import LiveModule
from npde.emit.refusal import refuse
from npde.native.operators import march
from npde.native.runtime import REAL, differentiates, planned
from npde.native.values import Argument

Read = Callable[..., tuple[Tensor, ...]]


def _is_transformed(values: list[Tensor]) -> bool:
    """Whether `torch.func` is at work, or a value has a tangent. Operators would lose what those carry."""
    if torch.compiler.is_compiling():
        return False
    return torch._C._are_functorch_transforms_active() or any(unpack_dual(v).tangent is not None for v in values)


class NativeModule(LiveModule):
    """A live module whose march runs compiled kernels; everything else is the emitted module's."""

    def _march(
        self, state: Tensor, sequence: Any, c: Any, steps: int, every: int | None, read: Read | None = None
    ) -> tuple[Tensor, Tensor | None, tuple[Tensor, ...]]:
        """As the emitted method. What the kernels do not cover (a type of numbers, a device, forward-mode derivatives and the
        transformations of `torch.func`) is left to it."""
        runtime = self._npde.backend.runtime  # type: ignore[union-attr]
        if runtime is None or state.dtype not in REAL or state.device.type != "cpu":
            return super()._march(state, sequence, c, steps, every, read)
        given = [self._given(a, sequence, c, steps, state) for a in runtime.kernels.arguments]
        if _is_transformed([state, *given]):
            return super()._march(state, sequence, c, steps, every, read)
        sizes = [
            state.shape[0],
            *(t.shape[1] for a, t in zip(runtime.kernels.arguments, given, strict=True) if a.batch),
        ]
        batch = max(sizes) if min(sizes) else 0
        if state.shape[0] != batch:
            state = state.expand(batch, *state.shape[1:])
        given = [
            t.expand(t.shape[0], batch, *t.shape[2:]) if a.batch and t.shape[1] != batch else t
            for a, t in zip(runtime.kernels.arguments, given, strict=True)
        ]
        wanted = [k for k, t in enumerate(given) if t.requires_grad] if torch.is_grad_enabled() else []
        keeps = torch.is_grad_enabled() and (state.requires_grad or bool(wanted))
        frames_every = 1 if read is not None else every or 0
        words, keep, slots = " ".join(map(str, wanted)), 0, 0
        if keeps and not differentiates(runtime.key, state.dtype, words):
            return super()._march(state, sequence, c, steps, every, read)
        if keeps:
            options, size = self._rollout, 0
            shape: tuple[int, ...] = ()
            if options.memory is not None:  # a plan is for so many samples; torch.compile makes one for each number
                shape = tuple(operator.index(n) for n in state.shape)
                size = operator.index(sum(t.nbytes for t in given))
            keep, slots, least = planned(
                runtime.key, shape, state.dtype, words, steps, frames_every, options.every, options.memory, size
            )
            if least:
                state = refuse(state, self._npde.digest, options.memory, least)
        final, frames, _ = march(state, given, words, runtime.key, steps, frames_every, keep, slots)
        if read is None:
            return final, frames if every else None, ()
        readings = [
            read(frames[:, n + 1], None if sequence is None else type(sequence)(*(v[n] for v in sequence)), c)
            for n in range(steps)
        ]
        stacked = tuple(torch.stack(r, dim=1) for r in zip(*readings, strict=True))
        return final, frames[:, ::every] if every else None, stacked

    def _given(self, argument: Argument, sequence: Any, c: Any, steps: int, state: Tensor) -> Tensor:
        """An argument of the kernels: [steps or 1, B or 1, elements, *extents]."""
        match argument.kind:
            case "coefficient":
                value = getattr(c, argument.name)
            case "parameter":
                value = self.get_parameter(argument.name)
            case "coordinate":
                value = self._positions(argument, state)
            case "kick":
                value = state.new_ones(steps)
                value[:1] = 0.5
            case _:
                value = getattr(sequence, argument.name)[:steps]
        extents = self._npde.backend.runtime.kernels.extents(argument)  # type: ignore[union-attr]
        rows = value.shape[0] if argument.per_step else 1
        if argument.batch:
            samples = value.shape[1 if argument.per_step else 0]
            return value.expand(*value.shape[: value.dim() - len(extents)], *extents).reshape(
                rows, samples, argument.elements, *extents
            )
        if value.numel() != rows * argument.elements * math.prod(extents):
            value = value.expand(*([rows] if argument.per_step else []), argument.elements, *extents)
        return value.reshape(rows, 1, argument.elements, *extents)

    def _positions(self, argument: Argument, state: Tensor) -> Tensor:
        """Positions along an axis, wrapped where it is periodic."""
        grid = self.graph.scheme.grid
        index, axis = next((i, a) for i, a in enumerate(grid.axes) if a.name == argument.name)
        interval = argument.box[index]
        assert interval is not None
        numbers = torch.arange(*interval, dtype=torch.float64)
        on_faces = (interval[1] - interval[0] - axis.cells) % 2 == 1
        if not axis.periodic:
            numbers = numbers + 0.5
        if on_faces:
            numbers = numbers - 0.5
        if axis.periodic:
            numbers = numbers % axis.cells
        spacing = float(axis.upper - axis.lower) / axis.cells
        return (float(axis.lower) + spacing * numbers).to(state)
