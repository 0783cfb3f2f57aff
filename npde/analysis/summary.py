"""Order, step bound and cost of a compiled problem, read from its records; nothing is allocated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import assert_never

import sympy as sp

from npde.discretize.scheme import (
    AdamsBashforth,
    CrankNicolson,
    Leapfrog,
    RungeKutta,
    Scheme,
    Splitting,
    Steady,
    TimeScheme,
)
from npde.graph import LayerGraph
from npde.graph.cost import costs
from npde.graph.reach import receptive_field


@dataclass(frozen=True, slots=True)
class StepCost:
    """One step of one sample in float32: FLOPs, bytes moved when nothing is fused; and all learned numbers."""

    flops: int
    bytes: int
    parameters: int


@dataclass(frozen=True, slots=True)
class Analysis:
    """What `model.analyze()` gives.

    order     {"space": p, "time": q}: the error is O(h^p + dt^q); without "time" where nothing is marched
    dt        the step of the march, `steps` of them
    dt_bound  the largest stable step in spacings and learnables, where a closed form is known, else None
    dt_max    its value here; None: stable for every step, or unknown (`notes` say which)
    exact     whether the bound is proved for the linear operator, or sampled
    reach     cells on each side that one step looks at, an axis; None for all of them
    """

    order: Mapping[str, int]
    dt: float
    steps: int
    dt_bound: sp.Expr | None
    dt_max: float | None
    exact: bool
    notes: tuple[str, ...]
    cost: StepCost
    reach: tuple[int | None, ...] | None


def analyze(scheme: Scheme, graph: LayerGraph) -> Analysis:
    """The analysis of a scheme and of the network made of it."""
    cost = costs(graph)
    order = {"space": scheme.space_order}
    if not isinstance(scheme.time, Steady):
        order["time"] = time_order(scheme.time)
    return Analysis(
        order=MappingProxyType(order),
        dt=float(scheme.dt),
        steps=scheme.steps,
        dt_bound=scheme.bound.formula,
        dt_max=scheme.bound.value,
        exact=scheme.bound.exact,
        notes=scheme.bound.notes,
        cost=StepCost(cost.step.flops, cost.step.bytes, cost.parameters),
        reach=receptive_field(graph),
    )


def time_order(time: TimeScheme) -> int:
    """The order of a time scheme."""
    match time:
        case RungeKutta(tableau=tableau):
            return tableau.order
        case AdamsBashforth(weights=weights):
            return len(weights)
        case Splitting(kind=kind):
            return 1 if kind == "lie" else 2
        case Leapfrog() | CrankNicolson():
            return 2
        case _:
            assert_never(time)
