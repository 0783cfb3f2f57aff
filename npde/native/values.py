"""The values of one step, channel by channel: what native kernels are made of.

A value is an array on a box of the grid, or varies along some of its axes only. `Map` computes one entry by entry from shifted
reads of others, which covers stencils, fluxes on faces, cropping and pointwise expressions alike; `Fill` continues a value by
ghost cells along one axis and `Fold` is its transpose. Faces count like cells: face k of an axis lies between cells k - 1 and k.
Three operations look at many entries and have loops of their own: `Correlation` (learned kernels), `Product` (matrices along axes)
and `Total` (sums over the grid); `KernelGradient` and `MatrixGradient` are their gradients with respect to the entries of tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import sympy as sp


class Unfit(Exception):
    """A step cannot be marched natively; the message says why, for `npde explain`."""


Interval: TypeAlias = tuple[int, int] | None
"""Indices lower … upper - 1 along an axis; None where the value does not vary."""

Box: TypeAlias = tuple[Interval, ...]

Shift: TypeAlias = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Argument:
    """An array that a step is given besides its state: `elements` entries (channels, matrix or kernel entries), each on
    `extents` cells (1 where it does not vary); one for each sample (`batch`), one for each step (`per_step`).
    "kick" is the weight of a leapfrog step's kick."""

    kind: Literal["coefficient", "weight", "input", "time", "parameter", "coordinate", "kick"]
    name: str
    elements: int
    box: Box
    batch: bool
    per_step: bool

    @property
    def extents(self) -> tuple[int, ...]:
        """Entries along each axis."""
        return tuple(1 if i is None else i[1] - i[0] for i in self.box)

    @property
    def is_scalar(self) -> bool:
        """Whether its elements are single numbers."""
        return all(i is None for i in self.box)


@dataclass(frozen=True, slots=True)
class State:
    """Channel `channel` of what the loop carries."""

    channel: int


@dataclass(frozen=True, slots=True)
class Cotangent:
    """The gradient with respect to channel `channel` of what the step returns."""

    channel: int


@dataclass(frozen=True, slots=True)
class Element:
    """Element `element` of argument number `argument`."""

    argument: int
    element: int


@dataclass(frozen=True, slots=True)
class Read:
    """Entry `index + shift` of a value."""

    value: int
    shift: Shift


@dataclass(frozen=True, slots=True)
class Map:
    """`expression`, entry by entry; `symbols[k]` in it stands for `reads[k]`."""

    expression: sp.Expr
    symbols: tuple[sp.Symbol, ...]
    reads: tuple[Read, ...]


@dataclass(frozen=True, slots=True)
class Wall:
    """One side: ghost k is `Σ_j weights[k][j] u_j + data[k]`, k and j counted from the wall."""

    weights: tuple[tuple[sp.Expr, ...], ...]
    data: tuple[sp.Expr, ...]


@dataclass(frozen=True, slots=True)
class Fill:
    """`source` continued by `width` ghost cells on both sides of `axis`: wrapped (`walls` None), or by (lower, upper) rules, in
    which `symbols[k]` stands for the value `values[k]` at the wall."""

    source: int
    axis: int
    width: int
    walls: tuple[Wall, Wall] | None
    symbols: tuple[sp.Symbol, ...]
    values: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Fold:
    """The transpose of `fill` applied to `source`: ghost cells are added to the cells they depend on. Data drop out."""

    source: int
    fill: Fill


@dataclass(frozen=True, slots=True)
class Correlation:
    """`Σ_s Σ_k table[row + columns[s] + k] · sources[s](· + shifts[k])`: one output channel of a convolution layer. The table is
    argument number `table`; values that differ in `row` alone are computed together."""

    sources: tuple[int, ...]
    table: int
    row: int
    columns: tuple[int, ...]
    shifts: tuple[Shift, ...]

    @property
    def group(self) -> tuple[object, ...]:
        """What the channels of one layer have in common."""
        return (self.sources, self.table, self.columns, self.shifts)


@dataclass(frozen=True, slots=True)
class Product:
    """`Σ_m table[first + n M + m] · source_m`, n and m counting the entries along `axes`, row-major; `transposed`: table entry
    `first + m M + n`. The other axes are independent of each other."""

    source: int
    table: int
    first: int
    axes: tuple[int, ...]
    transposed: bool


@dataclass(frozen=True, slots=True)
class Total:
    """The sum of `source` over `axes`."""

    source: int
    axes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class KernelGradient:
    """`Σ_x bars[c](x) · sources[s](x + shifts[k])` for table entry `rows[c] + columns[s] + k`, on the box of the value."""

    bars: tuple[int, ...]
    sources: tuple[int, ...]
    table: int
    rows: tuple[int, ...]
    columns: tuple[int, ...]
    shifts: tuple[Shift, ...]


@dataclass(frozen=True, slots=True)
class MatrixGradient:
    """`Σ bar_n · source_m` for table entry `first + n M + m`, summed over the axes that are not among `axes`."""

    bar: int
    source: int
    table: int
    first: int
    axes: tuple[int, ...]


