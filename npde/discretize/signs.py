"""The sign of a coefficient, where its form and the constraints of what is learned settle it."""

from __future__ import annotations

import sympy as sp

from npde.model.problem import LearnedCoefficient
from npde.symbolic import operators as op
from npde.symbolic.system import System

POSITIVE = (sp.exp, sp.cosh, op.Sigmoid, op.Softplus)
"""Functions with positive values only."""


def sign(e: sp.Expr, system: System) -> int:
    """1 or -1 if an expression is known to have no values of the other sign, else 0."""
    meanings = dict(system.symbols)

    def find(a: sp.Expr) -> int:
        match a:
            case sp.Number() | sp.NumberSymbol():
                return 1 if a > 0 else -1
            case sp.Symbol():
                return _constrained(meanings.get(a))
            case sp.Mul():
                whole = 1
                for f in a.args:
                    whole *= find(f)
                return whole
            case sp.Add():
                found = {find(x) for x in a.args}
                return found.pop() if len(found) == 1 else 0
            case sp.Pow():
                even = a.exp.is_Integer and a.exp % 2 == 0
                return 1 if even or not a.exp.is_Integer else find(a.base)
            case op.AbsoluteValue() | op.Relu():
                return 1
            case _ if isinstance(a, POSITIVE):
                return 1
            case _:
                return 0

    return find(e)


def _constrained(meaning: object) -> int:
    """The sign that a constraint keeps a learned value to."""
    if not isinstance(meaning, LearnedCoefficient) or meaning.constraint is None:
        return 0
    lower, upper = meaning.constraint.lower, meaning.constraint.upper
    if lower is not None and lower >= 0:
        return 1
    return -1 if upper is not None and upper <= 0 else 0
