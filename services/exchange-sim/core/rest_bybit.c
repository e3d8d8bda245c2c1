#include "services/exchange-sim/core/rest_bybit.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/str.h"

#define MAX_ROWS 1000

struct request {
    struct market *m;
    const struct rest_bybit *r;
    rest_param_fn param;
    void *arg;
    struct buf *out;
};

static void begin(const struct request *q, int code, const char *msg)
{
    buf_addf(q->out, "{\"retCode\":%d,\"retMsg\":\"%s\",\"result\":{", code, msg);
}

static int end(const struct request *q)
{
    buf_addf(q->out, "},\"retExtInfo\":{},\"time\":%lld}", (long long)q->r->clock_ms);
    return 200;
}

static int refuse(const struct request *q, const char *msg)
{
    begin(q, 10001, msg);
    return end(q);
}

// dflt when absent; -1 when it is no number of min..max.
static int64_t number(const struct request *q, const char *name, int64_t dflt, int64_t min,
                      int64_t max)
{
    const char *s = q->param(q->arg, name);
    int64_t v;
    if (s == NULL || *s == '\0') {
        return dflt;
    }
    return parse_i64(s, strlen(s), &v) == 0 && v >= min && v <= max ? v : -1;
}

static int lane_of(const struct request *q)
{
    const char *symbol = q->param(q->arg, "symbol");
    return symbol == NULL ? -1 : market_lane_at(q->m, symbol, strlen(symbol), VENUE_BYBIT);
}

static bool shown(const struct lane *l)
{
    return l->venue != VENUE_BINANCE;
}

// ---- trades -------------------------------------------------------------------------------------

static struct bybit_row row_of(const struct market *m, const struct sim_trade *t)
{
    struct bybit_trade b;
    struct bybit_row r = {.t_ms = t->t_ms, .sell = t->buyer_is_maker};
    bybit_trade_of(m, t, &b);
    r.seq = b.seq;
    r.block = b.block;
    r.rpi = b.rpi;
    str_copy(r.uuid, sizeof r.uuid, b.uuid);
    str_copy(r.price, sizeof r.price, t->price);
    str_copy(r.qty, sizeof r.qty, t->qty);
    return r;
}

static void trade_row(const struct request *q, int lane, const struct bybit_row *r)
{
    char seq[24] = "";
    if (r->seq >= 0) {
        seq[fmt_i64(seq, r->seq)] = '\0';
    }
    buf_addf(
        q->out,
        "{\"execId\":\"%s\",\"symbol\":\"%s\",\"price\":\"%s\",\"size\":\"%s\",\"side\":\"%s\","
        "\"time\":\"%lld\",\"isBlockTrade\":%s,\"isRPITrade\":%s,\"seq\":\"%s\"}",
        r->uuid, q->m->lane[lane].symbol, r->price, r->qty, r->sell ? "Sell" : "Buy",
        (long long)r->t_ms, r->block ? "true" : "false", r->rpi ? "true" : "false", seq);
}

// The newest rows, oldest first; returns how many.
static int64_t newest_rows(const struct request *q, int lane, int64_t limit, struct bybit_row *rows)
{
    const struct bybit_tape *tape = bybit_recorded(q->r->state, lane);
    int64_t n = 0;
    if (tape != NULL) {
        size_t total;
        const struct bybit_row *all = bybit_tape_rows(tape, &total);
        n = (int64_t)total < limit ? (int64_t)total : limit;
        for (int64_t i = 0; i < n; i++) {
            rows[i] = all[(int64_t)total - n + i];
        }
        return n;
    }
    struct sim_trade t;
    if (q->m->ops->seek_newest(q->m, lane, INT64_MAX, limit)) {
        while (n < limit && q->m->ops->read(q->m, lane, &t)) {
            rows[n++] = row_of(q->m, &t);
        }
    }
    return n;
}

