"""Errors of a model on data.

rmse         √(mean |p - q|²)
relative_l2  √(Σ |p - q|² / Σ |q|²)
accuracy     share of samples whose largest score is their class's
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf, sqrt
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from npde.train.arrays import from_file
from npde.train.data import Batch, Dataset
from npde.train.loss import Loss, batch_loss, chosen, predict
from npde.train.network import Network
from npde.train.strategy import Task

if TYPE_CHECKING:
    from npde.files import Data

BATCH = 256
"""Items that are evaluated at a time."""


@dataclass(frozen=True, slots=True)
class FieldError:
    """Errors of one field or output over all that was observed of it; `count` values."""

    rmse: float
    relative_l2: float
    count: int


@dataclass(frozen=True, slots=True)
class Metrics:
    """What `evaluate` found.

    `loss`       the loss asked for, mean over items
    `errors`     by field or output
    `accuracy`   None without class numbers; `confusion[true][predicted]` counts samples
    `by_frame`   relative_l2 of each field by frame, for trajectories
    """

    samples: int
    loss: float
    errors: Mapping[str, FieldError]
    accuracy: float | None = None
    confusion: tuple[tuple[int, ...], ...] = ()
    by_frame: Mapping[str, tuple[float, ...]] = field(default_factory=lambda: MappingProxyType({}))

    def plain(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {
            "samples": self.samples,
            "loss": self.loss,
            "errors": {n: {"rmse": e.rmse, "relative_l2": e.relative_l2} for n, e in self.errors.items()},
            "accuracy": self.accuracy,
            "confusion": [list(row) for row in self.confusion],
            "by_frame": {name: list(values) for name, values in self.by_frame.items()},
        }


def evaluate(net: nn.Module, data: Dataset | Data, *, loss: str | Loss | None = None, batch: int = BATCH) -> Metrics:
    """Compare a model with data; nothing is changed.

    Args:
        net: a compiled module.
        data: a `Dataset`, or what `npde.files.read` gave.
        loss: as in `fit`.
        batch: items at a time.
    """
    network = Network(net)
    dataset = data if isinstance(data, Dataset) else from_file(net, data)
    function = chosen(loss, dataset)
    sums: dict[str, _Sums] = {}
    scores = _Classes()
    total = 0.0
    with torch.no_grad():
        for part in dataset.in_order(batch, network.like):
            total += float(batch_loss(network, function, part)) * part.size
            _add(network, part, sums, scores)
    return Metrics(
        samples=len(dataset),
        loss=total / max(len(dataset), 1),
        errors={name: found.error() for name, found in sums.items()},
        accuracy=scores.accuracy,
        confusion=scores.confusion,
        by_frame={name: found.by_frame() for name, found in sums.items() if len(found.error_squares) > 1},
    )


def mean_loss(task: Task, data: Dataset) -> float:
    """The loss of a task on other data; infinity where the march blows up."""
    total = 0.0
    with torch.no_grad():
        for part in data.in_order(max(task.batch_size, 1), task.network.like):
            total += float(task.loss_of(part)) * part.size
    return total / max(len(data), 1) if total == total else inf


@dataclass
class _Sums:
    """Running sums of |p - q|² and |q|², a number a frame."""

    error_squares: Tensor
    squares: Tensor
    counts: Tensor

    def error(self) -> FieldError:
        error, size, count = (float(t.sum()) for t in (self.error_squares, self.squares, self.counts))
        return FieldError(
            sqrt(error / count) if count else 0.0, sqrt(error / size) if size else sqrt(error), int(count)
        )

    def by_frame(self) -> tuple[float, ...]:
        ratio = self.error_squares / torch.where(self.squares > 0, self.squares, torch.ones_like(self.squares))
        return tuple(ratio.sqrt().tolist())


@dataclass
class _Classes:
    """Pairs (class, predicted class) seen so far."""

    true: list[Tensor] = field(default_factory=list)
    predicted: list[Tensor] = field(default_factory=list)
    classes: int = 0

    @property
    def accuracy(self) -> float | None:
        if not self.true:
            return None
        return float((torch.cat(self.true) == torch.cat(self.predicted)).double().mean())

    @property
    def confusion(self) -> tuple[tuple[int, ...], ...]:
        if not self.true:
            return ()
        pairs = torch.cat(self.true) * self.classes + torch.cat(self.predicted)
        table = torch.bincount(pairs, minlength=self.classes**2).reshape(self.classes, self.classes)
        return tuple(tuple(row) for row in table.tolist())


def _add(network: Network, part: Batch, sums: dict[str, _Sums], scores: _Classes) -> None:
    states, outputs = predict(network, part)
    for name, target in part.targets.items():
        prediction = outputs[name]
        if prediction.shape != target.shape:
            scores.classes = prediction.shape[-1]
            scores.true.append(target.flatten().cpu())
            scores.predicted.append(prediction.argmax(-1).flatten().cpu())
        else:
            _accumulate(sums, name, (prediction - target)[:, None], target[:, None], None)
    if states is None or part.states is None:
        return
    for slot in network.fields:
        mask = None if part.mask is None else part.mask[:, :, slot.channel_slice]
        if mask is None or bool(mask.any()):
            target = part.states[:, :, slot.channel_slice]
            _accumulate(sums, slot.name, states[:, :, slot.channel_slice] - target, target, mask)


def _accumulate(sums: dict[str, _Sums], name: str, error: Tensor, target: Tensor, mask: Tensor | None) -> None:
    """Sums over everything but the frames, axis 1."""
    observed = torch.ones_like(error.real, dtype=torch.float64) if mask is None else mask.expand(error.shape).double()
    errors, sizes = (
        (values.abs().double().square() * observed).movedim(1, 0).flatten(1).sum(1).cpu() for values in (error, target)
    )
    counts = observed.movedim(1, 0).flatten(1).sum(1).cpu()
    before = sums.get(name)
    if before is None or len(before.counts) != len(counts):
        sums[name] = _Sums(errors, sizes, counts)
    else:
        sums[name] = _Sums(before.error_squares + errors, before.squares + sizes, before.counts + counts)
