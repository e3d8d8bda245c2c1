#include "common/market/candle.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"

#define T0 INT64_C(1795132800000) // a multiple of five minutes
#define MIN INT64_C(60000)
#define BIN 100

static struct candle_series *s;
static char events[4096];

static void up(void)
{
    s = candle_series_new(MIN, BIN);
}

static void down(void)
{
    candle_series_free(s);
}

TestSuite(candle, .init = up, .fini = down);

static void on_event(void *arg, enum candle_event ev, const struct candle *c)
{
    (void)arg;
    size_t n = strlen(events);
    snprintf(events + n, sizeof events - n, "%s%s %lld x%lld r%u", n ? ", " : "",
             ev == CANDLE_UPDATED     ? "updated"
             : ev == CANDLE_COMPLETED ? "completed"
                                      : "revised",
             (long long)((c->start_ms - T0) / MIN), (long long)c->trades, c->rev);
}

static const char *settle(int64_t watermark_ms)
{
    events[0] = '\0';
    candle_series_settle(s, watermark_ms, on_event, NULL);
    return events;
}

static struct trade trade(int64_t ts, int64_t id, int64_t price, int64_t qty, enum side side)
{
    return (struct trade){.ts_ms = ts, .id = id, .price = price, .qty = qty, .side = (uint8_t)side};
}

static int add(int64_t ts, int64_t id, int64_t price, int64_t qty, enum side side)
{
    struct trade t = trade(ts, id, price, qty, side);
    int64_t stale = -1;
    int rc = candle_series_add(s, &t, &stale);
    cr_assert(rc != 1 || stale == ts / MIN * MIN);
    return rc;
}

static const struct candle *at(int64_t minute)
{
    return candle_series_find(s, T0 + minute * MIN);
}

Test(candle, first_and_last_millisecond_belong_to_the_bucket)
{
    add(T0 - 1, 1, 1000, 1, SIDE_BUY);
    add(T0, 2, 2000, 1, SIDE_BUY);
    add(T0 + MIN - 1, 3, 3000, 1, SIDE_BUY);
    add(T0 + MIN, 4, 4000, 1, SIDE_BUY);
    settle(0);
    cr_assert_eq(candle_series_count(s), 3);
    cr_expect_eq(at(-1)->trades, 1);
    cr_expect(at(0)->open == 2000 && at(0)->close == 3000 && at(0)->trades == 2);
    cr_expect_eq(at(1)->open, 4000);
    cr_expect_null(at(2));
}

Test(candle, delta_runs_from_zero_in_set_order)
{
    add(T0 + 5, 5, 1000, 10, SIDE_SELL);
    add(T0 + 9, 9, 1000, 30, SIDE_BUY);
    settle(0);
    cr_expect(at(0)->min_delta == -10 && at(0)->max_delta == 20);
    add(T0 + 4, 4, 1200, 7, SIDE_BUY); // comes first in set order
    settle(0);
    cr_expect(at(0)->min_delta == -3 && at(0)->max_delta == 27, "%lld %lld",
              (long long)at(0)->min_delta, (long long)at(0)->max_delta);
    cr_expect_eq(at(0)->open, 1200);
    cr_expect_eq(at(0)->close, 1000);
    add(T0 + 9, 8, 1300, 1, SIDE_BUY); // the same millisecond, a lower id: not the close
    settle(0);
    cr_expect_eq(at(0)->close, 1000);
    cr_expect_eq(at(0)->high, 1300);
}

Test(candle, poc_ties_go_to_the_lower_bin)
{
    add(T0, 1, 5 * BIN, 10, SIDE_BUY);
    add(T0, 2, 9 * BIN, 10, SIDE_BUY);
    add(T0, 3, 3 * BIN + 99, 10, SIDE_BUY);
    cr_expect_eq(at(0)->poc_bin, 3);
    add(T0, 4, 9 * BIN, 1, SIDE_BUY);
    cr_expect_eq(at(0)->poc_bin, 9);
}

Test(candle, completes_once_and_in_order_a_quarter_second_after_its_end)
{
    add(T0, 1, 1000, 1, SIDE_BUY);
    cr_expect_str_eq(settle(T0 + MIN + 249), "updated 0 x1 r0");
    cr_expect_str_eq(settle(T0 + MIN + 249), "");
    cr_expect_str_eq(settle(T0 + MIN + 250), "completed 0 x1 r0");
    cr_expect_str_eq(settle(T0 + MIN + 999), "");
    add(T0 + 2 * MIN, 2, 1000, 1, SIDE_BUY);
    add(T0 + 4 * MIN, 3, 1000, 1, SIDE_BUY);
    cr_expect_str_eq(settle(T0 + 9 * MIN), "updated 2 x1 r0, updated 4 x1 r0, completed 2 x1 r0, "
                                           "completed 4 x1 r0");
}

