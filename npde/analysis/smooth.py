"""Expressions of a system with its operators read as true derivatives: the language of modified equations.

Differences, `Lap` and fluxes become `Diff` of single fields or products, constants before them, derivatives along one axis
merged and axes in order, so that like terms meet; `textbook` writes the result with SymPy's `Derivative` of functions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import sympy as sp

from npde.symbolic import operators as op
from npde.symbolic.calculus import Calculus
from npde.symbolic.context import calculus_of
from npde.symbolic.system import System, Unknown


@dataclass
class Smooth:
    """Derivatives over the symbols of one system."""

    system: System
    calculus: Calculus = field(init=False)
    _memo: dict[sp.Expr, sp.Expr] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.calculus = calculus_of(self.system)
        self.axes = [c.name for c in self.system.problem.space]
        self.known = {s for s, _ in self.system.symbols}

    def __call__(self, e: sp.Expr) -> sp.Expr:
        """An expression in normal form."""
        found = self._memo.get(e)
        if found is None:
            found = self._memo[e] = self._find(e)
        return found

    def _find(self, e: sp.Expr) -> sp.Expr:
        match e:
            case op.Diff():
                return self.derivative(self(e.args[0]), str(e.args[1]), int(e.args[2]))
            case op.FaceDiff():
                return self.derivative(self(e.args[0]), str(e.args[1]), 1)
            case op.Lap():
                inner = self(e.args[0])
                return sp.Add(*(self.derivative(inner, x, 2) for x in self.axes))
            case _ if not e.args:
                return e
            case _:
                return e.func(*(self(a) for a in e.args))

    def derivative(self, e: sp.Expr, axis: str, order: int) -> sp.Expr:
        """∂ⁿe/∂xⁿ of an expression in normal form."""
        if order == 0:
            return e
        x = self.calculus.table.coordinates[axis]
        summands = []
        for term in sp.Add.make_args(sp.expand(e, power_base=False, power_exp=False, log=False)):
            moving = [f for f in sp.Mul.make_args(term) if self._varies(f, axis)]
            constant = [f for f in sp.Mul.make_args(term) if not self._varies(f, axis)]
            if moving:
                summands.append(sp.Mul(*constant, self._applied(sp.Mul(*moving), x, order)))
        return sp.Add(*summands)

    def _applied(self, e: sp.Expr, x: sp.Symbol, order: int) -> sp.Expr:
        if self.calculus.is_closed(e):
            return sp.diff(e, x, order)
        if isinstance(e, op.Diff) and e.args[1] == x:
            return op.Diff(e.args[0], x, order + int(e.args[2]))
        inner = e.args[0] if isinstance(e, op.Diff) else None
        if inner is not None and self.axes.index(str(x)) < self.axes.index(str(e.args[1])):
            return op.Diff(self._applied(inner, x, order), *e.args[1:])
        return op.Diff(e, x, order)

    def _varies(self, e: sp.Expr, axis: str) -> bool:
        return any(axis in self.calculus.table.varies(s) for s in e.free_symbols if s in self.known)

    def textbook(self, e: sp.Expr) -> sp.Expr:
        """The expression in functions of the coordinates, `u(x, t)`, and `Derivative`."""
        return _written(self(e), self._functions())

    def _functions(self) -> Mapping[sp.Symbol, sp.Expr]:
        table = self.calculus.table
        marching = self.system.problem.marching
        found = {}
        for s, meaning in self.system.symbols:
            names = [c for c in (*self.axes, *([marching] if marching else [])) if c in table.varies(s)]
            if isinstance(meaning, Unknown) or (names and s.name not in names):
                over = [*self.axes, marching] if isinstance(meaning, Unknown) else names
                found[s] = sp.Function(s.name)(*(table.coordinates[c] for c in over if c))
        return found


def _written(e: sp.Expr, functions: Mapping[sp.Symbol, sp.Expr]) -> sp.Expr:
    if isinstance(e, sp.Symbol):
        return functions.get(e, e)
    if not e.args:
        return e
    if isinstance(e, op.Diff):
        return sp.Derivative(_written(e.args[0], functions), (e.args[1], int(e.args[2])))
    return e.func(*(_written(a, functions) for a in e.args))
