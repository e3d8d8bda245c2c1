// Each form of a recorded line, from synthetic snippets.

#include "services/exchange-sim/core/line.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

struct seen {
    int n;
    struct line_trade t; // the last one
    char symbol[32], price[32], qty[32], nq[32];
    const char *why;
};

static void copy(char *out, struct slice s)
{
    str_copyn(out, 32, s.p != NULL ? s.p : "", s.n);
}

static void on_trade(void *arg, const struct line_trade *t)
{
    struct seen *s = arg;
    s->n++;
    s->t = *t;
    copy(s->symbol, t->symbol);
    copy(s->price, t->price);
    copy(s->qty, t->qty);
    copy(s->nq, t->nq);
}

static enum line_kind parse(const char *line, struct seen *s)
{
    memset(s, 0, sizeof *s);
    return line_parse(line, strlen(line), on_trade, s, &s->why);
}

static void ignore_event(void *arg, const struct line_event *e)
{
    (void)arg;
    (void)e;
}

Test(line, agg_trade_keeps_every_field)
{
    struct seen s;
    cr_assert_eq(parse("{\"e\":\"aggTrade\",\"E\":1784410629584,\"a\":3387056463,\"s\":\"BTCUSDT\","
                       "\"p\":\"64650.00\",\"q\":\"0.492\",\"nq\":\"0\",\"f\":7910555181,"
                       "\"l\":7910555183,\"T\":1784410629576,\"m\":false,\"st\":1}",
                       &s),
                 LINE_TRADES);
    cr_assert_eq(s.n, 1);
    cr_assert_eq(s.t.id, 3387056463);
    cr_assert_eq(s.t.first, 7910555181);
    cr_assert_eq(s.t.last, 7910555183);
    cr_assert_eq(s.t.t_ms, 1784410629576);
    cr_assert_eq(s.t.e_ms, 1784410629584);
    cr_assert_str_eq(s.symbol, "BTCUSDT");
    cr_assert_str_eq(s.price, "64650.00");
    cr_assert_str_eq(s.qty, "0.492");
    cr_assert_str_eq(s.nq, "0");
    cr_assert(!s.t.buyer_is_maker && s.t.st && !s.t.single);
}

Test(line, receive_stamps_and_envelopes_are_taken_off)
{
    static const char *const forms[] = {
        "1723161255030314667 ",
        "1626992742.289739: ",
        "1660228022484228 ",
        "",
    };
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        char text[512];
        struct seen s;
        str_fmt(text, sizeof text,
                "%s{\"stream\":\"ctkusdt@aggTrade\",\"data\":{\"e\":\"aggTrade\",\"E\":5,\"s\":"
                "\"CTKUSDT\",\"a\":7,\"p\":\"1.01100\",\"q\":\"10\",\"f\":1,\"l\":2,\"T\":4,"
                "\"m\":true}}",
                forms[i]);
        cr_assert_eq(parse(text, &s), LINE_TRADES, "%s: %s", text, s.why);
        cr_assert_eq(s.t.id, 7);
        cr_assert_str_eq(s.symbol, "CTKUSDT");
        cr_assert(s.t.buyer_is_maker && !s.t.st);
        cr_assert_str_eq(s.nq, "");
    }
}

Test(line, single_fills_tell_whether_they_count)
{
    static const struct {
        const char *x;
        bool counted;
    } rows[] = {
        {"\"X\":\"MARKET\",", true},          {"\"X\":\"RPI\",", true},  {"", true},
        {"\"X\":\"INSURANCE_FUND\",", false}, {"\"X\":\"ADL\",", false}, {"\"X\":\"NA\",", false}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[512];
        struct seen s;
        str_fmt(text, sizeof text,
                "1 {\"stream\":\"btcusdt@trade\",\"data\":{\"e\":\"trade\",\"E\":3,\"T\":2,"
                "\"s\":\"BTCUSDT\",\"t\":9,\"p\":\"%s\",\"q\":\"0.001\",%s\"m\":true}}",
                rows[i].counted ? "28722.50" : "0", rows[i].x);
        cr_assert_eq(parse(text, &s), LINE_TRADES, "%s: %s", text, s.why);
        cr_assert(s.t.single);
        cr_assert_eq(s.t.counted, rows[i].counted, "%s", rows[i].x);
    }
}

Test(line, a_rest_page_is_one_line_with_many_trades)
{
    struct seen s;
    cr_assert_eq(parse("[{\"T\":1602819697783,\"a\":19427407,\"f\":1,\"l\":1,\"m\":true,\"p\":"
                       "\"49.73\",\"q\":\"0.001\"}, {\"a\":19427408,\"p\":\"49.74\",\"q\":\"2\","
                       "\"f\":2,\"l\":4,\"T\":1602819698024,\"m\":false}]",
                       &s),
                 LINE_TRADES);
    cr_assert_eq(s.n, 2);
    cr_assert_eq(s.t.id, 19427408);
    cr_assert_eq(s.t.symbol.n, 0);
    cr_assert_eq(s.t.e_ms, -1);
}

