#include "services/exchange-sim/core/rest.h"

#include <string.h>

#include "common/base/str.h"

int rest_error(struct buf *out, int status, int code, const char *msg)
{
    buf_addf(out, "{\"code\":%d,\"msg\":\"%s\"}", code, msg);
    return status;
}

// A parameter that is a whole number: 1 = given, 0 = absent, -1 = an error was written.
static int number_param(rest_param_fn param, void *arg, const char *name, int64_t *v,
                        struct buf *out)
{
    const char *s = param(arg, name);
    if (s == NULL) {
        return 0;
    }
    if (*s == '\0') {
        char msg[96];
        str_fmt(msg, sizeof msg, "Parameter '%s' was empty.", name);
        (void)rest_error(out, 400, -1105, msg);
        return -1;
    }
    if (parse_i64(s, strlen(s), v) != 0 || *v < 0) {
        char msg[128];
        str_fmt(msg, sizeof msg,
                "Illegal characters found in parameter '%s'; legal range is '^[0-9]{1,20}$'.",
                name);
        (void)rest_error(out, 400, -1100, msg);
        return -1;
    }
    return 1;
}

static void rows(struct market *m, int lane, int64_t limit, int64_t end_ms, struct buf *out)
{
    struct sim_trade t;
    bool first = true;
    buf_addc(out, '[');
    while (limit-- > 0 && m->ops->read(m, lane, &t) && t.t_ms <= end_ms) {
        if (!first) {
            buf_addc(out, ',');
        }
        first = false;
        sim_trade_row(out, &t);
    }
    buf_addc(out, ']');
}

int rest_agg_trades(struct market *m, int64_t clock_ms, rest_param_fn param, void *arg,
                    struct buf *out)
{
    const char *symbol = param(arg, "symbol");
    if (symbol == NULL || *symbol == '\0') {
        return rest_error(
            out, 400, -1102,
            "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed.");
    }
    int64_t from_id = 0;
    int64_t start = 0;
    int64_t end = INT64_MAX;
    int64_t limit = 500;
    int has_id = number_param(param, arg, "fromId", &from_id, out);
    int has_start = has_id < 0 ? -1 : number_param(param, arg, "startTime", &start, out);
    int has_end = has_start < 0 ? -1 : number_param(param, arg, "endTime", &end, out);
    int has_limit = has_end < 0 ? -1 : number_param(param, arg, "limit", &limit, out);
    if (has_limit < 0) {
        return 400;
    }
    int lane = market_lane_at(m, symbol, strlen(symbol), VENUE_BINANCE);
    if (lane < 0) {
        return rest_error(out, 400, -1121, "Invalid symbol.");
    }
    if (limit < 1 || limit > REST_MAX_LIMIT) {
        return rest_error(out, 400, -1130, "Data sent for parameter 'limit' is not valid.");
    }
    if (has_id && (has_start || has_end)) {
        return rest_error(out, 400, -1128, "Combination of optional parameters invalid.");
    }
    if (has_start && has_end && start > end) {
        return rest_error(out, 400, -1130, "Data sent for parameter 'startTime' is not valid.");
    }
    if (has_start && has_end && end - start > REST_WINDOW_MS) {
        return rest_error(out, 400, -1127,
                          "Lookup interval is too big. No more than 1 hours between startTime and "
                          "endTime.");
    }
    int64_t oldest = clock_ms - REST_REACH_MS;
    bool too_old = (has_start && start < oldest) || (has_end && end < oldest);
    if (has_id) {
        // Rows before the reach do not exist here any more: the first that does follows.
        struct sim_trade t;
        if (m->ops->seek_id(m, lane, from_id) && m->ops->read(m, lane, &t) && t.t_ms < oldest) {
            (void)m->ops->seek_time(m, lane, oldest);
        } else {
            (void)m->ops->seek_id(m, lane, from_id);
        }
        rows(m, lane, limit, INT64_MAX, out);
    } else if (too_old || (!has_start && !has_end)) {
        (void)m->ops->seek_newest(m, lane, INT64_MAX, limit);
        rows(m, lane, limit, INT64_MAX, out);
    } else if (has_start) {
        (void)m->ops->seek_time(m, lane, start);
        rows(m, lane, limit, end, out);
    } else {
        (void)m->ops->seek_newest(m, lane, end, limit);
        rows(m, lane, limit, end, out);
    }
    return 200;
}

int rest_time(int64_t clock_ms, struct buf *out)
{
    buf_addf(out, "{\"serverTime\":%lld}", (long long)clock_ms);
    return 200;
}

// "BTCUSDT" -> "BTC", "USDT".
static void split_symbol(const char *symbol, char base[32], char quote[8])
{
    static const char *const quotes[] = {"USDT", "USDC", "BUSD", "FDUSD", "USD", "BTC"};
    size_t n = strlen(symbol);
    for (size_t i = 0; i < sizeof quotes / sizeof quotes[0]; i++) {
        size_t q = strlen(quotes[i]);
        if (n > q && str_ends(symbol, quotes[i])) {
            str_copyn(base, 32, symbol, n - q);
            str_copy(quote, 8, quotes[i]);
            return;
        }
    }
    str_copy(base, 32, symbol);
    str_copy(quote, 8, "USDT");
}

