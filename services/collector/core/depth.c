#include "services/collector/core/depth.h"

#include <string.h>

#include "common/base/decimal.h"

#define TS_MAX_MS INT64_C(9999999999999)

const char *depth_state_name(enum depth_state s)
{
    static const char *const name[] = {"stale", "syncing", "live"};
    return name[s];
}

void depth_init(struct depth *d, const struct depth_opts *o)
{
    memset(d, 0, sizeof *d);
    d->o = *o;
    d->chain_u = -1;
    book_init(&d->book, o->max_levels);
    depth_queue_init(&d->waiting, o->buffer_bytes);
}

void depth_release(struct depth *d)
{
    book_release(&d->book);
    depth_queue_release(&d->waiting);
}

// ---- reading a message --------------------------------------------------------------------------

static enum refusal read_levels(const struct instrument *ins, const struct frame_level *v, size_t n,
                                struct book_level *out)
{
    for (size_t i = 0; i < n; i++) {
        int rc = dec_parse(v[i].price.p, v[i].price.n, ins->price_scale, &out[i].price, NULL);
        if (rc == 0) {
            rc = dec_parse(v[i].qty.p, v[i].qty.n, ins->qty_scale, &out[i].qty, NULL);
        }
        if (rc != 0) {
            return rc == ERR_PRECISION  ? REFUSE_PRECISION
                   : rc == ERR_OVERFLOW ? REFUSE_ABSURD
                                        : REFUSE_MALFORMED;
        }
        if (out[i].price <= 0 || out[i].qty < 0) {
            return out[i].price == 0 ? REFUSE_ZERO : REFUSE_NEGATIVE;
        }
    }
    return REFUSE_NONE;
}

static enum refusal read_frame(struct depth *d, const struct frame *f, struct depth_space *space,
                               struct depth_event *ev)
{
    if (f->event_ms > TS_MAX_MS || f->trade_ms > TS_MAX_MS || f->first_id < 0 ||
        f->first_id > f->last_id || f->prev_id > f->last_id || f->last_id > INT64_MAX / 4) {
        return REFUSE_ABSURD;
    }
    enum refusal why = read_levels(&d->ins, f->bids, f->n_bids, space->level);
    if (why == REFUSE_NONE) {
        why = read_levels(&d->ins, f->asks, f->n_asks, space->level + f->n_bids);
    }
    *ev = (struct depth_event){.first = f->first_id,
                               .last = f->last_id,
                               .prev = f->prev_id < 0 ? 0 : f->prev_id,
                               .ts_ms = f->trade_ms,
                               .event_ms = f->event_ms,
                               .level = space->level,
                               .n_bids = f->n_bids,
                               .n_asks = f->n_asks};
    return why;
}

static void refuse(struct depth *d, enum refusal why, struct depth_out *out)
{
    d->refused[why]++;
    out->verdict = DEPTH_REFUSED;
    out->why = why;
}

// ---- the book -----------------------------------------------------------------------------------

static void lose(struct depth *d, const char *why, struct depth_out *out)
{
    if (d->has_book || d->chain_u >= 0) {
        out->broken = why;
    }
    d->has_book = d->proven = d->awaits = false;
    depth_queue_clear(&d->waiting);
}

// True when the book is sound after it.
static bool apply(struct depth *d, const struct depth_event *ev)
{
    const struct book_level *v = ev->level;
    for (size_t i = 0; i < ev->n_bids; i++) {
        book_set(&d->book, BOOK_BIDS, v[i].price, v[i].qty);
    }
    v += ev->n_bids;
    for (size_t i = 0; i < ev->n_asks; i++) {
        book_set(&d->book, BOOK_ASKS, v[i].price, v[i].qty);
    }
    d->book_u = ev->last;
    d->ts_ms = ev->ts_ms;
    d->event_ms = ev->event_ms;
    d->applied++;
    d->levels += ev->n_bids + ev->n_asks;
    return !book_is_crossed(&d->book);
}

