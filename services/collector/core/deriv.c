#include "services/collector/core/deriv.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/decimal.h"
#include "common/base/json.h"
#include "common/base/mem.h"

#define TS_MAX_MS INT64_C(9999999999999)

void deriv_init(struct deriv *d, const struct instrument *ins, const struct deriv_opts *o)
{
    memset(d, 0, sizeof *d);
    d->o = *o;
    d->ins = *ins;
    d->tip_ms = d->last_liq_ms = -1;
    d->mark.next_funding_ms = d->mark.funding_hours = d->mark.ts_ms = d->mark.oi_ts_ms = -1;
}

void deriv_release(struct deriv *d)
{
    free(d->item);
    d->item = NULL;
    d->done = d->sent = d->n = d->cap = 0;
}

void deriv_set_units(struct deriv *d, const struct instrument *ins)
{
    d->ins = *ins;
    d->has_units = true;
}

// ---- the list ----------------------------------------------------------------------------------

static struct deriv_item *find(const struct deriv *d, const struct liquidation *l)
{
    for (size_t i = d->n; i-- > 0;) {
        if (liquidation_same(&d->item[i].l, l)) {
            return &d->item[i];
        }
    }
    return NULL;
}

static struct deriv_item *append(struct deriv *d)
{
    if (d->n == d->cap) {
        d->cap = d->cap > 0 ? 2 * d->cap : 64;
        d->item = xrealloc(d->item, d->cap * sizeof *d->item);
    }
    struct deriv_item *it = &d->item[d->n++];
    memset(it, 0, sizeof *it);
    return it;
}

// Stored ones beyond the window; not for each, because the rest has to be moved.
static void prune(struct deriv *d)
{
    if (d->done < 2 * d->o.window) {
        return;
    }
    const size_t drop = d->done - d->o.window;
    memmove(d->item, d->item + drop, (d->n - drop) * sizeof *d->item);
    d->done -= drop;
    d->sent -= drop;
    d->n -= drop;
}

// ---- liquidations ------------------------------------------------------------------------------

static bool is_future(int64_t ts_ms, int64_t rx_us, const struct feed_clock *clock)
{
    return clock->known && ts_ms > rx_us / 1000 + clock->offset_ms + FEED_FUTURE_MS;
}

static enum refusal check_qty(const struct deriv *d, struct slice qty)
{
    int64_t v;
    const enum refusal why = number_kind(qty);
    if (why != REFUSE_NONE || !d->has_units) {
        return why;
    }
    const int rc = dec_parse(qty.p, qty.n, d->ins.qty_scale, &v, NULL);
    return rc == 0 ? REFUSE_NONE : rc == ERR_PRECISION ? REFUSE_PRECISION : REFUSE_ABSURD;
}

static enum refusal check(const struct deriv *d, const struct frame *fr, int64_t rx_us,
                          const struct feed_clock *clock)
{
    if (fr->market != 1 || !slice_eq(fr->symbol, d->ins.symbol)) {
        return REFUSE_FOREIGN;
    }
    if (fr->trade_ms <= 0 || fr->trade_ms > TS_MAX_MS || fr->event_ms > TS_MAX_MS) {
        return REFUSE_ABSURD;
    }
    enum refusal why = number_kind(fr->price);
    if (why == REFUSE_NONE) {
        why = check_qty(d, fr->qty);
    }
    if (why == REFUSE_NONE && fr->order_price.n > 0) {
        why = number_kind(fr->order_price);
    }
    return why != REFUSE_NONE                      ? why
           : is_future(fr->trade_ms, rx_us, clock) ? REFUSE_FUTURE
                                                   : REFUSE_NONE;
}

