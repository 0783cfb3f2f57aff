"""Wave.

    dtt(u) = c^2*dxx(u)

Finite differences (x: 200, order 2), leapfrog in t, as a cnn.
Emitted by npde; needs torch alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

DX = 1 / 200  # spacing of 200 cells along x
START = 0.0  # t at step 0
UNROLLED = 8  # steps that torch.compile and torch.export may unroll; longer marches are one scan
DT = 1 / 445  # step of t


class Coefficients(NamedTuple):
    """What does not change during a march."""

    term: Tensor


Read = Callable[..., tuple[Tensor, ...]]
"""Reads outputs from (state, what belongs to the step, coefficients)."""


class Wave(nn.Module):
    """State: [B, 2, x], channels as in FIELDS."""

    # name: (first channel, channels, complex)
    FIELDS = {"u": (0, 1, False), "dt(u)": (1, 1, False)}
    VECTORS = ()
    GRID = (200,)
    # shape without the batch; None is the number of steps
    INPUTS: dict[str, tuple[int | None, ...]] = {}
    STEPS = 445
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
        self.raw_c = nn.Parameter(torch.full((200,), math.log(0.5), **factory))

    @property
    def c(self) -> Tensor:
        """c in [0.5, 2]."""
        return 0.5 + 1.5 * torch.sigmoid(self.raw_c)

    @c.setter
    def c(self, value: Tensor | float) -> None:
        value = torch.as_tensor(value, dtype=self.raw_c.dtype, device=self.raw_c.device)
        if not bool(((value > 0.5) & (value < 2)).all()):
            raise ValueError("c in [0.5, 2] is required")
        with torch.no_grad():
            self.raw_c.copy_(torch.log((2 * value / 3 - 1 / 3) / (4 / 3 - 2 * value / 3)))

    def initial_state(self, batch: int = 1) -> Tensor:
        """The state at the start, [B, C, *grid]."""
        initial_0 = torch.sin(math.pi * self.x)
        initial_1 = self.unit * 0
        return torch.cat((initial_0.expand(batch, 1, 200), initial_1.expand(batch, 1, 200)), dim=1)

    def coefficients(self) -> Coefficients:
        """What does not change during a march, computed once a call."""
        term = self.c**2
        return Coefficients(term)

    def kick(self, state: Tensor, c: Coefficients) -> Tensor:
        """The rate of the half that is kicked."""
        u = state
        u_ghost = torch.cat((-u[..., :1], u, -u[..., -1:]), dim=-1)
        dxx_u = (u_ghost[..., :-2] + u_ghost[..., 2:]).sub_(u_ghost[..., 1:-1], alpha=2).div_(DX**2)  # dxx(u)
        value = dxx_u * c.term
        return value

    def drift(self, state: Tensor) -> Tensor:
        """The rate of the half that drifts."""
        u_t = state
        return u_t

    def step(self, state: Tensor, c: Coefficients) -> Tensor:
        """One step of leapfrog, from t to t + DT."""
        position = state[:, 0:1]
        velocity = state[:, 1:2]
        force = self.kick(position, c)
        velocity_half = torch.add(velocity, force, alpha=0.5 * DT)
        motion = self.drift(velocity_half)
        next_position = torch.add(position, motion, alpha=DT)
        next_force = self.kick(next_position, c)
        next_velocity = torch.add(velocity_half, next_force, alpha=0.5 * DT)
        return torch.cat((next_position, next_velocity), dim=1)

    def _prepare(self, state: Tensor | None, steps: int | None, start: int) -> tuple[Tensor, None, Coefficients, int]:
        """The starting state, what each step needs (with a leading axis of steps), the coefficients, the steps."""
        if state is None:
            state = self.initial_state(1)
        self._check_state(state)
        steps = self.STEPS - start if steps is None else steps
        if steps < 0 or start < 0:
            raise ValueError(f"steps and start must not be negative, got {steps} and {start}")
        return state, None, self.coefficients(), steps

    def _begin(self, state: Tensor) -> tuple[Tensor, ...]:
        """What the loop carries at the start."""
        return (state,)

    def _advance(self, carry: tuple[Tensor, ...], p: None, c: Coefficients, n: int) -> tuple[Tensor, ...]:
        """The carry after one step; n counts from the start of the call."""
        return (self.step(carry[0], c),)

    def _march(
        self, state: Tensor, sequence: None, c: Coefficients, steps: int, every: int | None, read: Read | None = None
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
        self, state: Tensor, sequence: None, c: Coefficients, steps: int, every: int | None, read: Read | None = None
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
