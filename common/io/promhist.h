#ifndef IO_PROMHIST_H
#define IO_PROMHIST_H
// A Prometheus histogram of durations: fixed bounds from 0.1 ms to a minute, for every step of a
// trade's way, so that the steps can be laid side by side. One thread adds while another prints:
// each number is exact, the set of them may be a few samples apart.

#include <stdatomic.h>
#include <stdint.h>

#include "common/base/buf.h"

#define PROMHIST_BOUNDS 18

struct promhist {
    _Atomic uint64_t bucket[PROMHIST_BOUNDS + 1]; // the last: beyond the largest bound
    _Atomic int64_t sum_us;
};

// A negative duration (clocks of two machines) counts as 0.
void promhist_add(struct promhist *h, int64_t us);
uint64_t promhist_count(const struct promhist *h);
// Samples name_bucket, name_sum, name_count in seconds; the head is the caller's (prom_head with
// type "histogram"). labels: "a=\"b\"" or "".
void promhist_text(const struct promhist *h, struct buf *out, const char *name, const char *labels);

#endif
