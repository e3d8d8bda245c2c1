#include "services/strategy/core/shown.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"

void shown_init(struct shown *s)
{
    *s = (struct shown){0};
}

void shown_release(struct shown *s)
{
    free(s->v);
    shown_init(s);
}

static size_t lower(const struct shown *s, int64_t start_ms)
{
    if (s->n > 0 && s->v[s->n - 1].start_ms < start_ms) {
        return s->n;
    }
    size_t lo = 0;
    size_t hi = s->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (s->v[mid].start_ms < start_ms) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

void shown_set(struct shown *s, int64_t start_ms, int64_t coverage_e8)
{
    size_t i = lower(s, start_ms);
    if (i == s->n || s->v[i].start_ms != start_ms) {
        if (s->n == s->cap) {
            s->cap = s->cap ? 2 * s->cap : 64;
            s->v = xrealloc(s->v, s->cap * sizeof *s->v);
        }
        memmove(s->v + i + 1, s->v + i, (s->n - i) * sizeof *s->v);
        s->n++;
    }
    s->v[i] = (struct shown_candle){start_ms, coverage_e8};
}

const struct shown_candle *shown_find(const struct shown *s, int64_t start_ms)
{
    size_t i = lower(s, start_ms);
    return i < s->n && s->v[i].start_ms == start_ms ? &s->v[i] : NULL;
}

void shown_remove(struct shown *s, int64_t start_ms)
{
    size_t i = lower(s, start_ms);
    if (i < s->n && s->v[i].start_ms == start_ms) {
        memmove(s->v + i, s->v + i + 1, (s->n - i - 1) * sizeof *s->v);
        s->n--;
    }
}
