"""Checked expressions: every name resolved, every rank known. Distinct from the syntax tree on purpose.

A value has a *shape* over components (`()` scalar, `(n,)` vector, `(n, m)` matrix), is real or complex, and varies over
some coordinates. Scalars broadcast against any shape; `*` and `/` between equal shapes act component by component.
"""

from __future__ import annotations

from dataclasses import field
from fractions import Fraction
from typing import Literal, TypeAlias

from npde.records import dataclass
from npde.source import NOWHERE, Span


@dataclass(frozen=True, slots=True)
class Type:
    """Component shape, complexity, and the coordinates a value varies over (primed ones as "x'"), in sorted order."""

    shape: tuple[int, ...] = ()
    is_complex: bool = False
    coordinates: tuple[str, ...] = ()


def _span() -> Span:
    return field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Number:
    """An exact number: decimals are read exactly, `0.1` is 1/10."""

    value: Fraction
    type: Type
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Constant:
    """π or the imaginary unit."""

    name: Literal["pi", "i"]
    type: Type
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class CoordinateRef:
    """A coordinate, primed (the variable of an integral) or not; the marching coordinate included."""

    name: str
    primed: bool
    type: Type
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class FieldRef:
    """A field; `primed` names the coordinates that are primed in `u(x')`."""

    name: str
    primed: tuple[str, ...]
    type: Type
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class LetRef:
    """A known constant or function; `arguments` one for each of its parameters, in order (default: the coordinates)."""

    name: str
    arguments: tuple[Expr, ...]
    type: Type
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class LearnRef:
    """A learned coefficient (scalar, field, nonlocal kernel). `arguments` one for each declared coordinate: a
    `CoordinateRef`, or the difference of two of them (`w(x - x')`: a convolution)."""

    name: str
    arguments: tuple[Expr, ...]
    type: Type
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class InputRef:
    """A run-time input; `primed` as in `FieldRef`."""

    name: str
    primed: tuple[str, ...]
    type: Type
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Negate:
    """`-a`."""

    operand: Expr
    type: Type
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Binary:
    """`a + b`, `a - b`, `a * b` (component by component), `a / b`, `a ^ b` (b scalar)."""

    operator: Literal["+", "-", "*", "/", "^"]
    left: Expr
    right: Expr
    type: Type
    span: Span = _span()


ElementaryName = Literal[
    "exp", "log", "sqrt", "sin", "cos", "tan", "sinh", "cosh", "tanh", "sech", "sigmoid", "softplus", "relu", "gelu",
    "abs", "abs2", "conj", "re", "im", "min", "max",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Elementary:
    """An elementary function, component by component; `min` and `max` take two or more arguments."""

    function: ElementaryName
    arguments: tuple[Expr, ...]
    type: Type
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Comparison:
    """`a < b`, the condition of a `Where`."""

    operator: Literal["<", "<=", ">", ">=", "==", "!="]
    left: Expr
    right: Expr
    type: Type
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Where:
    """`where(condition, a, b)`."""

    condition: Comparison
    then: Expr
    otherwise: Expr
    type: Type
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Derivative:
    """∂^n: `dxx(u)`, `dxy(u)`, `d(u, x, 4)`, `dt(u)`; `orders` as ((coordinate, order), …) in order of declaration."""

    operand: Expr
    orders: tuple[tuple[str, int], ...]
    type: Type
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Laplacian:
    """∇²a over the space coordinates."""

    operand: Expr
    type: Type
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Gradient:
    """∇a: appends an axis of length d (space dimensions) to the shape."""

    operand: Expr
    type: Type
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Divergence:
    """∇·F: contracts the last axis of the shape, of length d."""

    operand: Expr
    type: Type
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Curl:
    """∇×F: (3,) → (3,) in 3-D; (2,) → () and () → (2,) in 2-D."""

    operand: Expr
    type: Type
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class NormalDerivative:
    """∂_n a, outward; only in `boundary`."""

    operand: Expr
    type: Type
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class VectorOf:
    """`[a, b]`: items of equal shape s give (n, *s)."""

    items: tuple[Expr, ...]
    type: Type
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Component:
    """`u[k]`: along the first axis of the shape."""

    operand: Expr
    index: int
    type: Type
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Dot:
    """`dot(a, b)`: Σ_k a_k b_k (no conjugate), both (n,)."""

    left: Expr
    right: Expr
    type: Type
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Cross:
    """`cross(a, b)`, (3,) × (3,)."""

    left: Expr
    right: Expr
    type: Type
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Contract:
    """`A@u`: (n, m) @ (m,) → (n,)."""

    matrix: Expr
    operand: Expr
    type: Type
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Integral:
    """Midpoint sum over coordinates ("x" or "x'"); the others stay."""

    operand: Expr
    over: tuple[str, ...]
    type: Type
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Mean:
    """Mean over coordinates; components stay."""

    operand: Expr
    over: tuple[str, ...]
    type: Type
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Sum:
    """Plain sum over the cells of coordinates, no quadrature weight."""

    operand: Expr
    over: tuple[str, ...]
    type: Type
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class ApplyKernel:
    """`K(u)`, or `adjoint(K)(v)`: a learned stencil applied as a cross-correlation, (in,) → (out,), scalar → scalar.

    `K(u)_o(x_j) = Σ_{c, s} K[o, c, s] u_c(x_{j+s})`, ghost cells from the boundary conditions of the operand's fields.
    """

    kernel: str
    operand: Expr
    adjoint: bool
    type: Type
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class ApplyClosure:
    """`f(a, b)`: a learned pointwise closure."""

    closure: str
    arguments: tuple[Expr, ...]
    type: Type
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Lift:
    """`lift(image)`: a learned 1×1 convolution with bias onto the shape of the field it starts; `occurrence` counts."""

    operand: Expr
    occurrence: int
    type: Type
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Linear:
    """`linear(v)`: a learned dense read-out with bias of all axes but batch and time; its width is the output's."""

    operand: Expr
    occurrence: int
    type: Type
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Regions:
    """`regions(v, n)`: integral of scalar v over n equal tiles of the plane → (n,)."""

    operand: Expr
    count: int
    type: Type
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Noise:
    """`noise(seed, a)`: uniform in ±a, an integer hash of seed, component and cell, the same for the whole batch.

    With n the row-major index of (component, *cell), all arithmetic modulo 2^32 and h(x) the mixer
    `x ^= x >> 16; x *= 0x7feb352d; x ^= x >> 15; x *= 0x846ca68b; x ^= x >> 16`, the value is
    `a * (2 * (h(h(seed) + n) + 1/2) / 2^32 - 1)`. Its shape is the field's; inside `[…, …]` it is a scalar.
    """

    seed: int
    amplitude: Expr
    type: Type
    span: Span = _span()


Expr: TypeAlias = (
    Number
    | Constant
    | CoordinateRef
    | FieldRef
    | LetRef
    | LearnRef
    | InputRef
    | Negate
    | Binary
    | Elementary
    | Comparison
    | Where
    | Derivative
    | Laplacian
    | Gradient
    | Divergence
    | Curl
    | NormalDerivative
    | VectorOf
    | Component
    | Dot
    | Cross
    | Contract
    | Integral
    | Mean
    | Sum
    | ApplyKernel
    | ApplyClosure
    | Lift
    | Linear
    | Regions
    | Noise
)