static int recent_trade(const struct request *q)
{
    int64_t limit = number(q, "limit", 500, 1, INT64_MAX);
    int lane = lane_of(q);
    if (lane < 0) {
        return refuse(q, "Not supported symbols");
    }
    if (limit < 0) {
        return refuse(q, "params error: limit invalid");
    }
    limit = limit > MAX_ROWS ? MAX_ROWS : limit;
    limit = q->r->recent_limit > 0 && q->r->recent_limit < limit ? q->r->recent_limit : limit;
    struct bybit_row *rows = xmalloc((size_t)limit * sizeof *rows);
    int64_t n = newest_rows(q, lane, limit, rows);
    begin(q, 0, "OK");
    buf_adds(q->out, "\"category\":\"linear\",\"list\":[");
    for (int64_t i = n - 1; i >= 0; i--) { // newest first
        trade_row(q, lane, &rows[i]);
        if (i > 0) {
            buf_addc(q->out, ',');
        }
    }
    free(rows);
    buf_addc(q->out, ']');
    return end(q);
}

static void truth_row(const struct bybit_row *r, struct buf *out)
{
    buf_addf(out, "%lld,%s,%s,%s,%s,", (long long)r->t_ms, r->uuid, r->price, r->qty,
             r->sell ? "Sell" : "Buy");
    if (r->seq >= 0) {
        buf_add_i64(out, r->seq);
    }
    buf_addf(out, ",%s%s%s\n", r->block ? "block" : "", r->block && r->rpi ? " " : "",
             r->rpi ? "rpi" : "");
}

void rest_bybit_truth(const struct market *m, const struct sim_trade *t, struct buf *out)
{
    struct bybit_row r = row_of(m, t);
    truth_row(&r, out);
}

void rest_bybit_truth_rows(const struct bybit_tape *tape, struct buf *out)
{
    size_t n;
    const struct bybit_row *rows = bybit_tape_rows(tape, &n);
    for (size_t i = 0; i < n; i++) {
        truth_row(&rows[i], out);
    }
}

// ---- instruments --------------------------------------------------------------------------------

static void split_symbol(const char *symbol, char base[32], char quote[8])
{
    static const char *const quotes[] = {"USDT", "PERP", "USD"};
    size_t n = strlen(symbol);
    str_copy(base, 32, symbol);
    str_copy(quote, 8, "USDT");
    for (size_t i = 0; i < sizeof quotes / sizeof quotes[0]; i++) {
        size_t w = strlen(quotes[i]);
        if (n > w && str_ends(symbol, quotes[i])) {
            str_copyn(base, 32, symbol, n - w);
            str_copy(quote, 8, strcmp(quotes[i], "PERP") == 0 ? "USDC" : quotes[i]);
            return;
        }
    }
}

static void instrument(const struct request *q, const struct lane *l)
{
    char base[32];
    char quote[8];
    split_symbol(l->symbol, base, quote);
    buf_addf(q->out,
             "{\"symbol\":\"%s\",\"contractType\":\"LinearPerpetual\",\"status\":\"Trading\","
             "\"baseCoin\":\"%s\",\"quoteCoin\":\"%s\",\"launchTime\":\"1585526400000\","
             "\"deliveryTime\":\"0\",\"deliveryFeeRate\":\"\",\"priceScale\":\"%d\","
             "\"leverageFilter\":{\"minLeverage\":\"1\",\"maxLeverage\":\"100.00\","
             "\"leverageStep\":\"0.01\"},",
             l->symbol, base, quote, l->price_decimals);
    buf_addf(
        q->out,
        "\"priceFilter\":{\"minPrice\":\"%s\",\"maxPrice\":\"1999999.80\",\"tickSize\":\"%s\"},"
        "\"lotSizeFilter\":{\"maxOrderQty\":\"1190.000\",\"minOrderQty\":\"%s\","
        "\"qtyStep\":\"%s\",\"postOnlyMaxOrderQty\":\"1190.000\","
        "\"maxMktOrderQty\":\"500.000\",\"minNotionalValue\":\"5\"},",
        l->tick, l->tick, l->step, l->step);
    buf_addf(q->out,
             "\"unifiedMarginTrade\":true,\"fundingInterval\":480,\"settleCoin\":\"%s\","
             "\"copyTrading\":\"both\",\"upperFundingRate\":\"0.00375\","
             "\"lowerFundingRate\":\"-0.00375\",\"isPreListing\":false,\"preListingInfo\":null}",
             quote);
}

