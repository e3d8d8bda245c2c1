#include "common/market/day.h"

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/market/day_count.h"

void day_init(struct day *d)
{
    *d = (struct day){.start_ms = -1};
}

void day_release(struct day *d)
{
    profile_free(d->profile);
    day_init(d);
}

void day_start(struct day *d, int64_t start_ms, int64_t bin_ticks)
{
    struct profile *profile = d->profile;
    if (profile) {
        profile_clear(profile, bin_ticks);
    } else {
        profile = profile_new(bin_ticks);
    }
    *d = (struct day){.start_ms = start_ms, .profile = profile};
}

int day_add(struct day *d, const struct trade *t)
{
    return day_count(d, t);
}

bool day_add_run(struct day *d, const struct run *r)
{
    int64_t volume;
    if (__builtin_add_overflow(d->buy + d->sell, r->qty, &volume) ||
        !profile_add_run(d->profile, r)) {
        return false;
    }
    d->sum_q = (u128)(uint64_t)volume;
    d->sum_pq += r->sum_pq;
    (void)u256_add(&d->sum_ppq, u256_from(r->sum_ppq));
    d->buy += r->buy;
    d->sell += r->qty - r->buy;
    const struct trade *first = &r->v[0];
    const struct trade *last = &r->v[r->n - 1];
    if (d->trades == 0 || trade_cmp(first, &d->first) < 0) {
        d->first = *first;
    }
    if (d->trades == 0 || trade_cmp(last, &d->last) > 0) {
        d->last = *last;
    }
    d->high = r->high > d->high ? r->high : d->high;
    d->low = d->trades == 0 || r->low < d->low ? r->low : d->low;
    d->trades += r->n;
    int64_t in_day = r->minute_ms - d->start_ms;
    if (in_day < OR_START_MS) {
        d->pre_buy += r->buy;
        d->pre_sell += r->qty - r->buy;
    } else if (in_day < OR_END_MS) {
        d->or_high = r->high > d->or_high ? r->high : d->or_high;
        d->or_low = d->or_low == 0 || r->low < d->or_low ? r->low : d->or_low;
    }
    return true;
}

bool day_is_consistent(const struct day *d)
{
    if (day_is_empty_slot(d)) {
        return true;
    }
    struct bin b;
    int64_t index;
    int64_t lo = 0;
    int64_t hi = 0;
    int64_t bin_ticks = profile_bin_ticks(d->profile);
    u128 buy = 0;
    u128 sell = 0;
    u128 trades = 0;
    for (int64_t from = 0; profile_next(d->profile, from, &index, &b); from = index + 1) {
        buy += (uint64_t)b.buy;
        sell += (uint64_t)b.sell;
        trades += (uint64_t)b.trades;
    }
    if (buy != (uint64_t)d->buy || sell != (uint64_t)d->sell || trades != d->trades ||
        d->sum_q != buy + sell) {
        return false;
    }
    if (d->trades == 0) {
        return true;
    }
    return profile_range(d->profile, &lo, &hi) && lo == d->low / bin_ticks &&
           hi == d->high / bin_ticks && d->low <= d->high && d->first.ts_ms >= d->start_ms &&
           d->last.ts_ms - d->start_ms < MS_PER_DAY && trade_cmp(&d->first, &d->last) <= 0;
}
