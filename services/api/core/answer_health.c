#include <string.h>

#include "services/api/core/answer.h"
#include "services/api/core/gate.h"

static void progress(const struct ask *a, struct jw *w, const char *key)
{
    const struct rhash *h = a->snap->sec[SEC_BACKFILL];
    jw_key(w, key);
    jw_obj(w);
    jw_kint(w, "current", rhash_i64(h, "current", 0));
    jw_kint(w, "total", rhash_i64(h, "total", 0));
    jw_kint(w, "percentage", rhash_i64(h, "percentage", 0));
    put_field(w, "estimated_seconds_remaining", h, "estimated_seconds_remaining");
    put_field(w, "chunks", h, "chunks");
    put_field(w, "chunks_total", h, "chunks_total");
    jw_end_obj(w);
}

static void gate_members(const struct ask *a, struct jw *w)
{
    struct gate g;
    gate_make(a, &g);
    jw_kstr(w, "session", g.session);
    jw_kstr(w, "session_message", g.message);
    jw_kbool(w, "is_trading_active", g.is_active);
    jw_kbool(w, "trading_enabled", g.trading_enabled);
    jw_key(w, "trading_blocked_by");
    jw_arr(w);
    for (unsigned b = 0; b < BLOCK_COUNT_; b++) {
        if (g.blocked & 1u << b) {
            jw_str(w, gate_block_name((enum gate_block)b));
        }
    }
    jw_end_arr(w);
    jw_kbool(w, "backfill_complete", g.backfill_complete);
    jw_kstr(w, "backfill_status", g.backfill_status);
    progress(a, w, "backfill_progress");
    jw_kstr(w, "metrics_precision", *g.precision ? g.precision : NULL);
    live_age(a, w);
    put_ts(w, "nowUtc", a->env->now_ms);
    jw_kint(w, "uptime_ms", a->env->uptime_ms);
}

void live_health(const struct ask *a, struct jw *w)
{
    jw_kstr(w, "status", "ok");
    gate_members(a, w);
}

// The instruments a request asks about: the one given, else all.
static void not_ready(const struct ask *a, char *why, size_t size)
{
    why[0] = '\0';
    if (a->q->num[1] == 1) {
        return;
    }
    if (a->q->symbol_given) {
        gate_not_ready(a->env, a->snap, why, size);
        return;
    }
    for (size_t i = 0; i < a->env->n_all && !*why; i++) {
        gate_not_ready(a->env, a->env->all[i], why, size);
    }
}

void live_ready(const struct ask *a, struct jw *w)
{
    char why[160];
    not_ready(a, why, sizeof why);
    jw_kstr(w, "status", *why ? why : "ok");
    gate_members(a, w);
}

int status_ready(const struct ask *a)
{
    char why[160];
    not_ready(a, why, sizeof why);
    return *why ? 503 : 200;
}

// A word of the hash, or what stands for it before a backfill service ever ran.
static const char *word_or(const struct rhash *h, const char *field, const char *otherwise)
{
    const char *s = rhash_get(h, field);
    return *s != '\0' ? s : otherwise;
}

void live_backfill(const struct ask *a, struct jw *w)
{
    const struct rhash *h = a->snap->sec[SEC_BACKFILL];
    struct gate g;
    gate_make(a, &g);
    jw_kstr(w, "status", g.backfill_status);
    jw_kbool(w, "running", strcmp(g.backfill_status, "in_progress") == 0);
    jw_kbool(w, "complete", g.backfill_complete);
    progress(a, w, "progress");
    jw_kstr(w, "cache_status", word_or(h, "cache_status", "UNKNOWN"));
    jw_kint(w, "trades_loaded", rhash_i64(h, "trades_loaded", 0));
    put_field(w, "completion_time_ms", h, "completion_time_ms");
    jw_key(w, "historical_range");
    jw_obj(w);
    put_ts_field(w, "start", h, "range_start_ms");
    put_ts_field(w, "end", h, "range_end_ms");
    jw_end_obj(w);
    jw_key(w, "breaker");
    jw_obj(w);
    jw_kstr(w, "state", word_or(h, "breaker_state", "closed"));
    put_ts_field(w, "cooldown_until", h, "breaker_cooldown_until_ms");
    put_field(w, "throttle", h, "throttle");
    jw_end_obj(w);
    const struct rfield *sources = rhash_find(h, "sources");
    put_json(w, "sources",
             sources != NULL ? (struct slice){sources->value, sources->vlen}
                             : (struct slice){NULL, 0});
    if (*rhash_get(h, "error") != '\0') {
        jw_kstr(w, "error", rhash_get(h, "error"));
    }
    live_age(a, w);
}

