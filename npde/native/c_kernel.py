"""Sweeps of a program as C functions, and the function that runs all of a step."""

from __future__ import annotations

from npde.native.c_contractions import ContractionWriter
from npde.native.program import Sweep, Write, parts, split
from npde.native.values import Box


class KernelWriter(ContractionWriter):
    """Writes the functions of one program. `waits`: how often its threads then wait for each other."""

    waits: int = 0

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
            collected: set[int] = set()
            for n, loops in enumerate(phase.loops):
                name = f"{self.program.name}_loops_{k}" + (f"_{n}" if n else "")
                self._function(name, self._loops_of(loops), cold=False)
                if loops.accumulator is not None and loops.accumulator in collected:
                    calls.append("BARRIER(size);")  # entries of one table may be shared differently
                collected |= {loops.accumulator} if loops.accumulator is not None else set()
                calls.append(f"{name}(f, lo, hi, first, last);")
            at_once = True
            for n, border in enumerate(phase.borders):
                name = f"{self.program.name}_border_{k}" + (f"_{n}" if n else "")
                self._function(name, self._border(border), cold=True)
                alone = self._fill(border).axis == 0
                if (at_once and (phase.sweeps or phase.loops)) or (alone and n):
                    calls.append("BARRIER(size);")
                calls.append(f"{name}(f, lo, hi, first, last);")
                if not (alone and wraps):
                    rows[-1].append(calls[-1])
                if alone and n + 1 < len(phase.borders):
                    calls.append("BARRIER(size);")
                at_once = alone
            calls.append("BARRIER(size);")
        self.waits = calls.count("BARRIER(size);")
        self.lines += [
            f"/* One {self.program.name.replace('_', ' ')}: every thread of a team runs it on its own rows. */",
            f"static void {self.program.name}(const Frame *f, int rank, int size)",
            "{",
            "    const long lo = share(rank, size), hi = share(rank + 1, size);",
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
        boxes = {self.program.values[w.value].box for w in sweep.writes}
        for write in sweep.writes:
            for part in parts(self.program.values[write.value].box, self.layout.grid):
                for piece in split(part, boxes):
                    groups.setdefault(piece, []).append(write)
        return list(groups.items())
