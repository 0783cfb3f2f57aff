"""The methods around the step: inputs, coefficients, the march, outputs, pack and unpack."""

from __future__ import annotations

from npde.emit.ends import EndsWriter
from npde.emit.fixed import LOOP_DOC, MARCH_DOC
from npde.emit.nodes import NodeEmitter
from npde.emit.outputs import arranged
from npde.graph.graph import inputs_of
from npde.graph.layers import AdaptiveStep, Factorization, SolveLayer, SpectralLayer


class MarchWriter(EndsWriter):
    """Writes the march."""

    def write_march(self) -> None:
        """`_prepare`, `_march`, `march`, `forward`, `step` values."""
        self._write_prepare()
        adaptive = next((n.layer for n in self.graph.block("step").nodes if isinstance(n.layer, AdaptiveStep)), None)
        if adaptive is not None:
            self._write_adaptive(adaptive)
        else:
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
            if self.inputs:
                w.line("if not torch.compiler.is_compiling() and state.shape[0] not in (1, batch):")
                with w.indented():
                    w.line('raise ValueError(f"the state has a batch of {state.shape[0]}, the inputs have {batch}")')
                w.line("state = state.expand(batch, *state.shape[1:])")
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
            w.line("if steps < 0 or start < 0:")
            with w.indented():
                w.line('raise ValueError(f"steps and start must not be negative, got {steps} and {start}")')
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

    def _write_adaptive(self, layer: AdaptiveStep) -> None:
        """`_march` for an adaptive scheme: what it carries from time to time is its last step."""
        w = self.w
        block = self.graph.block("step")
        emitter = NodeEmitter(self.graph, block, self.constants, w, {}, "1", self.helpers)
        self.helpers.add(layer.scheme)
        fresh = any(kind != "time" for kind, _ in self.stepwise)
        row = "AtStep(*(v[n] for v in sequence))" if self.stepwise else "None"
        arguments = [
            "self", "state: Tensor", f"sequence: {self.p_type}", f"c: {self.c_type}", "steps: int", "every: int | None",
            "read: Read | None = None",
        ]  # fmt: skip
        w.definition("_march", arguments, "tuple[Tensor, Tensor | None, tuple[Tensor, ...]]")
        with w.indented():
            w.block(LOOP_DOC)
            w.line("frames, readings, progress = [state], [], None")
            w.line("for n in range(steps):")
            with w.indented():
                w.line(f"p = {row}")
                w.assign("rate", emitter.adaptive_rate(layer, "p.t", "n * DT"))
                limit = "(n + 1) * DT" if fresh else "steps * DT"
                extra = ", fresh=True" if fresh else ""
                call = (
                    f"{layer.scheme}(rate, state, progress, n * DT, (n + 1) * DT, {limit}, {layer.tolerance!r}{extra})"
                )
                w.assign("state, progress", call)
                w.line("if every is not None and (n + 1) % every == 0:")
                with w.indented():
                    w.line("frames.append(state)")
                w.line("if read is not None:")
                with w.indented():
                    w.line("readings.append(read(state, p, c))")
            w.line("frames = torch.stack(frames, dim=1) if every is not None else None")
            w.line("return state, frames, tuple(torch.stack(r, dim=1) for r in zip(*readings, strict=True))")
        w.line()

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
            w.line("if every is not None and every < 1:")
            with w.indented():
                w.line('raise ValueError(f"every must be at least 1, got {every}")')
            if self._scans_without_gradients():
                w.line("# torch's scan has no gradients of such a step: with gradients, all steps unroll")
                w.line("if torch.compiler.is_compiling() and steps > UNROLLED and not torch.is_grad_enabled():")
            else:
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
                w.line(f"after = self._advance(carry, p, c, {self.starts})")
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
                w.line(f"for n in range({self.starts}):")
                with w.indented():
                    w.line("p = " + ("AtStep(*(v[n] for v in sequence))" if self.stepwise else "None"))
                    w.line("carry = self._advance(carry, p, c, n)")
                    w.line(
                        "heads.append(((carry[0],) if keeps else ()) + (read(carry[0], p, c) if read is not None else ()))"
                    )
                w.line(f"carry, outs = scan(body, carry, tuple(v[{self.starts}:] for v in rows))")
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

    def _scans_without_gradients(self) -> bool:
        """Whether torch cannot differentiate its `scan` over steps: complex numbers in them, a block solve beside the time, or a
        matrix that is factored in each step."""
        layers = [n.layer for b in self.graph.blocks for n in b.nodes]
        if any(isinstance(x, SpectralLayer) or (isinstance(x, SolveLayer) and x.solve.method == "fft") for x in layers):
            return True
        step = self.graph.block("step")
        factors = any(isinstance(n.layer, Factorization) for n in step.nodes)
        return ("t" in step.inputs or factors) and any(isinstance(x, SolveLayer) for x in layers)

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
                started = "carry[0]" if self.starts == 1 else f"*carry[:{self.starts}]"
                w.line(f"if n < {self.starts}:")
                with w.indented():
                    w.line(f"return self.first_step({started}{extra})")
                w.line(f"return self.step(*carry{extra})")
            else:
                w.line(f"return (self.step(carry[0]{extra}),)")
        w.line()
