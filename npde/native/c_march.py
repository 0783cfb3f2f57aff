"""The C text that is the same for every graph: records, copies, the march and its gradient."""

from __future__ import annotations

STRUCTS = """
/* What the kernels of a step see: padded arrays of one sample, and its scalar arguments. */
typedef struct {
    T *in[CARRIED], *out[CARRIED], *bar[CARRIED]; /* bar: gradients with respect to what a step returns */
    T *pool[POOLED + 1];
    const T *a[ARGUMENTS + 1];
    double **p; /* sums of scalar gradients, one a piece of work */
    T **g;      /* gradients of fields */
} Frame;

/* The first piece of work of a thread. Threads share whole blocks of rows, so a row is computed alike by any number of them. */
static long share(int rank, int size)
{
    const long whole = (UNITS * rank / size + BLOCK / 2) / BLOCK * BLOCK;
    return rank == size || whole > UNITS ? UNITS : whole;
}
"""

COPY_IN = """
static void copy_in(T *to, const T *from, long s0, long s1, long s2, long n0, long n1, long n2)
{
    for (long i = 0; i < n0; ++i)
        for (long k = 0; k < n1; ++k)
            for (long j = 0; j < n2; ++j)
                to[i * s0 + k * s1 + j * s2] = from[(i * n1 + k) * n2 + j];
}
"""


COMMON = """
static void clear(T *padded, long lo, long hi)
{
    for (long k = PADDED * lo / UNITS; k < PADDED * hi / UNITS; ++k) padded[k] = 0;
}

static void point_into(Frame *f, T *memory)
{
    for (int k = 0; k < POOLED; ++k) f->pool[k] = memory + pool_offsets[k];
}

/* Asks for large pages under a large array: they fault less often, and streams are fetched ahead beyond 4 KB. */
static void in_large_pages(void *array, size_t bytes)
{
#ifdef MADV_HUGEPAGE
    const size_t page = 1 << 21, first = ((size_t)array + page - 1) / page * page, end = ((size_t)array + bytes) / page * page;
    if (first < end) madvise((void *)first, end - first, MADV_HUGEPAGE);
#else
    (void)array; (void)bytes;
#endif
}

/* Fewer threads may come than were asked for (a limit, no OpenMP): then those do all the work. Whether that is so. */
static int falls_short(int *teams, int *size)
{
    const int there = THREADS(), short_of = there < *teams * *size;
    if (short_of) *(*size > 1 ? size : teams) = there;
    return short_of;
}
"""

RECORD = """
typedef struct {
    const T *state;       /* [batch][STATE][cells] */
    const T *const *args; /* [steps or 1][batch or 1][elements][extents] each */
    T *final;             /* [batch][STATE][cells] */
    T *frames;            /* [batch][steps / every + 1][STATE][cells], if every */
    T *saved;             /* [ceil(steps / keep)][batch][CARRIED][cells], if keep */
    long batch, steps, every, keep;
} March;
"""

