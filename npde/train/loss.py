"""Losses: one number that says how far predictions are from data.

mse            mean |p - q|²                                       over what was observed
relative_l2    mean over samples of √(Σ|p - q|² / Σ|q|²)           likewise
cross_entropy  mean of -log softmax(p)[class]                       class numbers only
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Protocol

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from npde.diagnostics import DiagnosticError
from npde.diagnostics.catalogue import training as codes
from npde.source import Source
from npde.train.data import Batch, Dataset
from npde.train.network import Network


class Loss(Protocol):
    """A differentiable scalar of a prediction and what was observed, both [b, …]; `mask` is True where it was.

    A loss is a frozen dataclass: its `repr` is what a run remembers of it.
    """

    def __call__(self, prediction: Tensor, target: Tensor, mask: Tensor | None) -> Tensor: ...


@dataclass(frozen=True, slots=True)
class MeanSquare:
    """Mean |p - q|² over what was observed."""

    name: ClassVar[str] = "mse"

    def __call__(self, prediction: Tensor, target: Tensor, mask: Tensor | None) -> Tensor:
        error = _square(prediction - target)
        return error.mean() if mask is None else (error * mask).sum() / mask.sum().clamp(min=1)


@dataclass(frozen=True, slots=True)
class RelativeL2:
    """Mean over samples of √(Σ|p - q|² / Σ|q|²); samples that are zero are compared absolutely."""

    name: ClassVar[str] = "relative_l2"

    def __call__(self, prediction: Tensor, target: Tensor, mask: Tensor | None) -> Tensor:
        error, size = _square(prediction - target), _square(target)
        if mask is not None:
            error, size = error * mask, size * mask
        error, size = error.flatten(1).sum(1), size.flatten(1).sum(1)
        ratio = error / torch.where(size > 0, size, torch.ones_like(size))
        return ratio.clamp(min=torch.finfo(ratio.dtype).tiny).sqrt().mean()


@dataclass(frozen=True, slots=True)
class CrossEntropy:
    """Mean of -log softmax(p)[class]; `smoothing` of the probability is spread over all classes."""

    name: ClassVar[str] = "cross_entropy"

    smoothing: float = 0.0

    def __call__(self, prediction: Tensor, target: Tensor, mask: Tensor | None) -> Tensor:
        if mask is not None:
            raise ValueError("Class numbers have no mask.")
        scores = prediction if target.ndim == 1 else prediction.movedim(-1, 1)
        return cross_entropy(scores, target, label_smoothing=self.smoothing)


LOSSES: Mapping[str, Loss] = {
    MeanSquare.name: MeanSquare(),
    RelativeL2.name: RelativeL2(),
    CrossEntropy.name: CrossEntropy(),
}
"""Losses by the names of `npde train --loss`."""


def title(loss: Loss) -> str:
    """What a loss is called in front of people."""
    return str(getattr(loss, "name", "") or getattr(loss, "__name__", type(loss).__name__))


def chosen(loss: str | Loss | None, data: Dataset) -> Loss:
    """The loss of that name; by default `cross_entropy` for class numbers, else `mse`.

    Raises:
        DiagnosticError: N1118, no such loss.
    """
    if loss is None:
        return LOSSES["cross_entropy" if data.labels is not None else "mse"]
    if not isinstance(loss, str):
        return loss
    if loss not in LOSSES:
        diagnostic = codes.UNKNOWN_OPTION.at(kind="loss", name=loss, present=", ".join(f"'{name}'" for name in LOSSES))
        raise DiagnosticError([diagnostic], Source("training", ""))
    return LOSSES[loss]


def predict(network: Network, batch: Batch) -> tuple[Tensor | None, dict[str, Tensor]]:
    """States [b, F, C, *grid] at the frames of a batch, or the outputs that it has targets for."""
    if batch.targets:
        return None, network.outputs_of(batch.inputs, batch.state, tuple(batch.targets))
    if not batch.steps:
        state = batch.state
        states = network.march(batch.inputs, state, steps=0, every=1, start=batch.first)
        return states[:, list(batch.frames)], {}
    states = network.march(batch.inputs, batch.state, steps=batch.steps, every=batch.every, start=batch.first)
    frames = list(batch.frames)
    states = states[:, frames[0] :] if frames == list(range(frames[0], states.shape[1])) else states[:, frames]
    if batch.states is not None and len(states) == 1 != batch.size:
        states = states.expand(batch.size, *states.shape[1:])
    return states, {}


def batch_loss(network: Network, loss: Loss, batch: Batch) -> Tensor:
    """The loss of a batch: the mean over fields, each by itself (so that a large field does not drown a small one), or over
    outputs.

    Raises:
        DiagnosticError: N1110, N1116 and N1117, where the loss cannot compare prediction and data.
    """
    states, outputs = predict(network, batch)
    if states is None:
        parts = [_output_loss(network, loss, name, outputs, target) for name, target in batch.targets.items()]
        return torch.stack(parts).mean()
    target = batch.states
    if target is None:
        raise ValueError("A batch without targets needs states.")
    if isinstance(loss, CrossEntropy):
        network.fail(
            codes.WRONG_LOSS, loss="cross_entropy", name=network.fields[0].name, reason="it needs class numbers"
        )
    parts = []
    for slot in network.fields:
        mask = None if batch.mask is None else batch.mask[:, :, slot.channel_slice]
        if mask is None or bool(mask.any()):
            parts.append(loss(states[:, :, slot.channel_slice], target[:, :, slot.channel_slice], mask))
    return torch.stack(parts).mean() if parts else 0 * states.sum()


def _output_loss(network: Network, loss: Loss, name: str, outputs: Mapping[str, Tensor], target: Tensor) -> Tensor:
    prediction = outputs[name]
    are_classes = not target.is_floating_point() and not target.is_complex()
    if isinstance(loss, CrossEntropy) and not are_classes:
        network.fail(codes.WRONG_LOSS, about=name, loss="cross_entropy", name=name, reason="it needs class numbers")
    if are_classes and not isinstance(loss, CrossEntropy) and prediction.shape != target.shape:
        network.fail(codes.WRONG_LOSS, about=name, loss=title(loss), name=name, reason="the data are class numbers")
    if isinstance(loss, CrossEntropy):
        _check_classes(network, name, prediction, target)
    elif prediction.shape != target.shape:
        found, expected = list(target.shape), list(prediction.shape)
        network.fail(codes.OTHER_SHAPE, about=name, name=name, found=found, expected=expected)
    return loss(prediction, target, None)


def _check_classes(network: Network, name: str, prediction: Tensor, target: Tensor) -> None:
    if prediction.shape[:-1] != target.shape:
        expected = list(prediction.shape[:-1])
        network.fail(codes.OTHER_SHAPE, about=name, name=name, found=list(target.shape), expected=expected)
    last = prediction.shape[-1] - 1
    outside = target[(target < 0) | (target > last)]
    if outside.numel():
        network.fail(codes.BAD_LABEL, about=name, name=name, found=int(outside[0]), last=last)


def _square(tensor: Tensor) -> Tensor:
    return tensor.real.square() + tensor.imag.square() if tensor.is_complex() else tensor.square()
