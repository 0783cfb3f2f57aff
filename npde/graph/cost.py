"""What a network costs, read off its graph before anything is allocated: FLOPs, bytes moved, parameters, reach.

Conventions, the same for every node (N entries of the node's own array, all samples of the batch included):

    pointwise        N Σ operations: + − × ÷ and comparisons count 1, a power by repeated squaring, exp tanh … count 10
    stencil          N (2 T − 1), T cells looked at
    convolution      2 N C_in Π extents; its adjoint the same with C_out
    dense            2 N M, M cells summed over
    closure          (N / C_out) Σ_layers (2 in out + activation)
    lift, read-out   2 N in (the bias in it)
    reduction        one addition an entry summed, one product an entry left
    FFT              5/2 n log2 n for n real entries
    block LU         n (14/3) m³ to factor, 6 n m² to solve: n blocks of m unknowns

Bytes are those of an unfused run: every node reads its inputs once and writes its value once; a `Channels`, `Crop` or
`Flatten` is a view and moves nothing. Parameters are counted by the module, not by the node that uses them.
"""

from __future__ import annotations

from itertools import pairwise
from math import ceil, log2, prod
from typing import assert_never

from npde.diagnostics import InternalError
from npde.discretize.scheme import GhostRule, LinearSolve
from npde.graph.flops import FLOPS, operations
from npde.graph.graph import Block, LayerGraph, Node, Parameter, Shape, SubModule
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
from npde.records import dataclass

ITERATIONS = 10
"""Iterations that an iterative solve is counted with."""

NEWTON_STEPS = 3
"""Steps that Newton's method is taken to need from the state before."""


@dataclass(frozen=True, slots=True)
class Cost:
    """FLOPs and bytes read and written."""

    flops: int = 0
    read: int = 0
    written: int = 0

    @property
    def bytes(self) -> int:
        """Bytes moved."""
        return self.read + self.written

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.flops + other.flops, self.read + other.read, self.written + other.written)

    def times(self, count: int) -> Cost:
        """The cost of `count` runs."""
        return Cost(self.flops * count, self.read * count, self.written * count)


@dataclass(frozen=True, slots=True)
class Costs:
    """Costs of a graph for a batch and an item size: every node once (`nodes`, by block and name), every block once
    (`blocks`, what it calls and loops over included), a step, and a whole forward with the coefficients computed once before it."""

    nodes: dict[tuple[str, str], Cost]
    blocks: dict[str, Cost]
    step: Cost
    forward: Cost
    parameters: int


def costs(graph: LayerGraph, batch: int = 1, itemsize: int = 4) -> Costs:
    """The costs of a graph; `itemsize` in bytes (4: float32)."""
    return _Counter(graph, batch, itemsize).costs()


def parameter_count(item: Parameter | SubModule) -> int:
    """Numbers stored for a learned array (all its steps and stages) or sub-network."""
    if isinstance(item, SubModule):
        return item.parameters
    return prod(item.shape) * (item.steps or 1) * (item.stages or 1)


def step_block(graph: LayerGraph) -> str | None:
    """The block that is run most often by one loop: a step of the march (None: nothing is marched)."""
    loops = [n.layer for b in graph.blocks for n in b.nodes if isinstance(n.layer, Loop)]
    return max(loops, key=lambda loop: loop.trips).block if loops else None


def elements(shape: Shape, batch: int = 1) -> int:
    """Entries of an array."""
    return (batch if shape.batch else 1) * shape.channels * prod(shape.extents)


def _ghost_operations(rules: tuple[GhostRule, ...], shape: Shape, batch: int) -> int:
    """A product and a sum for each weight, over the cells along the wall."""
    cells = elements(shape, batch)
    weights = sum(1 for rule in rules for row in rule.weights for w in row if w != 0)
    return 2 * weights * round(cells ** (1 - 1 / len(shape.extents))) if shape.extents and weights else 0


