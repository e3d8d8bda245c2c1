// Session, precision, readiness and the trading gate.

#include "tests/unit/api/fixture.h"

// The context hash with one field changed.
static void republish(struct rig *r, enum section sec, const char *field, const char *value)
{
    rig_change(r, 0, sec, field, value);
}

// trading_enabled of the answer; what holds it back is named exactly when it is.
static bool enabled_told(const struct rig *r)
{
    const bool yes = json_is_true(json_object_get(r->json, "trading_enabled"));
    cr_expect_eq(json_array_size(json_object_get(r->json, "trading_blocked_by")) == 0, yes, "%s",
                 r->body);
    return yes;
}

static bool enabled(struct rig *r)
{
    get(r, "/health");
    return enabled_told(r);
}

Test(gate, health_is_ok_whatever_is_down)
{
    struct rig r;
    rig_init(&r);
    get(&r, "/health");
    cr_expect_eq(r.status, 200);
    cr_expect_str_eq(str_at(&r, "status"), "ok");
    cr_expect_str_eq(str_at(&r, "backfill_status"), "idle");
    cr_expect(strstr(r.body, "\"trading_blocked_by\":[\"redis\",\"backfill\",\"session\",\"feed\","
                             "\"missing trades\"]"),
              "%s", r.body);
    rig_release(&r);
}

Test(gate, session_follows_the_instrument_clock_to_the_millisecond)
{
    static const struct {
        int64_t ms;
        const char *state, *strategy;
        bool active;
    } AT[] = {
        {8 * HOUR - 1, "off", "waiting_for_session", false},
        {8 * HOUR, "london", "london", true},
        {12 * HOUR - 1, "london", "london", true},
        {12 * HOUR, "off", "waiting_for_session", false},
        {13 * HOUR, "overlap", "overlap", true},
        {17 * HOUR - 1, "overlap", "overlap", true},
        {17 * HOUR, "off", "waiting_for_session", false},
    };
    for (size_t i = 0; i < sizeof AT / sizeof AT[0]; i++) {
        struct rig r;
        rig_init(&r);
        store_clock_seen(r.g.store, 0, T0 + AT[i].ms, r.fake.mono_ms);
        get(&r, "/health");
        cr_expect_str_eq(str_at(&r, "session"), AT[i].state);
        cr_expect_eq(json_is_true(json_object_get(r.json, "is_trading_active")), AT[i].active);
        get(&r, "/context");
        cr_expect_str_eq(str_at(&r, "session.state"), AT[i].state);
        get(&r, "/strategy/status");
        cr_expect_str_eq(str_at(&r, "scheduler_state.current_session"), AT[i].strategy);
        rig_release(&r);
    }
}

Test(gate, the_clock_runs_on_between_trades)
{
    struct rig r;
    rig_init(&r);
    rig_fill(&r, "0");
    r.fake.mono_ms += 3 * HOUR - 1500; // 11:59:58.500
    get(&r, "/context");
    cr_expect_str_eq(str_at(&r, "session.nowUtc"), "2024-08-08T11:59:58.500+00:00");
    cr_expect_eq(json_integer_value(at_path(r.json, "session_info.time_to_change_seconds")), 2);
    get(&r, "/strategy/status");
    cr_expect_eq(json_integer_value(at_path(r.json, "scheduler_state.time_to_change_seconds")), 2);
    cr_expect_str_eq(str_at(&r, "scheduler_state.next_session"), "overlap");
    r.fake.mono_ms += 1500;
    get(&r, "/context");
    cr_expect_str_eq(str_at(&r, "session.state"), "off");
    rig_release(&r);
}

Test(gate, each_symbol_has_its_own_clock)
{
    struct rig r;
    rig_init(&r);
    rig_fill(&r, "0");
    store_clock_seen(r.g.store, 1, T0 + 14 * HOUR, r.fake.mono_ms);
    get(&r, "/health?symbol=ETHUSDT");
    cr_expect_str_eq(str_at(&r, "session"), "overlap");
    get(&r, "/health");
    cr_expect_str_eq(str_at(&r, "session"), "london");
    rig_release(&r);
}

