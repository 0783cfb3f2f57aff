"""Implicit, implicit-explicit and exponential schemes from their definitions, sample by sample, with dense matrices."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import expm

from tests.reference.evaluate import Array, Setting

if TYPE_CHECKING:
    from tests.reference.marching import Marcher, Rates

Flat = Callable[[Array, float], Array]
"""A rate of a flat state [n] at a time."""

NAMES = ("backward_euler", "bdf2", "crank_nicolson", "imex_euler", "cnab2", "sbdf2", "etd1", "etdrk2", "etdrk4")


@dataclass
class Problem:
    """One sample: its rate F, the matrix L of its stiff part and that part's inhomogeneous terms s(t), the rest N = F - L q - s."""

    rates: Rates
    shape: tuple[int, ...]
    number: int

    def whole(self, q: Array, time: float) -> Array:
        """F."""
        return self.rates(q.reshape((-1, *self.shape)), time, self.number).reshape(q.shape)

    def differential(self, q: Array, time: float) -> Array:
        """The terms with derivatives (without space: all of them)."""
        if not self.rates.setting.axes:
            return self.whole(q, time)
        states = q.reshape((-1, *self.shape))
        without = self.rates(states, time, self.number, without_derivatives=True)
        return (self.rates(states, time, self.number) - without).reshape(q.shape)

    def matrix(self, time: float) -> Array:
        """L, the derivative at zero of what is a polynomial of degree at most four in the state."""
        unit = np.eye(math.prod(self.shape))

        def odd(h: float) -> Array:
            return self.differential(h * unit, time) - self.differential(-h * unit, time)

        return ((8 * odd(1.0) - odd(2.0)) / 12).T

    def inhomogeneous(self, time: float) -> Array:
        """s: what walls add to the stiff part."""
        return self.differential(np.zeros(math.prod(self.shape)), time)


def step(marcher: Marcher, state: Array, time: float, number: int) -> Array:
    """The state after a step; the marcher remembers earlier states and rates, [sample] each."""
    out = np.empty_like(state)
    before = marcher.history[0] if marcher.history else None
    kept = np.zeros((2, *state.shape))
    for k in range(len(state)):
        setting = marcher.rates.setting
        inputs = {name: np.asarray(v)[k : k + 1] for name, v in setting.inputs.items()}
        rates = type(marcher.rates)(Setting(setting.problem, setting.learned, inputs))
        problem = Problem(rates, state.shape[1:], number)
        earlier = None if before is None else (before[0, k].ravel(), before[1, k].ravel())
        found, rest = one(marcher.scheme, problem, state[k].ravel(), time, marcher.dt, earlier)
        out[k], kept[0, k], kept[1, k] = (v.reshape(state.shape[1:]) for v in (found, state[k], rest))
    marcher.history = [kept]
    return out


def one(
    scheme: str, p: Problem, q: Array, t: float, dt: float, before: tuple[Array, Array] | None
) -> tuple[Array, Array]:
    """One sample: the state after a step from q, and the rest N(q) that later steps may ask for."""
    nothing = np.zeros_like(q)
    match scheme:
        case "crank_nicolson":
            return newton(p, q, t + dt, dt / 2, q + dt / 2 * p.whole(q, t)), nothing
        case "bdf2" if before is not None:
            return newton(p, q, t + dt, 2 * dt / 3, (4 * q - before[0]) / 3), nothing
        case "backward_euler" | "bdf2":
            return newton(p, q, t + dt, dt, q), nothing
    a, after = p.matrix(t), p.matrix(t + dt)
    rest = lambda v, at: p.whole(v, at) - p.matrix(at) @ v - p.inhomogeneous(at)  # noqa: E731
    now = rest(q, t)
    later = p.inhomogeneous(t + dt)
    unit = np.eye(len(q))
    match scheme:
        case "cnab2" if before is not None:
            explicit = dt * (1.5 * now - 0.5 * before[1]) + dt / 2 * (a @ q + p.inhomogeneous(t) + later)
            return np.linalg.solve(unit - dt / 2 * after, q + explicit), now
        case "sbdf2" if before is not None:
            right = (4 * q - before[0]) / 3 + 2 * dt / 3 * (2 * now - before[1] + later)
            return np.linalg.solve(unit - 2 * dt / 3 * after, right), now
        case "imex_euler" | "cnab2" | "sbdf2":
            return np.linalg.solve(unit - dt * after, q + dt * (now + later)), now
        case _:
            return exponential(scheme, a, rest, q, t, dt), now


def newton(p: Problem, q: Array, t: float, factor: float, known: Array) -> Array:
    """u = known + factor F(u, t), the Jacobian by central differences."""
    u = q.copy()
    unit = np.eye(len(q))
    for _ in range(30):
        residual = u - known - factor * p.whole(u, t)
        h = 1e-6 * max(1.0, np.abs(u).max())
        jacobian = (p.whole(u + h * unit, t) - p.whole(u - h * unit, t)).T / (2 * h)
        change = np.linalg.solve(unit - factor * jacobian, residual)
        u = u - change
        if np.abs(change).max() <= 1e-14 * np.abs(u).max():
            return u
    assert np.abs(change).max() <= 1e-12 * np.abs(u).max(), "Newton's method did not converge"
    return u


def phi(k: int, a: Array) -> Array:
    """φ_k(A) = ∫_0^1 e^{(1 - s) A} s^{k-1}/(k-1)! ds, φ_0 = e^A: the last block of the first row of SciPy's exponential of
    `[[A, 1, 0], [0, 0, 1], [0, 0, 0]]` (k = 2). A. Al-Mohy, N. Higham, SIAM J. Sci. Comput. 33 (2011), theorem 2.1."""
    n = len(a)
    bordered = np.kron(np.eye(k + 1, k=1), np.eye(n))
    bordered[:n, :n] = a
    whole: Array = expm(bordered)
    return whole[:n, k * n :]


def exponential(scheme: str, a: Array, rest: Flat, q: Array, t: float, h: float) -> Array:
    """Cox and Matthews (2002), equations 4, 22 and 26-29."""
    e, f1 = phi(0, h * a), phi(1, h * a)
    if scheme == "etd1":
        return e @ q + h * f1 @ rest(q, t)
    if scheme == "etdrk2":
        first = e @ q + h * f1 @ rest(q, t)
        return first + h * phi(2, h * a) @ (rest(first, t + h) - rest(q, t))
    half, g = phi(0, h / 2 * a), h / 2 * phi(1, h / 2 * a)
    n0 = rest(q, t)
    n1 = rest(first := half @ q + g @ n0, t + h / 2)
    n2 = rest(half @ q + g @ n1, t + h / 2)
    n3 = rest(half @ first + g @ (2 * n2 - n0), t + h)
    f2, f3 = phi(2, h * a), phi(3, h * a)
    return e @ q + h * ((f1 - 3 * f2 + 4 * f3) @ n0 + (2 * f2 - 4 * f3) @ (n1 + n2) + (4 * f3 - f2) @ n3)
