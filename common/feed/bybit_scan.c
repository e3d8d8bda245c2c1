// Scanner for the two hot messages of Bybit, as the venue writes them: keys in its order, no
// blanks.
//
//   {"topic":"publicTrade.BTCUSDT","type":"snapshot","ts":1758841135824,"data":[{"T":1758841135823,
//    "s":"BTCUSDT","S":"Buy","v":"0.020","p":"109378.90","L":"ZeroPlusTick",
//    "i":"2a74ac78-691c-5b54-9dbe-5aafe8364627","BT":false[,"RPI":false][,"seq":457514743450]},..]}
//   {"topic":"orderbook.50.BTCUSDT","type":"delta","ts":1758845431663,"data":{"s":"BTCUSDT",
//    "b":[["109147.80","1.687"],..],"a":[["109148.00","0"],..],"u":21111423,"seq":457538796406},
//    "cts":1758845431662}
//
// A message is taken whole or not at all: the trades are collected before the first one is given
// on, so what is refused here is read once by jansson, which keeps the good ones of a bad message.

#include <string.h>

#include "common/feed/bybit.h"
#include "common/feed/scan_parts.h"
#include "common/market/trade.h"

enum { UID_N = 36 };

// Hexadecimal digits of the venue's UUIDs: lower case.
static const unsigned char is_hex[256] = {
    ['0'] = 1, ['1'] = 1, ['2'] = 1, ['3'] = 1, ['4'] = 1, ['5'] = 1, ['6'] = 1, ['7'] = 1,
    ['8'] = 1, ['9'] = 1, ['a'] = 1, ['b'] = 1, ['c'] = 1, ['d'] = 1, ['e'] = 1, ['f'] = 1,
};

PART bool uid(struct cursor *c, struct slice *out)
{
    const char *p = c->p;
    unsigned good = 1, digits = 0;
    if (c->end - p < UID_N + 1) {
        return false;
    }
    for (int i = 0; i < UID_N; i++) {
        if (i == 8 || i == 13 || i == 18 || i == 23) {
            good &= p[i] == '-';
        } else {
            good &= is_hex[(unsigned char)p[i]];
            digits |= (unsigned)(p[i] ^ '0');
        }
    }
    if (good == 0 || digits == 0 || p[UID_N] != '"') {
        return false;
    }
    *out = (struct slice){p, UID_N};
    c->p = p + UID_N + 1;
    return true;
}

PART bool is_text(struct cursor *c, struct slice s)
{
    if ((size_t)(c->end - c->p) < s.n || memcmp(c->p, s.p, s.n) != 0) {
        return false;
    }
    c->p += s.n;
    return true;
}

// Any tick direction: letters up to the quote.
PART bool letters(struct cursor *c)
{
    const char *limit = c->end - c->p > 24 ? c->p + 24 : c->end;
    while (c->p < limit && ((*c->p >= 'a' && *c->p <= 'z') || (*c->p >= 'A' && *c->p <= 'Z'))) {
        c->p++;
    }
    return LIT(c, "\"");
}

PART bool row(struct cursor *c, struct slice symbol, struct frame_row *r)
{
    bool block, rpi = false;
    if (!LIT(c, "{\"T\":") || !integer(c, &r->trade_ms) || !LIT(c, ",\"s\":\"") ||
        !is_text(c, symbol)) {
        return false;
    }
    if (LIT(c, "\",\"S\":\"Buy\",\"v\":\"")) {
        r->maker = false;
    } else if (LIT(c, "\",\"S\":\"Sell\",\"v\":\"")) {
        r->maker = true;
    } else {
        return false;
    }
    if (!string_of(c, C_NUMBER, &r->qty) || !LIT(c, ",\"p\":\"") ||
        !string_of(c, C_NUMBER, &r->price) || !LIT(c, ",\"L\":\"") || !letters(c) ||
        !LIT(c, ",\"i\":\"") || !uid(c, &r->uid) || !LIT(c, ",\"BT\":") || !boolean(c, &block) ||
        (LIT(c, ",\"RPI\":") && !boolean(c, &rpi))) {
        return false;
    }
    r->seq = -1;
    if (LIT(c, ",\"seq\":") && !integer(c, &r->seq)) {
        return false;
    }
    r->flags = (uint8_t)((block ? TRADE_BLOCK : 0) | (rpi ? TRADE_RPI : 0));
    return LIT(c, "}");
}

