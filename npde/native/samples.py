"""Models without space: samples of a batch side by side, as the cells of one axis.

`SAMPLES` of them are to kernels what one sample of a grid is elsewhere, so what differs by sample is an array, and what does not is
a number. The last sample stands in for those that a block lacks.
"""

from __future__ import annotations

from npde.graph.graph import LayerGraph

SAMPLES = 64
"""Samples of a block: enough vectors that a processor need not wait for the result of one, few enough that all steps of a block
stay in the first cache, and that threads have blocks to share."""


def are_side_by_side(graph: LayerGraph) -> bool:
    """Whether kernels take samples together."""
    return graph.scheme.grid.axes == ()


def cells(graph: LayerGraph) -> tuple[int, ...]:
    """The axes that kernels loop over."""
    return (SAMPLES,) if are_side_by_side(graph) else graph.scheme.grid.shape


def blocked(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """[blocks, C, SAMPLES], the shape of states [B, C] as kernels take them."""
    return (-(-shape[0] // SAMPLES), shape[1], SAMPLES)
