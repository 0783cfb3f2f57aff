"""The methods around the step: inputs, coefficients, the march, outputs, pack and unpack."""

from __future__ import annotations

from dataclasses import replace

from npde.emit.blocks import inputs_of, write_body
from npde.emit.constants import Constants, called
from npde.emit.nodes import NodeEmitter
from npde.emit.text import Writer
from npde.graph.graph import Block, LayerGraph
from npde.graph.layers import Join
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


class MarchWriter:
    """Writes what every emitted module has besides its blocks."""

    def __init__(self, w: Writer, graph: LayerGraph, constants: Constants, helpers: set[str]):
        self.w, self.graph, self.constants, self.helpers = w, graph, constants, helpers
        self.problem = graph.scheme.system.problem
        self.inputs = tuple(replace(i, name=argument(i.name)) for i in self.problem.inputs)
        self.sequences = [i for i in self.inputs if self.problem.marching in i.coordinates]
        self.statics = [i for i in self.inputs if self.problem.marching not in i.coordinates]
        self.coefficients = optional_block(graph, "coefficients")
        self.stepwise = constants.stepwise
        self.starts_apart = has(graph, "first_step")

    @property
    def p_type(self) -> str:
        """The type of what belongs to a step."""
        return "AtStep" if self.stepwise else "None"

    @property
    def c_type(self) -> str:
        """The type of the coefficients."""
        return "Coefficients" if self.coefficients else "None"

    # --- before the march ---------------------------------------------------------------------------------------------

    def write_initial(self) -> None:
        """`initial_state`."""
        w = self.w
        block = self.graph.block("initial")
        used = inputs_of(block)
        arguments = [f"{i.name}: Tensor | None = None" for i in self.inputs]
        w.definition("initial_state", ["self", "batch: int = 1", *arguments], "Tensor")
        with w.indented():
            w.line('"""The state at the start, [B, C, *grid]."""')
            if used:
                names = ", ".join(f"{i.name}={i.name}" for i in self.inputs if i.name in used)
                w.line(f"{'batch = ' if self._spreads(block) else ''}self._check({names})")
                for item in self.statics:
                    if item.name in used:
                        w.assign(item.name, arranged(self.graph, item))
            elif self.inputs:
                given = ", ".join(i.name for i in self.inputs)
                w.line(f"given = [v for v in ({given},) if v is not None]")
                w.line("batch = given[0].shape[0] if given else batch")
            write_body(w, self.graph, block, self.constants, self.helpers, "batch", "return")
        w.line()

    @staticmethod
    def _spreads(block: Block) -> bool:
        """Whether initial data have to be expanded over the batch."""
        joins = [n for n in block.nodes if isinstance(n.layer, Join)]
        parts = [(block.node(i).shape, n.shape) for n in joins for i in n.inputs]
        return any(not part.batch or part.extents != whole.extents for part, whole in parts)

    def write_coefficients(self) -> None:
        """`coefficients`."""
        if self.coefficients is None:
            return
        w = self.w
        arguments = "".join(f", {n}: Tensor" for n in inputs_of(self.coefficients))
        w.line(f"def coefficients(self{arguments}) -> Coefficients:")
        with w.indented():
            w.line('"""What does not change during a march, computed once a call."""')
            emitter = NodeEmitter(self.graph, self.coefficients, self.constants, w, {}, "1", self.helpers)
            derived = [n for n in self.coefficients.nodes if called(n.layer) is not None]
            for node in self.coefficients.nodes:
                if node not in derived:
                    emitter.emit(node)
            values = ", ".join("None" if o not in emitter.names else emitter.names[o] for o in self.coefficients.outputs)
            if not derived:
                w.line(f"return Coefficients({values})")
            else:
                w.line(f"c = Coefficients({values})")
                for node in derived:
                    w.assign("c", f"c._replace({node.name}={emitter.expression(node, [])})")
                w.line("return c")
        w.line()

    def write_check(self) -> None:
        """`_check`: shapes of inputs and states."""
        w = self.w
        if self.inputs:
            w.block(CHECK_INPUTS)
            w.line()
        w.block(CHECK_STATE)
        w.line()

    # --- the march ----------------------------------------------------------------------------------------------------

    @property
    def signature(self) -> list[str]:
        """Inputs in order, then the state."""
        given = [f"{i.name}: Tensor" for i in self.inputs]
        how = ["steps: int | None = None", "every: int | None = None", "start: int = 0"]
        return ["self", *given, "state: Tensor | None = None", "*", *how]

    @property
    def passed(self) -> str:
        return "".join(f"{i.name}, " for i in self.inputs)

    def write_march(self) -> None:
        """`_prepare`, `_march`, `march`, `forward`, `step` values."""
        self._write_prepare()
        self._write_loop()
        w = self.w
        w.definition("march", self.signature, "Tensor")
        with w.indented():
            w.block(MARCH_DOC)
            w.line(f"state, p, c, steps = self._prepare({self.passed}state, steps, start)")
            w.line("state, frames, _ = self._march(state, p, c, steps, every)")
            w.line("return state if frames is None else frames")
        w.line()
        self._write_forward()

    def _write_prepare(self) -> None:
        w = self.w
        given = [f"{i.name}: Tensor" for i in self.inputs]
        arguments = ["self", *given, "state: Tensor | None", "steps: int | None", "start: int"]
        w.definition("_prepare", arguments, f"tuple[Tensor, {self.p_type}, {self.c_type}, int]")
        with w.indented():
            w.line('"""The starting state, what each step needs (with a leading axis of steps), the coefficients, the steps."""')
            names = ", ".join(f"{i.name}={i.name}" for i in self.inputs)
            batch = "1"
            if self.inputs:
                w.line(f"batch = self._check({names})")
                batch = "batch"
            keywords = "".join(f", {i.name}={i.name}" for i in self.inputs)
            w.line("if state is None:")
            with w.indented():
                w.line(f"state = self.initial_state({batch}{keywords})")
            w.line("self._check_state(state)")
            if self.sequences:
                w.line(f"steps = {self.sequences[0].name}.shape[1] if steps is None else steps")
                for item in self.sequences:
                    w.line(f"if steps > {item.name}.shape[1]:")
                    with w.indented():
                        w.line(f"raise ValueError(f\"input '{item.name}' has {{{item.name}.shape[1]}} values for {{steps}} steps\")")
                    w.line(f"{item.name} = {item.name}[:, :steps]")
            else:
                w.line("steps = self.STEPS - start if steps is None else steps")
            if any(kind == "weight" for kind, _ in self.stepwise):
                w.line("if start + steps > self.STEPS:")
                with w.indented():
                    w.line('raise ValueError(f"there are learned values for {self.STEPS} steps, not for {start + steps}")')
            for item in self.inputs:
                w.assign(item.name, arranged(self.graph, item))
            self._write_sequence()
            c = "None"
            if self.coefficients is not None:
                c = f"self.coefficients({', '.join(inputs_of(self.coefficients))})"
            w.line(f"return state, {'p' if self.stepwise else 'None'}, {c}, steps")
        w.line()

    def _write_sequence(self) -> None:
        if not self.stepwise:
            return
        parts = []
        for kind, name in self.stepwise:
            match kind:
                case "time":
                    parts.append("t=START + DT * torch.arange(start, start + steps).to(self.unit)")
                case "weight":
                    parts.append(f"{name}={self._sliced(name)}")
                case _:
                    parts.append(f"{name}={name}")
        w = self.w
        w.line("p = AtStep(")
        with w.indented():
            for part in parts:
                w.line(f"{part},")
        w.line(")")

    def _sliced(self, name: str) -> str:
        parameter = self.constants.parameters[name]
        attribute = parameter.parameter if parameter.kind == "kernel" else parameter.attribute
        shape = self.constants.broadcast_shape(parameter)
        tail = "" if shape is None else f".reshape({', '.join(map(str, ('steps', *shape)))})"
        return f"self.{attribute}[start : start + steps]{tail}"

    def _write_loop(self) -> None:
        w = self.w
        self._write_advance()
        arguments = [
            "self", "state: Tensor", f"sequence: {self.p_type}", f"c: {self.c_type}", "steps: int", "every: int | None",
            "read: Read | None = None",
        ]  # fmt: skip
        returns = "tuple[Tensor, Tensor | None, tuple[Tensor, ...]]"
        row = "AtStep(*(v[n] for v in sequence))" if self.stepwise else "None"
        w.definition("_march", arguments, returns)
        with w.indented():
            w.block(LOOP_DOC)
            w.line("if torch.compiler.is_compiling() and steps > UNROLLED:")
            with w.indented():
                w.line("return self._scan(state, sequence, c, steps, every, read)")
            w.line("carry, frames, readings = self._begin(state), [state], []")
            w.line("for n in range(steps):")
            with w.indented():
                w.line(f"p = {row}")
                w.line("carry = self._advance(carry, p, c, n)")
                w.line("if every is not None and (n + 1) % every == 0:")
                with w.indented():
                    w.line("frames.append(carry[0])")
                w.line("if read is not None:")
                with w.indented():
                    w.line("readings.append(read(carry[0], p, c))")
            w.line("frames = torch.stack(frames, dim=1) if every is not None else None")
            w.line("return carry[0], frames, tuple(torch.stack(r, dim=1) for r in zip(*readings, strict=True))")
        w.line()
        w.definition("_scan", arguments, returns)
        with w.indented():
            w.line('"""`_march` for torch.compile and torch.export: one step is traced, whatever their number."""')
            w.line("from torch._higher_order_ops.scan import scan")
            w.line()
            w.line("keeps = every is not None")
            w.line()
            first = 1 if self.starts_apart else 0
            tensors = "tuple[Tensor, ...]"
            w.definition("body", [f"carry: {tensors}", f"row: {tensors}"], f"tuple[{tensors}, {tensors}]")
            with w.indented():
                w.line(f"p = {'AtStep(*row)' if self.stepwise else 'None'}")
                w.line(f"carry = self._advance(carry, p, c, {first})")
                w.line("kept = (carry[0].clone(),) if keeps else ()")
                w.line("return carry, kept + (tuple(r.clone() for r in read(carry[0], p, c)) if read is not None else ())")
            w.line()
            rows = "tuple(sequence)" if self.stepwise else "(torch.arange(steps, device=state.device),)"
            w.line(f"rows, carry = {rows}, self._begin(state)")
            if self.starts_apart:
                w.line("p = " + ("AtStep(*(v[0] for v in sequence))" if self.stepwise else "None"))
                w.line("carry = self._advance(carry, p, c, 0)")
                w.line("head = ((carry[0],) if keeps else ()) + (read(carry[0], p, c) if read is not None else ())")
                w.line("carry, outs = scan(body, carry, tuple(v[1:] for v in rows))")
                w.line("outs = tuple(torch.cat((h[None], v)) for h, v in zip(head, outs, strict=True))")
            else:
                w.line("carry, outs = scan(body, carry, rows)")
            w.line("outs = tuple(v.movedim(0, 1) for v in outs)")
            w.line("if not keeps:")
            with w.indented():
                w.line("return carry[0], None, outs")
            w.line("return carry[0], torch.cat((state[:, None], outs[0][:, every - 1 :: every]), dim=1), outs[1:]")
        w.line()

    def _write_advance(self) -> None:
        """One step of what the loop carries: the state, and for a two-step scheme the rate before it."""
        w = self.w
        needs = self.constants.needs["step"]
        extra = "".join(f", {x}" for x, wanted in (("p", needs.step), ("c", needs.coefficients)) if wanted)
        w.line("def _begin(self, state: Tensor) -> tuple[Tensor, ...]:")
        with w.indented():
            w.line('"""What the loop carries at the start."""')
            w.line("return (state, torch.zeros_like(state))" if self.starts_apart else "return (state,)")
        w.line()
        w.line(f"def _advance(self, carry: tuple[Tensor, ...], p: {self.p_type}, c: {self.c_type}, n: int) -> tuple[Tensor, ...]:")
        with w.indented():
            w.line('"""The carry after one step; n counts from the start of the call."""')
            if self.starts_apart:
                w.line(f"return self.first_step(carry[0]{extra}) if n == 0 else self.step(*carry{extra})")
            else:
                w.line(f"return (self.step(carry[0]{extra}),)")
        w.line()

    # --- outputs ------------------------------------------------------------------------------------------------------

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
            axes = ["B", *(["T"] if o.per_step else []), *map(str, o.shape), *(["2"] if len(o.parts) == 2 else []), *o.coordinates]
            parts.append(f"{o.name} [{', '.join(axes)}]")
        return f"Marches and returns {', '.join(parts)}."

    def _write_reader(self, output: SystemOutput) -> None:
        w = self.w
        block = self.graph.block(f"output_{output.name}")
        node = block.node(block.outputs[0])
        needs = self.constants.needs[block.name]
        w.line(f"def _read_{output.name}(self, state: Tensor, p: {self.p_type}, c: {self.c_type}) -> Tensor:")
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

    # --- fields -------------------------------------------------------------------------------------------------------

    def write_pack(self) -> None:
        """`pack` and `unpack`."""
        self.w.block(PACK)
        self.w.line()
        self.w.block(UNPACK)
        self.w.line()


