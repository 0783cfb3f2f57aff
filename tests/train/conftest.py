"""Modules that keep the contract of emitted ones, written by hand: what is tested here is training, not the compiler."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn


class Decay(nn.Module):
    """u' = -k u + s and psi' = i w psi on six cells by Euler; k > 0 is stored as its logarithm."""

    FIELDS = {"u": (0, 1, False), "psi": (1, 2, True)}
    INPUTS: dict[str, tuple[int | None, ...]] = {"s": (None,)}
    GRID = (6,)
    STEPS = 20
    DT = 0.1
    START = 1.0

    def __init__(self, dtype: torch.dtype = torch.float64) -> None:
        super().__init__()
        self.raw_k = nn.Parameter(torch.zeros((), dtype=dtype))
        self.w = nn.Parameter(torch.ones((), dtype=dtype))

    @property
    def k(self) -> Tensor:
        return self.raw_k.exp()

    def initial_state(self, batch: int = 1, s: Tensor | None = None) -> Tensor:
        start = torch.linspace(1, 2, 18, dtype=self.w.dtype).reshape(1, 3, 6)
        return start.expand(len(s) if s is not None else batch, 3, 6)

    def march(
        self,
        s: Tensor,
        state: Tensor | None = None,
        *,
        steps: int | None = None,
        every: int | None = None,
        start: int = 0,
    ) -> Tensor:
        state = self.initial_state(s=s) if state is None else state
        steps = s.shape[1] if steps is None else steps
        if steps > s.shape[1]:
            raise ValueError("input 's' is too short")
        frames = [state]
        for n in range(steps):
            u, re, im = state.unbind(1)
            rates = torch.stack([-self.k * u + s[:, n, None], -self.w * im, self.w * re], dim=1)
            state = state + self.DT * rates
            if every is not None and (n + 1) % every == 0:
                frames.append(state)
        return state if every is None else torch.stack(frames, dim=1)

    forward = march


class Scores(nn.Module):
    """Three scores of four features, one layer; like a file with `output y[3] = linear(u)`."""

    FIELDS = {"u": (0, 1, False)}
    INPUTS: dict[str, tuple[int | None, ...]] = {"features": (4,)}
    GRID = (4,)
    STEPS = 1
    DT = 1.0
    START = 0.0

    def __init__(self, seed: int = 0, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.linear_0 = nn.Linear(4, 3, dtype=dtype)
        with torch.no_grad():
            self.linear_0.weight.copy_(torch.randn(3, 4, generator=generator))
            self.linear_0.bias.zero_()

    def march(
        self,
        features: Tensor,
        state: Tensor | None = None,
        *,
        steps: int | None = None,
        every: int | None = None,
        start: int = 0,
    ) -> Tensor:
        state = features[:, None] if state is None else state
        return state if every is None else state[:, None]

    def forward(self, features: Tensor, state: Tensor | None = None, **_: int) -> Tensor:
        return self.linear_0(features)


class Front(nn.Module):
    """Fisher's equation on a ring of 24 cells by Euler, D and r positive; no inputs."""

    FIELDS = {"u": (0, 1, False)}
    INPUTS: dict[str, tuple[int | None, ...]] = {}
    GRID = (24,)
    STEPS = 40
    DT = 0.1
    START = 0.0

    def __init__(self, dtype: torch.dtype = torch.float64) -> None:
        super().__init__()
        self.raw_D = nn.Parameter(torch.tensor(0.2, dtype=dtype).log())
        self.raw_r = nn.Parameter(torch.tensor(1.0, dtype=dtype).log())

    @property
    def D(self) -> Tensor:
        return self.raw_D.exp()

    @property
    def r(self) -> Tensor:
        return self.raw_r.exp()

    def set(self, D: float, r: float) -> Front:
        with torch.no_grad():
            self.raw_D.fill_(D).log_()
            self.raw_r.fill_(r).log_()
        return self

    def initial_state(self, batch: int = 1) -> Tensor:
        x = torch.arange(24, dtype=self.raw_D.dtype)
        return torch.exp(-((x - 12) ** 2) / 8).expand(batch, 1, 24)

    def march(
        self, state: Tensor | None = None, *, steps: int | None = None, every: int | None = None, start: int = 0
    ) -> Tensor:
        u = self.initial_state() if state is None else state
        frames = [u]
        for n in range(self.STEPS - start if steps is None else steps):
            lap = u.roll(1, -1) + u.roll(-1, -1) - 2 * u
            u = u + self.DT * (self.D * lap + self.r * u * (1 - u))
            if every is not None and (n + 1) % every == 0:
                frames.append(u)
        return u if every is None else torch.stack(frames, dim=1)

    forward = march


@pytest.fixture
def decay() -> Decay:
    return Decay()


@pytest.fixture
def scores() -> Scores:
    return Scores()


@pytest.fixture
def front() -> Callable[..., Front]:
    """A maker of fronts: `front()` has the start values, `front(0.5, 1.4)` others."""

    def make(D: float | None = None, r: float = 1.0, dtype: torch.dtype = torch.float64) -> Front:
        module = Front(dtype)
        return module if D is None else module.set(D, r)

    return make


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)
