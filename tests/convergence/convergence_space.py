"""Orders in space by manufactured solutions.

A solution u(x, t) is chosen; SymPy works out the source s = ∂_t u - R(u) of an equation `dt(u) = R(u) + s` and the data of
its walls, and the whole problem goes to the compiler as text. u is linear in t, so a consistent time scheme adds no error of
its own: what is left after a march is the error in space. The march is long enough for truncation errors at the walls, which
are of a lower order than the scheme, to do the harm they can.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
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
FINER = (24, 32, 40, 52)
FINEST = (32, 44, 60, 80)
"""Cells along x by the number of axes; in the plane, y has three quarters of them."""

WAVES: Mapping[int, tuple[tuple[sp.Rational, sp.Rational], ...]] = MappingProxyType(
    {
        1: ((R(8), R(2, 5)),),
        2: ((R(3), R(2, 5)), (R(5, 2), R(1))),
        3: ((R(3), R(2, 5)), (R(5, 2), R(1)), (R(5, 2), R(-2))),
    }
)
"""Wave number and phase along each axis between walls, by the number of axes: long enough for every grid to resolve what happens
at the walls, short enough for the finest one to stay above rounding at order 6."""

UNEVEN = ((R(4), R(2)), (R(4), R(0)))
"""The same where all four walls differ: with the waves above the leading errors of two walls nearly cancel, and the order shows on
far finer grids only (order 6: 5.3, 5.6, 5.7, 5.8 for 32, 44, 60, 80 and 112 cells)."""

KINDS = ("periodic", "dirichlet", "neumann", "robin")
IMPLICIT, EXPLICIT, TRANSPORT = "crank_nicolson, steps: 16", "euler, dt: auto", "rk4, dt: auto"
"""Euler's method has no error of its own in such a march, and takes the fewest stages wherever diffusion allows it."""

Meaning = Callable[..., "sp.Expr | tuple[sp.Expr, ...]"]
Pair = tuple[str, str]


@dataclass(frozen=True)
class Operator:
    """Right-hand sides as text, and what they mean.

    `means` takes and gives fields, a vector as one after the other. `walls` and `periodic` are the orders that are claimed
    on such axes, `most` is the most that is claimed at walls of a kind. `declare` are further statements.
    """

    rates: tuple[str, ...]
    means: Meaning
    march: str = EXPLICIT
    dimensions: tuple[int, ...] = (1, 2)
    walls: tuple[int, ...] = (2, 4, 6)
    periodic: tuple[int, ...] = (2, 4, 6)
    most: Mapping[str, int] = field(default_factory=dict)
    declare: str = ""
    fields: tuple[str, ...] = ("u",)
    left: str = "dt({0})"
    title: str = ""
    duration: sp.Rational = R(1, 40)
    finer: bool = False
    ends: tuple[str, ...] = ()
    upwind: int | None = None
    sizes: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        name = self.title or "; ".join(self.rates)
        return name if self.upwind is None else f"{name}, upwind {self.upwind}"


@dataclass(frozen=True)
class Case:
    """An operator of an order on axes with walls of some kinds, (lower, upper) an axis."""

    operator: Operator
    order: int
    kinds: tuple[Pair, ...]
    slow: bool = True

    @property
    def dimension(self) -> int:
        return len(self.kinds)

    @property
    def name(self) -> str:
        """`lap(u), 2-D, order 4, dirichlet`."""
        axes = ["-".join(dict.fromkeys(pair)) for pair in self.kinds]
        return f"{self.operator.name}, {self.dimension}-D, order {self.order}, {' x '.join(dict.fromkeys(axes))}"

    @property
    def claim(self) -> int:
        limits = [self.operator.most.get(kind, 8) for pair in self.kinds for kind in pair]
        biased = self.operator.upwind
        if biased is not None and "outflow" not in self.kinds[0] and "dx" in self.operator.rates[0][:6]:
            return biased
        return min(self.order, biased or self.order, *limits)

    @property
    def slack(self) -> float:
        return 0.1 if all(pair == ("periodic", "periodic") for pair in self.kinds) else 0.2

    @property
    def sizes(self) -> tuple[int, ...]:
        if self.operator.sizes:
            return self.operator.sizes
        if self.dimension == 2 and (self.operator.finer and self.order == 6 and "u^3" in self.operator.name):
            return FINEST
        if self.kinds == UNLIKE[-1] and self.order >= 4:
            return FINEST
        return FINER if self.operator.finer and self.dimension == 2 else GRIDS[self.dimension]

    def row(self) -> Row:
        """The study: a compilation and a march a grid."""
        return Row(self.name, self.sizes, tuple(error(self, n) for n in self.sizes), self.claim, self.slack)


