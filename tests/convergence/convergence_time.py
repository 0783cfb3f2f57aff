"""Orders in time, the space part exact or the same for all steps.

Between walls the solution is a polynomial of degree 3 in x times a function of t: stencils and ghost cells of order 4 are exact for
it, so that a march differs from it by the error in time alone; its source and wall data depend on time. On periodic axes the
reference is a march of the same semi-discrete equation by rk4 with far smaller steps. The march starts at t = 1/2.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
import sympy as sp
import torch

from tests.comparison import compiled
from tests.convergence.convergence_notation import T, X, text, values
from tests.convergence.convergence_study import Row

R = sp.Rational
START, END = R(1, 2), R(3, 2)
STEPS = (20, 40, 80, 160)
REFERENCE = 2000
"""Steps of rk4 that a march without known solution is compared with."""

ORDERS = {
    "euler": 1,
    "midpoint": 2,
    "heun": 2,
    "ssprk3": 3,
    "rk4": 4,
    "ab2": 2,
    "ab3": 3,
    "leapfrog": 2,
    "backward_euler": 1,
    "crank_nicolson": 2,
    "bdf2": 2,
    "imex_euler": 1,
    "cnab2": 2,
    "sbdf2": 2,
    "lie": 1,
    "strang": 2,
    "etd1": 1,
    "etdrk2": 2,
    "etdrk4": 4,
}

SHAPE = 1 + X / 2 - X**2 / 3 + X**3 / 5
SWING = sp.cos(2 * T) + R(3, 2)
MOTION = SHAPE * SWING


@dataclass(frozen=True)
class Study:
    """A scheme on a problem: its text without the march; the solution, or None for a reference by rk4."""

    scheme: str
    title: str
    problem: str
    exact: tuple[sp.Expr, ...] | None
    steps: tuple[int, ...] = STEPS
    slow: bool = False

    @property
    def name(self) -> str:
        return f"{self.scheme}, {self.title}"

    def row(self) -> Row:
        """A march for each number of steps."""
        errors = []
        for n in self.steps:
            found = march(self.problem, self.scheme, n)
            wanted = reference(self.problem) if self.exact is None else self.solution(found.shape)
            errors.append(float(np.abs(found - wanted).max() / np.abs(wanted).max()))
        return Row(self.name, self.steps, tuple(errors), ORDERS[self.scheme], 0.1)

    def solution(self, shape: tuple[int, ...]) -> np.ndarray:
        """The known state at the end, on cells of [0, 1]."""
        assert self.exact is not None
        places = {
            X: (np.arange(shape[-1]) + 0.5) / shape[-1] if len(shape) > 1 else np.zeros(()),
            T: np.array(float(END)),
        }
        return np.stack([values(u, places).reshape(shape[1:]) for u in self.exact])


def march(problem: str, scheme: str, steps: int) -> np.ndarray:
    """The state at the end."""
    _, net = compiled(f"{problem}march {scheme}, steps: {steps}\n")
    with torch.no_grad():
        return net.march()[0].numpy()


@cache
def reference(problem: str) -> np.ndarray:
    """The state at the end by far smaller steps."""
    return march(problem, "rk4", REFERENCE)


# --- problems with known solutions ------------------------------------------------------------------------------------


def walled(u: sp.Expr, kind: str, rate: str, means: sp.Expr, left: str = "dt(u)") -> str:
    """`left = rate + source` between two walls of a kind, solved by u."""
    derivative = 2 if left.startswith("dtt") else 1
    slope = sp.diff(u, X)
    conditions = {
        "dirichlet": ("u", u, u),
        "neumann": ("dn(u)", -slope, slope),
        "robin": ("u + 1/2*dn(u)", u - slope / 2, u + slope / 2),
    }
    condition, lower, upper = conditions[kind]
    lines = [
        f"coordinates x in [0, 1], t in [{text(START)}, {text(END)}]",
        "field u(x, t)",
        f"{left} = {rate} + ({text(sp.diff(u, T, derivative) - means)})",
        f"boundary x = 0: {condition} = {text(lower.subs(X, 0))}",
        f"boundary x = 1: {condition} = {text(upper.subs(X, 1))}",
        f"initial u = {text(u.subs(T, START))}",
        *([f"initial dt(u) = {text(sp.diff(u, T).subs(T, START))}"] if derivative == 2 else []),
        "grid x: 8",
        "order 4",
    ]
    return "\n".join(lines) + "\n"


def alone(rate: str, u: sp.Expr) -> str:
    """An ordinary differential equation with solution u."""
    start = text(u.subs(T, START))
    return f"coordinates t in [{text(START)}, {text(END)}]\nfield u(t)\ndt(u) = {rate}\ninitial u = {start}\n"


def periodic(*lines: str, cells: int = 16, order: int = 4, plane: bool = False, field: str = "field u({0}, t)") -> str:
    """A problem on a periodic line or plane."""
    axes = "x, y" if plane else "x"
    head = [f"coordinates {axes} in [0, 1], t in [{text(START)}, {text(END)}]", field.format(axes)]
    grid = f"grid x: {cells}, y: {cells - 4}" if plane else f"grid x: {cells}"
    return "\n".join([*head, *lines, "boundary periodic", grid, f"order {order}"]) + "\n"


def explicit_studies(scheme: str) -> Iterator[Study]:
    """What every explicit scheme must march."""
    u = MOTION
    rate, means = "1/50*dxx(u) - u^2 - 1/10*u*dx(u)", sp.diff(u, X, 2) / 50 - u**2 - u * sp.diff(u, X) / 10
    for kind in ("dirichlet", "neumann", "robin"):
        yield Study(scheme, f"walls {kind}, data of t", walled(u, kind, rate, means), (u,), slow=kind != "robin")
    yield Study(scheme, "u' = -2 t u (no space)", alone("-2*t*u", sp.exp(-(T**2))), (sp.exp(-(T**2)),))
    yield Study(scheme, "u' = -u^2 (no space)", alone("-u^2", 1 / T), (1 / T,), slow=True)
    wave = periodic("dt(u) = 1/100*dxx(u) - u*dx(u)/5 + u*(1 - u)", "initial u = 1 + 1/2*sin(2*pi*x)")
    yield Study(scheme, "reaction and advection, periodic", wave, None, slow=True)


def implicit_studies(scheme: str) -> Iterator[Study]:
    """Implicit schemes: linear equations by block elimination and by FFT, nonlinear ones by Newton's method."""
    u, is_main = MOTION, scheme == "crank_nicolson"
    for kind in ("dirichlet", "neumann", "robin"):
        means = sp.diff(u, X, 2) / 5 - 2 * sp.diff(u, X) - u
        problem = walled(u, kind, "1/5*dxx(u) - 2*dx(u) - u", means)
        yield Study(scheme, f"walls {kind}, data of t", problem, (u,), slow=kind == "neumann" or not is_main)
    decay = sp.exp(-T) + T - 1
    yield Study(scheme, "u' = t - u (no space)", alone("t - u", decay), (decay,), slow=not is_main)
    plane = periodic(
        "dt(u) = 1/50*lap(u) + dxy(u)/100 - dx(u)/3 + sin(2*pi*x)*cos(5*t)", "initial u = sin(2*pi*(x + y))", plane=True
    )
    yield Study(scheme, "plane, periodic, source of t, by FFT", plane, None, slow=not is_main)
    psi = periodic(
        "i*dt(psi) = -1/50*dxx(psi) + 3*cos(2*pi*x)*psi",
        "initial psi = 1 + exp(2*pi*i*x)",
        field="field psi({0}, t) complex",
    )
    yield Study(scheme, "Schroedinger, V(x), periodic", psi, None, slow=not is_main)
    few = (10, 20, 40, 80)
    for kind in ("dirichlet", "robin"):
        means = sp.diff(u, X, 2) / 50 - u**2 - u * sp.diff(u, X) / 10
        problem = walled(u, kind, "1/50*dxx(u) - u^2 - 1/10*u*dx(u)", means)
        yield Study(scheme, f"nonlinear, walls {kind}, data of t", problem, (u,), few, slow=kind == "dirichlet")
    yield Study(scheme, "u' = -u^2 (no space)", alone("-u^2", 1 / T), (1 / T,), slow=True)
    varying = sp.exp(-(T**2) / 2)
    yield Study(scheme, "u' = -t u (no space)", alone("-t*u", varying), (varying,), few, slow=True)
    pair = periodic("dt(u) = 1/50*dxx(u^3) - u*v", "dt(v) = 1/90*dxx(v) + u*v - v", "initial u = 1 + 1/2*sin(2*pi*x)",
                    "initial v = 1 + 1/2*cos(2*pi*x)", field="field u({0}, t), v({0}, t)")  # fmt: skip
    yield Study(scheme, "two fields, porous, periodic", pair, None, few, slow=True)


