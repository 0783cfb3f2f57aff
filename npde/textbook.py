"""Equations as a textbook has them: SymPy `Eq`s of undefined functions, in the terms that the user wrote.

Not what is computed (that is the `System`): nothing is split into real parts, reduced to first order or discretized. For people,
for LaTeX, and for work by hand: `model.equations[0].rhs.diff(model.D)`.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any, assert_never

import sympy as sp

from npde.model import expression as ex
from npde.model.problem import Exact, LearnedCoefficient, Problem
from npde.model.traversal import fold

ELEMENTARY: Mapping[str, Any] = {
    "exp": sp.exp, "log": sp.log, "sqrt": sp.sqrt, "sin": sp.sin, "cos": sp.cos, "tan": sp.tan, "sinh": sp.sinh,
    "cosh": sp.cosh, "tanh": sp.tanh, "sech": sp.sech, "abs": sp.Abs, "conj": sp.conjugate, "re": sp.re, "im": sp.im,
    "min": sp.Min, "max": sp.Max,
    "abs2": lambda z: sp.Abs(z) ** 2,
    "sigmoid": lambda z: 1 / (1 + sp.exp(-z)),
    "softplus": lambda z: sp.log(1 + sp.exp(z)),
    "relu": lambda z: sp.Max(0, z),
    "gelu": sp.Function("gelu"),
}  # fmt: skip
RELATIONS: Mapping[str, Any] = {"<": sp.Lt, "<=": sp.Le, ">": sp.Gt, ">=": sp.Ge, "==": sp.Eq, "!=": sp.Ne}


def equations(problem: Problem) -> tuple[sp.Eq, ...]:
    """The equations of a problem, in order, as `Eq(left, right)`."""
    book = Textbook(problem)
    return tuple(sp.Eq(book.convert(e.left), book.convert(e.right), evaluate=False) for e in problem.equations)


class Textbook:
    """Names of a problem as SymPy objects, and its expressions in them."""

    def __init__(self, problem: Problem):
        self.problem = problem
        self.extents = {c.name: (_exact(c.lower), _exact(c.upper)) for c in problem.coordinates}

    def named(self, name: str) -> Any:
        """What a name of the model is in the equations: a `Symbol`, a function of coordinates, or a function to be applied.

        Raises:
            KeyError: the model has no such name.
        """
        problem = self.problem
        if name in self.extents:
            return _symbol(name)
        values: dict[str, tuple[str, ...]] = {f.name: f.coordinates for f in problem.fields}
        values |= {s.name: s.coordinates for s in problem.inputs}
        values |= {k.name: k.parameters for k in problem.lets}
        values |= {a.name: a.coordinates for a in problem.learned if isinstance(a, LearnedCoefficient)}
        if name in values:
            return _applied(name, values[name])
        if any(learned.name == name for learned in problem.learned):
            return sp.Function(name)
        raise KeyError(name)

    def convert(self, expr: ex.Expr) -> sp.Expr:
        """A checked expression as SymPy; iterative, so depth is no matter."""
        return fold(expr, self._combine)

    def _combine(self, node: ex.Expr, below: tuple[Any, ...]) -> Any:
        match node:
            case ex.Number(value=value):
                return _exact(value)
            case ex.Constant(name=name):
                return sp.pi if name == "pi" else sp.I
            case ex.CoordinateRef(name=name, primed=primed):
                return _symbol(name + "'" if primed else name)
            case ex.FieldRef(name=name, primed=primed) | ex.InputRef(name=name, primed=primed):
                return self._primed(name, primed)
            case ex.LetRef(name=name) | ex.LearnRef(name=name):
                return sp.Function(name)(*below) if below else _symbol(name)
            case ex.Negate():
                return -below[0]
            case ex.Binary(operator=operator):
                return _binary(operator, *below)
            case ex.Elementary(function=function):
                return ELEMENTARY[function](*below)
            case ex.Comparison(operator=operator):
                return RELATIONS[operator](*below)
            case ex.Where():
                return sp.Piecewise((below[1], below[0]), (below[2], True))
            case ex.Derivative(orders=orders):
                return sp.Derivative(below[0], *((_symbol(x), n) for x, n in orders))
            case ex.Laplacian():
                return sp.Add(*(sp.Derivative(below[0], (_symbol(c.name), 2)) for c in self.problem.space))
            case ex.Integral(over=over):
                return sp.Integral(below[0], *((_symbol(x), *self.extents[x.rstrip("'")]) for x in over))
            case ex.Mean(over=over):
                return sp.Function("mean")(below[0], *map(_symbol, over))
            case ex.Sum(over=over):
                return sp.Function("sum")(below[0], *map(_symbol, over))
            case ex.ApplyKernel(kernel=kernel, adjoint=adjoint):
                return sp.Function(f"{kernel}^T" if adjoint else kernel)(*below)
            case ex.ApplyClosure(closure=closure):
                return sp.Function(closure)(*below)
            case ex.Component(index=index):
                return _component(below[0], index)
            case ex.Regions(count=count):
                return sp.Function("regions")(below[0], count)
            case ex.Noise(seed=seed):
                return sp.Function("noise")(seed, below[0])
            case ex.Gradient() | ex.Divergence() | ex.Curl() | ex.NormalDerivative() | ex.VectorOf() | ex.Dot():
                return sp.Function(_OPERATORS[type(node)])(*below)
            case ex.Cross() | ex.Contract() | ex.Lift() | ex.Linear():
                return sp.Function(_OPERATORS[type(node)])(*below)
            case _:
                assert_never(node)

    def _primed(self, name: str, primed: tuple[str, ...]) -> sp.Expr:
        """`u(x')`: the coordinates that are primed, primed."""
        function = self.named(name)
        return function.subs({_symbol(x): _symbol(x + "'") for x in primed}) if primed else function


_OPERATORS: Mapping[type, str] = {
    ex.Gradient: "grad", ex.Divergence: "div", ex.Curl: "curl", ex.NormalDerivative: "dn", ex.VectorOf: "vector",
    ex.Dot: "dot", ex.Cross: "cross", ex.Contract: "matmul", ex.Lift: "lift", ex.Linear: "linear",
}  # fmt: skip


def _symbol(name: str) -> sp.Symbol:
    return sp.Symbol(name, real=True)


def _applied(name: str, coordinates: tuple[str, ...]) -> sp.Expr:
    return sp.Function(name)(*map(_symbol, coordinates)) if coordinates else _symbol(name)


def _exact(value: Exact) -> sp.Expr:
    return sp.Rational(value.numerator, value.denominator) if isinstance(value, Fraction) else sp.Float(value, 17)


def _binary(operator: str, left: sp.Expr, right: sp.Expr) -> sp.Expr:
    match operator:
        case "+":
            return left + right
        case "-":
            return left - right
        case "*":
            return left * right
        case "/":
            return left / right
        case _:
            return sp.Pow(left, right)


def _component(operand: sp.Expr, index: int) -> sp.Expr:
    """`u[0]` as `u_0(x, t)`."""
    if isinstance(operand, sp.core.function.AppliedUndef):
        return sp.Function(f"{operand.func.__name__}_{index}")(*operand.args)
    return sp.Function("component")(operand, index)
