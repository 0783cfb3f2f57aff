"""Schemes written by hand, so that views are tested without the stages before the graph."""

from __future__ import annotations

from fractions import Fraction

import sympy as sp

from npde import graph
from npde.discretize.scheme import Axis, ButcherTableau, Grid, RungeKutta, Scheme, StepBound
from npde.graph import LayerGraph
from npde.model.expression import FieldRef, Type
from npde.model.problem import (
    Constraint,
    Coordinate,
    Equation,
    Field,
    LearnedCoefficient,
    Numerics,
    Problem,
)
from npde.options import CompileOptions
from npde.source import Source, Span
from npde.symbolic import operators as op
from npde.symbolic.system import CoordinateMeaning, System, Term, Unknown

F = Fraction

TEXT = """model fisher "Fisher-KPP front."
coordinates x, y in [0, 20], t in [0, 10]
field u(x, y, t)
learn D = 0.1 > 0
learn r = 1 in [0, 5]
dt(u) = D*lap(u) + r*u*(1 - u)
boundary periodic
initial u = exp(-(x - 10)^2 - (y - 10)^2)
grid x: 128, y: 128
march rk4, steps: 400
"""

RK4 = ButcherTableau(
    "rk4",
    ((F(0),) * 4, (F(1, 2), F(0), F(0), F(0)), (F(0), F(1, 2), F(0), F(0)), (F(0), F(0), F(1), F(0))),
    (F(1, 6), F(1, 3), F(1, 3), F(1, 6)),
    (F(0), F(1, 2), F(1, 2), F(1)),
    4,
)
EULER = ButcherTableau("euler", ((F(0),),), (F(1),), (F(0),), 1)


def span(text: str) -> Span:
    start = TEXT.index(text)
    return Span(start, start + len(text))


def fisher(tableau: ButcherTableau = RK4, cells: int = 128, steps: int = 400) -> LayerGraph:
    """The graph of examples/fisher.npde, by hand up to the scheme."""
    u, diffusivity, growth, x, y, t = sp.symbols("u D r x y t", real=True)
    rate = diffusivity * op.Lap(u) + growth * u * (1 - u)
    learned = (
        LearnedCoefficient("D", (), (), None, Constraint(F(0), None), span("D = 0.1")),
        LearnedCoefficient("r", (), (), None, Constraint(F(0), F(5)), span("r = 1")),
    )
    coordinates = tuple(Coordinate(n, F(0), F(e)) for n, e in (("x", 20), ("y", 20), ("t", 10)))
    field = Field("u", (), ("x", "y", "t"), False, span("u(x, y, t)"))
    whole = span("dt(u) = D*lap(u) + r*u*(1 - u)")
    side = FieldRef("u", (), Type(coordinates=("t", "x", "y")))
    equation = Equation(side, side, whole)  # views quote its span, nothing reads its sides
    problem = Problem(
        "fisher", "Fisher-KPP front.", coordinates, "t", (field,), (), learned, (), (equation,), ("x", "y"), (), (), (), (), (),
        Numerics((("x", cells), ("y", cells)), 2, None, None, None, None), Source("fisher.npde", TEXT),
    )  # fmt: skip
    unknown = Unknown(u, "u", "value", False, ())
    terms = (Term(rate, False, True, False, False, 2, ("D", "r"), whole),)
    meanings = (
        (u, unknown),
        (diffusivity, learned[0]),
        (growth, learned[1]),
        *((s, CoordinateMeaning(s.name)) for s in (x, y, t)),
    )
    initial = sp.exp(-((x - 10) ** 2) - (y - 10) ** 2)
    system = System(problem, "evolution", (unknown,), (rate,), (terms,), (), (initial,), (), tuple(meanings))
    grid = Grid(tuple(Axis(n, cells, F(0), F(20), True) for n in ("x", "y")))
    bound = StepBound(None, None, False, ())
    scheme = Scheme(system, grid, 2, 2, (), RungeKutta(tableau), tableau.name, F(0), F(10, steps), steps, bound)
    return graph.build(scheme, CompileOptions())
