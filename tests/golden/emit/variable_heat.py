"""Learnable conductivity field, conservative flux form.

    dt(u) = div(a*grad(u))

Finite differences (x: 64, y: 64, order 2), crank_nicolson in t, as a cnn.
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
DY = 1 / 64  # spacing of 64 cells along y
START = 0.0  # t at step 0
UNROLLED = 8  # steps that torch.compile and torch.export may unroll; longer marches are one scan
DT = 0.002  # step of t


def extend(value: Tensor, dim: int, width: int, periodic: bool) -> Tensor:
    """An array continued by `width` cells at both ends: wrapped, or by its nearest cell."""
    n = value.shape[dim]
    if periodic:
        return torch.cat((value.narrow(dim, n - width, width), value, value.narrow(dim, 0, width)), dim)
    first, last = value.narrow(dim, 0, 1), value.narrow(dim, n - 1, 1)
    return torch.cat((*[first] * width, value, *[last] * width), dim)


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


def neighborhood(reach: tuple[int, ...], grid: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    """The offsets within `reach` cells, in the box around a cell."""
    box: tuple[tuple[int, ...], ...] = ((),)
    for r, n in zip(reach, grid, strict=True):
        box = tuple((*offset, k) for offset in box for k in range(-min(r, n - 1), min(r, n - 1) + 1))
    return box


def by_lines(
    apply: Callable[[Tensor], Tensor],
    channels: int,
    grid: tuple[int, ...],
    reach: tuple[int, ...],
    periodic: tuple[bool, ...],
    unit: Tensor,
    least: int,
) -> tuple[Tensor, int, Tensor, Tensor]:
    """The matrix of a linear map of [P, C, *grid], to S times as many channels, that looks `reach` cells far: the order of its
    unknowns by which it is block-tridiagonal, the size of its blocks, and, in that order, weights [taps, S, unknowns] and columns.

    A block is a few grid lines across the first axis, of `least` unknowns or more; a periodic axis is folded (line 0, n - 1, 1,
    n - 2, ...), which keeps neighbors within two lines.
    """
    weights, columns = diagonals(apply, channels, grid, neighborhood(reach, grid), periodic, unit)
    device, lines, unknowns = unit.device, (*grid, 1)[0], channels * math.prod(grid)
    line = torch.arange(lines, device=device)
    folds, far = (*periodic, False)[0], (*reach, 0)[0]
    band = min(max(2 * far if folds else far, 1), lines)
    if folds:
        line = torch.stack((line, lines - 1 - line), 1).flatten()[:lines]
    order = torch.arange(unknowns, device=device).reshape(channels, lines, -1)[:, line].transpose(0, 1).flatten()
    position = torch.empty_like(order)
    position[order] = torch.arange(unknowns, device=device)
    size = min(max(band, -(-least // (unknowns // lines))), lines) * (unknowns // lines)
    return order, size, weights.unflatten(1, (-1, unknowns))[:, :, order], position[columns[:, order]]


def block_row(size: int, weights: Tensor, columns: Tensor, k: int) -> tuple[Tensor, Tensor, Tensor]:
    """Row k of the blocks of a matrix `by_lines`: below, on and above the diagonal, [S, size, size]; ones fill the last block."""
    first, last = k * size, min((k + 1) * size, columns.shape[1])
    rows = torch.zeros(weights.shape[1], size, 3 * size, dtype=weights.dtype, device=weights.device)
    local = (columns[:, first:last] - first + size).clamp(0, 3 * size - 1)
    values = weights[:, :, first:last].permute(1, 2, 0)
    rows[:, : last - first].scatter_add_(2, local.T.expand(values.shape), values)
    lower, pivot, upper = rows.split(size, 2)
    spare = torch.arange(last - first, size, device=weights.device)
    pivot[:, spare, spare] = 1.0
    return lower, pivot, upper


def factor_tridiagonal(
    apply: Callable[[Tensor], Tensor],
    channels: int,
    grid: tuple[int, ...],
    reach: tuple[int, ...],
    periodic: tuple[bool, ...],
    unit: Tensor,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Block-tridiagonal LU of a linear map of [B, C, *grid] that looks `reach` cells far.

    Returns the order of the unknowns and, each [blocks, size, size], the inverses of the pivots D_k, the products
    L_k D_{k-1}^-1 and D_k^-1 U_k.
    """
    order, size, weights, columns = by_lines(apply, channels, grid, reach, periodic, unit, 64)
    inverse, left, right = [], [], []
    for k in range(-(-order.numel() // size)):
        lower, pivot, upper = (block[0] for block in block_row(size, weights, columns, k))
        if k:
            left.append(lower @ inverse[-1])
            pivot = pivot - lower @ right[-1]
        inverse.append(torch.linalg.inv(pivot))
        right.append(inverse[-1] @ upper)
    left.insert(0, torch.zeros_like(inverse[0]))
    return order, torch.stack(inverse), torch.stack(left), torch.stack(right)


def frozen(compute: Callable[[], tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
    """What `compute` gives, outside of the gradient."""
    with torch.no_grad():
        return compute()


def solve_factored(factors: tuple[Tensor, Tensor, Tensor, Tensor], right: Tensor) -> Tensor:
    """Forward and back substitution for [B, C, *grid]."""
    order, inverse, left, upper = factors
    blocks, size, _ = inverse.shape
    flat = functional.pad(right.flatten(1)[:, order], (0, blocks * size - order.numel())).unflatten(1, (blocks, size))
    forward = [flat[:, 0]]
    for k in range(1, blocks):
        forward.append(flat[:, k] - forward[-1] @ left[k].T)
    solution = [forward[-1] @ inverse[-1].T]
    for k in range(blocks - 2, -1, -1):
        solution.append(forward[k] @ inverse[k].T - solution[-1] @ upper[k].T)
    found = torch.cat(solution[::-1], 1)[:, : order.numel()]
    return torch.empty_like(found).index_copy(1, order, found).reshape(right.shape)


class Coefficients(NamedTuple):
    """What does not change during a march."""

    a_face: Tensor
    a_face_2: Tensor
    factors: Tensor | tuple[Tensor, ...] | None


Read = Callable[..., tuple[Tensor, ...]]
"""Reads outputs from (state, what belongs to the step, coefficients)."""


class VariableHeat(nn.Module):
    """State: [B, 1, x, y], channels as in FIELDS."""

    # name: (first channel, channels, complex)
    FIELDS = {"u": (0, 1, False)}
    VECTORS = ()
    GRID = (64, 64)
    # shape without the batch; None is the number of steps
    INPUTS: dict[str, tuple[int | None, ...]] = {}
    STEPS = 50
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
        self.register_buffer("x", x.to(**factory).reshape(-1, 1), persistent=False)
        y = DY * (torch.arange(64, dtype=torch.float64) + 0.5)
        self.register_buffer("y", y.to(**factory), persistent=False)
        self.raw_a = nn.Parameter(torch.full((64, 64), math.log(1), **factory))

    @property
    def a(self) -> Tensor:
        """a > 0."""
        return torch.exp(self.raw_a)

    @a.setter
    def a(self, value: Tensor | float) -> None:
        value = torch.as_tensor(value, dtype=self.raw_a.dtype, device=self.raw_a.device)
        if not bool((value > 0).all()):
            raise ValueError("a > 0 is required")
        with torch.no_grad():
            self.raw_a.copy_(torch.log(value))

    def initial_state(self, batch: int = 1) -> Tensor:
        """The state at the start, [B, C, *grid]."""
        return self.x.expand(batch, 1, 64, 64).contiguous()

    def coefficients(self) -> Coefficients:
        """What does not change during a march, computed once a call."""
        a_wide = extend(self.a, -2, 1, False)
        a_face = (a_wide[..., :-1, :] + a_wide[..., 1:, :]).div_(2)  # mean(a)
        a_wide_2 = extend(self.a, -1, 1, False)
        a_face_2 = (a_wide_2[..., :, :-1] + a_wide_2[..., :, 1:]).div_(2)  # mean(a)
        c = Coefficients(a_face, a_face_2, None)
        c = c._replace(
            factors=frozen(
                lambda: factor_tridiagonal(
                    lambda v: v - 0.5 * DT * self.linear_part(v, c),
                    1,
                    (64, 64),
                    (1, 1),
                    (False, False),
                    self.unit,
                )
            )
        )
        return c

    def rhs(self, state: Tensor, c: Coefficients) -> Tensor:
        """The right-hand side F(q): what the equations say of the rate of change."""
        u = state
        u_ghost_x = torch.cat((-u[..., :1, :], u, -u[..., -1:, :] + 2), dim=-2)
        u_ghost = torch.cat((u_ghost_x[..., :1], u_ghost_x, 63 / 65 * u_ghost_x[..., -1:]), dim=-1)
        dx_u_face = (u_ghost[..., 1:, 1:-1] - u_ghost[..., :-1, 1:-1]).div_(DX)  # dx(u)
        flux_x = c.a_face * dx_u_face
        div_x = (flux_x[..., 1:, :] - flux_x[..., :-1, :]).div_(DX)  # dx_flux
        dy_u_face = (u_ghost[..., 1:-1, 1:] - u_ghost[..., 1:-1, :-1]).div_(DX)  # dy(u)
        flux_y = c.a_face_2 * dy_u_face
        div_y = (flux_y[..., :, 1:] - flux_y[..., :, :-1]).div_(DX)  # dy_flux
        value = div_x + div_y
        return value

    def linear_part(self, state: Tensor, c: Coefficients) -> Tensor:
        """The linear part L q, wall data and sources left out."""
        u = state
        u_ghost_x = torch.cat((-u[..., :1, :], u, -u[..., -1:, :]), dim=-2)
        u_ghost = torch.cat((u_ghost_x[..., :1], u_ghost_x, 63 / 65 * u_ghost_x[..., -1:]), dim=-1)
        dx_u_face = (u_ghost[..., 1:, 1:-1] - u_ghost[..., :-1, 1:-1]).div_(DX)  # dx(u)
        flux_x = c.a_face * dx_u_face
        div_x = (flux_x[..., 1:, :] - flux_x[..., :-1, :]).div_(DX)  # dx_flux
        dy_u_face = (u_ghost[..., 1:-1, 1:] - u_ghost[..., 1:-1, :-1]).div_(DX)  # dy(u)
        flux_y = c.a_face_2 * dy_u_face
        div_y = (flux_y[..., :, 1:] - flux_y[..., :, :-1]).div_(DX)  # dy_flux
        value = div_x + div_y
        return value

    def step(self, state: Tensor, c: Coefficients) -> Tensor:
        """One step of crank_nicolson, from t to t + DT."""
        rate = self.rhs(state, c)
        right_side = DT * rate
        change = solve_factored(c.factors, right_side.detach())
        # one correction: rounding is refined, and the gradient is that of the implicit function theorem
        change = change + solve_factored(c.factors, right_side - (change - 0.5 * DT * self.linear_part(change, c)))
        return change + state

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
