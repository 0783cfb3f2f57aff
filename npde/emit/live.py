"""From emitted source to a live module: check, execute, mix in what only live modules have.

    instantiate(graph, source) -> nn.Module      with .source .graph .inputs .save_pretrained() .as_rnn(), picklable

The executed module is entered in `sys.modules` and its text in `linecache`, both under a name that is the hash of the source:
tracebacks and debuggers show emitted lines, `torch.compile` finds the globals, and the same source is executed once.
"""

from __future__ import annotations

import copy
import hashlib
import linecache
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import nn

from npde.diagnostics import InternalError, NpdeError
from npde.emit.allowed import check
from npde.emit.refusal import SOURCES
from npde.emit.rollout import Options, Rollout, held

if TYPE_CHECKING:
    from npde.emit.recurrent import Recurrent
    from npde.graph import LayerGraph


class Origin(Protocol):
    """What a live module was compiled from. It knows the whole compiler, which this package does not."""

    def rebuild(self, **factory: Any) -> LiveModule:
        """The module compiled anew, with start values; `device`, `dtype`, `generator`."""

    def save(self, module: LiveModule, directory: Path) -> None:
        """Writes the folder of `save_pretrained`."""

    def admit(self, module: LiveModule, batch: int, steps: int, every: int | None, *, grad: bool) -> None:
        """Raises if a march of the module needs more memory than there is."""

    def lengths(self, module: LiveModule, batch: int, steps: int, every: int | None, memory: int) -> tuple[int, ...]:
        """Lengths of nested segments with which a march and its gradient add at most `memory` bytes."""


class Backend(Protocol):
    """What marches in place of the emitted loop: a class of live modules, its name, and why it was chosen or was not."""

    @property
    def module(self) -> type[LiveModule]: ...

    @property
    def name(self) -> str: ...

    @property
    def reason(self) -> str: ...


def instantiate(
    graph: LayerGraph,
    source: str,
    *,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
    generator: torch.Generator | None = None,
    origin: Origin | None = None,
    compiled: bool = False,
    checkpoint: int | None = None,
    memory: int | None = None,
    backend: Backend | None = None,
) -> LiveModule:
    """The module that `source` defines, as an instance of `graph.class_name` and of `LiveModule`.

    Args:
        graph: what the source was emitted from; kept for views and analysis.
        source: a standalone module; checked against `npde.emit.allowed` before it is executed.
        device, dtype: of parameters and buffers; torch's defaults when left out.
        generator: draws random start values; torch's own when left out.
        origin: lets the module be pickled and saved.
        compiled, checkpoint, memory: how it marches, see `npde.emit.rollout`.
        backend: what marches instead of the emitted loop.

    Raises:
        InternalError: the source is not what the emitter may write.
        NpdeError: `compiled` or `checkpoint` of a march whose steps choose their own size.
    """
    if (compiled or checkpoint is not None) and _is_adaptive(graph):
        how = "'compile'" if compiled else "'checkpoint'"
        raise NpdeError(
            f"{how} needs steps of one size; those of '{graph.scheme.name}' choose theirs. A march by rk4 takes it."
        )
    emitted = _class(execute(source, graph.name), graph.class_name)
    # The mixed class has the emitted one's name: users see `Fisher(…)`, whatever it was mixed with.
    base = LiveModule if backend is None else backend.module
    live = type(emitted.__name__, (base, emitted), {"__module__": emitted.__module__, "__doc__": emitted.__doc__})
    with _generator_untouched(generator is not None):
        module: LiveModule = live(device=device, dtype=dtype, generator=generator)
    module._npde = _Parts(graph, source, origin, backend)
    module._rollout = Options(compiled, checkpoint, memory)
    return module


def _is_adaptive(graph: LayerGraph) -> bool:
    from npde.graph.layers import AdaptiveStep

    return any(isinstance(node.layer, AdaptiveStep) for block in graph.blocks for node in block.nodes)