bool bybit_scan_trades(const char *p, size_t n, struct frame_space *space, frame_sink sink,
                       void *arg)
{
    struct cursor c = {p, p + n};
    struct frame f = {.kind = FRAME_UID_TRADE, .market = 1, .id = -1, .prev_id = -1};
    size_t rows = 0;
    if (!LIT(&c, "{\"topic\":\"publicTrade.") || !string_of(&c, C_SYMBOL, &f.symbol) ||
        !LIT(&c, ",\"type\":\"snapshot\",\"ts\":") || !integer(&c, &f.event_ms) ||
        !LIT(&c, ",\"data\":[")) {
        return false;
    }
    do {
        if (rows == FRAME_ROWS_MAX || !row(&c, f.symbol, &space->row[rows])) {
            return false;
        }
        rows++;
    } while (LIT(&c, ","));
    if (!LIT(&c, "]}") || c.p != c.end) {
        return false;
    }
    for (size_t i = 0; i < rows; i++) {
        const struct frame_row *r = &space->row[i];
        f.trade_ms = r->trade_ms;
        f.price = r->price;
        f.qty = r->qty;
        f.uid = r->uid;
        f.seq = r->seq;
        f.maker = r->maker;
        f.flags = r->flags;
        sink(arg, &f);
    }
    return true;
}

// [["109147.80","1.687"],..] behind its opening bracket.
PART bool levels(struct cursor *c, struct frame_level *level, size_t room, size_t *n)
{
    *n = 0;
    if (LIT(c, "]")) {
        return true;
    }
    do {
        if (*n == room || !LIT(c, "[\"") || !string_of(c, C_NUMBER, &level[*n].price) ||
            !LIT(c, ",\"") || !string_of(c, C_NUMBER, &level[*n].qty) || !LIT(c, "]")) {
            return false;
        }
        ++*n;
    } while (LIT(c, ","));
    return LIT(c, "]");
}

bool bybit_scan_book(const char *p, size_t n, struct frame_space *space, frame_sink sink, void *arg)
{
    struct cursor c = {p, p + n};
    struct frame f = {.kind = FRAME_BOOK, .market = 1, .id = -1, .prev_id = -1};
    int64_t depth;
    if (!LIT(&c, "{\"topic\":\"orderbook.") || !integer(&c, &depth) || !LIT(&c, ".") ||
        !string_of(&c, C_SYMBOL, &f.symbol)) {
        return false;
    }
    if (LIT(&c, ",\"type\":\"snapshot\",\"ts\":")) {
        f.snapshot = true;
    } else if (!LIT(&c, ",\"type\":\"delta\",\"ts\":")) {
        return false;
    }
    if (!integer(&c, &f.event_ms) || !LIT(&c, ",\"data\":{\"s\":\"") || !is_text(&c, f.symbol) ||
        !LIT(&c, "\",\"b\":[") || !levels(&c, space->level, FRAME_LEVELS_MAX, &f.n_bids) ||
        !LIT(&c, ",\"a\":[") ||
        !levels(&c, space->level + f.n_bids, FRAME_LEVELS_MAX - f.n_bids, &f.n_asks) ||
        !LIT(&c, ",\"u\":") || !integer(&c, &f.last_id) || !LIT(&c, ",\"seq\":") ||
        !integer(&c, &f.seq) || !LIT(&c, "},\"cts\":") || !integer(&c, &f.trade_ms) ||
        !LIT(&c, "}") || c.p != c.end) {
        return false;
    }
    f.first_id = f.last_id;
    f.snapshot = f.snapshot || f.last_id == 1;
    f.bids = space->level;
    f.asks = space->level + f.n_bids;
    sink(arg, &f);
    return true;
}

void bybit_decode(const char *p, size_t n, struct frame_space *space, frame_sink sink, void *arg)
{
    if (!bybit_scan_trades(p, n, space, sink, arg) && !bybit_scan_book(p, n, space, sink, arg)) {
        bybit_parse_json(p, n, space, sink, arg);
    }
}
