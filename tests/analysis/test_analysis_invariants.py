"""Claims of invariants: each holds over ten thousand steps, and none is made where it would not."""

from __future__ import annotations

import math

import pytest
import torch

import npde
from npde.emit.live import LiveModule

STEPS = 10_000


def text(
    equation: str,
    march: str,
    *,
    field: str = "u(x, t)",
    declare: str = "",
    boundary: str = "periodic",
    initial: str = "initial u = exp(-30*(x - 0.4)^2)",
    more: str = "",
    extent: float = 10.0,
) -> str:
    return f"""model m
coordinates x in [0, 1], t in [0, {extent}]
field {field}
{declare}
{equation}
boundary {boundary}
{initial}
grid x: 24
{more}
march {march}
"""


def claimed(source: str) -> tuple[str, ...]:
    return npde.parse(source).analyze().invariants


def states(source: str, every: int = 500) -> tuple[LiveModule, torch.Tensor]:
    net = npde.parse(source).compile(dtype="float64")
    with torch.no_grad():
        return net, net.march(steps=STEPS, every=every)[0]  # type: ignore[operator]


MASS = {
    "advection": text("dt(u) = -dx(u)", f"ssprk3, steps: {STEPS}", more="order 4"),
    "flux, neumann": text("dt(u) = div((1 + u^2)*grad(u))", f"heun, steps: {STEPS}", boundary="dn(u) = 0", extent=1),
    "heat, neumann, implicit": text("dt(u) = dxx(u)", f"crank_nicolson, steps: {STEPS}", boundary="dn(u) = 0"),
    "conservation law": text("dt(u) = -dx(u^2/2) + 0.01*dxx(u)", f"rk4, steps: {STEPS}", more="order 6"),
    "two fields": text(
        "dt(u) = 0.01*dxx(u) - u*v^2\ndt(v) = 0.02*dxx(v) + u*v^2", f"rk4, steps: {STEPS}", field="u(x, t), v(x, t)",
        initial="initial u = 1\ninitial v = exp(-30*(x - 0.4)^2)",
    ),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", MASS)
def test_mass_is_kept(name: str) -> None:
    both = name == "two fields"
    assert ("mass of u + v" if both else "mass of u") in claimed(MASS[name])
    _, march = states(MASS[name])
    mass = march.sum(dim=(1, 2))
    assert float((mass - mass[0]).abs().max() / mass[0].abs()) < 1e-12


PSI = {"field": "psi(x, t) complex", "initial": "initial psi = exp(-30*(x - 0.4)^2 + 20*i*x)", "extent": 1.0}
NORM = {
    "crank_nicolson": text("i*dt(psi) = -0.1*dxx(psi) + 50*x*psi", f"crank_nicolson, steps: {STEPS}", **PSI),
    "walls": text("i*dt(psi) = -0.1*dxx(psi)", f"crank_nicolson, steps: {STEPS}", boundary="psi = 0", **PSI),
    "strang": text("i*dt(psi) = -0.1*dxx(psi) - abs2(psi)*psi", f"strang, steps: {STEPS}", **PSI),
    "real and skew": text("dt(u) = -dx(u) + 0.001*dxxx(u)", f"crank_nicolson, steps: {STEPS}", more="order 4"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", NORM)
def test_the_norm_is_kept(name: str) -> None:
    assert any(claim.startswith("norm of") for claim in claimed(NORM[name]))
    _, march = states(NORM[name])
    norm = march.square().sum(dim=(1, 2))
    assert float((norm / norm[0] - 1).abs().max()) < 1e-10


WAVE = {"initial": "initial u = sin(2*pi*x)\ninitial dt(u) = 0", "extent": 100.0}
ENERGY = {
    "wave": text("dtt(u) = dxx(u)", f"leapfrog, steps: {STEPS}", **WAVE),
    "walls": text("dtt(u) = dxx(u)", f"leapfrog, steps: {STEPS}", boundary="u = 0", **WAVE),
    "sine-Gordon": text("dtt(u) = dxx(u) - sin(u)", f"leapfrog, steps: {STEPS}", **WAVE),
    "a field of speeds": text("dtt(u) = div((1 + 0.5*sin(2*pi*x))*grad(u)) - u^3", f"leapfrog, steps: {STEPS}", **WAVE),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ENERGY)
def test_the_energy_has_no_trend(name: str) -> None:
    """A line fitted to the energy over 10,000 steps rises or falls by less than a thousandth of its wobble's size."""
    from npde.analysis.watched import watched

    assert "energy" in claimed(ENERGY[name])
    net, march = states(ENERGY[name], every=7)
    (energy,) = (w for w in watched(net.graph.scheme) if w.name == "energy")
    values = energy.value(net, march)
    half = len(values) // 2
    wobble = float(values.max() - values.min())
    assert wobble < 0.02 * float(values.mean())
    assert abs(float(values[:half].mean() - values[half:].mean())) < 0.05 * wobble + 1e-12


MAXIMUM = {
    "euler": text("dt(u) = dxx(u)", "euler, dt: auto", extent=0.2),
    "walls": text("dt(u) = dxx(u)", "euler, steps: 400", boundary="u = 0", extent=0.2),
    "a field": text("dt(u) = div(a*grad(u))", "ssprk3, steps: 1000", declare="learn a(x) = 1 + x > 0", extent=0.2),
    "exact": text("dt(u) = dxx(u)", "strang, steps: 5", extent=0.2),
}


@pytest.mark.parametrize("name", MAXIMUM)
def test_no_new_extrema(name: str) -> None:
    assert "maximum principle of u" in claimed(MAXIMUM[name])
    net = npde.parse(MAXIMUM[name]).compile(dtype="float64")
    spikes = torch.zeros(24, 1, 24, dtype=torch.float64)
    spikes[range(24), 0, range(24)] = 1
    with torch.no_grad():
        after = net(spikes, steps=1)
    assert float(after.min()) >= -1e-14
    assert float(after.sum(dim=0).max()) <= 1 + 1e-12


def test_what_is_claimed() -> None:
    assert claimed(MASS["advection"]) == ("mass of u",)
    assert claimed(MASS["two fields"]) == ("mass of u + v",)
    assert claimed(NORM["walls"]) == claimed(NORM["strang"]) == ("norm of psi",)
    assert claimed(ENERGY["sine-Gordon"]) == ("energy",)
    assert claimed(ENERGY["wave"]) == ("mass of u_t", "energy")


def test_what_is_not_claimed() -> None:
    reaction = text("dt(u) = dxx(u) + u - u^3", "euler, dt: auto", extent=0.2)
    assert claimed(reaction) == ()
    assert claimed(text("dt(u) = dxx(u)", "crank_nicolson, steps: 9", boundary="u = 0")) == ()
    long_step = text("dt(u) = dxx(u)", "euler, steps: 130", boundary="u = 0", extent=0.1)
    assert "maximum principle of u" not in claimed(long_step)
    assert claimed(text("dt(u) = dxx(u)", "crank_nicolson, steps: 9", boundary="dn(u) = 0", more="order 4")) == ()
    lossy = text("i*dt(psi) = -0.1*dxx(psi) - i*psi", "crank_nicolson, steps: 9", **PSI)
    assert claimed(lossy) == ()
    assert claimed(text("i*dt(psi) = -0.1*dxx(psi)", "rk4, steps: 100000", **PSI)) == ()
    assert claimed(text("dt(u) = -dx(x*u)", "crank_nicolson, steps: 90")) == ("mass of u",)
    damped = text("dtt(u) = dxx(u) - x*u*dx(u)", "leapfrog, steps: 900000", **WAVE)
    assert claimed(damped) == ()


def test_a_reaction_network_keeps_its_sums() -> None:
    found = npde.load("examples/michaelis_menten.npde").analyze().invariants
    assert found == ("mass of E + C", "mass of S - E + P")


def test_reasons_are_given() -> None:
    (proof,) = npde.parse(NORM["strang"]).analyze().proofs
    assert "unitary" in proof.reason
    assert math.isclose(dict(proof.weights).popitem()[1], 1)


def test_a_run_tells_what_changed() -> None:
    from npde.analysis.watched import Watch, drift, watched

    source = text("dt(u) = -dx(u)", "ssprk3, steps: 200", extent=1.0)
    net = npde.parse(source).compile(dtype="float64")
    watch = Watch(net, watched(net.graph.scheme, everything=True))
    with torch.no_grad():
        watch(net.march(steps=200, every=50))  # type: ignore[operator]
    found = {name: (claim, value) for name, claim, value in watch.drifts()}
    assert list(found) == ["mass of u", "norm of u"]
    assert found["mass of u"][0] == "kept"
    assert found["mass of u"][1] < 1e-14
    assert found["norm of u"][0] == "watched"
    assert 1e-9 < found["norm of u"][1] < 0.2
    assert drift(torch.tensor([[2.0, 3.0, 1.0]])) == pytest.approx(1 / 3)
