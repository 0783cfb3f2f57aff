"""Leading errors as predicted, against errors as measured."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import sympy as sp
import torch

import npde
from npde.analysis.series import density, symmetry, trees, weight
from npde.discretize import tableaux

Array = np.ndarray[Any, np.dtype[Any]]

H = {name: sp.Symbol(f"h_{name}", positive=True) for name in "xy"}
DT = sp.Symbol("dt", positive=True)
X, Y, T = sp.symbols("x y t", real=True)
WAVE = 2 * sp.pi


def text(
    equation: str,
    march: str,
    *,
    field: str = "u(x, t)",
    initial: str = "initial u = 0",
    more: str = "",
    cells: int = 48,
) -> str:
    return f"""model m
coordinates x in [0, 1], t in [0, 1]
field {field}
{equation}
boundary periodic
{initial}
grid x: {cells}
{more}
march {march}
"""


# --- linear systems: the growth of one wave ---------------------------------------------------------------------------

HEAT, ADVECTION = "dt(u) = 0.005*dxx(u)", "dt(u) = -0.7*dx(u)"
BOTH = "dt(u) = 0.005*dxx(u) - 0.7*dx(u) - 0.5*u + 0.00002*dxxx(u)"


@pytest.mark.parametrize("order", [2, 6])
@pytest.mark.parametrize("equation", [HEAT, ADVECTION, BOTH])
@pytest.mark.parametrize("march", ["euler", "midpoint", "ssprk3", "rk4", "ab2", "ab3", "crank_nicolson"])
def test_the_growth_of_a_wave(equation: str, march: str, order: int) -> None:
    """log R(λ dt)/dt - λ is the symbol of the predicted error, up to higher powers of dt and h."""
    if march == "euler" and equation == ADVECTION and order > 2:
        pytest.skip("refused: it amplifies every wave")
    steps = {"rk4": 60, "euler": 400, "ab3": 260}.get(march, 150)
    model = npde.parse(text(equation, f"{march}, steps: {steps}", more=f"order {order}"))
    analysis = model.analyze()
    (right,) = (e.rhs for e in model.equations)
    wave = sp.exp(sp.I * WAVE * X)
    u = sp.Function("u")(X, T)
    values = {H["x"]: sp.Rational(1, 48), DT: sp.Rational(1, steps)}

    def symbol(e: sp.Expr) -> complex:
        return complex((e.subs(u, wave).doit() / wave).subs(values).subs(X, 0))

    exact, predicted = symbol(right), symbol(analysis.modified["u"])
    measured = np.log(_growth(model)) * steps - exact
    assert abs(measured - predicted) < 0.06 * abs(predicted)


@pytest.mark.parametrize("march", ["backward_euler", "bdf2", "imex_euler", "cnab2", "sbdf2", "etd1", "etdrk2"])
def test_the_growth_of_a_wave_in_implicit_schemes(march: str) -> None:
    test_the_growth_of_a_wave(BOTH, march, 6)


def _growth(model: npde.Model) -> complex:
    """The factor of the first wave in one step, after a few."""
    net = model.compile(dtype="float64")
    x = torch.arange(48, dtype=torch.float64) / 48
    with torch.no_grad():
        parts = [net(f(2 * math.pi * x)[None, None], steps=7) for f in (torch.cos, torch.sin)]
        more = [net(f(2 * math.pi * x)[None, None], steps=8) for f in (torch.cos, torch.sin)]
    before, after = (np.fft.fft((a + 1j * b)[0, 0].numpy())[1] for a, b in (parts, more))
    return after / before


def test_the_frequency_of_a_wave_under_leapfrog() -> None:
    """ω of the step map against that of the modified system."""
    initial = "initial u = sin(2*pi*x)\ninitial dt(u) = 0"
    model = npde.parse(text("dtt(u) = dxx(u) - 3*u", "leapfrog, steps: 100", initial=initial))
    found = model.analyze().modified
    u, v = sp.Function("u")(X, T), sp.Function("u_t")(X, T)
    wave = sp.sin(WAVE * X)
    values = {H["x"]: sp.Rational(1, 48), DT: sp.Rational(1, 100)}
    base = sp.Matrix([[0, 1], [-(WAVE**2) - 3, 0]])
    error = sp.Matrix(
        2,
        2,
        lambda i, j: (
            (found[("u", "u_t")[i]].subs({u: wave if j == 0 else 0, v: wave if j else 0}).doit() / wave)
            .subs(values)
            .subs(X, sp.Rational(1, 8))
        ),
    )
    predicted = max(np.linalg.eigvals(np.array(base + error, dtype=complex)).imag)
    net = model.compile(dtype="float64")
    states = torch.zeros(2, 2, 48, dtype=torch.float64)
    states[0, 0] = states[1, 1] = torch.sin(2 * math.pi * torch.arange(48, dtype=torch.float64) / 48)
    with torch.no_grad():
        after = net(states, steps=1)
    step = np.array([[float(after[j, i] @ states[0, 0]) / 24 for j in (0, 1)] for i in (0, 1)])
    measured = max(np.angle(np.linalg.eigvals(step))) * 100
    exact = math.sqrt(4 * math.pi**2 + 3)
    assert abs(measured - predicted) < 0.03 * abs(predicted - exact)


# --- nonlinear rates --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("march", ["euler", "midpoint", "heun", "ssprk3", "rk4"])
def test_one_step_of_a_nonlinear_system(march: str) -> None:
    """(numerical - exact)/dt at the start, for a system with an explicit dependence on time."""
    body = """model m