@dataclass
class _Counter:
    graph: LayerGraph
    batch: int
    itemsize: int

    def costs(self) -> Costs:
        nodes: dict[tuple[str, str], Cost] = {}
        blocks: dict[str, Cost] = {}
        for block in self.graph.blocks:
            self._block(block, nodes, blocks)
        step = step_block(self.graph)
        root = self.graph.blocks[-1].name
        names = [b.name for b in self.graph.blocks]
        forward = blocks["forward" if "forward" in names else root] + blocks.get("coefficients", Cost())
        parameters = sum(parameter_count(p) for p in self.graph.parameters)
        parameters += sum(m.parameters for m in self.graph.modules)
        return Costs(nodes, blocks, blocks[step] if step else forward, forward, parameters)

    def _block(self, block: Block, nodes: dict[tuple[str, str], Cost], blocks: dict[str, Cost]) -> Cost:
        if block.name in blocks:
            return blocks[block.name]
        by_name = {n.name: n for n in block.nodes}
        total = Cost()
        for node in block.nodes:
            cost = self._node(node, [by_name[i] for i in node.inputs], nodes, blocks)
            nodes[block.name, node.name] = cost
            total += cost
        blocks[block.name] = total
        return total

    def _node(
        self, node: Node, inputs: list[Node], nodes: dict[tuple[str, str], Cost], blocks: dict[str, Cost]
    ) -> Cost:
        match node.layer:
            case Call(block=name):
                return self._block(self.graph.block(name), nodes, blocks)
            case Loop(block=name, trips=trips):
                return self._block(self.graph.block(name), nodes, blocks).times(trips)
            case AdaptiveStep(block=name, stages=stages):
                return self._block(self.graph.block(name), nodes, blocks).times(stages - 1)
            case AffineWeights(block=name, offsets=offsets):
                colors = prod(2 * r + 1 for r in pattern_reach(offsets)) * node.layer.channels
                return self._block(self.graph.block(name), nodes, blocks).times(colors)
            case (
                Placeholder()
                | Weight()
                | InputArray()
                | Coefficient()
                | Channels()
                | MatrixRow()
                | Crop()
                | Flatten()
                | Unflatten()
            ):
                return Cost()
            case _:
                read = sum(self._size(i) for i in inputs) * self.itemsize
                written = elements(node.shape, self.batch) * self.itemsize
                return Cost(self._flops(node, inputs), read, written)

    def _size(self, node: Node) -> int:
        """Entries of a value; a learned array has those of one step."""
        if isinstance(node.layer, Weight):
            for parameter in self.graph.parameters:
                if parameter.attribute == node.layer.name:
                    return prod(parameter.shape)
        if isinstance(node.layer, KernelMatrix):
            return int(node.shape.channels) ** 2
        return elements(node.shape, self.batch)

    def _flops(self, node: Node, inputs: list[Node]) -> int:
        count = elements(node.shape, self.batch)
        first = elements(inputs[0].shape, self.batch) if inputs else 0
        match node.layer:
            case (
                Placeholder()
                | Weight()
                | InputArray()
                | Coefficient()
                | Channels()
                | Crop()
                | Join()
                | Extend()
                | Held()
            ):
                return 0
            case Call() | Loop() | AdaptiveStep() | AffineWeights() | MatrixRow() | Flatten() | Unflatten():
                return 0  # blocks are counted by `_node`, views cost nothing
            case CoordinateArray():
                return 2 * count
            case StretchProfile(degree=degree):
                return (20 + 4 * degree) * count
            case Noise():
                return FLOPS.function * count
            case Ghost(rules=rules):
                return _ghost_operations(rules, node.shape, self.batch)
            case StencilLayer(taps=taps):
                return count * max(2 * len({t.offset for t in taps}) - 1, 0)
            case ReleasedStencil(extents=extents):
                return count * (2 * prod(extents) - 1)
            case Pointwise(expression=expression):
                return count * operations(expression)
            case Convolution(extents=extents) | ConvolutionAdjoint(extents=extents):
                return 2 * count * inputs[0].shape.channels * prod(extents)
            case Dense(axes=axes):
                return 2 * count * prod(inputs[0].shape.extents[i] for i in axes)
            case KernelMatrix(expression=expression):
                return self._size(node) * (operations(expression) + 1)
            case CircularConvolution(axes=axes):
                length = prod(node.shape.extents[i] for i in axes)
                return self._fft(first, length) + 2 * self._fft(count, length)
            case ClosureNetwork(name=name):
                return self._closure(name, count // node.shape.channels)
            case Reduction():
                return first + count
            case MatrixVector() | DotChannels():
                return 2 * count * inputs[1].shape.channels
            case LiftLayer(in_channels=width):
                return 2 * count * width
            case ReadOut(in_features=width):
                return 2 * count * width
            case RegionIntegrals():
                return 2 * first
            case Factorization() | SolveLayer() | KrylovSolve() | NewtonLayer() | Propagator():
                return self._solver(node, inputs)
            case PhiFunctions() | SpectralLayer():
                return self._solver(node, inputs)
            case SteadyFactors() | SteadySolve() | IterativeSolve():
                return self._steady(node)
            case SparseAffine():
                return 2 * elements(inputs[1].shape) * (self.batch if node.shape.batch else 1)
            case _:
                assert_never(node.layer)

    @staticmethod
    def _fft(entries: int, length: int) -> int:
        """5/2 n log2 n along axes of n cells together, for all entries."""
        return ceil(2.5 * entries * log2(length)) if length > 1 else 0

    def _closure(self, name: str, cells: int) -> int:
        network = next(m for m in self.graph.modules if m.name == name and m.kind == "closure")
        sizes = (network.in_features, *network.widths, network.out_features)
        products = sum(2 * a * b for a, b in pairwise(sizes))
        activation = 1 if network.activation == "relu" else FLOPS.function
        return cells * (products + activation * sum(network.widths))

    def _solver(self, node: Node, inputs: list[Node]) -> int:
        grid = [a.cells for a in self.graph.scheme.grid.axes]
        cells = prod(grid)
        transform = ceil(2.5 * log2(cells)) if cells > 1 else 0
        match node.layer:
            case Factorization(channels=channels, solve=solve) if solve.method == "axes" or solve.is_krylov:
                return channels * _bases(grid)
            case SolveLayer(solve=solve) if solve.method == "axes":
                return 2 * _changes_of_basis(grid) * node.shape.channels * (self.batch if node.shape.batch else 1)
            case Factorization(channels=channels, solve=solve) if solve.method == "block_lu":
                rows = _blocks(grid, solve.reach, channels)
                return ceil(rows[0] * rows[1] ** 3 * 14 / 3) * (self.batch if solve.per_sample else 1)
            case Factorization(channels=channels, solve=solve):
                waves = cells * (FLOPS.function * channels**2 + transform)
                return waves * (self.batch if solve.per_sample else 1)
            case Propagator(channels=channels, per_sample=each):
                return cells * (FLOPS.function * channels**2 + transform) * (self.batch if each else 1)
            case KrylovSolve(block=block, solve=solve):
                return ITERATIONS * (self._applied(node, block) + self._preconditioned(node, solve))
            case NewtonLayer(block=block, solve=solve) if solve.is_krylov:
                once = 4 * self._applied(node, block) + self._preconditioned(node, solve)
                return NEWTON_STEPS * ITERATIONS * once
            case NewtonLayer(solve=solve):
                n, m = _blocks(grid, solve.reach, node.shape.channels)
                return NEWTON_STEPS * ceil(n * m**3 * 14 / 3) * (self.batch if node.shape.batch else 1)
            case PhiFunctions(channels=channels, weights=weights, per_sample=each):
                size = channels * max(len(w) for w in weights)
                return cells * (FLOPS.function * 2 * size**3 + transform) * (self.batch if each else 1)
            case SolveLayer(solve=solve) if solve.method == "block_lu":
                channels = node.shape.channels
                samples = self.batch if node.shape.batch else 1
                rows = _blocks(grid, solve.reach, channels)
                return 6 * samples * rows[0] * rows[1] ** 2
            case _:
                count = elements(node.shape, self.batch)
                joined = inputs[0].shape.channels if inputs else node.shape.channels
                return (count + count * joined // node.shape.channels) * transform + 4 * count * joined

    def _applied(self, node: Node, block: str) -> int:
        """One iteration of a Krylov method: an application of a block, and ten vector operations."""
        return self._block(self.graph.block(block), {}, {}).flops + 20 * elements(node.shape, self.batch)

    def _preconditioned(self, node: Node, solve: LinearSolve) -> int:
        """What a preconditioner adds to one iteration."""
        grid = [a.cells for a in self.graph.scheme.grid.axes]
        samples = self.batch if node.shape.batch else 1
        return 2 * _changes_of_basis(grid) * node.shape.channels * samples if solve.preconditioned else 0

    def _steady(self, node: Node) -> int:
        """As for implicit steps. Iterations are counted as `ITERATIONS` of them: a factorization a step of Newton's method, ten
        vector operations an application for a Krylov method. Multigrid counts four sweeps on the finest grid and a third more."""
        grid = [a.cells for a in self.graph.scheme.grid.axes]
        cells, count = prod(grid), elements(node.shape, self.batch)
        samples = self.batch if node.shape.batch else 1
        layer = node.layer
        if not isinstance(layer, SteadyFactors | SteadySolve | IterativeSolve):
            raise InternalError("not a layer of a steady problem")
        channels = layer.channels if isinstance(layer, SteadyFactors | IterativeSolve) else node.shape.channels
        n, m = _blocks(grid, layer.solve.reach, channels)
        factored, substituted = ceil(n * m**3 * 14 / 3), 6 * n * m**2
        taps = channels * prod(2 * r + 1 for r in layer.solve.reach)
        match layer:
            case IterativeSolve() if layer.solve.is_krylov:
                return ITERATIONS * 20 * count
            case IterativeSolve():
                return ITERATIONS * samples * (factored + substituted)
            case SteadyFactors(solve=solve) if solve.method == "axes":
                return channels * _bases(grid)
            case SteadySolve(solve=solve) if solve.method == "axes":
                return 2 * samples * channels * _changes_of_basis(grid)
            case SteadyFactors(solve=solve) if solve.method == "block_lu":
                return factored
            case SteadySolve(solve=solve) if solve.method == "block_lu":
                return samples * substituted
            case SteadySolve(solve=solve) if solve.method == "multigrid":
                return ceil(count * taps * 2 * 4 * 4 / 3)
            case SteadySolve(solve=solve) if solve.method == "jacobi":
                return 2 * count
            case SteadySolve():
                return 2 * self._fft(count, cells)
            case _:
                return self._fft(cells * channels**2, cells)


def pattern_reach(offsets: tuple[tuple[int, ...], ...]) -> tuple[int, ...]:
    """The largest offset of a sparse pattern, an axis."""
    return tuple(max(abs(o) for o in column) for column in zip(*offsets, strict=True))


def _bases(grid: list[int]) -> int:
    """Eigenvectors along each axis."""
    return sum(25 * n**3 for n in grid)


def _changes_of_basis(grid: list[int]) -> int:
    """A matrix along each axis, there and back."""
    return 4 * sum(grid) * prod(grid)


def _blocks(grid: list[int], reach: tuple[int, ...], channels: int) -> tuple[int, int]:
    """Number and size of the blocks of a block-tridiagonal matrix, ordered along the first axis."""
    if not grid:
        return 1, channels
    rows = max(reach[0], 1)
    return ceil(grid[0] / rows), rows * prod(grid[1:]) * channels
