#include "services/exchange-sim/core/wire_bybit.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/decimal.h"
#include "common/base/mem.h"
#include "common/base/str.h"

#define TRADES_PER_FRAME 1024
#define TICKER_MS 100
#define LEVEL_1_REPEAT_MS 3000

static const struct {
    size_t levels;
    int64_t every_ms;
} books[BY_BOOK_END - BY_BOOK_1] = {{1, 10}, {50, 20}, {200, 100}, {500, 100}, {1000, 200}};

struct book_state {
    bool have;
    int64_t slot, u, seq, t_ms, repeat_ms;
    struct sim_book now;
};

struct lane_state {
    struct bybit_tape *tape; // NULL: no recorded frame came
    struct book_state book[BY_BOOK_END - BY_BOOK_1];
    // The frame of trades under way.
    struct buf trades;
    size_t trades_n;
    int64_t trades_ms, trades_event_ms;
    bool trades_sell;
    // Of the tick direction.
    char last_price[SIM_NUM_TEXT];
    bool up;
    int64_t ticker_slot;
    bool ticker_known;
    struct bybit_ticker ticker;
};

struct state {
    struct lane_state *lane[MARKET_MAX_LANES];
    struct buf shifted;    // a recorded frame with other times
    struct sim_book fresh; // scratch
};

static void *state_new(void)
{
    struct state *st = xcalloc(1, sizeof *st);
    buf_init(&st->shifted, (size_t)16 << 20);
    return st;
}

static void state_free(void *p)
{
    struct state *st = p;
    for (int i = 0; i < MARKET_MAX_LANES; i++) {
        struct lane_state *l = st->lane[i];
        if (l == NULL) {
            continue;
        }
        for (int b = 0; b < BY_BOOK_END - BY_BOOK_1; b++) {
            book_release(&l->book[b].now);
        }
        buf_release(&l->trades);
        bybit_tape_free(l->tape);
        free(l);
    }
    book_release(&st->fresh);
    buf_release(&st->shifted);
    free(st);
}

static struct lane_state *lane_state(struct state *st, int lane)
{
    if (st->lane[lane] == NULL) {
        struct lane_state *l = xcalloc(1, sizeof *l);
        buf_init(&l->trades, (size_t)TRADES_PER_FRAME * 400);
        st->lane[lane] = l;
    }
    return st->lane[lane];
}

// ---- topics -------------------------------------------------------------------------------------

size_t bybit_book_levels(int format)
{
    return format >= BY_BOOK_1 && format < BY_BOOK_END ? books[format - BY_BOOK_1].levels : 0;
}

int bybit_book_format(int64_t levels)
{
    for (int f = BY_BOOK_1; f < BY_BOOK_END; f++) {
        if ((int64_t)bybit_book_levels(f) == levels) {
            return f;
        }
    }
    return 0;
}

static struct wire_key resolve(const struct market *m, enum route route, const char *name)
{
    struct wire_key silent = {.lane = WIRE_SILENT};
    struct wire_key key = {.lane = WIRE_SILENT, .format = BY_ONLY};
    const char *symbol = strrchr(name, '.');
    if (route != ROUTE_BYBIT || symbol == NULL) {
        return silent;
    }
    symbol++;
    if (str_starts(name, "publicTrade.")) {
        key.kind = SIM_TRADE;
    } else if (str_starts(name, "tickers.")) {
        key.kind = SIM_MARK;
    } else if (str_starts(name, "allLiquidation.")) {
        key.kind = SIM_LIQUIDATION;
    } else if (str_starts(name, "orderbook.")) {
        const char *p = name + strlen("orderbook.");
        int64_t levels;
        if (symbol - 1 <= p || parse_i64(p, (size_t)(symbol - 1 - p), &levels) != 0 ||
            bybit_book_format(levels) == 0) {
            return silent;
        }
        key.kind = SIM_DEPTH;
        key.format = (uint8_t)bybit_book_format(levels);
    } else {
        return silent;
    }
    key.lane = market_lane_at(m, symbol, strlen(symbol), VENUE_BYBIT);
    // The depth that is retired lives on in recordings alone.
    if (key.lane >= 0 && key.kind == SIM_DEPTH && key.format == BY_BOOK_500 &&
        m->lane[key.lane].venue != VENUE_BYBIT) {
        return silent;
    }
    return key;
}

// ---- trades -------------------------------------------------------------------------------------

