"""Segments for the gradient of a march in torch, so that it fits into a number of bytes.

A march of n steps whose segments of k steps keep their first states alone holds

    P(k) + c n/k,       P(k): the peak of k steps with gradients,  c: bytes of what the loop carries

and with d nested lengths P(k) + d c (n/k)^(1/d) at best; each length costs one march more. P is traced (`npde.analysis.footprint`).
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

import torch

from npde.analysis.footprint import depends_on_data, footprint, keeps_iterations
from npde.diagnostics import NpdeError
from npde.emit.budget import too_small
from npde.emit.rollout import held

if TYPE_CHECKING:
    from npde.emit.live import LiveModule

DEEPEST = 4
"""Nested lengths at most."""

TRACED = 5
"""Steps from which on the peak grows by the same amount with each."""


def lengths(net: LiveModule, batch: int, steps: int, every: int | None, memory: int) -> tuple[int, ...]:
    """The fewest nested lengths, the outermost first, with which a march and its gradient add at most `memory` bytes.

    Raises:
        NpdeError: the memory of a step depends on the data.
        DiagnosticError: N1022, no lengths do.
    """
    graph = net.graph
    if depends_on_data(graph, grad=True):
        raise NpdeError(
            "The memory of steps that choose their size depends on the data; a march by rk4 takes `memory`."
        )
    if keeps_iterations(graph):
        raise NpdeError("The memory of a step depends on its data; `checkpoint` takes a number of steps instead.")
    unit: torch.Tensor = net.unit  # type: ignore[assignment]
    there = sum(p.nbytes for p in net.parameters())

    def traced(count: int) -> int:
        return footprint(graph, net.source, batch=batch, grad=True, steps=count, dtype=unit.dtype).peak - there

    state = (
        batch * sum(u.channels for u in graph.scheme.system.unknowns) * prod(graph.scheme.grid.shape) * unit.itemsize
    )
    carried = state * sum(name != "t" for name in graph.block("step").inputs)
    frames = 3 * state * (steps // every + 1) if every else 0
    few, more = traced(min(TRACED, steps)), traced(min(2 * TRACED, steps))
    growth = max(more - few, 0) / TRACED

    def bytes_of(found: tuple[int, ...]) -> float:
        last = min((*found, steps))
        segments = held(steps, found) - last
        return frames + few + max(last - TRACED, 0) * growth + segments * carried

    least = bytes_of(())
    if least <= memory:
        return ()
    for depth in range(1, DEEPEST + 1):
        found = min((_nested(steps, k, depth) for k in _candidates(steps)), key=bytes_of)
        least = min(least, bytes_of(found))
        if bytes_of(found) <= memory:
            return found
    raise too_small(graph.scheme.system.problem.source, memory, int(least) + 1)


def _nested(steps: int, length: int, depth: int) -> tuple[int, ...]:
    """`depth` lengths, each about as often in the one around it; the innermost is `length`."""
    ratio = max(2, round((steps / length) ** (1 / depth)))
    return tuple(min(length * ratio**k, steps) for k in reversed(range(depth)))


def _candidates(steps: int) -> list[int]:
    """Lengths worth trying: one for each number of segments."""
    return sorted({-(-steps // count) for count in range(1, steps + 1)})
