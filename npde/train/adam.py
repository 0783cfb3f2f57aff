"""Adam on minibatches of trajectories, windows or samples.

    m = β₁ m + (1 - β₁) g,  v = β₂ v + (1 - β₂) g²,  θ -= η_k m̂ / (√v̂ + ε) + η_k λ θ

with the learning rate η_k of step k given by a schedule, gradients clipped by their common norm, and decoupled weight decay λ.

Sources: Kingma & Ba, "Adam", ICLR 2015; Loshchilov & Hutter, "Decoupled weight decay regularization", ICLR 2019.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, pi
from typing import Any, ClassVar, Literal

import torch

from npde.train.strategy import Progress, Solver, Strategy, Task, checked_backward, checked_norm

ScheduleName = Literal["constant", "cosine", "step"]


@dataclass(frozen=True, slots=True)
class Adam(Strategy):
    """Options.

    `lr`            learning rate η, the largest one of a schedule
    `schedule`      "constant"; "cosine": falls to zero over the whole fit; "step": times `factor` every `every` epochs
    `warmup`        share of the fit over which the rate first rises from zero
    `weight_decay`  λ, applied to kernels and dense layers only: a decaying diffusivity would be a wrong one
    `clip`          largest norm of all gradients together, None for no clipping
    """

    name: ClassVar[str] = "adam"

    lr: float = 1e-2
    schedule: ScheduleName = "cosine"
    warmup: float = 0.0
    every: int = 30
    factor: float = 0.1
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    weight_decay: float = 0.0
    clip: float | None = None

    def begin(self, task: Task) -> Solver:
        return _AdamSolver(self, task)

    @property
    def default_batch(self) -> int | None:
        return 32

    def rate(self, step: int, total: int, steps_per_epoch: int) -> float:
        """η of step `step`, counted from 0, of `total`."""
        rising = self.warmup * total
        if step < rising:
            return self.lr * (step + 1) / (rising + 1)
        match self.schedule:
            case "constant":
                return self.lr
            case "cosine":
                return self.lr * (1 + cos(pi * (step - rising) / max(total - rising, 1))) / 2
            case "step":
                return self.lr * float(self.factor ** (step // steps_per_epoch // self.every))


class _AdamSolver(Solver):
    def __init__(self, options: Adam, task: Task):
        self.options, self.task = options, task
        weights = task.network.weights
        decayed = [p for name, p in task.parameters.items() if name in weights]
        kept = [p for name, p in task.parameters.items() if name not in weights]
        groups = [{"params": decayed, "weight_decay": options.weight_decay}, {"params": kept, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(
            [group for group in groups if group["params"]],
            lr=options.lr,
            betas=(options.beta1, options.beta2),
            eps=options.epsilon,
        )

    def epoch(self, number: int) -> Progress:
        task, each = self.task, self.task.steps_per_epoch
        total, items, norm, rate = 0.0, 0, 0.0, 0.0
        for step, batch in enumerate(task.minibatches(number), start=1):
            rate = self.options.rate((number - 1) * each + step - 1, task.epochs * each, each)
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            self.optimizer.zero_grad()
            value = checked_backward(task.loss_of(batch), batch, step)
            norm = checked_norm(task.parameters, self.options.clip, batch, step)
            self.optimizer.step()
            total, items = total + value * batch.size, items + batch.size
            task.progress(step, each, value)
        return Progress(total / max(items, 1), each, norm, rate)

    def state(self) -> dict[str, Any]:
        """Moments by the parameter's name: they do not depend on how parameters were grouped."""
        return {name: dict(self.optimizer.state[p]) for name, p in self.task.parameters.items()}

    def restore(self, state: dict[str, Any]) -> None:
        for name, parameter in self.task.parameters.items():
            self.optimizer.state[parameter] = dict(state.get(name, {}))
