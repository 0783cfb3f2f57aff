"""Equations as MathML: well-formed, and bracketed so that they say what was written."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from view_examples import EXAMPLES, graph_of

from npde.driver import Compilation
from npde.source import Source
from npde.view.mathml import equation_markup

MODEL = """model m
coordinates x, y in [0, 1], t in [0, 1]
field u(x, y, t), v(x, y, t)
learn a = 1, rate = 1
let Du = 2e-5
dt(u) = {}
dt(v) = 0
boundary periodic
initial u = 0
initial v = 0
grid x: 16, y: 16
march rk4, steps: 10
"""


def read(element: ElementTree.Element) -> str:
    """The markup on one line: fractions as {…/…}, powers as ^{…}."""
    parts = [read(child) for child in element]
    own = (element.text or "").replace("\u2062", "").replace("\u2061", "")
    match element.tag:
        case "mfrac":
            return f"{{{parts[0]}/{parts[1]}}}"
        case "msup":
            return f"{parts[0]}^{{{parts[1]}}}"
        case "msub":
            return f"{parts[0]}_{{{parts[1]}}}"
        case "msqrt":
            return f"√{{{''.join(parts)}}}"
        case _:
            return own + "".join(parts)


def right_side(text: str) -> str:
    equations = Compilation(Source("m", MODEL.format(text))).problem.equations
    return read(ElementTree.fromstring(equation_markup(equations[0]))).partition("=")[2]


@pytest.mark.parametrize(
    ("text", "set_as"),
    [
        ("a*lap(u)", "a∇^{2}u"),
        ("-a*dx(u)", "−a{∂u/∂x}"),
        ("u - (v - a)", "u−(v−a)"),
        ("u - v - a", "u−v−a"),
        ("u + (-v)", "u+(−v)"),
        ("-(u + v)*a", "−(u+v)a"),
        ("(u + v)*(u - v)", "(u+v)(u−v)"),
        ("u/(v + 1)", "{u/v+1}"),
        ("-u/2", "−{u/2}"),
        ("-1/2*dxx(u)", "−{1/2}{∂^{2}u/∂x^{2}}"),
        ("(u + v)^2", "(u+v)^{2}"),
        ("(-u)^2", "(−u)^{2}"),
        ("u^(v + 1)", "u^{v+1}"),
        ("rate*u", "rate·u"),
        ("u*2", "u·2"),
        ("2e-5*u", "2·10^{-5}u"),
        ("Du*u", "Du·u"),
        ("dxy(u)", "{∂^{2}u/∂x∂y}"),
        ("dx(u*v)", "{∂/∂x}(uv)"),
        ("div(a*grad(u))", "∇·(a∇u)"),
        ("lap(u + v)", "∇^{2}(u+v)"),
        ("exp(-u^2)", "e^{−u^{2}}"),
        ("sqrt(u + 1)", "√{u+1}"),
        ("tanh(u)*v", "tanh(u)v"),
        ("max(u, 0)", "max(u,0)"),
        ("abs(u)", "|u|"),
        ("mean(u, x, y)", "mean_{x,y}u"),
        ("integral(u, x)", "∫udx"),
    ],
)
def test_equations_are_set_as_they_are_meant(text: str, set_as: str) -> None:
    assert right_side(text) == set_as


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_is_well_formed(name: str) -> None:
    for equation in graph_of(name).scheme.system.problem.equations:
        root = ElementTree.fromstring(equation_markup(equation))
        assert root.tag == "math"
        for fraction in root.iter("mfrac"):
            assert len(fraction) == 2
        for power in root.iter("msup"):
            assert len(power) == 2
