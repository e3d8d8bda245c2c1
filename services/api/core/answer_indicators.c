// Regime and its diagnostics, CVD, volume delta.

#include <string.h>

#include "services/api/core/answer.h"

// ---- regime -------------------------------------------------------------------------------------

// "" when no regime can be told: no trade, or not every trade of the day is held per minute.
static void members(const struct snap *s, struct jw *w)
{
    const struct rhash *r = s->sec[SEC_REGIME], *m = s->sec[SEC_METRICS];
    put_str_field(w, "regime", r, "regime");
    put_field(w, "confidence", r, "confidence");
    put_field(w, "vwap", m, "vwap");
    put_field(w, "poc", m, "poc");
    put_field(w, "cumulative_delta", m, "delta");
    put_field(w, "volume_profile_strength", r, "profile_strength");
    put_ts_field(w, "timestamp", r, "at_ms");
}

void context_analysis(const struct snap *s, struct jw *w)
{
    jw_key(w, "context_analysis");
    if (*rhash_get(s->sec[SEC_REGIME], "at_ms") == '\0') {
        jw_null(w);
        return;
    }
    jw_obj(w);
    members(s, w);
    jw_end_obj(w);
}

static void numbers(const struct rhash *h, const char *const *names, size_t n, struct jw *w)
{
    for (size_t i = 0; i < n; i++) {
        put_field(w, names[i], h, names[i]);
    }
}

// analysis: the decision and its parts; context: what the day was at that candle's end; levels and
// volume_profile: the day now.
void still_diagnostics(const struct ask *a, struct jw *w)
{
    static const char *const part[] = {"score", "path", "distance", "delta", "outside"};
    static const char *const at[] = {"candles", "steps", "volume", "price",
                                     "vwap",    "sigma", "val",    "vah"};
    static const char *const level[] = {"vwap", "sigma", "poc", "vah", "val", "high", "low"};
    const struct snap *s = a->snap;
    const struct rhash *r = s->sec[SEC_REGIME], *c = s->sec[SEC_CONTEXT];
    const struct rfield *p = rhash_find(r, "parameters");
    jw_key(w, "analysis");
    jw_obj(w);
    members(s, w);
    numbers(r, part, sizeof part / sizeof part[0], w);
    put_ts_field(w, "since", r, "since_ms");
    jw_end_obj(w);
    jw_key(w, "context");
    jw_obj(w);
    numbers(r, at, sizeof at / sizeof at[0], w);
    put_field(w, "coverage", c, "coverage_today");
    jw_end_obj(w);
    jw_key(w, "levels");
    jw_obj(w);
    numbers(c, level, sizeof level / sizeof level[0], w);
    jw_end_obj(w);
    jw_key(w, "volume_profile");
    jw_obj(w);
    put_field(w, "strength", r, "profile_strength");
    put_field(w, "poc", c, "poc");
    put_field(w, "volume", s->sec[SEC_METRICS], "cumulative_volume");
    jw_end_obj(w);
    put_json(w, "parameters", p ? (struct slice){p->value, p->vlen} : (struct slice){NULL, 0});
    still_who(a, w);
}
