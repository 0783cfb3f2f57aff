"""How a steady problem is solved: read off its equations and conditions."""

from __future__ import annotations

import pytest

from npde import discretize, model, symbolic, syntax
from npde.discretize.scheme import LinearSolve, Steady
from npde.source import Source


def solve_of(
    equation: str, boundary: str, *, declare: str = "", field: str = "u(x, y)", order: int = 2, cells: int = 16
) -> LinearSolve:
    text = (
        f"coordinates x, y in [0, 1]\nfield {field}\n{declare}\n{equation}\nboundary {boundary}\n"
        f"grid x: {cells}, y: {cells}\norder {order}\n"
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
        ("lap(u) = -1", "u + dn(u) = 0", "axes"),
        ("lap(u) = -1", "u + 0*dn(u) = 0", "fft"),
        ("lap(u) + dx(u) = -1", "u = 0", "block_lu"),
        ("lap(u) + dx(u) = -1", "x: periodic\nboundary y: u = 0", "fft"),
        ("dx(dx(u)) + dyy(u) = -1", "u = 0", "block_lu"),
        ("lap(u) - x*u = -1", "u = 0", "axes"),
        ("lap(u) + a*dxy(u) = -1", "u = 0", "block_lu"),
        ("lap(u) - u = sin(2*pi*x)", "periodic", "fft"),
        ("lap(u) - (2 + sin(2*pi*x*y))*u = 1", "periodic", "block_lu"),
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
    assert solve_of("lap(u) = 1", "u = 0", order=4).method == "axes"
    assert solve_of("lap(u) - D*u = 1", "u = 0", declare="input D").method == "block_lu"
    assert solve_of("lap(u) + 9*u = 1", "dn(u) = x", field="u(x, y) complex").mirrors == ((1, 1), (1, 1))


@pytest.mark.parametrize(
    ("equation", "boundary", "order", "method"),
    [
        ("lap(u) - (x^2 + V)*u = 1", "u + b*dn(u) = 0", 2, "axes"),
        ("lap(u) - x*y*u = 1", "u = 0", 2, "block_lu"),
        ("lap(u) - c*u = 1", "u = 0", 2, "block_lu"),
        ("lap(u) - s*u = 1", "u = 0", 2, "block_lu"),
        ("x*lap(u) = 1", "u = 0", 2, "block_lu"),
        ("div([a*dx(u), 2*dy(u)]) = 1", "u = x*y", 2, "axes"),
        ("div([a*dx(u), 2*dy(u)]) = 1", "u = x*y", 4, "block_lu"),
        ("div([a*dx(u), 2*dy(u)]) = 1", "periodic", 4, "axes"),
        ("div([V*dx(u), 2*dy(u)]) = 1", "u = x*y", 2, "block_lu"),
        ("div(a*grad(u)) = 1", "u = 0", 2, "block_lu"),
        ("lap(u) - u = 1", "x: u = 0\nboundary y: u + (1 + x)*dn(u) = 0", 2, "block_lu"),
        ("lap(u) - x*u = 1", "u + dn(u) = 0", 4, "block_lu"),
        ("lap(u) - 3*u = 1", "u + b*dn(u) = 0", 6, "axes"),
        ("lap(u) + dx(u) = 1", "u + dn(u) = 0", 2, "block_lu"),
        ("lap(u) + dxy(u) = 1", "u + dn(u) = 0", 2, "block_lu"),
        ("dxx(u) + dx(dx(u)) + dyy(u) = 1", "u + dn(u) = 0", 2, "block_lu"),
    ],
)
def test_a_basis_an_axis_where_the_operator_is_a_sum_over_axes(
    equation: str, boundary: str, order: int, method: str
) -> None:
    declared = "learn a(x) = 1 > 0, V(y) = 1, b = 1 > 0, c(x, y) = 1\ninput s"
    assert solve_of(equation, boundary, declare=declared, order=order).method == method


def test_parts_of_a_complex_operator_share_a_basis() -> None:
    def found(equation: str) -> tuple[str, bool]:
        solve = solve_of(equation, "u + dn(u) = 0", field="u(x, y) complex")
        return solve.method, solve.is_complex

    assert found("lap(u) + 30*u = i") == ("axes", False)
    assert found("(1 + 2*i)*lap(u) + (30 + i)*u = i") == ("axes", True)
    assert found("lap(u) + (30 + i + x)*u = i") == ("axes", True)
    assert found("lap(u) + i*x*u = i") == ("block_lu", True)
    assert found("lap(u) + 30*conj(u) = i") == ("axes", False)
    assert solve_of("lap(u) + 30*u = i", "absorbing(0.25)", field="u(x, y) complex").method == "block_lu"


def test_systems_whose_fields_are_apart() -> None:
    boundary = "x: u + dn(u) = 0, v = 0\nboundary y: u = 0, v + dn(v) = 1"
    assert solve_of("lap(u) = 1\n2*lap(v) - v = u", boundary, field="u(x, y), v(x, y)").method == "block_lu"
    assert solve_of("lap(u) = 1\n2*lap(v) - v = x", boundary, field="u(x, y), v(x, y)").method == "axes"


def test_long_and_narrow_grids_are_factored() -> None:
    text = "coordinates x, y in [0, 1]\nfield u(x, y)\nlap(u) = 1\nboundary u + dn(u) = 0\ngrid x: {}, y: 4\n"
    methods = []
    for cells in (16, 512):
        given = Source("<test>", text.format(cells))
        scheme = discretize.build(symbolic.build(model.build(syntax.parse(given))))
        methods.append(scheme.time.solve.method)  # type: ignore[union-attr]
    assert methods == ["axes", "block_lu"]


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
        ("lap(u) + (100 + x*y)*u = 1", True),
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
    assert solve_of("lap(u) = x*y*u", "x: periodic\nboundary y: u = 0", order=4).reach == (2, 3)


def test_wide_blocks_of_a_march_give_way_to_a_basis_an_axis() -> None:
    """Three dimensions: block elimination is out of reach where fast diagonalization is not."""
    text = (
        "coordinates x, y, z in [0, 1], t in [0, 1]\nfield u(x, y, z, t)\ndt(u) = lap(u) - {}*u\nboundary u = 0\ninitial u = 1\n"
        "grid x: 96, y: 96, z: 96\norder 4\nmarch crank_nicolson, steps: 10\n"
    )
    methods = []
    for factor in ("2", "x*y"):
        scheme = discretize.build(symbolic.build(model.build(syntax.parse(Source("<test>", text.format(factor))))))
        methods.append(scheme.time.solve.method)  # type: ignore[union-attr]
    assert methods == ["axes", "gmres"]


@pytest.mark.parametrize(
    ("equation", "small", "large"),
    [
        ("div(exp(x*y)*grad(u)) = -1", "block_lu", "cg"),
        ("div(exp(x*y)*grad(u)) + dx(u) = -1", "block_lu", "gmres"),
        ("div(exp(x*y)*grad(u)) = exp(u)", "block_lu", "gmres"),
        ("div(x*grad(u)) + dx(dy(u)) - dy(dx(u)) = -1", "block_lu", "gmres"),
        ("dx(u) + x*dy(u) = u - 1", "block_lu", "block_lu"),
        ("lap(u) = -1", "fft", "fft"),
    ],
)
def test_large_planes_are_solved_by_preconditioned_iterations(equation: str, small: str, large: str) -> None:
    """Where a preconditioner exists; others are factored, whatever it takes."""
    boundary = "periodic" if equation.startswith("dx(u)") else "u = 0"
    assert solve_of(equation, boundary).method == small
    found = solve_of(equation, boundary, cells=320)
    assert (found.method, found.preconditioned) == (large, large in ("cg", "gmres"))
