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

Test(route, only_the_market_route_carries_trades)
{
    struct market *m = small_market();
    static const enum route routes[] = {ROUTE_MARKET, ROUTE_PUBLIC, ROUTE_RETIRED};
    for (size_t i = 0; i < 3; i++) {
        struct subs s;
        subs_init(&s, &wire_binance, routes[i], false);
        cr_assert(subs_add_list(&s, m, "btcusdt@aggTrade/nosuch@aggTrade/btcusdt@depth"));
        cr_assert_eq(s.n, 3, "the wrong route keeps the names all the same");
        cr_assert_eq(subs_any(&s), routes[i] == ROUTE_MARKET);
        cr_assert(!subs_wants(&s, (struct wire_key){1, SIM_TRADE, BN_TRADE_AGG}));
        subs_release(&s);
    }
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