static bool load(struct depth *d, const struct depth_event *ev)
{
    book_clear(&d->book);
    book_load(&d->book, BOOK_BIDS, ev->level, ev->n_bids);
    book_load(&d->book, BOOK_ASKS, ev->level + ev->n_bids, ev->n_asks);
    book_limit(&d->book, d->o.limit);
    d->book_u = ev->last;
    d->ts_ms = ev->ts_ms;
    d->event_ms = ev->event_ms;
    return !book_is_crossed(&d->book);
}

static bool is_near_edge(const struct depth *d)
{
    const struct book *b = &d->book;
    return (b->has_low && book_known(b, BOOK_BIDS) < d->o.refresh_levels) ||
           (b->has_high && book_known(b, BOOK_ASKS) < d->o.refresh_levels);
}

// An id at or below the last one that is no copy: the venue counts anew.
static bool is_restart(const struct depth *d, const struct depth_event *ev)
{
    return ev->event_ms > d->chain_ms + DEPTH_RESTART_MS;
}

static void pause_after(struct depth *d, bool helped, int64_t mono_ms)
{
    int64_t ms = d->o.retry_min_ms;
    if (helped) {
        d->tries = 0;
    } else {
        for (int i = 0; i < d->tries && ms < d->o.retry_max_ms; i++) {
            ms *= 2;
        }
        d->tries++;
    }
    d->next_ms = mono_ms + (ms < d->o.retry_max_ms ? ms : d->o.retry_max_ms);
}

// ---- Binance ------------------------------------------------------------------------------------

static bool joins(const struct depth_event *ev, int64_t id)
{
    return (ev->first <= id && id <= ev->last) || ev->prev == id;
}

static void on_crossed(struct depth *d, struct depth_out *out)
{
    d->crossed++;
    lose(d, "crossed", out);
}

static void on_change(struct depth *d, const struct depth_event *ev, struct depth_out *out)
{
    out->verdict = DEPTH_BUFFERED;
    if (d->chain_u >= 0 && ev->last <= d->chain_u && !is_restart(d, ev)) {
        d->copies++;
        out->verdict = DEPTH_COPY;
        return;
    }
    if (d->chain_u >= 0 && !joins(ev, d->chain_u)) {
        d->gaps++;
        out->expected = d->chain_u;
        out->got = ev->prev;
        lose(d, ev->last <= d->chain_u ? "restart" : "gap", out);
    }
    d->chain_u = ev->last;
    d->chain_ms = ev->event_ms;
    if (d->has_book && d->awaits) {
        if (ev->last < d->book_u) {
            d->copies++;
            out->verdict = DEPTH_COPY;
            return;
        }
        if (!joins(ev, d->book_u)) {
            d->too_old++;
            lose(d, "gap", out);
        }
        d->awaits = false;
    }
    if (!d->has_book || d->refresh) {
        depth_queue_add(&d->waiting, ev);
    }
    if (!d->has_book) {
        return;
    }
    if (!apply(d, ev)) {
        on_crossed(d, out);
        depth_queue_add(&d->waiting, ev);
        return;
    }
    d->proven = true;
    out->verdict = DEPTH_APPLIED;
    if (!d->refresh && is_near_edge(d)) {
        d->refresh = true;
        d->edges++;
        depth_queue_add(&d->waiting, ev); // the snapshot may be of this very moment
    }
}

bool depth_wants_snapshot(const struct depth *d, int64_t mono_ms)
{
    return d->o.venue == VENUE_BINANCE && d->up && d->has_units && !d->asked && d->chain_u >= 0 &&
           mono_ms >= d->next_ms && (!d->has_book || d->refresh);
}

void depth_asked(struct depth *d)
{
    d->asked = true;
}

void depth_failed(struct depth *d, bool counts, int64_t mono_ms)
{
    d->asked = false;
    if (counts) {
        d->failed++;
        pause_after(d, false, mono_ms);
    }
}

// The snapshot and all that waited. False: the book is crossed.
static bool replay(struct depth *d, const struct depth_event *snapshot, struct depth_space *space)
{
    bool sound = load(d, snapshot);
    struct depth_event ev;
    for (size_t at = 0; sound && depth_queue_next(&d->waiting, &at, &ev, space->level);) {
        sound = apply(d, &ev);
    }
    return sound;
}

