"""Loop nests: the rows of a thread, in blocks; of each row whole cache lines, then the cells that are left.

A row is read by the outputs above it and below it. Rows are therefore taken several at once: one list of statements for all of
them, in which a compiler finds each entry read once, and all values are computed before the first is stored (decision 52).
"""

from __future__ import annotations

from dataclasses import dataclass

from npde.native.c_border import BorderWriter
from npde.native.c_layout import CHUNK, LINE
from npde.native.c_values import Nest
from npde.native.c_vector import NAME, lines_around, vector_body
from npde.native.program import Write
from npde.native.values import Box

HEIGHTS = (4, 2)
"""Rows of a block, the most wanted first."""

REGISTERS = 32
"""Vectors that a processor holds."""

SCRATCH = 5
"""Of these, what intermediate results and lines that come in take."""

FAR = 2**20
"""Bytes of an array that is not read from a core's own cache."""

LONGEST = 48
"""Statements of a loop over a block; a longer one takes the compiler too long."""


@dataclass(frozen=True)
class Sum:
    """`name` collects what is added to accumulator number `accumulator` in row `row` of a block."""

    accumulator: int
    name: str
    row: int


class LoopWriter(BorderWriter):
    """Writes the sweeps' loops of one program."""

    def _nest(self, box: Box, writes: list[Write]) -> list[str]:
        """The loops of the writes of a sweep on one of its boxes."""
        nest, sums = self._statements(box, writes, 1)
        lines = vector_body([*nest.body, *nest.stores], [s.name for s in sums], self.layout.lanes)
        interval = box[-1]
        if lines is None or interval is None or interval[0] % self.layout.lanes or box[0] != (0, self.layout.grid[0]):
            return self._around(box, {1: self._row(nest, sums, wide=False)})
        forms = {1: self._row(nest, sums, wide=True)}
        height = self._height(nest, writes)
        if height > 1:
            self._taken.difference_update(self._taken - set(self._names.values()))
            forms[height] = self._row(*self._statements(box, writes, height), wide=True)
        return self._around(box, forms)

    def _statements(self, box: Box, writes: list[Write], height: int) -> tuple[Nest, list[Sum]]:
        """What the innermost loop does for a block of `height` rows."""
        fresh = {
            w.value
            for p in self.program.phases
            for s in p.sweeps
            if any(w in s.writes for w in writes)
            for w in s.writes
        }
        nest = Nest(box, (), frozenset(fresh))
        sums: list[Sum] = []
        for nest.row in range(height):
            offsets = [nest.row if axis == self.blocked else 0 for axis in range(self.dimension)]
            nest.position = tuple(
                (v, o) if i is not None else ("", 0) for v, o, i in zip(self.variables, offsets, box, strict=True)
            )
            for write in writes:
                self._store(nest, write, sums)
        return nest, sums

    def _store(self, nest: Nest, write: Write, sums: list[Sum]) -> None:
        text = self._value(nest, write.value, nest.position, computed=True)
        if write.buffer is not None:
            read = set(nest.reads)
            nest.stores.append(f"{self._place(nest, write.buffer, nest.position)} = {text};")
            nest.reads = read
            return
        assert write.accumulator is not None
        if self.program.accumulators[write.accumulator].box is not None:
            nest.stores.append(f"{self._accumulated(nest, write.accumulator, nest.position)} += {text};")
            return
        name = self._fresh(f"sum_{write.accumulator}")
        sums.append(Sum(write.accumulator, name, nest.row))
        nest.stores.append(f"{name} += {text};")

    # --- how many rows ------------------------------------------------------------------------------------------------

    def _height(self, nest: Nest, writes: list[Write]) -> int:
        """Rows to take at once, from what a nest of one row does: the most that registers hold, if lines are read less often."""
        interval = nest.box[self.blocked] if self.dimension > 1 else None
        if interval is None:
            return 1
        used = set(NAME.findall(" ".join([*nest.body, *nest.stores])))
        fixed = len(used & set(self._names.values())) + SCRATCH
        for height in HEIGHTS:
            fits = self._held(nest, height) + height * len(writes) + fixed <= REGISTERS
            short = height * len(nest.body + nest.stores) <= LONGEST and height <= interval[1] - interval[0]
            if fits and short and self._lines(nest, height) < height * self._lines(nest, 1):
                return height
        return 1

    def _held(self, nest: Nest, height: int) -> int:
        """Lines that a block of rows holds: two of each row that is read sideways (the one before and the one here), else the rows
        that one row looks at."""
        held = 0
        for array in {a for a, _ in nest.reads}:
            rows = [o[self.blocked] for a, o in nest.reads if a == array]
            aside = [o[self.blocked] for a, o in nest.reads if a == array and o[-1]]
            held += 2 * (max(aside) - min(aside) + height) if aside else max(rows) - min(rows) + 1
        return held

    def _lines(self, nest: Nest, height: int) -> int:
        """Cache lines that a block of rows reads for one line of results a row."""
        return len(
            {
                (array, *(o + (row if axis == self.blocked else 0) for axis, o in enumerate(outer)))
                for array, (*outer, _) in nest.reads
                for row in range(height)
            }
        )

    # --- loops --------------------------------------------------------------------------------------------------------

    def _row(self, nest: Nest, sums: list[Sum], *, wide: bool) -> list[str]:
        """One row, or one block of rows: pointers, the innermost loop, and what is summed."""
        loop = self._wide_loop(nest, [s.name for s in sums]) if wide else self._plain_loop(nest, [s.name for s in sums])
        return [
            *nest.rows,
            *(f"T {s.name} = 0;" for s in sums),
            *loop,
            *(f"f->p[{self.before + s.accumulator}][{self._unit(nest.box, s.row)}] += {s.name};" for s in sums),
        ]

    def _plain_loop(self, nest: Nest, sums: list[str]) -> list[str]:
        """Cell by cell: short loops along edges, and what is more than arithmetic, which compilers make vectors of."""
        interval, body = nest.box[-1], [f"    {line}" for line in (*nest.body, *nest.stores)]
        if interval is None:
            return ["{", *body, "}"]
        start, stop = ("start", "stop") if self._chunked(nest.box) else interval
        loop = [f"for (long j = {start}; j < {stop}; ++j) {{", *body, "}"]
        if interval[1] - interval[0] < 4:
            return loop
        reduction = f" reduction(+ : {', '.join(sums)})" if sums else ""
        return [f"#pragma omp simd{reduction}", *loop]

    def _wide_loop(self, nest: Nest, sums: list[str]) -> list[str]:
        """Line by line, then the cells that fill no line."""
        interval, lanes, body = nest.box[-1], self.layout.lanes, [*nest.body, *nest.stores]
        assert interval is not None
        rest = (interval[1] - interval[0]) % lanes
        start, stop, head = str(interval[0]), str(interval[1] - rest), "{"
        if self._chunked(nest.box):
            start, stop = "start", f"stop - {lanes - 1}" if rest else "stop"
            head = f"if (stop == {interval[1]}) {{"
        lines, around = [f"V {name}_lanes = {{0}};" for name in sums], lines_around(body, start)
        if interval[1] - interval[0] >= lanes:
            fetched = (f"FETCH({row} + j);" for row in self._ahead(nest))
            inner = (*fetched, *around.head, *(vector_body(body, sums, lanes) or ()), *around.end)
            lines += [
                *around.ahead,
                f"for (long j = {start}; j < {stop}; j += LANES) {{",
                *(f"    {x}" for x in inner),
                "}",
            ]
        if rest:
            inner = (
                f"const long j = {interval[1] - rest};",
                *around.alone,
                *(vector_body(body, sums, lanes, rest) or ()),
            )
            lines += [f"{head} /* the cells that fill no line */", *(f"    {x}" for x in inner), "}"]
        return [*lines, *(f"{name} = total({name}_lanes);" for name in sums)]

    def _ahead(self, nest: Nest) -> list[str]:
        """Rows that the next plane will be the first to read, where planes come from beyond a core's own cache: memory is slow to
        follow as many streams as a stencil reads by itself."""
        if self.dimension < 3 or self.layout.padded * LINE // self.layout.lanes < FAR:
            return []
        found, read = [], set(nest.reads)
        for array in sorted({a for a, _ in read}):
            planes = [o[0] for a, o in read if a == array]
            if min(planes) < max(planes) and all(nest.varies[array]):
                for row in range(nest.row + 1):
                    offsets = (max(planes) + 1, row, 0)
                    position = tuple(zip(self.variables, offsets, strict=True))
                    found.append(self._entry(nest, array, nest.varies[array], position).removesuffix("[j]"))
        nest.reads = read
        return found

    def _chunked(self, box: Box) -> bool:
        return self.dimension == 1 and box[0] == (0, self.layout.grid[0])

    def _around(self, box: Box, forms: dict[int, list[str]]) -> list[str]:
        """The loops around the innermost one. `forms[h]` is what is done for h rows at once."""
        whole = box[0] == (0, self.layout.grid[0])
        inner = forms.get(1, [])
        if self._chunked(box):
            n = self.layout.grid[0]
            head = f"const long start = unit * {CHUNK}, stop = start + {CHUNK} < {n} ? start + {CHUNK} : {n};"
            return ["for (long unit = lo; unit < hi; ++unit) {", f"    {head}", *(f"    {line}" for line in inner), "}"]
        for axis in range(self.dimension - 2, -1, -1):
            interval = box[axis]
            if interval is None:
                continue
            bounds = ("lo", "hi") if axis == 0 and whole else (str(interval[0]), str(interval[1]))
            v = self.variables[axis]
            if axis == self.blocked and len(forms) > 1:
                inner = _blocks(v, *bounds, forms)
                continue
            inner = [f"for (long {v} = {bounds[0]}; {v} < {bounds[1]}; ++{v}) {{", *(f"    {x}" for x in inner), "}"]
        if whole:
            return inner
        owner = "last" if box[0] is not None and box[0][0] >= self.layout.grid[0] else "first"
        return [f"if ({owner}) {{", *(f"    {line}" for line in inner), "}"]

    def _unit(self, box: Box, row: int) -> str:
        """Which piece of work a sum belongs to."""
        interval, n = box[0], self.layout.grid[0]
        if self._chunked(box):
            return "unit"
        if interval is not None and interval[0] >= n:
            return "UNITS - 1"
        if interval != (0, n):
            return "0"
        return f"i + {row}" if row and self.blocked == 0 else "i"


def _blocks(variable: str, start: str, stop: str, forms: dict[int, list[str]]) -> list[str]:
    """A loop over blocks of rows, and one over the rows that are left."""
    height = max(forms)
    step = f"{variable} + {height} <= {stop}; {variable} += {height}"
    lines = [
        f"/* {height} rows at once: what several of them look at is read once */",
        f"long {variable} = {start};",
        f"for (; {step}) {{",
        *(f"    {line}" for line in forms[height]),
        "}",
    ]
    if (start, stop) == ("lo", "hi") or (int(stop) - int(start)) % height:
        lines += [f"for (; {variable} < {stop}; ++{variable}) {{", *(f"    {line}" for line in forms[1]), "}"]
    return lines
