"""One layer as one Python expression. What is not worth a name of its own (a coefficient, a slice of the step) stays inline."""

from __future__ import annotations

from fractions import Fraction

from npde.diagnostics import InternalError
from npde.emit.printer import PRODUCT, UNARY
from npde.emit.steady_text import SteadyEmitter
from npde.emit.sums import combination
from npde.graph.expression_blocks import DT
from npde.graph.graph import Node
from npde.graph.layers import (
    AdaptiveStep,
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
    Held,
    InputArray,
    IterativeSolve,
    Join,
    KernelMatrix,
    KrylovSolve,
    LiftLayer,
    Loop,
    MatrixRow,
    MatrixVector,
    NewtonLayer,
    Noise,
    PhiFunctions,
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
    SteadyFactors,
    SteadySolve,
    StencilLayer,
    StretchProfile,
    Unflatten,
    Weight,
)
from npde.symbolic.operators import Stretch


class NodeEmitter(SteadyEmitter):
    """Writes the nodes of one block. `names` maps nodes to the Python text of their values."""

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
            case KrylovSolve() as layer:
                self._krylov_solve(node, layer, inputs)
            case IterativeSolve() as layer:
                self._iterate(node, layer, inputs)
            case Loop(block=block, trips=trips):
                self._loop(node, block, trips, inputs[0])
            case AdaptiveStep() as layer:
                self._adaptive(node, layer, inputs)
            case NewtonLayer() as layer:
                self._newton_step(node, layer, inputs)
            case SteadySolve() as layer:
                self._steady_solve(node, layer, inputs)
            case KernelMatrix() as layer:
                self._kernel_matrix(node, layer, inputs)
            case Extend() as layer:
                self._extend(node, layer, inputs)
            case _:
                self.writer.assign(node.name, self.expression(node, inputs), self._comment(node))

    def _loop(self, node: Node, block: str, trips: int, state: str) -> None:
        """Runs of a block on its own output."""
        self.writer.assign(node.name, state)
        self.writer.line(f"for _ in range({trips}):")
        with self.writer.indented():
            arguments = [node.name, *self.constants.extra(block, None)]
            self.writer.assign(node.name, f"self.{block}({', '.join(arguments)})")

    def _comment(self, node: Node) -> str:
        match node.layer:
            case StencilLayer(operator=operator) | ReleasedStencil(operator=operator):
                return operator
            case StretchProfile(kind=kind):
                return Stretch.NAMES[kind]
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
                return self._pointwise(node, layer, inputs)
            case Channels() as layer:
                return self._channels(node, layer, inputs[0])
            case Join():
                return self._join(node, inputs)
            case Crop():
                return self._slice(inputs[0], self._node(node.inputs[0]), node.region, (Fraction(0),) * self.dimension)
            case StretchProfile() as layer:
                numbers = (layer.lower, layer.upper, layer.width, layer.strength)
                listed = ", ".join(self.constants.printer({}).text(n) for n in numbers)
                return f"{self._helper('stretch')}({inputs[0]}, {listed}, {layer.degree})[{layer.kind}]"
            case Held(widths=widths):
                return f"{self._helper('hold')}({inputs[0]}, {widths!r})"
            case StencilLayer() as layer:
                return self._stencil(node, layer, inputs[0])
            case ReleasedStencil():
                return self._released(node, inputs)
            case Convolution():
                return f"functional.conv{self.dimension}d({inputs[0]}, {inputs[1]})"
            case Dense(axes=axes):
                if self.dimension == 1:
                    return f"functional.linear({inputs[0]}, {inputs[1]})"
                return f"{self._helper('dense')}({inputs[1]}, {inputs[0]}, {axes!r})"
            case CircularConvolution(axes=axes):
                return self._circular_convolution(axes, inputs)
            case ClosureNetwork(name=name):
                module = self.constants.module(name)
                return f"{self._helper('pointwise_network')}(self.{module}, {', '.join(inputs)})"
            case Reduction() as layer:
                return self._reduction(layer, inputs[0])
            case MatrixVector():
                return f'torch.einsum("nm...,bm...->bn...", {inputs[0]}, {inputs[1]})'
            case MatrixRow(index=index):
                return f"{inputs[0]}[{index}]"
            case DotChannels():
                return f"({inputs[0]} * {inputs[1]}).sum(dim=-{1 + len(node.shape.extents)}, keepdim=True)"
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
                return self._propagator(layer, inputs)
            case PhiFunctions() as layer:
                return self._phi_functions(layer)
            case Factorization() as layer:
                return self._factorization(layer, inputs)
            case SteadyFactors() as layer:
                return self._steady_factors(layer)
            case Flatten():
                return self._flatten(node, inputs[0])
            case Unflatten():
                return f"{inputs[0]}.unflatten(-1, {self.graph.scheme.grid.shape!r})"
            case AffineWeights() as layer:
                return self._affine_weights(layer)
            case SparseAffine():
                return self._sparse_affine(node, inputs)
            case SpectralLayer(mirrors=mirrors):
                return self._spectral(inputs[1], inputs[0], mirrors)
            case _:
                raise InternalError(f"no emission for {type(node.layer).__name__}")

    def _pointwise(self, node: Node, layer: Pointwise, inputs: list[str]) -> str:
        printer = self.constants.printer(dict(zip(layer.symbols, inputs, strict=True)))
        if layer.expression.has(DT) and all(self._node(i).shape == node.shape for i in node.inputs):
            combined = combination(layer.expression, printer)  # states and rates, joined by the time scheme
            if combined is not None:
                return combined
        if printer.is_constant(layer.expression):
            return f"self.unit * {printer.text(layer.expression, UNARY)}" if layer.expression != 1 else "self.unit"
        return printer.text(layer.expression)

    def _channels(self, node: Node, layer: Channels, source: str) -> str:
        of = self._node(node.inputs[0])
        if of.shape.channels == layer.stop - layer.start:
            return source
        if of.shape.batch:
            return f"{source}[:, {layer.start}:{layer.stop}]"
        return f"{source}.narrow(-{1 + len(of.shape.extents)}, {layer.start}, {layer.stop - layer.start})"

    def _join(self, node: Node, inputs: list[str]) -> str:
        batch = self._batch(node, inputs)
        parts = []
        for name, text in zip(node.inputs, inputs, strict=True):
            shape = self._node(name).shape
            channels = node.shape.channels if len(inputs) == 1 else shape.channels
            whole = (channels, *node.shape.extents)
            full = shape.batch and (shape.channels, *shape.extents) == whole  # without a batch axes may be missing
            grid = ", ".join(map(str, whole))
            brackets = text if text.replace("_", "").replace(".", "").isalnum() else f"({text})"
            samples = "-1" if batch == "1" and shape.batch else batch  # among the coefficients only inputs have samples
            parts.append(text if full else f"{brackets}.expand({samples}, {grid})")
        return parts[0] if len(parts) == 1 else f"torch.cat(({', '.join(parts)}), dim=1)"

    def _circular_convolution(self, axes: tuple[int, ...], inputs: list[str]) -> str:
        shifts = tuple(-self.constants.zero_index(a) for a in axes)
        dims = tuple(a - self.dimension for a in axes)
        scaled = " * ".join([*(self.constants.spacing(a) for a in axes), inputs[1]])
        centered = f"torch.roll({scaled}, {shifts!r}, {dims!r})" if any(shifts) else scaled
        return f"{self._helper('circular_convolution')}({inputs[0]}, {centered}, {dims!r})"

    # --- sums and solves ----------------------------------------------------------------------------------------------

    def _batch(self, node: Node, inputs: list[str]) -> str:
        """The samples of a joined array; in a block without a state those of a part that has them."""
        if not node.shape.batch:
            return "1"
        if self.batch != "state.shape[0]" or "state" in self.block.inputs:
            return self.batch
        return next(f"{t}.shape[0]" for n, t in zip(node.inputs, inputs, strict=True) if self._node(n).shape.batch)

    def _reduction(self, layer: Reduction, source: str) -> str:
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
