"""Rates and time schemes on packed states `[B, C, *cells]`, from their definitions; linear parts as dense matrices."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from scipy.integrate import solve_ivp
from scipy.linalg import expm

from npde.model import expression as ex
from npde.model.problem import Equation
from npde.model.traversal import walk
from tests.reference import stiff
from tests.reference.evaluate import Array, Setting, View

Choice = Literal["auto", "exact", "approximate"]

TABLEAUX: dict[str, tuple[list[list[float]], list[float], list[float]]] = {
    "euler": ([[]], [1], [0]),
    "midpoint": ([[], [1 / 2]], [0, 1], [0, 1 / 2]),
    "heun": ([[], [1]], [1 / 2, 1 / 2], [0, 1]),
    "ssprk3": ([[], [1], [1 / 4, 1 / 4]], [1 / 6, 1 / 6, 2 / 3], [0, 1, 1 / 2]),
    "rk4": ([[], [1 / 2], [0, 1 / 2], [0, 0, 1]], [1 / 6, 1 / 3, 1 / 3, 1 / 6], [0, 1 / 2, 1 / 2, 1]),
}
"""Explicit one-step schemes: rows of a, b, c."""


@dataclass(frozen=True)
class Layout:
    """Channels of a state: the fields in order, then the velocities of second-order fields; complex as re, then im."""

    setting: Setting
    orders: Mapping[str, int]

    @cached_property
    def entries(self) -> list[tuple[str, bool, int, int]]:
        """(field, is a velocity, first channel, channels)."""
        found, start = [], 0
        fields = self.setting.problem.fields
        for field, velocity in [(f, False) for f in fields] + [(f, True) for f in fields if self.orders[f.name] == 2]:
            width = math.prod(field.shape) * (2 if field.is_complex else 1)
            found.append((field.name, velocity, start, width))
            start += width
        return found

    @property
    def channels(self) -> int:
        return sum(width for _, _, _, width in self.entries)

    def unpack(self, state: Array) -> tuple[dict[str, Array], dict[str, Array]]:
        """Fields and velocities by name."""
        fields: dict[str, Array] = {}
        velocities: dict[str, Array] = {}
        for name, velocity, start, width in self.entries:
            declared = self.setting.fields[name]
            part = state[:, start : start + width]
            if declared.is_complex:
                part = part[:, : width // 2] + 1j * part[:, width // 2 :]
            part = part.reshape((state.shape[0], *declared.shape, *state.shape[2:]))
            (velocities if velocity else fields)[name] = part
        return fields, velocities

    def pack(self, fields: Mapping[str, Array], velocities: Mapping[str, Array]) -> Array:
        """The state of fields and velocities."""
        parts = []
        for name, velocity, _, _ in self.entries:
            value = (velocities if velocity else fields)[name]
            declared = self.setting.fields[name]
            value = value.reshape((value.shape[0], math.prod(declared.shape), *value.shape[1 + len(declared.shape) :]))
            parts += [value.real, value.imag] if declared.is_complex else [value]
        batch = max(p.shape[0] for p in parts)
        return np.concatenate([np.broadcast_to(p, (batch, *p.shape[1:])) for p in parts], axis=1)


@dataclass(frozen=True)
class Rates:
    """∂_t of a state, by solving each equation for its highest time derivative."""

    setting: Setting

    @cached_property
    def orders(self) -> dict[str, int]:
        """The order in time of each field."""
        found: dict[str, int] = {}
        for equation in self.setting.problem.equations:
            for node in (*walk(equation.left), *walk(equation.right)):
                if self._is_time_derivative(node):
                    name, order = self._derivative(node)
                    found[name] = max(order, found.get(name, 0))
        return found

    @cached_property
    def layout(self) -> Layout:
        return Layout(self.setting, self.orders)

    def _is_time_derivative(self, node: ex.Expr) -> bool:
        return isinstance(node, ex.Derivative) and node.orders[0][0] == self.setting.problem.marching

    def _derivative(self, node: ex.Expr) -> tuple[str, int]:
        assert isinstance(node, ex.Derivative)
        assert isinstance(node.operand, ex.FieldRef)
        return node.operand.name, node.orders[0][1]

    def view(self, state: Array, time: float, step: int, *, without_derivatives: bool = False) -> View:
        """The expressions of a state."""
        fields, velocities = self.layout.unpack(state)
        return View(self.setting, fields, velocities, time, step, without_derivatives)

    def __call__(self, state: Array, time: float, step: int, *, without_derivatives: bool = False) -> Array:
        """The rates of all channels."""
        view = self.view(state, time, step, without_derivatives=without_derivatives)
        moving: dict[str, Array] = {}
        accelerations: dict[str, Array] = {}
        for equation in self.setting.problem.equations:
            name, value = self._solved(equation, view, state.shape[0])
            if self.setting.problem.numerics.upwind is not None and self.orders[name] == 1:
                value = view.upwinded(name, lambda v, e=equation: self._solved(e, v, state.shape[0])[1])  # type: ignore[misc]
            if self.orders[name] == 2:
                moving[name], accelerations[name] = view.velocities[name], value
            else:
                moving[name] = value
        return self.layout.pack(moving, accelerations)

    def _solved(self, equation: Equation, view: View, batch: int) -> tuple[str, Array]:
        """The field of an equation and its highest time derivative: a D + r = b D + s gives D = (s - r)/(a - b)."""
        nodes = [n for side in (equation.left, equation.right) for n in walk(side)]
        found = (self._derivative(n) for n in nodes if self._is_time_derivative(n))
        name = next(f for f, order in found if order == self.orders[f])
        field = self.setting.fields[name]
        (a, r), (b, s) = (self._split(side, name, view) for side in (equation.left, equation.right))
        r = view.to_shape(r, equation.left.type.shape, field.shape)
        s = view.to_shape(s, equation.right.type.shape, field.shape)
        factor = view.to_shape(np.asarray(a - b), (), field.shape)
        grid = tuple(axis.cells for axis in self.setting.axes)
        value = (s - r) / factor
        return name, np.broadcast_to(value[(..., *(0,) * len(grid))], (batch, *field.shape, *grid))

    def _split(self, e: ex.Expr, name: str, view: View) -> tuple[Array, Array]:
        """(factor, rest) of an expression that is factor × derivative + rest."""
        inside = self.setting.inside
        nothing = np.zeros((1,) * (1 + 2 * len(self.setting.axes)))

        def highest(node: ex.Expr) -> bool:
            return self._is_time_derivative(node) and self._derivative(node) == (name, self.orders[name])

        if highest(e):
            return nothing + 1, nothing
        if not any(highest(n) for n in walk(e)):
            return nothing, view.value(e, inside)
        if isinstance(e, ex.Negate):
            factor, rest = self._split(e.operand, name, view)
            return -factor, -rest
        assert isinstance(e, ex.Binary)
        (a, r), (b, s) = self._split(e.left, name, view), self._split(e.right, name, view)
        r = view.to_shape(r, () if r is nothing else e.left.type.shape, e.type.shape)
        s = view.to_shape(s, () if s is nothing else e.right.type.shape, e.type.shape)
        match e.operator:
            case "+":
                return a + b, r + s
            case "-":
                return a - b, r - s
            case "/":
                return a / s.reshape(s.shape[:1] + s.shape[1 + len(e.type.shape) :]), r / s
            case _:
                left_holds = any(highest(n) for n in walk(e.left))
                other = view.value(e.right if left_holds else e.left, inside)
                held, rest = (a, r) if left_holds else (b, s)
                return held * other, rest * view.to_shape(other, (), e.type.shape)


@dataclass
class Marcher:
    """Steps of a scheme from step `start`; `linear` chooses between exact and Cayley half steps of strang, `flow` between
    exact and RK4 pointwise flows ("auto": as semantics.md says)."""

    rates: Rates
    dt: float
    begin: float
    scheme: str
    linear: Choice = "auto"
    flow: Choice = "auto"
    history: list[Array] = dataclasses.field(default_factory=list)

    def step(self, state: Array, number: int) -> Array:
        """The state after step `number`."""
        time = self.begin + number * self.dt
        if self.scheme in TABLEAUX:
            return self._runge_kutta(self.scheme, lambda q, t: self.rates(q, t, number), state, time, self.dt)
        if self.scheme == "dopri5":
            return self._exactly(state, time, number)
        if self.scheme in stiff.NAMES:
            return stiff.step(self, state, time, number)
        schemes = {
            "ab2": self._adams, "ab3": self._adams, "leapfrog": self._leapfrog, "strang": self._split, "lie": self._split,
        }  # fmt: skip
        return schemes[self.scheme](state, time, number)

    def _runge_kutta(
        self, name: str, rate: Callable[[Array, float], Array], state: Array, time: float, dt: float
    ) -> Array:
        a, b, c = TABLEAUX[name]
        slopes: list[Array] = []
        for row, node in zip(a, c, strict=True):
            at = state + dt * sum((w * k for w, k in zip(row, slopes, strict=True)), np.zeros_like(state))
            slopes.append(rate(at, time + node * dt))
        return state + dt * sum((w * k for w, k in zip(b, slopes, strict=True)), np.zeros_like(state))

    def _exactly(self, state: Array, time: float, number: int) -> Array:
        """What an adaptive scheme comes close to: an eighth-order one at a far smaller tolerance."""

        def rate(t: float, q: Array) -> Array:
            return self.rates(q.reshape(state.shape), t, number).ravel()

        end = time + self.dt
        found: Array = solve_ivp(rate, (time, end), state.ravel(), "DOP853", [end], rtol=1e-13, atol=1e-13).y[:, 0]
        return found.reshape(state.shape)

    def _adams(self, state: Array, time: float, number: int) -> Array:
        """u + dt Σ w_j f_{n-j}, the polynomial through the rates integrated over a step; the first steps by a one-step scheme."""
        count, starter = {"ab2": (2, "heun"), "ab3": (3, "ssprk3")}[self.scheme]
        self.history = [self.rates(state, time, number), *self.history[: count - 1]]
        if len(self.history) < count:
            return self._runge_kutta(starter, lambda q, t: self.rates(q, t, number), state, time, self.dt)
        nodes = np.arange(0.0, -count, -1.0)
        powers = np.arange(count)
        weights = np.linalg.solve(nodes[None, :] ** powers[:, None], 1 / (powers + 1))
        return state + self.dt * sum(w * f for w, f in zip(weights, self.history, strict=True))

    def _leapfrog(self, state: Array, time: float, number: int) -> Array:
        """Kick, drift, kick."""
        kicked = self._kicked(state, time, number)

        def moved(q: Array, channels: Array, at: float, dt: float) -> Array:
            return q + dt * self.rates(q, at, number) * channels.reshape((1, -1) + (1,) * (q.ndim - 2))

        state = moved(state, kicked, time, self.dt / 2)
        state = moved(state, ~kicked, time + self.dt / 2, self.dt)
        return moved(state, kicked, time + self.dt, self.dt / 2)

    def _kicked(self, state: Array, time: float, number: int) -> Array:
        """Which channels are momenta: velocities, else those that only the others (first ones first) drive."""
        layout = self.rates.layout
        if any(velocity for _, velocity, _, _ in layout.entries):
            mask = np.zeros(layout.channels, dtype=bool)
            for _, velocity, start, width in layout.entries:
                mask[start : start + width] = velocity
            return mask
        count = layout.channels
        noise = np.random.default_rng(0).normal(size=state.shape)
        base = self.rates(noise, time, number)
        reads = np.zeros((count, count), dtype=bool)
        for k in range(count):
            other = noise.copy()
            other[:, k] += 0.1 * np.random.default_rng(k + 1).normal(size=other[:, k].shape)
            changed = np.abs(self.rates(other, time, number) - base).max(axis=(0, *range(2, base.ndim)))
            reads[:, k] = changed > 1e-12
        sides: dict[int, bool] = {}
        for root in range(count):
            pending = [] if root in sides else [(root, False)]
            while pending:
                k, side = pending.pop()
                if k in sides:
                    assert sides[k] == side, "no two groups that drive each other"
                    continue
                sides[k] = side
                pending += [(j, not side) for j in range(count) if reads[k, j] or reads[j, k]]
        return np.array([sides[k] for k in range(count)])

    # --- linear -------------------------------------------------------------------------------------------------------

    def _linearized(
        self, state: Array, time: float, number: int, *, derivatives_only: bool
    ) -> list[tuple[Array, Array]]:
        """The affine rates (or their part with derivatives) as (A, b), a pair a sample."""
        shape = state.shape[1:]
        size = math.prod(shape)
        pairs = []
        for sample in range(state.shape[0]):
            setting = self.rates.setting
            inputs = {name: np.asarray(v)[sample : sample + 1] for name, v in setting.inputs.items()}
            rates = Rates(Setting(setting.problem, setting.learned, inputs))

            def rate(q: Array, rates: Rates = rates) -> Array:
                whole = rates(q, time, number)
                return whole - rates(q, time, number, without_derivatives=True) if derivatives_only else whole

            constant = rate(np.zeros((1, *shape)))
            columns = rate(np.eye(size).reshape((size, *shape))) - constant
            pairs.append((columns.reshape(size, size).T, constant.reshape(size)))
        return pairs

    def _implicit(
        self, state: Array, now: list[tuple[Array, Array]], then: list[tuple[Array, Array]], dt: float
    ) -> Array:
        out = np.empty_like(state)
        for k, ((a, b), (later_a, later_b)) in enumerate(zip(now, then, strict=True)):
            unit = np.eye(len(b))
            right = (unit + dt / 2 * a) @ state[k].ravel() + dt / 2 * (b + later_b)
            out[k] = np.linalg.solve(unit - dt / 2 * later_a, right).reshape(state.shape[1:])
        return out

    def _split(self, state: Array, time: float, number: int) -> Array:
        """Half of the terms with derivatives, the others, half again (lie: the first half whole, the last one not at all);
        everything at the midpoint in time."""
        middle = time + self.dt / 2
        pairs = self._linearized(state, middle, number, derivatives_only=True)
        first = self.dt if self.scheme == "lie" else self.dt / 2
        state = self._half(state, pairs, first)
        pointwise = lambda q, _: self.rates(q, middle, number, without_derivatives=True)  # noqa: E731
        if self.flow == "exact" or (self.flow == "auto" and has_exact_flow(self.rates, pointwise, state)):
            count = fine_steps(pointwise, state, self.dt)
            for _ in range(count):
                state = self._runge_kutta("rk4", pointwise, state, middle, self.dt / count)
        else:
            state = self._runge_kutta("rk4", pointwise, state, middle, self.dt)
        return state if self.scheme == "lie" else self._half(state, pairs, first)

    def _half(self, state: Array, pairs: list[tuple[Array, Array]], dt: float) -> Array:
        if self.linear == "exact" or (self.linear == "auto" and self._is_diagonal(pairs)):
            out = np.empty_like(state)
            for k, (a, _) in enumerate(pairs):
                out[k] = (expm(dt * a) @ state[k].ravel()).reshape(state.shape[1:])
            return out
        return self._implicit(state, pairs, pairs, dt)

    def _is_diagonal(self, pairs: list[tuple[Array, Array]]) -> bool:
        """Whether the linear part is exact: by Fourier transform on periodic axes, by sine and cosine transform at
        order 2 with homogeneous Dirichlet or Neumann walls."""
        setting = self.rates.setting
        if all(axis.periodic for axis in setting.axes):
            return True
        homogeneous = all(not np.any(b) for _, b in pairs)
        plain = all(isinstance(c.left, ex.FieldRef | ex.NormalDerivative) for c in setting.problem.conditions)
        return setting.order == 2 and homogeneous and plain


def fine_steps(pointwise: Callable[[Array, float], Array], state: Array, dt: float) -> int:
    """How many RK4 steps stand for an exact flow over `dt`: each (1/300 of the fastest time) is exact to about 1e-12."""
    probe = 1e-3 * (1 + np.abs(state).max()) * np.random.default_rng(2).normal(size=state.shape)
    rate = pointwise(state, 0.0)
    change = np.abs(pointwise(state + probe, 0.0) - rate).max() / np.abs(probe).max()
    speed = max(change, np.abs(rate).max() / (np.abs(state).max() + 1e-300))
    return int(np.clip(math.ceil(300 * dt * speed), 10, 3000))


def has_exact_flow(rates: Rates, pointwise: Callable[[Array, float], Array], state: Array) -> bool:
    """Whether the pointwise part is in the table of exact flows: a real field with c0 + c1 u, c1 u + c2 u² or c1 u + c3 u³
    (free of the other fields), a complex one that turns by an angle that its motion keeps, or grows by a fixed factor."""
    generator = np.random.default_rng(1)
    layout = rates.layout
    probe = generator.uniform(0.3, 0.9, size=state.shape)
    for name, _, start, width in layout.entries:
        declared = rates.setting.fields[name]
        own = slice(start, start + width)
        if declared.is_complex:
            if not _turns(layout, pointwise, probe, own, generator):
                return False
            continue
        if not _is_bernoulli(pointwise, probe, own, generator):
            return False
    return True


def _is_bernoulli(
    pointwise: Callable[[Array, float], Array], probe: Array, own: slice, generator: np.random.Generator
) -> bool:
    values = np.array([0.2, 0.45, 0.7, 1.1, 1.4, -0.6])
    samples = []
    for value in values:
        state = generator.uniform(0.3, 0.9, size=probe.shape)
        state[:, own] = value
        samples.append(pointwise(state, 0.0)[:, own])
    stacked = np.stack(samples)
    basis = np.vander(values, 4, increasing=True)
    flat = stacked.reshape(len(values), -1)
    coefficients, *_ = np.linalg.lstsq(basis, flat, rcond=None)
    if np.abs(basis @ coefficients - flat).max() > 1e-9:
        return False
    c0, _, c2, c3 = (np.abs(c).max() > 1e-9 for c in coefficients)
    return (not c2 and not c3) or (not c0 and not (c2 and c3))


def _turns(
    layout: Layout,
    pointwise: Callable[[Array, float], Array],
    probe: Array,
    own: slice,
    generator: np.random.Generator,
) -> bool:
    """Whether ψ' = (g + iθ) ψ with θ and g alike for all phases, and either g = 0 or both alike for all moduli."""

    def ratio(scale: float) -> Array:
        state = probe.copy()
        for name, _, start, width in layout.entries:
            if layout.setting.fields[name].is_complex:
                half = width // 2
                z = state[:, start : start + half] + 1j * state[:, start + half : start + width]
                z = scale * np.abs(z) * np.exp(2j * np.pi * generator.random(z.shape))
                state[:, start : start + half], state[:, start + half : start + width] = z.real, z.imag
        rate = pointwise(state, 0.0)[:, own]
        half = rate.shape[1] // 2
        z = state[:, own][:, :half] + 1j * state[:, own][:, half:]
        return (rate[:, :half] + 1j * rate[:, half:]) / z

    first, turned, larger = ratio(1.0), ratio(1.0), ratio(1.3)
    if np.abs(first - turned).max() > 1e-9:
        return False
    return np.abs(first.real).max() < 1e-9 or np.abs(first - larger).max() < 1e-9