Test(line, csv_columns_are_told_by_their_number_and_content)
{
    struct seen s;
    cr_assert_eq(parse("3454067270,76988.7,0.037,8089233297,8089233299,1789655280294,false", &s),
                 LINE_TRADES);
    cr_assert_eq(s.t.id, 3454067270);
    cr_assert_eq(s.t.last, 8089233299);
    cr_assert_eq(s.t.t_ms, 1789655280294);
    cr_assert(!s.t.buyer_is_maker);

    cr_assert_eq(parse("3800397495,87648.21000000,0.08185000,5723703861,5723703861,"
                       "1767225600039999,True,True\r",
                       &s),
                 LINE_TRADES);
    cr_assert_eq(s.t.t_ms, 1767225600039, "microseconds are floored");
    cr_assert_str_eq(s.price, "87648.21000000");
    cr_assert(s.t.buyer_is_maker);

    cr_assert_eq(
        parse("1737897220002, BTCUSDT, 2541757614, 104943.5, 0.15, 1737897219873, False", &s),
        LINE_TRADES);
    cr_assert_str_eq(s.symbol, "BTCUSDT");
    cr_assert_eq(s.t.e_ms, 1737897220002);
    cr_assert_eq(s.t.t_ms, 1737897219873);
    cr_assert_eq(s.t.id, 2541757614);
    cr_assert_eq(s.t.first, -1);

    cr_assert_eq(parse("0,1675329600138,1206419187,,sell,1666.8,26.062,43440.1416,2023-02-02 "
                       "09:20:00.138000+00:00",
                       &s),
                 LINE_TRADES);
    cr_assert_eq(s.t.id, 1206419187);
    cr_assert(s.t.buyer_is_maker, "the taker sold");
    cr_assert_str_eq(s.qty, "26.062");
}

Test(line, what_is_no_trade_is_passed_over)
{
    static const char *const lines[] = {
        "",
        "  \t",
        "wss://fstream.binance.com/stream?streams=sushiusdt@aggTrade",
        "https://fapi.binance.com/fapi/v1/depth -> 1626992741.3: {\"a\":1}",
        "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker",
        ",timestamp,id,type,side,price,amount,cost,date",
        "17 {\"stream\":\"btcusdt@bookTicker\",\"data\":{\"e\":\"bookTicker\",\"b\":\"1\"}}",
        "17 {\"stream\":\"btcusdt@depth@0ms\",\"data\":{\"e\":\"depthUpdate\",\"b\":[[\"1\"]]}}",
        "17 {\"lastUpdateId\": 1801732814321, \"bids\": [[\"1\", \"2\"]]}",
        "[]",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct seen s;
        cr_assert_eq(parse(lines[i], &s), LINE_OTHER, "%s: %s", lines[i], s.why);
        cr_assert_eq(s.n, 0);
    }
}

Test(line, what_is_broken_is_called_bad)
{
    static const char *const lines[] = {
        "hello",
        "17 hello",
        "17",
        "17 {\"stream\":\"btcusdt@depth\",\"data\":{\"b\":[[\"1\"",
        "{\"e\":\"aggTrade\",\"a\":1,\"p\":\"1\",\"q\":\"1\",\"T\":1,\"m\":tr}",
        "{\"e\":\"aggTrade\",\"a\":1,\"p\":\"-1\",\"q\":\"1\",\"T\":1,\"m\":true}",
        "{\"e\":\"aggTrade\",\"a\":1,\"p\":\"1\",\"q\":\"0.000\",\"T\":1,\"m\":true}",
        "{\"e\":\"aggTrade\",\"a\":1,\"p\":\"1e3\",\"q\":\"1\",\"T\":1,\"m\":true}",
        "{\"e\":\"aggTrade\",\"p\":\"1\",\"q\":\"1\",\"T\":1,\"m\":true}",
        "{\"e\":\"aggTrade\",\"a\":1,\"p\":\"1\",\"q\":\"1\",\"m\":true}",
        "{\"e\":\"aggTrade\",\"a\":99999999999999999999,\"p\":\"1\",\"q\":\"1\",\"T\":1,\"m\":"
        "true}",
        "{\"e\":\"aggTrade\",\"a\":1,\"s\":\"B T\",\"p\":\"1\",\"q\":\"1\",\"T\":1,\"m\":true}",
        "{\"e\":\"aggTrade\",\"a\":1,\"p\":\"1\",\"q\":\"1\",\"T\":1,\"m\":true}}",
        "{\"e\":\"aggTrade\",\"a\":[1],\"p\":\"1\",\"q\":\"1\",\"T\":1,\"m\":true}",
        "{\"stream\":\"x\",\"data\":{\"e\":\"aggTrade\",\"a\":1,\"p\":\"1\",\"q\":\"1\",\"T\":1,"
        "\"m\":true}",
        "{\"e\":\"trade\",\"p\":\"1\",\"q\":\"1\",\"T\":1,\"m\":true}",
        "[{\"a\":1}]",
        "[{\"a\":1,\"p\":\"1\",\"q\":\"1\",\"T\":1,\"m\":true}",
        "1,2,3",
        "1,2,3,4,5,6",
        "a,b,c,d,e,f,g",
        "1,2,3,4,5,6,maybe",
        "0,1675329600138,1206419187,,both,1666.8,26.062,43440.1416,2023-02-02",
        "LRC,SELL,LIMIT,IOC,226,0.16815,0.17057,FILLED,226,226,1737908829829,38.0019",
        "1,1,1,1,1,1,true,true,true,true,true,true,true,true,true,true,true,true",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct seen s;
        cr_assert_eq(parse(lines[i], &s), LINE_BAD, "%s", lines[i]);
        cr_assert(s.why[0] != '\0');
    }
}

