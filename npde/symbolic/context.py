"""What a later stage needs to go on computing with a system: its symbol table and its calculus."""

from __future__ import annotations

import sympy as sp

from npde.symbolic.calculus import Calculus
from npde.symbolic.evolution import time_orders
from npde.symbolic.symbols import SymbolTable
from npde.symbolic.system import System
from npde.symbolic.variation import variation


def calculus_of(system: System) -> Calculus:
    """The calculus over the symbols of a system."""
    return Calculus(SymbolTable(system.problem, time_orders(system.problem)))


def linear_parts(system: System) -> tuple[sp.Expr, ...]:
    """L q of rates that are affine, F(q) = L q + s: their derivative along q itself.

    Raises:
        NotDifferentiable: a rate is not affine.
    """
    calculus = calculus_of(system)
    directions = {u.symbol: u.symbol for u in system.unknowns}
    return tuple(variation(rate, directions, calculus) for rate in system.rates)
