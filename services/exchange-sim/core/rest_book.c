#include "services/exchange-sim/core/rest_book.h"

#include <string.h>

#include "common/base/decimal.h"
#include "common/base/str.h"
#include "services/exchange-sim/core/wire_binance.h"

#define FUNDING_MS INT64_C(28800000)

static const struct {
    int64_t limit, weight;
} depths[] = {{5, 2}, {10, 2}, {20, 2}, {50, 2}, {100, 5}, {500, 10}, {1000, 20}};

// The limit's row, or NULL.
static int64_t depth_weight(int64_t limit)
{
    for (size_t i = 0; i < sizeof depths / sizeof depths[0]; i++) {
        if (depths[i].limit == limit) {
            return depths[i].weight;
        }
    }
    return 0;
}

static int64_t whole(const char *s, int64_t dflt)
{
    int64_t v;
    return s == NULL || *s == '\0' || parse_i64(s, strlen(s), &v) != 0 ? dflt : v;
}

int64_t rest_weight(const char *path, rest_param_fn param, void *arg)
{
    static const struct {
        const char *path;
        int64_t one, all; // with and without a symbol
    } paths[] = {{"/fapi/v1/ticker/bookTicker", 2, 5}, {"/fapi/v1/ticker/price", 1, 2},
                 {"/fapi/v2/ticker/price", 1, 2},      {"/fapi/v1/ticker/24hr", 1, 40},
                 {"/fapi/v1/premiumIndex", 1, 10},     {"/fapi/v1/fundingRate", 0, 0},
                 {"/fapi/v1/fundingInfo", 0, 0}};
    if (strcmp(path, "/fapi/v1/depth") == 0) {
        int64_t w = depth_weight(whole(param(arg, "limit"), DEPTH_DEFAULT_LIMIT));
        return w > 0 ? w : 1;
    }
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        if (strcmp(path, paths[i].path) == 0) {
            return param(arg, "symbol") != NULL ? paths[i].one : paths[i].all;
        }
    }
    return weight_of_path(path);
}

// The lane of a mandatory symbol; -1: an error was written.
static int lane_of(const struct market *m, rest_param_fn param, void *arg, struct buf *out)
{
    const char *symbol = param(arg, "symbol");
    if (symbol == NULL || *symbol == '\0') {
        (void)rest_error(
            out, 400, -1102,
            "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed.");
        return -1;
    }
    int lane = market_lane_at(m, symbol, strlen(symbol), VENUE_BINANCE);
    if (lane < 0) {
        (void)rest_error(out, 400, -1121, "Invalid symbol.");
    }
    return lane;
}

int rest_depth(struct market *m, int64_t age_ms, rest_param_fn param, void *arg, struct buf *out)
{
    const char *text = param(arg, "limit");
    int lane = lane_of(m, param, arg, out);
    if (lane < 0) {
        return 400;
    }
    int64_t limit = text == NULL ? DEPTH_DEFAULT_LIMIT : whole(text, -1);
    if (depth_weight(limit) == 0) {
        return rest_error(out, 400, -4021, "Parameter 'limit' is not a valid depth limit.");
    }
    const struct lane *l = &m->lane[lane];
    struct sim_book b = {0};
    struct slice raw = {"", 0};
    bool known = m->ops->book(m, lane, (size_t)limit, age_ms, &b, &raw);
    if (known && raw.n > 0) {
        buf_add(out, raw.p, raw.n);
    } else if (known) {
        buf_addf(out, "{\"lastUpdateId\":%lld,\"E\":%lld,\"T\":%lld,\"bids\":[",
                 (long long)b.update_id, (long long)b.e_ms, (long long)b.t_ms);
        levels_text(out, &b.side[0], (size_t)limit, l->price_decimals, l->qty_decimals);
        buf_adds(out, "],\"asks\":[");
        levels_text(out, &b.side[1], (size_t)limit, l->price_decimals, l->qty_decimals);
        buf_adds(out, "]}");
    }
    book_release(&b);
    return known ? 200
                 : rest_error(out, 503, -1001,
                              "Internal error; unable to process your request. Please try again.");
}

// ---- prices -------------------------------------------------------------------------------------

static void add_num(struct buf *out, const char *key, int64_t v, int decimals)
{
    char text[DEC_TEXT];
    buf_adds(out, key);
    buf_addc(out, '"');
    buf_add(out, text, dec_format(text, v, decimals, decimals));
    buf_addc(out, '"');
}

enum price_call { OPEN_INTEREST, PREMIUM, TICKER, PRICE, DAY, FUNDING_INFO };

