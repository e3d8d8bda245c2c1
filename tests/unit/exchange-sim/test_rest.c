// REST rules on a small tape: inclusive bounds, limits, reach, errors in the venue's form.

#include "services/exchange-sim/core/rest.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/str.h"
#include "services/exchange-sim/core/tape.h"
#include "tests/unit/exchange-sim/next_trade.h"

#define T0 INT64_C(1700000000000)

// 3,000 trades, ids 1000.., one each 2 ms, of which the first `released` were fed.
static struct market *market_with(int released)
{
    struct tape *t = tape_new();
    for (int i = 0; i < 3000; i++) {
        char line[256];
        const char *why;
        snprintf(line, sizeof line,
                 "{\"e\":\"aggTrade\",\"E\":%lld,\"a\":%d,\"s\":\"BTCUSDT\",\"p\":\"100.%02d\","
                 "\"q\":\"0.001\",\"f\":%d,\"l\":%d,\"T\":%lld,\"m\":true}",
                 (long long)(T0 + i * 2 + 1), 1000 + i, i % 10 * 10, i, i, (long long)(T0 + i * 2));
        cr_assert_eq(tape_add_line(t, line, strlen(line), NULL, &why), LINE_TRADES);
    }
    struct err e = {0};
    cr_assert_eq(tape_finish(t, &e), 0);
    for (int i = 0; i < released; i++) {
        market_advance(tape_market(t));
    }
    return tape_market(t);
}

struct query {
    const char *text;  // "symbol=BTCUSDT&limit=5"
    char value[8][64]; // each value lives as long as the query
    int n;
};

static const char *param(void *arg, const char *name)
{
    struct query *q = arg;
    const char *p = q->text;
    size_t n = strlen(name);
    while (p != NULL && *p != '\0') {
        if (strncmp(p, name, n) == 0 && p[n] == '=') {
            size_t len = strcspn(p + n + 1, "&");
            cr_assert_lt(q->n, 8);
            str_copyn(q->value[q->n], sizeof q->value[0], p + n + 1, len);
            return q->value[q->n++];
        }
        p = strchr(p, '&');
        p = p != NULL ? p + 1 : NULL;
    }
    return NULL;
}

static json_t *ask(struct market *m, int64_t clock, const char *text, int want_status)
{
    struct query q = {.text = text};
    struct buf b;
    buf_init(&b, 1 << 20);
    int status = rest_agg_trades(m, clock, param, &q, &b);
    cr_assert_eq(status, want_status, "%s: %d %s", text, status, buf_cstr(&b));
    json_t *j = json_loads(buf_cstr(&b), 0, NULL);
    cr_assert(j != NULL, "%s: %s", text, buf_cstr(&b));
    buf_release(&b);
    return j;
}

struct span {
    size_t n;
    int64_t first, last;
};

static struct span rows(struct market *m, int64_t clock, const char *text)
{
    json_t *j = ask(m, clock, text, 200);
    struct span s = {.n = json_array_size(j), .first = -1, .last = -1};
    for (size_t i = 0; i < s.n; i++) {
        int64_t id = json_integer_value(json_object_get(json_array_get(j, i), "a"));
        cr_assert(s.first < 0 || id == s.last + 1, "ids rise by one");
        s.first = s.first < 0 ? id : s.first;
        s.last = id;
    }
    json_decref(j);
    return s;
}

#define CHECK_ROWS(m, clock, text, n_, first_, last_)                                              \
    do {                                                                                           \
        struct span s_ = rows(m, clock, text);                                                     \
        cr_assert_eq(s_.n, (size_t)(n_), "%s: %zu rows", text, s_.n);                              \
        cr_assert_eq(s_.first, first_, "%s: first %lld", text, (long long)s_.first);               \
        cr_assert_eq(s_.last, last_, "%s: last %lld", text, (long long)s_.last);                   \
    } while (0)

