"""SymPy expressions of the tests in npde's notation, so that an equation reaches the compiler as text only."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import sympy as sp
from sympy.printing.str import StrPrinter

X, Y, Z, T = sp.symbols("x y z t", real=True)
SPACE = (X, Y, Z)


class _Printer(StrPrinter):
    """Python's notation, but `^` for powers, roots by name, and `i`."""

    def _print_Pow(self, expr: sp.Expr, rational: bool = False) -> str:
        base, exponent = expr.as_base_exp()
        if exponent == sp.Rational(1, 2):
            return f"sqrt({self._print(base)})"
        return f"({self._print(base)})^({self._print(exponent)})"

    def _print_ImaginaryUnit(self, expr: sp.Expr) -> str:
        return "i"


def text(expression: sp.Expr) -> str:
    """The expression as a user would type it (with more brackets)."""
    return str(_Printer().doprint(expression))


def values(expression: sp.Expr, positions: Mapping[sp.Symbol, np.ndarray]) -> np.ndarray:
    """The expression at positions that broadcast against one another."""
    names = list(positions)
    shape = np.broadcast_shapes(*(np.shape(positions[n]) for n in names))
    return np.broadcast_to(sp.lambdify(names, expression, "numpy")(*(positions[n] for n in names)), shape)
