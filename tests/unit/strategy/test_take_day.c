// A day told by its summary is the day told by its trades: whatever came before the summary and
// whatever comes after it, live or as history, the state is that of all trades in order. Every
// delivery is compared with a strategy that got nothing but rows.

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/market/summary.h"
#include "services/strategy/core/strategy.h"
#include "tests/support/rng.h"

#define DAY INT64_C(1795132800000) // 2026-11-20
#define NEXT (DAY + MS_PER_DAY)
#define CAP 9000
#define DELIVERIES 40

struct set {
    struct instrument ins;
    struct trade v[CAP]; // set order; [0, a) the day before, [a, b) the day, [b, n) the next one
    size_t a, b, n;
    struct buf text; // the summary
};

static struct set set;

static void put_history(struct strategy *s, enum history_kind kind, size_t from, size_t to)
{
    const bool ids = s->ledger.ins.venue == VENUE_BINANCE;
    struct history h = {.kind = kind,
                        .from_id = ids ? set.v[from].id : -1,
                        .to_id = ids ? set.v[to - 1].id : -1,
                        .from_ms = set.v[from].ts_ms,
                        .to_ms = set.v[to - 1].ts_ms,
                        .source = "archive",
                        .n = (int64_t)(to - from)};
    if (kind == HISTORY_DAY) {
        h.from_ms = DAY;
        h.to_ms = NEXT;
        h.data = (struct slice){buf_ptr(&set.text), buf_len(&set.text)};
    } else {
        for (size_t i = from; i < to; i++) {
            strategy_on_trade(s, &set.v[i], 0, true);
        }
    }
    strategy_on_history(s, &h);
}

static void make_set(enum venue venue, uint64_t seed)
{
    struct rng r = {seed};
    const char *name = venue == VENUE_BYBIT ? "bybit:BTCUSDT" : "binance:BTCUSDT";
    cr_assert_eq(instrument_parse(name, strlen(name), VENUE_BINANCE, &set.ins, NULL), 0);
    cr_assert_eq(instrument_set_units(&set.ins, "0.10", "0.001", -1, NULL), 0);
    int64_t price = 616400;
    int64_t ts = DAY - 4000000;
    size_t n = 0;
    set.a = set.b = 0;
    for (int64_t id = 1000; n < CAP; id++) {
        // Quiet hours and bursts; the borders of days are met exactly at times.
        int64_t step = (int64_t)rng_below(&r, rng_below(&r, 20) ? 30000 : 900000);
        int64_t border = ts < DAY ? DAY : NEXT;
        ts += step;
        if (ts - step < border && ts > border) {
            ts = border - (int64_t)rng_below(&r, 2);
        }
        if (ts >= NEXT + 7200000) {
            break;
        }
        price += (int64_t)rng_below(&r, 41) - 20;
        struct trade *t = &set.v[n];
        *t = (struct trade){.ts_ms = ts,
                            .id = venue == VENUE_BYBIT ? (int64_t)rng_below(&r, 3) * id : id,
                            .price = price,
                            .qty = 1 + (int64_t)rng_below(&r, 5000),
                            .side = (uint8_t)rng_below(&r, 2)};
        if (venue == VENUE_BYBIT) {
            t->uid = (struct trade_uid){rng_next(&r), rng_next(&r) | 1};
            t->flags = rng_below(&r, 50) ? 0 : TRADE_BLOCK;
        }
        n++;
    }
    set.n = venue == VENUE_BYBIT ? trades_unique(set.v, n) : n;
    for (size_t i = 0; i < set.n; i++) {
        set.a += set.v[i].ts_ms < DAY;
        set.b += set.v[i].ts_ms < NEXT;
    }
    cr_assert(set.a > 0 && set.b > set.a + 1000 && set.n > set.b);

    struct summary_fold *f = summary_fold_new(&set.ins, DAY);
    struct summary s;
    struct err e = {0};
    summary_init(&s);
    for (size_t i = set.a; i < set.b; i++) {
        cr_assert_eq(summary_fold_add(f, &set.v[i]), 0);
    }
    cr_assert_eq(summary_fold_end(f, &s, &e), 0, "%s", e.text);
    buf_init(&set.text, SUMMARY_TEXT_MAX + 64);
    cr_assert_eq(summary_format(&s, &set.ins, &set.text), 0);
    summary_release(&s);
    summary_fold_free(f);
}

