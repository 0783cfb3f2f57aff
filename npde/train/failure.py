"""Why a loss is not finite: where the first bad number appears, and how the time step compares with its bound."""

from __future__ import annotations

from math import prod
from typing import NoReturn

import torch
from torch import Tensor

from npde.diagnostics.catalogue import training as codes
from npde.train.data import Batch
from npde.train.learnables import learnables
from npde.train.network import Network
from npde.train.strategy import NonFinite
from npde.train.watch import bound_note

FRAME_BYTES = 2**28
"""Memory that the search for the first bad frame may take."""


def explain(network: Network, failure: NonFinite, epoch: int, checkpoint: str) -> NoReturn:
    """Raise the diagnostic of a failure; the module still has the values that led to it.

    Args:
        checkpoint: where the last good state is, empty if only in memory.
    """
    notes = [_where(network, failure.batch)]
    note = bound_note(network)
    if note:
        notes.append(note)
    notes.append(f"the last good state is in '{checkpoint}'." if checkpoint else "the model has its last good values.")
    hint = "a smaller learning rate (`--lr`), a shorter time step, or a constraint on what is learned may help."
    if failure.name:
        name = _public(network, failure.name)
        network.fail(
            codes.GRADIENT_NOT_FINITE,
            about=name.rstrip("_"),
            hint=hint,
            notes=tuple(notes),
            name=name,
            epoch=epoch,
            step=failure.step,
        )
    network.fail(codes.LOSS_NOT_FINITE, hint=hint, notes=tuple(notes), epoch=epoch, step=failure.step)


def _public(network: Network, stored: str) -> str:
    return next((known.name for known in learnables(network.module) if stored in known.parameters), stored)


def _where(network: Network, batch: Batch) -> str:
    """One sentence on the first field and step whose values are not finite."""
    for name, parameter in network.module.named_parameters():
        if not torch.isfinite(parameter).all():
            return f"'{_public(network, name)}' itself is not finite."
    with torch.no_grad():
        states, every = _states(network, batch)
    finite = torch.isfinite(states).flatten(3).all(-1).all(0)
    bad = torch.nonzero(~finite)
    if not len(bad):
        largest = float(states.abs().max()) if states.numel() else 0.0
        return f"the march stays finite (its largest value is {largest:.3g}); the loss or its gradient does not."
    frame, channel = (int(i) for i in bad[0])
    slot = next(s for s in network.fields if s.first <= channel < s.first + s.channels)
    step = batch.first + frame * every
    after = f"after step {step}" if every == 1 else f"between steps {step - every} and {step}"
    time = network.start + step * network.dt
    return f"'{slot.name}' is not finite {after}, {network.marching} = {time:.6g}."


def _states(network: Network, batch: Batch) -> tuple[Tensor, int]:
    """States [B, F, C, *grid] of the batch's rollout, after every few steps."""
    steps = batch.steps or network.steps
    sequences = [x for x, shape in zip(batch.inputs, network.inputs.values()) if shape and shape[0] is None]
    if sequences:
        steps = min(steps, *(x.shape[1] for x in sequences))
    start = batch.state if batch.state is not None else network.march(batch.inputs, None, steps=0, every=1)[:, 0]
    budget = FRAME_BYTES // max(start.element_size() * prod(start.shape), 1)
    every = max(1, -(-steps // max(budget, 1)))
    steps -= steps % every
    return network.march(batch.inputs, batch.state, steps=steps, every=every, start=batch.first), every
