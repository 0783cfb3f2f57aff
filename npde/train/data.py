"""Training data: trajectories to follow, or inputs with the outputs they should give; and the batches cut from them.

A `Dataset` holds whole arrays on the CPU. Its *items* say what one sample of a minibatch is: a whole trajectory, or a window of
it. Both are pairs (sample, first frame), so windows cost no memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from math import gcd
from types import MappingProxyType
from typing import Literal

import torch
from torch import Tensor

Start = Literal["data", "file"]
"""Where a rollout starts: from the first frame of the data, or from the `initial` of the file."""


@dataclass(frozen=True, eq=False)
class Batch:
    """One minibatch, on the module's device.

    `inputs`   in the module's order, each [b, …]
    `state`    [b, C, *grid] to start from, None for the file's initial state
    `first`    step number that `state` belongs to; `steps` of the march; states are wanted after every `every` steps
    `frames`   which of those states (0 is the start) are compared with `states` [b, F, C, *grid]
    `mask`     True where `states` was observed, broadcastable to it; None: everywhere
    `targets`  outputs by name, [b, …]; integers are class numbers
    """

    inputs: tuple[Tensor, ...]
    state: Tensor | None
    first: int
    steps: int
    every: int
    frames: tuple[int, ...]
    states: Tensor | None
    mask: Tensor | None
    targets: Mapping[str, Tensor]
    size: int


@dataclass(frozen=True, eq=False)
class Dataset:
    """Samples of a model. Made by `npde.train.trajectories`, `supervised` or `from_file`, which check them against it.

    `inputs`   name -> [B, …], in the module's order; one with a single sample is shared by all
    `states`   [B, T, C, *grid] observed at the step numbers `steps` [T]; None when only outputs are given
    `mask`     True where observed, broadcastable to `states`
    `targets`  output name -> [B, …]
    `start`    where rollouts start
    `items`    [N, 2]: sample and first frame of each item; `frames` of the data belong to one
    `scored`   frames before this one are marched through but take no part in the loss
    `sequences`      inputs with a value a step
    `by_first_step`  a step depends on its number, so items of a batch start at the same one
    `whole_march`    steps of the model
    """

    inputs: Mapping[str, Tensor]
    states: Tensor | None
    steps: tuple[int, ...]
    mask: Tensor | None
    targets: Mapping[str, Tensor]
    start: Start
    samples: int
    items: Tensor
    frames: int
    scored: int = 0
    sequences: tuple[str, ...] = ()
    by_first_step: bool = True
    whole_march: int = 0

    def __len__(self) -> int:
        return len(self.items)

    @property
    def has_states(self) -> bool:
        """Whether states are compared (else outputs)."""
        return self.states is not None and not self.targets

    @property
    def labels(self) -> Tensor | None:
        """Class numbers [B], if that is what the data has."""
        for target in self.targets.values():
            if not target.is_floating_point() and not target.is_complex() and target.ndim == 1:
                return target
        return None

    # --- parts of it --------------------------------------------------------------------------------------------------

    def subset(self, indices: Tensor) -> Dataset:
        """The items at `indices`."""
        return replace(self, items=self.items[indices])

    def windows(self, length: int, stride: int | None = None) -> Dataset:
        """Items of `length` consecutive frames, a new one every `stride` frames (default: `length - 1`, so that each step
        between frames is learned from once).

        Raises:
            ValueError: no states, a start from the file, too long a window, or frames at uneven times.
        """
        stride = length - 1 if stride is None else stride
        if self.states is None or self.start == "file":
            raise ValueError("Windows are cut from trajectories whose states are all observed.")
        if not 2 <= length <= len(self.steps) or stride < 1:
            raise ValueError(f"A window needs 2 to {len(self.steps)} frames and a positive stride.")
        if len(set(self._gaps)) > 1:
            raise ValueError("Windows need frames at even times.")
        firsts = torch.arange(0, len(self.steps) - length + 1, stride)
        samples = self.items[:, 0].unique()
        items = torch.cartesian_prod(samples, firsts).reshape(-1, 2)
        return replace(self, items=items, frames=length)

    @property
    def _gaps(self) -> tuple[int, ...]:
        return tuple(b - a for a, b in zip(self.steps, self.steps[1:]))

    # --- batches ------------------------------------------------------------------------------------------------------

    @cached_property
    def groups(self) -> tuple[Tensor, ...]:
        """Items that may share a batch: all, or those that start at the same step where a step depends on its number."""
        if not self.by_first_step or self.states is None:
            return (torch.arange(len(self)),)
        firsts = self.items[:, 1]
        return tuple(torch.nonzero(firsts == first).flatten() for first in firsts.unique())

    def batch(self, indices: Tensor, like: Tensor) -> Batch:
        """The items at `indices` (of one group) as a batch of the type and on the device of `like`."""
        samples, firsts = self.items[indices].unbind(1)
        device, dtype = like.device, like.dtype
        inputs = tuple(_rows(x, samples).to(device, dtype) for x in self.inputs.values())
        targets = {name: _target(_rows(x, samples), like) for name, x in self.targets.items()}
        common = Batch(inputs, None, 0, self.whole_march, 1, (), None, None, MappingProxyType(targets), len(indices))
        if self.states is None:
            return common
        first = int(firsts[0])
        frames = firsts[:, None] + torch.arange(self.frames)
        states = self.states[samples[:, None], frames].to(device, dtype)
        state = states[:, 0] if self.start == "data" else None
        if self.targets:
            return replace(common, state=state)
        at = self.steps[first : first + self.frames]
        origin = at[0] if self.start == "data" else 0
        every = gcd(*(n - origin for n in at)) or 1
        mask = None if self.mask is None else _mask(self.mask, samples, frames).to(device)
        keep = max(self.scored, 1) if self.start == "data" else self.scored
        return replace(
            common,
            inputs=self._from_step(inputs, origin, at[-1]),
            state=state,
            first=origin,
            steps=at[-1] - origin,
            every=every,
            frames=tuple((n - origin) // every for n in at[keep:]),
            states=states[:, keep:],
            mask=None if mask is None else mask[:, keep:] if mask.shape[1] > 1 else mask,
        )

    def _from_step(self, inputs: tuple[Tensor, ...], first: int, last: int) -> tuple[Tensor, ...]:
        """Inputs with a value a step, cut to the steps of the march."""
        named = zip(self.inputs, inputs)
        return tuple(x[:, first:last] if name in self.sequences else x for name, x in named)

    def in_order(self, size: int, like: Tensor) -> Iterator[Batch]:
        """All items once, in order."""
        for group in self.groups:
            for indices in group.split(size):
                yield self.batch(indices, like)

    def shuffled(self, size: int, like: Tensor, seed: int, epoch: int) -> Iterator[Batch]:
        """All items once, in an order that only `seed` and `epoch` decide: a resumed run sees the same batches."""
        generator = torch.Generator().manual_seed(mixed(seed, epoch))
        batches = [
            part for group in self.groups for part in group[torch.randperm(len(group), generator=generator)].split(size)
        ]
        for position in torch.randperm(len(batches), generator=generator).tolist():
            yield self.batch(batches[position], like)

    def batches(self, size: int) -> int:
        """Batches of an epoch."""
        return sum(-(-len(group) // size) for group in self.groups)

    # --- identity -----------------------------------------------------------------------------------------------------

    def fingerprint(self) -> str:
        """SHA-256 of everything that training sees: a run goes on only with the data that it began with."""
        digest = sha256(repr((self.steps, self.start, self.frames, self.scored, self.samples)).encode())
        named = {**self.inputs, **self.targets, "items": self.items}
        for name, tensor in (*named.items(), ("states", self.states), ("mask", self.mask)):
            if tensor is not None:
                digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
                digest.update(tensor.contiguous().flatten().view(torch.uint8).numpy().data)
        return digest.hexdigest()


def mixed(seed: int, *numbers: int) -> int:
    """One number of 63 bits from several (splitmix64), so that neighboring seeds give unrelated streams.

    Source: Steele, Lea & Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
    """
    mask, value = (1 << 64) - 1, seed & ((1 << 64) - 1)
    for number in (*numbers, 0):
        value = (value + 0x9E3779B97F4A7C15 + number) & mask
        value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & mask
        value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & mask
        value ^= value >> 31
    return value >> 1


def _rows(tensor: Tensor, samples: Tensor) -> Tensor:
    if len(tensor) == 1:
        return tensor.expand(len(samples), *tensor.shape[1:])
    return tensor[samples]


def _target(tensor: Tensor, like: Tensor) -> Tensor:
    if tensor.is_complex():
        return tensor.to(like.device, like.dtype.to_complex())
    return tensor.to(like.device, like.dtype if tensor.is_floating_point() else tensor.dtype)


def _mask(mask: Tensor, samples: Tensor, frames: Tensor) -> Tensor:
    rows = _rows(mask, samples)
    if rows.shape[1] == 1:
        return rows
    return rows[torch.arange(len(rows))[:, None], frames]
