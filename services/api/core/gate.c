#include "services/api/core/gate.h"

#include <string.h>

#include "common/base/clock.h"
#include "common/market/session.h"
#include "services/api/core/jscan.h"

const char *feed_text(const struct snap *s, const char *name)
{
    char key[96];
    return str_fmt(key, sizeof key, "%s.%s", s->who.name, name) ? rhash_get(s->sec[SEC_FEED], key)
                                                                : "";
}

int64_t feed_i64(const struct snap *s, const char *name)
{
    const char *t = feed_text(s, name);
    int64_t v = -1;
    return parse_i64(t, strlen(t), &v) == 0 ? v : -1;
}

bool feed_true(const struct snap *s, const char *name)
{
    const char *t = feed_text(s, name);
    return strcmp(t, "1") == 0 || strcmp(t, "true") == 0;
}

void feed_read(const struct snap *s, struct feed *out)
{
    memset(out, 0, sizeof *out);
    out->known = *feed_text(s, "trades_connected") != '\0';
    out->connected = feed_true(s, "trades_connected");
    out->silent = feed_true(s, "silent");
    out->last_ts_ms = feed_i64(s, "trades_last_ts_ms");
    out->last_rx_ms = feed_i64(s, "trades_last_rx_ms");
    out->events = feed_i64(s, "events_received");
    out->reconnects = feed_i64(s, "reconnect_attempts");
    out->queue = feed_i64(s, "queue_size");
    out->gaps = feed_i64(s, "gaps");
    out->deadline_ms = feed_i64(s, "deadline_ms");
    const char *state = feed_text(s, "depth_state");
    out->has_book = *state != '\0';
    out->book_fresh = strcmp(state, "live") == 0 && feed_true(s, "depth_connected") &&
                      !feed_true(s, "depth_silent");
}

int64_t gate_missing_ms(const struct snap *s)
{
    return rhash_i64(s->sec[SEC_CONTEXT], "missing_ms_today", -1);
}

// What TRADING_MAX_MISSING_SEC is where the user gave nothing: a Binance hole can be filled by id.
#define MISSING_SEC_BYBIT 300

static int64_t max_missing_ms(const struct ask *a)
{
    int64_t sec = a->env->max_missing_sec;
    if (sec < 0) {
        sec = a->snap->who.venue == VENUE_BYBIT ? MISSING_SEC_BYBIT : 0;
    }
    return sec * 1000;
}

static bool read_ms(struct slice span, const char *name, int64_t *ms)
{
    struct slice v = jscan_get(span.p, span.n, name);
    return v.p && parse_i64(v.p, v.n, ms) == 0;
}

// What is missing of the current day from before the live feed began. By ids that is the one hole
// from 00:00 on. Bybit's may be several, with what recordings or the store held between them: those
// before the first live trade where the backfill service tells it, else what is open from 00:00 on.
static int64_t before_live_ms(const struct snap *s)
{
    const char *day = rhash_get(s->sec[SEC_CONTEXT], "day");
    const struct rfield *f = rhash_find(s->sec[SEC_COVERAGE], day);
    struct slice spans = {NULL, 0}, span = {NULL, 0};
    const bool bybit = s->who.venue == VENUE_BYBIT;
    const int64_t live_ms = bybit ? rhash_i64(s->sec[SEC_BACKFILL], "_live", -1) : -1;
    int64_t at_ms = snap_day_ms(s), sum = 0;
    size_t pos = 0;
    if (!f) {
        return 0;
    }
    spans = jscan_get(f->value, f->vlen, "spans");
    while (spans.p && jscan_element(spans.p, spans.n, &pos, &span) == 1) {
        struct slice state = jscan_get(span.p, span.n, "state");
        int64_t from_ms = 0, to_ms = 0;
        // Where trades have no numbers, some may be held that prove nothing: partial.
        bool open = slice_eq(state, "\"missing\"") || slice_eq(state, "\"partial\"");
        if (!read_ms(span, "from_ms", &from_ms) || !read_ms(span, "to_ms", &to_ms) ||
            to_ms < from_ms) {
            break;
        }
        if (live_ms >= 0) { // the millisecond of the first live trade may have begun before it
            to_ms = to_ms < live_ms + 1 ? to_ms : live_ms + 1;
            sum += open && from_ms < to_ms ? to_ms - from_ms : 0;
            continue;
        }
        if (!open || from_ms != at_ms) {
            break;
        }
        sum += to_ms - from_ms;
        at_ms = to_ms;
        if (!bybit) {
            break; // the next hole, by ids, is another one
        }
    }
    return sum;
}

