// Faults of REST answers: which request an order hits, what a ban counts, what the venue says.

#include "services/exchange-sim/core/http_fault.h"

#include <criterion/criterion.h>
#include <string.h>

static struct http_fault order(const char *path, int status, int64_t n, int64_t until)
{
    struct http_fault f = {.kind = HTTP_FAULT_STATUS,
                           .status = status,
                           .retry_after_s = -1,
                           .left = n,
                           .until_ms = until};
    memcpy(f.path, path, strlen(path) + 1);
    return f;
}

Test(http_fault, counts_paths_and_times_choose)
{
    struct http_faults f = {0};
    struct http_fault a = order("/fapi/v1/agg", 500, 2, INT64_MAX);
    struct http_fault b = order("", 503, -1, 1000);
    cr_assert_eq(http_fault_order(&f, &a), 0);
    cr_assert_eq(http_fault_order(&f, &b), 0);
    cr_assert_eq(http_fault_take(&f, "/fapi/v1/aggTrades", true, 1).status, 500);
    cr_assert_eq(http_fault_take(&f, "/fapi/v1/time", true, 2).status, 503);
    cr_assert_eq(http_fault_take(&f, "/fapi/v1/aggTrades", true, 3).status, 500);
    cr_assert_eq(http_fault_take(&f, "/fapi/v1/aggTrades", true, 999).status, 503);
    cr_assert_eq(http_fault_take(&f, "/fapi/v1/aggTrades", true, 1000).kind, HTTP_FAULT_NONE);
    cr_assert_eq(f.n, 0);
    cr_assert_eq(f.hit, 4);
}

Test(http_fault, a_ban_stands_above_orders_and_ends_by_the_clock)
{
    struct http_faults f = {0};
    struct http_fault o = order("", 418, 1, INT64_MAX);
    o.ban_ms = 2500;
    cr_assert_eq(http_fault_order(&f, &o), 0);
    struct http_fault hit = http_fault_take(&f, "/fapi/v1/time", true, 100);
    cr_assert_eq(hit.status, 418);
    cr_assert_eq(hit.retry_after_s, 3);
    cr_assert_eq(f.requests_during_ban, 0);
    cr_assert_eq(http_fault_take(&f, "/v5/market/time", true, 200).kind, HTTP_FAULT_NONE);
    hit = http_fault_take(&f, "/fapi/v1/aggTrades", true, 1600);
    cr_assert_eq(hit.status, 418);
    cr_assert_eq(hit.retry_after_s, 1);
    cr_assert_eq(f.requests_during_ban, 1);
    cr_assert_eq(http_fault_take(&f, "/fapi/v1/time", true, 2600).kind, HTTP_FAULT_NONE);
    http_fault_ban(&f, VENUE_BYBIT, 403, 3000, 600000, 50);
    cr_assert_eq(http_fault_take(&f, "/v5/market/time", true, 3049).status, 403);
    cr_assert_eq(http_fault_take(&f, "/v5/market/time", true, 3050).status, 403);
    cr_assert_eq(f.requests_at_ban, 1);
    cr_assert_eq(f.requests_during_ban, 2);
    http_fault_clear(&f);
    cr_assert_eq(http_fault_take(&f, "/v5/market/time", true, 3060).kind, HTTP_FAULT_NONE);
    cr_assert_eq(f.bans, 2);
}

Test(http_fault, requests_before_retry_after_is_over_are_counted)
{
    struct http_faults f = {0};
    struct http_fault o = order("", 429, 1, INT64_MAX);
    o.retry_after_s = 2;
    cr_assert_eq(http_fault_order(&f, &o), 0);
    cr_assert_eq(http_fault_take(&f, "/fapi/v1/time", true, 0).status, 429);
    cr_assert_eq(http_fault_take(&f, "/fapi/v1/time", true, 1999).kind, HTTP_FAULT_NONE);
    cr_assert_eq(http_fault_take(&f, "/fapi/v1/time", true, 2000).kind, HTTP_FAULT_NONE);
    cr_assert_eq(f.requests_during_backoff, 1);
}

Test(http_fault, orders_are_bounded)
{
    struct http_faults f = {0};
    struct http_fault o = order("", 500, 1, INT64_MAX);
    for (int i = 0; i < HTTP_FAULT_MAX; i++) {
        cr_assert_eq(http_fault_order(&f, &o), 0);
    }
    cr_assert_eq(http_fault_order(&f, &o), ERR_LIMIT);
}

static void expect_body(enum sim_venue v, int status, const char *needle)
{
    struct buf b;
    buf_init(&b, 4096);
    (void)http_fault_body(v, status, 7, 9, &b);
    cr_assert_not_null(strstr(buf_cstr(&b), needle), "%s", buf_cstr(&b));
    buf_release(&b);
}

Test(http_fault, bodies_are_the_venues)
{
    expect_body(VENUE_BINANCE, 418,
                "\"code\":-1003,\"msg\":\"Way too much request weight used; "
                "IP banned until 9.");
    expect_body(VENUE_BINANCE, 429, "-1003");
    expect_body(VENUE_BINANCE, 403, "<html>");
    expect_body(VENUE_BYBIT, 403, "access too frequent");
    expect_body(VENUE_BYBIT, 429, "\"retCode\":10429");
    expect_body(VENUE_BYBIT, 502, "<html>");
}

static void expect_skew(const char *in, int64_t ms, const char *want)
{
    struct buf b;
    buf_init(&b, 4096);
    fault_skew(&b, in, strlen(in), ms);
    cr_assert_str_eq(buf_cstr(&b), want);
    buf_release(&b);
}

Test(http_fault, skew_moves_the_event_stamp_alone)
{
    expect_skew("{\"e\":\"aggTrade\",\"E\":1000,\"T\":900}", 50,
                "{\"e\":\"aggTrade\",\"E\":1050,\"T\":900}");
    expect_skew("{\"topic\":\"x\",\"ts\":1000,\"data\":[{\"T\":999}]}", -1,
                "{\"topic\":\"x\",\"ts\":999,\"data\":[{\"T\":999}]}");
    expect_skew("{\"result\":null}", 5, "{\"result\":null}");
    expect_skew("{\"E\":x}", 5, "{\"E\":x}");
}