// The cursor is "after:<lane>" here; clients hand it back as it is.
static int instruments(const struct request *q)
{
    const char *symbol = q->param(q->arg, "symbol");
    const char *cursor = q->param(q->arg, "cursor");
    int64_t limit = number(q, "limit", 500, 1, 1000);
    int64_t from = 0;
    if (cursor != NULL && *cursor != '\0' &&
        (!str_starts(cursor, "after:") ||
         parse_i64(cursor + strlen("after:"), strlen(cursor) - strlen("after:"), &from) != 0 ||
         from < 0 || from > q->m->lanes)) {
        return refuse(q, "params error: cursor invalid");
    }
    if (limit < 0) {
        return refuse(q, "params error: limit invalid");
    }
    if (symbol != NULL && *symbol != '\0' && lane_of(q) < 0) {
        return refuse(q, "params error: symbol invalid");
    }
    begin(q, 0, "OK");
    buf_adds(q->out, "\"category\":\"linear\",\"list\":[");
    int64_t n = 0;
    int i = (int)from;
    for (; i < q->m->lanes && n < limit; i++) {
        const struct lane *l = &q->m->lane[i];
        if (!shown(l) || (symbol != NULL && *symbol != '\0' && strcmp(symbol, l->symbol) != 0)) {
            continue;
        }
        buf_adds(q->out, n++ > 0 ? "," : "");
        instrument(q, l);
    }
    while (i < q->m->lanes && !shown(&q->m->lane[i])) {
        i++;
    }
    buf_adds(q->out, "],\"nextPageCursor\":\"");
    if (i < q->m->lanes && n > 0 && symbol == NULL) {
        buf_addf(q->out, "after:%d", i);
    }
    buf_addc(q->out, '"');
    return end(q);
}

// ---- books, tickers, open interest --------------------------------------------------------------

static int orderbook(const struct request *q)
{
    int lane = lane_of(q);
    int64_t limit = number(q, "limit", 25, 1, 1000);
    struct sim_book book = {0};
    struct slice raw = {0};
    if (lane < 0 || limit < 0) {
        return refuse(q, lane < 0 ? "Not supported symbols" : "params error: limit invalid");
    }
    const struct lane *l = &q->m->lane[lane];
    bool known =
        q->m->ops->book != NULL && q->m->ops->book(q->m, lane, (size_t)limit, 0, &book, &raw);
    begin(q, 0, "OK");
    buf_addf(q->out, "\"s\":\"%s\"", l->symbol);
    for (int side = 0; side < 2; side++) {
        buf_adds(q->out, side == 0 ? ",\"b\":[" : ",\"a\":[");
        levels_text(q->out, &book.side[side], (size_t)limit, l->price_decimals, l->qty_decimals);
        buf_addc(q->out, ']');
    }
    int64_t t = known ? book.t_ms : q->r->t_ms;
    buf_addf(q->out, ",\"ts\":%lld,\"u\":%lld,\"seq\":%lld,\"cts\":%lld", (long long)q->r->clock_ms,
             (long long)(t / 100), (long long)t * 4 + 1, (long long)t);
    book_release(&book);
    return end(q);
}

static void ticker(const struct request *q, int lane, bool *any)
{
    struct bybit_ticker t;
    if (!bybit_ticker_at(q->m, lane, q->r->t_ms, &t)) {
        return;
    }
    buf_addf(q->out, "%s{\"symbol\":\"%s\"", *any ? "," : "", q->m->lane[lane].symbol);
    for (int i = 0; i < BYBIT_TICKER_FIELDS; i++) {
        buf_addf(q->out, ",\"%s\":\"%s\"", bybit_ticker_names[i], t.value[i]);
    }
    buf_addc(q->out, '}');
    *any = true;
}