def partly_implicit_studies(scheme: str) -> Iterator[Study]:
    """Implicit-explicit schemes: walls with data of t, coefficients that vary, a plane by FFT, complex fields."""
    u = MOTION
    for kind in ("dirichlet", "neumann", "robin"):
        means = sp.diff((1 + X) * sp.diff(u, X), X) / 20 - u**2
        problem = walled(u, kind, "1/20*(1 + x)*dxx(u) + 1/20*dx(u) - u^2", means)
        yield Study(scheme, f"walls {kind}, data of t, D(x)", problem, (u,), slow=kind != "robin")
    wave = periodic("dt(u) = 1/50*lap(u) - u*dx(u)/5 + u*(1 - u)", "initial u = 1 + 1/2*sin(2*pi*(x + y))", plane=True)
    yield Study(scheme, "reaction and advection, plane, by FFT", wave, None, slow=scheme == "cnab2")
    yield Study(scheme, "u' = t - 3 u + sin(u) (no space)", alone("t - 3*u + sin(u)", T), None)
    psi = periodic(
        "i*dt(psi) = -1/50*dxx(psi) - abs2(psi)*psi/3 + cos(2*pi*x)*psi/3",
        "initial psi = 1 + exp(2*pi*i*x)/2",
        field="field psi({0}, t) complex",
    )
    yield Study(scheme, "Schroedinger, cubic, V(x)", psi, None, slow=True)


