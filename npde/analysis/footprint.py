"""Peak memory before allocation: the emitted module is run on PyTorch's meta device, where tensors have shapes and no data.

Every operation of the forward march, and of the backward pass if gradients are wanted, is seen with the arrays that it makes
and that autograd keeps, as they are in a real run; each is counted from its first use to its release. Few steps are traced;
what a longer march keeps grows by the same amount with every step, so the peak is

    max over phases of (bytes at few steps + steps beyond them · growth a step),    phases: before, during, after the steps

Not counted: the interpreter, libraries, and scratch memory inside a kernel of PyTorch.
"""

from __future__ import annotations

import ast
import sys
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from math import prod
from types import FrameType
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from npde.analysis.answers import Answers
from npde.diagnostics import InternalError, NpdeError
from npde.emit.live import LiveModule, instantiate
from npde.graph import LayerGraph
from npde.graph.layers import AdaptiveStep, IterativeSolve, KrylovSolve, NewtonLayer

FEW, MORE = 3, 5
"""Steps that are traced: the first may differ from those after it."""

BACKWARD = "gradients"
"""What arrays are called that the backward pass makes."""

GIVEN = "inputs and the state"


@dataclass(frozen=True, slots=True)
class Share:
    """A part of a peak: `bytes` of arrays that one line of the emitted file makes (`name` in `method`), all steps together."""

    name: str
    method: str
    bytes: int

    def text(self) -> str:
        """`'lap_u' in rhs`."""
        return f"'{self.name}' in {self.method}" if self.method else self.name


@dataclass(frozen=True, slots=True)
class Footprint:
    """Predicted peak bytes of a march, with what takes them, the largest first."""

    peak: int
    shares: tuple[Share, ...]


