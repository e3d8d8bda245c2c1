#ifndef STRATEGY_LATENCY_H
#define STRATEGY_LATENCY_H
// Percentiles of the last LATENCY_SAMPLES samples.

#include <stddef.h>
#include <stdint.h>

#define LATENCY_SAMPLES 512

struct latency {
    int64_t us[LATENCY_SAMPLES]; // ring
    size_t n, at;
};

void latency_add(struct latency *l, int64_t us);
// Nearest rank; -1 without a sample. percent 1..100.
int64_t latency_percentile(const struct latency *l, int percent);

#endif
