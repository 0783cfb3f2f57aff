"""Which backend marches a graph: compiled kernels, or the emitted loop; and why."""

from __future__ import annotations

import hashlib
import math
import warnings
from dataclasses import dataclass

import torch

from npde.diagnostics import NpdeError
from npde.emit.live import LiveModule
from npde.graph.graph import LayerGraph
from npde.graph.layers import Dense
from npde.native.compiler import CompilerError
from npde.native.kernels import lower
from npde.native.live import NativeModule
from npde.native.lowering import Unfit
from npde.native.runtime import REAL, RUNTIMES, Runtime
from npde.native.samples import are_side_by_side


class BackendError(NpdeError):
    """`backend="native"` was asked for, and cannot be had; the message says why."""


@dataclass(frozen=True)
class Choice:
    """A backend and why it was chosen. `runtime` is None where the emitted loop marches."""

    name: str
    reason: str
    runtime: Runtime | None

    @property
    def module(self) -> type[LiveModule]:
        """The class that live modules are made of."""
        return LiveModule if self.runtime is None else NativeModule


WORTH_BUILDING = 2**25
"""Cells times steps of a march from which "auto" builds kernels: about what the emitted loop does while they are built."""

WORTH_BUILDING_STEPS = 2**10
"""The same without space, in steps: of so many the emitted loop takes the gradient while kernels for it are built. What a step
costs there is not arithmetic but Python, whatever the number of samples."""

TOLD: set[str] = set()
"""Why there are no kernels, as far as a warning said it: once a process."""


def choose(
    graph: LayerGraph, backend: str, *, device: torch.device | None = None, dtype: torch.dtype | None = None
) -> Choice:
    """What marches `graph`.

    Raises:
        BackendError: `backend` is "native" and the graph has no native form, or there is no compiler.
    """
    try:
        if backend == "auto":
            if too_short := _too_short(graph):
                return Choice("torch", f"{too_short} are done before kernels are built", None)
            if any(isinstance(node.layer, Dense) for block in graph.blocks for node in block.nodes):
                return Choice("torch", "torch multiplies by dense matrices faster, for all samples at once", None)
        return Choice(
            "native", "the model fits" if backend == "auto" else "it was asked for", _runtime(graph, device, dtype)
        )
    except BackendError as error:
        if backend == "native":
            raise
        return Choice("torch", str(error), None)
    except CompilerError as error:
        if backend == "native":
            raise BackendError(f"Native kernels cannot be built: {error}") from error
        if error.reason not in TOLD:
            TOLD.add(error.reason)
            warnings.warn(f"No native kernels can be built, so torch marches: {error.reason}", stacklevel=4)
        return Choice("torch", error.reason, None)


def _too_short(graph: LayerGraph) -> str:
    """How much a march is, where that is less than kernels are worth."""
    steps = graph.scheme.steps
    if are_side_by_side(graph):
        return f"{steps} steps" if steps < WORTH_BUILDING_STEPS else ""
    work = math.prod(graph.scheme.grid.shape) * steps
    return f"{work} cells times steps" if work < WORTH_BUILDING else ""


def _runtime(graph: LayerGraph, device: torch.device | None, dtype: torch.dtype | None) -> Runtime:
    """Built kernels of a graph; the same kernels are shared."""
    if device is not None and torch.device(device).type != "cpu":
        raise BackendError(f"Native kernels run on the CPU, not on '{device}'.")
    number = dtype or torch.get_default_dtype()
    if number not in REAL:
        raise BackendError(f"Native kernels compute in float32 or float64, not in {number}.")
    try:
        kernels = lower(graph)
    except Unfit as unfit:
        raise BackendError(f"'{graph.name}' has no native kernels: {unfit}.") from unfit
    key = hashlib.sha256(kernels.forward(REAL[number]).text.encode("utf-8")).hexdigest()[:24]
    runtime = RUNTIMES.get(key)
    if runtime is None:
        runtime = RUNTIMES[key] = Runtime(kernels, key)
    runtime.forward(number)
    return runtime
