"""Names and learned arrays of a graph: what each symbol of the system is called on the module, and how it is stored."""

from __future__ import annotations

import keyword
from dataclasses import dataclass, field
from fractions import Fraction
from math import prod
from typing import TYPE_CHECKING

import sympy as sp

from npde.diagnostics import InternalError
from npde.discretize.scheme import Scheme
from npde.graph.graph import Parameter, Region, Shape, SubModule
from npde.graph.layers import KernelMatrix, Weight
from npde.model.problem import Exact, LearnedClosure, LearnedCoefficient, LearnedStencil
from npde.symbolic import operators as op
from npde.symbolic.system import CoordinateMeaning, Meaning

if TYPE_CHECKING:
    from npde.graph.arrays import ArrayLowering

MODULE_NAMES = frozenset(
    """T_destination add_module apply bfloat16 buffers call_super_init children compile cpu cuda double dump_patches eval
    extra_repr float forward get_buffer get_extra_state get_parameter get_submodule half ipu load_state_dict modules mtia
    named_buffers named_children named_modules named_parameters parameters register_backward_hook register_buffer
    register_forward_hook register_forward_pre_hook register_full_backward_hook register_full_backward_pre_hook
    register_load_state_dict_post_hook register_load_state_dict_pre_hook register_module register_parameter
    register_state_dict_post_hook register_state_dict_pre_hook requires_grad_ set_extra_state set_submodule share_memory
    state_dict to to_empty train training type xpu zero_grad""".split()
)
"""What `torch.nn.Module` owns (a test compares this with torch)."""

EMITTED_NAMES = frozenset(
    """rhs step march initial_state initial output outputs pack unpack cell coefficients at kick drift linear_part pointwise
    flow affine explicit implicit first_step source graph inputs as_rnn save_pretrained unit FIELDS INPUTS STEPS DT START""".split()
)
"""What emitted and live modules own."""


FILE_NAMES = frozenset("torch nn math functional Tensor Callable NamedTuple Coefficients AtStep".split())
"""What emitted files bind themselves."""

LOCAL_NAMES = frozenset("self p c batch given frames readings read value values n v".split())
"""What emitted methods with inputs call their own variables."""


def attribute(name: str) -> str:
    """A user's name as an attribute of the module: a trailing underscore where Python, torch or the module owns it."""
    owned = MODULE_NAMES | EMITTED_NAMES | FILE_NAMES
    return name + "_" if keyword.iskeyword(name) or keyword.issoftkeyword(name) or name in owned else name


def argument(name: str) -> str:
    """The name of a run-time input as an argument: a trailing underscore where Python or an emitted method owns it."""
    return name + "_" if keyword.iskeyword(name) or name in LOCAL_NAMES | FILE_NAMES else name


def exact(value: Exact) -> sp.Expr:
    """A constant as SymPy has it."""
    return sp.Rational(value.numerator, value.denominator) if isinstance(value, Fraction) else sp.Float(value, 17)


def operator_text(expr: sp.Expr) -> str:
    """An operator in the notation of the language, for names and comments."""
    match expr:
        case op.Diff():
            operand, x, n = expr.args
            letters = str(x) * int(n)
            return (
                f"d{letters}({operator_text(operand)})"
                if n <= 3 and len(str(x)) == 1
                else f"d({operator_text(operand)}, {x}, {n})"
            )
        case op.Lap():
            return f"lap({operator_text(expr.args[0])})"
        case op.FaceDiff():
            return f"d{expr.args[1]}_flux"
        case op.Biased():
            operand, x, lower, upper = expr.args
            text = f"d{x}({operator_text(operand)})"
            return text if lower == upper else f"{text} from {'below' if lower > upper else 'above'}"
        case op.FluxDissipation():
            return f"upwind part of d{expr.args[2]}"
        case sp.Symbol():
            return expr.name
        case _:
            text = str(expr).replace("**", "^")
            return text if len(text) <= 24 else "expression"


