"""Inputs and outputs of an emitted module: their shapes, and the methods that read outputs from states."""

from __future__ import annotations

from dataclasses import replace

from npde.emit.constants import Constants
from npde.emit.text import Writer
from npde.graph.graph import Block, LayerGraph
from npde.graph.names import argument
from npde.model.problem import Input
from npde.symbolic.system import SystemOutput


def has(graph: LayerGraph, name: str) -> bool:
    return any(b.name == name for b in graph.blocks)


def optional_block(graph: LayerGraph, name: str) -> Block | None:
    return graph.block(name) if has(graph, name) else None


def input_shape(graph: LayerGraph, item: Input) -> tuple[int | None, ...]:
    """The shape of an input without the batch: `([T], [n], *grid)`, None for T."""
    cells = {a.name: a.cells for a in graph.scheme.grid.axes}
    marching = graph.scheme.system.problem.marching
    steps: tuple[None, ...] = (None,) if marching in item.coordinates else ()
    return (*steps, *item.shape, *(cells[a.name] for a in graph.scheme.grid.axes if a.name in item.coordinates))


def arranged(graph: LayerGraph, item: Input) -> str:
    """An input viewed so that it broadcasts: `[B, C, *grid]`, or `[T, B, C, *grid]` if it has a value a step."""
    grid = [a.cells if a.name in item.coordinates else 1 for a in graph.scheme.grid.axes]
    rest = ", ".join(map(str, (item.shape[0] if item.shape else 1, *grid)))
    name = item.name
    if graph.scheme.system.problem.marching in item.coordinates:
        return f"{name}.movedim(1, 0).reshape({name}.shape[1], {name}.shape[0], {rest})"
    return f"{name}.reshape({name}.shape[0], {rest})"


class OutputWriter:
    """What the writers of an emitted module share, and `forward`."""

    def __init__(self, w: Writer, graph: LayerGraph, constants: Constants, helpers: set[str]):
        self.w, self.graph, self.constants, self.helpers = w, graph, constants, helpers
        self.problem = graph.scheme.system.problem
        self.inputs = tuple(replace(i, name=argument(i.name)) for i in self.problem.inputs)
        self.sequences = [i for i in self.inputs if self.problem.marching in i.coordinates]
        self.statics = [i for i in self.inputs if self.problem.marching not in i.coordinates]
        self.coefficients = optional_block(graph, "coefficients")
        self.stepwise = constants.stepwise
        first = optional_block(graph, "first_step")
        self.history = len(first.outputs) - 1 if first is not None else 0
        """Arrays that the loop of a multistep scheme carries besides the state."""
        self.starts = len([i for i in first.inputs if i != "t"]) if first is not None else 0
        """Steps that are taken by `first_step`: one for each array that it reads."""

    @property
    def p_type(self) -> str:
        """The type of what belongs to a step."""
        return "AtStep" if self.stepwise else "None"

    @property
    def c_type(self) -> str:
        """The type of the coefficients."""
        return "Coefficients" if self.coefficients else "None"

    def _write_forward(self) -> None:
        w = self.w
        outputs = self.graph.scheme.system.outputs
        returns = "Tensor" if len(outputs) < 2 else "dict[str, Tensor]"
        w.definition("forward", self.signature, returns)
        with w.indented():
            if not outputs:
                w.line('"""Marches; see `march`."""')
                w.line(f"return self.march({self.passed}state, steps=steps, every=every, start=start)")
                w.line()
                return
            self._forward_with_outputs(outputs)
        w.line()
        for output in outputs:
            self._write_reader(output)

    def _forward_with_outputs(self, outputs: tuple[SystemOutput, ...]) -> None:
        w = self.w
        w.line(f'"""{self._output_doc(outputs)}"""')
        per_step = [o for o in outputs if o.per_step]
        final = [o for o in outputs if not o.per_step]
        w.line(f"state, p, c, steps = self._prepare({self.passed}state, steps, start)")
        if per_step:
            reads = ", ".join(f"self._read_{o.name}(state, p, c)" for o in per_step)
            w.line(f"read = lambda state, p, c: ({reads},)")
            w.line("state, _, readings = self._march(state, p, c, steps, None, read)")
        else:
            w.line("state, _, _ = self._march(state, p, c, steps, None)")
        values = {}
        for k, o in enumerate(per_step):
            values[o.name] = f"readings[{k}]"
        if final:
            if self.stepwise and any(self._output_needs_step(o) for o in final):
                w.line("p = AtStep(*(v[steps - 1] for v in p))")
            for o in final:
                values[o.name] = f"self._read_{o.name}(state, p, c)"
        if len(outputs) == 1:
            w.line(f"return {values[outputs[0].name]}")
            return
        w.line("return {")
        with w.indented():
            for o in outputs:
                w.line(f'"{o.name}": {values[o.name]},')
        w.line("}")

    def _output_needs_step(self, output: SystemOutput) -> bool:
        block = self.graph.block(f"output_{output.name}")
        return self.constants.needs[block.name].step or "t" in block.inputs

    def _output_doc(self, outputs: tuple[SystemOutput, ...]) -> str:
        parts = []
        for o in outputs:
            axes = [
                "B",
                *(["T"] if o.per_step else []),
                *map(str, o.shape),
                *(["2"] if len(o.parts) == 2 else []),
                *o.coordinates,
            ]
            parts.append(f"{o.name} [{', '.join(axes)}]")
        return f"{'Marches' if self.problem.marching else 'Solves'} and returns {', '.join(parts)}."

    def _write_reader(self, output: SystemOutput) -> None:
        w = self.w
        block = self.graph.block(f"output_{output.name}")
        node = block.node(block.outputs[0])
        needs = self.constants.needs[block.name]
        step = f"p: {self.p_type}, " if self.problem.marching else ""
        w.line(f"def _read_{output.name}(self, state: Tensor, {step}c: {self.c_type}) -> Tensor:")
        with w.indented():
            w.line(f'"""\'{output.name}\' of a state, without the axes it does not have."""')
            arguments = ["state"] if "state" in block.inputs else []
            if "t" in block.inputs:
                arguments.append("p.t + DT")
            arguments += [x for x, wanted in (("p", needs.step), ("c", needs.coefficients)) if wanted]
            w.line(f"value = self.output_{output.name}({', '.join(arguments)})")
            axes = self.graph.scheme.grid.axes
            kept = [a.name in output.coordinates for a in axes]
            full = [a.cells if k else 1 for a, k in zip(axes, kept, strict=True)]
            if not node.shape.batch or list(node.shape.extents) != full:
                w.line(f"value = value.expand(state.shape[0], {', '.join(map(str, (node.shape.channels, *full)))})")
            channel = ":" if output.shape or len(output.parts) == 2 else "0"
            index = [channel, *(":" if k else "0" for k in kept)]
            while index and index[-1] == ":":
                index.pop()
            w.line(f"return value[:, {', '.join(index)}]" if index else "return value")
        w.line()

    @property
    def signature(self) -> list[str]:
        """Inputs in order, then the state."""
        given = [f"{i.name}: Tensor" for i in self.inputs]
        how = ["steps: int | None = None", "every: int | None = None", "start: int = 0"]
        return ["self", *given, "state: Tensor | None = None", "*", *how]

    @property
    def passed(self) -> str:
        return "".join(f"{i.name}, " for i in self.inputs)
