"""Ruthotto-Haber: a residual CNN that is a parabolic PDE, contractive for dt <= 2/|K|^2.

    dt(u) = -adjoint(K)(relu(K(u) + b))

Finite differences (x: 8, y: 8, order 2), euler in t, as a cnn.
Emitted by npde; needs torch alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

DX = 1 / 8  # spacing of 8 cells along x
DY = 1 / 8  # spacing of 8 cells along y
START = 0.0  # t at step 0
UNROLLED = 8  # steps that torch.compile and torch.export may unroll; longer marches are one scan
DT = 1 / 6  # step of t


def fold_wall(value: Tensor, dim: int, width: int, lower: list, upper: list) -> Tensor:
    """The transpose of a ghost fill: ghost k is added to cell j with weight `lower[k][j]`, counted from the wall."""
    n = value.shape[dim] - 2 * width
    inner = value.narrow(dim, width, n)
    behind = torch.zeros_like(inner.narrow(dim, 0, n - len(lower[0])))
    before = torch.zeros_like(inner.narrow(dim, 0, n - len(upper[0])))
    first = [
        sum(row[j] * value.narrow(dim, width - 1 - k, 1) for k, row in enumerate(lower)) for j in range(len(lower[0]))
    ]
    last = [
        sum(row[j] * value.narrow(dim, width + n + k, 1) for k, row in enumerate(upper)) for j in range(len(upper[0]))
    ]
    return inner + torch.cat((*first, behind), dim) + torch.cat((before, *last[::-1]), dim)


def started(layer: nn.Module, generator: torch.Generator | None) -> nn.Module:
    """Affine layers started at U(-1, 1) / sqrt(fan_in) from `generator`."""
    for part in layer.modules():
        if isinstance(part, (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)):
            bound = 1 / math.sqrt(part.weight[0].numel())
            for parameter in part.parameters():
                nn.init.uniform_(parameter, -bound, bound, generator=generator)
    return layer


class AtStep(NamedTuple):
    """What belongs to one step; with a leading axis, to all of a march."""

    b: Tensor
    K: Tensor


Read = Callable[..., tuple[Tensor, ...]]
"""Reads outputs from (state, what belongs to the step, coefficients)."""


class ParabolicCnn(nn.Module):
    """State: [B, 16, x, y], channels as in FIELDS."""

    # name: (first channel, channels, complex)
    FIELDS = {"u": (0, 16, False)}
    VECTORS = ("u",)
    GRID = (8, 8)
    # shape without the batch; None is the number of steps
    INPUTS: dict[str, tuple[int | None, ...]] = {"image": (1, 8, 8)}
    STEPS = 6
    DT = DT
    START = START

    def __init__(
        self,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        factory = {"device": device, "dtype": dtype or torch.get_default_dtype()}
        self.register_buffer("unit", torch.ones((), **factory), persistent=False)
        self.K = nn.Parameter(torch.randn((6, 16, 16, 3, 3), generator=generator, **factory) / math.sqrt(144))
        self.b = nn.Parameter(torch.full((6, 16), 0, **factory))
        self.lift_0 = started(nn.Conv2d(1, 16, 1, **factory), generator)
        self.linear_0 = started(nn.Linear(16, 10, **factory), generator)

    def initial_state(self, batch: int = 1, image: Tensor | None = None) -> Tensor:
        """The state at the start, [B, C, *grid]."""
        self._check(image=image)
        image = image.reshape(image.shape[0], 1, 8, 8)
        lifted = self.lift_0(image)
        return lifted

    def rhs(self, state: Tensor, p: AtStep) -> Tensor:
        """The right-hand side F(q): what the equations say of the rate of change."""
        u = state
        u_ghost_x = torch.cat((u[..., :1, :], u, u[..., -1:, :]), dim=-2)
        u_ghost = torch.cat((u_ghost_x[..., :1], u_ghost_x, u_ghost_x[..., -1:]), dim=-1)
        K_of_u_ghost = functional.conv2d(u_ghost, p.K)
        term = torch.relu(K_of_u_ghost + p.b)
        K_adjoint = functional.conv_transpose2d(term, p.K)
        K_adjoint = fold_wall(K_adjoint, -1, 1, [[1]], [[1]])
        K_adjoint = fold_wall(K_adjoint, -2, 1, [[1]], [[1]])
        value = -K_adjoint
        return value

    def step(self, state: Tensor, p: AtStep) -> Tensor:
        """One step of euler, from t to t + DT."""
        k1 = self.rhs(state, p)
        return torch.add(state, k1, alpha=DT)

    def output_logits(self, state: Tensor) -> Tensor:
        """The output 'logits' of a state."""
        u = state
        mean_u = u.mean(dim=(-2, -1), keepdim=True)
        return self.linear_0(mean_u.flatten(1))[..., None, None]

    def _prepare(
        self, image: Tensor, state: Tensor | None, steps: int | None, start: int
    ) -> tuple[Tensor, AtStep, None, int]:
        """The starting state, what each step needs (with a leading axis of steps), the coefficients, the steps."""
        batch = self._check(image=image)
        if state is None:
            state = self.initial_state(batch, image=image)
        self._check_state(state)
        if not torch.compiler.is_compiling() and state.shape[0] not in (1, batch):
            raise ValueError(f"the state has a batch of {state.shape[0]}, the inputs have {batch}")
        state = state.expand(batch, *state.shape[1:])
        steps = self.STEPS - start if steps is None else steps
        if steps < 0 or start < 0:
            raise ValueError(f"steps and start must not be negative, got {steps} and {start}")
        if start + steps > self.STEPS:
            raise ValueError(f"there are learned values for {self.STEPS} steps, not for {start + steps}")
        image = image.reshape(image.shape[0], 1, 8, 8)
        p = AtStep(
            b=self.b[start : start + steps].reshape(steps, 16, 1, 1),
            K=self.K[start : start + steps],
        )
        return state, p, None, steps

    def _begin(self, state: Tensor) -> tuple[Tensor, ...]:
        """What the loop carries at the start."""
        return (state,)

    def _advance(self, carry: tuple[Tensor, ...], p: AtStep, c: None, n: int) -> tuple[Tensor, ...]:
        """The carry after one step; n counts from the start of the call."""
        return (self.step(carry[0], p),)

    def _march(
        self, state: Tensor, sequence: AtStep, c: None, steps: int, every: int | None, read: Read | None = None
    ) -> tuple[Tensor, Tensor | None, tuple[Tensor, ...]]:
        """Steps. Returns the last state; with `every`, each `every`-th one from the start on; what `read` gives after
        each step. The latter two are stacked along axis 1."""
        if every is not None and every < 1:
            raise ValueError(f"every must be at least 1, got {every}")
        if torch.compiler.is_compiling() and steps > UNROLLED:
            return self._scan(state, sequence, c, steps, every, read)
        carry, frames, readings = self._begin(state), [state], []
        for n in range(steps):
            p = AtStep(*(v[n] for v in sequence))
            carry = self._advance(carry, p, c, n)
            if every is not None and (n + 1) % every == 0:
                frames.append(carry[0])
            if read is not None:
                readings.append(read(carry[0], p, c))
        frames = torch.stack(frames, dim=1) if every is not None else None
        return carry[0], frames, tuple(torch.stack(r, dim=1) for r in zip(*readings, strict=True))

    def _scan(
        self, state: Tensor, sequence: AtStep, c: None, steps: int, every: int | None, read: Read | None = None
    ) -> tuple[Tensor, Tensor | None, tuple[Tensor, ...]]:
        """`_march` for torch.compile and torch.export: one step is traced, whatever their number."""
        from torch._higher_order_ops.scan import scan

        keeps = every is not None

        def body(carry: tuple[Tensor, ...], row: tuple[Tensor, ...]) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
            p = AtStep(*row)
            after = self._advance(carry, p, c, 0)
            outs = (after[0].clone(),) if keeps else ()
            if read is not None:
                outs += tuple(r.clone() for r in read(after[0], p, c))
            return tuple(v.clone() for v in after), outs

        rows, carry = tuple(sequence), self._begin(state)
        carry, outs = scan(body, carry, rows)
        outs = tuple(v.movedim(0, 1) for v in outs)
        if not keeps:
            return carry[0], None, outs
        return carry[0], torch.cat((state[:, None], outs[0][:, every - 1 :: every]), dim=1), outs[1:]

    def march(
        self,
        image: Tensor,
        state: Tensor | None = None,
        *,
        steps: int | None = None,
        every: int | None = None,
        start: int = 0,
    ) -> Tensor:
        """Marches `steps` steps (default: all) of DT from step `start`.

        Returns the last state [B, C, *grid], or with `every` the states [B, steps // every + 1, C, *grid] from the
        start on.
        """
        state, p, c, steps = self._prepare(image, state, steps, start)
        state, frames, _ = self._march(state, p, c, steps, every)
        return state if frames is None else frames

    def forward(
        self,
        image: Tensor,
        state: Tensor | None = None,
        *,
        steps: int | None = None,
        every: int | None = None,
        start: int = 0,
    ) -> Tensor:
        """Marches and returns logits [B, 10]."""
        state, p, c, steps = self._prepare(image, state, steps, start)
        state, _, _ = self._march(state, p, c, steps, None)
        return self._read_logits(state, p, c)

    def _read_logits(self, state: Tensor, p: AtStep, c: None) -> Tensor:
        """'logits' of a state, without the axes it does not have."""
        value = self.output_logits(state)
        return value[:, :, 0, 0]

    def pack(self, **fields: Tensor) -> Tensor:
        """A state [B, C, *grid] from named fields [B, *grid], or [B, n, *grid] with components."""
        parts = []
        for name, (_, channels, is_complex) in self.FIELDS.items():
            if name not in fields:
                raise ValueError(f"field '{name}' is missing")
            value = fields[name]
            if value.dim() == 1 + len(self.GRID):
                value = value.unsqueeze(1)
            if value.is_complex() and not is_complex:
                raise TypeError(f"field '{name}' is real, got {value.dtype}")
            if is_complex:
                value = value + 0j  # real values are complex ones, too
                value = torch.cat((value.real, value.imag), dim=1)
            if tuple(value.shape[1:]) != (channels, *self.GRID):
                raise ValueError(f"field '{name}' must be {['B', *self.GRID]}, got {list(fields[name].shape)}")
            parts.append(value.to(self.unit))
        return torch.cat(parts, dim=1)

    def unpack(self, state: Tensor) -> dict[str, Tensor]:
        """The fields of states [..., C, *grid] by name, complex where they are; scalar ones without a channel axis."""
        fields = {}
        dim = -1 - len(self.GRID)
        for name, (first, channels, is_complex) in self.FIELDS.items():
            value = state.narrow(dim, first, channels)
            if is_complex:
                value = torch.complex(*value.split(channels // 2, dim))
            fields[name] = value.squeeze(dim) if name not in self.VECTORS else value
        return fields

    def _check(self, **inputs: Tensor | None) -> int:
        """The common batch of the inputs; raises if one is missing or has another shape than the model says."""
        batch = None
        for name, value in inputs.items():
            expected = self.INPUTS[name]
            wanted = f"[B{''.join(', T' if n is None else f', {n}' for n in expected)}]"
            if not isinstance(value, Tensor):
                raise TypeError(f"input '{name}' must be a tensor {wanted}")
            shape = tuple(value.shape[1:])
            if len(shape) != len(expected) or any(n not in (None, m) for n, m in zip(expected, shape, strict=True)):
                raise ValueError(f"input '{name}' must be {wanted}, got {list(value.shape)}")
            if batch is not None and value.shape[0] != batch:
                raise ValueError(f"input '{name}' has a batch of {value.shape[0]}, another input has {batch}")
            if value.dtype != self.unit.dtype:
                raise TypeError(f"input '{name}' must be {self.unit.dtype}, got {value.dtype}")
            batch = value.shape[0]
        return 1 if batch is None else batch

    def _check_state(self, state: Tensor) -> None:
        """Raises if a state is not [B, C, *grid] of the module's type."""
        channels = sum(n for _, n, _ in self.FIELDS.values())
        if tuple(state.shape[1:]) != (channels, *self.GRID):
            fields = ", ".join(self.FIELDS)
            raise ValueError(f"the state ({fields}) must be {['B', channels, *self.GRID]}, got {list(state.shape)}")
        if state.dtype != self.unit.dtype:
            raise TypeError(f"the state must be {self.unit.dtype}, got {state.dtype}")
