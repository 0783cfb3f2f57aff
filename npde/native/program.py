"""A step as loops: buffers, phases of sweeps and borders. What the C emitter writes, one to one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise, product
from typing import Literal

import sympy as sp

from npde.diagnostics import InternalError
from npde.native.values import (
    Box,
    Correlation,
    Fill,
    Fold,
    Interval,
    KernelGradient,
    Map,
    MatrixGradient,
    Product,
    Shift,
    Total,
    Values,
    operands,
)

Role = Literal["state", "cotangent", "argument", "temporary", "output", "partial"]
"""`partial`: the sums of one piece of work each, in double, of a total that is one number."""


@dataclass(frozen=True, slots=True)
class Buffer:
    """A padded array of one sample. `index`: the channel (state, cotangent, output), or the argument and its element."""

    role: Role
    index: tuple[int, ...]
    varies: tuple[bool, ...]
    name: str


@dataclass(frozen=True, slots=True)
class Write:
    """A value stored on its box in a buffer, or added to accumulator number `accumulator`."""

    value: int
    buffer: int | None
    accumulator: int | None


@dataclass(frozen=True, slots=True)
class Sweep:
    """One loop nest over `box`; its writes share what they compute. `boxes` are the parts around a common interior."""

    box: Box
    writes: tuple[Write, ...]


@dataclass(frozen=True, slots=True)
class Border:
    """A fill or a fold, in place; `clears` the ghost cells it leaves behind."""

    value: int
    buffer: int
    clears: bool


@dataclass(frozen=True, slots=True)
class Loops:
    """Contractions that are computed together (the channels of one layer): `values`, each into a buffer or, gradients of tables,
    into an accumulator."""

    values: tuple[int, ...]
    buffers: tuple[int, ...]
    accumulator: int | None = None


@dataclass(frozen=True, slots=True)
class Phase:
    """Sweeps and loops that may run in any order, then borders in order."""

    sweeps: tuple[Sweep, ...]
    borders: tuple[Border, ...]
    loops: tuple[Loops, ...] = ()


@dataclass(frozen=True, slots=True)
class Accumulator:
    """Where the gradient of one element of an argument is collected: over `box`, or as one number (box None). `table`: the
    gradients of all elements are collected in one array."""

    argument: int
    element: int
    box: Box | None
    table: bool = False


@dataclass(frozen=True)
class Program:
    """One step, forward or adjoint. `stored` gives the buffer of values that have one; `carried` is how many channels the loop
    carries; `outputs[c]` is the buffer of channel c after the step, None where it is zero. `reach`: rows that a sweep looks at on
    each side. `in_place`: channels whose output may lie in the array of the state (`npde.native.in_place`)."""

    name: str
    values: Values
    buffers: tuple[Buffer, ...]
    phases: tuple[Phase, ...]
    accumulators: tuple[Accumulator, ...]
    stored: dict[int, int]
    outputs: tuple[int | None, ...]
    margins: tuple[tuple[int, int], ...]
    reach: int
    in_place: tuple[int, ...] = ()

    @property
    def carried(self) -> int:
        return len(self.outputs)


def inside(inner: Box, outer: Box) -> bool:
    """Whether a box lies in another, along the axes on which that one varies."""
    return all(
        o is None or (i is not None and o[0] <= i[0] and i[1] <= o[1]) for i, o in zip(inner, outer, strict=True)
    )


def apart(a: Box, b: Box) -> bool:
    """Whether two boxes have no entry in common."""
    return any(x is not None and y is not None and (x[1] <= y[0] or y[1] <= x[0]) for x, y in zip(a, b, strict=True))


def moved(box: Box, shift: Shift) -> Box:
    """A box moved by a shift."""
    return tuple(None if i is None else (i[0] + s, i[1] + s) for i, s in zip(box, shift, strict=True))


def parts(box: Box, grid: tuple[int, ...]) -> tuple[Box, ...]:
    """A box as the interior (if it contains it) and the strips around it; the first is the interior."""
    interior = tuple(None if i is None else (0, n) for i, n in zip(box, grid, strict=True))
    if not inside(interior, box):
        return (box,)
    found: list[Box] = [interior]
    for axis, interval in enumerate(box):
        if interval is None:
            continue
        n = grid[axis]
        for lower, upper in ((interval[0], 0), (n, interval[1])):
            if lower < upper:
                found.append((*interior[:axis], (lower, upper), *box[axis + 1 :]))
    return tuple(found)


def split(part: Box, boxes: Iterable[Box]) -> list[Box]:
    """A part in pieces, each of which lies in every box or apart from it."""
    pieces = [part]
    for box in boxes:
        found: list[Box] = []
        for piece in pieces:
            if inside(piece, box) or apart(piece, box):
                found.append(piece)
                continue
            choices = [_cut(p, b) for p, b in zip(piece, box, strict=True)]
            found += product(*choices)
        pieces = found
    return pieces


def _cut(interval: Interval, by: Interval) -> list[Interval]:
    """An interval, cut at the ends of another."""
    if interval is None or by is None:
        return [interval]
    ends = sorted({interval[0], interval[1], *(e for e in by if interval[0] < e < interval[1])})
    return list(pairwise(ends))


def verify(program: Program) -> None:
    """Raises InternalError if a buffer is read before it is written, or written twice, or a gradient is not collected."""
    written = {n for n, b in enumerate(program.buffers) if b.role in ("state", "cotangent", "argument")}
    for phase in program.phases:
        now: set[int] = set()
        for sweep in phase.sweeps:
            for write in sweep.writes:
                if write.buffer is not None:
                    if write.buffer in written | now:
                        raise InternalError(f"{program.name}: {program.buffers[write.buffer].name} is written twice")
                    now.add(write.buffer)
        for loops in phase.loops:
            for source in operands(program.values[loops.values[0]].operation):
                if program.stored[source] not in written:
                    raise InternalError(f"{program.name}: {program.values[source].name} is read too early")
            for buffer in loops.buffers:
                if buffer in written | now:
                    raise InternalError(f"{program.name}: {program.buffers[buffer].name} is written twice")
                now.add(buffer)
        fresh = {w.value for s in phase.sweeps for w in s.writes}
        for sweep in phase.sweeps:
            for write in sweep.writes:
                for value in _leaves(program, write.value, fresh):
                    if program.stored[value] not in written:
                        raise InternalError(f"{program.name}: {program.values[value].name} is read too early")
        written |= now
    for output in program.outputs:
        if output is not None and output not in written:
            raise InternalError(f"{program.name}: an output is never written")
    collected = {w.accumulator for p in program.phases for s in p.sweeps for w in s.writes}
    collected |= {loops.accumulator for p in program.phases for loops in p.loops}
    if not set(range(len(program.accumulators))) <= collected:
        raise InternalError(f"{program.name}: a gradient is never added to")


def _leaves(program: Program, root: int, fresh: set[int]) -> set[int]:
    """Stored values that a write reads, those of its own phase left out."""
    found: set[int] = set()
    stack, seen = [root], {root}
    while stack:
        operation = program.values[stack.pop()].operation
        if not isinstance(operation, Map):
            continue
        for read in operation.reads:
            if read.value in seen or read.value in fresh:
                continue
            seen.add(read.value)
            if read.value in program.stored:
                found.add(read.value)
            else:
                stack.append(read.value)
    return found


def text(program: Program) -> str:
    """The program for people."""
    lines = [f"{program.name}: {len(program.buffers)} buffers, {len(program.phases)} phases"]
    for channel in program.in_place:
        old = [
            _buffer_name(program, n)
            for n, b in enumerate(program.buffers)
            if b.role == "state" and b.index == (channel,)
        ]
        new = program.outputs[channel]
        assert new is not None
        lines.append(
            f"  may be written in place: {_buffer_name(program, new)}, of {old[0] if old else 'what nothing reads'}"
        )
    scalars: set[int] = set()
    for k, phase in enumerate(program.phases):
        for sweep in phase.sweeps:
            lines.append(f"  phase {k}: sweep over {box_text(sweep.box)}")
            shown = set(scalars)
            for write in sweep.writes:
                _definitions(program, write.value, shown, lines, {w.value for w in sweep.writes})
                lines.append(f"    {_target(program, write)} {_right(program, write.value)}")
            scalars |= {value for value in shown if program.values[value].is_scalar}
        for loops in phase.loops:
            lines.append(f"  phase {k}: loops over {box_text(program.values[loops.values[0]].box)}")
            lines += _loops_lines(program, loops)
        for border in phase.borders:
            operation = program.values[border.value].operation
            assert isinstance(operation, Fill | Fold)
            fill = operation if isinstance(operation, Fill) else operation.fill
            kind = "fill" if isinstance(operation, Fill) else "fold"
            how = "periodic" if fill.walls is None else "walls"
            lines.append(
                f"  phase {k}: {kind} {_buffer_name(program, border.buffer)}, axis {fill.axis}, {fill.width} cells, {how}"
            )
    return "\n".join(lines) + "\n"


def _loops_lines(program: Program, loops: Loops) -> list[str]:
    """What a group of contractions computes, a line each."""
    names = [_buffer_name(program, b) for b in loops.buffers]
    found = []
    for k, number in enumerate(loops.values):
        operation = program.values[number].operation
        read = ", ".join(dict.fromkeys(_value_name(program, o) for o in operands(operation)))
        match operation:
            case Correlation(table=table, row=row, shifts=shifts):
                of = program.values.arguments[table].name
                found.append(f"    {names[k]} = correlation({of} from entry {row} on, {len(shifts)} each, {read})")
            case Product(table=table, axes=axes, transposed=transposed):
                of = f"{program.values.arguments[table].name}{' transposed' * transposed}"
                found.append(f"    {names[k]} = product({of}, {read}) along axes {list(axes)}")
            case Total(axes=axes):
                found.append(f"    {names[k]} = total({read}) over axes {list(axes)}")
            case KernelGradient(table=table) | MatrixGradient(table=table):
                found.append(f"    gradient of {program.values.arguments[table].name} += products({read})")
            case _:
                raise InternalError("these loops are no contraction")
    return found


def box_text(box: Box) -> str:
    """`[0, 64) × [-1, 65)`."""
    return " × ".join("·" if i is None else f"[{i[0]}, {i[1]})" for i in box)


def _target(program: Program, write: Write) -> str:
    if write.accumulator is None:
        assert write.buffer is not None
        return f"{_buffer_name(program, write.buffer)} ="
    a = program.accumulators[write.accumulator]
    return f"gradient of {program.values.arguments[a.argument].name}[{a.element}] +="


def _definitions(program: Program, root: int, shown: set[int], lines: list[str], kept: set[int]) -> None:
    operation = program.values[root].operation
    if not isinstance(operation, Map):
        return
    for read in operation.reads:
        if read.value in program.stored and read.value not in kept:
            continue
        if read.value in shown:
            continue
        shown.add(read.value)
        if isinstance(program.values[read.value].operation, Map) and read.value not in program.stored:
            _definitions(program, read.value, shown, lines, kept)
            lines.append(f"    {_value_name(program, read.value)} := {_right(program, read.value)}")


def _right(program: Program, value: int) -> str:
    operation = program.values[value].operation
    if not isinstance(operation, Map):
        return program.values[value].name
    named = {}
    for symbol, read in zip(operation.symbols, operation.reads, strict=True):
        at = ", ".join(f"{s:+d}" if s else "0" for s in read.shift)
        where = "" if program.values[read.value].is_scalar else f"[{at}]"
        named[symbol] = sp.Symbol(_value_name(program, read.value) + where)
    return str(operation.expression.xreplace(named))


def _value_name(program: Program, value: int) -> str:
    """A value's name; one that has no buffer, or shares its name with another, with a number behind it."""
    if value in program.stored:
        return _buffer_name(program, program.stored[value])
    of = program.values[value]
    return f"{of.name}.{value}" if isinstance(of.operation, Map) else of.name


def _buffer_name(program: Program, buffer: int) -> str:
    name = program.buffers[buffer].name
    return name if sum(b.name == name for b in program.buffers) == 1 else f"{name}.{buffer}"
