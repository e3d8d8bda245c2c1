#include "common/market/run.h"

#include <string.h>

#include "common/market/profile_page.h"

// Numbers of a run are below these, so that no sum of a run can overflow: its quantity stays below
// 2^59 lots, its sum(p*p*q) below 2^123.
#define PRICE_MAX INT64_C(0xFFFFFFFF)
#define QTY_BITS 48

void run_init(struct run *r, int64_t bin_ticks)
{
    memset(r, 0, sizeof *r);
    r->bin_ticks = bin_ticks;
    r->magic = bin_magic(bin_ticks);
}

// Takes all sums over the bins.
static void sum_bins(struct run *r)
{
    size_t lo = r->touched[0];
    size_t hi = lo;
    r->qty = 0;
    r->buy = 0;
    r->sum_pq = 0;
    r->sum_ppq = 0;
    for (size_t i = 0; i < r->bins; i++) {
        size_t k = r->touched[i];
        const struct run_bin *b = &r->bin[k];
        uint64_t p = (uint64_t)((r->base + (int64_t)k) * r->bin_ticks);
        uint64_t q = (uint64_t)b->volume;
        lo = k < lo ? k : lo;
        hi = k > hi ? k : hi;
        r->qty += b->volume;
        r->buy += b->buy;
        r->sum_pq += (u128)p * q;
        r->sum_ppq += (u128)(p * p) * q;
    }
    r->low = (r->base + (int64_t)lo) * r->bin_ticks;
    r->high = (r->base + (int64_t)hi) * r->bin_ticks;
}

// Counts the trades that belong to a run, from v[0] on, into its bins; returns how many.
static size_t count_bins(struct run *r, const struct trade *v, size_t n)
{
    int64_t id = v[0].id;
    int64_t ts = v[0].ts_ms;
    int64_t end = r->minute_ms + RUN_MINUTE_MS;
    uint64_t bin_ticks = (uint64_t)r->bin_ticks;
    uint64_t from = (uint64_t)(r->base * r->bin_ticks);
    uint64_t width = bin_ticks * RUN_BINS;
    uint64_t magic = r->magic;
    int64_t delta = 0;
    int64_t min_delta = 0;
    int64_t max_delta = 0;
    size_t bins = 0;
    size_t i = 0;
    for (; i < n; i++, id++) {
        const struct trade *t = &v[i];
        uint64_t off = (uint64_t)t->price - from;
        if (t->id != id || t->ts_ms < ts || t->ts_ms >= end || off >= width) {
            break;
        }
        uint64_t k = magic ? (uint64_t)(((u128)off * magic) >> 64) : off;
        // Block volume is rare and counted apart: not worth a sum in every run.
        uint64_t odd = ((uint64_t)t->qty >> QTY_BITS) | (off - k * bin_ticks) |
                       (t->flags & (uint64_t)TRADE_BLOCK);
        if (odd) {
            break;
        }
        ts = t->ts_ms;
        struct run_bin *b = &r->bin[k];
        int64_t buy = buy_part(t->qty, t->side);
        r->touched[bins] = (uint16_t)k; // counts only if it is new
        bins += b->trades++ == 0;
        b->buy += buy;
        b->volume += t->qty;
        delta += 2 * buy - t->qty;
        min_delta = delta < min_delta ? delta : min_delta;
        max_delta = delta > max_delta ? delta : max_delta;
    }
    r->bins = bins;
    r->min_delta = min_delta;
    r->max_delta = max_delta;
    return i;
}

void run_take(struct run *r, const struct trade *v, size_t n)
{
    for (size_t i = 0; i < r->bins; i++) {
        r->bin[r->touched[i]] = (struct run_bin){0, 0, 0};
    }
    r->bins = 0;
    r->v = v;
    r->n = 1;
    r->summed = false;
    if (v[0].id < 0 || v[0].id >= INT64_MAX - RUN_MAX || v[0].ts_ms < 0 || v[0].price < 1 ||
        v[0].price > PRICE_MAX / 2 || trade_has_uid(&v[0]) ||
        r->bin_ticks > PRICE_MAX / 2 / RUN_BINS) {
        return;
    }
    r->minute_ms = v[0].ts_ms - v[0].ts_ms % RUN_MINUTE_MS;
    int64_t index = bin_index_of(v[0].price, r->bin_ticks, r->magic);
    r->base = index > RUN_BINS / 2 ? index - RUN_BINS / 2 : 0;
    size_t took = count_bins(r, v, n < RUN_MAX ? n : RUN_MAX);
    if (took > 0) {
        r->n = took;
        r->summed = true;
        sum_bins(r);
    }
}
