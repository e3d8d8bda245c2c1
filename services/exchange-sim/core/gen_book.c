// The generated order book.
//
// The best bid follows the quote that the trades print at. What a price level holds is a function
// of the price and of an epoch: every price has its own rhythm, from half a second to a minute;
// close to the best price there is a second, quick one. Down to BOOK_DENSE ticks every level is
// there, so that a sweep prints at levels that exist; further out some are empty, and behind
// BOOK_REACH there is nothing. A diff names every level that was touched in its interval, also one
// that ended as it began, so that a snapshot of any moment within joins the chain.

#include "services/exchange-sim/core/gen_lane.h"

#define BOOK_REACH 1400 // ticks from the best price; more than 1,000 levels are there
#define BOOK_DENSE (GEN_MAX_WALK + 6)
#define QUICK_TICKS 6 // from the best price: levels that change all the time
#define QUICK_MS 250

_Static_assert(BOOK_REACH > BOOK_LEVELS, "REST can show a thousand levels");

int64_t gen_bid_at(struct gen_lane *l, int64_t t_ms)
{
    int64_t next = gen_id_at(l, t_ms + 1);
    int64_t after = gen_trade_bid(gen_trade_at(l, next));
    if (next == 0) {
        return after;
    }
    int64_t before = gen_trade_bid(gen_trade_at(l, next - 1));
    if (before == after) {
        return before;
    }
    return t_ms >= gen_quote_move(l, next) ? after : before;
}

int64_t gen_quote_move(struct gen_lane *l, int64_t id)
{
    if (id == 0) {
        return -1;
    }
    int64_t before = gen_trade_bid(gen_trade_at(l, id - 1));
    if (before == gen_trade_bid(gen_trade_at(l, id))) {
        return -1;
    }
    int64_t t0 = gen_time_of(l, id - 1);
    return t0 + (gen_time_of(l, id) - t0 + 1) / 2;
}

struct level {
    int64_t slow, quick; // epochs
    int64_t lots;
};

// The level at `price` when the best bid is `bid`; side 0 = bids.
static struct level level_at(const struct gen_symbol *s, int side, int64_t price, int64_t bid,
                             int64_t t_ms)
{
    struct level v = {-1, -1, 0};
    int64_t away = side == 0 ? bid - price : price - bid - 1;
    if (away < 0 || away > BOOK_REACH || price < 1) {
        return v;
    }
    uint64_t h = gen_mix(s->key ^ ((uint64_t)price * 2 + (uint64_t)side));
    int64_t period = INT64_C(500) << (h % 8); // 0.5 s .. 64 s
    v.slow = (t_ms + (int64_t)(h >> 8 & 0xffff)) / period;
    uint64_t u = gen_mix(h ^ (uint64_t)v.slow * UINT64_C(0x9e3779b97f4a7c15));
    if (away <= QUICK_TICKS) {
        v.quick = (t_ms + (int64_t)(h >> 24 & 0xff)) / QUICK_MS;
        u = gen_mix(u ^ (uint64_t)v.quick);
    }
    if (away > BOOK_DENSE && u % 100 < 16) {
        return v; // empty
    }
    int64_t unit = s->unit_lots;
    v.lots = 1 + (int64_t)(u >> 8 & 0xff) * unit / 64;
    // The tail, and what people like: the touch and round prices.
    v.lots <<= (u >> 16 & 7) == 0 ? 1 + (u >> 20 & 3) : 0;
    v.lots += away == 0 ? unit * (int64_t)(8 + (u >> 24 & 63)) : 0;
    v.lots *= price % 100 == 0 ? 8 : price % 10 == 0 ? 3 : 1;
    return v;
}

static void stamp(int64_t t_ms, int64_t *e_ms, int64_t *trade_ms, int64_t *update_id)
{
    *e_ms = t_ms + 1 + t_ms / 50 % 4;
    *trade_ms = t_ms;
    *update_id = gen_update_id(t_ms);
}

void gen_book_at(struct gen_lane *l, int64_t t_ms, size_t limit, struct sim_book *out)
{
    int64_t bid = gen_bid_at(l, t_ms);
    stamp(t_ms, &out->e_ms, &out->t_ms, &out->update_id);
    for (int side = 0; side < 2; side++) {
        struct sim_levels *to = &out->side[side];
        levels_clear(to);
        for (int64_t away = 0; away <= BOOK_REACH && to->n < limit; away++) {
            int64_t price = side == 0 ? bid - away : bid + 1 + away;
            struct level v = level_at(&l->sym, side, price, bid, t_ms);
            if (v.lots > 0) {
                levels_add(to, price * l->tick, v.lots);
            }
        }
    }
}

struct range {
    int64_t lo, hi;
};

static void widen(struct range *r, int64_t v)
{
    r->lo = v < r->lo ? v : r->lo;
    r->hi = v > r->hi ? v : r->hi;
}

// The best bids of the moments t0 <= t <= t1.
static struct range bids_between(struct gen_lane *l, int64_t t0_ms, int64_t t1_ms)
{
    int64_t b0 = gen_bid_at(l, t0_ms);
    struct range r = {b0, b0};
    widen(&r, gen_bid_at(l, t1_ms));
    for (int64_t id = gen_id_at(l, t0_ms); gen_time_of(l, id) <= t1_ms; id++) {
        widen(&r, gen_trade_bid(gen_trade_at(l, id)));
    }
    return r;
}

static bool touched(struct range bids, int64_t price, const struct level *a, const struct level *b)
{
    if (a->slow != b->slow || a->quick != b->quick || a->lots != b->lots) {
        return true;
    }
    // The best price has moved: levels that it passed, those around it, those at the far ends.
    bool near = price >= bids.lo - QUICK_TICKS && price <= bids.hi + 1 + QUICK_TICKS;
    bool dense = (price >= bids.lo - BOOK_DENSE - 1 && price <= bids.hi - BOOK_DENSE) ||
                 (price >= bids.lo + BOOK_DENSE && price <= bids.hi + 2 + BOOK_DENSE);
    bool end = (price >= bids.lo - BOOK_REACH - 1 && price <= bids.hi - BOOK_REACH) ||
               (price >= bids.lo + BOOK_REACH && price <= bids.hi + 2 + BOOK_REACH);
    return bids.lo != bids.hi && (near || dense || end);
}

void gen_book_diff(struct gen_lane *l, int64_t t0_ms, int64_t t1_ms, struct sim_diff *out)
{
    int64_t b0 = gen_bid_at(l, t0_ms);
    int64_t b1 = gen_bid_at(l, t1_ms);
    struct range bids = bids_between(l, t0_ms, t1_ms);
    stamp(t1_ms, &out->e_ms, &out->t_ms, &out->update_id);
    out->prev_id = gen_update_id(t0_ms);
    // As on the venue, some ids between two diffs are not used; a snapshot never bears one.
    out->first_id = out->prev_id + 1 + t0_ms % GEN_IDS_PER_MS % 4;
    for (int side = 0; side < 2; side++) {
        struct sim_levels *to = &out->side[side];
        levels_clear(to);
        int64_t lo = side == 0 ? bids.lo - BOOK_REACH : bids.lo + 1;
        int64_t hi = side == 0 ? bids.hi : bids.hi + 1 + BOOK_REACH;
        for (int64_t price = lo < 1 ? 1 : lo; price <= hi; price++) {
            struct level before = level_at(&l->sym, side, price, b0, t0_ms);
            struct level now = level_at(&l->sym, side, price, b1, t1_ms);
            if (touched(bids, price, &before, &now)) {
                levels_add(to, price * l->tick, now.lots);
            }
        }
    }
}
