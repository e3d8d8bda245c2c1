// Footprints and the regime: figures worked out by hand, and independence of order, copies and
// restarts.

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "services/strategy/core/strategy.h"
#include "tests/support/rng.h"

#define DAY INT64_C(1723075200000)
#define MIN INT64_C(60000)
#define TICK 100   // 0.10 with two decimals of headroom
#define LOT 100000 // 1.000

static struct instrument ins;

static void setup(void)
{
    cr_assert_eq(instrument_parse("BTCUSDT", 7, VENUE_BINANCE, &ins, NULL), 0);
    cr_assert_eq(instrument_set_units(&ins, "0.10", "0.001", -1, NULL), 0);
    cr_assert_eq(ins.bin_ticks, TICK);
}

TestSuite(indicators, .init = setup);

// ---- footprint ---------------------------------------------------------------------------------

struct fp {
    int64_t index, buy, sell; // whole coins
};

static struct minutes minute_of(const struct fp *v, size_t n)
{
    struct minutes m;
    minutes_init(&m, TICK);
    for (size_t i = 0; i < n; i++) {
        struct trade t = {.ts_ms = DAY, .id = (int64_t)i, .price = v[i].index * TICK};
        t.qty = v[i].buy * LOT;
        t.side = SIDE_BUY;
        if (t.qty > 0) {
            minutes_add(&m, &t);
        }
        t.qty = v[i].sell * LOT;
        t.side = SIDE_SELL;
        if (t.qty > 0) {
            minutes_add(&m, &t);
        }
    }
    return m;
}

static const char *json_of(const struct footprint_params *p, const struct minutes *m)
{
    static struct buf b;
    buf_release(&b);
    buf_init(&b, 1 << 20);
    footprint_to_json(p, &ins, TICK, m->row, m->n, &b);
    return buf_cstr(&b);
}

Test(indicators, diagonal_imbalance_compares_with_the_neighbour_below_and_above)
{
    // 1000: buys 3 against nothing below: the minimum alone. 1001: 9 against sell(1000) = 3:
    // exactly three times. 1002: 8 against sell(1001) = 3 is too little; sell(1002) = 7 against
    // buy(1003) = 2 is enough. 1010 stands alone: both sides beyond the minimum, sells are more.
    static const struct fp v[] = {
        {1000, 3, 3}, {1001, 9, 3}, {1002, 8, 7}, {1003, 2, 0}, {1010, 4, 5}};
    struct minutes m = minute_of(v, sizeof v / sizeof v[0]);
    const struct footprint_params p = {
        .bin_ticks = 1, .ratio_milli = 3000, .min_qty = 3 * LOT, .keep = 1};
    cr_assert_str_eq(
        json_of(&p, &m),
        "{\"footprint_bin\":0.1,\"imbalance_ratio\":3.000,\"imbalance_min_qty\":3.000,"
        "\"footprint\":["
        "{\"price\":100.0,\"buy_vol\":3.000,\"sell_vol\":3.000,\"imbalance\":\"buy\"},"
        "{\"price\":100.1,\"buy_vol\":9.000,\"sell_vol\":3.000,\"imbalance\":\"buy\"},"
        "{\"price\":100.2,\"buy_vol\":8.000,\"sell_vol\":7.000,\"imbalance\":\"sell\"},"
        "{\"price\":100.3,\"buy_vol\":2.000,\"sell_vol\":0.000,\"imbalance\":null},"
        "{\"price\":101.0,\"buy_vol\":4.000,\"sell_vol\":5.000,\"imbalance\":\"sell\"}],"
        "\"stacked\":[]}");
    minutes_release(&m);
}

Test(indicators, three_adjacent_bins_of_one_side_are_a_stack_and_a_gap_ends_it)
{
    static const struct fp v[] = {{10, 5, 1}, {11, 5, 1}, {12, 5, 1}, {13, 5, 1}, {15, 5, 1},
                                  {16, 5, 1}, {20, 1, 9}, {21, 1, 9}, {22, 1, 9}};
    struct minutes m = minute_of(v, sizeof v / sizeof v[0]);
    const struct footprint_params p = {
        .bin_ticks = 1, .ratio_milli = 3000, .min_qty = 2 * LOT, .keep = 1};
    const char *json = json_of(&p, &m);
    cr_assert(strstr(json, "\"stacked\":[{\"side\":\"buy\",\"from\":1.0,\"to\":1.3},"
                           "{\"side\":\"sell\",\"from\":2.0,\"to\":2.2}]}"),
              "%s", json);
    minutes_release(&m);
}

