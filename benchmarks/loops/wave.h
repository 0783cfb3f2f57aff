// Wave-front time blocking: `depth` levels (time steps) advance together through a band of slabs (rows, or planes).
//
// Level k trails level k - 1 by `REACH` slabs, so that what it reads was just made. Levels between the first and the last live in
// rings of BLOCK + 2 REACH slabs, which stay in the cache. A band begins and ends with slabs of its neighbours that it makes again:
// threads need no exchange, only a barrier every `depth` steps.
typedef struct {
    float *base;      // of slab 0, behind its ghosts
    ptrdiff_t slab;   // floats from one slab to the next
    int count;        // slabs that there are; others wrap around
} Level;

static inline float *slab(const Level *level, int s) {
    s %= level->count;
    return level->base + (ptrdiff_t)(s < 0 ? s + level->count : s) * level->slab;
}

// The including file defines REACH, BLOCK, Problem, and how slabs [low, high) of level k are made.
static inline void make(const Problem *p, const Level *levels, int k, int depth, int low, int high);

static void wave(const Problem *p, const Level *levels, int depth, int from, int to) {
    int last = to + 2 * (depth - 1) * REACH;
    for (int s = from - (depth - 1) * REACH; s < last; s += BLOCK)
        for (int k = 1; k <= depth; k++) {
            int low = s - (k - 1) * REACH, high = low + BLOCK;
            int first = from - (depth - k) * REACH, end = to + (depth - k) * REACH;
            if (low < first) low = first;
            if (high > end) high = end;
            if (low < high) make(p, levels, k, depth, low, high);
        }
}
