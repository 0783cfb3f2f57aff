"""Sweeps of a program as C functions, and the function that runs all of a step."""

from __future__ import annotations

from npde.native.c_border import BorderWriter
from npde.native.c_layout import CHUNK
from npde.native.c_values import Nest
from npde.native.c_vector import vector_body
from npde.native.program import Sweep, Write, parts
from npde.native.values import Box


class KernelWriter(BorderWriter):
    """Writes the functions of one program."""

    # --- the program --------------------------------------------------------------------------------------------------

    def write(self) -> list[str]:
        """All functions; the last one, named after the program, runs them in order."""
        calls: list[str] = []
        rows: list[list[str]] = []
        wraps = self._wraps_rows()
        for k, phase in enumerate(self.program.phases):
            rows.append([])
            for n, sweep in enumerate(phase.sweeps):
                name = f"{self.program.name}_sweep_{k}" + (f"_{n}" if n else "")
                for part, writes in self._parts(sweep):
                    is_main = all(i is None or i == (0, n) for i, n in zip(part, self.layout.grid, strict=True))
                    own = name if is_main else self._name_of_edge(name)
                    self._function(own, self._nest(part, writes), cold=not is_main)
                    calls.append(f"{own}(f, lo, hi, first, last);")
                    if part[0] == (0, self.layout.grid[0]) or not wraps:
                        rows[-1].append(calls[-1])
            at_once = True
            for n, border in enumerate(phase.borders):
                name = f"{self.program.name}_border_{k}" + (f"_{n}" if n else "")
                self._function(name, self._border(border), cold=True)
                alone = self._fill(border).axis == 0
                if (at_once and phase.sweeps) or (alone and n):
                    calls.append("BARRIER(size);")
                calls.append(f"{name}(f, lo, hi, first, last);")
                if not (alone and wraps):
                    rows[-1].append(calls[-1])
                if alone and n + 1 < len(phase.borders):
                    calls.append("BARRIER(size);")
                at_once = alone
            calls.append("BARRIER(size);")
        self.lines += [
            f"/* One {self.program.name.replace('_', ' ')}: every thread of a team runs it on its own rows. */",
            f"static void {self.program.name}(const Frame *f, int rank, int size)",
            "{",
            "    const long lo = UNITS * rank / size, hi = UNITS * (rank + 1) / size;",
            "    const int first = rank == 0, last = rank == size - 1;",
            *(f"    {c}" for c in calls),
            "}",
            "",
        ]
        if self.banded:
            self._rows(rows)
        return self.lines

    def _wraps_rows(self) -> bool:
        """Whether the slowest axis is periodic."""
        fills = [self._fill(b) for p in self.program.phases for b in p.borders]
        return all(f.walls is None for f in fills if f.axis == 0)

    def _rows(self, phases: list[list[str]]) -> None:
        """The phases on some rows: what time blocking runs. Rows of a periodic axis may lie beyond its ends."""
        arguments = "const Frame *f, long lo, long hi, int first, int last"
        for k, calls in enumerate(phases):
            name = f"rows_{k}" if k else "fill_rows"
            self.lines += [f"static void {name}({arguments})", "{", "    (void)f; (void)lo; (void)hi; (void)first; (void)last;",
                           *(f"    {c}" for c in calls), "}", ""]  # fmt: skip
        cases = [f"        case {k - 1}: rows_{k}(f, lo, hi, first, last); break;" for k in range(1, len(phases))]
        self.lines += [
            f"static void run_rows(int phase, {arguments})",
            "{",
            "    switch (phase) {",
            *cases,
            "    }",
            "}",
            "",
        ]

    def _name_of_edge(self, sweep: str) -> str:
        """Strips around the cells have functions of their own: small loops, compiled for size."""
        self._edges += 1
        return f"{sweep}_edge_{self._edges}"

    def _function(self, name: str, body: list[str], *, cold: bool) -> None:
        self.lines += [
            f"{'EDGE' if cold else 'SWEEP'} static void {name}(const Frame *f, long lo, long hi, int first, int last)",
            "{",
            *(f"    {line}" for line in self._head()),
            *(f"    {line}" for line in body),
            "}",
            "",
        ]
        self._names.clear()
        self._taken.clear()

    # --- sweeps -------------------------------------------------------------------------------------------------------

    def _parts(self, sweep: Sweep) -> list[tuple[Box, list[Write]]]:
        """The interior and the strips around it, each with the writes that cover it."""
        groups: dict[Box, list[Write]] = {}
        for write in sweep.writes:
            for part in parts(self.program.values[write.value].box, self.layout.grid):
                groups.setdefault(part, []).append(write)
        return list(groups.items())

    def _nest(self, box: Box, writes: list[Write]) -> list[str]:
        position = tuple((v, 0) if i is not None else ("", 0) for v, i in zip(self.variables, box, strict=True))
        nest = Nest(box, position, {})
        fresh = {
            w.value
            for p in self.program.phases
            for s in p.sweeps
            if any(w in s.writes for w in writes)
            for w in s.writes
        }
        nest.fresh = dict.fromkeys(fresh, "")
        sums: list[tuple[int, str]] = []
        for write in writes:
            text = self._value(nest, write.value, position, computed=True)
            if write.buffer is not None:
                nest.body.append(f"{self._place(nest, write.buffer, position)} = {text};")
                continue
            assert write.accumulator is not None
            if self.program.accumulators[write.accumulator].box is not None:
                nest.body.append(f"{self._accumulated(nest, write.accumulator, position)} += {text};")
            else:
                name = self._fresh(f"sum_{write.accumulator}")
                sums.append((write.accumulator, name))
                nest.body.append(f"{name} += {text};")
        return self._loops(nest, sums)

    def _loops(self, nest: Nest, sums: list[tuple[int, str]]) -> list[str]:
        """The loops of a nest: the slowest axis over the rows of the thread, the fastest one vectorised."""
        box, grid = nest.box, self.layout.grid
        axes = [a for a, i in enumerate(box) if i is not None]
        inner = [*nest.rows, *(f"T {name} = 0;" for _, name in sums)]
        reduction = f" reduction(+ : {', '.join(n for _, n in sums)})" if sums else ""
        last_axis = self.dimension - 1
        whole = box[0] == (0, grid[0])
        chunked = self.dimension == 1 and whole
        body = [f"    {line}" for line in nest.body]
        if last_axis in axes:
            interval = box[last_axis]
            assert interval is not None
            bounds = ("start", "stop") if chunked else (str(interval[0]), str(interval[1]))
            lines = (interval[1] - interval[0]) % self.layout.lanes == interval[0] % self.layout.lanes == 0
            wide = vector_body(nest.body, [name for _, name in sums]) if lines else None
            if wide is not None:
                inner += [f"V {name}_lanes = {{0}};" for _, name in sums]
                inner += [
                    f"for (long j = {bounds[0]}; j < {bounds[1]}; j += LANES) {{",
                    *(f"    {w}" for w in wide),
                    "}",
                ]
                inner += [f"{name} = total({name}_lanes);" for _, name in sums]
            else:
                if interval[1] - interval[0] >= 4:
                    inner.append(f"#pragma omp simd{reduction}")
                inner += [f"for (long j = {bounds[0]}; j < {bounds[1]}; ++j) {{", *body, "}"]
        else:
            inner += ["{", *body, "}"]
        unit = "unit" if chunked else self._unit(box)
        inner += [f"f->p[{self.before + number}][{unit}] += {name};" for number, name in sums]
        for axis in reversed(axes):
            if axis == last_axis and self.dimension > 1:
                continue
            interval = box[axis]
            assert interval is not None
            variable = self.variables[axis]
            if chunked:
                head = [
                    "for (long unit = lo; unit < hi; ++unit) {",
                    f"    const long start = unit * {CHUNK}, stop = start + {CHUNK} < {grid[0]} ? start + {CHUNK} : {grid[0]};",
                ]
                inner = [*head, *(f"    {line}" for line in inner), "}"]
            elif self.dimension > 1:
                bounds = ("lo", "hi") if axis == 0 and whole else (str(interval[0]), str(interval[1]))
                head = [f"for (long {variable} = {bounds[0]}; {variable} < {bounds[1]}; ++{variable}) {{"]
                inner = [*head, *(f"    {line}" for line in inner), "}"]
        if whole:
            return inner
        owner = "last" if box[0] is not None and box[0][0] >= grid[0] else "first"
        return [f"if ({owner}) {{", *(f"    {line}" for line in inner), "}"]

    def _unit(self, box: Box) -> str:
        """Which piece of work a sum belongs to."""
        interval, n = box[0], self.layout.grid[0]
        if interval is not None and interval[0] >= n:
            return "UNITS - 1"
        return "i" if self.dimension > 1 and interval == (0, n) else "0"
