#include "services/exchange-sim/core/line_frame.h"

#include <jansson.h>
#include <string.h>

#include "services/exchange-sim/core/line_scan.h"
#include "services/exchange-sim/core/wire_binance.h"

struct frame_fields {
    struct slice e, E, s, U, u, pu, b, a, o, k, lastUpdateId, bids, asks, topic, ts, data;
};

static bool read_fields(struct slice data, struct frame_fields *f)
{
    static const struct {
        const char *key;
        size_t at;
    } known[] = {
#define FIELD(name) {#name, offsetof(struct frame_fields, name)}
        FIELD(e),    FIELD(E),    FIELD(s),     FIELD(U),    FIELD(u),  FIELD(pu),
        FIELD(b),    FIELD(a),    FIELD(o),     FIELD(k),    FIELD(ts), FIELD(lastUpdateId),
        FIELD(bids), FIELD(asks), FIELD(topic), FIELD(data),
#undef FIELD
    };
    struct scan sc = {data.p, data.p + data.n};
    struct slice key;
    struct slice value;
    bool first = true;
    bool ok = false;
    *f = (struct frame_fields){0};
    if (!scan_take(&sc, '{')) {
        return false;
    }
    while (scan_member(&sc, &first, &key, &value, &ok)) {
        for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
            if (slice_eq(key, known[i].key)) {
                memcpy((char *)f + known[i].at, &value, sizeof value);
            }
        }
    }
    scan_skip_blanks(&sc);
    return ok && sc.p == sc.end;
}

// The member of an object inside the frame.
static struct slice inner(struct slice object, const char *name)
{
    if (object.n == 0) { // a member that is not there: p is NULL
        return (struct slice){"", 0};
    }
    struct scan sc = {object.p, object.p + object.n};
    struct slice key;
    struct slice value;
    bool first = true;
    bool ok;
    if (scan_take(&sc, '{')) {
        while (scan_member(&sc, &first, &key, &value, &ok)) {
            if (slice_eq(key, name)) {
                return value;
            }
        }
    }
    return (struct slice){"", 0};
}

static bool starts(struct slice s, const char *prefix)
{
    size_t n = strlen(prefix);
    return s.n >= n && memcmp(s.p, prefix, n) == 0;
}

// `first`: room for a trade that shows how prices and quantities are written, as a level.
static bool bybit_event(const struct frame_fields *f, struct line_event *ev, char *first,
                        size_t first_size)
{
    static const struct {
        const char *topic;
        enum sim_kind kind;
    } kinds[] = {
        {"publicTrade.", SIM_TRADE},
        {"orderbook.", SIM_DEPTH},
        {"tickers.", SIM_MARK},
        {"allLiquidation.", SIM_LIQUIDATION},
        {"liquidation.", SIM_LIQUIDATION},
        {"kline.", SIM_KLINE},
    };
    ev->venue = VENUE_BYBIT;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (starts(f->topic, kinds[i].topic)) {
            const char *dot = memrchr(f->topic.p, '.', f->topic.n);
            ev->kind = kinds[i].kind;
            ev->symbol = (struct slice){dot + 1, (size_t)(f->topic.p + f->topic.n - dot - 1)};
            if (ev->kind == SIM_DEPTH) {
                ev->bids = inner(f->data, "b");
                ev->asks = inner(f->data, "a");
            } else if (ev->kind == SIM_TRADE && f->data.n > 1) {
                struct slice trade = {f->data.p + 1, f->data.n - 1};
                struct slice p = inner(trade, "p");
                struct slice v = inner(trade, "v");
                if (str_fmt(first, first_size, "[[\"%.*s\",\"%.*s\"]]", (int)p.n, p.p, (int)v.n,
                            v.p)) {
                    ev->bids = slice_of(first);
                }
            }
            return scan_i64(f->ts, &ev->t_ms);
        }
    }
    return false;
}

static bool binance_event(const struct frame_fields *f, struct slice stream, struct line_event *ev)
{
    ev->venue = VENUE_BINANCE;
    ev->symbol = f->s;
    ev->format = 0;
    if (slice_eq(f->e, "depthUpdate")) {
        ev->kind = SIM_DEPTH;
        ev->format = BN_DEPTH_100;
        ev->bids = f->b;
        ev->asks = f->a;
        if (!scan_i64(f->U, &ev->first_id) || !scan_i64(f->u, &ev->last_id)) {
            return false;
        }
        ev->prev_id = -1; // spot has none
        (void)scan_i64(f->pu, &ev->prev_id);
    } else if (slice_eq(f->e, "bookTicker")) {
        ev->kind = SIM_TICKER;
    } else if (slice_eq(f->e, "markPriceUpdate")) {
        ev->kind = SIM_MARK;
    } else if (slice_eq(f->e, "forceOrder")) {
        ev->kind = SIM_LIQUIDATION;
        ev->symbol = inner(f->o, "s");
    } else if (slice_eq(f->e, "kline")) {
        ev->kind = SIM_KLINE;
        ev->format = bn_kline_format(inner(f->k, "i"));
    } else {
        return false;
    }
    struct bn_stream name;
    if (stream.n > 0 && bn_stream_parse(stream.p, stream.n, &name) && name.kind == ev->kind) {
        // A frame of an all-symbols stream is that of the symbol as well.
        ev->format = name.all ? 0 : name.format;
    }
    return ev->format != BN_KLINES && scan_i64(f->E, &ev->t_ms);
}

