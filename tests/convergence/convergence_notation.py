"""SymPy expressions of the tests in npde's notation, so that an equation reaches the compiler as text only."""

from __future__ import annotations

import sympy as sp
from sympy.printing.str import StrPrinter

X, Y, Z, T = sp.symbols("x y z t", real=True)
SPACE = (X, Y, Z)


class _Printer(StrPrinter):
    """Python's notation, but `^` for powers and roots by name."""

    def _print_Pow(self, expr: sp.Expr, rational: bool = False) -> str:
        base, exponent = expr.as_base_exp()
        if exponent == sp.Rational(1, 2):
            return f"sqrt({self._print(base)})"
        return f"({self._print(base)})^({self._print(exponent)})"


def text(expression: sp.Expr) -> str:
    """The expression as a user would type it (with more brackets)."""
    return str(_Printer().doprint(expression))


def values(expression: sp.Expr, positions: dict[sp.Symbol, object]) -> object:
    """The expression on arrays of positions."""
    names = list(positions)
    return sp.lambdify(names, expression, "numpy")(*positions.values())