Test(indicators, rows_are_an_integer_multiple_of_the_bin_and_never_more_than_the_bound)
{
    struct fp v[2500];
    for (size_t i = 0; i < 2500; i++) {
        v[i] = (struct fp){(int64_t)i, 1, 2};
    }
    struct minutes m = minute_of(v, 2500);
    struct footprint_params p = {.bin_ticks = 50, .ratio_milli = 3000, .keep = 1};
    struct footprint_bin *out;
    int64_t width;
    cr_assert_eq(footprint_make(&p, m.row, m.n, &out, &width), 50);
    cr_assert_eq(width, 50);
    cr_assert_eq(out[49].buy, 50 * LOT);
    cr_assert_eq(out[49].sell, 100 * LOT);
    free(out);
    p.bin_ticks = 1;
    cr_assert_eq(footprint_make(&p, m.row, m.n, &out, &width), 625);
    cr_assert_eq(width, 4);
    free(out);
    minutes_release(&m);
}

Test(indicators, a_minute_is_stored_and_read_back_whole)
{
    static const struct fp v[] = {{0, 5, 1}, {7, 0, 3}, {600000, 2, 0}};
    struct minutes m = minute_of(v, 3);
    struct minutes back;
    struct buf text;
    minutes_init(&back, TICK);
    buf_init(&text, 4096);
    minute_to_text(&m.row[0], &text);
    cr_assert_eq(minutes_restore(&back, DAY, buf_ptr(&text), buf_len(&text)), 0);
    const struct minute *a = &m.row[0];
    const struct minute *b = &back.row[0];
    cr_assert_eq(a->trades, b->trades);
    cr_assert_eq(a->n, b->n);
    cr_assert_eq(memcmp(a->bin, b->bin, a->n * sizeof *a->bin), 0);
    cr_assert(a->sum_pq == b->sum_pq);
    cr_assert_eq(u256_cmp(a->sum_ppq, b->sum_ppq), 0);
    static const char *const bad[] = {"",
                                      "1",
                                      "1 1 1 1",
                                      "1 1 1 1 1",
                                      "1 1 1 1 x",
                                      "-1 1 1 1 1",
                                      "1 1 0 1 1;1,2,0",
                                      "1 1 0 1 1;1,1",
                                      "1 1 0 1 1;1,1,0;0,0,0"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cr_assert_neq(minutes_restore(&back, DAY, bad[i], strlen(bad[i])), 0, "%s", bad[i]);
        cr_assert(back.row[0].lost);
    }
    buf_release(&text);
    minutes_release(&m);
    minutes_release(&back);
}

// ---- regime ------------------------------------------------------------------------------------

static struct strategy s;
static char fields[4096], events[8192];

static void on_candle(void *arg, size_t tf, int64_t start_ms, const char *json, size_t n)
{
    (void)arg;
    (void)tf;
    (void)start_ms;
    (void)json;
    (void)n;
}

static void on_gone(void *arg, size_t tf, int64_t start_ms)
{
    on_candle(arg, tf, start_ms, NULL, 0);
}

static void on_event(void *arg, const char *type, int64_t ts_ms, const char *json, size_t n)
{
    (void)arg;
    if (strcmp(type, "regime_change") == 0) {
        char text[200];
        cr_assert(str_copyn(text, sizeof text, json, n));
        const size_t used = strlen(events);
        str_fmt(events + used, sizeof events - used, "%lld %s\n", (long long)(ts_ms - DAY) / MIN,
                text);
    }
}

static char footprints[1 << 20];

static void on_footprint(void *arg, size_t tf, int64_t start_ms, const char *json, size_t n)
{
    (void)arg;
    const size_t used = strlen(footprints);
    char text[60000] = "gone";
    cr_assert(json == NULL || str_copyn(text, sizeof text, json, n));
    str_fmt(footprints + used, sizeof footprints - used, "%zu %lld %s\n", tf, (long long)start_ms,
            text);
}

static const struct strategy_sink sink = {
    .candle = on_candle, .candle_gone = on_gone, .event = on_event, .footprint = on_footprint};

static void on_field(void *arg, const char *field, const char *value, size_t n)
{
    (void)arg;
    char text[400];
    cr_assert(str_copyn(text, sizeof text, value, n));
    const size_t used = strlen(fields);
    str_fmt(fields + used, sizeof fields - used, "%s=%s ", field, text);
}

static void begin(void)
{
    strategy_init(&s, &ins, 60000);
    events[0] = fields[0] = footprints[0] = '\0';
}

