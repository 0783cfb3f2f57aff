"""Where gradients of arguments are collected on the way back, and how they are gathered into what is returned.

Every team of threads adds to arrays of its own (to one a sample, where the argument differs by sample), so nothing is locked:
padded ones for arguments on the grid, a double for each piece of work for numbers, doubles for the entries of tables. At the end
they are added in a fixed order, in double, along the axes on which the argument does not vary.
"""

from __future__ import annotations

from math import prod

from npde.diagnostics import InternalError
from npde.native.c_layout import Layout
from npde.native.program import Accumulator, Program
from npde.native.values import Argument, Interval

RECORDS = """
/* Where the gradient of an element of an argument is collected, and what it is added to. */
typedef struct {
    int in_double;       /* whether its entries are double: sums, one a piece of work, and tables */
    int by_step, by_sample, gradient; /* whether it differs by step, by sample; which of the returned gradients it belongs to */
    long size;           /* entries for one step and sample */
    long from, to;       /* where the first that counts lies, and the first that it is added to */
    long n[3], s[3], t[3]; /* entries along each axis, their distance, that of what they are added to (0: they are summed) */
} Collector;

/* A gradient that is returned: [steps or 1][batch or 1][size]. */
typedef struct {
    int by_step, by_sample;
    long size;
} Gradient;
"""

GATHER = """
static long samples_of(const Collector *c, long batch, long teams) { return c->by_sample ? batch : teams; }

/* Bytes of one collector, whole cache lines. */
static long collector_bytes(const Collector *c, long batch, long steps, long teams)
{
    const long entries = (c->by_step ? steps : 1) * samples_of(c, batch, teams) * c->size;
    return (entries * (long)(c->in_double ? sizeof(double) : sizeof(T)) + 63) / 64 * 64;
}

static long collected_bytes(long batch, long steps, long teams)
{
    long total = 0;
    for (int k = 0; k < COLLECTORS; ++k) total += collector_bytes(collectors + k, batch, steps, teams);
    return total;
}

/* Entries of a gradient. */
static long gradient_size(const Gradient *g, long batch, long steps)
{
    return (g->by_step ? steps : 1) * (g->by_sample ? batch : 1) * g->size;
}

static void clear_share(char *bytes, long count, int me, int threads)
{
    const long lines = count / 64, first = lines * me / threads * 64;
    const long behind = me + 1 == threads ? count : lines * (me + 1) / threads * 64;
    memset(bytes + first, 0, behind - first);
}

/* What all teams collected at one point of the gradient, or at WIDTH of them along the last axis, in double. */
enum { WIDTH = 256 };
static void collected_at(const Collector *c, const void *collected, long samples, long count, double *total)
{
    for (long k = 0; k < count; ++k) total[k] = 0;
    for (long sample = 0; sample < samples; ++sample)
        for (long i = 0; i < (c->t[0] ? 1 : c->n[0]); ++i)
            for (long k = 0; k < (c->t[1] ? 1 : c->n[1]); ++k) {
                const long at = sample * c->size + i * c->s[0] + k * c->s[1];
                if (c->in_double)
                    for (long j = 0; j < count; ++j) total[j] += ((const double *)collected)[at + j * c->s[2]];
                else if (c->s[2] == 1)
                    for (long j = 0; j < count; ++j) total[j] += ((const T *)collected)[at + j];
                else
                    for (long j = 0; j < count; ++j) total[j] += ((const T *)collected)[at + j * c->s[2]];
            }
}

/* Adds a collector, of one step and (by_sample) one sample, to rows lo ... hi - 1 of its gradient. */
static void gather_rows(const Collector *c, const char *collected, long samples, T *gradient, long lo, long hi)
{
    const long entry = c->in_double ? sizeof(double) : sizeof(T);
    double total[WIDTH];
    for (long i = lo; i < hi; ++i)
        for (long k = 0; k < (c->t[1] ? c->n[1] : 1); ++k)
            for (long j = 0; j < c->n[2]; j += WIDTH) {
                const long count = c->n[2] - j < WIDTH ? c->n[2] - j : WIDTH;
                T *to = gradient + c->to + i * c->t[0] + k * c->t[1] + j * c->t[2];
                collected_at(c, collected + (c->from + i * c->s[0] + k * c->s[1] + j * c->s[2]) * entry, samples, count, total);
                for (long x = 1; x < count && !c->t[2]; ++x) total[0] += total[x];
                for (long x = 0; x < (c->t[2] ? count : 1); ++x) to[x * c->t[2]] += (T)total[x];
            }
}

/* Adds what was collected to the gradients. Threads share the steps of each; where it has none, its rows. */
static void gather(char *const *collected, T *const *gradients, long batch, long steps, long teams, int me, int threads)
{
    for (int k = 0; k < COLLECTORS; ++k) {
        const Collector *c = collectors + k;
        const long samples = samples_of(c, batch, teams), rows = c->t[0] ? c->n[0] : 1, apart = c->by_sample ? batch : 1;
        const long size = c->size * (long)(c->in_double ? sizeof(double) : sizeof(T));
        const long first = c->by_step ? steps * me / threads : 0, behind = c->by_step ? steps * (me + 1) / threads : 1;
        const long lo = c->by_step ? 0 : rows * me / threads, hi = c->by_step ? rows : rows * (me + 1) / threads;
        for (long n = first; n < behind; ++n)
            for (long b = 0; b < apart; ++b)
                gather_rows(c, collected[k] + (n * samples + b) * size, c->by_sample ? 1 : samples,
                            gradients[c->gradient] + (n * apart + b) * returned[c->gradient].size, lo, hi);
    }
}
"""


