"""A live `rnn` module behind the calling convention of `torch.nn.RNN`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from npde.diagnostics import NpdeError


class Recurrent(nn.Module):
    """`output, h_n = rnn(input, h_0)`, one cell and one direction; the parameters are those of the module it wraps.

    input   [T, B, F], [B, T, F] with `batch_first`, or [T, F] without a batch; F is `input_size`
    h_0     [1, B, H] or [1, H]: the state, flattened, H is `hidden_size`; left out, the model's initial state
            (torch.nn.RNN starts at zero)
    output  [T, B, O] …: the model's outputs after each step, flattened, one behind the other; without outputs the state
    h_n     like h_0: the state after the last step

    Raises:
        NpdeError: the module is not the `rnn` realisation, or does not have exactly one input with a value a step.
    """

    num_layers = 1
    bidirectional = False

    def __init__(self, net: nn.Module, batch_first: bool = False):
        super().__init__()
        if not hasattr(net, "cell"):
            raise NpdeError('Only the recurrent realisation has a cell; compile with network="rnn".')
        inputs: Mapping[str, tuple[int | None, ...]] = net.INPUTS  # type: ignore[assignment]
        if len(inputs) != 1 or next(iter(inputs.values()))[:1] != (None,):
            listed = ", ".join(f"'{name}'" for name in inputs) or "none"
            raise NpdeError(
                f"torch.nn.RNN takes one sequence; the model should have one input over time, and it has {listed}."
            )
        self.net = net
        self.batch_first = batch_first
        self.input_shape = tuple(int(n or 0) for n in next(iter(inputs.values()))[1:])
        self.state_shape = tuple(net.initial_state().shape[1:])  # type: ignore[operator]
        self.input_size = math.prod(self.input_shape)
        self.hidden_size = math.prod(self.state_shape)

    def forward(self, input: Tensor, h_0: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """See the class. Raises ValueError when a shape is not as said there."""
        is_batched = input.ndim == 3
        if input.ndim not in (2, 3) or input.shape[-1] != self.input_size:
            raise ValueError(
                f"Expected input [T, B, {self.input_size}] or [T, {self.input_size}], got {list(input.shape)}."
            )
        sequence = input.unsqueeze(1) if not is_batched else input.transpose(0, 1) if self.batch_first else input
        hidden = self._start(h_0, sequence, is_batched)
        outputs = []
        for step, features in enumerate(sequence):
            out, hidden = self.net.cell(features.reshape(-1, *self.input_shape), hidden, step=step)  # type: ignore[operator]
            outputs.append(_flat(out))
        output = torch.stack(outputs)
        final = hidden.flatten(1).unsqueeze(0)
        if not is_batched:
            return output.squeeze(1), final.squeeze(1)
        return output.transpose(0, 1) if self.batch_first else output, final

    def _start(self, h_0: Tensor | None, sequence: Tensor, is_batched: bool) -> Tensor:
        batch = sequence.shape[1]
        if h_0 is None:
            start: Tensor = self.net.initial_state(batch)  # type: ignore[operator]
            return start
        expected = (1, batch, self.hidden_size) if is_batched else (1, self.hidden_size)
        if tuple(h_0.shape) != expected:
            raise ValueError(f"Expected h_0 of shape {list(expected)}, got {list(h_0.shape)}.")
        return h_0.reshape(batch, *self.state_shape)

    def extra_repr(self) -> str:
        return f"{self.input_size}, {self.hidden_size}, batch_first={self.batch_first}"


def _flat(out: Any) -> Tensor:
    """Outputs of one step as [B, O]: several behind one another, complex numbers as pairs."""
    if isinstance(out, Mapping):
        return torch.cat([_flat(value) for value in out.values()], dim=1)
    value: Tensor = torch.view_as_real(out) if out.is_complex() else out
    return value.reshape(len(value), -1)
