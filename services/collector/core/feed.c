#include "services/collector/core/feed.h"

#include <string.h>

#define DAY_MS INT64_C(86400000)

// Later than this a time can only be garbage: 2286-11-20. Also keeps sums far from overflow.
#define TS_MAX_MS INT64_C(9999999999999)

void feed_init(struct feed *f, const struct instrument *ins, const struct feed_opts *o)
{
    memset(f, 0, sizeof *f);
    f->o = *o;
    f->ins = *ins;
    f->newest_id = f->oldest_id = -1;
    idset_init(&f->held, o->max_spans);
    uidwin_init(&f->names, o->window_ms, o->max_names);
    f->link = UIDWIN_FIRST_LINK - 1;
}

void feed_release(struct feed *f)
{
    idset_release(&f->held);
    uidwin_release(&f->names);
}

void feed_set_units(struct feed *f, const struct instrument *ins)
{
    f->ins = *ins;
    f->has_units = true;
}

static void note_ends(struct feed *f, int64_t id, int64_t ts_ms)
{
    if (id > f->newest_id) {
        f->newest_id = id;
        f->newest_ms = ts_ms;
    }
    if (f->oldest_id < 0 || id < f->oldest_id) {
        f->oldest_id = id;
        f->oldest_ms = ts_ms;
    }
}

void feed_seed(struct feed *f, int64_t id, int64_t ts_ms)
{
    idset_add(&f->held, id, ts_ms);
    note_ends(f, id, ts_ms);
}

void feed_seed_range(struct feed *f, int64_t lo, int64_t hi, int64_t t_lo, int64_t t_hi)
{
    idset_add_range(&f->held, lo, hi, t_lo, t_hi);
    note_ends(f, lo, t_lo);
    note_ends(f, hi, t_hi);
}

static void refuse(struct feed *f, enum refusal why, struct feed_out *out)
{
    f->refused[why]++;
    out->verdict = FEED_REFUSED;
    out->why = why;
}

static bool is_known_exec(struct slice x)
{
    return x.n == 0 || slice_eq(x, "MARKET") || slice_eq(x, "RPI");
}

// Decimals after the point as they stand in the text; -1 for a spelling with an exponent.
static int decimals_of(struct slice s)
{
    const char *point = memchr(s.p, '.', s.n);
    if (memchr(s.p, 'e', s.n) != NULL || memchr(s.p, 'E', s.n) != NULL) {
        return -1;
    }
    return point == NULL ? 0 : (int)(s.p + s.n - point - 1);
}

// A venue that describes no instrument: tick from the configuration, quantity scale from the wire.
static bool units_from_wire(struct feed *f, const struct frame *fr)
{
    const int decimals = decimals_of(fr->qty);
    struct instrument ins = f->ins;
    if (decimals < 0 || decimals > 10 ||
        instrument_set_units(&ins, f->o.fallback_tick, "", decimals, NULL) != 0) {
        return false;
    }
    feed_set_units(f, &ins);
    return true;
}

bool feed_is_absurd_jump(int64_t from_id, int64_t from_ms, int64_t id, int64_t ts_ms)
{
    if (from_id < 0 || id <= from_id) {
        return false;
    }
    const int64_t ms = ts_ms > from_ms ? ts_ms - from_ms : 0;
    return id - from_id > FEED_JUMP_IDS + FEED_JUMP_IDS_PER_MS * ms;
}

// Before the day in front of the newest trade's: nobody counts it, and it must not take an id that
// a real trade may bear. Not the first frame: that one tells whether this is our market at all.
static bool is_too_old(const struct feed *f, const struct frame *fr)
{
    return fr->trade_ms < f->newest_ms - f->newest_ms % DAY_MS - DAY_MS;
}

