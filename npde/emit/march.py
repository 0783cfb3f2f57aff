"""The methods around the step: inputs, coefficients, the march, outputs, pack and unpack."""

from __future__ import annotations

from npde.emit.blocks import inputs_of, write_body
from npde.emit.constants import called
from npde.emit.fixed import CHECK_INPUTS, CHECK_STATE, LOOP_DOC, MARCH_DOC, PACK, UNPACK
from npde.emit.nodes import NodeEmitter
from npde.emit.outputs import OutputWriter, arranged
from npde.graph.graph import Block
from npde.graph.layers import Join


class MarchWriter(OutputWriter):
    """Writes what every emitted module has besides its blocks."""

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
            if w.lines[-1].endswith(")") and ".expand(batch" in w.lines[-1] and "torch.cat(" not in w.lines[-1]:
                w.lines[-1] += ".contiguous()"
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
            values = ", ".join(emitter.names.get(o, "None") for o in self.coefficients.outputs)
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
            w.line(
                '"""The starting state, what each step needs (with a leading axis of steps), the coefficients, the steps."""'
            )
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
                        w.line(
                            f"raise ValueError(f\"input '{item.name}' has {{{item.name}.shape[1]}} values for {{steps}} steps\")"
                        )
                    w.line(f"{item.name} = {item.name}[:, :steps]")
            else:
                w.line("steps = self.STEPS - start if steps is None else steps")
            if any(kind == "weight" for kind, _ in self.stepwise):
                w.line("if start + steps > self.STEPS:")
                with w.indented():
                    w.line(
                        'raise ValueError(f"there are learned values for {self.STEPS} steps, not for {start + steps}")'
                    )
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
            tensors = "tuple[Tensor, ...]"
            w.definition("body", [f"carry: {tensors}", f"row: {tensors}"], f"tuple[{tensors}, {tensors}]")
            with w.indented():
                w.line(f"p = {'AtStep(*row)' if self.stepwise else 'None'}")
                # What autograd keeps must not be what the loop carries: torch's scan takes no aliases.
                w.line(f"after = self._advance(carry, p, c, {self.history})")
                w.line("outs = (after[0].clone(),) if keeps else ()")
                w.line("if read is not None:")
                with w.indented():
                    w.line("outs += tuple(r.clone() for r in read(after[0], p, c))")
                w.line("return tuple(v.clone() for v in after), outs")
            w.line()
            rows = "tuple(sequence)" if self.stepwise else "(torch.arange(steps, device=state.device),)"
            w.line(f"rows, carry = {rows}, self._begin(state)")
            if self.history:
                w.line("heads = []")
                w.line(f"for n in range({self.history}):")
                with w.indented():
                    w.line("p = " + ("AtStep(*(v[n] for v in sequence))" if self.stepwise else "None"))
                    w.line("carry = self._advance(carry, p, c, n)")
                    w.line(
                        "heads.append(((carry[0],) if keeps else ()) + (read(carry[0], p, c) if read is not None else ()))"
                    )
                w.line(f"carry, outs = scan(body, carry, tuple(v[{self.history}:] for v in rows))")
                w.line(
                    "outs = tuple(torch.cat((torch.stack(h), v)) for h, v in zip(zip(*heads, strict=True), outs, strict=True))"
                )
            else:
                w.line("carry, outs = scan(body, carry, rows)")
            w.line("outs = tuple(v.movedim(0, 1) for v in outs)")
            w.line("if not keeps:")
            with w.indented():
                w.line("return carry[0], None, outs")
            w.line("return carry[0], torch.cat((state[:, None], outs[0][:, every - 1 :: every]), dim=1), outs[1:]")
        w.line()

    def _write_advance(self) -> None:
        """One step of what the loop carries: the state, and for a multistep scheme what earlier steps left."""
        w = self.w
        needs = self.constants.needs["step"]
        extra = "".join(f", {x}" for x, wanted in (("p", needs.step), ("c", needs.coefficients)) if wanted)
        w.line("def _begin(self, state: Tensor) -> tuple[Tensor, ...]:")
        with w.indented():
            w.line('"""What the loop carries at the start."""')
            w.line(f"return (state{', torch.zeros_like(state)' * self.history}{',' * (not self.history)})")
        w.line()
        w.line(
            f"def _advance(self, carry: tuple[Tensor, ...], p: {self.p_type}, c: {self.c_type}, n: int) -> tuple[Tensor, ...]:"
        )
        with w.indented():
            w.line('"""The carry after one step; n counts from the start of the call."""')
            if self.history:
                w.line(f"if n < {self.history}:")
                with w.indented():
                    w.line(f"return self.first_step(*carry[:-1]{extra})")
                w.line(f"return self.step(*carry{extra})")
            else:
                w.line(f"return (self.step(carry[0]{extra}),)")
        w.line()

    # --- outputs ------------------------------------------------------------------------------------------------------

    # --- fields -------------------------------------------------------------------------------------------------------

    def write_pack(self) -> None:
        """`pack` and `unpack`."""
        self.w.block(PACK)
        self.w.line()
        self.w.block(UNPACK)
        self.w.line()
