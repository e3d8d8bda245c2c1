#include "services/exchange-sim/core/wire_binance.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/decimal.h"
#include "common/base/mem.h"

// ---- names of streams ---------------------------------------------------------------------------

static const char *const kline_intervals[BN_KLINES] = {
    "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d", "1w", "1M"};

static const struct {
    const char *tail; // behind the symbol
    enum route route;
    enum sim_kind kind;
    uint8_t format;
} names[] = {
    {"@aggTrade", ROUTE_MARKET, SIM_TRADE, BN_TRADE_AGG},
    {"@trade", ROUTE_PUBLIC, SIM_TRADE, BN_TRADE_SINGLE},
    {"@depth", ROUTE_PUBLIC, SIM_DEPTH, BN_DEPTH_250},
    {"@depth@0ms", ROUTE_PUBLIC, SIM_DEPTH, BN_DEPTH_0},
    {"@depth@100ms", ROUTE_PUBLIC, SIM_DEPTH, BN_DEPTH_100},
    {"@depth@250ms", ROUTE_PUBLIC, SIM_DEPTH, BN_DEPTH_250},
    {"@depth@500ms", ROUTE_PUBLIC, SIM_DEPTH, BN_DEPTH_500},
    // partial books: 3 formats each, @100ms @250ms @500ms
    {"@depth5@100ms", ROUTE_PUBLIC, SIM_DEPTH, 4},
    {"@depth5", ROUTE_PUBLIC, SIM_DEPTH, 5},
    {"@depth5@250ms", ROUTE_PUBLIC, SIM_DEPTH, 5},
    {"@depth5@500ms", ROUTE_PUBLIC, SIM_DEPTH, 6},
    {"@depth10@100ms", ROUTE_PUBLIC, SIM_DEPTH, 7},
    {"@depth10", ROUTE_PUBLIC, SIM_DEPTH, 8},
    {"@depth10@250ms", ROUTE_PUBLIC, SIM_DEPTH, 8},
    {"@depth10@500ms", ROUTE_PUBLIC, SIM_DEPTH, 9},
    {"@depth20@100ms", ROUTE_PUBLIC, SIM_DEPTH, 10},
    {"@depth20", ROUTE_PUBLIC, SIM_DEPTH, 11},
    {"@depth20@250ms", ROUTE_PUBLIC, SIM_DEPTH, 11},
    {"@depth20@500ms", ROUTE_PUBLIC, SIM_DEPTH, 12},
    {"@bookTicker", ROUTE_PUBLIC, SIM_TICKER, BN_TICKER_ONE},
    {"!bookTicker", ROUTE_PUBLIC, SIM_TICKER, BN_TICKER_ALL},
    {"@markPrice@1s", ROUTE_MARKET, SIM_MARK, BN_MARK_1S},
    {"@markPrice", ROUTE_MARKET, SIM_MARK, BN_MARK_3S},
    {"@markPrice@3s", ROUTE_MARKET, SIM_MARK, BN_MARK_3S},
    {"!markPrice@arr@1s", ROUTE_MARKET, SIM_MARK, BN_MARK_ALL_1S},
    {"!markPrice@arr", ROUTE_MARKET, SIM_MARK, BN_MARK_ALL_3S},
    {"@ticker", ROUTE_MARKET, SIM_MARK, BN_DAY_ONE},
    {"!ticker@arr", ROUTE_MARKET, SIM_MARK, BN_DAY_ALL},
    {"@miniTicker", ROUTE_MARKET, SIM_MARK, BN_MINI_ONE},
    {"!miniTicker@arr", ROUTE_MARKET, SIM_MARK, BN_MINI_ALL},
    {"@forceOrder", ROUTE_MARKET, SIM_LIQUIDATION, BN_FORCE_ONE},
    {"!forceOrder@arr", ROUTE_MARKET, SIM_LIQUIDATION, BN_FORCE_ALL},
};

static const int64_t intervals_ms[3] = {100, 250, 500};
static const size_t partial_levels[3] = {5, 10, 20};

