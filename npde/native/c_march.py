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

static void *allocate(size_t bytes)
{
    void *found = NULL;
    bytes = (bytes + 63) / 64 * 64;
    if (posix_memalign(&found, 64, bytes ? bytes : 64) != 0) return NULL;
    memset(found, 0, bytes);
    return found;
}

static void point_into(Frame *f, T *memory)
{
    for (int k = 0; k < POOLED; ++k) f->pool[k] = memory + pool_offsets[k];
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
    const long lo = UNITS * rank / size, hi = UNITS * (rank + 1) / size;
    const int completes = FINISHES && n > 0;
    if (completes) complete(f, rank, size);
    for (int c = 0; c < STATE; ++c) store((completes ? f->out : f->in)[c], to + c * CELLS, lo, hi);
}

static void march_sample(const March *m, Frame *f, T *memory, long b, int fresh, int rank, int size)
{
    const long lo = UNITS * rank / size, hi = UNITS * (rank + 1) / size;
    const long frames = m->every ? m->steps / m->every + 1 : 0;
    for (int c = 0; c < CARRIED; ++c) {
        f->in[c] = memory + POOL_SIZE + c * PADDED;
        f->out[c] = memory + POOL_SIZE + (CARRIED + c) * PADDED;
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
        advance(f, n, rank, size);
        for (int c = 0; c < CARRIED; ++c) {
            T *before = f->in[c];
            f->in[c] = f->out[c];
            f->out[c] = before;
        }
        if (m->every && (n + 1) % m->every == 0)
            store_state(f, m->frames + (b * frames + (n + 1) / m->every) * STATE * CELLS, n + 1, rank, size);
    }
    store_state(f, m->final + b * STATE * CELLS, m->steps, rank, size);
    BARRIER(size);
}

