"""What every emitted module has besides its blocks and its march or solve: initial state, coefficients, checks, fields."""

from __future__ import annotations

from npde.discretize.wave_layers import is_of_layers
from npde.emit.blocks import write_body
from npde.emit.constants import called
from npde.emit.fixed import CHECK_INPUTS, CHECK_STATE, PACK, PACK_LAYERS, UNPACK
from npde.emit.nodes import NodeEmitter
from npde.emit.outputs import OutputWriter, arranged
from npde.graph.graph import Block, inputs_of
from npde.graph.layers import Join


class EndsWriter(OutputWriter):
    """Writes the methods that do not depend on how the fields are found."""

    # --- before the march ---------------------------------------------------------------------------------------------

    def write_initial(self) -> None:
        """`initial_state`."""
        w = self.w
        block = self.graph.block("initial")
        used = inputs_of(block)
        arguments = [f"{i.name}: Tensor | None = None" for i in self.inputs]
        w.definition("initial_state", ["self", "batch: int = 1", *arguments], "Tensor")
        with w.indented():
            what = "state at the start" if self.problem.marching else "guess that a solve starts from"
            w.line(f'"""The {what}, [B, C, *grid]."""')
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
        inputs = inputs_of(self.coefficients)
        batch = f"{inputs[0]}.shape[0]" if inputs else "1"
        arguments = "".join(f", {n}: Tensor" for n in inputs)
        w.line(f"def coefficients(self{arguments}) -> Coefficients:")
        with w.indented():
            what = (
                "What does not change during a march" if self.problem.marching else "What does not depend on the fields"
            )
            w.line(f'"""{what}, computed once a call."""')
            emitter = NodeEmitter(self.graph, self.coefficients, self.constants, w, {}, batch, self.helpers)
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

    # --- fields -------------------------------------------------------------------------------------------------------

    def write_pack(self) -> None:
        """`pack` and `unpack`."""
        added = [u.field for u in self.graph.scheme.system.unknowns if is_of_layers(self.graph.scheme.system, u)]
        self.w.block(PACK_LAYERS.replace("LAYERS", repr(tuple(added)).replace("'", '"')) if added else PACK)
        self.w.line()
        self.w.block(UNPACK)
        self.w.line()