uint8_t bn_kline_format(struct slice interval)
{
    uint8_t i = 0;
    while (i < BN_KLINES && !slice_eq(interval, kline_intervals[i])) {
        i++;
    }
    return i;
}

bool bn_stream_parse(const char *name, size_t n, struct bn_stream *out)
{
    const char *at = memchr(name, '@', n);
    bool all = n > 0 && name[0] == '!';
    const char *from = all ? name : at;
    if (from == NULL) {
        return false;
    }
    struct slice tail = {from, (size_t)(name + n - from)};
    *out = (struct bn_stream){.all = all, .symbol = {name, all ? 0 : (size_t)(at - name)}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (slice_eq(tail, names[i].tail)) {
            out->route = names[i].route;
            out->kind = names[i].kind;
            out->format = names[i].format;
            return true;
        }
    }
    static const char kline[] = "@kline_";
    if (tail.n > sizeof kline - 1 && memcmp(tail.p, kline, sizeof kline - 1) == 0) {
        struct slice interval = {tail.p + sizeof kline - 1, tail.n - (sizeof kline - 1)};
        out->route = ROUTE_MARKET;
        out->kind = SIM_KLINE;
        out->format = bn_kline_format(interval);
        return out->format < BN_KLINES;
    }
    return false;
}

static struct wire_key resolve(const struct market *m, enum route route, const char *name)
{
    struct wire_key key = {.lane = WIRE_SILENT};
    struct bn_stream s;
    if (!bn_stream_parse(name, strlen(name), &s) || s.route != route) {
        return key;
    }
    key.kind = s.kind;
    key.format = s.format;
    key.lane =
        s.all ? WIRE_ALL_LANES : market_lane_of_lower(m, s.symbol.p, s.symbol.n, VENUE_BINANCE);
    return key;
}

// ---- frames -------------------------------------------------------------------------------------

static void add_int(struct buf *out, const char *key, int64_t v)
{
    buf_adds(out, key);
    buf_add_i64(out, v);
}

static void add_num(struct buf *out, const char *key, int64_t v, int decimals)
{
    char text[DEC_TEXT];
    buf_adds(out, key);
    buf_addc(out, '"');
    buf_add(out, text, dec_format(text, v, decimals, decimals));
    buf_addc(out, '"');
}

void bn_add_e8(struct buf *out, const char *key, int64_t v, int decimals)
{
    add_num(out, key, v / pow10_i64(8 - decimals), decimals);
}

static void add_text(struct buf *out, const char *key, const char *text)
{
    buf_adds(out, key);
    buf_addc(out, '"');
    buf_adds(out, text);
    buf_addc(out, '"');
}

static void add_sides(struct buf *out, const struct sim_levels side[2], size_t limit,
                      const struct lane *l)
{
    buf_adds(out, ",\"b\":[");
    levels_text(out, &side[0], limit, l->price_decimals, l->qty_decimals);
    buf_adds(out, "],\"a\":[");
    levels_text(out, &side[1], limit, l->price_decimals, l->qty_decimals);
    buf_adds(out, "]");
}

static void add_chain(struct buf *out, const struct sim_diff *d, const struct lane *l)
{
    add_int(out, "{\"e\":\"depthUpdate\",\"E\":", d->e_ms);
    add_int(out, ",\"T\":", d->t_ms);
    add_text(out, ",\"s\":", l->symbol);
    add_text(out, ",\"ps\":", l->symbol);
    add_int(out, ",\"U\":", d->first_id);
    add_int(out, ",\"u\":", d->update_id);
    add_int(out, ",\"pu\":", d->prev_id);
}

void bn_diff_frame(struct buf *out, const struct sim_diff *d, const struct lane *l)
{
    add_chain(out, d, l);
    add_sides(out, d->side, SIZE_MAX, l);
    buf_adds(out, ",\"st\":1}");
}

