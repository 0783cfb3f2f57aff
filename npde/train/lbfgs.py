"""L-BFGS on the full batch with a strong-Wolfe line search; an epoch is one iteration.

    θ' = θ + α d,   d = -H g,   H the inverse Hessian estimated from the last pairs s = θ' - θ, y = g' - g

Curvature and tolerances are relative, so that the scale of the loss plays no part: a fit to small errors goes on to rounding.
Source: Nocedal & Wright, *Numerical Optimization*, 2nd ed., algorithm 7.4 (two-loop recursion) with the scaling (7.20).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from npde.train.linesearch import Point, strong_wolfe
from npde.train.strategy import NonFinite, Progress, Solver, Strategy, Task, checked_backward, checked_norm


@dataclass(frozen=True, slots=True)
class Lbfgs(Strategy):
    """Options.

    `lr`         length of the very first trial move of the parameters
    `history`    pairs kept
    `tolerance`  done when the gradient's largest entry is below this share of its first
    `change`     done when an iteration lowers the loss by less than this share of it
    """

    name: ClassVar[str] = "lbfgs"

    lr: float = 0.1
    history: int = 20
    tolerance: float = 1e-8
    change: float = 1e-10

    def begin(self, task: Task) -> Solver:
        return _LbfgsSolver(self, task)


class _LbfgsSolver(Solver):
    """`moves` and `turns` are the pairs s and y; loss and gradient belong to the present parameters."""

    def __init__(self, options: Lbfgs, task: Task):
        self.options, self.task = options, task
        self.moves: list[Tensor] = []
        self.turns: list[Tensor] = []
        self.loss = 0.0
        self.gradient: Tensor | None = None
        self.first_gradient = 0.0

    def epoch(self, number: int) -> Progress:  # noqa: ARG002 - each iteration follows from the last, whatever its number
        start = self._parameters()
        if self.gradient is None:
            self.loss, self.gradient = self._evaluate()
            self.first_gradient = float(self.gradient.abs().max())
        loss, gradient = self.loss, self.gradient
        if self._is_flat(gradient):
            return Progress(loss, 0, float(gradient.norm()), done=True)
        direction = self._direction(gradient)
        slope = float(gradient.dot(direction))
        if slope >= 0:
            self.moves, self.turns = [], []
            direction, slope = -gradient, -float(gradient.dot(gradient))
        first = 1.0 if self.moves else self.options.lr / float(direction.norm())
        found = strong_wolfe(lambda step: self._trial(start, direction, step), Point(0.0, loss, slope, gradient), first)
        self._set(start + found.step * direction)
        self._remember(found.step * direction, found.gradient - gradient)
        self.loss, self.gradient = found.value, found.gradient
        lowered = loss - found.value
        done = found.step == 0 or lowered <= self.options.change * abs(loss) or self._is_flat(found.gradient)
        return Progress(found.value, int(found.step != 0), float(found.gradient.norm()), found.step, done=done)

    def _direction(self, gradient: Tensor) -> Tensor:
        """-H g by two loops over the pairs."""
        direction = -gradient
        weights: list[Tensor] = []
        for move, turn in zip(reversed(self.moves), reversed(self.turns)):
            weights.append(move.dot(direction) / turn.dot(move))
            direction = direction - weights[-1] * turn
        if self.moves:
            direction = direction * (self.moves[-1].dot(self.turns[-1]) / self.turns[-1].dot(self.turns[-1]))
        for move, turn, weight in zip(self.moves, self.turns, reversed(weights)):
            direction = direction + (weight - turn.dot(direction) / turn.dot(move)) * move
        return direction

    def _remember(self, move: Tensor, turn: Tensor) -> None:
        """Keep the pair if the curvature along it is positive beyond rounding."""
        if float(move.dot(turn)) <= torch.finfo(move.dtype).eps * float(move.norm() * turn.norm()):
            return
        self.moves = [*self.moves, move][-self.options.history :]
        self.turns = [*self.turns, turn][-self.options.history :]

    def _is_flat(self, gradient: Tensor) -> bool:
        return float(gradient.abs().max()) <= self.options.tolerance * self.first_gradient

    def _trial(self, start: Tensor, direction: Tensor, step: float) -> Point:
        """φ and φ' at `step`; a march that blows up there is infinitely bad, not an error."""
        self._set(start + step * direction)
        try:
            value, gradient = self._evaluate()
        except NonFinite:
            return Point(step, float("inf"), 0.0, torch.zeros_like(start))
        return Point(step, value, float(gradient.dot(direction)), gradient)

    def _evaluate(self) -> tuple[float, Tensor]:
        """Mean loss over all items and its gradient. Raises `NonFinite`."""
        parameters = self.task.parameters
        for parameter in parameters.values():
            parameter.grad = None
        total, items, pieces = 0.0, len(self.task.data), self.task.steps_per_epoch
        for piece, batch in enumerate(self.task.full_batch(), start=1):
            total += checked_backward(self.task.loss_of(batch) * (batch.size / items), batch, piece)
            self.task.progress(piece, pieces, total)
            if piece == pieces:
                checked_norm(parameters, None, batch, piece)
        gradients = (torch.zeros_like(p) if p.grad is None else p.grad for p in parameters.values())
        return total, torch.cat([g.detach().flatten() for g in gradients]).clone()

    # --- the parameters as one vector ---------------------------------------------------------------------------------

    def _parameters(self) -> Tensor:
        return torch.cat([p.detach().flatten() for p in self.task.parameters.values()])

    def _set(self, vector: Tensor) -> None:
        offset = 0
        with torch.no_grad():
            for parameter in self.task.parameters.values():
                count = parameter.numel()
                parameter.copy_(vector[offset : offset + count].view_as(parameter))
                offset += count

    # --- what a checkpoint keeps --------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        return {
            "moves": list(self.moves),
            "turns": list(self.turns),
            "loss": self.loss,
            "gradient": self.gradient,
            "first_gradient": self.first_gradient,
        }

    def restore(self, state: dict[str, Any]) -> None:
        self.moves, self.turns = list(state["moves"]), list(state["turns"])
        self.loss, self.gradient, self.first_gradient = state["loss"], state["gradient"], state["first_gradient"]
