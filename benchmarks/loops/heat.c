// D. u' = u + dt D (u_xx + u_yy + u_zz) of fourth order, thirteen points, periodic, Euler.
#include "vectors.h"

enum { REACH = 2, BLOCK = 1 };
typedef struct {
    float c0, c1, c2;  // u' = c0 u + c1 (sum of the six at distance 1) + c2 (sum of the six at distance 2)
    int n;
    ptrdiff_t row;     // floats from a row to the next
} Problem;
#include "wave.h"

// Rows y .. y + 3 of a plane: the column of eight that they share is read once.
KERNEL four(const Problem *p, float *restrict out, const float *here, const float *below2, const float *below, const float *above,
            const float *above2) {
    vec c0 = all(p->c0), c1 = all(p->c1), c2 = all(p->c2);
    ptrdiff_t row = p->row;
    for (ptrdiff_t x = 0; x < p->n; x += LANES) {
        vec u[8], v[4];
        for (int j = 0; j < 8; j++) u[j] = at(here + x + (j - 2) * row);
        for (int j = 0; j < 4; j++) {
            ptrdiff_t i = x + j * row;
            vec one = (u[j + 1] + u[j + 3]) + (at(below + i) + at(above + i)) + sides(here + i);
            vec two = (u[j] + u[j + 4]) + (at(below2 + i) + at(above2 + i)) + sides2(here + i);
            v[j] = c0 * u[j + 2] + c1 * one + c2 * two;
        }
        for (int j = 0; j < 4; j++) put(out + x + j * row, v[j]);
    }
}

static inline void make(const Problem *p, const Level *levels, int k, int depth, int low, int high) {
    (void)depth;
    const Level *from = levels + k - 1, *to = levels + k;
    int n = p->n;
    for (int z = low; z < high; z++) {
        float *out = slab(to, z);
        for (int y = 0; y < n; y += 4) {
            ptrdiff_t i = y * p->row;
            four(p, out + i, slab(from, z) + i, slab(from, z - 2) + i, slab(from, z - 1) + i, slab(from, z + 1) + i, slab(from, z + 2) + i);
        }
        for (int y = 0; y < n; y++) wrap(out + y * p->row, n, 2);
        for (int g = 1; g <= 2; g++) {
            memcpy(out - g * p->row - 2, out + (n - g) * p->row - 2, sizeof(float) * (n + 4));
            memcpy(out + (n + g - 1) * p->row - 2, out + (g - 1) * p->row - 2, sizeof(float) * (n + 4));
        }
    }
}

enum { RING = BLOCK + 2 * REACH };

size_t heat_work(int n, int depth) {
    return (size_t)(n + 4) * (n + LANES) * (2 * n + most_threads() * RING * depth) + LANES;
}

// u: n by n by n floats, n a multiple of sixteen, replaced by the state after `steps` steps.
void heat(float *u, float *work, int n, int steps, int depth, float D, float dt, float h) {
    float a = D * dt / (h * h);
    ptrdiff_t row = n + LANES, stride = (n + 4) * row, origin = 2 * row + LANES;
    Problem p = {1 - 7.5f * a, 4 * a / 3, -a / 12, n, row};
    float *state[2] = {work, work + stride * n};
    #pragma omp parallel
    {
        int from = (int)((long)n * thread() / threads()), to = (int)((long)n * (thread() + 1) / threads()), now = 0;
        float *rings = work + stride * (2 * n + thread() * RING * depth);
        Level levels[depth + 1];
        for (int z = from; z < to; z++) {
            float *out = state[0] + z * stride + origin;
            for (int y = -2; y < n + 2; y++) {
                memcpy(out + y * row, u + ((ptrdiff_t)z * n + (y + n) % n) * n, sizeof(float) * n);
                wrap(out + y * row, n, 2);
            }
        }
        #pragma omp barrier
        for (int done = 0, many; done < steps; done += many, now = !now) {
            many = steps - done < depth ? steps - done : depth;
            for (int i = 1; i < many; i++) levels[i] = (Level){rings + (i - 1) * RING * stride + origin, stride, RING};
            levels[0] = (Level){state[now] + origin, stride, n};
            levels[many] = (Level){state[!now] + origin, stride, n};
            wave(&p, levels, many, from, to);
            #pragma omp barrier
        }
        for (int z = from; z < to; z++)
            for (int y = 0; y < n; y++)
                memcpy(u + ((ptrdiff_t)z * n + y) * n, state[now] + z * stride + origin + y * row, sizeof(float) * n);
    }
}