@contextmanager
def _generator_untouched(is_asked: bool) -> Iterator[None]:
    """Leaves torch's own generator where it was: layers of torch draw from it, also when their weights are drawn anew."""
    if not is_asked:
        yield
        return
    state = torch.get_rng_state()
    try:
        yield
    finally:
        torch.set_rng_state(state)


def execute(source: str, name: str) -> ModuleType:
    """The module that emitted source defines, checked first; the same source gives the same module."""
    digest = hashlib.sha256(source.encode("utf-8")).hexdigest()
    title = f"npde_emitted_{digest[:16]}"
    if title in sys.modules:
        return sys.modules[title]
    tree = check(source)
    file = f"<npde {name} {digest[:16]}>"
    # An entry without a modification time is never dropped by linecache.checkcache.
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    module = ModuleType(title)
    module.__file__ = file
    sys.modules[title] = module
    try:
        exec(compile(tree, file, "exec", dont_inherit=True), vars(module))  # noqa: S102 - emitted by npde, and checked
    except BaseException:
        del sys.modules[title]
        raise
    return module


def _class(module: ModuleType, name: str) -> type[nn.Module]:
    """The class of that name, else the last module class the source defines."""
    own = [v for v in vars(module).values() if isinstance(v, type) and v.__module__ == module.__name__]
    classes = [v for v in own if issubclass(v, nn.Module)]
    if not classes:
        raise InternalError(f"Emitted source of '{name}' defines no torch module.")
    return next((c for c in classes if c.__name__ == name), classes[-1])


class _Parts:
    """What a live module remembers; shared by its copies."""

    __slots__ = ("__weakref__", "backend", "digest", "graph", "origin", "source")

    def __init__(self, graph: LayerGraph, source: str, origin: Origin | None, backend: Backend | None):
        self.graph, self.source, self.origin, self.backend = graph, source, origin, backend
        self.digest = hashlib.sha256(source.encode("utf-8")).hexdigest()[:16]
        SOURCES[self.digest] = self

    def __deepcopy__(self, memo: dict[int, Any]) -> _Parts:
        return self


