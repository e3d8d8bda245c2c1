// Bodies of Bybit's REST: what is taken, and what refuses the whole of it.

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "services/collector/core/bybit_rest.h"

static struct instrument contract(void)
{
    struct instrument ins;
    cr_assert_eq(instrument_parse("bybit:BTCUSDT", 13, VENUE_BYBIT, &ins, NULL), 0);
    return ins;
}

#define BODY(result)                                                                               \
    "{\"retCode\":0,\"retMsg\":\"OK\",\"result\":" result                                          \
    ",\"retExtInfo\":{},\"time\":1672738134824}"

Test(bybit_rest, an_instrument_has_tick_step_and_least_quantity)
{
    static const char body[] =
        BODY("{\"category\":\"linear\",\"list\":[{\"symbol\":\"ETHUSDT\"},{\"symbol\":\"BTCUSDT\","
             "\"priceFilter\":{\"minPrice\":\"0.10\",\"tickSize\":\"0.10\"},\"lotSizeFilter\":{"
             "\"qtyStep\":\"0.001\",\"minOrderQty\":\"0.002\",\"minNotionalValue\":\"5\"}}],"
             "\"nextPageCursor\":\"first%3D1\"}");
    static struct exinfo info;
    struct instrument ins = contract();
    char cursor[BYBIT_CURSOR_MAX];
    struct err e = {0};
    cr_assert_eq(bybit_instrument_find(body, strlen(body), &ins, &info, cursor, &e), 1, "%s",
                 e.text);
    cr_expect_str_eq(ins.tick_size, "0.10");
    cr_expect_str_eq(ins.step_size, "0.001");
    cr_expect_str_eq(ins.min_qty, "0.002");
    cr_expect_str_eq(ins.min_notional, "5");
    cr_expect_str_eq(cursor, "first%3D1");
    cr_expect_not_null(strstr(info.raw, "\"qtyStep\":\"0.001\""));
    static const char other[] = BODY("{\"list\":[{\"symbol\":\"X\"}],\"nextPageCursor\":\"p\"}");
    cr_expect_eq(bybit_instrument_find(other, strlen(other), &ins, &info, cursor, &e), 0);
    cr_expect_str_eq(cursor, "p");
}

Test(bybit_rest, retcode_counts_whatever_http_said)
{
    static const char body[] =
        "{\"retCode\":10016,\"retMsg\":\"Server error\",\"result\":{\"list\":[]}}";
    static struct exinfo info;
    struct instrument ins = contract();
    char cursor[BYBIT_CURSOR_MAX];
    struct err e = {0};
    int64_t ms;
    cr_expect_lt(bybit_instrument_find(body, strlen(body), &ins, &info, cursor, &e), 0);
    cr_expect_not_null(strstr(e.text, "10016: Server error"), "%s", e.text);
    cr_expect_lt(bybit_server_time(body, strlen(body), &ms, &e), 0);
    cr_expect_lt(bybit_server_time("{}", 2, &ms, &e), 0);
    cr_expect_lt(bybit_server_time("", 0, &ms, &e), 0);
}

Test(bybit_rest, the_time_is_that_of_the_matching_clock)
{
    static const char body[] =
        BODY("{\"timeSecond\":\"1688639403\",\"timeNano\":\"1688639403423213947\"}");
    static const char bare[] = BODY("{}");
    struct err e = {0};
    int64_t ms;
    cr_assert_eq(bybit_server_time(body, strlen(body), &ms, &e), 0, "%s", e.text);
    cr_expect_eq(ms, 1688639403423);
    cr_assert_eq(bybit_server_time(bare, strlen(bare), &ms, &e), 0, "%s", e.text);
    cr_expect_eq(ms, 1672738134824, "else that of the envelope");
}