static void ticker_frame(struct buf *out, const struct sim_book *b, const struct lane *l)
{
    const struct sim_level *bid = &b->side[0].at[0];
    const struct sim_level *ask = &b->side[1].at[0];
    add_int(out, "{\"e\":\"bookTicker\",\"u\":", b->update_id);
    add_text(out, ",\"s\":", l->symbol);
    add_text(out, ",\"ps\":", l->symbol);
    add_num(out, ",\"b\":", bid->price, l->price_decimals);
    add_num(out, ",\"B\":", bid->qty, l->qty_decimals);
    add_num(out, ",\"a\":", ask->price, l->price_decimals);
    add_num(out, ",\"A\":", ask->qty, l->qty_decimals);
    add_int(out, ",\"T\":", b->t_ms);
    add_int(out, ",\"E\":", b->e_ms);
    buf_adds(out, ",\"st\":1}");
}

static void mark_frame(struct buf *out, const struct sim_mark *k, const struct lane *l)
{
    add_int(out, "{\"e\":\"markPriceUpdate\",\"E\":", k->e_ms);
    add_text(out, ",\"s\":", l->symbol);
    bn_add_e8(out, ",\"p\":", k->mark_e8, 8);
    bn_add_e8(out, ",\"ap\":", k->mark_e8, 8);
    bn_add_e8(out, ",\"P\":", k->settle_e8, 8);
    bn_add_e8(out, ",\"i\":", k->index_e8, 8);
    bn_add_e8(out, ",\"r\":", k->funding_e8, 8);
    add_int(out, ",\"T\":", k->next_funding_ms);
    buf_adds(out, ",\"st\":1}");
}

static void force_frame(struct buf *out, const struct sim_liquidation *x, const struct lane *l)
{
    add_int(out, "{\"e\":\"forceOrder\",\"E\":", x->e_ms);
    add_text(out, ",\"o\":{\"s\":", l->symbol);
    add_text(out, ",\"S\":", x->sell ? "SELL" : "BUY");
    buf_adds(out, ",\"o\":\"LIMIT\",\"f\":\"IOC\"");
    add_num(out, ",\"q\":", x->qty, l->qty_decimals);
    add_num(out, ",\"p\":", x->order_price, l->price_decimals);
    add_num(out, ",\"ap\":", x->average_price, l->price_decimals);
    buf_adds(out, ",\"X\":\"FILLED\"");
    add_num(out, ",\"l\":", x->qty, l->qty_decimals);
    add_num(out, ",\"z\":", x->qty, l->qty_decimals);
    add_int(out, ",\"T\":", x->t_ms);
    add_text(out, ",\"ps\":", l->symbol);
    buf_adds(out, ",\"st\":1}}");
}

void bn_add_day(struct buf *out, const struct sim_mark *k, const struct lane *l, bool rest)
{
    int pd = l->price_decimals;
    int64_t change = k->last_price - k->open_24h;
    int64_t average = (k->high_24h + k->low_24h) / 2;
    // The quote volume at the middle of the range: nobody counts with it.
    int64_t quote = (average / pow10_i64(pd)) * (k->volume_24h / pow10_i64(l->qty_decimals));
    if (rest) {
        add_text(out, "{\"symbol\":", l->symbol);
    } else {
        add_int(out, "{\"e\":\"24hrTicker\",\"E\":", k->e_ms);
        add_text(out, ",\"s\":", l->symbol);
    }
    add_num(out, rest ? ",\"priceChange\":" : ",\"p\":", change, pd);
    add_num(out, rest ? ",\"priceChangePercent\":" : ",\"P\":",
            k->open_24h > 0 ? change * 100000 / k->open_24h : 0, 3);
    add_num(out, rest ? ",\"weightedAvgPrice\":" : ",\"w\":", average, pd);
    add_num(out, rest ? ",\"lastPrice\":" : ",\"c\":", k->last_price, pd);
    add_num(out, rest ? ",\"lastQty\":" : ",\"Q\":", 1, l->qty_decimals);
    add_num(out, rest ? ",\"openPrice\":" : ",\"o\":", k->open_24h, pd);
    add_num(out, rest ? ",\"highPrice\":" : ",\"h\":", k->high_24h, pd);
    add_num(out, rest ? ",\"lowPrice\":" : ",\"l\":", k->low_24h, pd);
    add_num(out, rest ? ",\"volume\":" : ",\"v\":", k->volume_24h, l->qty_decimals);
    add_num(out, rest ? ",\"quoteVolume\":" : ",\"q\":", quote, 0);
    add_int(out, rest ? ",\"openTime\":" : ",\"O\":", k->e_ms - 86400000);
    add_int(out, rest ? ",\"closeTime\":" : ",\"C\":", k->e_ms);
    add_int(out, rest ? ",\"firstId\":" : ",\"F\":", l->first_id);
    add_int(out, rest ? ",\"lastId\":" : ",\"L\":", l->last_id);
    add_int(out, rest ? ",\"count\":" : ",\"n\":", l->released);
    buf_addc(out, '}');
}

