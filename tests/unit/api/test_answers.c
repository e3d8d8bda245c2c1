// Every endpoint's names and types, with a full snapshot and before any data, and the values of
// the ones that are worked out here.

#include "tests/support/tsv.h"
#include "tests/unit/api/fixture.h"

static const char *type_name(const json_t *j)
{
    switch (j ? (int)json_typeof(j) : -1) {
    case JSON_OBJECT:
        return "object";
    case JSON_ARRAY:
        return "array";
    case JSON_STRING:
        return "string";
    case JSON_INTEGER:
    case JSON_REAL:
        return "number";
    case JSON_TRUE:
    case JSON_FALSE:
        return "bool";
    case JSON_NULL:
        return "null";
    default:
        return "absent";
    }
}

static void check_shapes(struct rig *r, size_t column)
{
    struct tsv t;
    tsv_open(&t, "tests/fixtures/api/shapes.tsv");
    while (tsv_next(&t, 4)) {
        get(r, t.cell[0]);
        cr_assert_not_null(r->json, "%s: %s", t.cell[0], r->body);
        cr_expect_str_eq(type_name(at_path(r->json, t.cell[1])), t.cell[column], "%s %s", t.cell[0],
                         t.cell[1]);
        cr_expect_eq(r->status, strcmp(t.cell[0], "/ready") == 0 ? 503 : 200, "%s", t.cell[0]);
        cr_expect(has_line(r, "Content-Type: application/json"));
    }
}

Test(answers, have_every_name_of_the_contract)
{
    struct rig r;
    rig_init(&r);
    rig_fill(&r, "1");
    check_shapes(&r, 2);
    rig_release(&r);
}

Test(answers, are_null_before_any_data_never_zero)
{
    struct rig r;
    rig_init(&r);
    check_shapes(&r, 3);
    rig_release(&r);
}

Test(answers, about_a_simulated_market_say_so_everywhere)
{
    for (int simulated = 0; simulated < 2; simulated++) {
        struct rig r;
        rig_init(&r);
        rig_fill(&r, simulated ? "1" : "0");
        for (size_t i = 0; i < routes_n; i++) {
            if (route_is_page(&routes[i])) {
                continue;
            }
            ask_for(&r, routes[i].method, routes[i].path);
            cr_expect_eq(json_is_true(json_object_get(r.json, "simulated")), simulated == 1, "%s",
                         routes[i].path);
            cr_expect_eq(has_line(&r, "X-Simulated: true"), simulated == 1, "%s", routes[i].path);
        }
        rig_release(&r);
    }
}

Test(answers, pass_decimals_through_digit_by_digit)
{
    struct rig r;
    rig_init(&r);
    rig_fill(&r, "0");
    get(&r, "/levels");
    cr_expect_not_null(strstr(r.body, "\"VWAP\":61680.98215300,"));
    cr_expect_not_null(strstr(r.body, "\"upper\":61693.48215300,\"lower\":61668.48215300"));
    get(&r, "/strategy/candles?count=1");
    cr_expect_not_null(strstr(r.body, "\"open\":1.10,"), "%s", r.body);
    get(&r, "/debug/vwap");
    cr_expect_not_null(strstr(r.body, "\"sum_price_sq_qty\":9242600000000.12,"));
    rig_release(&r);
}

Test(answers, price_carries_time_and_plain_symbol)
{
    struct rig r;
    rig_init(&r);
    rig_fill(&r, "1");
    get(&r, "/price?symbol=binance:btcusdt");
    cr_expect_str_eq(str_at(&r, "symbol"), "BTCUSDT");
    cr_expect_str_eq(str_at(&r, "ts"), "2024-08-08T09:00:00.000+00:00");
    cr_expect_not_null(strstr(r.body, "\"price\":61640.1,"));
    get(&r, "/price?symbol=ETHUSDT");
    cr_expect_str_eq(str_at(&r, "symbol"), "ETHUSDT");
    cr_expect_str_eq(str_at(&r, "instrument"), "bybit:ETHUSDT");
    rig_release(&r);
}

Test(answers, quote_mode_shows_quote_vwap_of_both_days_and_no_bands)
{
    struct rig r;
    rig_init(&r);
    rig_fill(&r, "0");
    get(&r, "/context?vwap_mode=quote");
    cr_expect_not_null(strstr(r.body, "\"VWAP\":61681.12345678,"));
    cr_expect_not_null(strstr(r.body, "\"VWAPprev\":61555.99999999,"));
    cr_expect(json_is_null(at_path(r.json, "levels.bands[0].upper")));
    get(&r, "/context?vwap_mode=base");
    cr_expect_not_null(strstr(r.body, "\"VWAPprev\":61555.12345678,"));
    rig_release(&r);
}

