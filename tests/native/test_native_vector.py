"""Loops over whole cache lines: where they are written, and that they are what the plain loop is."""

from __future__ import annotations

import pytest
import torch

import npde
from npde.native.c_vector import lines_around, vector_body
from npde.native.kernels import lower

TEXT = """model m
coordinates x, y in [0, 1], t in [0, 0.0004]
field u(x, y, t)
learn D = 0.1, a(x, y) = 1
dt(u) = {rate}
boundary periodic
initial u = 1 + 0.2*sin(2*pi*x)*cos(2*pi*y)
grid x: 9, y: {cells}
order {order}
march euler, steps: 4
"""


def text(rate: str, cells: int, dtype: str, order: int = 2) -> str:
    model = npde.parse(TEXT.format(rate=rate, cells=cells, order=order))
    return lower(model._compilation().graph).forward(dtype).text


def test_statements_become_those_of_vectors() -> None:
    body = [
        "const T s = u[j - 1] + u[j + 2];",
        "const T k = D * 2;",
        "w[j] = power_2(s) * k;",
        "v[j] += s;",
        "sum_0 += s;",
    ]
    assert vector_body(body, ["sum_0"], 16) == [
        "const V s = BEFORE(u, 1) + AFTER(u, 2);",
        "const T k = D * 2;",
        "put(w + j, vector_power_2(s) * k);",
        "put(v + j, at(v + j) + s);",
        "sum_0_lanes += s;",
    ]
    assert vector_body(body[-3:], ["sum_0"], 16, 5) is None  # `s` and `k` are no vectors there
    assert vector_body(["w[j] = u[j];", "v[j] += u[j];", "sum_0 += u[j];"], ["sum_0"], 16, 5) == [
        "put_leading(w + j, at(u + j), 5);",
        "put_leading(v + j, at(v + j) + at(u + j), 5);",
        "sum_0_lanes += leading(at(u + j), 5);",
    ]


def test_lines_of_a_row_are_loaded_once() -> None:
    both = lines_around(["const T s = u[j - 1] + u[j] + u[j + 2] + v[j];"], "0")
    assert vector_body(["w[j] = u[j - 1] + u[j] + v[j];"], [], 16) == ["put(w + j, BEFORE(u, 1) + u_here + at(v + j));"]
    assert both.ahead == ("V u_before = at(u - LANES);", "V u_here = at(u);")
    assert both.head == ("const V u_after = at(u + j + LANES);",)
    assert both.end == ("u_before = u_here;", "u_here = u_after;")
    left, right = lines_around(["w[j] = u[j - 1];"], "start"), lines_around(["w[j] = u[j + 1];"], "start")
    assert (left.ahead, left.head) == (("V u_before = at(u + start - LANES);",), ("const V u_here = at(u + j);",))
    assert (right.ahead, right.end) == (("V u_here = at(u + start);",), ("u_here = u_after;",))


@pytest.mark.parametrize(
    "line",
    ["w[j] = expf(u[j]);", "w[j] = ((u[j] > 0) ? u[j] : 0);", "w[j] = 2;", "w[j + 1] = u[j];", "w[j] = u[j - 17];"],
)
def test_what_is_more_than_arithmetic_stays_a_plain_loop(line: str) -> None:
    assert vector_body([line], [], 16) is None


@pytest.mark.parametrize(
    ("cells", "dtype", "lines", "rest"),
    [(16, "float", 16, 0), (24, "float", 16, 8), (24, "double", 24, 0), (7, "double", 0, 7)],
)
def test_rows_of_any_length(cells: int, dtype: str, lines: int, rest: int) -> None:
    found = text("D*lap(u)", cells, dtype)
    sweep = found[found.index("SWEEP static void") :]
    assert (f"for (long j = 0; j < {lines}; j += LANES)" in sweep) == (lines > 0)
    assert (f"const long j = {lines};" in sweep) == (rest > 0)
    assert (f"put_leading(next_state_2_row + j, next_state, {rest});" in sweep) == (rest > 0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("order", [2, 4, 6])
@pytest.mark.parametrize("rate", ["D*lap(u) - u^3/(1 + D^2)", "div(a*grad(u)) + D*u", "D*dx(u)*dy(u) + tanh(u)"])
def test_vectors_and_torch_agree(rate: str, order: int, dtype: torch.dtype) -> None:
    model = npde.parse(TEXT.format(rate=rate, cells=32, order=order))
    found = []
    for backend in ("torch", "native"):
        net = model.compile(backend=backend, dtype=dtype)
        state = net.initial_state(2).requires_grad_()
        result = net(state)
        found.append(
            [
                result.detach(),
                *torch.autograd.grad(result.square().sum(), (state, *net.parameters()), allow_unused=True),
            ]
        )
    near = 1e-11 if dtype == torch.float64 else 5e-3  # sums of gradients cancel
    for plain, wide in zip(*found, strict=True):
        assert plain is wide is None or torch.allclose(plain, wide, rtol=near, atol=near * float(plain.abs().max()))
