// Strategy's core from trades to candles and events, without Redis.

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "services/strategy/core/strategy.h"

#define DAY INT64_C(1723075200000)
#define MIN INT64_C(60000)

static struct strategy s;
static struct instrument ins;
// What the sink got since clear(): "complete 1m 0; revised 1m 0 rev 1; ..." and candle writes.
static char events[8192];
static char last_json[2048];
static int writes, gone;

static void clear(void)
{
    events[0] = '\0';
    writes = gone = 0;
}

static void on_candle(void *arg, size_t tf, int64_t start_ms, const char *json, size_t n)
{
    (void)arg;
    (void)tf;
    (void)start_ms;
    str_copyn(last_json, sizeof last_json, json, n);
    writes++;
}

static void on_gone(void *arg, size_t tf, int64_t start_ms)
{
    (void)arg;
    (void)tf;
    (void)start_ms;
    gone++;
}

static void on_event(void *arg, const char *type, int64_t ts_ms, const char *json, size_t n)
{
    (void)arg;
    char text[64];
    str_copyn(text, sizeof text, json, n < 60 ? n : 60);
    const char *tf = strstr(text, "\"1m\"") ? " 1m" : strstr(text, "\"5m\"") ? " 5m" : "";
    const char *rev = strstr(text, "\"rev\":");
    size_t used = strlen(events);
    snprintf(events + used, sizeof events - used, "%s%s %lld r%c; ", type, tf,
             (long long)((ts_ms - DAY) / MIN), rev ? rev[6] : '-');
}

static const struct strategy_sink sink = {
    .candle = on_candle, .candle_gone = on_gone, .event = on_event};

static void setup(void)
{
    cr_assert_eq(instrument_parse("BTCUSDT", 7, VENUE_BINANCE, &ins, NULL), 0);
    cr_assert_eq(instrument_set_units(&ins, "0.10", "0.001", -1, NULL), 0);
    strategy_init(&s, &ins, 60000);
    clear();
}

static void teardown(void)
{
    strategy_release(&s);
}

TestSuite(strategy, .init = setup, .fini = teardown);

static struct trade make(int64_t ts_ms, int64_t id)
{
    return (struct trade){
        .ts_ms = ts_ms, .id = id, .price = 60000000 + id % 7 * 100, .qty = 100000, .side = id & 1};
}

static void add(int64_t ts_ms, int64_t id)
{
    struct trade t = make(ts_ms, id);
    strategy_on_trade(&s, &t, ts_ms * 1000, false);
}

Test(strategy, completes_at_bucket_end_plus_grace_once_and_in_order)
{
    for (int64_t i = 0; i < 6; i++) {
        add(DAY + i * MIN, i);
    }
    strategy_settle(&s, DAY + 2 * MIN + 249, &sink);
    cr_assert_str_eq(events, "candle_complete 1m 1 r0; ");
    clear();
    strategy_settle(&s, DAY + 2 * MIN + 250, &sink);
    cr_assert_str_eq(events, "candle_complete 1m 2 r0; ");
    clear();
    strategy_settle(&s, DAY + 5 * MIN + 250, &sink);
    cr_assert_str_eq(events, "candle_complete 1m 3 r0; candle_complete 1m 4 r0; "
                             "candle_complete 1m 5 r0; candle_complete 5m 5 r0; ");
    clear();
    cr_assert_not(strategy_settle(&s, DAY + 5 * MIN + 300, &sink), "nothing changed");
    cr_assert_eq(s.completed_ms[0], DAY + 4 * MIN);
    cr_assert_eq(s.completed_ms[1], DAY);
}

Test(strategy, a_late_trade_revises_once)
{
    add(DAY + 1, 1);
    add(DAY + 70000, 3);
    strategy_settle(&s, DAY + MIN + 250, &sink);
    clear();
    add(DAY + 2, 2);
    add(DAY + 2, 2); // a copy
    strategy_settle(&s, DAY + MIN + 250, &sink);
    cr_assert_str_eq(events, "candle_revised 1m 1 r1; ");
    clear();
    strategy_settle(&s, DAY + MIN + 250, &sink);
    cr_assert_str_eq(events, "");
    cr_assert_eq(s.ledger.duplicates, 1);
}

// One trade a second over an hour, but for id 100, which comes at the end.
static void an_hour_without_one(void)
{
    for (int64_t i = 0; i < 3600; i++) {
        if (i != 100) {
            add(DAY + i * 1000, i);
        }
    }
    strategy_settle(&s, DAY + 59 * MIN + 59000, &sink);
    clear();
}

