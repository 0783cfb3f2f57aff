"""Watching, while values are learned, that the time step stays below its bound.

The bound depends on what is learned. It is computed again, by the same stage of the compiler, for the present values of the
scalars among it (about ten milliseconds), whenever one of them has moved by more than `MOVED` since the last time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import isfinite
from typing import Any

from npde.diagnostics import Diagnostic, DiagnosticError
from npde.diagnostics.catalogue import training as codes
from npde.driver import Compilation
from npde.model.problem import LearnedCoefficient
from npde.options import MarchOption
from npde.train.learnables import physical_values
from npde.train.network import Network

MOVED = 0.05
"""Relative change of a scalar after which the bound is computed again."""


@dataclass
class Watch:
    """Remembers at which values the bound was last computed, and whether it was broken."""

    network: Network
    seen: Mapping[str, float] = field(default_factory=dict)
    warned: bool = False

    def __call__(self, epoch: int) -> Diagnostic | None:
        """The warning N1121 when the step has become longer than the scheme is stable for; given once."""
        if self.warned:
            return None
        values = scalars(self.network)
        if not any(_has_moved(value, self.seen.get(name)) for name, value in values.items()):
            return None
        self.seen = values
        bound = current_bound(self.network)
        if bound is None or self.network.dt <= bound * (1 + 1e-9):
            return None
        self.warned = True
        listed = ", ".join(f"'{name}' = {value:.4g}" for name, value in values.items())
        _, span = self.network.place(next(iter(values)))
        found: Mapping[str, Any] = {"dt": f"{self.network.dt:.4g}", "bound": f"{bound:.4g}", "names": f"with {listed}"}
        return codes.STEP_TOO_LONG.at(span, epoch=epoch, **found)


def _has_moved(value: float, before: float | None) -> bool:
    return before is None or abs(value - before) > MOVED * max(abs(before), 1e-12)


def scalars(network: Network) -> dict[str, float]:
    """Present values of the learned scalars by their names in the file."""
    if network.problem is None:
        return {}
    learned = [x for x in network.problem.learned if isinstance(x, LearnedCoefficient)]
    names = [x.name for x in learned if not x.coordinates and not x.shape]
    values = physical_values(network.module)
    found = {name: values.get(name, values.get(name + "_")) for name in names}
    return {name: float(value) for name, value in found.items() if value is not None}


def current_bound(network: Network) -> float | None:
    """The largest stable step at the present values of the learned scalars; None if there is none, or it is not known."""
    origin = getattr(getattr(network.module, "_npde", None), "origin", None)
    values = scalars(network)
    if origin is None or not values or not all(isfinite(value) for value in values.values()):
        return None
    starts = {name: Fraction(repr(value)) for name, value in values.items()}
    march = replace(origin.overrides.march or MarchOption(), steps=None, dt="auto")
    overrides = replace(origin.overrides, set={**origin.overrides.set, **starts}, march=march)
    try:
        return Compilation(origin.source, overrides, origin.options).scheme.bound.value
    except DiagnosticError:  # no bound is known without the steps that the file gives
        return None


def bound_note(network: Network) -> str:
    """One sentence that compares the step with its bound, empty when that is not known."""
    bound = current_bound(network)
    if bound is None:
        return ""
    relation = "longer than the scheme is stable for," if network.dt > bound else "within its bound,"
    values = ", ".join(f"{name} = {value:.4g}" for name, value in scalars(network).items())
    return f"the time step {network.dt:.4g} is {relation} {bound:.4g} with {values}."
