"""What the methods of an emitted module share: constants, buffers, learned values, and which block needs what."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

import sympy as sp

from npde.diagnostics import InternalError
from npde.emit.printer import PRODUCT, Printer, number
from npde.graph.expression_blocks import DT
from npde.graph.graph import Block, LayerGraph, Node, Parameter, Region
from npde.graph.layers import (
    AdaptiveStep,
    AffineWeights,
    Call,
    Coefficient,
    Factorization,
    InputArray,
    IterativeSolve,
    KrylovSolve,
    Layer,
    Loop,
    NewtonLayer,
    PhiFunctions,
    Placeholder,
    Propagator,
    Reduction,
    SolveLayer,
    SteadyFactors,
    SteadySolve,
    Weight,
)
from npde.graph.names import exact
from npde.model.problem import Exact


@dataclass(frozen=True, slots=True)
class Needs:
    """What a block's method takes besides its state: the step's values, the coefficients, the stage."""

    step: bool
    coefficients: bool
    stage: bool


@dataclass
class Constants:
    """Shared names of one emitted file; `buffers` and `overlaps` fill up while methods are written."""

    graph: LayerGraph
    parameters: dict[str, Parameter] = field(init=False)
    needs: dict[str, Needs] = field(init=False)
    matrices: dict[str, AffineWeights] = field(init=False)
    buffers: dict[str, tuple[int, Region]] = field(default_factory=dict)
    overlaps: dict[str, tuple[int, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.parameters = {p.attribute: p for p in self.graph.parameters}
        self.needs = {}
        layers = [n.layer for b in self.graph.blocks for n in b.nodes]
        self.matrices = {x.block: x for x in layers if isinstance(x, AffineWeights)}
        for block in self.graph.blocks:
            self._find_needs(block)

    # --- numbers ------------------------------------------------------------------------------------------------------

    def printer(self, names: dict[sp.Symbol, str]) -> Printer:
        """A printer that knows the step."""
        return Printer({DT: "DT", **names}, frozenset({DT}))

    def spacing(self, axis: int) -> str:
        """The module-level constant of an axis' spacing."""
        name = self.graph.scheme.grid.axes[axis].name.upper()
        return f"D{name}" if f"D{name}" != "DT" else "DT_SPACE"

    def exact(self, value: Exact) -> str:
        """A constant in Python."""
        return number(value) if isinstance(value, Fraction) else repr(value)

    def volume(self, powers: tuple[int, ...]) -> str:
        """Π h_i^p_i, equal spacings under one name."""
        merged: dict[str, int] = {}
        for i, power in enumerate(powers):
            if power:
                name = self._representative(i)
                merged[name] = merged.get(name, 0) + power
        return " * ".join(n if p == 1 else f"{n}**{p}" for n, p in merged.items())

    def _representative(self, axis: int) -> str:
        axes = self.graph.scheme.grid.axes
        first = next(k for k, a in enumerate(axes) if a.spacing == axes[axis].spacing)
        return self.spacing(first)

    def integral_volume(self, layer: Reduction) -> str:
        """Cell volume of an integral, times the cells of axes along which the integrand does not vary."""
        grid = self.graph.scheme.grid.axes
        volume: sp.Expr = sp.Integer(1)
        for i in layer.axes:
            volume *= exact(grid[i].spacing)
        rest = sp.nsimplify(layer.scale / volume) if volume.is_Rational else layer.scale / volume
        names = [self.spacing(i) for i in layer.axes]
        if rest != 1:
            names.insert(0, self.printer({}).text(rest, PRODUCT))
        return " * ".join(names) or "1"

    # --- buffers ------------------------------------------------------------------------------------------------------

    def coordinate(self, axis: int, region: Region) -> str:
        """The buffer of positions along an axis on a region."""
        name = self.graph.scheme.grid.axes[axis].name
        halo, face = region.halo[axis], region.face == axis
        label = name + ("_face" if face else "") + (f"_wide{halo}" if halo else "")
        label = label if label not in self.parameters else label + "_"
        self.buffers[label] = (axis, Region(region.halo, region.face))
        return f"self.{label}"

    def tiles(self, axis: int, count: int) -> str:
        """The buffer of overlaps of detector tiles with cells along an axis."""
        label = f"tiles_{self.graph.scheme.grid.axes[axis].name}_{count}"
        self.overlaps[label] = (self.graph.scheme.grid.axes[axis].cells, count)
        return f"self.{label}"

    def zero_index(self, axis: int) -> int:
        """Index of the cell at which a coordinate difference is zero modulo the period."""
        a = self.graph.scheme.grid.axes[axis]
        index = -a.lower / a.spacing
        if abs(float(index) - round(float(index))) > 1e-9:
            raise InternalError("the origin is no cell of the axis of a convolution")
        return round(float(index)) % a.cells

    def pattern(self, layer: AffineWeights) -> str:
        """The module-level constant of a sparse matrix' pattern."""
        return f"PATTERN_{layer.block.upper()}"

    def block_of_matrix(self, node: Node) -> str:
        """The block that a matrix node (or the coefficient it became) was assembled from."""
        match node.layer:
            case AffineWeights(block=block):
                return block
            case Coefficient(name=name):
                return self.block_of_matrix(self.graph.block("coefficients").node(name))
            case _:
                raise InternalError("a sparse layer without a matrix")

    # --- learned values -----------------------------------------------------------------------------------------------

    def module(self, name: str) -> str:
        """The attribute of a closure."""
        return next(m.name for m in self.graph.modules if m.name.rstrip("_") == name.rstrip("_"))

    def stages(self, name: str) -> int | None:
        return self.parameters[name].stages

    def weight(self, node: Node) -> str:
        """The value of a learned array in the shape that broadcasts against `[B, C, *grid]`."""
        assert isinstance(node.layer, Weight)
        parameter = self.parameters[node.layer.name]
        if parameter.kind == "kernel":
            return f"self.{parameter.parameter}"
        shape = self.broadcast_shape(parameter)
        tail = "" if shape is None else f".reshape({', '.join(map(str, shape))})"
        return f"self.{parameter.attribute}{tail}"

    def broadcast_shape(self, parameter: Parameter) -> tuple[int, ...] | None:
        """The shape to view a coefficient in, None if it broadcasts as it is."""
        axes = self.graph.scheme.grid.axes
        if parameter.kind != "coefficient":
            return None
        components = parameter.shape[: len(parameter.shape) - len(parameter.axes)]
        if not components and not parameter.axes:
            return None
        grid = tuple(a.cells if i in parameter.axes else 1 for i, a in enumerate(axes))
        target = (*components, *grid)
        return None if target == parameter.shape else target

    # --- what blocks need ---------------------------------------------------------------------------------------------

    def _find_needs(self, block: Block) -> None:
        if block.name in self.needs:
            return
        step = coefficients = stage = False
        for node in block.nodes:
            match node.layer:
                case Weight(name=name, per_step=True):
                    step, stage = True, stage or self.stages(name) is not None
                case InputArray(per_step=True):
                    step = True
                case Placeholder() if node.name == "t" and block.name in ("step", "first_step"):
                    step = True
                case Coefficient():
                    coefficients = True
                case AffineWeights(released=str(name)):
                    held = self.parameters[name]
                    step, stage = step or held.steps is not None, stage or held.stages is not None
                case _:
                    pass
            callee = called(node.layer)
            if callee is not None:
                self._find_needs(self.graph.block(callee))
                step |= self.needs[callee].step
                coefficients |= self.needs[callee].coefficients
        if block.name == "coefficients":
            coefficients = False
        self.needs[block.name] = Needs(step, coefficients, stage)

    def extra(self, block: str, layer: Layer | None) -> list[str]:
        """The further arguments of a call."""
        needs = self.needs[block]
        stage = str(layer.stage) if isinstance(layer, Call) else "0"
        return [n for n, wanted in (("p", needs.step), ("c", needs.coefficients), (stage, needs.stage)) if wanted]

    @property
    def stepwise(self) -> list[tuple[str, str]]:
        """Values that change with the step, in the order of `AtStep`: ("time" | "weight" | "input", name)."""
        found: dict[tuple[str, str], None] = {}
        for block in self.graph.blocks:
            for node in block.nodes:
                match node.layer:
                    case Placeholder() if node.name == "t":
                        found[("time", "t")] = None
                    case Weight(name=name, per_step=True):
                        found[("weight", name)] = None
                    case InputArray(name=name, per_step=True):
                        found[("input", name)] = None
                    case AffineWeights(released=str(name)) if self.parameters[name].steps is not None:
                        found[("weight", name)] = None
                    case _:
                        pass
        return sorted(found, key=lambda item: ("time", "weight", "input").index(item[0]))


def called(layer: Layer) -> str | None:
    """The block that a layer runs."""
    match layer:
        case Call(block=name) | Loop(block=name) | Factorization(block=name):
            return name
        case Propagator(block=name) | PhiFunctions(block=name):
            return name
        case AdaptiveStep(block=name) | NewtonLayer(block=name) | KrylovSolve(block=name) | AffineWeights(block=name):
            return name
        case SolveLayer(block=name, solve=solve) if solve.method != "fft":
            return name
        case SteadyFactors(block=name) | SteadySolve(block=name) | IterativeSolve(block=name):
            return name
        case _:
            return None
