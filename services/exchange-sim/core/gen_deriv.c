// Mark price, index, funding, open interest, and liquidations of the generated market.

#include "services/exchange-sim/core/gen_lane.h"

#include <string.h>

#include "common/base/decimal.h"
#include "common/base/wide.h"

#define FUNDING_HOURS 8
#define FUNDING_MS (FUNDING_HOURS * INT64_C(3600000))
#define HOURS_24 INT64_C(86400000)

static uint64_t key_for(const struct gen_lane *l, const char what[4])
{
    uint64_t tag = (uint64_t)what[0] << 24 | (uint64_t)what[1] << 16 | (uint64_t)what[2] << 8;
    return gen_mix(l->sym.key ^ tag << 16);
}

// The mean of the best price at `n` moments `apart_ms` apart up to t_ms, * 10^8.
static int64_t mean_e8(struct gen_lane *l, int64_t t_ms, int n, int64_t apart_ms)
{
    int64_t sum = 0;
    for (int i = 0; i < n; i++) {
        int64_t at = t_ms - i * apart_ms;
        sum += gen_bid_at(l, at > 0 ? at : 0);
    }
    // The middle of the spread is half a tick above the bid.
    int64_t half_ticks = (2 * sum + n) * l->tick;
    return half_ticks * pow10_i64(8 - l->price_decimals) / (2 * n);
}

static void last_24h(struct gen_lane *l, int64_t t_ms, struct sim_mark *out)
{
    int64_t minute = t_ms / 60000;
    for (int64_t m = minute - MINUTES_PER_DAY + 1; m <= minute; m++) {
        const struct gen_days *d = gen_day_at(l, m / MINUTES_PER_DAY);
        const struct gen_minute *x = &d->minutes[m % MINUTES_PER_DAY];
        if (x->high == 0) {
            continue;
        }
        out->high_24h = x->high > out->high_24h ? x->high : out->high_24h;
        out->low_24h = out->low_24h == 0 || x->low < out->low_24h ? x->low : out->low_24h;
        out->volume_24h += x->lots;
    }
    out->open_24h = gen_bid_at(l, t_ms - HOURS_24) * l->tick;
    out->high_24h *= l->tick;
    out->low_24h *= l->tick;
}

void gen_mark_at(struct gen_lane *l, int64_t t_ms, struct sim_mark *out)
{
    memset(out, 0, sizeof *out);
    int64_t price_e8 = mean_e8(l, t_ms, 5, 700);
    // The contract trades above or below the index by some hundredths of a percent.
    int64_t premium_e8 = gen_noise(key_for(l, "prm"), t_ms / 1000, 900) * 18000 / 1024;
    out->e_ms = t_ms;
    out->mark_e8 = price_e8;
    out->index_e8 = price_e8 - (int64_t)((i128)price_e8 * premium_e8 / 100000000);
    out->settle_e8 = mean_e8(l, t_ms, 6, 300000);
    int64_t period = t_ms / FUNDING_MS;
    int64_t base_e8 = 8000 + gen_bell(gen_mix(key_for(l, "fnd") ^ (uint64_t)period)) * 5000 / 1024;
    out->funding_e8 = base_e8 + gen_noise(key_for(l, "fdr"), t_ms / 60000, 30) * 300 / 1024;
    out->next_funding_ms = (period + 1) * FUNDING_MS;
    out->funding_hours = FUNDING_HOURS;
    out->last_price = gen_bid_at(l, t_ms) * l->tick;
    int64_t whole = l->sym.unit_lots * 4000000;
    int64_t permyriad = gen_noise(key_for(l, "oi1"), t_ms / 60000, 720) * 500 / 1024 +
                        gen_noise(key_for(l, "oi2"), t_ms / 1000, 60) * 5 / 1024;
    out->open_interest = whole + whole / 10000 * permyriad +
                         (int64_t)(gen_mix(key_for(l, "oi3") ^ (uint64_t)(t_ms / 3000)) % 997);
    last_24h(l, t_ms, out);
}

// Whether the second has liquidations at all: a few at random, more where the price runs.
static int64_t forced_move(struct gen_lane *l, int64_t second_ms, uint64_t u)
{
    if (u % 12 != 0) {
        return 0;
    }
    int64_t move = gen_bid_at(l, second_ms + 999) - gen_bid_at(l, second_ms);
    int64_t usual = l->sym.base_ticks / 14700 + 1; // ticks per square root of a second
    int64_t size = move < 0 ? -move : move;
    if (u % 240 == 0 || size > 3 * usual) {
        return move == 0 ? 1 : move;
    }
    return 0;
}

int gen_forced_in(struct gen_lane *l, int64_t second_ms, struct sim_liquidation out[GEN_MAX_FORCED])
{
    int64_t second = second_ms / 1000;
    uint64_t u = gen_mix(key_for(l, "liq") ^ (uint64_t)second);
    int64_t move = forced_move(l, second_ms, u);
    if (move == 0) {
        return 0;
    }
    bool sell = move < 0;
    int most = 1 + (int)(u >> 16 & 3);
    int n = 0;
    for (int64_t id = gen_id_at(l, second_ms);
         n < most && n < GEN_MAX_FORCED && gen_time_of(l, id) < second_ms + 1000; id++) {
        const struct gen_trade *t = gen_trade_at(l, id);
        if ((t->maker != 0) != sell) {
            continue;
        }
        // A forced order is a limit order through the book, filled near the touch.
        int64_t price = t->price_ticks;
        int64_t off = price / 250 + 1;
        out[n] = (struct sim_liquidation){
            .id = second * GEN_MAX_FORCED + n,
            .t_ms = gen_time_of(l, id),
            .e_ms = second_ms + 1000,
            .sell = sell,
            .order_price = (sell ? price - off : price + off) * l->tick,
            .average_price = price * l->tick,
            .bankruptcy_price = (sell ? price - off / 2 - 1 : price + off / 2 + 1) * l->tick,
            .qty = t->qty_lots,
        };
        n++;
    }
    if (n > 0) {
        out[n - 1].shown = true;
    }
    return n;
}
