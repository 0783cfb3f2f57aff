"""The cases: a `.npde` text, a start, and a float64 reference in NumPy that shares nothing with npde.

Every contestant marches the same start by the same scheme, so its result is compared with the reference to rounding.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Array = np.ndarray


@dataclass(frozen=True)
class Case:
    """A march. `bytes` is what one step must move between memory and processor for one point, without time blocking."""

    key: str
    title: str
    text: str
    start: Callable[[], Array]
    """The state [batch, channels, *grid], float64."""
    reference: Callable[[Array, int], Array] | None
    """The state after some steps; None: npde's torch emitter in float64 is the reference."""
    steps: int
    bytes: int
    family: str = ""
    """What contestants that are written by hand look at."""
    trains: bool = False

    @property
    def points(self) -> int:
        """Grid points times samples."""
        state = self.start()
        return state.size // state.shape[1]


def wave_field(*shape: int) -> Array:
    """A smooth field between 0 and 1 with many scales, the same on every machine."""
    axes = np.meshgrid(*(2 * np.pi * np.arange(n) / n for n in shape[-3:]), indexing="ij", sparse=True)
    waves = sum(np.sin((k + 1) * a + k) / (k + 1) for k in range(5) for a in axes)
    field = 0.5 + 0.1 * waves + 0.1 * np.prod(np.broadcast_arrays(*(np.cos(3 * a) for a in axes)), axis=0)
    return np.array(field)


def laplacian(u: Array, axes: tuple[int, ...] = (-1, -2)) -> Array:
    """Sum of neighbours minus the point as often."""
    return sum(np.roll(u, s, a) for a in axes for s in (1, -1)) - 2 * len(axes) * u


# --- A: Fisher-KPP ----------------------------------------------------------------------------------------------------

H, DT = 0.1, 0.01


def fisher(n: int, steps: int = 100, scheme: str = "euler", walls: str = "boundary periodic", key: str = "A") -> Case:
    """u_t = D lap u + r u (1 - u), five points."""
    text = f"""model fisher
coordinates x, y in [0, {n // 10}.{n % 10}], t in [0, {steps // 100}.{steps % 100:02d}]
field u(x, y, t)
learn D = 0.1 > 0
learn r = 1 in [0, 5]
dt(u) = D*lap(u) + r*u*(1 - u)
{walls}
initial u = 0
grid x: {n}, y: {n}
march {scheme}, steps: {steps}
"""

    def reference(u: Array, steps: int) -> Array:
        for _ in range(steps):
            u = u + DT * (0.1 * laplacian(u) / H**2 + u * (1 - u))
        return u

    is_plain = scheme == "euler" and walls == "boundary periodic"
    names = {
        "A": f"Fisher-KPP {n}²",
        "A2": f"Fisher-KPP {n}²",
        "H": f"Fisher-KPP, RK4 {n}²",
        "I": f"Fisher-KPP between walls {n}²",
    }
    return Case(
        key, names[key], text, lambda: wave_field(n, n)[None, None], reference if is_plain else None, steps, 8,
        family="fisher" if is_plain else "",
    )  # fmt: skip


# --- B: Gray-Scott ----------------------------------------------------------------------------------------------------


def gray_scott(n: int, steps: int = 100) -> Case:
    """Two coupled fields."""
    text = f"""model gray_scott
coordinates x, y in [0, {n}], t in [0, {steps}]
field u(x, y, t), v(x, y, t)
learn F = 0.04 > 0, k = 0.06 > 0
let Du = 0.2, Dv = 0.1
dt(u) = Du*lap(u) - u*v^2 + F*(1 - u)
dt(v) = Dv*lap(v) + u*v^2 - (F + k)*v
boundary periodic
initial u = 1
initial v = 0
grid x: {n}, y: {n}
march euler, dt: 1
"""

    def start() -> Array:
        first = wave_field(n, n)
        return np.stack((1 - 0.5 * first, 0.3 * first.T))[None]

    def reference(state: Array, steps: int) -> Array:
        u, v = state[:, 0], state[:, 1]
        for _ in range(steps):
            w = u * v * v
            u, v = u + 0.2 * laplacian(u) - w + 0.04 * (1 - u), v + 0.1 * laplacian(v) + w - 0.1 * v
        return np.stack((u, v), axis=1)

    return Case("B", f"Gray-Scott {n}²", text, start, reference, steps, 16, family="gray_scott")


# --- C: Schroedinger --------------------------------------------------------------------------------------------------


def potential(n: int) -> Array:
    """V at the cells of case C."""
    x = H * np.arange(n)
    return np.cos(x)[:, None] * np.cos(x)[None, :]


def schrodinger(n: int, steps: int = 100) -> Case:
    """Leapfrog on real and imaginary part."""
    dt = 0.002
    text = f"""model schrodinger
coordinates x, y in [0, {n // 10}.{n % 10}], t in [0, {steps * 2 / 1000:.3f}]
field psi(x, y, t) complex
let V(x, y) = cos(x)*cos(y)
i*dt(psi) = -1/2*lap(psi) + V*psi
boundary periodic
initial psi = 0
grid x: {n}, y: {n}
march leapfrog, steps: {steps}
"""

    def start() -> Array:
        first = wave_field(n, n)
        return np.stack((first, first.T - 0.5))[None]

    def reference(state: Array, steps: int) -> Array:
        re, im = state[:, 0], state[:, 1]
        V = potential(n)

        def push(q: Array) -> Array:
            return laplacian(q) / (2 * H**2) - V * q

        for _ in range(steps):
            im = im + dt / 2 * push(re)
            re = re - dt * push(im)
            im = im + dt / 2 * push(re)
        return np.stack((re, im), axis=1)

    return Case("C", f"Schrödinger, leapfrog {n}²", text, start, reference, steps, 20, family="schrodinger")


