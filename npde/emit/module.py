"""A whole emitted file: docstring, constants, helpers, records, the class."""

from __future__ import annotations

from fractions import Fraction

from npde.discretize.scheme import Steady
from npde.emit.blocks import write_block
from npde.emit.cell import write_cell
from npde.emit.constants import Constants
from npde.emit.helpers import HELPERS, NEEDS
from npde.emit.march import MarchWriter
from npde.emit.outputs import input_shape
from npde.emit.parameters import SINE, STARTED, write_module, write_property, write_start
from npde.emit.steady import SteadyWriter
from npde.emit.text import WIDTH, Writer
from npde.graph.graph import LayerGraph
from npde.graph.names import argument
from npde.model.problem import Exact

IMPORTS = """import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
"""

USES = {
    "import math": "math.",
    "from collections.abc import Callable": "",
    "from typing import NamedTuple": "(NamedTuple)",
    "": "",
    "import torch": "",
    "from torch import Tensor, nn": "",
    "from torch.nn import functional": "functional.",
}
"""Each line of the imports and what in the file needs it."""


def source(graph: LayerGraph) -> str:
    """The text of a standalone module that needs torch alone. The same graph gives the same bytes."""
    constants = Constants(graph)
    helpers: set[str] = set()
    body = Writer(level=1)
    steady = isinstance(graph.scheme.time, Steady)
    methods = (SteadyWriter if steady else MarchWriter)(body, graph, constants, helpers)
    for parameter in graph.parameters:
        write_property(body, parameter, constants)
    methods.write_initial()
    methods.write_coefficients()
    for block in graph.blocks:
        if block.name not in ("initial", "coefficients", "forward"):
            write_block(body, graph, block, constants, helpers)
    match methods:
        case SteadyWriter():
            methods.write_solve()
        case MarchWriter():
            methods.write_march()
    if isinstance(methods, MarchWriter) and graph.network == "rnn":
        write_cell(body, graph, methods)
    methods.write_pack()
    methods.write_check()
    start = Writer(level=1)
    _write_init(start, graph, constants)
    if constants.overlaps:
        helpers.add("tile_overlaps")
    if any(p.kind == "matrix" for p in graph.parameters):
        helpers.add("assemble")
    w = Writer()
    _write_head(w, graph, constants)
    _write_helpers(w, graph, helpers)
    _write_records(w, graph, constants)
    if not steady:
        _write_types(w)
    _write_class(w, graph)
    text = w.text() + "\n" + start.text() + "\n" + body.text()
    return text.replace(IMPORTS, "".join(f"{line}\n" for line, use in USES.items() if use in text))


def plain(text: str) -> str:
    """A user's text inside a docstring: one line, nothing that ends or escapes it."""
    lines = [line.split("#")[0].strip() for line in text.splitlines()]
    joined = " ".join(line for line in lines if line)
    return joined.replace("\\", "\\\\").replace('"""', "'''").replace("\x00", "")


def _wrapped(text: str, width: int) -> list[str]:
    lines, line = [], ""
    for word in text.split(" "):
        if line and len(line) + 1 + len(word) > width:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}" if line else word
    return [*lines, line]


