// E. u' = u + dt (div(a grad u) + r u (1 - u)) on a periodic square, Euler, with its adjoint: the loss mean(u(T)^2) and its
// gradients to u(0), a and r. Threads share a batch; of each sample every SEGMENT-th state is kept, those between are made again.
#include "vectors.h"

enum { SEGMENT = 7 };
typedef struct {
    int n;
    ptrdiff_t row, field;        // floats from a row to the next; of a padded field
    float one, r;                // 1 + dt r, dt r
    const float *right, *down;   // dt/h^2 a between a point and its neighbour to the right, and below
} Problem;

static inline int next(const Problem *p, int y) { return y + 1 < p->n ? y + 1 : 0; }
static inline int last(const Problem *p, int y) { return y ? y - 1 : p->n - 1; }
static inline vec right_of(const float *p) { return east(at(p), at(p + LANES)); }
static inline vec left_of(const float *p) { return west(at(p - LANES), at(p)); }

static void ghosts(const Problem *p, float *u) {
    for (int y = 0; y < p->n; y++) wrap(u + y * p->row, p->n, 1);
}

// div(a grad u) dt, of row y at x.
static inline vec flux(const Problem *p, const float *u, const float *up, const float *down, ptrdiff_t i, ptrdiff_t iup, int x) {
    vec here = at(u + x);
    vec along = at(p->right + i) * (right_of(u + x) - here) - left_of(p->right + i) * (here - left_of(u + x));
    return along + (at(p->down + i) * (at(down + x) - here) - at(p->down + iup) * (here - at(up + x)));
}

static void forward(const Problem *p, const float *u, float *restrict to) {
    vec one = all(p->one), r = all(p->r);
    for (int y = 0; y < p->n; y++) {
        const float *row = u + y * p->row, *up = u + last(p, y) * p->row, *down = u + next(p, y) * p->row;
        float *restrict out = to + y * p->row;
        for (int x = 0; x < p->n; x += LANES) {
            vec here = at(row + x);
            vec more = flux(p, row, up, down, y * p->row + x, last(p, y) * p->row + x, x);
            put(out + x, more + here * (one - r * here));
        }
        wrap(out, p->n, 1);
    }
}

// lambda of a step's end -> of its start; adds to the gradients of `right` and `down`; returns that of dt r.
static float backward(const Problem *p, const float *u, const float *l, float *restrict to, float *restrict right, float *restrict down) {
    vec one = all(p->one), r2 = all(2 * p->r), gr = {};
    for (int y = 0; y < p->n; y++) {
        ptrdiff_t at_y = y * p->row, at_up = last(p, y) * p->row, at_down = next(p, y) * p->row;
        const float *row = l + at_y, *v = u + at_y;
        float *restrict out = to + at_y;
        for (int x = 0; x < p->n; x += LANES) {
            vec here = at(v + x), lambda = at(row + x);
            put(out + x, flux(p, row, l + at_up, l + at_down, at_y + x, at_up + x, x) + lambda * (one - r2 * here));
            gr += lambda * (here * (1 - here));
            put(right + at_y + x, at(right + at_y + x) + (lambda - right_of(row + x)) * (right_of(v + x) - here));
            put(down + at_y + x, at(down + at_y + x) + (lambda - at(l + at_down + x)) * (at(u + at_down + x) - here));
        }
        wrap(out, p->n, 1);
    }
    return sum(gr);
}

static int kept(int steps) { return (steps + SEGMENT - 1) / SEGMENT; }

size_t training_work(int n, int batch, int steps) {
    size_t field = (size_t)(n + LANES) * n;
    return field * (2 + (size_t)batch * kept(steps) + (size_t)most_threads() * (SEGMENT + 4 + 2)) + LANES;
}