static void add(int64_t ts_ms, int64_t id, int64_t price, int64_t lots, uint8_t side)
{
    const struct trade t = {.ts_ms = ts_ms, .id = id, .price = price, .qty = lots, .side = side};
    strategy_on_trade(&s, &t, ts_ms * 1000, false);
}

static const char *now(int64_t watermark_ms)
{
    strategy_settle(&s, watermark_ms, &sink);
    strategy_regime(&s, &sink);
    fields[0] = '\0';
    strategy_regime_fields(&s, on_field, NULL);
    return fields;
}

Test(indicators, regime_of_three_candles_as_worked_out_by_hand)
{
    // Closes 100.0, 100.2, 100.1, one coin each, buy buy sell.
    // a = |0.1| / (0.2 + 0.1) = 1/3. VWAP = 100.1 = P: b = 0. c = 1/3.
    // Value area: POC 100.0 (tie -> lower), T = 3, 10 < 21; nothing below, the two bins above,
    // whole: 100.0 .. 100.2; d = 0. Score = .35/3 + .2/3 = .18333... Confidence: (.6 -
    // .18333333)/.6 = .69444445, times coverage, but under 10 candles: .3.
    begin();
    add(DAY, 1, 100000, LOT, SIDE_BUY);
    add(DAY + MIN, 2, 100200, LOT, SIDE_BUY);
    add(DAY + 2 * MIN, 3, 100100, LOT, SIDE_SELL);
    const char *f = now(DAY + 3 * MIN + 250);
    cr_assert(strstr(f, "candles=3 steps=3 regime=range confidence=0.30000000 score=0.18333333 "
                        "path=0.33333333 distance=0.00000000 delta=0.33333333 outside=0.00000000 "
                        "volume=3.000 price=100.1 vwap=100.10000000 sigma=0.08164966 val=100.0 "
                        "vah=100.2"),
              "%s", f);
    // The step before, of 100.0 and 100.2: a = 1, c = 1, P one sigma from VWAP: b = 1/3, all
    // inside: .35 + .25/3 + .2 = .63333333, a trend that ends at once.
    cr_assert_str_eq(events, "2 {\"from\":\"range\",\"to\":\"trend\",\"at_ms\":1723075320000,"
                             "\"score\":0.63333333}\n"
                             "3 {\"from\":\"trend\",\"to\":\"range\",\"at_ms\":1723075380000,"
                             "\"score\":0.18333333}\n");
    strategy_release(&s);
}

Test(indicators, distance_is_in_sigmas_and_ends_at_three)
{
    // 99 coins at 100.0, one at 110.0: VWAP 100.1, sigma^2 = .99 * .01 * 100 = .99, P - VWAP = 9.9
    // is 9.95 sigmas: b = 1. One candle behind: a = 10/10 = 1; c = 100/100 = 1; d = 1/2.
    begin();
    add(DAY, 1, 100000, 99 * LOT, SIDE_BUY);
    add(DAY + MIN, 2, 110000, LOT, SIDE_BUY);
    const char *f = now(DAY + 2 * MIN + 250);
    cr_assert(strstr(f, "regime=trend") && strstr(f, "score=0.90000000") &&
                  strstr(f, "path=1.00000000 distance=1.00000000 delta=1.00000000 "
                            "outside=0.50000000") &&
                  strstr(f, "sigma=0.99498744"),
              "%s", f);
    cr_assert_str_eq(events, "2 {\"from\":\"range\",\"to\":\"trend\",\"at_ms\":1723075320000,"
                             "\"score\":0.90000000}\n");
    strategy_release(&s);
    // 3 coins at 100.0, 1 at 100.4: VWAP 100.1, sigma^2 = .03, (100.4 - 100.1)/.1732 = sqrt(3).
    begin();
    add(DAY, 1, 100000, 3 * LOT, SIDE_BUY);
    add(DAY + MIN, 2, 100400, LOT, SIDE_BUY);
    f = now(DAY + 2 * MIN + 250);
    cr_assert(strstr(f, "distance=0.57735027"), "%s", f);
    strategy_release(&s);
}