#define ROW                                                                                        \
    "{\"execId\":\"2a74ac78-691c-5b54-9dbe-5aafe8364627\",\"symbol\":\"BTCUSDT\",\"price\":"       \
    "\"109378.90\",\"size\":\"0.020\",\"side\":\"Sell\",\"time\":\"1758841135823\","               \
    "\"isBlockTrade\":true,\"isRPITrade\":false,\"seq\":\"457514743450\"}"

static struct overlap_row row[4];

static int recent(const char *body, size_t max, size_t *n)
{
    void *tree;
    struct err e = {0};
    const int rc = bybit_recent_parse(body, strlen(body), "BTCUSDT", row, max, n, &tree, &e);
    if (rc == 0 && *n > 0) {
        cr_expect(slice_eq(row[0].price, "109378.90"));
        cr_expect(slice_eq(row[0].qty, "0.020"));
    }
    if (rc == 0) {
        bybit_recent_release(tree);
    }
    return rc;
}

Test(bybit_rest, a_recent_trade_has_the_fields_of_a_live_one)
{
    size_t n;
    cr_assert_eq(recent(BODY("{\"list\":[" ROW "]}"), 4, &n), 0);
    cr_assert_eq(n, 1);
    cr_expect_eq(row[0].ts_ms, 1758841135823);
    cr_expect_eq(row[0].seq, 457514743450);
    cr_expect_eq(row[0].side, SIDE_SELL);
    cr_expect_eq(row[0].flags, TRADE_BLOCK);
    cr_expect_eq(row[0].uid.hi, UINT64_C(0x2a74ac78691c5b54));
    cr_assert_eq(recent(BODY("{\"list\":[]}"), 4, &n), 0);
    cr_expect_eq(n, 0);
}

Test(bybit_rest, one_bad_row_refuses_the_page)
{
    static const char *const bad[] = {
        "{}",
        "null",
        "[]",
        "{\"execId\":\"x\",\"symbol\":\"BTCUSDT\",\"price\":\"1\",\"size\":\"1\",\"side\":\"Sell\","
        "\"time\":\"1\"}",
        "{\"execId\":\"2a74ac78-691c-5b54-9dbe-5aafe8364627\",\"symbol\":\"ETHUSDT\",\"price\":"
        "\"1\",\"size\":\"1\",\"side\":\"Sell\",\"time\":\"1\"}",
        "{\"execId\":\"2a74ac78-691c-5b54-9dbe-5aafe8364627\",\"symbol\":\"BTCUSDT\",\"price\":"
        "\"1\",\"size\":\"1\",\"side\":\"sell\",\"time\":\"1\"}",
        "{\"execId\":\"2a74ac78-691c-5b54-9dbe-5aafe8364627\",\"symbol\":\"BTCUSDT\",\"price\":"
        "\"1\",\"size\":\"1\",\"side\":\"Sell\",\"time\":\"x\"}",
        "{\"execId\":\"2a74ac78-691c-5b54-9dbe-5aafe8364627\",\"symbol\":\"BTCUSDT\",\"price\":"
        "\"1\",\"size\":\"1\",\"side\":\"Sell\",\"time\":\"1\",\"seq\":\"x\"}",
        "{\"execId\":\"2a74ac78-691c-5b54-9dbe-5aafe8364627\",\"symbol\":\"BTCUSDT\",\"price\":"
        "\"111111111111111111111111\",\"size\":\"1\",\"side\":\"Sell\",\"time\":\"1\"}",
    };
    char body[2048];
    size_t n;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        snprintf(body, sizeof body, BODY("{\"list\":[" ROW ",%s," ROW "]}"), bad[i]);
        cr_expect_lt(recent(body, 4, &n), 0, "%s", bad[i]);
    }
    cr_expect_lt(recent(BODY("{\"list\":[" ROW "," ROW "]}"), 1, &n), 0, "more than asked for");
    cr_expect_lt(recent(BODY("{}"), 4, &n), 0);
    cr_expect_lt(recent("{\"retCode\":10001,\"retMsg\":\"\",\"result\":{\"list\":[]}}", 4, &n), 0);
}