static void symbol_state(const struct snap *s, int64_t now_ms, bool first, struct jw *w)
{
    const struct rhash *ctx = s->sec[SEC_CONTEXT];
    struct feed f;
    feed_read(s, &f);
    jw_obj(w);
    jw_kstr(w, "symbol", s->who.name);
    jw_kstr(w, "venue", venue_name(s->who.venue));
    jw_kstr(w, "name", s->who.symbol);
    jw_kbool(w, "default", first);
    jw_kbool(w, "simulated", snap_is_simulated(s));
    jw_kbool(w, "has_data", *rhash_get(ctx, "price") != '\0');
    put_str_field(w, "day", ctx, "day");
    put_field(w, "price", ctx, "price");
    put_ts_field(w, "last_trade_ts", ctx, "price_ts_ms");
    put_ts(w, "nowUtc", now_ms);
    put_num(w, "tickSize", s->has_units ? s->ins.tick_size : "");
    put_num(w, "stepSize", s->has_units ? s->ins.step_size : "");
    jw_key(w, "services");
    jw_obj(w);
    jw_kbool(w, "collector", f.known);
    jw_kbool(w, "context", s->context_up);
    jw_kbool(w, "strategy", s->strategy_up);
    jw_end_obj(w);
    jw_key(w, "feed");
    jw_obj(w);
    jw_kbool(w, "connected", f.connected);
    jw_kbool(w, "silent", f.silent);
    jw_end_obj(w);
    jw_end_obj(w);
}

void live_symbols(const struct ask *a, struct jw *w)
{
    live_age(a, w);
    jw_key(w, "symbols");
    jw_arr(w);
    bool simulated = false;
    for (size_t i = 0; i < a->env->n_all; i++) {
        symbol_state(a->env->all[i], a->env->all_now_ms[i], i == 0, w);
        simulated = simulated || snap_is_simulated(a->env->all[i]);
    }
    jw_end_arr(w);
    jw_kbool(w, "simulated", simulated);
}

static void feed_num(const struct snap *s, struct jw *w, const char *key, const char *name)
{
    put_num(w, key, feed_text(s, name));
}

// Null also for 0: nothing came yet.
static void feed_ts(const struct snap *s, struct jw *w, const char *key, const char *name)
{
    const int64_t ms = feed_i64(s, name);
    put_ts(w, key, ms > 0 ? ms : -1);
}

void still_ws_health(const struct ask *a, struct jw *w)
{
    const struct snap *s = a->snap;
    struct feed f;
    feed_read(s, &f);
    still_who(a, w);
    jw_key(w, "trades");
    jw_obj(w);
    jw_kbool(w, "connected", f.connected);
    put_ts(w, "last_ts", f.last_ts_ms);
    feed_num(s, w, "events_received", "events_received");
    feed_num(s, w, "reconnect_attempts", "reconnect_attempts");
    jw_kbool(w, "silent", f.silent);
    put_ts(w, "last_received", f.last_rx_ms);
    feed_num(s, w, "deadline_ms", "deadline_ms");
    feed_num(s, w, "gaps", "gaps");
    feed_num(s, w, "gap_ids", "gap_ids");
    feed_num(s, w, "duplicates", "duplicates");
    feed_num(s, w, "late", "late");
    feed_num(s, w, "refused", "refused");
    feed_num(s, w, "queue_size", "queue_size");
    jw_end_obj(w);
    jw_key(w, "depth");
    jw_obj(w);
    jw_kbool(w, "connected", feed_true(s, "depth_connected"));
    feed_ts(s, w, "last_ts", "depth_last_ts_ms");
    feed_num(s, w, "last_update_id", "depth_last_update_id");
    feed_num(s, w, "events_received", "depth_events_received");
    feed_num(s, w, "reconnect_attempts", f.has_book ? "reconnect_attempts" : "");
    jw_kstr(w, "state", f.has_book ? feed_text(s, "depth_state") : NULL);
    jw_kbool(w, "silent", feed_true(s, "depth_silent"));
    feed_ts(s, w, "last_received", "depth_last_rx_ms");
    feed_num(s, w, "deadline_ms", "depth_deadline_ms");
    feed_num(s, w, "gaps", "depth_gaps");
    feed_num(s, w, "snapshots", "depth_snapshots");
    feed_num(s, w, "queue_size", "depth_queue_size");
    jw_end_obj(w);
}
