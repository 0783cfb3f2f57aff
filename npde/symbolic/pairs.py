"""Complex arithmetic on pairs of real SymPy expressions.

A value z = re + i im is a `Pair`; a real value has im = 0. SymPy's own complex arithmetic is not used: every symbol of a system
is real, and `expand_complex` on user expressions is unbounded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from math import comb
from typing import NamedTuple

import sympy as sp

from npde.diagnostics import InternalError
from npde.symbolic import operators as op

ZERO, ONE, HALF = sp.Integer(0), sp.Integer(1), sp.Rational(1, 2)

EXPANDED_POWER = 32
"""Integer powers of a complex base up to this size are written out by the binomial formula; larger ones in polar form."""


class Pair(NamedTuple):
    """re + i im, both real expressions."""

    re: sp.Expr
    im: sp.Expr = ZERO

    @property
    def is_real(self) -> bool:
        return self.im == 0


I = Pair(ZERO, ONE)  # noqa: E741 - the imaginary unit


def add(*terms: Pair) -> Pair:
    """Σ z_k, in one call however many there are."""
    return Pair(sp.Add(*(t.re for t in terms)), sp.Add(*(t.im for t in terms)))


def negate(z: Pair) -> Pair:
    return scale(sp.Integer(-1), z)


def scale(factor: sp.Expr, z: Pair) -> Pair:
    """A real factor times z, distributed over sums so that they stay sums of terms."""
    return Pair(distribute(factor, z.re), distribute(factor, z.im))


def distribute(factor: sp.Expr, e: sp.Expr) -> sp.Expr:
    """factor · e, term by term if e is a sum and the factor is a number."""
    if factor == 1:
        return e
    if factor.is_Number and isinstance(e, sp.Add):
        return sp.Add(*(sp.Mul(factor, a) for a in e.args))
    return sp.Mul(factor, e)


def multiply(*factors: Pair) -> Pair:
    """Π z_k: the real factors together, the complex ones one after the other."""
    real = [z.re for z in factors if z.is_real]
    turned = [z.im for z in factors if not z.is_real and z.re == 0]
    rest = [z for z in factors if not z.is_real and z.re != 0]
    whole = reduce(_product, rest, Pair(ONE)) if rest else Pair(ONE)
    factor = sp.Mul(*real, *turned)
    whole = Pair(sp.Mul(factor, whole.re), sp.Mul(factor, whole.im))
    for _ in range(len(turned) % 4):
        whole = Pair(-whole.im, whole.re)
    return whole


def _product(a: Pair, b: Pair) -> Pair:
    if a.is_real:
        return Pair(a.re * b.re, a.re * b.im)
    return Pair(a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re)


def modulus_squared(z: Pair) -> sp.Expr:
    """|z|² = re² + im²."""
    return sp.Add(z.re**2, z.im**2)


def divide(a: Pair, b: Pair) -> Pair:
    """a / b = a b* / |b|²."""
    if b.is_real:
        inverse = sp.Pow(b.re, -1)
        return Pair(sp.Mul(a.re, inverse), sp.Mul(a.im, inverse))
    if b.re == 0:
        return divide(Pair(a.im, -a.re), Pair(b.im))
    inverse = sp.Pow(modulus_squared(b), -1)
    whole = multiply(a, Pair(b.re, -b.im))
    return Pair(sp.Mul(whole.re, inverse), sp.Mul(whole.im, inverse))


def power(base: Pair, exponent: Pair) -> Pair:
    """base ^ exponent, principal branch; exponents are real (the model sees to that)."""
    if not exponent.is_real:
        raise InternalError("the model let through a complex exponent")
    if base.is_real:
        return Pair(real_power(base.re, exponent.re))
    n = exponent.re
    if n.is_Integer and 0 <= n <= EXPANDED_POWER:
        return _binomial(base, int(n))
    if n.is_Integer and -EXPANDED_POWER <= n < 0:
        return divide(Pair(ONE), _binomial(base, -int(n)))
    size = sp.Pow(modulus_squared(base), n / 2)
    angle = sp.Mul(n, sp.atan2(base.im, base.re))
    return Pair(size * apply(sp.cos, angle), size * apply(sp.sin, angle))


def real_power(base: sp.Expr, exponent: sp.Expr) -> sp.Expr:
    """base ^ exponent of real values; SymPy turns √(z²) into |z|, which becomes npde's own."""
    value = sp.Pow(base, exponent)
    near = (value, *value.args, *(b for a in value.args for b in a.args))
    return value.replace(sp.Abs, op.AbsoluteValue) if any(isinstance(a, sp.Abs) for a in near) else value


def _binomial(z: Pair, n: int) -> Pair:
    """(a + ib)^n = Σ_k C(n, k) a^(n-k) (ib)^k."""
    parts: tuple[list[sp.Expr], list[sp.Expr]] = ([], [])
    for k in range(n + 1):
        sign = -1 if k % 4 in (2, 3) else 1
        parts[k % 2].append(sp.Mul(sign * comb(n, k), sp.Pow(z.re, n - k), sp.Pow(z.im, k)))
    return Pair(sp.Add(*parts[0]), sp.Add(*parts[1]))


