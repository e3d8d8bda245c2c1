// WebSocket routes, subscriptions, message rate.

#include "services/exchange-sim/core/route.h"

#include <criterion/criterion.h>
#include <string.h>

#include "common/base/str.h"
#include "services/exchange-sim/core/wire_binance.h"

static struct market *small_market(void)
{
    static struct market m;
    memset(&m, 0, sizeof m);
    cr_assert_eq(market_add_lane(&m, "BTCUSDT"), 0);
    cr_assert_eq(market_add_lane(&m, "ETHUSDT"), 1);
    cr_assert_eq(market_add_lane(&m, "BTCUSDT"), 0);
    return &m;
}

Test(route, paths_are_told_apart)
{
    static const struct {
        const char *path;
        enum route route;
        bool combined;
        const char *streams;
    } rows[] = {
        {"/market/ws/btcusdt@aggTrade/ethusdt@aggTrade", ROUTE_MARKET, false,
         "btcusdt@aggTrade/ethusdt@aggTrade"},
        {"/market/ws", ROUTE_MARKET, false, ""},
        {"/market/ws/", ROUTE_MARKET, false, ""},
        {"/market/ws/0", ROUTE_MARKET, false, "0"},
        {"/market/stream", ROUTE_MARKET, true, ""},
        {"/public/ws/btcusdt@depth", ROUTE_PUBLIC, false, "btcusdt@depth"},
        {"/public/stream", ROUTE_PUBLIC, true, ""},
        {"/ws/btcusdt@aggTrade", ROUTE_RETIRED, false, "btcusdt@aggTrade"},
        {"/ws", ROUTE_RETIRED, false, ""},
        {"/stream", ROUTE_RETIRED, true, ""},
        {"/", ROUTE_NONE, false, ""},
        {"/market", ROUTE_NONE, false, ""},
        {"/market/wsx", ROUTE_NONE, false, ""},
        {"/private/ws", ROUTE_NONE, false, ""},
        {"/fapi/v1/time", ROUTE_NONE, false, ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct route_path r = route_parse(rows[i].path);
        cr_assert_eq(r.route, rows[i].route, "%s", rows[i].path);
        if (r.route != ROUTE_NONE) {
            cr_assert_eq(r.combined, rows[i].combined, "%s", rows[i].path);
            cr_assert_str_eq(r.streams, rows[i].streams, "%s", rows[i].path);
        }
    }
}

Test(route, a_stream_is_heard_on_its_own_route_alone)
{
    struct market *m = small_market();
    static const struct {
        const char *name;
        enum route route;
        enum sim_kind kind;
        uint8_t format;
    } rows[] = {
        {"btcusdt@aggTrade", ROUTE_MARKET, SIM_TRADE, BN_TRADE_AGG},
        {"btcusdt@trade", ROUTE_PUBLIC, SIM_TRADE, BN_TRADE_SINGLE},
        {"btcusdt@depth", ROUTE_PUBLIC, SIM_DEPTH, BN_DEPTH_250},
        {"btcusdt@depth@250ms", ROUTE_PUBLIC, SIM_DEPTH, BN_DEPTH_250},
        {"btcusdt@depth@0ms", ROUTE_PUBLIC, SIM_DEPTH, BN_DEPTH_0},
        {"btcusdt@depth@100ms", ROUTE_PUBLIC, SIM_DEPTH, BN_DEPTH_100},
        {"btcusdt@depth20@500ms", ROUTE_PUBLIC, SIM_DEPTH, 12},
        {"btcusdt@bookTicker", ROUTE_PUBLIC, SIM_TICKER, BN_TICKER_ONE},
        {"btcusdt@markPrice@1s", ROUTE_MARKET, SIM_MARK, BN_MARK_1S},
        {"btcusdt@markPrice", ROUTE_MARKET, SIM_MARK, BN_MARK_3S},
        {"btcusdt@forceOrder", ROUTE_MARKET, SIM_LIQUIDATION, BN_FORCE_ONE},
        {"btcusdt@kline_1m", ROUTE_MARKET, SIM_KLINE, 0},
        {"btcusdt@kline_1M", ROUTE_MARKET, SIM_KLINE, 14},
    };
    static const enum route routes[] = {ROUTE_MARKET, ROUTE_PUBLIC, ROUTE_RETIRED};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (size_t r = 0; r < 3; r++) {
            struct subs s;
            struct wire_key key = {0, rows[i].kind, rows[i].format};
            subs_init(&s, &wire_binance, routes[r], false);
            cr_assert(subs_add(&s, m, rows[i].name, strlen(rows[i].name)));
            cr_assert_eq(s.n, 1, "the wrong route keeps the name all the same");
            cr_assert_eq(subs_any(&s), routes[r] == rows[i].route, "%s", rows[i].name);
            cr_assert_eq(subs_wants(&s, key), routes[r] == rows[i].route, "%s", rows[i].name);
            subs_release(&s);
        }
    }
    struct subs s;
    subs_init(&s, &wire_binance, ROUTE_MARKET, false);
    cr_assert(subs_add_list(&s, m, "nosuch@aggTrade/btcusdt@kline_7m/btcusdt/@aggTrade/!x@arr"));
    cr_assert(!subs_any(&s));
    cr_assert(subs_add_list(&s, m, "!forceOrder@arr"));
    cr_assert(subs_wants(&s, (struct wire_key){WIRE_ALL_LANES, SIM_LIQUIDATION, BN_FORCE_ALL}));
    subs_release(&s);
}

