#ifndef TESTS_SUPPORT_RNG_H
#define TESTS_SUPPORT_RNG_H
// Seeded random numbers for property tests (splitmix64): the same seed, the same inputs, anywhere.

#include <stdint.h>

struct rng {
    uint64_t state;
};

static inline uint64_t rng_next(struct rng *r)
{
    uint64_t z = r->state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

// 0 <= result < n, n >= 1.
static inline uint64_t rng_below(struct rng *r, uint64_t n)
{
    return rng_next(r) % n;
}

// A value of every magnitude: the number of bits is uniform, not the value.
static inline int64_t rng_i64(struct rng *r)
{
    uint64_t v = rng_next(r) >> rng_below(r, 64);
    return (int64_t)(rng_below(r, 2) ? v : UINT64_C(0) - v);
}

#endif