Test(line, a_liquidation_without_its_order_is_survived)
{
    static const char text[] = "{\"e\":\"forceOrder\",\"E\":1568014460893,\"T\":1}";
    const char *why = NULL;
    cr_expect_neq(line_parse(text, sizeof text - 1, NULL, NULL, &why), LINE_TRADES);
    const struct line_sink sink = {.on_event = ignore_event};
    (void)line_read(text, sizeof text - 1, &sink, &why);
}

Test(line, any_cut_of_a_line_is_survived)
{
    const char *whole = "1 {\"stream\":\"btcusdt@trade\",\"data\":{\"e\":\"trade\",\"E\":3,\"T\":2,"
                        "\"s\":\"BTCUSDT\",\"t\":9,\"p\":\"1.5\",\"q\":\"0.001\",\"X\":\"MARKET\","
                        "\"m\":true}}";
    for (size_t n = 0; n < strlen(whole); n++) {
        // A buffer of exactly this size, so that a read behind the end is seen by a sanitizer.
        char *cut = malloc(n + 1);
        struct seen s = {0};
        memcpy(cut, whole, n);
        cut = realloc(cut, n > 0 ? n : 1);
        cr_assert_neq(line_parse(cut, n, on_trade, &s, &s.why), LINE_TRADES, "%zu bytes", n);
        free(cut);
    }
}

Test(line, garbled_lines_are_survived)
{
    static const char *const samples[] = {
        "17 {\"stream\":\"btcusdt@trade\",\"data\":{\"e\":\"trade\",\"E\":3,\"T\":2,\"s\":"
        "\"BTCUSDT\",\"t\":9,\"p\":\"1.5\",\"q\":\"0.001\",\"X\":\"MARKET\",\"m\":true}}",
        "{\"e\":\"aggTrade\",\"E\":5,\"s\":\"CTKUSDT\",\"a\":7,\"p\":\"1.0\",\"q\":\"10\",\"nq\":"
        "\"1\",\"f\":1,\"l\":2,\"T\":4,\"m\":true,\"st\":1}",
        "[{\"T\":1,\"a\":1,\"f\":1,\"l\":1,\"m\":true,\"p\":\"1\",\"q\":\"1\"}]",
        "1737897220002, BTCUSDT, 2541757614, 104943.5, 0.15, 1737897219873, False",
        "0,1675329600138,1206419187,,sell,1666.8,26.062,43440.1416,2023-02-02 09:20:00",
    };
    uint64_t rng = 20240808;
    for (int round = 0; round < 100000; round++) {
        const char *sample = samples[(size_t)round % (sizeof samples / sizeof samples[0])];
        size_t n = strlen(sample);
        char *text = malloc(n);
        struct seen s = {0};
        memcpy(text, sample, n);
        for (int k = 0; k < 1 + round % 4; k++) {
            rng = rng * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            static const char bytes[] = "{}[]\",:.0-9 tfe\\\n";
            text[(rng >> 33) % n] =
                (rng >> 20) % 4 == 0 ? (char)(rng >> 50) : bytes[(rng >> 24) % (sizeof bytes - 1)];
        }
        if (line_parse(text, n, on_trade, &s, &s.why) == LINE_TRADES) {
            cr_assert(s.t.id >= 0 && s.n == 1);
            if (!s.t.single || s.t.counted) { // what is served is sane
                cr_assert(s.price[0] != '\0' && s.qty[0] != '\0' && s.t.t_ms >= 0);
                cr_assert(strpbrk(s.price, "-eE\"\\,") == NULL, "%s", s.price);
            }
        }
        free(text);
    }
}

Test(line, file_names_tell_the_symbol)
{
    char s[32];
    cr_assert(
        line_symbol_of_name("/x/binance_usdm_BTCUSDT-aggTrades-2026-09-17_TRANSCRIBED.csv", s));
    cr_assert_str_eq(s, "BTCUSDT");
    cr_assert(line_symbol_of_name("ETHUSDT-aggTrades-2024-01-01.csv.gz", s));
    cr_assert_str_eq(s, "ETHUSDT");
    cr_assert(line_symbol_of_name("/A/BTCUSDT/binance_spot_1000PEPEUSDT.csv", s) == false);
    cr_assert(!line_symbol_of_name("/BTCUSDT/trades.csv", s));
}
