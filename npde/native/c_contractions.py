"""Contractions as C functions: convolution layers and their gradients, matrices along axes, sums over the grid.

Every entry of a result is computed by one thread in one order, so results do not depend on the number of threads: threads share
rows of a convolution, channels and taps of its gradient, rows of a matrix, entries of an array of sums. A sum that is one number is
made of one part for each piece of work, in double, added in order by everyone who reads it.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from npde.diagnostics import InternalError
from npde.native.c_blocks import BLOCK, ROWS, TAPS, correlate_name, gradient_name, widths
from npde.native.c_layout import CHUNK
from npde.native.c_loops import LoopWriter
from npde.native.program import Loops
from npde.native.values import Box, Correlation, KernelGradient, MatrixGradient, Product, Total, Unfit

SPAN = 64
"""Entries of a row that a matrix product keeps at hand."""


class ContractionWriter(LoopWriter):
    """Writes the contractions of one program."""

    def _loops_of(self, loops: Loops) -> list[str]:
        operation = self.program.values[loops.values[0]].operation
        box = self.program.values[loops.values[0]].box
        match operation:
            case Correlation():
                return self._correlation(loops, operation, box)
            case KernelGradient():
                return self._kernel_gradient(loops, operation, box)
            case Product():
                return self._product(loops, operation, box)
            case MatrixGradient():
                return self._matrix_gradient(loops, operation, box)
            case Total():
                return self._total(loops, operation, box)
            case _:
                raise InternalError("these loops are no contraction")

    # --- parts --------------------------------------------------------------------------------------------------------

    def _source(self, value: int) -> str:
        return self._array(self.program.stored[value])

    def _varies(self, value: int) -> tuple[bool, ...]:
        return tuple(i is not None for i in self.program.values[value].box)

    def _steps(self, varies: Sequence[bool], coordinates: dict[int, str]) -> str:
        """How far from cell 0 the row at these coordinates lies (the last axis left out)."""
        strides = self.layout.strides(tuple(varies))
        parts = [f"{c} * {strides[a]}L" for a, c in coordinates.items() if varies[a] and a != self.dimension - 1]
        return " + ".join(parts) or "0"

    def _nest_of(self, axes: dict[int, tuple[str, str]], variables: dict[int, str], body: list[str]) -> list[str]:
        """Loops over axes from lower to upper."""
        for axis in reversed(list(axes)):
            lower, upper = axes[axis]
            v = variables[axis]
            head = f"for (long {v} = {lower}; {v} < {upper}; ++{v}) {{"
            body = [head, *(f"    {line}" for line in body), "}"]
        return body

    def _pointers(self, name: str, values: Sequence[int], constant: str) -> str:
        listed = ", ".join(self._source(v) for v in values)
        return f"{constant}T *const {name}[{len(values)}] = {{{listed}}};"

    def _numbers(self, name: str, numbers: Sequence[int]) -> str:
        return f"static const long {name}[{len(numbers)}] = {{{', '.join(map(str, numbers))}}};"

    def _taps(self, shifts: Sequence[tuple[int, ...]]) -> str:
        strides = self.layout.strides((True,) * self.dimension)
        return self._numbers("shifts", [sum(s * n for s, n in zip(shift, strides, strict=True)) for shift in shifts])

    # --- convolution layers -------------------------------------------------------------------------------------------

    def _correlation(self, loops: Loops, operation: Correlation, box: Box) -> list[str]:
        rows = [o.row for n in loops.values if isinstance(o := self.program.values[n].operation, Correlation)]
        to = ", ".join(self._array(b) for b in loops.buffers)
        head = [
            f"const T *const w = f->a[{operation.table}];",
            self._pointers("of", operation.sources, "const "),
            f"T *const to[{len(rows)}] = {{{to}}};",
            self._numbers("rows", rows),
            self._numbers("columns", operation.columns),
            self._taps(operation.shifts),
        ]
        arguments = f"w, of, columns, shifts, {len(operation.sources)}, {len(operation.shifts)}, row + j"
        blocks: list[tuple[str, int]] = []
        whole, rest = divmod(len(rows), BLOCK)
        interval = box[-1]
        assert interval is not None
        inner = ["long j = start;"]
        for width in widths(None if self.dimension == 1 else interval[1] - interval[0], 2 * self.layout.lanes):
            blocks = [(correlate_name(BLOCK, width), whole), (correlate_name(rest, width), 1)]
            body = []
            if whole:
                body.append(
                    f"for (long c = 0; c < {whole * BLOCK}; c += {BLOCK}) {blocks[0][0]}(to + c, rows + c, {arguments});"
                )
            if rest:
                body.append(f"{blocks[1][0]}(to + {whole * BLOCK}, rows + {whole * BLOCK}, {arguments});")
            inner += [f"for (; j + {width} <= stop; j += {width}) {{", *(f"    {line}" for line in body), "}"]
        return [*head, *self._rows_shared(box, inner)]

    def _rows_shared(self, box: Box, inner: list[str]) -> list[str]:
        """Rows of a box, those beyond the cells by the first and the last thread; `row` is where one starts, `start` and `stop`
        are its ends."""
        lower, upper = [str(i[0]) if i else "0" for i in box], [str(i[1]) if i else "1" for i in box]
        n = self.layout.grid
        if self.dimension == 1:
            stop = f"hi * {CHUNK} < {n[0]} ? hi * {CHUNK} : {n[0]}"
            return [
                f"const long row = 0, start = first ? {lower[0]} : lo * {CHUNK}, stop = last ? {upper[0]} : ({stop});",
                *inner,
            ]
        axes = {a: (lower[a], upper[a]) for a in range(self.dimension - 1)}
        axes[0] = (f"first ? {lower[0]} : lo", f"(last ? {upper[0]} : hi)")
        variables = dict(enumerate(self.variables))
        where = self._steps((True,) * self.dimension, variables)
        return self._nest_of(
            axes, variables, [f"const long row = {where}, start = {lower[-1]}, stop = {upper[-1]};", *inner]
        )

    def _kernel_gradient(self, loops: Loops, operation: KernelGradient, box: Box) -> list[str]:
        assert loops.accumulator is not None
        channels, sources, taps = len(operation.bars), len(operation.sources), len(operation.shifts)
        groups, pieces = -(-channels // BLOCK), -(-taps // TAPS)
        items = groups * sources * pieces
        interval = box[-1]
        assert interval is not None
        lines = [
            f"double *const p = f->p[{self.before + loops.accumulator}];",
            self._pointers("bars", operation.bars, "const "),
            self._pointers("of", operation.sources, "const "),
            self._numbers("rows", operation.rows),
            self._numbers("columns", operation.columns),
            self._taps(operation.shifts),
            f"for (long item = {items} * lo / UNITS; item < {items} * hi / UNITS; ++item) {{",
            f"    const long c = item / {sources * pieces} * {BLOCK}, s = item / {pieces} % {sources};",
            f"    const long t = item % {pieces} * {TAPS};",
            "    double *const at = p + columns[s] + t;",
        ]
        row = self._steps((True,) * self.dimension, dict(enumerate(self.variables)))
        calls: list[str] = []
        at = interval[0]
        for width in widths(interval[1] - interval[0], self.layout.lanes):
            count = (interval[1] - at) // width
            calls += self._gradient_calls(channels, taps, width, f"{at}, {at + count * width}")
            at += count * width
        axes = {a: (str(i[0]), str(i[1])) for a, i in enumerate(box[:-1]) if i is not None}
        variables = dict(enumerate(self.variables))
        if self.dimension == 1:
            body = ["const long row = 0, many = 1, stride = 0;", *calls]
        else:
            axis = self.dimension - 2
            v, (_, end) = variables[axis], axes.pop(axis)
            stride = self.layout.strides((True,) * self.dimension)[axis]
            body = [
                f"const long row = {row}, many = {end} - {v} < {ROWS} ? {end} - {v} : {ROWS}, stride = {stride};",
                *calls,
            ]
            interval = box[axis]
            assert interval is not None
            head = f"for (long {v} = {interval[0]}; {v} < {interval[1]}; {v} += {ROWS}) {{"
            body = [head, *(f"    {line}" for line in body), "}"]
        lines += [f"    {line}" for line in self._nest_of(axes, variables, body)]
        return [*lines, "}"]

    def _gradient_calls(self, channels: int, taps: int, width: int, between: str) -> list[str]:
        """One call for each size that a block of channels and taps may have."""
        found = []
        for c in sorted({min(channels, BLOCK), channels % BLOCK or BLOCK}, reverse=True):
            for k in sorted({min(taps, TAPS), taps % TAPS or TAPS}, reverse=True):
                mine = [
                    f"c + {c} {'<=' if c == BLOCK else '=='} {channels}",
                    f"t + {k} {'<=' if k == TAPS else '=='} {taps}",
                ]
                given = f"at, bars + c, rows + c, of[s] + shifts[t], shifts + t, row, many, stride, {between}"
                call = f"{gradient_name(c, k, width)}({given});"
                found.append(f"if ({' && '.join(mine)}) {call}")
        return found

    # --- matrices -----------------------------------------------------------------------------------------------------

    def _along(self, axes: tuple[int, ...], names: dict[int, str]) -> str:
        """The index of an entry along axes, row-major."""
        index = ""
        for a in axes:
            index = f"({index}) * {self.layout.grid[a]}L + {names[a]}" if index else names[a]
        return index

    def _items(self, box: Box, chunk: int) -> tuple[int, list[str]]:
        """How many pieces of rows a box has, and the lines that find the coordinates of piece `item`: x0, x1, …, and from `start`
        on `count` entries of the last axis."""
        extents = [i[1] if i is not None else 1 for i in box]
        if any(i is not None and i != (0, n) for i, n in zip(box, self.layout.grid, strict=True)):
            raise Unfit("a matrix acts beyond the cells")
        n = extents[-1]
        pieces = -(-n // chunk)
        lines = [
            f"const long start = item % {pieces} * {chunk}, count = {n} - start < {chunk} ? {n} - start : {chunk};"
        ]
        behind = pieces
        for a in reversed(range(self.dimension - 1)):
            lines.append(f"const long x{a} = item / {behind} % {extents[a]};")
            behind *= extents[a]
        return behind, [*lines, "(void)count;"]

    def _product(self, loops: Loops, operation: Product, box: Box) -> list[str]:
        axes, last = operation.axes, self.dimension - 1
        dots = last in axes and not operation.transposed
        items, where = self._items(box, 4 if dots else SPAN)
        mine = {a: f"x{a}" for a in range(last)}
        end = f"T *const to = {self._array(loops.buffers[0])} + {self._steps([i is not None for i in box], mine)} + start;"
        lines = self._dots(operation, mine, end) if dots else self._rank_ones(operation, mine, end)
        return [
            f"const T *const w = f->a[{operation.table}] + {operation.first};",
            f"for (long item = {items} * lo / UNITS; item < {items} * hi / UNITS; ++item) {{",
            *(f"    {line}" for line in (*where, *lines)),
            "}",
        ]

    def _dots(self, operation: Product, mine: dict[int, str], end: str) -> list[str]:
        """Four entries of a row of `W e`: rows of W and e lie along the last axis."""
        axes, last = operation.axes, self.dimension - 1
        n, size = self.layout.grid[last], prod(self.layout.grid[a] for a in axes)
        outer = {a: ("0", str(self.layout.grid[a])) for a in axes if a != last}
        there = mine | {a: f"y{a}" for a in outer}
        own, m = self._along(axes, {**mine, last: "start"}), self._along(axes, {**there, last: "0"})
        rows = [f"*const w{q} = w + ({own} + (count > {q} ? {q} : 0)) * {size}L + {m}" for q in range(4)]
        body = [
            f"const T *const e = {self._source(operation.source)} + {self._steps(self._varies(operation.source), there)};",
            f"const T {', '.join(rows)};", "#pragma omp simd reduction(+ : s0, s1, s2, s3)",
            f"for (long j = 0; j < {n}; ++j) {{", *(f"    s{q} += w{q}[j] * e[j];" for q in range(4)), "}",
        ]  # fmt: skip
        stores = [f"if (count > {q}) to[{q}] = s{q};" for q in range(4)]
        return ["T s0 = 0, s1 = 0, s2 = 0, s3 = 0;", *self._nest_of(outer, there, body), end, *stores]

    def _rank_ones(self, operation: Product, mine: dict[int, str], end: str) -> list[str]:
        """Up to `SPAN` entries of a row, four terms at a time: of `Wᵀ e` along the last axis (the terms are rows of W), or of `W e`
        across it (the terms are rows of e)."""
        axes, last = operation.axes, self.dimension - 1
        source, size, fastest = self._varies(operation.source), prod(self.layout.grid[a] for a in axes), axes[-1]
        n = self.layout.grid[fastest]
        outer = {a: ("0", str(self.layout.grid[a])) for a in axes[:-1]}
        there = mine | {a: f"y{a}" for a in outer} | {fastest: "y"}
        m, own = self._along(axes, there), self._along(axes, {**mine, last: "start"} if last in axes else mine)
        at = f"w + ({m}) * {size}L + {own}" if operation.transposed else f"w + ({own}) * {size}L + {m}"
        where = f"const T *const e = {self._source(operation.source)} + {self._steps(source, there)}"
        step = f"{size}L" if operation.transposed else "1"
        near = [f"(y + {q} < {n} ? {q} : 0)" for q in range(4)]
        if last in axes:
            rows, numbers, where = [f"at + {k} * {step}" for k in near], [f"e[y + {k}]" for k in near], f"{where};"
        else:
            stride = self.layout.strides(source)[fastest]
            rows, numbers = [f"e + {k} * {stride}L" for k in near], [f"at[{k} * {step}]" for k in near]
            where = f"{where} + start;"
        body = [
            where, f"const T *const at = {at};",
            f"const T {', '.join(f'*const w{q} = {row}' for q, row in enumerate(rows))};",
            f"const T {', '.join(f'v{q} = y + {q} < {n} ? {number} : 0' for q, number in enumerate(numbers))};",
            "#pragma omp simd",
            "for (long j = 0; j < count; ++j) acc[j] += w0[j] * v0 + w1[j] * v1 + w2[j] * v2 + w3[j] * v3;",
        ]  # fmt: skip
        body = [f"for (long y = 0; y < {n}; y += 4) {{", *(f"    {line}" for line in body), "}"]
        lines = [f"T acc[{SPAN}] = {{0}};", *self._nest_of(outer, there, body), end]
        return [*lines, "for (long j = 0; j < count; ++j) to[j] = acc[j];"]

    def _matrix_gradient(self, loops: Loops, operation: MatrixGradient, box: Box) -> list[str]:
        assert loops.accumulator is not None
        axes, last = operation.axes, self.dimension - 1
        size = prod(self.layout.grid[a] for a in axes)
        bar, of = self._source(operation.bar), self._source(operation.source)
        extents = [i[1] if i is not None else 1 for i in box]
        own = {a: f"x{a}" if a in axes else f"s{a}" for a in range(self.dimension)}
        there = {a: f"y{a}" if a in axes else f"s{a}" for a in range(self.dimension)}
        spectators = {a: ("0", str(extents[a])) for a in range(last) if a not in axes}
        inner = {a: ("0", str(self.layout.grid[a])) for a in axes if a != last}
        lines = [
            f"double *const p = f->p[{self.before + loops.accumulator}] + {operation.first};",
            f"for (long n = {size} * lo / UNITS; n < {size} * hi / UNITS; ++n) {{",
        ]
        behind = 1
        for a in reversed(axes):
            lines.append(f"    const long x{a} = n / {behind} % {self.layout.grid[a]};")
            behind *= self.layout.grid[a]
        theirs = self._steps(self._varies(operation.source), there)
        mine = self._steps(self._varies(operation.bar), own)
        n = extents[last]
        if last in axes:
            m = self._along(axes, {**there, last: "0"})
            body = [
                f"const T b = {bar}[{mine} + x{last}], *const e = {of} + {theirs};",
                f"double *const to = p + n * {size}L + {m};", "#pragma omp simd",
                f"for (long j = 0; j < {n}; ++j) to[j] += b * e[j];",
            ]  # fmt: skip
            body = self._nest_of({**spectators, **inner}, {**own, **{a: f"y{a}" for a in inner}}, body)
        else:
            m = self._along(axes, there)
            body = [
                f"const T *const b = {bar} + {mine}, *const e = {of} + {theirs};", "#pragma omp simd reduction(+ : sum)",
                f"for (long j = 0; j < {n}; ++j) sum += b[j] * e[j];",
            ]  # fmt: skip
            body = self._nest_of(spectators, own, body)
            body = self._nest_of(
                inner, {a: f"y{a}" for a in inner}, ["T sum = 0;", *body, f"p[n * {size}L + {m}] += sum;"]
            )
        return [*lines, *(f"    {line}" for line in body), "}"]

    # --- sums over the grid -------------------------------------------------------------------------------------------

    def _total(self, loops: Loops, operation: Total, box: Box) -> list[str]:
        of, source = self._source(operation.source), self.program.values[operation.source].box
        last, variables = self.dimension - 1, dict(enumerate(self.variables))
        varies = self._varies(operation.source)
        row = f"const T *const e = {of} + {self._steps(varies, variables)};"
        ranges = {a: (str(i[0]), str(i[1])) for a, i in enumerate(source) if i is not None}
        kept = [a for a, i in enumerate(box) if i is not None]
        summed = {a: r for a, r in ranges.items() if a in operation.axes and a != last}
        add = ["#pragma omp simd reduction(+ : sum)", "for (long j = {}; j < {}; ++j) sum += e[j];"]
        if last not in ranges:
            add = ["sum += e[0];"]
        if not kept:
            return self._whole_total(loops, source, ranges, summed, row, add)
        interval = box[kept[0]]
        assert interval is not None
        n = interval[1] - interval[0]
        share = (f"{interval[0]} + {n} * lo / UNITS", f"{interval[0]} + {n} * hi / UNITS")
        to = self._array(loops.buffers[0])
        mine = tuple(i is not None for i in box)
        outer = {a: ranges[a] for a in kept if a != last} | ({kept[0]: share} if kept[0] != last else {})
        target = self._steps(mine, variables)
        if last in operation.axes or last not in ranges:
            body = [row, *(line.format(*ranges.get(last, ())) for line in add)]
            body = ["T sum = 0;", *self._nest_of(summed, variables, body), f"{to}[{target}] = sum;"]
            return self._nest_of(outer, variables, body)
        start, stop = share if kept[0] == last else ranges[last]
        body = [row, "#pragma omp simd", "for (long j = start; j < stop; ++j) to[j] += e[j];"]
        body = [
            f"const long start = {start}, stop = {stop};", f"T *const to = {to} + {target};",
            "for (long j = start; j < stop; ++j) to[j] = 0;", *self._nest_of(summed, variables, body),
        ]  # fmt: skip
        return self._nest_of(outer, variables, body)

    def _whole_total(
        self, loops: Loops, source: Box, ranges: dict[int, tuple[str, str]], summed: dict[int, tuple[str, str]],
        row: str, add: list[str],
    ) -> list[str]:  # fmt: skip
        """A sum that is one number: a part for each piece of work."""
        variables, last = dict(enumerate(self.variables)), self.dimension - 1
        head = [f"double *const parts = {self._partial(loops.buffers[0])};"]
        whole = source[0] == (0, self.layout.grid[0])
        if whole and self.dimension == 1:
            stop = f"start + {CHUNK} < {self.layout.grid[0]} ? start + {CHUNK} : {self.layout.grid[0]}"
            lines = [
                f"const long start = unit * {CHUNK}, stop = {stop};",
                "T sum = 0;", row, *(line.format("start", "stop") for line in add), "parts[unit] = sum;",
            ]  # fmt: skip
            return [*head, "for (long unit = lo; unit < hi; ++unit) {", *(f"    {line}" for line in lines), "}"]
        rest = {a: r for a, r in summed.items() if a != 0 or not whole}
        body = [row, *(line.format(*ranges.get(last, ())) for line in add)]
        unit = "i" if whole else "0"
        body = ["T sum = 0;", *self._nest_of(rest, variables, body), f"parts[{unit}] = sum;"]
        if whole:
            return [*head, *self._nest_of({0: ("lo", "hi")}, variables, body)]
        return [*head, "if (first) {", *(f"    {line}" for line in body), "}"]
