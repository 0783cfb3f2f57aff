"""The layers of a network: a closed set of operations on arrays `[B, C, *grid]`.

Every value is an array with a batch axis (extent 1 where it does not vary over samples), channels, and the grid axes in
order of declaration (extent 1 where it does not vary). All of them broadcast. A layer knows what it computes, not how it is
written: emitters and views match on these classes.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Literal, TypeAlias

import sympy as sp

from npde.discretize.scheme import GhostRule
from npde.graph.solve_layers import (
    AdaptiveStep as AdaptiveStep,
)
from npde.graph.solve_layers import (
    Factorization as Factorization,
)
from npde.graph.solve_layers import (
    IterativeSolve as IterativeSolve,
)
from npde.graph.solve_layers import (
    KrylovSolve as KrylovSolve,
)
from npde.graph.solve_layers import (
    NewtonLayer as NewtonLayer,
)
from npde.graph.solve_layers import (
    PhiFunctions as PhiFunctions,
)
from npde.graph.solve_layers import (
    Propagator as Propagator,
)
from npde.graph.solve_layers import (
    SolveLayer as SolveLayer,
)
from npde.graph.solve_layers import (
    SpectralLayer as SpectralLayer,
)
from npde.graph.solve_layers import (
    SteadyFactors as SteadyFactors,
)
from npde.graph.solve_layers import (
    SteadySolve as SteadySolve,
)
from npde.records import dataclass

# --- sources ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Placeholder:
    """A value handed to the block: the state, the time `t`, or a coefficient computed by another block."""


@dataclass(frozen=True, slots=True)
class CoordinateArray:
    """Positions along an axis on the node's region; wrapped on a periodic axis."""

    axis: int


@dataclass(frozen=True, slots=True)
class Weight:
    """The physical value of a learned coefficient, kernel or released stencil; `per_step`: its slice of the step."""

    name: str
    per_step: bool


@dataclass(frozen=True, slots=True)
class InputArray:
    """A run-time input; `per_step`: its slice of the step."""

    name: str
    per_step: bool


@dataclass(frozen=True, slots=True)
class Noise:
    """Uniform in ±1 by an integer hash of seed, component and cell; the same for the whole batch."""

    seed: int


# --- data movement ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Channels:
    """Channels start … stop - 1 of its input."""

    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Join:
    """Inputs joined along the channels (expanded over batch and grid where they do not vary)."""


@dataclass(frozen=True, slots=True)
class Ghost:
    """Ghost cells around an unknown, `widths[i]` on both sides of axis i; axis by axis, earlier ghosts included.

    `rules` are those of the non-periodic axes (lower, upper); inputs: the unknown, then one array of wall data for each entry of
    `data` (the index into `rules` and into the data of that rule), then what the symbols of the weights stand for, in the order
    of `symbols`.
    """

    unknown: sp.Symbol
    widths: tuple[int, ...]
    rules: tuple[GhostRule, ...]
    data: tuple[tuple[int, int], ...]
    symbols: tuple[sp.Symbol, ...]


@dataclass(frozen=True, slots=True)
class Extend:
    """An array that has no ghost rule (learned, input) continued by `widths`: wrapped if periodic, else by the polynomial
    through its nearest `cells`: 1 keeps a coefficient positive, more are for wall data beyond the ends of the wall."""

    widths: tuple[int, ...]
    periodic: tuple[bool, ...]
    cells: int = 1


@dataclass(frozen=True, slots=True)
class Held:
    """An array whose `widths[i]` outermost cells at both ends of axis i take the value of the next one: inside absorbing layers."""

    widths: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class StretchProfile:
    """Coefficient `kind` of the complex stretching of an absorbing axis (see `Stretch`); the input is the position along it."""

    kind: int
    lower: sp.Expr
    upper: sp.Expr
    width: sp.Expr
    strength: sp.Expr
    degree: int


@dataclass(frozen=True, slots=True)
class Crop:
    """Its input on the (smaller) region of the node."""


# --- layers -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Tap:
    """One weight of a stencil at an offset (cells; halves between cells and faces): weight / Π spacing_i^powers[i]."""

    offset: tuple[Fraction, ...]
    weight: Fraction
    powers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class StencilLayer:
    """A fixed convolution `Σ_k tap_k · shift(input)`; `operator` says which in the notation of the language ("lap(u)")."""

    operator: str
    taps: tuple[Tap, ...]


@dataclass(frozen=True, slots=True)
class ReleasedStencil:
    """A stencil whose weights train, started at its finite-difference values; inputs: the array, the kernel (a Weight)."""

    operator: str
    extents: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Pointwise:
    """An expression of its inputs, entry by entry; `symbols[k]` in it stands for input k."""

    expression: sp.Expr
    symbols: tuple[sp.Symbol, ...]