// u: batch by n by n; a, gu, ga: like u, n by n, like u, like a. Returns the loss; *gr is the gradient to r.
float training(const float *u, const float *a, float r, float *gu, float *ga, float *gr, float *work, int n, int batch, int steps,
               float dt, float h) {
    ptrdiff_t row = n + LANES, field = row * n, plane = (ptrdiff_t)n * n;
    float *right = work + LANES, *down = right + field, c = dt / (h * h);
    Problem p = {n, row, field, 1 + dt * r, dt * r, right, down};
    for (int y = 0; y < n; y++)
        for (int x = 0; x < n; x++) {
            right[y * row + x] = c * (a[y * n + x] + a[y * n + (x + 1) % n]) / 2;
            down[y * row + x] = c * (a[y * n + x] + a[next(&p, y) * n + x]) / 2;
        }
    ghosts(&p, right);
    int many = kept(steps), count = most_threads();
    float *store = work + 2 * field + LANES, *own = store + (ptrdiff_t)batch * many * field;
    float scale = 1.0f / ((float)batch * plane);
    double losses[count], slopes[count];
    for (int t = 0; t < count; t++) losses[t] = slopes[t] = 0;
    #pragma omp parallel num_threads(count)
    {
        float *states = own + thread() * (SEGMENT + 6) * field, *l[2] = {states + (SEGMENT + 2) * field, states + (SEGMENT + 3) * field};
        float *gright = states + (SEGMENT + 4) * field, *gdown = gright + field;
        memset(gright, 0, sizeof(float) * 2 * field);
        #pragma omp for schedule(static)
        for (int b = 0; b < batch; b++) {
            float *keep = store + (ptrdiff_t)b * many * field, *end = states + (SEGMENT + 1) * field;
            for (int y = 0; y < n; y++) memcpy(keep + y * row, u + b * plane + y * n, sizeof(float) * n);
            ghosts(&p, keep);
            for (int s = 0; s < steps; s++) {
                float *from = s % SEGMENT ? states + s % SEGMENT * field : keep + s / SEGMENT * field;
                float *to = s + 1 == steps ? end : (s + 1) % SEGMENT ? states + (s + 1) % SEGMENT * field : keep + (s + 1) / SEGMENT * field;
                forward(&p, from, to);
            }
            vec loss = {}, twice = all(2 * scale);
            for (int y = 0; y < n; y++) {
                for (int x = 0; x < n; x += LANES) {
                    vec v = at(end + y * row + x);
                    loss += v * v;
                    put(l[0] + y * row + x, twice * v);
                }
                wrap(l[0] + y * row, n, 1);
            }
            losses[thread()] += sum(loss);
            int now = 0;
            for (int g = many - 1; g >= 0; g--) {
                float *first = keep + g * field;
                int length = steps - g * SEGMENT < SEGMENT ? steps - g * SEGMENT : SEGMENT;
                for (int k = 1; k < length && g < many - 1; k++)  // those of the last segment are still there
                    forward(&p, k > 1 ? states + (k - 1) * field : first, states + k * field);
                for (int k = length - 1; k >= 0; k--, now = !now)
                    slopes[thread()] += backward(&p, k ? states + k * field : first, l[now], l[!now], gright, gdown);
            }
            for (int y = 0; y < n; y++) memcpy(gu + b * plane + y * n, l[now] + y * row, sizeof(float) * n);
        }
    }
    double loss = 0, slope = 0;
    memset(ga, 0, sizeof(float) * plane);
    for (int t = 0; t < count; t++) {
        loss += losses[t], slope += slopes[t];
        const float *gright = own + t * (SEGMENT + 6) * field + (SEGMENT + 4) * field, *gdown = gright + field;
        for (int y = 0; y < n; y++)
            for (int x = 0; x < n; x++) {
                float along = gright[y * row + x] * c / 2, across = gdown[y * row + x] * c / 2;
                ga[y * n + x] += along + across;
                ga[y * n + (x + 1) % n] += along;
                ga[next(&p, y) * n + x] += across;
            }
    }
    *gr = (float)slope * dt;
    return (float)loss * scale;
}
