// B. u' = u + dt (Du lap u - u v^2 + F (1 - u)), v' = v + dt (Dv lap v + u v^2 - (F + k) v), five points, periodic, Euler.
#include "vectors.h"

enum { REACH = 1, BLOCK = 2 };
typedef struct {
    float au, bu, f, av, bv, dt;  // u' = au s(u) + bu u - w + f,  v' = av s(v) + bv v + w,  w = dt u v^2
    int n;
    ptrdiff_t field;              // floats from u to v in a row
} Problem;
#include "wave.h"

KERNEL two(const Problem *p, float *restrict d0, float *restrict d1, const float *m, const float *r0, const float *r1, const float *e) {
    vec au = all(p->au), bu = all(p->bu), f = all(p->f), av = all(p->av), bv = all(p->bv), dt = all(p->dt);
    ptrdiff_t v = p->field;
    for (ptrdiff_t x = 0; x < p->n; x += LANES) {
        vec u0 = at(r0 + x), u1 = at(r1 + x), v0 = at(r0 + v + x), v1 = at(r1 + v + x);
        vec w0 = dt * u0 * (v0 * v0), w1 = dt * u1 * (v1 * v1);
        vec n0 = au * (at(m + x) + u1 + sides(r0 + x)) + (bu * u0 + (f - w0));
        vec n1 = au * (at(e + x) + u0 + sides(r1 + x)) + (bu * u1 + (f - w1));
        vec q0 = av * (at(m + v + x) + v1 + sides(r0 + v + x)) + (bv * v0 + w0);
        vec q1 = av * (at(e + v + x) + v0 + sides(r1 + v + x)) + (bv * v1 + w1);
        put(d0 + x, n0), put(d1 + x, n1), put(d0 + v + x, q0), put(d1 + v + x, q1);
    }
    wrap(d0, p->n, 1), wrap(d1, p->n, 1), wrap(d0 + v, p->n, 1), wrap(d1 + v, p->n, 1);
}

KERNEL one(const Problem *p, float *restrict d, const float *m, const float *r, const float *e) {
    vec au = all(p->au), bu = all(p->bu), f = all(p->f), av = all(p->av), bv = all(p->bv), dt = all(p->dt);
    ptrdiff_t v = p->field;
    for (ptrdiff_t x = 0; x < p->n; x += LANES) {
        vec u0 = at(r + x), v0 = at(r + v + x), w0 = dt * u0 * (v0 * v0);
        vec n0 = au * (at(m + x) + at(e + x) + sides(r + x)) + (bu * u0 + (f - w0));
        vec q0 = av * (at(m + v + x) + at(e + v + x) + sides(r + v + x)) + (bv * v0 + w0);
        put(d + x, n0), put(d + v + x, q0);
    }
    wrap(d, p->n, 1), wrap(d + v, p->n, 1);
}

static inline void make(const Problem *p, const Level *levels, int k, int depth, int low, int high) {
    (void)depth;
    const Level *from = levels + k - 1, *to = levels + k;
    int y = low;
    for (; y + 1 < high; y += 2)
        two(p, slab(to, y), slab(to, y + 1), slab(from, y - 1), slab(from, y), slab(from, y + 1), slab(from, y + 2));
    for (; y < high; y++) one(p, slab(to, y), slab(from, y - 1), slab(from, y), slab(from, y + 1));
}

enum { RING = BLOCK + 2 * REACH };

// Floats of scratch memory, which the caller provides at an address that is a multiple of 64.
size_t gray_scott_work(int n, int depth) {
    return (size_t)2 * (n + LANES) * (2 * n + most_threads() * RING * depth) + LANES;
}

// state: u and v, each n by n floats, n a multiple of sixteen, replaced by the state after `steps` steps.
void gray_scott(float *state, float *work, int n, int steps, int depth, float Du, float Dv, float F, float k, float dt, float h) {
    float au = Du * dt / (h * h), av = Dv * dt / (h * h);
    ptrdiff_t field = n + LANES, stride = 2 * field, plane = (ptrdiff_t)n * n;
    Problem p = {au, 1 - 4 * au - dt * F, dt * F, av, 1 - 4 * av - dt * (F + k), dt, n, field};
    float *states[2] = {work, work + stride * n};
    #pragma omp parallel
    {
        int from = (int)((long)n * thread() / threads()), to = (int)((long)n * (thread() + 1) / threads()), now = 0;
        float *rings = work + stride * (2 * n + thread() * RING * depth);
        Level levels[depth + 1];
        for (int y = from; y < to; y++)
            for (int q = 0; q < 2; q++) {
                float *row = states[0] + y * stride + q * field + LANES;
                memcpy(row, state + q * plane + (ptrdiff_t)y * n, sizeof(float) * n);
                wrap(row, n, 1);
            }
        #pragma omp barrier
        for (int done = 0, many; done < steps; done += many, now = !now) {
            many = steps - done < depth ? steps - done : depth;
            for (int i = 1; i < many; i++) levels[i] = (Level){rings + (i - 1) * RING * stride + LANES, stride, RING};
            levels[0] = (Level){states[now] + LANES, stride, n};
            levels[many] = (Level){states[!now] + LANES, stride, n};
            wave(&p, levels, many, from, to);
            #pragma omp barrier
        }
        for (int y = from; y < to; y++)
            for (int q = 0; q < 2; q++)
                memcpy(state + q * plane + (ptrdiff_t)y * n, states[now] + y * stride + q * field + LANES, sizeof(float) * n);
    }
}