# --- elementary functions ---------------------------------------------------------------------------------------------


def apply(function: Callable[..., sp.Expr], argument: sp.Expr) -> sp.Expr:
    """A SymPy function, evaluated at constants only: rewriting sin(x + π) and the like costs SymPy half a millisecond each."""
    if argument.is_number:
        return function(argument)
    return function(argument, evaluate=False)


def exp(z: Pair) -> Pair:
    size = apply(sp.exp, z.re)
    return Pair(size) if z.is_real else Pair(size * apply(sp.cos, z.im), size * apply(sp.sin, z.im))


def log(z: Pair) -> Pair:
    if z.is_real:
        return Pair(apply(sp.log, z.re))
    return Pair(HALF * apply(sp.log, modulus_squared(z)), sp.atan2(z.im, z.re))


def sqrt(z: Pair) -> Pair:
    """The principal root: re ≥ 0, im with the sign of im(z)."""
    if z.is_real:
        return Pair(real_power(z.re, HALF))
    size = sp.sqrt(modulus_squared(z))
    im = sp.sqrt((size - z.re) / 2)
    negative = sp.StrictLessThan(z.im, 0, evaluate=False)
    return Pair(sp.sqrt((size + z.re) / 2), op.Where(negative, -im, im))


def sin(z: Pair) -> Pair:
    if z.is_real:
        return Pair(apply(sp.sin, z.re))
    return Pair(apply(sp.sin, z.re) * apply(sp.cosh, z.im), apply(sp.cos, z.re) * apply(sp.sinh, z.im))


def cos(z: Pair) -> Pair:
    if z.is_real:
        return Pair(apply(sp.cos, z.re))
    return Pair(apply(sp.cos, z.re) * apply(sp.cosh, z.im), -apply(sp.sin, z.re) * apply(sp.sinh, z.im))


def tan(z: Pair) -> Pair:
    if z.is_real:
        return Pair(apply(sp.tan, z.re))
    below = apply(sp.cos, 2 * z.re) + apply(sp.cosh, 2 * z.im)
    return Pair(apply(sp.sin, 2 * z.re) / below, apply(sp.sinh, 2 * z.im) / below)


def sinh(z: Pair) -> Pair:
    if z.is_real:
        return Pair(apply(sp.sinh, z.re))
    return Pair(apply(sp.sinh, z.re) * apply(sp.cos, z.im), apply(sp.cosh, z.re) * apply(sp.sin, z.im))


def cosh(z: Pair) -> Pair:
    if z.is_real:
        return Pair(apply(sp.cosh, z.re))
    return Pair(apply(sp.cosh, z.re) * apply(sp.cos, z.im), apply(sp.sinh, z.re) * apply(sp.sin, z.im))


def tanh(z: Pair) -> Pair:
    if z.is_real:
        return Pair(apply(sp.tanh, z.re))
    below = apply(sp.cosh, 2 * z.re) + apply(sp.cos, 2 * z.im)
    return Pair(apply(sp.sinh, 2 * z.re) / below, apply(sp.sin, 2 * z.im) / below)


def sech(z: Pair) -> Pair:
    return divide(Pair(ONE), cosh(z))


def absolute(z: Pair) -> Pair:
    return Pair(op.AbsoluteValue(z.re)) if z.is_real else Pair(sp.sqrt(modulus_squared(z)))


COMPLEX: dict[str, Callable[[Pair], Pair]] = {
    "exp": exp,
    "log": log,
    "sqrt": sqrt,
    "sin": sin,
    "cos": cos,
    "tan": tan,
    "sinh": sinh,
    "cosh": cosh,
    "tanh": tanh,
    "sech": sech,
    "abs": absolute,
    "abs2": lambda z: Pair(modulus_squared(z)),
    "conj": lambda z: Pair(z.re, -z.im),
    "re": lambda z: Pair(z.re),
    "im": lambda z: Pair(z.im),
}
"""Functions of a complex argument."""

REAL: dict[str, Callable[[sp.Expr], sp.Expr]] = {
    "sigmoid": op.Sigmoid,
    "softplus": op.Softplus,
    "relu": op.Relu,
    "gelu": op.Gelu,
}
"""Functions of a real argument only."""


def elementary(name: str, arguments: Sequence[Pair]) -> Pair:
    """The value of an elementary function of the language."""
    if name in ("min", "max"):
        function = op.Minimum if name == "min" else op.Maximum
        return Pair(reduce(function, (_real(a) for a in arguments)))
    if name in COMPLEX:
        return COMPLEX[name](arguments[0])
    return Pair(REAL[name](_real(arguments[0])))


def _real(z: Pair) -> sp.Expr:
    if not z.is_real:
        raise InternalError("a complex value where only a real one has a meaning")
    return z.re