static enum refusal check(struct feed *f, const struct frame *fr, int64_t rx_us,
                          const struct feed_clock *clock, struct feed_out *out)
{
    if (fr->kind == FRAME_UID_TRADE && trade_uid_parse(fr->uid, &out->trade.uid) != 0) {
        return REFUSE_MALFORMED;
    }
    if (fr->kind != f->o.subscribed || fr->market != 1 || !slice_eq(fr->symbol, f->ins.symbol)) {
        return REFUSE_FOREIGN;
    }
    if (fr->trade_ms <= 0 || fr->trade_ms > TS_MAX_MS || fr->event_ms > TS_MAX_MS ||
        fr->price.n > 23 || fr->qty.n > 23) {
        return REFUSE_ABSURD;
    }
    if (!f->has_units) {
        if (!units_from_wire(f, fr)) {
            return REFUSE_PRECISION;
        }
        out->new_units = true;
    }
    const enum refusal why = trade_set_numbers(&out->trade, &f->ins, fr->price, fr->qty);
    if (why != REFUSE_NONE) {
        return why;
    }
    if (clock->known && fr->trade_ms > rx_us / 1000 + clock->offset_ms + FEED_FUTURE_MS) {
        return REFUSE_FUTURE;
    }
    // The first frame of all is the fence's to judge: it may be another market than what is stored.
    if (f->live && feed_is_absurd_jump(f->newest_id, f->newest_ms, fr->id, fr->trade_ms)) {
        return REFUSE_ABSURD;
    }
    if (f->live && is_too_old(f, fr)) {
        return REFUSE_TOO_OLD;
    }
    return REFUSE_NONE;
}

void feed_begin(struct feed *f)
{
    f->new_link = true;
    f->link++;
}

static void find_gap(struct feed *f, const struct frame *fr, struct feed_out *out)
{
    if (f->newest_id < 0 || fr->id <= f->newest_id + 1) {
        return;
    }
    out->gap = true;
    out->gap_from = f->newest_id + 1;
    out->gap_to = fr->id - 1;
    out->gap_from_ms = f->newest_ms;
    out->gap_to_ms = fr->trade_ms;
    out->gap_reason = !f->live ? "restart" : f->new_link ? "reconnect" : "jump";
    f->gaps++;
    f->gap_ids += (uint64_t)(out->gap_to - out->gap_from) + 1;
}

// ---- trades that UUIDs name --------------------------------------------------------------------

// A time near that of its frame, and not far behind the newest.
static bool is_believable(const struct feed *f, const struct frame *fr)
{
    return fr->trade_ms > 0 && fr->trade_ms <= fr->event_ms + FEED_FUTURE_MS &&
           fr->trade_ms >= fr->event_ms - FEED_FUTURE_MS &&
           (f->newest_ms == 0 || fr->trade_ms >= f->newest_ms - FEED_FUTURE_MS);
}

static void lost_named(struct feed *f, const struct frame *fr, const char *why,
                       struct feed_out *out)
{
    if (f->newest_ms == 0) {
        return; // what is known begins with the first trade that is held
    }
    if (is_believable(f, fr)) {
        out->hole = true;
        out->hole_from_ms = fr->trade_ms;
        out->hole_to_ms = fr->trade_ms + 1;
        out->hole_reason = why;
        f->gaps++;
        return;
    }
    if (!f->suspect) {
        f->suspect = true;
        f->suspect_from_ms = f->newest_ms;
        f->suspect_why = why;
    }
}

// The next trade is here: up to its time a trade may be missing.
static void end_suspicion(struct feed *f, int64_t ts_ms, struct feed_out *out)
{
    out->hole = true;
    out->hole_from_ms = f->suspect_from_ms < ts_ms ? f->suspect_from_ms : ts_ms;
    out->hole_to_ms = ts_ms + 1;
    out->hole_reason = f->suspect_why;
    f->suspect = false;
    f->gaps++;
}

