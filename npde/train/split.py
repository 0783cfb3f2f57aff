"""Which samples are held out: seeded, in the classes' proportions, and in time when there is a single trajectory."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from npde.diagnostics import DiagnosticError
from npde.diagnostics.catalogue import training as codes
from npde.source import Source
from npde.train.data import Dataset, mixed


def split(data: Dataset, share: float, seed: int) -> tuple[Dataset, Dataset]:
    """Training and held-out part of a data set, the second of about `share` of it.

    Samples are held out whole, windows of one trajectory together; with class numbers each class gives its share. A single
    trajectory is split in time: training sees its first frames, and the others are forecast.

    Raises:
        DiagnosticError: N1119, `share` is not between 0 and 1, or nothing would be left on one side.
    """
    if not 0 < share < 1:
        raise _out_of_range(share, "a number between 0 and 1")
    samples = data.items[:, 0].unique()
    if len(samples) == 1:
        return _in_time(data, share)
    held = (
        stratified(data.labels[samples], share, seed) if data.labels is not None else _some(len(samples), share, seed)
    )
    is_held = torch.isin(data.items[:, 0], samples[held])
    return data.subset(torch.nonzero(~is_held).flatten()), data.subset(torch.nonzero(is_held).flatten())


def stratified(labels: Tensor, share: float, seed: int) -> Tensor:
    """Indices of about `share` of the samples, in each class as near to it as whole samples allow; in order.

    The rounding is spread over the classes: the sizes of the running totals are rounded, not each class by itself.
    """
    chosen: list[Tensor] = []
    generator = torch.Generator().manual_seed(mixed(seed, len(labels)))
    taken, total = 0, 0
    for label in labels.unique():
        members = torch.nonzero(labels == label).flatten()
        total += len(members)
        count = min(round(share * total) - taken, len(members))
        taken += count
        chosen.append(members[torch.randperm(len(members), generator=generator)[:count]])
    indices = torch.cat(chosen).sort().values
    if not 0 < len(indices) < len(labels):
        raise _out_of_range(share, f"of {len(labels)} samples, some have to be on either side")
    return indices


def _some(count: int, share: float, seed: int) -> Tensor:
    held = min(max(round(share * count), 1), count - 1)
    generator = torch.Generator().manual_seed(mixed(seed, count))
    return torch.randperm(count, generator=generator)[:held].sort().values


def _in_time(data: Dataset, share: float) -> tuple[Dataset, Dataset]:
    if data.states is None or data.targets or len(data) > 1 or data.frames < 4:
        raise _out_of_range(share, "a single sample cannot be divided; give the validation data apart")
    kept = data.frames - min(max(round(share * data.frames), 1), data.frames - 2)
    return replace(data, frames=kept), replace(data, scored=kept)


def _out_of_range(share: float, expected: str) -> DiagnosticError:
    diagnostic = codes.BAD_OPTION.at(option="val", found=share, expected=expected)
    return DiagnosticError([diagnostic], Source("training", ""))
