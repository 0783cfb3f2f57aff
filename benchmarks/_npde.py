"""npde itself, and the best that torch.compile makes of a formulation by hand, as contestants."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

import npde
from benchmarks._cases import DT, Case, H, conductivity, potential

Run = Callable[[int], Any]


class Missing(Exception):
    """A contestant that cannot take part, and why."""


def marched(case: Case, *, backend: str, dtype: torch.dtype = torch.float32, compiled: bool = False) -> Run:
    """Steps → the state after them by a module of npde; of E: the loss and its gradients."""
    generator = torch.Generator().manual_seed(0)
    try:
        net = npde.parse(case.text).compile(backend=backend, dtype=dtype, compile=compiled, generator=generator)
    except npde.NpdeError as error:
        raise Missing(str(error).splitlines()[0]) from error
    start = torch.from_numpy(case.start()).to(dtype)
    if case.key in ("F", "G"):  # random weights: the same ones in every precision
        weights = np.random.default_rng(0)
        with torch.no_grad():
            for parameter in net.parameters():
                parameter.copy_(torch.from_numpy(0.1 * weights.standard_normal(parameter.shape)))
    if case.trains:
        with torch.no_grad():
            net.a = torch.from_numpy(conductivity(start.shape[-1]))
        return _training(lambda state, steps: net(state, steps=steps), start, net.a, net.r)

    def run(steps: int) -> Tensor:
        with torch.no_grad():
            return net(start, steps=steps)

    return run


def by_hand(case: Case, neighbor: str) -> Run:
    """A step as a person would write it, compiled once, looped over outside.

    Args:
        case: one of A to E.
        neighbor: how a neighbour is read: "roll", or "slice" of a state that was padded.
    """
    shift = {"roll": _rolled, "slice": _sliced}[neighbor]
    start = torch.from_numpy(case.start()).float()
    n = start.shape[-1]
    if case.trains:
        return _trained(start, torch.compile(_training_step, fullgraph=True, dynamic=False))
    V = torch.from_numpy(potential(n)).float() if case.family == "schrodinger" else torch.zeros(())
    functions = {"fisher": _fisher, "gray_scott": _gray_scott, "schrodinger": _schrodinger, "heat": _heat}
    function = functions[case.family]
    compiled = torch.compile(lambda state, V: function(state, V, shift), fullgraph=True, dynamic=False)

    def run(steps: int) -> Tensor:
        state = start
        with torch.no_grad():
            for _ in range(steps):
                state = compiled(state, V)
        return state

    return run


def reference(case: Case, steps: int) -> tuple[np.ndarray, ...]:
    """The result in float64: NumPy's where the case has it, else torch's own autograd, else npde's torch emitter."""
    if case.reference is not None:
        return numbers(case.reference(case.start(), steps))
    if case.trains:
        return numbers(_trained(torch.from_numpy(case.start()), _training_step)(steps))
    return numbers(marched(case, backend="torch", dtype=torch.float64)(steps))


def _trained(start: Tensor, step: Callable[..., Tensor]) -> Run:
    a = torch.from_numpy(conductivity(start.shape[-1])).to(start.dtype).requires_grad_()
    r = torch.ones((), dtype=start.dtype, requires_grad=True)

    def rollout(state: Tensor, steps: int) -> Tensor:
        right, down = (a + a.roll(-1, -1)) * (DT / (2 * H**2)), (a + a.roll(-1, -2)) * (DT / (2 * H**2))
        for _ in range(steps):
            state = step(state, right, down, r)
        return state

    return _training(rollout, start, a, r)


def numbers(result: Any) -> tuple[np.ndarray, ...]:
    """A result as float64 arrays."""
    parts = result if isinstance(result, tuple) else (result,)
    return tuple(np.asarray(p.detach() if isinstance(p, Tensor) else p, np.float64) for p in parts)


def _training(rollout: Callable[[Tensor, int], Tensor], start: Tensor, a: Tensor, r: Tensor) -> Run:
    def run(steps: int) -> tuple[float, Tensor, Tensor, float]:
        state = start.clone().requires_grad_()
        loss = rollout(state, steps).square().mean()
        slopes = torch.autograd.grad(loss, (state, a, r))
        return loss.item(), slopes[0], slopes[1], slopes[2].item()

    return run


# --- steps by hand ----------------------------------------------------------------------------------------------------

Shift = Callable[[Tensor, int], Callable[[int, int], Tensor]]


def _rolled(u: Tensor, _: int) -> Callable[[int, int], Tensor]:
    return lambda axis, by: u.roll(-by, axis)


def _sliced(u: Tensor, reach: int) -> Callable[[int, int], Tensor]:
    spatial = u.dim() - 2
    padded = torch.nn.functional.pad(u, (reach,) * (2 * spatial), mode="circular")

    def read(axis: int, by: int) -> Tensor:
        window = [slice(None), slice(None), *(slice(reach, reach + u.shape[2 + k]) for k in range(spatial))]
        window[axis] = slice(reach + by, reach + by + u.shape[axis])
        return padded[tuple(window)]

    return read


def _sum(u: Tensor, shift: Shift, distance: int = 1) -> Tensor:
    read = shift(u, distance)
    parts = [read(axis, by) for axis in range(-1, 1 - u.dim(), -1) for by in (-distance, distance)]
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def _fisher(u: Tensor, _: Tensor, shift: Shift) -> Tensor:
    c = 0.1 * DT / H**2
    return c * _sum(u, shift) + u * ((1 - 4 * c + DT) - DT * u)


def _gray_scott(state: Tensor, _: Tensor, shift: Shift) -> Tensor:
    u, v = state[:, :1], state[:, 1:]
    around = _sum(state, shift)
    w = u * v * v
    next_u = 0.2 * around[:, :1] + (1 - 0.8 - 0.04) * u + 0.04 - w
    next_v = 0.1 * around[:, 1:] + (1 - 0.4 - 0.1) * v + w
    return torch.cat((next_u, next_v), dim=1)


def _schrodinger(state: Tensor, V: Tensor, shift: Shift) -> Tensor:
    c, dt = 1 / (2 * H**2), 0.002
    re, im = state[:, :1], state[:, 1:]
    im = im + dt / 2 * (c * _sum(re, shift) - (4 * c + V) * re)
    re = re - dt * (c * _sum(im, shift) - (4 * c + V) * im)
    im = im + dt / 2 * (c * _sum(re, shift) - (4 * c + V) * re)
    return torch.cat((re, im), dim=1)


def _heat(u: Tensor, _: Tensor, shift: Shift) -> Tensor:
    return 0.25 * u + (0.4 / 3) * _sum(u, shift) - (0.1 / 12) * _sum(u, shift, 2)


def _training_step(u: Tensor, right: Tensor, down: Tensor, r: Tensor) -> Tensor:
    along, across = right * (u.roll(-1, -1) - u), down * (u.roll(-1, -2) - u)
    return u + along - along.roll(1, -1) + across - across.roll(1, -2) + DT * r * u * (1 - u)
