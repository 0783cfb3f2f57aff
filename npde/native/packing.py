"""Tensors of models without space as kernels take them: blocks of samples side by side."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from npde.native.samples import SAMPLES
from npde.native.values import Argument


def packed(value: Tensor, axis: int, *, repeats: bool = True) -> Tensor:
    """[…, B, …] → […, blocks, …, SAMPLES], the batch at `axis`. What a block lacks repeats the last sample, or is zero."""
    batch = value.shape[axis]
    blocks = -(-batch // SAMPLES)
    lacking = blocks * SAMPLES - batch
    if lacking:
        last = value.narrow(axis, batch - 1, 1)
        more = last if repeats else torch.zeros_like(last)
        size = list(value.shape)
        size[axis] = lacking
        value = torch.cat([value, more.expand(size)], axis)
    return value.unflatten(axis, (blocks, SAMPLES)).movedim(axis + 1, -1).contiguous()


def unpacked(value: Tensor, axis: int, batch: int) -> Tensor:
    """The inverse of `packed`."""
    return value.movedim(-1, axis + 1).flatten(axis, axis + 1).narrow(axis, 0, batch).contiguous()


def packed_arguments(of: Sequence[Argument], given: Sequence[Tensor]) -> list[Tensor]:
    """[steps or 1, B or 1, elements] → [steps or 1, blocks, elements, SAMPLES], or [steps or 1, 1, elements, 1]."""
    return [packed(t, 1) if a.batch else t.unsqueeze(-1).contiguous() for a, t in zip(of, given, strict=True)]
