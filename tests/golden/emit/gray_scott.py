"""GrayScott.

    dt(u) = Du*lap(u) - u*v^2 + F*(1 - u)
    dt(v) = Dv*lap(v) + u*v^2 - (F + k)*v

Finite differences (x: 256, y: 256, order 2), euler in t, as a cnn.
Emitted by npde; needs torch alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

DX = 2.5 / 256  # spacing of 256 cells along x
DY = 2.5 / 256  # spacing of 256 cells along y
START = 0.0  # t at step 0
UNROLLED = 8  # steps that torch.compile and torch.export may unroll; longer marches are one scan
DT = 1.0  # step of t


def hash_noise(seed: int, shape: tuple[int, ...]) -> Tensor:
    """Uniform in (-1, 1), an integer hash of the seed and the row-major index: the same on every machine."""

    def mix(x: Tensor) -> Tensor:
        x = ((x ^ (x >> 16)) * 0x7FEB352D) & 0xFFFFFFFF
        x = ((x ^ (x >> 15)) * 0x846CA68B) & 0xFFFFFFFF
        return x ^ (x >> 16)

    count = math.prod(shape)
    start = mix(torch.tensor(seed & 0xFFFFFFFF, dtype=torch.int64))
    bits = mix((start + torch.arange(count, dtype=torch.int64)) & 0xFFFFFFFF)
    return (2 * (bits.double() + 0.5) / 2**32 - 1).reshape(shape)


class Coefficients(NamedTuple):
    """What does not change during a march."""

    kernel_lap_u: Tensor
    F: Tensor
    kernel_lap_v: Tensor
    term: Tensor


Read = Callable[..., tuple[Tensor, ...]]
"""Reads outputs from (state, what belongs to the step, coefficients)."""


class GrayScott(nn.Module):
    """State: [B, 2, x, y], channels as in FIELDS."""

    # name: (first channel, channels, complex)
    FIELDS = {"u": (0, 1, False), "v": (1, 1, False)}
    VECTORS = ()
    GRID = (256, 256)
    # shape without the batch; None is the number of steps
    INPUTS: dict[str, tuple[int | None, ...]] = {}
    STEPS = 2000
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
        x = DX * torch.arange(256, dtype=torch.float64)
        self.register_buffer("x", x.to(**factory).reshape(-1, 1), persistent=False)
        y = DY * torch.arange(256, dtype=torch.float64)
        self.register_buffer("y", y.to(**factory), persistent=False)
        self.raw_F = nn.Parameter(torch.full((), math.log(0.04), **factory))
        self.raw_k = nn.Parameter(torch.full((), math.log(0.06), **factory))
        start_kernel_lap_u = torch.zeros((3, 3), **factory)
        start_kernel_lap_u[0, 1] = 1
        start_kernel_lap_u[1, 0] = 1
        start_kernel_lap_u[1, 1] = -4
        start_kernel_lap_u[1, 2] = 1
        start_kernel_lap_u[2, 1] = 1
        self.raw_kernel_lap_u = nn.Parameter(start_kernel_lap_u)
        start_kernel_lap_v = torch.zeros((3, 3), **factory)
        start_kernel_lap_v[0, 1] = 1
        start_kernel_lap_v[1, 0] = 1
        start_kernel_lap_v[1, 1] = -4
        start_kernel_lap_v[1, 2] = 1
        start_kernel_lap_v[2, 1] = 1
        self.raw_kernel_lap_v = nn.Parameter(start_kernel_lap_v)

    @property
    def F(self) -> Tensor:
        """F > 0."""
        return torch.exp(self.raw_F)

    @F.setter
    def F(self, value: Tensor | float) -> None:
        value = torch.as_tensor(value, dtype=self.raw_F.dtype, device=self.raw_F.device)
        if not bool((value > 0).all()):
            raise ValueError("F > 0 is required")
        with torch.no_grad():
            self.raw_F.copy_(torch.log(value))

    @property
    def k(self) -> Tensor:
        """k > 0."""
        return torch.exp(self.raw_k)

    @k.setter
    def k(self, value: Tensor | float) -> None:
        value = torch.as_tensor(value, dtype=self.raw_k.dtype, device=self.raw_k.device)
        if not bool((value > 0).all()):
            raise ValueError("k > 0 is required")
        with torch.no_grad():
            self.raw_k.copy_(torch.log(value))

    @property
    def kernel_lap_u(self) -> Tensor:
        """kernel_lap_u, the kernel in physical units; `raw_kernel_lap_u` is dimensionless."""
        return self.raw_kernel_lap_u / (9.5367431640625e-05)

    @kernel_lap_u.setter
    def kernel_lap_u(self, value: Tensor | float) -> None:
        value = torch.as_tensor(value, dtype=self.raw_kernel_lap_u.dtype, device=self.raw_kernel_lap_u.device)
        with torch.no_grad():
            self.raw_kernel_lap_u.copy_(9.5367431640625e-05 * value)

    @property
    def kernel_lap_v(self) -> Tensor:
        """kernel_lap_v, the kernel in physical units; `raw_kernel_lap_v` is dimensionless."""
        return self.raw_kernel_lap_v / (9.5367431640625e-05)

    @kernel_lap_v.setter
    def kernel_lap_v(self, value: Tensor | float) -> None:
        value = torch.as_tensor(value, dtype=self.raw_kernel_lap_v.dtype, device=self.raw_kernel_lap_v.device)
        with torch.no_grad():
            self.raw_kernel_lap_v.copy_(9.5367431640625e-05 * value)

    def initial_state(self, batch: int = 1) -> Tensor:
        """The state at the start, [B, C, *grid]."""
        initial_0 = 1 - 0.5 * torch.exp(-80 * (self.x - 1.25) ** 2 - 80 * (self.y - 1.25) ** 2)
        noise = hash_noise(1, (1, 256, 256)).to(self.unit)
        term = self.unit * 0.01
        noise_2 = noise * term
        initial_1 = noise_2 + 0.25 * torch.exp(-80 * (self.x - 1.25) ** 2 - 80 * (self.y - 1.25) ** 2)
        return torch.cat((initial_0.expand(batch, 1, 256, 256), initial_1.expand(batch, 1, 256, 256)), dim=1)

    def coefficients(self) -> Coefficients:
        """What does not change during a march, computed once a call."""
        term = self.F + self.k
        return Coefficients(self.kernel_lap_u, self.F, self.kernel_lap_v, term)

    def rhs(self, state: Tensor, c: Coefficients) -> Tensor:
        """The right-hand side F(q): what the equations say of the rate of change."""
        u = state[:, 0:1]
        v = state[:, 1:2]
        u_ghost = functional.pad(u, (1, 1, 1, 1), mode="circular")
        lap_u = functional.conv2d(u_ghost, c.kernel_lap_u[None, None])  # lap(u)
        rhs_0 = c.F * (1 - u) + 2e-05 * lap_u - u * v**2
        v_ghost = functional.pad(v, (1, 1, 1, 1), mode="circular")
        lap_v = functional.conv2d(v_ghost, c.kernel_lap_v[None, None])  # lap(v)
        rhs_1 = 1e-05 * lap_v + u * v**2 - c.term * v
        return torch.cat((rhs_0, rhs_1), dim=1)

    def step(self, state: Tensor, c: Coefficients) -> Tensor:
        """One step of euler, from t to t + DT."""
        k1 = self.rhs(state, c)
        return torch.add(state, k1, alpha=DT)

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
