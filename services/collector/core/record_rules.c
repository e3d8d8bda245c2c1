#include "services/collector/core/record_rules.h"

#include <stdlib.h>

#include "common/base/clock.h"

#define FILE_MIN UINT64_C(16384)

int64_t record_slot(int64_t ms, int64_t period_ms)
{
    const int64_t day = day_start_ms(ms);
    return day + (ms - day) / period_ms * period_ms;
}

uint64_t record_file_limit(uint64_t max_bytes, size_t streams)
{
    const uint64_t limit = max_bytes / 4 / (streams + 1);
    return limit > FILE_MIN ? limit : FILE_MIN;
}

bool record_ends(int64_t began_ms, uint64_t n, int64_t now_ms, int64_t period_ms, uint64_t limit)
{
    return n >= limit || record_slot(now_ms, period_ms) > record_slot(began_ms, period_ms);
}

static int by_age(const void *a, const void *b)
{
    const struct record_file *x = a, *y = b;
    if (x->start_ms != y->start_ms) {
        return x->start_ms < y->start_ms ? -1 : 1;
    }
    return x->name < y->name ? -1 : x->name > y->name;
}

size_t record_victims(struct record_file *f, size_t n, uint64_t max_bytes, uint64_t more,
                      bool *fits)
{
    uint64_t sum = more;
    size_t gone = 0;
    for (size_t i = 0; i < n; i++) {
        sum += f[i].bytes;
    }
    qsort(f, n, sizeof *f, by_age);
    if (sum > max_bytes) {
        while (gone < n && sum > max_bytes - max_bytes / 32) {
            sum -= f[gone].held ? 0 : f[gone].bytes;
            gone++;
        }
    }
    *fits = sum <= max_bytes;
    return gone;
}