static void mini_frame(struct buf *out, const struct sim_mark *k, const struct lane *l)
{
    int pd = l->price_decimals;
    int64_t middle = (k->high_24h + k->low_24h) / 2;
    add_int(out, "{\"e\":\"24hrMiniTicker\",\"E\":", k->e_ms);
    add_text(out, ",\"s\":", l->symbol);
    add_num(out, ",\"c\":", k->last_price, pd);
    add_num(out, ",\"o\":", k->open_24h, pd);
    add_num(out, ",\"h\":", k->high_24h, pd);
    add_num(out, ",\"l\":", k->low_24h, pd);
    add_num(out, ",\"v\":", k->volume_24h, l->qty_decimals);
    add_num(out, ",\"q\":", (middle / pow10_i64(pd)) * (k->volume_24h / pow10_i64(l->qty_decimals)),
            0);
    buf_addc(out, '}');
}

static void price_frame(struct buf *out, uint8_t format, const struct sim_mark *k,
                        const struct lane *l)
{
    if (format == BN_DAY_ONE || format == BN_DAY_ALL) {
        bn_add_day(out, k, l, false);
    } else if (format == BN_MINI_ONE || format == BN_MINI_ALL) {
        mini_frame(out, k, l);
    } else {
        mark_frame(out, k, l);
    }
}

// ---- events -------------------------------------------------------------------------------------

struct lane_state {
    int64_t sent_ms[BN_DEPTH_DIFFS]; // up to when each speed of diffs has told; -1: nothing yet
    struct sim_level bid, ask;       // as bookTicker showed them
};

struct state {
    struct lane_state lane[MARKET_MAX_LANES];
    struct sim_diff diff;
    struct sim_book book;
};

static void send(const struct wire_out *out, int lane, enum sim_kind kind, uint8_t format)
{
    out->frame(out->arg, (struct wire_key){lane, kind, format}, buf_ptr(out->scratch),
               buf_len(out->scratch));
}

static bool wanted(const struct wire_out *out, int lane, enum sim_kind kind, uint8_t format)
{
    return out->wants(out->arg, (struct wire_key){lane, kind, format});
}

static void partials(struct state *st, struct market *m, const struct sim_event *e, int speed,
                     int64_t before_ms, const struct wire_out *out)
{
    struct slice raw;
    for (int k = 0; k < 3; k++) {
        uint8_t format = (uint8_t)(BN_DEPTH_DIFFS + 3 * k + speed);
        if (!wanted(out, e->lane, SIM_DEPTH, format) ||
            !m->ops->book(m, e->lane, partial_levels[k], 0, &st->book, &raw)) {
            continue;
        }
        const struct lane *l = &m->lane[e->lane];
        // The chain is that of the diffs of the same speed.
        m->ops->diff(m, e->lane, before_ms, e->t_ms, &st->diff);
        buf_clear(out->scratch);
        add_chain(out->scratch, &st->diff, l);
        add_sides(out->scratch, st->book.side, partial_levels[k], l);
        buf_adds(out->scratch, ",\"st\":1}");
        send(out, e->lane, SIM_DEPTH, format);
    }
}

