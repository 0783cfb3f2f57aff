"""Grid, order, march, solve and network, and the options that override them."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import pytest

from npde.model import Problem
from npde.options import MarchOption, Overrides

Build = Callable[..., Problem]
Diagnose = Callable[..., list[tuple[str, str]]]

BASE = {
    "coordinates": "x in [0, 1], t in [0, 1]",
    "equation": "dt(u) = dxx(u)",
    "boundary": "boundary periodic",
    "grid": "grid x: 32",
    "march": "march rk4, steps: 10",
    "more": "",
}


def file(**lines: str) -> str:
    all_lines = {**BASE, **lines}
    return (
        "coordinates {coordinates}\nfield u(x, t)\nlet h = 1/8\nlearn D = 1 in [0, 2], K(x) = 1, L stencil 3\n"
        "{equation} + h*D*K + L(u)\n"
        "{boundary}\ninitial u = 0\n{grid}\n{march}\n{more}\n"
    ).format(**all_lines)


@pytest.mark.parametrize(
    "march, steps, dt",
    [
        ("march rk4, steps: 200", 200, None),
        ("march rk4, dt: 0.05", None, Fraction(1, 20)),
        ("march rk4, dt: h", None, Fraction(1, 8)),
        ("march rk4, dt: 1/3", None, Fraction(1, 3)),
        ("march rk4, dt: auto", None, "auto"),
        ("march etdrk4, dt: 1e-3", None, Fraction(1, 1000)),
        ("march strang along t, steps: 2*5", 10, None),
    ],
)
def test_steps(build: Build, march: str, steps: int | None, dt: object) -> None:
    found = build(file(march=march)).numerics.march
    assert found is not None
    assert (found.steps, found.dt) == (steps, dt)


@pytest.mark.parametrize(
    "length, dt, whole", [("0.7", "0.1", True), ("1", "0.3", False), ("2*pi", "pi/50", True), ("2*pi", "0.1", False)]
)
def test_whole_steps_are_counted_in_exact_decimals(diagnose: Diagnose, length: str, dt: str, whole: bool) -> None:
    text = file(coordinates=f"x in [0, 1], t in [0, {length}]", march=f"march rk4, dt: {dt}")
    assert diagnose(text) == ([] if whole else [("N0613", dt)])


def test_the_nearest_step_is_offered_and_divides(hints: Callable[[str], list[str]], diagnose: Diagnose) -> None:
    assert hints(file(march="march rk4, dt: 0.3")) == ["the nearest step that does is `dt: 1/3` (3 steps)."]
    assert hints(file(march="march rk4, dt: 7")) == ["the nearest step that does is `dt: 1` (1 step)."]
    assert diagnose(file(march="march rk4, dt: 1/3")) == []


@pytest.mark.parametrize(
    "lines, expected",
    [
        ({"march": ""}, ("N0610", "t")),
        ({"march": "march rk4"}, ("N0612", "rk4")),
        ({"march": "march rk5, steps: 10"}, ("N0609", "rk5")),
        ({"march": "march rk4, steps: 10, dt: 0.1"}, ("N0611", "dt: 0.1")),
        ({"march": "march rk4, steps: 10, steps: 20"}, ("N0620", "steps")),
        ({"march": "march rk4, step: 10"}, ("N0614", "step")),
        ({"march": "march rk4, steps: 0"}, ("N0615", "0")),
        ({"march": "march rk4, steps: 1.5"}, ("N0315", "1.5")),
        ({"march": "march rk4, steps: D"}, ("N0215", "D")),
        ({"march": "march rk4, steps: auto"}, ("N0203", "auto")),
        ({"march": "march rk4, dt: 0"}, ("N0615", "0")),
        ({"march": "march rk4, dt: i"}, ("N0314", "i")),
        ({"march": "march rk4, dt: [1, 2]"}, ("N0314", "[1, 2]")),
        ({"march": "march rk4 along q, steps: 10"}, ("N0206", "q")),
        ({"march": "march rk4, steps: 10\nmarch rk4, steps: 20"}, ("N0217", "march rk4, steps: 20")),
        ({"grid": ""}, ("N0602", "x")),
        ({"grid": "grid x: 2"}, ("N0605", "2")),
        ({"grid": "grid x: 0"}, ("N0604", "0")),
        ({"grid": "grid x: -4"}, ("N0604", "-4")),
        ({"grid": "grid x: 32.5"}, ("N0315", "32.5")),
        ({"grid": "grid x: 32, t: 10"}, ("N0603", "t")),
        ({"grid": "grid x: 32, q: 10"}, ("N0206", "q")),
        ({"grid": "grid x: 32\ngrid x: 64"}, ("N0620", "x")),
        ({"grid": "grid x: 10^10"}, ("N0606", "10^10")),
        ({"grid": "grid x: 32, upwind 4"}, ("N0619", "4")),
        ({"more": "order 3"}, ("N0607", "3")),
        ({"more": "order 2\norder 2"}, ("N0217", "order 2")),
        ({"more": "order 4", "grid": "grid x: 4"}, ("N0605", "4")),
        ({"more": "order 8", "boundary": "boundary u = 0"}, ("N0608", "8")),
        ({"more": "order 6", "boundary": "boundary u = 0", "equation": "dt(u) = dxx(u) + dx(u)"}, ("N0608", "6")),
        ({"more": "network resnet"}, ("N0617", "resnet")),
        ({"more": "solve gauss"}, ("N0616", "gauss")),
        ({"more": "solve gmres, iterations: 0", "march": "march crank_nicolson, steps: 10"}, ("N0615", "0")),
        ({"more": "solve gmres, tolerance: 2", "march": "march crank_nicolson, steps: 10"}, ("N0615", "2")),
        ({"more": "solve gmres, speed: 2", "march": "march crank_nicolson, steps: 10"}, ("N0614", "speed")),
        ({"more": "solve gmres"}, ("N0621", "solve gmres")),
        ({"coordinates": "x in [1, 0], t in [0, 1]"}, ("N0601", "1, 0")),
        ({"coordinates": "x in [1, 1], t in [0, 1]"}, ("N0601", "1, 1")),
        ({"coordinates": "x in [0, i], t in [0, 1]"}, ("N0314", "i")),
        ({"coordinates": "x in [0, y], t in [0, 1]"}, ("N0203", "y")),
        ({"coordinates": "x in [0, 1], x in [0, 2], t in [0, 1]"}, None),
    ],
)  # fmt: skip
def test_mistakes(diagnose: Diagnose, lines: dict[str, str], expected: tuple[str, str] | None) -> None:
    found = diagnose(file(**lines))
    assert found == ([expected] if expected else [("N0201", "x")])


@pytest.mark.parametrize("order", [2, 4, 6, 8])
def test_orders_of_periodic_axes(build: Build, order: int) -> None:
    assert build(file(more=f"order {order}")).numerics.order == order


def test_a_flux_across_walls_is_of_second_order(build: Build, diagnose: Diagnose) -> None:
    lines = {"more": "order 6", "boundary": "boundary u = 0"}
    assert build(file(**lines, equation="dt(u) = div(K*grad(u))")).numerics.order == 6
    assert diagnose(file(**lines, equation="dt(u) = div(K*grad(u)) + grad(u)[0]")) == [("N0608", "6")]


def test_options_take_the_place_of_what_the_file_says(build: Build) -> None:
    overrides = Overrides(
        grid={"x": 64},
        order=4,
        march=MarchOption("heun", steps=5),
        network="mlp",
        set={"D": Fraction(1, 2), "h": Fraction(3)},
        extent={"t": (Fraction(0), Fraction(3))},
    )
    problem = build(file(), overrides)
    numerics = problem.numerics
    assert numerics.cells == (("x", 64),)
    assert numerics.order == 4
    assert numerics.network == "mlp"
    assert numerics.march is not None
    assert (numerics.march.scheme, numerics.march.steps) == ("heun", 5)
    assert problem.time is not None
    assert problem.time.upper == 3
    from npde.model import expression as ex

    assert isinstance(problem.lets[0].value, ex.Number)
    assert problem.lets[0].value.value == 3


def test_an_option_keeps_what_it_does_not_name(build: Build) -> None:
    march = build(file(), Overrides(march=MarchOption(scheme="euler"))).numerics.march
    assert march is not None
    assert (march.scheme, march.steps) == ("euler", 10)
    march = build(file(), Overrides(march=MarchOption(dt=Fraction(1, 4)))).numerics.march
    assert march is not None
    assert (march.scheme, march.steps, march.dt) == ("rk4", None, Fraction(1, 4))


def test_an_option_may_name_another_marching_coordinate(build: Build) -> None:
    text = "coordinates x in [0, 1], z in [0, 2]\nfield u(x, z)\ndz(u) = dxx(u)\nboundary periodic\ninitial u = 0\ngrid x: 8\n"
    assert build(text, Overrides(march=MarchOption("rk4", along="z", steps=4))).marching == "z"


@pytest.mark.parametrize(
    "overrides, code, word",
    [
        (Overrides(grid={"y": 3}), "N0622", "--grid"),
        (Overrides(grid={"t": 3}), "N0622", "--grid"),
        (Overrides(grid={"x": 0}), "N0623", "--grid"),
        (Overrides(grid={"x": 10**10}), "N0606", "10,000,000,000"),
        (Overrides(grid={"x": 2}), "N0605", "2 cells"),
        (Overrides(order=3), "N0623", "--order"),
        (Overrides(march=MarchOption("rk5")), "N0623", "--march"),
        (Overrides(march=MarchOption(steps=0)), "N0623", "--march"),
        (Overrides(march=MarchOption(steps=4, dt=Fraction(1, 4))), "N0623", "--march"),
        (Overrides(march=MarchOption(dt=Fraction(3, 10))), "N0613", "0.3"),
        (Overrides(march=MarchOption(dt=Fraction(-1))), "N0623", "--march"),
        (Overrides(march=MarchOption(along="q", steps=3)), "N0622", "--march"),
        (Overrides(set={"D": Fraction(3)}), "N0623", "--set"),
        (Overrides(set={"L": Fraction(3)}), "N0622", "--set"),
        (Overrides(set={"q": Fraction(3)}), "N0622", "--set"),
        (Overrides(extent={"q": (Fraction(0), Fraction(1))}), "N0622", "--extent"),
        (Overrides(extent={"x": (Fraction(1), Fraction(0))}), "N0623", "--extent"),
        (Overrides(network="gru"), "N0623", "--network"),  # type: ignore[arg-type]
    ],
)
def test_options_that_do_not_fit(overrides: Overrides, code: str, word: str) -> None:
    from npde import model, syntax
    from npde.source import NOWHERE, Source

    problem, found = model.check(syntax.parse(Source("test.npde", file())), overrides)
    assert problem is None
    assert [d.code for d in found] == [code]
    assert found[0].span == NOWHERE
    assert word in found[0].message


def test_nothing_can_be_marched_in_a_steady_problem() -> None:
    from npde import model, syntax
    from npde.source import Source

    text = "coordinates x in [0, 1]\nfield u(x)\ndxx(u) = 1\nboundary u = 0\ngrid x: 8\n"
    _, found = model.check(syntax.parse(Source("test.npde", text)), Overrides(march=MarchOption("rk4", steps=3)))
    assert [d.code for d in found] == ["N0623"]


def test_an_extent_from_the_command_line_is_named_when_the_step_no_longer_fits() -> None:
    from npde import model, syntax
    from npde.source import Source

    tree = syntax.parse(Source("test.npde", file(march="march rk4, dt: 0.25")))
    _, found = model.check(tree, Overrides(extent={"t": (Fraction(0), Fraction(11, 10))}))
    assert [d.code for d in found] == ["N0613"]
    assert found[0].notes == ("The extent comes from the option '--extent'.",)
