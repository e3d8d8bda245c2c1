#include "services/backfill/core/progress.h"

#include <string.h>

void progress_init(struct progress *p, int64_t mono_ms)
{
    memset(p, 0, sizeof *p);
    p->total = -1;
    p->moved_ms = mono_ms;
}

void progress_set(struct progress *p, int64_t mono_ms, int64_t done, int64_t total)
{
    if (done > p->done || (total >= 0 && p->total < 0)) {
        p->moved_ms = mono_ms;
    }
    p->done = done;
    p->total = total;
    const int last = (p->next + PROGRESS_SAMPLES - 1) % PROGRESS_SAMPLES;
    if (p->n > 0 && mono_ms - p->at_ms[last] < PROGRESS_SAMPLE_MS) {
        return;
    }
    p->at_ms[p->next] = mono_ms;
    p->at_done[p->next] = done;
    p->next = (p->next + 1) % PROGRESS_SAMPLES;
    p->n += p->n < PROGRESS_SAMPLES ? 1 : 0;
}

void progress_moved(struct progress *p, int64_t mono_ms)
{
    p->moved_ms = mono_ms;
}

int64_t progress_percent(const struct progress *p)
{
    if (p->total < 0) {
        return 0;
    }
    if (p->done >= p->total) {
        return 100;
    }
    return p->done > 0 ? p->done * 100 / p->total : 0;
}

int64_t progress_eta_s(const struct progress *p, int64_t mono_ms)
{
    if (p->total < 0 || p->n == 0) {
        return -1;
    }
    if (p->done >= p->total) {
        return 0;
    }
    const int oldest = p->n < PROGRESS_SAMPLES ? 0 : p->next;
    const int64_t ms = mono_ms - p->at_ms[oldest], did = p->done - p->at_done[oldest];
    if (ms <= 0 || did <= 0) {
        return -1;
    }
    const int64_t left = (p->total - p->done) * ms;
    return (left + did * 1000 - 1) / (did * 1000);
}

int64_t progress_idle_ms(const struct progress *p, int64_t mono_ms)
{
    return mono_ms - p->moved_ms;
}
