"""How a live module marches in torch beyond the emitted loop: one step compiled, activations made again.

Both keep the emitted step and replace the loop around it:

- compiled: `torch.compile` sees one step, whose graph does not grow with the march, and Python loops over it. The loop costs some
  ten microseconds a step, which pays for grids of a few thousand points and more.
- checkpointed: of every `k` steps autograd keeps the first state alone and makes the rest again when it goes back
  (Griewank and Walther, Algorithm 799, in its one-level form), so n steps hold about n/k states and the activations of k steps.
  Several lengths nest: segments of segments. `memory` asks for as few as fit into that many bytes.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Hashable
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from npde.emit.refusal import refuse

Carry = tuple[Tensor, ...]
Read = Callable[..., tuple[Tensor, ...]]


class Options:
    """Of one module; a copy of the module compiles anew."""

    __slots__ = ("advance", "compiled", "every", "lengths", "memory")

    def __init__(self, compiled: bool = False, every: int | None = None, memory: int | None = None):
        self.compiled, self.every, self.memory = compiled, every, memory
        self.advance: Callable[..., Carry] | None = None
        self.lengths: dict[Hashable, tuple[int, ...]] = {}

    def __deepcopy__(self, memo: dict[int, Any]) -> Options:
        return Options(*self.plain)

    @property
    def plain(self) -> tuple[bool, int | None, int | None]:
        """As a pickle holds them."""
        return self.compiled, self.every, self.memory


def held(steps: int, lengths: tuple[int, ...]) -> int:
    """Steps whose memory a march holds at most when gradients are wanted: those of a segment, and a state of each segment."""
    total = 0
    for length in lengths:
        total += -(-steps // length)
        steps = min(steps, length)
    return total + steps


class Rollout:
    """The march of live modules, mixed in before the emitted class."""

    _rollout: Options

    def compile_step(self) -> None:
        """From now on marches in torch compile one step, with `torch.compile`, and loop over it."""
        _, *kept = self._rollout.plain
        self._rollout = Options(True, *kept)

    def limit_memory(self, memory: int | None) -> None:
        """From now on marches with gradients add at most so many bytes."""
        self._rollout = Options(self._rollout.compiled, None, memory)

    def _march(
        self, state: Tensor, sequence: Any, c: Any, steps: int, every: int | None, read: Read | None = None
    ) -> tuple[Tensor, Tensor | None, tuple[Tensor, ...]]:
        """As the emitted method, which runs where neither option is set and under torch.compile or torch.export.

        Raises:
            DiagnosticError: N1025, under torch.compile with a budget.
        """
        options, emitted = self._rollout, super()._march  # type: ignore[misc]
        if torch.compiler.is_compiling():
            if options.memory is not None and torch.is_grad_enabled() and not torch.compiler.is_exporting():
                state = refuse(state, self._npde.digest, options.memory, 0)  # type: ignore[attr-defined]
            return emitted(state, sequence, c, steps, every, read)
        lengths = self._lengths(len(state), steps, every) if torch.is_grad_enabled() else ()  # type: ignore[attr-defined]
        if not (options.compiled or lengths):
            return emitted(state, sequence, c, steps, every, read)
        advance = self._advance_compiled if options.compiled else self._advance  # type: ignore[attr-defined]

        # A nested checkpoint drops what it was handed only where that is a tensor, not where it holds some.
        def march(
            first: int, last: int, inner: tuple[int, ...], *carry: Tensor
        ) -> tuple[Carry, list[Tensor], list[tuple[Tensor, ...]]]:
            frames: list[Tensor] = []
            readings: list[tuple[Tensor, ...]] = []
            for n in range(first, last, inner[0] if inner else 1):
                if inner:
                    segment = (n, min(n + inner[0], last), inner[1:], *carry)
                    carry, more, seen = checkpoint(march, *segment, use_reentrant=False, preserve_rng_state=False)
                    frames += more
                    readings += seen
                    continue
                p = None if sequence is None else type(sequence)(*(v[n] for v in sequence))
                carry = advance(carry, p, c, n)
                if every is not None and (n + 1) % every == 0:
                    frames.append(carry[0])
                if read is not None:
                    readings.append(read(carry[0], p, c))
            return carry, frames, readings

        carry, frames, readings = march(0, steps, lengths, *self._begin(state))  # type: ignore[attr-defined]
        stacked = torch.stack([state, *frames], dim=1) if every is not None else None
        return carry[0], stacked, tuple(torch.stack(r, dim=1) for r in zip(*readings, strict=True))

    def _advance_compiled(self, carry: Carry, p: Any, c: Any, n: int) -> Carry:
        """One step, compiled when first taken; where torch finds no compiler, or a step iterates until its data are good enough
        (Newton's method), as emitted, with one warning."""
        emitted: Callable[..., Carry] = self._advance  # type: ignore[attr-defined]
        options = self._rollout
        if options.advance is not None:
            return options.advance(carry, p, c, n)
        compiled: Callable[..., Carry] = torch.compile(emitted, fullgraph=True)
        try:
            after = compiled(carry, p, c, n)
        except _failures() as error:
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            warnings.warn(f"torch.compile does not work here, so steps run as emitted: {reason}", stacklevel=2)
            compiled, after = emitted, emitted(carry, p, c, n)
        options.advance = compiled
        return after


def _failures() -> tuple[type[Exception], ...]:
    """What torch.compile raises where its own compiler is missing or broken, and where a step cannot be traced."""
    from torch._dynamo.exc import BackendCompilerFailed, Unsupported, UserError
    from torch._inductor.exc import CppCompileError, InvalidCxxCompiler

    return BackendCompilerFailed, CppCompileError, InvalidCxxCompiler, Unsupported, UserError
