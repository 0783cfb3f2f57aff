"""Values of pointwise expressions on NumPy arrays, by one walk over the nodes: no code is generated or evaluated.

Arrays are `[components, samples]`; scalars have one component and broadcast.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import sympy as sp

from npde.diagnostics import InternalError
from npde.symbolic import operators as op

Array: TypeAlias = npt.NDArray[Any]


class Unknown(Exception):
    """A value that is not known before training or running: a random start, an input. Carries its name."""

    def __init__(self, name: str):
        super().__init__(name)
        self.name = name


def ascending(values: Array) -> Array:
    """The different values of a small array, smallest first. (`np.unique` imports `numpy.ma`, which takes longer than a check.)"""
    return np.array(sorted(set(values.tolist())))


def _softplus(z: Array) -> Array:
    return np.logaddexp(0.0, z)


def _gelu(z: Array) -> Array:
    return z * (1 + np.vectorize(math.erf, otypes=[float])(z / math.sqrt(2))) / 2


FUNCTIONS: Mapping[type, Callable[..., Array]] = {
    sp.exp: np.exp,
    sp.log: np.log,
    sp.sin: np.sin,
    sp.cos: np.cos,
    sp.tan: np.tan,
    sp.sinh: np.sinh,
    sp.cosh: np.cosh,
    sp.tanh: np.tanh,
    sp.atan2: np.arctan2,
    sp.erf: np.vectorize(math.erf, otypes=[float]),
    sp.Abs: np.abs,
    op.Sigmoid: lambda z: np.exp(-_softplus(-z)),
    op.Softplus: _softplus,
    op.Relu: lambda z: np.maximum(z, 0.0),
    op.Step: lambda z: (z > 0).astype(float),
    op.Gelu: _gelu,
    op.Minimum: np.minimum,
    op.Maximum: np.maximum,
    op.AbsoluteValue: np.abs,
    op.Where: np.where,
    sp.StrictLessThan: np.less,
    sp.LessThan: np.less_equal,
    sp.StrictGreaterThan: np.greater,
    sp.GreaterThan: np.greater_equal,
    sp.Equality: np.equal,
    sp.Unequality: np.not_equal,
}
"""Pointwise functions and comparisons."""


def pointwise(e: sp.Expr, arguments: list[Array]) -> Array:
    """The value of one pointwise node of its arguments' values; infinities and NaN where a function has none."""
    with np.errstate(all="ignore"):
        if isinstance(e, sp.Add):
            return sum(arguments[1:], arguments[0])
        if isinstance(e, sp.Mul):
            whole = arguments[0]
            for a in arguments[1:]:
                whole = whole * a
            return whole
        if isinstance(e, sp.Pow):
            return _power(e, *arguments)
        function = FUNCTIONS.get(type(e))
        if function is None:
            raise InternalError(f"no numerical value of '{type(e).__name__}'")
        return function(*arguments)


def _power(e: sp.Expr, base: Array, exponent: Array) -> Array:
    if e.exp.is_Integer:
        return np.power(base, float(int(e.exp)))
    return np.power(base, exponent)


@dataclass
class Pointwise:
    """Values of expressions without grid operators, from the values of their symbols."""

    symbols: Mapping[sp.Symbol, Array]
    _memo: dict[sp.Expr, Array] = field(default_factory=dict)

    def __call__(self, e: sp.Expr) -> Array:
        found = self._memo.get(e)
        if found is None:
            found = self._memo[e] = self._value(e)
        return found

    def _value(self, e: sp.Expr) -> Array:
        if isinstance(e, sp.Symbol):
            return self.symbols[e]
        if isinstance(e, sp.Number | sp.NumberSymbol):
            return np.array([[float(e)]])
        return pointwise(e, [self(a) for a in e.args])
