"""The cell of a recurrent realisation: one step from one value of the input sequence."""

from __future__ import annotations

from npde.emit.march import MarchWriter
from npde.emit.text import Writer
from npde.graph.graph import LayerGraph


def write_cell(w: Writer, graph: LayerGraph, methods: MarchWriter) -> None:
    """`cell(input_t, hidden) -> (output_t, hidden)`."""
    sequences, statics = methods.sequences, methods.statics
    given = [f"{i.name}: Tensor" for i in statics]
    arguments = ["self", "input_t: Tensor | None", "hidden: Tensor", *given, "*", "step: int = 0"]
    w.definition("cell", arguments, "tuple[Tensor, Tensor]")
    with w.indented():
        names = ", ".join(f"{i.name}[:, t]" for i in sequences) or "None"
        joined = " (a tuple of them)" if len(sequences) > 1 else ""
        w.line(
            f'"""One step: input_t is {names}{joined}, hidden the state [B, C, *grid]; returns what is read from it, and it."""'
        )
        for k, item in enumerate(sequences):
            source = f"input_t[{k}]" if len(sequences) > 1 else "input_t"
            w.line(f"{item.name} = {source}[:, None]")
        passed = "".join(f"{i.name}, " for i in methods.inputs)
        w.line(f"state, p, c, steps = self._prepare({passed}hidden, 1, step)")
        per_step = [o for o in graph.scheme.system.outputs if o.per_step]
        if not per_step:
            w.line("hidden, _, _ = self._march(state, p, c, steps, None)")
            w.line("return hidden, hidden")
            return
        reads = [f"self._read_{o.name}(state, p, c)" for o in per_step]
        w.line(f"read = lambda state, p, c: ({', '.join(reads)},)")
        w.line("hidden, _, readings = self._march(state, p, c, steps, None, read)")
        if len(per_step) == 1:
            w.line("return readings[0][:, 0], hidden")
        else:
            w.line("return torch.cat([r.flatten(1) for r in readings], dim=1), hidden")
    w.line()
