"""Constants: exact arithmetic on checked expressions, bounded before it is done.

Decimals are fractions and stay so under `+ - * /`, whole powers and square roots of squares; what is irrational is a
float. Nothing here grows beyond `MAX_BITS`, so `9^9^9` is refused at once.
"""

from __future__ import annotations

import cmath
import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

from npde.model import expression as ex
from npde.model.limits import MAX_BITS, MAX_EXPONENT
from npde.model.traversal import fold
from npde.source import Span

Scalar: TypeAlias = Fraction | float | complex
Value: TypeAlias = "Scalar | tuple[Value, ...]"
"""A constant; vectors and matrices are tuples."""


@dataclass
class ConstantError(Exception):
    """Why an expression has no value: "unknown" (not a constant), "large", "zero" (a divisor), "undefined"."""

    reason: str
    span: Span
    text: str = ""


def evaluate(
    expr: ex.Expr,
    lets: Mapping[str, tuple[tuple[str, ...], ex.Expr]],
    values: Mapping[str, Value | None],
    coordinates: Mapping[str, float] | None = None,
) -> Value:
    """The value of a closed-form expression.

    `values` has the constant `let`s, `lets` the parameters and bodies of the others, `coordinates` numbers for
    coordinates where the expression has some. Raises `ConstantError`.
    """
    positions = coordinates or {}

    def combine(node: ex.Expr, parts: tuple[Value, ...]) -> Value:
        match node:
            case ex.Number():
                return node.value
            case ex.Constant():
                return math.pi if node.name == "pi" else 1j
            case ex.CoordinateRef() if node.name in positions:
                return positions[node.name]
            case ex.LetRef() if values.get(node.name) is not None:
                return values[node.name]  # type: ignore[return-value]
            case ex.LetRef() if positions and node.name in lets:
                parameters, body = lets[node.name]
                if any(isinstance(p, complex | tuple) for p in parts):
                    raise ConstantError("unknown", node.span)
                return evaluate(body, lets, values, {n: float(p) for n, p in zip(parameters, parts, strict=True)})  # type: ignore[arg-type]
            case ex.VectorOf():
                return parts
            case ex.Component() if isinstance(parts[0], tuple):
                return parts[0][node.index]
            case ex.Negate():
                return -_scalar(node, parts[0])
            case ex.Binary():
                return binary(
                    node.operator, _scalar(node, parts[0]), _scalar(node, parts[1]), node.span, node.right.span
                )
            case ex.Elementary():
                return elementary(node.function, [_scalar(node, p) for p in parts], node.span)
            case ex.Comparison():
                return Fraction(_compare(node.operator, _real(node, parts[0]), _real(node, parts[1])))
            case ex.Where():
                return parts[1] if parts[0] else parts[2]
            case _:
                raise ConstantError("unknown", node.span)

    return fold(expr, combine)


def binary(operator: str, left: Scalar, right: Scalar, span: Span, right_span: Span) -> Scalar:
    """`left operator right`, bounded."""
    match operator:
        case "^":
            return power(left, right, span)
        case "/" if right == 0:
            raise ConstantError("zero", right_span)
        case "/" if isinstance(left, Fraction) and isinstance(right, Fraction):
            return _bounded(left / right, span)
        case _:
            return _guarded(lambda: _OPERATIONS[operator](left, right), span)


_OPERATIONS: Mapping[str, Callable[[Scalar, Scalar], Scalar]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
}


def power(base: Scalar, exponent: Scalar, span: Span) -> Scalar:
    """`base ^ exponent`: exact for whole exponents of fractions and for square roots of squares."""
    if not isinstance(exponent, complex) and magnitude(exponent) > MAX_EXPONENT:
        raise ConstantError("large", span, f"the exponent is larger than {MAX_EXPONENT}")
    if base == 0 and not isinstance(exponent, complex) and exponent < 0:
        raise ConstantError("zero", span)
    if isinstance(base, Fraction) and isinstance(exponent, Fraction):
        if exponent.denominator == 1:
            bits = max(base.numerator.bit_length(), base.denominator.bit_length()) * abs(exponent.numerator)
            if bits > 2 * MAX_BITS:
                raise ConstantError("large", span, f"more than {MAX_BITS} bits")
            return _bounded(base**exponent.numerator, span)
        if base < 0:
            raise ConstantError("undefined", span, "a broken power of a negative number")
        if exponent == Fraction(1, 2):
            return square_root(base)
    if isinstance(base, Fraction | float) and isinstance(exponent, Fraction | float) and base < 0 and exponent % 1:
        raise ConstantError("undefined", span, "a broken power of a negative number")
    whole = int(exponent) if isinstance(exponent, Fraction) and exponent.denominator == 1 else exponent
    return _guarded(lambda: _float(base) ** (whole if isinstance(whole, int) else _float(whole)), span)


