"""Time blocking: the C text that marches several steps while rows are in the cache.

Each thread owns a band of rows and keeps it, with a halo as wide as `depth` steps look, in arrays of its own; after `depth` steps
neighbors exchange halos, and that is the only time they wait for each other. Within a band the phases of all `depth` steps follow
each other as waves: each trails the one before by the rows that it looks at, so a row is read and written by all of them before it
leaves the cache, and most of what a wave reads was written just before. Waves take blocks of AT_ONCE rows whose ends lie BEHIND
rows apart from wave to wave, so that one can follow the other at that distance; the first block of each, longer, sees to that.

Two arrays a channel are enough, one where a step may be written in place (`npde.native.in_place`), since a wave overwrites a
row only when all before it are past the rows that look at it (Lamport's hyperplane method; the halo is computed twice, as in
overlapped tiling).
"""

from __future__ import annotations

NO_BANDS = """
static long band_depth(long depth, long steps, int size) { (void)depth; (void)steps; (void)size; return 0; }
static long band_size(long depth, int size) { (void)depth; (void)size; return 0; }
static long band_shared(void) { return 0; }
static void march_band(const March *m, T *memory, long b, int rank, int size, long depth)
{
    (void)m; (void)memory; (void)b; (void)rank; (void)size; (void)depth;
}
"""

