"""`in stable`: the interval that a step leaves to a learned value."""

from __future__ import annotations

import pytest
import torch

import npde
from npde.diagnostics import DiagnosticError


def text(learn: str, equation: str, march: str, boundary: str = "periodic") -> str:
    return f"""model m
coordinates x in [0, 1], t in [0, 1]
field u(x, t)
learn {learn}
{equation}
boundary {boundary}
initial u = sin(2*pi*x)
grid x: 32
march {march}
"""


def interval(source: str, name: str = "D") -> tuple[float, float | None]:
    graph = npde.parse(source)._compilation().graph
    (found,) = (p for p in graph.parameters if p.attribute == name)
    assert found.lower is not None
    return float(found.lower), None if found.upper is None else float(found.upper)


HEAT = "dt(u) = D*dxx(u)"


@pytest.mark.parametrize("boundary", ["periodic", "u = 0", "dn(u) = 0"])
def test_diffusion_by_euler(boundary: str) -> None:
    """dt ≤ h²/(2 D)."""
    lower, upper = interval(text("D = 0.1 in stable", HEAT, "euler, steps: 1000", boundary))
    assert lower == 0
    assert upper == pytest.approx(1000 / (2 * 32**2), rel=2e-3)


def test_other_learnables_count_with_their_worst_ends() -> None:
    """λ = -4 D/h² - k, k up to 100."""
    _, upper = interval(text("D = 0.1 in stable, k = 1 in [0, 100]", "dt(u) = D*dxx(u) - k*u", "euler, steps: 1000"))
    assert upper == pytest.approx((2000 - 100) / (4 * 32**2), rel=1e-4)


def test_two_values_share_a_factor() -> None:
    source = text("D = 0.1 in stable, k = 10 in stable", "dt(u) = D*dxx(u) - k*u", "euler, steps: 1000")
    _, upper = interval(source)
    _, other = interval(source, "k")
    assert upper is not None
    assert other == pytest.approx(100 * upper, rel=1e-4)
    assert 4 * 32**2 * upper + 100 * upper == pytest.approx(2000, rel=1e-4)


def test_a_field_is_kept_below_what_a_constant_may_be() -> None:
    source = text("D(x) = 0.1 + 0.05*sin(2*pi*x) in stable", "dt(u) = div(D*grad(u))", "heun, steps: 1000", "dn(u) = 0")
    _, upper = interval(source)
    assert upper == pytest.approx(1000 / (2 * 32**2), rel=2e-3)


def test_unconditionally_stable_schemes_leave_all_positive_values() -> None:
    assert interval(text("D = 0.1 in stable", HEAT, "crank_nicolson, steps: 5")) == (0, None)


def test_learning_cannot_leave_the_stable_values() -> None:
    """Whatever the stored parameter, the march stays bounded; just beyond the interval it does not."""
    source = text("D = 0.1 in stable", HEAT, "euler, steps: 1000")
    net = npde.parse(source).compile(dtype="float64")
    rough = torch.cos(torch.pi * torch.arange(32, dtype=torch.float64))[None, None]
    with torch.no_grad():
        for raw in (-50.0, 0.0, 50.0):
            net.raw_D.fill_(raw)  # type: ignore[operator, union-attr]
            assert float(net(rough).abs().max()) <= 1.0
    with pytest.raises(ValueError, match="in \\[0"):
        net.D = 0.5
    free = npde.parse(source.replace("in stable", "in [0, 10]")).compile(dtype="float64")
    with torch.no_grad():
        free.D = 0.5
        assert float(free(rough).abs().max()) > 1e3


def test_a_finer_grid_leaves_less() -> None:
    model = npde.parse(text("D = 0.01 in stable", HEAT, "euler, steps: 1000"))
    upper = [p.upper for n in (32, 64) for p in model._compilation(grid={"x": n}).graph.parameters]
    assert float(upper[0]) == pytest.approx(4 * float(upper[1]), rel=1e-4)


@pytest.mark.parametrize(
    ("learn", "equation", "march", "code"),
    [
        ("D = 0.1 in stable", HEAT, "euler, dt: auto", "N0710"),
        ("D = 0.1 in stable", HEAT, "euler, steps: 10", "N0711"),
        ("D in stable", HEAT, "euler, steps: 1000", "N0712"),
        ("D = 0.1 in stable, a(x)", "dt(u) = D*dxx(u) + a*dx(u)", "rk4, steps: 1000", "N0712"),
        ("D = 0.1 in stable", "dt(u) = dxx(u) + D", "euler, steps: 10000", "N0712"),
    ],
)
def test_what_cannot_be_determined_says_so(learn: str, equation: str, march: str, code: str) -> None:
    with pytest.raises(DiagnosticError) as refused:
        npde.parse(text(learn, equation, march)).compile()
    assert [d.code for d in refused.value.diagnostics] == [code]
