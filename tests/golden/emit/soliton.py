"""Nonlinear Schroedinger: split step, the nonlinear half exact.

    i*dt(psi) = -1/2*dxx(psi) - abs2(psi)*psi

Finite differences (x: 512, order 4), strang in t, as a cnn.
Emitted by npde; needs torch alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

DX = 40 / 512  # spacing of 512 cells along x
START = 0.0  # t at step 0
UNROLLED = 8  # steps that torch.compile and torch.export may unroll; longer marches are one scan
DT = 0.005  # step of t


def symbol_of(apply: Callable[[Tensor], Tensor], channels: int, grid: tuple[int, ...], unit: Tensor) -> Tensor:
    """The matrix by which a periodic operator with constant coefficients acts on a wave number, [*frequencies, C, C].

    It is the transform of the operator's answer to a unit impulse in cell 0 of each channel.
    """
    impulse = torch.zeros(channels, channels, *grid, dtype=unit.dtype, device=unit.device)
    impulse[(slice(None), slice(None), *[0] * len(grid))] = torch.eye(channels, dtype=unit.dtype, device=unit.device)
    response = torch.fft.rfftn(apply(impulse), dim=tuple(range(2, 2 + len(grid))))
    return response.movedim((1, 0), (-2, -1))


def spectral(matrices: Tensor, value: Tensor) -> Tensor:
    """A matrix a wave number, [*frequencies, C, C], applied to [B, C, *grid]."""
    dims = tuple(range(2, value.dim()))
    spectrum = torch.fft.rfftn(value, dim=dims).movedim(1, -1)
    product = torch.einsum("...ij,...j->...i", matrices, spectrum)
    return torch.fft.irfftn(product.movedim(-1, 1), s=value.shape[2:], dim=dims)


class Coefficients(NamedTuple):
    """What does not change during a march."""

    propagator: Tensor | tuple[Tensor, ...] | None


Read = Callable[..., tuple[Tensor, ...]]
"""Reads outputs from (state, what belongs to the step, coefficients)."""


class Soliton(nn.Module):
    """State: [B, 2, x], channels as in FIELDS."""

    # name: (first channel, channels, complex)
    FIELDS = {"psi": (0, 2, True)}
    VECTORS = ()
    GRID = (512,)
    # shape without the batch; None is the number of steps
    INPUTS: dict[str, tuple[int | None, ...]] = {}
    STEPS = 1000
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
        x = -20 + DX * torch.arange(512, dtype=torch.float64)
        self.register_buffer("x", x.to(**factory), persistent=False)

    def initial_state(self, batch: int = 1) -> Tensor:
        """The state at the start, [B, C, *grid]."""
        initial_0 = torch.cos(0.5 * self.x) / torch.cosh(self.x)
        initial_1 = torch.sin(0.5 * self.x) / torch.cosh(self.x)
        return torch.cat((initial_0.expand(batch, 1, 512), initial_1.expand(batch, 1, 512)), dim=1)

    def coefficients(self) -> Coefficients:
        """What does not change during a march, computed once a call."""
        c = Coefficients(None)
        c = c._replace(
            propagator=torch.linalg.matrix_exp(
                0.5 * DT * symbol_of(lambda v: self.linear_part(v), 2, (512,), self.unit)
            )
        )
        return c

    def linear_part(self, state: Tensor) -> Tensor:
        """The linear part L q, wall data and sources left out."""
        psi_re = state[:, 0:1]
        psi_im = state[:, 1:2]
        psi_im_ghost = functional.pad(psi_im, (2, 2), mode="circular")
        # dxx(psi_im)
        dxx_psi_im = (
            (16 * psi_im_ghost[..., 1:-3])
            .add_(psi_im_ghost[..., 3:-1], alpha=16)
            .sub_(psi_im_ghost[..., :-4])
            .sub_(psi_im_ghost[..., 4:])
            .sub_(psi_im_ghost[..., 2:-2], alpha=30)
            .div_(12 * DX**2)
        )
        linear_part_0 = -0.5 * dxx_psi_im
        psi_re_ghost = functional.pad(psi_re, (2, 2), mode="circular")
        # dxx(psi_re)
        dxx_psi_re = (
            (16 * psi_re_ghost[..., 1:-3])
            .add_(psi_re_ghost[..., 3:-1], alpha=16)
            .sub_(psi_re_ghost[..., :-4])
            .sub_(psi_re_ghost[..., 4:])
            .sub_(psi_re_ghost[..., 2:-2], alpha=30)
            .div_(12 * DX**2)
        )
        linear_part_1 = 0.5 * dxx_psi_re
        return torch.cat((linear_part_0, linear_part_1), dim=1)

    def flow(self, state: Tensor) -> Tensor:
        """The exact flow of the part without derivatives over one step."""
        psi_re = state[:, 0:1]
        psi_im = state[:, 1:2]
        flow_0 = (
            psi_re * torch.cos(0.005 * psi_im**2 + 0.005 * psi_re**2)
            - psi_im * torch.sin(0.005 * psi_im**2 + 0.005 * psi_re**2)
        )
        flow_1 = (
            psi_im * torch.cos(0.005 * psi_im**2 + 0.005 * psi_re**2)
            + psi_re * torch.sin(0.005 * psi_im**2 + 0.005 * psi_re**2)
        )
        return torch.cat((flow_0, flow_1), dim=1)

    def step(self, state: Tensor, c: Coefficients) -> Tensor:
        """One step of strang, from t to t + DT."""
        propagated = spectral(c.propagator, state)
        flow = self.flow(propagated)
        return spectral(c.propagator, flow)

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
        # torch's scan has no gradients of such a step: with gradients, all steps unroll
        if torch.compiler.is_compiling() and steps > UNROLLED and not torch.is_grad_enabled():
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
