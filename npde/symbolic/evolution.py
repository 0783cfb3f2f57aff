"""Equations as written → `∂_τ q = F(q)`.

Terms may stand on either side, with a coefficient on the time derivative (`i`, `2*i*k`, a function of the coordinates). Every real
equation is linear in the rates it holds; connected ones are solved together.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import sympy as sp

from npde.diagnostics import InternalError
from npde.diagnostics.catalogue import not_yet as codes
from npde.model import expression as ex
from npde.model.problem import Equation, Problem
from npde.model.traversal import walk
from npde.source import Span
from npde.symbolic import operators as op
from npde.symbolic.convert import Converter, summands
from npde.symbolic.pairs import ZERO, Pair, distribute
from npde.symbolic.refusal import Refused
from npde.symbolic.symbols import SymbolTable

Piece = tuple[sp.Expr, Span]

LARGEST_BLOCK = 6
"""Rates that one linear system may couple."""


def time_orders(problem: Problem) -> dict[str, int]:
    """The highest time derivative of each field in the equations."""
    orders: dict[str, int] = {}
    for equation in problem.equations:
        for side in (equation.left, equation.right):
            _scan(side, problem.marching, orders)
    return orders


def _scan(expr: ex.Expr, marching: str | None, orders: dict[str, int]) -> None:
    for node in walk(expr):
        if not isinstance(node, ex.Derivative):
            continue
        order = dict(node.orders).get(marching or "", 0)
        if order:
            for inner in walk(node.operand):
                if isinstance(inner, ex.FieldRef):
                    orders[inner.name] = max(order, orders.get(inner.name, 0))


@dataclass
class RealEquation:
    """Σ pieces = 0, one real scalar or array equation."""

    pieces: list[Piece] = field(default_factory=list)
    rates: dict[sp.Expr, sp.Expr] = field(default_factory=dict)
    span: Span = field(default=Span(0, 0))


def pieces_of(equation: Equation, converter: Converter) -> list[tuple[Pair, Span]]:
    """The terms of `left - right = 0`, each with its span."""
    found = []
    for side, expr in ((1, equation.left), (-1, equation.right)):
        for sign, node in summands(expr):
            value = converter.scalar(node)
            factor = sp.Integer(sign * side)
            found.append((Pair(distribute(factor, value.re), distribute(factor, value.im)), node.span))
    return found


def real_equations(equation: Equation, converter: Converter) -> list[RealEquation]:
    """The real and imaginary part; a vector equation written with components comes apart into scalar ones."""
    pieces = pieces_of(equation, converter)
    parts = [[(p.re, span) for p, span in pieces], [(p.im, span) for p, span in pieces]]
    table = converter.table
    found = []
    for part in parts:
        kept = [(e, span) for e, span in part if e != 0]
        if not kept:
            continue
        shape = max((converter.calculus.shape(e) for e, _ in kept), key=len)
        split = shape and any(_component_rates(e, table) for e, _ in kept)
        rows = range(shape[0]) if split else [None]
        for k in rows:
            row = kept if k is None else [(converter.calculus.component(e, k), span) for e, span in kept]
            found.append(_separated(row, table, equation.span))
    return found


def _component_rates(e: sp.Expr, table: SymbolTable) -> bool:
    rates = {s for pair in table.rate.values() for s in pair}
    return any(c.args[0] in rates for c in e.atoms(op.Component))


def _separated(pieces: Iterable[Piece], table: SymbolTable, span: Span) -> RealEquation:
    """Splits the terms that hold a rate, which must be linear in it, from the others."""
    symbols = {s for pair in table.rate.values() for s in pair if s != 0}
    equation = RealEquation(span=span)
    for e, where in pieces:
        if not e.free_symbols & symbols:
            equation.pieces += [(a, where) for a in sp.Add.make_args(e)]
            continue
        for a in sp.Add.make_args(sp.expand_mul(e)):
            _sort(a, where, symbols, equation)
    return equation


def _sort(term: sp.Expr, span: Span, symbols: set[sp.Expr], equation: RealEquation) -> None:
    atoms = [f for f in sp.Mul.make_args(term) if f.free_symbols & symbols]
    if not atoms:
        equation.pieces.append((term, span))
        return
    is_rate = atoms[0] in symbols or (isinstance(atoms[0], op.Component) and atoms[0].args[0] in symbols)
    if len(atoms) > 1 or not is_rate:
        raise InternalError(f"the model let through a time derivative inside an operation: {term}")
    coefficient = sp.Mul(*(f for f in sp.Mul.make_args(term) if f is not atoms[0]))
    if coefficient.has(op.GridOperator):
        raise InternalError(f"the model let through a time derivative inside an operation: {term}")
    equation.rates[atoms[0]] = sp.Add(equation.rates.get(atoms[0], ZERO), coefficient)


# --- the linear systems -----------------------------------------------------------------------------------------------


def solve(equations: Sequence[RealEquation], unknowns: set[sp.Expr]) -> dict[sp.Expr, list[Piece]]:
    """Every rate as a list of terms.

    Raises:
        Refused: a connected system is singular, not square, too large, or couples rates by coefficients that hold unknowns.
    """
    found: dict[sp.Expr, list[Piece]] = {}
    for block in _blocks(equations):
        rates = sorted({r for e in block for r in e.rates}, key=str)
        span = block[0].span
        coupled = len(rates) > 1 and any(c.free_symbols & unknowns for e in block for c in e.rates.values())
        if len(block) != len(rates) or len(rates) > LARGEST_BLOCK or coupled:
            raise Refused(codes.UNSOLVED_RATES.at(span))
        found |= _solved(block, rates, span)
    return found


def _blocks(equations: Sequence[RealEquation]) -> list[list[RealEquation]]:
    blocks: list[list[RealEquation]] = []
    for equation in equations:
        touching = [b for b in blocks if any(set(e.rates) & set(equation.rates) for e in b)]
        rest = [b for b in blocks if b not in touching]
        blocks = [*rest, [e for b in touching for e in b] + [equation]]
    return blocks


def _solved(block: Sequence[RealEquation], rates: Sequence[sp.Expr], span: Span) -> dict[sp.Expr, list[Piece]]:
    matrix = [[e.rates.get(r, ZERO) for r in rates] for e in block]
    inverse = _inverse(matrix)
    if inverse is None:
        raise Refused(codes.UNSOLVED_RATES.at(span))
    found: dict[sp.Expr, list[Piece]] = {}
    for k, rate in enumerate(rates):
        found[rate] = [
            (sp.Mul(-inverse[k][j], e), where)
            for j, equation in enumerate(block)
            if inverse[k][j] != 0
            for e, where in equation.pieces
        ]
    return found


def _inverse(matrix: list[list[sp.Expr]]) -> list[list[sp.Expr]] | None:
    """The inverse of a small matrix by the adjugate; None when it is singular."""
    n = len(matrix)
    if n == 1:
        return None if matrix[0][0] == 0 else [[sp.Pow(matrix[0][0], -1)]]
    if n == 2:
        (a, b), (c, d) = matrix
        determinant = a * d - b * c
        adjugate = [[d, -b], [-c, a]]
    else:
        whole = sp.Matrix(matrix)
        determinant, adjugate = sp.expand(whole.det(method="berkowitz")), whole.adjugate().tolist()
    if determinant.is_zero or sp.expand(determinant) == 0:
        return None
    return [[sp.Mul(e, sp.Pow(determinant, -1)) if e != 0 else ZERO for e in row] for row in adjugate]
