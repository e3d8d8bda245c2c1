#include <string.h>

#include "services/api/core/answer.h"

#include "services/api/core/gate.h"

// Trades a minute from the count of the strategy's window; -1 unknown.
static int64_t per_minute(const struct rhash *m)
{
    int64_t n = rhash_i64(m, "_window_count", -1), sec = rhash_i64(m, "_window_sec", 60);
    if (n < 0 || n > INT64_MAX / 60 || sec < 1) {
        return -1;
    }
    return (n * 60 + sec / 2) / sec;
}

static void int_or_null(struct jw *w, const char *key, int64_t v)
{
    if (v >= 0) {
        jw_kint(w, key, v);
    } else {
        jw_kraw(w, key, NULL);
    }
}

void still_metrics(const struct ask *a, struct jw *w)
{
    const struct snap *s = a->snap;
    const struct rhash *m = s->sec[SEC_METRICS], *ctx = s->sec[SEC_CONTEXT];
    struct feed f;
    feed_read(s, &f);
    jw_key(w, "trades");
    jw_obj(w);
    int_or_null(w, "per_minute_count", per_minute(m));
    put_field(w, "per_second_rate", m, "_window_rate");
    int_or_null(w, "queue_size", f.queue);
    jw_end_obj(w);
    jw_key(w, "depth");
    jw_obj(w);
    put_num(w, "per_minute_count", feed_text(s, "depth_per_minute_count"));
    put_num(w, "per_second_rate", feed_text(s, "depth_per_second_rate"));
    put_num(w, "queue_size", feed_text(s, "depth_queue_size"));
    jw_end_obj(w);
    put_field(w, "trades_per_second", m, "_window_rate");
    put_num(w, "depth_updates_per_second", feed_text(s, "depth_per_second_rate"));
    int_or_null(w, "trade_queue_size", f.queue);
    put_num(w, "depth_queue_size", feed_text(s, "depth_queue_size"));
    jw_key(w, "queue_sizes");
    jw_obj(w);
    int_or_null(w, "trades", f.queue);
    put_num(w, "depth", feed_text(s, "depth_queue_size"));
    jw_end_obj(w);
    jw_key(w, "latency_ms");
    jw_obj(w);
    put_num(w, "feed_p50", feed_text(s, "latency_ms_p50"));
    put_num(w, "feed_p99", feed_text(s, "latency_ms_p99"));
    jw_end_obj(w);
    jw_key(w, "latency_us");
    jw_obj(w);
    put_num(w, "ack_p50", feed_text(s, "ack_us_p50"));
    put_num(w, "ack_p99", feed_text(s, "ack_us_p99"));
    int_or_null(w, "strategy_p50", rhash_i64(m, "_latency_p50_us", -1));
    int_or_null(w, "strategy_p99", rhash_i64(m, "_latency_p99_us", -1));
    jw_end_obj(w);
    int_or_null(w, "events_received", f.events);
    put_ts(w, "last_trade_ts",
           f.last_ts_ms >= 0 ? f.last_ts_ms : rhash_i64(ctx, "price_ts_ms", -1));
    jw_kint(w, "window_seconds", rhash_i64(m, "_window_sec", 60));
    still_who(a, w);
}

// ---- Prometheus ---------------------------------------------------------------------------------

static void head(struct buf *out, const char *name, const char *help)
{
    buf_addf(out, "# HELP %s %s\n# TYPE %s gauge\n", name, help, name);
}

struct gauge {
    const char *name, *help;
    enum section sec;
    const char *field;
};
static const struct gauge GAUGES[] = {
    {"bc4_price", "Newest price", SEC_CONTEXT, "price"},
    {"bc4_vwap", "VWAP of the day (base)", SEC_CONTEXT, "vwap"},
    {"bc4_poc", "Point of control of the day", SEC_CONTEXT, "poc"},
    {"bc4_vah", "Value area high of the day", SEC_CONTEXT, "vah"},
    {"bc4_val", "Value area low of the day", SEC_CONTEXT, "val"},
    {"bc4_cumulative_delta", "Aggressor buy minus sell volume of the day", SEC_CONTEXT,
     "cumulative_delta"},
    {"bc4_day_trades", "Trades counted in the day", SEC_CONTEXT, "trades"},
    {"bc4_day_coverage_ratio", "Covered fraction of the day so far", SEC_CONTEXT, "coverage_today"},
    {"bc4_day_missing_ms", "Milliseconds of the day without proven trades", SEC_CONTEXT,
     "missing_ms_today"},
    {"bc4_context_lag_ms", "Exchange time against wall time in context", SEC_CONTEXT, "_lag_ms"},
    {"bc4_strategy_lag_ms", "Exchange time against wall time in strategy", SEC_STRATEGY, "_lag_ms"},
    {"bc4_trade_rate", "Trades per second over the window", SEC_METRICS, "_window_rate"},
};

static void sample(struct buf *out, const char *name, const struct snap *s, const char *value)
{
    if (json_number_text(value, strlen(value))) {
        buf_addf(out, "%s{symbol=\"%s\"} %s\n", name, s->who.name, value);
    }
}

// Instruments of the answer: the one asked for, else all.
static bool is_asked(const struct ask *a, size_t i)
{
    return !a->q->symbol_given || a->q->instrument == i;
}

void exposition(const struct ask *a, bool openmetrics, struct buf *out)
{
    const struct env *env = a->env;
    for (size_t g = 0; g < sizeof GAUGES / sizeof GAUGES[0]; g++) {
        head(out, GAUGES[g].name, GAUGES[g].help);
        for (size_t i = 0; i < env->n_all; i++) {
            if (is_asked(a, i)) {
                const struct snap *s = env->all[i];
                sample(out, GAUGES[g].name, s, rhash_get(s->sec[GAUGES[g].sec], GAUGES[g].field));
            }
        }
    }
    head(out, "bc4_feed_connected", "Trade stream of the venue is connected");
    for (size_t i = 0; i < env->n_all; i++) {
        struct feed f;
        feed_read(env->all[i], &f);
        if (is_asked(a, i)) {
            sample(out, "bc4_feed_connected", env->all[i], f.connected ? "1" : "0");
        }
    }
    head(out, "bc4_simulated", "1 when the market is simulated");
    for (size_t i = 0; i < env->n_all; i++) {
        if (is_asked(a, i)) {
            sample(out, "bc4_simulated", env->all[i], snap_is_simulated(env->all[i]) ? "1" : "0");
        }
    }
    if (env->own_metrics) {
        env->own_metrics(env->own_arg, out);
    }
    if (openmetrics) {
        buf_adds(out, "# EOF\n");
    }
}
