"""Gâteaux derivatives of expressions that hold grid operators: lim (e(q + εd) - e(q))/ε, operators kept."""

from __future__ import annotations

from collections.abc import Mapping

import sympy as sp

from npde.model.problem import Input, LearnedCoefficient, LearnedStencil
from npde.symbolic import operators as op
from npde.symbolic.calculus import REDUCING, Calculus
from npde.symbolic.pairs import ZERO
from npde.symbolic.symbols import SymbolTable

Directions = Mapping[sp.Expr, sp.Expr]


class NotDifferentiable(Exception):
    """Why an expression has no derivative that can be written down."""


def variation(e: sp.Expr, directions: Directions, calculus: Calculus) -> sp.Expr:
    """The derivative of `e` along `directions` (a symbol → its direction).

    Raises:
        NotDifferentiable: a learned closure or random layer depends on what varies.
    """
    memo: dict[sp.Expr, sp.Expr] = {}
    moving = set(directions)

    def derive(a: sp.Expr) -> sp.Expr:
        if a not in memo:
            memo[a] = step(a) if a.free_symbols & moving else ZERO
        return memo[a]

    def step(a: sp.Expr) -> sp.Expr:
        match a:
            case sp.Symbol():
                return directions[a]
            case sp.Add():
                return sp.Add(*(derive(x) for x in a.args))
            case sp.Mul():
                return sp.Add(*(_without(a, k, derive(x)) for k, x in enumerate(a.args) if x.free_symbols & moving))
            case sp.Pow():
                return _power(a, derive)
            case op.GridOperator():
                return _operator(a, derive, calculus, moving)
            case op.Where():
                if a.args[0].free_symbols & moving and not isinstance(a.args[0], sp.Rel):
                    raise NotDifferentiable("a condition that is not a comparison")
                return op.Where(a.args[0], derive(a.args[1]), derive(a.args[2]))
            case _:
                return sp.Add(*(a.fdiff(k + 1) * derive(x) for k, x in enumerate(a.args) if x.free_symbols & moving))

    return derive(e)


def _without(product: sp.Expr, k: int, replacement: sp.Expr) -> sp.Expr:
    return sp.Mul(*product.args[:k], replacement, *product.args[k + 1 :])


def _power(a: sp.Expr, derive: object) -> sp.Expr:
    base, exponent = a.args
    whole = exponent * sp.Pow(base, exponent - 1) * derive(base)  # type: ignore[operator]
    turned = derive(exponent)  # type: ignore[operator]
    return whole if turned == 0 else whole + a * sp.log(base) * turned


def _operator(a: sp.Expr, derive: object, calculus: Calculus, moving: set[sp.Expr]) -> sp.Expr:
    def of(e: sp.Expr) -> sp.Expr:
        return derive(e)  # type: ignore[operator]

    match a:
        case op.Diff():
            return calculus.diff(of(a.args[0]), str(a.args[1]), int(a.args[2]))
        case op.Biased():
            return calculus.biased(of(a.args[0]), str(a.args[1]), int(a.args[2]), int(a.args[3]))
        case op.FluxDissipation():
            if a.args[0].free_symbols & moving:
                raise NotDifferentiable("the speed of an upwind flux depends on what varies")
            return a.func(a.args[0], of(a.args[1]), *a.args[2:])
        case op.Lap():
            return calculus.lap(of(a.args[0]))
        case op.FaceDiff():
            return calculus.face_diff(of(a.args[0]), str(a.args[1]))
        case op.Component():
            return calculus.component(of(a.args[0]), int(a.args[1]))
        case op.Stack():
            return op.Stack(*(of(x) for x in a.args))
        case op.MatVec() | op.DotProduct():
            x, y = a.args
            parts = [a.func(of(x), y) if of(x) != 0 else ZERO, a.func(x, of(y)) if of(y) != 0 else ZERO]
            return sp.Add(*parts)
        case op.KernelApply() | op.KernelAdjoint() | op.Nonlocal() | op.NonlocalConvolution():
            if a.args[0].free_symbols & moving:
                raise NotDifferentiable(f"'{a.args[0]}' depends on what varies")
            return a.func(a.args[0], of(a.args[1]), *a.args[2:])
        case _ if isinstance(a, (*REDUCING, op.RegionsOf)):
            return a.func(of(a.args[0]), *a.args[1:])
        case _:
            raise NotDifferentiable(f"'{a.func.__name__}' has no derivative in closed form")


def time_derivative(e: sp.Expr, table: SymbolTable, calculus: Calculus) -> sp.Expr:
    """∂e/∂τ by the chain rule: fields give their rates (or velocities), velocities their rates.

    Raises:
        NotDifferentiable: it holds a value that is constant over a step, or a rate.
    """
    marching = table.problem.marching
    directions: dict[sp.Expr, sp.Expr] = {}
    if marching is not None:
        directions[table.coordinates[marching]] = sp.Integer(1)
    for name, value in table.value.items():
        first = table.velocity.get(name, table.rate[name])
        directions |= {q: d for q, d in zip(value, first, strict=True) if q != 0}
    for name, value in table.velocity.items():
        directions |= {q: d for q, d in zip(value, table.rate[name], strict=True) if q != 0}
    for s in sorted(e.free_symbols, key=str):
        if s.name.startswith("∂"):
            raise NotDifferentiable("a derivative of too high an order")
        match table.meanings.get(s):
            case LearnedCoefficient() | Input() | LearnedStencil() if marching in table.declared_over(s):
                raise NotDifferentiable(f"'{s}' is constant over a step")
    return variation(e, directions, calculus)
