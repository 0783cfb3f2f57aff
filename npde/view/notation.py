"""Expressions, shapes and counts as short text, in the notation of the language."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import sympy as sp
from sympy.printing.str import StrPrinter

from npde.graph.graph import Shape
from npde.symbolic import operators as op

_NAMES: dict[type, str] = {
    op.Lap: "lap",
    op.Sigmoid: "sigmoid",
    op.Softplus: "softplus",
    op.Step: "step",
    op.Relu: "relu",
    op.Gelu: "gelu",
    op.Minimum: "min",
    op.Maximum: "max",
    op.AbsoluteValue: "abs",
    op.Stack: "stack",
    op.DotProduct: "dot",
    op.IntegralOf: "integral",
    op.MeanOf: "mean",
    op.SumOf: "sum",
    op.Nonlocal: "integral",
    op.NonlocalConvolution: "integral",
}


LARGEST_DENOMINATOR = 12
"""Products are divided by integers up to this one; other factors are written as decimals where they are exact."""


class NotationPrinter(StrPrinter):
    """SymPy's printer with `^`, decimal floats, the operator names of the language, and the order in which people write:
    numbers before names before brackets in a product, positive summands before negative ones, plain names first."""

    first = ""

    def _print_Symbol(self, expr: sp.Symbol) -> str:
        return str(expr.name)

    def _print_Add(self, expr: sp.Add, order: object = None) -> str:  # noqa: ARG002 - SymPy's signature
        terms = sorted((self._summand(a) for a in expr.args), key=lambda t: t[:-1])
        out = "".join(f" - {text[1:]}" if text.startswith("-") else f" + {text}" for *_, text in terms)
        return out.removeprefix(" + ") if not out.startswith(" - ") else "-" + out.removeprefix(" - ")

    def _summand(self, term: sp.Expr) -> tuple[bool, bool, bool, bool, str, str]:
        text = self._print(term)
        rest = term.as_coeff_Mul()[1]
        return (
            text.startswith("-"),
            text != self.first,
            bool(term.is_number),
            not rest.is_Symbol,
            self._print(rest),
            text,
        )

    def _print_Mul(self, expr: sp.Mul) -> str:
        number, rest = expr.as_coeff_Mul()
        above: list[str] = []
        below: list[str] = []
        for factor in sorted(sp.Mul.make_args(rest), key=self._factor_key):
            base, exponent = factor.as_base_exp()
            if exponent.is_number and exponent.is_negative and not isinstance(factor, sp.exp):
                below.append(self._factor(base**-exponent))
            else:
                above.append(self._factor(factor))
        size = abs(number)
        if isinstance(size, sp.Rational) and size.q <= LARGEST_DENOMINATOR:
            above[:0] = [str(size.p)] if size.p != 1 or not above else []
            below[:0] = [str(size.q)] if size.q != 1 else []
        elif size != 1:
            above.insert(0, self._print(size))
        text = "*".join(above) or "1"
        if below:
            text += f"/{below[0]}" if len(below) == 1 else f"/({'*'.join(below)})"
        return f"-{text}" if number.is_negative else text

    def _print_Rational(self, expr: sp.Rational) -> str:
        return exact_text(Fraction(int(expr.p), int(expr.q)))

    def _factor_key(self, factor: sp.Expr) -> tuple[bool, bool, bool, str]:
        name = factor.as_base_exp()[0]
        return not name.is_number, not name.is_Symbol or "(" in str(name), isinstance(name, sp.Add), self._print(factor)

    def _factor(self, factor: sp.Expr) -> str:
        text = self._print(factor)
        return f"({text})" if isinstance(factor, sp.Add) else text

    def _print_Pow(self, expr: sp.Pow, rational: bool = False) -> str:
        return super()._print_Pow(expr, rational=rational).replace("**", "^")

    def _print_Float(self, expr: sp.Float) -> str:
        return f"{float(expr):.6g}"

    def _print_Function(self, expr: sp.Expr) -> str:
        arguments = [self._print(a) for a in expr.args]
        match expr:
            case op.Diff():
                return f"d{str(expr.args[1]) * int(expr.args[2])}({arguments[0]})"
            case op.FaceDiff():
                return f"d{expr.args[1]}({arguments[0]})"
            case op.Biased():
                reach = f"-{expr.args[2]}..{expr.args[3]}"
                return f"d{expr.args[1]}[{reach}]({arguments[0]})"
            case op.FluxDissipation():
                return f"dissipation{expr.args[3]}({', '.join(arguments[:3])})"
            case op.Component():
                return f"{arguments[0]}[{arguments[1]}]"
            case op.MatVec():
                return f"{arguments[0]}@{arguments[1]}"
            case op.Nonlocal() | op.NonlocalConvolution():
                over = ", ".join(f"{a}'" for a in arguments[2:])
                return f"integral({arguments[0]}*{arguments[1]}, {over})"
            case op.KernelApply():
                return f"{arguments[0]}({arguments[1]})"
            case op.KernelAdjoint():
                return f"adjoint({arguments[0]})({arguments[1]})"
            case op.ClosureApply():
                return f"{arguments[0]}({', '.join(arguments[1:])})"
            case op.LiftOf() | op.LinearOf():
                return f"{'lift' if isinstance(expr, op.LiftOf) else 'linear'}({arguments[0]})"
            case op.RegionsOf():
                return f"regions({arguments[0]}, {arguments[1]})"
            case op.NoiseOf():
                return f"noise({arguments[0]}, {arguments[1]})"
            case op.Stretch():
                return f"({op.Stretch.NAMES[int(expr.args[1])]})({arguments[0]})"
            case op.Hold():
                return f"hold({arguments[0]})"
            case op.Where():
                return f"where({', '.join(arguments)})"
            case _:
                name = _NAMES.get(type(expr), type(expr).__name__)
                return f"{name}({', '.join(arguments)})"

    def _print_exp(self, expr: sp.Expr) -> str:
        return f"exp({self._print(expr.args[0])})"


def formula(expr: Any, first: str = "") -> str:
    """An expression as text; the name `first` stands before other summands."""
    printer = NotationPrinter({"order": "none"})
    printer.first = first
    return str(printer.doprint(expr))


def shape_text(shape: Shape) -> str:
    """`[B, 16, 8, 8]`; without the batch where the value is the same for all samples."""
    sizes = [str(n) for n in (shape.channels, *shape.extents)]
    return f"[{', '.join((['B'] if shape.batch else []) + sizes)}]"


def extents_text(extents: tuple[int, ...]) -> str:
    """`3×3`."""
    return "×".join(map(str, extents))


def exact_text(value: Fraction | float) -> str:
    """A constant as a short number: `1/40`, `0.1`, `6.28319`."""
    if isinstance(value, Fraction):
        if value.denominator == 1:
            return str(value.numerator)
        decimal = f"{float(value):.6g}"
        return decimal if Fraction(decimal) == value else f"{value.numerator}/{value.denominator}"
    return f"{value:.6g}"


def quantity(count: float) -> str:
    """A count with a metric prefix, ready for a unit behind it: `812 `, `7.42 k`, `1.3 M`."""
    value, prefixes = float(count), ["", "k", "M", "G", "T", "P"]
    while value >= 999.5 and len(prefixes) > 1:
        value /= 1000
        prefixes.pop(0)
    if not prefixes[0]:
        return f"{count:,.0f} "
    return f"{value:.3g} {prefixes[0]}"


def shortened(text: str, limit: int) -> str:
    """At most `limit` characters, an ellipsis for what is left out."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def wrapped(text: str, width: int, lines: int) -> tuple[str, ...]:
    """A formula in at most `lines` lines of `width` characters, broken before a sum's sign or after a comma where it can be."""
    out: list[str] = []
    rest = text
    while len(rest) > width and len(out) < lines - 1:
        cut = _break(rest[: width + 1], width)
        out.append(rest[:cut].rstrip())
        rest = rest[cut:].lstrip()
    return (*out, shortened(rest, width))


def _break(window: str, width: int) -> int:
    """Where a line ends: at a sign or comma, outside brackets rather than in them, else after a product sign."""
    for marks in ((" + ", " - ", ", "), ("*", "/"), (" ",)):
        places = [i for i in range(width // 3, len(window)) for mark in marks if window.startswith(mark, i)]
        if places:
            depth = {i: window[:i].count("(") - window[:i].count(")") for i in places}
            return max(i for i in places if depth[i] == min(depth.values())) + 1
    return width