Test(answers, profile_is_ascending_and_leaves_out_what_is_no_bin)
{
    struct rig r;
    rig_init(&r);
    rig_fill(&r, "0");
    get(&r, "/context?profile_rows=0");
    // "junk" has no price, and at 61650.0 buy and sell do not make the volume.
    cr_expect_not_null(
        strstr(r.body, "\"volume_profile\":["
                       "{\"price\":9999.9,\"volume\":0.001,\"buy_vol\":0.001,\"sell_vol\":0.000},"
                       "{\"price\":61640.0,\"volume\":33.100,\"buy_vol\":20.000,"
                       "\"sell_vol\":13.100},"
                       "{\"price\":61640.1,\"volume\":1.500,\"buy_vol\":1.000,\"sell_vol\":0.500},"
                       "{\"price\":61641.9,\"volume\":2.000,\"buy_vol\":0.000,\"sell_vol\":2.000}]"
                       ",\"profile_bin\":0.1"),
        "%s", r.body);
    get(&r, "/context?profile_rows=3");
    cr_expect_eq(json_array_size(json_object_get(r.json, "volume_profile")), 3);
    cr_expect_not_null(strstr(r.body, "{\"price\":61640.0,\"volume\":34.600,"));
    cr_expect_not_null(strstr(r.body, "\"profile_bin\":0.2"));
    rig_release(&r);
}

Test(answers, candles_are_the_newest_oldest_first)
{
    struct rig r;
    rig_init(&r);
    rig_fill(&r, "0");
    get(&r, "/strategy/candles?timeframe=1m&count=2");
    cr_expect_eq(json_integer_value(json_object_get(r.json, "count")), 2);
    cr_expect_str_eq(str_at(&r, "candles[0].timestamp"), "2024-08-08T08:59:00.000+00:00");
    cr_expect_str_eq(str_at(&r, "candles[1].timestamp"), "2024-08-08T09:00:00.000+00:00");
    cr_expect(json_is_true(at_path(r.json, "candles[0].complete")));
    cr_expect(json_is_false(at_path(r.json, "candles[1].complete")));
    cr_expect_str_eq(str_at(&r, "candles[1].timeframe"), "1m");
    // One of the four stored candles is broken text.
    get(&r, "/strategy/candles?timeframe=1m&count=1000");
    cr_expect_eq(json_array_size(json_object_get(r.json, "candles")), 3);
    cr_expect_eq(json_integer_value(json_object_get(r.json, "count")), 3);
    rig_release(&r);
}

Test(answers, poc_ranks_bins_by_volume)
{
    struct rig r;
    rig_init(&r);
    rig_fill(&r, "0");
    get(&r, "/debug/poc");
    cr_expect_eq(json_array_size(json_object_get(r.json, "top_bins")), 4);
    cr_expect_not_null(strstr(r.body, "\"top_bins\":[{\"rank\":1,\"price\":61640.0,"));
    cr_expect_not_null(strstr(r.body, "{\"rank\":2,\"price\":61641.9,"));
    cr_expect_not_null(strstr(r.body, "\"poc_volume\":33.100"));
    rig_release(&r);
}

Test(answers, rates_are_per_minute_whatever_the_window)
{
    struct rig r;
    rig_init(&r);
    rig_fill(&r, "0");
    get(&r, "/metrics"); // 120 trades in 30 s
    cr_expect_eq(json_integer_value(at_path(r.json, "trades.per_minute_count")), 240);
    cr_expect_eq(json_integer_value(json_object_get(r.json, "events_received")), 21313);
    rig_release(&r);
}

// strategy writes -1 before the first trade it saw arrive.
Test(answers, a_latency_that_nobody_measured_is_null)
{
    struct rig r;
    rig_init(&r);
    struct snap *s = full_snap(&r.ins[0], "0");
    snap_set_take(s, SEC_METRICS, HASH("_latency_p50_us", "-1", "_latency_p99_us", "-1"));
    store_publish_take(r.g.store, 0, s);
    get(&r, "/metrics");
    cr_expect(json_is_null(at_path(r.json, "latency_us.strategy_p50")), "%s", r.body);
    cr_expect(json_is_null(at_path(r.json, "latency_us.strategy_p99")));
    rig_release(&r);
}