Test(candle, a_late_trade_revises_what_was_complete)
{
    add(T0, 1, 1000, 1, SIDE_BUY);
    add(T0 + MIN, 3, 1000, 1, SIDE_BUY);
    settle(T0 + MIN + 250);
    add(T0 + 5, 2, 2000, 1, SIDE_SELL);
    cr_expect_str_eq(settle(T0 + MIN + 300), "revised 0 x2 r1");
    cr_expect_eq(at(0)->high, 2000);
    add(T0 + 5, 2, 2000, 1, SIDE_SELL); // a copy
    cr_expect_str_eq(settle(T0 + MIN + 300), "");
    // In order, but after completion: the grace was too short.
    add(T0 + MIN - 1, 4, 3000, 1, SIDE_SELL);
    cr_expect_str_eq(settle(T0 + MIN + 300), "revised 0 x3 r2");
}

Test(candle, a_bucket_born_behind_the_completed_ones_is_a_revision)
{
    add(T0, 1, 1000, 1, SIDE_BUY);
    add(T0 + 2 * MIN, 3, 1000, 1, SIDE_BUY);
    settle(T0 + 3 * MIN + 250);
    add(T0 + MIN, 2, 1000, 1, SIDE_BUY);
    cr_expect_str_eq(settle(T0 + 3 * MIN + 250), "revised 1 x1 r1");
    cr_expect(at(1)->complete);
    cr_expect_eq(candle_series_count(s), 3);
}

Test(candle, older_than_the_tape_is_the_owners_to_recompute)
{
    struct trade known[] = {
        trade(T0 + 1, 1, 1000, 5, SIDE_BUY),
        trade(T0 + 2, 2, 1100, 6, SIDE_SELL),
        trade(T0 + 3, 3, 1050, 7, SIDE_BUY),
    };
    int64_t start;
    add(T0 + 1, 1, 1000, 5, SIDE_BUY);
    add(T0 + 3, 3, 1050, 7, SIDE_BUY);
    settle(T0 + MIN);
    add(T0 + 20 * MIN - 1, 8, 1000, 1, SIDE_BUY); // the tape still begins at T0
    cr_expect_eq(candle_series_tape_from(s), T0);
    add(T0 + 20 * MIN, 9, 1000, 1, SIDE_BUY);
    cr_expect_eq(candle_series_tape_from(s), T0 + 5 * MIN);
    settle(T0 + 20 * MIN);
    cr_expect_eq(add(T0 + 2, 2, 1100, 6, SIDE_SELL), 1);
    cr_expect_eq(candle_series_stale(s, &start, 1), 1);
    cr_expect_eq(start, T0);
    cr_expect_eq(at(0)->trades, 2);
    cr_expect_str_eq(settle(T0 + 20 * MIN), "");
    cr_expect_eq(add(T0 + 2, 2, 1100, 6, SIDE_SELL), 1, "until it is replaced");
    cr_expect_eq(candle_series_stale(s, &start, 1), 1);
    cr_assert_eq(candle_series_replace(s, T0, known, 3), 0);
    cr_expect_eq(candle_series_stale(s, &start, 1), 0);
    cr_expect_str_eq(settle(T0 + 20 * MIN), "revised 0 x3 r1");
    cr_expect(at(0)->min_delta == -1 && at(0)->max_delta == 6 && at(0)->high == 1100);
    cr_assert_eq(candle_series_replace(s, T0, known, 3), 0);
    cr_expect_str_eq(settle(T0 + 20 * MIN), "", "the same again is no revision");
    cr_assert_eq(candle_series_replace(s, T0, NULL, 0), 0);
    cr_expect_null(at(0));
    // A bucket that had no candle: history tells it from its first trade on, in order or not.
    cr_expect_eq(add(T0 + MIN + 1, 5, 1000, 1, SIDE_BUY), 0);
    cr_expect_eq(add(T0 + MIN, 4, 1000, 1, SIDE_BUY), 1);
    struct trade one = trade(T0 + MIN, 4, 1000, 1, SIDE_BUY);
    cr_assert_eq(candle_series_replace(s, T0 + MIN, &one, 1), 0);
    cr_expect_str_eq(settle(T0 + 20 * MIN), "updated 1 x1 r0, completed 1 x1 r0");
}