# --- the problem as text ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Unknown:
    """A field and its solution: one expression, or one a component; complex if it holds the imaginary unit."""

    name: str
    parts: tuple[sp.Expr, ...]

    @property
    def declared(self) -> str:
        return f"{self.name}[{len(self.parts)}]" if len(self.parts) > 1 else self.name

    @property
    def is_complex(self) -> bool:
        return self.parts[0].has(sp.I)

    def map(self, function: Callable[[sp.Expr], sp.Expr]) -> str:
        """Something of the solution as text."""
        found = [text(function(p)) for p in self.parts]
        return found[0] if len(found) == 1 else f"[{', '.join(found)}]"

    @property
    def channels(self) -> tuple[sp.Expr, ...]:
        """As the state has them."""
        if self.is_complex:
            return tuple(sp.expand(self.parts[0]).as_real_imag())
        return self.parts


def unknowns(case: Case) -> tuple[Unknown, ...]:
    """The fields with their solutions: `w` is a vector, `psi` is complex."""
    found, number = [], 0
    for name in case.operator.fields:
        if name == "psi":
            parts: tuple[sp.Expr, ...] = (solution(case, number) + sp.I * solution(case, number + 1),)
            number += 2
        else:
            count = case.dimension if name == "w" else 1
            parts = tuple(solution(case, number + k) for k in range(count))
            number += count
        found.append(Unknown(name, parts))
    return tuple(found)


def solution(case: Case, number: int) -> sp.Expr:
    """1 + a product of waves, one an axis, linear in t. Waves between walls meet them at an angle."""
    shape: sp.Expr = R(1, 5) - R(number, 40)
    waves = UNEVEN if case.kinds == UNLIKE[-1] else WAVES[case.dimension]
    for axis, (lower, upper), (wave, phase), pair in zip(SPACE, EXTENTS, waves, case.kinds, strict=False):
        if pair[0] == "periodic":
            wave, phase = 2 * sp.pi / (upper - lower), R(0)
        shape *= sp.sin(wave * axis + phase + R(3 * number, 5))
    return (1 + T) * (1 + shape)


PLATES: Mapping[str, tuple[tuple[str, Callable[[sp.Expr, sp.Symbol, int], sp.Expr]], ...]] = MappingProxyType({
    "clamped": (("{0}", lambda p, x, n: p), ("dn({0})", lambda p, x, n: n * sp.diff(p, x))),
    "supported": (("{0}", lambda p, x, n: p), ("lap({0})", lambda p, x, n: lap(p))),
    "no flux": (("dn({0})", lambda p, x, n: n * sp.diff(p, x)), ("dn(lap({0}))", lambda p, x, n: n * sp.diff(lap(p), x))),
    "free": (("dn(dn({0}))", lambda p, x, n: sp.diff(p, x, 2)), ("dn(dn(dn({0})))", lambda p, x, n: n * sp.diff(p, x, 3))),
})  # fmt: skip
"""Two conditions a side: as written, and their data."""


def condition(kind: str, u: Unknown, axis: sp.Symbol, position: sp.Expr, outward: int) -> str:
    """`boundary y = 0: u + 0.5*dn(u) = …`, the data those of the solution; Robin's coefficient varies along the wall."""
    along = next((a for a in SPACE if a != axis and u.parts[0].has(a)), None)
    factor = R(1) if along is None else 1 + along**2 / 4

    def data(p: sp.Expr) -> sp.Expr:
        slope = outward * sp.diff(p, axis)
        found = {"dirichlet": p, "neumann": slope, "robin": factor * p + slope / 2}[kind]
        return found.subs(axis, position)

    if kind == "outflow":
        return f"boundary {axis} = {text(position)}: outflow"
    if kind in PLATES:
        parts = [(w, u.map(lambda p, d=d: d(p, axis, outward).subs(axis, position))) for w, d in PLATES[kind]]  # type: ignore[misc]
        return f"boundary {axis} = {text(position)}: " + ", ".join(f"{w.format(u.name)} = {data}" for w, data in parts)
    left = {"dirichlet": u.name, "neumann": f"dn({u.name})", "robin": f"({text(factor)})*{u.name} + 1/2*dn({u.name})"}
    return f"boundary {axis} = {text(position)}: {left[kind]} = {u.map(data)}"