Test(indicators, a_change_is_told_once_and_a_new_day_begins_as_range)
{
    begin();
    for (int i = 0; i < 20; i++) { // straight up: a trend
        add(DAY + i * MIN, i, 100000 + i * 10000, LOT, SIDE_BUY);
    }
    now(DAY + 20 * MIN + 250);
    cr_assert(strstr(events, "\"to\":\"trend\""), "%s", events);
    char before[sizeof events];
    str_copy(before, sizeof before, events);
    now(DAY + 21 * MIN);
    cr_assert_str_eq(events, before);
    add(DAY + 1440 * MIN, 100, 300000, LOT, SIDE_SELL);
    now(DAY + 1441 * MIN + 250);
    const char *next = events + strlen(before);
    cr_assert_str_eq(next, "1440 {\"from\":\"trend\",\"to\":\"range\",\"at_ms\":1723161600000,"
                           "\"score\":null}\n");
    strategy_release(&s);
}

// ---- a function of the set ---------------------------------------------------------------------

#define N_RANDOM 3000

static void random_trades(struct rng *r, struct trade *v)
{
    int64_t price = 6000000;
    int64_t ts = DAY + 100;
    for (int64_t i = 0; i < N_RANDOM; i++) {
        ts += (int64_t)rng_below(r, 3000);
        price += ((int64_t)rng_below(r, 11) - (i / 700 % 2 ? 3 : 6)) * TICK;
        v[i] = (struct trade){.ts_ms = ts,
                              .id = i,
                              .price = price,
                              .qty = 1 + (int64_t)rng_below(r, 3 * LOT),
                              .side = (uint8_t)rng_below(r, 2)};
    }
}

static char *state_of(void)
{
    // Everything anew: what is shown may not depend on what was shown before.
    for (size_t i = 0; i < s.minutes.n; i++) {
        s.minutes.row[i].unshown = true;
    }
    footprints[0] = '\0';
    strategy_footprints(&s, &sink);
    const size_t n = strlen(footprints) + strlen(fields) + 2;
    char *out = xmalloc(n);
    str_fmt(out, n, "%s\n%s", fields, footprints);
    return out;
}

Test(indicators, order_copies_and_the_moments_of_settling_change_nothing, .timeout = 60)
{
    static struct trade v[N_RANDOM];
    static char before[sizeof events];
    for (uint64_t seed = 1; seed <= 4; seed++) {
        struct rng r = {seed};

        random_trades(&r, v);
        const int64_t end = v[N_RANDOM - 1].ts_ms + 2 * MIN;
        begin();
        for (size_t i = 0; i < N_RANDOM; i++) {
            strategy_on_trade(&s, &v[i], 0, false);
            if (i % 50 == 0) {
                now(v[i].ts_ms);
            }
        }
        now(end);
        char *want = state_of();
        cr_assert(strstr(want, "regime=") && strlen(want) > 2000, "%s", want);
        str_copy(before, sizeof before, events);
        strategy_release(&s);

        // All at once: the same, and the same changes told.
        begin();
        for (size_t i = 0; i < N_RANDOM; i++) {
            strategy_on_trade(&s, &v[i], 0, false);
        }
        now(end);
        char *got = state_of();
        cr_assert_str_eq(got, want);
        cr_assert_str_eq(events, before);
        free(got);
        strategy_release(&s);

        // Neighbourhoods shuffled (what the tape reaches), with copies, settled in between.
        for (size_t i = 0; i + 1 < N_RANDOM; i++) {
            const size_t left = 200 - i % 200; // never farther than its own 200
            const size_t k = i + rng_below(&r, left < N_RANDOM - i ? left : N_RANDOM - i);
            const struct trade t = v[i];
            v[i] = v[k];
            v[k] = t;
        }
        begin();
        for (size_t i = 0; i < N_RANDOM; i++) {
            strategy_on_trade(&s, &v[i], 0, false);
            strategy_on_trade(&s, &v[rng_below(&r, (uint32_t)i + 1)], 0, false);
            if (i % 97 == 0) {
                now(s.ledger.newest_ms);
            }
        }
        now(end);
        got = state_of();
        cr_assert_str_eq(got, want, "seed %d", (int)seed);
        free(got);
        strategy_release(&s);
        free(want);
    }
}

Test(indicators, profile_strength_is_the_gini_of_all_bins_between_low_and_high)
{
    struct profile *p = profile_new(TICK);
    char text[NUM_TEXT];
    profile_strength(p, text);
    cr_assert_str_eq(text, "");
    cr_assert_eq(profile_add(p, 1000, 5, true), 0);
    profile_strength(p, text);
    cr_assert_str_eq(text, "0.00000000");
    // x = 0, 1, 5 (the bin between is empty): (-2*0 + 0*1 + 2*5) / (3 * 6) = 5/9.
    cr_assert_eq(profile_add(p, 1200, 1, false), 0);
    profile_strength(p, text);
    cr_assert_str_eq(text, "0.55555556");
    profile_free(p);
}
