"""Values of a program as C expressions: what is read from memory, what is computed where it is read."""

from __future__ import annotations

from dataclasses import dataclass, field

import sympy as sp

from npde.native.c_expression import CPrinter
from npde.native.c_layout import Layout
from npde.native.lowering import Unfit
from npde.native.program import Program, apart, inside
from npde.native.values import Box, Element, Map, Total

Position = tuple[tuple[str, int], ...]
"""Along each axis a loop variable ("" for a fixed index) and an offset."""

Entry = tuple[str, tuple[int, ...]]
"""An array, and how far from the loop variables one of its entries lies along each axis."""

VARIABLES = {1: ("j",), 2: ("i", "j"), 3: ("i", "k", "j")}


@dataclass
class Nest:
    """Statements of one loop nest while they are collected: `rows` before the innermost loop, `body` and then `stores` in it.

    A nest over a block of rows holds the statements of all of them; `row` is the one that is being written, `position` its own.
    `reads` are the entries of arrays that it reads, `varies` the axes along which these arrays vary."""

    box: Box
    position: Position
    fresh: frozenset[int]
    row: int = 0
    rows: list[str] = field(default_factory=list)
    body: list[str] = field(default_factory=list)
    stores: list[str] = field(default_factory=list)
    reads: set[Entry] = field(default_factory=set)
    varies: dict[str, tuple[bool, ...]] = field(default_factory=dict)
    known: dict[tuple[int, Position], str] = field(default_factory=dict)
    pointers: dict[str, str] = field(default_factory=dict)