Test(rest, bounds_are_inclusive_and_the_future_is_closed)
{
    struct market *m = market_with(2500);
    int64_t clock = T0 + 10000;
    CHECK_ROWS(m, clock, "symbol=BTCUSDT", 500, 3000, 3499);
    CHECK_ROWS(m, clock, "symbol=BTCUSDT&limit=1", 1, 3499, 3499);
    CHECK_ROWS(m, clock, "symbol=BTCUSDT&limit=1000", 1000, 2500, 3499);
    CHECK_ROWS(m, clock, "symbol=BTCUSDT&fromId=1000&limit=3", 3, 1000, 1002);
    CHECK_ROWS(m, clock, "symbol=BTCUSDT&fromId=0&limit=3", 3, 1000, 1002);
    CHECK_ROWS(m, clock, "symbol=BTCUSDT&fromId=3498", 2, 3498, 3499);
    CHECK_ROWS(m, clock, "symbol=BTCUSDT&fromId=3500", 0, -1, -1);
    CHECK_ROWS(m, clock, "symbol=BTCUSDT&startTime=1700000000004&endTime=1700000000010", 4, 1002,
               1005);
    CHECK_ROWS(m, clock, "symbol=BTCUSDT&startTime=1700000000003&endTime=1700000000009", 3, 1002,
               1004);
    CHECK_ROWS(m, clock, "symbol=BTCUSDT&startTime=1700000000003&limit=2", 2, 1002, 1003);
    CHECK_ROWS(m, clock, "symbol=BTCUSDT&startTime=1700000000000", 500, 1000, 1499);
    CHECK_ROWS(m, clock, "symbol=BTCUSDT&startTime=1700000004998", 1, 3499, 3499);
    CHECK_ROWS(m, clock, "symbol=BTCUSDT&startTime=1700000004999", 0, -1, -1);
    CHECK_ROWS(m, clock, "symbol=BTCUSDT&endTime=1700000000004&limit=2", 2, 1001, 1002);
    CHECK_ROWS(m, clock, "symbol=BTCUSDT&endTime=1700000000005", 3, 1000, 1002);
    CHECK_ROWS(m, clock, "symbol=BTCUSDT&startTime=1700000000000&endTime=1700003600000&limit=1", 1,
               1000, 1000);
    market_free(m);
}

Test(rest, nothing_released_is_an_empty_page)
{
    struct market *m = market_with(0);
    CHECK_ROWS(m, T0, "symbol=BTCUSDT", 0, -1, -1);
    CHECK_ROWS(m, T0, "symbol=BTCUSDT&fromId=1000", 0, -1, -1);
    CHECK_ROWS(m, T0, "symbol=BTCUSDT&startTime=1700000000000", 0, -1, -1);
    market_free(m);
}

Test(rest, beyond_48_hours_the_newest_rows_come_instead)
{
    struct market *m = market_with(3000);
    int64_t clock = T0 + REST_REACH_MS + 3000; // the first 1,500 trades are out of reach
    CHECK_ROWS(m, clock, "symbol=BTCUSDT&startTime=1700000003000&limit=1", 1, 2500, 2500);
    CHECK_ROWS(m, clock, "symbol=BTCUSDT&startTime=1700000002999&limit=2", 2, 3998, 3999);
    CHECK_ROWS(m, clock, "symbol=BTCUSDT&endTime=1700000002999&limit=2", 2, 3998, 3999);
    CHECK_ROWS(m, clock, "symbol=BTCUSDT&fromId=1000&limit=2", 2, 2500, 2501);
    CHECK_ROWS(m, clock, "symbol=BTCUSDT&fromId=2500&limit=2", 2, 2500, 2501);
    CHECK_ROWS(m, clock, "symbol=BTCUSDT&fromId=2600&limit=2", 2, 2600, 2601);
    market_free(m);
}

Test(rest, errors_have_the_venues_form)
{
    static const struct {
        const char *query;
        int code;
    } bad[] = {
        {"", -1102},
        {"symbol=", -1102},
        {"symbol=NOSUCH", -1121},
        {"symbol=btcusdt", -1121},
        {"symbol=BTCUSDT&limit=0", -1130},
        {"symbol=BTCUSDT&limit=1001", -1130},
        {"symbol=BTCUSDT&limit=ten", -1100},
        {"symbol=BTCUSDT&limit=", -1105},
        {"symbol=BTCUSDT&fromId=-1", -1100},
        {"symbol=BTCUSDT&fromId=1.5", -1100},
        {"symbol=BTCUSDT&startTime=99999999999999999999", -1100},
        {"symbol=BTCUSDT&fromId=1000&startTime=1700000000000", -1128},
        {"symbol=BTCUSDT&fromId=1000&endTime=1700000000000", -1128},
        {"symbol=BTCUSDT&startTime=1700000000001&endTime=1700000000000", -1130},
        {"symbol=BTCUSDT&startTime=1700000000000&endTime=1700003600001", -1127},
    };
    struct market *m = market_with(10);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        json_t *j = ask(m, T0, bad[i].query, 400);
        cr_assert_eq(json_integer_value(json_object_get(j, "code")), bad[i].code, "%s",
                     bad[i].query);
        cr_assert(json_is_string(json_object_get(j, "msg")));
        json_decref(j);
    }
    market_free(m);
}

Test(rest, rows_repeat_the_recorded_text)
{
    struct market *m = market_with(10);
    struct query q = {.text = "symbol=BTCUSDT&fromId=1003&limit=1"};
    struct buf b;
    buf_init(&b, 4096);
    cr_assert_eq(rest_agg_trades(m, T0, param, &q, &b), 200);
    cr_assert_str_eq(buf_cstr(&b), "[{\"a\":1003,\"p\":\"100.30\",\"q\":\"0.001\",\"f\":3,\"l\":3,"
                                   "\"T\":1700000000006,\"m\":true}]");
    buf_release(&b);
    market_free(m);
}

