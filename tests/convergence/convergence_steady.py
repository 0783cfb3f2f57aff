"""Orders of steady problems by manufactured solutions: every kind of wall, order and dimension; linear, complex, nonlinear,
systems, free constants, and each way to solve. Solutions, walls and grids are those of the orders in space, at t = 0."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import sympy as sp
import torch

from tests.comparison import compiled
from tests.convergence.convergence_notation import SPACE, T, X, Y, text, values
from tests.convergence.convergence_space import (
    EXTENTS,
    KINDS,
    Case,
    Operator,
    Unknown,
    condition,
    flux,
    lap,
    positions,
    shape,
    unknowns,
)
from tests.convergence.convergence_study import Row


@dataclass(frozen=True)
class Steady:
    """`written` = `means` of the solution, on axes with walls of some kinds, solved as `solve` says."""

    written: tuple[str, ...]
    means: Callable[..., sp.Expr | tuple[sp.Expr, ...]]
    order: int
    kinds: tuple[tuple[str, str], ...]
    fields: tuple[str, ...] = ("u",)
    solve: str = ""
    floating: bool = False
    finer: bool = False
    slow: bool = True

    @property
    def case(self) -> Case:
        """The same fields and axes of a march."""
        return Case(Operator(self.written, self.means, fields=self.fields), self.order, self.kinds)

    @property
    def name(self) -> str:
        """`lap(u), 2-D, order 4, dirichlet, by cg`."""
        return self.case.name + (f", by {self.solve.split(',')[0]}" if self.solve else "")

    @property
    def sizes(self) -> tuple[int, ...]:
        """Cells along x."""
        if self.finer:
            return {1: (36, 54, 80, 120), 2: (32, 44, 60, 80)}[len(self.kinds)]
        return {1: (24, 36, 54, 80), 2: (16, 24, 32, 40), 3: (8, 12, 16)}[len(self.kinds)]

    def row(self) -> Row:
        """A compilation and a solve a grid."""
        errors = tuple(error(self, n) for n in self.sizes)
        return Row(self.name, self.sizes, errors, self.case.claim, self.case.slack)


def problem(study: Steady, cells: int) -> tuple[str, tuple[sp.Expr, ...]]:
    """The text of the problem on a grid, and its solution, a channel each."""
    case, axes = study.case, SPACE[: len(study.kinds)]
    fields = tuple(Unknown(u.name, tuple(p.subs(T, 0) for p in u.parts)) for u in unknowns(case))
    means = study.means(*(p for u in fields for p in u.parts))
    sources = means if isinstance(means, tuple) else (means,)
    names = ", ".join(map(str, axes))
    extents = ", ".join(f"{a} in [{text(lo)}, {text(hi)}]" for a, (lo, hi) in zip(axes, EXTENTS, strict=False))
    lines = [f"coordinates {extents}"]
    lines += [f"field {u.declared}({names}){' complex' if u.is_complex else ''}" for u in fields]
    lines += [f"{left} = {text(right)}" for left, right in zip(study.written, sources, strict=True)]
    for axis, extent, pair in zip(axes, EXTENTS, study.kinds, strict=False):
        if pair[0] == "periodic":
            lines.append(f"boundary {axis}: periodic")
            continue
        for kind, position, outward in zip(pair, extent, (-1, 1), strict=True):
            lines += [condition(kind, u, axis, position, outward) for u in fields]
    lines += [f"grid {', '.join(f'{a}: {n}' for a, n in zip(axes, shape(case, cells), strict=True))}"]
    lines += [f"order {study.order}", *([f"solve {study.solve}"] if study.solve else [])]
    return "\n".join(lines) + "\n", tuple(c for u in fields for c in u.channels)


def error(study: Steady, cells: int) -> float:
    """The largest difference from the solution, relative to its largest value; its mean is left out where it is free."""
    written, exact = problem(study, cells)
    compilation, net = compiled(written)
    assert compilation.scheme.space_order == study.case.claim, "what the compiler claims"
    mesh = np.meshgrid(*positions(study.case, cells), indexing="ij")
    wanted = np.stack([values(u, dict(zip(SPACE, mesh, strict=False))) for u in exact])
    guess = torch.as_tensor(np.full_like(wanted, 1.0))[None]
    with torch.no_grad():
        found = net(guess)[0].numpy()
    difference = found - wanted
    if study.floating:
        difference = difference - difference.mean(axis=tuple(range(1, difference.ndim)), keepdims=True)
    return float(np.abs(difference).max() / np.abs(wanted).max())


def _axes(kind: str, dimension: int) -> tuple[tuple[str, str], ...]:
    return ((kind, kind),) * dimension


def studies() -> Iterator[Steady]:
    """All studies."""
    for order in (2, 4, 6):
        for kind in KINDS:
            for dimension in (1, 2):
                fixed = kind in ("periodic", "neumann")
                written = ("lap(u) - u",) if fixed else ("lap(u)",)
                means = (lambda u: lap(u) - u) if fixed else lap
                slow = (dimension, order) not in ((1, 2), (1, 4), (2, 4))
                finer = order == 6 and dimension == 1 and kind != "periodic"
                yield Steady(written, means, order, _axes(kind, dimension), finer=finer, slow=slow)
        mixed = (("dirichlet", "neumann"), ("robin", "dirichlet"))
        yield Steady(
            ("div((2 + x*y)*grad(u))",), lambda u: flux(2 + X * Y, u), order, mixed, finer=order > 2, slow=order != 2
        )
        yield Steady(("lap(u)",), lap, order, _axes("neumann", 2), floating=True, slow=order == 6)
        yield Steady(("lap(u)",), lap, order, _axes("periodic", 2), floating=True, slow=order == 6)
        yield Steady(
            ("lap(psi) + (30 + 2*i)*psi",),
            lambda p: lap(p) + (30 + 2 * sp.I) * p,
            order,
            mixed,
            fields=("psi",),
            slow=order != 4,
        )
        tight = "direct, tolerance: 1e-14"
        cubic = (("lap(u) - u^3",), lambda u: lap(u) - u**3)
        yield Steady(*cubic, order, mixed, solve=tight, finer=order > 2, slow=order != 2)
        if order == 6:
            continue  # first derivatives take up to order 4 at walls
        yield Steady(
            ("lap(u) - u*v", "lap(v) - v + dx(u)"),
            lambda u, v: (lap(u) - u * v, lap(v) - v + sp.diff(u, X)),
            order,
            (("dirichlet", "robin"),),
            fields=("u", "v"),
            slow=order != 4,
        )
    yield Steady(("lap(u) - u",), lambda u: lap(u) - u, 2, _axes("neumann", 2), solve="cg")
    yield Steady(("lap(u) - u",), lambda u: lap(u) - u, 4, _axes("periodic", 2), solve="cg")
    advected = (("lap(u) + 3*dx(u) - u",), lambda u: lap(u) + 3 * sp.diff(u, X) - u)
    yield Steady(*advected, 4, _axes("dirichlet", 2), solve="gmres")
    yield Steady(*advected, 4, _axes("robin", 2), solve="bicgstab, tolerance: 1e-11")
    yield Steady(("lap(u)",), lap, 2, _axes("dirichlet", 2), solve="multigrid, iterations: 30")
    for kind in KINDS[1:]:
        yield Steady(("lap(u)",) if kind != "neumann" else ("lap(u) - u",), lap if kind != "neumann" else (lambda u: lap(u) - u), 2,
                     _axes(kind, 3))  # fmt: skip
