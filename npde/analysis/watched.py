"""Quantities of states that are worth watching during a run: what is proved to be kept, else masses, norms and ranges.

mass      h Σ_j w · u_j          over all axes, h the volume of a cell
norm      √(h Σ_j |q_j|²)
energy    h Σ_j (∫₀¹ v · x'(s v) ds - ∫₀¹ x · v'(s x) ds), by Gauss-Legendre quadrature with the module's own rates
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import prod
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from npde.analysis.invariants import Invariant, invariants
from npde.discretize.scheme import Leapfrog, Scheme
from npde.emit.live import LiveModule

Claim = Literal["kept", "near", "watched"]

NODES = 12
"""Points of the quadrature along s: exact for forces that are polynomials of degree 23."""


@dataclass(frozen=True)
class Watched:
    """A quantity of states `[…, C, *grid]`: "kept" to rounding or "near" its start, both proved, or only "watched"."""

    name: str
    claim: Claim
    value: Callable[[LiveModule, Tensor], Tensor]


def watched(scheme: Scheme, everything: bool = False) -> tuple[Watched, ...]:
    """What is proved to be kept; with `everything` also the mass and the norm of every field, proved or not."""
    proofs = invariants(scheme)
    found = [w for w in (_of(scheme, proof) for proof in proofs) if w is not None]
    if everything:
        known = {w.name for w in found}
        found += [w for w in _usual(scheme) if w.name not in known]
    return tuple(found)


@dataclass
class Watch:
    """Quantities of one run, from the states that are shown to it."""

    net: LiveModule
    quantities: tuple[Watched, ...]
    seen: dict[str, list[Tensor]] = field(default_factory=dict)

    def __call__(self, states: Tensor) -> None:
        """Look at states `[B, k, C, *grid]`."""
        for quantity in self.quantities:
            self.seen.setdefault(quantity.name, []).append(quantity.value(self.net, states).cpu())

    def drifts(self) -> tuple[tuple[str, Claim, float], ...]:
        """(name, claim, drift) of every quantity."""
        return tuple(
            (q.name, q.claim, drift(torch.cat(self.seen[q.name], 1))) for q in self.quantities if q.name in self.seen
        )


def drift(values: Tensor) -> float:
    """The largest |E(t) - E(0)| of values `[B, k]`, relative to the largest |E|; 0 where all are zero."""
    largest = float(values.abs().max())
    return float((values - values[:, :1]).abs().max()) / largest if largest > 0 else 0.0


def _of(scheme: Scheme, proof: Invariant) -> Watched | None:
    match proof.kind:
        case "mass":
            weights = {str(symbol): weight for symbol, weight in proof.weights}
            return Watched(proof.name, "kept", lambda _, states: _mass(scheme, states, weights))
        case "norm":
            return Watched(proof.name, "kept", lambda _, states: _norm(scheme, states, None))
        case "energy":
            return Watched(proof.name, "near", lambda net, states: _energy(net, scheme, states))
        case "maximum":
            return None


def _usual(scheme: Scheme) -> list[Watched]:
    found = []
    for name in dict.fromkeys(u.field for u in scheme.system.unknowns):
        real = all(u.part == "value" for u in scheme.system.unknowns if u.field == name)
        if real:
            own = {str(u.symbol): 1 for u in scheme.system.unknowns if u.field == name and not u.is_velocity}
            found.append(Watched(f"mass of {name}", "watched", lambda _, states, w=own: _mass(scheme, states, w)))  # type: ignore[misc]
        found.append(Watched(f"norm of {name}", "watched", lambda _, states, f=name: _norm(scheme, states, f)))  # type: ignore[misc]
    return found


def _volume(scheme: Scheme) -> float:
    return prod((float(a.spacing) for a in scheme.grid.axes), start=1.0)


def _summed(scheme: Scheme, values: Tensor) -> Tensor:
    """Σ over channels and cells, in double precision."""
    return values.double().flatten(-1 - len(scheme.grid.axes)).sum(-1) * _volume(scheme)


def _mass(scheme: Scheme, states: Tensor, weights: dict[str, int]) -> Tensor:
    channels = [float(weights.get(str(u.symbol), 0)) for u in scheme.system.unknowns for _ in range(u.channels)]
    shape = (-1, *[1] * len(scheme.grid.axes))
    return _summed(scheme, states * torch.tensor(channels, dtype=states.dtype, device=states.device).reshape(shape))


def _norm(scheme: Scheme, states: Tensor, field: str | None) -> Tensor:
    owners = [u for u in scheme.system.unknowns for _ in range(u.channels)]
    kept = [k for k, u in enumerate(owners) if field is None or (u.field == field and not u.is_velocity)]
    chosen = states.index_select(-1 - len(scheme.grid.axes), torch.tensor(kept, device=states.device))
    return _summed(scheme, chosen.square()).sqrt()


def _energy(net: LiveModule, scheme: Scheme, states: Tensor) -> Tensor:
    """K(v) + U(x), from the work of the module's rates along straight lines from zero."""
    time = scheme.time
    if not isinstance(time, Leapfrog):
        raise TypeError("an energy belongs to a leapfrog")
    dim = -1 - len(scheme.grid.axes)
    flat = states.reshape(-1, *states.shape[dim:])
    x, v = (flat.index_select(1, _channels(scheme, part, states)) for part in (time.drifted, time.kicked))
    with torch.no_grad():
        coefficients = [net.coefficients()] if hasattr(net, "coefficients") else []  # type: ignore[operator]
        kick, drift_ = (_rate(net, name, coefficients) for name in ("kick", "drift"))
        total = torch.zeros(len(flat), dtype=torch.float64, device=states.device)
        for node, weight in zip(*np.polynomial.legendre.leggauss(NODES), strict=True):
            s = (1 + float(node)) / 2
            total += weight / 2 * (_summed(scheme, v * drift_(s * v)) - _summed(scheme, x * kick(s * x)))
    return total.reshape(states.shape[:dim])


def _channels(scheme: Scheme, part: tuple[int, ...], states: Tensor) -> Tensor:
    owners = [k for k, u in enumerate(scheme.system.unknowns) for _ in range(u.channels)]
    return torch.tensor([c for c, k in enumerate(owners) if k in part], device=states.device)


def _rate(net: LiveModule, name: str, coefficients: list[Any]) -> Callable[[Tensor], Tensor]:
    """A half of the rates as a function of the other half's state, whether or not it takes coefficients."""
    method = getattr(net, name)
    count = method.__func__.__code__.co_argcount - 2
    return lambda state: method(state, *coefficients[:count])
