// C. i psi_t = -1/2 lap psi + V psi, leapfrog (kick, drift, kick), five points, periodic.
//
// Two kicks that meet are one, so a march is a chain of half steps s(k+1) = s(k-1) +- dt (lap/2 - V) s(k), whose members are
// by turns the imaginary and the real part. `depth` half steps (an even number) make a pass.
#include "vectors.h"

enum { REACH = 1, BLOCK = 2 };
typedef struct {
    float a, b, dt;      // (dt lap/2 - dt V) s = a (sum of the four) - (b + dt V) s
    int n, imaginary;    // which half step of a pass makes the imaginary part: those with k % 2 == imaginary
    const float *V;
    ptrdiff_t stride;    // floats from a row of V to the next
} Problem;
#include "wave.h"

#define HALF(old, u, up, down, row, V) ((old) + a * ((up) + (down) + sides(row)) - (b + dt * (V)) * (u))

KERNEL two(const Problem *p, float sign, float *restrict d0, float *restrict d1, const float *o0, const float *o1, const float *m, const float *r0,
           const float *r1, const float *e, const float *V0, const float *V1) {
    vec a = all(sign * p->a), b = all(sign * p->b), dt = all(sign * p->dt);
    for (ptrdiff_t x = 0; x < p->n; x += LANES) {
        vec u0 = at(r0 + x), u1 = at(r1 + x);
        vec n0 = HALF(at(o0 + x), u0, at(m + x), u1, r0 + x, at(V0 + x));
        vec n1 = HALF(at(o1 + x), u1, u0, at(e + x), r1 + x, at(V1 + x));
        put(d0 + x, n0), put(d1 + x, n1);
    }
    wrap(d0, p->n, 1), wrap(d1, p->n, 1);
}

KERNEL one(const Problem *p, float sign, float *d, const float *o, const float *m, const float *r, const float *e, const float *V) {
    vec a = all(sign * p->a), b = all(sign * p->b), dt = all(sign * p->dt);
    for (ptrdiff_t x = 0; x < p->n; x += LANES)
        put(d + x, HALF(at(o + x), at(r + x), at(m + x), at(e + x), r + x, at(V + x)));
    wrap(d, p->n, 1);
}

// Rows [low, high) one by one, which may be done in place.
static inline void single(const Problem *p, const Level *levels, int k, int low, int high) {
    const Level *from = levels + k - 1, *old = levels + k - 2, *to = levels + k, V = {(float *)p->V, p->stride, p->n};
    for (int y = low; y < high; y++)
        one(p, k % 2 == p->imaginary ? 1 : -1, slab(to, y), slab(old, y), slab(from, y - 1), slab(from, y), slab(from, y + 1),
            slab(&V, y));
}

// Level k is made of k - 1, by its stencil, and of k - 2, in place; levels[-1] is what preceded the first.
static inline void make(const Problem *p, const Level *levels, int k, int depth, int low, int high) {
    (void)depth;
    const Level *from = levels + k - 1, *old = levels + k - 2, *to = levels + k, V = {(float *)p->V, p->stride, p->n};
    float sign = k % 2 == p->imaginary ? 1 : -1;
    int y = low;
    for (; y + 1 < high; y += 2)
        two(p, sign, slab(to, y), slab(to, y + 1), slab(old, y), slab(old, y + 1), slab(from, y - 1), slab(from, y),
            slab(from, y + 1), slab(from, y + 2), slab(&V, y), slab(&V, y + 1));
    single(p, levels, k, y, high);
}

enum { RING = BLOCK + 2 * REACH };

size_t schrodinger_work(int n, int depth) {
    return (size_t)(n + LANES) * (5 * n + most_threads() * RING * (depth + 1)) + LANES;
}

// A pass of `many` half steps (even) over rows [from, to): the last two levels go to `after`.
static void pass(const Problem *p, Level before[2], Level after[2], float *rings, int many, int from, int to) {
    Level chain[many + 2], *levels = chain + 1;
    levels[-1] = before[0], levels[0] = before[1];
    for (int k = 1; k < many; k++) levels[k] = (Level){rings + (k - 1) * RING * p->stride + LANES, p->stride, RING};
    levels[many] = after[1];
    // The last but one level is read beyond the band, by the last: it stays in its ring, and its own rows are copied out.
    int last = to + 2 * (many - 1) * REACH;
    for (int s = from - (many - 1) * REACH; s < last; s += BLOCK)
        for (int k = 1; k <= many; k++) {
            int low = s - (k - 1) * REACH, high = low + BLOCK;
            int first = from - (many - k) * REACH, end = to + (many - k) * REACH;
            if (low < first) low = first;
            if (high > end) high = end;
            if (low < high) make(p, levels, k, many, low, high);
            if (k == many - 1)
                for (int y = low < from ? from : low; y < high && y < to; y++) {
                    memcpy(slab(after, y), slab(levels + k, y), sizeof(float) * p->n);
                    wrap(slab(after, y), p->n, 1);
                }
        }
}

// psi: real and imaginary part, n by n floats each, n a multiple of sixteen; V: n by n; psi is replaced.
void schrodinger(float *psi, const float *V, float *work, int n, int steps, int depth, float dt, float h) {
    float a = dt / (2 * h * h);
    ptrdiff_t stride = n + LANES, plane = stride * n;
    Problem p = {a, 4 * a, dt, n, 0, work + 4 * plane + LANES, stride};
    Problem half = {a / 2, 2 * a, dt / 2, n, 1, p.V, stride}, undo = {-a / 2, -2 * a, -dt / 2, n, 1, p.V, stride};
    #pragma omp parallel
    {
        int from = (int)((long)n * thread() / threads()), to = (int)((long)n * (thread() + 1) / threads()), now = 0;
        float *rings = work + 5 * plane + thread() * RING * (depth + 1) * stride;
        Level re[2], im[2];
        for (int i = 0; i < 2; i++) {
            re[i] = (Level){work + i * plane + LANES, stride, n};
            im[i] = (Level){work + (2 + i) * plane + LANES, stride, n};
        }
        for (int y = from; y < to; y++) {
            const float *sources[3] = {psi, psi + (ptrdiff_t)n * n, V};
            float *rows[3] = {slab(re, y), slab(im, y), work + 4 * plane + y * stride + LANES};
            for (int i = 0; i < 3; i++) {
                memcpy(rows[i], sources[i] + (ptrdiff_t)y * n, sizeof(float) * n);
                wrap(rows[i], n, 1);
            }
        }
        #pragma omp barrier
        // The first half kick: im of step 1/2 from (im, re) of step 0, in place.
        Level kick[3] = {im[0], re[0], im[0]};
        single(&half, kick + 1, 1, from, to);
        #pragma omp barrier
        for (int done = 0, many; done < 2 * steps; done += many, now = !now) {
            many = 2 * steps - done < depth ? 2 * steps - done : depth;
            pass(&p, (Level[]){re[now], im[now]}, (Level[]){re[!now], im[!now]}, rings, many, from, to);
            #pragma omp barrier
        }
        // The last kick was a whole one: half of it is taken back.
        Level back[3] = {im[now], re[now], im[now]};
        single(&undo, back + 1, 1, from, to);
        #pragma omp barrier
        for (int y = from; y < to; y++) {
            memcpy(psi + (ptrdiff_t)y * n, slab(re + now, y), sizeof(float) * n);
            memcpy(psi + (ptrdiff_t)n * n + (ptrdiff_t)y * n, slab(im + now, y), sizeof(float) * n);
        }
    }
}
