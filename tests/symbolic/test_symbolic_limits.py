"""Size, depth and determinism of the symbolic stage."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import pytest
import sympy as sp

from npde import symbolic
from npde.diagnostics import DiagnosticError
from npde.model import expression as ex
from npde.model.problem import Coordinate, Equation, Field, Initial, March, Numerics, Problem
from npde.symbolic.sizes import Sizes
from npde.symbolic.symbols import real
from tests.symbolic.texts import heat, system

ROOT = Path(__file__).parents[2]
SCALAR = ex.Type()
OVER = ex.Type((), False, ("t", "x"))


def by_hand(right: ex.Expr) -> Problem:
    """dt(u) = right, without the limits that the parser keeps."""
    u = ex.FieldRef("u", (), OVER)
    return Problem(
        "m", "", (Coordinate("x", Fraction(0), Fraction(1)), Coordinate("t", Fraction(0), Fraction(1))), "t",
        (Field("u", (), ("x", "t"), False),), (), (), (), (Equation(ex.Derivative(u, (("t", 1),), OVER), right),),
        ("x",), (), (), (), (Initial("u", 0, ex.Number(Fraction(0), SCALAR)),), (),
        Numerics((("x", 32),), 2, None, March("rk4", 10, None), None, None),
    )  # fmt: skip


def number(value: int) -> ex.Expr:
    return ex.Number(Fraction(value), SCALAR)


def chain(operator: str, count: int) -> ex.Expr:
    """((u∘1)∘2)∘3 …, nested to the left as deep as it is long."""
    whole: ex.Expr = ex.FieldRef("u", (), OVER)
    u = whole
    for k in range(1, count):
        term = ex.Binary("^", u, number(k % 5 + 1), OVER) if operator != "*" else ex.Binary("+", u, number(k), OVER)
        whole = ex.Binary(operator, whole, term, OVER)  # type: ignore[arg-type]
    return whole


@pytest.mark.parametrize("operator", ["+", "-", "*"])
def test_ten_thousand_operands_neither_overflow_nor_take_quadratic_time(operator: str) -> None:
    seconds = []
    for count in (2_500, 10_000):
        given = by_hand(chain(operator, count))
        start = time.perf_counter()
        found = symbolic.build(given)
        seconds.append(time.perf_counter() - start)
    assert seconds[1] < 10 * seconds[0] + 0.5  # sixteen-fold if it were quadratic
    if operator == "+":
        assert sp.Add.make_args(found.rates[0]).__len__() == 5
        assert found.rates[0].coeff(real("u"), 2) == 2000


def test_a_product_of_complex_factors_is_refused_before_it_explodes() -> None:
    product = "*".join(f"(u + {k})" for k in range(1, 60))
    with pytest.raises(DiagnosticError) as caught:
        system(heat(f"i*dt(u) = {product}", field="u(x, t) complex"))
    assert caught.value.diagnostics[0].code == "N0961"


def test_powers_stay_powers() -> None:
    found = system(heat("dt(u) = lap((u + x)^900) + (u - 1)^1000"))
    assert found.rates[0].count_ops() < 20


def test_sizes_count_shared_parts_as_often_as_they_occur() -> None:
    u = real("u")
    e = u + 1
    for _ in range(40):
        e = sp.sin(e) * sp.cos(e)
    assert Sizes().of(e) > 2**40
    assert Sizes().of(u + sp.zoo) == 0
    assert Sizes().of(sp.sqrt(-3) * u) == 0
    assert Sizes().of(sp.sqrt(3) * u) > 0


SCRIPT = """
import sys
from pathlib import Path
from npde import discretize, model, symbolic, syntax
from npde.diagnostics import DiagnosticError
from npde.source import Source
for path in sorted(Path("examples").glob("*.npde")):
    problem = model.build(syntax.parse(Source(path.name, path.read_text(encoding="utf-8"))))
    system = symbolic.build(problem)
    print(path.name, system.unknowns, system.rates, system.terms, system.walls, system.initial, system.outputs, system.symbols)
    try:
        scheme = discretize.build(system)
        print(scheme.grid, scheme.ghosts, scheme.time, scheme.dt, scheme.steps, scheme.bound, scheme.warnings)
    except DiagnosticError as error:
        print(error.diagnostics)
"""


def test_records_do_not_depend_on_the_hash_seed() -> None:
    printed = []
    for seed in ("0", "1", "20"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
        )
        printed.append(done.stdout)
    assert printed[0].count("\n") > 30
    assert printed[0] == printed[1] == printed[2]


def test_building_an_example_takes_milliseconds() -> None:
    text = (ROOT / "examples" / "gray_scott.npde").read_text(encoding="utf-8")
    system(text)
    start = time.perf_counter()
    system(text)
    assert time.perf_counter() - start < 0.5
