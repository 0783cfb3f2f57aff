"""Step bounds against marching: a random linear system stays bounded just below its bound and grows just above it.

The systems, their schemes and grids are drawn at random; where the bound is called exact, dt at 0.98 of it is marched for long
and must not grow, at 1.02 it must. The marching is NumPy's, with operators assembled from the emitted module column by column.
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
import torch

import npde

Array = np.ndarray[Any, np.dtype[Any]]

COUNT = 100
SCHEMES = ("euler", "midpoint", "heun", "ssprk3", "rk4", "ab2", "ab3", "leapfrog")


def number(draw: random.Random, low: float, high: float) -> str:
    return f"{draw.uniform(low, high):.4g}"


def draw_model(seed: int) -> tuple[str, str]:
    """(text without its march, scheme): one or two fields, one or two axes, constant coefficients."""
    draw = random.Random(seed)
    scheme = draw.choice(SCHEMES)
    plane = draw.random() < 0.4
    space = "x, y" if plane else "x"
    grid = f"x: {draw.choice((9, 12, 16))}, y: {draw.choice((8, 10))}" if plane else f"x: {draw.randrange(10, 41)}"
    order = draw.choice((2, 4, 6))
    if scheme == "leapfrog":
        fields = f"u({space}, t)"
        terms = [f"{number(draw, 0.2, 3)}*lap(u)"] + ([f"- {number(draw, 0, 40)}*u"] if draw.random() < 0.5 else [])
        equations = [f"dtt(u) = {' '.join(terms)}"]
        initial = "initial u = 0\ninitial dt(u) = 0"
    elif draw.random() < 0.3:
        fields = f"u({space}, t), v({space}, t)"
        cross = number(draw, -3, 3)
        equations = [
            f"dt(u) = {number(draw, 0.05, 2)}*lap(u) + {cross}*v - {number(draw, 3, 9)}*u",
            f"dt(v) = {number(draw, 0.05, 2)}*lap(v) - {cross}*u - {number(draw, 3, 9)}*v",
        ]
        initial = "initial u = 0\ninitial v = 0"
    else:
        fields = f"u({space}, t)"
        kinds = [f"{number(draw, 0.05, 2)}*lap(u)", f"- {number(draw, 0, 5)}*u"]
        if scheme in ("ssprk3", "rk4", "ab3") and draw.random() < 0.6:
            kinds.append(f"+ {number(draw, -4, 4)}*dx(u)")
        if draw.random() < 0.3:
            kinds.append(f"- {number(draw, 0.0005, 0.01)}*lap(lap(u))")
        if scheme in ("ssprk3", "rk4") and draw.random() < 0.3:
            kinds = [f"{number(draw, 0.5, 4)}*dx(u)"] + ([f"- {number(draw, 0.5, 4)}*dy(u)"] if plane else [])
        equations = [f"dt(u) = {' '.join(kinds)}"]
        initial = "initial u = 0"
    biased = ""
    if "dx(u)" in equations[0] and draw.random() < 0.5:
        biased = f", upwind {draw.choice((1, 3, 5))}"
    body = "\n".join(equations)
    text = (
        f"model m\ncoordinates {space} in [0, 1], t in [0, 1]\nfield {fields}\n{body}\nboundary periodic\n{initial}\n"
    )
    return f"{text}grid {grid}{biased}\norder {order}\n", scheme


def step_matrix(text: str, scheme: str, dt: float) -> Array:
    """One step as a matrix, on (state, rates before) for schemes of several steps; from the rates of the emitted module."""
    from npde.discretize.scheme import AdamsBashforth, Leapfrog, RungeKutta

    model = npde.parse(f"{text}march {scheme}, steps: 100000000\n")
    net = model.compile(dtype="float64")
    time = net.graph.scheme.time
    shape = (sum(n for _, n, _ in net.FIELDS.values()), *net.GRID)  # type: ignore[attr-defined]
    size = int(np.prod(shape))
    columns = torch.eye(size, dtype=torch.float64).reshape(size, *shape)
    with torch.no_grad():
        if isinstance(time, Leapfrog):
            half = size // 2
            force = net.kick(columns[:half, :1]).reshape(half, half).T.numpy()  # type: ignore[operator]
            one, none = np.eye(half), np.zeros((half, half))
            kick = np.block([[one, none], [dt / 2 * force, one]])
            return np.asarray(kick @ np.block([[one, dt * one], [none, one]]) @ kick)
        rates = net.rhs(columns).reshape(size, size).T.numpy()  # type: ignore[operator]
    if isinstance(time, RungeKutta):
        from npde.discretize.regions import polynomial

        total, power = np.zeros_like(rates), np.eye(size)
        for c in polynomial(time.tableau):
            total, power = total + float(c) * power, dt * rates @ power
        return np.asarray(total)
    assert isinstance(time, AdamsBashforth)
    count = len(time.weights)
    rows = [
        [np.eye(size) + dt * float(time.weights[0]) * rates, *(dt * float(w) * np.eye(size) for w in time.weights[1:])]
    ]
    rows += [[rates if i == j == 0 else np.eye(size) * (i == j) for j in range(count)] for i in range(count - 1)]
    return np.block(rows)


def growth(matrix: Array) -> float:
    """The factor of the fastest growing mode over a thousand steps, from the matrix's tenth squaring."""
    power = matrix
    for _ in range(10):
        power = power @ power
    return float(np.abs(power).max())


