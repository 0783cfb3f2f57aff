"""Taylor coefficients of closed forms: exact derivatives without symbols. A jet holds f(x + s) = Σ c_k s^k up to an order."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Array = np.ndarray


@dataclass
class Jet:
    """Taylor coefficients, the value first."""

    c: list[Array]

    @staticmethod
    def of(value: Array, order: int) -> Jet:
        """A constant."""
        return Jet([np.asarray(value)] + [np.zeros(())] * order)

    @staticmethod
    def variable(value: Array, order: int) -> Jet:
        """What is differentiated by."""
        return Jet([np.asarray(value), np.ones(())][: order + 1] + [np.zeros(())] * max(0, order - 1))

    @property
    def order(self) -> int:
        return len(self.c) - 1

    def derivative(self, order: int) -> Array:
        """The derivative of that order."""
        return math.factorial(order) * self.c[order]

    def __add__(self, other: Jet) -> Jet:
        return Jet([a + b for a, b in zip(self.c, other.c, strict=True)])

    def __sub__(self, other: Jet) -> Jet:
        return Jet([a - b for a, b in zip(self.c, other.c, strict=True)])

    def __neg__(self) -> Jet:
        return Jet([-a for a in self.c])

    def __mul__(self, other: Jet) -> Jet:
        n = len(self.c)
        return Jet([sum((self.c[i] * other.c[k - i] for i in range(k + 1)), np.zeros(())) for k in range(n)])

    def __truediv__(self, other: Jet) -> Jet:
        out: list[Array] = []
        for k in range(len(self.c)):
            known = sum((out[i] * other.c[k - i] for i in range(k)), np.zeros(()))
            out.append((self.c[k] - known) / other.c[0])
        return Jet(out)

    def mapped(self, value: Array, slope: Callable[[int], Jet]) -> Jet:
        """f(self) from f's value and f' as a jet of one order less: c_k = (1/k) Σ i a_i f'_{k-i}."""
        if self.order == 0:
            return Jet([value])
        rate = slope(self.order - 1)
        zero = np.zeros(())
        higher = (
            sum((i * self.c[i] * rate.c[k - i] for i in range(1, k + 1)), zero) / k for k in range(1, len(self.c))
        )
        return Jet([value, *higher])

    def cut(self, order: int) -> Jet:
        """The jet up to a lower order."""
        return Jet(self.c[: order + 1])


def power(base: Jet, exponent: Jet) -> Jet:
    """base ^ exponent; a constant whole exponent by repeated products."""
    constant = all(not np.any(c) for c in exponent.c[1:])
    e = exponent.c[0]
    if constant and np.ndim(e) == 0 and float(e.real) == int(e.real) and abs(e) <= 64:
        result = Jet.of(np.ones(()), base.order)
        for _ in range(abs(int(e.real))):
            result = result * base
        return result if e.real >= 0 else Jet.of(np.ones(()), base.order) / result
    if constant:
        return base.mapped(base.c[0] ** e, lambda n: Jet.of(e, n) * power(base.cut(n), Jet.of(e - 1, n)))
    return function("exp", exponent * function("log", base))


def function(name: str, a: Jet) -> Jet:
    """An elementary function of a jet."""
    one = lambda n: Jet.of(np.ones(()), n)  # noqa: E731
    value = a.c[0]
    match name:
        case "exp":
            return a.mapped(np.exp(value), lambda n: function("exp", a.cut(n)))
        case "log":
            return a.mapped(np.log(value), lambda n: one(n) / a.cut(n))
        case "sqrt":
            return a.mapped(np.sqrt(value), lambda n: Jet.of(np.full((), 0.5), n) / function("sqrt", a.cut(n)))
        case "sin":
            return a.mapped(np.sin(value), lambda n: function("cos", a.cut(n)))
        case "cos":
            return a.mapped(np.cos(value), lambda n: -function("sin", a.cut(n)))
        case "tan":
            return function("sin", a) / function("cos", a)
        case "sinh":
            return a.mapped(np.sinh(value), lambda n: function("cosh", a.cut(n)))
        case "cosh":
            return a.mapped(np.cosh(value), lambda n: function("sinh", a.cut(n)))
        case "tanh":
            return function("sinh", a) / function("cosh", a)
        case "sech":
            return one(a.order) / function("cosh", a)
        case "sigmoid":
            return one(a.order) / (one(a.order) + function("exp", -a))
        case "softplus":
            return function("log", one(a.order) + function("exp", a))
        case "relu":
            return Jet([np.where(value > 0, c, 0) for c in a.c])
        case "abs":
            return Jet([np.sign(value) * c for c in a.c])
        case "abs2":
            return Jet([np.real(c) for c in (a * Jet([np.conj(c) for c in a.c])).c])
        case "conj" | "re" | "im":
            return Jet([{"conj": np.conj, "re": np.real, "im": np.imag}[name](c) for c in a.c])
        case "gelu":
            share = 0.5 * (1 + np.vectorize(math.erf)(np.asarray(value, dtype=float) / math.sqrt(2)))
            return a * a.mapped(share, lambda n: _density(a.cut(n)))
    raise NotImplementedError(name)


def _density(a: Jet) -> Jet:
    """The density of the normal distribution."""
    half, scale = (Jet.of(np.full((), c), a.order) for c in (-0.5, 1 / math.sqrt(2 * math.pi)))
    return scale * function("exp", half * a * a)
