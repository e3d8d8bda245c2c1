// Bybit's part: names, identities of trades, what recordings are remembered by, broken frames.

#include "services/exchange-sim/core/wire_bybit.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <string.h>

#include "services/exchange-sim/core/gen.h"

static struct market *market(const char *symbols)
{
    struct err e = {0};
    struct gen *g = gen_new(7, symbols, 1000, INT64_C(1767600000000), &e);
    cr_assert_not_null(g, "%s", e.text);
    return gen_market(g);
}

static void expect_key(const struct market *m, const char *name, int lane, int kind, int format)
{
    struct wire_key k = wire_bybit.resolve(m, ROUTE_BYBIT, name);
    cr_assert_eq(k.lane, lane, "%s: lane %d", name, k.lane);
    if (lane >= 0) {
        cr_assert_eq((int)k.kind, kind, "%s", name);
        cr_assert_eq((int)k.format, format, "%s", name);
    }
}

Test(bybit, topics_mean_streams)
{
    struct market *m = market("BTCUSDT,ETHUSDT");
    expect_key(m, "publicTrade.BTCUSDT", 0, SIM_TRADE, BY_ONLY);
    expect_key(m, "orderbook.1.ETHUSDT", 1, SIM_DEPTH, BY_BOOK_1);
    expect_key(m, "orderbook.1000.ETHUSDT", 1, SIM_DEPTH, BY_BOOK_1000);
    expect_key(m, "tickers.BTCUSDT", 0, SIM_MARK, BY_ONLY);
    expect_key(m, "allLiquidation.BTCUSDT", 0, SIM_LIQUIDATION, BY_ONLY);
    static const char *const none[] = {"",
                                       ".",
                                       "publicTrade.",
                                       "publicTrade.XRPUSDT",
                                       "publicTradeBTCUSDT",
                                       "orderbook.BTCUSDT",
                                       "orderbook..BTCUSDT",
                                       "orderbook.500.BTCUSDT",
                                       "orderbook.2.BTCUSDT",
                                       "orderbook.-50.BTCUSDT",
                                       "liquidation.BTCUSDT"};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        expect_key(m, none[i], WIRE_SILENT, 0, 0);
    }
    cr_assert_eq(wire_bybit.resolve(m, ROUTE_MARKET, "publicTrade.BTCUSDT").lane, WIRE_SILENT);
    m->lane[1].venue = VENUE_BINANCE;
    expect_key(m, "publicTrade.ETHUSDT", WIRE_SILENT, 0, 0);
    market_free(m);
}

Test(bybit, a_trade_is_named_by_seed_symbol_and_id)
{
    struct market *m = market("BTCUSDT,ETHUSDT");
    struct sim_trade t = {.lane = 0, .id = 1000, .t_ms = 1767600000123};
    struct sim_trade other = t;
    struct bybit_trade a;
    struct bybit_trade b;
    bybit_trade_of(m, &t, &a);
    bybit_trade_of(m, &t, &b);
    cr_assert_str_eq(a.uuid, b.uuid);
    cr_assert_eq(strlen(a.uuid), 36);
    cr_assert_eq(a.uuid[14], '5');
    cr_assert_not_null(strchr("89ab", a.uuid[19]));
    other.id++;
    bybit_trade_of(m, &other, &b);
    cr_assert_str_neq(a.uuid, b.uuid);
    other = t;
    other.lane = 1;
    bybit_trade_of(m, &other, &b);
    cr_assert_str_neq(a.uuid, b.uuid);
    m->seed = 8;
    bybit_trade_of(m, &t, &b);
    cr_assert_str_neq(a.uuid, b.uuid);
    market_free(m);
}

static struct slice frame(const char *text)
{
    return (struct slice){text, strlen(text)};
}