static void take_snapshot(struct depth *d, const struct depth_event *ev, int64_t mono_ms,
                          struct depth_space *space, struct depth_out *out)
{
    struct depth_event head;
    while (d->waiting.n > 0) {
        depth_queue_first(&d->waiting, &head);
        if (head.last >= ev->last) {
            break;
        }
        depth_queue_drop(&d->waiting);
        d->copies++; // it is in the snapshot
    }
    if (d->waiting.n > 0 && !joins(&head, ev->last)) {
        d->too_old++;
        out->verdict = DEPTH_TOO_OLD;
        pause_after(d, false, mono_ms);
        return;
    }
    // A book that was live stays so when its snapshot is ahead of the stream: the chain of the
    // events is whole, so one of them will reach it.
    const bool was_live = d->has_book && d->proven;
    if (d->waiting.n == 0 && d->chain_u > ev->last) {
        d->too_old++; // nothing waits, and the stream is beyond it
        out->verdict = DEPTH_TOO_OLD;
        pause_after(d, false, mono_ms);
        return;
    }
    d->has_book = true;
    d->awaits = d->waiting.n == 0;
    d->proven = was_live || d->waiting.n > 0;
    d->refresh = false;
    d->snapshots++;
    out->verdict = DEPTH_APPLIED;
    if (!replay(d, ev, space)) {
        on_crossed(d, out);
        pause_after(d, false, mono_ms);
        return;
    }
    depth_queue_clear(&d->waiting);
    pause_after(d, true, mono_ms);
}

void depth_on_snapshot(struct depth *d, const struct frame *f, int64_t mono_ms,
                       struct depth_space *space, struct depth_out *out)
{
    struct depth_event ev;
    memset(out, 0, sizeof *out);
    d->asked = false;
    if (!d->has_units || !d->up) {
        refuse(d, REFUSE_FOREIGN, out); // of a connection that is gone
        return;
    }
    const enum refusal why =
        f->kind == FRAME_BOOK && f->snapshot ? read_frame(d, f, space, &ev) : REFUSE_MALFORMED;
    if (why != REFUSE_NONE) {
        refuse(d, why, out);
        d->failed++;
        pause_after(d, false, mono_ms);
        return;
    }
    take_snapshot(d, &ev, mono_ms, space, out);
}

// ---- Bybit --------------------------------------------------------------------------------------

static void on_whole(struct depth *d, const struct depth_event *ev, int64_t mono_ms,
                     struct depth_out *out)
{
    if (d->has_book && ev->last != 1 && ev->last <= d->book_u && ev->ts_ms <= d->ts_ms) {
        d->copies++; // of the other connection of a hand-over
        out->verdict = DEPTH_COPY;
        return;
    }
    d->chain_u = ev->last;
    d->chain_ms = ev->event_ms;
    d->snapshots++;
    out->verdict = DEPTH_APPLIED;
    if (!load(d, ev)) {
        on_crossed(d, out);
        d->wants_stream = true;
        return;
    }
    d->has_book = d->proven = true;
    d->wants_stream = false;
    pause_after(d, true, mono_ms);
}

static void on_delta(struct depth *d, const struct depth_event *ev, struct depth_out *out)
{
    if (d->chain_u >= 0 && ev->last <= d->chain_u && !is_restart(d, ev)) {
        d->copies++;
        out->verdict = DEPTH_COPY;
        return;
    }
    const bool follows = d->o.check_u ? ev->last - d->chain_u == 1 : ev->last > d->chain_u;
    if (d->chain_u >= 0 && !follows) {
        d->gaps++;
        out->expected = d->chain_u;
        out->got = ev->last;
        lose(d, ev->last <= d->chain_u ? "restart" : "gap", out);
    }
    d->chain_u = ev->last;
    d->chain_ms = ev->event_ms;
    out->verdict = DEPTH_BUFFERED;
    if (!d->has_book) {
        d->wants_stream = true;
        return;
    }
    out->verdict = DEPTH_APPLIED;
    if (!apply(d, ev)) {
        on_crossed(d, out);
        d->wants_stream = true;
        return;
    }
    d->proven = true;
    // The venue tells of the best levels only, and takes out what falls behind them.
    d->book.has_low = d->book.has_high = false;
    book_limit(&d->book, d->o.limit);
}

