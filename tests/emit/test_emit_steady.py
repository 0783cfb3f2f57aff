"""Emitted solvers of steady problems: residuals at rounding, realisations that agree, gradients by a transposed solve."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

import npde
from tests.comparison import compiled, perturb, random_inputs

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
TEXTS = {"poisson": POISSON, "floating": FLOATING, "wave": WAVE, "samples": SAMPLES, "periodic": PERIODIC}


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
    if name == "floating":
        rest = rest - rest.mean((2, 3), keepdim=True)  # the constants outside of the range
        assert float(found.mean((2, 3)).abs().max()) < 1e-14
    assert float(rest.abs().max()) < 1e-11 * float(size.abs().max())


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


@pytest.mark.parametrize("name", sorted(TEXTS))
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


@pytest.mark.parametrize("name", ["poisson", "floating", "wave", "periodic"])
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
