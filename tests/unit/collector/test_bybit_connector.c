// Bybit in the table of connectors: what its links carry and how they ask for it.

#include <criterion/criterion.h>
#include <stdio.h>

#include "common/feed/bybit.h"
#include "services/collector/core/connector.h"

static struct instrument contract(const char *symbol)
{
    struct instrument ins;
    cr_assert_eq(instrument_parse(symbol, strlen(symbol), VENUE_BYBIT, &ins, NULL), 0);
    return ins;
}

Test(connector_bybit, one_socket_carries_all_topics_and_asks_per_instrument)
{
    const struct instrument ins[2] = {contract("BTCUSDT"), contract("ETHUSDT")};
    const struct feed_wants w = {.ws_base = "wss://stream.bybit.com",
                                 .streams = STREAM_BIT(STREAM_KINDS) - 1,
                                 .depth_levels = 50,
                                 .max_streams = 200};
    static struct link_plan plan[4];
    struct buf b;
    struct err e = {0};
    buf_init(&b, 4096);
    cr_assert_eq(connector_bybit.links(&w, ins, 2, plan, 4, &e), 1);
    cr_expect_str_eq(plan[0].url, "wss://stream.bybit.com/v5/public/linear");
    cr_expect_eq(plan[0].n, 2);
    cr_assert(connector_bybit.subscribe(&plan[0], &w, ins, 0, &b));
    cr_expect_str_eq(buf_cstr(&b),
                     "{\"req_id\":\"0\",\"op\":\"subscribe\",\"args\":[\"publicTrade.BTCUSDT\","
                     "\"orderbook.50.BTCUSDT\",\"allLiquidation.BTCUSDT\",\"tickers.BTCUSDT\"]}");
    buf_clear(&b);
    cr_assert(connector_bybit.subscribe(&plan[0], &w, ins, 1, &b));
    buf_clear(&b);
    cr_expect_not(connector_bybit.subscribe(&plan[0], &w, ins, 2, &b));
    connector_bybit.heartbeat(1, &b);
    cr_expect_str_eq(buf_cstr(&b), "{\"req_id\":\"100001\",\"op\":\"ping\"}");
    cr_expect_eq(connector_bybit.heartbeat_ms, 20000);
    buf_release(&b);
}

Test(connector_bybit, no_connection_asks_for_more_than_the_venue_takes)
{
    static struct instrument ins[200];
    static struct link_plan plan[64];
    struct feed_wants w = {.ws_base = "wss://x",
                           .streams = STREAM_BIT(STREAM_TRADES) | STREAM_BIT(STREAM_BOOK),
                           .depth_levels = 1000,
                           .max_streams = 100};
    struct err e = {0};
    for (int i = 0; i < 200; i++) {
        char name[40];
        snprintf(name, sizeof name, "LONGNAMEOFACONTRACT%06dUSDT", i);
        ins[i] = contract(name);
    }
    const int n = connector_bybit.links(&w, ins, 200, plan, 64, &e);
    cr_expect_eq(n, 4, "100 streams a socket, two each: %d", n);
    w.max_streams = 100000;
    const int by_room = connector_bybit.links(&w, ins, 200, plan, 64, &e);
    cr_expect_eq(by_room, 4, "64 instruments a plan: %d", by_room);
    size_t all = 0;
    for (int i = 0; i < by_room; i++) {
        struct buf b;
        buf_init(&b, 1 << 20);
        for (size_t k = 0; connector_bybit.subscribe(&plan[i], &w, ins, k, &b); k++) {
        }
        cr_expect_leq(buf_len(&b), (size_t)21000);
        all += plan[i].n;
        buf_release(&b);
    }
    cr_expect_eq(all, 200, "every instrument once");
    cr_expect_lt(connector_bybit.links(&w, ins, 200, plan, 2, &e), 0);
    cr_expect_eq(connector_bybit.links(&w, ins, 0, plan, 2, &e), 0);
}