LOOP_DOC = '''
"""Steps. Returns the last state; with `every`, each `every`-th one from the start on; what `read` gives after each
step. The latter two are stacked along axis 1."""
'''

MARCH_DOC = '''
"""Marches `steps` steps (default: all) of DT from step `start`.

Returns the last state [B, C, *grid], or with `every` the states [B, steps // every + 1, C, *grid] from the
start on.
"""
'''

CHECK_INPUTS = '''
def _check(self, **inputs: Tensor | None) -> int:
    """The common batch of the inputs; raises if one is missing or has another shape than the model says."""
    batch = None
    for name, value in inputs.items():
        expected = self.INPUTS[name]
        wanted = f"[B{''.join(', T' if n is None else f', {n}' for n in expected)}]"
        if not isinstance(value, Tensor):
            raise TypeError(f"input '{name}' must be a tensor {wanted}")
        shape = tuple(value.shape[1:])
        if len(shape) != len(expected) or any(n not in (None, m) for n, m in zip(expected, shape, strict=True)):
            raise ValueError(f"input '{name}' must be {wanted}, got {list(value.shape)}")
        if batch is not None and value.shape[0] != batch:
            raise ValueError(f"input '{name}' has a batch of {value.shape[0]}, another input has {batch}")
        if value.dtype != self.unit.dtype:
            raise TypeError(f"input '{name}' must be {self.unit.dtype}, got {value.dtype}")
        batch = value.shape[0]
    return 1 if batch is None else batch
'''