static void session_message(int64_t now_ms, char *out, size_t size)
{
    enum session cur = session_at(now_ms);
    int64_t starts = 0;
    int64_t left = (session_next_change_ms(now_ms) - now_ms) / 1000;
    if (cur != SESSION_OFF) {
        (void)str_fmt(out, size, "%s session, %02d:%02d:%02d left",
                      cur == SESSION_LONDON ? "London" : "New York overlap", (int)(left / 3600),
                      (int)(left / 60 % 60), (int)(left % 60));
        return;
    }
    enum session next = session_next_active(now_ms, &starts);
    left = (starts - now_ms) / 1000;
    (void)str_fmt(out, size, "No session, %s opens in %02d:%02d:%02d",
                  next == SESSION_LONDON ? "London" : "New York overlap", (int)(left / 3600),
                  (int)(left / 60 % 60), (int)(left % 60));
}

static const char *backfill_status(const struct ask *a)
{
    static const char *const known[] = {"idle",      "in_progress", "complete", "error",
                                        "cancelled", "skipped",     "disabled"};
    const char *said = rhash_get(a->snap->sec[SEC_BACKFILL], "status");
    if (a->env->backfill_off) {
        return "disabled";
    }
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(said, known[i]) == 0) {
            return known[i];
        }
    }
    return "idle";
}

bool gate_backfill_is_off(const struct ask *a)
{
    const char *s = backfill_status(a);
    return strcmp(s, "disabled") == 0 || strcmp(s, "skipped") == 0;
}

// Today's missing time is what counts; while history still comes, how much of it has come.
static void precision(const struct ask *a, int64_t missing, char *out, size_t size)
{
    if (missing == 0) {
        (void)str_copy(out, size, "PRECISE");
    } else if (missing > 0 && strcmp(backfill_status(a), "in_progress") == 0) {
        (void)str_fmt(out, size, "IMPRECISE (backfill %lld%%)",
                      (long long)rhash_i64(a->snap->sec[SEC_BACKFILL], "percentage", 0));
    } else if (missing > 0) {
        (void)str_fmt(out, size, "IMPRECISE (%lld s missing)", (long long)((missing + 999) / 1000));
    }
}

const char *gate_block_name(enum gate_block b)
{
    static const char *const name[BLOCK_COUNT_] = {"redis", "backfill", "session",
                                                   "feed",  "book",     "missing trades"};
    return name[b];
}

void gate_make(const struct ask *a, struct gate *out)
{
    const struct env *env = a->env;
    int64_t missing = gate_missing_ms(a->snap);
    memset(out, 0, sizeof *out);
    if (env->now_ms >= 0) {
        enum session cur = session_at(env->now_ms);
        out->session = session_name(cur);
        out->is_active = cur != SESSION_OFF;
        session_message(env->now_ms, out->message, sizeof out->message);
    } else {
        (void)str_copy(out->message, sizeof out->message, "No market data yet");
    }
    const bool off = gate_backfill_is_off(a);
    out->backfill_status = backfill_status(a);
    out->backfill_complete = strcmp(out->backfill_status, "complete") == 0;
    precision(a, missing, out->precision, sizeof out->precision);
    // Bybit answers no question about trades before the last thousand.
    if ((off || a->snap->who.venue == VENUE_BYBIT) && missing > 0) {
        missing -= before_live_ms(a->snap);
    }
    struct feed f;
    feed_read(a->snap, &f);
    const bool is_blocked[BLOCK_COUNT_] = {
        [BLOCK_REDIS] = !env->redis_up,
        [BLOCK_BACKFILL] = !out->backfill_complete && !off,
        [BLOCK_SESSION] = !out->is_active,
        [BLOCK_FEED] = !f.connected || f.silent,
        [BLOCK_BOOK] = f.has_book && !f.book_fresh,
        [BLOCK_MISSING] = missing < 0 || missing > max_missing_ms(a),
    };
    for (size_t i = 0; i < BLOCK_COUNT_; i++) {
        out->blocked |= is_blocked[i] ? 1u << i : 0;
    }
    out->trading_enabled = out->blocked == 0;
}

void gate_not_ready(const struct env *env, const struct snap *s, char *why, size_t size)
{
    struct feed f;
    feed_read(s, &f);
    why[0] = '\0';
    if (!env->redis_up) {
        (void)str_copy(why, size, "redis is down");
    } else if (!f.known) {
        (void)str_fmt(why, size, "no collector reports %s", s->who.name);
    } else if (!f.connected) {
        (void)str_fmt(why, size, "feed of %s is not connected", s->who.name);
    } else if (f.silent) {
        (void)str_fmt(why, size, "feed of %s is silent", s->who.name);
    }
}
