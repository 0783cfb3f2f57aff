"""Devito, JAX, py-pde and numba, as contestants where they are installed (`pip install 'npde[bench]'`)."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np

from benchmarks._cases import DT, Case, H, conductivity, potential
from benchmarks._npde import Missing

Run = Callable[[int], Any]


def needed(module: str) -> None:
    """Raises Missing where a package is not installed."""
    if find_spec(module) is None:
        raise Missing("not installed")


# --- JAX --------------------------------------------------------------------------------------------------------------


def jax(case: Case) -> Run:
    """One jitted loop over all steps; of E, jax.grad through a scan."""
    needed("jax")
    import jax as library
    from jax import lax
    from jax import numpy as jnp

    start = jnp.asarray(case.start(), jnp.float32)
    n = start.shape[-1]

    def around(u: Any, distance: int = 1) -> Any:
        return sum(jnp.roll(u, s, a) for a in range(2, u.ndim) for s in (-distance, distance))

    def fisher(u: Any) -> Any:
        c = 0.1 * DT / H**2
        return c * around(u) + u * ((1 - 4 * c + DT) - DT * u)

    def gray_scott(state: Any) -> Any:
        u, v = state[:, :1], state[:, 1:]
        w, near = u * v * v, around(state)
        return jnp.concatenate((0.2 * near[:, :1] + 0.16 * u + 0.04 - w, 0.1 * near[:, 1:] + 0.5 * v + w), axis=1)

    V = jnp.asarray(potential(n), jnp.float32) if case.family == "schrodinger" else None

    def schrodinger(state: Any) -> Any:
        c, dt = 1 / (2 * H**2), 0.002
        re, im = state[:, :1], state[:, 1:]
        im = im + dt / 2 * (c * around(re) - (4 * c + V) * re)
        re = re - dt * (c * around(im) - (4 * c + V) * im)
        im = im + dt / 2 * (c * around(re) - (4 * c + V) * re)
        return jnp.concatenate((re, im), axis=1)

    def heat(u: Any) -> Any:
        return 0.25 * u + (0.4 / 3) * around(u) - (0.1 / 12) * around(u, 2)

    if case.family == "training":
        return _jax_training(library, start, n)
    step = {"fisher": fisher, "gray_scott": gray_scott, "schrodinger": schrodinger, "heat": heat}[case.family]
    marched = library.jit(lambda u, steps: lax.fori_loop(0, steps, lambda _, s: step(s), u), static_argnums=1)
    return lambda steps: np.asarray(marched(start, steps))


def _jax_training(library: Any, start: Any, n: int) -> Run:
    from jax import lax
    from jax import numpy as jnp

    a = jnp.asarray(conductivity(n), jnp.float32)

    def loss(u: Any, a: Any, r: Any, steps: int) -> Any:
        right, down = (a + jnp.roll(a, -1, -1)) * (DT / (2 * H**2)), (a + jnp.roll(a, -1, -2)) * (DT / (2 * H**2))

        def step(u: Any, _: Any) -> Any:
            along, across = right * (jnp.roll(u, -1, -1) - u), down * (jnp.roll(u, -1, -2) - u)
            rate = along - jnp.roll(along, 1, -1) + across - jnp.roll(across, 1, -2)
            return u + rate + DT * r * u * (1 - u), None

        return jnp.mean(lax.scan(step, u, None, length=steps)[0] ** 2)

    slopes = library.jit(library.value_and_grad(loss, argnums=(0, 1, 2)), static_argnums=3)

    def run(steps: int) -> Any:
        value, (gu, ga, gr) = slopes(start, a, 1.0, steps)
        return float(value), np.asarray(gu), np.asarray(ga), float(gr)

    return run


# --- numba ------------------------------------------------------------------------------------------------------------


def numba(case: Case) -> Run:
    """Plain loops over padded arrays, rows in parallel."""
    needed("numba")
    if case.trains:
        raise Missing("no derivatives")
    import numba as library

    jit = library.njit(parallel=True, fastmath=True, boundscheck=False)

    @jit
    def wrap(u: Any) -> None:
        n = u.shape[0] - 2
        for x in library.prange(n):
            u[x + 1, 0], u[x + 1, n + 1] = u[x + 1, n], u[x + 1, 1]
        u[0, :], u[n + 1, :] = u[n, :], u[1, :]

    @jit
    def fisher(u: Any, out: Any, c: Any, dt: Any) -> None:
        for x in library.prange(1, u.shape[0] - 1):
            for y in range(1, u.shape[1] - 1):
                near = u[x - 1, y] + u[x + 1, y] + u[x, y - 1] + u[x, y + 1]
                out[x, y] = c * near + u[x, y] * ((1 - 4 * c + dt) - dt * u[x, y])

    @jit
    def gray_scott(u: Any, v: Any, to: Any, go: Any) -> None:
        a, b, f = np.float32(0.2), np.float32(0.16), np.float32(0.04)
        p, q = np.float32(0.1), np.float32(0.5)
        for x in library.prange(1, u.shape[0] - 1):
            for y in range(1, u.shape[1] - 1):
                w = u[x, y] * v[x, y] * v[x, y]
                to[x, y] = a * (u[x - 1, y] + u[x + 1, y] + u[x, y - 1] + u[x, y + 1]) + b * u[x, y] + f - w
                go[x, y] = p * (v[x - 1, y] + v[x + 1, y] + v[x, y - 1] + v[x, y + 1]) + q * v[x, y] + w

    @jit
    def push(to: Any, of: Any, V: Any, c: Any, dt: Any) -> None:
        for x in library.prange(1, of.shape[0] - 1):
            for y in range(1, of.shape[1] - 1):
                near = of[x - 1, y] + of[x + 1, y] + of[x, y - 1] + of[x, y + 1]
                to[x, y] += dt * (c * near - (4 * c + V[x - 1, y - 1]) * of[x, y])

    @jit
    def heat(u: Any, out: Any) -> None:
        a, b, c = np.float32(0.25), np.float32(0.4 / 3), np.float32(-0.1 / 12)
        n = u.shape[0] - 4
        for x in library.prange(n):
            for y in range(n):
                for z in range(n):
                    i, j, k = x + 2, y + 2, z + 2
                    near = (
                        u[i - 1, j, k]
                        + u[i + 1, j, k]
                        + u[i, j - 1, k]
                        + u[i, j + 1, k]
                        + u[i, j, k - 1]
                        + u[i, j, k + 1]
                    )
                    far = (
                        u[i - 2, j, k]
                        + u[i + 2, j, k]
                        + u[i, j - 2, k]
                        + u[i, j + 2, k]
                        + u[i, j, k - 2]
                        + u[i, j, k + 2]
                    )
                    out[i, j, k] = a * u[i, j, k] + b * near + c * far

    def wrap_cube(u: Any) -> None:
        u[:2], u[-2:] = u[-4:-2], u[2:4]
        u[:, :2], u[:, -2:] = u[:, -4:-2], u[:, 2:4]
        u[:, :, :2], u[:, :, -2:] = u[:, :, -4:-2], u[:, :, 2:4]

    start = case.start()[0].astype(np.float32)
    reach = 2 if case.family == "heat" else 1
    ready = [np.pad(field, reach, mode="wrap") for field in start]
    other = [field.copy() for field in ready]
    inner = (slice(reach, -reach),) * ready[0].ndim
    V = potential(start.shape[-1]).astype(np.float32)
    c, dt, half, whole = (np.float32(k) for k in (0.1 * DT / H**2, DT, 0.001, 0.002))
    second = np.float32(1 / (2 * H**2))

    def run(steps: int) -> Any:
        state, spare = [field.copy() for field in ready], other
        for _ in range(steps):
            if case.family == "schrodinger":
                for to, of, by in ((1, 0, half), (0, 1, -whole), (1, 0, half)):
                    push(state[to], state[of], V, second, by)
                    wrap(state[to])
                continue
            if case.family == "fisher":
                fisher(state[0], spare[0], c, dt)
            elif case.family == "gray_scott":
                gray_scott(*state, *spare)
            else:
                heat(state[0], spare[0])
            for field in spare:
                wrap_cube(field) if field.ndim == 3 else wrap(field)
            state, spare = spare, state
        return np.stack([field[inner] for field in state])[None].copy()

    return run


# --- Devito -----------------------------------------------------------------------------------------------------------


def devito(case: Case) -> Run:
    """Generated C with OpenMP; periodic sides are equations for the halo."""
    needed("devito")
    if case.trains:
        raise Missing("no adjoint of a nonlinear step")
    import devito as library

    library.configuration["log-level"] = "ERROR"
    library.configuration["language"] = "openmp"
    start = case.start()[0].astype(np.float32)
    shape = start.shape[1:]
    order = 4 if case.family == "heat" else 2
    spacing = 1.0 if case.family in ("gray_scott", "heat") else H
    grid = library.Grid(shape=shape, extent=tuple(spacing * (n - 1) for n in shape), dtype=np.float32)
    fields = [library.TimeFunction(name=f"q{k}", grid=grid, time_order=1, space_order=order) for k in range(len(start))]
    time = grid.stepping_dim
    ahead = [f.forward for f in fields]
    reach = order // 2

    def halo(f: Any) -> list[Any]:
        """The sides of f at the next time, axis by axis; later axes take the corners along."""
        found = []
        for axis, n in enumerate(shape):
            for g in range(1, reach + 1):
                for to, of in ((-g, n - g), (n + g - 1, g - 1)):
                    index = [time + 1, *grid.dimensions]
                    target, origin = list(index), list(index)
                    target[1 + axis], origin[1 + axis] = to, of
                    found.append(library.Eq(f[tuple(target)], f[tuple(origin)]))
        return found

    q = fields
    if case.family == "fisher":
        equations = [library.Eq(ahead[0], q[0] + DT * (0.1 * q[0].laplace + q[0] * (1 - q[0]))), *halo(q[0])]
    elif case.family == "gray_scott":
        w = q[0] * q[1] * q[1]
        equations = [
            library.Eq(ahead[0], q[0] + 0.2 * q[0].laplace - w + 0.04 * (1 - q[0])),
            library.Eq(ahead[1], q[1] + 0.1 * q[1].laplace + w - 0.1 * q[1]),
            *halo(q[0]),
            *halo(q[1]),
        ]
    elif case.family == "heat":
        equations = [library.Eq(ahead[0], q[0] + 0.1 * q[0].laplace), *halo(q[0])]
    else:
        V = library.Function(name="V", grid=grid)
        V.data[:] = potential(shape[0])
        dt = 0.002
        re, im = q
        middle = library.TimeFunction(name="mid", grid=grid, time_order=1, space_order=order)
        equations = [
            library.Eq(middle.forward, im + dt / 2 * (re.laplace / 2 - V * re)),
            *halo(middle),
            library.Eq(re.forward, re - dt * (middle.forward.laplace / 2 - V * middle.forward)),
            *halo(re),
            library.Eq(im.forward, middle.forward + dt / 2 * (re.forward.laplace / 2 - V * re.forward)),
            *halo(im),
        ]
    operator = library.Operator(equations)
    wide = [np.pad(s, reach, mode="wrap") for s in start]
    inside = tuple(slice(order - reach, n + order + reach) for n in shape)

    def run(steps: int) -> Any:
        for f, values in zip(fields, wide):
            f.data_with_halo[(0, *inside)] = values
        operator.apply(time_m=0, time_M=steps - 1)
        return np.stack([np.array(f.data[steps % 2]) for f in fields])[None]

    return run


# --- py-pde -----------------------------------------------------------------------------------------------------------


def pypde(case: Case) -> Run:
    """Its own compiled right-hand side and Euler stepper, in double precision, which is the only one it has."""
    needed("pde")
    import pde as library

    if case.family not in ("fisher", "gray_scott"):
        raise Missing("no such scheme")
    start = case.start()[0]
    n = start.shape[-1]
    length = n * (H if case.family == "fisher" else 1.0)
    grid = library.CartesianGrid([[0, length]] * 2, n, periodic=True)
    dt = DT if case.family == "fisher" else 1.0
    if case.family == "fisher":
        equation = library.PDE({"u": "0.1*laplace(u) + u*(1 - u)"})
        state: Any = library.ScalarField(grid, start[0])
    else:
        equation = library.PDE({"u": "0.2*laplace(u) - u*v**2 + 0.04*(1 - u)", "v": "0.1*laplace(v) + u*v**2 - 0.1*v"})
        state = library.FieldCollection([library.ScalarField(grid, s) for s in start], labels=["u", "v"])
    solver = library.EulerSolver(equation, adaptive=False)
    stepper = solver.make_stepper(state, dt=dt)

    def run(steps: int) -> Any:
        result = state.copy()
        stepper(result, 0.0, steps * dt)
        data = np.asarray(result.data)
        return data.reshape(1, -1, n, n)

    return run