static void accept_named(struct feed *f, const struct frame *fr, int64_t rx_us,
                         struct feed_out *out)
{
    struct trade *t = &out->trade;
    const bool first = f->new_link || !f->live;
    f->live = true;
    f->new_link = false;
    if (!uidwin_add(&f->names, t->uid, fr->trade_ms, f->link)) {
        f->duplicates++;
        out->verdict = FEED_DUPLICATE;
        return;
    }
    t->ts_ms = fr->trade_ms;
    t->id = fr->seq > 0 ? fr->seq : 0;
    t->side = fr->maker ? SIDE_SELL : SIDE_BUY;
    t->flags = fr->flags;
    out->rejoin = first;
    out->rejoin_ms = f->newest_ms;
    if (f->suspect) {
        end_suspicion(f, t->ts_ms, out);
    }
    out->late = t->ts_ms < f->newest_ms;
    f->late += out->late ? 1 : 0;
    f->newest_ms = t->ts_ms > f->newest_ms ? t->ts_ms : f->newest_ms;
    f->oldest_ms = f->oldest_ms == 0 || t->ts_ms < f->oldest_ms ? t->ts_ms : f->oldest_ms;
    f->last_ts_ms = f->newest_ms;
    f->last_rx_us = rx_us;
    f->trades++;
    out->verdict = FEED_TRADE;
}

void feed_on_malformed(struct feed *f, const struct frame *fr, struct feed_out *out)
{
    memset(out, 0, sizeof *out);
    f->frames++;
    refuse(f, REFUSE_MALFORMED, out);
    if (fr->hides_trade && f->o.subscribed == FRAME_UID_TRADE) {
        lost_named(f, fr, "malformed", out);
    }
}

void feed_seed_name(struct feed *f, struct trade_uid uid, int64_t ts_ms)
{
    (void)uidwin_add(&f->names, uid, ts_ms, UIDWIN_STORED);
    f->newest_ms = ts_ms > f->newest_ms ? ts_ms : f->newest_ms;
    f->oldest_ms = f->oldest_ms == 0 || ts_ms < f->oldest_ms ? ts_ms : f->oldest_ms;
}

// ------------------------------------------------------------------------------------------------

void feed_on_trade(struct feed *f, const struct frame *fr, int64_t rx_us,
                   const struct feed_clock *clock, struct feed_out *out)
{
    memset(out, 0, sizeof *out);
    f->frames++;
    const enum refusal why = check(f, fr, rx_us, clock, out);
    if (why != REFUSE_NONE) {
        refuse(f, why, out);
        if (f->o.subscribed == FRAME_UID_TRADE) {
            lost_named(f, fr, "refused", out);
        }
        return;
    }
    if (fr->kind == FRAME_UID_TRADE) {
        accept_named(f, fr, rx_us, out);
        return;
    }
    out->trade.ts_ms = fr->trade_ms;
    out->trade.id = fr->id;
    out->trade.side = fr->maker ? SIDE_SELL : SIDE_BUY;
    out->trade.flags = 0;
    if (slice_eq(fr->exec, "RPI")) {
        out->trade.flags = TRADE_RPI;
    }
    find_gap(f, fr, out);
    f->live = true;
    f->new_link = false;
    if (!idset_add(&f->held, fr->id, fr->trade_ms)) {
        f->duplicates++;
        out->verdict = FEED_DUPLICATE;
        return;
    }
    out->late = fr->id < f->newest_id;
    f->late += out->late ? 1 : 0;
    note_ends(f, fr->id, fr->trade_ms);
    f->last_rx_us = rx_us;
    if (!is_known_exec(fr->exec)) {
        f->excluded++;
        f->refused[REFUSE_EXCLUDED]++;
        out->verdict = FEED_EXCLUDED;
        out->why = REFUSE_EXCLUDED;
        return;
    }
    if (fr->trade_ms > f->last_ts_ms) {
        f->last_ts_ms = fr->trade_ms;
    }
    f->trades++;
    out->verdict = FEED_TRADE;
    if ((f->trades & 4095) == 0) {
        idset_prune(&f->held, f->newest_ms - f->o.window_ms);
    }
}

void feed_dropped(struct feed *f, const struct trade *t)
{
    if (trade_has_uid(t)) {
        uidwin_remove(&f->names, t->uid);
    } else {
        idset_remove(&f->held, t->id, t->ts_ms);
    }
}
