#ifndef MARKET_DAY_COUNT_H
#define MARKET_DAY_COUNT_H
// Counting a trade of a day, in line for the ledger; everybody else calls day_add(). No sum but the
// volume can overflow: with buy + sell < 2^63 lots and p < 2^63 ticks, sum(p*q) stays below 2^126
// and sum(p*p*q) below 2^189; so the volume is checked first, and nothing after the profile has
// accepted the trade can fail.

#include "common/market/day.h"
#include "common/market/profile_page.h"

// sum += p*p*q. With p*p in 64 bits (any price there is) two multiplications do.
static inline void add_ppq(struct u256 *sum, uint64_t p, uint64_t q)
{
    if (__builtin_expect(p > UINT32_MAX, 0)) {
        (void)u256_add_ppq(sum, p, q);
        return;
    }
    u128 low = (u128)sum->w[1] << 64 | sum->w[0];
    bool carry = __builtin_add_overflow(low, (u128)(p * p) * q, &low);
    sum->w[0] = (uint64_t)low;
    sum->w[1] = (uint64_t)(low >> 64);
    if (__builtin_expect(carry, 0) && ++sum->w[2] == 0) {
        sum->w[3]++;
    }
}

static inline int day_count(struct day *d, const struct trade *t)
{
    int64_t price = t->price;
    int64_t qty = t->qty;
    int64_t buy = buy_part(qty, t->side);
    int64_t sell = qty - buy;
    int64_t volume;
    if (__builtin_add_overflow(d->buy + d->sell, qty, &volume)) {
        return ERR_OVERFLOW;
    }
    struct profile *p = d->profile;
    int rc = profile_count(p, bin_index_of(price, p->bin_ticks, p->magic), buy, sell, 1);
    if (rc) {
        return rc;
    }
    d->sum_q = (u128)(uint64_t)volume;
    d->sum_pq += (u128)(uint64_t)price * (uint64_t)qty;
    add_ppq(&d->sum_ppq, (uint64_t)price, (uint64_t)qty);
    d->buy += buy;
    d->sell += sell;
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
        d->pre_buy += buy;
        d->pre_sell += sell;
    } else if (in_day < OR_END_MS) {
        d->or_high = price > d->or_high ? price : d->or_high;
        d->or_low = d->or_low == 0 || price < d->or_low ? price : d->or_low;
    }
    return 0;
}

#endif