static void book_moved(struct state *st, struct market *m, const struct sim_event *e,
                       const struct wire_out *out)
{
    struct lane_state *s = &st->lane[e->lane];
    for (uint8_t f = BN_DEPTH_0; f < BN_DEPTH_DIFFS; f++) {
        int64_t before = s->sent_ms[f];
        int64_t every = f == BN_DEPTH_0 ? 1 : intervals_ms[f - 1];
        if (before >= 0 && e->t_ms / every == before / every) {
            continue;
        }
        s->sent_ms[f] = e->t_ms;
        if (before < 0) {
            continue; // what changed is only known from the second moment on
        }
        if (wanted(out, e->lane, SIM_DEPTH, f)) {
            m->ops->diff(m, e->lane, before, e->t_ms, &st->diff);
            buf_clear(out->scratch);
            bn_diff_frame(out->scratch, &st->diff, &m->lane[e->lane]);
            send(out, e->lane, SIM_DEPTH, f);
        }
        if (f > BN_DEPTH_0) {
            partials(st, m, e, f - 1, before, out);
        }
    }
    bool one = wanted(out, e->lane, SIM_TICKER, BN_TICKER_ONE);
    bool all = wanted(out, WIRE_ALL_LANES, SIM_TICKER, BN_TICKER_ALL);
    struct slice raw;
    if (!(one || all) || !m->ops->book(m, e->lane, 1, 0, &st->book, &raw) ||
        st->book.side[0].n == 0 || st->book.side[1].n == 0) {
        return;
    }
    struct sim_level bid = st->book.side[0].at[0];
    struct sim_level ask = st->book.side[1].at[0];
    if (memcmp(&bid, &s->bid, sizeof bid) == 0 && memcmp(&ask, &s->ask, sizeof ask) == 0) {
        return;
    }
    s->bid = bid;
    s->ask = ask;
    buf_clear(out->scratch);
    ticker_frame(out->scratch, &st->book, &m->lane[e->lane]);
    if (one) {
        send(out, e->lane, SIM_TICKER, BN_TICKER_ONE);
    }
    if (all) {
        send(out, WIRE_ALL_LANES, SIM_TICKER, BN_TICKER_ALL);
    }
}

static void mark_all(struct market *m, int64_t t_ms, uint8_t format, const struct wire_out *out)
{
    struct sim_mark k;
    buf_clear(out->scratch);
    for (int i = 0; i < m->lanes; i++) {
        buf_addc(out->scratch, i == 0 ? '[' : ',');
        (void)m->ops->mark(m, i, t_ms, &k);
        price_frame(out->scratch, format, &k, &m->lane[i]);
    }
    buf_addc(out->scratch, ']');
    send(out, WIRE_ALL_LANES, SIM_MARK, format);
}

static void mark_told(struct market *m, const struct sim_event *e, const struct wire_out *out)
{
    static const struct {
        uint8_t format;
        bool all;
        int64_t every_ms;
    } formats[] = {
        {BN_MARK_1S, false, 1000},    {BN_MARK_3S, false, 3000}, {BN_MARK_ALL_1S, true, 1000},
        {BN_MARK_ALL_3S, true, 3000}, {BN_DAY_ONE, false, 2000}, {BN_DAY_ALL, true, 1000},
        {BN_MINI_ONE, false, 2000},   {BN_MINI_ALL, true, 1000},
    };
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
        bool last = e->lane == m->lanes - 1;
        int lane = formats[i].all ? WIRE_ALL_LANES : e->lane;
        if (e->t_ms % formats[i].every_ms != 0 || (formats[i].all && !last) ||
            !wanted(out, lane, SIM_MARK, formats[i].format)) {
            continue;
        }
        struct sim_mark k;
        if (formats[i].all) {
            mark_all(m, e->t_ms, formats[i].format, out);
            continue;
        }
        (void)m->ops->mark(m, lane, e->t_ms, &k);
        buf_clear(out->scratch);
        price_frame(out->scratch, formats[i].format, &k, &m->lane[lane]);
        send(out, lane, SIM_MARK, formats[i].format);
    }
}