static enum deriv_verdict on_liquidation(struct deriv *d, const struct frame *fr, int64_t shown_us)
{
    struct liquidation l = {.ts_ms = fr->trade_ms,
                            .rx_us = shown_us,
                            .side = fr->maker ? SIDE_SELL : SIDE_BUY,
                            .bankruptcy = fr->price_kind == PRICE_BANKRUPTCY};
    str_copyn(l.price, sizeof l.price, fr->price.p, fr->price.n);
    str_copyn(l.qty, sizeof l.qty, fr->qty.p, fr->qty.n);
    if (fr->order_price.n > 0) {
        str_copyn(l.order_price, sizeof l.order_price, fr->order_price.p, fr->order_price.n);
    }
    if (find(d, &l) != NULL) {
        d->copies++;
        return DERIV_COPY;
    }
    d->last_liq_ms = l.ts_ms > d->last_liq_ms ? l.ts_ms : d->last_liq_ms;
    if (d->n - d->done >= d->o.max_queue) {
        d->lost++;
        return DERIV_LOST;
    }
    append(d)->l = l;
    d->taken++;
    return DERIV_TAKEN;
}

// ---- mark --------------------------------------------------------------------------------------

static enum refusal check_mark(const struct slice *s)
{
    for (int i = 0; i < MARK_TEXTS; i++) {
        if (s[i].n == 0) {
            continue; // not told
        }
        const enum refusal why = number_kind(s[i]);
        const bool fine = why == REFUSE_NONE || (why == REFUSE_ZERO && i != MARK && i != LAST) ||
                          (why == REFUSE_NEGATIVE && i == FUNDING);
        if (!fine) {
            return why;
        }
    }
    return REFUSE_NONE;
}

static enum refusal check_mark_frame(const struct deriv *d, const struct frame *fr,
                                     const struct slice *s, int64_t rx_us,
                                     const struct feed_clock *clock)
{
    if (fr->market != 1 || !slice_eq(fr->symbol, d->ins.symbol)) {
        return REFUSE_FOREIGN;
    }
    if (fr->event_ms <= 0 || fr->event_ms > TS_MAX_MS || fr->next_funding_ms > TS_MAX_MS ||
        fr->funding_hours > 8784) {
        return REFUSE_ABSURD;
    }
    return is_future(fr->event_ms, rx_us, clock) ? REFUSE_FUTURE : check_mark(s);
}

static enum deriv_verdict on_mark(struct deriv *d, const struct frame *fr, const struct slice *s)
{
    struct deriv_mark *m = &d->mark;
    if (fr->event_ms < m->ts_ms) {
        d->old_marks++; // of the other of two sockets
        return DERIV_OLD;
    }
    for (int i = 0; i < MARK_TEXTS; i++) {
        if (s[i].n > 0) {
            str_copyn(m->text[i], LIQ_TEXT, s[i].p, s[i].n);
        }
    }
    m->ts_ms = fr->event_ms;
    m->oi_ts_ms = s[OI].n > 0 ? fr->event_ms : m->oi_ts_ms;
    m->next_funding_ms = fr->next_funding_ms >= 0 ? fr->next_funding_ms : m->next_funding_ms;
    m->funding_hours = fr->funding_hours >= 0 ? fr->funding_hours : m->funding_hours;
    m->changed = true;
    d->marks++;
    return DERIV_TAKEN;
}

enum deriv_verdict deriv_on_frame(struct deriv *d, const struct frame *fr, int64_t rx_us,
                                  int64_t shown_us, const struct feed_clock *clock,
                                  enum refusal *why)
{
    const struct slice s[MARK_TEXTS] = {[MARK] = fr->mark,
                                        [INDEX] = fr->index,
                                        [SETTLE] = fr->settle,
                                        [FUNDING] = fr->funding,
                                        [LAST] = fr->last_price,
                                        [OI] = fr->open_interest,
                                        [OI_VALUE] = fr->open_interest_value};
    const bool liquidation = fr->kind == FRAME_LIQUIDATION;
    *why = liquidation ? check(d, fr, rx_us, clock) : check_mark_frame(d, fr, s, rx_us, clock);
    if (*why != REFUSE_NONE) {
        d->refused[*why]++;
        return DERIV_REFUSED;
    }
    return liquidation ? on_liquidation(d, fr, shown_us) : on_mark(d, fr, s);
}

