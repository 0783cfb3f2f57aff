"""Known diffusion, unknown reaction: the network is only where the physics is missing.

    dt(u) = D*dxx(u) + f(u)

Finite differences (x: 200, order 2), rk4 in t, as a cnn.
Emitted by npde; needs torch alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

DX = 10 / 200  # spacing of 200 cells along x
START = 0.0  # t at step 0
UNROLLED = 8  # steps that torch.compile and torch.export may unroll; longer marches are one scan
DT = 0.03125  # step of t


def pointwise_network(network: nn.Module, *arguments: Tensor) -> Tensor:
    """A small network applied in every cell: [B, 1, *grid] each -> [B, n, *grid]."""
    stacked = torch.cat(torch.broadcast_tensors(*arguments), dim=1)
    return network(stacked.movedim(1, -1)).movedim(-1, 1)


def started(layer: nn.Module, generator: torch.Generator | None) -> nn.Module:
    """Affine layers started at U(-1, 1) / sqrt(fan_in) from `generator`."""
    for part in layer.modules():
        if isinstance(part, (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)):
            bound = 1 / math.sqrt(part.weight[0].numel())
            for parameter in part.parameters():
                nn.init.uniform_(parameter, -bound, bound, generator=generator)
    return layer


Read = Callable[..., tuple[Tensor, ...]]
"""Reads outputs from (state, what belongs to the step, coefficients)."""


class Closure(nn.Module):
    """State: [B, 1, x], channels as in FIELDS."""

    # name: (first channel, channels, complex)
    FIELDS = {"u": (0, 1, False)}
    VECTORS = ()
    GRID = (200,)
    # shape without the batch; None is the number of steps
    INPUTS: dict[str, tuple[int | None, ...]] = {}
    STEPS = 160
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
        x = DX * (torch.arange(200, dtype=torch.float64) + 0.5)
        self.register_buffer("x", x.to(**factory), persistent=False)
        self.f = nn.Sequential(
            nn.Linear(1, 16, **factory),
            nn.Tanh(),
            nn.Linear(16, 16, **factory),
            nn.Tanh(),
            nn.Linear(16, 1, **factory),
        )
        started(self.f, generator)
        nn.init.zeros_(self.f[-1].weight)
        nn.init.zeros_(self.f[-1].bias)

    def initial_state(self, batch: int = 1) -> Tensor:
        """The state at the start, [B, C, *grid]."""
        value = torch.exp(-(self.x**2))
        return value.expand(batch, 1, 200).contiguous()

    def rhs(self, state: Tensor) -> Tensor:
        """The right-hand side F(q): what the equations say of the rate of change."""
        u = state
        u_ghost = torch.cat((-u[..., :1] + 2, u, u[..., -1:]), dim=-1)
        dxx_u = (u_ghost[..., :-2] + u_ghost[..., 2:]).sub_(u_ghost[..., 1:-1], alpha=2).div_(DX**2)  # dxx(u)
        f_value = pointwise_network(self.f, u)
        value = f_value + 0.05 * dxx_u
        return value

    def step(self, state: Tensor) -> Tensor:
        """One step of rk4, from t to t + DT."""
        k1 = self.rhs(state)
        stage_2 = torch.add(state, k1, alpha=0.5 * DT)
        k2 = self.rhs(stage_2)
        stage_3 = torch.add(state, k2, alpha=0.5 * DT)
        k3 = self.rhs(stage_3)
        stage_4 = torch.add(state, k3, alpha=DT)
        k4 = self.rhs(stage_4)
        return torch.add(state, (k1 + k4).add_(k2, alpha=2).add_(k3, alpha=2), alpha=DT / 6)

    def _prepare(self, state: Tensor | None, steps: int | None, start: int) -> tuple[Tensor, None, None, int]:
        """The starting state, what each step needs (with a leading axis of steps), the coefficients, the steps."""
        if state is None:
            state = self.initial_state(1)
        self._check_state(state)
        steps = self.STEPS - start if steps is None else steps
        if steps < 0 or start < 0:
            raise ValueError(f"steps and start must not be negative, got {steps} and {start}")
        return state, None, None, steps

    def _begin(self, state: Tensor) -> tuple[Tensor, ...]:
        """What the loop carries at the start."""
        return (state,)

    def _advance(self, carry: tuple[Tensor, ...], p: None, c: None, n: int) -> tuple[Tensor, ...]:
        """The carry after one step; n counts from the start of the call."""
        return (self.step(carry[0]),)

    def _march(
        self, state: Tensor, sequence: None, c: None, steps: int, every: int | None, read: Read | None = None
    ) -> tuple[Tensor, Tensor | None, tuple[Tensor, ...]]:
        """Steps. Returns the last state; with `every`, each `every`-th one from the start on; what `read` gives after
        each step. The latter two are stacked along axis 1."""
        if every is not None and every < 1:
            raise ValueError(f"every must be at least 1, got {every}")
        if torch.compiler.is_compiling() and steps > UNROLLED:
            return self._scan(state, sequence, c, steps, every, read)
        carry, frames, readings = self._begin(state), [state], []
        for n in range(steps):
            p = None
            carry = self._advance(carry, p, c, n)
            if every is not None and (n + 1) % every == 0:
                frames.append(carry[0])
            if read is not None:
                readings.append(read(carry[0], p, c))
        frames = torch.stack(frames, dim=1) if every is not None else None
        return carry[0], frames, tuple(torch.stack(r, dim=1) for r in zip(*readings, strict=True))

    def _scan(
        self, state: Tensor, sequence: None, c: None, steps: int, every: int | None, read: Read | None = None
    ) -> tuple[Tensor, Tensor | None, tuple[Tensor, ...]]:
        """`_march` for torch.compile and torch.export: one step is traced, whatever their number."""
        from torch._higher_order_ops.scan import scan

        keeps = every is not None

        def body(carry: tuple[Tensor, ...], row: tuple[Tensor, ...]) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
            p = None
            after = self._advance(carry, p, c, 0)
            outs = (after[0].clone(),) if keeps else ()
            if read is not None:
                outs += tuple(r.clone() for r in read(after[0], p, c))
            return tuple(v.clone() for v in after), outs

        rows, carry = (torch.arange(steps, device=state.device),), self._begin(state)
        carry, outs = scan(body, carry, rows)
        outs = tuple(v.movedim(0, 1) for v in outs)
        if not keeps:
            return carry[0], None, outs
        return carry[0], torch.cat((state[:, None], outs[0][:, every - 1 :: every]), dim=1), outs[1:]

    def march(
        self, state: Tensor | None = None, *, steps: int | None = None, every: int | None = None, start: int = 0
    ) -> Tensor:
        """Marches `steps` steps (default: all) of DT from step `start`.

        Returns the last state [B, C, *grid], or with `every` the states [B, steps // every + 1, C, *grid] from the
        start on.
        """
        state, p, c, steps = self._prepare(state, steps, start)
        state, frames, _ = self._march(state, p, c, steps, every)
        return state if frames is None else frames

    def forward(
        self, state: Tensor | None = None, *, steps: int | None = None, every: int | None = None, start: int = 0
    ) -> Tensor:
        """Marches; see `march`."""
        return self.march(state, steps=steps, every=every, start=start)

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

    def _check_state(self, state: Tensor) -> None:
        """Raises if a state is not [B, C, *grid] of the module's type."""
        channels = sum(n for _, n, _ in self.FIELDS.values())
        if tuple(state.shape[1:]) != (channels, *self.GRID):
            fields = ", ".join(self.FIELDS)
            raise ValueError(f"the state ({fields}) must be {['B', channels, *self.GRID]}, got {list(state.shape)}")
        if state.dtype != self.unit.dtype:
            raise TypeError(f"the state must be {self.unit.dtype}, got {state.dtype}")
