"""Floating-point operations of a pointwise expression: + − × ÷ and comparisons count 1, a power by repeated squaring."""

from __future__ import annotations

import sympy as sp

from npde.symbolic.operators import AbsoluteValue, Maximum, Minimum, Relu, Step, Where

TRANSCENDENTAL = 10
"""Operations that one exp, log, tanh, sin, … is taken for."""

CHEAP = (Relu, Step, Minimum, Maximum, AbsoluteValue, Where)


def operations(expr: sp.Expr) -> int:
    """Floating-point operations of one evaluation of a pointwise expression."""
    count = 0
    pending = [expr]
    while pending:
        e = pending.pop()
        pending.extend(a for a in e.args if not (isinstance(e, sp.Pow) and a is e.exp and a.is_number))
        match e:
            case sp.Add():
                count += len(e.args) - 1
            case sp.Mul():
                count += len([a for a in e.args if a != -1]) - 1
            case sp.Pow():
                count += _power(e.exp)
            case sp.Function() if isinstance(e, CHEAP):
                count += 1
            case sp.Function():
                count += TRANSCENDENTAL
            case _ if getattr(e, "is_Relational", False):
                count += 1
            case _:
                pass
    return count


def _power(exponent: sp.Expr) -> int:
    if not exponent.is_Integer:
        return 1 if abs(exponent) == sp.Rational(1, 2) else TRANSCENDENTAL
    n = abs(int(exponent))
    multiplications = max(n.bit_length() - 1, 0) + max(n.bit_count() - 1, 0)
    return multiplications + (1 if exponent < 0 else 0)