Test(route, two_names_of_one_stream_are_left_one_by_one)
{
    struct market *m = small_market();
    struct subs s;
    struct wire_key key = {0, SIM_DEPTH, BN_DEPTH_250};
    subs_init(&s, &wire_binance, ROUTE_PUBLIC, true);
    cr_assert(subs_add_list(&s, m, "btcusdt@depth/btcusdt@depth@250ms"));
    subs_remove(&s, "btcusdt@depth", 13);
    cr_assert(subs_wants(&s, key));
    subs_remove(&s, "btcusdt@depth@250ms", 19);
    cr_assert(!subs_wants(&s, key));
    subs_release(&s);
}

Test(route, names_are_exact_and_unsubscribing_is_silent)
{
    struct market *m = small_market();
    struct subs s;
    subs_init(&s, &wire_binance, ROUTE_MARKET, false);
    cr_assert(subs_add(&s, m, "BTCUSDT@aggTrade", 16));
    cr_assert(!subs_any(&s), "upper case is no stream");
    cr_assert(subs_add(&s, m, "btcusdt@aggTrade", 16));
    cr_assert(subs_add(&s, m, "btcusdt@aggTrade", 16));
    cr_assert(subs_add(&s, m, "ethusdt@aggTrade", 16));
    cr_assert_eq(s.n, 3);
    subs_remove(&s, "btcusdt@aggTrade", 16);
    subs_remove(&s, "never@there", 11);
    cr_assert_eq(s.n, 2);
    cr_assert(!subs_wants(&s, (struct wire_key){0, SIM_TRADE, BN_TRADE_AGG}));
    cr_assert(subs_wants(&s, (struct wire_key){1, SIM_TRADE, BN_TRADE_AGG}));
    cr_assert_str_eq(s.at[1].name, "ethusdt@aggTrade");
    subs_release(&s);
}

Test(route, at_most_1024_streams)
{
    struct market *m = small_market();
    struct subs s;
    subs_init(&s, &wire_binance, ROUTE_MARKET, true);
    char name[STREAM_TEXT];
    for (int i = 0; i < 1024; i++) {
        str_fmt(name, sizeof name, "s%d@aggTrade", i);
        cr_assert(subs_add(&s, m, name, strlen(name)));
    }
    cr_assert(!subs_add(&s, m, "onemore@aggTrade", 16));
    cr_assert(subs_add(&s, m, name, strlen(name)), "one that is there already is fine");
    char longest[STREAM_TEXT + 1];
    memset(longest, 'x', sizeof longest);
    subs_remove(&s, name, strlen(name));
    cr_assert(!subs_add(&s, m, longest, STREAM_TEXT));
    cr_assert(!subs_add(&s, m, "", 0));
    cr_assert(subs_add(&s, m, longest, STREAM_TEXT - 1));
    subs_release(&s);
}

Test(route, ten_messages_in_any_second)
{
    struct rate_rule r = {.max = 10, .window_ms = 1000};
    for (int i = 0; i < 10; i++) {
        cr_assert(rate_rule_ok(&r, 5000 + i * 50));
    }
    cr_assert(!rate_rule_ok(&r, 5999));
    cr_assert(rate_rule_ok(&r, 6000), "the first one is a second old");
    cr_assert(!rate_rule_ok(&r, 6049));
    cr_assert(rate_rule_ok(&r, 6050));
}
