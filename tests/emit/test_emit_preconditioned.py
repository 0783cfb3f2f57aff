"""Krylov solves of implicit steps, preconditioned by the nearest sum over the axes: few applications of the matrix, whatever the
grid, and the states and gradients of direct solves."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from npde.discretize.definite import definiteness
from tests.comparison import compiled, perturb, random_inputs


def text(
    terms: str,
    cells: int,
    solve: str,
    *,
    wall: str = "u = 0",
    march: str = "backward_euler, steps: 2",
    dim: int = 2,
    more: str = "",
) -> str:
    """An implicit march of two stiff steps in two or three dimensions."""
    names = "xyz"[:dim]
    space = ", ".join(names)
    grid = ", ".join(f"{c}: {cells}" for c in names)
    return (
        f"coordinates {space} in [0, 1], t in [0, 0.05]\nfield u({space}, t)\n{more}\ndt(u) = {terms}\nboundary {wall}\n"
        f"initial u = sin(pi*x)*y*(1 - y)\ngrid {grid}\nmarch {march}\n{solve}\n"
    )


STIFF = {
    "CG": text("div(exp(sin(5*x + 3*y))*grad(u))", 0, "solve cg"),
    "CG, a volume": text("div(exp(sin(5*x + 3*y))*grad(u))", 0, "solve cg", dim=3),
    "GMRES, walls and wind": text("div((2 + x*y)*grad(u)) + 3*y*dx(u)", 0, "solve gmres", wall="dn(u) = 1 - u"),
    "a matrix a step": text("exp(t)*div(exp(sin(5*x + 3*y))*grad(u))", 0, "solve cg"),
    "BiCGStab, periodic": text("div(exp(sin(2*pi*(x + y)))*grad(u)) - u", 0, "solve bicgstab", wall="periodic"),
}  # fmt: skip


def with_cells(source: str, cells: int) -> str:
    return source.replace(": 0", f": {cells}")


def counted(net: torch.nn.Module) -> list[int]:
    """A number that grows with every application of the matrix by a Krylov method."""
    helpers = vars(sys.modules[type(net).__module__])
    count = [0]
    for name in ("conjugate_gradients", "bicgstab", "gmres"):
        if name not in helpers:
            continue

        def method(
            apply: Callable[[Tensor], Tensor], *arguments: object, own: Callable[..., Tensor] = helpers[name]
        ) -> Tensor:
            def again(v: Tensor) -> Tensor:
                count[0] += 1
                return apply(v)

            return own(again, *arguments)

        helpers[name] = method
    return count


@pytest.mark.parametrize("name", STIFF)
def test_iterations_do_not_grow_with_the_grid(name: str) -> None:
    sizes, found = ((6, 9, 12) if "volume" in name else (10, 20, 40)), []
    for cells in sizes:
        _, net = compiled(with_cells(STIFF[name], cells))
        count = counted(net)
        with torch.no_grad():
            net.march()
        found.append(count[0] / 2)
    assert max(found) <= 45, found
    assert found[2] <= found[1] + 6, found


def test_without_the_preconditioner_they_do() -> None:
    """What the preconditioner is for: five times as many applications without it on 40 x 40 cells."""
    found = []
    for plain in (False, True):
        _, net = compiled(with_cells(STIFF["CG"], 40))
        helpers = vars(sys.modules[type(net).__module__])
        if plain:
            helpers["solve_axes"] = lambda factors, v, adjoint=False: v
        count = counted(net)
        with torch.no_grad():
            net.march()
        found.append(count[0])
    assert found[1] > 5 * found[0], found


AGAINST_DIRECT = {
    **{name: with_cells(source, 7) for name, source in STIFF.items()},
    "a matrix a sample": text("s*div(exp(x + y)*grad(u))", 8, "solve cg", more="input s(x, y)").replace("cg", "gmres"),
    "learned": text("div(a*grad(u))", 8, "solve cg", more="learn a(x, y) = 1 > 0"),
    "implicit-explicit": text("div(a*grad(u)) - u^3", 8, "solve gmres", march="sbdf2, steps: 2", more="learn a(x, y) = 1 > 0"),
    "Newton": text("div((1 + u^2)*grad(u)) - q*u^3", 7, "solve gmres", march="crank_nicolson, steps: 2", more="learn q = 1"),
    "Newton, a volume": text("div((1 + u^2)*grad(u))", 5, "solve gmres", dim=3),
}  # fmt: skip


@pytest.mark.parametrize("name", AGAINST_DIRECT)
def test_states_and_gradients_are_those_of_direct_solves(name: str) -> None:
    source, found = AGAINST_DIRECT[name], []
    for how in ("solve cg", "solve bicgstab", "solve gmres"):
        source = source.replace(how, f"{how}, tolerance: 1e-13")
    for stated in (
        source,
        "\n".join("solve direct" if line.startswith("solve") else line for line in source.split("\n")),
    ):
        compilation, net = compiled(stated)
        perturb(net, size=0.1)
        inputs = random_inputs(net, 3)
        assert compilation.scheme.time.solve.preconditioned == (stated is source)
        state = net.initial_state(2, **inputs).detach().requires_grad_()
        out = net.march(**inputs, state=state)
        weights = torch.randn(out.shape, dtype=out.dtype, generator=torch.Generator().manual_seed(2))
        wanted = [state, *net.parameters(), *(v for v in inputs.values() if v.requires_grad)]
        found.append([out.detach(), *torch.autograd.grad((out * weights).sum(), wanted)])
    for mine, exact in zip(*found, strict=True):
        assert float((mine - exact).abs().max()) <= 1e-8 * max(float(exact.abs().max()), 1e-12)


def test_complex_fields_are_preconditioned_in_pairs() -> None:
    source = (
        "coordinates x, y in [0, 1], t in [0, 1]\nfield psi(x, y, t) complex\ni*dt(psi) = -lap(psi) + 40*x*y*psi\n"
        "boundary psi = 0\ninitial psi = x*(1 - x)*y*(1 - y)*exp(i*x)\ngrid x: {0}, y: {0}\n"
        "march crank_nicolson, steps: 2\nsolve {1}\n"
    )
    states = []
    for how in ("gmres, tolerance: 1e-12", "direct"):
        _, net = compiled(source.format(9, how))
        with torch.no_grad():
            states.append(net.march())
    assert float((states[0] - states[1]).abs().max()) < 1e-9 * float(states[1].abs().max())
    counts = []
    for cells in (8, 16, 32):
        _, net = compiled(source.format(cells, "gmres"))
        count = counted(net)
        with torch.no_grad():
            net.march()
        counts.append(count[0] / 2)
    assert max(counts) <= 45, counts


@pytest.mark.parametrize(
    ("term", "sign"),
    [
        ("(1 + y^2)*dxx(u) + exp(x)*dyy(u)", -1),
        ("exp(x)*dxx(u) + dyy(u)", 0),
        ("exp(t)*((1 + y^2)*dxx(u) + 2*lap(u))", -1),
        ("exp(x*y)*lap(u)", 0),
        ("(1 + y^2)*dxx(u) + div(exp(x)*grad(u)) - y^2*u", -1),
        ("exp(x)*div(exp(x)*grad(u))", 0),
    ],
)
def test_factors_that_vary_across_a_derivative_leave_it_symmetric(term: str, sign: int) -> None:
    """The proof against the matrix itself, column by column."""
    compilation, _ = compiled(text(term, 5, ""))
    linear = compilation.scheme.time.linear
    assert definiteness(compilation.system, linear) == sign
    _, net = compiled(text(term, 5, "", march="euler, dt: 1e-6"))
    probes = torch.eye(25, dtype=torch.float64)
    with torch.no_grad():
        matrix = (net.march(state=probes.reshape(25, 1, 5, 5), steps=1).flatten(1) - probes) / 1e-6
    is_symmetric = bool((matrix - matrix.mT).abs().max() < 1e-8 * matrix.abs().max())
    assert is_symmetric == (sign == -1)
    if sign == -1:
        assert float(torch.linalg.eigvalsh(matrix).max()) < 0
