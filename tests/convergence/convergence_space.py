"""Orders in space by manufactured solutions.

A solution u(x, t) is chosen; SymPy works out the source s = ∂_t u - R(u) of an equation `dt(u) = R(u) + s` and the
data of its walls, and the whole problem goes to the compiler as text. u is linear in t, so a consistent time scheme
adds no error of its own: what is left after a march is the error in space. The march is long enough for truncation
errors at the walls, which are of a lower order than the scheme, to do the harm they can.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import sympy as sp
import torch

from tests.comparison import compiled
from tests.convergence.convergence_notation import SPACE, T, X, Y, Z, text, values
from tests.convergence.convergence_study import Row

R = sp.Rational
EXTENTS = ((R(-1, 4), R(3, 4)), (R(0), R(6, 5)), (R(1, 2), R(3, 2)))
"""Of x, y, z: not all of one length, none symmetric."""

GRIDS: Mapping[int, tuple[int, ...]] = MappingProxyType({1: (24, 36, 54, 80), 2: (16, 24, 32, 40), 3: (12, 16, 20, 24)})
"""Cells along x by the number of axes; in the plane, y has three quarters of them."""

WAVES = {
    1: ((R(8), R(2, 5)),),
    2: ((R(3), R(2, 5)), (R(5, 2), R(1))),
    3: ((R(3), R(2, 5)), (R(5, 2), R(1)), (R(5, 2), R(-2))),
}
"""Wave number and phase along each axis between walls, by the number of axes: long enough for interior and walls to be
resolved by all grids, short enough for the finest grid to stay above rounding at order 6."""

KINDS = ("periodic", "dirichlet", "neumann", "robin")
IMPLICIT, EXPLICIT = "crank_nicolson, steps: 16", "rk4, dt: auto"

Meaning = Callable[..., "sp.Expr | tuple[sp.Expr, ...]"]


@dataclass(frozen=True)
class Operator:
    """Right-hand sides as text, and what they mean. `left` is what stands on the other side, `walls` the orders that are claimed on
    bounded axes, `claim` the most that is claimed at all, `declare` further statements."""

    rates: tuple[str, ...]
    means: Meaning
    march: str = EXPLICIT
    dimensions: tuple[int, ...] = (1, 2)
    walls: tuple[int, ...] = (2, 4, 6)
    claim: int = 6
    declare: str = ""
    fields: tuple[str, ...] = ("u",)
    left: str = "dt({0})"
    title: str = ""
    duration: sp.Rational = R(1, 40)

    @property
    def name(self) -> str:
        return self.title or "; ".join(self.rates)


@dataclass(frozen=True)
class Case:
    """An operator of an order on axes with walls of some kinds (one a side and axis: lower, upper)."""

    operator: Operator
    order: int
    kinds: tuple[tuple[str, str], ...]
    slow: bool = False

    @property
    def dimension(self) -> int:
        return len(self.kinds)

    @property
    def name(self) -> str:
        """`lap(u), 2-D, order 4, dirichlet`."""
        sides = dict.fromkeys("-".join(dict.fromkeys(pair)) for pair in self.kinds)
        return f"{self.operator.name}, {self.dimension}-D, order {self.order}, {' x '.join(sides)}"

    @property
    def claim(self) -> int:
        return min(self.order, self.operator.claim)

    @property
    def slack(self) -> float:
        return 0.1 if all(pair == ("periodic", "periodic") for pair in self.kinds) else 0.2

    def row(self) -> Row:
        """The study: a compilation and a march a grid."""
        sizes = GRIDS[self.dimension]
        return Row(self.name, sizes, tuple(error(self, n) for n in sizes), self.claim, self.slack)


# --- the problem as text ----------------------------------------------------------------------------------------------


def solution(case: Case, number: int) -> sp.Expr:
    """Field `number`: 1 + a product of waves, one an axis, linear in t. Waves between walls meet them at an angle."""
    product: sp.Expr = R(1, 5) - R(number, 20)
    for axis, (lower, upper), (wave, phase), pair in zip(
        SPACE, EXTENTS, WAVES[case.dimension], case.kinds, strict=False
    ):
        if pair[0] == "periodic":
            wave, phase = 2 * sp.pi / (upper - lower), R(0)
        product *= sp.sin(wave * axis + phase + R(3 * number, 5))
    return (1 + T) * (1 + product)


def condition(kind: str, name: str, u: sp.Expr, axis: sp.Symbol, lower: sp.Expr, upper: sp.Expr, side: int) -> str:
    """`boundary y = 0: u + 0.5*dn(u) = …`, the data those of u."""
    position = (lower, upper)[side]
    slope = sp.diff(u, axis) * (1 if side else -1)
    along = next((x for x in SPACE if x != axis and u.has(x)), None)
    factor = R(1) if along is None else 1 + along**2 / 4
    match kind:
        case "dirichlet":
            left, data = name, u
        case "neumann":
            left, data = f"dn({name})", slope
        case _:
            left, data = f"({text(factor)})*{name} + 1/2*dn({name})", factor * u + slope / 2
    return f"boundary {axis} = {text(position)}: {left} = {text(data.subs(axis, position))}"


def problem(case: Case, cells: int) -> tuple[str, tuple[sp.Expr, ...]]:
    """The text of the problem on a grid, and its solution."""
    o, axes = case.operator, SPACE[: case.dimension]
    exact = tuple(solution(case, k) for k in range(len(o.fields)))
    means = o.means(*exact)
    rates = means if isinstance(means, tuple) else (means,)
    derivative = 2 if o.left.startswith("dtt") else 1
    names = ", ".join(map(str, axes))
    lines = [
        "coordinates " + ", ".join(f"{a} in [{text(b)}, {text(c)}]" for a, (b, c) in zip(axes, EXTENTS, strict=False))
        + f", t in [0, {text(o.duration)}]",
        *(f"field {f}({names}, t)" for f in o.fields),
        *o.declare.splitlines(),
    ]  # fmt: skip
    for name, written, u, rate in zip(o.fields, o.rates, exact, rates, strict=True):
        source = sp.diff(u, T, derivative) - rate
        lines.append(f"{o.left.format(name)} = {written} + ({text(source)})")
        lines.append(f"initial {name} = {text(u.subs(T, 0))}")
        if derivative == 2:
            lines.append(f"initial dt({name}) = {text(sp.diff(u, T).subs(T, 0))}")
    for axis, extent, pair in zip(axes, EXTENTS, case.kinds, strict=False):
        if pair[0] == "periodic":
            lines.append(f"boundary {axis}: periodic")
            continue
        for side, kind in enumerate(pair):
            lines += [condition(kind, f, u, axis, *extent, side) for f, u in zip(o.fields, exact, strict=True)]
    grid = ", ".join(f"{a}: {n}" for a, n in zip(axes, shape(case, cells), strict=True))
    lines += [f"grid {grid}", f"order {case.order}", f"march {o.march}"]
    return "\n".join(lines) + "\n", exact


def shape(case: Case, cells: int) -> tuple[int, ...]:
    """Cells along each axis."""
    return (cells, cells * 3 // 4) if case.dimension == 2 else (cells,) * case.dimension


def error(case: Case, cells: int) -> float:
    """The largest difference from the solution at the end of a march (of waves, which come and go: at any time of it),
    relative to the largest value."""
    written, exact = problem(case, cells)
    compilation, net = compiled(written)
    assert compilation.scheme.space_order == case.claim, "what the compiler claims"
    with torch.no_grad():
        found = net.march(every=1)[0].numpy()
    grid = shape(case, cells)
    lines = []
    for n, (lower, upper), pair in zip(grid, EXTENTS, case.kinds, strict=False):
        first = 0.0 if pair[0] == "periodic" else 0.5
        lines.append(float(lower) + (np.arange(n) + first) * float(upper - lower) / n)
    times = np.arange(net.STEPS + 1) * float(case.operator.duration) / net.STEPS
    mesh = np.meshgrid(times, *lines, indexing="ij")
    places = dict(zip((T, *SPACE), mesh, strict=False))
    wanted = np.stack([np.broadcast_to(values(u, places), mesh[0].shape) for u in exact], axis=1)
    # A system of second order has velocities behind its fields.
    difference = np.abs(found[:, : len(exact)] - wanted)
    worst = difference if case.operator.left.startswith("dtt") else difference[-1]
    return float(worst.max() / np.abs(wanted).max())


# --- operators --------------------------------------------------------------------------------------------------------


def lap(u: sp.Expr) -> sp.Expr:
    return sum((sp.diff(u, x, 2) for x in SPACE), R(0))


def flux(a: sp.Expr, u: sp.Expr) -> sp.Expr:
    """div(a grad u)."""
    return sum((sp.diff(a * sp.diff(u, x), x) for x in SPACE), R(0))


def along(u: sp.Expr, order: int = 1) -> sp.Expr:
    return sp.diff(u, X, order)


LINE = 1 + sp.sin(2 * sp.pi * X) / 3
PLANE = LINE * (1 + sp.cos(5 * sp.pi * Y / 3) / 4)
BOX = PLANE * (2 - sp.sin(2 * sp.pi * Z))

OPERATORS = {
    "lap": Operator(("lap(u)",), lap, IMPLICIT),
    "lap, explicit": Operator(("lap(u)",), lap, EXPLICIT, (3,)),
    "dxx": Operator(("dxx(u)",), lambda u: along(u, 2), IMPLICIT, (1,)),
    "two axes": Operator(("dxx(u) + 2*dyy(u)",), lambda u: along(u, 2) + 2 * sp.diff(u, Y, 2), IMPLICIT, (2,)),
    "advection": Operator(("lap(u) - 3*dx(u)",), lambda u: lap(u) - 3 * along(u), IMPLICIT, walls=(2, 4)),
    "mixed": Operator(("lap(u) + 1/2*dxy(u)",), lambda u: lap(u) + sp.diff(u, X, Y) / 2, IMPLICIT, (2,), (2, 4)),
    "flux line": Operator(
        (f"div(({text(LINE)})*grad(u))",), lambda u: flux(LINE, u), IMPLICIT, (1,), title="div(a(x)*grad(u))"
    ),
    "flux plane": Operator(
        ("div(a*grad(u))",), lambda u: flux(PLANE, u), IMPLICIT, (2,), declare=f"let a(x, y) = {text(PLANE)}"
    ),
    "flux box": Operator(
        ("div(a*grad(u))",), lambda u: flux(BOX, u), EXPLICIT, (3,), declare=f"let a(x, y, z) = {text(BOX)}"
    ),
    "learned": Operator(
        ("div(a*grad(u))",),
        lambda u: flux(LINE, u),
        IMPLICIT,
        (1,),
        claim=2,
        declare=f"learn a(x) = {text(LINE)}",
        title="div(a*grad(u)), a learned",
    ),
    "nested": Operator(
        (f"dx(({text(LINE)})*dx(u)) + lap(u)",),
        lambda u: along(LINE * along(u)) + lap(u),
        IMPLICIT,
        (1,),
        (2, 4),
        title="dx(a(x)*dx(u)) + lap(u)",
    ),
    "third": Operator(("d(u, x, 3) + dxx(u)",), lambda u: along(u, 3) + along(u, 2), IMPLICIT, (1,), ()),
    "fourth": Operator(("-d(u, x, 4)",), lambda u: -along(u, 4), IMPLICIT, (1,), ()),
    "bilaplacian": Operator(("-1/10*lap(lap(u))",), lambda u: -lap(lap(u)) / 10, IMPLICIT, (1, 2), ()),
    "gated": Operator(("div((1 + u^2)*grad(u))",), lambda u: flux(1 + u**2, u), dimensions=(1, 2, 3)),
    "conservation": Operator(("lap(u) - dx(u^2)/2",), lambda u: lap(u) - along(u**2) / 2, walls=(2, 4)),
    "burgers": Operator(("1/2*lap(u) - u*dx(u)",), lambda u: lap(u) / 2 - u * along(u), walls=(2, 4)),
    "power": Operator(("lap(u^3)",), lambda u: lap(u**3)),
    "slope": Operator(("lap(u) + dx(u)^2",), lambda u: lap(u) + along(u) ** 2, walls=(2, 4)),
    "coupled": Operator(
        ("div(v*grad(u))", "lap(v) + 1/2*lap(u)"), lambda u, v: (flux(v, u), lap(v) + lap(u) / 2), fields=("u", "v")
    ),
    "wave": Operator(("lap(u)",), lap, "leapfrog, dt: auto", left="dtt({0})", title="dtt(u) = lap(u)", duration=R(1)),
}
