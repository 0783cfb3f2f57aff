"""The problem as text: it says everything, and what it says of expressions reads back as the same expression."""

from __future__ import annotations

from pathlib import Path

import pytest

from npde import model, syntax
from npde.model import Problem, format_expression
from npde.source import Source
from npde.syntax import tree
from tests.reference.programs import generate

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.npde"))

WAVE = """problem wave
coordinates
  x in [0, 1]
  t in [0, 1]  (marching)
fields
  u(x, t)
learned
  c(x) = 1 in [0.5, 2]
equations
  dtt(u) = c(x)^2*dxx(u)
boundary
  x = 0: u = 0  (u, Dirichlet)
  x = 1: u = 0  (u, Dirichlet)
initial
  u = sin(pi*x)
  dt(u) = 0
numerics
  grid x: 200
  order 2
  march leapfrog, dt: auto
"""


def parsed(text: str) -> tree.SyntaxTree:
    return syntax.parse(Source("test.npde", text))


def test_a_whole_problem() -> None:
    text = next(p for p in EXAMPLES if p.stem == "wave").read_text(encoding="utf-8")
    assert model.describe(model.build(parsed(text))) == WAVE


def reread(file: tree.SyntaxTree, problem: Problem) -> Problem:
    """The problem of the same file with its equations replaced by what `format_expression` says of them."""
    lines = [f"{format_expression(e.left, problem)} = {format_expression(e.right, problem)}" for e in problem.equations]
    equations = iter(parsed("\n".join(lines)).statements)
    statements = tuple(next(equations) if isinstance(s, tree.Equation) else s for s in file.statements)
    return model.build(tree.SyntaxTree(statements, (), file.source))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_equations_of_examples_read_back(path: Path) -> None:
    file = parsed(path.read_text(encoding="utf-8"))
    problem = model.build(file)
    assert reread(file, problem).equations == problem.equations


@pytest.mark.parametrize("block", range(10))
def test_equations_of_random_programs_read_back(block: int) -> None:
    for seed in range(20 * block, 20 * block + 20):
        file = parsed(generate(seed))
        problem = model.build(file)
        assert reread(file, problem).equations == problem.equations, seed
        assert model.describe(problem)