Test(answers, coverage_tells_what_was_repaired_and_why_holes_are)
{
    struct rig r;
    rig_init(&r);
    rig_fill(&r, "0");
    rig_change(&r, 0, SEC_COVERAGE, "2024-08-08",
               "{\"day\":\"2024-08-08\",\"missing_ms\":30,\"partial_ms\":0,\"holes\":2,"
               "\"fraction\":0.70000000,\"spans\":["
               "{\"from_ms\":1723075200000,\"to_ms\":1723075200050,\"state\":\"complete\"},"
               "{\"from_ms\":1723075200050,\"to_ms\":1723075200060,\"state\":\"missing\",\"from_"
               "id\":5,\"to_id\":9},"
               "{\"from_ms\":1723075200060,\"to_ms\":1723075200080,\"state\":\"missing\"},"
               "{\"from_ms\":1723075200080,\"to_ms\":1723075200100,\"state\":\"complete\"}],\"_"
               "truncated\":false}");
    rig_change(&r, 0, SEC_COVERAGE, "_repaired",
               "[[1723075199900,1723075200000],[1723075200010,1723075200020],"
               "[1723075200045,1723075200085],[\"x\"],[7],[1723161600000,1723161600005]]");
    rig_change(&r, 0, SEC_COVERAGE, "_reasons",
               "[{\"from_id\":5,\"to_id\":9,\"from_ms\":1723075200050,\"to_ms\":1723075200060,"
               "\"kind\":\"lost\","
               "\"reason\":\"too \\\"old\\\"\"},"
               "{\"from_id\":9,\"to_id\":12,\"from_ms\":1723075200050,\"to_ms\":1723075200060,"
               "\"kind\":\"gap\","
               "\"reason\":\"later\"},"
               "{\"from_id\":-1,\"to_id\":-1,\"from_ms\":1723075200060,\"to_ms\":1723075200070,"
               "\"kind\":\"gap\","
               "\"reason\":\"no overlap\"}]");
    get(&r, "/coverage");
    json_t *spans = at_path(r.json, "coverage.spans");
    static const struct {
        int from, to;
        const char *state, *reason;
        bool lost;
    } want[] = {
        {0, 10, "complete", NULL, false},         {10, 20, "repaired", NULL, false},
        {20, 45, "complete", NULL, false},        {45, 50, "repaired", NULL, false},
        {50, 60, "missing", "too \"old\"", true}, {60, 80, "missing", "no overlap", false},
        {80, 85, "repaired", NULL, false},        {85, 100, "complete", NULL, false},
    };
    cr_assert_eq(json_array_size(spans), sizeof want / sizeof want[0], "%s", r.body);
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        const json_t *s = json_array_get(spans, i);
        cr_expect_eq(json_integer_value(json_object_get(s, "from_ms")), T0 + want[i].from);
        cr_expect_eq(json_integer_value(json_object_get(s, "to_ms")), T0 + want[i].to);
        cr_expect_str_eq(json_string_value(json_object_get(s, "state")), want[i].state);
        const char *reason = json_string_value(json_object_get(s, "reason"));
        cr_expect_str_eq(reason ? reason : "", want[i].reason ? want[i].reason : "");
        cr_expect_eq(json_is_true(json_object_get(s, "lost")), want[i].lost);
    }
    cr_expect_eq(json_integer_value(at_path(r.json, "coverage.repaired_ms")), 20);
    // Repairs of another day are not this day's affair.
    cr_expect(strstr(r.body, "\"repaired\":[[1723075200010,1723075200020],"
                             "[1723075200045,1723075200085]]"),
              "%s", r.body);
    rig_release(&r);
}

Test(answers, coverage_of_any_day_is_passed_through)
{
    struct rig r;
    rig_init(&r);
    rig_fill(&r, "0");
    get(&r, "/coverage?day=2024-08-07");
    cr_expect_str_eq(str_at(&r, "coverage.day"), "2024-08-07");
    get(&r, "/coverage");
    cr_expect_str_eq(str_at(&r, "coverage.day"), "2024-08-08");
    get(&r, "/coverage?day=2024-08-01");
    cr_expect_str_eq(str_at(&r, "day"), "2024-08-01");
    cr_expect(json_is_null(json_object_get(r.json, "coverage")));
    rig_release(&r);
}

Test(answers, what_redis_holds_can_not_break_the_json)
{
    static const char *const BAD[] = {"NaN",       "1,5",  "\"}]",    "1\"",      "0x10", "",
                                      "{\"a\":1}", "null", "1 2 3 4", "\xff\xfe", "-",    "1e"};
    struct rig r;
    rig_init(&r);
    for (size_t k = 0; k < sizeof BAD / sizeof BAD[0]; k++) {
        struct snap *full = full_snap(&r.ins[0], "1"), *bad = snap_copy(full);
        for (size_t sec = 0; sec < SEC_COUNT_; sec++) {
            size_t n = rhash_count(full->sec[sec]);
            struct slice kv[256];
            for (size_t i = 0; i < n; i++) {
                const struct rfield *f = rhash_at(full->sec[sec], i);
                kv[2 * i] = (struct slice){f->name, f->nlen};
                kv[2 * i + 1] = slice_of(BAD[k]);
            }
            snap_set_take(bad, (enum section)sec, rhash_new(kv, n));
        }
        snap_unref(full);
        store_publish_take(r.g.store, 0, bad);
        for (size_t i = 0; i < routes_n; i++) {
            if (route_is_page(&routes[i])) {
                continue;
            }
            ask_for(&r, routes[i].method, routes[i].path);
            cr_expect_not_null(r.json, "%s with %s: %s", routes[i].path, BAD[k], r.body);
        }
    }
    rig_release(&r);
}