TableGradient: TypeAlias = KernelGradient | MatrixGradient

Contraction: TypeAlias = Correlation | Product | Total | KernelGradient | MatrixGradient
"""What looks at many entries: it has loops of its own, and reads and writes buffers."""

Operation: TypeAlias = State | Cotangent | Element | Map | Fill | Fold | Contraction


@dataclass(frozen=True, slots=True)
class Value:
    """One value: what computes it, where, whether it varies over samples, and a name for readers."""

    operation: Operation
    box: Box
    batch: bool
    name: str

    @property
    def is_scalar(self) -> bool:
        """Whether it is a single number (for each sample)."""
        return all(i is None for i in self.box)


def operands(operation: Operation) -> tuple[int, ...]:
    """The values that an operation reads."""
    match operation:
        case Map(reads=reads):
            return tuple(r.value for r in reads)
        case Fill(source=source, values=values):
            return (source, *values)
        case Fold(source=source, fill=fill):
            return (source, *fill.values)
        case Correlation(sources=sources):
            return sources
        case Product(source=source) | Total(source=source):
            return (source,)
        case KernelGradient(bars=bars, sources=sources):
            return (*bars, *sources)
        case MatrixGradient(bar=bar, source=source):
            return (bar, source)
        case _:
            return ()


def join_boxes(boxes: Iterable[Box], dimension: int) -> Box:
    """The box on which values of equal intervals, some of which do not vary along an axis, are combined."""
    out: list[Interval] = [None] * dimension
    for box in boxes:
        for i, interval in enumerate(box):
            if interval is None:
                continue
            known = out[i]
            out[i] = interval if known is None else (max(known[0], interval[0]), min(known[1], interval[1]))
    return tuple(out)


def vanishing(values: Values, numbers: Iterable[int]) -> set[int]:
    """Those of `numbers`, in topological order, whose formula is zero outside of their box."""
    found: set[int] = set()
    for number in numbers:
        match values[number].operation:
            case Cotangent() | Fold():
                found.add(number)
            case Map() as m:
                zero = {s: sp.Integer(0) for s, r in zip(m.symbols, m.reads, strict=True) if r.value in found}
                if zero and m.expression.xreplace(zero) == 0:
                    found.add(number)
            case _:
                pass
    return found


@dataclass
class Values:
    """Values in topological order; equal ones are shared."""

    grid: tuple[int, ...]
    arguments: list[Argument] = field(default_factory=list)
    items: list[Value] = field(default_factory=list)
    _shared: dict[object, int] = field(default_factory=dict)

    @property
    def dimension(self) -> int:
        return len(self.grid)

    @property
    def interior(self) -> Box:
        return tuple((0, n) for n in self.grid)

    @property
    def here(self) -> Shift:
        """No shift."""
        return (0,) * self.dimension

    def __getitem__(self, index: int) -> Value:
        return self.items[index]

    def add(self, operation: Operation, box: Box, batch: bool, name: str) -> int:
        """The number of a value; an equal one is used again."""
        key = (operation, box)
        if key not in self._shared:
            self._shared[key] = len(self.items)
            self.items.append(Value(operation, box, batch, name))
        return self._shared[key]

    def copy(self, value: int, name: str, box: Box | None = None) -> int:
        """A value equal to another (on `box`) that is shared with nothing."""
        of, symbol = self[value], sp.Symbol("r0", real=True)
        self.items.append(Value(Map(symbol, (symbol,), (Read(value, self.here),)), box or of.box, of.batch, name))
        return len(self.items) - 1

    def argument(self, argument: Argument) -> int:
        """The number of an argument."""
        if argument not in self.arguments:
            self.arguments.append(argument)
        return self.arguments.index(argument)

    def element(self, argument: int, element: int, name: str) -> int:
        """One element of an argument as a value."""
        of = self.arguments[argument]
        return self.add(Element(argument, element), of.box, of.batch, name)

    def map(self, expression: sp.Expr, terms: Sequence[tuple[sp.Symbol, int, Shift]], box: Box, name: str) -> int:
        """`expression`, in which each symbol stands for a value at a shift. Symbols are renamed, so that equal maps are equal."""
        used = [t for t in terms if t[0] in expression.free_symbols]
        renamed: dict[sp.Symbol, sp.Symbol] = {}
        reads: dict[Read, sp.Symbol] = {}
        for symbol, value, shift in used:
            along = tuple(0 if i is None else s for i, s in zip(self[value].box, shift, strict=True))
            read = Read(value, along)
            if read not in reads:
                reads[read] = sp.Symbol(f"r{len(reads)}", real=True)
            renamed[symbol] = reads[read]
        body = expression.xreplace(renamed)
        if isinstance(body, sp.Symbol) and len(reads) == 1:
            (read,) = reads
            if read.shift == self.here and self[read.value].box == box:
                return read.value
        batch = any(self[r.value].batch for r in reads)
        return self.add(Map(body, tuple(reads.values()), tuple(reads)), box, batch, name)
