"""SymPy expressions as C text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import sympy as sp
from sympy.core.relational import Relational

from npde.diagnostics import InternalError
from npde.graph.expression_blocks import DT
from npde.native.derivative import HalfStep, Sign
from npde.symbolic import operators as op

Real = Literal["float", "double"]

SUM, PRODUCT, ATOM = 1, 2, 3

LIBRARY = {
    sp.exp: "exp", sp.log: "log", sp.sin: "sin", sp.cos: "cos", sp.tan: "tan", sp.sinh: "sinh", sp.cosh: "cosh",
    sp.tanh: "tanh", sp.atan2: "atan2", sp.erf: "erf", sp.atan: "atan", sp.asin: "asin", sp.acos: "acos", sp.Abs: "fabs",
    op.AbsoluteValue: "fabs",
}  # fmt: skip
"""Functions of the C library."""

HELPERS = {
    op.Sigmoid: "sigmoid", op.Softplus: "softplus", op.Relu: "relu", op.Gelu: "gelu", op.Minimum: "minimum",
    op.Maximum: "maximum", op.Step: "unit_step", HalfStep: "half_step", Sign: "sign_of", sp.sign: "sign_of",
}  # fmt: skip
"""Functions that emitted files define."""

RELATIONS = {
    sp.StrictLessThan: "<", sp.LessThan: "<=", sp.StrictGreaterThan: ">", sp.GreaterThan: ">=", sp.Equality: "==",
    sp.Unequality: "!=",
}  # fmt: skip


@dataclass(frozen=True)
class CPrinter:
    """Prints expressions; `names` maps symbols to C text."""

    real: Real

    def number(self, value: float) -> str:
        """A constant of the file's type."""
        if value == int(value) and abs(value) < 1e15:
            return f"{int(value)}{'.0f' if self.real == 'float' else '.0'}"
        return f"{value!r}{'f' if self.real == 'float' else ''}"

    def text(self, expr: sp.Basic, names: Mapping[sp.Symbol, str], minimum: int = 0) -> str:
        """`expr` in C, in brackets if it binds weaker than `minimum`."""
        text, strength = self._print(expr, names)
        return f"({text})" if strength < minimum else text

    def _print(self, expr: sp.Basic, names: Mapping[sp.Symbol, str]) -> tuple[str, int]:
        if expr == DT:
            return "DT", ATOM
        match expr:
            case sp.Symbol():
                return names[expr], ATOM
            case sp.Rational() | sp.Float() | sp.NumberSymbol():
                return self.number(float(expr)), ATOM if expr >= 0 else 0
            case sp.Add():
                return self._sum(expr, names), SUM
            case sp.Mul():
                return self._product(expr, names)
            case sp.Pow():
                return self._power(expr, names)
            case op.Where():
                relation, then, otherwise = expr.args
                parts = [self.text(e, names, SUM) for e in (relation, then, otherwise)]
                return f"(({parts[0]}) ? {parts[1]} : {parts[2]})", ATOM
            case sp.sech():
                return f"{self.number(1)} / {self._library('cosh')}({self.text(expr.args[0], names)})", PRODUCT
            case Relational():
                left, right = (self.text(a, names, SUM) for a in expr.args)
                return f"{left} {RELATIONS[type(expr)]} {right}", ATOM
            case sp.Function() if type(expr) in LIBRARY:
                return self._call(self._library(LIBRARY[type(expr)]), expr, names), ATOM
            case sp.Function() if type(expr) in HELPERS:
                return self._call(HELPERS[type(expr)], expr, names), ATOM
            case _:
                value = constant(expr)
                if value is not None:
                    return self.number(value), ATOM if value >= 0 else 0
                raise InternalError(f"cannot print {type(expr).__name__} in C")

    def _library(self, name: str) -> str:
        return f"{name}f" if self.real == "float" else name

    def _call(self, function: str, expr: sp.Basic, names: Mapping[sp.Symbol, str]) -> str:
        return f"{function}({', '.join(self.text(a, names) for a in expr.args)})"

    def _sum(self, expr: sp.Add, names: Mapping[sp.Symbol, str]) -> str:
        value = constant(expr)
        if value is not None:
            return self.number(value)
        out = ""
        for term in sorted(expr.args, key=lambda t: bool(t.could_extract_minus_sign())):
            negative = bool(term.could_extract_minus_sign())
            text = self.text(-term if negative else term, names, PRODUCT)
            out += (" - " if negative else " + ") + text
        return out[3:] if out.startswith(" + ") else "-" + out[3:]

    def _product(self, expr: sp.Mul, names: Mapping[sp.Symbol, str]) -> tuple[str, int]:
        value = constant(expr)
        if value is not None:
            return self.number(value), ATOM if value >= 0 else 0
        fixed: list[sp.Expr] = []
        rest: list[sp.Expr] = []
        for a in expr.args:
            (fixed if _is_fixed(a) else rest).append(a)
        above: list[str] = []
        below: list[str] = []
        if fixed:
            number = sp.Mul(*fixed)
            if number == -1 and rest:
                return f"-{self.text(sp.Mul(*rest), names, ATOM)}", PRODUCT
            text = self._fixed(fixed, names)
            above.append(f"({text})" if text.startswith("-") else text)
        for factor in rest:
            base, exponent = factor.as_base_exp()
            if exponent.is_Integer and exponent < 0:
                below.append(self.text(sp.Pow(base, -exponent), names, ATOM))
            else:
                above.append(self.text(factor, names, PRODUCT if not isinstance(factor, sp.Mul) else ATOM))
        text = " * ".join(above) or self.number(1)
        if not below:
            return text, PRODUCT
        return f"{text} / {below[0] if len(below) == 1 else '(' + ' * '.join(below) + ')'}", PRODUCT

    def _fixed(self, factors: list[sp.Expr], names: Mapping[sp.Symbol, str]) -> str:
        """A product of numbers and the step, in brackets so that the compiler multiplies it once."""
        number = sp.Mul(*(f for f in factors if not f.free_symbols))
        rest = [self.text(f, names, ATOM) for f in factors if f.free_symbols]
        parts = ([self.number(float(number))] if number != 1 else []) + rest
        return parts[0] if len(parts) == 1 else f"({' * '.join(parts)})"

    def _power(self, expr: sp.Pow, names: Mapping[sp.Symbol, str]) -> tuple[str, int]:
        value = constant(expr)
        if value is not None:
            return self.number(value), ATOM if value >= 0 else 0
        base, exponent = expr.args
        if base == sp.E:
            return f"{self._library('exp')}({self.text(exponent, names)})", ATOM
        if exponent == sp.Rational(1, 2):
            return f"{self._library('sqrt')}({self.text(base, names)})", ATOM
        if exponent.is_Integer:
            n = abs(int(exponent))
            below = self.text(base, names)
            power = self.text(base, names, ATOM) if n == 1 else f"power_{n}({below})"
            return (power, ATOM) if exponent > 0 else (f"{self.number(1)} / {power}", PRODUCT)
        return f"{self._library('pow')}({self.text(base, names)}, {self.text(exponent, names)})", ATOM


def constant(expr: sp.Expr) -> float | None:
    """The value of an expression of numbers alone, None if there is none or SymPy cannot tell it."""
    if expr.free_symbols or not expr.is_number:
        return None
    try:
        return float(expr)
    except TypeError:
        return None


def _is_fixed(expr: sp.Expr) -> bool:
    """Whether a factor is a number or made of the step alone."""
    return constant(expr) is not None or expr.free_symbols == {DT}


def powers(expressions: list[sp.Expr]) -> set[int]:
    """Integer exponents above one, and what their repeated multiplication needs."""
    found: set[int] = set()
    for expression in expressions:
        for node in expression.atoms(sp.Pow):
            if node.exp.is_Integer:
                n = abs(int(node.exp))
                while n > 1 and n not in found:
                    found.add(n)
                    n //= 2
    return found