static void give_job(int64_t from, int64_t to, bool whole)
{
    for (int64_t i = 0; i < 3600; i++) {
        struct trade t = make(DAY + i * 1000, i);
        if (t.ts_ms >= from && t.ts_ms < to && (whole || i > 110)) {
            strategy_stale_trade(&s, &t);
            strategy_stale_trade(&s, &t); // copies are harmless
        }
    }
}

Test(strategy, a_trade_older_than_the_tape_waits_for_the_streams)
{
    an_hour_without_one();
    int64_t from;
    int64_t to;
    cr_assert_not(strategy_stale_begin(&s, &from, &to));
    add(DAY + 100 * 1000, 100);
    strategy_settle(&s, DAY + 59 * MIN + 59000, &sink);
    cr_assert_str_eq(events, "", "not before it is recomputed");
    struct buf text;
    buf_init(&text, 1000);
    strategy_stale_text(&s, &text);
    cr_assert_str_eq(buf_cstr(&text), "60000:1723075260000,300000:1723075200000");
    cr_assert(strategy_stale_begin(&s, &from, &to));
    cr_assert_eq(from, DAY);
    cr_assert_not(strategy_stale_begin(&s, &from, &to), "one job at a time");
    give_job(from, to, true);
    strategy_stale_end(&s, true);
    strategy_settle(&s, DAY + 59 * MIN + 59000, &sink);
    cr_assert_str_eq(events, "candle_revised 1m 2 r1; candle_revised 5m 5 r1; ");
    cr_assert_eq(candle_series_find(s.series[0], DAY + MIN)->trades, 60);
    cr_assert_eq(candle_series_find(s.series[1], DAY)->trades, 300);
    buf_clear(&text);
    strategy_stale_text(&s, &text);
    cr_assert_str_eq(buf_cstr(&text), "");
    buf_release(&text);
}

Test(strategy, a_bucket_hit_again_while_it_is_read_is_read_once_more)
{
    an_hour_without_one();
    int64_t from;
    int64_t to;
    add(DAY + 100 * 1000, 100);
    cr_assert(strategy_stale_begin(&s, &from, &to));
    give_job(from, to, true);
    add(DAY + 61 * 1000 + 500, 5000); // in the 1m bucket 1 and the 5m bucket 0
    strategy_stale_end(&s, true);
    cr_assert_eq(strategy_stale_count(&s), 2);
    cr_assert(strategy_stale_begin(&s, &from, &to));
    give_job(from, to, true);
    struct trade t = make(DAY + 61 * 1000 + 500, 5000);
    strategy_stale_trade(&s, &t);
    strategy_stale_end(&s, true);
    strategy_settle(&s, DAY + 59 * MIN + 59000, &sink);
    cr_assert_str_eq(events, "candle_revised 1m 2 r1; candle_revised 5m 5 r1; ");
    cr_assert_eq(candle_series_find(s.series[0], DAY + MIN)->trades, 61);
}

Test(strategy, trimmed_streams_never_take_trades_away)
{
    an_hour_without_one();
    int64_t from;
    int64_t to;
    add(DAY + 100 * 1000, 100);
    cr_assert(strategy_stale_begin(&s, &from, &to));
    give_job(from, to, false);
    strategy_stale_end(&s, true);
    strategy_settle(&s, DAY + 59 * MIN + 59000, &sink);
    cr_assert_str_eq(events, "");
    cr_assert_eq(strategy_stale_count(&s), 0, "given up, not tried for ever");
    cr_assert_eq(s.kept_stale, 2);
    cr_assert_eq(candle_series_find(s.series[0], DAY + MIN)->trades, 59);
}

Test(strategy, stale_buckets_survive_a_restart_as_text)
{
    strategy_take_stale(&s, "60000:1723075260000,300000:1723075200000,60000:77,junk,:,", 57);
    cr_assert_eq(strategy_stale_count(&s), 2);
    struct buf text;
    buf_init(&text, 1000);
    strategy_stale_text(&s, &text);
    cr_assert_str_eq(buf_cstr(&text), "60000:1723075260000,300000:1723075200000");
    buf_release(&text);
}

