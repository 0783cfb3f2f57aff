"""Embedded pairs: two schemes on the same stages, whose difference tells the error of a step. Their conditions take a while to
check, so only a file that marches by one reads this module.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from npde.diagnostics import InternalError
from npde.discretize.scheme import Adaptive, ButcherTableau
from npde.discretize.tableaux import checked, conditions, tableau_of


def embedded(tableau: ButcherTableau, lower: Sequence[str], middle: Sequence[str]) -> Adaptive:
    """An embedded pair that checks its own order conditions: those of the scheme of lower order, and of the state in the middle of
    a step, where a condition of order p has the value 2^-p times that at the end."""
    found = Adaptive(tableau, tuple(Fraction(x) for x in lower), tuple(Fraction(x) for x in middle), 1e-6)
    low = checked(replace(tableau, name=f"{tableau.name}, lower", b=found.lower, order=tableau.order - 1))
    ends = conditions(replace(tableau, b=(Fraction(0),) * len(tableau.b)))
    for (order, defect), (_, rest) in zip(conditions(replace(tableau, b=found.middle)), ends, strict=True):
        if order <= low.order and (defect - rest) * 2**order != -rest:
            raise InternalError(f"the middle of a step of '{tableau.name}' does not have order {low.order}")
    return found


DOPRI5 = embedded(
    tableau_of(
        "dopri5",
        5,
        [
            [],
            ["1/5"],
            ["3/40", "9/40"],
            ["44/45", "-56/15", "32/9"],
            ["19372/6561", "-25360/2187", "64448/6561", "-212/729"],
            ["9017/3168", "-355/33", "46732/5247", "49/176", "-5103/18656"],
            ["35/384", "0", "500/1113", "125/192", "-2187/6784", "11/84"],
        ],
        ["35/384", "0", "500/1113", "125/192", "-2187/6784", "11/84", "0"],
    ),
    lower=["5179/57600", "0", "7571/16695", "393/640", "-92097/339200", "187/2100", "1/40"],
    middle=[
        "6025192743/60171106304", "0", "51252292925/130801643196", "-2691868925/90256659456", "187940372067/3189068634112",
        "-1776094331/39487288512", "11237099/470086768",
    ],
)  # fmt: skip
"""J. Dormand, P. Prince, J. Comput. Appl. Math. 6 (1980) 19-26; the middle by L. Shampine, Math. Comp. 46 (1986) 135-150."""
