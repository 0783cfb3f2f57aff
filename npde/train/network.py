"""What training knows of a module: its fields, inputs, steps and learnables, whichever emitter made it.

Emitted classes carry this as constants (`FIELDS INPUTS`, and `STEPS DT START` unless nothing is marched: the solution of a steady
problem then counts as the state after one step, its guess as the one before); live modules add `graph`, from which come the names
of outputs, the grid, and the place in the `.npde` text that a message points at.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn

import torch
from torch import Tensor, nn

from npde.diagnostics import Code, DiagnosticError
from npde.emit.solving import failure
from npde.model.problem import Problem
from npde.source import NOWHERE, Source, Span

if TYPE_CHECKING:
    from npde.discretize.scheme import Scheme
    from npde.symbolic.system import SystemOutput

CONSTANTS = ("FIELDS", "INPUTS")


@dataclass(frozen=True, slots=True)
class FieldSlot:
    """Where a field lies in a state `[B, C, *grid]`: channels first … first + channels - 1, a complex field's real parts
    before its imaginary parts."""

    name: str
    first: int
    channels: int
    is_complex: bool

    @property
    def channel_slice(self) -> slice:
        """Its channels."""
        return slice(self.first, self.first + self.channels)

    @property
    def components(self) -> int:
        """Components of the field itself: half its channels when complex."""
        return self.channels // 2 if self.is_complex else self.channels


@dataclass(frozen=True)
class Network:
    """A compiled module as training sees it.

    Raises:
        TypeError: the module is not one that npde emitted.
    """

    module: nn.Module

    def __post_init__(self) -> None:
        missing = [name for name in CONSTANTS if not hasattr(self.module, name)]
        if missing:
            raise TypeError(
                f"A module compiled by npde is needed, but '{type(self.module).__name__}' has no {', '.join(missing)}."
            )

    # --- what the class says ------------------------------------------------------------------------------------------

    @cached_property
    def fields(self) -> tuple[FieldSlot, ...]:
        """Fields in the order of their channels; velocities are `dt(u)`."""
        slots = (FieldSlot(name, *place) for name, place in self._constant("FIELDS").items())
        return tuple(sorted(slots, key=lambda slot: slot.first))

    @property
    def channels(self) -> int:
        """C of a state."""
        return sum(slot.channels for slot in self.fields)

    @cached_property
    def inputs(self) -> Mapping[str, tuple[int | None, ...]]:
        """Shape of each input without the batch, None for the number of steps."""
        return dict(self._constant("INPUTS"))

    @property
    def is_steady(self) -> bool:
        """Whether nothing is marched."""
        return not hasattr(self.module, "STEPS")

    @property
    def steps(self) -> int:
        """Steps of a whole march."""
        return 1 if self.is_steady else int(self._constant("STEPS"))

    @property
    def dt(self) -> float:
        """Length of a step."""
        return 1.0 if self.is_steady else float(self._constant("DT"))

    @property
    def start(self) -> float:
        """The marching coordinate at step 0."""
        return 0.0 if self.is_steady else float(self._constant("START"))

    def _constant(self, name: str) -> Any:
        return getattr(self.module, name)

    # --- what the parameters say --------------------------------------------------------------------------------------

    @property
    def like(self) -> Tensor:
        """A tensor on the module's device and of its type."""
        for tensor in (*self.module.parameters(), *self.module.buffers()):
            if tensor.is_floating_point():
                return tensor.detach()
        return torch.empty(0)

    @property
    def dtype(self) -> torch.dtype:
        return self.like.dtype

    @property
    def device(self) -> torch.device:
        return self.like.device

    # --- what the graph says ------------------------------------------------------------------------------------------

    @property
    def scheme(self) -> Scheme | None:
        """The numerics, None for a module without its graph."""
        graph = getattr(self.module, "graph", None)
        return graph.scheme if graph is not None else None

    @property
    def problem(self) -> Problem | None:
        """The checked model, None for a module without its graph."""
        return self.scheme.system.problem if self.scheme else None

    @property
    def name(self) -> str:
        """The model's name."""
        return self.problem.name if self.problem else type(self.module).__name__

    @property
    def grid(self) -> tuple[int, ...] | None:
        """Cells an axis, None if unknown."""
        if self.scheme is not None:
            return self.scheme.grid.shape
        grid = getattr(self.module, "GRID", None)
        return None if grid is None else tuple(grid)

    @property
    def outputs(self) -> tuple[str, ...] | None:
        """Names of the outputs, None if unknown."""
        return tuple(output.name for output in self.problem.outputs) if self.problem else None

    def is_complex_output(self, name: str) -> bool:
        """Whether an output has real and imaginary parts, on an axis of their own or one after the other."""
        return self.scheme is not None and any(len(o.parts) == 2 for o in self._outputs if o.name == name)

    def is_output_per_step(self, name: str) -> bool:
        """Whether an output has a value after each step."""
        return self.scheme is not None and any(o.per_step for o in self._outputs if o.name == name)

    @property
    def _outputs(self) -> tuple[SystemOutput, ...]:
        return self.scheme.system.outputs if self.scheme is not None else ()

    @property
    def sequences(self) -> tuple[str, ...]:
        """Inputs with a value a step."""
        return tuple(name for name, shape in self.inputs.items() if shape and shape[0] is None)

    @property
    def marching(self) -> str:
        """The marching coordinate's name."""
        return (self.problem.marching if self.problem else None) or "t"

    @cached_property
    def is_autonomous(self) -> bool:
        """Whether a step is the same whichever its number: nothing in it depends on the marching coordinate."""
        scheme = self.scheme
        if scheme is None:
            return False
        system, marching = scheme.system, scheme.system.problem.marching
        if any(marching in declared.coordinates for declared in system.problem.inputs):
            return False
        if any(marching in getattr(learned, "coordinates", ()) for learned in system.problem.learned):
            return False
        if any(getattr(learned, "per_step", False) for learned in system.problem.learned):
            return False
        if any(parameter.steps is not None for parameter in self._constant("graph").parameters):
            return False
        expressions = (
            *system.rates,
            *(wall.data for wall in system.walls),
            *(d for g in scheme.ghosts for d in g.data),
        )
        used = {symbol.name for expression in expressions for symbol in expression.free_symbols}
        return marching not in used

    @property
    def weights(self) -> frozenset[str]:
        """Stored parameters that are weights of kernels and layers, not physical coefficients or biases."""
        layers = {name for name, _ in self.module.named_parameters() if "." in name and name.endswith("weight")}
        graph = getattr(self.module, "graph", None)
        learned = graph.parameters if graph is not None else ()
        return frozenset(layers | {p.parameter for p in learned if p.kind in ("kernel", "stencil", "released")})

    # --- running it ---------------------------------------------------------------------------------------------------

    def march(
        self, inputs: tuple[Tensor, ...], state: Tensor | None, *, steps: int, every: int | None = None, start: int = 0
    ) -> Tensor:
        """States of a rollout: the last one `[B, C, *grid]`, or `[B, steps // every + 1, C, *grid]` with `every`."""
        if self.is_steady:
            return self._solved(inputs, state, steps, every)
        march = self._constant("march")
        return march(*inputs, state, steps=steps, every=every, start=start)

    def _solved(self, inputs: tuple[Tensor, ...], state: Tensor | None, steps: int, every: int | None) -> Tensor:
        """As `march` for a steady problem: its guess, and after a step its solution."""
        guess = state
        if guess is None:
            guess = self._constant("initial_state")(**dict(zip(self.inputs, inputs, strict=True)))
        if not steps:
            return guess if every is None else guess[:, None]
        try:
            solution = self._constant("solve")(*inputs, state)
        except (RuntimeError, ValueError) as error:
            found = failure(self.problem, error) if self.problem else None
            raise found or error from error
        return solution if every is None else torch.stack([guess.expand_as(solution), solution], dim=1)

    def first_state(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """The state that the file's `initial` gives, [B, C, *grid], B = 1 without inputs."""
        return self.march(inputs, None, steps=0, every=1)[:, 0]

    def outputs_of(self, inputs: tuple[Tensor, ...], state: Tensor | None, names: tuple[str, ...]) -> dict[str, Tensor]:
        """Outputs by name of a whole march; a module with one output calls it by the only one of `names`."""
        found = self.module(*inputs, state)
        if isinstance(found, Tensor):
            return {(self.outputs or names)[0]: found}
        return dict(found)

    # --- messages -----------------------------------------------------------------------------------------------------

    def fail(
        self, code: Code, *, about: str = "", hint: str = "", notes: tuple[str, ...] = (), **data: object
    ) -> NoReturn:
        """Raise `DiagnosticError`, pointing at the declaration of `about` where the text is known."""
        source, span = self.place(about)
        raise DiagnosticError([code.at(span, hint=hint, notes=notes, **data)], source)

    def place(self, about: str) -> tuple[Source, Span]:
        """Where a name is declared."""
        problem = self.problem
        if problem is None:
            return Source(self.name, ""), NOWHERE
        declared = (*problem.fields, *problem.inputs, *problem.outputs, *problem.learned)
        return problem.source, next((d.span for d in declared if d.name == about), NOWHERE)