@dataclass
class ValueWriter:
    """What writers of one program's functions share. `fields[(argument, element)]` is the place of its padded copy in the pool,
    `first` that of the program's temporaries, `before` the number of its first accumulator; `banded`: its phases are
    also wanted one by one, on any rows."""

    program: Program
    layout: Layout
    fields: dict[tuple[int, int], int]
    first: int
    before: int = 0
    banded: bool = False
    lines: list[str] = field(default_factory=list)
    _names: dict[int, str] = field(default_factory=dict)
    _taken: set[str] = field(default_factory=set)
    _edges: int = 0

    @property
    def dimension(self) -> int:
        return len(self.layout.grid)

    @property
    def variables(self) -> tuple[str, ...]:
        return VARIABLES[self.dimension]

    @property
    def printer(self) -> CPrinter:
        return CPrinter(self.layout.real)

    # --- names --------------------------------------------------------------------------------------------------------

    def _fresh(self, hint: str) -> str:
        base = "".join(c if c.isalnum() and c.isascii() else "_" for c in hint).strip("_") or "v"
        base = f"v_{base}" if base[0].isdigit() else base
        if base in RESERVED or base.endswith(DERIVED):
            base += "_"
        name, count = base, 1
        while name in self._taken:
            count += 1
            name = f"{base}_{count}"
        self._taken.add(name)
        return name

    def _array(self, buffer: int) -> str:
        """The pointer to cell 0 of a buffer, declared at the head of the function."""
        key = -1 - buffer
        if key not in self._names:
            self._names[key] = self._fresh(self.program.buffers[buffer].name)
        return self._names[key]

    def _scalar(self, value: int) -> str:
        if value not in self._names:
            operation = self.program.values[value].operation
            if isinstance(operation, Map):
                for read in operation.reads:
                    self._scalar(read.value)
            self._names[value] = self._fresh(self.program.values[value].name)
        return self._names[value]

    def _head(self) -> list[str]:
        """Pointers and scalars that the body uses."""
        lines = ["(void)f; (void)lo; (void)hi; (void)first; (void)last;"]
        for key, name in self._names.items():
            if key < 0:
                buffer = self.program.buffers[-1 - key]
                match buffer.role:
                    case "state":
                        where = f"f->in[{buffer.index[0]}]"
                    case "cotangent":
                        where = f"f->bar[{buffer.index[0]}]"
                    case "output":
                        where = f"f->out[{buffer.index[0]}]"
                    case "argument":
                        where = f"f->pool[{self.fields[buffer.index[0], buffer.index[1]]}]"
                    case _:
                        where = self._pooled(-1 - key)
                shared = buffer.role in ("state", "output") and buffer.index[0] in self.program.in_place
                lines.append(
                    f"T *{'' if shared else 'restrict '}{name} = {where} + {self.layout.origin(buffer.varies)};"
                )
                continue
            operation = self.program.values[key].operation
            if isinstance(operation, Element):
                lines.append(f"const T {name} = f->a[{operation.argument}][{operation.element}];")
            elif isinstance(operation, Map):
                names = {s: self._names[r.value] for s, r in zip(operation.symbols, operation.reads, strict=True)}
                lines.append(f"const T {name} = {self.printer.text(operation.expression, names)};")
            elif isinstance(operation, Total):
                lines.append(f"const T {name} = total_of({self._pooled(self.program.stored[key])});")
        return lines

    def _pooled(self, buffer: int) -> str:
        """Where a buffer of the program lies in the pool."""
        mine = [n for n, b in enumerate(self.program.buffers) if b.role in ("temporary", "partial")]
        return f"f->pool[{self.first + mine.index(buffer)}]"

    def _partial(self, buffer: int) -> str:
        """The parts of a total."""
        return f"(double *){self._pooled(buffer)}"

    # --- values -------------------------------------------------------------------------------------------------------

    def _value(self, nest: Nest, number: int, position: Position, *, computed: bool = False) -> str:
        value = self.program.values[number]
        if value.is_scalar and not computed:
            return self._scalar(number)
        position = tuple(("", 0) if i is None else p for i, p in zip(value.box, position, strict=True))
        key = (number, position)
        if key in nest.known:
            return nest.known[key]
        at = self._range(nest, position)
        if apart(at, value.box):
            return self.printer.number(0.0)
        here = number in nest.fresh and position == tuple(
            ("", 0) if i is None else p for i, p in zip(value.box, nest.position, strict=True)
        )
        if number in self.program.stored and not here and not computed:
            return self._place(nest, self.program.stored[number], position)
        operation = value.operation
        if not isinstance(operation, Map):
            return self._place(nest, self.program.stored[number], position)
        if here and not inside(at, value.box) and not computed:
            raise Unfit("a value is needed beyond the cells on which it is computed")
        names: dict[sp.Symbol, str] = {}
        for symbol, read in zip(operation.symbols, operation.reads, strict=True):
            moved = tuple((v, o + s) for (v, o), s in zip(position, read.shift, strict=True))
            names[symbol] = self._value(nest, read.value, moved)
        text = self.printer.text(operation.expression, names)
        name = self._fresh(value.name)
        nest.body.append(f"const T {name} = {text};")
        nest.known[key] = name
        return name

    @property
    def blocked(self) -> int:
        """The axis along which rows are taken in blocks: the slowest one within a plane."""
        return self.dimension - 2

    def _range(self, nest: Nest, position: Position) -> Box:
        found = []
        for axis, ((variable, offset), interval) in enumerate(zip(position, nest.box, strict=True)):
            if variable and interval is not None:
                shift = offset - (nest.row if axis == self.blocked else 0)
                found.append((interval[0] + shift, interval[1] + shift))
            else:
                found.append((offset, offset + 1))
        return tuple(found)

    def _place(self, nest: Nest, buffer: int, position: Position) -> str:
        """An entry of a buffer, by a pointer to its row."""
        varies = self.program.buffers[buffer].varies
        return self._entry(nest, self._array(buffer), varies, position)

    def _accumulated(self, nest: Nest, accumulator: int, position: Position) -> str:
        box = self.program.accumulators[accumulator].box
        assert box is not None
        varies = tuple(i is not None for i in box)
        key = f"accumulator {accumulator}"
        if key not in nest.pointers:
            of = self.program.accumulators[accumulator]
            nest.pointers[key] = self._fresh(f"{self.program.values.arguments[of.argument].name}_bar")
        name = nest.pointers[key]
        line = f"T *restrict {name} = f->g[{self.before + accumulator}] + {self.layout.origin(varies)};"
        if line not in nest.rows:
            nest.rows.insert(0, line)
        return self._entry(nest, name, varies, position)

    def _entry(self, nest: Nest, array: str, varies: tuple[bool, ...], position: Position) -> str:
        strides = self.layout.strides(varies)
        last = self.dimension - 1
        outer, fixed = [], 0
        for axis in range(last):
            variable, offset = position[axis]
            fixed += offset * strides[axis]
            if variable and strides[axis]:
                outer.append(f"{variable} * {strides[axis]}" if strides[axis] != 1 else variable)
        offsets = tuple(o if v else 0 for (_, o), v in zip(position, varies, strict=True))
        if position[last][0]:
            nest.reads.add((array, offsets))
            nest.varies[array] = varies
        row = self._pointer(nest, array, " + ".join(outer), (0,) * last, 0) if outer else array
        row = self._pointer(nest, row, str(abs(fixed)), offsets[:last], fixed) if fixed else row
        variable, offset = position[last]
        if not varies[last]:
            return f"{row}[0]"
        index = variable + (f" {'+' if offset > 0 else '-'} {abs(offset)}" if variable and offset else "")
        return f"{row}[{index if variable else offset}]"

    def _pointer(self, nest: Nest, start: str, distance: str, offsets: tuple[int, ...], sign: int) -> str:
        """A pointer to a row, declared before the innermost loop: `start` + or - `distance`. Neighbors of a row lie at fixed
        distances from it, so that a machine needs one register for all of them."""
        key = f"{start} {'-' if sign < 0 else '+'} {distance}"
        if key not in nest.pointers:
            suffix = "".join(f"_{'m' if o < 0 else 'p' if o else ''}{abs(o)}" for o in offsets) if any(offsets) else ""
            name = nest.pointers[key] = self._fresh((start if suffix else f"{start}_row") + suffix)
            nest.rows.append(f"T *const {name} = {key};")
        return nest.pointers[key]


DERIVED = ("_before", "_here", "_after", "_lanes")
"""Ends of names that loops derive from those of rows and sums."""

RESERVED = frozenset(
    "f lo hi first last i j k T V DT UNITS LANES BEFORE AFTER at put put_leading leading total unit start stop auto break case "
    "char const continue default do double else enum extern "
    "float for goto if inline int long register restrict return short signed sizeof static struct switch typedef union "
    "unsigned void volatile while sigmoid softplus relu gelu minimum maximum unit_step half_step sign_of main exp log sin cos "
    "tan sinh cosh tanh sqrt pow fabs erf y0 y1 yn j0 j1 jn gamma index div".split()
)
