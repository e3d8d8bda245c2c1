#include "services/backfill/core/daysort.h"

#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/mem.h"

#define MINUTE_MS 60000
#define MINUTES 1440
#define CHUNK 64   // trades of one minute, one after the other
#define BLOCK 4096 // chunks that are allocated together

#define NONE UINT32_MAX

struct chunk {
    struct trade t[CHUNK];
    uint32_t n, before; // index of the minute's chunk before it
};

struct daysort {
    int64_t start_ms;
    size_t rows, max_rows;
    struct chunk **block;
    uint32_t chunks, blocks, cap;
    uint32_t newest[MINUTES]; // chunk that takes the next trade
    int next;
    struct trade *sorted;
    size_t sorted_cap;
};

struct daysort *daysort_new(int64_t start_ms, size_t max_rows)
{
    struct daysort *d = xcalloc(1, sizeof *d);
    d->start_ms = start_ms;
    d->max_rows = max_rows;
    for (size_t i = 0; i < MINUTES; i++) {
        d->newest[i] = NONE;
    }
    return d;
}

void daysort_free(struct daysort *d)
{
    if (d == NULL) {
        return;
    }
    for (uint32_t i = 0; i < d->blocks; i++) {
        free(d->block[i]);
    }
    free(d->block);
    free(d->sorted);
    free(d);
}

static struct chunk *chunk_at(struct daysort *d, uint32_t i)
{
    return &d->block[i / BLOCK][i % BLOCK];
}

static uint32_t new_chunk(struct daysort *d, uint32_t before)
{
    if (d->chunks == d->blocks * BLOCK) {
        if (d->blocks == d->cap) {
            d->cap = d->cap > 0 ? 2 * d->cap : 16;
            d->block = xrealloc(d->block, d->cap * sizeof *d->block);
        }
        d->block[d->blocks++] = xmalloc(BLOCK * sizeof(struct chunk));
    }
    struct chunk *c = chunk_at(d, d->chunks);
    c->n = 0;
    c->before = before;
    return d->chunks++;
}

int daysort_add(struct daysort *d, const struct trade *t)
{
    if (t->ts_ms < d->start_ms || t->ts_ms >= d->start_ms + MS_PER_DAY) {
        return ERR_RANGE;
    }
    if (d->rows == d->max_rows) {
        return ERR_LIMIT;
    }
    const size_t minute = (size_t)((t->ts_ms - d->start_ms) / MINUTE_MS);
    uint32_t at = d->newest[minute];
    if (at == NONE || chunk_at(d, at)->n == CHUNK) {
        at = d->newest[minute] = new_chunk(d, at);
    }
    struct chunk *c = chunk_at(d, at);
    c->t[c->n++] = *t;
    d->rows++;
    return 0;
}

size_t daysort_rows(const struct daysort *d)
{
    return d->rows;
}

bool daysort_next(struct daysort *d, const struct trade **v, size_t *n, int64_t *from_ms,
                  int64_t *to_ms)
{
    size_t k = 0;
    if (d->next == MINUTES) {
        return false;
    }
    for (uint32_t at = d->newest[d->next]; at != NONE; at = chunk_at(d, at)->before) {
        const struct chunk *c = chunk_at(d, at);
        if (k + c->n > d->sorted_cap) {
            d->sorted_cap = 2 * (k + c->n);
            d->sorted = xrealloc(d->sorted, d->sorted_cap * sizeof *d->sorted);
        }
        for (uint32_t i = 0; i < c->n; i++) {
            d->sorted[k++] = c->t[i];
        }
    }
    *n = trades_unique(d->sorted, k);
    *v = d->sorted;
    *from_ms = d->start_ms + (int64_t)d->next * MINUTE_MS;
    *to_ms = *from_ms + MINUTE_MS;
    d->next++;
    return true;
}