def problem(case: Case, cells: int) -> tuple[str, tuple[sp.Expr, ...]]:
    """The text of the problem on a grid, and its solution, a channel each."""
    o, axes = case.operator, SPACE[: case.dimension]
    fields = unknowns(case)
    means = o.means(*(p for u in fields for p in u.parts))
    rates = iter(means if isinstance(means, tuple) else (means,))
    names = ", ".join(map(str, axes))
    extents = ", ".join(f"{a} in [{text(lo)}, {text(hi)}]" for a, (lo, hi) in zip(axes, EXTENTS, strict=False))
    lines = [f"coordinates {extents}, t in [0, {text(o.duration)}]"]
    lines += [f"field {u.declared}({names}, t){' complex' if u.is_complex else ''}" for u in fields]
    lines += o.declare.splitlines()
    second = o.left.startswith("dtt")
    factor = sp.I if o.left.startswith("i*") else R(1)
    for u, written in zip(fields, o.rates, strict=True):
        source = u.map(lambda p: sp.expand(factor * sp.diff(p, T, 2 if second else 1)) - next(rates))
        lines.append(f"{o.left.format(u.name)} = {written} + {source if source.startswith('[') else f'({source})'}")
        lines.append(f"initial {u.name} = {u.map(lambda p: p.subs(T, 0))}")
        lines += [f"initial dt({u.name}) = {u.map(lambda p: sp.diff(p, T))}"] if second else []
    for axis, extent, pair in zip(axes, EXTENTS, case.kinds, strict=False):
        if pair[0] == "periodic":
            lines.append(f"boundary {axis}: periodic")
            continue
        for kind, position, outward in zip(pair, extent, (-1, 1), strict=True):
            lines += [condition(kind, u, axis, position, outward) for u in fields]
    grid = ", ".join(f"{a}: {n}" for a, n in zip(axes, shape(case, cells), strict=True))
    grid += f", upwind {o.upwind}" if o.upwind is not None else ""
    lines += [f"grid {grid}", f"order {case.order}", f"march {o.march}"]
    return "\n".join(lines) + "\n", tuple(c for u in fields for c in u.channels)