CHECK_STATE = '''
def _check_state(self, state: Tensor) -> None:
    """Raises if a state is not [B, C, *grid] of the module's type."""
    channels = sum(n for _, n, _ in self.FIELDS.values())
    if tuple(state.shape[1:]) != (channels, *self.GRID):
        fields = ", ".join(self.FIELDS)
        raise ValueError(f"the state ({fields}) must be {['B', channels, *self.GRID]}, got {list(state.shape)}")
    if state.dtype != self.unit.dtype:
        raise TypeError(f"the state must be {self.unit.dtype}, got {state.dtype}")
'''

PACK = '''
def pack(self, **fields: Tensor) -> Tensor:
    """A state [B, C, *grid] from named fields [B, *grid], or [B, n, *grid] with components."""
    parts = []
    for name, (_, channels, is_complex) in self.FIELDS.items():
        if name not in fields:
            raise ValueError(f"field '{name}' is missing")
        value = fields[name]
        if value.dim() == 1 + len(self.GRID):
            value = value.unsqueeze(1)
        value = torch.cat((value.real, value.imag), dim=1) if is_complex else value
        if tuple(value.shape[1:]) != (channels, *self.GRID):
            raise ValueError(f"field '{name}' must be {['B', *self.GRID]}, got {list(fields[name].shape)}")
        parts.append(value.to(self.unit))
    return torch.cat(parts, dim=1)
'''

UNPACK = '''
def unpack(self, state: Tensor) -> dict[str, Tensor]:
    """The fields of states [..., C, *grid] by name, complex where they are; scalar ones without a channel axis."""
    fields = {}
    dim = -1 - len(self.GRID)
    for name, (first, channels, is_complex) in self.FIELDS.items():
        value = state.narrow(dim, first, channels)
        if is_complex:
            value = torch.complex(*value.split(channels // 2, dim))
        fields[name] = value.squeeze(dim) if name not in self.VECTORS else value
    return fields
'''