Test(strategy, a_hole_found_later_is_written_into_the_candle_it_began_in)
{
    add(DAY + 1000, 1);
    add(DAY + 30000, 2);
    strategy_settle(&s, DAY + 30000, &sink);
    cr_assert_not_null(strstr(last_json, "\"_coverage\":"));
    clear();
    add(DAY + 90000, 4); // 3 is missing since 00:00:30
    strategy_settle(&s, DAY + 90000, &sink);
    cr_assert_eq(writes, 3, "the new 1m candle, the 5m one, and the 1m candle before");
    const struct shown_candle *c = shown_find(&s.shown[0], DAY);
    cr_assert_eq(c->coverage_e8, 48333333, "29 of 60 s"); // 00:00:00-00:00:01 is unproven, too
    clear();
    struct history h = {.kind = HISTORY_TRADES,
                        .from_id = 3,
                        .to_id = 3,
                        .from_ms = DAY + 30000,
                        .to_ms = DAY + 90000};
    strategy_on_history(&s, &h);
    strategy_settle(&s, DAY + 90000, &sink);
    cr_assert_eq(shown_find(&s.shown[0], DAY)->coverage_e8, 98333333);
    cr_assert_str_eq(events, "", "coverage alone is no revision");
}

Test(strategy, candles_that_fall_out_of_the_series_leave_redis)
{
    for (int64_t i = 0; i < CANDLE_KEEP + 10; i++) {
        add(DAY + i * MIN, i);
        strategy_settle(&s, DAY + i * MIN, &sink);
    }
    cr_assert_eq(gone, 10);
    cr_assert_eq(s.shown[0].n, CANDLE_KEEP);
    cr_assert_eq(s.shown[0].v[0].start_ms, DAY + 10 * MIN);
}

Test(strategy, a_restored_series_goes_on_as_if_nothing_had_happened)
{
    static char stored[2][64][1024];
    size_t n[2];
    an_hour_without_one();
    for (size_t tf = 0; tf < N_TF; tf++) {
        n[tf] = candle_series_count(s.series[tf]);
        for (size_t i = 0; i < n[tf]; i++) {
            struct buf b;
            buf_init(&b, 1024);
            candle_to_json(candle_series_at(s.series[tf], i), &ins, ins.bin_ticks, 100000000, &b);
            str_copy(stored[tf][i], sizeof stored[tf][i], buf_cstr(&b));
            buf_release(&b);
        }
    }
    struct strategy old = s;
    strategy_init(&s, &ins, 60000);
    s.ledger.newest_ms = old.ledger.newest_ms;
    for (size_t tf = 0; tf < N_TF; tf++) {
        for (size_t i = 0; i < n[tf]; i++) {
            struct err e;
            cr_assert_eq(strategy_restore_candle(&s, tf, stored[tf][i], strlen(stored[tf][i]), &e),
                         0, "%s", e.text);
        }
    }
    cr_assert_eq(shown_find(&s.shown[0], DAY)->coverage_e8, 100000000);
    int64_t from = strategy_begin_replay(&s);
    for (int64_t i = (from - DAY) / 1000; i < 3600; i++) {
        struct trade t = make(DAY + i * 1000, i);
        strategy_replay(&s, &t);
        strategy_replay(&s, &t);
    }
    strategy_end_replay(&s);
    cr_assert_eq(s.window.count, old.window.count);
    clear();
    strategy_settle(&s, DAY + 59 * MIN + 59000, &sink);
    cr_assert_str_eq(events, "", "nothing is told twice");
    for (size_t tf = 0; tf < N_TF; tf++) {
        cr_assert_eq(candle_series_count(s.series[tf]), n[tf]);
        cr_assert_eq(s.completed_ms[tf], old.completed_ms[tf]);
        for (size_t i = 0; i < n[tf]; i++) {
            struct buf b;
            buf_init(&b, 1024);
            candle_to_json(candle_series_at(s.series[tf], i), &ins, ins.bin_ticks, 100000000, &b);
            cr_assert_str_eq(buf_cstr(&b), stored[tf][i]);
            buf_release(&b);
        }
    }
    strategy_release(&old);
}

static char footprint[4096];
static void take(void *arg, const char *field, const char *v, size_t n)
{
    (void)arg;
    if (strcmp(field, "footprint") == 0) {
        str_copyn(footprint, sizeof footprint, v, n);
    }
}

Test(strategy, the_footprint_is_the_largest_bins_with_their_rank)
{
    for (int64_t i = 0; i < 7; i++) {
        add(DAY + i, i);
    }
    add(DAY + 8, 7); // id 7: price of id 0 again
    strategy_metrics(&s, take, NULL);
    cr_assert(str_starts(footprint, "[{\"price\":60000.0,\"volume\":2.000,\"buy_vol\":1.000,"
                                    "\"sell_vol\":1.000,\"rank\":1},{\"price\":60000.1,"));
}
