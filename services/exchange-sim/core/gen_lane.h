#ifndef SIM_CORE_GEN_LANE_H
#define SIM_CORE_GEN_LANE_H
// Inside of the generated market: what gen.c (days, trades, timeline), gen_book.c and gen_deriv.c
// share. Everything here is a function of seed, symbol and time.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/clock.h"
#include "services/exchange-sim/core/gen_day.h"
#include "services/exchange-sim/core/market.h"

#define GEN_DAYS_KEPT 4
#define MINUTES_PER_DAY 1440

struct gen_minute { // of the trades of a minute; high 0: none
    int32_t high, low;
    int64_t lots;
};

struct gen_days {
    int64_t day; // -1 = empty
    uint64_t used;
    struct gen_trade *trades;   // per_day of them
    struct gen_minute *minutes; // NULL until somebody asks
};

struct gen_lane {
    struct gen_symbol sym;
    int price_scale, price_decimals, qty_scale;
    int64_t tick; // a tick in units of the lane's price decimals
    int64_t per_day;
    struct gen_days days[GEN_DAYS_KEPT];
    uint64_t uses;
    int64_t pos;    // id of the next trade of the feed
    int64_t cursor; // id of the next trade of a read
    int64_t now_ms; // the newest moment that was released
    // When the next of each sort comes.
    int64_t trade_ms;
    int64_t step_ms;     // the book
    int64_t second_ms;   // a full second: liquidations of the one before, then the mark price
    bool second_is_told; // its liquidations are
};

const struct gen_trade *gen_trade_at(struct gen_lane *l, int64_t id);
const struct gen_days *gen_day_at(struct gen_lane *l, int64_t day);
int64_t gen_time_of(struct gen_lane *l, int64_t id);
// The first id with t >= t_ms.
int64_t gen_id_at(struct gen_lane *l, int64_t t_ms);

// ---- gen_book.c: the order book -----------------------------------------------------------------
// Update ids: GEN_IDS_PER_MS of them a millisecond.
#define GEN_IDS_PER_MS 5
static inline int64_t gen_update_id(int64_t t_ms)
{
    return t_ms * GEN_IDS_PER_MS;
}
// Best bid in ticks at t_ms; a trade of that moment prints at it or below, or one above or higher.
// Between two trades with different quotes the book moves half way in time.
int64_t gen_bid_at(struct gen_lane *l, int64_t t_ms);
// When the quote moves to that of trade `id`, the next of the feed; -1: it is there already.
int64_t gen_quote_move(struct gen_lane *l, int64_t id);
// The book at t_ms, at most `limit` levels a side.
void gen_book_at(struct gen_lane *l, int64_t t_ms, size_t limit, struct sim_book *out);
// Every level that was touched in (t0, t1], with what it holds at t1.
void gen_book_diff(struct gen_lane *l, int64_t t0_ms, int64_t t1_ms, struct sim_diff *out);

// ---- gen_deriv.c: mark price, open interest, forced orders --------------------------------------
void gen_mark_at(struct gen_lane *l, int64_t t_ms, struct sim_mark *out);
// How many orders were liquidated in the second that begins at `second_ms`, 0..GEN_MAX_FORCED, and
// which; ids are second * GEN_MAX_FORCED + index.
#define GEN_MAX_FORCED 4
int gen_forced_in(struct gen_lane *l, int64_t second_ms,
                  struct sim_liquidation out[GEN_MAX_FORCED]);

#endif