def _write_head(w: Writer, graph: LayerGraph, constants: Constants) -> None:
    problem = graph.scheme.system.problem
    doc = plain(problem.doc).rstrip('"')
    w.line(f'"""{doc or graph.class_name + "."}' if not doc.endswith(".") or doc else f'"""{doc}')
    w.line()
    for equation in problem.equations:
        for k, line in enumerate(_wrapped(plain(problem.source.snippet(equation.span)), WIDTH - 8)):
            w.line(("    " if k == 0 else "        ") + line)
    w.line()
    space = ", ".join(f"{a.name}: {a.cells}" for a in graph.scheme.grid.axes) or "no space coordinate"
    order = f", order {graph.scheme.order}" if graph.scheme.grid.axes else ""
    how = f"{graph.scheme.name} in {problem.marching}" if problem.marching else f"solved by {graph.scheme.name}"
    w.line(f"Finite differences ({space}{order}), {how}, as a {graph.network}.")
    w.line("Emitted by npde; needs torch alone.")
    w.line('"""')
    w.line()
    w.line("from __future__ import annotations")
    w.line()
    w.block(IMPORTS)
    w.line()
    for i, axis in enumerate(graph.scheme.grid.axes):
        extent = _difference(axis.upper, axis.lower, constants)
        w.line(f"{constants.spacing(i)} = {extent} / {axis.cells}  # spacing of {axis.cells} cells along {axis.name}")
    if problem.marching:
        w.line(f"START = {float(graph.scheme.start)!r}  # {problem.marching} at step 0")
        w.line("UNROLLED = 8  # steps that torch.compile and torch.export may unroll; longer marches are one scan")
        w.line(f"DT = {_step(graph.scheme.dt, constants)}  # step of {problem.marching}")
    for layer in constants.matrices.values():
        w.assign(constants.pattern(layer), repr(layer.offsets), "cells that a row looks at")
    w.line()


def _difference(upper: Exact, lower: Exact, constants: Constants) -> str:
    value = upper - lower
    text = constants.exact(value)
    return f"({text})" if " / " in text else text


def _step(dt: Exact, constants: Constants) -> str:
    return constants.exact(dt) if isinstance(dt, float) or dt.denominator != 1 else repr(float(dt))


def _write_helpers(w: Writer, graph: LayerGraph, helpers: set[str]) -> None:
    pending = list(helpers)
    while pending:
        needed = set(NEEDS.get(pending.pop(), ())) - helpers
        helpers |= needed
        pending.extend(needed)
    texts = [HELPERS[name] for name in HELPERS if name in helpers]
    if any(m.activation == "sin" for m in graph.modules):
        texts.append(SINE)
    if graph.modules:
        texts.append(STARTED)
    for text in texts:
        w.line()
        w.block(text)
        w.line()


COEFFICIENTS_DOC = {False: "What does not change during a march", True: "What the equation and its solve are made of"}
"""Of a march, of a steady problem."""


def _write_records(w: Writer, graph: LayerGraph, constants: Constants) -> None:
    steady = isinstance(graph.scheme.time, Steady)
    coefficients = [b for b in graph.blocks if b.name == "coefficients"]
    if coefficients:
        w.line()
        w.line("class Coefficients(NamedTuple):")
        w.line(f'    """{COEFFICIENTS_DOC[steady]}."""')
        w.line()
        for name in coefficients[0].outputs:
            kind = type(coefficients[0].node(name).layer).__name__
            w.line(f"    {name}: {'Tensor | tuple[Tensor, ...] | None' if kind in LATE else 'Tensor'}")
        w.line()
    if constants.stepwise:
        w.line()
        w.line("class AtStep(NamedTuple):")
        w.line('    """What belongs to one step; with a leading axis, to all of a march."""')
        w.line()
        for _, name in constants.stepwise:
            w.line(f"    {name}: Tensor")
        w.line()


LATE = ("Factorization", "SteadyFactors", "Propagator", "PhiFunctions", "AffineWeights")
"""Coefficients that need the others to be computed."""


def _write_types(w: Writer) -> None:
    w.line()
    w.line("Read = Callable[..., tuple[Tensor, ...]]")
    w.line('"""Reads outputs from (state, what belongs to the step, coefficients)."""')
    w.line()


