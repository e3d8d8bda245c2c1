// Counting trades of a day. No sum but the volume can overflow: with buy + sell < 2^63 lots and
// p < 2^63 ticks, sum(p*q) stays below 2^126 and sum(p*p*q) below 2^189; so the volume is checked
// first, and nothing after the profile has accepted the trade can fail.

#include "common/market/day.h"

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/market/profile_page.h"

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

// sum += p*p*q. With p*p in 64 bits (any price there is) two multiplications do.
static inline void add_ppq(struct u256 *sum, uint64_t p, uint64_t q)
{
    if (__builtin_expect(p > UINT32_MAX, 0)) {
        (void)u256_add_ppq(sum, p, q);
        return;
    }
    u128 low = (u128)sum->w[1] << 64 | sum->w[0];
    u128 high = (u128)sum->w[3] << 64 | sum->w[2];
    high += __builtin_add_overflow(low, (u128)(p * p) * q, &low);
    *sum = (struct u256){
        {(uint64_t)low, (uint64_t)(low >> 64), (uint64_t)high, (uint64_t)(high >> 64)}};
}

int day_add(struct day *d, const struct trade *t)
{
    int64_t price = t->price;
    int64_t qty = t->qty;
    bool is_buy = t->side == SIDE_BUY;
    int64_t volume;
    if (__builtin_add_overflow(d->buy + d->sell, qty, &volume)) {
        return ERR_OVERFLOW;
    }
    struct profile *p = d->profile;
    int rc = profile_count(p, bin_index_of(price, p->bin_ticks, p->magic), qty, is_buy);
    if (rc) {
        return rc;
    }
    d->sum_q = (u128)(uint64_t)volume;
    d->sum_pq += (u128)(uint64_t)price * (uint64_t)qty;
    add_ppq(&d->sum_ppq, (uint64_t)price, (uint64_t)qty);
    d->buy += is_buy ? qty : 0;
    d->sell += is_buy ? 0 : qty;
    if (t->flags & TRADE_BLOCK) {
        d->block += qty;
    }
    if (d->trades++ == 0) {
        d->high = d->low = price;
        d->first = d->last = *t;
    } else {
        d->high = price > d->high ? price : d->high;
        d->low = price < d->low ? price : d->low;
        if (trade_cmp(t, &d->last) > 0) {
            d->last = *t;
        } else if (trade_cmp(t, &d->first) < 0) {
            d->first = *t;
        }
    }
    int64_t in_day = t->ts_ms - d->start_ms;
    if (in_day < OR_START_MS) {
        d->pre_buy += is_buy ? qty : 0;
        d->pre_sell += is_buy ? 0 : qty;
    } else if (in_day < OR_END_MS) {
        d->or_high = price > d->or_high ? price : d->or_high;
        d->or_low = d->or_low == 0 || price < d->or_low ? price : d->or_low;
    }
    return 0;
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