Test(rest, exchange_info_tells_units_and_limits)
{
    struct market *m = market_with(0);
    struct buf b;
    buf_init(&b, 1 << 16);
    cr_assert_eq(rest_exchange_info(m, T0, 2400, &b), 200);
    json_t *j = json_loads(buf_cstr(&b), 0, NULL);
    cr_assert(j != NULL);
    const json_t *limit = json_array_get(json_object_get(j, "rateLimits"), 0);
    cr_assert_str_eq(json_string_value(json_object_get(limit, "rateLimitType")), "REQUEST_WEIGHT");
    cr_assert_eq(json_integer_value(json_object_get(limit, "limit")), 2400);
    const json_t *s = json_array_get(json_object_get(j, "symbols"), 0);
    cr_assert_str_eq(json_string_value(json_object_get(s, "symbol")), "BTCUSDT");
    cr_assert_str_eq(json_string_value(json_object_get(s, "baseAsset")), "BTC");
    cr_assert_str_eq(json_string_value(json_object_get(s, "quoteAsset")), "USDT");
    cr_assert_str_eq(json_string_value(json_object_get(s, "contractType")), "PERPETUAL");
    const json_t *filters = json_object_get(s, "filters");
    const json_t *price = json_array_get(filters, 0);
    const json_t *lot = json_array_get(filters, 1);
    cr_assert_str_eq(json_string_value(json_object_get(price, "tickSize")), "0.10");
    cr_assert_str_eq(json_string_value(json_object_get(lot, "stepSize")), "0.001");
    json_decref(j);
    buf_release(&b);
    market_free(m);
}

Test(rest, a_shift_moves_times_and_nothing_else)
{
    struct market *m = market_with(10);
    tape_shift((struct tape *)(void *)m, 86400000);
    struct sim_trade t;
    cr_assert(next_trade(m, &t));
    cr_assert_eq(t.id, 1010);
    cr_assert_eq(t.t_ms, T0 + 20 + 86400000);
    cr_assert_eq(t.e_ms, t.t_ms + 1, "E keeps its distance");
    cr_assert_eq(t.first, 10);
    CHECK_ROWS(m, T0 + 86400000, "symbol=BTCUSDT&startTime=1700086400004&limit=2", 2, 1002, 1003);
    CHECK_ROWS(m, T0 + 86400000, "symbol=BTCUSDT&endTime=1700086400004&limit=2", 2, 1001, 1002);
    market_free(m);
}

Test(rest, recordings_out_of_order_are_answered_in_id_order)
{
    static const struct {
        int id, ms;
    } rec[] = {{5, 100}, {3, 90}, {4, 120}, {9, 80}, {6, 200}};
    struct tape *t = tape_new();
    for (size_t i = 0; i < sizeof rec / sizeof rec[0]; i++) {
        char line[96];
        const char *why;
        snprintf(line, sizeof line, "%d,1.5,1,1,1,%d,true", rec[i].id, rec[i].ms);
        cr_assert_eq(tape_add_line(t, line, strlen(line), "BTCUSDT", &why), LINE_TRADES);
    }
    struct err e = {0};
    cr_assert_eq(tape_finish(t, &e), 0);
    struct market *m = tape_market(t);
    for (int i = 0; i < 4; i++) { // 5 3 4 9; 6 is the future
        market_advance(m);
    }
    json_t *j = ask(m, 300, "symbol=BTCUSDT&fromId=0", 200);
    static const int ids[] = {3, 4, 5, 9};
    cr_assert_eq(json_array_size(j), 4);
    for (size_t i = 0; i < 4; i++) {
        cr_assert_eq(json_integer_value(json_object_get(json_array_get(j, i), "a")), ids[i]);
    }
    json_decref(j);
    j = ask(m, 300, "symbol=BTCUSDT&limit=1", 200);
    cr_assert_eq(json_integer_value(json_object_get(json_array_get(j, 0), "a")), 9);
    json_decref(j);
    market_free(m);
}

Test(rest, weight_is_counted_per_wall_minute)
{
    struct weight w = {0};
    cr_assert_eq(weight_use(&w, 60000 * 100, weight_of_path("/fapi/v1/aggTrades")), 20);
    cr_assert_eq(weight_use(&w, 60000 * 100 + 59999, weight_of_path("/fapi/v1/time")), 21);
    cr_assert_eq(weight_use(&w, 60000 * 101, weight_of_path("/fapi/v1/aggTrades")), 20);
}
