// The fields of :context and :coverage from trades given by hand; the metrics themselves are proven
// in the tests of common/market.

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "services/context/core/context.h"

#define DAY INT64_C(1723075200000) // 2024-08-08
#define HOUR INT64_C(3600000)

static struct context c;
static struct context_look look;
static struct instrument ins;
static struct buf json;

static void setup(void)
{
    cr_assert_eq(instrument_parse("BTCUSDT", 7, VENUE_BINANCE, &ins, NULL), 0);
    cr_assert_eq(instrument_set_units(&ins, "0.10", "0.001", -1, NULL), 0);
    context_init(&c, &ins);
    context_look_init(&look);
    buf_init(&json, 1 << 20);
}

static void teardown(void)
{
    context_release(&c);
    context_look_release(&look);
    buf_release(&json);
}

TestSuite(view, .init = setup, .fini = teardown);

static void trade(int64_t ts_ms, int64_t id, const char *price, const char *qty, enum side side)
{
    struct trade t = {.ts_ms = ts_ms, .id = id, .side = (uint8_t)side};
    cr_assert_eq(trade_set_numbers(&t, &ins, slice_of(price), slice_of(qty)), REFUSE_NONE);
    context_on_trade(&c, &t, ts_ms * 1000, false);
}

static char value[256];
static const char *wanted;
static int seen;

static void take(void *arg, const char *field, const char *v, size_t n)
{
    (void)arg;
    if (strcmp(field, wanted) == 0) {
        str_copyn(value, sizeof value, v, n);
        seen++;
    }
}

static const char *field(const char *name)
{
    wanted = name;
    seen = 0;
    context_look(&c, &look);
    context_fields(&c, &look, take, NULL);
    cr_assert_eq(seen, 1, "field %s is written %d times", name, seen);
    return value;
}

Test(view, without_a_trade_everything_is_unknown)
{
    static const char *const empty[] = {"day",     "prev_day", "price",  "price_ts_ms",
                                        "vwap",    "poc",      "vah",    "pdh",
                                        "or_high", "sigma",    "cd_pre", "coverage_today"};
    for (size_t i = 0; i < sizeof empty / sizeof empty[0]; i++) {
        cr_assert_str_eq(field(empty[i]), "", "%s", empty[i]);
    }
    cr_assert_str_eq(field("trades"), "0");
    cr_assert_str_eq(field("or_complete"), "0");
    cr_assert_str_eq(field("bin"), "0.1");
}

Test(view, a_trade_of_yesterday_republishes_yesterday)
{
    trade(DAY - HOUR, 1, "100.00", "1", SIDE_BUY);
    trade(DAY + HOUR, 3, "200.00", "1", SIDE_BUY);
    cr_assert_str_eq(field("day"), "2024-08-08");
    cr_assert_str_eq(field("prev_day"), "2024-08-07");
    cr_assert_str_eq(field("pdh"), "100.0");
    trade(DAY - 1, 2, "110.00", "3", SIDE_SELL);
    cr_assert_str_eq(field("pdh"), "110.0");
    cr_assert_str_eq(field("vwap_prev"), "107.50000000");
    cr_assert_str_eq(field("trades"), "1");
    cr_assert_str_eq(field("price"), "200.0");
}

Test(view, a_day_that_is_not_the_day_before_is_no_previous_day)
{
    trade(DAY - 3 * 24 * HOUR, 1, "100.00", "1", SIDE_BUY);
    trade(DAY, 2, "200.00", "1", SIDE_BUY);
    cr_assert_str_eq(field("prev_day"), "");
    cr_assert_str_eq(field("pdh"), "");
}

