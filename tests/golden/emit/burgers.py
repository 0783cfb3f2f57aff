"""Burgers.

    dt(u) + u*dx(u) = nu*dxx(u)

Finite differences (x: 512, order 2), ssprk3 in t, as a mlp.
Emitted by npde; needs torch alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

DX = 1 / 512  # spacing of 512 cells along x
START = 0.0  # t at step 0
UNROLLED = 8  # steps that torch.compile and torch.export may unroll; longer marches are one scan
DT = 1 / 4640  # step of t
PATTERN_RHS_AFFINE = ((-1,), (0,), (1,))  # cells that a row looks at
PATTERN_RHS_DX_U = ((-1,), (1,))  # cells that a row looks at


def diagonals(
    apply: Callable[[Tensor], Tensor],
    channels: int,
    grid: tuple[int, ...],
    offsets: tuple[tuple[int, ...], ...],
    periodic: tuple[bool, ...],
    unit: Tensor,
) -> tuple[Tensor, Tensor]:
    """A linear map of [B, C, *grid] that couples a cell to those at `offsets`: weights and columns, both [taps, rows].

    Row m of its matrix holds weights[k, m] in column columns[k, m]. They are found by applying the map to one batch of
    unit vectors a color; cells of one color are too far apart to meet.
    """
    device, cells = unit.device, math.prod(grid)
    shapes = [[-1 if a == axis else 1 for a in range(len(grid))] for axis in range(len(grid))]
    color, count = torch.zeros(grid, dtype=torch.int64, device=device), 1
    for axis, (n, wraps) in enumerate(zip(grid, periodic, strict=True)):
        period = min(2 * max(abs(o[axis]) for o in offsets) + 1, n)
        period = min(k for k in range(period, n + 1) if n % k == 0) if wraps else period
        color = color * period + (torch.arange(n, device=device) % period).reshape(shapes[axis])
        count *= period
    offsets = tuple(
        dict.fromkeys(
            tuple(o % n if w else o for o, n, w in zip(offset, grid, periodic, strict=True)) for offset in offsets
        )
    )
    shift = torch.tensor(offsets, device=device).reshape(len(offsets), len(grid))
    neighbor = torch.zeros(len(offsets), *grid, dtype=torch.int64, device=device)
    inside = torch.ones_like(neighbor, dtype=torch.bool)
    for axis, (n, wraps) in enumerate(zip(grid, periodic, strict=True)):
        cell = torch.arange(n, device=device).reshape(shapes[axis]) + shift[:, axis].reshape(-1, *[1] * len(grid))
        inside = inside & (torch.ones_like(cell, dtype=torch.bool) if wraps else (cell >= 0) & (cell < n))
        neighbor = neighbor * n + (cell % n if wraps else cell.clamp(0, n - 1))
    neighbor, inside = neighbor.reshape(len(offsets), -1), inside.reshape(len(offsets), -1)
    probes = (color == torch.arange(count, device=device).reshape(-1, *[1] * len(grid))).to(unit.dtype)
    batch = (
        torch.eye(channels, dtype=unit.dtype, device=device).reshape(channels, 1, channels, *[1] * len(grid))
        * probes[:, None]
    )
    response = apply(batch.flatten(0, 1)).reshape(channels, count, -1, cells)
    chosen = color.flatten()[neighbor][None, :, None].expand(channels, -1, response.shape[2], -1)
    weights = response.gather(1, chosen) * inside[None, :, None]
    start = cells * torch.arange(channels, device=device)[:, None, None, None]
    columns = (neighbor[None, :, None] + start).expand(weights.shape)
    return weights.reshape(-1, weights.shape[2] * cells), columns.reshape(-1, weights.shape[2] * cells)


def assemble(
    apply: Callable[[Tensor], Tensor],
    channels: int,
    grid: tuple[int, ...],
    offsets: tuple[tuple[int, ...], ...],
    periodic: tuple[bool, ...],
    unit: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """An affine map of [B, C, *grid] as W (weights and columns, see `diagonals`) and b."""
    bias = apply(torch.zeros(1, channels, *grid, dtype=unit.dtype, device=unit.device))
    weights, columns = diagonals(lambda v: apply(v) - bias, channels, grid, offsets, periodic, unit)
    return weights, columns, bias.flatten()


def affine(matrix: tuple[Tensor, Tensor, Tensor], value: Tensor) -> Tensor:
    """W x + b of a sparse matrix kept as weights and columns: [B, C, N] -> [B, rows / N, N]."""
    weights, columns, bias = matrix
    product = (value.flatten(1)[:, columns] * weights).sum(1) + bias
    return product.unflatten(1, (-1, value.shape[2]))


class Coefficients(NamedTuple):
    """What does not change during a march."""

    nu: Tensor
    weights_rhs_affine: Tensor | tuple[Tensor, ...] | None
    weights_rhs_dx_u: Tensor | tuple[Tensor, ...] | None


Read = Callable[..., tuple[Tensor, ...]]
"""Reads outputs from (state, what belongs to the step, coefficients)."""


class Burgers(nn.Module):
    """State: [B, 1, x], channels as in FIELDS."""

    # name: (first channel, channels, complex)
    FIELDS = {"u": (0, 1, False)}
    VECTORS = ()
    GRID = (512,)
    # shape without the batch; None is the number of steps
    INPUTS: dict[str, tuple[int | None, ...]] = {}
    STEPS = 4640
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
        x = DX * torch.arange(512, dtype=torch.float64)
        self.register_buffer("x", x.to(**factory), persistent=False)
        self.raw_nu = nn.Parameter(torch.full((), math.log(0.01), **factory))

    @property
    def nu(self) -> Tensor:
        """nu > 0."""
        return torch.exp(self.raw_nu)

    @nu.setter
    def nu(self, value: Tensor | float) -> None:
        value = torch.as_tensor(value, dtype=self.raw_nu.dtype, device=self.raw_nu.device)
        if not bool((value > 0).all()):
            raise ValueError("nu > 0 is required")
        with torch.no_grad():
            self.raw_nu.copy_(torch.log(value))

    def initial_state(self, batch: int = 1) -> Tensor:
        """The state at the start, [B, C, *grid]."""
        value = torch.sin(2 * math.pi * self.x)
        return value.expand(batch, 1, 512).contiguous()

    def coefficients(self) -> Coefficients:
        """What does not change during a march, computed once a call."""
        c = Coefficients(self.nu, None, None)
        c = c._replace(
            weights_rhs_affine=assemble(
                lambda v: self.rhs_affine(v, c),
                1,
                (512,),
                PATTERN_RHS_AFFINE,
                (True,),
                self.unit,
            )
        )
        c = c._replace(
            weights_rhs_dx_u=assemble(lambda v: self.rhs_dx_u(v), 1, (512,), PATTERN_RHS_DX_U, (True,), self.unit)
        )
        return c

    def rhs_affine(self, state: Tensor, c: Coefficients) -> Tensor:
        """rhs_affine."""
        u = state
        u_ghost = functional.pad(u, (1, 1), mode="circular")
        dxx_u = (u_ghost[..., :-2] + u_ghost[..., 2:]).sub_(u_ghost[..., 1:-1], alpha=2).div_(DX**2)  # dxx(u)
        value = dxx_u * c.nu
        return value

    def rhs_dx_u(self, state: Tensor) -> Tensor:
        """rhs_dx_u."""
        u = state
        u_ghost = functional.pad(u, (1, 1), mode="circular")
        return (u_ghost[..., 2:] - u_ghost[..., :-2]).div_(2 * DX)  # dx(u)

    def rhs(self, state: Tensor, c: Coefficients) -> Tensor:
        """The right-hand side F(q): what the equations say of the rate of change."""
        flat_state = state
        u = flat_state
        rhs_affine_value = affine(c.weights_rhs_affine, flat_state)
        affine_part = rhs_affine_value
        rhs_dx_u_value = affine(c.weights_rhs_dx_u, u)
        nonlinear = -rhs_dx_u_value * u
        rate_part = affine_part + nonlinear
        flat_rate = rate_part
        return flat_rate.unflatten(-1, (512,))

    def step(self, state: Tensor, c: Coefficients) -> Tensor:
        """One step of ssprk3, from t to t + DT."""
        k1 = self.rhs(state, c)
        stage_2 = torch.add(state, k1, alpha=DT)
        k2 = self.rhs(stage_2, c)
        stage_3 = torch.add(state, k1 + k2, alpha=0.25 * DT)
        k3 = self.rhs(stage_3, c)
        return torch.add(state, (k1 + k2).add_(k3, alpha=4), alpha=DT / 6)

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