Test(candle, history_fills_buckets_behind_live_ones_in_place)
{
    int64_t start;
    add(T0 + 60 * MIN, 9000, 1000, 1, SIDE_BUY);
    for (int64_t i = 0; i < 300; i++) { // three trades a minute, in order
        const int64_t ts = T0 + i * MIN / 3 + 7;
        cr_assert_eq(add(ts, i, 1000 + i % 7, 1 + i % 3, i % 2 == 0 ? SIDE_BUY : SIDE_SELL), 0);
        if (ts >= T0 + 40 * MIN) {
            break;
        }
        if (i % 50 == 0) {
            settle(T0 + 60 * MIN); // a state written in the middle of a bucket changes nothing
        }
    }
    settle(T0 + 60 * MIN);
    for (int64_t m = 0; m < 40; m++) {
        struct trade v[3];
        struct candle got = *at(m);
        for (int64_t k = 0; k < 3; k++) {
            const int64_t i = 3 * m + k;
            v[k] = trade(T0 + i * MIN / 3 + 7, i, 1000 + i % 7, 1 + i % 3,
                         i % 2 == 0 ? SIDE_BUY : SIDE_SELL);
        }
        cr_assert_eq(candle_series_replace(s, T0 + m * MIN, v, 3), 0);
        cr_assert_str_eq(settle(T0 + 60 * MIN), "", "minute %lld", (long long)m);
        cr_assert_eq(got.poc_bin, at(m)->poc_bin);
    }
    // What comes late into one that is done has to be recomputed by the owner.
    cr_expect_eq(add(T0 + 8, 1, 1000, 1, SIDE_BUY), 1);
    cr_expect_eq(candle_series_stale(s, &start, 1), 1);
    cr_expect_eq(start, T0);
}

Test(candle, a_bucket_that_left_for_lack_of_room_does_not_begin_anew)
{
    int64_t stale;
    for (int64_t m = 0; m < CANDLE_KEEP + 5; m++) {
        add(T0 + m * MIN, m, 1000, 1, SIDE_BUY);
    }
    cr_assert_eq(candle_series_replace(s, T0 + 100 * MIN, NULL, 0), 0); // there is room again
    struct trade t = trade(T0 + 2 * MIN + 9, 3, 1000, 1, SIDE_BUY);
    cr_expect_eq(candle_series_add(s, &t, &stale), 1);
}

Test(candle, a_dirty_bucket_is_recomputed_before_the_tape_leaves_it)
{
    add(T0 + 10, 2, 1000, 5, SIDE_BUY);
    add(T0 + MIN, 3, 1000, 5, SIDE_BUY);
    add(T0 + 5, 1, 1300, 5, SIDE_SELL); // dirty, not settled
    add(T0 + 60 * MIN, 9, 1000, 1, SIDE_BUY);
    settle(T0 + MIN);
    cr_expect_eq(at(0)->open, 1300);
    cr_expect_eq(at(0)->trades, 2);
}

static void feed_back(const struct trade *v, size_t n)
{
    int64_t stale;
    for (size_t i = 0; i < n; i++) {
        cr_assert_eq(candle_series_add(s, &v[i], &stale), 0);
    }
}

Test(candle, restart_counts_nothing_twice_and_reports_nothing_new)
{
    struct trade v[40];
    for (int64_t i = 0; i < 40; i++) {
        v[i] = trade(T0 + i * 30000, i, 1000 + i * BIN, 10, i % 3 ? SIDE_BUY : SIDE_SELL);
    }
    feed_back(v, 40);
    settle(v[39].ts_ms);
    struct candle kept[20];
    size_t n = candle_series_count(s);
    cr_assert_eq(n, 20);
    for (size_t i = 0; i < n; i++) {
        kept[i] = *candle_series_at(s, i);
    }
    for (int times = 0; times < 3; times++) {
        candle_series_free(s);
        s = candle_series_new(MIN, BIN);
        for (size_t i = n; i-- > 0;) {
            candle_series_restore(s, &kept[i]);
        }
        int64_t from = candle_tape_start(v[39].ts_ms);
        candle_series_set_tape_from(s, from);
        for (size_t i = 40; i-- > 0;) { // whatever the order; a copy does no harm
            if (v[i].ts_ms >= from) {
                feed_back(&v[i], 1);
                feed_back(&v[i], 1);
            }
        }
        cr_expect_str_eq(settle(v[39].ts_ms), "");
        for (size_t i = 0; i < n; i++) {
            cr_assert_eq(memcmp(candle_series_at(s, i), &kept[i], sizeof kept[i]), 0, "%zu", i);
        }
    }
    // The open bucket goes on where it was.
    add(v[39].ts_ms + 1, 40, 500, 1, SIDE_BUY);
    cr_expect_str_eq(settle(v[39].ts_ms + 1), "updated 19 x3 r0");
    // And a completed one knows that it was.
    add(v[36].ts_ms + 1, 41, 500, 1, SIDE_BUY);
    cr_expect_str_eq(settle(v[39].ts_ms + 1), "revised 18 x3 r1");
}

