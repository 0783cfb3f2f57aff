"""Explicit time schemes as data: tableaux that check their own order conditions.

    k_i = F(t + c_i dt, q + dt Σ_{j<i} a_ij k_j),    q' = q + dt Σ_i b_i k_i

Sources: W. Kutta (1901) for `rk4`; C. Runge (1895) for `midpoint`; K. Heun (1900) for `heun`; C.-W. Shu and S. Osher, J. Comput.
Phys. 77 (1988) 439-471 for `ssprk3`; order conditions as in E. Hairer, S. Nørsett, G. Wanner, Solving Ordinary Differential
Equations I, section II.2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import prod
from types import MappingProxyType

from npde.diagnostics import InternalError
from npde.discretize.scheme import AdamsBashforth, ButcherTableau, RungeKutta


def conditions(tableau: ButcherTableau) -> tuple[tuple[int, Fraction], ...]:
    """The order conditions up to order 5 as (order, defect); all defects of order ≤ p vanish for a scheme of order p."""
    a, b, c = tableau.a, tableau.b, tableau.c
    stages = range(len(b))

    def along(rows: Sequence[Fraction]) -> list[Fraction]:
        return [sum((a[i][j] * rows[j] for j in stages), Fraction(0)) for i in stages]

    def total(*factors: Sequence[Fraction]) -> Fraction:
        value = Fraction(0)
        for i in stages:
            product = b[i]
            for f in factors:
                product *= f[i]
            value += product
        return value

    def times(*factors: Sequence[Fraction]) -> list[Fraction]:
        return [prod((f[i] for f in factors), start=Fraction(1)) for i in stages]

    ac, acc = along(c), along(times(c, c))
    return (
        (1, total() - 1),
        (2, total(c) - Fraction(1, 2)),
        (3, total(c, c) - Fraction(1, 3)),
        (3, total(ac) - Fraction(1, 6)),
        (4, total(c, c, c) - Fraction(1, 4)),
        (4, total(c, ac) - Fraction(1, 8)),
        (4, total(acc) - Fraction(1, 12)),
        (4, total(along(ac)) - Fraction(1, 24)),
        (5, total(c, c, c, c) - Fraction(1, 5)),
        (5, total(c, c, ac) - Fraction(1, 10)),
        (5, total(ac, ac) - Fraction(1, 20)),
        (5, total(c, acc) - Fraction(1, 15)),
        (5, total(along(times(c, c, c))) - Fraction(1, 20)),
        (5, total(c, along(ac)) - Fraction(1, 30)),
        (5, total(along(times(c, ac))) - Fraction(1, 40)),
        (5, total(along(acc)) - Fraction(1, 60)),
        (5, total(along(along(ac))) - Fraction(1, 120)),
    )


def checked(tableau: ButcherTableau) -> ButcherTableau:
    """The same tableau.

    Raises:
        InternalError: it is not explicit, its rows do not sum to c, or it has not exactly the order it claims.
    """
    for i, row in enumerate(tableau.a):
        if any(row[i:]) or sum(row, Fraction(0)) != tableau.c[i]:
            raise InternalError(f"tableau '{tableau.name}': row {i} is not explicit or does not sum to c")
    kept = all(defect == 0 for order, defect in conditions(tableau) if order <= tableau.order)
    next_kept = all(defect == 0 for order, defect in conditions(tableau) if order == tableau.order + 1)
    if not kept or (next_kept and tableau.order < 5):
        raise InternalError(f"tableau '{tableau.name}' does not have order {tableau.order}")
    return tableau


def tableau_of(name: str, order: int, rows: Sequence[Sequence[str]], b: Sequence[str]) -> ButcherTableau:
    stages = len(b)
    a = tuple(tuple(Fraction(x) for x in row) + (Fraction(0),) * (stages - len(row)) for row in rows)
    c = tuple(sum(row, Fraction(0)) for row in a)
    return checked(ButcherTableau(name, a, tuple(Fraction(x) for x in b), c, order))


EULER = tableau_of("euler", 1, [[]], ["1"])
MIDPOINT = tableau_of("midpoint", 2, [[], ["1/2"]], ["0", "1"])
HEUN = tableau_of("heun", 2, [[], ["1"]], ["1/2", "1/2"])
SSPRK3 = tableau_of("ssprk3", 3, [[], ["1"], ["1/4", "1/4"]], ["1/6", "1/6", "2/3"])
RK4 = tableau_of("rk4", 4, [[], ["1/2"], ["0", "1/2"], ["0", "0", "1"]], ["1/6", "1/3", "1/3", "1/6"])

TABLEAUX: Mapping[str, ButcherTableau] = MappingProxyType({t.name: t for t in (EULER, MIDPOINT, HEUN, SSPRK3, RK4)})
"""The explicit one-step schemes by name."""


RK4_SCHEME = RungeKutta(RK4)
"""What marches the pointwise half of a splitting that has no exact flow."""


def adams_bashforth_defect(weights: Sequence[Fraction]) -> tuple[Fraction, ...]:
    """Σ_j w_j (-j)^m - 1/(m + 1) for m = 0 … k - 1: all zero for a k-step scheme of order k."""
    return tuple(
        sum((w * Fraction(-j) ** m for j, w in enumerate(weights)), Fraction(0)) - Fraction(1, m + 1)
        for m in range(len(weights))
    )


def _adams_bashforth(weights: Sequence[str], starter: ButcherTableau) -> AdamsBashforth:
    scheme = AdamsBashforth(tuple(Fraction(w) for w in weights), starter)
    if any(adams_bashforth_defect(scheme.weights)) or starter.order < len(weights) - 1:
        raise InternalError(f"the weights {weights} or their starter do not have order {len(weights)}")
    return scheme


AB2 = _adams_bashforth(["3/2", "-1/2"], HEUN)
"""q' = q + dt (3 F_n - F_{n-1})/2, started by one Heun step."""

AB3 = _adams_bashforth(["23/12", "-16/12", "5/12"], SSPRK3)
"""q' = q + dt (23 F_n - 16 F_{n-1} + 5 F_{n-2})/12, started by two steps of ssprk3."""
