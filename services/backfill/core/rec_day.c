#include "services/backfill/core/rec_day.h"

#include <string.h>

#include "common/base/clock.h"
#include "common/feed/bybit.h"
#include "common/market/trade.h"

#define SLACK_MS INT64_C(300000)
#define SIM_SLACK_MS (INT64_C(36) * 3600000)
#define SPANS 4096
#define CLAIM_ROWS 256
#define SETTLED_MS 1000         // the venue tells trades in order, within a message or two
#define NAMES ((size_t)8 << 20) // of a day: 200 MB at most, when so many trades are told

int64_t rec_day_slack_ms(const struct instrument *ins)
{
    return ins->simulated ? SIM_SLACK_MS : SLACK_MS;
}

bool rec_day_wants(const struct instrument *ins, int64_t start_ms, const struct record_name *file,
                   int64_t written_ms)
{
    const int64_t slack = rec_day_slack_ms(ins);
    const char *kind = ins->venue == VENUE_BYBIT ? "linear" : "market";
    return strcmp(file->kind, kind) == 0 && file->start_ms < start_ms + MS_PER_DAY + slack &&
           written_ms >= start_ms - slack;
}

void rec_day_init(struct rec_day *d, const struct instrument *ins, int64_t start_ms)
{
    memset(d, 0, sizeof *d);
    d->ins = ins;
    d->start_ms = start_ms;
    d->slack_ms = rec_day_slack_ms(ins);
    idset_init(&d->ids, SPANS);
    uidset_init(&d->uids, NAMES);
}

void rec_day_release(struct rec_day *d)
{
    idset_release(&d->ids);
    uidset_release(&d->uids);
}

// ---- stretches ---------------------------------------------------------------------------------

// Every trade of the stretch before to_ms has been told.
static void claim(struct rec_day *d, struct rec_stretch *s, int64_t to_ms)
{
    const int64_t end_ms = d->start_ms + MS_PER_DAY;
    const int64_t from = s->from_ms < d->start_ms ? d->start_ms : s->from_ms;
    const int64_t to = to_ms > end_ms ? end_ms : to_ms;
    s->rows = 0;
    if (s->from_ms < 0 || to_ms <= s->from_ms) {
        return;
    }
    s->from_ms = to_ms;
    if (from < to && d->on_claim != NULL && d->ins->venue == VENUE_BYBIT) {
        d->claims++;
        d->on_claim(d->arg, from, to);
    }
}

static void restart(struct rec_stretch *s)
{
    s->from_ms = s->last_ms = -1;
    s->rows = 0;
}

// Something of the stretch may be missing here.
static void cut(struct rec_day *d)
{
    claim(d, &d->now, d->now.last_ms);
    restart(&d->now);
}

static void opened(struct rec_day *d, const struct record_line *l)
{
    if (d->open) {
        cut(d);
    }
    d->open = l->simulated == d->ins->simulated;
    d->other_kind += d->open ? 0 : 1;
    str_copy(d->now.conn, sizeof d->now.conn, l->conn);
    d->now.part = l->part;
    restart(&d->now);
    for (size_t i = 0; i < d->n_parked && d->open; i++) {
        struct rec_stretch *p = &d->parked[i];
        if (strcmp(p->conn, l->conn) != 0) {
            continue;
        }
        if (p->part + 1 == l->part) {
            d->now = *p;
            d->now.part = l->part;
        } else {
            claim(d, p, p->last_ms);
        }
        *p = d->parked[--d->n_parked];
        break;
    }
}

static void closed(struct rec_day *d, bool rotated)
{
    if (!d->open) {
        return;
    }
    d->open = false;
    if (!rotated || d->n_parked == REC_DAY_PARKED) {
        cut(d);
        return;
    }
    d->parked[d->n_parked++] = d->now;
}

// ---- trades ------------------------------------------------------------------------------------

static bool is_told(struct rec_day *d, const struct frame *f, struct trade_uid uid)
{
    return f->kind == FRAME_AGG_TRADE ? !idset_add(&d->ids, f->id, f->trade_ms)
                                      : uidset_add(&d->uids, uid) == UIDSET_HELD;
}