static int decimals_of(const char *unit)
{
    const char *point = strchr(unit, '.');
    return point == NULL ? 0 : (int)strlen(point + 1);
}

static void symbol_info(struct buf *out, const struct lane *l)
{
    char base[32];
    char quote[8];
    split_symbol(l->symbol, base, quote);
    buf_addf(out,
             "{\"symbol\":\"%s\",\"pair\":\"%s\",\"contractType\":\"PERPETUAL\","
             "\"deliveryDate\":4133404800000,\"onboardDate\":1569398400000,"
             "\"status\":\"TRADING\",\"maintMarginPercent\":\"2.5000\","
             "\"requiredMarginPercent\":\"5.0000\",\"baseAsset\":\"%s\",\"quoteAsset\":\"%s\","
             "\"marginAsset\":\"%s\",\"pricePrecision\":%d,\"quantityPrecision\":%d,"
             "\"baseAssetPrecision\":8,\"quotePrecision\":8,\"underlyingType\":\"COIN\","
             "\"underlyingSubType\":[\"PoW\"],\"triggerProtect\":\"0.0500\","
             "\"liquidationFee\":\"0.012500\",\"marketTakeBound\":\"0.05\","
             "\"maxMoveOrderLimit\":10000,\"filters\":[",
             l->symbol, l->symbol, base, quote, quote, decimals_of(l->tick), decimals_of(l->step));
    buf_addf(out,
             "{\"filterType\":\"PRICE_FILTER\",\"minPrice\":\"%s\",\"maxPrice\":\"4529764\","
             "\"tickSize\":\"%s\"},"
             "{\"filterType\":\"LOT_SIZE\",\"minQty\":\"%s\",\"maxQty\":\"1000000\","
             "\"stepSize\":\"%s\"},"
             "{\"filterType\":\"MARKET_LOT_SIZE\",\"minQty\":\"%s\",\"maxQty\":\"10000\","
             "\"stepSize\":\"%s\"},",
             l->tick, l->tick, l->step, l->step, l->step, l->step);
    buf_addf(out,
             "{\"filterType\":\"MAX_NUM_ORDERS\",\"limit\":200},"
             "{\"filterType\":\"MAX_NUM_ALGO_ORDERS\",\"limit\":10},"
             "{\"filterType\":\"MIN_NOTIONAL\",\"notional\":\"%s\"},"
             "{\"filterType\":\"PERCENT_PRICE\",\"multiplierUp\":\"1.0500\","
             "\"multiplierDown\":\"0.9500\",\"multiplierDecimal\":\"4\"},"
             "{\"filterType\":\"POSITION_RISK_CONTROL\",\"positionControlSide\":\"NONE\","
             "\"notionalCap\":\"0\"}],",
             strcmp(base, "BTC") == 0   ? "100"
             : strcmp(base, "ETH") == 0 ? "20"
                                        : "5");
    buf_adds(out, "\"orderTypes\":[\"LIMIT\",\"MARKET\",\"STOP\",\"STOP_MARKET\",\"TAKE_PROFIT\","
                  "\"TAKE_PROFIT_MARKET\",\"TRAILING_STOP_MARKET\"],"
                  "\"timeInForce\":[\"GTC\",\"IOC\",\"FOK\",\"GTX\",\"GTD\",\"RPI\"],"
                  "\"permissionSets\":[\"GRID\",\"COPY\",\"RPI\"]}");
}

int rest_exchange_info(const struct market *m, int64_t clock_ms, int64_t weight_limit,
                       struct buf *out)
{
    buf_addf(out,
             "{\"timezone\":\"UTC\",\"serverTime\":%lld,\"futuresType\":\"U_MARGINED\","
             "\"rateLimits\":[{\"rateLimitType\":\"REQUEST_WEIGHT\",\"interval\":\"MINUTE\","
             "\"intervalNum\":1,\"limit\":%lld},"
             "{\"rateLimitType\":\"ORDERS\",\"interval\":\"MINUTE\",\"intervalNum\":1,"
             "\"limit\":1200},"
             "{\"rateLimitType\":\"ORDERS\",\"interval\":\"SECOND\",\"intervalNum\":10,"
             "\"limit\":300}],\"exchangeFilters\":[],\"assets\":["
             "{\"asset\":\"USDT\",\"marginAvailable\":true,\"autoAssetExchange\":\"-10000\"},"
             "{\"asset\":\"USDC\",\"marginAvailable\":true,\"autoAssetExchange\":\"-10000\"}],"
             "\"symbols\":[",
             (long long)clock_ms, (long long)weight_limit);
    int shown = 0;
    for (int i = 0; i < m->lanes; i++) {
        if (m->lane[i].venue == VENUE_BYBIT) {
            continue;
        }
        if (shown++ > 0) {
            buf_addc(out, ',');
        }
        symbol_info(out, &m->lane[i]);
    }
    buf_adds(out, "]}");
    return 200;
}

int64_t weight_use(struct weight *b, int64_t now_ms, int64_t w)
{
    int64_t minute = now_ms / 60000;
    if (minute != b->minute) {
        b->minute = minute;
        b->used = 0;
    }
    b->used += w;
    return b->used;
}

int64_t weight_of_path(const char *path)
{
    return strcmp(path, "/fapi/v1/aggTrades") == 0 ? 20 : 1;
}
