"""Constants, shapes and types in words."""

from __future__ import annotations

from fractions import Fraction

from npde.model.expression import Type
from npde.model.problem import Exact


def spell(value: Exact) -> str:
    """A constant in decimals where that is exact, else as a fraction or a rounded decimal."""
    if isinstance(value, float):
        return f"{value:.6g}"
    if value.denominator == 1:
        return str(value.numerator)
    decimal = f"{float(value):.12g}"
    return decimal if Fraction(decimal) == value else f"{value.numerator}/{value.denominator}"


def describe_shape(shape: tuple[int, ...]) -> str:
    """In words."""
    match shape:
        case ():
            return "a scalar"
        case (n,):
            return f"a vector of {n}"
        case (n, m):
            return f"a {n}×{m} matrix"
        case _:
            return "an array of " + "×".join(str(n) for n in shape)


def describe_type(kind: Type) -> str:
    """In words."""
    return "a complex value" if kind.is_complex else describe_shape(kind.shape)
