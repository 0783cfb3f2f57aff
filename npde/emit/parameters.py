"""The learned arrays of an emitted module: how each is stored, started, read and assigned."""

from __future__ import annotations

from itertools import pairwise

import sympy as sp

from npde.emit.constants import Constants
from npde.emit.printer import ATOM, PRODUCT, SUM
from npde.emit.text import Writer
from npde.graph.graph import Parameter, SubModule
from npde.graph.names import exact
from npde.symbolic.system import CoordinateMeaning

ACTIVATIONS = {
    "tanh": "nn.Tanh()", "relu": "nn.ReLU()", "sigmoid": "nn.Sigmoid()", "softplus": "nn.Softplus()",
    "gelu": "nn.GELU()", "sin": "Sine()",
}  # fmt: skip

SINE = '''
class Sine(nn.Module):
    """sin(x), entry by entry."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.sin(x)
'''

STARTED = '''
def started(layer: nn.Module, generator: torch.Generator | None) -> nn.Module:
    """Affine layers started at U(-1, 1) / sqrt(fan_in) from `generator`."""
    for part in layer.modules():
        if isinstance(part, (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)):
            bound = 1 / math.sqrt(part.weight[0].numel())
            for parameter in part.parameters():
                nn.init.uniform_(parameter, -bound, bound, generator=generator)
    return layer
'''


def leading(p: Parameter) -> tuple[int, ...]:
    """The step and stage axes."""
    return tuple(n for n in (p.steps, p.stages) if n is not None)


def shape_text(p: Parameter) -> str:
    return repr((*leading(p), *p.shape))


def write_start(w: Writer, p: Parameter, constants: Constants) -> None:
    """The lines of `__init__` that create a learned array."""
    train = "" if not p.frozen else ", requires_grad=False"
    shape = shape_text(p)
    if p.kind == "matrix":
        _write_matrix(w, p, constants)
        return
    if p.taps is not None:
        _write_taps(w, p, constants)
        return
    if p.start is None:
        scale = f" / math.sqrt({p.fan_in})" if p.fan_in != 1 else ""
        random = f"torch.randn({shape}, generator=generator, **factory){scale}"
        w.assign(f"self.{p.parameter}", f"nn.Parameter({random}{train})")
        return
    raw = raw_value(p, p.start)
    names = _coordinate_names(p, constants)
    printer = constants.printer(names)
    text = printer.text(raw, ATOM)
    if printer.is_constant(raw):
        w.assign(f"self.{p.parameter}", f"nn.Parameter(torch.full({shape}, {printer.text(raw)}, **factory){train})")
        return
    w.assign(f"self.{p.parameter}", f"nn.Parameter({text}.expand({shape}).clone(){train})")


def _coordinate_names(p: Parameter, constants: Constants) -> dict[sp.Symbol, str]:
    """The coordinates in a start value: buffers in the axes of the parameter."""
    system = constants.graph.scheme.system
    names: dict[sp.Symbol, str] = {}
    dimension = len(p.axes)
    for symbol, meaning in system.symbols:
        if not isinstance(meaning, CoordinateMeaning):
            continue
        if meaning.name == system.problem.marching:
            tail = f".reshape(-1{', 1' * len(p.shape)})"
            names[symbol] = f"(START + DT * torch.arange({p.steps}, **factory)){tail}"
            continue
        for k, axis in enumerate(p.axes):
            if constants.graph.scheme.grid.axes[axis].name == meaning.name:
                from npde.graph.graph import Region

                buffer = constants.coordinate(axis, Region((0,) * len(constants.graph.scheme.grid.axes)))
                names[symbol] = f"{buffer}.reshape(-1{', 1' * (dimension - 1 - k)})"
    return names


def raw_value(p: Parameter, value: sp.Expr) -> sp.Expr:
    """The stored value of a physical one: the inverse of the constraint, or times the scale of a kernel."""
    if p.lower is not None and p.upper is not None:
        unit = (value - exact(p.lower)) / (exact(p.upper) - exact(p.lower))
        return sp.log(unit / (1 - unit), evaluate=False) if unit != sp.Rational(1, 2) else sp.Integer(0)
    if p.lower is not None:
        return sp.log(value - exact(p.lower), evaluate=False)
    if p.upper is not None:
        return sp.log(exact(p.upper) - value, evaluate=False)
    return value * p.scale


def _write_taps(w: Writer, p: Parameter, constants: Constants) -> None:
    """A kernel started from a differential operator: its taps, made dimensionless."""
    printer = constants.printer({})
    extents = p.shape if p.kind == "released" else p.shape[2:]
    name = f"start_{p.attribute}"
    w.assign(name, f"torch.zeros({extents!r}, **factory)")
    for index, weight in p.taps or ():
        w.assign(
            f"{name}[{', '.join(map(str, index))}]",
            printer.text(sp.nsimplify(weight) if weight.is_Rational else weight),
        )
    value = name
    if p.kind == "stencil":
        out_channels, in_channels = p.shape[:2]
        ones = ", 1" * len(extents)
        value = (
            f"torch.eye({out_channels}, {in_channels}, **factory).reshape({out_channels}, {in_channels}{ones}) * {name}"
        )
    if leading(p):
        value = f"({value}).expand({shape_text(p)}).clone()"
    train = "" if not p.frozen else ", requires_grad=False"
    w.assign(f"self.{p.parameter}", f"nn.Parameter({value}{train})")


