"""`fit`: options and data are checked, then the loop runs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from torch import nn

from npde.diagnostics import DiagnosticError, NpdeError
from npde.diagnostics.catalogue import training as codes
from npde.source import Source
from npde.train.arrays import from_file
from npde.train.augment import Augmentation
from npde.train.choice import choose_strategy
from npde.train.data import Dataset
from npde.train.folder import RunFolder
from npde.train.learnables import trainable
from npde.train.loop import Fitting
from npde.train.loss import Loss, chosen
from npde.train.network import Network
from npde.train.run import EpochRecord, Reporter, Run, silent
from npde.train.split import split
from npde.train.strategy import Strategy, Task

if TYPE_CHECKING:
    from npde.files import Data

SAVE_SECONDS = 5.0
"""Epochs shorter than this share checkpoints; a killed run computes at most so much again."""


def fit(
    net: nn.Module,
    data: Dataset | Data | str | os.PathLike[str],
    *,
    strategy: str | Strategy = "adam",
    loss: str | Loss | None = None,
    epochs: int | None = None,
    lr: float | None = None,
    batch: int | None = None,
    val: float | Dataset | None = None,
    fix: Iterable[str] = (),
    seed: int = 0,
    augment: Augmentation | None = None,
    patience: int | None = None,
    run_dir: str | os.PathLike[str] | None = None,
    resume: bool = False,
    reporter: Reporter = silent,
    callback: Callable[[EpochRecord, nn.Module], None] | None = None,
    save_seconds: float = SAVE_SECONDS,
) -> Run:
    """Fit what the model `learn`s to data; `net` has the learned values afterwards.

    Args:
        net: a compiled module.
        data: a `Dataset`, what `npde.files.read` gave, or the path of a data file.
        strategy: "adam", "lbfgs", or a `Strategy` with options of its own.
        loss: "mse", "relative_l2", "cross_entropy" or a function; by default cross_entropy for class numbers, else mse.
        epochs: passes over the data (iterations for lbfgs); default 100.
        lr: replaces the strategy's learning rate.
        batch: items a minibatch; for lbfgs the piece that is in memory at a time.
        val: held-out data, or the share of samples to hold out.
        fix: names of learnables that keep their values.
        seed: of minibatches, augmentation and the held-out choice; torch's own generator is left alone.
        augment: changes the inputs of training batches.
        patience: stop after so many epochs without a smaller held-out loss.
        run_dir: where the run is written, checkpoint by checkpoint.
        resume: go on with the run in `run_dir`, bit for bit as if it had not been interrupted; start it if there is none.
        reporter: is told what happens; nothing is printed here.
        callback: called after each epoch with its record and the module.

    Raises:
        DiagnosticError: N1101 … N1120; after N1101 and N1102 the module has the last good values.
    """
    network = Network(net)
    dataset = _dataset(network, data)
    held: Dataset | None = val if isinstance(val, Dataset) else None
    if isinstance(val, int | float):
        dataset, held = split(dataset, float(val), seed)
    chosen_strategy = choose_strategy(strategy, lr)
    _in_range("epochs", epochs, 1)
    _in_range("batch", batch, 1)
    _in_range("patience", patience, 1)
    task = Task(
        network=network,
        data=dataset,
        loss=chosen(loss, dataset),
        parameters=trainable(network, fix),
        epochs=epochs or 100,
        batch_size=min(batch or chosen_strategy.default_batch or len(dataset), len(dataset)),
        seed=seed,
        augment=augment,
    )
    fitting = Fitting(task, chosen_strategy, held, patience, reporter, callback, save_seconds)
    with _training(net, task):
        if run_dir is None:
            return fitting.run(None)
        with RunFolder(run_dir) as folder:
            return fitting.run(folder, resume)


class _training:
    """The module in training mode, its fixed parameters without gradients; both as before afterwards."""

    def __init__(self, module: nn.Module, task: Task):
        self.module, self.task = module, task
        self.modes = [(part, part.training) for part in module.modules()]
        self.needs = [(parameter, parameter.requires_grad) for parameter in module.parameters()]

    def __enter__(self) -> None:
        self.module.train()
        trained = {id(parameter) for parameter in self.task.parameters.values()}
        for parameter, _ in self.needs:
            parameter.requires_grad_(id(parameter) in trained)

    def __exit__(self, *_: object) -> None:
        for part, was_training in self.modes:
            part.training = was_training
        for parameter, needed in self.needs:
            parameter.requires_grad_(needed)
            parameter.grad = None


def _dataset(network: Network, data: Dataset | Data | str | os.PathLike[str]) -> Dataset:
    from npde.files import Data, read

    if isinstance(data, Dataset):
        return data
    if isinstance(data, str | os.PathLike):
        if network.problem is None:
            raise TypeError("A data file can be read for a compiled model only; give a Dataset.")
        data = read(data, network.problem)
    if not isinstance(data, Data):
        raise NpdeError(
            "The data of a fit are the path of a file, or a `Dataset`: npde.train.trajectories(net, {'u': array}, times) makes "
            f"one of arrays. This is a {type(data).__name__}."
        )
    return from_file(network.module, data)


def _in_range(option: str, value: int | None, smallest: int) -> None:
    if value is not None and value < smallest:
        diagnostic = codes.BAD_OPTION.at(option=option, found=value, expected=f"at least {smallest}")
        raise DiagnosticError([diagnostic], Source("training", ""))
