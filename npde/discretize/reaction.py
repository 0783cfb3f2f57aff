"""Where the terms without derivatives take the state: an instability saturates at values that the initial state does not have.

q' = N(q), cell by cell, from the initial values at the sample cells, by RK4 steps that end when the march does or the values
have settled. Nothing is claimed of the equation's own solution: these are further states at which the rates are linearized.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import sympy as sp

from npde.discretize.numeric import Array, Pointwise, Unknown
from npde.discretize.samples import Samples
from npde.symbolic import operators as op

MOST_STEPS = 120
"""RK4 steps; each as long as the fastest relative change so far allows."""

LARGEST = 1e4
"""Growth over the initial size at which a reaction is left alone: it has no saturated state."""

State = Mapping[sp.Symbol, Array]


def reached(samples: Samples, parts: Sequence[Sequence[sp.Expr]], length: float) -> State | None:
    """The state at the sample cells after the flow of the local terms; None where they have none that can be computed."""
    unknowns = [u.symbol for u in samples.system.unknowns]
    local = [sp.Add(*(e for e in terms if not e.has(op.GridOperator))) for terms in parts]
    if not any(e.free_symbols & set(unknowns) for e in local):
        return None
    try:
        known = {s: samples.value(s) for e in local for s in e.free_symbols if s not in unknowns}
        state = [np.array(samples.value(s), dtype=float) for s in unknowns]
    except Unknown:
        return None
    with np.errstate(all="ignore"):
        found = _marched(local, unknowns, known, state, length)
    return None if found is None else dict(zip(unknowns, found, strict=True))


def _marched(
    local: Sequence[sp.Expr], unknowns: Sequence[sp.Symbol], known: State, state: list[Array], length: float
) -> list[Array] | None:
    def rates(q: list[Array]) -> list[Array]:
        value = Pointwise({**known, **dict(zip(unknowns, q, strict=True))})
        return [value(e) + 0 * a for e, a in zip(local, q, strict=True)]

    def moved(q: list[Array], by: list[Array], h: float) -> list[Array]:
        return [a + h * b for a, b in zip(q, by, strict=True)]

    size = max(float(np.abs(a).max()) for a in state) or 1.0
    done = fastest = 0.0
    for _ in range(MOST_STEPS):
        k1 = rates(state)
        here, change = (np.sqrt(sum((v * v).sum(axis=0) for v in vector)) for vector in (state, k1))
        speed = float(np.max(change / (here + 1e-3 * here.max() + 1e-12)))
        if not np.isfinite(speed) or speed * (length - done) < 1e-3:
            break
        fastest = max(fastest, speed)
        h = min(0.5 / fastest, length - done)
        k2 = rates(moved(state, k1, h / 2))
        k3 = rates(moved(state, k2, h / 2))
        k4 = rates(moved(state, k3, h))
        state = [q + h / 6 * (a + 2 * b + 2 * c + d) for q, a, b, c, d in zip(state, k1, k2, k3, k4, strict=True)]
        done += h
        if (
            not all(np.all(np.isfinite(q)) for q in state)
            or max(float(np.abs(q).max()) for q in state) > LARGEST * size
        ):
            return None
        if done >= length:
            break
    return state