def _write_class(w: Writer, graph: LayerGraph) -> None:
    system = graph.scheme.system
    problem = system.problem
    w.line()
    w.line(f"class {graph.class_name}(nn.Module):")
    w.level += 1
    channels = sum(u.channels for u in system.unknowns)
    grid = ", ".join(a.name for a in graph.scheme.grid.axes)
    w.line(f'"""State: [B, {channels}{", " + grid if grid else ""}], channels as in FIELDS."""')
    w.line()
    w.line("# name: (first channel, channels, complex)")
    w.line(f"FIELDS = {_literal(_fields(graph))}")
    vectors = tuple(n for n in _fields(graph) if _is_vector(graph, n))
    w.line(f"VECTORS = {_literal(vectors)}")
    w.line(f"GRID = {graph.scheme.grid.shape!r}")
    w.line("# shape without the batch; None is the number of steps")
    w.line(
        f"INPUTS: dict[str, tuple[int | None, ...]] = {_literal({argument(i.name): input_shape(graph, i) for i in problem.inputs})}"
    )
    if problem.marching:
        w.line(f"STEPS = {graph.scheme.steps}")
        w.line("DT = DT")
        w.line("START = START")
    w.line()
    w.level -= 1


def _fields(graph: LayerGraph) -> dict[str, tuple[int, int, bool]]:
    """First channel, channels and complexity of each field, velocities as `dt(u)`."""
    found: dict[str, tuple[int, int, bool]] = {}
    start = 0
    for u in graph.scheme.system.unknowns:
        name = f"d{graph.scheme.system.problem.marching}({u.field})" if u.is_velocity else u.field
        first, channels, _ = found.get(name, (start, 0, False))
        found[name] = (first, channels + u.channels, u.part != "value")
        start += u.channels
    return found


def _literal(value: object) -> str:
    """A constant with double quotes, as formatters write it; names are identifiers, so nothing needs escaping."""
    return repr(value).replace("'", '"')


def _is_vector(graph: LayerGraph, name: str) -> bool:
    field = name[name.index("(") + 1 : -1] if "(" in name else name
    return any(u.field == field and u.shape for u in graph.scheme.system.unknowns)


def _write_init(w: Writer, graph: LayerGraph, constants: Constants) -> None:
    learned = Writer(level=w.level + 1)
    for parameter in graph.parameters:
        write_start(learned, parameter, constants)
    for module in graph.modules:
        write_module(learned, module, constants)
    w.line("def __init__(")
    w.line("    self,")
    w.line("    *,")
    w.line("    device: torch.device | str | None = None,")
    w.line("    dtype: torch.dtype | None = None,")
    w.line("    generator: torch.Generator | None = None,")
    w.line(") -> None:")
    with w.indented():
        w.line("super().__init__()")
        w.line('factory = {"device": device, "dtype": dtype or torch.get_default_dtype()}')
        w.line('self.register_buffer("unit", torch.ones((), **factory), persistent=False)')
        for label in sorted(constants.buffers):
            _write_buffer(w, graph, constants, label)
        for label, (cells, count) in sorted(constants.overlaps.items()):
            w.line(f'self.register_buffer("{label}", tile_overlaps({cells}, {count}).to(**factory), persistent=False)')
    w.lines.extend(learned.lines)


def _write_buffer(w: Writer, graph: LayerGraph, constants: Constants, label: str) -> None:
    index, region = constants.buffers[label]
    axis = graph.scheme.grid.axes[index]
    halo, face = region.halo[index], region.face == index
    first, last = -halo, axis.cells + halo + (1 if face else 0)
    numbers = f"torch.arange({f'{first}, ' if first else ''}{last}, dtype=torch.float64)"
    shift = Fraction(0 if axis.periodic else 1, 2) - (Fraction(1, 2) if face else 0)
    if shift:
        numbers = f"({numbers} {'+' if shift > 0 else '-'} 0.5)"
    if axis.periodic and (halo or face):
        numbers = f"({numbers} % {axis.cells})"
    positions = f"{constants.spacing(index)} * {numbers}"
    if axis.lower != 0:
        positions = f"{constants.exact(axis.lower)} + {positions}"
    behind = len(graph.scheme.grid.axes) - 1 - index
    tail = f".reshape(-1{', 1' * behind})" if behind else ""
    w.assign(label, positions)
    w.line(f'self.register_buffer("{label}", {label}.to(**factory){tail}, persistent=False)')
