// The generated market: the same for everybody who asks, and plausible.

#include "services/exchange-sim/core/gen.h"

#include <criterion/criterion.h>
#include <string.h>

#include "common/base/clock.h"
#include "services/exchange-sim/core/gen_day.h"
#include "tests/unit/exchange-sim/next_trade.h"

#define DAY20 INT64_C(1795219200000) // 2026-11-21

static struct gen *make(uint64_t seed, const char *symbols, int64_t rate, int64_t from)
{
    struct err e = {0};
    struct gen *g = gen_new(seed, symbols, rate, from, &e);
    cr_assert(g != NULL, "%s", e.text);
    return g;
}

static uint64_t digest(uint64_t h, const struct sim_trade *t)
{
    struct buf b;
    buf_init(&b, 1024);
    sim_trade_csv(&b, t);
    for (size_t i = 0; i < buf_len(&b); i++) {
        h = (h ^ (unsigned char)buf_ptr(&b)[i]) * UINT64_C(0x100000001b3);
    }
    buf_release(&b);
    return h;
}

Test(gen, a_restart_continues_the_same_market)
{
    // One goes on without end, the other starts anew in the middle: the same trades.
    struct gen *a = make(7, "BTCUSDT", 1000, DAY20 - 60000);
    struct sim_trade x;
    for (int i = 0; i < 20000; i++) {
        market_advance(gen_market(a));
    }
    cr_assert(next_trade(gen_market(a), &x));
    struct gen *b = make(7, "BTCUSDT", 1000, x.t_ms);
    struct sim_trade y;
    cr_assert(next_trade(gen_market(b), &y));
    while (y.id < x.id) { // earlier trades of the same millisecond
        market_advance(gen_market(b));
        cr_assert(next_trade(gen_market(b), &y));
    }
    uint64_t ha = 1;
    uint64_t hb = 1;
    for (int i = 0; i < 20000; i++) {
        cr_assert(next_trade(gen_market(a), &x));
        cr_assert(next_trade(gen_market(b), &y));
        ha = digest(ha, &x);
        hb = digest(hb, &y);
        market_advance(gen_market(a));
        market_advance(gen_market(b));
    }
    cr_assert_eq(ha, hb);
    market_free(gen_market(a));
    market_free(gen_market(b));
}

Test(gen, what_rest_reads_is_what_the_feed_showed)
{
    struct gen *g = make(3, "BTCUSDT", 1000, DAY20 - 2000);
    struct market *m = gen_market(g);
    static struct sim_trade fed[500];
    for (size_t i = 0; i < 500; i++) {
        cr_assert(next_trade(m, &fed[i]));
        market_advance(m);
    }
    // Other days in between push this one out of the cache and back in.
    for (int64_t d = 1; d <= 6; d++) {
        struct sim_trade old;
        cr_assert(m->ops->seek_time(m, 0, DAY20 - d * MS_PER_DAY));
        cr_assert(m->ops->read(m, 0, &old));
        cr_assert_geq(old.t_ms, DAY20 - d * MS_PER_DAY);
        cr_assert_lt(old.t_ms, DAY20 - d * MS_PER_DAY + 60000);
    }
    cr_assert(m->ops->seek_id(m, 0, fed[0].id));
    for (size_t i = 0; i < 500; i++) {
        struct sim_trade t;
        cr_assert(m->ops->read(m, 0, &t));
        cr_assert_eq(digest(1, &t), digest(1, &fed[i]));
    }
    struct sim_trade t;
    cr_assert(!m->ops->read(m, 0, &t), "the future is not shown");
    cr_assert(!m->ops->seek_id(m, 0, fed[499].id + 1));
    cr_assert(!m->ops->seek_time(m, 0, fed[499].t_ms + 60000));
    market_free(m);
}

Test(gen, ids_are_contiguous_and_times_rise_over_midnight)
{
    struct gen *g = make(1, "BTCUSDT", 500, DAY20 - 30000);
    struct market *m = gen_market(g);
    struct sim_trade t;
    cr_assert(next_trade(m, &t));
    int64_t id = t.id;
    int64_t ms = t.t_ms;
    cr_assert_lt(ms, DAY20);
    bool crossed = false;
    while (t.t_ms < DAY20 + 30000) {
        cr_assert_eq(t.id, id++);
        cr_assert_geq(t.t_ms, ms);
        cr_assert_geq(t.e_ms, t.t_ms);
        cr_assert_leq(t.first, t.last);
        crossed = crossed || (ms < DAY20 && t.t_ms >= DAY20);
        if (t.t_ms >= DAY20) {
            cr_assert_geq(t.id, DAY20 / MS_PER_DAY * gen_trades_per_day(g));
        }
        ms = t.t_ms;
        market_advance(m);
        cr_assert(next_trade(m, &t));
    }
    cr_assert(crossed);
    market_free(m);
}