def leapfrog_studies() -> Iterator[Study]:
    """Second order in time, and two fields that drive each other."""
    u = MOTION
    for kind in ("dirichlet", "neumann", "robin"):
        problem = walled(u, kind, "1/20*dxx(u) - u^3", sp.diff(u, X, 2) / 20 - u**3, "dtt(u)")
        yield Study("leapfrog", f"walls {kind}, data of t", problem, (u, sp.diff(u, T)), slow=kind == "neumann")
    means = (1 + X) * sp.diff(u, X, 2) / 20
    for kind in ("dirichlet", "robin"):
        problem = walled(u, kind, "1/20*(1 + x)*dxx(u)", means, "dtt(u)")
        yield Study(
            "leapfrog",
            f"variable speed, walls {kind}, data of t",
            problem,
            (u, sp.diff(u, T)),
            slow=kind == "dirichlet",
        )
    layered = periodic(
        "let c(x) = 1 + 1/2*sin(2*pi*x)",
        "dtt(u) = div(c^2*grad(u))/10",
        "initial u = cos(2*pi*x)",
        "initial dt(u) = 0",
    )
    yield Study("leapfrog", "variable speed, in flux form, periodic", layered, None)
    pair = periodic(
        "i*dt(psi) = -1/50*dxx(psi) + 3*cos(2*pi*x)*psi",
        "initial psi = 1 + exp(2*pi*i*x)",
        field="field psi({0}, t) complex",
    )
    yield Study("leapfrog", "Schroedinger, V(x), periodic", pair, None)
    yield Study(
        "leapfrog", "sine-Gordon, periodic, source of t",
        periodic("dtt(u) = 1/20*dxx(u) - sin(u) + cos(3*t)", "initial u = sin(2*pi*x)", "initial dt(u) = cos(2*pi*x)"), None,
    )  # fmt: skip