static bool snapshot_event(const struct frame_fields *f, struct line_event *ev)
{
    ev->kind = SIM_SNAPSHOT;
    ev->venue = VENUE_BINANCE;
    ev->bids = f->bids;
    ev->asks = f->asks;
    (void)scan_i64(f->E, &ev->t_ms);
    return scan_i64(f->lastUpdateId, &ev->last_id) && f->bids.n > 0 && f->asks.n > 0;
}

enum line_kind line_frame_event(struct slice data, struct slice stream,
                                const struct line_sink *sink, const char **why)
{
    struct frame_fields f;
    struct line_event ev = {.format = EVENT_NO_FORMAT, .raw = data, .t_ms = -1};
    if (!read_fields(data, &f)) {
        *why = "not a JSON object";
        return LINE_BAD;
    }
    bool told;
    char first[96];
    if (f.topic.n > 0) {
        told = bybit_event(&f, &ev, first, sizeof first);
    } else if (f.lastUpdateId.n > 0) {
        told = snapshot_event(&f, &ev);
    } else if (slice_eq(f.e, "depthUpdate") || slice_eq(f.e, "bookTicker") ||
               slice_eq(f.e, "markPriceUpdate") || slice_eq(f.e, "forceOrder") ||
               slice_eq(f.e, "kline")) {
        told = binance_event(&f, stream, &ev);
    } else {
        return LINE_OTHER; // an acknowledgement, a pong, a REST reply, a stream nobody serves
    }
    if (!told || (ev.symbol.n > 0 && !scan_is_symbol(ev.symbol))) {
        *why = "a frame whose fields do not say when, of what, or which update";
        return LINE_BAD;
    }
    sink->on_event(sink->arg, &ev);
    return LINE_EVENT;
}

enum line_kind line_frame_request(struct slice line, const struct line_sink *sink)
{
    static const char arrow[] = " -> ";
    const char *to = memmem(line.p, line.n, arrow, sizeof arrow - 1);
    if (to == NULL) {
        return LINE_OTHER;
    }
    struct slice url = {line.p, (size_t)(to - line.p)};
    const char *body = memchr(to, '{', (size_t)(line.p + line.n - to));
    if (body == NULL) {
        return LINE_OTHER;
    }
    return line_frame_rest(url, (struct slice){body, (size_t)(line.p + line.n - body)}, sink);
}

static enum line_kind book_of(struct slice url, struct slice body, const struct line_sink *sink)
{
    static const char asked[] = "symbol=";
    const char *symbol = memmem(url.p, url.n, asked, sizeof asked - 1);
    if (symbol == NULL || sink->on_event == NULL) {
        return LINE_OTHER;
    }
    symbol += sizeof asked - 1;
    size_t n = 0;
    while (symbol + n < url.p + url.n && symbol[n] != '&') {
        n++;
    }
    struct slice data = scan_trim(body);
    struct frame_fields f;
    struct line_event ev = {
        .format = EVENT_NO_FORMAT, .raw = data, .t_ms = -1, .symbol = {symbol, n}};
    if (!read_fields(data, &f) || !snapshot_event(&f, &ev) || !scan_is_symbol(ev.symbol)) {
        return LINE_OTHER;
    }
    sink->on_event(sink->arg, &ev);
    return LINE_EVENT;
}

static const char *text_of(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s != NULL ? s : "";
}

// {"filterType":"PRICE_FILTER","tickSize":".."} among the filters of a symbol of Binance.
static const char *filter_of(const json_t *symbol, const char *type, const char *key)
{
    const json_t *filters = json_object_get(symbol, "filters");
    for (size_t i = 0; i < json_array_size(filters); i++) {
        const json_t *one = json_array_get(filters, i);
        if (strcmp(text_of(one, "filterType"), type) == 0) {
            return text_of(one, key);
        }
    }
    return "";
}

static enum line_kind units_of(struct slice body, enum sim_venue venue,
                               const struct line_sink *sink)
{
    json_t *root = json_loadb(body.p, body.n, 0, NULL);
    const bool bybit = venue == VENUE_BYBIT;
    const json_t *list = bybit ? json_object_get(json_object_get(root, "result"), "list")
                               : json_object_get(root, "symbols");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *one = json_array_get(list, i);
        const struct line_units u = {
            .venue = venue,
            .symbol = slice_of(text_of(one, "symbol")),
            .tick = slice_of(bybit ? text_of(json_object_get(one, "priceFilter"), "tickSize")
                                   : filter_of(one, "PRICE_FILTER", "tickSize")),
            .step = slice_of(bybit ? text_of(json_object_get(one, "lotSizeFilter"), "qtyStep")
                                   : filter_of(one, "LOT_SIZE", "stepSize"))};
        if (scan_is_symbol(u.symbol) && scan_is_positive_decimal(u.tick) &&
            scan_is_positive_decimal(u.step)) {
            sink->on_units(sink->arg, &u);
        }
    }
    json_decref(root);
    return LINE_OTHER;
}

enum line_kind line_frame_rest(struct slice url, struct slice body, const struct line_sink *sink)
{
    if (scan_contains(url, "/depth")) {
        return book_of(url, body, sink);
    }
    const bool bybit = scan_contains(url, "/instruments-info");
    if (sink->on_units == NULL || (!bybit && !scan_contains(url, "/exchangeInfo"))) {
        return LINE_OTHER;
    }
    return units_of(body, bybit ? VENUE_BYBIT : VENUE_BINANCE, sink);
}
