"""How a steady problem is solved: read off its equations and conditions."""

from __future__ import annotations

import pytest

from npde import discretize, model, symbolic, syntax
from npde.discretize.scheme import LinearSolve, Steady
from npde.source import Source


def solve_of(equation: str, boundary: str, *, declare: str = "", field: str = "u(x, y)", order: int = 2) -> LinearSolve:
    text = (
        f"coordinates x, y in [0, 1]\nfield {field}\n{declare}\n{equation}\nboundary {boundary}\n"
        f"grid x: 16, y: 16\norder {order}\n"
    )
    scheme = discretize.build(symbolic.build(model.build(syntax.parse(Source("<test>", text)))))
    assert isinstance(scheme.time, Steady)
    return scheme.time.solve


@pytest.mark.parametrize(
    ("equation", "boundary", "method"),
    [
        ("lap(u) = -1", "u = 0", "fft"),
        ("lap(u) = -1", "x: u = sin(y)\nboundary y: dn(u) = x", "fft"),
        ("div(3*grad(u)) - u = x", "x: periodic\nboundary y: dn(u) = x", "fft"),
        ("lap(u) = -1", "u + dn(u) = 0", "block_lu"),
        ("lap(u) = -1", "u + 0*dn(u) = 0", "fft"),
        ("lap(u) + dx(u) = -1", "u = 0", "block_lu"),
        ("lap(u) + dx(u) = -1", "x: periodic\nboundary y: u = 0", "fft"),
        ("dx(dx(u)) + dyy(u) = -1", "u = 0", "block_lu"),
        ("lap(u) - x*u = -1", "u = 0", "block_lu"),
        ("lap(u) + a*dxy(u) = -1", "u = 0", "block_lu"),
        ("lap(u) - u = sin(2*pi*x)", "periodic", "fft"),
        ("lap(u) - (2 + sin(2*pi*x))*u = 1", "periodic", "block_lu"),
    ],
)
def test_transforms_where_the_matrix_is_diagonal_for_waves(equation: str, boundary: str, method: str) -> None:
    assert solve_of(equation, boundary, declare="learn a = 1").method == method


def test_upwind_differences_have_no_mirror_images() -> None:
    text = (
        "coordinates x, t in [0, 1]\nfield u(x, t)\ndt(u) = dxx(u) - dx(u)\nboundary u = 0\ninitial u = 0\n"
        "{}march crank_nicolson, steps: 10\n"
    )
    methods = []
    for grid in ("grid x: 16\n", "grid x: 16, upwind 1\n"):
        scheme = discretize.build(symbolic.build(model.build(syntax.parse(Source("<test>", text.format(grid))))))
        methods.append(scheme.time.solve.method)  # type: ignore[union-attr]
    assert methods == ["block_lu", "block_lu"]


def test_transforms_need_order_2_and_one_matrix() -> None:
    assert solve_of("lap(u) = 1", "u = 0", order=4).method == "block_lu"
    assert solve_of("lap(u) - D*u = 1", "u = 0", declare="input D").method == "block_lu"
    assert solve_of("lap(u) + 9*u = 1", "dn(u) = x", field="u(x, y) complex").mirrors == ((1, 1), (1, 1))


@pytest.mark.parametrize(
    ("equation", "boundary", "null"),
    [
        ("lap(u) = cos(pi*x)", "dn(u) = 0", (0,)),
        ("lap(u) = cos(2*pi*x)", "periodic", (0,)),
        ("div((1 + x)*grad(u)) + dx(u) = 0", "dn(u) = x", (0,)),
        ("lap(u) - u = 1", "dn(u) = 0", ()),
        ("lap(u) = 1", "u + dn(u) = 0", ()),
        ("lap(x*u) = 1", "dn(u) = 0", (0,)),
        ("lap(x^2*u) = 1", "dn(u) = 0", ()),
    ],
)
def test_a_solution_up_to_constants_is_recognised(equation: str, boundary: str, null: tuple[int, ...]) -> None:
    assert solve_of(equation, boundary).null == null


def test_the_null_channel_of_the_second_of_two_fields() -> None:
    found = solve_of("lap(u) = u + 1\nlap(v) = u", "x = 0: u = 0, dn(v) = 0\nboundary x = 1: u = 0, dn(v) = 0\n"
                     "boundary y = 0: u = 0, dn(v) = 0\nboundary y = 1: u = 0, dn(v) = 0", field="u(x, y), v(x, y)")  # fmt: skip
    assert found.null == (1,)


@pytest.mark.parametrize(
    ("equation", "is_complex"),
    [
        ("lap(u) + (100 + x)*u = 1", True),
        ("lap(u) + i*dx(u) + (3 + i*x)*u = i", True),
        ("div((1 + i*y)*grad(u)) + u = 1", True),
        ("lap(u) + conj(u) = 1", False),
        ("lap(u) + re(u) = 1", False),
    ],
)
def test_complex_linearity_is_proved(equation: str, is_complex: bool) -> None:
    assert solve_of(equation, "u = 0", field="u(x, y) complex").is_complex == is_complex


def test_matrices_that_differ_by_sample() -> None:
    assert solve_of("lap(u) - V*u = 1", "u = 0", declare="input V(x, y)").per_sample
    assert not solve_of("lap(u) - u = V", "u = 0", declare="input V(x, y)").per_sample


def test_the_reach_counts_ghost_polynomials() -> None:
    assert solve_of("lap(u) = 1", "x: periodic\nboundary y: u = 0", order=4).reach == (2, 3)