MARCH = """
/* The state after step n - 1, of what the loop carries. */
static void store_state(const Frame *f, T *to, long n, int rank, int size)
{
    const long lo = share(rank, size), hi = share(rank + 1, size);
    const int completes = FINISHES && n > 0;
    if (completes) complete(f, rank, size);
    for (int c = 0; c < STATE; ++c) store((completes ? f->out : f->in)[c], to + c * CELLS, lo, hi);
}

/* Arrays of a march step by step: where a channel is written in place, a second one for `complete` alone. */
#define PLAIN (FINISHES ? 2 * CARRIED : ARRAYS)

static void point_to_states(Frame *f, T *memory)
{
    for (int c = 0; c < CARRIED; ++c) f->in[c] = memory + c * PADDED;
    memory += CARRIED * PADDED;
    for (int c = 0; c < CARRIED; ++c) {
        f->out[c] = memory;
        if (FINISHES || !in_place[c]) memory += PADDED;
    }
}

/* Step n; `f->in` is what came of it. */
static void march_step(Frame *f, long n, int rank, int size)
{
    T *second[CARRIED];
    for (int c = 0; c < CARRIED; ++c) {
        second[c] = f->out[c];
        if (in_place[c]) f->out[c] = f->in[c];
    }
    advance(f, n, rank, size);
    for (int c = 0; c < CARRIED; ++c) {
        T *before = f->in[c];
        f->in[c] = f->out[c];
        f->out[c] = in_place[c] ? second[c] : before;
    }
}

static void march_sample(const March *m, Frame *f, T *memory, long b, int fresh, int rank, int size)
{
    const long lo = share(rank, size), hi = share(rank + 1, size);
    const long frames = m->every ? m->steps / m->every + 1 : 0;
    point_to_states(f, memory + POOL_SIZE);
    for (int c = 0; c < CARRIED; ++c) {
        if (c < STATE) load(f->in[c], m->state + (b * STATE + c) * CELLS, lo, hi);
        else clear(f->in[c], lo, hi);
    }
    if (rank == 0 && fresh) load_arguments(f, m->args, 0, b, m->batch, 0);
    if (rank == 0) load_arguments(f, m->args, 0, b, m->batch, 1);
    if (m->every) store_state(f, m->frames + b * frames * STATE * CELLS, 0, rank, size);
    for (long n = 0; n < m->steps; ++n) {
        if (m->keep && n % m->keep == 0)
            for (int c = 0; c < CARRIED; ++c)
                store(f->in[c], m->saved + ((n / m->keep * m->batch + b) * CARRIED + c) * CELLS, lo, hi);
        load_arguments(f, m->args, n, b, m->batch, rank == 0 ? 2 : -1);
        BARRIER(size);
        march_step(f, n, rank, size);
        if (m->every && (n + 1) % m->every == 0)
            store_state(f, m->frames + (b * frames + (n + 1) / m->every) * STATE * CELLS, n + 1, rank, size);
    }
    store_state(f, m->final + b * STATE * CELLS, m->steps, rank, size);
    BARRIER(size);
}

/* The states that time blocking left as the loop carries them. */
static void complete_stored(const March *m, Frame *f, T *memory, long b, int rank, int size)
{
    const long lo = share(rank, size), hi = share(rank + 1, size);
    const long frames = m->every ? m->steps / m->every + 1 : 0, last = frames ? frames : 1;
    point_into(f, memory);
    point_to_states(f, memory + POOL_SIZE);
    for (int which = 0; which < 2 && rank == 0; ++which) load_arguments(f, m->args, 0, b, m->batch, which);
    for (long k = 1; k <= last; ++k) { /* frame 0 is a state, and after the last frame comes the final state */
        const long n = k == last ? m->steps : k * m->every;
        T *to = k == last ? m->final + b * STATE * CELLS : m->frames + (b * frames + k) * STATE * CELLS;
        for (int c = 0; c < STATE; ++c) load(f->in[c], to + c * CELLS, lo, hi);
        load_arguments(f, m->args, n - 1, b, m->batch, -1);
        BARRIER(size);
        store_state(f, to, n, rank, size);
        BARRIER(size);
    }
}

/* Entries of memory that a team needs. */
static long march_size(int size, long depth)
{
    const long plain = POOL_SIZE + PLAIN * PADDED;
    return depth ? band_size(depth, size) * size + band_shared() + FINISHES * plain : plain;
}

/* Steps that threads march between two barriers, in bands; 0: every step has its barriers. */
long npde_march_depth(long steps, long size, long depth) { return band_depth(depth, steps, size); }

/* Bytes of memory that `npde_march` needs. */
long npde_march_bytes(long steps, long teams, long size, long depth)
{
    return sizeof(T) * march_size(size, band_depth(depth, steps, size)) * teams;
}

/* Marches all samples. `teams` threads march samples of their own; one team shares each sample among `size` threads. `memory` is
 * aligned to 64 bytes, and clean if it is zero or a march of the same numbers had it last: then what has to be zero in it is. */
void npde_march(const T *state, const T *const *args, T *final, T *frames, T *saved, long batch, long steps, long every,
                long keep, int teams, int size, long depth, T *memory, int is_clean)
{
    const March m = {state, args, final, frames, saved, batch, steps, every, keep};
    depth = band_depth(depth, steps, size);
    const long each = march_size(size, depth), all = each * teams, returned = sizeof(T) * batch * STATE * CELLS;
    int is_whole = 1;
    in_large_pages(memory, sizeof(T) * all);
    in_large_pages(final, returned);
    if (every) in_large_pages(frames, returned * (steps / every + 1));
    if (keep) in_large_pages(saved, sizeof(T) * batch * CARRIED * CELLS * ((steps + keep - 1) / keep));
#pragma omp parallel num_threads(teams * size) firstprivate(teams, size)
    {
        const int lacks = falls_short(&teams, &size), me = THREAD(), team = me / size, rank = me % size;
        if (lacks && me == 0) is_whole = 0;
        T *own = memory + team * each, *last = own + each - (POOL_SIZE + PLAIN * PADDED);
        Frame f = {0};
        point_into(&f, own);
        if (!is_clean || lacks) memset(own + each * rank / size, 0, sizeof(T) * (each * (rank + 1) / size - each * rank / size));
        BARRIER(size);
        int fresh = 1;
        for (long b = team; b < batch && depth; b += teams) {
            march_band(&m, own, b, rank, size, depth);
            if (FINISHES) complete_stored(&m, &f, last, b, rank, size);
        }
        for (long b = team; b < batch && !depth; b += teams, fresh = 0)
            march_sample(&m, &f, own, b, fresh, rank, size);
    }
    if (!is_whole) memset(memory, 0, sizeof(T) * all); /* clean for a march that gets all its threads */
}
"""