def shape(case: Case, cells: int) -> tuple[int, ...]:
    """Cells along each axis."""
    return (cells, cells * 3 // 4) if case.dimension == 2 else (cells,) * case.dimension


def error(case: Case, cells: int) -> float:
    """The largest difference from the solution at the end of a march (of waves, which come and go: at any time of it), relative
    to the largest value."""
    written, exact = problem(case, cells)
    compilation, net = compiled(written)
    assert compilation.scheme.space_order == case.claim, "what the compiler claims"
    waves = case.operator.left.startswith("dtt")
    with torch.no_grad():
        found = (net.march(every=1)[0] if waves else net.march()).numpy()
    numbers = np.arange(net.STEPS + 1) if waves else np.array([net.STEPS])
    times = numbers * float(case.operator.duration) / net.STEPS
    mesh = np.meshgrid(times, *positions(case, cells), indexing="ij")
    wanted = np.stack([values(u, dict(zip((T, *SPACE), mesh, strict=False))) for u in exact], axis=1)
    # A system of second order has velocities behind its fields.
    worst = np.abs(found[:, : len(exact)] - wanted)
    return float(worst.max() / np.abs(wanted).max())


def positions(case: Case, cells: int) -> list[np.ndarray]:
    """Of the cells, an axis: centers between walls, from the lower end on periodic axes."""
    found = []
    for n, (lower, upper), pair in zip(shape(case, cells), EXTENTS, case.kinds, strict=False):
        first = 0.0 if pair[0] == "periodic" else 0.5
        found.append(float(lower) + (np.arange(n) + first) * float(upper - lower) / n)
    return found


# --- operators --------------------------------------------------------------------------------------------------------


def lap(u: sp.Expr) -> sp.Expr:
    return sum((sp.diff(u, x, 2) for x in SPACE), R(0))


def flux(a: sp.Expr, u: sp.Expr) -> sp.Expr:
    """div(a grad u)."""
    return sum((sp.diff(a * sp.diff(u, x), x) for x in SPACE), R(0))


def slope(u: sp.Expr, order: int = 1) -> sp.Expr:
    return sp.diff(u, X, order)


def sound(p: sp.Expr, *w: sp.Expr) -> tuple[sp.Expr, ...]:
    """-div(w) + lap(p)/5, -grad(p) + lap(w)/5."""
    divergence = sum((sp.diff(c, x) for c, x in zip(w, SPACE, strict=False)), R(0))
    return (lap(p) / 5 - divergence, *(lap(c) / 5 - sp.diff(p, x) for c, x in zip(w, SPACE, strict=False)))


def curl(*w: sp.Expr) -> tuple[sp.Expr, ...]:
    u, v, s = w
    return (
        sp.diff(s, Y) - sp.diff(v, Z),
        sp.diff(u, Z) - sp.diff(s, X),
        sp.diff(v, X) - sp.diff(u, Y),
    )


def smeared(u: sp.Expr) -> sp.Expr:
    """lap(u) + ∫ (x - x')² u(x') dx'."""
    other = sp.Symbol("s", real=True)
    lower, upper = EXTENTS[0]
    return lap(u) + sp.integrate(sp.expand((X - other) ** 2 * u.subs(X, other)), (other, lower, upper))


RIPPLE = 1 + sp.sin(2 * sp.pi * X) / 3
PLANE = RIPPLE * (1 + sp.cos(5 * sp.pi * Y / 3) / 4)
BOX = PLANE * (2 - sp.sin(2 * sp.pi * Z))
TILT = 1 + X / 2

THROUGH = ("dirichlet to outflow",)

OPERATORS: Mapping[str, Operator] = MappingProxyType({
    "lap": Operator(("lap(u)",), lap, IMPLICIT, finer=True),
    "eighth": Operator(("lap(u)",), lap, walls=(), periodic=(8,), sizes=(16, 20, 24, 32)),
    "eighth flux": Operator(("div((1 + u^2)*grad(u))",), lambda u: flux(1 + u**2, u), dimensions=(1,), walls=(), periodic=(8,),
                            sizes=(20, 24, 32, 40)),
    "eighth drift": Operator(("-3*dx(u) - d(u, x, 3)/50",), lambda u: -3 * slope(u) - slope(u, 3) / 50, TRANSPORT, (1,), (), (8,),
                             sizes=(16, 20, 24, 32)),
    "box": Operator(("lap(u)",), lap, EXPLICIT, (3,)),
    "dxx": Operator(("dxx(u)",), lambda u: slope(u, 2), IMPLICIT, (1,)),
    "axes": Operator(("dxx(u) + 2*dyy(u)",), lambda u: slope(u, 2) + 2 * sp.diff(u, Y, 2), IMPLICIT, (2,)),
    "advection": Operator(("lap(u) - 3*dx(u)",), lambda u: lap(u) - 3 * slope(u), IMPLICIT, walls=(2, 4)),
    "mixed": Operator(("lap(u) + 1/2*dxy(u)",), lambda u: lap(u) + sp.diff(u, X, Y) / 2, IMPLICIT, (2,), (2, 4)),
    "flux line": Operator((f"div(({text(RIPPLE)})*grad(u))",), lambda u: flux(RIPPLE, u), IMPLICIT, (1,),
                          title="div(a(x)*grad(u))"),
    "flux plane": Operator(("div(a*grad(u))",), lambda u: flux(PLANE, u), IMPLICIT, (2,), finer=True,
                           declare=f"let a(x, y) = {text(PLANE)}"),
    "flux box": Operator(("div(a*grad(u))",), lambda u: flux(BOX, u), EXPLICIT, (3,),
                         declare=f"let a(x, y, z) = {text(BOX)}"),
    "learned": Operator(("div(a*grad(u))",), lambda u: flux(RIPPLE, u), IMPLICIT, (1,), (), most={"periodic": 2},
                        declare=f"learn a(x) = {text(RIPPLE)} > 0", title="div(a*grad(u)), a learned"),
    "tilted": Operator(("div(a*grad(u))",), lambda u: flux(TILT, u), IMPLICIT, (1,), periodic=(),
                       most={"dirichlet": 2, "neumann": 1, "robin": 1}, declare=f"learn a(x) = {text(TILT)} > 0",
                       title="div(a*grad(u)), a learned"),
    "nested": Operator((f"dx(({text(RIPPLE)})*dx(u)) + lap(u)",), lambda u: slope(RIPPLE * slope(u)) + lap(u),
                       IMPLICIT, (1,), (2, 4), title="dx(a(x)*dx(u)) + lap(u)"),
    "nested alone": Operator((f"dx(({text(RIPPLE)})*dx(u))",), lambda u: slope(RIPPLE * slope(u)), IMPLICIT, (1,), (2, 4),
                             (), title="dx(a(x)*dx(u))"),
    "third": Operator(("d(u, x, 3) + dxx(u)",), lambda u: slope(u, 3) + slope(u, 2), IMPLICIT, (1,), ()),
    "fourth": Operator(("-d(u, x, 4)",), lambda u: -slope(u, 4), IMPLICIT, (1,), (), sizes=(18, 27, 40, 60)),
    "bilaplacian": Operator(("-1/10*lap(lap(u))",), lambda u: -lap(lap(u)) / 10, IMPLICIT, (1, 2), ()),
    "beam": Operator(("-d(u, x, 4)/100",), lambda u: -slope(u, 4) / 100, IMPLICIT, (1,), periodic=(), ends=tuple(PLATES)),
    "plate": Operator(("-lap(lap(u))/100",), lambda u: -lap(lap(u)) / 100, IMPLICIT, (2,), (2, 4), (), finer=True,
                      ends=("clamped", "supported", "no flux"), duration=R(1, 4)),
    "phases": Operator(("lap(u^3 - u)/50 - lap(lap(u))/400",), lambda u: lap(u**3 - u) / 50 - lap(lap(u)) / 400,
                       walls=(2, 4), periodic=(), dimensions=(1,), ends=("no flux",), sizes=(20, 28, 36, 48)),
    "dispersion": Operator(("-d(u, x, 3)/20",), lambda u: -slope(u, 3) / 20, IMPLICIT, (1,), (2, 4), (),
                           ends=("dirichlet to clamped",)),
    "outflow": Operator(("-3*dx(u)",), lambda u: -3 * slope(u), TRANSPORT, (1,), (2, 4), (), ends=THROUGH, duration=R(1, 2)),
    "outflow plane": Operator(("-3*dx(u) - (2 + sin(y))*dy(u)",),
                              lambda u: -3 * slope(u) - (2 + sp.sin(Y)) * sp.diff(u, Y), TRANSPORT, (2,), (2, 4), (),
                              ends=THROUGH, duration=R(1, 4)),
    **{f"outflow {n}": Operator(("-3*dx(u)",), lambda u: -3 * slope(u), TRANSPORT, (1,), (4,), (), ends=THROUGH,
                                duration=R(1, 2), upwind=n) for n in (1, 3, 5)},
    **{f"upwind {n}": Operator(("-dx(u)*(2 + sin(2*pi*x))",), lambda u: -(2 + sp.sin(2 * sp.pi * X)) * slope(u),
                               TRANSPORT, (1,), (), (2,), duration=R(1, 4), upwind=n) for n in (1, 3, 5)},
    **{f"burgers {n}": Operator(("1/2*lap(u) - (u + 1)*dx(u)",), lambda u: lap(u) / 2 - (u + 1) * slope(u), EXPLICIT,
                                (1,), (), (6,), upwind=n) for n in (1, 3, 5)},
    **{f"conservation {n}": Operator(("-dx(u^2)/2",), lambda u: -slope(u**2) / 2, TRANSPORT, (1,), (4,), (2,),
                                     ends=THROUGH, duration=R(1, 4), upwind=n) for n in (1, 3, 5)},
    "gated": Operator(("div((1 + u^2)*grad(u))",), lambda u: flux(1 + u**2, u)),
    "gated box": Operator(("div((1 + u^2)*grad(u))",), lambda u: flux(1 + u**2, u), EXPLICIT, (3,)),
    "conservation": Operator(("lap(u) - dx(u^2)/2",), lambda u: lap(u) - slope(u**2) / 2, walls=(2, 4)),
    "burgers": Operator(("1/2*lap(u) - u*dx(u)",), lambda u: lap(u) / 2 - u * slope(u), walls=(2, 4)),
    "power": Operator(("lap(u^3)",), lambda u: lap(u**3), finer=True, duration=R(1, 120)),
    "steep": Operator(("lap(u) + dx(u)^2",), lambda u: lap(u) + slope(u) ** 2, walls=(2, 4)),
    "coupled": Operator(("div(v*grad(u))", "lap(v) + 1/2*lap(u)"), lambda u, v: (flux(v, u), lap(v) + lap(u) / 2),
                        fields=("u", "v"), title="div(v*grad(u)); lap(v) + lap(u)/2"),
    "sound": Operator(("1/5*lap(p) - div(w)", "1/5*lap(w) - grad(p)"), sound, EXPLICIT, (2,), (2, 4), fields=("p", "w"),
                      title="-div(w) + lap(p)/5; -grad(p) + lap(w)/5", finer=True),
    "curl": Operator(("1/5*lap(w) + curl(w)",), lambda *w: tuple(lap(a) / 5 + b for a, b in zip(w, curl(*w), strict=True)),
                     EXPLICIT, (3,), (2, 4), fields=("w",)),
    "schroedinger": Operator(("-lap(psi) + x*psi",), lambda psi: -lap(psi) + X * psi, IMPLICIT, left="i*dt({0})",
                             fields=("psi",), title="i*dt(psi) = -lap(psi) + x*psi"),
    "smeared": Operator(("lap(u) + integral((x - x')^2*u(x'), x')",), smeared, EXPLICIT, (1,), periodic=(),
                        most={"dirichlet": 2, "neumann": 2, "robin": 2}, title="lap(u) + nonlocal"),
    "wave": Operator(("lap(u)",), lap, "leapfrog, dt: auto", left="dtt({0})", title="dtt(u) = lap(u)", duration=R(1)),
})  # fmt: skip

BOTH = {kind: (kind, kind) for kind in KINDS}
UNLIKE = (
    (("periodic", "periodic"), ("dirichlet", "neumann")),
    (("robin", "dirichlet"), ("periodic", "periodic")),
    (("dirichlet", "robin"), ("neumann", "dirichlet")),
)
"""Axes in the plane that differ, and walls of an axis that do."""

QUICK = frozenset(
    {
        *((name, 1, 4, kind) for name in ("advection", "flux line", "gated", "burgers", "wave") for kind in ("periodic", "robin")),
        *(("lap", 1, order, kind) for order in (2, 4, 6) for kind in KINDS),
        *((name, 1, order, "periodic") for name in ("third", "fourth") for order in (2, 6)),
        ("eighth", 1, 8, "periodic"), ("outflow", 1, 4, "dirichlet to outflow"), ("outflow 3", 1, 4, "dirichlet to outflow"),
        ("upwind 5", 1, 2, "periodic"), ("conservation 3", 1, 4, "dirichlet to outflow"),
        ("dispersion", 1, 4, "dirichlet to clamped"),
        *(("beam", 1, 4, kind) for kind in ("clamped", "free")), ("beam", 1, 6, "supported"), ("plate", 2, 2, "supported"),
        *(("lap", 2, order, kind) for order, kind in ((2, "neumann"), (4, "periodic"), (4, "robin"), (6, "dirichlet"))),
        *((name, 2, 4, "robin") for name in ("mixed", "flux plane", "gated", "sound")),
        ("tilted", 1, 4, "neumann"), ("schroedinger", 1, 4, "dirichlet"), ("box", 3, 4, "robin"), ("power", 1, 6, "neumann"),
    }
)  # fmt: skip
"""(operator, axes, order, kind) of the default suite."""

SPOTS = {
    "box": ((2, "periodic"), (4, "periodic"), (6, "periodic"), (2, "neumann"), (4, "dirichlet"), (4, "neumann"),
            (4, "robin"), (6, "robin")),
    "flux box": ((2, "robin"), (4, "periodic"), (4, "neumann"), (6, "dirichlet")),
    "gated box": ((2, "neumann"), (4, "dirichlet"), (4, "robin")),
    "curl": ((2, "neumann"), (4, "periodic"), (4, "dirichlet")),
}  # fmt: skip
"""(order, kind) of what is looked at in space."""


def _pair(ends: str) -> Pair:
    """`dirichlet to outflow` or the same at both ends."""
    lower, _, upper = ends.partition(" to ")
    return lower, upper or lower


def cases() -> Iterator[Case]:
    """The rows of the table, in order."""
    for name, operator in OPERATORS.items():
        for dimension in operator.dimensions:
            for kind, both in (
                BOTH if not operator.ends else {k: _pair(k) for k in ("periodic", *operator.ends)}
            ).items():
                for order in operator.periodic if kind == "periodic" else operator.walls:
                    if dimension == 3 and (order, kind) not in SPOTS[name]:
                        continue
                    yield Case(operator, order, (both,) * dimension, (name, dimension, order, kind) not in QUICK)
    for name in ("lap", "flux plane", "gated"):
        for kinds in UNLIKE:
            for order in (2, 4, 6):
                yield Case(OPERATORS[name], order, kinds, slow=(name, order) != ("lap", 4))