static int tickers(const struct request *q)
{
    const char *symbol = q->param(q->arg, "symbol");
    int lane = lane_of(q);
    bool any = false;
    if (symbol != NULL && *symbol != '\0' && lane < 0) {
        return refuse(q, "params error: symbol invalid");
    }
    begin(q, 0, "OK");
    buf_adds(q->out, "\"category\":\"linear\",\"list\":[");
    for (int i = 0; i < q->m->lanes; i++) {
        if (shown(&q->m->lane[i]) && (lane < 0 || lane == i)) {
            ticker(q, i, &any);
        }
    }
    buf_addc(q->out, ']');
    return end(q);
}

static int64_t interval_ms(const char *text)
{
    static const struct {
        const char *name;
        int64_t ms;
    } all[] = {{"5min", 300000}, {"15min", 900000}, {"30min", 1800000},
               {"1h", 3600000},  {"4h", 14400000},  {"1d", 86400000}};
    for (size_t i = 0; text != NULL && i < sizeof all / sizeof all[0]; i++) {
        if (strcmp(text, all[i].name) == 0) {
            return all[i].ms;
        }
    }
    return 0;
}

static int open_interest(const struct request *q)
{
    int lane = lane_of(q);
    int64_t step = interval_ms(q->param(q->arg, "intervalTime"));
    int64_t limit = number(q, "limit", 50, 1, 200);
    if (lane < 0 || step == 0 || limit < 0) {
        return refuse(q, lane < 0    ? "params error: symbol invalid"
                         : step == 0 ? "params error: intervalTime invalid"
                                     : "params error: limit invalid");
    }
    const struct lane *l = &q->m->lane[lane];
    begin(q, 0, "OK");
    buf_addf(q->out, "\"symbol\":\"%s\",\"category\":\"linear\",\"list\":[", l->symbol);
    int64_t at = q->r->t_ms / step * step;
    for (int64_t i = 0; i < limit; i++, at -= step) {
        struct sim_mark mark;
        if (q->m->ops->mark == NULL || !q->m->ops->mark(q->m, lane, at, &mark)) {
            break;
        }
        struct sim_levels one = {0};
        levels_add(&one, 0, mark.open_interest);
        char text[32] = "";
        struct buf b;
        buf_init(&b, 128);
        levels_text(&b, &one, 1, 0, l->qty_decimals); // ["0","12.345"]
        str_copyn(text, sizeof text, buf_ptr(&b) + 6, buf_len(&b) - 8);
        buf_release(&b);
        levels_release(&one);
        buf_addf(q->out, "%s{\"openInterest\":\"%s\",\"timestamp\":\"%lld\"}", i > 0 ? "," : "",
                 text, (long long)at);
    }
    buf_adds(q->out, "],\"nextPageCursor\":\"\"");
    return end(q);
}

static int venue_time(const struct request *q)
{
    begin(q, 0, "OK");
    buf_addf(q->out, "\"timeSecond\":\"%lld\",\"timeNano\":\"%lld000000\"",
             (long long)q->r->clock_ms / 1000, (long long)q->r->clock_ms);
    return end(q);
}

int rest_bybit(struct market *m, const struct rest_bybit *r, const char *path, rest_param_fn param,
               void *arg, struct buf *out)
{
    static const struct {
        const char *path;
        int (*answer)(const struct request *q);
        bool category;
    } all[] = {
        {"/v5/market/time", venue_time, false},
        {"/v5/market/recent-trade", recent_trade, true},
        {"/v5/market/instruments-info", instruments, true},
        {"/v5/market/tickers", tickers, true},
        {"/v5/market/orderbook", orderbook, true},
        {"/v5/market/open-interest", open_interest, true},
    };
    struct request q = {m, r, param, arg, out};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (strcmp(path, all[i].path) != 0) {
            continue;
        }
        const char *category = param(arg, "category");
        if (all[i].category && (category == NULL || strcmp(category, "linear") != 0)) {
            return refuse(&q, "params error: category invalid, linear alone is simulated");
        }
        return all[i].answer(&q);
    }
    buf_adds(out, "404 page not found");
    return 404;
}