def magnitude(value: Fraction | float) -> Fraction | float:
    """|value|."""
    return -value if value < 0 else value


def square_root(value: Fraction) -> Scalar:
    """√value, exact when it is a fraction."""
    top, bottom = math.isqrt(value.numerator), math.isqrt(value.denominator)
    if top * top == value.numerator and bottom * bottom == value.denominator:
        return Fraction(top, bottom)
    return math.sqrt(value)


def elementary(name: str, arguments: list[Scalar], span: Span) -> Scalar:
    """An elementary function of constants."""
    value = arguments[0]
    match name:
        case "min" | "max":
            real = [a for a in arguments if not isinstance(a, complex)]
            return min(real) if name == "min" else max(real)
        case "abs":
            return abs(value) if isinstance(value, complex) else magnitude(value)
        case "abs2":
            return abs(value) ** 2 if isinstance(value, complex) else _guarded(lambda: value * value, span)
        case "re":
            return value.real if isinstance(value, complex) else value
        case "im":
            return value.imag if isinstance(value, complex) else Fraction(0)
        case "conj":
            return value.conjugate()
        case "relu" if not isinstance(value, complex):
            return max(value, Fraction(0))
        case "sqrt" if isinstance(value, Fraction) and value >= 0:
            return square_root(value)
    if not isinstance(value, complex) and value < 0 and name in ("log", "sqrt"):
        raise ConstantError("undefined", span, f"'{name}' of a negative number")
    if value == 0 and name == "log":
        raise ConstantError("undefined", span, "the logarithm of zero")
    if value == 0 and name in _AT_ZERO:
        return Fraction(_AT_ZERO[name])
    function = _COMPLEX[name] if isinstance(value, complex) else _REAL[name]
    return _guarded(lambda: function(_float(value)), span)


_AT_ZERO = {"exp": 1, "sin": 0, "cos": 1, "tan": 0, "sinh": 0, "cosh": 1, "tanh": 0, "sech": 1, "gelu": 0}


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def _sech(x: float) -> float:
    return 2 * math.exp(-abs(x)) / (1 + math.exp(-2 * abs(x)))


_REAL: Mapping[str, Callable[..., Scalar]] = {
    "exp": math.exp, "log": math.log, "sqrt": math.sqrt, "sin": math.sin, "cos": math.cos, "tan": math.tan,
    "sinh": math.sinh, "cosh": math.cosh, "tanh": math.tanh, "sech": _sech, "sigmoid": _sigmoid,
    "softplus": lambda x: max(x, 0.0) + math.log1p(math.exp(-abs(x))),
    "gelu": lambda x: 0.5 * x * (1 + math.erf(x / math.sqrt(2))),
}  # fmt: skip
_COMPLEX: Mapping[str, Callable[..., Scalar]] = {
    "exp": cmath.exp, "log": cmath.log, "sqrt": cmath.sqrt, "sin": cmath.sin, "cos": cmath.cos, "tan": cmath.tan,
    "sinh": cmath.sinh, "cosh": cmath.cosh, "tanh": cmath.tanh, "sech": lambda z: 1 / cmath.cosh(z),
}  # fmt: skip


def _compare(operator: str, a: Fraction | float, b: Fraction | float) -> bool:
    return {"<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b, "==": a == b, "!=": a != b}[operator]


def _float(value: Scalar) -> float | complex:
    return value if isinstance(value, complex) else float(value)


def _scalar(node: ex.Expr, value: Value) -> Scalar:
    if isinstance(value, tuple):
        raise ConstantError("unknown", node.span)
    return value


def _real(node: ex.Expr, value: Value) -> Fraction | float:
    if isinstance(value, tuple | complex):
        raise ConstantError("unknown", node.span)
    return value


def _bounded(value: Scalar, span: Span) -> Scalar:
    if isinstance(value, Fraction):
        if max(value.numerator.bit_length(), value.denominator.bit_length()) > MAX_BITS:
            raise ConstantError("large", span, f"more than {MAX_BITS} bits")
        is_finite = value.numerator.bit_length() - value.denominator.bit_length() < sys.float_info.max_exp
    else:
        is_finite = cmath.isfinite(value)
    if not is_finite:
        raise ConstantError("large", span, "beyond the largest floating-point number")
    return value


def _guarded(operation: Callable[[], Scalar], span: Span) -> Scalar:
    try:
        return _bounded(operation(), span)
    except OverflowError:
        raise ConstantError("large", span, "beyond the largest floating-point number") from None
    except (ValueError, ZeroDivisionError):
        raise ConstantError("undefined", span, "outside the domain of the function") from None
