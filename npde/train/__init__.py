"""Training: data, losses, strategies, runs that survive being killed, and errors of what was learned.

    trajectories, solutions, supervised, from_file    arrays or a data file -> Dataset, checked against the model
    fit(net, data, …) -> Run               learns what the file declares with `learn`
    evaluate(net, data) -> Metrics         errors on data
    open_run(folder) -> nn.Module          the model of a run, with what it learned

`Strategy` is the one interface of all ways to fit; `Adam` and `Lbfgs` are there. Nothing here prints: `fit` tells a reporter.
"""

from npde.train.adam import Adam
from npde.train.arrays import from_file, solutions, supervised, trajectories
from npde.train.augment import Augmentation, Jitter
from npde.train.choice import STRATEGIES, choose_strategy
from npde.train.data import Batch, Dataset
from npde.train.evaluate import FieldError, Metrics, evaluate
from npde.train.fit import fit
from npde.train.lbfgs import Lbfgs
from npde.train.learnables import Estimate, Learnable, learnables, physical_values
from npde.train.loss import LOSSES, CrossEntropy, Loss, MeanSquare, RelativeL2
from npde.train.network import Network
from npde.train.opened import open_run
from npde.train.run import (
    EpochDone,
    EpochRecord,
    Event,
    Finished,
    Reporter,
    Run,
    Saved,
    Started,
    StepDone,
    Warned,
    silent,
)
from npde.train.split import split
from npde.train.strategy import Progress, Solver, Strategy, Task

__all__ = [
    "LOSSES",
    "STRATEGIES",
    "Adam",
    "Augmentation",
    "Batch",
    "CrossEntropy",
    "Dataset",
    "EpochDone",
    "EpochRecord",
    "Estimate",
    "Event",
    "FieldError",
    "Finished",
    "Jitter",
    "Lbfgs",
    "Learnable",
    "Loss",
    "MeanSquare",
    "Metrics",
    "Network",
    "Progress",
    "RelativeL2",
    "Reporter",
    "Run",
    "Saved",
    "Solver",
    "Started",
    "StepDone",
    "Strategy",
    "Task",
    "Warned",
    "choose_strategy",
    "evaluate",
    "fit",
    "from_file",
    "learnables",
    "open_run",
    "physical_values",
    "silent",
    "solutions",
    "split",
    "supervised",
    "trajectories",
]
