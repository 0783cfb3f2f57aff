"""The C text of a march's gradient, the same for every graph: segments made again, then walked backward."""

from __future__ import annotations

MARCH_BACK = """
typedef struct {
    const T *saved;       /* [ceil(steps / keep)][batch][CARRIED][cells] */
    const T *const *args;
    const T *final_bar;   /* gradient of the last state */
    const T *frames_bar;  /* gradients of the frames, if every */
    T *state_bar;
    char *const *collected; /* [steps or 1][batch or teams][size] for each collector */
    long batch, steps, every, keep, slots;
} Back;

static void point_gradients(const Back *m, double **p, T **g, long n, long b, int team, int teams)
{
    for (int k = 0; k < COLLECTORS; ++k) {
        const Collector *c = collectors + k;
        const long step = c->by_step ? n : 0, place = c->by_sample ? step * m->batch + b : step * teams + team;
        if (c->in_double) p[k] = (double *)m->collected[k] + place * c->size;
        else g[k] = (T *)m->collected[k] + place * c->size;
    }
}

/* Adds the gradients of what was returned of the state after step n - 1: of a frame, of the last state. `f->in` is what the loop
 * carried then. */
static void add_gradients(const Back *m, Frame *f, T *seeds, long b, long n, int team, int teams, int rank, int size)
{
    const long lo = share(rank, size), hi = share(rank + 1, size), frames = m->every ? m->steps / m->every + 1 : 0;
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

/* What a thread needs on the way back: `slots` arrays for states of sample b. */
typedef struct {
    const Back *m;
    Frame *f;
    T *states, *seeds;
    long b, slots;
    int team, teams, rank, size;
} Walk;

static void look_at(const Walk *w, long slot)
{
    for (int c = 0; c < CARRIED; ++c) w->f->in[c] = w->states + (slot * CARRIED + c) * PADDED;
}

/* Step n, from one slot to another. */
static void again(const Walk *w, long n, long from, long to)
{
    T *down[CARRIED];
    look_at(w, from);
    for (int c = 0; c < CARRIED; ++c) down[c] = w->f->out[c], w->f->out[c] = w->states + (to * CARRIED + c) * PADDED;
    load_arguments(w->f, w->m->args, n, w->b, w->m->batch, w->rank == 0 ? 2 : -1);
    BARRIER(w->size);
    advance(w->f, n, w->rank, w->size);
    for (int c = 0; c < CARRIED; ++c) w->f->out[c] = down[c];
}

/* Steps begin ... end - 1, by turns in the last two slots; the slot that the last state is in. */
static long run_again(const Walk *w, long begin, long end, long from)
{
    for (long n = begin; n < end; ++n) {
        const long next = w->slots - 1 - (n - begin) % 2;
        again(w, n, from, next);
        from = next;
    }
    return from;
}

/* Step n backward; its start is in a slot. */
static void step_back(const Walk *w, long n, long slot)
{
    Frame *f = w->f;
    look_at(w, slot);
    load_arguments(f, w->m->args, n, w->b, w->m->batch, w->rank == 0 ? 2 : -1);
    point_gradients(w->m, f->p, f->g, n, w->b, w->team, w->teams);
    BARRIER(w->size);
    retreat(f, n, w->rank, w->size);
    for (int c = 0; c < CARRIED; ++c) {
        T *before = f->bar[c];
        f->bar[c] = f->out[c];
        f->out[c] = before;
    }
    add_gradients(w->m, f, w->seeds, w->b, n, w->team, w->teams, w->rank, w->size);
}

/* Steps of which `kept` states and `times` repetitions can take the gradient: (kept + times) over times. */
static double reached(long kept, long times)
{
    double found = 1;
    for (long k = 1; k <= times; ++k) found = found * (double)(kept + k) / (double)k;
    return found;
}

/* How far to march before the next state is kept, so that as few steps as possible are made again (Griewank and Walther, Algorithm
 * 799: revolve). */
static long distance(long steps, long kept)
{
    long times = 1;
    while (reached(kept, times) < (double)steps) ++times;
    const double most = reached(kept, times - 1), least = (double)steps - reached(kept - 1, times - 1);
    return (long)(most < least ? most : least);
}

/* Steps begin ... end - 1 backward. The state before them is in `slot`; it and those behind it, `kept` in all, may be kept. */
static void walk_back(const Walk *w, long begin, long end, long slot, long kept)
{
    const long steps = end - begin;
    if (steps <= kept) {
        for (long n = begin; n + 1 < end; ++n) again(w, n, slot + n - begin, slot + n - begin + 1);
        for (long n = end - 1; n >= begin; --n) step_back(w, n, slot + n - begin);
    } else if (kept == 1) {
        for (long n = end - 1; n >= begin; --n) step_back(w, n, run_again(w, begin, n, slot));
    } else {
        const long middle = begin + distance(steps, kept);
        again(w, middle - 1, run_again(w, begin, middle - 1, slot), slot + 1);
        walk_back(w, middle, end, slot + 1, kept - 1);
        walk_back(w, begin, middle, slot, kept);
    }
}

static void march_sample_back(const Back *m, Frame *f, T *memory, long b, int fresh, int team, int teams, int rank, int size)
{
    const long lo = share(rank, size), hi = share(rank + 1, size);
    const long last = (m->steps - 1) / m->keep;
    T *bars = memory + POOL_SIZE, *seeds = bars + 2 * CARRIED * PADDED, *states = seeds + FINISHES * 2 * CARRIED * PADDED;
    const Walk w = {m, f, states, seeds, b, m->slots, team, teams, rank, size};
    for (int c = 0; c < CARRIED; ++c) {
        f->bar[c] = bars + c * PADDED;
        f->out[c] = bars + (CARRIED + c) * PADDED;
        clear(f->bar[c], lo, hi);
    }
    if (rank == 0 && fresh) load_arguments(f, m->args, 0, b, m->batch, 0);
    if (rank == 0) load_arguments(f, m->args, 0, b, m->batch, 1);
    BARRIER(size);
    if (!FINISHES) add_gradients(m, f, seeds, b, m->steps, team, teams, rank, size);
    for (long s = last; s >= 0; --s) {
        const long begin = s * m->keep, end = begin + m->keep < m->steps ? begin + m->keep : m->steps;
        for (int c = 0; c < CARRIED; ++c)
            load(states + c * PADDED, m->saved + ((s * m->batch + b) * CARRIED + c) * CELLS, lo, hi);
        BARRIER(size);
        const long length = end - begin;
        if (FINISHES && s == last) { /* the state behind the last step */
            const int fits = length < m->slots;
            for (long n = 0; n < length && fits; ++n) again(&w, begin + n, n, n + 1);
            look_at(&w, fits ? length : run_again(&w, begin, end, 0));
            add_gradients(m, f, seeds, b, m->steps, team, teams, rank, size);
            for (long n = length - 1; n >= 0 && fits; --n) step_back(&w, begin + n, n);
            if (fits) continue;
        }
        walk_back(&w, begin, end, 0, m->slots < length ? m->slots - 2 : m->slots);
    }
    for (int c = 0; c < STATE; ++c) store(f->bar[c], m->state_bar + (b * STATE + c) * CELLS, lo, hi);
    BARRIER(size);
}

/* Bytes of memory that `npde_march_back` needs. */
long npde_march_back_bytes(long batch, long steps, long slots, long teams)
{
    return sizeof(T) * (POOL_SIZE + (2 + slots + 2 * FINISHES) * CARRIED * PADDED) * teams + collected_bytes(batch, steps, teams);
}

/* Gradients of `npde_march`: segments of `keep` steps are marched again from what was saved, then walked backward, with `slots`
 * states in memory: `keep` of them (with FINISHES one more), or three and more. `memory`, `is_clean`: as there; what is collected
 * lies behind what has to be clean. */
void npde_march_back(const T *saved, const T *const *args, const T *final_bar, const T *frames_bar, T *state_bar,
                     T *const *gradients, long batch, long steps, long every, long keep, long slots, int teams, int size,
                     T *memory, int is_clean)
{
    const long each = POOL_SIZE + (2 + slots + 2 * FINISHES) * CARRIED * PADDED;
    const long all = each * teams;
    char *collected[COLLECTORS + 1] = {(char *)(memory + all)};
    for (int k = 0; k < COLLECTORS; ++k) collected[k + 1] = collected[k] + collector_bytes(collectors + k, batch, steps, teams);
    const Back m = {saved, args, final_bar, frames_bar, state_bar, collected, batch, steps, every, keep, slots};
    int is_whole = 1;
    in_large_pages(memory, npde_march_back_bytes(batch, steps, slots, teams));
    in_large_pages(state_bar, sizeof(T) * batch * STATE * CELLS);
    for (int k = 0; k < RETURNED; ++k) in_large_pages(gradients[k], sizeof(T) * gradient_size(returned + k, batch, steps));
#pragma omp parallel num_threads(teams * size) firstprivate(teams, size)
    {
        const int lacks = falls_short(&teams, &size), me = THREAD(), team = me / size, rank = me % size;
        if (lacks && me == 0) is_whole = 0;
        T *own = memory + team * each;
        Frame f = {0};
        double *p[COLLECTORS + 1];
        T *g[COLLECTORS + 1];
        f.p = p, f.g = g;
        point_into(&f, own);
        if (!is_clean || lacks) memset(own + each * rank / size, 0, sizeof(T) * (each * (rank + 1) / size - each * rank / size));
        clear_share(collected[0], collected[COLLECTORS] - collected[0], me, teams * size);
        for (int k = 0; k < RETURNED; ++k)
            clear_share((char *)gradients[k], sizeof(T) * gradient_size(returned + k, batch, steps), me, teams * size);
        BARRIER(teams * size);
        int fresh = 1;
        for (long b = team; b < batch; b += teams, fresh = 0)
            march_sample_back(&m, &f, own, b, fresh, team, teams, rank, size);
        BARRIER(teams * size);
        gather(collected, gradients, batch, steps, teams, me, teams * size);
    }
    if (!is_whole) memset(memory, 0, sizeof(T) * all);
}
"""
