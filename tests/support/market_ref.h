#ifndef TESTS_MARKET_REF_H
#define TESTS_MARKET_REF_H
// The day and candle metrics once more, written for being obviously right: sort the trades, drop
// copies, walk. Volumes sit in a plain array over the range of bins. Nothing here is shared with
// the code under test but the structs of trade.h and instrument.h.

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/wide.h"
#include "common/market/trade.h"

struct ref_profile {
    int64_t lo, n; // bins lo..lo + n - 1; n = 0: no trade
    int64_t *buy, *sell, *trades;
    int64_t poc, val, vah;
};

struct ref_stats {
    int64_t trades, buy, sell, high, low, or_high, or_low, pre_buy, pre_sell;
    int64_t min_delta, max_delta;
    struct trade first, last;
    u128 sum_pq;
    struct ref_profile profile;
};

static inline int ref_cmp(const void *a, const void *b)
{
    const struct trade *x = a;
    const struct trade *y = b;
    if (x->ts_ms != y->ts_ms) {
        return x->ts_ms < y->ts_ms ? -1 : 1;
    }
    return (x->id > y->id) - (x->id < y->id);
}

// Sorts v[n] and drops copies; returns how many are left.
static inline size_t ref_set(struct trade *v, size_t n)
{
    size_t kept = 0;
    qsort(v, n, sizeof *v, ref_cmp);
    for (size_t i = 0; i < n; i++) {
        if (kept == 0 || v[i].id != v[kept - 1].id || v[i].ts_ms != v[kept - 1].ts_ms) {
            v[kept++] = v[i];
        }
    }
    return kept;
}

static inline int64_t ref_volume(const struct ref_profile *p, int64_t i)
{
    return i < 0 || i >= p->n ? 0 : p->buy[i] + p->sell[i];
}

// The pair rule, one pair at a time.
static inline void ref_value_area(struct ref_profile *p)
{
    int64_t total = 0;
    int64_t poc = 0;
    for (int64_t i = 0; i < p->n; i++) {
        total += ref_volume(p, i);
        if (ref_volume(p, i) > ref_volume(p, poc)) {
            poc = i;
        }
    }
    int64_t lo = poc;
    int64_t hi = poc;
    int64_t area = ref_volume(p, poc);
    while (10 * area < 7 * total) {
        int64_t above = ref_volume(p, hi + 1) + ref_volume(p, hi + 2);
        int64_t below = ref_volume(p, lo - 1) + ref_volume(p, lo - 2);
        bool up = lo == 0 || (hi < p->n - 1 && above > below);
        if (up) {
            hi = hi + 2 < p->n ? hi + 2 : p->n - 1;
            area += above;
        } else {
            lo = lo - 2 > 0 ? lo - 2 : 0;
            area += below;
        }
    }
    p->poc = p->lo + poc;
    p->val = p->lo + lo;
    p->vah = p->lo + hi;
}

// Metrics of v[n], already a set in order; times count from day_ms for the opening range.
static inline void ref_compute(struct ref_stats *s, const struct trade *v, size_t n, int64_t day_ms,
                               int64_t bin_ticks)
{
    memset(s, 0, sizeof *s);
    if (n == 0) {
        return;
    }
    s->first = v[0];
    s->last = v[n - 1];
    s->high = s->low = v[0].price;
    for (size_t i = 0; i < n; i++) {
        s->high = v[i].price > s->high ? v[i].price : s->high;
        s->low = v[i].price < s->low ? v[i].price : s->low;
    }
    struct ref_profile *p = &s->profile;
    p->lo = s->low / bin_ticks;
    p->n = s->high / bin_ticks - p->lo + 1;
    p->buy = calloc((size_t)p->n, sizeof(int64_t));
    p->sell = calloc((size_t)p->n, sizeof(int64_t));
    p->trades = calloc((size_t)p->n, sizeof(int64_t));
    for (size_t i = 0; i < n; i++) {
        int64_t ms = v[i].ts_ms - day_ms;
        bool buy = v[i].side == SIDE_BUY;
        int64_t bin = v[i].price / bin_ticks - p->lo;
        s->trades++;
        *(buy ? &s->buy : &s->sell) += v[i].qty;
        *(buy ? &p->buy[bin] : &p->sell[bin]) += v[i].qty;
        p->trades[bin]++;
        s->sum_pq += (u128)(uint64_t)v[i].price * (uint64_t)v[i].qty;
        if (ms < 8 * 3600000) {
            *(buy ? &s->pre_buy : &s->pre_sell) += v[i].qty;
        }
        if (ms >= 8 * 3600000 && ms < 8 * 3600000 + 600000) {
            s->or_high = v[i].price > s->or_high ? v[i].price : s->or_high;
            s->or_low = s->or_low == 0 || v[i].price < s->or_low ? v[i].price : s->or_low;
        }
        int64_t delta = s->buy - s->sell;
        s->min_delta = delta < s->min_delta ? delta : s->min_delta;
        s->max_delta = delta > s->max_delta ? delta : s->max_delta;
    }
    ref_value_area(p);
}

static inline void ref_release(struct ref_stats *s)
{
    free(s->profile.buy);
    free(s->profile.sell);
    free(s->profile.trades);
}

// ---- a seeded generator (xorshift64*) -----------------------------------------------------------

struct rng {
    uint64_t x;
};

static inline uint64_t rng_next(struct rng *r)
{
    r->x ^= r->x >> 12;
    r->x ^= r->x << 25;
    r->x ^= r->x >> 27;
    return r->x * UINT64_C(2685821657736338717);
}

// 0..n - 1
static inline int64_t rng_below(struct rng *r, int64_t n)
{
    return (int64_t)((rng_next(r) >> 16) % (uint64_t)n);
}

static inline void rng_shuffle(struct rng *r, struct trade *v, size_t n)
{
    for (size_t i = n; i > 1; i--) {
        size_t j = (size_t)rng_below(r, (int64_t)i);
        struct trade t = v[i - 1];
        v[i - 1] = v[j];
        v[j] = t;
    }
}

#endif