Test(candle, restored_without_read_back_is_stale_not_wrong)
{
    add(T0, 1, 1000, 5, SIDE_BUY);
    settle(T0);
    struct candle c = *at(0);
    candle_series_free(s);
    s = candle_series_new(MIN, BIN);
    candle_series_restore(s, &c);
    cr_expect_eq(add(T0 + 1, 2, 1000, 5, SIDE_BUY), 1);
    cr_expect_eq(at(0)->trades, 1);
    cr_expect_eq(add(T0 + MIN, 3, 1000, 5, SIDE_BUY), 0, "the next bucket is ours");
    struct trade v[] = {trade(T0, 1, 1000, 5, SIDE_BUY), trade(T0 + 1, 2, 1000, 5, SIDE_BUY)};
    cr_assert_eq(candle_series_replace(s, T0, v, 2), 0);
    cr_expect_eq(at(0)->trades, 2);
}

Test(candle, a_read_back_that_lacks_trades_keeps_what_was_stored)
{
    add(T0, 1, 1000, 5, SIDE_BUY);
    add(T0 + 1, 2, 1000, 5, SIDE_BUY);
    settle(T0);
    candle_series_set_tape_from(s, T0);
    add(T0 + 1, 2, 1000, 5, SIDE_BUY); // trade 1 was trimmed from the stream
    cr_expect_str_eq(settle(T0), "");
    cr_expect_eq(at(0)->trades, 2);
    cr_expect_eq(candle_series_tape_from(s), T0 + MIN);
    cr_expect_eq(add(T0 + 2, 3, 1000, 5, SIDE_BUY), 1);
}

Test(candle, a_replaced_open_bucket_goes_on_in_place)
{
    struct trade v[] = {trade(T0, 1, 1000, 5, SIDE_BUY), trade(T0 + 1, 2, 9000, 7, SIDE_BUY)};
    cr_assert_eq(candle_series_replace(s, T0, v, 2), 0);
    cr_expect_eq(add(T0 + 2, 3, 1000, 4, SIDE_BUY), 0);
    cr_expect_eq(at(0)->trades, 3);
    cr_expect_eq(at(0)->poc_bin, 10, "9 lots against 7: the volumes were kept");
}

Test(candle, keeps_the_newest_1500)
{
    for (int64_t i = 0; i < CANDLE_KEEP + 700; i++) {
        add(T0 + i * MIN, i, 1000, 1, SIDE_BUY);
    }
    settle(T0);
    cr_expect_eq(candle_series_count(s), CANDLE_KEEP);
    cr_expect_eq(candle_series_at(s, 0)->start_ms, T0 + 700 * MIN);
    cr_expect_eq(add(T0 + 699 * MIN, 9999, 1000, 1, SIDE_BUY), 0, "nobody's concern any more");
    cr_expect_eq(candle_series_stale(s, NULL, 0), 0);
    struct trade t = trade(T0 + 699 * MIN, 9999, 1000, 1, SIDE_BUY);
    cr_expect_eq(candle_series_replace(s, T0 + 699 * MIN, &t, 1), 0);
    cr_expect_eq(candle_series_count(s), CANDLE_KEEP);
    cr_expect_eq(candle_series_at(s, 0)->start_ms, T0 + 700 * MIN);
}

Test(candle, volume_that_does_not_fit_changes_nothing)
{
    add(T0, 1, 1000, INT64_MAX - 1, SIDE_BUY);
    cr_expect_eq(add(T0 + 1, 2, 1000, 2, SIDE_SELL), ERR_OVERFLOW);
    cr_expect(at(0)->trades == 1 && at(0)->sell == 0);
}

static struct instrument units(void)
{
    struct instrument ins;
    cr_assert_eq(instrument_parse("BTCUSDT", 7, VENUE_BINANCE, &ins, NULL), 0);
    cr_assert_eq(instrument_set_units(&ins, "0.10", "0.001", -1, NULL), 0);
    return ins;
}

