"""Refusing what does not fit: modules and marches whose predicted memory exceeds what is free, before they allocate.

A generous estimate that costs nothing lets small marches through; others are traced (`npde.analysis.footprint`).
"""

from __future__ import annotations

from collections.abc import Iterable
from math import prod
from typing import TYPE_CHECKING, Any

import torch

from npde.analysis.footprint import Share, depends_on_data, footprint
from npde.diagnostics import DiagnosticError
from npde.diagnostics.catalogue import data as codes
from npde.files.limits import available_bytes, human
from npde.graph.cost import costs, parameter_count

if TYPE_CHECKING:
    from npde.emit.live import LiveModule
    from npde.graph import LayerGraph

SMALL = 2**28
"""Estimated bytes below which nothing is asked."""

LISTED = 3
"""Largest parts that are named."""

GENEROUS = 40
"""Values that autograd may keep for one that a step writes (a closure's hidden layers, a solve's right-hand sides)."""


def numbers_of_state(graph: LayerGraph) -> int:
    """Numbers in the state of one sample."""
    return sum(u.channels for u in graph.scheme.system.unknowns) * prod(graph.scheme.grid.shape)


def numbers_kept(graph: LayerGraph) -> int:
    """Numbers that a step keeps for a sample, estimated to be too many rather than too few."""
    found = costs(graph, itemsize=1)
    return GENEROUS * max(found.step.written, found.blocks.get("coefficients", found.step).written)


def admit_module(graph: LayerGraph, dtype: torch.dtype | None, device: torch.device | None) -> None:
    """Nothing, where the learned arrays, their start values and a state fit.

    Raises:
        DiagnosticError: N1021.
    """
    size = (dtype or torch.get_default_dtype()).itemsize
    shares = [Share(f"'{p.attribute}'", "", 2 * size * parameter_count(p)) for p in graph.parameters]
    shares.append(Share("a state", "", size * numbers_of_state(graph)))
    total = sum(s.bytes for s in shares)
    if total > SMALL and total > _free(device or torch.device("cpu")):
        ordered = sorted(shares, key=lambda s: -s.bytes)
        raise _refusal(
            graph, "model", total, _free(device or torch.device("cpu")), ordered, ["a coarser grid (`--grid`)"]
        )


def admit_march(net: LiveModule, kept: int, batch: int, steps: int, every: int | None, *, grad: bool) -> None:
    """Nothing, where a march of `batch` samples fits; `kept` is `numbers_kept` of its graph.

    Raises:
        DiagnosticError: N1021, with the three largest parts and what would need less.
    """
    unit: torch.Tensor = net.unit  # type: ignore[assignment]
    state = numbers_of_state(net.graph)
    frames = steps // every + 1 if every else 0
    if depends_on_data(net.graph, grad):
        return
    rough = batch * unit.element_size() * (kept * (steps if grad else 1) + 3 * state * frames)
    if unit.device.type == "meta" or rough < SMALL or rough <= _free(unit.device):
        return
    found = footprint(net.graph, net.source, batch=batch, grad=grad, steps=steps, every=every, dtype=unit.dtype)
    there = sum(p.nbytes for p in net.parameters())
    if found.peak - there <= _free(unit.device):
        return
    remedy = ["a smaller batch"] * (batch > 1) + ["a coarser grid (`--grid`)"] + ["a shorter march"] * grad
    remedy += ["fewer frames (`--every`)"] * (every is not None) + ["`--dtype float32`"] * (unit.dtype == torch.float64)
    what = f"{'march with gradients' if grad else 'march'} of {steps:,} step{'s' * (steps != 1)}"
    raise _refusal(net.graph, what, found.peak - there, _free(unit.device), found.shares, remedy)


def _free(device: torch.device) -> int:
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else available_bytes()


def _refusal(
    graph: LayerGraph, what: str, needed: int, free: int, shares: Iterable[Share], remedy: list[str]
) -> DiagnosticError:
    notes = [f"{human(share.bytes)} for {share.text()}." for share in [*shares][:LISTED]]
    words = " or ".join(filter(None, [", ".join(remedy[:-1]), remedy[-1]]))
    sizes: dict[str, Any] = {"needed": human(needed), "available": human(free)}
    diagnostic = codes.OUT_OF_MEMORY.at(hint=f"{words} takes less.", notes=notes, what=what, **sizes)
    return DiagnosticError([diagnostic], graph.scheme.system.problem.source)
