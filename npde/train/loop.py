"""The loop around a strategy: it remembers, writes checkpoints, and stops when numbers stop being numbers."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from npde.diagnostics import Diagnostic
from npde.diagnostics.catalogue import training as codes
from npde.train.data import Dataset
from npde.train.evaluate import mean_loss
from npde.train.failure import explain
from npde.train.folder import RunFolder
from npde.train.learnables import learnables, physical_values
from npde.train.loss import title
from npde.train.options import check_same, options_of
from npde.train.run import EpochDone, EpochRecord, Finished, Reporter, Run, Saved, Started, StepDone, Stopped, Warned
from npde.train.snapshot import Snapshot, copied, parameters_of, set_parameters
from npde.train.strategy import NonFinite, Progress, Solver, Strategy, Task
from npde.train.watch import Watch


@dataclass
class Fitting:
    """One fit on its way."""

    task: Task
    strategy: Strategy
    held: Dataset | None
    patience: int | None
    reporter: Reporter
    callback: Callable[[EpochRecord, nn.Module], None] | None
    save_seconds: float
    history: list[EpochRecord] = field(default_factory=list)
    start: Mapping[str, torch.Tensor] = field(default_factory=dict)
    saved_epoch: int = -1
    saved_at: float = 0.0
    watch: Watch = field(init=False)

    def __post_init__(self) -> None:
        self.watch = Watch(self.task.network)

    @property
    def module(self) -> nn.Module:
        return self.task.network.module

    def run(self, folder: RunFolder | None, resume: bool = False) -> Run:
        """All epochs, from the beginning or from the newest checkpoint."""
        solver = self._solver()
        good = self._first(solver)
        if folder is not None:
            good = self._resumed(folder, solver, good) if resume and folder.has_run else self._begun(folder, good)
        self.start = self.start or physical_values(self.module)
        self._announce(good, folder)
        self.saved_at = time.monotonic()
        while not good.stopped and good.epoch < self.task.epochs:
            good = self._epoch(solver, good, folder)
            self._save_if_due(folder, good)
        stopped: Stopped = good.stopped or "epochs"  # type: ignore[assignment]
        self._save(folder, good)
        run = self._result(good, stopped, folder)
        self.reporter(Finished(run))
        return run

    def _solver(self) -> Solver:
        def progress(done: int, total: int, loss: float) -> None:
            self.reporter(StepDone(len(self.history) + 1, done, total, loss))

        self.task = replace(self.task, progress=progress)
        return self.strategy.begin(self.task)

    # --- beginning ----------------------------------------------------------------------------------------------------

    def _first(self, solver: Solver) -> Snapshot:
        model = parameters_of(self.module)
        return Snapshot(0, model, copied(solver.state()), 0, float("inf"), model)

    def _begun(self, folder: RunFolder, first: Snapshot) -> Snapshot:
        if folder.has_run:
            folder.fail(codes.RUN_EXISTS, hint="go on with it by `--resume` (`resume=True`), or choose another folder.")
        origin = getattr(getattr(self.module, "_npde", None), "origin", None)
        text = origin.source.text if origin is not None else None
        folder.begin(text, self._options())
        self._save(folder, first)
        return first

    def _resumed(self, folder: RunFolder, solver: Solver, first: Snapshot) -> Snapshot:
        found, own = folder.options(), self._options()
        check_same(folder, found, own, self._warn)
        if folder.latest is None:
            folder.begin(None, own)
            self._save(folder, first)
            return first
        snapshot = folder.snapshot(self.module)
        self.history = list(folder.history(snapshot.epoch))
        folder.rewind(tuple(self.history))
        folder.write_options(own)
        if folder.first is not None:
            set_parameters(self.module, folder.snapshot(self.module, folder.first).model)
            self.start = physical_values(self.module)
        set_parameters(self.module, snapshot.model)
        solver.restore(copied(snapshot.solver))
        self.saved_epoch = snapshot.epoch
        is_longer = snapshot.stopped == "" or (snapshot.stopped == "epochs" and snapshot.epoch < self.task.epochs)
        return replace(snapshot, stopped="") if is_longer else snapshot

    def _options(self) -> dict[str, Any]:
        return options_of(self.task, self.strategy, self.held, self.patience)

    def _announce(self, good: Snapshot, folder: RunFolder | None) -> None:
        task = self.task
        learned = tuple(known.name for known in learnables(self.module) if known.parameters[0] in task.parameters)
        self.reporter(
            Started(
                model=task.network.name,
                strategy=self.strategy.name,
                loss=title(task.loss),
                epoch=good.epoch,
                epochs=task.epochs,
                steps_per_epoch=task.steps_per_epoch,
                samples=len(task.data),
                held_out=len(self.held) if self.held is not None else 0,
                starts_from=task.data.start,
                learnables=learned,
                path=folder.path if folder is not None else None,
            )
        )

    # --- an epoch -----------------------------------------------------------------------------------------------------

    def _epoch(self, solver: Solver, good: Snapshot, folder: RunFolder | None) -> Snapshot:
        """One epoch; if it fails or is interrupted, the last good state comes back and is written."""
        number, began = good.epoch + 1, time.perf_counter()
        try:
            progress = solver.epoch(number)
            if progress.values is not None:
                set_parameters(self.module, {**parameters_of(self.module), **progress.values})
        except NonFinite as failure:
            path = self._save(folder, good)
            try:
                explain(self.task.network, failure, number, str(path or ""))
            finally:
                set_parameters(self.module, good.model)
        except KeyboardInterrupt:
            set_parameters(self.module, good.model)
            self._save(folder, good)
            raise
        record = self._record(number, progress, time.perf_counter() - began)
        return self._remember(solver, good, record, progress, folder)

    def _record(self, number: int, progress: Progress, seconds: float) -> EpochRecord:
        val = mean_loss(self.task, self.held) if self.held is not None else None
        diverged = val is not None and not torch.isfinite(torch.tensor(val))
        return EpochRecord(
            epoch=number,
            loss=progress.loss,
            val_loss=None if diverged else val,
            diverged=diverged,
            gradient_norm=progress.gradient_norm,
            rate=progress.rate,
            steps=progress.steps,
            seconds=round(seconds, 6),
            report=dict(progress.report),
        )

    def _remember(
        self, solver: Solver, good: Snapshot, record: EpochRecord, progress: Progress, folder: RunFolder | None
    ) -> Snapshot:
        self.history.append(record)
        if folder is not None:
            folder.append(record)
        model = parameters_of(self.module)
        is_best = record.monitored < good.best_loss
        best = (
            (record.epoch, record.monitored, model) if is_best else (good.best_epoch, good.best_loss, good.best_model)
        )
        snapshot = Snapshot(
            record.epoch, model, copied(solver.state()), *best, self._stopped(record, progress, best[0])
        )
        self.reporter(EpochDone(record, is_best))
        warning = self.watch(record.epoch)
        if warning is not None:
            self.reporter(Warned(warning))
        if self.callback is not None:
            self.callback(record, self.module)
        return snapshot

    def _stopped(self, record: EpochRecord, progress: Progress, best_epoch: int) -> str:
        if progress.done:
            return "converged"
        if self.patience is not None and record.epoch - best_epoch >= self.patience:
            return "patience"
        return "epochs" if record.epoch >= self.task.epochs else ""

    # --- keeping ------------------------------------------------------------------------------------------------------

    def _save_if_due(self, folder: RunFolder | None, good: Snapshot) -> None:
        if time.monotonic() - self.saved_at >= self.save_seconds:
            self._save(folder, good)

    def _save(self, folder: RunFolder | None, good: Snapshot) -> Path | None:
        """Write a checkpoint unless this one is on the disk; its path."""
        if folder is None:
            return None
        if self.saved_epoch != good.epoch:
            path = folder.save(good)
            self.saved_epoch, self.saved_at = good.epoch, time.monotonic()
            self.reporter(Saved(path, good.epoch))
        return folder.latest

    def _warn(self, diagnostic: Diagnostic) -> None:
        self.reporter(Warned(diagnostic))

    def _result(self, good: Snapshot, stopped: Stopped, folder: RunFolder | None) -> Run:
        history = tuple(self.history)
        fixed = [k.name for k in learnables(self.module) if k.parameters[0] not in self.task.parameters]
        return Run(
            model=self.task.network.name,
            strategy=self.strategy.name,
            loss=title(self.task.loss),
            history=history,
            best=history[good.best_epoch - 1] if good.best_epoch else None,
            start=self.start,
            values=physical_values(self.module),
            best_parameters=good.best_model,
            fixed=tuple(fixed),
            stopped=stopped,
            path=folder.path if folder is not None else None,
        )
