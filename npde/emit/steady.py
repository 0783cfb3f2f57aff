"""The methods of a steady problem: the solve, and what `forward` makes of it."""

from __future__ import annotations

from npde.emit.ends import EndsWriter
from npde.emit.outputs import arranged
from npde.graph.graph import inputs_of


class SteadyWriter(EndsWriter):
    """Writes `_prepare`, `solve` and `forward`; the block `solution` is what they run."""

    def write_solve(self) -> None:
        """The methods around the block `solution`."""
        w = self.w
        self._write_prepare()
        w.definition("solve", self.solve_signature, "Tensor")
        with w.indented():
            w.line('"""The solution [B, C, *grid]; `state` is a guess to start from (default: `initial_state`)."""')
            w.line(f"state, c = self._prepare({self.passed}state)")
            w.line(f"return {self._solution}")
        w.line()
        self._write_forward_of_solution()

    @property
    def solve_signature(self) -> list[str]:
        """Inputs in order, then the guess."""
        return ["self", *(f"{i.name}: Tensor" for i in self.inputs), "state: Tensor | None = None"]

    @property
    def _solution(self) -> str:
        return f"self.solution(state{', c' if self.constants.needs['solution'].coefficients else ''})"

    def _write_prepare(self) -> None:
        w = self.w
        given = [f"{i.name}: Tensor" for i in self.inputs]
        w.definition("_prepare", ["self", *given, "state: Tensor | None"], f"tuple[Tensor, {self.c_type}]")
        with w.indented():
            w.line('"""The guess and the coefficients."""')
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
            for item in self.inputs:
                w.assign(item.name, arranged(self.graph, item))
            c = "None"
            if self.coefficients is not None:
                c = f"self.coefficients({', '.join(inputs_of(self.coefficients))})"
            w.line(f"return state, {c}")
        w.line()

    def _write_forward_of_solution(self) -> None:
        w = self.w
        outputs = self.graph.scheme.system.outputs
        w.definition("forward", self.solve_signature, "Tensor" if len(outputs) < 2 else "dict[str, Tensor]")
        with w.indented():
            if not outputs:
                w.line('"""Solves; see `solve`."""')
                w.line(f"return self.solve({self.passed}state)")
                w.line()
                return
            w.line(f'"""{self._output_doc(outputs)}"""')
            w.line(f"state, c = self._prepare({self.passed}state)")
            w.line(f"state = {self._solution}")
            values = {o.name: f"self._read_{o.name}(state, c)" for o in outputs}
            if len(outputs) == 1:
                w.line(f"return {values[outputs[0].name]}")
            else:
                w.line("return {")
                with w.indented():
                    for name, value in values.items():
                        w.line(f'"{name}": {value},')
                w.line("}")
        w.line()
        for output in outputs:
            self._write_reader(output)
