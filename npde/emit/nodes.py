"""One layer as one Python expression. What is not worth a name of its own (a coefficient, a slice of the step) stays inline."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import gcd, lcm

import sympy as sp

from npde.diagnostics import InternalError
from npde.discretize.ghosts import evaluate, lagrange
from npde.discretize.scheme import GhostRule
from npde.emit.constants import Constants
from npde.emit.printer import PRODUCT, UNARY, Printer
from npde.emit.text import Writer
from npde.graph.graph import Block, LayerGraph, Node, Region
from npde.graph.layers import (
    AffineWeights,
    Call,
    Channels,
    CircularConvolution,
    ClosureNetwork,
    Coefficient,
    Convolution,
    ConvolutionAdjoint,
    CoordinateArray,
    Crop,
    Dense,
    DotChannels,
    Extend,
    Factorization,
    Flatten,
    Ghost,
    InputArray,
    Join,
    KernelMatrix,
    LiftLayer,
    MatrixVector,
    Noise,
    Placeholder,
    Pointwise,
    Propagator,
    ReadOut,
    Reduction,
    RegionIntegrals,
    ReleasedStencil,
    SolveLayer,
    SparseAffine,
    SpectralLayer,
    StencilLayer,
    Tap,
    Unflatten,
    Weight,
)


@dataclass
class NodeEmitter:
    """Writes the nodes of one block. `names` maps nodes to the Python text of their values."""

    graph: LayerGraph
    block: Block
    constants: Constants
    writer: Writer
    names: dict[str, str]
    batch: str
    helpers: set[str]

    def emit(self, node: Node) -> None:
        """Adds the statement(s) of a node, or only remembers its inline text."""
        inputs = [self.names[i] for i in node.inputs]
        inline = self._inline(node)
        if inline is not None:
            self.names[node.name] = inline
            return
        self.names[node.name] = node.name
        match node.layer:
            case Ghost() as layer:
                self._ghost(node, layer, inputs)
            case ConvolutionAdjoint() as layer:
                self._adjoint(node, layer, inputs)
            case SolveLayer() as layer:
                self._solve(node, layer, inputs)
            case KernelMatrix() as layer:
                self._kernel_matrix(node, layer, inputs)
            case Extend() as layer:
                self._extend(node, layer, inputs)
            case _:
                self.writer.assign(node.name, self.expression(node, inputs), self._comment(node))

    def _comment(self, node: Node) -> str:
        match node.layer:
            case StencilLayer(operator=operator) | ReleasedStencil(operator=operator):
                return operator
            case _:
                return ""

    def _inline(self, node: Node) -> str | None:
        match node.layer:
            case Placeholder():
                return "p.t" if node.name == "t" and self.block.name in ("step", "first_step") else node.name
            case Coefficient(name=name):
                return f"c.{name}"
            case Weight(name=name, per_step=True):
                return f"p.{name}[stage]" if self.constants.stages(name) else f"p.{name}"
            case Weight():
                return self.constants.weight(node)
            case InputArray(name=name, per_step=True):
                return f"p.{name}"
            case InputArray(name=name):
                return name
            case CoordinateArray(axis=axis):
                return self.constants.coordinate(axis, node.region)
            case _:
                return None

    # --- one expression -----------------------------------------------------------------------------------------------

    def expression(self, node: Node, inputs: list[str]) -> str:
        match node.layer:
            case Pointwise() as layer:
                return self._pointwise(layer, inputs)
            case Channels() as layer:
                return self._channels(node, layer, inputs[0])
            case Join():
                return self._join(node, inputs)
            case Crop():
                return self._slice(inputs[0], self._node(node.inputs[0]), node.region, (Fraction(0),) * self.dimension)
            case StencilLayer() as layer:
                return self._stencil(node, layer, inputs[0])
            case ReleasedStencil() as layer:
                return self._released(node, layer, inputs)
            case Convolution():
                return f"functional.conv{self.dimension}d({inputs[0]}, {inputs[1]})"
            case Dense(axes=axes):
                if self.dimension == 1:
                    return f"functional.linear({inputs[0]}, {inputs[1]})"
                return f"{self._helper('dense')}({inputs[1]}, {inputs[0]}, {axes!r})"
            case CircularConvolution(axis=axis):
                shift = self.constants.zero_index(axis)
                scaled = f"{self.constants.spacing(axis)} * {inputs[1]}"
                return f"{self._helper('circular_convolution')}({inputs[0]}, {scaled}, {axis - self.dimension}, {shift})"
            case ClosureNetwork(name=name):
                module = self.constants.module(name)
                return f"{self._helper('pointwise_network')}(self.{module}, {', '.join(self._ranked(i, n) for i, n in zip(inputs, node.inputs, strict=True))})"
            case Reduction() as layer:
                return self._reduction(layer, node, inputs[0])
            case MatrixVector():
                return f'torch.einsum("nm...,bm...->bn...", {inputs[0]}, {inputs[1]})'
            case DotChannels():
                total = 1 + self.dimension
                return f"({inputs[0]} * {inputs[1]}).sum(dim=-{total}, keepdim=True)"
            case LiftLayer(name=name):
                return f"self.{name}({inputs[0]})"
            case ReadOut(name=name):
                tail = ", None" * self.dimension
                return f"self.{name}({inputs[0]}.flatten(1))" + (f"[...{tail}]" if tail else "")
            case RegionIntegrals() as layer:
                return self._regions(layer, inputs[0])
            case Noise(seed=seed):
                shape = (node.shape.channels, *node.shape.extents)
                return f"{self._helper('hash_noise')}({seed}, {shape!r}).to(self.unit)"
            case Call(block=name):
                return f"self.{name}({', '.join([*inputs, *self.constants.extra(name, node.layer)])})"
            case Propagator() as layer:
                return self._propagator(layer)
            case Factorization() as layer:
                return self._factorization(layer)
            case Flatten():
                return self._flatten(node, inputs[0])
            case Unflatten():
                return f"{inputs[0]}.unflatten(-1, {self.graph.scheme.grid.shape!r})"
            case AffineWeights() as layer:
                return self._affine_weights(layer)
            case SparseAffine():
                return self._sparse_affine(node, inputs)
            case SpectralLayer():
                return f"{self._helper('spectral')}({inputs[1]}, {inputs[0]})"
            case _:
                raise InternalError(f"no emission for {type(node.layer).__name__}")

    @property
    def dimension(self) -> int:
        return len(self.graph.scheme.grid.axes)

    def _node(self, name: str) -> Node:
        return self.block.node(name)

    def _helper(self, name: str) -> str:
        self.helpers.add(name)
        return name

    def _pointwise(self, layer: Pointwise, inputs: list[str]) -> str:
        printer = self.constants.printer(dict(zip(layer.symbols, inputs, strict=True)))
        if printer.is_constant(layer.expression):
            return f"self.unit * {printer.text(layer.expression, UNARY)}" if layer.expression != 1 else "self.unit"
        return printer.text(layer.expression)

    def _channels(self, node: Node, layer: Channels, source: str) -> str:
        of = self._node(node.inputs[0])
        if of.shape.channels == layer.stop - layer.start:
            return source
        if of.shape.batch:
            return f"{source}[:, {layer.start}:{layer.stop}]"
        return f"{source}.narrow(-{self.dimension + 1}, {layer.start}, {layer.stop - layer.start})"

    def _join(self, node: Node, inputs: list[str]) -> str:
        batch = self.batch if node.shape.batch else "1"
        parts = []
        for name, text in zip(node.inputs, inputs, strict=True):
            shape = self._node(name).shape
            channels = node.shape.channels if len(inputs) == 1 else shape.channels
            whole = (channels, *node.shape.extents)
            full = shape.batch and (shape.channels, *shape.extents) == whole  # without a batch axes may be missing
            grid = ", ".join(map(str, whole))
            brackets = text if text.replace("_", "").replace(".", "").isalnum() else f"({text})"
            parts.append(text if full else f"{brackets}.expand({batch}, {grid})")
        return parts[0] if len(parts) == 1 else f"torch.cat(({', '.join(parts)}), dim=1)"

    def _ranked(self, text: str, name: str) -> str:
        """An array with all its axes, channels first: what joins along the channels."""
        shape = self._node(name).shape
        if shape.batch:
            return text
        return f"{text}.expand(1, {shape.channels}, {', '.join(str(e) for e in shape.extents)})"

    # --- stencils -----------------------------------------------------------------------------------------------------

    def _slice(self, source: str, node: Node, region: Region, offset: tuple[Fraction, ...]) -> str:
        """`source` shifted by `offset`, on `region`: entry j of the result is the value at j + offset."""
        parts = []
        for i in range(self.dimension):
            if node.shape.extents[i] == 1:
                parts.append(":")
                continue
            first_out = -Fraction(region.halo[i]) - (Fraction(1, 2) if region.face == i else 0)
            first_in = -Fraction(node.region.halo[i]) - (Fraction(1, 2) if node.region.face == i else 0)
            start = first_out + offset[i] - first_in
            count = self.graph.scheme.grid.axes[i].cells + 2 * region.halo[i] + (1 if region.face == i else 0)
            stop = start + count - node.shape.extents[i]
            if start.denominator != 1 or start < 0 or stop > 0:
                raise InternalError(f"stencil reads outside its operand in {self.block.name}")
            parts.append(f"{int(start) if start else ''}:{int(stop) if stop else ''}")
        return source if all(p == ":" for p in parts) else f"{source}[..., {', '.join(parts)}]"

    def _stencil(self, node: Node, layer: StencilLayer, source: str) -> str:
        of = self._node(node.inputs[0])
        groups: dict[str, list[Tap]] = {}
        for tap in layer.taps:
            groups.setdefault(self.constants.volume(tap.powers), []).append(tap)
        texts = []
        for divisor, taps in groups.items():
            texts.append(self._weighted(self._merged(taps), divisor, of, node.region, source))
        return " + ".join(texts)

    @staticmethod
    def _merged(taps: list[Tap]) -> list[tuple[tuple[Fraction, ...], Fraction]]:
        weights: dict[tuple[Fraction, ...], Fraction] = {}
        for tap in taps:
            weights[tap.offset] = weights.get(tap.offset, Fraction(0)) + tap.weight
        return sorted(((o, w) for o, w in weights.items() if w), key=lambda item: (-item[1], item[0]))

    def _weighted(
        self, taps: list[tuple[tuple[Fraction, ...], Fraction]], divisor: str, of: Node, region: Region, source: str
    ) -> str:
        """`(a + b - 2.0 * c) / DX**2`: one common denominator, equal weights bracketed together."""
        denominator = lcm(*(w.denominator for _, w in taps))
        numerators = [(o, w * denominator) for o, w in taps]
        common = gcd(*(int(w) for _, w in numerators))
        by_weight: dict[int, list[str]] = {}
        for offset, weight in numerators:
            by_weight.setdefault(int(weight) // common, []).append(self._slice(source, of, region, offset))
        parts = []
        for weight, shifts in by_weight.items():
            total = " + ".join(shifts)
            if abs(weight) != 1:
                total = f"{abs(weight)} * ({total})" if len(shifts) > 1 else f"{abs(weight)} * {total}"
            elif weight < 0 and len(shifts) > 1:
                total = " - ".join(shifts)
            sign = " - " if weight < 0 else " + "
            parts.append(sign + total)
        body = "".join(parts)
        body = body[3:] if body.startswith(" + ") else "-" + body[3:]
        scale = Fraction(common, denominator)
        below = " * ".join(t for t in (str(scale.denominator) if scale.denominator != 1 else "", divisor) if t)
        above = f"{scale.numerator} * " if scale.numerator != 1 else ""
        if not below and not above:
            return body if len(taps) > 1 else body
        body = f"({body})" if len(taps) > 1 else body
        return f"{above}{body}" + (f" / ({below})" if " * " in below else f" / {below}" if below else "")

    def _released(self, node: Node, layer: ReleasedStencil, inputs: list[str]) -> str:
        source, kernel = inputs
        channels = self._node(node.inputs[0]).shape.channels
        if channels == 1:
            return f"functional.conv{self.dimension}d({source}, {kernel}[None, None])"
        shape = f"({source}.shape[0], {channels})"
        return f"functional.conv{self.dimension}d({source}.flatten(0, 1)[:, None], {kernel}[None, None])[:, 0].unflatten(0, {shape})"

    # --- ghost cells --------------------------------------------------------------------------------------------------

    def _ghost(self, node: Node, layer: Ghost, inputs: list[str]) -> None:
        axes = self.graph.scheme.grid.axes
        source = inputs[0]
        if all(a.periodic for a in axes):
            pads = ", ".join(f"{w}, {w}" for w in reversed(layer.widths))
            self.writer.assign(node.name, f'functional.pad({source}, ({pads}), mode="circular")')
            return
        data = {k: (inputs[1 + n], node.inputs[1 + n]) for n, k in enumerate(layer.data)}
        extra = inputs[1 + len(layer.data) :]
        symbols = dict(zip(layer.symbols, extra, strict=True))
        todo = [i for i in range(self.dimension) if layer.widths[i]]
        for i in todo:
            name = node.name if i == todo[-1] else f"{node.name}_{axes[i].name}"
            if axes[i].periodic:
                self.writer.assign(name, f"{self._helper('extend')}({source}, {i - self.dimension}, {layer.widths[i]}, True)")
            else:
                self._pad_wall(name, source, i, layer, data, symbols)
            source = name

    def _pad_wall(
        self, name: str, source: str, axis: int, layer: Ghost, data: dict[int, tuple[str, str]], symbols: dict[sp.Symbol, str]
    ) -> None:
        width = layer.widths[axis]
        own = [(k, r) for k, r in enumerate(layer.rules) if r.axis == self.graph.scheme.grid.axes[axis].name]
        lower = next((k, r) for k, r in own if r.side == "lower")
        upper = next((k, r) for k, r in own if r.side == "upper")
        before = [self._ghost_cell(source, axis, k, *lower, data, symbols) for k in reversed(range(width))]
        after = [self._ghost_cell(source, axis, k, *upper, data, symbols) for k in range(width)]
        cells: list[str] = []
        for side, texts in (("lower", before), ("upper", after)):
            for n, text in enumerate(texts):
                if len(text) <= 40:
                    cells.append(text)
                    continue
                k = width - n if side == "lower" else n + 1
                label = f"{name}_{side}" + (f"_{k}" if width > 1 else "")
                self.writer.assign(label, text)
                cells.append(label)
        cells.insert(width, source)
        self.writer.assign(name, f"torch.cat(({', '.join(cells)}), dim={axis - self.dimension})")

    def _ghost_cell(
        self, source: str, axis: int, ghost: int, index: int, rule: GhostRule, data: dict[int, tuple[str, str]],
        symbols: dict[sp.Symbol, str],
    ) -> str:  # fmt: skip
        """`Σ_j w_j u_j + v g` of one ghost cell."""
        printer = self.constants.printer(symbols)
        lower = rule.side == "lower"
        terms: list[tuple[bool, str]] = []
        for j, weight in enumerate(rule.weights[ghost]):
            if weight == 0:
                continue
            cell = self._cells(source, axis, j if lower else -1 - j)
            terms.append(self._term(printer, weight, cell))
        if index in data:
            text, node_name = data[index]
            terms.append(self._term(printer, rule.data_weights[ghost], self._at_wall(text, node_name, axis, lower)))
        elif rule.data != 0:
            terms.append(self._term(printer, rule.data_weights[ghost] * rule.data, ""))
        if not terms:
            return f"torch.zeros_like({self._cells(source, axis, 0)})"
        body = "".join((" - " if negative else " + ") + text for negative, text in terms)
        return body[3:] if body.startswith(" + ") else "-" + body[3:]

    @staticmethod
    def _term(printer: Printer, weight: sp.Expr, cell: str) -> tuple[bool, str]:
        negative = bool(weight.could_extract_minus_sign())
        size = -weight if negative else weight
        if size == 1 and cell:
            return negative, cell
        text = printer.text(size, PRODUCT)
        return negative, f"{text} * {cell}" if cell else text

    def _cells(self, source: str, axis: int, index: int) -> str:
        """One layer of cells across an axis, the axis kept."""
        one = f"{index or ''}:{index + 1 or ''}" if index != 0 else ":1"
        parts = [one if i == axis else ":" for i in range(axis, self.dimension)]
        if axis == 0 or all(p == ":" for p in parts[1:]):
            return f"{source}[..., {', '.join([':'] * 0 + parts)}]"
        return f"{source}[..., {', '.join(parts)}]"

    def _at_wall(self, text: str, name: str, axis: int, lower: bool) -> str:
        """Wall data in one layer of cells along the wall: a constant expanded, an array's cells nearest to the wall."""
        node = self._node(name)
        if node.shape.extents[axis] > 1:
            text = self._cells(text, axis, 0 if lower else -1)
        return text

    def _extend(self, node: Node, layer: Extend, inputs: list[str]) -> None:
        source = inputs[0]
        todo = [i for i, w in enumerate(layer.widths) if w]
        for i in todo:
            name = node.name if i == todo[-1] else f"{node.name}_{self.graph.scheme.grid.axes[i].name}"
            dim, width = i - self.dimension, layer.widths[i]
            if layer.cells > 1 and not layer.periodic[i]:
                call = f"{self._helper('extrapolate')}({source}, {dim}, {extrapolation(layer.cells, width)!r})"
            else:
                call = f"{self._helper('extend')}({source}, {dim}, {width}, {layer.periodic[i]})"
            self.writer.assign(name, call)
            source = name

    def _adjoint(self, node: Node, layer: ConvolutionAdjoint, inputs: list[str]) -> None:
        """Transposed convolution onto cells and ghost cells, then each axis folded back, last first."""
        source, kernel, *extra = inputs
        printer = self.constants.printer(dict(zip(layer.symbols, extra, strict=True)))
        self.writer.assign(node.name, f"functional.conv_transpose{self.dimension}d({source}, {kernel})")
        axes = self.graph.scheme.grid.axes
        for i in reversed(range(self.dimension)):
            width = layer.extents[i] // 2
            if not width:
                continue
            dim = i - self.dimension
            if layer.periodic[i]:
                self.writer.assign(node.name, f"{self._helper('fold_periodic')}({node.name}, {dim}, {width})")
                continue
            sides = []
            for side in ("lower", "upper"):
                rule = next(r for r in layer.rules if (r.axis, r.side) == (axes[i].name, side))
                rows = [f"[{', '.join(printer.text(w) for w in row)}]" for row in rule.weights[:width]]
                sides.append(f"[{', '.join(rows)}]")
            self.writer.assign(node.name, f"{self._helper('fold_wall')}({node.name}, {dim}, {width}, {sides[0]}, {sides[1]})")

    # --- sums and solves ----------------------------------------------------------------------------------------------

    def _reduction(self, layer: Reduction, node: Node, source: str) -> str:
        dims = tuple(i - self.dimension for i in layer.axes)
        if not dims:
            body = source
        else:
            text = repr(dims[0]) if len(dims) == 1 else repr(dims)
            operation = "mean" if layer.kind == "mean" else "sum"
            brackets = source if source.replace("_", "").isalnum() else f"({source})"
            body = f"{brackets}.{operation}(dim={text}, keepdim=True)"
        if layer.kind == "mean" or layer.scale == 1:
            return body
        if layer.kind == "integral":
            volume = self.constants.integral_volume(layer)
            return f"{volume} * {body}"
        return f"{self.constants.printer({}).text(layer.scale, PRODUCT)} * {body}"

    def _regions(self, layer: RegionIntegrals, source: str) -> str:
        letters = "xyz"[: self.dimension]
        outs = "ijk"[: self.dimension]
        matrices = [self.constants.tiles(i, n) for i, n in enumerate(layer.tiles)]
        spec = ",".join([f"bc{letters}", *(f"{o}{x}" for o, x in zip(outs, letters, strict=True))])
        volume = " * ".join(self.constants.spacing(i) for i in range(self.dimension))
        tail = f"[...{', None' * self.dimension}]"
        return f'{volume} * torch.einsum("{spec}->bc{outs}", {source}, {", ".join(matrices)}).flatten(1){tail}'

    def _linear_call(self, block: str, timed: str = "") -> str:
        """The linear part as a function of the state alone."""
        arguments = self.constants.extra(block, None)
        if "t" in self.graph.block(block).inputs:
            arguments.insert(0, timed or "p.t")
        return f"lambda v: self.{block}({', '.join(['v', *arguments])})"

    def _propagator(self, layer: Propagator) -> str:
        grid = self.graph.scheme.grid.shape
        symbol = f"{self._helper('symbol_of')}({self._linear_call(layer.block)}, {layer.channels}, {grid!r}, self.unit)"
        time = self.constants.printer({}).text(layer.time, PRODUCT)
        return f"torch.linalg.matrix_exp({time} * {symbol})" if layer.channels > 1 else f"torch.exp({time} * {symbol})"

    def _factorization(self, layer: Factorization) -> str:
        grid = self.graph.scheme.grid.shape
        factor = self.constants.printer({}).text(layer.factor, PRODUCT)
        if layer.method == "fft":
            symbol = f"{self._helper('symbol_of')}({self._linear_call(layer.block)}, {layer.channels}, {grid!r}, self.unit)"
            return f"torch.linalg.inv(torch.eye({layer.channels}).to(self.unit) - {factor} * {symbol})"
        apply = self._linear_call(layer.block).replace("lambda v: ", f"lambda v: v - {factor} * ", 1)
        call = f"{self._helper('factor_tridiagonal')}({apply}, {layer.channels}, {grid!r}, {layer.reach!r}, {layer.periodic!r}, self.unit)"
        self.helpers.add("diagonals")
        return f"{self._helper('frozen')}(lambda: {call})"

    def _flatten(self, node: Node, source: str) -> str:
        """The grid as one axis; what does not vary along an axis is expanded first."""
        of = self._node(node.inputs[0])
        grid = self.graph.scheme.grid.shape
        if of.shape.extents == grid:
            return f"{source}.flatten(-{self.dimension})" if self.dimension > 1 else source
        if all(e == 1 for e in of.shape.extents):
            return f"{source}[{', '.join(['...', *['0'] * (self.dimension - 1), ':'])}]"
        lead = [self.batch] if of.shape.batch else []
        shape = ", ".join(map(str, [*lead, of.shape.channels, *grid]))
        return f"{source}.expand({shape}).flatten(-{self.dimension})"

    def _affine_weights(self, layer: AffineWeights) -> str:
        """The matrix of an affine block; a released one brings its own weights."""
        grid = self.graph.scheme.grid.shape
        if layer.released is not None:
            stored = self.constants.parameters[layer.released]
            weights = f"self.{layer.released}" if stored.steps is None else f"p.{layer.released}"
            weights += "[stage]" if stored.stages else ""
            apply = self._linear_call(layer.block, timed="START * self.unit")
            zero = f"torch.zeros(1, {layer.channels}, {', '.join(map(str, grid))}).to(self.unit)"
            call = apply.removeprefix("lambda v: ").replace("(v", f"({zero}", 1)
            return f"({weights}, self.columns_{layer.block}, {call}.flatten())"
        self._helper("diagonals")
        apply = self._linear_call(layer.block, timed="START * self.unit")
        return (
            f"{self._helper('assemble')}({apply}, {layer.channels}, {grid!r}, "
            f"{self.constants.pattern(layer)}, {layer.periodic!r}, self.unit)"
        )

    def _sparse_affine(self, node: Node, inputs: list[str]) -> str:
        """`W x + b`; a bias that depends on the time is that of the block, evaluated now."""
        source, matrix, *time = inputs
        text = f"{self._helper('affine')}({matrix}, {source})"
        weights = self._node(node.inputs[1])
        block = self.graph.block(self.constants.block_of_matrix(weights))
        if not time or "t" not in block.inputs:
            return text
        layer = self.constants.matrices[block.name]
        grid = self.graph.scheme.grid.shape
        zero = f"torch.zeros(1, {layer.channels}, {', '.join(map(str, grid))}).to(self.unit)"
        now = f"self.{block.name}({', '.join([zero, time[0], *self.constants.extra(block.name, None)])})"
        rows = node.shape.channels
        return f"{text} + ({now}.flatten() - {matrix}[2]).reshape({rows}, -1)"

    def _solve(self, node: Node, layer: SolveLayer, inputs: list[str]) -> None:
        right, factors = inputs
        if layer.method == "fft":
            self.writer.assign(node.name, f"{self._helper('spectral')}({factors}, {right})")
            return
        factor = self.constants.printer({}).text(layer.factor, PRODUCT)
        solve = self._helper("solve_factored")
        call = self._linear_call(layer.block).removeprefix("lambda v: ").replace("(v", f"({node.name}", 1)
        self.writer.assign(node.name, f"{solve}({factors}, {right}.detach())")
        self.writer.line("# one correction: rounding is refined, and the gradient is that of the implicit function theorem")
        residual = f"{right} - ({node.name} - {factor} * {call})"
        self.writer.assign(node.name, f"{node.name} + {solve}({factors}, {residual})")

    def _kernel_matrix(self, node: Node, layer: KernelMatrix, inputs: list[str]) -> None:
        columns = [self.constants.coordinate(a, Region((0,) * self.dimension)) for a in layer.axes]
        names = dict(zip(layer.symbols, inputs, strict=True))
        if len(columns) == 1:
            flats = [f"{columns[0]}.flatten()"]
        else:
            flats = [f"{node.name}_{k}" for k in range(len(columns))]
            joined = ", ".join(columns)
            self.writer.assign(", ".join(flats), f"(v.flatten() for v in torch.broadcast_tensors({joined}))")
        for flat, own, other in zip(flats, layer.coordinates, layer.primed, strict=True):
            names[own] = f"{flat}[:, None]"
            names[other] = f"{flat}[None, :]"
        printer = self.constants.printer(names)
        text = printer.text(layer.expression, PRODUCT)
        if printer.is_constant(layer.expression):
            text = f"{text} * torch.ones_like({flats[0]}[:, None] + {flats[0]}[None, :])"
        volume = " * ".join(self.constants.spacing(a) for a in layer.axes)
        self.writer.assign(node.name, f"{volume} * {text}")


def extrapolation(cells: int, width: int) -> tuple[tuple[int, ...], ...]:
    """Cell k beyond an end from the nearest `cells`, by the polynomial through them; on a uniform grid the weights are whole."""
    basis, _ = lagrange(cells)
    return tuple(tuple(int(evaluate(p, Fraction(-2 * k - 1, 2))) for p in basis) for k in range(width))
