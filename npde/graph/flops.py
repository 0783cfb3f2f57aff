"""Operations of a pointwise expression: + − × and comparisons count 1, a power by repeated squaring, the rest by `Weights`."""

from __future__ import annotations

from dataclasses import dataclass

import sympy as sp

from npde.symbolic.operators import AbsoluteValue, Maximum, Minimum, Relu, Step, Where


@dataclass(frozen=True, slots=True)
class Weights:
    """What one operation counts as: a change of sign; a reciprocal; a square root; exp, log, tanh, sin, …; a choice between two
    numbers."""

    negation: int
    reciprocal: int
    root: int
    function: int
    choice: int


FLOPS = Weights(negation=0, reciprocal=1, root=1, function=10, choice=1)
"""What `npde explain` counts."""

CHOICES = (Relu, Step, Minimum, Maximum, AbsoluteValue, Where)


def operations(expr: sp.Expr, weights: Weights = FLOPS) -> int:
    """Operations of one evaluation of a pointwise expression."""
    count = 0
    pending = [expr]
    while pending:
        e = pending.pop()
        pending.extend(a for a in e.args if not (isinstance(e, sp.Pow) and a is e.exp and a.is_number))
        match e:
            case sp.Add():
                count += len(e.args) - 1
            case sp.Mul():
                count += sum(weights.negation if a == -1 else 1 for a in e.args) - 1
            case sp.Pow():
                count += _power(e.exp, weights)
            case sp.Function():
                count += weights.choice if isinstance(e, CHOICES) else weights.function
            case _ if getattr(e, "is_Relational", False):
                count += 1
            case _:
                pass
    return count


def _power(exponent: sp.Expr, weights: Weights) -> int:
    if not exponent.is_Integer:
        return weights.root if abs(exponent) == sp.Rational(1, 2) else weights.function
    n = abs(int(exponent))
    multiplications = max(n.bit_length() - 1, 0) + max(n.bit_count() - 1, 0)
    return multiplications + (weights.reciprocal if exponent < 0 else 0)
