#ifndef COLLECTOR_HIST_H
#define COLLECTOR_HIST_H
// Histogram over fixed buckets: constant memory, one step per value, percentiles to within one
// bucket (12.5 % of the value, exact below 8). Percentiles cover the last one to two minutes, the
// totals all time. Values may be negative: a receive clock may run behind the venue's.

#include <stddef.h>
#include <stdint.h>

#define HIST_BUCKETS 512
#define HIST_PERIOD_MS 60000

struct hist {
    uint32_t now[2][HIST_BUCKETS]; // [0] the running period, [1] the one before
    uint64_t total[HIST_BUCKETS];
    uint64_t count;
    int64_t sum;
    int64_t period_start_ms; // monotonic
};

void hist_init(struct hist *h, int64_t mono_ms);
void hist_add(struct hist *h, int64_t value, uint32_t times);
// Starts a new period when it is time. Call about every second.
void hist_tick(struct hist *h, int64_t mono_ms);
// Upper edge of the bucket that holds the p-th percentile (0..100) of the recent values. 0 when
// there is none: *has (may be NULL) says which.
int64_t hist_percentile(const struct hist *h, int p, int *has);
// Values <= edge, over all time: edges that are bucket borders are exact.
uint64_t hist_count_up_to(const struct hist *h, int64_t edge);

#endif
