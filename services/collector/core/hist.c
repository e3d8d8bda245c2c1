#include "services/collector/core/hist.h"

#include <string.h>

// Magnitudes 0..7 have a bucket each, then eight buckets per power of two up to 2^33; the sign
// mirrors them around the middle: first half negative, descending magnitude, second half the rest.
#define HALF (HIST_BUCKETS / 2)

static size_t magnitude_bucket(uint64_t m)
{
    if (m < 8) {
        return (size_t)m;
    }
    const unsigned top = 63U - (unsigned)__builtin_clzll(m);
    const size_t at = (size_t)(top - 2) * 8 + (size_t)((m >> (top - 3)) & 7U);
    return at < HALF ? at : HALF - 1;
}

static int64_t magnitude_upper(size_t at)
{
    if (at < 8) {
        return (int64_t)at;
    }
    const unsigned top = (unsigned)(at / 8) + 2U;
    return (int64_t)(((UINT64_C(8) + at % 8 + 1) << (top - 3)) - 1);
}

static size_t bucket_of(int64_t v)
{
    if (v >= 0) {
        return HALF + magnitude_bucket((uint64_t)v);
    }
    return HALF - 1 - magnitude_bucket(0 - (uint64_t)v - 1);
}

// Largest value of a bucket.
static int64_t bucket_upper(size_t at)
{
    if (at >= HALF) {
        return magnitude_upper(at - HALF);
    }
    const size_t m = HALF - 1 - at;
    return m == 0 ? -1 : -(magnitude_upper(m - 1) + 1) - 1;
}

void hist_init(struct hist *h, int64_t mono_ms)
{
    memset(h, 0, sizeof *h);
    h->period_start_ms = mono_ms;
}

void hist_add(struct hist *h, int64_t value, uint32_t times)
{
    const size_t at = bucket_of(value);
    h->now[0][at] += times;
    h->total[at] += times;
    h->count += times;
    h->sum += value * (int64_t)times;
}

void hist_tick(struct hist *h, int64_t mono_ms)
{
    if (mono_ms - h->period_start_ms < HIST_PERIOD_MS) {
        return;
    }
    memcpy(h->now[1], h->now[0], sizeof h->now[0]);
    memset(h->now[0], 0, sizeof h->now[0]);
    h->period_start_ms = mono_ms;
}

int64_t hist_percentile(const struct hist *h, int p, int *has)
{
    uint64_t all = 0, seen = 0;
    for (size_t i = 0; i < HIST_BUCKETS; i++) {
        all += (uint64_t)h->now[0][i] + h->now[1][i];
    }
    if (has != NULL) {
        *has = all > 0;
    }
    for (size_t i = 0; i < HIST_BUCKETS && all > 0; i++) {
        seen += (uint64_t)h->now[0][i] + h->now[1][i];
        if (seen * 100 >= all * (uint64_t)p && seen > 0) {
            return bucket_upper(i);
        }
    }
    return 0;
}

uint64_t hist_count_up_to(const struct hist *h, int64_t edge)
{
    uint64_t n = 0;
    for (size_t i = 0; i < HIST_BUCKETS && bucket_upper(i) <= edge; i++) {
        n += h->total[i];
    }
    return n;
}
