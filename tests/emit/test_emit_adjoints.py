"""Derivatives of whole marches: forward mode against reverse mode, and Taylor remainders; one scheme by three realisations.

<w, J v> = <Jᵀ w, v>                                   to rounding: both are exact, by different code of torch
|f(x + h v) - f(x) - h J v| ~ h²                        the derivative is that of the function
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import pytest
import torch

from npde.diagnostics import DiagnosticError
from npde.options import Overrides
from tests.comparison import EXAMPLES, compiled, perturb, random_inputs

# Forward mode is written with what torch deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.script`:DeprecationWarning")

LINE = "model m\ncoordinates x in [0, 1], t in [0, {length}]\nfield u(x, t)\nlearn D = 0.1 > 0, a(x) = 1 > 0\n"
SMOOTH = "initial u = exp(sin(2*pi*x))\ngrid x: 8\n"
WALLS = "boundary x = 0: u = D\nboundary x = 1: u + 0.5*dn(u) = t\n"
PERIODIC = "boundary periodic\n"
INFLOW = "boundary x = 0: u = D\nboundary x = 1: outflow\n"
BIASED = "initial u = exp(sin(2*pi*x))\ngrid x: 8, upwind 3\n"
PSI = LINE.replace("u(x, t)", "psi(x, t) complex")
WAVE = "initial psi = 1 + 0.5*exp(2*pi*i*x)\ngrid x: 8\n"
IMPLICIT = ("backward_euler", "crank_nicolson", "bdf2")
PARTLY = ("imex_euler", "cnab2", "sbdf2")
EXPONENTIAL = ("etd1", "etdrk2", "etdrk4")

SCHEMES = {
    **{s: LINE + f"dt(u) = div(a*grad(u)) + D*u*(1 - u)\n{WALLS}{SMOOTH}march {s}, steps: 3\n"
       for s in ("euler", "midpoint", "heun", "ssprk3", "rk4", "ab2", "ab3")},
    "leapfrog": LINE + f"dtt(u) = a*dxx(u) - D*sin(u)\n{WALLS}initial dt(u) = 0\n{SMOOTH}march leapfrog, steps: 3\n",
    "crank_nicolson by FFT": LINE + f"dt(u) = D*dxx(u)\n{PERIODIC}{SMOOTH}march crank_nicolson, steps: 3\n".replace("1 > 0", ""),
    "leapfrog, Schroedinger": PSI + f"i*dt(psi) = -D*dxx(psi) + a*psi\n{PERIODIC}{WAVE}march leapfrog, steps: 3\n",
    "upwind": LINE + f"dt(u) = -a*dx(u) - D*dx(u^2)\n{INFLOW}{BIASED}march ssprk3, steps: 3\n",
    "dopri5": LINE + f"dt(u) = div(a*grad(u)) + D*u*(1 - u)\n{WALLS}{SMOOTH}march dopri5, steps: 3, tolerance: 1e-12\n",
    **{s: LINE + f"dt(u) = D*dxx(u) + u - a*u^3\n{PERIODIC}{SMOOTH}march {s}, steps: 3\n" for s in ("lie", "strang", *EXPONENTIAL)},
    "strang, phase": PSI + f"i*dt(psi) = -D*dxx(psi) + a*psi - abs2(psi)*psi\n{PERIODIC}{WAVE}march strang, steps: 3\n",
    "strang, mirrored": LINE + f"dt(u) = D*dxx(u) + a*sin(u)\nboundary dn(u) = 0\n{SMOOTH}march strang, steps: 3\n",
    **{f"{s}, walls": LINE + f"dt(u) = D*dxx(u) + a*sin(u)\n{WALLS}{SMOOTH}march {s}, steps: 3\n" for s in ("lie", "strang")},
    **{f"{s}, Newton": LINE + f"dt(u) = div(a*(1 + u^2)*grad(u)) - D*u^3\n{WALLS}{SMOOTH}march {s}, steps: 3\n" for s in IMPLICIT},
    **{f"{s}, linear": LINE + f"dt(u) = D*dxx(u) + a*u\n{WALLS}{SMOOTH}march {s}, steps: 3\n" for s in IMPLICIT},
    **{s: LINE + f"dt(u) = div(a*grad(u)) - D*u^3\n{WALLS}{SMOOTH}march {s}, steps: 3\n" for s in PARTLY},
    **{f"{s} by FFT": LINE + f"dt(u) = D*dxx(u) - a*u*dx(u)\n{PERIODIC}{SMOOTH}march {s}, steps: 3\n" for s in PARTLY},
}  # fmt: skip


def function(name: str) -> tuple[Callable[..., torch.Tensor], tuple[torch.Tensor, ...]]:
    """The last state as a function of the first one and of all parameters, and where to look at it."""
    _, net = compiled(SCHEMES[name].format(length="0.003"))
    perturb(net)
    names = [n for n, _ in net.named_parameters()]
    given = random_inputs(net, net.STEPS)
    start = net.initial_state(2, **given).detach()

    def last(state: torch.Tensor, *values: torch.Tensor) -> torch.Tensor:
        named = dict(zip(names, values, strict=True))
        return torch.func.functional_call(net, named, (), {**given, "state": state})

    return last, (start, *(p.detach().clone() for _, p in net.named_parameters()))


def directions(values: tuple[torch.Tensor, ...], seed: int = 0) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(v.shape, dtype=v.dtype, generator=generator) for v in values)


@pytest.mark.parametrize("name", SCHEMES)
def test_forward_and_reverse_mode_are_transposes(name: str) -> None:
    last, at = function(name)
    along = directions(at)
    value, tangent = torch.func.jvp(last, at, along)
    (weights,) = directions((value,), seed=1)
    _, pull = torch.func.vjp(last, *at)
    left = float((weights * tangent).sum())
    right = sum(float((g * v).sum()) for g, v in zip(pull(weights), along, strict=True))
    assert abs(left - right) <= 1e-12 * float(weights.norm() * tangent.norm())


@pytest.mark.parametrize("name", SCHEMES)
def test_taylor_remainders_fall_with_the_square(name: str) -> None:
    """A linear scheme leaves no remainder along the state; parameters make every scheme nonlinear."""
    last, at = function(name)
    along = directions(at, seed=2)
    value, tangent = torch.func.jvp(last, at, along)

    def remainder(h: float) -> float:
        return float((last(*(a + h * v for a, v in zip(at, along, strict=True))) - value - h * tangent).norm())

    sizes = [remainder(h) for h in (0.04, 0.02, 0.01)]
    slopes = [math.log2(a / b) for a, b in pairwise(sizes)]
    assert slopes[-1] == pytest.approx(2, abs=0.15), slopes


QUICK = ("burgers", "driven", "soliton", "variable_heat")
COARSE = ("x", "y", "z")


def realised(name: str, network: str, free: str = "none") -> torch.nn.Module:
    text = (EXAMPLES / f"{name}.npde").read_text()
    axes = [c for c in COARSE if f"{c}:" in text.partition("\ngrid ")[2].partition("\n")[0]]
    overrides = Overrides(grid=dict.fromkeys(axes, 12 if len(axes) > 1 else 24))
    return compiled(text, network, free, overrides=overrides)[1]


def marched(net: torch.nn.Module, steps: int) -> torch.Tensor:
    given = random_inputs(net, steps)
    return net.march(**given, state=net.initial_state(2, **given), steps=steps)


def agree(name: str) -> None:
    """cnn, mlp and rnn of an example with the same parameters, gradients too."""
    try:
        nets = {n: realised(name, n) for n in ("cnn", "mlp", "rnn")}
    except DiagnosticError:
        pytest.skip("not for this example")
    if not hasattr(nets["cnn"], "march"):
        pytest.skip("nothing marches")
    perturb(nets["cnn"], size=0.002)
    steps = min(nets["cnn"].STEPS, 3)
    values, gradients = {}, {}
    for kind, net in nets.items():
        net.load_state_dict(nets["cnn"].state_dict())
        values[kind] = marched(net, steps)
        parameters = list(net.parameters())
        if parameters and values[kind].requires_grad:
            (probe,) = directions((values[kind],))  # not the norm, which some schemes keep
            found = torch.autograd.grad((values[kind] * probe).sum(), parameters, allow_unused=True)
            gradients[kind] = torch.cat([g.flatten() for g in found if g is not None])
    for kind in ("mlp", "rnn"):
        assert close(values[kind], values["cnn"], 1e-12), kind
        if gradients:
            assert close(gradients[kind], gradients["cnn"], 1e-10), kind


def close(found: torch.Tensor, expected: torch.Tensor, tolerance: float) -> bool:
    return float((found - expected).detach().abs().max()) <= tolerance * float(expected.detach().abs().max())


NAMES = sorted(p.stem for p in EXAMPLES.glob("*.npde"))


@pytest.mark.parametrize("name", QUICK)
def test_realisations_agree(name: str) -> None:
    agree(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in NAMES if n not in QUICK])
def test_realisations_of_every_example_agree(name: str) -> None:
    agree(name)


@pytest.mark.slow
@pytest.mark.parametrize("network", ["cnn", "mlp"])
@pytest.mark.parametrize("free", ["kernels", "layers"])
@pytest.mark.parametrize("name", NAMES)
def test_every_released_example_starts_as_its_scheme(name: str, free: str, network: str) -> None:
    try:
        scheme, net = realised(name, network), realised(name, network, free)
    except DiagnosticError:
        pytest.skip("not for this example")
    if not hasattr(scheme, "march"):
        pytest.skip("nothing marches")
    steps = min(scheme.STEPS, 3)
    shared = {
        k: v
        for k, v in net.state_dict().items()
        if k in scheme.state_dict() and v.shape == scheme.state_dict()[k].shape
    }
    scheme.load_state_dict(shared, strict=False)
    expected, found = marched(scheme, steps), marched(net, steps)
    assert close(found, expected, 1e-12)


@pytest.mark.parametrize(
    "term", ["dx(a)*u", "dy(log(2 + sin(a)))", "dx(b[0])*u + dy(b[1])", "dx(w)*u", "dy(q[1])", "dx(s)*u"]
)
def test_a_released_stencil_takes_what_is_learned_and_given(term: str) -> None:
    """Fields without an axis of samples, with and without components, steps, one of the axes."""
    text = f"""model m
