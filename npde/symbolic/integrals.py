"""`integral(e, x')` → kernel, density and outer factor, summand by summand.

∫ g(x) W(x, x') e(x') dx'  =  g · Nonlocal(W, e, x),      ∫ g(x) w(x - x') e(x') dx'  =  g · NonlocalConvolution(w, e, x)
∫ g(x) e(x') dx'           =  g · IntegralOf(e, x)
"""

from __future__ import annotations

from collections.abc import Sequence

import sympy as sp

from npde.symbolic import operators as op
from npde.symbolic.calculus import Calculus
from npde.symbolic.symbols import SymbolTable

LARGEST_EXPANDED = 400
"""Operations of an integrand that may be multiplied out to be separated."""

HIGHEST_EXPANDED = 8
"""Integer powers of a sum that may be multiplied out."""


class Inseparable(Exception):
    """Why an integrand is no sum of kernel · density · outer factor."""


def separate(e: sp.Expr, primed: Sequence[str], table: SymbolTable, calculus: Calculus) -> sp.Expr:
    """∫ e over the integration variables of `primed`.

    Raises:
        Inseparable: a factor mixes what is read at x with what is read at x'.
    """
    try:
        return _sum(e, primed, table, calculus)
    except Inseparable:
        expanded = _expanded(e)
        if expanded == e:
            raise
    return _sum(expanded, primed, table, calculus)


def _sum(e: sp.Expr, primed: Sequence[str], table: SymbolTable, calculus: Calculus) -> sp.Expr:
    return sp.Add(*(_product(a, primed, table, calculus) for a in sp.Add.make_args(e)))


def _expanded(e: sp.Expr) -> sp.Expr:
    powers = [p.exp for p in e.atoms(sp.Pow) if isinstance(p.base, sp.Add)]
    if e.count_ops() > LARGEST_EXPANDED or any(n.is_Integer and abs(n) > HIGHEST_EXPANDED for n in powers):
        return e
    return sp.expand(e, log=False, power_base=False)


def _product(e: sp.Expr, primed: Sequence[str], table: SymbolTable, calculus: Calculus) -> sp.Expr:
    outer: list[sp.Expr] = []
    density: list[sp.Expr] = []
    kernels: list[sp.Expr] = []
    for f in sp.Mul.make_args(e):
        over = calculus.varies(f)
        inside = any(f"{c}'" in over for c in primed)
        outside = any(c in over for c in primed)
        if not inside:
            outer.append(f)
        elif not outside:
            density.append(f)
        else:
            kernels.append(_as_kernel(f, table, calculus))
    plain = _unprimed(sp.Mul(*density), primed, table)
    return sp.Mul(*outer, _integral(kernels, plain, primed, table, calculus))


def _as_kernel(f: sp.Expr, table: SymbolTable, calculus: Calculus) -> sp.Expr:
    if calculus.is_closed(f) or table.is_kernel(f) or (f in table.twins and table.twins[f].shifted):
        return f
    raise Inseparable("a factor holds values at both points that are no kernel")


def _unprimed(e: sp.Expr, primed: Sequence[str], table: SymbolTable) -> sp.Expr:
    mapping: dict[sp.Expr, sp.Expr] = {}
    for s in e.free_symbols:
        if s in table.twins:
            twin = table.twins[s]
            mapping[s] = table.twin(twin.base, twin.over - set(primed), twin.shifted)
    mapping |= {op.primed(table.coordinates[c]): table.coordinates[c] for c in primed}
    return e.xreplace(mapping)


def _integral(
    kernels: list[sp.Expr], density: sp.Expr, primed: Sequence[str], table: SymbolTable, calculus: Calculus
) -> sp.Expr:
    learned = [k for k in kernels if not calculus.is_closed(k)]
    if learned and len(kernels) > 1:
        raise Inseparable("two kernels multiply each other")
    kernel = sp.Mul(*kernels)
    over = calculus.varies(kernel)
    near = [c for c in table.space if c in primed and f"{c}'" in over]  # in the order in which arrays are stored
    beyond = sorted(over - {n for c in near for n in (c, f"{c}'")} - {table.problem.marching})
    shifted = [table.twins[k].over for k in kernels if k in table.twins]
    if near and beyond and not shifted:
        raise Inseparable(f"the kernel varies over '{beyond[0]}' as well")
    if any(set(near) != s for s in shifted):
        raise Inseparable("a kernel of differences is integrated over some of them only")
    rest = [table.coordinates[c] for c in primed if c not in near]
    if rest:
        density = op.IntegralOf(density, *rest)
    if not kernels:
        return density
    axes = [table.coordinates[c] for c in near]
    if kernel in table.twins:
        return op.NonlocalConvolution(table.twins[kernel].base, density, *axes)
    return op.Nonlocal(kernel, density, *axes)
