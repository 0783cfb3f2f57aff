"""Partial derivatives of pointwise expressions, as torch takes them where a function has a kink."""

from __future__ import annotations

from collections.abc import Iterable

import sympy as sp

from npde.symbolic import operators as op


class HalfStep(sp.Function):
    """1 where z > 0, 1/2 at 0, else 0: the share of `min` and `max` that torch gives to each of two equal entries."""

    is_real = True

    def fdiff(self, argindex: int = 1) -> sp.Expr:  # noqa: ARG002
        return sp.Integer(0)


class Sign(sp.Function):
    """-1, 0 or 1."""

    is_real = True

    def fdiff(self, argindex: int = 1) -> sp.Expr:  # noqa: ARG002
        return sp.Integer(0)


class _Minimum(sp.Function):
    is_real = True

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        a, b = self.args
        return HalfStep(b - a) if argindex == 1 else HalfStep(a - b)


class _Maximum(sp.Function):
    is_real = True

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        a, b = self.args
        return HalfStep(a - b) if argindex == 1 else HalfStep(b - a)


class _Absolute(sp.Function):
    is_real = True

    def fdiff(self, argindex: int = 1) -> sp.Expr:  # noqa: ARG002
        return Sign(self.args[0])


_KINKS = ((op.Minimum, _Minimum), (op.Maximum, _Maximum), (op.AbsoluteValue, _Absolute), (sp.Abs, _Absolute))


def gradients(expression: sp.Expr, symbols: Iterable[sp.Symbol]) -> dict[sp.Symbol, sp.Expr]:
    """∂expression/∂symbol for each symbol that it depends on."""
    wanted = set(symbols)
    found: dict[sp.Symbol, list[sp.Expr]] = {}
    for term in sp.Add.make_args(expression):
        smooth = term
        for kinked, own in _KINKS:
            if smooth.has(kinked):
                smooth = smooth.replace(kinked, own)
        for symbol in sorted(smooth.free_symbols & wanted, key=str):
            found.setdefault(symbol, []).append(smooth.diff(symbol))
    back = {own: kinked for kinked, own in reversed(_KINKS) if kinked is not sp.Abs}
    out = {}
    for symbol, parts in found.items():
        total = sp.Add(*parts)
        for own, kinked in back.items():
            if total.has(own):
                total = total.replace(own, kinked)
        if total != 0:
            out[symbol] = total
    return out
