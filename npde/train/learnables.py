"""What a module learns, under the names of its file: physical values, what is held fixed, and a table of estimates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

import torch
from torch import Tensor, nn

from npde.diagnostics.catalogue import training as codes
from npde.train.network import Network


@dataclass(frozen=True, slots=True)
class Learnable:
    """A learned quantity: `name` as the module has it, and the stored parameters behind it (several for a sub-network)."""

    name: str
    parameters: tuple[str, ...]


def learnables(module: nn.Module) -> tuple[Learnable, ...]:
    """All learned quantities in the order of the parameters."""
    groups: dict[str, list[str]] = {}
    for stored, _ in module.named_parameters():
        groups.setdefault(_public(module, stored), []).append(stored)
    return tuple(Learnable(name, tuple(stored)) for name, stored in groups.items())


def _public(module: nn.Module, stored: str) -> str:
    """`raw_D` -> `D`, `linear_0.weight` -> `linear_0`, `V` -> `V`."""
    first = stored.partition(".")[0]
    bare = first.removeprefix("raw_")
    for name in (bare, bare + "_"):
        if name != first and hasattr(type(module), name):
            return name
    return first


def physical_values(module: nn.Module) -> dict[str, Tensor]:
    """Values in physical units by name, detached copies on the CPU; a sub-network's parameters keep their full names."""
    values: dict[str, Tensor] = {}
    parameters = dict(module.named_parameters())
    with torch.no_grad():
        for learnable in learnables(module):
            if "." in learnable.parameters[0]:
                values.update({name: parameters[name].detach().cpu().clone() for name in learnable.parameters})
            else:
                values[learnable.name] = getattr(module, learnable.name).detach().cpu().clone()
    return values


def trainable(network: Network, fix: Iterable[str] = ()) -> dict[str, nn.Parameter]:
    """Stored parameters that train: those that require gradients, without what `fix` names.

    Raises:
        DiagnosticError: a name that the model does not learn (N1104), nothing left to train (N1103).
    """
    module, fixed = network.module, set[str]()
    known = {learnable.name: learnable for learnable in learnables(module)}
    for name in fix:
        learnable = known.get(name) or known.get(name + "_")
        if learnable is None:
            near = get_close_matches(name, known, n=1)
            network.fail(
                codes.UNKNOWN_LEARNABLE,
                hint=f"did you mean '{near[0]}'?" if near else "",
                name=name,
                model=network.name,
                present=", ".join(f"'{n}'" for n in known) or "nothing",
            )
        fixed.update(learnable.parameters)
    chosen = {n: p for n, p in module.named_parameters() if p.requires_grad and n not in fixed}
    if not chosen:
        reason = "all that it learns is held fixed" if fixed else "its file declares no `learn`"
        network.fail(codes.NOTHING_TO_TRAIN, model=network.name, reason=reason)
    return chosen


@dataclass(frozen=True, slots=True)
class Estimate:
    """One line of the table of a run: a scalar's start and estimate, or for an array its shape, range and the root mean square
    of its change."""

    name: str
    shape: tuple[int, ...]
    start: float
    estimate: float
    low: float
    high: float
    change: float
    fixed: bool

    @property
    def is_scalar(self) -> bool:
        """Whether `start` and `estimate` are the values themselves; else they are means."""
        return not self.shape


def estimates(
    start: Mapping[str, Tensor], end: Mapping[str, Tensor], fixed: Iterable[str] = ()
) -> tuple[Estimate, ...]:
    """The table: `start` and `end` are physical values by name."""
    held = set(fixed)
    return tuple(_estimate(name, start[name].double(), end[name].double(), name in held) for name in end)


def _estimate(name: str, before: Tensor, after: Tensor, fixed: bool) -> Estimate:
    if not after.numel():
        return Estimate(name, tuple(after.shape), 0.0, 0.0, 0.0, 0.0, 0.0, fixed)
    return Estimate(
        name=name,
        shape=tuple(after.shape),
        start=float(before.mean()),
        estimate=float(after.mean()),
        low=float(after.min()),
        high=float(after.max()),
        change=float((after - before).square().mean().sqrt()),
        fixed=fixed,
    )