def split_studies() -> Iterator[Study]:
    """Splitting: every exact flow of the table, RK4 where there is none, both linear halves."""
    bump = "initial u = 1/2 + 1/3*sin(2*pi*x)"
    flows = {
        "logistic": "1/50*dxx(u) + 3*u*(1 - u)",
        "cubic": "1/50*dxx(u) + 2*u - u^3",
        "linear, V(x)": "1/50*dxx(u) - (2 + cos(2*pi*x))*u + 1",
        "no flow known": "1/50*dxx(u) - 1/2*dx(u) + sin(3*u)",
        "source of t": "1/50*dxx(u) - u^2 + cos(5*t)*sin(2*pi*x)",
    }
    for name, rate in flows.items():
        yield Study(
            "strang",
            f"{name}, periodic",
            periodic(f"dt(u) = {rate}", bump),
            None,
            slow=name in ("cubic", "linear, V(x)"),
        )
    psi = periodic(
        "i*dt(psi) = -1/50*dxx(psi) - 2*abs2(psi)*psi + cos(2*pi*x)*psi",
        "initial psi = 1 + exp(2*pi*i*x)/2",
        field="field psi({0}, t) complex",
    )
    for scheme in ("lie", "strang"):
        yield Study(scheme, "phase, periodic", psi, None)
    yield Study("lie", "no flow known, periodic", periodic(f"dt(u) = {flows['no flow known']}", bump), None)
    pair = periodic("dt(u) = 1/50*lap(u) - u*v", "dt(v) = 1/90*lap(v) + u*v - v", "initial u = 1 + 1/2*sin(2*pi*x)",
                    "initial v = 1 + 1/2*cos(2*pi*y)", plane=True, field="field u({0}, t), v({0}, t)")  # fmt: skip
    yield Study("strang", "two fields, plane", pair, None, slow=True)
    for condition, order in (("u = 0", 2), ("dn(u) = 0", 2), ("dn(u) = 0", 4)):
        walls = periodic("dt(u) = 1/20*dxx(u) + 3*u*(1 - u)", "initial u = sin(pi*x)^2", order=order, cells=12)
        yield Study(
            "strang",
            f"{condition}, order {order} in space",
            walls.replace("boundary periodic", f"boundary {condition}"),
            None,
        )


def exponential_studies() -> Iterator[Study]:
    """Exponential time differencing: derivatives in the rest, sources of t, two fields, complex ones, a plane."""
    wave = periodic("dt(u) = 1/50*dxx(u) - u*dx(u)/5 + u*(1 - u)", "initial u = 1 + 1/2*sin(2*pi*x)")
    source = periodic(
        "dt(u) = 1/50*dxx(u) - 1/2*dx(u) - u^2 + cos(5*t)*sin(2*pi*x)", "initial u = 1/2 + 1/3*sin(2*pi*x)"
    )
    front = periodic(
        "dt(u) = -1/100000*lap(lap(u)) + 1/200*lap(u^3 + u/5)", "initial u = sin(2*pi*(x + y))/2", plane=True
    )
    psi = periodic(
        "i*dt(psi) = -1/50*dxx(psi) - abs2(psi)*psi/3 + cos(2*pi*x)*psi/3",
        "initial psi = 1 + exp(2*pi*i*x)/2",
        field="field psi({0}, t) complex",
    )
    pair = periodic("dt(u) = 1/50*lap(u) + 1/40*lap(v) - u*v", "dt(v) = 1/90*lap(v) + u*v - v", "initial u = 1 + 1/2*sin(2*pi*x)",
                    "initial v = 1 + 1/2*cos(2*pi*y)", plane=True, field="field u({0}, t), v({0}, t)")  # fmt: skip
    for scheme in ("etd1", "etdrk2", "etdrk4"):
        yield Study(scheme, "reaction and advection, periodic", wave, None)
        yield Study(scheme, "source of t, periodic", source, None, slow=scheme != "etdrk4")
        yield Study(scheme, "fourth order, plane", front, None, (10, 20, 40, 80), slow=scheme != "etdrk2")
        yield Study(scheme, "Schroedinger, cubic, V(x)", psi, None, slow=scheme == "etd1")
        yield Study(scheme, "two fields, crossed diffusion, plane", pair, None, slow=True)


def studies() -> Iterator[Study]:
    """The rows of the table, in order."""
    for scheme in ("euler", "midpoint", "heun", "ssprk3", "rk4", "ab2", "ab3"):
        yield from explicit_studies(scheme)
    yield from leapfrog_studies()
    for scheme in ("backward_euler", "crank_nicolson", "bdf2"):
        yield from implicit_studies(scheme)
    for scheme in ("imex_euler", "cnab2", "sbdf2"):
        yield from partly_implicit_studies(scheme)
    yield from split_studies()
    yield from exponential_studies()
