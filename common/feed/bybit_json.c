// The jansson path of Bybit: every topic in any key order, with keys added since; operations; and
// what is not good. A bad trade of a message takes nothing away from the others: each entry is
// judged alone.

#include <jansson.h>
#include <string.h>

#include "common/base/json.h"
#include "common/feed/bybit.h"
#include "common/market/trade.h"

#define SYMBOL_MAX 40

// A string without an embedded NUL.
static bool text(const json_t *o, const char *key, struct slice *out)
{
    const json_t *v = json_object_get(o, key);
    if (!json_is_string(v)) {
        return false;
    }
    out->p = json_string_value(v);
    out->n = json_string_length(v);
    return memchr(out->p, '\0', out->n) == NULL;
}

// The same where an empty string, too, means "not told". False: of another type.
static bool told(const json_t *o, const char *key, struct slice *out)
{
    *out = (struct slice){NULL, 0};
    return json_object_get(o, key) == NULL || text(o, key, out);
}

static bool number(const json_t *o, const char *key, int64_t *out)
{
    const json_t *v = json_object_get(o, key);
    if (!json_is_integer(v) || json_integer_value(v) < 0) {
        return false;
    }
    *out = (int64_t)json_integer_value(v);
    return true;
}

// An integer in a string; -1 when it is absent or empty.
static bool told_number(const json_t *o, const char *key, int64_t *out)
{
    struct slice s;
    *out = -1;
    if (!told(o, key, &s)) {
        return false;
    }
    return s.n == 0 || (parse_i64(s.p, s.n, out) == 0 && *out >= 0);
}

static bool same(struct slice a, struct slice b)
{
    return a.n == b.n && memcmp(a.p, b.p, a.n) == 0;
}

// What follows "<prefix>." in the topic.
static bool after(struct slice topic, const char *prefix, struct slice *rest)
{
    const size_t n = strlen(prefix);
    if (topic.n <= n || memcmp(topic.p, prefix, n) != 0) {
        return false;
    }
    *rest = (struct slice){topic.p + n, topic.n - n};
    return true;
}

bool bybit_is_uid(struct slice s)
{
    bool any = false;
    if (s.n != 36) {
        return false;
    }
    for (size_t i = 0; i < s.n; i++) {
        const char c = s.p[i];
        if (i == 8 || i == 13 || i == 18 || i == 23) {
            if (c != '-') {
                return false;
            }
        } else if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')) {
            any = any || c != '0';
        } else {
            return false;
        }
    }
    return any;
}

static bool side(const json_t *o, bool *sell)
{
    struct slice s;
    if (!text(o, "S", &s)) {
        return false;
    }
    *sell = slice_eq(s, "Sell");
    return *sell || slice_eq(s, "Buy");
}

// A flag that older messages lack.
static bool flag(const json_t *o, const char *key, uint8_t bit, struct frame *f)
{
    const json_t *v = json_object_get(o, key);
    f->flags = (uint8_t)(f->flags | (json_is_true(v) ? bit : 0));
    return v == NULL || json_is_boolean(v);
}

static struct frame fresh(enum frame_kind kind, struct slice symbol, int64_t event_ms)
{
    return (struct frame){.kind = kind,
                          .symbol = symbol,
                          .event_ms = event_ms,
                          .trade_ms = -1,
                          .market = 1,
                          .id = -1,
                          .seq = -1,
                          .prev_id = -1,
                          .next_funding_ms = -1,
                          .funding_hours = -1};
}

// ---- topics ------------------------------------------------------------------------------------

static bool read_trade(const json_t *o, struct slice symbol, struct frame *f)
{
    struct slice s;
    const bool has_time = number(o, "T", &f->trade_ms);
    if (!has_time) {
        f->trade_ms = -1;
    }
    return has_time && text(o, "s", &s) && same(s, symbol) && side(o, &f->maker) &&
           text(o, "v", &f->qty) && text(o, "p", &f->price) && text(o, "i", &f->uid) &&
           bybit_is_uid(f->uid) && flag(o, "BT", TRADE_BLOCK, f) && flag(o, "RPI", TRADE_RPI, f) &&
           (json_object_get(o, "seq") == NULL || number(o, "seq", &f->seq));
}

