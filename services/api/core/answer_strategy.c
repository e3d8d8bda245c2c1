#include <string.h>

#include "services/api/core/answer.h"

#include "common/base/clock.h"
#include "common/market/session.h"
#include "services/api/core/gate.h"
#include "services/api/core/jscan.h"

static const char *const TF_NAME[] = {"1m", "5m"};

// A number of a stored candle, as it stands there; anything else becomes null.
static void raw_member(struct jw *w, const char *key, struct slice v)
{
    jw_key(w, key);
    if (v.p && json_number_text(v.p, v.n)) {
        buf_add(w->out, v.p, v.n);
        w->has[w->depth] = true;
        w->after_key = false;
    } else {
        jw_null(w);
    }
}

// Stored name -> name in the answer, in the order of the answer.
static const struct {
    const char *stored, *shown;
} CANDLE_NUMBERS[] = {
    {"open", "open"},
    {"high", "high"},
    {"low", "low"},
    {"close", "close"},
    {"volume", "volume"},
    {"trades", "trades"},
    {"buy_volume", "buy_volume"},
    {"sell_volume", "sell_volume"},
    {"delta", "delta"},
    {"vwap", "vwap"},
    {"poc", "poc"},
    {"_coverage", "coverage"},
    {"min_delta", "min_delta"},
    {"max_delta", "max_delta"},
    {"_rev", "rev"},
};
#define N_NUMBERS (sizeof CANDLE_NUMBERS / sizeof CANDLE_NUMBERS[0])

// footprint_bin, footprint, stacked: of the newest candles; older ones have none.
static void footprint_members(const struct rfield *f, struct jw *w)
{
    struct jmember m;
    if (f == NULL || !jscan_is_json(f->value, f->vlen)) {
        return;
    }
    for (size_t pos = 0; jscan_member(f->value, f->vlen, &pos, &m) == 1;) {
        char key[24];
        if (str_copyn(key, sizeof key, m.key.p, m.key.n)) {
            put_json(w, key, m.value);
        }
    }
}

static bool candle_members(const struct rfield *f, const char *tf, const struct rhash *footprints,
                           struct jw *w)
{
    struct slice v[N_NUMBERS] = {{NULL, 0}};
    struct slice stamp = {NULL, 0}, complete = {NULL, 0};
    struct jmember m;
    int64_t ms = 0;
    int more = 0;
    for (size_t pos = 0; (more = jscan_member(f->value, f->vlen, &pos, &m)) == 1;) {
        if (slice_eq(m.key, "timestamp")) {
            stamp = m.value;
        } else if (slice_eq(m.key, "_complete")) {
            complete = m.value;
        }
        for (size_t i = 0; i < N_NUMBERS; i++) {
            if (slice_eq(m.key, CANDLE_NUMBERS[i].stored)) {
                v[i] = m.value;
            }
        }
    }
    if (more < 0 || !stamp.p || parse_i64(stamp.p, stamp.n, &ms) != 0) {
        return false;
    }
    jw_obj(w);
    put_ts(w, "timestamp", ms);
    jw_kint(w, "timestamp_ms", ms);
    jw_kstr(w, "timeframe", tf);
    for (size_t i = 0; i < N_NUMBERS; i++) {
        raw_member(w, CANDLE_NUMBERS[i].shown, v[i]);
    }
    jw_kbool(w, "complete", slice_eq(complete, "true"));
    footprint_members(rhash_find(footprints, f->name), w);
    jw_end_obj(w);
    return true;
}

// The newest `count` candles, oldest first. Field names are bucket starts in milliseconds: of one
// length, so their byte order is their order in time; others ("_ver") sort elsewhere and fail to
// parse. Returns how many were written.
static size_t candles(const struct snap *s, size_t tf, size_t count, bool footprints, struct jw *w)
{
    const struct rhash *shown = s->sec[tf == 0 ? SEC_FOOT_1M : SEC_FOOT_5M];
    const struct rhash *h = s->sec[tf == 0 ? SEC_CANDLES_1M : SEC_CANDLES_5M];
    size_t end = rhash_count(h), done = 0;
    while (end > 0 && rhash_at(h, end - 1)->name[0] == '_') {
        end--;
    }
    size_t from = end > count ? end - count : 0;
    jw_arr(w);
    for (size_t i = from; i < end; i++) {
        done += candle_members(rhash_at(h, i), TF_NAME[tf], footprints ? shown : NULL, w);
    }
    jw_end_arr(w);
    return done;
}

void still_candles(const struct ask *a, struct jw *w)
{
    size_t tf = a->q->num[1] == 1 ? 1 : 0;
    jw_kstr(w, "timeframe", TF_NAME[tf]);
    jw_key(w, "candles");
    size_t n = candles(a->snap, tf, (size_t)a->q->num[2], true, w);
    jw_kint(w, "count", (int64_t)n);
    still_who(a, w);
}

// `:strategy` says "off" or already the strategy's own word for it.
static const char *engine_session(const struct snap *s)
{
    const char *v = rhash_get(s->sec[SEC_STRATEGY], "session");
    if (strcmp(v, "london") == 0) {
        return session_strategy_name(SESSION_LONDON);
    }
    if (strcmp(v, "overlap") == 0) {
        return session_strategy_name(SESSION_OVERLAP);
    }
    return *v ? session_strategy_name(SESSION_OFF) : NULL;
}

