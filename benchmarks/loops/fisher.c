// A. u' = u + dt (D (u_xx + u_yy) + r u (1 - u)), five points, periodic, Euler: one sweep a step, `depth` steps a pass.
#include "vectors.h"

enum { REACH = 1, BLOCK = 4 };
typedef struct {
    float a, b, c;  // u' = a (sum of the four) + u (b - c u)
    int n;
} Problem;
#include "wave.h"

#define NEXT(u, up, down, row) (a * ((up) + (down) + sides(row)) + (u) * (b - c * (u)))

KERNEL four(const Problem *p, float *restrict d0, float *restrict d1, float *restrict d2, float *restrict d3, const float *m,
            const float *r0, const float *r1, const float *r2, const float *r3, const float *e) {
    vec a = all(p->a), b = all(p->b), c = all(p->c);
    for (ptrdiff_t x = 0; x < p->n; x += LANES) {
        vec u0 = at(r0 + x), u1 = at(r1 + x), u2 = at(r2 + x), u3 = at(r3 + x);
        vec n0 = NEXT(u0, at(m + x), u1, r0 + x), n1 = NEXT(u1, u0, u2, r1 + x);
        vec n2 = NEXT(u2, u1, u3, r2 + x), n3 = NEXT(u3, u2, at(e + x), r3 + x);
        put(d0 + x, n0), put(d1 + x, n1), put(d2 + x, n2), put(d3 + x, n3);
    }
    wrap(d0, p->n, 1), wrap(d1, p->n, 1), wrap(d2, p->n, 1), wrap(d3, p->n, 1);
}

KERNEL one(const Problem *p, float *restrict d, const float *m, const float *r, const float *e) {
    vec a = all(p->a), b = all(p->b), c = all(p->c);
    for (ptrdiff_t x = 0; x < p->n; x += LANES) put(d + x, NEXT(at(r + x), at(m + x), at(e + x), r + x));
    wrap(d, p->n, 1);
}

static inline void make(const Problem *p, const Level *levels, int k, int depth, int low, int high) {
    (void)depth;
    const Level *from = levels + k - 1, *to = levels + k;
    int y = low;
    for (; y + 3 < high; y += 4)
        four(p, slab(to, y), slab(to, y + 1), slab(to, y + 2), slab(to, y + 3), slab(from, y - 1), slab(from, y),
             slab(from, y + 1), slab(from, y + 2), slab(from, y + 3), slab(from, y + 4));
    for (; y < high; y++) one(p, slab(to, y), slab(from, y - 1), slab(from, y), slab(from, y + 1));
}

enum { RING = BLOCK + 2 * REACH };

// Floats of scratch memory, which the caller provides at an address that is a multiple of 64.
size_t fisher_work(int n, int depth) { return (size_t)(n + LANES) * (2 * n + most_threads() * RING * depth) + LANES; }

// u: n by n floats, n a multiple of sixteen, replaced by the state after `steps` steps.
void fisher(float *u, float *work, int n, int steps, int depth, float D, float r, float dt, float h) {
    float a = D * dt / (h * h);
    Problem p = {a, 1 - 4 * a + dt * r, dt * r, n};
    ptrdiff_t stride = n + LANES;
    float *state[2] = {work, work + stride * n};
    #pragma omp parallel
    {
        int from = (int)((long)n * thread() / threads()), to = (int)((long)n * (thread() + 1) / threads()), now = 0;
        float *rings = work + stride * (2 * n + thread() * RING * depth);
        Level levels[depth + 1];
        for (int y = from; y < to; y++) {
            float *row = state[0] + y * stride + LANES;
            memcpy(row, u + (ptrdiff_t)y * n, sizeof(float) * n);
            wrap(row, n, 1);
        }
        #pragma omp barrier
        for (int done = 0, many; done < steps; done += many, now = !now) {
            many = steps - done < depth ? steps - done : depth;
            for (int k = 1; k < many; k++) levels[k] = (Level){rings + (k - 1) * RING * stride + LANES, stride, RING};
            levels[0] = (Level){state[now] + LANES, stride, n};
            levels[many] = (Level){state[!now] + LANES, stride, n};
            wave(&p, levels, many, from, to);
            #pragma omp barrier
        }
        for (int y = from; y < to; y++)
            memcpy(u + (ptrdiff_t)y * n, state[now] + y * stride + LANES, sizeof(float) * n);
    }
}
