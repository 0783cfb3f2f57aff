"""Implicit marches whose matrix changes along the march, differs by sample, or is dense: against the interpreter and SciPy,
gradients, adjoints, and what they say when they do not converge."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from npde.discretize.scheme import Implicit, LinearSolve
from tests.comparison import as_arrays, compiled, difference, perturb, physical, random_inputs
from tests.reference.interpreter import interpret

LINE = "coordinates x in [0, 1], t in [0, 0.2]\nfield u(x, t)\n"
PLANE = "coordinates x, y in [0, 1], t in [0, 0.1]\nfield u(x, y, t)\n"

IMPLICIT, SPLIT, STEPPED = (
    ("backward_euler", "crank_nicolson", "bdf2"),
    ("strang", "lie"),
    ("imex_euler", "cnab2", "sbdf2"),
)
WALLS = ("periodic", "u = 0.2", "x = 0: u = sin(t)\nboundary x = 1: dn(u) = 0")


def text(declared: str, equation: str, wall: str, march: str, cells: int = 10, more: str = "") -> str:
    return (
        f"{LINE}{declared}\ndt(u) = {equation}\nboundary {wall}\ninitial u = 1 + 0.3*sin(2*pi*x)\ngrid x: {cells}\n"
        f"march {march}, steps: 5\n{more}\n"
    )


EQUATIONS = {
    "learned values a step": ("learn D(t) = 0.1 > 0", "D*dxx(u) - u", (*IMPLICIT, *SPLIT, *STEPPED)),
    "a number a sample": ("input D", "D*dxx(u) - u", (*IMPLICIT, *SPLIT, *STEPPED, "etd1", "etdrk2", "etdrk4")),
    "a number a step and sample": ("input D(t)", "D*dxx(u) - 2*u", (*IMPLICIT, *SPLIT, *STEPPED)),
    "a field a sample": ("input a(x)", "div(a*grad(u)) + sin(x)", (*IMPLICIT, *STEPPED)),
    "a field a step and sample": ("input a(x, t)", "dx(a*dx(u))", (*IMPLICIT, *STEPPED)),
    "the time": ("", "(1 + t)*dxx(u) + x*u", (*IMPLICIT, *SPLIT, *STEPPED)),
    "the time, with a nonlinear term": ("", "(1 + t)*dxx(u) - u^3", (*SPLIT, *STEPPED)),
    "a kernel": ("learn W(x, x')", "0.1*dxx(u) + integral(W(x, x')*u(x'), x')", IMPLICIT),
    "a kernel a step": ("learn W(x, x', t)", "integral(W(x, x')*u(x'), x') - u", IMPLICIT),
    "a mean": ("", "0.1*dxx(u) - mean(u, x)", (*IMPLICIT, *STEPPED)),
    "a kernel in a nonlinear term": ("learn W(x, x')", "tanh(integral(W(x, x')*u(x'), x')) + u^2*dxx(u)", IMPLICIT[:1]),
}
CASES = [
    (name, scheme, wall)
    for name, (_, _, schemes) in EQUATIONS.items()
    for k, scheme in enumerate(schemes)
    for j, wall in enumerate(WALLS)
    if wall == "periodic" or (not scheme.startswith("etd") and (k + j) % 2)
]


@pytest.mark.parametrize(("name", "scheme", "wall"), CASES)
def test_steps_agree_with_the_interpreter(name: str, scheme: str, wall: str) -> None:
    declared, equation, _ = EQUATIONS[name]
    compilation, net = compiled(text(declared, equation, wall, scheme))
    perturb(net)
    given = random_inputs(net, 3)
    with torch.no_grad():
        start = net.initial_state(2, **given)
        found = net.march(**given, state=start, steps=3, every=1)
    exact = getattr(compilation.scheme.time, "linear_is_exact", True)
    expected = interpret(
        compilation.problem, physical(net, compilation.problem), as_arrays(given), steps=3, batch=2,
        dt=float(compilation.scheme.dt), linear="auto" if exact else "approximate",
    )  # fmt: skip
    assert difference(found.numpy(), expected) < 1e-11


# --- the order in time, with another integrator as reference ----------------------------------------------------------


@pytest.mark.parametrize(
    ("scheme", "order"),
    [
        ("backward_euler", 1),
        ("crank_nicolson", 2),
        ("bdf2", 2),
        ("imex_euler", 1),
        ("cnab2", 2),
        ("sbdf2", 2),
        ("strang", 2),
    ],
)
def test_coefficients_that_depend_on_time_keep_the_order(scheme: str, order: int) -> None:
    """u_t = (1 + sin(20 t)/2) u_xx + …, semi-discrete, by SciPy's Radau at a tolerance of 1e-11."""
    n, end = 16, 0.2
    x = (np.arange(n)) / n
    start = 1 + 0.3 * np.sin(2 * np.pi * x)

    def rate(t: float, u: np.ndarray) -> np.ndarray:
        second = (np.roll(u, 1) - 2 * u + np.roll(u, -1)) * n**2
        return (1 + np.sin(20 * t) / 2) * second / 50 - np.cos(t) * u

    wanted = solve_ivp(rate, (0, end), start, "Radau", [end], rtol=1e-11, atol=1e-12).y[:, 0]
    errors = []
    for steps in (20, 40, 80):
        source = text("", "(1 + sin(20*t)/2)*dxx(u)/50 - cos(t)*u", "periodic", scheme, n)
        _, net = compiled(source.replace("steps: 5", f"steps: {steps}"))
        with torch.no_grad():
            errors.append(float(np.abs(net.march()[0, 0].numpy() - wanted).max()))
    observed = [math.log2(a / b) for a, b in pairwise(errors)]
    assert observed[-1] > order - 0.1, (errors, observed)