def _write_matrix(w: Writer, p: Parameter, constants: Constants) -> None:
    """A released matrix of the mlp realisation: the diagonals of its block, started at their finite-difference values."""
    layer = next(m for m in constants.matrices.values() if m.released == p.attribute)
    block = constants.graph.block(layer.block)
    arguments = ["v"] + (["START * self.unit"] if "t" in block.inputs else [])
    grid = constants.graph.scheme.grid.shape
    w.line("with torch.no_grad():")
    with w.indented():
        apply = f"lambda v: self.{layer.block}({', '.join(arguments)})"
        w.assign(
            "weights, columns, _",
            f"assemble({apply}, {layer.channels}, {grid!r}, {constants.pattern(layer)}, {layer.periodic!r}, self.unit)",
        )
    value = f"weights.expand({shape_text(p)}).clone()" if leading(p) else "weights"
    w.line(f"self.{p.parameter} = nn.Parameter({value})")
    w.line(f'self.register_buffer("columns_{layer.block}", columns, persistent=False)')


def write_module(w: Writer, m: SubModule, constants: Constants) -> None:
    """The lines of `__init__` that create a learned sub-network."""
    factory = ", **factory"
    match m.kind:
        case "lift":
            d = len(constants.graph.scheme.grid.axes)
            w.assign(
                f"self.{m.name}", f"started(nn.Conv{d}d({m.in_features}, {m.out_features}, 1{factory}), generator)"
            )
        case "linear":
            w.assign(f"self.{m.name}", f"started(nn.Linear({m.in_features}, {m.out_features}{factory}), generator)")
        case "closure":
            sizes = (m.in_features, *m.widths, m.out_features)
            w.line(f"self.{m.name} = nn.Sequential(")
            with w.indented():
                for k, (a, b) in enumerate(pairwise(sizes)):
                    w.line(f"nn.Linear({a}, {b}{factory}),")
                    if k < len(m.widths):
                        w.line(f"{ACTIVATIONS[m.activation]},")
            w.line(")")
            w.line(f"started(self.{m.name}, generator)")
            w.line(f"nn.init.zeros_(self.{m.name}[-1].weight)")
            w.line(f"nn.init.zeros_(self.{m.name}[-1].bias)")


def constraint_text(p: Parameter, constants: Constants) -> str:
    """`D > 0`, `r in [0, 5]`."""
    lower, upper = p.lower, p.upper
    if lower is not None and upper is not None:
        return f"{p.attribute} in [{constants.exact(lower)}, {constants.exact(upper)}]"
    if lower is not None:
        return f"{p.attribute} > {constants.exact(lower)}"
    if upper is not None:
        return f"{p.attribute} < {constants.exact(upper)}"
    if p.kind == "kernel":
        return f"{p.attribute}, the kernel; `{p.parameter}` is the layer matrix, {p.attribute} times the spacing"
    return f"{p.attribute}, the kernel in physical units; `{p.parameter}` is dimensionless"


def write_property(w: Writer, p: Parameter, constants: Constants) -> None:
    """Reads and assigns the physical value of an array that is stored in another form."""
    if p.parameter == p.attribute:
        return
    printer = constants.printer({})
    raw = f"self.{p.parameter}"
    lower, upper = p.lower, p.upper
    symbol = sp.Symbol("value", real=True)
    if lower is not None and upper is not None:
        width = exact(upper) - exact(lower)
        value = f"torch.sigmoid({raw})" if width == 1 else f"{printer.text(width, PRODUCT)} * torch.sigmoid({raw})"
        value = value if lower == 0 else f"{constants.exact(lower)} + {value}"
    elif lower is not None:
        value = f"torch.exp({raw})" if lower == 0 else f"{constants.exact(lower)} + torch.exp({raw})"
    elif upper is not None:
        value = f"{constants.exact(upper)} - torch.exp({raw})"
    else:
        value = f"{raw} / ({printer.text(p.scale, SUM)})"
    inverse = printer.text(raw_value(p, symbol))
    w.line("@property")
    w.line(f"def {p.attribute}(self) -> Tensor:")
    with w.indented():
        w.line(f'"""{constraint_text(p, constants)}."""')
        w.line(f"return {value}")
    w.line()
    w.line(f"@{p.attribute}.setter")
    w.line(f"def {p.attribute}(self, value: Tensor | float) -> None:")
    with w.indented():
        w.line(f"value = torch.as_tensor(value, dtype={raw}.dtype, device={raw}.device)")
        bounds = [t for t in (
            f"value > {constants.exact(lower)}" if lower is not None else "",
            f"value < {constants.exact(upper)}" if upper is not None else "",
        ) if t]  # fmt: skip
        if bounds:
            inside = f"({bounds[0]})" if len(bounds) == 1 else f"({' & '.join(f'({b})' for b in bounds)})"
            w.line(f"if not bool({inside}.all()):")
            with w.indented():
                w.line(f'raise ValueError("{constraint_text(p, constants)} is required")')
        w.line("with torch.no_grad():")
        with w.indented():
            w.line(f"{raw}.copy_({inverse})")
    w.line()