coordinates x, y in [0, 1], t in [0, 0.001]
field u(x, y, t)
learn a(x, y) = 0.2, b[2](x, y) = 0.3, w(x) = 0.1, q[2](y, t) = 0.2
input s(x, y)
dt(u) = lap(u) + {term}
boundary periodic
initial u = sin(2*pi*x)
grid x: 9, y: 7
march euler, steps: 3
"""
    scheme = compiled(text)[1]
    perturb(scheme)
    for free in ("kernels", "layers"):
        net = compiled(text, free=free)[1]
        net.load_state_dict(scheme.state_dict(), strict=False)
        assert close(marched(net, 3), marched(scheme, 3), 1e-12)


def test_an_adjoint_stencil_between_walls_of_different_reach() -> None:
    """A third derivative among the conditions takes one cell more: `⟨w, K v⟩ = ⟨Kᵀ w, v⟩` all the same."""
    text = """model m
coordinates x in [0, 1], t in [0, 1]
field v(x, t)
learn K stencil 3
dt(v) = {rate} + 0.001*lap(lap(v))
boundary x = 0: dn(dn(v)) = 0, dn(dn(dn(v))) = 0
boundary x = 1: v = 0, lap(v) = 0
initial v = x
grid x: 9
order 4
march euler, steps: 1
network cnn
"""
    plain, turned, rest = (compiled(text.format(rate=rate))[1] for rate in ("K(v)", "adjoint(K)(v)", "K(v) - K(v)"))
    turned.load_state_dict(plain.state_dict())
    with torch.no_grad():
        v, w = torch.randn(2, 1, 1, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        forward, back = plain(v) - rest(v), turned(w) - rest(w)
    assert float((w * forward).sum()) == pytest.approx(float((v * back).sum()), rel=1e-10)