static bool trades(const json_t *data, struct slice symbol, int64_t ts, frame_sink sink, void *arg)
{
    size_t i;
    json_t *row;
    if (!json_is_array(data)) {
        return false;
    }
    json_array_foreach(data, i, row)
    {
        struct frame f = fresh(FRAME_UID_TRADE, symbol, ts);
        if (!read_trade(row, symbol, &f)) {
            const int64_t trade_ms = f.trade_ms;
            f = fresh(FRAME_MALFORMED, symbol, ts);
            f.trade_ms = trade_ms;
            f.hides_trade = true;
        }
        sink(arg, &f);
    }
    return true;
}

static bool read_levels(const json_t *side_of_book, struct frame_level *level, size_t room,
                        size_t *n)
{
    size_t i;
    json_t *pair;
    *n = 0;
    if (!json_is_array(side_of_book) || json_array_size(side_of_book) > room) {
        return false;
    }
    json_array_foreach(side_of_book, i, pair)
    {
        const json_t *price = json_array_get(pair, 0), *qty = json_array_get(pair, 1);
        if (json_array_size(pair) != 2 || !json_is_string(price) || !json_is_string(qty)) {
            return false;
        }
        level[i].price = (struct slice){json_string_value(price), json_string_length(price)};
        level[i].qty = (struct slice){json_string_value(qty), json_string_length(qty)};
        ++*n;
    }
    return true;
}

static bool book(const json_t *root, const json_t *data, struct slice rest, int64_t ts,
                 struct frame_space *space, frame_sink sink, void *arg)
{
    struct slice type, s;
    const char *dot = memchr(rest.p, '.', rest.n);
    if (dot == NULL) {
        return false;
    }
    const struct slice symbol = {dot + 1, (size_t)(rest.p + rest.n - dot - 1)};
    struct frame f = fresh(FRAME_BOOK, symbol, ts);
    if (!text(root, "type", &type) || !text(data, "s", &s) || !same(s, symbol) ||
        !read_levels(json_object_get(data, "b"), space->level, FRAME_LEVELS_MAX, &f.n_bids) ||
        !read_levels(json_object_get(data, "a"), space->level + f.n_bids,
                     FRAME_LEVELS_MAX - f.n_bids, &f.n_asks) ||
        !number(data, "u", &f.last_id)) {
        return false;
    }
    f.snapshot = slice_eq(type, "snapshot");
    if (!f.snapshot && !slice_eq(type, "delta")) {
        return false;
    }
    if (json_object_get(data, "seq") != NULL && !number(data, "seq", &f.seq)) {
        return false;
    }
    f.trade_ms = ts;
    if (json_object_get(root, "cts") != NULL && !number(root, "cts", &f.trade_ms)) {
        return false;
    }
    f.snapshot = f.snapshot || f.last_id == 1; // the venue's service began anew
    f.first_id = f.last_id;
    f.bids = space->level;
    f.asks = space->level + f.n_bids;
    sink(arg, &f);
    return true;
}

// S is the side of the position: "Buy" = a long was liquidated, so the forced order sold.
static bool liquidations(const json_t *data, struct slice symbol, int64_t ts, frame_sink sink,
                         void *arg)
{
    size_t i;
    json_t *row;
    if (!json_is_array(data)) {
        return false;
    }
    json_array_foreach(data, i, row)
    {
        struct frame f = fresh(FRAME_LIQUIDATION, symbol, ts);
        struct slice s;
        bool was_short;
        if (number(row, "T", &f.trade_ms) && text(row, "s", &s) && same(s, symbol) &&
            side(row, &was_short) && text(row, "v", &f.qty) && text(row, "p", &f.price)) {
            f.maker = !was_short;
            f.price_kind = PRICE_BANKRUPTCY;
        } else {
            f = fresh(FRAME_MALFORMED, symbol, ts);
        }
        sink(arg, &f);
    }
    return true;
}

