"""Exact flows of the pointwise half of a splitting."""

from __future__ import annotations

import pytest
import sympy as sp

from npde import discretize
from npde.discretize import flows
from npde.discretize.scheme import Splitting
from npde.symbolic.symbols import real
from tests.symbolic.texts import heat, system

DECLARED = "learn r = 1 > 0, q = 1\nlearn a(x) = 1\nlet V(x) = x^2\ninput s(x)"
TAU = real("tau")

REAL = [
    ("0*u", "u"),
    ("-u", "u*exp(-tau)"),
    ("V*u", "u*exp(tau*x**2)"),
    ("q*u", "u*exp(q*tau)"),
    ("s", "s*tau + u"),
    ("r*u + s", "u*exp(r*tau) + s*(exp(r*tau) - 1)/r"),
    ("2*u - 4", "u*exp(2*tau) - 2*exp(2*tau) + 2"),
    ("r*u*(1 - u)", "u*exp(r*tau)/(u*(exp(r*tau) - 1) + 1)"),
    ("r*u*(1 - u/4)", "u*exp(r*tau)/(u*(exp(r*tau) - 1)/4 + 1)"),
    ("u - u^3", "u*exp(tau)/sqrt(u**2*(exp(2*tau) - 1) + 1)"),
    ("-q*u^2", "u/(q*tau*u + 1)"),
    ("-u^3", "u/sqrt(2*tau*u**2 + 1)"),
    ("q*u + s", None),  # q may become 0
    ("q*u - u^3", None),
    ("u - u^2 - u^3", None),
    ("sin(u)", None),
    ("u^4", None),
    ("1 - u^2", None),
]  # fmt: skip


def strang(equation: str, **more: str) -> Splitting:
    scheme = discretize.build(system(heat(equation, march="strang, steps: 100", **more))).time
    assert isinstance(scheme, Splitting)
    return scheme


@pytest.mark.parametrize(("reaction", "wanted"), REAL)
def test_flows_of_one_real_field(reaction: str, wanted: str | None) -> None:
    found = strang(f"dt(u) = dxx(u) + {reaction}", declare=DECLARED)
    assert (None if found.flow is None else str(found.flow[0])) == wanted


@pytest.mark.parametrize(("reaction", "wanted"), [c for c in REAL if c[1] is not None])
def test_flows_solve_their_equation(reaction: str, wanted: str) -> None:
    found = strang(f"dt(u) = dxx(u) + {reaction}", declare=DECLARED)
    assert found.flow is not None
    (flow,), (rate,) = found.flow, found.pointwise
    u = real("u")
    assert sp.simplify(flow.subs(found.tau, 0) - u) == 0
    assert sp.simplify(sp.diff(flow, found.tau) - rate.subs(u, flow)) == 0


COMPLEX = [
    ("V*psi", True),
    ("abs2(psi)*psi", True),
    ("(V + 3*abs2(psi) - abs2(psi)^2)*psi", True),
    ("sin(abs2(psi))*psi", True),
    ("i*q*psi", True),
    ("(V - i*q)*psi", True),
    ("psi^2", False),
    ("conj(psi)", False),
    ("i*abs2(psi)*psi", False),
    ("re(psi)*psi", False),
]


@pytest.mark.parametrize(("potential", "is_exact"), COMPLEX)
def test_phase_rotations(potential: str, is_exact: bool) -> None:
    given = {"field": "psi(x, t) complex", "initial": "initial psi = 1", "declare": DECLARED}
    found = strang(f"i*dt(psi) = -dxx(psi) + {potential}", **given)
    assert (found.flow is not None) == is_exact
    if found.flow is None:
        return
    symbols = (real("psi_re"), real("psi_im"))
    point = {symbols[0]: 0.3, symbols[1]: -0.8, real("x"): 0.4, real("q"): 1.3, found.tau: 0.7}
    arrived = dict(zip(symbols, found.flow, strict=True))
    for flow, rate in zip(found.flow, found.pointwise, strict=True):
        speed = sp.diff(flow, found.tau).subs(point)
        assert abs(speed - rate.subs(arrived, simultaneous=True).subs(point)) < 1e-12


def test_several_fields_each_have_their_flow() -> None:
    given = {"field": "u(x, t), v(x, t)", "initial": "initial u = 0\ninitial v = 0"}
    assert strang("dt(u) = dxx(u) - u\ndt(v) = dxx(v) + v - v^3", **given).flow is not None
    assert strang("dt(u) = dxx(u) - u*v\ndt(v) = dxx(v) - v", **given).flow is None
    resting = strang("dt(u) = dxx(u) - u*v\ndt(v) = dxx(v)", **given)
    assert [str(e) for e in resting.flow or ()] == ["u*exp(-tau*v)", "v"]


def test_coupled_schroedinger_fields_keep_their_moduli() -> None:
    given = {"field": "p(x, t) complex, q(x, t) complex", "initial": "initial p = 1\ninitial q = 1"}
    equations = "i*dt(p) = -dxx(p) + (abs2(p) + 2*abs2(q))*p\ni*dt(q) = -dxx(q) + abs2(p)*q"
    assert strang(equations, **given).flow is not None


def test_a_wrong_flow_does_not_pass() -> None:
    u = real("u")
    assert flows._verified([u], [-u], [u * sp.exp(-TAU)], TAU)
    assert not flows._verified([u], [-u], [u * sp.exp(TAU)], TAU)
    assert not flows._verified([u], [-u], [2 * u * sp.exp(-TAU)], TAU)


def test_tau_avoids_names_that_are_taken() -> None:
    found = strang("dt(u) = dxx(u) - tau*u", declare="learn tau = 1")
    assert str(found.tau) == "tau_"
    assert str((found.flow or ())[0]) == "u*exp(-tau*tau_)"
