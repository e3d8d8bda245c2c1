#include "services/strategy/core/latency.h"

#include <stdlib.h>
#include <string.h>

void latency_add(struct latency *l, int64_t us)
{
    l->us[l->at] = us < 0 ? 0 : us;
    l->at = (l->at + 1) % LATENCY_SAMPLES;
    l->n += l->n < LATENCY_SAMPLES;
}

static int by_size(const void *a, const void *b)
{
    const int64_t *x = a;
    const int64_t *y = b;
    return *x < *y ? -1 : *x > *y;
}

int64_t latency_percentile(const struct latency *l, int percent)
{
    if (l->n == 0) {
        return -1;
    }
    int64_t v[LATENCY_SAMPLES];
    memcpy(v, l->us, l->n * sizeof v[0]);
    qsort(v, l->n, sizeof v[0], by_size);
    size_t rank = (l->n * (size_t)percent + 99) / 100;
    return v[rank - 1];
}