coordinates t in [0, 1]
field u(t), v(t)
dt(u) = u*(1 - v) + cos(3*t)
dt(v) = u^2 - sin(v)
initial u = 0.7
initial v = 0.4
"""
    model = npde.parse(body + f"march {march}, steps: 100")
    u, v = sp.Function("u")(T), sp.Function("v")(T)
    found = [float(model.analyze().modified[n].subs({u: 0.7, v: 0.4, T: 0, DT: 0.01})) for n in ("u", "v")]
    with torch.no_grad():
        one = model.compile(dtype="float64")(steps=1)
        fine = npde.parse(body + "march rk4, steps: 20000").compile(dtype="float64")(steps=200)
    measured = ((one - fine) / 0.01).flatten().tolist()
    assert measured == pytest.approx(found, abs=0.06 * max(map(abs, found)))


SMOOTH = 0.3 + 0.2 * sp.sin(WAVE * X) + 0.1 * sp.cos(2 * WAVE * X)


@pytest.mark.parametrize("march", ["lie", "strang", "heun", "crank_nicolson", "imex_euler", "etd1", "etdrk2"])
def test_one_step_of_a_reaction_and_diffusion(march: str) -> None:
    equation = "dt(u) = 0.01*dxx(u) + 2*u - 2*u^3"
    initial = "initial u = 0.3 + 0.2*sin(2*pi*x) + 0.1*cos(4*pi*x)"
    model = npde.parse(text(equation, f"{march}, steps: 200", initial=initial, more="order 6"))
    errors = model.analyze().errors
    predicted = _on_grid(errors.smooth.textbook(errors.time[0]).subs(DT, sp.Rational(1, 200)))
    with torch.no_grad():
        one = model.compile(dtype="float64")(steps=1)
        fine = npde.parse(text(equation, "rk4, steps: 8000", initial=initial, more="order 6")).compile(dtype="float64")
        measured = ((one - fine(steps=40)) * 200)[0, 0].numpy()
    assert np.abs(measured - predicted).max() < 0.06 * np.abs(predicted).max()


def _on_grid(e: sp.Expr) -> Array:
    function = sp.lambdify(X, e.subs(sp.Function("u")(X, T), SMOOTH).doit(), "numpy")
    return function(np.arange(48) / 48) * np.ones(48)


@pytest.mark.parametrize("order", [2, 4, 6])
@pytest.mark.parametrize(
    "equation",
    ["dt(u) = 0.1*dxx(u)", "dt(u) = -u*dx(u) + 0.01*dxx(u)", "dt(u) = -dx(u^2/2)", "dt(u) = dx(u^2*dx(u))",
     "dt(u) = div((1 + u^2)*grad(u))", "dt(u) = div((1 + 0.3*sin(2*pi*x))*grad(u))", "dt(u) = sin(u)*dxx(exp(u)*dx(u))"],
)  # fmt: skip
def test_rates_in_space(equation: str, order: int) -> None:
    """F_h(u) - F(u) on a smooth field, on a fine grid."""
    initial = "initial u = 0.3 + 0.2*sin(2*pi*x) + 0.1*cos(4*pi*x)"
    model = npde.parse(text(equation, "euler, steps: 1000000", initial=initial, more=f"order {order}"))
    errors = model.analyze().errors
    predicted = _on_grid(errors.smooth.textbook(errors.space[0]).subs(H["x"], sp.Rational(1, 48)))
    exact = _on_grid(errors.smooth.textbook(model._compilation().system.rates[0]))
    net = model.compile(dtype="float64")
    more = [net.coefficients()] if hasattr(net, "coefficients") else []
    with torch.no_grad():
        measured = net.rhs(net.initial_state(1), *more)[0, 0].numpy() - exact
    assert np.abs(measured - predicted).max() < {2: 0.05, 4: 0.12, 6: 0.2}[order] * np.abs(predicted).max()


# --- trees ------------------------------------------------------------------------------------------------------------


def test_rooted_trees() -> None:
    assert [len(trees(n)) for n in range(1, 8)] == [1, 1, 2, 4, 9, 20, 48]
    assert sum(math.factorial(5) // (density(t) * symmetry(t)) for t in trees(5)) == math.factorial(4)
    assert all(weight(t, tableaux.RK4) * density(t) == 1 for n in range(1, 5) for t in trees(n))


def test_what_is_not_written_out_says_so() -> None:
    model = npde.parse(text("learn f(u) = mlp(4, tanh)\ndt(u) = 0.001*dxx(u) + f(u)", "rk4, steps: 10"))
    analysis = model.analyze()
    assert analysis.errors.time is None
    assert "no derivative" in analysis.errors.notes[0]
    assert analysis.modified["u"].has(sp.Derivative)
