"""Blocks of the graph as methods."""

from __future__ import annotations

from npde.discretize.scheme import AdamsBashforth, Implicit, ImplicitExplicit
from npde.emit.constants import Constants
from npde.emit.nodes import NodeEmitter
from npde.emit.text import Writer
from npde.graph.graph import Block, LayerGraph

TITLES = {
    "rhs": "The right-hand side F(q): what the equations say of the rate of change.",
    "step": "One step of {scheme}, from t to t + DT.",
    "first_step": "A first step, by {starter}, and what the next step needs of it.",
    "linear_part": "The linear part L q, wall data and sources left out.",
    "implicit": "The stiff linear part, wall data included.",
    "explicit": "Everything but the stiff linear part.",
    "pointwise": "The part without derivatives.",
    "flow": "The exact flow of the part without derivatives over one step.",
    "residual": "The residual F(q): the left side of the equations less the right one.",
    "solution": "The solution of F(q) = 0, by {scheme}, from a guess.",
    "kick": "The rate of the half that is kicked.",
    "drift": "The rate of the half that drifts.",
}


def write_block(w: Writer, graph: LayerGraph, block: Block, constants: Constants, helpers: set[str]) -> None:
    """The method of a block. Blocks that only `forward` runs (`initial`, `coefficients`) are written elsewhere."""
    needs = constants.needs[block.name]
    in_step = block.name in ("step", "first_step")
    arguments = [f"{n}: Tensor" for n in block.inputs if not (n == "t" and in_step)]
    if needs.step:
        arguments.append("p: AtStep")
    if needs.coefficients:
        arguments.append("c: Coefficients")
    if needs.stage:
        arguments.append("stage: int")
    returns = "Tensor" if len(block.outputs) == 1 else f"tuple[{', '.join(['Tensor'] * len(block.outputs))}]"
    w.line(f"def {block.name}(self, {', '.join(arguments)}) -> {returns}:")
    with w.indented():
        w.line(f'"""{title(graph, block)}"""')
        write_body(w, graph, block, constants, helpers, "state.shape[0]", "return")
    w.line()


def title(graph: LayerGraph, block: Block) -> str:
    """The docstring of a block's method."""
    if block.name.startswith("output_"):
        return f"The output '{block.name.removeprefix('output_')}' of a state."
    if block.name.startswith("operator_"):
        return "One operator with its boundary closure, as it is assembled into a matrix."
    text = TITLES.get(block.name, f"{block.name}.")
    return text.format(scheme=graph.scheme.name, starter=_starter(graph))


def _starter(graph: LayerGraph) -> str:
    """What starts a multistep scheme."""
    match graph.scheme.time:
        case AdamsBashforth(starter=starter):
            return starter.name
        case Implicit():
            return "backward_euler"
        case ImplicitExplicit():
            return "imex_euler"
        case _:
            return ""


def write_body(
    w: Writer, graph: LayerGraph, block: Block, constants: Constants, helpers: set[str], batch: str, end: str
) -> None:
    """The statements of a block and, after `end`, its outputs."""
    names: dict[str, str] = {}
    emitter = NodeEmitter(graph, block, constants, w, names, batch, helpers)
    for node in block.nodes:
        emitter.emit(node)
    outputs = [names[o] for o in block.outputs]
    last = block.nodes[-1].name
    indent = "    " * w.level
    if len(outputs) == 1 and outputs[0] == last and w.lines[-1].startswith(f"{indent}{last} = "):
        w.lines[-1] = indent + f"{end} " + w.lines[-1].lstrip().removeprefix(f"{last} = ")
        return
    w.line(f"{end} {', '.join(outputs)}")