# --- gradients --------------------------------------------------------------------------------------------------------

SOLVES = {
    "fft, a step": text("learn D(t) = 0.1 > 0", "D*dxx(u) - u", "periodic", "bdf2", 5),
    "fft, a sample": text("input D", "D*dxx(u) - u^3", "periodic", "sbdf2", 5),
    "propagator, a sample and step": text("input D(t)", "D*dxx(u) - u^3", "periodic", "strang", 5),
    "exponentials, a sample": text("input D", "D*dxx(u) - u^3", "periodic", "etdrk2", 5),
    "block LU, a step": text("learn D(t) = 0.1 > 0, q = 0.2", "(1 + t)*D*dxx(u) + x*u", "u = q", "crank_nicolson", 5),
    "block LU, a sample": text("input a(x)", "div(a*grad(u))", "u = 0.2", "backward_euler", 5),
    "block LU, a sample and step": text("input a(x, t)", "a*dxx(u)", "dn(u) = 0", "cnab2", 5),
    "CG": text("learn D(t) = 0.1 > 0, a(x) = 1 > 0", "D*div(a*grad(u))", "u = 0", "crank_nicolson", 6,
               "solve cg, tolerance: 1e-13"),
    "BiCGStab": text("input a(x, t)", "a*dxx(u) - dx(u)", "u = 0.2", "bdf2", 6, "solve bicgstab, tolerance: 1e-13"),
    "GMRES": text("learn W(x, x')\ninput a(x)", "0.1*dxx(u) + a*integral(W(x, x')*u(x'), x')", "u = 0.2", "backward_euler", 6,
                  "solve gmres, tolerance: 1e-13"),
    "Newton and GMRES": text("learn W(x, x'), q = 0.2\ninput a(x)", "tanh(a*integral(W(x, x')*u(x'), x')) + u^2*dxx(u)/9 + t",
                             "u = q", "crank_nicolson", 3, "solve gmres, tolerance: 1e-13"),
}  # fmt: skip


@pytest.mark.parametrize("name", SOLVES)
def test_gradcheck(name: str) -> None:
    _, net = compiled(SOLVES[name])
    perturb(net, size=0.1)
    inputs = random_inputs(net, 2)
    state = net.initial_state(2, **inputs).detach().requires_grad_()
    names = [n for n, _ in net.named_parameters()]
    values = [p.detach().clone().requires_grad_() for p in net.parameters()]
    given = [v.requires_grad_() for v in inputs.values()]

    def run(state: torch.Tensor, *rest: torch.Tensor) -> torch.Tensor:
        arrays = dict(zip(inputs, rest[: len(given)], strict=True))
        held = dict(zip(names, rest[len(given) :], strict=True))

        class Marched(torch.nn.Module):
            def forward(self) -> torch.Tensor:
                return net.march(**arrays, state=state, steps=2)

        wrapper = Marched()
        wrapper.net = net
        return torch.func.functional_call(wrapper, {f"net.{k}": v for k, v in held.items()}, ())

    assert torch.autograd.gradcheck(run, (state, *given, *values), eps=1e-6, atol=1e-7, rtol=1e-5)