Test(gate, precision_states_the_missing_seconds)
{
    struct rig r;
    rig_init(&r);
    rig_fill(&r, "0");
    get(&r, "/health");
    cr_expect_str_eq(str_at(&r, "metrics_precision"), "IMPRECISE (2 s missing)"); // 1001 ms
    republish(&r, SEC_CONTEXT, "missing_ms_today", "1");
    get(&r, "/health");
    cr_expect_str_eq(str_at(&r, "metrics_precision"), "IMPRECISE (1 s missing)");
    republish(&r, SEC_CONTEXT, "missing_ms_today", "0");
    get(&r, "/strategy/metrics");
    cr_expect_str_eq(str_at(&r, "metrics_precision"), "PRECISE");
    cr_expect_null(at_path(r.json, "metrics.warning"));
    republish(&r, SEC_CONTEXT, "missing_ms_today", "");
    get(&r, "/health");
    cr_expect(json_is_null(json_object_get(r.json, "metrics_precision")));
    rig_release(&r);
}

Test(gate, trading_waits_for_backfill_unless_it_is_switched_off)
{
    struct rig r;
    rig_init(&r);
    rig_fill(&r, "0");
    republish(&r, SEC_CONTEXT, "missing_ms_today", "0");
    cr_expect_not(enabled(&r));
    r.g.backfill_off = true;
    cr_expect(enabled(&r));
    cr_expect_str_eq(str_at(&r, "backfill_status"), "disabled");
    rig_release(&r);
}

Test(gate, backfill_says_how_far_it_is_and_opens_the_gate_when_complete)
{
    struct rig r;
    rig_init(&r);
    rig_fill(&r, "0");
    republish(&r, SEC_BACKFILL, "status", "in_progress");
    republish(&r, SEC_BACKFILL, "percentage", "42");
    republish(&r, SEC_BACKFILL, "current", "420");
    republish(&r, SEC_BACKFILL, "total", "1000");
    republish(&r, SEC_BACKFILL, "estimated_seconds_remaining", "");
    get(&r, "/health");
    cr_expect_str_eq(str_at(&r, "metrics_precision"), "IMPRECISE (backfill 42%)");
    cr_expect_str_eq(str_at(&r, "backfill_status"), "in_progress");
    cr_expect_eq(json_integer_value(at_path(r.json, "backfill_progress.percentage")), 42);
    cr_expect(json_is_null(at_path(r.json, "backfill_progress.estimated_seconds_remaining")));
    get(&r, "/backfill/status");
    cr_expect(json_is_true(json_object_get(r.json, "running")));
    cr_expect_eq(json_integer_value(at_path(r.json, "progress.current")), 420);
    cr_expect_null(json_object_get(r.json, "error"));
    cr_expect_not(enabled(&r));
    republish(&r, SEC_BACKFILL, "status", "error");
    republish(&r, SEC_BACKFILL, "error", "no progress for 180 s: HTTP 451");
    republish(&r, SEC_BACKFILL, "breaker_state", "open");
    republish(&r, SEC_BACKFILL, "breaker_cooldown_until_ms", "1723107600000");
    republish(&r, SEC_BACKFILL, "throttle", "4");
    get(&r, "/backfill/status");
    cr_expect_str_eq(str_at(&r, "error"), "no progress for 180 s: HTTP 451");
    cr_expect_str_eq(str_at(&r, "breaker.state"), "open");
    cr_expect_str_eq(str_at(&r, "breaker.cooldown_until"), "2024-08-08T09:00:00.000+00:00");
    cr_expect_eq(json_integer_value(at_path(r.json, "breaker.throttle")), 4);
    cr_expect_not(enabled(&r));
    republish(&r, SEC_BACKFILL, "status", "complete");
    cr_expect_not(enabled(&r), "a part of the day is missing still");
    republish(&r, SEC_CONTEXT, "missing_ms_today", "0");
    cr_expect(enabled(&r));
    get(&r, "/health");
    cr_expect_str_eq(str_at(&r, "metrics_precision"), "PRECISE");
    republish(&r, SEC_BACKFILL, "status", "nonsense");
    get(&r, "/health");
    cr_expect_str_eq(str_at(&r, "backfill_status"), "idle");
    republish(&r, SEC_BACKFILL, "status", "skipped");
    cr_expect(enabled(&r));
    rig_release(&r);
}

