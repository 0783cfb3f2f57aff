"""Complex arithmetic on pairs of real expressions, against Python's complex numbers."""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from npde.discretize.numeric import Pointwise
from npde.symbolic.symbols import real
from tests.symbolic.texts import heat, system

FUNCTIONS: dict[str, Callable[[complex], complex]] = {
    "exp": cmath.exp,
    "log": cmath.log,
    "sqrt": cmath.sqrt,
    "sin": cmath.sin,
    "cos": cmath.cos,
    "tan": cmath.tan,
    "sinh": cmath.sinh,
    "cosh": cmath.cosh,
    "tanh": cmath.tanh,
    "sech": lambda z: 1 / cmath.cosh(z),
    "abs": lambda z: complex(abs(z)),
    "abs2": lambda z: complex(abs(z) ** 2),
    "conj": lambda z: z.conjugate(),
    "re": lambda z: complex(z.real),
    "im": lambda z: complex(z.imag),
}

POINTS = (0.7 + 0.4j, -0.3 + 0.9j, 1.2 - 0.8j, -0.6 - 0.5j)


def value(expression: str, z: complex) -> complex:
    """An expression of the complex field `u`, by npde."""
    found = system(heat(f"dt(u) = {expression} + 0*u", field="u(x, t) complex"))
    at = Pointwise({real("u_re"): np.array([[z.real]]), real("u_im"): np.array([[z.imag]])})
    return complex(float(at(found.rates[0])[0, 0]), float(at(found.rates[1])[0, 0]))


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
@pytest.mark.parametrize("z", POINTS)
def test_functions(name: str, z: complex) -> None:
    wanted = FUNCTIONS[name](z)
    assert cmath.isclose(value(f"{name}(u)", z), wanted, rel_tol=1e-12, abs_tol=1e-12)


@pytest.mark.parametrize("exponent", ["2", "3", "7", "-1", "-3", "1/2", "-1/2", "1.7", "40"])
@pytest.mark.parametrize("z", POINTS)
def test_powers(exponent: str, z: complex) -> None:
    wanted = z ** float(Fraction(exponent))
    assert cmath.isclose(value(f"u^({exponent})", z), wanted, rel_tol=1e-11)


# --- random expressions -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Node:
    """The text of an expression, and what it is as a function of u."""

    text: str
    at: Callable[[complex], complex]


def _combine(operator: str) -> Callable[[tuple[Node, Node]], Node]:
    functions: dict[str, Callable[[complex, complex], complex]] = {
        "+": lambda a, b: a + b,
        "-": lambda a, b: a - b,
        "*": lambda a, b: a * b,
        "/": lambda a, b: a / (2 + b * b.conjugate()),
    }
    of = functions[operator]

    def make(pair: tuple[Node, Node]) -> Node:
        a, b = pair
        right = f"(2 + abs2({b.text}))" if operator == "/" else f"({b.text})"
        return Node(f"({a.text}) {operator} {right}", lambda z: of(a.at(z), b.at(z)))

    return make


def _call(name: str) -> Callable[[Node], Node]:
    return lambda a: Node(f"{name}({a.text})", lambda z: FUNCTIONS[name](a.at(z)))


LEAVES = st.sampled_from(
    [
        Node("u", lambda z: z),
        Node("conj(u)", lambda z: z.conjugate()),
        Node("i", lambda z: 1j),
        Node("0.5", lambda z: 0.5 + 0j),
        Node("(1 - 2*i)", lambda z: 1 - 2j),
        Node("u^3", lambda z: z**3),
    ]
)


def _grow(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    pairs = [st.tuples(inner, inner).map(_combine(o)) for o in "+-*/"]
    calls = [inner.map(_call(n)) for n in ("sin", "tanh", "abs2", "conj", "re", "im", "exp")]
    return st.one_of(*pairs, *calls)


@settings(max_examples=150)
@given(node=st.recursive(LEAVES, _grow, max_leaves=6), z=st.sampled_from(POINTS))
def test_random_expressions(node: Node, z: complex) -> None:
    try:
        wanted = node.at(z)
    except (OverflowError, ZeroDivisionError):
        return
    if not cmath.isfinite(wanted) or abs(wanted) > 1e100 or math.isnan(abs(wanted)):
        return
    assert cmath.isclose(value(node.text, z), wanted, rel_tol=1e-8, abs_tol=1e-9)
