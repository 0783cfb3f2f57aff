"""The one interface of all training strategies.

A `Strategy` is a frozen record of options. `begin(task)` gives a `Solver`, which holds whatever changes during a fit and is
asked for one epoch after the other; its `state` and `restore` make a killed run go on bit for bit. Iterative solvers change
the parameters of `task` in place; closed-form ones return new values in `Progress.values` and are done after one epoch.
Neither sees which emitter made the module: they see parameters, batches, and the loss of a batch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from npde.train.augment import Augmentation
from npde.train.data import Batch, Dataset, mixed
from npde.train.loss import Loss, batch_loss
from npde.train.network import Network


def _unseen(_done: int, _total: int, _loss: float) -> None:
    """Progress that nobody looks at."""


@dataclass(frozen=True)
class Task:
    """What is to be fitted: parameters of a module, data, loss; the same for every strategy.

    `parameters`  stored parameters that train, by name
    `batch_size`  items a minibatch, None for all
    `augment`     changes the inputs of training batches
    `progress`    called with (batches done, batches of the epoch, loss)
    """

    network: Network
    data: Dataset
    loss: Loss
    parameters: Mapping[str, nn.Parameter]
    epochs: int
    batch_size: int
    seed: int
    augment: Augmentation | None = None
    progress: Callable[[int, int, float], None] = _unseen

    @property
    def steps_per_epoch(self) -> int:
        """Minibatches of an epoch."""
        return self.data.batches(self.batch_size)

    def minibatches(self, epoch: int) -> Iterator[Batch]:
        """The shuffled minibatches of an epoch, decided by the seed and the epoch alone."""
        generator = torch.Generator().manual_seed(mixed(self.seed, epoch, 1))
        for batch in self.data.shuffled(self.batch_size, self.network.like, self.seed, epoch):
            yield batch if self.augment is None else self._augmented(batch, generator)

    def full_batch(self) -> Iterator[Batch]:
        """All items in order, in pieces no larger than a minibatch; augmentation takes no part."""
        return self.data.in_order(self.batch_size, self.network.like)

    def loss_of(self, batch: Batch) -> Tensor:
        """The differentiable loss of a batch."""
        return batch_loss(self.network, self.loss, batch)

    def _augmented(self, batch: Batch, generator: torch.Generator) -> Batch:
        assert self.augment is not None
        named = dict(zip(self.network.inputs, batch.inputs))
        changed = self.augment(named, generator)
        return replace(batch, inputs=tuple(changed[name] for name in named))


@dataclass(frozen=True, slots=True)
class Progress:
    """What an epoch gave.

    `loss`           mean over the epoch's items, before or while they were learned from
    `steps`          updates of the parameters
    `gradient_norm`  the last one, None where there is no gradient
    `rate`           the last learning rate, None where there is none
    `done`           there is nothing left to do
    `values`         new values of stored parameters, from strategies that solve for them
    `report`         what else the strategy found (a covariance, a rank), as plain data
    """

    loss: float
    steps: int
    gradient_norm: float | None = None
    rate: float | None = None
    done: bool = False
    values: Mapping[str, Tensor] | None = None
    report: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


class NonFinite(ArithmeticError):
    """A loss (`name` empty) or the gradient of a stored parameter is NaN or infinite; `batch` gave it, at `step` of its epoch."""

    def __init__(self, name: str, batch: Batch, step: int):
        super().__init__(name or "loss")
        self.name, self.batch, self.step = name, batch, step


class Solver(ABC):
    """A fit in progress."""

    @abstractmethod
    def epoch(self, number: int) -> Progress:
        """Epoch `number`, counted from 1. Raises `NonFinite`."""

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """All that the next epoch depends on besides the parameters: nested dicts and lists of tensors and numbers."""

    @abstractmethod
    def restore(self, state: dict[str, Any]) -> None:
        """The inverse of `state`."""


class Strategy(ABC):
    """Options of one way to fit. Subclasses are frozen dataclasses whose fields are JSON values."""

    name: ClassVar[str]

    @abstractmethod
    def begin(self, task: Task) -> Solver:
        """A solver at its start."""

    @property
    def default_batch(self) -> int | None:
        """Items a minibatch if the user says nothing; None: all."""
        return None


def checked_backward(loss: Tensor, batch: Batch, step: int) -> float:
    """Gradients of the loss, added to those that the parameters have; the loss as a number.

    Raises:
        NonFinite: the loss is not finite (gradients are not computed then).
    """
    value = float(loss.detach())
    if not torch.isfinite(loss.detach()):
        raise NonFinite("", batch, step)
    if loss.requires_grad:
        loss.backward()
    return value


def checked_norm(parameters: Mapping[str, nn.Parameter], clip: float | None, batch: Batch, step: int) -> float:
    """The norm of all gradients; they are scaled down to `clip` if it is given and they exceed it.

    Raises:
        NonFinite: naming the first parameter whose gradient is not finite.
    """
    norm = nn.utils.clip_grad_norm_(parameters.values(), clip if clip is not None else float("inf"))
    if not torch.isfinite(norm):
        for name, parameter in parameters.items():
            if parameter.grad is not None and not torch.isfinite(parameter.grad).all():
                raise NonFinite(name, batch, step)
        raise NonFinite(next(iter(parameters)), batch, step)
    return float(norm)