// ---- state --------------------------------------------------------------------------------------

static void ignore_candle(void *arg, size_t tf, int64_t start_ms, const char *json, size_t n)
{
    (void)arg, (void)tf, (void)start_ms, (void)json, (void)n;
}

static void ignore_gone(void *arg, size_t tf, int64_t start_ms)
{
    (void)arg, (void)tf, (void)start_ms;
}

static void ignore_event(void *arg, const char *type, int64_t ts_ms, const char *json, size_t n)
{
    (void)arg, (void)type, (void)ts_ms, (void)json, (void)n;
}

static void put_footprint(void *arg, size_t tf, int64_t start_ms, const char *json, size_t n)
{
    buf_addf(arg, "footprint %zu %lld %.*s\n", tf, (long long)start_ms, (int)n, json ? json : "");
}

static void put_field(void *arg, const char *field, const char *value, size_t n)
{
    if (field[0] != '_') {
        buf_addf(arg, "%s=%.*s\n", field, (int)n, value);
    }
}

static const struct strategy_sink quiet = {
    .candle = ignore_candle, .candle_gone = ignore_gone, .event = ignore_event};

static void settle(struct strategy *s)
{
    (void)strategy_settle(s, s->ledger.newest_ms, &quiet);
}

static void put_day(const struct strategy *s, const struct day *d, struct buf *out)
{
    struct coverage c;
    struct bin b;
    int64_t index;
    day_to_fields(d, &s->ledger.ins, put_field, out);
    cr_assert(day_is_consistent(d));
    for (int64_t from = 0; profile_next(d->profile, from, &index, &b); from = index + 1) {
        buf_addf(out, "%lld %lld %lld %lld\n", (long long)index, (long long)b.buy,
                 (long long)b.sell, (long long)b.trades);
    }
    coverage_init(&c);
    ledger_coverage(&s->ledger, d, &c);
    for (size_t i = 0; i < c.n; i++) {
        buf_addf(out, "%lld-%lld %s\n", (long long)c.span[i].from_ms, (long long)c.span[i].to_ms,
                 cover_state_name(c.span[i].state));
    }
    coverage_release(&c);
}

// Buckets the tape does not reach come from what the streams hold: every trade.
static void repair(struct strategy *s)
{
    int64_t from;
    int64_t to;
    while (strategy_stale_begin(s, &from, &to)) {
        for (size_t i = 0; i < set.n; i++) {
            strategy_stale_trade(s, &set.v[i]);
        }
        strategy_stale_end(s, true);
    }
}

static char *state_text(struct strategy *s)
{
    struct buf out;
    const struct strategy_sink sink = {.candle = ignore_candle,
                                       .candle_gone = ignore_gone,
                                       .event = ignore_event,
                                       .footprint = put_footprint,
                                       .arg = &out};
    buf_init(&out, 64 << 20);
    repair(s);
    settle(s);
    strategy_fields(s, put_field, &out);
    strategy_metrics(s, put_field, &out);
    put_day(s, &s->ledger.cur, &out);
    put_day(s, &s->ledger.prev, &out);
    for (size_t tf = 0; tf < N_TF; tf++) {
        for (size_t i = 0; i < candle_series_count(s->series[tf]); i++) {
            const struct candle *c = candle_series_at(s->series[tf], i);
            if (c->start_ms < DAY) {
                continue; // of a day that left
            }
            struct buf json;
            buf_init(&json, 4096);
            candle_to_json(c, &s->ledger.ins, s->ledger.ins.bin_ticks, -1, &json);
            const char *text = buf_cstr(&json);
            const char *run = strstr(text, ",\"_");
            cr_assert_not_null(run);
            buf_addf(&out, "%.*s\n", (int)(run - text), text);
            buf_release(&json);
        }
    }
    for (size_t i = 0; i < s->minutes.n; i++) {
        buf_addf(&out, "minute %lld ", (long long)s->minutes.row[i].start_ms);
        minute_to_text(&s->minutes.row[i], &out);
        buf_addc(&out, '\n');
    }
    strategy_footprints(s, &sink);
    (void)strategy_regime(s, &quiet);
    strategy_regime_fields(s, put_field, &out);
    cr_assert_not(out.failed);
    char *text = strdup(buf_cstr(&out));
    buf_release(&out);
    return text;
}