static void tell(struct rec_day *d, const struct frame *f, struct trade_uid uid)
{
    const bool named = f->kind == FRAME_UID_TRADE;
    if (f->trade_ms < d->start_ms || f->trade_ms >= d->start_ms + MS_PER_DAY ||
        is_told(d, f, uid)) {
        return;
    }
    const struct csv_row r = {.ts_ms = f->trade_ms,
                              .id = !named       ? f->id
                                    : f->seq > 0 ? f->seq
                                                 : 0,
                              .price = f->price,
                              .qty = f->qty,
                              .uid = named ? f->uid : (struct slice){"", 0},
                              .symbol = f->symbol,
                              .side = f->maker ? SIDE_SELL : SIDE_BUY,
                              .flags = f->flags};
    d->rows++;
    d->on_row(d->arg, &r);
}

static void row(struct rec_day *d, const struct frame *f)
{
    struct trade t;
    struct trade_uid uid = {0, 0};
    struct rec_stretch *s = &d->now;
    const bool named = f->kind == FRAME_UID_TRADE;
    if ((named && (trade_uid_parse(f->uid, &uid) != 0 || (uid.hi | uid.lo) == 0)) ||
        (!named && f->market != 1) ||
        trade_set_numbers(&t, d->ins, f->price, f->qty) != REFUSE_NONE) {
        d->refused++;
        cut(d);
        return;
    }
    tell(d, f, uid);
    s->from_ms = s->from_ms < 0 ? f->trade_ms + 1 : s->from_ms;
    s->last_ms = f->trade_ms > s->last_ms ? f->trade_ms : s->last_ms;
    if (++s->rows >= CLAIM_ROWS) {
        claim(d, s, s->last_ms - SETTLED_MS);
    }
}

static void on_frame(void *arg, const struct frame *f)
{
    struct rec_day *d = arg;
    const char *symbol = d->ins->symbol;
    if (f->kind == FRAME_MALFORMED) {
        if (f->hides_trade && (f->symbol.n == 0 || slice_eq(f->symbol, symbol))) {
            d->refused++;
            cut(d);
        }
        return;
    }
    // Single fills (@trade) have numbers of their own and are not taken.
    if ((f->kind == FRAME_UID_TRADE || f->kind == FRAME_AGG_TRADE) && slice_eq(f->symbol, symbol)) {
        row(d, f);
    }
}

static bool starts(struct slice s, const char *with)
{
    const size_t n = strlen(with);
    return s.n >= n && memcmp(s.p, with, n) == 0;
}

static void message(struct rec_day *d, struct slice json)
{
    if (d->ins->venue == VENUE_BINANCE) {
        frame_decode_each(json.p, json.n, d->space, on_frame, d);
    } else if (!starts(json, "{\"topic\":\"orderbook.") && !starts(json, "{\"topic\":\"tickers.")) {
        bybit_decode(json.p, json.n, d->space, on_frame, d);
    }
}

bool rec_day_line(struct rec_day *d, const char *p, size_t n)
{
    struct record_line l;
    switch (record_line_parse(p, n, &l)) {
    case RECORD_OPEN:
        opened(d, &l);
        return true;
    case RECORD_CLOSE:
        closed(d, l.rotated);
        return true;
    case RECORD_REST:
        return true;
    case RECORD_BAD:
        if (d->open) {
            cut(d);
        }
        return true;
    case RECORD_FRAME:
        break;
    }
    const int64_t rx_ms = l.rx_ns / 1000000;
    if (rx_ms >= d->start_ms + MS_PER_DAY + d->slack_ms) {
        return false;
    }
    if (d->open && rx_ms >= d->start_ms - d->slack_ms) {
        message(d, l.json);
    }
    return true;
}

void rec_day_file_end(struct rec_day *d)
{
    if (d->open) {
        cut(d);
        d->open = false;
    }
}

void rec_day_end(struct rec_day *d)
{
    rec_day_file_end(d);
    for (size_t i = 0; i < d->n_parked; i++) {
        claim(d, &d->parked[i], d->parked[i].last_ms);
    }
    d->n_parked = 0;
}