// snapshot or delta: a field that is absent has not changed.
static bool ticker(const json_t *data, struct slice symbol, int64_t ts, frame_sink sink, void *arg)
{
    struct frame f = fresh(FRAME_MARK, symbol, ts);
    struct slice s;
    if (!text(data, "symbol", &s) || !same(s, symbol) || !told(data, "markPrice", &f.mark) ||
        !told(data, "indexPrice", &f.index) || !told(data, "fundingRate", &f.funding) ||
        !told(data, "lastPrice", &f.last_price) || !told(data, "openInterest", &f.open_interest) ||
        !told(data, "openInterestValue", &f.open_interest_value) ||
        !told_number(data, "nextFundingTime", &f.next_funding_ms) ||
        !told_number(data, "fundingIntervalHour", &f.funding_hours)) {
        return false;
    }
    f.trade_ms = ts;
    sink(arg, &f);
    return true;
}

// ---- operations --------------------------------------------------------------------------------

// req_id of our own requests is a number.
static int64_t request_number(const json_t *root)
{
    struct slice id;
    int64_t v;
    return text(root, "req_id", &id) && parse_i64(id.p, id.n, &v) == 0 && v >= 0 ? v : -1;
}

static void operation(const json_t *root, frame_sink sink, void *arg)
{
    struct frame f = fresh(FRAME_CONTROL, (struct slice){NULL, 0}, -1);
    f.seq = request_number(root);
    f.denied = json_is_false(json_object_get(root, "success"));
    if (!text(root, "ret_msg", &f.reason)) {
        f.reason = (struct slice){"", 0};
    }
    sink(arg, &f);
}

// ---- one message -------------------------------------------------------------------------------

static bool is_trades_topic(struct slice topic)
{
    struct slice rest;
    return after(topic, "publicTrade.", &rest);
}

static void malformed(struct slice topic, int64_t ts, frame_sink sink, void *arg)
{
    struct slice symbol = {NULL, 0};
    struct frame f = fresh(FRAME_MALFORMED, symbol, ts);
    if (after(topic, "publicTrade.", &symbol)) {
        f.symbol = symbol;
    }
    f.hides_trade = topic.n == 0 || is_trades_topic(topic);
    sink(arg, &f);
}

static bool on_topic(const json_t *root, struct slice topic, int64_t ts, struct frame_space *space,
                     frame_sink sink, void *arg)
{
    const json_t *data = json_object_get(root, "data");
    struct slice rest;
    if (after(topic, "publicTrade.", &rest)) {
        return trades(data, rest, ts, sink, arg);
    }
    if (after(topic, "orderbook.", &rest)) {
        return book(root, data, rest, ts, space, sink, arg);
    }
    if (after(topic, "allLiquidation.", &rest)) {
        return liquidations(data, rest, ts, sink, arg);
    }
    if (after(topic, "tickers.", &rest)) {
        return ticker(data, rest, ts, sink, arg);
    }
    const struct frame other = fresh(FRAME_OTHER, (struct slice){NULL, 0}, ts);
    sink(arg, &other);
    return true;
}

// The topic of a message that is no JSON, as far as its beginning tells it.
static struct slice topic_of_bytes(const char *p, size_t n)
{
    static const char head[] = "{\"topic\":\"";
    const size_t head_n = sizeof head - 1;
    if (n <= head_n || memcmp(p, head, head_n) != 0) {
        return (struct slice){NULL, 0};
    }
    const size_t left = n - head_n < SYMBOL_MAX ? n - head_n : SYMBOL_MAX;
    const char *quote = memchr(p + head_n, '"', left);
    return quote != NULL ? (struct slice){p + head_n, (size_t)(quote - p) - head_n}
                         : (struct slice){NULL, 0};
}

void bybit_parse_json(const char *p, size_t n, struct frame_space *space, frame_sink sink,
                      void *arg)
{
    struct slice topic = {NULL, 0};
    int64_t ts = -1;
    json_t *root = json_parse(p, n, NULL);
    if (root == NULL) {
        malformed(topic_of_bytes(p, n), -1, sink, arg);
        return;
    }
    if (json_is_object(root) && text(root, "topic", &topic)) {
        const bool has_time = number(root, "ts", &ts);
        if (!has_time || !on_topic(root, topic, ts, space, sink, arg)) {
            malformed(topic, has_time ? ts : -1, sink, arg);
        }
    } else if (json_object_get(root, "op") != NULL || json_object_get(root, "retCode") != NULL) {
        operation(root, sink, arg);
    } else {
        malformed((struct slice){NULL, 0}, -1, sink, arg);
    }
    json_decref(root);
}