static void check(const char *want, char *got, const char *what)
{
    size_t i = 0;
    while (want[i] && want[i] == got[i]) {
        i++;
    }
    cr_assert(want[i] == got[i], "%s:\n%.160s\n%.160s", what, want + (i > 80 ? i - 80 : 0),
              got + (i > 80 ? i - 80 : 0));
    free(got);
}

static void claim_the_day(struct strategy *s)
{
    const struct history h = {.kind = HISTORY_TRADES,
                              .from_id = -1,
                              .to_id = -1,
                              .from_ms = DAY,
                              .to_ms = NEXT,
                              .source = "archive"};
    if (s->ledger.ins.venue == VENUE_BYBIT) {
        strategy_on_history(s, &h);
    }
}

static char *by_rows(void)
{
    struct strategy s;
    strategy_init(&s, &set.ins, 60000);
    put_history(&s, HISTORY_TRADES, 0, set.a);
    for (size_t i = set.a; i < set.b; i += 500) {
        put_history(&s, HISTORY_TRADES, i, i + 500 < set.b ? i + 500 : set.b);
        settle(&s);
    }
    claim_the_day(&s);
    for (size_t i = set.b; i < set.n; i++) {
        strategy_on_trade(&s, &set.v[i], 0, false);
    }
    char *text = state_text(&s);
    strategy_release(&s);
    return text;
}

// Live trades of both days in their order, rows of history and the summary somewhere among them.
static char *delivered(struct rng *r)
{
    struct strategy s;
    strategy_init(&s, &set.ins, 60000);
    size_t live = rng_below(r, 3) ? set.b - rng_below(r, 800) : set.a;
    size_t told = rng_below(r, 4); // summaries before the last live trade
    size_t rows = rng_below(r, 4); // pieces of the day as rows
    for (size_t i = live; i < set.n; i++) {
        strategy_on_trade(&s, &set.v[i], 0, false);
        if (rng_below(r, 300) == 0 && told > 0) {
            put_history(&s, HISTORY_DAY, set.a, set.b);
            told--;
        }
        if (rng_below(r, 300) == 0 && rows > 0) {
            size_t from = set.a + rng_below(r, set.b - set.a - 600);
            put_history(&s, HISTORY_TRADES, from, from + 1 + rng_below(r, 600));
            rows--;
        }
        if (rng_below(r, 200) == 0) {
            settle(&s);
        }
        if (rng_below(r, 800) == 0) {
            repair(&s);
        }
    }
    // What the day before is shown with does not matter: it left.
    put_history(&s, HISTORY_TRADES, 0, set.a);
    put_history(&s, HISTORY_DAY, set.a, set.b);
    for (size_t k = 0; k < 50; k++) { // late copies
        strategy_on_trade(&s, &set.v[set.a + rng_below(r, set.b - set.a)], 0, rng_below(r, 2));
    }
    cr_assert_eq(s.days_refused, 0, "%s", s.refused.text);
    char *text = state_text(&s);
    strategy_release(&s);
    return text;
}

static void deliver_often(enum venue venue)
{
    for (uint64_t seed = 1; seed <= 3; seed++) {
        make_set(venue, seed);
        char *want = by_rows();
        struct rng r = {seed * 1000};
        for (size_t i = 0; i < DELIVERIES; i++) {
            check(want, delivered(&r), "a delivery");
        }
        free(want);
        buf_release(&set.text);
    }
}

Test(take_day, summary_in_any_order_is_the_trades_of_numbered_ids)
{
    deliver_often(VENUE_BINANCE);
}