static void window(struct jw *w, const char *key, enum session which, int64_t now_ms)
{
    int64_t start = 0, end = 0;
    session_window(which, now_ms < 0 ? 0 : now_ms, &start, &end);
    jw_key(w, key);
    jw_obj(w);
    put_ts(w, "start", now_ms < 0 ? -1 : start);
    put_ts(w, "end", now_ms < 0 ? -1 : end);
    jw_kint(w, "duration_minutes", (end - start) / 60000);
    jw_end_obj(w);
}

void live_strategy_status(const struct ask *a, struct jw *w)
{
    int64_t now = a->env->now_ms;
    jw_key(w, "scheduler_state");
    jw_obj(w);
    if (now >= 0) {
        enum session cur = session_at(now);
        int64_t starts = 0, left = session_next_change_ms(now) - now;
        enum session next = session_next_active(now, &starts);
        // Hundredths of an hour, half up: display only.
        int64_t hundredths = (left + 18000) / 36000;
        char hours[32];
        (void)str_fmt(hours, sizeof hours, "%lld.%02d", (long long)(hundredths / 100),
                      (int)(hundredths % 100));
        jw_kstr(w, "current_session", session_strategy_name(cur));
        put_ts(w, "current_time", now);
        jw_kbool(w, "is_active", cur != SESSION_OFF);
        jw_kint(w, "time_to_change_seconds", (left + 999) / 1000);
        jw_kraw(w, "hours_remaining", hours);
        jw_kstr(w, "next_session", session_strategy_name(next));
        put_ts(w, "next_session_start", starts);
    } else {
        jw_kstr(w, "current_session", NULL);
        jw_kstr(w, "current_time", NULL);
        jw_kbool(w, "is_active", false);
        jw_kraw(w, "time_to_change_seconds", NULL);
        jw_kraw(w, "hours_remaining", NULL);
        jw_kstr(w, "next_session", NULL);
        jw_kstr(w, "next_session_start", NULL);
    }
    window(w, "london_window", SESSION_LONDON, now);
    window(w, "overlap_window", SESSION_OVERLAP, now);
    jw_end_obj(w);
    live_age(a, w);
}

void still_strategy_status(const struct ask *a, struct jw *w)
{
    const struct snap *s = a->snap;
    jw_key(w, "engine_state");
    jw_obj(w);
    jw_kbool(w, "is_running", s->strategy_up);
    jw_kstr(w, "current_session", engine_session(s));
    jw_key(w, "active_timeframes");
    jw_arr(w);
    jw_str(w, TF_NAME[0]);
    jw_str(w, TF_NAME[1]);
    jw_end_arr(w);
    put_ts_field(w, "last_update", s->sec[SEC_STRATEGY], "_updated_ms");
    jw_key(w, "candle_buffers");
    jw_obj(w);
    for (size_t tf = 0; tf < 2; tf++) {
        jw_key(w, TF_NAME[tf]);
        candles(s, tf, 20, false, w);
    }
    jw_end_obj(w);
    jw_end_obj(w);
    context_analysis(s, w);
    still_who(a, w);
}

void live_strategy_metrics(const struct ask *a, struct jw *w)
{
    struct gate g;
    gate_make(a, &g);
    jw_kbool(w, "backfill_complete", g.backfill_complete);
    jw_kstr(w, "metrics_precision", *g.precision ? g.precision : NULL);
    live_age(a, w);
}

// [{price,volume,buy_vol,sell_vol,rank}] as stored; [] when it is not what it should be.
static void footprint(const struct rhash *m, struct jw *w)
{
    const struct rfield *f = rhash_find(m, "footprint");
    jw_key(w, "footprint");
    if (f && f->vlen > 0 && f->value[0] == '[' && jscan_is_json(f->value, f->vlen)) {
        buf_add(w->out, f->value, f->vlen);
        w->has[w->depth] = true;
        w->after_key = false;
    } else {
        jw_arr(w);
        jw_end_arr(w);
    }
}

void still_strategy_metrics(const struct ask *a, struct jw *w)
{
    const struct rhash *m = a->snap->sec[SEC_METRICS];
    int64_t missing = gate_missing_ms(a->snap);
    jw_key(w, "metrics");
    if (rhash_i64(m, "trade_count", -1) >= 0) {
        jw_obj(w);
        put_field(w, "vwap", m, "vwap");
        put_field(w, "poc", m, "poc");
        put_field(w, "delta", m, "delta");
        put_field(w, "buy_volume", m, "buy_volume");
        put_field(w, "sell_volume", m, "sell_volume");
        footprint(m, w);
        put_field(w, "trade_count", m, "trade_count");
        if (missing > 0) {
            char text[80];
            (void)str_fmt(text, sizeof text, "%lld s of the day are missing",
                          (long long)((missing + 999) / 1000));
            jw_kstr(w, "warning", text);
        }
        jw_end_obj(w);
    } else {
        jw_null(w);
    }
    jw_key(w, "metadata");
    jw_obj(w);
    put_ts_field(w, "last_update", m, "_updated_ms");
    put_field(w, "trade_count", m, "trade_count");
    put_field(w, "buffer_size", m, "_buffer_size");
    put_field(w, "cumulative_volume", m, "cumulative_volume");
    put_str_field(w, "day", m, "day");
    jw_end_obj(w);
    still_who(a, w);
}