Test(gate, trading_needs_session_feed_redis_and_no_hole)
{
    struct rig r;
    rig_init(&r);
    rig_fill(&r, "0");
    r.g.backfill_off = true;
    // 1001 ms are missing, all before the first trade: with backfill off they do not count.
    cr_expect(enabled(&r));
    republish(&r, SEC_CONTEXT, "missing_ms_today", "1002");
    cr_expect_not(enabled(&r));
    r.g.max_missing_sec = 1;
    cr_expect(enabled(&r));
    republish(&r, SEC_CONTEXT, "missing_ms_today", "2002");
    cr_expect_not(enabled(&r));
    republish(&r, SEC_CONTEXT, "missing_ms_today", "2001");
    cr_expect(enabled(&r));
    republish(&r, SEC_FEED, "binance:BTCUSDT.silent", "1");
    cr_expect_not(enabled(&r));
    republish(&r, SEC_FEED, "binance:BTCUSDT.silent", "0");
    republish(&r, SEC_FEED, "binance:BTCUSDT.trades_connected", "0");
    cr_expect_not(enabled(&r));
    republish(&r, SEC_FEED, "binance:BTCUSDT.trades_connected", "1");
    cr_expect(enabled(&r));
    republish(&r, SEC_FEED, "binance:BTCUSDT.depth_state", "syncing");
    cr_expect_not(enabled(&r), "a book that is not proven");
    republish(&r, SEC_FEED, "binance:BTCUSDT.depth_state", "live");
    republish(&r, SEC_FEED, "binance:BTCUSDT.depth_silent", "1");
    cr_expect_not(enabled(&r), "a book past its deadline");
    republish(&r, SEC_FEED, "binance:BTCUSDT.depth_silent", "0");
    republish(&r, SEC_FEED, "binance:BTCUSDT.depth_connected", "0");
    cr_expect_not(enabled(&r));
    republish(&r, SEC_FEED, "binance:BTCUSDT.depth_state", "");
    cr_expect(enabled(&r), "nobody follows the book");
    republish(&r, SEC_FEED, "binance:BTCUSDT.depth_state", "live");
    republish(&r, SEC_FEED, "binance:BTCUSDT.depth_connected", "1");
    cr_expect(enabled(&r));
    store_set_redis_up(r.g.store, false);
    cr_expect_not(enabled(&r));
    store_set_redis_up(r.g.store, true);
    r.fake.mono_ms += 3 * HOUR; // 12:00
    cr_expect_not(enabled(&r));
    rig_release(&r);
}

static bool enabled_of(struct rig *r, const char *symbol)
{
    char path[64];
    (void)str_fmt(path, sizeof path, "/health?symbol=%s", symbol);
    get(r, path);
    return enabled_told(r);
}

Test(gate, holes_of_a_venue_that_numbers_no_trades_are_allowed_for)
{
    struct rig r;
    rig_init(&r);
    rig_fill(&r, "0");
    // The second instrument: 300 s before its first trade, 300 s since.
    store_publish_take(r.g.store, 1, full_snap(&r.ins[1], "0"));
    store_clock_seen(r.g.store, 1, T0 + 9 * HOUR, r.fake.mono_ms);
    rig_change(&r, 1, SEC_FEED, "bybit:ETHUSDT.trades_connected", "1");
    rig_change(&r, 1, SEC_FEED, "bybit:ETHUSDT.silent", "0");
    rig_change(&r, 1, SEC_CONTEXT, "missing_ms_today", "600000");
    rig_change(&r, 1, SEC_COVERAGE, "2024-08-08",
               "{\"spans\":[{\"from_ms\":1723075200000,\"to_ms\":1723075300000,"
               "\"state\":\"missing\"},{\"from_ms\":1723075300000,\"to_ms\":1723075301000,"
               "\"state\":\"partial\"},{\"from_ms\":1723075301000,\"to_ms\":1723075500000,"
               "\"state\":\"missing\"}]}");
    r.g.backfill_off = true;
    r.g.max_missing_sec = -1; // by venue
    cr_expect(enabled(&r));
    cr_expect(enabled_of(&r, "bybit:ETHUSDT"), "%s", r.body);
    cr_expect_str_eq(str_at(&r, "metrics_precision"), "IMPRECISE (600 s missing)");
    rig_change(&r, 1, SEC_CONTEXT, "missing_ms_today", "600001");
    cr_expect_not(enabled_of(&r, "bybit:ETHUSDT"));
    r.g.max_missing_sec = 301;
    cr_expect(enabled_of(&r, "bybit:ETHUSDT"));
    r.g.max_missing_sec = 0;
    cr_expect_not(enabled_of(&r, "bybit:ETHUSDT"));
    rig_release(&r);
}

