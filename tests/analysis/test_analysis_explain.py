"""What `npde explain` says of every scheme, solve, layer and learned value."""

from __future__ import annotations

import pytest

import npde
from npde.analysis.explain import explain

HEAD = "model m\ncoordinates x in [0, 1], t in [0, 0.1]\nfield u(x, t)\nlearn D = 0.1 > 0\n"
PERIODIC = "boundary periodic\ninitial u = sin(2*pi*x)\ngrid x: 16\n"
WALLS = "boundary x = 0: u = t\nboundary x = 1: u + D*dn(u) = 0\ninitial u = x\ngrid x: 16\n"
REACTION = "dt(u) = D*dxx(u) - u^3\n"
STEADY = "model m\ncoordinates x, y in [0, 1]\nfield u(x, y)\ninput s(x, y), V(x, y)\n"

SCHEMES = {
    "dopri5": (REACTION + PERIODIC + "march dopri5, steps: 5, tolerance: 1e-7", "adaptive: error below 1e-07"),
    "ab3": (REACTION + PERIODIC + "march ab3, steps: 1000", "Adams-Bashforth, order 3, started by ssprk3"),
    "lie": (
        REACTION + PERIODIC + "march lie, steps: 5",
        "order 1, exp(L*dt), then N(dt); L solved by FFT, N by its exact flow",
    ),
    "strang": ("dt(u) = D*dxx(u) - sinh(u)\n" + WALLS + "march strang, steps: 5", "N by one RK4 step"),
    "bdf2": (REACTION + WALLS + "march bdf2, steps: 5", "Newton's method"),
    "crank_nicolson": ("dt(u) = D*dxx(u)\n" + PERIODIC + "march crank_nicolson, steps: 5", "order 2, solved by FFT"),
    "sbdf2": (REACTION + WALLS + "march sbdf2, steps: 5", "S = L q + s implicitly, N explicitly; L solved by"),
    "etdrk4": (REACTION + PERIODIC + "march etdrk4, steps: 5", "exponential time differencing; L exact by FFT"),
    "etd1": ("dt(u) = D*dxx(u) - u*dx(u)\n" + PERIODIC + "march etd1, steps: 5", "q' = exp(h*L) q + h*φ1 N(q)"),
}


@pytest.mark.parametrize("name", SCHEMES)
def test_schemes(name: str) -> None:
    text, wanted = SCHEMES[name]
    assert wanted in explained(HEAD + text + "\n")


SOLVES = {
    "Poisson": ("lap(u) = s\nboundary u = 0", "L q = -s solved by"),
    "a matrix a sample": ("lap(u) - V*u = s\nboundary u = 0\nsolve direct", "one matrix a sample: an input multiplies the fields"),
    "free": ("lap(u) = s\nboundary dn(u) = 0", "L annihilates constants"),
    "Newton": ("lap(u) - u^3 = s\nboundary u = 0", "until a relative residual of"),
    "cg": ("lap(u) - u = s\nboundary u = 0\nsolve cg", "CG, its matrix symmetric and definite"),
    "bicgstab": ("lap(u) + dx(u) = s\nboundary u = 0\nsolve bicgstab, tolerance: 1e-8", "L q = -s solved by BiCGStab"),
    "jacobi": ("lap(u) = s\nboundary u = 0\nsolve jacobi, iterations: 7", "7 damped Jacobi sweeps"),
    "multigrid": ("lap(u) = s\nboundary u = 0\nsolve multigrid, iterations: 3", "3 multigrid V-cycles"),
}  # fmt: skip


@pytest.mark.parametrize("name", SOLVES)
def test_solves(name: str) -> None:
    text, wanted = SOLVES[name]
    found = explained(f"{STEADY}{text}\ngrid x: 8, y: 8\n")
    assert wanted in found
    assert ("one solve with the transposed matrix" in found) == (name not in ("jacobi", "multigrid"))


def test_layers_that_absorb() -> None:
    text = "coordinates x in [0, 1]\nfield u(x) complex\ndxx(u) + 900*u = exp(-900*(x - 0.5)^2)\n"
    found = explained(text + "boundary absorbing(0.25)\ngrid x: 64\n")
    assert "absorbing layers at both ends of x, 0.25 wide (16 cells), zero behind" in found
    assert "d/dx becomes (1/s) d/dx, s = 1 + 2.7631*i*(depth/0.25)^2" in found


def test_ordinary_differential_equations() -> None:
    found = explained("coordinates t in [0, 1]\nfield u(t)\ndt(u) = -u\ninitial u = 1\nmarch rk4, steps: 10\n")
    assert "no space coordinates: a system of ordinary differential equations" in found


def test_what_is_learned() -> None:
    learned = (
        "learn a(x) = 0.5 in [0, 1], c = 0.1 < 2, b, r(t) = 0.3, W(x, x'), f(q) = mlp(8, 4, tanh)\ninput s[2](x)\n"
        "dt(u) = D*dxx(u) + a*f(u) + r + b*c + integral(W(x, x')*u(x'), x')\n"
    )
    text = (
        HEAD + learned + PERIODIC.replace("initial u = sin(2*pi*x)", "initial u = lift(s)") + "march rk4, steps: 9000\n"
    )
    found = explained(text)
    for line in (
        "D: 1 number, > 0, starts at 0.1", "a: 16 numbers, 16, in [0, 1], starts at 0.5", "c: 1 number, < 2",
        "b: 1 number, starts at random", "one for each of 9,000 steps", "a network 1-8-4-1 with tanh", "lift 2 to 1 with bias",
    ):  # fmt: skip
        assert line in found, line


def explained(text: str) -> str:
    return explain(npde.parse(text).analyze().graph)