BANDS = """
#include <unistd.h>

#define MOST_DEPTH 16
#define FEW 8
#define ALIGNED(n) (((n) + 15) / 16 * 16)

/* Steps whose waves, with what they look at, take up so many bytes. */
static long steps_in(long cache, long row) { return (cache / row - AT_ONCE - 2 * REACH) / (PHASES * BEHIND); }

/* Steps that are marched while rows are in the cache; 0: one after the other. `depth` < 0 asks for what suits the caches: half of a
 * core's own one; at least two if the common one holds the state, where planes are fetched ahead; else a quarter of its share of
 * that, where a few steps save most of what memory costs. */
static long band_depth(long depth, long steps, int size)
{
    long own = 1 << 20, common = 0, arrays = ARRAYS;
    const long most = ROWS / size / (PHASES * REACH);
#ifdef _SC_LEVEL2_CACHE_SIZE
    if (sysconf(_SC_LEVEL2_CACHE_SIZE) > 0) own = sysconf(_SC_LEVEL2_CACHE_SIZE);
    if (sysconf(_SC_LEVEL3_CACHE_SIZE) > 0) common = sysconf(_SC_LEVEL3_CACHE_SIZE);
#endif
    if (depth < 0) {
        for (int k = 0; k < POOLED; ++k) arrays += pool_rows[k] == ROW;
        const long row = arrays * ROW * (long)sizeof(T), slow = steps_in(common / size / 4, row);
        depth = steps_in(own / 2, row);
        if (depth < FEW && row * ROWS < common / 4 * 3) depth = depth > 2 ? depth : 2;
        else if (depth < FEW) depth = slow < FEW ? slow : FEW;
        if (depth > most * 3 / 16) depth = most * 3 / 16; /* a sixth is computed twice */
        if (size == 1 && row * ROWS < own / 4 * 3) depth = 0;
    }
    if (depth > most) depth = most;
    if (depth > MOST_DEPTH) depth = MOST_DEPTH;
    if (depth > steps) depth = steps;
    return depth < 2 ? 0 : depth;
}

static long band_rows(long depth, int size) { return ROWS / size + 1 + 2 * (depth * PHASES + 1) * REACH + 2 * AT_ONCE + LOWER; }

static long band_size(long depth, int size)
{
    const long rows = band_rows(depth, size);
    long total = ALIGNED(rows * ROW + ROW) * ARRAYS;
    for (int k = 0; k < POOLED; ++k) total += ALIGNED(pool_rows[k] ? (rows + 1) * pool_rows[k] : pool_sizes[k]);
    return total;
}

static long band_shared(void) { return 2 * ALIGNED(CARRIED * CELLS); }

/* Rows lo ... hi - 1 of a plain array, which repeats along a periodic axis. */
static void load_rows(T *padded, const T *plain, long lo, long hi)
{
    while (lo < hi) {
        const long turn = lo >= 0 ? lo / ROWS : -((ROWS - 1 - lo) / ROWS), start = turn * ROWS;
        const long end = hi < start + ROWS ? hi : start + ROWS;
        load(padded + start * ROW, plain, lo - start, end - start);
        lo = end;
    }
}

/* The end of a block of a wave, at `row` or beyond. */
static long block_end(long row, long wave)
{
    const long beyond = (row + wave * BEHIND) % AT_ONCE;
    return row + (beyond > 0 ? AT_ONCE - beyond : -beyond);
}

static long within(long row) { return WRAPS ? row : row < 0 ? 0 : row > ROWS ? ROWS : row; }

static void march_band(const March *m, T *memory, long b, int rank, int size, long depth)
{
    const long from = ROWS * rank / size, to = ROWS * (rank + 1) / size, rows = band_rows(depth, size);
    const long width = depth * PHASES * REACH, left = within(from - width), right = within(to + width);
    const long base = from - (depth * PHASES + 1) * REACH - AT_ONCE - LOWER;
    const long frames = m->every ? m->steps / m->every + 1 : 0;
    T *at = memory + band_shared() + rank * band_size(depth, size), *state[2][CARRIED];
    Frame f[MOST_DEPTH + 1];
    long done[MOST_DEPTH * PHASES]; /* rows below this are done, for each wave */
    memset(f, 0, sizeof f);
    for (int k = 0; k < POOLED; ++k) {
        f[0].pool[k] = at - (pool_rows[k] ? (base + LOWER) * pool_rows[k] : 0);
        at += ALIGNED(pool_rows[k] ? (rows + 1) * pool_rows[k] : pool_sizes[k]);
    }
    for (int k = 0; k < 2; ++k)
        for (int c = 0; c < CARRIED; ++c) {
            state[k][c] = k && in_place[c] ? state[0][c] : at - (base + LOWER) * ROW;
            if (!k || !in_place[c]) at += ALIGNED(rows * ROW + ROW);
        }
    for (long s = 1; s <= depth; ++s) memcpy(f[s].pool, f[0].pool, sizeof f[0].pool);
    load_band(&f[0], m->args, b, base + LOWER, base + rows);
    for (int c = 0; c < STATE; ++c) {
        const T *start = m->state + (b * STATE + c) * CELLS;
        load_rows(state[0][c], start, left, right);
        if (m->every) store(state[0][c], m->frames + (b * frames * STATE + c) * CELLS, from, to);
    }
    long many = 0;
    int now = 0, parity = 0;
    for (long n = 0; n < m->steps; n += many, parity = !parity) {
        if (n > 0) { /* the halo, from neighbors or from the other end of a periodic axis */
            T *edge = memory + parity * ALIGNED(CARRIED * CELLS);
            for (int c = 0; c < CARRIED; ++c) {
                store(state[now][c], edge + c * CELLS, from, from + width < to ? from + width : to);
                store(state[now][c], edge + c * CELLS, to - width > from ? to - width : from, to);
            }
            BARRIER(size);
            for (int c = 0; c < CARRIED; ++c) {
                load_rows(state[now][c], edge + c * CELLS, left, from);
                load_rows(state[now][c], edge + c * CELLS, to, right);
            }
        }
        if (m->keep && n % m->keep == 0)
            for (int c = 0; c < CARRIED; ++c)
                store(state[now][c], m->saved + ((n / m->keep * m->batch + b) * CARRIED + c) * CELLS, from, to);
        many = depth < m->steps - n ? depth : m->steps - n;
        if (m->keep && many > m->keep - n % m->keep) many = m->keep - n % m->keep;
        if (m->every && many > m->every - n % m->every) many = m->every - n % m->every;
        const int more = n + many < m->steps;
        for (long s = 0; s < many + more; ++s) {
            memcpy(f[s].in, state[(now + s) & 1], sizeof f[s].in);
            memcpy(f[s].out, state[(now + s + 1) & 1], sizeof f[s].out);
            load_arguments(&f[s], m->args, n + s, b, m->batch, -1);
        }
        const long waves = many * PHASES, lowest = within(from - waves * REACH), highest = within(to + waves * REACH);
        if (n == 0) fill_rows(&f[0], lowest, highest, !WRAPS && lowest == 0, !WRAPS && highest == ROWS);
        else { /* the band's own rows were filled by the last wave */
            if (lowest < from) fill_rows(&f[0], lowest, from, !WRAPS && lowest == 0, 0);
            if (to < highest) fill_rows(&f[0], to, highest, 0, !WRAPS && highest == ROWS);
        }
        for (long wave = 0; wave < waves; ++wave) done[wave] = within(from - (waves - 1 - wave) * REACH);
        while (done[waves - 1] < to)
            for (long wave = 0; wave < waves; ++wave) {
                const long end = within(to + (waves - 1 - wave) * REACH), lo = done[wave];
                long hi = block_end(lo + AT_ONCE, wave);
                if (wave > 0) {
                    const int is_through = done[wave - 1] == within(to + (waves - wave) * REACH);
                    if (is_through) hi = end;
                    else if (hi > done[wave - 1] - BEHIND) continue; /* whole blocks only */
                }
                if (hi > end) hi = end;
                if (lo >= hi) continue;
                const int first = !WRAPS && lo == 0, last = !WRAPS && hi == ROWS;
                const Frame *step = &f[wave / PHASES];
                run_rows(wave % PHASES, step, lo, hi, first, last);
                if (wave % PHASES == PHASES - 1 && (wave + 1 < waves || more)) fill_rows(step + 1, lo, hi, first, last);
                done[wave] = hi;
            }
        now = (now + many) & 1;
        if (m->every && (n + many) % m->every == 0)
            for (int c = 0; c < STATE; ++c)
                store(state[now][c], m->frames + ((b * frames + (n + many) / m->every) * STATE + c) * CELLS, from, to);
    }
    for (int c = 0; c < STATE; ++c) store(state[now][c], m->final + (b * STATE + c) * CELLS, from, to);
    BARRIER(size);
}
"""
