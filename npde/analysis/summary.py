"""Order, step bound and cost of a compiled problem, read from its records; nothing is allocated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, assert_never

import sympy as sp

from npde.analysis.invariants import Invariant, invariants
from npde.discretize.scheme import (
    AdamsBashforth,
    Adaptive,
    Exponential,
    Implicit,
    ImplicitExplicit,
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

if TYPE_CHECKING:
    from npde.analysis.footprint import Footprint
    from npde.analysis.modified import Modified


@dataclass(frozen=True, slots=True)
class StepCost:
    """One step of one sample in float32: FLOPs, bytes moved when nothing is fused; and all learned numbers."""

    flops: int
    bytes: int
    parameters: int


@dataclass(frozen=True)
class Analysis:
    """What `model.analyze()` gives. Nothing is allocated for it; what takes more than a moment is found when asked for.

    order     {"space": p, "time": q}: the error is O(h^p + dt^q); without "time" where nothing is marched
    dt        the step of the march, `steps` of them
    dt_max    the largest stable step at the start values; None: stable for every step, or unknown (`notes` say which)
    exact     whether that bound is proved for the linear operator, or sampled
    reach     cells on each side that one step looks at, an axis; None for all of them
    proofs    what the march keeps, with reasons; `invariants` are their names
    """

    order: Mapping[str, int]
    dt: float
    steps: int
    dt_max: float | None
    exact: bool
    notes: tuple[str, ...]
    cost: StepCost
    reach: tuple[int | None, ...] | None
    proofs: tuple[Invariant, ...]
    graph: LayerGraph = field(repr=False, compare=False)

    @property
    def invariants(self) -> tuple[str, ...]:
        """Names of what is proved to be kept: "mass of u", "norm of psi", "energy", "maximum principle of u"."""
        return tuple(proof.name for proof in self.proofs)

    @cached_property
    def dt_bound(self) -> sp.Expr | None:
        """The largest stable step in spacings (`h_x`) and learnables, where SymPy finds it, else None."""
        from npde.analysis.closed_form import search

        return search(self.graph.scheme)

    @cached_property
    def errors(self) -> Modified:
        """The leading errors of every rate, in the operators of the language."""
        from npde.analysis.modified import modified

        return modified(self.graph.scheme)

    @cached_property
    def modified(self) -> Mapping[str, sp.Expr]:
        """Leading error terms: the scheme solves ∂_t u = F(u) + modified["u"] + higher powers of the spacings `h_x` and of `dt`,
        in functions of the coordinates and SymPy's `Derivative`."""
        errors, unknowns = self.errors, self.graph.scheme.system.unknowns
        return MappingProxyType({u.symbol.name: errors.smooth.textbook(errors[k]) for k, u in enumerate(unknowns)})

    def memory(self, batch: int = 1, grad: bool = False, *, steps: int | None = None, dtype: str = "float32") -> int:
        """Predicted peak bytes of a march of `batch` samples over `steps` steps (default: all), parameters included; with
        `grad`, of the march and the backward pass through it."""
        return self.footprint(batch, grad, steps=steps, dtype=dtype).peak

    def footprint(
        self, batch: int = 1, grad: bool = False, *, steps: int | None = None, dtype: str = "float32"
    ) -> Footprint:
        """As `memory`, with what takes the bytes, the largest first. Imports torch."""
        from npde.analysis.footprint import footprint

        return footprint(self.graph, self._source, batch=batch, grad=grad, steps=steps, dtype=dtype)

    @cached_property
    def _source(self) -> str:
        from npde import emit

        return emit.source(self.graph)


def analyze(scheme: Scheme, graph: LayerGraph) -> Analysis:
    """The analysis of a scheme and of the network made of it."""
    cost = costs(graph)
    order = {"space": scheme.space_order}
    if not isinstance(scheme.time, Steady):
        order["time"] = time_order(scheme.time)
    each = cost.forward if isinstance(scheme.time, Steady) else cost.step
    return Analysis(
        order=MappingProxyType(order),
        dt=float(scheme.dt),
        steps=scheme.steps,
        dt_max=scheme.bound.value,
        exact=scheme.bound.exact,
        notes=scheme.bound.notes,
        cost=StepCost(each.flops, each.bytes, cost.parameters),
        reach=receptive_field(graph),
        proofs=invariants(scheme),
        graph=graph,
    )


def time_order(time: TimeScheme) -> int:
    """The order of a time scheme."""
    match time:
        case RungeKutta(tableau=tableau):
            return tableau.order
        case Adaptive(tableau=tableau):
            return tableau.order
        case AdamsBashforth(weights=weights):
            return len(weights)
        case Splitting(kind=kind):
            return 1 if kind == "lie" else 2
        case Implicit() | ImplicitExplicit() | Exponential():
            return time.order
        case Leapfrog():
            return 2
        case _:
            assert_never(time)