enum refusal deriv_on_open_interest(struct deriv *d, struct slice value, int64_t ts_ms)
{
    const enum refusal why = number_kind(value);
    if ((why != REFUSE_NONE && why != REFUSE_ZERO) || ts_ms <= 0 || ts_ms > TS_MAX_MS) {
        return why != REFUSE_NONE && why != REFUSE_ZERO ? why : REFUSE_ABSURD;
    }
    if (ts_ms >= d->mark.oi_ts_ms) {
        str_copyn(d->mark.text[OI], LIQ_TEXT, value.p, value.n);
        d->mark.oi_ts_ms = ts_ms;
        d->mark.changed = true;
    }
    return REFUSE_NONE;
}

int deriv_read_open_interest(const char *body, size_t n, const char *symbol, char value[LIQ_TEXT],
                             int64_t *ts_ms)
{
    const char *s = "", *oi = "";
    json_t *root = json_parse(body, n, NULL);
    int rc = root == NULL ? ERR_SYNTAX : json_get_str(root, "symbol", &s, NULL);
    rc = rc ? rc : json_get_str(root, "openInterest", &oi, NULL);
    rc = rc ? rc : json_get_i64(root, "time", ts_ms, NULL);
    if (rc == 0 && (strcmp(s, symbol) != 0 || !str_copy(value, LIQ_TEXT, oi))) {
        rc = ERR_RANGE;
    }
    json_decref(root);
    return rc;
}

// ---- reading back ------------------------------------------------------------------------------

void deriv_reload_begin(struct deriv *d)
{
    d->tip_ms = -1;
    for (size_t i = 0; i < d->n; i++) {
        d->item[i].there = false;
    }
}

void deriv_reload_entry(struct deriv *d, const struct liquidation *l, int64_t entry_ms,
                        int64_t mono_ms)
{
    struct deriv_item *it = find(d, l);
    d->tip_ms = entry_ms > d->tip_ms ? entry_ms : d->tip_ms;
    if (it == NULL) {
        it = append(d);
        it->l = *l;
    }
    if (it->stored_ms == 0) {
        it->stored_ms = mono_ms > 0 ? mono_ms : 1;
    }
    it->there = true;
}

// Stored for all we know: found, or older than what a Redis may lose, or further back than was
// read.
static bool is_stored(const struct deriv *d, size_t i, int64_t mono_ms)
{
    const struct deriv_item *it = &d->item[i];
    return it->there ||
           (i < d->done && (mono_ms - it->stored_ms > d->o.resend_ms || i + d->o.window < d->done));
}

void deriv_reload_end(struct deriv *d, int64_t mono_ms)
{
    struct deriv_item *next = xcalloc(d->n > 0 ? d->n : 1, sizeof *next);
    size_t n = 0;
    for (size_t i = 0; i < d->n; i++) {
        if (is_stored(d, i, mono_ms)) {
            next[n++] = d->item[i];
        }
    }
    const size_t done = n;
    for (size_t i = 0; i < d->n; i++) {
        if (!is_stored(d, i, mono_ms)) {
            d->resent += i < d->done ? 1 : 0;
            next[n] = d->item[i];
            next[n++].stored_ms = 0;
        }
    }
    free(d->item);
    d->item = next;
    d->cap = n > 0 ? n : 1;
    d->n = n;
    d->done = d->sent = done;
    prune(d);
}

// ---- out ---------------------------------------------------------------------------------------

size_t deriv_waiting(const struct deriv *d)
{
    return d->n - d->done;
}

const struct liquidation *deriv_next(struct deriv *d, int64_t *entry_ms)
{
    if (d->sent == d->n) {
        return NULL;
    }
    const struct liquidation *l = &d->item[d->sent++].l;
    if (l->ts_ms > d->tip_ms) {
        d->tip_ms = l->ts_ms;
    } else if (l->ts_ms < d->tip_ms) {
        d->late++;
    }
    *entry_ms = d->tip_ms;
    return l;
}

void deriv_stored(struct deriv *d, int64_t mono_ms)
{
    for (size_t i = d->done; i < d->sent; i++) {
        d->item[i].stored_ms = mono_ms > 0 ? mono_ms : 1;
    }
    d->stored += d->sent - d->done;
    d->done = d->sent;
    prune(d);
}
