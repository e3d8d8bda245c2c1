#include "services/strategy/io/report.h"

#include <string.h>

#include "common/base/str.h"
#include "common/io/promhist.h"
#include "common/io/service.h"

static void key_int(struct jw *out, const char *name, const char *tail, int64_t v)
{
    char key[96];
    str_fmt(key, sizeof key, "%s.%s", name, tail);
    jw_kint(out, key, v);
}

void report_health(struct worker *const *w, size_t n, struct jw *out)
{
    bool simulated = false;
    for (size_t i = 0; i < n; i++) {
        struct worker_stats s;
        worker_stats(w[i], &s);
        simulated = simulated || s.simulated;
        const char *name = worker_name(w[i]);
        char why[96];
        char key[96];
        bool ready = worker_is_ready(w[i], why, sizeof why);
        str_fmt(key, sizeof key, "%s.status", name);
        jw_kstr(out, key, ready ? "ok" : why);
        key_int(out, name, "lag_ms", s.follow.lag_ms);
        key_int(out, name, "entries", (int64_t)(s.follow.entries + s.follow.history_entries));
        key_int(out, name, "bad", (int64_t)s.bad);
        key_int(out, name, "duplicates", (int64_t)s.duplicates);
        key_int(out, name, "too_old", (int64_t)s.too_old);
        key_int(out, name, "refused", (int64_t)s.refused);
        key_int(out, name, "names", s.names);
        key_int(out, name, "reloads", (int64_t)s.follow.reloads);
        key_int(out, name, "flushes", (int64_t)s.follow.flushes);
        key_int(out, name, "missing_ms", s.missing_ms);
        key_int(out, name, "holes", s.holes);
        key_int(out, name, "candles_completed", (int64_t)s.completed);
        key_int(out, name, "candles_revised", (int64_t)s.revised);
        key_int(out, name, "stale", (int64_t)s.stale);
    }
    jw_kbool(out, "simulated", simulated);
}

struct metric {
    const char *name, *type, *help;
    int64_t (*get)(const struct worker_stats *s);
};

#define GETTER(fn, expr)                                                                           \
    static int64_t fn(const struct worker_stats *s)                                                \
    {                                                                                              \
        return (int64_t)(expr);                                                                    \
    }
GETTER(get_lag, s->follow.lag_ms)
GETTER(get_entries, s->follow.entries)
GETTER(get_history, s->follow.history_entries)
GETTER(get_bad, s->bad)
GETTER(get_duplicates, s->duplicates)
GETTER(get_too_old, s->too_old)
GETTER(get_refused, s->refused)
GETTER(get_names, s->names)
GETTER(get_reloads, s->follow.reloads)
GETTER(get_flushes, s->follow.flushes)
GETTER(get_skips, s->follow.skips)
GETTER(get_missing, s->missing_ms)
GETTER(get_holes, s->holes)
GETTER(get_completed, s->completed)
GETTER(get_revised, s->revised)
GETTER(get_stale, s->stale)

static const struct metric metrics[] = {
    {"bc4_strategy_lag_ms", "gauge", "Age of the newest entry read while there is more to read.",
     get_lag},
    {"bc4_strategy_entries_total", "counter", "Entries of :trades read.", get_entries},
    {"bc4_strategy_history_entries_total", "counter", "Entries of :history read.", get_history},
    {"bc4_strategy_bad_total", "counter", "Entries or trades refused.", get_bad},
    {"bc4_strategy_duplicates_total", "counter", "Copies of trades held already.", get_duplicates},
    {"bc4_strategy_too_old_total", "counter", "Trades before the previous day.", get_too_old},
    {"bc4_strategy_refused_total", "counter", "Trades beyond TRADE_NAMES_MAX, declared missing.",
     get_refused},
    {"bc4_strategy_names", "gauge", "UUIDs of trades held for the two live days.", get_names},
    {"bc4_strategy_reloads_total", "counter", "Loads of the stored state.", get_reloads},
    {"bc4_strategy_flushes_total", "counter", "Transactions acknowledged.", get_flushes},
    {"bc4_strategy_skips_total", "counter", "Times a stream was trimmed beyond the position.",
     get_skips},
    {"bc4_strategy_missing_ms", "gauge", "Milliseconds of the current day without proof.",
     get_missing},
    {"bc4_strategy_holes", "gauge", "Holes of the current day.", get_holes},
    {"bc4_strategy_candles_completed_total", "counter", "Candles reported complete.",
     get_completed},
    {"bc4_strategy_candles_revised_total", "counter", "Candles changed after completion.",
     get_revised},
    {"bc4_strategy_stale_buckets", "gauge", "Buckets that wait to be recomputed from the streams.",
     get_stale},
};

void report_metrics(struct worker *const *w, size_t n, struct buf *out)
{
    for (size_t m = 0; m < sizeof metrics / sizeof metrics[0]; m++) {
        prom_head(out, metrics[m].name, metrics[m].type, metrics[m].help);
        for (size_t i = 0; i < n; i++) {
            struct worker_stats s;
            worker_stats(w[i], &s);
            char labels[96];
            str_fmt(labels, sizeof labels, "instrument=\"%s\"", worker_name(w[i]));
            prom_int(out, metrics[m].name, labels, metrics[m].get(&s));
        }
    }
    const char *name = "bc4_strategy_stored_seconds";
    prom_head(out, name, "histogram", "From the collector's reception of a trade to stored state.");
    for (size_t i = 0; i < n; i++) {
        char labels[96];
        str_fmt(labels, sizeof labels, "instrument=\"%s\"", worker_name(w[i]));
        struct worker_stats s;
        worker_stats(w[i], &s);
        promhist_text(s.stored, out, name, labels);
    }
}