Test(bybit, recorded_frames_are_remembered)
{
    struct bybit_tape *t = bybit_tape_new();
    struct buf b;
    size_t n;
    buf_init(&b, 65536);
    bybit_tape_trades(
        t, frame("{\"topic\":\"publicTrade.X\",\"ts\":5,\"data\":[{\"T\":4,\"S\":\"Sell\","
                 "\"v\":\"1\",\"p\":\"2.50\",\"i\":\"u1\",\"BT\":true},{\"T\":4},7]}"));
    bybit_tape_trades(t, frame("broken"));
    const struct bybit_row *rows = bybit_tape_rows(t, &n);
    cr_assert_eq(n, 1);
    cr_assert(rows[0].sell && rows[0].block && !rows[0].rpi && rows[0].seq == -1);
    cr_assert_not(bybit_tape_snapshot(t, 1, "orderbook.50.X", "X", false, &b));
    bybit_tape_book(
        t, 1,
        frame("{\"type\":\"snapshot\",\"ts\":9,\"data\":{\"b\":[[\"2.5\",\"1\"],[\"2.4\","
              "\"3\"]],\"a\":[[\"2.6\",\"4\"]],\"u\":7,\"seq\":8},\"cts\":6}"));
    bybit_tape_book(
        t, 1,
        frame("{\"type\":\"delta\",\"ts\":10,\"data\":{\"b\":[[\"2.5\",\"0\"],[\"2.45\","
              "\"2\"]],\"a\":[[\"2.6\",\"5\"],[\"2.7\",\"1\"],[\"9\",\"0\"]],\"u\":8,"
              "\"seq\":9},\"cts\":7}"));
    bybit_tape_book(t, 1, frame("{\"type\":\"delta\""));
    cr_assert(bybit_tape_snapshot(t, 1, "orderbook.50.X", "X", false, &b));
    cr_assert_str_eq(buf_cstr(&b),
                     "{\"topic\":\"orderbook.50.X\",\"type\":\"snapshot\",\"ts\":10,\"data\":"
                     "{\"s\":\"X\",\"b\":[[\"2.45\",\"2\"],[\"2.4\",\"3\"]],\"a\":[[\"2.6\","
                     "\"5\"],[\"2.7\",\"1\"]],\"u\":8,\"seq\":9},\"cts\":7}");
    buf_release(&b);
    bybit_tape_free(t);
}

Test(bybit, times_are_moved_and_nothing_else)
{
    struct buf b;
    buf_init(&b, 4096);
    const char *text =
        "{\"topic\":\"T\",\"ts\":100,\"data\":[{\"T\":90,\"s\":\"T\",\"seq\":90}],\"cts\":80}";
    cr_assert_eq(bybit_tape_stamp(frame(text)), 100);
    bybit_tape_shifted(&b, frame(text), 11);
    cr_assert_str_eq(buf_cstr(&b),
                     "{\"topic\":\"T\",\"ts\":111,\"data\":[{\"T\":101,\"s\":\"T\",\"seq\":90}],"
                     "\"cts\":91}");
    cr_assert_eq(bybit_tape_stamp(frame("{\"ts\":x}")), -1);
    buf_release(&b);
}

Test(bybit, every_broken_frame_is_broken_or_no_sane_trade)
{
    struct buf b;
    buf_init(&b, (size_t)8 << 20);
    for (size_t i = 0; bybit_malformed_kinds[i] != NULL; i++) {
        buf_clear(&b);
        cr_assert(bybit_malformed(&b, bybit_malformed_kinds[i], 3, "BTCUSDT", 1767600000000));
        cr_assert_not(b.failed);
        bool json = strcmp(bybit_malformed_kinds[i], "truncated") != 0 &&
                    strcmp(bybit_malformed_kinds[i], "not_json") != 0;
        json_t *root = json_loadb(buf_ptr(&b), buf_len(&b), 0, NULL);
        cr_assert_eq(root != NULL, json, "%s", bybit_malformed_kinds[i]);
        json_decref(root);
    }
    cr_assert_gt(buf_len(&b), (size_t)4 << 20); // the last is the one that is too large
    buf_clear(&b);
    cr_assert(bybit_malformed(&b, "mix", 1, "BTCUSDT", 1));
    cr_assert_not(bybit_malformed(&b, "nonsense", 1, "BTCUSDT", 1));
    buf_release(&b);
}