@pytest.mark.slow
@pytest.mark.parametrize("block", range(10))
def test_random_linear_systems(block: int) -> None:
    exact = 0
    for seed in range(COUNT // 10 * block, COUNT // 10 * (block + 1)):
        text, scheme = draw_model(seed)
        analysis = npde.parse(f"{text}march {scheme}, steps: 100000000\n").analyze()
        assert analysis.dt_max is not None, text
        if not analysis.exact:
            continue
        exact += 1
        below, above = (growth(step_matrix(text, scheme, share * analysis.dt_max)) for share in (0.98, 1.02))
        assert below < 1e4, (seed, scheme, text, below)
        assert above > 1e2 * max(1.0, below), (seed, scheme, text, above)
    assert exact >= 7


def test_a_few_random_linear_systems() -> None:
    for seed in (3, 14, 15, 92):
        text, scheme = draw_model(seed)
        found = npde.parse(f"{text}march {scheme}, steps: 100000000\n").analyze()
        assert found.dt_max is not None
        below, above = (growth(step_matrix(text, scheme, share * found.dt_max)) for share in (0.98, 1.02))
        assert below < 1e4 < above or not found.exact, (seed, scheme, text)


# --- nonlinear examples -----------------------------------------------------------------------------------------------


def automatic(name: str) -> bool:
    model = npde.load(f"examples/{name}.npde")
    return not model.inputs and model.check(march="dt=auto") == []


AUTOMATIC = (
    "advection", "brusselator", "burgers", "closure", "fisher", "fitzhugh_nagumo", "ginzburg_landau", "gray_scott", "heat_box",
    "heat_source", "klein_gordon", "kuramoto_sivashinsky", "lotka_volterra", "maxwell", "michaelis_menten", "plate",
    "plume", "porous_medium",
    "shallow_water", "sine_gordon", "swift_hohenberg", "wave",
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", AUTOMATIC)
def test_no_automatic_step_blows_up(name: str) -> None:
    """The whole march: values stay of the size they had (of velocities: of that times a frequency)."""
    assert automatic(name)
    net = npde.load(f"examples/{name}.npde").compile(dtype="float64", march="dt=auto")
    with torch.no_grad():
        start = net.initial_state(1)  # type: ignore[operator]
        frames = net.march(start, every=-(-net.graph.scheme.steps // 20))  # type: ignore[operator]
        last = net.march(start)  # type: ignore[operator]
    for state in (frames, last):
        assert torch.isfinite(state).all()
        assert float(state.abs().max()) < 200 * max(1.0, float(start.abs().max()))


def test_a_state_that_separates_has_no_automatic_step() -> None:
    (found,) = npde.load("examples/cahn_hilliard.npde").check(march="dt=auto")
    assert found.code == "N0706"
    assert "unstable" in found.label


def test_every_example_that_can_be_is_among_those() -> None:
    from pathlib import Path

    names = sorted(p.stem for p in Path("examples").glob("*.npde"))
    assert tuple(n for n in names if n in AUTOMATIC or automatic(n)) == AUTOMATIC