static uint64_t mix(uint64_t x)
{
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static uint64_t lane_key(const struct market *m, int lane)
{
    uint64_t h = m->seed ^ UINT64_C(0xcbf29ce484222325);
    for (const char *p = m->lane[lane].symbol; *p != '\0'; p++) {
        h = (h ^ (unsigned char)*p) * UINT64_C(0x100000001b3);
    }
    return mix(h);
}

void bybit_trade_of(const struct market *m, const struct sim_trade *t, struct bybit_trade *out)
{
    uint64_t key = lane_key(m, t->lane);
    uint64_t a = mix(key ^ (uint64_t)t->id);
    uint64_t b = mix(a ^ key);
    // The form of a name-based UUID, as the venue's are.
    str_fmt(out->uuid, sizeof out->uuid, "%08x-%04x-5%03x-%04x-%012llx", (unsigned)(a >> 32),
            (unsigned)(a >> 16 & 0xffff), (unsigned)(a & 0xfff),
            (unsigned)(b >> 48 & 0x3fff) | 0x8000U,
            (unsigned long long)(b & UINT64_C(0xffffffffffff)));
    out->seq = t->t_ms * 4; // trades of one moment share it
    out->block = b % 2000 == 7;
    out->rpi = b % 60 == 11;
}

static const char *direction(struct lane_state *l, const char *price)
{
    int64_t now = 0;
    int64_t before = 0;
    bool known = dec_parse(price, strlen(price), 8, &now, NULL) == 0 && l->last_price[0] != '\0' &&
                 dec_parse(l->last_price, strlen(l->last_price), 8, &before, NULL) == 0;
    bool zero = known && now == before;
    if (!zero) {
        l->up = !known || now > before;
    }
    str_copy(l->last_price, sizeof l->last_price, price);
    return zero ? (l->up ? "ZeroPlusTick" : "ZeroMinusTick") : l->up ? "PlusTick" : "MinusTick";
}

static void flush_trades(struct lane_state *l, struct wire_key key, const char *symbol,
                         const struct wire_out *out)
{
    if (l->trades_n == 0) {
        return;
    }
    buf_clear(out->scratch);
    buf_addf(out->scratch,
             "{\"topic\":\"publicTrade.%s\",\"type\":\"snapshot\",\"ts\":%lld,\"data\":[", symbol,
             (long long)l->trades_event_ms);
    buf_add(out->scratch, buf_ptr(&l->trades), buf_len(&l->trades));
    buf_adds(out->scratch, "]}");
    l->trades_n = 0;
    buf_clear(&l->trades);
    out->frame(out->arg, key, buf_ptr(out->scratch), buf_len(out->scratch));
}

static void add_trade(struct state *st, struct market *m, const struct sim_trade *t,
                      const struct wire_out *out)
{
    struct wire_key key = {t->lane, SIM_TRADE, BY_ONLY};
    struct lane_state *l = lane_state(st, t->lane);
    const char *symbol = m->lane[t->lane].symbol;
    const char *tick = direction(l, t->price);
    if (!out->wants(out->arg, key)) {
        l->trades_n = 0;
        buf_clear(&l->trades);
        return;
    }
    struct bybit_trade b;
    bybit_trade_of(m, t, &b);
    l->trades_ms = t->t_ms;
    l->trades_sell = t->buyer_is_maker;
    l->trades_event_ms = t->e_ms;
    buf_addf(&l->trades,
             "%s{\"T\":%lld,\"s\":\"%s\",\"S\":\"%s\",\"v\":\"%s\",\"p\":\"%s\",\"L\":\"%s\","
             "\"i\":\"%s\",\"BT\":%s,\"RPI\":%s,\"seq\":%lld}",
             l->trades_n > 0 ? "," : "", (long long)t->t_ms, symbol,
             t->buyer_is_maker ? "Sell" : "Buy", t->qty, t->price, tick, b.uuid,
             b.block ? "true" : "false", b.rpi ? "true" : "false", (long long)b.seq);
    l->trades_n++;
    // A frame is of one moment and one taker side; what follows tells whether it is whole. Long
    // sweeps are cut now and then before they are full, as the venue does.
    const struct sim_event *next = market_peek(m);
    bool more = next != NULL && next->has_trade && next->lane == t->lane &&
                next->trade.t_ms == t->t_ms && next->trade.buyer_is_maker == t->buyer_is_maker &&
                l->trades_n < TRADES_PER_FRAME && (l->trades_n < 4 || (uint8_t)b.uuid[0] % 8 != 0);
    if (!more) {
        flush_trades(l, key, symbol, out);
    }
}

// ---- recordings ---------------------------------------------------------------------------------

const struct bybit_tape *bybit_recorded(const void *state, int lane)
{
    const struct state *st = state;
    return st->lane[lane] != NULL ? st->lane[lane]->tape : NULL;
}

static bool recorded_snapshot(struct state *st, const struct market *m, struct wire_key key,
                              bool restart, struct buf *out)
{
    const struct bybit_tape *tape = bybit_recorded(st, key.lane);
    char topic[STREAM_TEXT];
    str_fmt(topic, sizeof topic, "orderbook.%zu.%s", bybit_book_levels(key.format),
            m->lane[key.lane].symbol);
    return tape != NULL && bybit_tape_snapshot(tape, key.format - BY_BOOK_1, topic,
                                               m->lane[key.lane].symbol, restart, out);
}

// ---- books --------------------------------------------------------------------------------------

static void copy_levels(struct sim_levels *to, const struct sim_levels *from)
{
    levels_clear(to);
    for (size_t i = 0; i < from->n; i++) {
        levels_add(to, from->at[i].price, from->at[i].qty);
    }
}

// What a is to become: levels of b that are new or other, and those gone with quantity 0.
static void side_delta(struct buf *out, const struct sim_levels *a, const struct sim_levels *b,
                       bool asks, const struct lane *lane)
{
    struct sim_levels d = {0};
    size_t i = 0;
    size_t j = 0;
    while (i < a->n || j < b->n) {
        bool left = j == b->n || (i < a->n && (asks ? a->at[i].price < b->at[j].price
                                                    : a->at[i].price > b->at[j].price));
        bool both = i < a->n && j < b->n && a->at[i].price == b->at[j].price;
        if (both) {
            if (a->at[i].qty != b->at[j].qty) {
                levels_add(&d, b->at[j].price, b->at[j].qty);
            }
            i++;
            j++;
        } else if (left) {
            levels_add(&d, a->at[i++].price, 0);
        } else {
            levels_add(&d, b->at[j].price, b->at[j].qty);
            j++;
        }
    }
    levels_text(out, &d, d.n, lane->price_decimals, lane->qty_decimals);
    levels_release(&d);
}

static bool fresh_book(struct state *st, struct market *m, int lane, size_t levels)
{
    struct slice raw = {0};
    return m->ops->book != NULL && m->ops->book(m, lane, levels, 0, &st->fresh, &raw) &&
           st->fresh.side[0].n > 0 && st->fresh.side[1].n > 0;
}

static void book_frame(struct buf *out, const struct market *m, struct wire_key key,
                       const struct book_state *b, const struct sim_book *before)
{
    const struct lane *lane = &m->lane[key.lane];
    buf_addf(out,
             "{\"topic\":\"orderbook.%zu.%s\",\"type\":\"%s\",\"ts\":%lld,\"data\":{\"s\":\"%s\"",
             bybit_book_levels(key.format), lane->symbol, before != NULL ? "delta" : "snapshot",
             (long long)b->t_ms + 1, lane->symbol);
    for (int side = 0; side < 2; side++) {
        buf_adds(out, side == 0 ? ",\"b\":[" : ",\"a\":[");
        if (before != NULL) {
            side_delta(out, &before->side[side], &b->now.side[side], side == 1, lane);
        } else {
            levels_text(out, &b->now.side[side], b->now.side[side].n, lane->price_decimals,
                        lane->qty_decimals);
        }
        buf_addc(out, ']');
    }
    buf_addf(out, ",\"u\":%lld,\"seq\":%lld},\"cts\":%lld}", (long long)b->u, (long long)b->seq,
             (long long)b->t_ms);
}

static bool same_levels(const struct sim_levels *a, const struct sim_levels *b)
{
    return a->n == b->n && (a->n == 0 || memcmp(a->at, b->at, a->n * sizeof *a->at) == 0);
}

static void stamp(struct book_state *b, int64_t t_ms)
{
    b->t_ms = t_ms;
    b->seq = t_ms * 4 + 1 > b->seq ? t_ms * 4 + 1 : b->seq;
}

static void move_book(struct state *st, struct market *m, struct wire_key key, int64_t t_ms,
                      const struct wire_out *out)
{
    struct book_state *b = &lane_state(st, key.lane)->book[key.format - BY_BOOK_1];
    int64_t slot = t_ms / books[key.format - BY_BOOK_1].every_ms;
    if (!out->wants(out->arg, key)) {
        b->have = false;
        return;
    }
    if (!b->have || slot <= b->slot ||
        !fresh_book(st, m, key.lane, bybit_book_levels(key.format))) {
        return;
    }
    b->slot = slot;
    bool same = same_levels(&b->now.side[0], &st->fresh.side[0]) &&
                same_levels(&b->now.side[1], &st->fresh.side[1]);
    bool level_1 = key.format == BY_BOOK_1;
    if (same && !(level_1 && t_ms - b->repeat_ms >= LEVEL_1_REPEAT_MS)) {
        return;
    }
    b->repeat_ms = t_ms;
    b->u += !same;
    stamp(b, t_ms);
    struct sim_book before = b->now;
    b->now = st->fresh;
    st->fresh = before;
    buf_clear(out->scratch);
    book_frame(out->scratch, m, key, b, level_1 ? NULL : &st->fresh);
    out->frame(out->arg, key, buf_ptr(out->scratch), buf_len(out->scratch));
}

void bybit_new_snapshot(void *state, struct market *m, struct wire_key key, int64_t t_ms,
                        bool restart, struct buf *out)
{
    struct state *st = state;
    struct book_state *b = &lane_state(st, key.lane)->book[key.format - BY_BOOK_1];
    int64_t slot = t_ms / books[key.format - BY_BOOK_1].every_ms;
    if (recorded_snapshot(st, m, key, restart, out)) {
        return;
    }
    if (!fresh_book(st, m, key.lane, bybit_book_levels(key.format))) {
        return;
    }
    copy_levels(&b->now.side[0], &st->fresh.side[0]);
    copy_levels(&b->now.side[1], &st->fresh.side[1]);
    b->u = restart ? 1 : b->u + 1 > slot ? b->u + 1 : slot;
    b->have = true;
    b->slot = slot;
    b->repeat_ms = t_ms;
    stamp(b, t_ms);
    book_frame(out, m, key, b, NULL);
}

// ---- tickers, liquidations ----------------------------------------------------------------------

static size_t ticker_frame(struct buf *out, const char *symbol, int64_t t_ms,
                           const struct bybit_ticker *now, const struct bybit_ticker *before)
{
    size_t n = 0;
    buf_addf(out, "{\"topic\":\"tickers.%s\",\"type\":\"%s\",\"data\":{\"symbol\":\"%s\"", symbol,
             before != NULL ? "delta" : "snapshot", symbol);
    for (int i = 0; i < BYBIT_TICKER_FIELDS; i++) {
        if (before == NULL || strcmp(now->value[i], before->value[i]) != 0) {
            buf_addf(out, ",\"%s\":\"%s\"", bybit_ticker_names[i], now->value[i]);
            n++;
        }
    }
    buf_addf(out, "},\"cs\":%lld,\"ts\":%lld}", (long long)t_ms * 4, (long long)t_ms);
    return n;
}

static void move_ticker(struct state *st, struct market *m, int lane, int64_t t_ms,
                        const struct wire_out *out)
{
    struct wire_key key = {lane, SIM_MARK, BY_ONLY};
    struct lane_state *l = lane_state(st, lane);
    struct bybit_ticker now;
    if (t_ms / TICKER_MS <= l->ticker_slot || !out->wants(out->arg, key) || !l->ticker_known ||
        !bybit_ticker_at(m, lane, t_ms, &now)) {
        return;
    }
    l->ticker_slot = t_ms / TICKER_MS;
    buf_clear(out->scratch);
    if (ticker_frame(out->scratch, m->lane[lane].symbol, t_ms, &now, &l->ticker) > 0) {
        out->frame(out->arg, key, buf_ptr(out->scratch), buf_len(out->scratch));
    }
    l->ticker = now;
}

static void liquidations(struct market *m, const struct sim_event *e, const struct wire_out *out)
{
    struct wire_key key = {e->lane, SIM_LIQUIDATION, BY_ONLY};
    const struct lane *of = &m->lane[e->lane];
    if (!out->wants(out->arg, key) || m->ops->liquidation == NULL || e->first_id > e->last_id) {
        return;
    }
    struct sim_liquidation q;
    size_t n = 0;
    buf_clear(out->scratch);
    buf_addf(out->scratch,
             "{\"topic\":\"allLiquidation.%s\",\"type\":\"snapshot\",\"ts\":%lld,\"data\":[",
             of->symbol, (long long)e->t_ms);
    for (int64_t id = e->first_id; id <= e->last_id; id = q.id + 1) {
        char price[DEC_TEXT];
        char qty[DEC_TEXT];
        if (!m->ops->liquidation(m, e->lane, id - 1, &q) || q.id > e->last_id) {
            break;
        }
        dec_format(price, q.bankruptcy_price, of->price_decimals, of->price_decimals);
        dec_format(qty, q.qty, of->qty_decimals, of->qty_decimals);
        buf_addf(out->scratch, "%s{\"T\":%lld,\"s\":\"%s\",\"S\":\"%s\",\"v\":\"%s\",\"p\":\"%s\"}",
                 n++ > 0 ? "," : "", (long long)q.t_ms, of->symbol, q.sell ? "Buy" : "Sell", qty,
                 price);
    }
    buf_adds(out->scratch, "]}");
    if (n > 0) {
        out->frame(out->arg, key, buf_ptr(out->scratch), buf_len(out->scratch));
    }
}

// ---- the wire -----------------------------------------------------------------------------------

void bybit_first_frame(void *state, struct market *m, struct wire_key key, int64_t t_ms,
                       struct buf *out)
{
    struct state *st = state;
    if (key.lane < 0) {
        return;
    }
    struct lane_state *l = lane_state(st, key.lane);
    if (key.kind == SIM_DEPTH && m->lane[key.lane].venue == VENUE_BYBIT &&
        recorded_snapshot(st, m, key, false, out)) {
        return;
    }
    if (key.kind == SIM_DEPTH) {
        struct book_state *b = &l->book[key.format - BY_BOOK_1];
        if (b->have) { // what the others know, so that one delta suits all
            book_frame(out, m, key, b, NULL);
        } else {
            bybit_new_snapshot(state, m, key, t_ms, false, out);
        }
    } else if (key.kind == SIM_MARK) {
        if (!l->ticker_known) {
            l->ticker_known = bybit_ticker_at(m, key.lane, t_ms, &l->ticker);
        }
        if (l->ticker_known) {
            (void)ticker_frame(out, m->lane[key.lane].symbol, t_ms, &l->ticker, NULL);
        }
    }
}

// As it was recorded, but for the times when the recording is moved.
static void recorded(struct state *st, const struct sim_event *e, const struct wire_out *out)
{
    struct lane_state *l = lane_state(st, e->lane);
    struct wire_key key = {e->lane, e->kind, BY_ONLY};
    struct slice raw = e->raw;
    int64_t stamp_ms = bybit_tape_stamp(raw);
    if (raw.n == 0) {
        return;
    }
    if (stamp_ms >= 0 && stamp_ms != e->t_ms) {
        buf_clear(&st->shifted);
        bybit_tape_shifted(&st->shifted, raw, e->t_ms - stamp_ms);
        raw = (struct slice){buf_ptr(&st->shifted), buf_len(&st->shifted)};
    }
    if (l->tape == NULL) {
        l->tape = bybit_tape_new();
    }
    if (e->kind == SIM_TRADE) {
        bybit_tape_trades(l->tape, raw);
    } else if (e->kind == SIM_DEPTH) {
        static const char topic[] = "\"topic\":\"orderbook.";
        const char *at = memmem(raw.p, raw.n, topic, sizeof topic - 1);
        int64_t levels = 0;
        for (at = at != NULL ? at + sizeof topic - 1 : raw.p + raw.n;
             at < raw.p + raw.n && *at >= '0' && *at <= '9' && levels < 10000; at++) {
            levels = levels * 10 + (*at - '0');
        }
        if (bybit_book_format(levels) == 0) {
            return;
        }
        key.format = (uint8_t)bybit_book_format(levels);
        bybit_tape_book(l->tape, key.format - BY_BOOK_1, raw);
    }
    if (out->wants(out->arg, key)) {
        out->frame(out->arg, key, raw.p, raw.n);
    }
}

static void event(void *state, struct market *m, const struct sim_event *e,
                  const struct wire_out *out)
{
    struct state *st = state;
    if (e->venue == VENUE_BINANCE || m->lane[e->lane].venue == VENUE_BINANCE) {
        return;
    }
    if (e->venue == VENUE_BYBIT) {
        recorded(st, e, out);
        return;
    }
    if (e->has_trade) {
        add_trade(st, m, &e->trade, out);
    }
    for (int f = BY_BOOK_1; f < BY_BOOK_END && e->kind == SIM_DEPTH; f++) {
        move_book(st, m, (struct wire_key){e->lane, SIM_DEPTH, (uint8_t)f}, e->t_ms, out);
    }
    if (e->kind == SIM_LIQUIDATION) {
        liquidations(m, e, out);
    }
    move_ticker(st, m, e->lane, e->t_ms, out);
}

const struct wire wire_bybit = {
    .venue = VENUE_BYBIT,
    .resolve = resolve,
    .event = event,
    .state_new = state_new,
    .state_free = state_free,
};