# --- D: heat in three dimensions --------------------------------------------------------------------------------------


def heat(n: int, steps: int = 50) -> Case:
    """Thirteen points, fourth order."""
    text = f"""model heat
coordinates x, y, z in [0, {n}], t in [0, {steps}]
field u(x, y, z, t)
learn D = 0.1 > 0
dt(u) = D*lap(u)
boundary periodic
initial u = 0
grid x: {n}, y: {n}, z: {n}
order 4
march euler, dt: 1
"""

    def reference(u: Array, steps: int) -> Array:
        for _ in range(steps):
            rate = -7.5 * u
            for a in (-1, -2, -3):
                rate = rate + 4 / 3 * (np.roll(u, 1, a) + np.roll(u, -1, a))
                rate = rate - (np.roll(u, 2, a) + np.roll(u, -2, a)) / 12
            u = u + 0.1 * rate
        return u

    return Case(
        "D", f"heat, 4th order {n}³", text, lambda: wave_field(n, n, n)[None, None], reference, steps, 8, family="heat"
    )


# --- E: training ------------------------------------------------------------------------------------------------------


def conductivity(n: int) -> Array:
    """The field a of case E."""
    return 0.05 + 0.1 * wave_field(n, n).T


def training(n: int, batch: int = 8, steps: int = 50) -> Case:
    """Loss and all gradients: to the state, the field a, the scalar r."""
    text = f"""model training
coordinates x, y in [0, {n // 10}.{n % 10}], t in [0, {steps // 100}.{steps % 100:02d}]
field u(x, y, t)
learn a(x, y) = 0.1
learn r = 1
dt(u) = div(a*grad(u)) + r*u*(1 - u)
boundary periodic
initial u = 0
grid x: {n}, y: {n}
march euler, steps: {steps}
"""

    def start() -> Array:
        scale = 1 + 0.1 * np.arange(batch).reshape(-1, 1, 1, 1) / batch
        return scale * wave_field(n, n)[None, None]

    return Case(
        "E", f"training, a(x, y) {n}², batch {batch}", text, start, None, steps, 24, family="training", trains=True
    )


# --- more -------------------------------------------------------------------------------------------------------------


def kernel(n: int, steps: int = 20) -> Case:
    """A learned 3 x 3 kernel of sixteen channels."""
    text = f"""model learned_kernel
coordinates x, y in [0, 1], t in [0, 1]
field u[16](x, y, t)
learn K[16, 16] stencil 3x3
dt(u) = tanh(K(u)) - u
boundary periodic
initial u = 0
grid x: {n}, y: {n}
march euler, steps: {steps}
"""

    def start() -> Array:
        return np.stack([np.roll(wave_field(n, n), 7 * c, 0) - 0.5 for c in range(16)])[None]

    return Case("F", f"learned 3x3 kernel, 16 channels {n}²", text, start, None, steps, 128)


def closure(n: int, steps: int = 50) -> Case:
    """A pointwise network of sixteen units."""
    text = f"""model closure
coordinates x, y in [0, {n // 10}.{n % 10}], t in [0, {steps // 100}.{steps % 100:02d}]
field u(x, y, t)
learn f(u) = mlp(16, tanh)
dt(u) = 0.1*lap(u) + f(u)
boundary periodic
initial u = 0
grid x: {n}, y: {n}
march euler, steps: {steps}
"""
    return Case("G", f"neural closure 1-16-1 {n}²", text, lambda: wave_field(n, n)[None, None], None, steps, 8)


def ginzburg_landau(n: int, steps: int = 50) -> Case:
    """Complex Ginzburg-Landau."""
    text = f"""model ginzburg_landau
coordinates x, y in [0, {n}], t in [0, {steps // 20}.{steps % 20 * 5:02d}]
field A(x, y, t) complex
learn b = 1, c = -2
dt(A) = A + (1 + i*b)*lap(A) - (1 + i*c)*abs2(A)*A
boundary periodic
initial A = 0
grid x: {n}, y: {n}
march rk4, steps: {steps}
"""

    def start() -> Array:
        first = wave_field(n, n)
        return np.stack((first - 0.5, first.T - 0.5))[None]

    return Case("J", f"complex Ginzburg-Landau, RK4 {n}²", text, start, None, steps, 16)


WALLS = "boundary x = 0: u = 0\nboundary x = {end}: dn(u) = 0\nboundary y = 0: u = 1\nboundary y = {end}: dn(u) = 0"


def cases() -> dict[str, Case]:
    """All cases by key."""
    end = "51.2"
    found = (
        fisher(512),
        fisher(2048, key="A2"),
        gray_scott(512),
        schrodinger(512),
        heat(128),
        training(256),
        kernel(128),
        closure(256),
        fisher(512, 50, "rk4", key="H"),
        fisher(512, 100, walls=WALLS.format(end=end), key="I"),
        ginzburg_landau(256),
    )
    return {case.key: case for case in found}
