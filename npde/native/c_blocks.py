"""Inner loops of convolution layers: a few output channels by a few vectors, kept in registers while all weights go by."""

from __future__ import annotations

from collections.abc import Iterable

from npde.native.program import Program
from npde.native.values import Correlation, KernelGradient

BLOCK = 4
"""Output channels at once."""

TAPS = 3
"""Taps at once of a gradient."""

ROWS = 16
"""Rows at once of a gradient, before what was found is added up in double."""


def widths(entries: int | None, most: int) -> list[int]:
    """Entries that are computed at once along a row of so many: `most` while there are, then the rest, halved down to 1."""
    found, width = [], most
    while width:
        if entries is None or entries >= width:
            found.append(width)
            entries = None if entries is None else entries % width
        width //= 2
    return found


def correlate_name(channels: int, width: int) -> str:
    """The function for so many output channels and entries of a row."""
    return f"correlate_{channels}x{width}"


def gradient_name(channels: int, taps: int, width: int) -> str:
    """The function for so many output channels and taps."""
    return f"gradient_{channels}x{taps}x{width}"


def blocks(programs: Iterable[Program], lines: Iterable[str], lanes: int) -> str:
    """The functions that kernels (their `lines`) call."""
    text = "\n".join(lines)
    channels = range(1, BLOCK + 1)
    sizes = widths(None, 2 * lanes)
    found = [_correlate(c, w, lanes) for c in channels for w in sizes if f"{correlate_name(c, w)}(" in text]
    found += [
        _gradient(c, k, w, lanes)
        for c in channels
        for k in range(1, TAPS + 1)
        for w in sizes
        if f"{gradient_name(c, k, w)}(" in text
    ]
    has_totals = "total_of(" in text
    total = [TOTAL] if has_totals else []
    if not any(isinstance(v.operation, Correlation | KernelGradient) for p in programs for v in p.values.items):
        return "\n".join(total)
    types = [_type(w) for w in sizes if 1 < w <= lanes]
    return "\n".join([*total, "", "/* Some entries of a row, wherever they lie. */", *types, "", *found])


TOTAL = """
/* A sum over the grid: the parts of all pieces of work, in order. */
static double total_of(const T *parts)
{
    double sum = 0;
    for (long unit = 0; unit < UNITS; ++unit) sum += ((const double *)parts)[unit];
    return sum;
}
"""


def _type(width: int) -> str:
    return f"typedef T V{width} __attribute__((vector_size({width} * sizeof(T)), aligned(sizeof(T))));"


def _vector(width: int, lanes: int) -> tuple[str, int]:
    """The type that a width is made of, and how many of it."""
    if width == 1:
        return "T", 1
    return (f"V{lanes}", 2) if width > lanes else (f"V{width}", 1)


def _correlate(channels: int, width: int, lanes: int) -> str:
    kind, vectors = _vector(width, lanes)
    names = [f"a{c}{v}" for c in range(channels) for v in range(vectors)]
    zero = "0" if kind == "T" else "{0}"
    offset = [f" + {v * lanes}" if v else "" for v in range(vectors)]
    lines = [
        f"static inline void {correlate_name(channels, width)}(T *const *to, const long *rows, const T *w, const T *const *of,",
        "    const long *columns, const long *shifts, long sources, long taps, long at)",
        "{",
        f"    {kind} {', '.join(f'{n} = {zero}' for n in names)};",
        "    for (long s = 0; s < sources; ++s) {",
        "        const T *const u = of[s] + at;",
        f"        const T {', '.join(f'*const w{c} = w + rows[{c}] + columns[s]' for c in range(channels))};",
        "        for (long k = 0; k < taps; ++k) {",
        *(f"            const {kind} x{v} = *(const {kind} *)(u + shifts[k]{offset[v]});" for v in range(vectors)),
        *(f"            a{c}{v} += w{c}[k] * x{v};" for c in range(channels) for v in range(vectors)),
        "        }",
        "    }",
        *(f"    *({kind} *)(to[{c}] + at{offset[v]}) = a{c}{v};" for c in range(channels) for v in range(vectors)),
        "}",
        "",
    ]
    return "\n".join(lines)


def _gradient(channels: int, taps: int, width: int, lanes: int) -> str:
    kind, _ = _vector(width, lanes)
    names = [(c, k) for c in range(channels) for k in range(taps)]
    zero = "0" if kind == "T" else "{0}"
    sums = " ".join(f"a{c}{k}[0] += a{c}{k}[l];" for c, k in names)
    lines = [
        f"static void {gradient_name(channels, taps, width)}(double *p, const T *const *bars, const long *rows, const T *u,",
        "    const long *shifts, long row, long many, long stride, long start, long stop)",
        "{",
        f"    {kind} {', '.join(f'a{c}{k} = {zero}' for c, k in names)};",
        *(f"    const long s{k} = shifts[{k}] - shifts[0];" for k in range(1, taps)),
        "    for (long i = 0; i < many; ++i, row += stride)",
        f"        for (long j = row + start; j < row + stop; j += {width}) {{",
        *(f"            const {kind} x{k} = *(const {kind} *)(u + j{f' + s{k}' if k else ''});" for k in range(taps)),
        *(f"            const {kind} b{c} = *(const {kind} *)(bars[{c}] + j);" for c in range(channels)),
        *(f"            a{c}{k} += b{c} * x{k};" for c, k in names),
        "        }",
        *([] if kind == "T" else [f"    for (long l = 1; l < {width}; ++l) {{ {sums} }}"]),
        *(f"    p[rows[{c}] + {k}] += a{c}{k}{'' if kind == 'T' else '[0]'};" for c, k in names),
        "}",
        "",
    ]
    return "\n".join(lines)
