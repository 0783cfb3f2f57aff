"""What a fit gives back, and what it says while it goes on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

from torch import Tensor, nn

from npde.diagnostics import Diagnostic
from npde.train.data import Start
from npde.train.learnables import Estimate, estimates

Stopped = Literal["epochs", "converged", "patience"]
"""Why a run ended: all its epochs, nothing left to gain, or no gain on the held-out data for a while."""


@dataclass(frozen=True, slots=True)
class EpochRecord:
    """One line of `metrics.jsonl`.

    `loss`       mean training loss of the epoch
    `val_loss`   loss on the held-out data after the epoch; None without such data, or when it `diverged` there
    `seconds`    time the epoch took, the only entry that a repeated run does not repeat
    """

    epoch: int
    loss: float
    val_loss: float | None = None
    diverged: bool = False
    gradient_norm: float | None = None
    rate: float | None = None
    steps: int = 0
    seconds: float = 0.0
    report: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def monitored(self) -> float:
        """What decides which epoch was best."""
        if self.diverged:
            return float("inf")
        return self.loss if self.val_loss is None else self.val_loss

    def plain(self) -> dict[str, Any]:
        """As JSON holds it; `EpochRecord(**record.plain()) == record`."""
        return {item.name: getattr(self, item.name) for item in fields(self)} | {"report": dict(self.report)}


@dataclass(frozen=True, eq=False)
class Run:
    """A finished fit.

    `history`   one record an epoch
    `best`      the epoch with the smallest held-out loss (training loss without held-out data)
    `start`     physical values of what is learned before the fit, `values` after it
    `fixed`     names held fixed
    `path`      the run directory, None if nothing was written
    """

    model: str
    strategy: str
    loss: str
    history: tuple[EpochRecord, ...]
    best: EpochRecord | None
    start: Mapping[str, Tensor]
    values: Mapping[str, Tensor]
    best_parameters: Mapping[str, Tensor]
    fixed: tuple[str, ...]
    stopped: Stopped
    path: Path | None

    @property
    def table(self) -> tuple[Estimate, ...]:
        """Start and estimate of each learned quantity."""
        return estimates(self.start, self.values, self.fixed)

    @property
    def seconds(self) -> float:
        """Time spent in epochs."""
        return sum(record.seconds for record in self.history)

    def restore_best(self, module: nn.Module) -> None:
        """Give the module the parameters of the best epoch."""
        module.load_state_dict(dict(self.best_parameters))


# --- events -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Started:
    """A fit begins (or goes on after `epoch` epochs): what it will do. `starts_from` says where rollouts start."""

    model: str
    strategy: str
    loss: str
    epoch: int
    epochs: int
    steps_per_epoch: int
    samples: int
    held_out: int
    starts_from: Start
    learnables: tuple[str, ...]
    path: Path | None


@dataclass(frozen=True, slots=True)
class StepDone:
    """`step` of the epoch's `of` steps are done, with this loss."""

    epoch: int
    step: int
    of: int
    loss: float


@dataclass(frozen=True, slots=True)
class EpochDone:
    """An epoch is over."""

    record: EpochRecord
    is_best: bool


@dataclass(frozen=True, slots=True)
class Saved:
    """A checkpoint is on the disk."""

    path: Path
    epoch: int


@dataclass(frozen=True, slots=True)
class Warned:
    """Something to know that does not end the run."""

    diagnostic: Diagnostic


@dataclass(frozen=True, slots=True)
class Finished:
    """The fit is over."""

    run: Run


Event: TypeAlias = Started | StepDone | EpochDone | Saved | Warned | Finished
Reporter: TypeAlias = Callable[[Event], None]


def silent(_: Event) -> None:
    """A reporter that says nothing."""
