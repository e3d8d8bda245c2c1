// Liquidation clusters and the mark price as the gateway shows them.

#include "tests/unit/api/fixture.h"

Test(clusters, are_listed_by_price_with_their_shares)
{
    struct rig r;
    rig_init(&r);
    rig_fill(&r, "0");
    get(&r, "/liquidations/clusters");
    cr_expect_eq(json_array_size(json_object_get(r.json, "clusters")), 4);
    cr_expect_not_null(
        strstr(r.body, "{\"price_level\":61400,\"buy_liquidations\":1.000,\"sell_liquidations\":"
                       "0.500,\"total_liquidations\":1.500,\"ratio\":0.66666667}"),
        "%s", r.body);
    cr_expect(json_is_true(json_object_get(r.json, "lower_bound")));
    cr_expect_str_eq(str_at(&r, "price_kind"), "fill");
    cr_expect_str_eq(str_at(&r, "timestamp"), "2024-08-08T08:58:20.000+00:00");
    rig_release(&r);
}

// The price is 61640.1: in the cluster of 61600, which is neither.
Test(clusters, support_and_resistance_are_the_nearest_that_do_not_hold_the_price)
{
    struct rig r;
    rig_init(&r);
    rig_fill(&r, "0");
    get(&r, "/liquidations/support-resistance");
    cr_expect_eq(json_integer_value(at_path(r.json, "nearest_support.price_level")), 61500);
    cr_expect_eq(json_integer_value(at_path(r.json, "nearest_resistance.price_level")), 61700);
    rig_release(&r);
}

Test(clusters, of_a_day_before_the_newest_trade_are_not_shown)
{
    struct rig r;
    rig_init(&r);
    struct snap *s = full_snap(&r.ins[0], "0");
    snap_set_take(s, SEC_LIQ, HASH("day", "2024-08-07", "bin", "100", "61500", "0.500 0.000 1"));
    store_publish_take(r.g.store, 0, s);
    get(&r, "/liquidations/clusters");
    cr_expect_eq(json_array_size(json_object_get(r.json, "clusters")), 0);
    cr_expect(json_is_null(json_object_get(r.json, "nearest_support")));
    cr_expect_str_eq(str_at(&r, "day"), "2024-08-07");
    rig_release(&r);
}

Test(clusters, what_holds_something_unexpected_is_left_out)
{
    static const char *const bad[] = {"",       "1",       "1 1",   "1 1 0",    "0 0 1",
                                      "-1 1 1", "1 1 1 1", "x 1 1", "1e30 1 1", "9e13 9e13 1"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct rig r;
        rig_init(&r);
        struct snap *s = full_snap(&r.ins[0], "0");
        snap_set_take(s, SEC_LIQ,
                      HASH("day", "2024-08-08", "bin", "100", "61500", bad[i], "61400",
                           "1.000 0.000 1", "0x9", "1 1 1", "9e99", "1 1 1", "05", "1 1 1"));
        store_publish_take(r.g.store, 0, s);
        get(&r, "/liquidations/debug");
        cr_expect_eq(json_array_size(json_object_get(r.json, "clusters")), 1, "'%s': %s", bad[i],
                     r.body);
        rig_release(&r);
    }
}

Test(mark, passes_the_venues_digits_through)
{
    struct rig r;
    rig_init(&r);
    rig_fill(&r, "0");
    get(&r, "/mark");
    cr_expect_not_null(strstr(r.body, "\"mark\":61640.37858696,"));
    cr_expect_not_null(strstr(r.body, "\"funding_rate\":-0.00003936,"));
    cr_expect_not_null(strstr(r.body, "\"settle\":null,"));
    cr_expect_str_eq(str_at(&r, "next_funding"), "2024-08-08T16:00:00.000+00:00");
    get(&r, "/context");
    cr_expect_not_null(strstr(r.body, "\"mark\":{\"mark\":61640.37858696,"));
    rig_release(&r);
}
