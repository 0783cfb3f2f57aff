// Vectors of sixteen floats, and rows of them.
//
// A row is aligned to 64 bytes and holds a multiple of sixteen points. A vector of padding between rows has the right ghosts of
// the upper one in front and the left ghosts of the lower one at its end. Neighbours along the row are shuffled out of aligned
// vectors: an unaligned load crosses a cache line, and so costs two.
#ifdef _OPENMP
#include <omp.h>
#endif
#include <stddef.h>
#include <string.h>

typedef float vec __attribute__((vector_size(64)));
enum { LANES = 16 };

static inline vec at(const float *p) { return *(const vec *)p; }
static inline void put(float *p, vec v) { *(vec *)p = v; }
static inline vec all(float a) { return a - (vec){}; }
static inline float sum(vec v) { float s = 0; for (int i = 0; i < LANES; i++) s += v[i]; return s; }

// The row's values one and two points to the left and to the right. (Where there is an instruction for it, compilers do not find it.)
#ifdef __AVX512F__
#include <immintrin.h>
#define SHIFTED(low, high, by) ((vec)_mm512_alignr_epi32((__m512i)(high), (__m512i)(low), by))
#else
#define SHIFTED(low, high, by)                                                                                        \
    __builtin_shufflevector(low, high, by, by + 1, by + 2, by + 3, by + 4, by + 5, by + 6, by + 7, by + 8, by + 9,     \
                            by + 10, by + 11, by + 12, by + 13, by + 14, by + 15)
#endif
static inline vec west(vec before, vec here) { return SHIFTED(before, here, 15); }
static inline vec west2(vec before, vec here) { return SHIFTED(before, here, 14); }
static inline vec east(vec here, vec after) { return SHIFTED(here, after, 1); }
static inline vec east2(vec here, vec after) { return SHIFTED(here, after, 2); }

// A loop in a function of its own keeps its pointers in registers.
#define KERNEL static __attribute__((noinline)) void

static inline vec sides(const float *p) {
    vec here = at(p);
    return west(at(p - LANES), here) + east(here, at(p + LANES));
}
static inline vec sides2(const float *p) {
    vec here = at(p);
    return west2(at(p - LANES), here) + east2(here, at(p + LANES));
}

static inline void wrap(float *row, int n, int width) {
    for (int i = 0; i < width; i++) {
        row[-1 - i] = row[n - 1 - i];
        row[n + i] = row[i];
    }
}

static inline int thread(void) {
#ifdef _OPENMP
    return omp_get_thread_num();
#else
    return 0;
#endif
}
static inline int threads(void) {
#ifdef _OPENMP
    return omp_get_num_threads();
#else
    return 1;
#endif
}
static inline int most_threads(void) {
#ifdef _OPENMP
    return omp_get_max_threads();
#else
    return 1;
#endif
}