def footprint(
    graph: LayerGraph,
    source: str,
    *,
    batch: int = 1,
    grad: bool = False,
    steps: int | None = None,
    every: int | None = None,
    dtype: torch.dtype | str = torch.float32,
) -> Footprint:
    """What a march of `steps` steps (default: all) takes at its peak, parameters included; with `grad`, the backward pass of
    a mean square too. `every` as in `march`: frames are kept one by one and then stacked, so each counts twice, and a third
    time for its gradient.

    Iterations are taken to be as many as `npde.analysis.answers` says. Raises NpdeError where `depends_on_data`.
    """
    if depends_on_data(graph, grad):
        raise NpdeError("What gradients of adaptive steps take depends on how many steps there are.")
    dtype = getattr(torch, dtype) if isinstance(dtype, str) else dtype
    total = graph.scheme.steps if steps is None else steps
    traced = min(total, graph.scheme.steps)
    counts = (min(FEW, traced), min(MORE, traced))
    few, more = (_trace(graph, source, batch, grad, n, dtype) for n in counts)
    beyond = (counts[1] - counts[0], total - counts[1])
    worst = max((_Phase.between(a, b, *beyond) for a, b in zip(few, more, strict=True)), key=lambda phase: phase.bytes)
    frames = 0 if every is None else (total // every + 1) * _state_bytes(graph, batch, dtype) * (3 if grad else 2)
    shares = [*worst.shares, Share("frames", "", frames)]
    listed = sorted((s for s in shares if s.bytes > 0), key=lambda s: (-s.bytes, s.method, s.name))
    return Footprint(worst.bytes + frames, tuple(listed))


def depends_on_data(graph: LayerGraph, grad: bool) -> bool:
    """Whether a peak cannot be known without data: with gradients, that of adaptive steps, whose number follows from the error."""
    return grad and any(isinstance(n.layer, AdaptiveStep) for b in graph.blocks for n in b.nodes)


def keeps_iterations(graph: LayerGraph) -> bool:
    """Whether a peak depends on the number of iterations that is assumed: GMRES keeps an array of each."""
    layers = [n.layer for b in graph.blocks for n in b.nodes]
    return any(isinstance(x, IterativeSolve | KrylovSolve | NewtonLayer) and x.solve.method == "gmres" for x in layers)


def _state_bytes(graph: LayerGraph, batch: int, dtype: torch.dtype) -> int:
    return (
        batch * sum(u.channels for u in graph.scheme.system.unknowns) * prod(graph.scheme.grid.shape) * dtype.itemsize
    )


@dataclass(frozen=True, slots=True)
class _Phase:
    """The peak of one phase, and its shares."""

    bytes: int
    shares: tuple[Share, ...]

    @staticmethod
    def between(few: _Phase, more: _Phase, apart: int, beyond: int) -> _Phase:
        """What comes `beyond` more steps later, if it goes on as between two traces `apart` steps apart."""
        if not apart or not beyond:
            return more
        before = {(s.name, s.method): s.bytes for s in few.shares}

        def later(new: int, old: int) -> int:
            return new + max(0, new - old) * beyond // apart

        shares = tuple(Share(s.name, s.method, later(s.bytes, before.get((s.name, s.method), 0))) for s in more.shares)
        return _Phase(later(more.bytes, few.bytes), shares)


def _trace(
    graph: LayerGraph, source: str, batch: int, grad: bool, steps: int, dtype: torch.dtype
) -> tuple[_Phase, _Phase, _Phase]:
    """The peaks before, during (the last step) and after the steps of a short march."""
    counter = _Counter(_labels(source))
    with counter:
        net = instantiate(graph, source, device="meta", dtype=dtype)
        inputs = [_input(shape, batch, steps, dtype) for shape in net.inputs.values()]
        with _stepped(net, counter.step), torch.set_grad_enabled(grad):
            start: Any = net.initial_state
            state = None if inputs else start(batch)
            out = _marched(net, inputs, state, steps)
            counter.after()
            if grad and out.requires_grad:
                out.square().mean().backward()
        del out
    return counter.phases()


def _marched(net: LiveModule, inputs: list[Tensor], state: Tensor | None, steps: int) -> Tensor:
    """The last state of a march, or the solution of a steady problem."""
    march: Any = getattr(net, "march", None)
    solve: Any = getattr(net, "solve", None)
    out: Tensor = solve(*inputs, state) if march is None else march(*inputs, state, steps=steps)
    return out


def _input(shape: tuple[int | None, ...], batch: int, steps: int, dtype: torch.dtype) -> Tensor:
    return torch.empty(batch, *(steps if n is None else n for n in shape), device="meta", dtype=dtype)


@contextmanager
def _stepped(net: LiveModule, begins: Callable[[], None]) -> Iterator[None]:
    """Calls `begins` before each step."""
    advance = getattr(net, "_advance", None)
    if advance is None:
        yield
        return

    def counted(*arguments: Any) -> Any:
        begins()
        return advance(*arguments)

    net.__dict__["_advance"] = counted
    try:
        yield
    finally:
        del net.__dict__["_advance"]


@dataclass
class _Peak:
    now: int = 0
    highest: int = 0
    shares: dict[tuple[str, str], int] = field(default_factory=dict)


class _Counter(TorchDispatchMode):
    """Counts the bytes of all storages that are alive, and remembers the highest count of each phase."""

    def __init__(self, labels: Mapping[int, tuple[str, str]]) -> None:
        super().__init__()
        self.labels = labels
        self.now = 0
        self.alive: dict[tuple[str, str], int] = {}
        self.known: weakref.WeakSet[torch.UntypedStorage] = weakref.WeakSet()
        self.peaks = [_Peak()]
        self.last_step = 0
        self.answers = Answers()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten._local_scalar_dense.default and args[0].is_meta:
            return self.answers.of(_emitted_frame(), is_decision=args[0].dtype == torch.bool)
        out = func(*args, **(kwargs or {}))
        for value in tree_leaves(out):
            if isinstance(value, Tensor):
                self._note(value.untyped_storage())
        return out

    def _note(self, storage: torch.UntypedStorage) -> None:
        if storage in self.known:
            return
        self.known.add(storage)
        size, label = storage.nbytes(), self._label()
        self.now += size
        self.alive[label] = self.alive.get(label, 0) + size
        weakref.finalize(storage, self._release, size, label)
        peak = self.peaks[-1]
        if self.now > peak.highest:
            peak.highest, peak.shares = self.now, dict(self.alive)

    def _release(self, size: int, label: tuple[str, str]) -> None:
        self.now -= size
        self.alive[label] -= size

    def _label(self) -> tuple[str, str]:
        frame: FrameType | None = sys._getframe(3)
        while frame is not None:
            if frame.f_code.co_filename.startswith("<npde "):
                return self.labels.get(frame.f_lineno, (frame.f_code.co_name, ""))
            frame = frame.f_back
        return (BACKWARD, "") if self.last_step < 0 else (GIVEN, "")

    def step(self) -> None:
        """A step begins: only the last one counts."""
        self.last_step += 1
        if self.last_step == 1:
            self.peaks.append(_Peak())
        else:
            self.peaks[-1] = _Peak()
        self._begin()

    def after(self) -> None:
        """The steps are done."""
        self.last_step = -1
        self.peaks.append(_Peak())
        self._begin()

    def _begin(self) -> None:
        self.peaks[-1] = _Peak(highest=self.now, shares=dict(self.alive))

    def phases(self) -> tuple[_Phase, _Phase, _Phase]:
        """Before, during, after."""
        before, *rest = self.peaks
        during, after = rest if len(rest) == 2 else (before, rest[-1])
        return _phase(before), _phase(during), _phase(after)


def _emitted_frame() -> FrameType:
    """The innermost frame of the emitted file."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and not frame.f_code.co_filename.startswith("<npde "):
        frame = frame.f_back
    if frame is None:
        raise InternalError("a number was asked of an array without data")
    return frame


def _phase(peak: _Peak) -> _Phase:
    return _Phase(peak.highest, tuple(Share(*label, size) for label, size in sorted(peak.shares.items()) if size))


@cache
def _labels(source: str) -> Mapping[int, tuple[str, str]]:
    """(name, method) of every line of the emitted file: what it assigns, else the method itself."""
    found: dict[int, tuple[str, str]] = {}
    for method in ast.walk(ast.parse(source)):
        if not isinstance(method, ast.FunctionDef):
            continue
        for statement in ast.walk(method):
            if not isinstance(statement, ast.stmt) or isinstance(statement, ast.FunctionDef):
                continue
            last = statement.end_lineno or statement.lineno
            target = statement.targets[0] if isinstance(statement, ast.Assign) else None
            name = target.id if isinstance(target, ast.Name) else "the result"
            for line in range(statement.lineno, last + 1):
                if target is not None or line not in found:
                    found[line] = (name, method.name)
    return found