@pytest.mark.parametrize("name", [n for n in SOLVES if n not in ("fft, a sample", "propagator, a sample and step")])
def test_the_gradient_of_a_march_is_the_transpose_of_its_derivative(name: str) -> None:
    """<J v, w> = <v, Jᵀ w>. Marches of linear equations are affine, so J v is a difference; others by central differences of
    fourth order, which are exact to 1e-12 for what is nearly cubic."""
    _, net = compiled(SOLVES[name].replace("1e-13", "1e-15"))
    inputs = random_inputs(net, 5)
    generator = torch.Generator().manual_seed(1)
    start = net.initial_state(2, **inputs).detach()
    v, w = (torch.randn(start.shape, dtype=start.dtype, generator=generator) for _ in range(2))
    with torch.no_grad():
        at = [net.march(**inputs, state=start + 1e-2 * k * v) for k in (-2, -1, 1, 2)]
    pushed = (8 * (at[2] - at[1]) - (at[3] - at[0])) / 12e-2
    wanted = start.clone().requires_grad_()
    (pulled,) = torch.autograd.grad((net.march(**inputs, state=wanted) * w).sum(), wanted)
    left, right = float((pushed * w).sum()), float((v * pulled).sum())
    is_affine = name not in ("Newton and GMRES", "exponentials, a sample")
    assert abs(left - right) <= (1e-12 if is_affine else 1e-6) * float(pushed.norm() * w.norm())


# --- which solve, and what it says ------------------------------------------------------------------------------------


def solve(source: str) -> LinearSolve:
    compilation, _ = compiled(source)
    assert isinstance(compilation.scheme.time, Implicit)
    return compilation.scheme.time.solve


@pytest.mark.parametrize(
    ("cells", "equation", "wall", "method"),
    [
        (40, "D*div(a*grad(u))", "u = 0", "block_lu"),
        (100, "D*div(a*grad(u))", "u = 0", "block_lu"),
        (140, "D*div(a*grad(u))", "u = 0", "cg"),
        (140, "D*div(a*grad(u)) - u^3", "u = 0", "block_lu"),
        (400, "D*div(a*grad(u))", "u = 1", "cg"),
        (400, "D*a*lap(u)", "u = 0", "gmres"),
        (240, "div(a*grad(u))", "u = 0", "block_lu"),
        (400, "div(a*grad(u))", "u = 0", "cg"),
        (400, "D*lap(u)", "periodic", "fft"),
        (400, "D*lap(u) - u^3", "periodic", "gmres"),
        (40, "D*lap(u) - u^3", "periodic", "block_lu"),
    ],
)
def test_wide_blocks_are_not_factored_in_every_step(cells: int, equation: str, wall: str, method: str) -> None:
    source = (
        f"{PLANE}learn D(t) = 1 > 0, a(x, y) = 1 > 0\ndt(u) = {equation}\nboundary {wall}\ninitial u = 1\n"
        f"grid x: {cells}, y: {cells}\nmarch backward_euler, steps: 2\n"
    )
    assert solve(source).method == method


def test_krylov_solves_of_a_plane_agree_with_block_elimination() -> None:
    source = (
        f"{PLANE}learn D(t) = 1 > 0, a(x, y) = 1 > 0\ninput s(x, y)\ndt(u) = D*div(a*grad(u)) + s*dx(u)\nboundary u = 0.3\n"
        "initial u = sin(pi*x)*y\ngrid x: 14, y: 12\nmarch bdf2, steps: 4\n"
    )
    found = []
    for stated in ("", "solve gmres, tolerance: 1e-13\n", "solve bicgstab, tolerance: 1e-13\n"):
        _, net = compiled(source + stated)
        perturb(net)
        with torch.no_grad():
            found.append(net.march(**random_inputs(net, 4)))
    assert difference(found[1].numpy(), found[0].numpy()) < 1e-11
    assert difference(found[2].numpy(), found[0].numpy()) < 1e-11


@pytest.mark.parametrize(("method", "called"), [("cg", "CG"), ("bicgstab", "BiCGStab"), ("gmres", "GMRES")])
def test_a_solve_that_does_not_converge_is_an_error_with_its_history(method: str, called: str) -> None:
    _, net = compiled(
        text("learn D(t) = 1 > 0", "D*dxx(u)", "u = 0", "backward_euler", 40, f"solve {method}, iterations: 3")
    )
    with pytest.raises(RuntimeError, match=f"{called} did not converge in 3 iterations") as caught:
        net.march()
    assert len(caught.value.history) == 4  # type: ignore[attr-defined]


def test_newton_and_gmres_say_which_of_them_did_not_converge() -> None:
    _, net = compiled(text("", "dxx(u) - u^3", "u = 0", "backward_euler", 40, "solve gmres, iterations: 3"))
    with pytest.raises(RuntimeError, match="GMRES did not converge"):
        net.march()


def test_a_matrix_that_stays_is_factored_once_although_wall_data_change() -> None:
    compilation, _ = compiled(text("", "(1 + x)*dxx(u)", "u = sin(t)", "crank_nicolson"))
    assert "factor_tridiagonal(" in compilation.source.split("def coefficients")[1].split("def ")[0]
