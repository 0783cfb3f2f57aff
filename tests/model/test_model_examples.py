"""The examples of the language as problems: nothing to complain about, and the facts that later stages rely on."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from npde import model, syntax
from npde.model import expression as ex
from npde.model.problem import Condition, Constraint, LearnedClosure, LearnedCoefficient, LearnedStencil, Problem
from npde.model.traversal import walk
from npde.source import Source

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.npde"))
NORMATIVE = (
    "fisher", "gray_scott", "closure", "variable_heat", "wave", "burgers", "cahn_hilliard", "schrodinger", "soliton",
    "helmholtz", "diffractive", "neural_field", "parabolic_cnn", "driven", "rows",
)  # fmt: skip


def load(name: str) -> Problem:
    path = next(p for p in EXAMPLES if p.stem == name)
    return model.build(syntax.parse(Source(path.name, path.read_text(encoding="utf-8"))))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_an_example_gives_no_diagnostic(path: Path) -> None:
    problem, found = model.check(syntax.parse(Source(path.name, path.read_text(encoding="utf-8"))))
    assert found == ()
    assert problem is not None


def test_the_normative_examples_are_there() -> None:
    assert set(NORMATIVE) <= {p.stem for p in EXAMPLES}


def test_fisher() -> None:
    problem = load("fisher")
    assert problem.name == "fisher"
    assert problem.doc == "Fisher-KPP front with unknown diffusivity and growth rate."
    assert [(c.name, c.lower, c.upper) for c in problem.coordinates] == [("x", 0, 20), ("y", 0, 20), ("t", 0, 10)]
    assert problem.marching == "t"
    assert [c.name for c in problem.space] == ["x", "y"]
    assert problem.periodic == ("x", "y")
    assert problem.conditions == ()
    diffusivity, growth = problem.learned
    assert isinstance(diffusivity, LearnedCoefficient)
    assert isinstance(growth, LearnedCoefficient)
    assert isinstance(diffusivity.start, ex.Number)
    assert diffusivity.start.value == Fraction(1, 10)
    assert diffusivity.constraint == Constraint(Fraction(0), None)
    assert growth.constraint == Constraint(Fraction(0), Fraction(5))
    assert problem.numerics.cells == (("x", 128), ("y", 128))
    assert problem.numerics.order == 2
    assert problem.numerics.march is not None
    assert (problem.numerics.march.scheme, problem.numerics.march.steps, problem.numerics.march.dt) == (
        "rk4",
        400,
        None,
    )
    assert problem.numerics.network is None
    left = problem.equations[0].left
    assert isinstance(left, ex.Derivative)
    assert left.orders == (("t", 1),)


def sides(conditions: tuple[Condition, ...]) -> list[tuple[str, str, str, int]]:
    return [(c.field, c.coordinate, c.side, c.order) for c in conditions]


def test_conditions_are_shared_out_to_fields_axes_and_sides() -> None:
    assert sides(load("variable_heat").conditions) == [
        ("u", "x", "lower", 0), ("u", "x", "upper", 0), ("u", "y", "lower", 1), ("u", "y", "upper", 1),
    ]  # fmt: skip
    assert sides(load("closure").conditions) == [("u", "x", "lower", 0), ("u", "x", "upper", 1)]


def test_a_learned_stencil_asks_for_conditions_as_a_second_derivative_does() -> None:
    assert len(load("parabolic_cnn").conditions) == 4


def test_no_condition_where_nothing_is_differentiated() -> None:
    problem = load("neural_field")
    assert problem.conditions == ()
    assert problem.periodic == ()


def test_the_marching_coordinate_of_a_paraxial_problem() -> None:
    problem = load("diffractive")
    assert problem.marching == "z"
    assert [c.name for c in problem.space] == ["x", "y"]
    assert problem.fields[0].is_complex
    assert problem.outputs[0].shape == (10,)
    assert problem.outputs[0].value.type.shape == (10,)


def test_a_steady_problem() -> None:
    problem = load("helmholtz")
    assert problem.marching is None
    assert problem.numerics.march is None
    assert problem.numerics.solve is not None
    assert problem.numerics.solve.method == "direct"
    assert [(a.coordinate, a.width) for a in problem.absorbing] == [("x", Fraction(1, 8)), ("y", Fraction(1, 8))]


def test_kinds_of_learnables() -> None:
    kernel, bias = load("parabolic_cnn").learned
    assert isinstance(kernel, LearnedStencil)
    assert (kernel.channels, kernel.extents, kernel.per_step, kernel.start) == ((16, 16), (3, 3), True, None)
    assert isinstance(bias, LearnedCoefficient)
    assert (bias.shape, bias.coordinates) == ((16,), ("t",))
    (closure,) = load("closure").learned
    assert isinstance(closure, LearnedClosure)
    assert (closure.parameters, closure.widths, closure.activation) == (("u",), (16, 16), "tanh")
    dense, _ = load("neural_field").learned
    assert isinstance(dense, LearnedCoefficient)
    assert dense.coordinates == ("x", "x'", "t")
    assert dense.start is None


def test_a_kernel_may_leave_out_the_marching_coordinate() -> None:
    problem = load("neural_field")
    references = [n for n in walk(problem.equations[0].right) if isinstance(n, ex.LearnRef) and n.name == "W"]
    (reference,) = references
    names = [(a.name, a.primed) for a in reference.arguments if isinstance(a, ex.CoordinateRef)]
    assert names == [("x", False), ("x", True), ("t", False)]
    assert reference.type.coordinates == ("t", "x", "x'")


def test_initial_data_of_a_second_order_field() -> None:
    assert [(i.field, i.time_order) for i in load("wave").initials] == [("u", 0), ("u", 1)]


def test_building_twice_gives_the_same_problem() -> None:
    assert load("rows") == load("rows")
