"""The layer graph: blocks of typed nodes in topological order, with shapes, regions and where each came from."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

import sympy as sp

from npde.discretize.scheme import Scheme
from npde.graph.layers import Call, InputArray, Layer, Loop
from npde.options import CompileOptions, NetworkKind
from npde.records import dataclass
from npde.source import NOWHERE, Span

if TYPE_CHECKING:
    import networkx as nx


@dataclass(frozen=True, slots=True)
class Region:
    """Which part of the grid a value covers: `halo[i]` cells beyond each end of axis i; on the faces across axis `face`
    (index i at i + ½, one more face than cells), or at cells (None)."""

    halo: tuple[int, ...]
    face: int | None = None


@dataclass(frozen=True, slots=True)
class Shape:
    """`[B, channels, *extents]`; an extent is 1 where the value does not vary along the axis."""

    batch: bool
    channels: int
    extents: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Node:
    """One value: its name (unique in its block; the emitted temporary's), what computes it, from which values."""

    name: str
    layer: Layer
    inputs: tuple[str, ...]
    shape: Shape
    region: Region
    span: Span = NOWHERE


@dataclass(frozen=True, slots=True)
class Block:
    """A sub-graph: nodes in topological order, `inputs` its placeholders in order, `outputs` names of nodes."""

    name: str
    inputs: tuple[str, ...]
    nodes: tuple[Node, ...]
    outputs: tuple[str, ...]

    def node(self, name: str) -> Node:
        return next(n for n in self.nodes if n.name == name)


def inputs_of(block: Block) -> list[str]:
    """Run-time inputs without a step axis that a block reads, in order of first use."""
    return list(
        dict.fromkeys(n.layer.name for n in block.nodes if isinstance(n.layer, InputArray) and not n.layer.per_step)
    )


Start = Literal["value", "field", "random", "zeros", "stencil"]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A learned array. `attribute` is the name of the physical value on the module, `parameter` the stored tensor's name in the
    state dict (`raw_D` when constrained, else the same). `shape` (components, then the grid axes `axes`) comes without the
    leading step and stage axes, whose lengths are `steps` and `stages` or None.

    The physical value is `lower + exp(raw)`, `lower + (upper - lower) sigmoid(raw)`, or the stored value divided by `scale`
    (a kernel's stored value is the dimensionless layer matrix). `start`: an expression in coordinates, or None for
    N(0, 1/fan_in), or `taps` for a stencil. `frozen` ones do not train.
    """

    attribute: str
    parameter: str
    kind: Literal["coefficient", "kernel", "stencil", "released", "matrix"]
    shape: tuple[int, ...]
    axes: tuple[int, ...]
    steps: int | None
    stages: int | None
    lower: Fraction | float | None
    upper: Fraction | float | None
    scale: sp.Expr
    start: sp.Expr | None
    taps: tuple[tuple[tuple[int, ...], sp.Expr], ...] | None
    fan_in: int
    frozen: bool
    span: Span = NOWHERE


@dataclass(frozen=True, slots=True)
class SubModule:
    """A learned sub-network: a closure (its hidden `widths` and activation), a lift or a read-out (one affine layer)."""

    name: str
    kind: Literal["closure", "lift", "linear"]
    in_features: int
    widths: tuple[int, ...]
    out_features: int
    activation: str
    span: Span = NOWHERE

    @property
    def parameters(self) -> int:
        """Weights and biases."""
        sizes = (self.in_features, *self.widths, self.out_features)
        return sum((a + 1) * b for a, b in pairwise(sizes))


@dataclass(frozen=True)
class LayerGraph:
    """A whole network: its blocks by name (`initial`, `rhs` or `linear`/`pointwise`, `step`, `output`, and `forward`, the
    root) and its learned arrays. `scheme` is kept for views and analysis."""

    name: str
    scheme: Scheme
    options: CompileOptions
    network: NetworkKind
    blocks: tuple[Block, ...]
    parameters: tuple[Parameter, ...]
    modules: tuple[SubModule, ...]

    @property
    def class_name(self) -> str:
        """The emitted class: the model's name in CamelCase, with a trailing underscore where the file owns that name."""
        from npde.graph.names import attribute  # it needs this module

        return attribute("".join(part[:1].upper() + part[1:] for part in self.name.split("_") if part) or "Network")

    def block(self, name: str) -> Block:
        """The block of that name; KeyError if there is none."""
        for block in self.blocks:
            if block.name == name:
                return block
        raise KeyError(name)

    def to_networkx(self, block: str | None = None) -> nx.MultiDiGraph[str]:
        """One block (default: all, called blocks linked by edges of kind "calls") as a multigraph; nodes are
        `block/name` with the `Node` as attribute `node`, edges carry the input position."""
        import networkx as nx  # a quarter of a second, which only this needs

        graph: nx.MultiDiGraph[str] = nx.MultiDiGraph(name=self.name)
        for b in self.blocks:
            if block is not None and b.name != block:
                continue
            for node in b.nodes:
                graph.add_node(f"{b.name}/{node.name}", node=node, block=b.name)
            for node in b.nodes:
                for position, source in enumerate(node.inputs):
                    graph.add_edge(f"{b.name}/{source}", f"{b.name}/{node.name}", position=position, kind="data")
                match node.layer:
                    case Call(block=callee) | Loop(block=callee) if block is None:
                        for output in self.block(callee).outputs:
                            graph.add_edge(f"{callee}/{output}", f"{b.name}/{node.name}", position=-1, kind="calls")
                    case _:
                        pass
        return graph
