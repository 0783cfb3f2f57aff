"""LayerGraph → values: the step block with its calls inlined, one value a channel."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import prod
from types import UnionType

import sympy as sp

from npde.graph.graph import Block, LayerGraph, Node, Region
from npde.graph.layers import (
    Call,
    Channels,
    ClosureNetwork,
    Coefficient,
    Convolution,
    ConvolutionAdjoint,
    CoordinateArray,
    Crop,
    Dense,
    DotChannels,
    Extend,
    Flatten,
    Ghost,
    InputArray,
    Join,
    LiftLayer,
    MatrixVector,
    Placeholder,
    Pointwise,
    Reduction,
    ReleasedStencil,
    StencilLayer,
    Tap,
    Unflatten,
    Weight,
)
from npde.graph.names import exact
from npde.native.lowering_sums import WRITTEN_OUT, SumLowering
from npde.native.lowering_walls import Channel, channel_of
from npde.native.samples import cells
from npde.native.values import Argument, Box, Shift, State, Values, join_boxes
from npde.native.values import Unfit as Unfit
from npde.symbolic import operators as op


@dataclass(frozen=True)
class Step:
    """One step: its values, and the numbers of those that it returns (what the loop carries next)."""

    values: Values
    outputs: tuple[int, ...]


def lower_step(graph: LayerGraph, name: str, arguments: list[Argument]) -> Step:
    """The values of block `name` ("step", or "first_step"). `arguments` is extended, so that both may share it.

    Raises:
        Unfit: a layer has no native form.
    """
    return Lowering(graph, Values(cells(graph), arguments)).step(name)


class Lowering(SumLowering):
    """Blocks of one graph."""

    # --- blocks -------------------------------------------------------------------------------------------------------

    def check(self) -> None:
        """Raises Unfit where the grid has no native form."""
        if any(a.cells < 2 for a in self.graph.scheme.grid.axes):
            raise Unfit("an axis has one cell")

    def step(self, name: str) -> Step:
        self.check()
        carried = sum(u.channels for u in self.graph.scheme.system.unknowns)
        given: dict[str, Channel] = {}
        for k, placeholder in enumerate(p for p in self.graph.block(name).inputs if p != "t"):
            channels = range(k * carried, (k + 1) * carried)
            given[placeholder] = tuple(
                self.values.add(State(c), self.values.interior, True, f"{placeholder}_{c}") for c in channels
            )
        outputs = self.block(self.graph.block(name), given, 0)
        flat = [v for channels in outputs for v in channels]
        return Step(self.values, tuple(self._spread(v) for v in flat))

    def block(self, block: Block, given: dict[str, Channel], stage: int) -> list[Channel]:
        known: dict[str, Channel] = {}
        flat = _flat_arrays(block)
        for node in block.nodes:
            if isinstance(node.layer, Placeholder) and node.name in given:
                known[node.name] = given[node.name]
            else:
                known[node.name] = self._node(block, node, known, stage, flat.get(node.name))
        return [known[o] for o in block.outputs]

    # --- nodes --------------------------------------------------------------------------------------------------------

    def _node(self, block: Block, node: Node, known: dict[str, Channel], stage: int, elements: int | None) -> Channel:
        inputs = [known[i] for i in node.inputs]
        match node.layer:
            case Placeholder():
                return self._argument("time", "t", node, None, per_step=True)
            case Coefficient(name=name):
                return self._argument("coefficient", name, node, elements, per_step=False)
            case Weight(name=name, per_step=True):
                return self._argument("weight", name, node, elements, per_step=True, stage=stage)
            case InputArray(name=name, per_step=True):
                return self._argument("input", name, node, elements, per_step=True)
            case CoordinateArray():
                return self._coordinate(node)
            case Channels(start=start, stop=stop):
                return inputs[0][start:stop]
            case Join():
                joined = tuple(v for channels in inputs for v in channels)
                return joined if len(joined) == node.shape.channels else joined * node.shape.channels
            case Crop():
                return inputs[0]
            case Pointwise(expression=expression, symbols=symbols):
                return tuple(self._pointwise(node, expression, symbols, inputs, c) for c in self._channels(node))
            case StencilLayer(taps=taps):
                of = block.node(node.inputs[0]).region
                return tuple(self._stencil(node, taps, of, v) for v in inputs[0])
            case ReleasedStencil(extents=extents):
                return tuple(self._released(node, extents, v, inputs[1]) for v in inputs[0])
            case Convolution(extents=extents):
                return self._convolution(node, extents, inputs[0], inputs[1])
            case ConvolutionAdjoint() as layer:
                return self._adjoint(node, layer, inputs)
            case Ghost() as layer:
                return tuple(self._ghost(layer, inputs, c, v) for c, v in enumerate(inputs[0]))
            case Extend() as layer:
                return tuple(self._extend(layer, v) for v in inputs[0])
            case MatrixVector():
                return self._product(node, inputs[0], inputs[1])
            case Dense(axes=axes):
                return self._dense(node, axes, inputs[0], inputs[1])
            case Reduction() as layer:
                return tuple(self._reduced(layer, v, self._label(node, c)) for c, v in enumerate(inputs[0]))
            case Flatten() | Unflatten() if self.values.dimension == 1:
                return inputs[0]
            case DotChannels():
                width = max(len(inputs[0]), len(inputs[1]))
                pairs = [(channel_of(inputs[0], c), channel_of(inputs[1], c)) for c in range(width)]
                return (self._sum_of_products(pairs, self._box(node), node.name),)
            case ClosureNetwork(name=name):
                return self._closure(name, inputs)
            case LiftLayer(name=name, in_channels=n, out_channels=m):
                return self._affine(name, m, list(inputs[0]), self._box(node), node.name, n)
            case Call(block=callee, stage=at):
                placeholders = self.graph.block(callee).inputs
                given = dict(zip(placeholders, inputs, strict=True))
                (out,) = self.block(self.graph.block(callee), given, at)
                return out
            case _:
                raise Unfit(f"{_LAYERS.get(type(node.layer).__name__, type(node.layer).__name__)} has no native kernel")

    # --- arguments ----------------------------------------------------------------------------------------------------

    def _argument(
        self, kind: str, name: str, node: Node, elements: int | None, *, per_step: bool, stage: int = 0
    ) -> Channel:
        """The elements of an argument; `elements`: it is a kernel or a matrix of that many entries, not channels."""
        count = node.shape.channels if elements is None else elements
        owner = next((p for p in self.graph.parameters if kind == "weight" and p.attribute == name), None)
        stages = (owner and owner.stages) or 1
        kernel = elements is not None and name in self._kernels
        box = (None,) * self.values.dimension if kernel else self._box(node)
        argument = Argument(kind, name, count * stages, box, node.shape.batch, per_step)  # type: ignore[arg-type]
        number = self.values.argument(argument)
        offset = stage * count if stages > 1 else 0
        most = WRITTEN_OUT if kernel else self._written_out
        if elements is not None and argument.is_scalar and (elements > most or name in self._matrices):
            return (self.values.element(number, offset, name),)  # a table, known by its first entry
        label = name if count == 1 else f"{name}_"
        return tuple(
            self.values.element(number, offset + k, label if count == 1 else f"{label}{k}") for k in range(count)
        )

    @cached_property
    def _kernels(self) -> frozenset[str]:
        """Names of arrays that are kernels or matrices over the grid: their axes are no cells."""
        return self._second_inputs(Convolution | ConvolutionAdjoint | ReleasedStencil | Dense)

    @cached_property
    def _matrices(self) -> frozenset[str]:
        """Names of matrices over the grid."""
        return self._second_inputs(Dense)

    def _second_inputs(self, layers: type | UnionType) -> frozenset[str]:
        found = set()
        for block in self.graph.blocks:
            for node in block.nodes:
                if isinstance(node.layer, layers):
                    of = block.node(node.inputs[1]).layer
                    if isinstance(of, Coefficient | Weight):
                        found.add(of.name)
        return frozenset(found)

    def _coordinate(self, node: Node) -> Channel:
        assert isinstance(node.layer, CoordinateArray)
        axis = node.layer.axis
        number = self.values.argument(
            Argument("coordinate", self.graph.scheme.grid.axes[axis].name, 1, self._box(node), False, False)
        )
        return (self.values.element(number, 0, node.name),)

    # --- entry by entry -----------------------------------------------------------------------------------------------

    def _pointwise(
        self, node: Node, expression: sp.Expr, symbols: tuple[sp.Symbol, ...], inputs: list[Channel], channel: int
    ) -> int:
        terms = [(s, channel_of(i, channel), self.values.here) for s, i in zip(symbols, inputs, strict=True)]
        return self.values.map(expression, terms, self._box(node), self._label(node, channel))

    def _affine(self, layer: str, rows: int, features: list[int], box: Box, name: str, columns: int) -> Channel:
        """`W v + b` of a learned layer, in each cell."""
        nowhere: Box = (None,) * self.values.dimension
        weight = self.values.argument(Argument("parameter", f"{layer}.weight", rows * columns, nowhere, False, False))
        bias = self.values.argument(Argument("parameter", f"{layer}.bias", rows, nowhere, False, False))
        here, names = self.values.here, [f"{name}_{n}" for n in range(rows)]
        if rows * columns > self._written_out:
            summed = self._rows(self.values.element(weight, 0, "w"), tuple(features), box, names, (here,))
        else:
            entries = [self.values.element(weight, k, f"w_{k // columns}_{k % columns}") for k in range(rows * columns)]
            summed = tuple(
                self._sum_of_products(list(zip(entries[n * columns :], features, strict=False)), box, names[n])
                for n in range(rows)
            )
        a, b = sp.symbols("a b", real=True)
        return tuple(
            self.values.map(a + b, [(a, s, here), (b, self.values.element(bias, n, f"b_{n}"), here)], box, names[n])
            for n, s in enumerate(summed)
        )

    def _closure(self, name: str, inputs: list[Channel]) -> Channel:
        module = next(m for m in self.graph.modules if m.name.rstrip("_") == name.rstrip("_"))
        widest = max(len(i) for i in inputs)
        features = [channel_of(i, c) for i in inputs for c in range(widest)]
        box = join_boxes((self.values[f].box for f in features), self.values.dimension)
        activation = ACTIVATIONS[module.activation]
        z = sp.Symbol("z", real=True)
        columns, here = module.in_features, self.values.here
        for k, width in enumerate((*module.widths, module.out_features)):
            rows = self._affine(f"{module.name}.{2 * k}", width, features, box, f"{name}_layer_{k + 1}", columns)
            features, columns = list(rows), width
            if k < len(module.widths):
                features = [
                    self.values.map(activation(z), [(z, r, here)], box, f"{name}_unit_{k + 1}_{n}")
                    for n, r in enumerate(rows)
                ]
        return tuple(features)

    # --- neighbors ----------------------------------------------------------------------------------------------------

    def _stencil(self, node: Node, taps: tuple[Tap, ...], of: Region, value: int) -> int:
        """Taps of equal weight are added first."""
        spacings = [exact(a.spacing) for a in self.graph.scheme.grid.axes]
        weights: dict[Shift, sp.Expr] = {}
        for tap in taps:
            scale = sp.Mul(*(h**-p for h, p in zip(spacings, tap.powers, strict=True)))
            shift = self._shift(tap.offset, of, node.region)
            along = tuple(0 if i is None else s for i, s in zip(self.values[value].box, shift, strict=True))
            weights[along] = weights.get(along, sp.Integer(0)) + exact(tap.weight) * scale
        return self.combine(weights, value, self._box(node), node.name)

    def combine(self, weights: dict[Shift, sp.Expr], value: int, box: Box, name: str) -> int:
        """`Σ weights[s] value(· + s)`."""
        groups: dict[sp.Expr, list[Shift]] = {}
        for shift, weight in weights.items():
            if weight != 0:
                groups.setdefault(abs(weight), []).append(shift)
        terms, total = [], sp.Integer(0)
        for k, (size, shifts) in enumerate(groups.items()):
            symbols = [sp.Symbol(f"u{k}_{n}", real=True) for n in range(len(shifts))]
            reads = [(u, value, s) for u, s in zip(symbols, shifts, strict=True)]
            body = sp.Add(*(u * sp.sign(weights[s]) for u, s in zip(symbols, shifts, strict=True)))
            if len(shifts) > 1 and size != 1 and len(groups) + len(shifts) > 2:
                symbol = sp.Symbol(f"s{k}", real=True)
                reads = [(symbol, self.values.map(body, reads, box, f"{name}_sum"), self.values.here)]
                body = symbol
            terms += reads
            total += size * body
        return self.values.map(total, terms, box, name)

    @staticmethod
    def _shift(offset: tuple[Fraction, ...], of: Region, to: Region) -> Shift:
        half = Fraction(1, 2)
        exactly = [o + half * (of.face == i) - half * (to.face == i) for i, o in enumerate(offset)]
        assert all(s.denominator == 1 for s in exactly)
        return tuple(int(s) for s in exactly)


def _flat_arrays(block: Block) -> dict[str, int]:
    """Arrays of a block that are kernels or matrices, and how many entries they have."""
    found: dict[str, int] = {}
    for node in block.nodes:
        sources = [block.node(i).shape.channels for i in node.inputs]
        match node.layer:
            case Convolution(extents=extents):
                found[node.inputs[1]] = node.shape.channels * sources[0] * prod(extents)
            case ConvolutionAdjoint(extents=extents):
                found[node.inputs[1]] = node.shape.channels * sources[0] * prod(extents)
            case ReleasedStencil(extents=extents):
                found[node.inputs[1]] = prod(extents)
            case MatrixVector():
                found[node.inputs[0]] = node.shape.channels * sources[1]
            case Dense():
                found[node.inputs[1]] = sources[1] ** 2
            case _:
                pass
    return found


ACTIVATIONS = {
    "tanh": sp.tanh, "relu": op.Relu, "sigmoid": op.Sigmoid, "softplus": op.Softplus, "gelu": op.Gelu, "sin": sp.sin,
}  # fmt: skip

_LAYERS = {
    "SolveLayer": "an implicit solve", "KrylovSolve": "an implicit solve", "NewtonLayer": "Newton's method",
    "SpectralLayer": "a spectral layer", "SparseAffine": "a sparse matrix (mlp)", "Flatten": "a state in one row (mlp)",
    "CircularConvolution": "a convolution by FFT", "KernelMatrix": "a matrix that changes within a step",
    "AdaptiveStep": "a step that follows the error",
    "RegionIntegrals": "a sum over regions", "Noise": "noise", "ReadOut": "a read-out", "Factorization": "an implicit solve",
}  # fmt: skip
