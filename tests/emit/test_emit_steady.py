"""Emitted solvers of steady problems: residuals at rounding, realisations that agree, gradients by a transposed solve."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

import npde
from npde.options import Overrides
from tests.comparison import EXAMPLES, as_arrays, compiled, difference, perturb, physical, random_inputs
from tests.reference.steady import solve

POISSON = """
coordinates x, y in [0, 1]
field u(x, y)
learn a(x, y) = 1 > 0, q = 1
input s(x, y)
div(a*grad(u)) = s
boundary x = 0: u = 0
boundary x = 1: dn(u) = q
boundary y = 0: u + 2*dn(u) = x
boundary y = 1: u = sin(x)
grid x: 9, y: 8
"""
FLOATING = """
coordinates x, y in [0, 1]
field u(x, y)
learn a(x, y) = 1 > 0
input s(x, y)
div(a*grad(u)) = s - mean(s, x, y)
boundary dn(u) = 0
grid x: 8, y: 9
order 4
"""
WAVE = """
coordinates x, y in [0, 1]
field u(x, y) complex
learn n(x, y) = 1 > 0
input s(x, y)
lap(u) + (100 + 5*i)*n*u = s
boundary x: periodic
boundary y: u = 0
grid x: 8, y: 9
order 4
"""
SAMPLES = """
coordinates x in [0, 1]
field u(x), v(x)
learn a = 1 > 0
input V(x), s(x)
a*dxx(u) - V*u + v = s
dxx(v) - V*v - u = 1
boundary u = 0, v = 1
grid x: 12
"""
PERIODIC = """
coordinates x, y in [0, 1]
field u(x, y), v(x, y)
learn a = 1 > 0
input s(x, y)
a*lap(u) + dx(v) - 3*u = s
lap(v) - dy(u) - v = 1
boundary periodic
grid x: 8, y: 6
"""
BRATU = """
coordinates x, y in [0, 1]
field u(x, y)
learn lam = 1 > 0
input s(x, y)
lap(u) - lam*exp(u) = s
boundary x: periodic
boundary y = 0: u = 0.3
boundary y = 1: u + dn(u) = lam
grid x: 6, y: 7
"""
POROUS = """
coordinates x in [0, 1]
field u(x), v(x)
learn a(x) = 1 > 0, f(q) = mlp(3, tanh)
input s(x)
div((a + u^2)*grad(u)) + f(v) = s
dxx(v) - v^3 = u
boundary u = x, v = 1
grid x: 6
solve bicgstab
"""
KRYLOV = """
coordinates x, y in [0, 1]
field u(x, y)
learn a(x, y) = 1 > 0, W(x, x') = 1
input s(x, y), V(x, y)
div(a*grad(u)) - V*u + 0.1*integral(W(x, x')*u(x', y), x') = s
boundary x: periodic
boundary y: u = x
grid x: 6, y: 5
solve gmres, tolerance: 1e-13
"""
DEFINITE = """
coordinates x, y in [0, 1]
field u(x, y)
learn a(x, y) = 1 > 0
input s(x, y)
div(a*grad(u)) - (1 + x^2)*u = s
boundary x: dn(u) = y
boundary y: u + 2*dn(u) = x
grid x: 7, y: 6
solve cg, tolerance: 1e-14
"""
OPEN = """
coordinates x in [0, 1]
field u(x) complex
learn n(x) = 1 > 0
input s(x)
dxx(u) + (20*n)^2*u = s
boundary absorbing(0.25)
grid x: 24
order 4
"""
COSINES = """
coordinates x, y in [0, 1]
field u(x, y), v(x, y)
learn a = 1 > 0, q = 1
input s(x, y)
a*lap(u) + dx(v) = s - mean(s, x, y)
lap(v) - 3*v + dx(v) = 1
boundary x: periodic
boundary y = 0: dn(u) = 0, dn(v) = q
boundary y = 1: dn(u) = sin(2*pi*x), dn(v) = x
grid x: 8, y: 6
"""
SINES = """
coordinates x, y in [0, 1]
field u(x, y) complex
learn a = 1 > 0
input s(x, y)
a*lap(u) + (200 + 5*i)*u = s
boundary x = 0: u = y
boundary x = 1: dn(u) = a
boundary y: u = i*x^2
grid x: 9, y: 8
"""
LAYERED = """
coordinates x, y in [0, 1]
field u(x, y) complex
learn n(x, y) = 1 > 0
input s(x, y)
lap(u) + (20*n)^2*u = s
boundary x: absorbing(0.25)
boundary y = 0: u = 1
boundary y = 1: u + 2*dn(u) = 2
grid x: 12, y: 9
order 4
solve gmres, tolerance: 1e-13
"""
SAMPLED = """
coordinates x, y in [0, 1]
field u(x, y), v(x, y)
learn a(x, y) = 1 > 0
input s(x, y), V(x, y)
div(a*grad(u)) - (2 + V)*u + v + 3*dx(u) = s
lap(v) - 2*v + u = x
boundary x: periodic
boundary y: u = x, dn(v) = 1
grid x: 6, y: 7
solve bicgstab, tolerance: 1e-13
"""
SEPARATE = """
coordinates x, y, z in [0, 1]
field u(x, y, z), v(x, y, z)
learn a(x) = 1 > 0, V(y) = 1, q = 1 > 0
input s(x, y, z)
div([a*dx(u), q*dy(u), dz(u)]) - (V + z)*u = s
q*lap(v) - x*v = u*0 + 1
boundary x: periodic
boundary y: u + q*dn(u) = x, dn(v) = 1
boundary z: u = y, v + dn(v) = q
grid x: 5, y: 6, z: 4
"""
TURNED = """
coordinates x, y in [0, 1]
field u(x, y) complex
learn a = 1 > 0
input s(x, y)
(a + 2*i)*lap(u) + (200 + 5*i)*u = s
boundary x: u + a*dn(u) = y
boundary y = 0: u = i*x
boundary y = 1: dn(u) = a
grid x: 9, y: 8
order 4
"""
SLOPES = """
coordinates x, y in [0, 1]
field u(x, y)
learn a = 1 > 0
input s(x, y)
a*lap(u) = s - mean(s, x, y)
boundary dn(u) = 0
grid x: 8, y: 9
order 4
"""
TEXTS = {
    "layered": LAYERED, "sampled": SAMPLED, "separate": SEPARATE, "turned": TURNED, "slopes": SLOPES,
    "cosines": COSINES, "sines": SINES,
    "bratu": BRATU, "porous": POROUS, "krylov": KRYLOV, "definite": DEFINITE, "open": OPEN,
    "poisson": POISSON, "floating": FLOATING, "wave": WAVE, "samples": SAMPLES, "periodic": PERIODIC,
}  # fmt: skip
FREE = ("floating", "cosines", "slopes")
LINEAR = sorted(TEXTS.keys() - {"bratu", "porous"})


def prepared(name: str, network: str = "cnn") -> tuple[torch.nn.Module, dict[str, Tensor]]:
    _, net = compiled(TEXTS[name], network)
    perturb(net)
    return net, random_inputs(net, 0)


def residual(net: torch.nn.Module, given: dict[str, Tensor], state: Tensor) -> Tensor:
    """F(q); of floating problems the part that no solution can remove is left out."""
    guess, c = net._prepare(*given.values(), state)
    return net.residual(guess, *(() if c is None else (c,)))


@pytest.mark.parametrize("name", sorted(TEXTS))
def test_the_residual_vanishes(name: str) -> None:
    net, given = prepared(name)
    with torch.no_grad():
        found = net(**given)
        rest, size = residual(net, given, found), residual(net, given, torch.zeros_like(found))
    if name in FREE:
        rest = rest - rest.mean((2, 3), keepdim=True)  # the constants outside of the range
        assert float(found[:, :1].mean((2, 3)).abs().max()) < 1e-14
    assert float(rest.abs().max()) < 2e-11 * float(size.abs().max())


@pytest.mark.parametrize("name", sorted(TEXTS))
def test_it_agrees_with_the_interpreter(name: str) -> None:
    compilation, net = compiled(TEXTS[name])
    perturb(net)
    given = random_inputs(net, 0)
    learned = physical(net, compilation.problem)
    found = net(**given).detach().numpy()
    how = {"floating": int(name in FREE), "wave_number": 20.0}
    expected = solve(compilation.problem, learned, as_arrays(given), batch=2, **how)
    assert difference(found, expected) < 1e-9


@pytest.mark.parametrize("name", ["bratu", "helmholtz", "poisson"])
def test_examples_agree_with_the_interpreter(name: str) -> None:
    text = (EXAMPLES / f"{name}.npde").read_text()
    compilation, net = compiled(text, overrides=Overrides(grid={"x": 10, "y": 9}))
    perturb(net)
    found = net().detach().numpy()
    expected = solve(compilation.problem, physical(net, compilation.problem), wave_number=40.0)
    assert difference(found, expected) < 1e-10


@pytest.mark.parametrize("network", ["mlp", "rnn"])
@pytest.mark.parametrize("name", sorted(TEXTS))
def test_realisations_agree(name: str, network: str) -> None:
    net, given = prepared(name)
    other, _ = prepared(name, network)
    other.load_state_dict(net.state_dict())
    with torch.no_grad():
        a, b = net(**given), other(**given)
    assert float((a - b).abs().max()) < 1e-12 * float(a.abs().max())


@pytest.mark.parametrize("name", sorted(TEXTS))
def test_gradients(name: str) -> None:
    """Against central differences, of everything learned and given."""
    net, given = prepared(name)
    names = [n for n, _ in net.named_parameters()]
    values = [p.detach().clone().requires_grad_() for p in net.parameters()]
    inputs = [v.clone().requires_grad_() for v in given.values()]

    def run(*arguments: Tensor) -> Tensor:
        parameters = dict(zip(names, arguments[: len(names)], strict=True))
        return torch.func.functional_call(net, parameters, arguments[len(names) :])

    assert torch.autograd.gradcheck(run, (*values, *inputs), eps=1e-6, atol=1e-6, rtol=1e-4, fast_mode=True)


@pytest.mark.parametrize("name", LINEAR)
def test_the_adjoint_of_a_solve(name: str) -> None:
    """<J v, w> = <v, Jᵀ w> for the map from the inputs, which is affine, to the solution."""
    net, given = prepared(name)
    free = "s"

    def run(s: Tensor) -> Tensor:
        return net(**{**given, free: s})

    generator = torch.Generator().manual_seed(1)
    v = torch.randn(given[free].shape, generator=generator, dtype=torch.float64)
    origin = given[free].clone().requires_grad_()
    out = run(origin)
    w = torch.randn(out.shape, generator=generator, dtype=torch.float64)
    (back,) = torch.autograd.grad(out, origin, w)
    with torch.no_grad():
        forward = run(given[free] + v) - run(given[free])
    left, right = float((forward * w).sum()), float((v * back).sum())
    assert abs(left - right) <= 1e-12 * float(forward.norm() * w.norm() + v.norm() * back.norm())


def test_what_does_not_balance_has_no_solution() -> None:
    net = npde.parse("coordinates x in [0, 1]\nfield u(x)\ndxx(u) = 1\nboundary dn(u) = 0\ngrid x: 16\n").compile()
    with pytest.raises(ValueError, match="do not balance"):
        net()
    net = npde.parse("coordinates x in [0, 1]\nfield u(x)\ndxx(u) = 1\nboundary periodic\ngrid x: 16\n").compile()
    with pytest.raises(ValueError, match="do not balance"):
        net()
    text = (
        "coordinates x in [0, 1]\nfield u(x), v(x)\ndxx(u) + v = {}\ndxx(v) - 3*v = 6\nboundary periodic\ngrid x: 16\n"
    )
    with pytest.raises(ValueError, match="do not balance"):
        npde.parse(text.format(0)).compile()()
    found = npde.parse(text.format(-2)).compile(dtype=torch.float64)()[0]
    assert float((found - torch.tensor([[0.0], [-2.0]])).abs().max()) < 1e-14


def test_a_balanced_slope_has_a_solution() -> None:
    """u'' = 1, u'(0) = 0, u'(1) = 1: u = x²/2 - 1/6, exact at order 2 but for the mean over cell centers."""
    text = "coordinates x in [0, 1]\nfield u(x)\ndxx(u) = 1\nboundary x = 0: dn(u) = 0\nboundary x = 1: dn(u) = 1\ngrid x: 16\n"
    net = npde.parse(text).compile(dtype=torch.float64)
    x = (torch.arange(16, dtype=torch.float64) + 0.5) / 16
    expected = x**2 / 2
    assert float((net()[0, 0] - (expected - expected.mean())).abs().max()) < 1e-12


def test_steps_are_an_error_and_a_state_is_a_guess() -> None:
    net, given = prepared("poisson")
    with pytest.raises(TypeError, match="steps"):
        net(**given, steps=3)
    with torch.no_grad():
        found = net(**given)
        again = net(**given, state=torch.full_like(found, 7.0))
    assert float((found - again).abs().max()) < 1e-11
    assert tuple(net.initial_state(3).shape) == (3, 1, 9, 8)


@pytest.mark.parametrize(
    "name", ["poisson", "floating", "wave", "periodic", "open", "cosines", "sines", "turned", "slopes"]
)
def test_it_exports_and_compiles_in_one_graph(name: str) -> None:
    net, given = prepared(name)
    batch = torch.export.Dim("batch", min=2, max=64)
    exported = torch.export.export(net, (), given, dynamic_shapes={n: {0: batch} for n in given})
    other = random_inputs(net, 0, batch=3, seed=5)
    with torch.no_grad():
        assert float((exported.module()(**other) - net(**other)).abs().max()) < 1e-12


def test_outputs_are_returned_in_place_of_the_solution() -> None:
    text = POISSON + "output m = mean(u, x, y)\noutput flux(x, y) = a*dx(u)\n"
    _, net = compiled(text)
    given = random_inputs(net, 0)
    with torch.no_grad():
        found, state = net(**given), net.solve(**given)
    assert sorted(found) == ["flux", "m"]
    assert torch.allclose(found["m"], state.mean((1, 2, 3)))
    assert tuple(found["flux"].shape) == (2, 9, 8)


def test_complex_numbers_halve_the_matrix() -> None:
    """A complex field that is solved in complex numbers, against the same system written as two real fields."""
    whole = npde.parse(WAVE).compile(dtype=torch.float64)
    text = """
coordinates x, y in [0, 1]
field a(x, y), b(x, y)
input s(x, y)
lap(a) + 100*a - 5*b = s
lap(b) + 100*b + 5*a = 0
boundary x: periodic
boundary y: a = 0, b = 0
grid x: 8, y: 9
order 4
"""
    parts = npde.parse(text).compile(dtype=torch.float64)
    s = random_inputs(parts, 0)["s"]
    assert whole.coefficients(s.unsqueeze(1)).factors[1].is_complex()
    with torch.no_grad():
        assert float((whole(s) - parts(s)).abs().max()) < 1e-12
    assert math.isfinite(float(whole(s).detach().abs().max()))


@pytest.mark.parametrize("ends", [("u", "u"), ("dn(u)", "dn(u)"), ("u", "dn(u)")])
def test_waves_between_walls_that_do_not_occur_may_be_singular(ends: tuple[str, str]) -> None:
    """Odd images have no mean, which Δ annihilates; even ones no wave of two cells, odd and even ones no even wave."""
    n = 8
    c = {"u": 0, "dn(u)": 4 * n * n}[ends[0]] if ends[0] == ends[1] else 0
    text = (
        f"coordinates x in [0, 1], t in [0, 1]\nfield u(x, t)\ninput s(x)\ndt(u) = dxx(u) + {c + n}*u + s\n"
        f"boundary x = 0: {ends[0]} = 1\nboundary x = 1: {ends[1]} = 2\ninitial u = 0\ngrid x: {n}\n"
        f"march backward_euler, steps: {n}\n"
    )
    steady = f"coordinates x in [0, 1]\nfield u(x)\ninput s(x)\ndxx(u) + {c}*u = s\nboundary x = 0: {ends[0]} = 1\n"
    steady += f"boundary x = 1: {ends[1]} = 2\ngrid x: {n}\n"
    for written in (text, steady):
        compilation, net = compiled(written)
        assert compilation.scheme.time.solve.mirrors
        s = random_inputs(net, 0)["s"]
        with torch.no_grad():
            if written is text:
                before = net.initial_state(2)
                after = net.march(s, state=before, steps=1)
                rest = after - before - net.DT * net.rhs(after, net._prepare(s, before, 1, 0)[2])
            else:
                after = net(s)
                rest = residual(net, {"s": s}, after)
        assert float(rest.abs().max()) < 1e-11 * float(after.abs().max())


# --- iterations -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["bratu", "porous"])
def test_the_adjoint_at_a_nonlinear_solution(name: str) -> None:
    """<J v, w> = <v, Jᵀ w>, J v by the linearised equation solved forward: J_u x = -∂F/∂s v, densely."""
    net, given = prepared(name)
    given = {n: v[:1] for n, v in given.items()}
    origin = given["s"].clone().requires_grad_()
    out = net(**{**given, "s": origin})
    generator = torch.Generator().manual_seed(1)
    v = torch.randn(origin.shape, generator=generator, dtype=torch.float64)
    w = torch.randn(out.shape, generator=generator, dtype=torch.float64)
    (back,) = torch.autograd.grad(out, origin, w)

    def of_state(q: Tensor) -> Tensor:
        return residual(net, given, q.reshape(out.shape)).flatten()

    def of_source(s: Tensor) -> Tensor:
        return residual(net, {**given, "s": s}, out.detach()).flatten()

    matrix = torch.func.jacrev(of_state)(out.detach().flatten())
    right = torch.autograd.functional.jvp(of_source, given["s"], v)[1]
    forward = -torch.linalg.solve(matrix, right).reshape(out.shape).detach()
    left, right = float((forward * w).sum()), float((v * back).sum())
    assert abs(left - right) <= 1e-12 * float(forward.norm() * w.norm() + v.norm() * back.norm())


def test_newton_finds_the_branch_of_its_guess() -> None:
    """u'' + 2 e^u = 0 on [0, 1], u = 0 at the walls: u = -2 log(cosh((x - 1/2) θ/2)/cosh(θ/4)), θ = 2 cosh(θ/4) with two roots."""
    text = (
        "coordinates x in [0, 1]\nfield u(x)\ndxx(u) + 2*exp(u) = 0\nboundary u = 0\ninitial u = {}*x*(1 - x)\n"
        "grid x: 128\norder 4\n"
    )
    x = (torch.arange(128, dtype=torch.float64) + 0.5) / 128

    def equation(theta: float) -> float:
        return theta - 2 * math.cosh(theta / 4)

    for guess, a, b in (("0", 0.1, 4.0), ("16", 5.0, 12.0)):
        while b - a > 1e-14 * b:
            middle = (a + b) / 2
            a, b = (middle, b) if (equation(a) < 0) == (equation(middle) < 0) else (a, middle)
        exact = -2 * torch.log(torch.cosh((x - 0.5) * a / 2) / math.cosh(a / 4))
        found = npde.parse(text.format(guess)).compile(dtype=torch.float64)()[0, 0]
        assert float((found - exact).abs().max()) < 2e-6


def test_samples_take_their_own_newton_steps() -> None:
    _, net = compiled(BRATU)
    s = torch.stack([torch.zeros(6, 7), torch.full((6, 7), -30.0), torch.ones(6, 7)]).double()
    with torch.no_grad():
        together = net(s)
        apart = torch.cat([net(one[None]) for one in s])
    assert float((together - apart).abs().max()) < 1e-9


@pytest.mark.parametrize("method", ["cg", "bicgstab", "gmres"])
def test_krylov_methods_agree_with_direct_ones(method: str) -> None:
    for text in (DEFINITE, FLOATING.replace("order 4\n", "")):
        plain = "\n".join(line for line in text.splitlines() if not line.startswith("solve"))
        nets = [compiled(f"{plain}\nsolve {how}\n")[1] for how in ("direct", f"{method}, tolerance: 1e-13")]
        given = random_inputs(nets[0], 0, batch=3)
        with torch.no_grad():
            a, b = (net(**given) for net in nets)
        assert float((a - b).abs().max()) < 1e-11


def test_an_iteration_that_does_not_converge_is_an_error_with_its_history() -> None:
    for how in ("cg", "bicgstab", "gmres"):
        _, net = compiled(
            DEFINITE.replace("solve cg, tolerance: 1e-14", f"solve {how}, iterations: 2, tolerance: 1e-12")
        )
        perturb(net, size=0.5)
        with pytest.raises(RuntimeError, match="did not converge in 2 iterations") as caught:
            net(**random_inputs(net, 0))
        history = caught.value.history
        assert len(history) == 3
        assert history[0] == 1.0
        assert history[-1] > 1e-12
    text = "coordinates x in [0, 1]\nfield u(x)\ndxx(u) + 4*exp(u) = 0\nboundary u = 0\ngrid x: 32\n"
    with pytest.raises(RuntimeError, match="Newton's method"):
        npde.parse(text).compile(dtype=torch.float64)()


HELMHOLTZ = """
coordinates x, y in [0, 1]
field u(x, y) complex
let n(x, y) = 1 + 0.2*sin(3*x + 1)*cos(4*y)
lap(u) + (20*n)^2*u = -exp(-800*((x - 0.3)^2 + (y - 0.5)^2))
boundary absorbing(0.125)
grid x: {0}, y: {0}
solve gmres
"""
VARIABLE = """
coordinates x, y in [0, 1]
field u(x, y)
let a(x, y) = exp(sin(7*x + 3*y))
div(a*grad(u)) = 1
boundary x: u = 0
boundary y: dn(u) = x
grid x: {0}, y: {0}
solve cg
"""
CUBIC = """
coordinates x, y in [0, 1]
field u(x, y)
learn q = 1 > 0
div((1 + u^2)*grad(u)) - q*u^3 + x = 0
boundary u = y
grid x: {0}, y: {0}
solve gmres, tolerance: 1e-11
"""


def applications(text: str, block: str) -> int:
    """How often a solve runs a block."""
    _, net = compiled(text)
    count, run = 0, getattr(net, block)

    def counted(*arguments: Tensor) -> Tensor:
        nonlocal count
        count += 1
        return run(*arguments)

    object.__setattr__(net, block, counted)
    with torch.no_grad():
        net()
    return count


def jacobian_applications(text: str) -> int:
    """How often Newton's method applies Jacobians in a solve by GMRES."""
    _, net = compiled(text)
    helpers = vars(sys.modules[type(net).__module__])
    count, method = 0, helpers["gmres"]

    def counted(apply: Callable[[Tensor], Tensor], *arguments: object) -> Tensor:
        def again(v: Tensor) -> Tensor:
            nonlocal count
            count += 1
            return apply(v)

        return method(again, *arguments)

    helpers["gmres"] = counted
    with torch.no_grad():
        net()
    return count


@pytest.mark.parametrize(("text", "block", "most"), [(HELMHOLTZ, "linear_part", 26), (VARIABLE, "linear_part", 40)])
def test_preconditioned_iterations_do_not_grow_with_the_grid(text: str, block: str, most: int) -> None:
    counts = [applications(text.format(n), block) for n in (16, 32, 64)]
    assert max(counts) <= most, counts
    assert counts[2] <= counts[1] + 3, counts


def test_waves_between_layers_converge_where_plain_iterations_stagnate() -> None:
    _, net = compiled(HELMHOLTZ.format(48))
    _, direct = compiled(HELMHOLTZ.format(48).replace("gmres", "direct"))
    helpers = vars(sys.modules[type(net).__module__])
    with torch.no_grad():
        found, expected = net(), direct()
        start, c = net._prepare(None)
        right = -net.residual(torch.zeros_like(start), *(() if c is None else (c,)))
        with pytest.raises(RuntimeError, match="GMRES did not converge in 300 iterations") as caught:
            helpers["gmres"](lambda v: net.linear_part(v, *(() if c is None else (c,))), right, 300, 1e-10)
    assert caught.value.history[-1] > 1e-3  # type: ignore[attr-defined]
    assert float((found - expected).abs().max()) < 1e-8 * float(expected.abs().max())


def test_a_gradient_makes_one_preconditioner() -> None:
    """However many iterations it takes."""
    _, net = compiled(CUBIC.format(16))
    helpers = vars(sys.modules[type(net).__module__])
    count, made = 0, helpers["jacobian_preconditioner"]

    def counted(*arguments: object) -> object:
        nonlocal count
        count += 1
        return made(*arguments)

    helpers["jacobian_preconditioner"] = counted
    out = net()
    count = 0
    out.square().sum().backward()
    assert count == 1


def test_newton_with_preconditioned_iterations() -> None:
    """States and gradients of the direct solve, by few applications of the Jacobian."""
    found = []
    for how in ("gmres", "direct"):
        _, net = compiled(CUBIC.format(9).replace("solve gmres", f"solve {how}"))
        out = net()
        (back,) = torch.autograd.grad(out.square().sum(), net.raw_q)
        found.append((out.detach(), back))
    assert float((found[0][0] - found[1][0]).abs().max()) < 1e-9
    assert abs(float(found[0][1] / found[1][1]) - 1) < 1e-9
    counts = [jacobian_applications(CUBIC.format(n)) for n in (8, 16, 32)]
    assert counts[2] <= counts[1] + 5, counts
    assert max(counts) < 120, counts


def test_zero_needs_no_iteration() -> None:
    _, net = compiled(
        "coordinates x in [0, 1]\nfield u(x)\ninput s(x)\ndxx(u) - u = s\nboundary u = 0\ngrid x: 8\nsolve gmres\n"
    )
    s = torch.stack([torch.zeros(8), torch.ones(8)]).double()
    with torch.no_grad():
        found = net(s)
    assert float(found[0].abs().max()) == 0.0
    assert bool(torch.isfinite(found).all())


# --- relaxation -------------------------------------------------------------------------------------------------------

RELAXED = """
coordinates x, y in [0, 1]
field u(x, y), v(x, y)
learn a(x, y) = 1 > 0
input s(x, y)
div(a*grad(u)) - u + v = s
lap(v) - 2*v = x
boundary x: periodic
boundary y: u = x, dn(v) = 0
grid x: 16, y: 16
"""


def test_sweeps_are_layers_with_tied_weights() -> None:
    """k sweeps are the sweep applied k times; more of them come nearer to the solution."""
    _, exact = compiled(RELAXED + "solve direct\n")
    given = random_inputs(exact, 0)
    with torch.no_grad():
        solution = exact(**given)
        for method, counts, goal in (("jacobi", (20, 400), 0.5), ("multigrid", (2, 12), 2e-5)):
            errors = []
            for count in counts:
                _, net = compiled(RELAXED + f"solve {method}, iterations: {count}\n")
                state, c = net._prepare(*given.values(), None)
                for _ in range(count):
                    state = net.sweep(state, c)
                assert torch.equal(state, net(**given))
                errors.append(float((state - solution).abs().max()))
            assert errors[1] < goal * errors[0]


def test_jacobi_is_the_damped_jacobi_method() -> None:
    text = "coordinates x in [0, 1]\nfield u(x)\ninput s(x)\ndxx(u) - 3*u = s\nboundary u = 0\ngrid x: 6\n"
    _, net = compiled(text + "solve jacobi, iterations: 3\n")
    s = random_inputs(net, 0)["s"]
    matrix = (
        torch.diag(torch.full((5,), 36.0), 1)
        + torch.diag(torch.full((5,), 36.0), -1)
        - torch.diag(torch.full((6,), 75.0))
    )
    matrix[0, 0] = matrix[-1, -1] = -3 * 36 - 3
    matrix, u = matrix.double(), torch.zeros_like(s)
    for _ in range(3):
        u = u + 2 / 3 * (s - u @ matrix.T) / matrix.diag()
    with torch.no_grad():
        assert float((net(s)[:, 0] - u).abs().max()) < 1e-15


@pytest.mark.parametrize("method", ["jacobi, iterations: 3", "multigrid, iterations: 2"])
def test_gradients_through_sweeps(method: str) -> None:
    """The derivative of what was computed, not of the solution."""
    text = RELAXED.replace("grid x: 16, y: 16", "grid x: 8, y: 8") + f"solve {method}\n"
    _, net = compiled(text)
    perturb(net)
    given = random_inputs(net, 0)
    a = net.raw_a.detach().clone().requires_grad_()
    s = given["s"].clone().requires_grad_()
    run = lambda a, s: torch.func.functional_call(net, {"raw_a": a}, (s,))  # noqa: E731
    assert torch.autograd.gradcheck(run, (a, s), eps=1e-6, atol=1e-6, rtol=1e-4, fast_mode=True)
    assert torch.export.export(net, (), given).module()(**given).shape == (2, 2, 8, 8)