static const char stored[] =
    "{\"timestamp\":1795132800000,\"open\":61640.0,\"high\":61641.25,\"low\":61640.0,"
    "\"close\":61641.25,\"volume\":2.500,\"buy_volume\":1.000,\"sell_volume\":1.500,"
    "\"delta\":-0.500,\"min_delta\":-1.500,\"max_delta\":0.000,\"trades\":2,"
    "\"vwap\":61640.50000000,\"poc\":61640.0,\"sum_pq\":\"154101.25\","
    "\"first\":\"1795132800005-7\",\"last\":\"1795132800006-8\","
    "\"_coverage\":0.50000000,\"_complete\":false,\"_rev\":0}";

Test(candle, json_is_exact_and_comes_back)
{
    struct instrument ins = units();
    struct buf out;
    struct candle c;
    struct err e;
    buf_init(&out, 4096);
    add(T0 + 5, 7, 61640000, 150000, SIDE_SELL);
    add(T0 + 6, 8, 61641250, 100000, SIDE_BUY);
    candle_to_json(at(0), &ins, BIN, 50000000, &out);
    cr_expect_str_eq(buf_cstr(&out), stored);
    cr_assert_eq(candle_from_json(&c, &ins, BIN, stored, strlen(stored), &e), 0, "%s", e.text);
    buf_clear(&out);
    candle_to_json(&c, &ins, BIN, 50000000, &out);
    cr_expect_str_eq(buf_cstr(&out), stored);
    c.complete = true;
    c.rev = 3;
    buf_clear(&out);
    candle_to_json(&c, &ins, BIN, -1, &out);
    const char *tail = strstr(buf_cstr(&out), ",\"_coverage\"");
    cr_expect_str_eq(tail, ",\"_coverage\":null,\"_complete\":true,\"_rev\":3}");
    cr_assert_eq(candle_from_json(&c, &ins, BIN, buf_ptr(&out), buf_len(&out), &e), 0);
    cr_expect(c.complete && c.rev == 3);
    buf_release(&out);
}

Test(candle, json_that_can_not_be_is_refused)
{
    static const char *const change[][2] = {
        {"\"open\":61640.0", "\"open\":61639.9"},
        {"\"open\":61640.0", "\"open\":null"},
        {"\"open\":61640.0", "\"open\":[61640.0]"},
        {"\"open\":61640.0", "\"open\":{}"},
        {"\"open\":61640.0,", ""},
        {"\"open\":61640.0,", "\"open\":61640.0,\"open\":61640.0,"},
        {"\"high\":61641.25", "\"high\":61641.24"},
        {"\"volume\":2.500", "\"volume\":2.501"},
        {"\"buy_volume\":1.000", "\"buy_volume\":-1.000"},
        {"\"delta\":-0.500", "\"delta\":0.500"},
        {"\"min_delta\":-1.500", "\"min_delta\":0.100"},
        {"\"trades\":2", "\"trades\":0"},
        {"\"trades\":2", "\"trades\":2.5"},
        {"\"poc\":61640.0", "\"poc\":61640.05"},
        {"\"poc\":61640.0", "\"poc\":61650.0"},
        {"154101.25", "1"},
        {"154101.25", "15410100.25"},
        {"005-7", "007-7"},
        {"005-7", "0057"},
        {"005-7", "000-x"},
        {"false", "0"},
        {"\"_rev\":0}", "\"_rev\":0"},
        {"\"_rev\":0}", "\"_rev\":0},"},
        {"\"_rev\":0}", "\"_rev\":0}x"},
        {"\"_rev\":0}", "\"_rev\":-1}"},
        {"\"_rev\":0}", "\"_rev\":4294967296}"},
        {"{\"timestamp\"", "\"timestamp\""},
        {"\"timestamp\":1795132800000", "\"timestamp\":1795132800006"},
        {"\"timestamp\":1795132800000", "\"timestamp\":\"a\\\"b\""},
    };
    struct instrument ins = units();
    for (size_t i = 0; i < sizeof change / sizeof change[0]; i++) {
        char text[1024];
        struct candle c;
        struct err e;
        const char *p = strstr(stored, change[i][0]);
        cr_assert_not_null(p, "%s", change[i][0]);
        snprintf(text, sizeof text, "%.*s%s%s", (int)(p - stored), stored, change[i][1],
                 p + strlen(change[i][0]));
        cr_expect_lt(candle_from_json(&c, &ins, BIN, text, strlen(text), &e), 0, "%s for %s",
                     change[i][1], change[i][0]);
    }
    // Cut anywhere it is refused too, without a byte read behind the end.
    for (size_t n = 0; n < strlen(stored); n++) {
        struct candle c;
        char *cut = malloc(n + 1);
        memcpy(cut, stored, n);
        cr_expect_lt(candle_from_json(&c, &ins, BIN, cut, n, NULL), 0, "%zu bytes", n);
        free(cut);
    }
}