def gathering(programs: tuple[Program, ...], layout: Layout, wanted: frozenset[int]) -> str:
    """The tables of all accumulators of the adjoint programs and of the gradients `wanted`, in order, and what works by them."""
    adjoints = [p for p in programs if p.name.endswith("_adjoint")]
    arguments = programs[0].values.arguments
    accumulators = [a for p in adjoints for a in p.accumulators]
    order = sorted(wanted)
    rows = [_collector(a, arguments[a.argument], order.index(a.argument), layout) for a in accumulators]
    gradients = [
        f"{{{int(a.per_step)}, {int(a.batch)}, {a.elements * prod(a.extents)}L}}, /* {a.name} */"
        for a in (arguments[k] for k in order)
    ]
    return "\n".join(
        [
            RECORDS,
            f"#define COLLECTORS {len(rows)}",
            "static const Collector collectors[COLLECTORS + 1] = {",
            *(f"    {row}" for row in rows),
            "    {0},",
            "};",
            f"#define RETURNED {len(order)}",
            "static const Gradient returned[RETURNED + 1] = {",
            *(f"    {row}" for row in gradients),
            "    {0},",
            "};",
            GATHER,
        ]
    )


def _collector(accumulator: Accumulator, argument: Argument, gradient: int, layout: Layout) -> str:
    """One row of the table of collectors."""
    flags = f"{int(argument.per_step)}, {int(argument.batch)}, {gradient}"
    size = prod(argument.extents)
    where = f"argument {argument.name}, element {accumulator.element}"
    if accumulator.table:
        entries = argument.elements * size
        axes = f"{{1L, 1L, {entries}L}}, {{0L, 0L, 1L}}, {{0L, 0L, 1L}}"
        return f"{{1, {flags}, {entries}L, 0L, 0L, {axes}}}, /* argument {argument.name}, all elements */"
    to = accumulator.element * size
    if accumulator.box is None:
        axes = f"{{1L, 1L, {layout.units}L}}, {{0L, 0L, 1L}}, {{0L, 0L, 0L}}"
        return f"{{1, {flags}, {layout.units}L, 0L, {to}L, {axes}}}, /* {where} */"
    varies = tuple(i is not None for i in accumulator.box)
    strides = layout.strides(varies)
    first = sum(s * i[0] for s, i in zip(strides, accumulator.box, strict=True) if i is not None)
    counts = [_count(mine, of) for mine, of in zip(argument.box, accumulator.box, strict=True)]
    steps = [0 if mine is None else prod(argument.extents[a + 1 :]) for a, mine in enumerate(argument.box)]
    axes = ", ".join(
        f"{{{', '.join(f'{x}L' for x in _three(numbers, fill))}}}"
        for numbers, fill in ((counts, 1), (list(strides), 0), (steps, 0))
    )
    return f"{{0, {flags}, {layout.size(varies)}L, {layout.origin(varies) + first}L, {to}L, {axes}}}, /* {where} */"


def _count(mine: Interval, collected: Interval) -> int:
    """Entries along an axis that count."""
    if mine is not None and collected is not None and mine != collected:
        raise InternalError("a gradient is collected elsewhere than its argument lies")
    interval = mine if collected is None else collected
    return 1 if interval is None else interval[1] - interval[0]


def _three(numbers: list[int], fill: int) -> list[int]:
    """Numbers of the slowest, the middle and the fastest of three axes; a plane has no middle one, a line the fastest alone."""
    return [
        *([] if len(numbers) == 1 else numbers[:1]),
        *[fill] * (3 - len(numbers)),
        *numbers[-2 if len(numbers) == 3 else -1 :],
    ]
