"""Implicit and exponential steps as emitted: φ-functions, Newton's method and what it says, adjoints by dot products."""

from __future__ import annotations

from typing import Any

import mpmath
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from npde.emit.march_helpers import MARCHING
from tests.comparison import compiled

HEAD = "model m\ncoordinates x in [0, 1], t in [0, 0.1]\nfield u(x, t)\n"


def phi(z: complex, weights: tuple[tuple[float, ...], ...]) -> Tensor:
    names: dict[str, Any] = {"torch": torch, "Tensor": Tensor, "functional": functional}
    exec(MARCHING["phi_functions"], names)
    found: Tensor = names["phi_functions"](torch.full((1, 1, 1), z, dtype=torch.complex128), weights)
    return found[0, 0]


@pytest.mark.parametrize("z", [0, -1e-12, 1e-8j, -1e-5, -0.3, -1, -3, -10, -1e3, -1e6, 1j, 10j, 200j, -1 + 100j, 2])
def test_phi_functions_have_no_cancellation(z: complex) -> None:
    """Against 60 digits: φ_k(z) = (e^z - Σ_{j<k} z^j/j!)/z^k."""
    columns = ((1.0,), (0.0, 1.0), (0.0, 0.0, 1.0), (0.0, 0.0, 0.0, 1.0))
    found = phi(z, columns)
    with mpmath.workdps(60):
        w = mpmath.mpc(z)
        for k, value in enumerate(found.tolist()):
            if z == 0:
                wanted = 1 / mpmath.factorial(k)
            else:
                wanted = (mpmath.exp(w) - sum(w**j / mpmath.factorial(j) for j in range(k))) / w**k
            assert abs(mpmath.mpc(value) - wanted) <= 2e-13 * max(abs(wanted), mpmath.mpf("1e-3") ** (k == 0)), (k, z)


def test_phi_functions_are_combined_side_by_side() -> None:
    found = phi(-2.0, ((1.0,), (0.0, 0.5, -3.0)))
    single = phi(-2.0, ((1.0,), (0.0, 1.0), (0.0, 0.0, 1.0)))
    assert torch.allclose(found, torch.stack((single[0], 0.5 * single[1] - 3 * single[2])))


def test_an_equation_without_solution_is_an_error_with_its_history() -> None:
    """u' = u + dt u'^2 has no real solution for 4 dt u > 1."""
    _, net = compiled(
        "coordinates t in [0, 4]\nfield u(t)\ndt(u) = u^2\ninitial u = 1\nmarch backward_euler, steps: 4\n"
    )
    with pytest.raises(RuntimeError, match=r"Newton.s method did not converge in \d+ iterations") as caught:
        net()
    assert len(caught.value.history) > 2  # type: ignore[attr-defined]


def test_newton_solves_to_rounding() -> None:
    text = (
        HEAD + "dt(u) = dxx(u^3) - u\nboundary u = 1\ninitial u = 1 + x\ngrid x: 24\nmarch backward_euler, steps: 10\n"
    )
    _, net = compiled(text)
    with torch.no_grad():
        before = net.initial_state()
        after = net.step(before, net.coefficients()) if "coefficients" in dir(net) else net.step(before)
        rate = net.rhs(after)
    assert float((after - before - net.DT * rate).abs().max()) < 1e-13 * float(rate.abs().max())


SCHEMES = {
    "ab3": "dt(u) = 0.1*dxx(u) - u^3", "lie": "dt(u) = 0.1*dxx(u) - sin(u)", "strang": "dt(u) = 0.1*dxx(u) - sin(u)",
    "backward_euler": "dt(u) = 0.1*dxx(u) - u^3", "crank_nicolson": "dt(u) = 0.1*dxx(u^3)", "bdf2": "dt(u) = 0.1*dxx(u) - u^3",
    "imex_euler": "dt(u) = 0.1*dxx(u) - u^3", "cnab2": "dt(u) = 0.1*dxx(u) - u*dx(u)", "sbdf2": "dt(u) = 0.1*dxx(u) - u^3",
    "etd1": "dt(u) = 0.1*dxx(u) - u^3", "etdrk2": "dt(u) = 0.1*dxx(u) - u*dx(u)", "etdrk4": "dt(u) = 0.1*dxx(u) - u^3",
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:`torch.jit.script`:DeprecationWarning")  # torch's own forward mode uses it
@pytest.mark.parametrize("wall", ["periodic", "u = 0.2"])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_gradient_of_a_march_is_the_transpose_of_its_derivative(scheme: str, wall: str) -> None:
    """<J v, w> = <v, Jᵀ w>, J v by forward mode."""
    if wall != "periodic" and scheme.startswith("etd"):
        pytest.skip("periodic axes only")
    text = f"{HEAD}{SCHEMES[scheme]}\nboundary {wall}\ninitial u = 1 + 0.3*sin(2*pi*x)\ngrid x: 12\nmarch {scheme}, steps: 5\n"
    _, net = compiled(text)
    generator = torch.Generator().manual_seed(1)
    start = net.initial_state(2).detach()
    v, w = (torch.randn(start.shape, dtype=start.dtype, generator=generator) for _ in range(2))
    with torch.autograd.forward_ad.dual_level():
        dual = net.march(torch.autograd.forward_ad.make_dual(start, v))
        pushed = torch.autograd.forward_ad.unpack_dual(dual).tangent
    wanted = start.clone().requires_grad_()
    (pulled,) = torch.autograd.grad((net.march(wanted) * w).sum(), wanted)
    left, right = float((pushed * w).sum()), float((v * pulled).sum())
    assert abs(left - right) <= 1e-12 * float(pushed.norm() * w.norm())