Test(gate, what_nobody_has_of_the_time_before_the_live_feed_holds_nothing_back)
{
    struct rig r;
    rig_init(&r);
    rig_fill(&r, "0");
    store_publish_take(r.g.store, 1, full_snap(&r.ins[1], "0"));
    store_clock_seen(r.g.store, 1, T0 + 9 * HOUR, r.fake.mono_ms);
    rig_change(&r, 1, SEC_FEED, "bybit:ETHUSDT.trades_connected", "1");
    rig_change(&r, 1, SEC_FEED, "bybit:ETHUSDT.silent", "0");
    // A recording holds a second of it; the second hole reaches 99,999 ms behind the first trade.
    rig_change(&r, 1, SEC_CONTEXT, "missing_ms_today", "299000");
    rig_change(&r, 1, SEC_COVERAGE, "2024-08-08",
               "{\"spans\":[{\"from_ms\":1723075200000,\"to_ms\":1723075300000,"
               "\"state\":\"missing\"},{\"from_ms\":1723075300000,\"to_ms\":1723075301000,"
               "\"state\":\"complete\"},{\"from_ms\":1723075301000,\"to_ms\":1723075500000,"
               "\"state\":\"missing\"}]}");
    rig_change(&r, 1, SEC_BACKFILL, "status", "complete");
    rig_change(&r, 1, SEC_BACKFILL, "_live", "1723075400000");
    r.g.max_missing_sec = 100;
    cr_expect(enabled_of(&r, "bybit:ETHUSDT"), "%s", r.body);
    r.g.max_missing_sec = 99;
    cr_expect_not(enabled_of(&r, "bybit:ETHUSDT"));
    // A feed of the day before: a hole at midnight is one of the feed.
    rig_change(&r, 1, SEC_BACKFILL, "_live", "1723075100000");
    r.g.max_missing_sec = 298;
    cr_expect_not(enabled_of(&r, "bybit:ETHUSDT"));
    r.g.max_missing_sec = 299;
    cr_expect(enabled_of(&r, "bybit:ETHUSDT"), "%s", r.body);
    rig_release(&r);
}

Test(gate, ready_names_what_is_not)
{
    struct rig r;
    rig_init(&r);
    get(&r, "/ready");
    cr_expect_eq(r.status, 503);
    cr_expect_str_eq(str_at(&r, "status"), "redis is down");
    rig_fill(&r, "0");
    get(&r, "/ready?symbol=BTCUSDT");
    cr_expect_eq(r.status, 200, "%s", r.body);
    cr_expect_str_eq(str_at(&r, "status"), "ok");
    get(&r, "/ready"); // the second instrument has no collector
    cr_expect_eq(r.status, 503);
    cr_expect_str_eq(str_at(&r, "status"), "no collector reports bybit:ETHUSDT");
    republish(&r, SEC_FEED, "binance:BTCUSDT.silent", "true");
    get(&r, "/ready");
    cr_expect_str_eq(str_at(&r, "status"), "feed of binance:BTCUSDT is silent");
    republish(&r, SEC_FEED, "binance:BTCUSDT.trades_connected", "false");
    get(&r, "/ready");
    cr_expect_str_eq(str_at(&r, "status"), "feed of binance:BTCUSDT is not connected");
    get(&r, "/ready?scope=self");
    cr_expect_eq(r.status, 200);
    cr_expect_str_eq(str_at(&r, "status"), "ok");
    store_set_redis_up(r.g.store, false);
    get(&r, "/ready?scope=self");
    cr_expect_eq(r.status, 200);
    rig_release(&r);
}