bool depth_take_resubscribe(struct depth *d, int64_t mono_ms)
{
    if (!d->wants_stream || !d->up || mono_ms < d->next_ms) {
        return false;
    }
    d->wants_stream = false;
    pause_after(d, false, mono_ms);
    return true;
}

// ---- both ---------------------------------------------------------------------------------------

static bool is_future(const struct frame *f, int64_t rx_us, const struct feed_clock *clock)
{
    const int64_t limit_ms = rx_us / 1000 + clock->offset_ms + FEED_FUTURE_MS;
    return clock->known && (f->event_ms > limit_ms || f->trade_ms > limit_ms);
}

void depth_on_frame(struct depth *d, const struct frame *f, int64_t rx_us,
                    const struct feed_clock *clock, int64_t mono_ms, struct depth_space *space,
                    struct depth_out *out)
{
    struct depth_event ev;
    memset(out, 0, sizeof *out);
    d->events++;
    enum refusal why = REFUSE_NONE;
    if (!d->has_units || f->kind != FRAME_BOOK || f->market != 1 ||
        !slice_eq(f->symbol, d->ins.symbol)) {
        why = REFUSE_FOREIGN;
    } else if (is_future(f, rx_us, clock)) {
        why = REFUSE_FUTURE;
    } else {
        why = read_frame(d, f, space, &ev);
    }
    if (why != REFUSE_NONE) {
        refuse(d, why, out);
        return;
    }
    if (d->o.venue == VENUE_BYBIT) {
        if (f->snapshot || ev.last == 1) {
            on_whole(d, &ev, mono_ms, out);
        } else {
            on_delta(d, &ev, out);
        }
    } else if (f->snapshot) {
        take_snapshot(d, &ev, mono_ms, space, out);
    } else {
        on_change(d, &ev, out);
    }
}

void depth_set_units(struct depth *d, const struct instrument *ins)
{
    if (d->has_units && d->ins.price_scale == ins->price_scale &&
        d->ins.qty_scale == ins->qty_scale) {
        return;
    }
    d->ins = *ins;
    d->has_units = true;
    d->has_book = d->proven = d->awaits = d->refresh = false;
    d->chain_u = -1;
    d->shown.has = false;
    depth_queue_clear(&d->waiting);
}

void depth_set_up(struct depth *d, bool up, int64_t mono_ms)
{
    if (up && !d->up && d->o.venue == VENUE_BINANCE) {
        d->tries = 0;
        d->next_ms = mono_ms;
    } else if (up && !d->up && d->next_ms < mono_ms + d->o.retry_min_ms) {
        d->next_ms = mono_ms + d->o.retry_min_ms;
    }
    d->up = up;
    d->proven = false; // until an event shows that nothing was missed
}

void depth_set_silent(struct depth *d, bool silent)
{
    d->silent = silent;
}

enum depth_state depth_state(const struct depth *d)
{
    if (!d->up || d->silent) {
        return DEPTH_STALE;
    }
    return d->has_book && d->proven && book_touch_is_known(&d->book) ? DEPTH_LIVE : DEPTH_SYNCING;
}

const struct depth_view *depth_view(struct depth *d)
{
    struct depth_view *v = &d->shown;
    if (depth_state(d) != DEPTH_LIVE) {
        return v;
    }
    v->has = true;
    v->n_bids = book_top(&d->book, BOOK_BIDS, v->bids, DEPTH_SHOWN);
    v->n_asks = book_top(&d->book, BOOK_ASKS, v->asks, DEPTH_SHOWN);
    v->update_id = d->book_u;
    v->ts_ms = d->ts_ms;
    v->event_ms = d->event_ms;
    v->has_low = d->book.has_low;
    v->has_high = d->book.has_high;
    v->low = d->book.low;
    v->high = d->book.high;
    v->levels_bid = book_levels(&d->book, BOOK_BIDS);
    v->levels_ask = book_levels(&d->book, BOOK_ASKS);
    return v;
}