@dataclass
class Names:
    """Collects, while blocks are lowered, the learned arrays and sub-networks that they use."""

    scheme: Scheme
    meanings: dict[sp.Symbol, Meaning] = field(init=False)
    frozen: set[str] = field(default_factory=set)
    modules: dict[str, SubModule] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    released: dict[str, Parameter] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.meanings = dict(self.scheme.system.symbols)
        for meaning in self.meanings.values():
            if isinstance(meaning, LearnedClosure):
                width = meaning.shape[0] if meaning.shape else 1
                self.modules[meaning.name] = SubModule(
                    attribute(meaning.name), "closure", len(meaning.parameters), meaning.widths, width,
                    meaning.activation, meaning.span,
                )  # fmt: skip

    def symbol(self, coordinate: str) -> sp.Symbol:
        """The symbol of a coordinate."""
        for symbol, meaning in self.meanings.items():
            if meaning == CoordinateMeaning(coordinate):
                return symbol
        return sp.Symbol(coordinate, real=True)

    def weight(self, symbol: sp.Symbol) -> str:
        """The attribute of a learned array."""
        self.used.add(symbol.name)
        return attribute(symbol.name)

    def shaped(self, name: str) -> bool:
        """Whether a learned coefficient has components or grid axes (by its attribute)."""
        grid = {a.name for a in self.scheme.grid.axes}
        for meaning in self.meanings.values():
            if isinstance(meaning, LearnedCoefficient) and attribute(meaning.name) == name:
                return bool(meaning.shape) or any(c in grid for c in meaning.coordinates)
        return True

    def rows(self, matrix: sp.Expr) -> int:
        """Rows of the matrix of a `MatVec`."""
        meaning = self.meanings.get(matrix)
        shape = getattr(meaning, "shape", ())
        if len(shape) != 2:
            raise InternalError(f"{matrix} is not a matrix")
        return int(shape[0])  # type: ignore[misc]

    def lift(self, occurrence: int, in_channels: int, out_channels: int) -> tuple[str, int, int]:
        name = f"lift_{occurrence}"
        self.modules[name] = SubModule(name, "lift", in_channels, (), out_channels, "")
        return name, in_channels, out_channels

    def read_out(self, occurrence: int, features: int, width: int) -> tuple[str, int]:
        name = f"linear_{occurrence}"
        self.modules[name] = SubModule(name, "linear", features, (), width, "")
        return name, width

    def matrix(self, lowering: ArrayLowering, weight: sp.Expr, axes: tuple[int, ...]) -> str:
        """The node of the layer matrix `h W` of a nonlocal kernel."""
        grid = self.scheme.grid.axes
        cells = prod(grid[i].cells for i in axes)
        shape = Shape(False, cells, (cells,) * lowering.dimension)
        region = Region((0,) * lowering.dimension)
        meaning = self.meanings.get(weight) if isinstance(weight, sp.Symbol) else None
        if isinstance(meaning, LearnedCoefficient):
            per_step = self.scheme.system.problem.marching in meaning.coordinates
            return lowering.builder.add(Weight(self.weight(weight), per_step), (), shape, region, weight.name)
        volume = sp.Integer(1)
        for i in axes:
            volume *= exact(grid[i].spacing)
        own = tuple(self.symbol(grid[i].name) for i in axes)
        primed = tuple(op.primed(s) for s in own)
        symbols = tuple(sorted(weight.free_symbols - {*own, *primed}, key=str))
        inputs = tuple(lowering.value(s, region) for s in symbols)
        layer = KernelMatrix(weight, axes, own, primed, symbols, volume)
        return lowering.builder.add(layer, inputs, shape, region, "kernel_matrix")

    def parameters(self) -> tuple[Parameter, ...]:
        """All learned arrays, in order of declaration, released stencils last."""
        out: list[Parameter] = []
        declared = {s.name: m for s, m in self.meanings.items()}
        for learned in self.scheme.system.problem.learned:
            match declared.get(learned.name, learned):
                case LearnedCoefficient() as coefficient:
                    out.append(self._coefficient(coefficient))
                case LearnedStencil() as stencil:
                    out.append(self._stencil(stencil))
                case _:
                    pass
        return (*out, *self.released.values())

    def _coefficient(self, c: LearnedCoefficient) -> Parameter:
        grid = {a.name: (i, a) for i, a in enumerate(self.scheme.grid.axes)}
        marching = self.scheme.system.problem.marching
        steps = self.scheme.steps if marching in c.coordinates else None
        own = [n for n in c.coordinates if n in grid]
        primed = [n.rstrip("'") for n in c.coordinates if n.endswith("'")]
        scale: sp.Expr = sp.Integer(1)
        name = attribute(c.name)
        start = self.start(c)
        if primed:
            for n in primed:
                scale *= exact(grid[n][1].spacing)
            rows, columns = prod(grid[n][1].cells for n in own), prod(grid[n][1].cells for n in primed)
            return Parameter(
                name, f"raw_{c.name}", "kernel", (rows, columns), tuple(grid[n][0] for n in own), steps, None,
                None, None, scale, start, None, columns, False, c.span,
            )  # fmt: skip
        lower, upper = (c.constraint.lower, c.constraint.upper) if c.constraint else (None, None)
        axes = tuple(grid[n][0] for n in own)
        extents = tuple(grid[n][1].cells for n in own)
        fan_in = c.shape[-1] if c.shape else 1
        stored = name if lower is None and upper is None else f"raw_{c.name}"
        return Parameter(
            name, stored, "coefficient", (*c.shape, *extents), axes, steps, None, lower, upper, scale, start, None,
            fan_in, c.name in self.frozen, c.span,
        )  # fmt: skip

    def start(self, c: LearnedCoefficient) -> sp.Expr | None:
        """The start value in the system's symbols."""
        return dict(self.scheme.system.starts).get(c.name)

    def _stencil(self, k: LearnedStencil) -> Parameter:
        steps = self.scheme.steps if k.per_step else None
        shape = (*(k.channels or (1, 1)), *k.extents)
        taps, scale = None, sp.Integer(1)
        if k.start is not None:
            from npde.graph.released import start_taps

            taps, scale = start_taps(self.scheme, k)
        stored = attribute(k.name) if scale == 1 else f"raw_{k.name}"
        fan_in = shape[1] * prod(k.extents)
        return Parameter(
            attribute(k.name),
            stored,
            "stencil",
            shape,
            (),
            steps,
            None,
            None,
            None,
            scale,
            None,
            taps,
            fan_in,
            False,
            k.span,
        )
