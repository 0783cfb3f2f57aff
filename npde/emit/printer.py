"""SymPy expressions as Python text for torch: entry by entry, constants with their formula.

What has no array in it is printed with `math`; everything else with torch functions. Terms and factors keep SymPy's canonical
order, so equal expressions print equal text.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

import sympy as sp
from sympy.core.relational import Relational

from npde.diagnostics import InternalError
from npde.symbolic import operators as op

SUM, PRODUCT, UNARY, POWER, ATOM = 1, 2, 3, 4, 5
"""Binding strength of what was printed."""

FUNCTIONS = {
    sp.exp: "torch.exp", sp.log: "torch.log", sp.sin: "torch.sin", sp.cos: "torch.cos", sp.tan: "torch.tan",
    sp.sinh: "torch.sinh", sp.cosh: "torch.cosh", sp.tanh: "torch.tanh", sp.atan2: "torch.atan2", sp.erf: "torch.erf",
    sp.Abs: "torch.abs", sp.atan: "torch.atan", sp.asin: "torch.asin", sp.acos: "torch.acos", sp.sign: "torch.sign",
    op.Sigmoid: "torch.sigmoid", op.Softplus: "functional.softplus", op.Relu: "torch.relu", op.Gelu: "functional.gelu",
    op.AbsoluteValue: "torch.abs", op.Minimum: "torch.minimum", op.Maximum: "torch.maximum",
}  # fmt: skip

RELATIONS = {
    sp.StrictLessThan: "<", sp.LessThan: "<=", sp.StrictGreaterThan: ">", sp.GreaterThan: ">=", sp.Equality: "==",
    sp.Unequality: "!=",
}  # fmt: skip


LARGEST_WHOLE = 2**53
"""Whole numbers up to this one are exact in double precision."""


def number(value: Fraction | sp.Rational | int) -> str:
    """A rational as the shortest exact text: `2.0`, `0.05`, `1 / 3`."""
    numerator, denominator = int(value.numerator), int(value.denominator)
    if denominator == 1:
        return str(numerator) if abs(numerator) < 10**15 else repr(float(numerator))
    rest = denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    quotient = float(Fraction(numerator, denominator))
    if rest == 1 and (quotient == 0 or Fraction(repr(quotient)) == Fraction(numerator, denominator)):
        return repr(quotient)
    if abs(numerator) < 10**15 and denominator < 10**15:
        return f"{numerator} / {denominator}"
    return repr(quotient)


class Printer:
    """Prints expressions; `names` maps symbols to Python text (default: the symbol's own name)."""

    def __init__(self, names: Mapping[sp.Symbol, str], constants: frozenset[sp.Symbol]):
        self.names = names
        self.constants = constants

    def text(self, expr: sp.Expr, minimum: int = 0) -> str:
        """`expr` in Python, in brackets if it binds weaker than `minimum`."""
        text, strength = self._print(expr)
        return f"({text})" if strength < minimum else text

    def is_constant(self, expr: sp.Basic) -> bool:
        """Whether an expression is a number, known when the module is written."""
        return expr.free_symbols <= self.constants

    def _print(self, expr: sp.Basic) -> tuple[str, int]:
        match expr:
            case sp.Symbol():
                return self.names.get(expr, expr.name), ATOM
            case sp.Rational():
                text = number(expr)
                return text, UNARY if expr < 0 else (PRODUCT if "/" in text else ATOM)
            case sp.Float():
                return repr(float(expr)), UNARY if expr < 0 else ATOM
            case sp.core.numbers.Pi():
                return "math.pi", ATOM
            case sp.core.numbers.Exp1():
                return "math.e", ATOM
            case sp.Add():
                return self._sum(expr), SUM
            case sp.Mul():
                return self._product(expr)
            case sp.Pow():
                return self._power(expr)
            case op.Where():
                relation, then, otherwise = expr.args
                return f"torch.where({self.text(relation)}, {self._array(then)}, {self._array(otherwise)})", ATOM
            case op.Step():
                return f"({self.text(expr.args[0], SUM)} > 0).to(self.unit.dtype)", ATOM
            case sp.sech():
                return f"1 / {self._call(sp.cosh(expr.args[0], evaluate=False))}", PRODUCT
            case Relational():
                left, right = expr.args
                # Of two numbers an array must come, no truth of Python's.
                are_numbers = self.is_constant(left) and self.is_constant(right)
                first = self._array(left) if are_numbers else self.text(left, SUM)
                return f"{first} {RELATIONS[type(expr)]} {self.text(right, SUM)}", 0
            case sp.Function():
                return self._call(expr), ATOM
            case _:
                raise InternalError(f"cannot print {type(expr).__name__}")

    def _array(self, expr: sp.Expr) -> str:
        """A value that torch needs as an array even if it is a number."""
        return f"self.unit * {self.text(expr, UNARY)}" if self.is_constant(expr) else self.text(expr)

    def _call(self, expr: sp.Function) -> str:
        function = FUNCTIONS.get(type(expr))
        if function is None:
            raise InternalError(f"no torch function for {type(expr).__name__}")
        if self.is_constant(expr) and function.startswith("torch.") and type(expr) in CONSTANT_FUNCTIONS:
            return f"math.{CONSTANT_FUNCTIONS[type(expr)]}({', '.join(self.text(a) for a in expr.args)})"
        if function in ("torch.minimum", "torch.maximum"):
            return f"{function}({', '.join(self._broadcast(a) for a in expr.args)})"
        return f"{function}({', '.join(self._array(a) for a in expr.args)})"

    def _broadcast(self, expr: sp.Expr) -> str:
        return self._array(expr)

    def _sum(self, expr: sp.Add) -> str:
        parts: list[str] = []
        for term in ordered(expr):
            negative = term.could_extract_minus_sign()
            text = self.text(-term if negative else term, PRODUCT)
            if parts:
                parts.append(f" - {text}" if negative else f" + {text}")
            else:
                bare = negative and self._print(-term)[1] != POWER
                parts.append(text if not negative else f"-{text}" if bare else f"-({text})")
        return "".join(parts)

    def _product(self, expr: sp.Mul) -> tuple[str, int]:
        if expr.could_extract_minus_sign() and expr.args[0].is_Number:
            text, strength = self._print(-expr)
            return f"-{text if strength in (PRODUCT, UNARY, ATOM) else f'({text})'}", PRODUCT
        above: list[str] = []
        below: list[str] = []
        for factor in expr.as_ordered_factors():
            base, exponent = factor.as_base_exp()
            if isinstance(factor, sp.Rational) and max(abs(factor.p), factor.q) > LARGEST_WHOLE:
                above.append(number(factor))  # torch takes whole numbers of 64 bits only
            elif isinstance(factor, sp.Rational) and factor.p == 1 and factor.q != 1 and not _finite(factor.q):
                below.append(str(factor.q))
            elif isinstance(factor, sp.Rational) and not _finite(factor.q):
                above.append(str(factor.p))
                below.append(str(factor.q))
            elif exponent.is_Rational and exponent < 0 and base != sp.E:
                below.append(self.text(sp.Pow(base, -exponent), POWER))
            else:
                above.append(self.text(factor, UNARY))
        text = " * ".join(above) if above else "1"
        if not below:
            return text, PRODUCT
        return f"{text} / {below[0] if len(below) == 1 else '(' + ' * '.join(below) + ')'}", PRODUCT

    def _power(self, expr: sp.Pow) -> tuple[str, int]:
        base, exponent = expr.args
        if base == sp.E:
            return self._call(sp.exp(exponent, evaluate=False)), ATOM
        if exponent == -1:
            return f"1 / {self.text(base, POWER)}", PRODUCT
        if exponent.is_Rational and exponent < 0:
            return f"1 / {self.text(sp.Pow(base, -exponent), POWER)}", PRODUCT
        if exponent == sp.Rational(1, 2):
            return (
                f"math.sqrt({self.text(base)})" if self.is_constant(base) else f"torch.sqrt({self.text(base)})"
            ), ATOM
        if self.is_constant(base) and not self.is_constant(exponent):
            return f"torch.exp({self.text(exponent, PRODUCT)} * math.log({self.text(base)}))", ATOM
        below, above = self.text(base, ATOM), self.text(exponent, ATOM)
        simple = all(t.replace("_", "").replace(".", "").isalnum() for t in (below, above))
        return (f"{below}**{above}" if simple else f"{below} ** {above}"), POWER


CONSTANT_FUNCTIONS = {
    sp.exp: "exp", sp.log: "log", sp.sin: "sin", sp.cos: "cos", sp.tan: "tan", sp.sinh: "sinh", sp.cosh: "cosh",
    sp.tanh: "tanh", sp.erf: "erf", sp.Abs: "fabs", sp.atan: "atan", sp.atan2: "atan2",
}  # fmt: skip


def ordered(expr: sp.Add) -> list[sp.Expr]:
    """Terms with positive ones first and lone symbols before them, otherwise in SymPy's canonical order."""
    terms = expr.as_ordered_terms() if expr.is_commutative else list(expr.args)
    return sorted(terms, key=lambda t: (bool(t.could_extract_minus_sign()), not t.is_Symbol))


def _finite(denominator: int) -> bool:
    """Whether 1/denominator is a short decimal."""
    rest = int(denominator)
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    return rest == 1 and denominator < 10**12