Test(view, the_opening_range_is_complete_when_passed_and_covered)
{
    trade(DAY, 1, "100.00", "1", SIDE_BUY);
    trade(DAY + 8 * HOUR, 2, "101.00", "1", SIDE_BUY);
    cr_assert_str_eq(field("coverage_or"), "");
    trade(DAY + OR_END_MS - 1, 3, "102.00", "1", SIDE_BUY);
    cr_assert_str_eq(field("or_complete"), "0");
    cr_assert_str_eq(field("coverage_or"), "1.00000000");
    trade(DAY + OR_END_MS, 4, "109.00", "1", SIDE_BUY);
    cr_assert_str_eq(field("or_complete"), "1");
    cr_assert_str_eq(field("or_high"), "102.0");
    cr_assert_str_eq(field("or_low"), "101.0");
}

Test(view, a_hole_in_the_opening_range_keeps_it_incomplete)
{
    trade(DAY, 1, "100.00", "1", SIDE_BUY);
    trade(DAY + 8 * HOUR + 60000, 2, "101.00", "1", SIDE_BUY);
    trade(DAY + 8 * HOUR + 120000, 4, "101.00", "1", SIDE_BUY); // 3 is missing for a minute of ten
    trade(DAY + 9 * HOUR, 5, "101.00", "1", SIDE_BUY);
    cr_assert_str_eq(field("or_complete"), "0");
    cr_assert_str_eq(field("coverage_or"), "0.90000000");
    cr_assert_str_eq(field("missing_ms_today"), "60000");
    struct history h = {.kind = HISTORY_TRADES,
                        .from_id = 3,
                        .to_id = 3,
                        .from_ms = DAY + 8 * HOUR + 60000,
                        .to_ms = DAY + 8 * HOUR + 120000,
                        .source = "rest"};
    context_on_history(&c, &h); // an id that does not count is held all the same
    cr_assert_str_eq(field("or_complete"), "1");
    cr_assert_str_eq(field("missing_ms_today"), "0");
    cr_assert_eq(c.holes.n_repaired, 1);
}

Test(view, only_repairs_by_others_than_the_live_feed_are_marked)
{
    struct history h = {.kind = HISTORY_TRADES, .from_id = 3, .to_id = 3, .source = "live"};
    context_on_history(&c, &h);
    cr_assert_eq(c.holes.n_repaired, 0);
    h.kind = HISTORY_GAP;
    context_on_history(&c, &h);
    cr_assert_eq(c.holes.n, 1);
}

Test(view, coverage_tells_every_span)
{
    trade(DAY + 1000, 7, "100.00", "1", SIDE_BUY);
    trade(DAY + 2000, 8, "100.00", "1", SIDE_BUY);
    trade(DAY + 4000, 10, "100.00", "1", SIDE_BUY);
    context_look(&c, &look);
    coverage_day_json(&look.cur, &json);
    cr_assert_str_eq(
        buf_cstr(&json),
        "{\"day\":\"2024-08-08\",\"judged_from_ms\":1723075200000,\"judged_to_ms\":1723075204000,"
        "\"missing_ms\":3000,\"partial_ms\":0,\"holes\":2,\"fraction\":0.25000000,\"spans\":["
        "{\"from_ms\":1723075200000,\"to_ms\":1723075201000,\"state\":\"missing\",\"from_id\":-1,"
        "\"to_id\":6},"
        "{\"from_ms\":1723075201000,\"to_ms\":1723075202000,\"state\":\"complete\"},"
        "{\"from_ms\":1723075202000,\"to_ms\":1723075204000,\"state\":\"missing\",\"from_id\":9,"
        "\"to_id\":9}],\"_truncated\":false}");
}

Test(view, the_clock_is_the_newest_trade_aged_since_it_was_received)
{
    cr_assert_eq(context_clock(&c, 0, 0), -1);
    trade(DAY, 1, "100.00", "1", SIDE_BUY); // received at DAY * 1000 us
    cr_assert_eq(context_clock(&c, (DAY + 5000) * 1000, 100), DAY + 5000);
    cr_assert_eq(context_clock(&c, 0, 350), DAY + 5250);
    trade(DAY + 10, 2, "100.00", "1", SIDE_BUY);
    cr_assert_eq(context_clock(&c, (DAY + 10) * 1000, 400), DAY + 5250, "it never runs back");
}