Test(gen, seed_symbol_and_day_make_different_markets)
{
    static const struct {
        uint64_t seed;
        const char *symbol;
        int64_t from;
    } rows[] = {{1, "BTCUSDT", DAY20},
                {2, "BTCUSDT", DAY20},
                {1, "ETHUSDT", DAY20},
                {1, "BTCUSDT", DAY20 + MS_PER_DAY}};
    uint64_t h[4];
    for (size_t i = 0; i < 4; i++) {
        struct gen *g = make(rows[i].seed, rows[i].symbol, 100, rows[i].from);
        h[i] = 1;
        for (int k = 0; k < 100; k++) {
            struct sim_trade t;
            cr_assert(next_trade(gen_market(g), &t));
            t.id = t.first = t.last = 0;
            t.t_ms %= MS_PER_DAY;
            t.e_ms = 0;
            h[i] = digest(h[i], &t);
            market_advance(gen_market(g));
        }
        for (size_t k = 0; k < i; k++) {
            cr_assert_neq(h[i], h[k], "%zu and %zu", i, k);
        }
        market_free(gen_market(g));
    }
}

Test(gen, two_symbols_come_merged_by_time)
{
    struct gen *g = make(5, "BTCUSDT,ETHUSDT", 1000, DAY20);
    int64_t ms = 0;
    int lanes[2] = {0, 0};
    for (int i = 0; i < 5000; i++) {
        struct sim_trade t;
        cr_assert(next_trade(gen_market(g), &t));
        cr_assert_geq(t.t_ms, ms);
        ms = t.t_ms;
        lanes[t.lane]++;
        market_advance(gen_market(g));
    }
    cr_assert_gt(lanes[0], 1500);
    cr_assert_gt(lanes[1], 1500);
    market_free(gen_market(g));
}

Test(gen, a_day_looks_like_a_market)
{
    static const size_t n = GEN_TRADES_PER_DAY;
    static struct gen_trade day[GEN_TRADES_PER_DAY];
    struct gen_symbol s = {.key = 42, .base_ticks = 870000, .unit_lots = 20, .max_fill_lots = 5000};
    for (int64_t d = 20000; d < 20003; d++) {
        gen_day_make(&s, d, day, n);
        int64_t hours[24] = {0};
        int64_t sells = 0;
        int64_t multi = 0;
        size_t longest = 1;
        size_t run = 1;
        int32_t low = INT32_MAX;
        int32_t high = 0;
        for (size_t i = 0; i < n; i++) {
            cr_assert(day[i].ms >= 0 && day[i].ms < MS_PER_DAY);
            cr_assert(i == 0 || day[i].ms >= day[i - 1].ms);
            cr_assert_gt(day[i].qty_lots, 0);
            cr_assert_geq(day[i].fills, 1);
            cr_assert(i == 0 || day[i].first == day[i - 1].first + day[i - 1].fills);
            low = day[i].price_ticks < low ? day[i].price_ticks : low;
            high = day[i].price_ticks > high ? day[i].price_ticks : high;
            hours[day[i].ms / 3600000]++;
            sells += day[i].maker;
            multi += day[i].fills > 1;
            run = i > 0 && day[i].ms == day[i - 1].ms ? run + 1 : 1;
            longest = run > longest ? run : longest;
        }
        // Prices stay within some percent of each other, and move.
        cr_assert_lt((high - low) * 100 / low, 15);
        cr_assert_gt((high - low) * 1000 / low, 5);
        // New York trades more than the Asian night, no hour is empty.
        cr_assert_gt(hours[14], 2 * hours[4]);
        for (int h = 0; h < 24; h++) {
            cr_assert_gt(hours[h], (int64_t)n / 120);
        }
        cr_assert(sells > (int64_t)n * 2 / 5 && sells < (int64_t)n * 3 / 5);
        cr_assert(multi > (int64_t)n / 4 && multi < (int64_t)n * 3 / 5);
        cr_assert_gt(longest, 30, "a sweep of many rows within one millisecond");
        // The day begins where the last one ended.
        cr_assert_leq(llabs(day[0].price_ticks - gen_day_open(&s, d)), 300);
        cr_assert_leq(llabs(day[n - 1].price_ticks - gen_day_open(&s, d + 1)), 300);
    }
}

Test(gen, bad_wishes_are_refused)
{
    static const struct {
        const char *symbols;
        int64_t rate, from;
    } rows[] = {{"", 1000, DAY20},         {"BTCUSDT,", 1000, DAY20},
                {"btcusdt", 1000, DAY20},  {"BTCUSDT,BTCUSDT", 1000, DAY20},
                {"BTC/USDT", 1000, DAY20}, {"BTCUSDT", 9, DAY20},
                {"BTCUSDT", 10001, DAY20}, {"BTCUSDT", 1000, 0}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct err e = {0};
        cr_assert(gen_new(1, rows[i].symbols, rows[i].rate, rows[i].from, &e) == NULL, "%zu", i);
        cr_assert(e.text[0] != '\0');
    }
}