@dataclass(frozen=True, slots=True)
class Convolution:
    """`K(u)`: multi-channel cross-correlation; inputs: the array with its halo, the kernel [out, in, *extents]."""

    kernel: str
    extents: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ConvolutionAdjoint:
    """`adjoint(K)(v)`: transposed convolution, then the transpose of the ghost fill; inputs: v, the kernel, what the weights'
    symbols stand for."""

    kernel: str
    extents: tuple[int, ...]
    rules: tuple[GhostRule, ...]
    periodic: tuple[bool, ...]
    symbols: tuple[sp.Symbol, ...]


@dataclass(frozen=True, slots=True)
class Dense:
    """`∫ W(x, x') e(x') dx'` over `axes`: a matrix h W on the flattened axes; inputs: e, the layer matrix [N, N]."""

    axes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class KernelMatrix:
    """The layer matrix of a closed-form kernel: `volume · W(x_i, x'_j)` on the flattened `axes`; inputs stand for `symbols`
    (learned scalars), `coordinates[k]` and `primed[k]` for the positions along `axes[k]`."""

    expression: sp.Expr
    axes: tuple[int, ...]
    coordinates: tuple[sp.Symbol, ...]
    primed: tuple[sp.Symbol, ...]
    symbols: tuple[sp.Symbol, ...]
    volume: sp.Expr


@dataclass(frozen=True, slots=True)
class CircularConvolution:
    """`∫ w(x - x') e(x') dx'` along periodic axes, by FFT; inputs: e, w."""

    axes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ClosureNetwork:
    """A learned pointwise network of its inputs."""

    name: str


@dataclass(frozen=True, slots=True)
class Reduction:
    """Sum over axes times `scale` (the cell volume for an integral, 1/N for a mean); the axes stay with extent 1."""

    kind: Literal["integral", "mean", "sum"]
    axes: tuple[int, ...]
    scale: sp.Expr


@dataclass(frozen=True, slots=True)
class MatrixVector:
    """`A@u` over channels; inputs: A [n, m] (or with grid axes behind), u."""


@dataclass(frozen=True, slots=True)
class MatrixRow:
    """Row `index` of a matrix of components, as a vector."""

    index: int


@dataclass(frozen=True, slots=True)
class DotChannels:
    """Σ_c a_c b_c, one channel."""


@dataclass(frozen=True, slots=True)
class LiftLayer:
    """A learned 1×1 convolution with bias."""

    name: str
    in_channels: int
    out_channels: int


@dataclass(frozen=True, slots=True)
class ReadOut:
    """A learned dense layer with bias of everything but the batch."""

    name: str
    in_features: int
    out_features: int


@dataclass(frozen=True, slots=True)
class RegionIntegrals:
    """Integrals over n equal tiles, `tiles` along each axis; overlap-weighted."""

    tiles: tuple[int, ...]


# --- structure --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Call:
    """Another block of the graph applied to the inputs; `stage` tells released layers which stage it is."""

    block: str
    stage: int = 0


@dataclass(frozen=True, slots=True)
class Loop:
    """`trips` runs of a block; its output is its next input."""

    block: str
    trips: int


@dataclass(frozen=True, slots=True)
class Coefficient:
    """An output of the block `coefficients`, computed once a call and seen by every other block."""

    name: str


@dataclass(frozen=True, slots=True)
class Flatten:
    """Its input with the grid as one axis of N cells, row-major (mlp)."""


@dataclass(frozen=True, slots=True)
class Unflatten:
    """Its input with the grid axes restored."""


@dataclass(frozen=True, slots=True)
class AffineWeights:
    """`W` and `b` of the affine block `block` of `channels` channels on its pattern: a weight a row and offset in `offsets`, found
    by applying the block to a coloring of unit vectors. `released`: the weights train on their own, started there."""

    block: str
    channels: int
    offsets: tuple[tuple[int, ...], ...]
    periodic: tuple[bool, ...]
    released: str | None


@dataclass(frozen=True, slots=True)
class SparseAffine:
    """`W x + b` on a fixed pattern; inputs: the flat state [B, C, N], the `AffineWeights`. M = `channels` N rows."""

    channels: int


Layer: TypeAlias = (
    Placeholder
    | CoordinateArray
    | Weight
    | InputArray
    | Noise
    | Channels
    | Join
    | Ghost
    | Extend
    | Held
    | StretchProfile
    | Crop
    | StencilLayer
    | ReleasedStencil
    | Pointwise
    | Convolution
    | ConvolutionAdjoint
    | Dense
    | KernelMatrix
    | CircularConvolution
    | ClosureNetwork
    | Reduction
    | MatrixVector
    | MatrixRow
    | DotChannels
    | LiftLayer
    | ReadOut
    | RegionIntegrals
    | Call
    | Loop
    | Coefficient
    | Factorization
    | SolveLayer
    | KrylovSolve
    | SteadyFactors
    | SteadySolve
    | IterativeSolve
    | NewtonLayer
    | AdaptiveStep
    | Propagator
    | PhiFunctions
    | SpectralLayer
    | Flatten
    | Unflatten
    | AffineWeights
    | SparseAffine
)
