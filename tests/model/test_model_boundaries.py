"""Boundary conditions: as many as the derivatives ask for, in the right place, and said so where they are not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from npde.model import Problem

Build = Callable[..., Problem]
Diagnose = Callable[..., list[tuple[str, str]]]


def file(
    equation: str, boundary: str, *, fields: str = "u(x, t)", more: str = "", coordinates: str = "x in [0, 1]"
) -> str:
    initials = "".join(f"initial {f.split('(')[0].split('[')[0].strip()} = 0\n" for f in fields.split("), "))
    grid = "grid x: 32, y: 32\n" if "y" in coordinates else "grid x: 32\n"
    return (
        f"coordinates {coordinates}, t in [0, 1]\nfield {fields}\n{more}{equation}\n{boundary}\n{initials}"
        f"{grid}march rk4, steps: 10\n"
    )


@pytest.mark.parametrize(
    "equation, boundary, count",
    [
        ("dt(u) = dxx(u)", "boundary u = 0", 2),
        ("dt(u) = dxx(u)", "boundary x: u = 0", 2),
        ("dt(u) = dxx(u)", "boundary x = 0: u = 0\nboundary x = 1: dn(u) = 0", 2),
        ("dt(u) = dxx(u)", "boundary x: periodic", 0),
        ("dt(u) = dxx(u)", "boundary x = 0: outflow\nboundary x = 1: u = 0", 1),
        ("dt(u) = dx(dx(u))", "boundary u = 0", 2),
        ("dt(u) = div(u*grad(u))", "boundary dn(u) = 0", 2),
        ("dt(u) = -lap(lap(u))", "boundary u = 0, dxx(u) = 0", 4),
        ("dt(u) = -lap(u^3 - u - lap(u))", "boundary dn(u) = 0, dn(lap(u)) = 0", 4),
        ("dt(u) = -d(u, x, 4)", "boundary x = 0: u = 0, dn(u) = 0\nboundary x = 1: u = 0, dn(u) = 0", 4),
        ("dt(u) = -dx(u)", "boundary x = 0: u = 0\nboundary x = 1: outflow", 1),
        ("dt(u) = dx(u)", "boundary x = 1: u = 0\nboundary x = 0: outflow", 1),
        ("dt(u) = d(u, x, 3)", "boundary x = 0: u = 0\nboundary x = 1: u = 0, dn(u) = 0", 3),
        ("dt(u) = -u + integral(u, x)", "", 0),
        ("dt(u) = dxx(integral(exp(x - x')*u(x'), x'))", "", 0),
        ("dt(u) = integral(dxx(u), x)", "boundary u = 0", 2),
        ("dt(u) = dxx(mean(u, x)*u)", "boundary u = 0", 2),
    ],
)
def test_conditions_that_are_right(build: Build, equation: str, boundary: str, count: int) -> None:
    assert len(build(file(equation, boundary)).conditions) == count


@pytest.mark.parametrize(
    "equation, boundary, expected",
    [
        ("dt(u) = dxx(u)", "boundary x = 0: u = 0", ("N0501", "dxx(u)")),
        ("dt(u) = dxx(u)", "boundary x = 1: u = 0", ("N0501", "dxx(u)")),
        ("dt(u) = dxx(u)", "", ("N0501", "dxx(u)")),
        ("dt(u) = -lap(lap(u))", "boundary u = 0", ("N0501", "lap(lap(u))")),
        ("dt(u) = -dx(u)", "", ("N0501", "dx(u)")),
        ("dt(u) = -dx(u)", "boundary x: outflow", ("N0501", "dx(u)")),
        ("dt(u) = -dx(u)", "boundary x = 0: u = 0", ("N0512", "dx(u)")),
        ("dt(u) = -dx(u)", "boundary u = 0", ("N0502", "u = 0")),
        ("dt(u) = dxx(u)", "boundary u = 0\nboundary x = 0: dn(u) = 1", ("N0502", "dn(u) = 1")),
        ("dt(u) = dxx(u)", "boundary u = 0\nboundary x = 0: u = 1", ("N0509", "u = 1")),
        ("dt(u) = dxx(u)", "boundary u = 0\nboundary x = 0: outflow", ("N0502", "u = 0")),
        ("dt(u) = d(u, x, 3)", "boundary u = 0", ("N0501", "d(u, x, 3)")),
        ("dt(u) = d(u, x, 3)", "boundary u = 0, dn(u) = 0", ("N0502", "dn(u) = 0")),
    ],
)
def test_conditions_missing_or_too_many(
    diagnose: Diagnose, equation: str, boundary: str, expected: tuple[str, str]
) -> None:
    assert diagnose(file(equation, boundary)) == [expected]


def test_the_missing_side_is_named(hints: Callable[[str], list[str]]) -> None:
    assert hints(file("dt(u) = dxx(u)", "boundary x = 0: u = 0")) == [
        "add `boundary x = 1: u = …`, or `boundary x: periodic`."
    ]


def test_an_axis_counts_for_itself(diagnose: Diagnose) -> None:
    text = file(
        "dt(u) = dxx(u) + dyy(u)", "boundary x: periodic\nboundary y = 0: u = 0", fields="u(x, y, t)",
        coordinates="x, y in [0, 1]",
    )  # fmt: skip
    assert diagnose(text) == [("N0501", "dyy(u)")]


def test_each_field_counts_for_itself(diagnose: Diagnose, build: Build) -> None:
    equations = "dt(u) = dxx(u)\ndt(v) = dxx(v) + u"
    fields = "u(x, t), v(x, t)"
    assert diagnose(file(equations, "boundary u = 0", fields=fields)) == [("N0501", "dxx(v)")]
    problem = build(file(equations, "boundary x = 0: u = 0, dn(v) = 1\nboundary x = 1: u = 1, v = 0", fields=fields))
    assert [(c.field, c.side, c.order) for c in problem.conditions] == [
        ("u", "lower", 0), ("u", "upper", 0), ("v", "lower", 1), ("v", "upper", 0),
    ]  # fmt: skip


def test_a_field_differentiated_in_the_equation_of_another_needs_conditions(diagnose: Diagnose) -> None:
    text = file("dt(u) = dxx(v)\ndt(v) = -v", "", fields="u(x, t), v(x, t)")
    assert diagnose(text) == [("N0501", "dxx(v)")]


SOUND = "dt(p) = -dx(v)\ndt(v) = -dx(p)"


def test_waves_of_a_first_order_system_meet_both_walls(diagnose: Diagnose, build: Build) -> None:
    fields = "p(x, t), v(x, t)"
    assert len(build(file(SOUND, "boundary v = 0, dn(p) = 0", fields=fields)).conditions) == 4
    one_end = "boundary x = 0: v = 0, p = 1\nboundary x = 1: outflow"
    assert len(build(file(SOUND, one_end, fields=fields)).conditions) == 2
    assert diagnose(file(SOUND, "boundary v = 0", fields=fields)) == [("N0501", "dx(p)")]
    assert diagnose(file(SOUND, "boundary v = 0, dn(v) = 0, dn(p) = 0", fields=fields)) == [("N0502", "dn(v) = 0")]


@pytest.mark.parametrize(
    "equations",
    [
        "dt(p) = -dx(p)\ndt(v) = -dx(v)",  # two that know nothing of each other
        "dt(p) = -dx(p)\ndt(v) = -dx(v) + dx(p)",  # one drives the other, not back
        "dt(p) = -dx(p) + v\ndt(v) = -dx(v) + p",  # not by derivatives
    ],
)
def test_what_is_carried_one_way_enters_at_one_wall(diagnose: Diagnose, equations: str) -> None:
    found = diagnose(file(equations, "boundary p = 0, v = 0", fields="p(x, t), v(x, t)"))
    assert [code for code, _ in found] == ["N0502", "N0502"]


def test_waves_are_found_through_other_fields(build: Build) -> None:
    around = "dt(p) = -dx(q)\ndt(q) = -dx(v)\ndt(v) = -dx(p)"
    assert (
        len(build(file(around, "boundary v = 0, dn(p) = 0, q = 0", fields="p(x, t), v(x, t), q(x, t)")).conditions) == 6
    )


def test_a_condition_for_every_side_leaves_out_periodic_axes(build: Build) -> None:
    text = file(
        "dt(u) = lap(u)", "boundary y: periodic\nboundary u = 0", fields="u(x, y, t)", coordinates="x, y in [0, 1]"
    )
    assert {c.coordinate for c in build(text).conditions} == {"x"}


@pytest.mark.parametrize(
    "boundary, expected",
    [
        ("boundary periodic\nboundary x = 0: u = 0", ("N0503", "x = 0")),
        ("boundary periodic\nboundary x: dn(u) = 0", ("N0503", "x")),
        ("boundary u = 0\nboundary x = 0.5: u = 0", ("N0504", "0.5")),
        ("boundary u = 0\nboundary z = 0: u = 0", ("N0206", "z")),
        ("boundary u = 0\nboundary t = 0: u = 0", ("N0505", "t")),
        ("boundary u = 0\nboundary x = 0: periodic", ("N0510", "periodic")),
        ("boundary u*u = 0", ("N0507", "u*u")),
        ("boundary exp(u) = 0", ("N0507", "exp(u)")),
        ("boundary 1/u = 0", ("N0507", "1/u")),
        ("boundary x*u + dn(x*u) = 0", ("N0507", "dn(x*u)")),
        ("boundary mean(u, x) = 0", ("N0518", "mean(u, x)")),
        ("boundary grad(u) = 0", ("N0515", "grad(u)")),
        ("boundary dt(u) = 0", ("N0311", "dt")),
        ("boundary u = lift(u)", ("N0311", "lift")),
    ],
)
def test_statements_that_make_no_condition(diagnose: Diagnose, boundary: str, expected: tuple[str, str]) -> None:
    assert diagnose(file("dt(u) = dxx(u)", boundary)) == [expected]


@pytest.mark.parametrize(
    "left, order",
    [
        ("u", 0),
        ("dn(u)", 1),
        ("dx(u)", 1),
        ("u + dn(u)", 1),
        ("lap(u)", 2),
        ("dxx(u)", 2),
        ("dn(lap(u))", 3),
        ("u - d(u, x, 3)", 3),
    ],
)
def test_the_order_of_a_condition(build: Build, left: str, order: int) -> None:
    text = file("dt(u) = dxx(u)", f"boundary {left} = 0")
    assert [c.order for c in build(text).conditions] == [order, order]


def test_the_field_moves_to_the_left_side(build: Build) -> None:
    problem = build(file("dt(u) = dxx(u)", "boundary x = 0: 0 = u\nboundary x = 1: dn(u) = -2*u"))
    first, second = problem.conditions
    assert (first.order, second.order) == (0, 1)
    assert first.right.type.coordinates == ()
    assert second.right.type.coordinates == ()


def test_robin_data_may_be_learned_and_vary_along_the_wall_and_in_time(build: Build) -> None:
    text = file(
        "dt(u) = lap(u)",
        "boundary y: periodic\nboundary x = 0: u + k*dn(u) = q*sin(t) + s\nboundary x = 1: u = y",
        fields="u(x, y, t)",
        more="learn k = 1 > 0, q(y) = 0\ninput s(y, t)\n",
        coordinates="x, y in [0, 1]",
    )
    assert [c.order for c in build(text).conditions] == [1, 0]


@pytest.mark.parametrize("equation", ["dt(u) = -u", "dt(u) = -u + mean(u, x)"])
def test_a_condition_that_nothing_uses_is_a_warning(diagnose: Diagnose, build: Build, equation: str) -> None:
    text = file(equation, "boundary x = 0: u = 0")
    assert diagnose(text) == [("N0508", "u = 0")]
    assert build(text).conditions == ()


def test_outputs_count_where_equations_differentiate_nothing(build: Build) -> None:
    text = file("dt(u) = -u", "boundary x = 0: u = 0\nboundary x = 1: outflow", more="")
    text += "output slope(x) = dx(u)\n"
    assert len(build(text).conditions) == 1


def test_positions_follow_the_extent_of_the_file_when_an_option_overrides_it(build: Build) -> None:
    from fractions import Fraction

    from npde.options import Overrides

    text = file("dt(u) = dxx(u)", "boundary x = 0: u = 0\nboundary x = 1: u = 1")
    problem = build(text, Overrides(extent={"x": (Fraction(0), Fraction(5))}))
    assert problem.space[0].upper == 5
    assert [c.side for c in problem.conditions] == ["lower", "upper"]


def test_ends_may_be_irrational(build: Build) -> None:
    text = file("dt(u) = dxx(u)", "boundary x = 0: u = 0\nboundary x = 2*pi: u = 0", coordinates="x in [0, 2*pi]")
    assert len(build(text).conditions) == 2


def test_absorbing_axes_take_no_conditions(build: Build, diagnose: Diagnose) -> None:
    steady = "coordinates x in [0, 1]\nfield u(x) complex\ndxx(u) + 100*u = 1\n{}\ngrid x: 32\n"
    assert build(steady.format("boundary x: absorbing(0.1)")).absorbing[0].coordinate == "x"
    assert diagnose(steady.format("boundary absorbing(0.1), u = 0"))[0][0] == "N0508"
    assert diagnose(steady.format("boundary absorbing(0.6)")) == [("N0511", "0.6")]