// Binance pushes the latest order of a second alone.
static void forced(struct market *m, const struct sim_event *e, const struct wire_out *out)
{
    bool one = wanted(out, e->lane, SIM_LIQUIDATION, BN_FORCE_ONE);
    bool all = wanted(out, WIRE_ALL_LANES, SIM_LIQUIDATION, BN_FORCE_ALL);
    struct sim_liquidation x;
    if (!(one || all) || e->last_id < e->first_id ||
        !m->ops->liquidation(m, e->lane, e->last_id - 1, &x) || x.id != e->last_id) {
        return;
    }
    buf_clear(out->scratch);
    force_frame(out->scratch, &x, &m->lane[e->lane]);
    if (one) {
        send(out, e->lane, SIM_LIQUIDATION, BN_FORCE_ONE);
    }
    if (all) {
        send(out, WIRE_ALL_LANES, SIM_LIQUIDATION, BN_FORCE_ALL);
    }
}

// A frame as it was recorded goes to the stream that it came from; when the recording has no
// frames of some other speed of the same stream, those who want that get this one.
static void recorded(const struct market *m, const struct sim_event *e, const struct wire_out *out)
{
    static const uint8_t alike[SIM_KINDS] = {
        [SIM_DEPTH] = BN_DEPTH_DIFFS, [SIM_TICKER] = 1, [SIM_MARK] = 2, [SIM_LIQUIDATION] = 1};
    const struct lane *l = &m->lane[e->lane];
    for (uint8_t f = 0; f < WIRE_BYBIT_FORMATS; f++) {
        bool stands_in = e->format == l->main_format[e->kind] && f < alike[e->kind] &&
                         e->format < alike[e->kind] && (l->formats[e->kind] >> f & 1) == 0;
        if ((f == e->format || stands_in) && wanted(out, e->lane, e->kind, f)) {
            out->frame(out->arg, (struct wire_key){e->lane, e->kind, f}, e->raw.p, e->raw.n);
        }
    }
    static const struct {
        enum sim_kind kind;
        uint8_t format;
        const char *head, *tail;
    } all[] = {{SIM_LIQUIDATION, BN_FORCE_ALL, "", ""},
               {SIM_TICKER, BN_TICKER_ALL, "", ""},
               {SIM_MARK, BN_MARK_ALL_1S, "[", "]"},
               {SIM_MARK, BN_MARK_ALL_3S, "[", "]"}};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (e->kind == all[i].kind && wanted(out, WIRE_ALL_LANES, e->kind, all[i].format)) {
            buf_clear(out->scratch);
            buf_adds(out->scratch, all[i].head);
            buf_add(out->scratch, e->raw.p, e->raw.n);
            buf_adds(out->scratch, all[i].tail);
            send(out, WIRE_ALL_LANES, e->kind, all[i].format);
        }
    }
}

static void event(void *state, struct market *m, const struct sim_event *e,
                  const struct wire_out *out)
{
    if (e->venue == VENUE_BYBIT) {
        return;
    }
    if (e->has_trade && wanted(out, e->lane, SIM_TRADE, BN_TRADE_AGG)) {
        buf_clear(out->scratch);
        sim_trade_frame(out->scratch, &e->trade, m->lane[e->lane].symbol);
        send(out, e->lane, SIM_TRADE, BN_TRADE_AGG);
    }
    if (e->raw.n > 0) {
        if (e->kind != SIM_SNAPSHOT) {
            recorded(m, e, out);
        }
    } else if (e->kind == SIM_DEPTH) {
        book_moved(state, m, e, out);
    } else if (e->kind == SIM_MARK) {
        mark_told(m, e, out);
    } else if (e->kind == SIM_LIQUIDATION) {
        forced(m, e, out);
    }
}

static void *state_new(void)
{
    struct state *st = xcalloc(1, sizeof *st);
    memset(st->lane, 0xff, sizeof st->lane);
    return st;
}

static void state_free(void *state)
{
    struct state *st = state;
    diff_release(&st->diff);
    book_release(&st->book);
    free(st);
}

const struct wire wire_binance = {
    .venue = VENUE_BINANCE,
    .resolve = resolve,
    .event = event,
    .state_new = state_new,
    .state_free = state_free,
};
