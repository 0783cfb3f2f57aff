"""How large expressions are once they are written out, and which have no finite real value."""

from __future__ import annotations

from dataclasses import dataclass, field

import sympy as sp

LARGEST = 500_000
"""Nodes of an expression once it is written out in real parts."""


@dataclass
class Sizes:
    """Nodes of expressions as trees, shared parts counted as often as they occur; 0 for what has no finite real value."""

    _memo: dict[sp.Expr, int] = field(default_factory=dict)

    def of(self, e: sp.Expr) -> int:
        """The size of an expression; iterative, and each node is looked at once."""
        pending = [e]
        while pending:
            node = pending[-1]
            if node in self._memo:
                pending.pop()
                continue
            missing = [a for a in node.args if a not in self._memo]
            if missing:
                pending.extend(missing)
                continue
            below = [self._memo[a] for a in node.args]
            self._memo[node] = 0 if _unreal(node) or 0 in below else 1 + sum(below)
            pending.pop()
        return self._memo[e]


def _unreal(node: sp.Expr) -> bool:
    """Whether a node is no finite real number: ∞, an undefined value, a broken power of a negative number."""
    if isinstance(node, sp.Pow):
        base, exponent = node.args
        return bool(base.is_Number and base.is_negative and exponent.is_Rational and not exponent.is_Integer)
    return node in (sp.I, sp.zoo, sp.nan, sp.oo, -sp.oo)