Test(take_day, summary_in_any_order_is_the_trades_that_uuids_name)
{
    deliver_often(VENUE_BYBIT);
}

// The summary alone, before anything else: its day is the current one until a newer trade comes.
Test(take_day, a_summary_alone_is_the_current_day)
{
    make_set(VENUE_BINANCE, 7);
    struct strategy rows;
    struct strategy one;
    strategy_init(&rows, &set.ins, 60000);
    strategy_init(&one, &set.ins, 60000);
    put_history(&one, HISTORY_DAY, set.a, set.b);
    put_history(&rows, HISTORY_TRADES, 0, set.b);
    // The rows' own day before is not told by a summary.
    day_release(&rows.ledger.prev);
    day_start(&one.ledger.prev, DAY - MS_PER_DAY, set.ins.bin_ticks);
    day_start(&rows.ledger.prev, DAY - MS_PER_DAY, set.ins.bin_ticks);
    cr_assert_eq(one.ledger.cur.start_ms, DAY);
    cr_assert_eq(one.ledger.newest_ms, rows.ledger.newest_ms);
    cr_assert_eq(one.ledger.cur.trades, rows.ledger.cur.trades);
    cr_assert_eq(one.seen_ms, set.v[set.b - 1].ts_ms);
    // A trade of it is a copy, even one with an id nobody has seen.
    struct trade stray = {.ts_ms = DAY + 5, .id = 1, .price = 616000, .qty = 1};
    strategy_on_trade(&one, &stray, 0, false);
    cr_assert_eq(one.ledger.cur.trades, rows.ledger.cur.trades);
    cr_assert_eq(one.ledger.duplicates, 1);
    strategy_release(&one);
    strategy_release(&rows);
    buf_release(&set.text);
}

Test(take_day, too_old_or_of_other_units_is_refused_and_counted)
{
    make_set(VENUE_BINANCE, 8);
    struct strategy s;
    strategy_init(&s, &set.ins, 60000);
    struct trade t = {.ts_ms = NEXT + MS_PER_DAY, .id = 900000, .price = 616000, .qty = 1};
    strategy_on_trade(&s, &t, 0, false);
    put_history(&s, HISTORY_DAY, set.a, set.b);
    cr_assert(day_is_empty_slot(&s.ledger.prev));
    cr_assert_eq(s.ledger.too_old, 1);
    cr_assert_eq(candle_series_count(s.series[0]), 1);
    strategy_release(&s);

    struct instrument finer = set.ins;
    cr_assert_eq(instrument_set_units(&finer, "0.01", "0.001", -1, NULL), 0);
    strategy_init(&s, &finer, 60000);
    put_history(&s, HISTORY_DAY, set.a, set.b);
    cr_assert_eq(s.days_refused, 1);
    cr_assert_eq(s.bad, 1);
    cr_assert(day_is_empty_slot(&s.ledger.cur));
    strategy_release(&s);
    buf_release(&set.text);
}

// Behind a restart at 00:05 the tape would reach into a day that was told: it does not.
Test(take_day, a_restart_makes_no_candle_of_a_told_day_again)
{
    make_set(VENUE_BINANCE, 9);
    struct strategy s;
    strategy_init(&s, &set.ins, 60000);
    put_history(&s, HISTORY_DAY, set.a, set.b);
    strategy_on_trade(&s, &set.v[set.b], 0, false);
    settle(&s);
    cr_assert_eq(strategy_begin_replay(&s), NEXT);
    strategy_replay(&s, &set.v[set.b]);
    strategy_end_replay(&s);
    settle(&s);
    const struct candle *c = candle_series_at(s.series[0], 0);
    cr_assert_geq(c->start_ms, DAY);
    uint64_t trades = 0;
    for (size_t i = 0; i < candle_series_count(s.series[0]); i++) {
        trades += (uint64_t)candle_series_at(s.series[0], i)->trades;
    }
    cr_assert_eq(trades, set.b - set.a + 1);
    strategy_release(&s);
    buf_release(&set.text);
}
