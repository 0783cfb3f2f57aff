"""Native marches as operators of torch: `npde::march` and its gradient `npde::march_back`."""
# ruff: noqa: ARG001 - fakes and gradients have the signatures that torch calls

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from npde.native import runtime
from npde.native.runtime import NativeError


def _numbers(text: str) -> list[int]:
    """Numbers of arguments; operators take no empty lists of them."""
    return [int(word) for word in text.split()]


@torch.library.custom_op("npde::march", mutates_args=(), device_types="cpu")
def march(
    state: Tensor,
    arguments: Sequence[Tensor],
    wanted: str,
    key: str,
    steps: int,
    every: int,
    keep: int,
    slots: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """Marches `steps` steps: the last state, frames (each `every`-th, if not 0), and what a gradient needs (if `keep`)."""
    return runtime.march(state, list(arguments), key, steps, every, keep)


@march.register_fake
def _(
    state: Tensor,
    arguments: Sequence[Tensor],
    wanted: str,
    key: str,
    steps: int,
    every: int,
    keep: int,
    slots: int,
) -> tuple[Tensor, Tensor, Tensor]:
    kernels = runtime.runtime(key).kernels
    kept = runtime.saved_shape(kernels.marched(tuple(state.shape)), steps, keep, kernels.carried)
    return (
        state.new_empty(state.shape),
        state.new_empty(runtime.frames_shape(state, steps, every)),
        state.new_empty(kept),
    )


@torch.library.custom_op("npde::march_back", mutates_args=(), device_types="cpu")
def march_back(
    saved: Tensor, final_bar: Tensor, frames_bar: Tensor, arguments: Sequence[Tensor], wanted: str, key: str,
    steps: int, every: int, keep: int, slots: int,
) -> list[Tensor]:  # fmt: skip
    """The gradients of `march` with respect to the state and to the arguments `wanted`."""
    return runtime.march_back(
        saved, final_bar, frames_bar, list(arguments), key, _numbers(wanted), steps, every, keep, slots
    )


@march_back.register_fake
def _(
    saved: Tensor, final_bar: Tensor, frames_bar: Tensor, arguments: Sequence[Tensor], wanted: str, key: str,
    steps: int, every: int, keep: int, slots: int,
) -> list[Tensor]:  # fmt: skip
    return [
        final_bar.new_empty(final_bar.shape),
        *(arguments[k].new_empty(arguments[k].shape) for k in _numbers(wanted)),
    ]


def _setup(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor, Tensor]) -> None:
    _, arguments, wanted, key, steps, every, keep, slots = inputs
    final, frames, saved = output
    ctx.set_materialize_grads(False)
    ctx.save_for_backward(saved, *arguments)
    ctx.numbers = (wanted, key, steps, every, keep, slots)
    ctx.shapes = (tuple(final.shape), tuple(frames.shape))
    ctx.mark_non_differentiable(saved)


def _backward(ctx: Any, final_bar: Tensor | None, frames_bar: Tensor | None, _: Tensor | None) -> tuple[Any, ...]:
    saved, *arguments = ctx.saved_tensors
    wanted, key, steps, every, keep, slots = ctx.numbers
    if not keep and steps:
        raise NativeError("This march was run without keeping what its gradient needs.")
    final_shape, frames_shape = ctx.shapes
    like = final_bar if final_bar is not None else frames_bar
    nothing: list[Tensor | None] = [None] * len(arguments)
    if like is None:
        return None, nothing, None, None, None, None, None, None
    if final_bar is None:
        final_bar = like.new_zeros(final_shape)
    if frames_bar is None:
        frames_bar = like.new_zeros(frames_shape)
    state_bar, *found = march_back(saved, final_bar, frames_bar, arguments, wanted, key, steps, every, keep, slots)
    for k, gradient in zip(_numbers(wanted), found, strict=True):
        nothing[k] = gradient
    return state_bar, nothing, None, None, None, None, None, None


def _refuse(ctx: Any, *bars: Any) -> Any:
    raise NativeError('A native march has first derivatives only; compile with backend="torch" for higher ones.')


march.register_autograd(_backward, setup_context=_setup)
march_back.register_autograd(_refuse)