/* The states that time blocking left as the loop carries them. */
static void complete_stored(const March *m, Frame *f, T *memory, long b, int rank, int size)
{
    const long lo = UNITS * rank / size, hi = UNITS * (rank + 1) / size;
    const long frames = m->every ? m->steps / m->every + 1 : 0, last = frames ? frames : 1;
    point_into(f, memory);
    for (int c = 0; c < CARRIED; ++c) {
        f->in[c] = memory + POOL_SIZE + c * PADDED;
        f->out[c] = memory + POOL_SIZE + (CARRIED + c) * PADDED;
    }
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

/* Marches all samples; 0, or 1 if there is no memory. `teams` threads march samples of their own; one team shares each sample
 * among `size` threads. */
int npde_march(const T *state, const T *const *args, T *final, T *frames, T *saved, long batch, long steps, long every,
               long keep, int teams, int size, long depth)
{
    const March m = {state, args, final, frames, saved, batch, steps, every, keep};
    depth = band_depth(depth, steps, size);
    const long plain = POOL_SIZE + 2 * CARRIED * PADDED, bands = depth ? band_size(depth, size) * size + band_shared() : 0;
    const long each = depth ? bands + FINISHES * plain : plain;
    T *memory = allocate(sizeof(T) * each * teams);
    if (!memory) return 1;
#pragma omp parallel num_threads(teams * size)
    {
#ifdef _OPENMP
        const int me = omp_get_thread_num();
#else
        const int me = 0;
#endif
        const int team = me / size;
        Frame f = {0};
        point_into(&f, memory + team * each);
        int fresh = 1;
        for (long b = team; b < batch && depth; b += teams) {
            march_band(&m, memory + team * each, b, me % size, size, depth);
            if (FINISHES) complete_stored(&m, &f, memory + team * each + bands, b, me % size, size);
        }
        for (long b = team; b < batch && !depth; b += teams, fresh = 0)
            march_sample(&m, &f, memory + team * each, b, fresh, me % size, size);
    }
    free(memory);
    return 0;
}
"""

MARCH_BACK = """
typedef struct {
    const T *saved;       /* [ceil(steps / keep)][batch][CARRIED][cells] */
    const T *const *args;
    const T *final_bar;   /* gradient of the last state */
    const T *frames_bar;  /* gradients of the frames, if every */
    T *state_bar;
    double *const *sums;  /* [steps or 1][batch][UNITS] for each scalar */
    T *const *fields;     /* [steps or 1][batch or teams][PADDED or less] for each field */
    const long *layout;   /* for each accumulator: is it a sum, has it steps, has it samples, its size */
    long accumulators, batch, steps, every, keep;
} Back;

static void point_gradients(const Back *m, double **p, T **g, long n, long b, int team, int teams)
{
    for (long k = 0; k < m->accumulators; ++k) {
        const long *l = m->layout + 4 * k;
        const long step = l[1] ? n : 0;
        if (l[0]) p[k] = m->sums[k] + (step * m->batch + b) * UNITS;
        else g[k] = m->fields[k] + (l[2] ? step * m->batch + b : step * teams + team) * l[3];
    }
}

/* Adds the gradients of what was returned of the state after step n - 1: of a frame, of the last state. `f->in` is what the loop
 * carried then. */
static void add_gradients(const Back *m, Frame *f, T *seeds, long b, long n, int team, int teams, int rank, int size)
{
    const long lo = UNITS * rank / size, hi = UNITS * (rank + 1) / size, frames = m->every ? m->steps / m->every + 1 : 0;
    const int is_frame = m->every && n % m->every == 0, completes = FINISHES && n > 0;
    T *bar[CARRIED], *out[CARRIED];
    if (!is_frame && n < m->steps) return;
    for (int c = 0; c < CARRIED && completes; ++c) {
        bar[c] = f->bar[c], out[c] = f->out[c];
        f->bar[c] = seeds + c * PADDED, f->out[c] = seeds + (CARRIED + c) * PADDED;
        clear(f->bar[c], lo, hi);
    }
    if (completes) {
        BARRIER(size);
    }
    for (int c = 0; c < STATE; ++c) {
        if (n == m->steps) add(f->bar[c], m->final_bar + (b * STATE + c) * CELLS, lo, hi);
        if (is_frame) add(f->bar[c], m->frames_bar + ((b * frames + n / m->every) * STATE + c) * CELLS, lo, hi);
    }
    if (!completes) return;
    load_arguments(f, m->args, n - 1, b, m->batch, -1);
    point_gradients(m, f->p, f->g, n - 1, b, team, teams);
    BARRIER(size);
    complete_back(f, rank, size);
    for (int c = 0; c < CARRIED; ++c) {
        for (long k = PADDED * lo / UNITS; k < PADDED * hi / UNITS; ++k) bar[c][k] += f->out[c][k];
        f->bar[c] = bar[c], f->out[c] = out[c];
    }
    BARRIER(size);
}

static void march_sample_back(const Back *m, Frame *f, T *memory, long b, int fresh, int team, int teams, int rank, int size)
{
    const long lo = UNITS * rank / size, hi = UNITS * (rank + 1) / size;
    const long last = (m->steps - 1) / m->keep;
    T *bars = memory + POOL_SIZE, *seeds = bars + 2 * CARRIED * PADDED, *states = seeds + FINISHES * 2 * CARRIED * PADDED;
    for (int c = 0; c < CARRIED; ++c) {
        f->bar[c] = bars + c * PADDED;
        f->out[c] = bars + (CARRIED + c) * PADDED;
        clear(f->bar[c], lo, hi);
    }
    if (rank == 0 && fresh) load_arguments(f, m->args, 0, b, m->batch, 0);
    if (rank == 0) load_arguments(f, m->args, 0, b, m->batch, 1);
    if (!FINISHES) {
        BARRIER(size);
        add_gradients(m, f, seeds, b, m->steps, team, teams, rank, size);
    }
    T *down[CARRIED];
    for (long s = last; s >= 0; --s) {
        const long begin = s * m->keep, end = begin + m->keep < m->steps ? begin + m->keep : m->steps;
        for (int c = 0; c < CARRIED; ++c)
            load(states + c * PADDED, m->saved + ((s * m->batch + b) * CARRIED + c) * CELLS, lo, hi);
        for (int c = 0; c < CARRIED; ++c) down[c] = f->out[c];
        for (long n = begin; n + !(FINISHES && s == last) < end; ++n) {
            for (int c = 0; c < CARRIED; ++c) {
                f->in[c] = states + ((n - begin) * CARRIED + c) * PADDED;
                f->out[c] = f->in[c] + CARRIED * PADDED;
            }
            load_arguments(f, m->args, n, b, m->batch, rank == 0 ? 2 : -1);
            BARRIER(size);
            advance(f, n, rank, size);
        }
        for (int c = 0; c < CARRIED; ++c) f->out[c] = down[c];
        if (FINISHES && s == last) {
            for (int c = 0; c < CARRIED; ++c) f->in[c] = states + ((end - begin) * CARRIED + c) * PADDED;
            add_gradients(m, f, seeds, b, m->steps, team, teams, rank, size);
        }
        for (long n = end - 1; n >= begin; --n) {
            for (int c = 0; c < CARRIED; ++c) f->in[c] = states + ((n - begin) * CARRIED + c) * PADDED;
            load_arguments(f, m->args, n, b, m->batch, rank == 0 ? 2 : -1);
            point_gradients(m, f->p, f->g, n, b, team, teams);
            BARRIER(size);
            retreat(f, n, rank, size);
            for (int c = 0; c < CARRIED; ++c) {
                T *before = f->bar[c];
                f->bar[c] = f->out[c];
                f->out[c] = before;
            }
            add_gradients(m, f, seeds, b, n, team, teams, rank, size);
        }
    }
    for (int c = 0; c < STATE; ++c) store(f->bar[c], m->state_bar + (b * STATE + c) * CELLS, lo, hi);
    BARRIER(size);
}

/* Gradients of `npde_march`: segments of `keep` steps are marched again from what was saved, then walked backward. */
int npde_march_back(const T *saved, const T *const *args, const T *final_bar, const T *frames_bar, T *state_bar,
                    double *const *sums, T *const *fields, const long *layout, long accumulators, long batch, long steps,
                    long every, long keep, int teams, int size)
{
    const Back m = {saved, args, final_bar, frames_bar, state_bar, sums, fields, layout, accumulators, batch, steps, every, keep};
    const long each = POOL_SIZE + (2 + keep + 3 * FINISHES) * CARRIED * PADDED;
    T *memory = allocate(sizeof(T) * each * teams);
    void **pointers = allocate(sizeof(void *) * 2 * (accumulators + 1) * teams * size);
    if (!memory || !pointers) {
        free(memory);
        free(pointers);
        return 1;
    }
#pragma omp parallel num_threads(teams * size)
    {
#ifdef _OPENMP
        const int me = omp_get_thread_num();
#else
        const int me = 0;
#endif
        const int team = me / size;
        Frame f = {0};
        point_into(&f, memory + team * each);
        f.p = (double **)(pointers + 2 * (accumulators + 1) * me);
        f.g = (T **)(f.p + accumulators + 1);
        int fresh = 1;
        for (long b = team; b < batch; b += teams, fresh = 0)
            march_sample_back(&m, &f, memory + team * each, b, fresh, team, teams, me % size, size);
    }
    free(memory);
    free(pointers);
    return 0;
}
"""