class LiveModule(Rollout, nn.Module):
    """What live modules have beyond the emitted class, which is mixed in behind this one."""

    INPUTS: Mapping[str, tuple[int | None, ...]]
    FIELDS: Mapping[str, tuple[int, int, bool]]
    _npde: _Parts

    @property
    def source(self) -> str:
        """The emitted file's text: standalone, needs torch only."""
        return self._npde.source

    @property
    def graph(self) -> LayerGraph:
        """The layer graph it was emitted from."""
        return self._npde.graph

    @property
    def backend(self) -> str:
        """What marches: "torch", the emitted loop, or "native", compiled kernels."""
        return "torch" if self._npde.backend is None else self._npde.backend.name

    @property
    def backend_reason(self) -> str:
        """Why `backend` is what it is."""
        return "the emitted loop was asked for" if self._npde.backend is None else self._npde.backend.reason

    @property
    def inputs(self) -> Mapping[str, tuple[int | None, ...]]:
        """Name of each run-time input -> its shape without the batch; None stands for the number of steps."""
        return MappingProxyType(dict(self.INPUTS))

    def save_pretrained(self, directory: str | os.PathLike[str]) -> None:
        """Writes `model.npde`, `model.safetensors`, `config.json`, `model.py` to a folder; `npde.from_pretrained` reads it.

        Raises:
            NpdeError: the module was made without its `.npde` text.
            DiagnosticError: N1002, when the folder cannot be written.
        """
        if self._npde.origin is None:
            raise NpdeError(
                "This module was made from emitted source alone; only a module of `Model.compile` can be saved."
            )
        self._npde.origin.save(self, Path(directory))

    def as_rnn(self, batch_first: bool = False) -> Recurrent:
        """This module behind the calling convention of `torch.nn.RNN`; the parameters are shared.

        Raises:
            NpdeError: it was not compiled with `network="rnn"`.
        """
        from npde.emit.recurrent import Recurrent

        return Recurrent(self, batch_first=batch_first)

    def _march(self, state: torch.Tensor, sequence: Any, c: Any, steps: int, every: int | None, *read: Any) -> Any:
        """The emitted loop, after its memory was found to be there."""
        if not torch.compiler.is_compiling() and self._npde.origin is not None:
            learns = state.requires_grad or any(p.requires_grad for p in self.parameters())
            saves = torch.is_grad_enabled() and learns
            kept = held(steps, self._lengths(len(state), steps, every)) if saves else steps
            self._npde.origin.admit(self, len(state), kept, every, grad=saves)
        return super()._march(state, sequence, c, steps, every, *read)

    def _lengths(self, batch: int, steps: int, every: int | None) -> tuple[int, ...]:
        """Lengths of the segments, the outermost first, of which a march with gradients keeps the first states alone."""
        options, origin = self._rollout, self._npde.origin
        if options.memory is None or origin is None or steps == 0:
            return () if options.every is None else (options.every,)
        key = (batch, steps, every, next(self.parameters(), torch.empty(0)).dtype)
        if key not in options.lengths:
            options.lengths[key] = origin.lengths(self, batch, steps, every, options.memory)
        return options.lengths[key]

    def __setattr__(self, name: str, value: Any) -> None:
        """`net.V = 0.2` sets the values of an unconstrained learned array, as properties do for constrained ones."""
        stored = self.__dict__.get("_parameters", {})
        learned = stored.get(name, stored.get(f"raw_{name}"))
        if learned is None or value is None or isinstance(value, nn.Parameter):
            super().__setattr__(name, value)
            return
        try:
            with torch.no_grad():
                if name in stored:
                    learned.copy_(torch.as_tensor(value, dtype=learned.dtype, device=learned.device))
                else:
                    super().__setattr__(name, value)
        except (RuntimeError, TypeError) as error:
            raise ValueError(f"'{name}' takes numbers of shape {list(learned.shape)}") from error

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled as what it was compiled from and its state; unpickling compiles again. Hooks are not kept."""
        tensor = next(iter([*self.parameters(), *self.buffers()]), torch.empty(0))
        state = {
            "state_dict": self.state_dict(),
            "frozen": [name for name, p in self.named_parameters() if not p.requires_grad],
            "training": self.training,
            "rollout": self._rollout.plain,
        }
        parts = self._npde
        emitted = (parts.graph, parts.source) if parts.origin is None else (None, None)
        return _revive, (parts.origin, *emitted, tensor.dtype, self.backend), state

    def __setstate__(self, state: dict[str, Any]) -> None:
        if "state_dict" not in state:
            super().__setstate__(state)
            return
        for name, parameter in self.named_parameters():
            parameter.requires_grad_(name not in state["frozen"])
        self.load_state_dict(state["state_dict"])
        self.train(state["training"])
        self._rollout = Options(*state["rollout"])

    def __deepcopy__(self, memo: dict[int, Any]) -> LiveModule:
        """A copy with its own tensors; graph and source are shared."""
        twin = type(self).__new__(type(self))
        memo[id(self)] = twin
        for key, value in self.__dict__.items():
            twin.__dict__[key] = copy.deepcopy(value, memo)
        return twin


def _revive(
    origin: Origin | None, graph: LayerGraph | None, source: str | None, dtype: torch.dtype, backend: str = "torch"
) -> LiveModule:
    """The module of a pickle, before its state; random start values are drawn aside, so torch's generator stays."""
    generator = torch.Generator()
    if origin is not None:
        return origin.rebuild(dtype=dtype, generator=generator, backend=backend)
    if graph is None or source is None:
        raise InternalError("A pickled module has neither its origin nor its source.")
    return instantiate(graph, source, dtype=dtype, generator=generator)
