"""Runs a module forward in pieces, so that long runs can be written, watched and stopped.

A piece is a march of some steps from the last state; pieces grow until one takes about half a second, or longer where what a
call prepares (a factorization, say) still outweighs its steps. Marches of one-step schemes
may be cut anywhere without changing a number; a multistep scheme restarts at every call, so it runs in one piece.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from npde.diagnostics import DiagnosticError
from npde.diagnostics.catalogue import data as codes
from npde.discretize.scheme import Adaptive, Scheme
from npde.emit.live import LiveModule
from npde.emit.solving import failure
from npde.model import expression as ex
from npde.model.problem import Problem
from npde.model.traversal import walk
from npde.source import Span

PIECE_SECONDS = 0.5
LONGEST_SECONDS = 8.0
GAIN = 0.8
"""A longer piece is worth it if a step of it takes at most this share of the time."""
PIECE_BYTES = 2**26


@dataclass(frozen=True, slots=True)
class Piece:
    """Steps start + 1 … start + steps: the frames kept of them [B, k, C, *grid], the last state, and outputs by name,
    [B, steps, …] for those with a value a step; others are given with the last piece."""

    start: int
    steps: int
    frames: Tensor
    state: Tensor
    outputs: Mapping[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Simulation:
    """A run of `steps` steps of a module, a frame kept every `every` steps.

    `inputs` by name, [B, …] with [B, steps, …] where an input has a value a step; `with_outputs` also evaluates what the file
    calls `output`, at the price of marching twice.
    """

    net: LiveModule
    inputs: Mapping[str, Tensor]
    steps: int
    every: int
    batch: int = 1
    with_outputs: bool = True

    @property
    def scheme(self) -> Scheme:
        """The numerics."""
        return self.net.graph.scheme

    def start(self) -> Tensor:
        """The initial state [B, C, *grid]; inputs are given their whole length.

        Raises:
            DiagnosticError: N1021, where a step does not fit into memory.
        """
        origin = self.net._npde.origin
        if origin is not None:
            origin.admit(self.net, self.batch, 1, None, grad=False)
        with torch.no_grad():
            state: Tensor = self.net.initial_state(self.batch, **self.inputs)  # type: ignore[operator]
        self._check(state, state, 0, 0)
        return state

    def pieces(self, state: Tensor) -> Iterator[Piece]:
        """The run from `state`.

        Raises:
            DiagnosticError: N1020, when a field stops being finite.
        """
        done, length = 0, self._first_length()
        per_frame = max(1, state.numel() * state.element_size())
        before = math.inf  # seconds a step in the piece before
        while done < self.steps:
            steps = min(length, self.steps - done)
            began = time.perf_counter()
            piece = self._piece(state, done, steps)
            seconds = time.perf_counter() - began
            self._check(state, piece.state, done, steps)
            yield piece
            state, done = piece.state, done + steps
            has_gained = seconds / steps < GAIN * before and seconds < LONGEST_SECONDS
            before = seconds / steps
            fits = length * 2 // self.every * per_frame <= PIECE_BYTES
            if fits and (seconds < PIECE_SECONDS / 2 or has_gained):
                length *= 2

    def _first_length(self) -> int:
        """Pieces are whole multiples of `every`, so that each begins at a frame."""
        restarts = isinstance(self.scheme.time, Adaptive) or any(b.name == "first_step" for b in self.net.graph.blocks)
        return self.steps if restarts else self.every

    def _piece(self, state: Tensor, start: int, steps: int) -> Piece:
        with torch.no_grad():
            frames: Tensor = self._march(state, start, steps, every=self.every)
            ends_at_frame = steps % self.every == 0
            last = frames[:, -1] if ends_at_frame else self._march(state, start, steps)
            outputs = self._outputs(state, start, steps) if self.with_outputs else {}
        return Piece(start, steps, frames[:, 1:], last.clone(), outputs)

    def _march(self, state: Tensor, start: int, steps: int, every: int | None = None) -> Tensor:
        inputs = self._window(start, steps)
        march: Any = self.net.march
        try:
            found: Tensor = march(*inputs.values(), state, steps=steps, every=every, start=start)
        except RuntimeError as error:
            raise failure(self.scheme.system.problem, error) or error from error
        return found

    def _outputs(self, state: Tensor, start: int, steps: int) -> dict[str, Tensor]:
        declared = self.scheme.system.problem.outputs
        if not declared:
            return {}
        found = self.net(*self._window(start, steps).values(), state, steps=steps, start=start)
        named = {declared[0].name: found} if isinstance(found, Tensor) else dict(found)
        if start + steps < self.steps:
            marching = self.scheme.system.problem.marching
            named = {o.name: named[o.name] for o in declared if marching in o.coordinates}
        return named

    def _window(self, start: int, steps: int) -> dict[str, Tensor]:
        """Inputs of the steps of a piece."""
        return {
            name: value[:, start : start + steps] if self.net.inputs[name][:1] == (None,) else value
            for name, value in self.inputs.items()
        }

    # --- watching -----------------------------------------------------------------------------------------------------

    def _check(self, before: Tensor, after: Tensor, start: int, steps: int) -> None:
        """N1020 when `after`, `steps` steps behind `before`, is not finite: names the field and the first bad step."""
        if bool(torch.isfinite(after).all()):
            return
        bad, good = steps, 0
        with torch.no_grad():
            while bad - good > 1:  # a NaN never goes away, so the first bad step can be bisected
                middle = (good + bad) // 2
                state = self._march(before, start, middle)
                good, bad = (middle, bad) if bool(torch.isfinite(state).all()) else (good, middle)
            state = self._march(before, start, bad) if steps else after
        raise blow_up(self.net, state, start + bad)


def solved(net: LiveModule, inputs: Mapping[str, Tensor]) -> Tensor:
    """The solution [B, C, *grid] of a steady problem.

    Raises:
        DiagnosticError: N1020, when it is not finite; N1023, N1024, when there is none.
    """
    try:
        with torch.no_grad():
            state: Tensor = net.solve(*inputs.values())  # type: ignore[operator]
    except (RuntimeError, ValueError) as error:
        raise failure(net.graph.scheme.system.problem, error) or error from error
    if not bool(torch.isfinite(state).all()):
        raise blow_up(net, state, 0)
    return state


def outputs_of(net: LiveModule, inputs: Mapping[str, Tensor], state: Tensor) -> dict[str, Tensor]:
    """What a steady model calls `output`, by name; `state` is its solution."""
    declared = net.graph.scheme.system.problem.outputs
    if not declared:
        return {}
    with torch.no_grad():
        found = net(*inputs.values(), state)
    return {declared[0].name: found} if isinstance(found, Tensor) else dict(found)


def blow_up(net: LiveModule, state: Tensor, step: int) -> DiagnosticError:
    """The error N1020 for a state [B, C, *grid] that is not finite after `step` steps."""
    scheme = net.graph.scheme
    problem = scheme.system.problem
    fields: dict[str, Tensor] = net.unpack(state)  # type: ignore[operator]
    name = next((n for n, value in fields.items() if not bool(torch.isfinite(torch.view_as_real(value) if
                 value.is_complex() else value).all())), problem.fields[0].name)  # fmt: skip
    marching = problem.marching or "t"
    notes, hint = _step_against_bound(scheme) if step else ((), "")
    moment = float(scheme.start + scheme.dt * step)
    plain = name.removeprefix("dt(").removesuffix(")")
    diagnostic = codes.BLOW_UP.at(
        _equation_of(problem, plain) if step else _start_of(problem, plain), notes=notes, hint=hint,
        field=name, step=step, coordinate=marching, time=f"{moment:.6g}",
    )  # fmt: skip
    return DiagnosticError([diagnostic], problem.source)


def _step_against_bound(scheme: Scheme) -> tuple[tuple[str, ...], str]:
    dt, bound = float(scheme.dt), scheme.bound.value
    if bound is None:
        return (
            f"the step is {dt:.4g}; no bound for {scheme.name} is known here.",
        ), "try shorter steps with `--march steps=…`."
    sure = "is stable" if scheme.bound.exact else "is estimated to be stable"
    note = f"the step is {dt:.4g}, and {scheme.name} {sure} up to {bound:.4g}."
    if dt <= bound:
        return (note,), ""
    steps = math.ceil(scheme.steps * dt / (0.9 * bound))
    return (note,), f"take at least {steps} steps: `--march steps={steps}`."


def _equation_of(problem: Problem, field_name: str) -> Span:
    """The equation that a field evolves by; the field itself if none is found."""
    for equation in problem.equations:
        for node in (*walk(equation.left), *walk(equation.right)):
            match node:
                case ex.Derivative(operand=ex.FieldRef(name=name), orders=orders) if name == field_name:
                    if any(coordinate == problem.marching for coordinate, _ in orders):
                        return equation.span
                case _:
                    continue
    return next(f.span for f in problem.fields if f.name == field_name)


def _start_of(problem: Problem, field_name: str) -> Span:
    """Where a field gets its initial data."""
    return next((i.span for i in problem.initials if i.field == field_name), _equation_of(problem, field_name))
