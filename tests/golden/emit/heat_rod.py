"""Heat in a rod with cold ends: one sine, decaying as exp(-kappa*pi^2*t).

    dt(u) = kappa*dxx(u)

Finite differences (x: 64, order 2), crank_nicolson in t, as a mlp.
Emitted by npde; needs torch alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

DX = 1 / 64  # spacing of 64 cells along x
START = 0.0  # t at step 0
UNROLLED = 8  # steps that torch.compile and torch.export may unroll; longer marches are one scan
DT = 0.002  # step of t
PATTERN_RHS_DXX_U = ((-1,), (0,), (1,))  # cells that a row looks at


def spectral(matrices: Tensor, value: Tensor) -> Tensor:
    """A matrix a wave number, [*frequencies, C, C], applied to [B, C, *grid]."""
    dims = tuple(range(2, value.dim()))
    spectrum = torch.fft.rfftn(value, dim=dims).movedim(1, -1)
    product = torch.einsum("...ij,...j->...i", matrices, spectrum)
    return torch.fft.irfftn(product.movedim(-1, 1), s=value.shape[2:], dim=dims)


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


def continued(value: Tensor, mirrors: tuple[tuple[int, int] | None, ...]) -> Tensor:
    """An array [..., *grid] with its mirror images past the walls, one period; signs at both ends: -1 odd, 1 even."""
    for dim, signs in enumerate(mirrors, value.dim() - len(mirrors)):
        if signs is not None:
            lower, upper = signs
            value = torch.cat((value, upper * value.flip(dim)), dim)
            value = value if lower == upper else torch.cat((value, lower * value.flip(dim)), dim)
    return value


def symbol_walls(
    apply: Callable[[Tensor], Tensor],
    channels: int,
    grid: tuple[int, ...],
    mirrors: tuple[tuple[int, int] | None, ...],
    unit: Tensor,
) -> Tensor:
    """The matrix by which an operator with constant coefficients acts on a wave of the mirrored grid, [*frequencies, C, C].

    It is the transform of the operator's answer to a unit impulse in the middle, too far from the walls to meet them.
    """
    middle = tuple(n // 2 for n in grid)
    period = tuple(n if s is None else 2 * n if s[0] == s[1] else 4 * n for n, s in zip(grid, mirrors, strict=True))
    impulse = torch.zeros(channels, channels, *grid, dtype=unit.dtype, device=unit.device)
    impulse[(slice(None), slice(None), *middle)] = torch.eye(channels, dtype=unit.dtype, device=unit.device)
    spare = [width for n, p in zip(grid[::-1], period[::-1], strict=True) for width in (0, p - n)]
    dims = tuple(range(2, 2 + len(grid)))
    response = torch.roll(functional.pad(apply(impulse), spare), tuple(-m for m in middle), dims)
    return torch.fft.rfftn(response, dim=dims).movedim((1, 0), (-2, -1))


def inverse_walls(symbol: Tensor, grid: tuple[int, ...], mirrors: tuple[tuple[int, int] | None, ...]) -> Tensor:
    """The inverse of a symbol for each wave, [..., *frequencies, C, C]; waves that mirrored arrays have none of are left alone.

    Odd images have no mean, even ones no wave of two cells; odd at one end and even at the other, odd multiples of a period.
    """
    occurs = torch.ones((), dtype=torch.bool, device=symbol.device)
    for axis, (n, signs) in enumerate(zip(grid, mirrors, strict=True)):
        if signs is not None:
            wave = torch.arange(symbol.shape[axis - len(grid) - 2], device=symbol.device)
            own = wave % 2 == 1 if signs[0] != signs[1] else wave != 0 if signs[0] < 0 else wave != n
            occurs = occurs & own.reshape(-1, *[1] * (len(grid) + 1 - axis))
    unit = torch.eye(symbol.shape[-1], dtype=symbol.dtype, device=symbol.device)
    return torch.linalg.inv(torch.where(occurs, symbol, unit))


def spectral_walls(matrices: Tensor, value: Tensor, mirrors: tuple[tuple[int, int] | None, ...]) -> Tensor:
    """`spectral` between walls: sine and cosine transforms, as Fourier transforms of the mirrored array."""
    found = spectral(matrices, continued(value, mirrors))
    return found[(..., *(slice(n) for n in value.shape[2:]))].contiguous()


class Coefficients(NamedTuple):
    """What does not change during a march."""

    kappa: Tensor


class AtStep(NamedTuple):
    """What belongs to one step; with a leading axis, to all of a march."""

    matrix_rhs_dxx_u: Tensor
    kernel_dxx_u: Tensor


Read = Callable[..., tuple[Tensor, ...]]
"""Reads outputs from (state, what belongs to the step, coefficients)."""


class HeatRod(nn.Module):
    """State: [B, 1, x], channels as in FIELDS."""

    # name: (first channel, channels, complex)
    FIELDS = {"u": (0, 1, False)}
    VECTORS = ()
    GRID = (64,)
    # shape without the batch; None is the number of steps
    INPUTS: dict[str, tuple[int | None, ...]] = {}
    STEPS = 100
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
        x = DX * (torch.arange(64, dtype=torch.float64) + 0.5)
        self.register_buffer("x", x.to(**factory), persistent=False)
        self.raw_kappa = nn.Parameter(torch.full((), math.log(1), **factory), requires_grad=False)
        with torch.no_grad():
            weights, columns, _ = assemble(
                lambda v: self.rhs_dxx_u(v),
                1,
                (64,),
                PATTERN_RHS_DXX_U,
                (False,),
                self.unit,
            )
        self.matrix_rhs_dxx_u = nn.Parameter(weights.expand((100, 3, 64)).clone())
        self.register_buffer("columns_rhs_dxx_u", columns, persistent=False)
        start_kernel_dxx_u = torch.zeros((3,), **factory)
        start_kernel_dxx_u[0] = 1
        start_kernel_dxx_u[1] = -2
        start_kernel_dxx_u[2] = 1
        self.raw_kernel_dxx_u = nn.Parameter((start_kernel_dxx_u).expand((100, 3)).clone())

    @property
    def kappa(self) -> Tensor:
        """kappa > 0."""
        return torch.exp(self.raw_kappa)

    @kappa.setter
    def kappa(self, value: Tensor | float) -> None:
        value = torch.as_tensor(value, dtype=self.raw_kappa.dtype, device=self.raw_kappa.device)
        if not bool((value > 0).all()):
            raise ValueError("kappa > 0 is required")
        with torch.no_grad():
            self.raw_kappa.copy_(torch.log(value))

    @property
    def kernel_dxx_u(self) -> Tensor:
        """kernel_dxx_u, the kernel in physical units; `raw_kernel_dxx_u` is dimensionless."""
        return self.raw_kernel_dxx_u / (0.000244140625)

    @kernel_dxx_u.setter
    def kernel_dxx_u(self, value: Tensor | float) -> None:
        value = torch.as_tensor(value, dtype=self.raw_kernel_dxx_u.dtype, device=self.raw_kernel_dxx_u.device)
        with torch.no_grad():
            self.raw_kernel_dxx_u.copy_(0.000244140625 * value)

    def initial_state(self, batch: int = 1) -> Tensor:
        """The state at the start, [B, C, *grid]."""
        value = torch.sin(math.pi * self.x)
        return value.expand(batch, 1, 64).contiguous()

    def coefficients(self) -> Coefficients:
        """What does not change during a march, computed once a call."""
        return Coefficients(self.kappa)

    def rhs_dxx_u(self, state: Tensor) -> Tensor:
        """rhs_dxx_u."""
        u = state
        u_ghost = torch.cat((-u[..., :1], u, -u[..., -1:]), dim=-1)
        return (u_ghost[..., :-2] + u_ghost[..., 2:]).sub_(u_ghost[..., 1:-1], alpha=2).div_(DX**2)  # dxx(u)

    def rhs(self, state: Tensor, p: AtStep, c: Coefficients) -> Tensor:
        """The right-hand side F(q): what the equations say of the rate of change."""
        flat_state = state
        u = flat_state
        weights_rhs_dxx_u = (
            p.matrix_rhs_dxx_u, self.columns_rhs_dxx_u, self.rhs_dxx_u(torch.zeros(1, 1, 64).to(self.unit)).flatten()
        )
        rhs_dxx_u_value = affine(weights_rhs_dxx_u, u)
        value = c.kappa * rhs_dxx_u_value
        flat_rate = value
        return flat_rate.unflatten(-1, (64,))

    def linear_part(self, state: Tensor, p: AtStep, c: Coefficients) -> Tensor:
        """The linear part L q, wall data and sources left out."""
        u = state
        u_ghost = torch.cat((-u[..., :1], u, -u[..., -1:]), dim=-1)
        dxx_u = functional.conv1d(u_ghost, p.kernel_dxx_u[None, None])  # dxx(u)
        value = dxx_u * c.kappa
        return value

    def step(self, state: Tensor, p: AtStep, c: Coefficients) -> Tensor:
        """One step of crank_nicolson, from t to t + DT."""
        rate = self.rhs(state, p, c)
        right_side = DT * rate
        factors = inverse_walls(
            torch.eye(1).to(self.unit)
            - 0.5 * DT * symbol_walls(lambda v: self.linear_part(v, p, c), 1, (64,), ((-1, -1),), self.unit),
            (64,),
            ((-1, -1),),
        )
        change = spectral_walls(factors, right_side, ((-1, -1),))
        return change + state

    def output_flux(self, state: Tensor) -> Tensor:
        """The output 'flux' of a state."""
        u = state
        integral_u = DX * u.sum(dim=-1, keepdim=True)
        return math.pi * integral_u

    def _prepare(self, state: Tensor | None, steps: int | None, start: int) -> tuple[Tensor, AtStep, Coefficients, int]:
        """The starting state, what each step needs (with a leading axis of steps), the coefficients, the steps."""
        if state is None:
            state = self.initial_state(1)
        self._check_state(state)
        steps = self.STEPS - start if steps is None else steps
        if steps < 0 or start < 0:
            raise ValueError(f"steps and start must not be negative, got {steps} and {start}")
        if start + steps > self.STEPS:
            raise ValueError(f"there are learned values for {self.STEPS} steps, not for {start + steps}")
        p = AtStep(
            matrix_rhs_dxx_u=self.matrix_rhs_dxx_u[start : start + steps],
            kernel_dxx_u=self.kernel_dxx_u[start : start + steps],
        )
        return state, p, self.coefficients(), steps

    def _begin(self, state: Tensor) -> tuple[Tensor, ...]:
        """What the loop carries at the start."""
        return (state,)

    def _advance(self, carry: tuple[Tensor, ...], p: AtStep, c: Coefficients, n: int) -> tuple[Tensor, ...]:
        """The carry after one step; n counts from the start of the call."""
        return (self.step(carry[0], p, c),)

    def _march(
        self, state: Tensor, sequence: AtStep, c: Coefficients, steps: int, every: int | None, read: Read | None = None
    ) -> tuple[Tensor, Tensor | None, tuple[Tensor, ...]]:
        """Steps. Returns the last state; with `every`, each `every`-th one from the start on; what `read` gives after
        each step. The latter two are stacked along axis 1."""
        if every is not None and every < 1:
            raise ValueError(f"every must be at least 1, got {every}")
        # torch's scan has no gradients of such a step: with gradients, all steps unroll
        if torch.compiler.is_compiling() and steps > UNROLLED and not torch.is_grad_enabled():
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
        self, state: Tensor, sequence: AtStep, c: Coefficients, steps: int, every: int | None, read: Read | None = None
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
        """Marches and returns flux [B, T]."""
        state, p, c, steps = self._prepare(state, steps, start)
        read = lambda state, p, c: (self._read_flux(state, p, c),)
        state, _, readings = self._march(state, p, c, steps, None, read)
        return readings[0]

    def _read_flux(self, state: Tensor, p: AtStep, c: Coefficients) -> Tensor:
        """'flux' of a state, without the axes it does not have."""
        value = self.output_flux(state)
        return value[:, 0, 0]

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