static bool add_one(struct buf *out, struct market *m, int lane, enum price_call call,
                    int64_t clock_ms)
{
    const struct lane *l = &m->lane[lane];
    struct sim_mark k = {.e_ms = clock_ms};
    if (call == TICKER) {
        struct sim_book b = {0};
        struct slice raw;
        bool known = m->ops->book(m, lane, 1, 0, &b, &raw) && b.side[0].n > 0 && b.side[1].n > 0;
        if (known) {
            buf_addf(out, "{\"symbol\":\"%s\"", l->symbol);
            add_num(out, ",\"bidPrice\":", b.side[0].at[0].price, l->price_decimals);
            add_num(out, ",\"bidQty\":", b.side[0].at[0].qty, l->qty_decimals);
            add_num(out, ",\"askPrice\":", b.side[1].at[0].price, l->price_decimals);
            add_num(out, ",\"askQty\":", b.side[1].at[0].qty, l->qty_decimals);
            buf_addf(out, ",\"time\":%lld,\"lastUpdateId\":%lld}", (long long)b.t_ms,
                     (long long)b.update_id);
        }
        book_release(&b);
        return known;
    }
    if (call == FUNDING_INFO) {
        buf_addf(out,
                 "{\"symbol\":\"%s\",\"adjustedFundingRateCap\":\"0.02000000\","
                 "\"adjustedFundingRateFloor\":\"-0.02000000\",\"fundingIntervalHours\":8,"
                 "\"disclaimer\":false}",
                 l->symbol);
        return true;
    }
    if (m->ops->mark == NULL || !m->ops->mark(m, lane, -1, &k)) {
        return false;
    }
    if (call == OPEN_INTEREST) {
        buf_adds(out, "{");
        add_num(out, "\"openInterest\":", k.open_interest, l->qty_decimals);
        buf_addf(out, ",\"symbol\":\"%s\",\"time\":%lld}", l->symbol, (long long)k.e_ms);
    } else if (call == PREMIUM) {
        buf_addf(out, "{\"symbol\":\"%s\"", l->symbol);
        bn_add_e8(out, ",\"markPrice\":", k.mark_e8, 8);
        bn_add_e8(out, ",\"indexPrice\":", k.index_e8, 8);
        bn_add_e8(out, ",\"estimatedSettlePrice\":", k.settle_e8, 8);
        bn_add_e8(out, ",\"lastFundingRate\":", k.funding_e8, 8);
        buf_addf(out, ",\"interestRate\":\"0.00010000\",\"nextFundingTime\":%lld,\"time\":%lld}",
                 (long long)k.next_funding_ms, (long long)k.e_ms);
    } else if (call == PRICE) {
        buf_addf(out, "{\"symbol\":\"%s\"", l->symbol);
        add_num(out, ",\"price\":", k.last_price, l->price_decimals);
        buf_addf(out, ",\"time\":%lld}", (long long)k.e_ms);
    } else {
        bn_add_day(out, &k, l, true);
    }
    return true;
}

// The newest funding times that have passed.
static int funding_rates(struct market *m, rest_param_fn param, void *arg, int64_t clock_ms,
                         struct buf *out)
{
    int64_t limit = whole(param(arg, "limit"), 100);
    int lane = param(arg, "symbol") == NULL ? 0 : lane_of(m, param, arg, out);
    if (lane < 0 || m->lanes == 0) {
        return 400;
    }
    if (limit < 1 || limit > 1000) {
        return rest_error(out, 400, -1130, "Data sent for parameter 'limit' is not valid.");
    }
    int64_t last = clock_ms - clock_ms % FUNDING_MS;
    int64_t start = whole(param(arg, "startTime"), last - (limit - 1) * FUNDING_MS);
    int64_t end = whole(param(arg, "endTime"), last);
    int64_t t = start + (FUNDING_MS - start % FUNDING_MS) % FUNDING_MS;
    // What the generated market knows without making more days: the two that lie behind.
    int64_t oldest = last - 5 * FUNDING_MS;
    t = t < oldest ? oldest : t;
    buf_addc(out, '[');
    for (bool first = true; m->ops->mark != NULL && t <= end && t <= last && limit-- > 0;
         t += FUNDING_MS, first = false) {
        struct sim_mark k;
        (void)m->ops->mark(m, lane, t - 1, &k);
        buf_addf(out, "%s{\"symbol\":\"%s\",\"fundingTime\":%lld", first ? "" : ",",
                 m->lane[lane].symbol, (long long)t);
        bn_add_e8(out, ",\"fundingRate\":", k.funding_e8, 8);
        bn_add_e8(out, ",\"markPrice\":", k.mark_e8, 8);
        buf_addc(out, '}');
    }
    buf_addc(out, ']');
    return 200;
}

int rest_prices(struct market *m, int64_t clock_ms, const char *path, rest_param_fn param,
                void *arg, struct buf *out)
{
    static const struct {
        const char *path;
        enum price_call call;
        bool needs_symbol, always_list;
    } calls[] = {
        {"/fapi/v1/openInterest", OPEN_INTEREST, true, false},
        {"/fapi/v1/premiumIndex", PREMIUM, false, false},
        {"/fapi/v1/ticker/bookTicker", TICKER, false, false},
        {"/fapi/v1/ticker/price", PRICE, false, false},
        {"/fapi/v2/ticker/price", PRICE, false, false},
        {"/fapi/v1/ticker/24hr", DAY, false, false},
        {"/fapi/v1/fundingInfo", FUNDING_INFO, false, true},
    };
    if (strcmp(path, "/fapi/v1/fundingRate") == 0) {
        return funding_rates(m, param, arg, clock_ms, out);
    }
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        if (strcmp(path, calls[i].path) != 0) {
            continue;
        }
        if (calls[i].needs_symbol || (!calls[i].always_list && param(arg, "symbol") != NULL)) {
            int lane = lane_of(m, param, arg, out);
            if (lane < 0) {
                return 400;
            }
            return add_one(out, m, lane, calls[i].call, clock_ms)
                       ? 200
                       : rest_error(out, 503, -1001,
                                    "Internal error; unable to process your request. Please try "
                                    "again.");
        }
        bool first = true;
        buf_addc(out, '[');
        for (int lane = 0; lane < m->lanes; lane++) {
            if (m->lane[lane].venue == VENUE_BYBIT) {
                continue;
            }
            size_t before = buf_len(out);
            if (!first) {
                buf_addc(out, ',');
            }
            if (add_one(out, m, lane, calls[i].call, clock_ms)) {
                first = false;
            } else if (buf_len(out) > before) {
                out->tail -= buf_len(out) - before;
            }
        }
        buf_addc(out, ']');
        return 200;
    }
    return 0;
}
