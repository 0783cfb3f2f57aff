"""What a layer is called and what is said about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

import sympy as sp

from npde.discretize.scheme import LinearSolve
from npde.graph.graph import LayerGraph, Shape
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
    Layer,
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
from npde.symbolic import operators as op
from npde.view.diagram import Family
from npde.view.notation import extents_text, formula

ACTIVATIONS: tuple[tuple[type, str], ...] = (
    (sp.tanh, "tanh"),
    (op.Relu, "relu"),
    (op.Sigmoid, "sigmoid"),
    (op.Softplus, "softplus"),
    (op.Gelu, "gelu"),
)


@dataclass(frozen=True, slots=True)
class Label:
    """The kind of a layer (one word, stable), its family, a title in words, and what else is worth saying."""

    kind: str
    family: Family
    title: str
    notes: tuple[str, ...] = ()


def label(graph: LayerGraph, layer: Layer, inputs: tuple[Shape, ...], shape: Shape) -> Label:
    """What a layer is called, given the shapes of what it reads and of what it gives."""
    match layer:
        case StencilLayer(taps=taps, operator=operator):
            title = (
                "interpolation" if operator.startswith("mean(") else f"{len({t.offset for t in taps})}-point stencil"
            )
            return Label("stencil", "stencil", title)
        case ReleasedStencil(extents=extents, operator=operator):
            return Label(
                "released_stencil", "learned", f"released stencil {extents_text(extents)}", (f"starts as {operator}",)
            )
        case Pointwise(expression=expression):
            return Label("pointwise", "pointwise", _pointwise_title(expression))
        case Convolution(extents=extents):
            return Label("convolution", "learned", f"convolution {extents_text(extents)}", _channels(inputs, shape))
        case ConvolutionAdjoint(extents=extents):
            title = f"transposed convolution {extents_text(extents)}"
            return Label("convolution_adjoint", "learned", title, _channels(inputs, shape))
        case Dense():
            return Label("dense", "learned", "dense layer", (f"{_cells(inputs)} → {_size(shape)}",))
        case CircularConvolution():
            return Label("circular_convolution", "learned", "circular convolution by FFT")
        case ClosureNetwork(name=name):
            return Label("closure", "learned", "pointwise network", _closure_note(graph, name))
        case LiftLayer(in_channels=a, out_channels=b):
            return Label("lift", "learned", "lift", (f"1×1 convolution, {a} → {b} channels",))
        case ReadOut(in_features=a, out_features=b):
            return Label("linear", "learned", "linear read-out", (f"{a:,} → {b:,}",))
        case Reduction(kind=kind, axes=axes):
            over = ", ".join(graph.scheme.grid.axes[i].name for i in axes)
            return Label(kind, "sum", f"{kind} over {over}" if over else kind)
        case MatrixVector():
            return Label("matrix_vector", "pointwise", "matrix of components")
        case MatrixRow(index=index):
            return Label("row", "pointwise", f"row {index} of a matrix")
        case DotChannels():
            return Label("dot", "pointwise", "dot product of components")
        case RegionIntegrals(tiles=tiles):
            return Label("regions", "sum", f"integrals over {extents_text(tiles)} regions")
        case Placeholder():
            return Label("placeholder", "port", "input of the block")
        case CoordinateArray(axis=axis):
            return Label("coordinate", "port", f"coordinate {graph.scheme.grid.axes[axis].name}")
        case Weight(name=name, per_step=per_step):
            notes = ("one a step",) if per_step else ()
            return Label("weight", "learned", f"learned {name}", notes)
        case InputArray(name=name, per_step=per_step):
            return Label("input", "port", f"input {name}", ("one value a step",) if per_step else ())
        case Noise(seed=seed):
            return Label("noise", "port", f"noise, seed {seed}")
        case Coefficient(name=name):
            return Label("coefficient", "plumbing", name, ("computed once a call",))
        case Channels(start=start, stop=stop):
            return Label(
                "channels", "plumbing", f"channels {start} … {stop - 1}" if stop > start + 1 else f"channel {start}"
            )
        case Join():
            return Label("join", "plumbing", "stack")
        case Ghost(widths=widths):
            return Label("ghost", "plumbing", "ghost cells", (f"{extents_text(widths)} a side",))
        case Extend():
            return Label("extend", "plumbing", "continued past the walls")
        case Crop():
            return Label("crop", "plumbing", "cropped")
        case StretchProfile(kind=kind):
            return Label("stretch", "pointwise", f"absorbing layer, {op.Stretch.NAMES[kind]}")
        case Held():
            return Label("held", "plumbing", "constant inside absorbing layers")
        case Flatten():
            return Label("flatten", "plumbing", "flattened")
        case Unflatten():
            return Label("unflatten", "plumbing", "back on the grid")
        case Call(block=block):
            return Label("call", "call", block)
        case Loop(block=block, trips=trips):
            return Label("loop", "frame", f"{block} × {trips:,}")
        case KernelMatrix():
            return Label("kernel_matrix", "stencil", "kernel matrix")
        case Factorization(solve=solve, factor=factor) if solve.is_krylov:
            text = (f"sum over the axes close to I - {formula(factor)} L", "fast diagonalization")
            return Label("factorization", "solve", "preconditioner", text)
        case Factorization(solve=solve, factor=factor):
            how = "for each wave number" if solve.method == "fft" else _method(solve)
            return Label("factorization", "solve", f"I - {formula(factor)} L, factored", (how,))
        case SolveLayer(solve=solve, factor=factor):
            how = f"by {_method(solve)}"
            return Label("solve", "solve", "implicit solve", (f"(I - {formula(factor)} L) x = b", how))
        case SteadyFactors(solve=solve):
            title = "L, made ready" if solve.is_relaxation else "L, factored"
            return Label("factorization", "solve", title, (_method(solve),))
        case SteadySolve(solve=solve):
            title = "sweep" if solve.is_relaxation else "linear solve"
            return Label("solve", "solve", title, ("L x = b", f"by {_method(solve)}"))
        case IterativeSolve(linear=linear, solve=solve):
            title = "Newton's method" if linear is None else "Krylov solve"
            return Label("solve", "solve", title, ("F(x) = 0", f"by {_method(solve)}"))
        case Propagator(time=time):
            return Label("propagator", "solve", f"exp({formula(time)} L)", ("for each wave number",))
        case AdaptiveStep(scheme=name, tolerance=tolerance):
            return Label("adaptive", "solve", f"adaptive steps, {name}", (f"error below {tolerance:.3g}",))
        case KrylovSolve(factor=factor, solve=solve):
            how = f"by {METHODS[solve.method]}, L only applied"
            return Label("solve", "solve", "implicit solve", (f"(I - {formula(factor)} L) x = b", how))
        case NewtonLayer(factor=factor, solve=solve):
            how = f"Newton's method, {METHODS[solve.method]}"
            return Label("newton", "solve", "nonlinear solve", (f"x = known + {formula(factor)} F(x)", how))
        case PhiFunctions(time=time):
            return Label("phi_functions", "solve", f"exp and φ of {formula(time)} L", ("for each wave number",))
        case SpectralLayer():
            return Label("spectral", "solve", "spectral layer", ("FFT, a matrix a wave number, FFT back",))
        case AffineWeights(released=released):
            return Label("affine_weights", "learned" if released else "stencil", "diagonals of W")
        case SparseAffine():
            return Label("sparse_affine", "stencil", "sparse affine layer", ("on the pattern of its block",))
        case _:
            assert_never(layer)


def _method(solve: LinearSolve) -> str:
    """How a linear system is solved, in a few words."""
    return "sine and cosine transforms" if solve.mirrors else METHODS[solve.method]


METHODS = {
    "fft": "FFT",
    "axes": "fast diagonalization",
    "block_lu": "block-tridiagonal LU",
    "cg": "CG",
    "bicgstab": "BiCGStab",
    "gmres": "GMRES",
    "jacobi": "the diagonal, damped",
    "multigrid": "a multigrid V-cycle",
}
"""How the linear systems of a steady problem are solved."""


def _pointwise_title(expression: sp.Expr) -> str:
    for function, name in ACTIVATIONS:
        if expression.has(function):
            return f"activation {name}"
    return "pointwise"


def _channels(inputs: tuple[Shape, ...], shape: Shape) -> tuple[str, ...]:
    return (f"{inputs[0].channels} → {shape.channels} channels",) if inputs else ()


def _size(shape: Shape) -> str:
    out = 1
    for extent in shape.extents:
        out *= extent
    return f"{out:,}"


def _cells(inputs: tuple[Shape, ...]) -> str:
    return _size(inputs[0]) if inputs else "?"


def _closure_note(graph: LayerGraph, name: str) -> tuple[str, ...]:
    for module in graph.modules:
        if module.name == name and module.kind == "closure":
            sizes = (module.in_features, *module.widths, module.out_features)
            return (" → ".join(map(str, sizes)) + f", {module.activation}",)
    return ()
