"""LayerGraph → C: what the torch side needs to march a graph natively."""

from __future__ import annotations

from dataclasses import dataclass

from npde.graph.graph import LayerGraph
from npde.native.c_driver import CFile, c_file
from npde.native.c_expression import Real
from npde.native.lowering import Step, Unfit, lower_step
from npde.native.lowering_leapfrog import chain
from npde.native.normal import normalized, normalized_adjoint
from npde.native.program import Program
from npde.native.program import text as program_text
from npde.native.reverse import reverse
from npde.native.samples import SAMPLES, are_side_by_side, blocked
from npde.native.schedule import schedule, schedule_adjoint
from npde.native.values import Argument


@dataclass(frozen=True)
class Kernels:
    """A graph whose steps have native form: its forward programs (`step`, `first_step` for multistep schemes, `finish` where a
    state is made of what the loop carries), and the arguments that they are given."""

    graph: LayerGraph
    programs: tuple[Program, ...]
    arguments: tuple[Argument, ...]

    @property
    def channels(self) -> int:
        """Channels of the state."""
        return sum(u.channels for u in self.graph.scheme.system.unknowns)

    @property
    def carried(self) -> int:
        """Channels that the loop carries."""
        return self.programs[0].carried

    @property
    def are_side_by_side(self) -> bool:
        """Whether the cells of kernels are samples."""
        return are_side_by_side(self.graph)

    def marched(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of states [B, C, *grid] as kernels take them."""
        return blocked(shape) if self.are_side_by_side else shape

    def extents(self, argument: Argument) -> tuple[int, ...]:
        """Entries of an argument along each axis of the grid, before samples are put side by side."""
        return () if self.are_side_by_side else argument.extents

    @property
    def differentiable(self) -> frozenset[int]:
        """Arguments that are learned or given."""
        return frozenset(k for k, a in enumerate(self.arguments) if a.kind not in ("time", "coordinate", "kick"))

    def forward(self, real: Real) -> CFile:
        """The C file of the march."""
        return self._file(self.programs, real)

    def backward(self, real: Real, wanted: frozenset[int]) -> CFile:
        """The C file of the march's gradient with respect to the state and the arguments `wanted`."""
        return self._file((*self.programs, *self.adjoints(wanted)), real, wanted)

    def adjoints(self, wanted: frozenset[int]) -> tuple[Program, ...]:
        """The adjoint of each program.

        Raises:
            Unfit: a gradient has no native form.
        """
        steps = _steps(self.graph, list(self.arguments))
        return tuple(
            schedule_adjoint(f"{name}_adjoint", normalized_adjoint(reverse(step, wanted)))
            for name, step in steps.items()
        )

    def _file(self, programs: tuple[Program, ...], real: Real, wanted: frozenset[int] = frozenset()) -> CFile:
        scheme = self.graph.scheme
        problem = scheme.system.problem
        equations = " ".join(" ".join(problem.source.snippet(e.span).split()) for e in problem.equations)
        title = f"{self.graph.name}, {scheme.name}: {equations}".replace("*/", "* /").replace("/*", "/ *")
        return c_file(title, self._loops, programs, real, float(scheme.dt), self.channels, wanted)

    @property
    def _loops(self) -> str:
        """What kernels loop over."""
        if self.are_side_by_side:
            return f"{SAMPLES} samples side by side, which are called cells"
        return f"a grid of {' x '.join(map(str, self.graph.scheme.grid.shape))} cells"

    def text(self) -> str:
        """The programs for people, the adjoint for all arguments included."""
        steps = "\n".join(map(program_text, self.programs))
        try:
            return steps + "\n" + "\n".join(map(program_text, self.adjoints(self.differentiable)))
        except Unfit as unfit:
            return f"{steps}\nno native kernel for {unfit}\n"


def lower(graph: LayerGraph) -> Kernels:
    """The native form of a graph's steps.

    Raises:
        Unfit: a layer of a step has none; the message names it.
    """
    arguments: list[Argument] = []
    steps = _steps(graph, arguments)
    programs = tuple(schedule(name, normalized(step)) for name, step in steps.items())
    return Kernels(graph, programs, tuple(arguments))


def _steps(graph: LayerGraph, arguments: list[Argument]) -> dict[str, Step]:
    """What the loop runs, by name."""
    names = {b.name for b in graph.blocks}
    if "step" not in names:
        raise Unfit("nothing is marched")
    linked = list(arguments)
    chained = chain(graph, linked)
    if chained is None:
        return {name: lower_step(graph, name, arguments) for name in ("step", "first_step") if name in names}
    arguments[:] = linked
    return chained


def describe(graph: LayerGraph) -> str:
    """The loops of a graph's step and of its adjoint, or why it has none."""
    try:
        return lower(graph).text()
    except Unfit as unfit:
        return f"no native kernels: {unfit}\n"


def summary(graph: LayerGraph) -> str:
    """One line: how many sweeps a step is, or what leaves it to torch."""
    try:
        program = lower(graph).programs[0]
    except Unfit as unfit:
        return f"no native kernels: {unfit}; torch marches"
    sweeps = sum(len(phase.sweeps) for phase in program.phases)
    temporaries = sum(b.role == "temporary" for b in program.buffers)
    between = f", {temporaries} array{'s' * (temporaries != 1)} in between" if temporaries else ""
    over = f"{SAMPLES} samples side by side" if are_side_by_side(graph) else "the grid"
    return f"a step is {sweeps} sweep{'s' * (sweeps != 1)} over {over}{between}"
