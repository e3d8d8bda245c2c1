// The regime with everything it was made of, as text.

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/decimal.h"
#include "common/base/json.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "services/strategy/core/regime.h"

#define ONE_E8 INT64_C(100000000)

struct out {
    field_sink sink;
    void *arg;
};

static void put(const struct out *o, const char *field, const char *value)
{
    o->sink(o->arg, field, value, strlen(value));
}

static void put_i64(const struct out *o, const char *field, int64_t v)
{
    char s[24];
    o->sink(o->arg, field, s, fmt_i64(s, v));
}

static struct u512 wide(u128 v)
{
    return u512_from(u256_from(v));
}

static void put_e8(const struct out *o, const char *field, int64_t v)
{
    char s[DEC_TEXT];
    o->sink(o->arg, field, s, dec_format(s, v, 8, 8));
}

static size_t window_from(const struct regime *g)
{
    return g->n > g->p.candles ? g->n - g->p.candles : 0;
}

// ((score - range) / (1 - range)) in a trend, ((trend - score) / trend) in a range, clipped to
// 0..1, times the coverage; at most REGIME_UNSURE_E8 where little is known.
static void put_confidence(const struct out *o, const struct regime *g, bool sure,
                           int64_t judged_ms, int64_t missing_ms)
{
    const struct regime_step *s = &g->v[g->n - 1];
    int64_t num = s->trend ? s->score_e8 - g->p.range_e8 : g->p.trend_e8 - s->score_e8;
    const int64_t den = s->trend ? ONE_E8 - g->p.range_e8 : g->p.trend_e8;
    num = num < 0 ? 0 : num > den ? den : num;
    const u128 n = (u128)(uint64_t)num * (uint64_t)(judged_ms - missing_ms);
    const u128 d = (u128)(uint64_t)den * (uint64_t)judged_ms;
    char text[WIDE_TEXT];
    if (!sure && n * ONE_E8 > d * REGIME_UNSURE_E8) {
        put_e8(o, "confidence", REGIME_UNSURE_E8);
        return;
    }
    (void)ratio_format(text, wide(n), wide(d), 0, 8);
    put(o, "confidence", text);
}

static void put_day_at(const struct out *o, const struct regime *g, const struct instrument *ins)
{
    const struct regime_step *s = &g->v[g->n - 1];
    const int64_t bin = profile_bin_ticks(g->profile);
    char text[WIDE_TEXT];
    struct u512 v = u512_mul(u256_from(s->sum_q), s->sum_ppq);
    (void)u512_sub(&v, u512_mul(u256_from(s->sum_pq), u256_from(s->sum_pq)));
    (void)dec_format(text, s->close, ins->price_scale, ins->price_decimals);
    put(o, "price", text);
    (void)ratio_format(text, wide(s->sum_pq), wide(s->sum_q), -ins->price_scale, 8);
    put(o, "vwap", text);
    (void)sqrt_ratio_format(text, v, wide(s->sum_q), -ins->price_scale, 8);
    put(o, "sigma", text);
    bin_price_text(ins, bin, s->val, text);
    put(o, "val", text);
    bin_price_text(ins, bin, s->vah, text);
    put(o, "vah", text);
}

static void put_parameters(const struct out *o, const struct regime *g,
                           const struct instrument *ins)
{
    static const char *const name[REGIME_SHARES] = {"path", "distance", "delta", "outside"};
    char s[DEC_TEXT];
    struct buf b;
    struct jw w;
    buf_init(&b, 1024);
    jw_init(&w, &b);
    jw_obj(&w);
    jw_kint(&w, "candles", (int64_t)g->p.candles);
    jw_key(&w, "weights");
    jw_obj(&w);
    for (size_t i = 0; i < REGIME_SHARES; i++) {
        dec_format(s, g->p.weight_e8[i], 8, 2);
        jw_kraw(&w, name[i], s);
    }
    jw_end_obj(&w);
    dec_format(s, g->p.trend_e8, 8, 2);
    jw_kraw(&w, "trend_from", s);
    dec_format(s, g->p.range_e8, 8, 2);
    jw_kraw(&w, "range_from", s);
    dec_format(s, g->p.min_volume, ins->qty_scale, 0);
    jw_kraw(&w, "min_volume", s);
    jw_end_obj(&w);
    o->sink(o->arg, "parameters", buf_ptr(&b), buf_len(&b));
    buf_release(&b);
}

static void put_unknown(const struct out *o)
{
    static const char *const name[] = {"regime", "confidence", "score",  "path",  "distance",
                                       "delta",  "outside",    "volume", "price", "vwap",
                                       "sigma",  "val",        "vah",    "at_ms", "since_ms"};
    for (size_t i = 0; i < sizeof name / sizeof name[0]; i++) {
        put(o, name[i], "");
    }
}

void regime_fields(const struct regime *g, const struct instrument *ins, int64_t judged_ms,
                   int64_t missing_ms, field_sink sink, void *arg)
{
    const struct out o = {sink, arg};
    static const char *const share[REGIME_SHARES] = {"path", "distance", "delta", "outside"};
    put_parameters(&o, g, ins);
    put_i64(&o, "candles", (int64_t)(g->n - window_from(g)));
    put_i64(&o, "steps", (int64_t)g->n);
    if (!g->known || g->n == 0 || judged_ms <= 0) {
        put_unknown(&o);
        if (g->known) {
            put(&o, "regime", "range");
        }
        return;
    }
    const struct regime_step *s = &g->v[g->n - 1];
    int64_t volume = 0;
    for (size_t i = window_from(g); i < g->n; i++) {
        volume += g->v[i].buy + g->v[i].sell; // part of the day's, which fits
    }
    size_t since = g->n;
    while (since > 0 && g->v[since - 1].trend == s->trend) {
        since--;
    }
    char text[WIDE_TEXT];
    put(&o, "regime", s->trend ? "trend" : "range");
    put_confidence(&o, g, g->n >= REGIME_SURE_FROM && volume >= g->p.min_volume, judged_ms,
                   missing_ms);
    put_e8(&o, "score", s->score_e8);
    u128 one = 1;
    for (int i = 0; i < 24; i++) {
        one *= 10;
    }
    for (size_t i = 0; i < REGIME_SHARES; i++) {
        (void)ratio_format(text, wide(s->share[i]), wide(one), 0, 8);
        put(&o, share[i], text);
    }
    (void)dec_format(text, volume, ins->qty_scale, ins->qty_decimals);
    put(&o, "volume", text);
    put_day_at(&o, g, ins);
    put_i64(&o, "at_ms", s->start_ms + MINUTE_MS);
    put_i64(&o, "since_ms", since > 0 ? g->v[since].start_ms + MINUTE_MS : g->day_ms);
}

// ---- profile strength --------------------------------------------------------------------------

static int by_size(const void *a, const void *b)
{
    const int64_t *x = a;
    const int64_t *y = b;
    return *x < *y ? -1 : *x > *y;
}

void profile_strength(const struct profile *p, char out[NUM_TEXT])
{
    int64_t lo;
    int64_t hi;
    out[0] = '\0';
    if (!profile_range(p, &lo, &hi)) {
        return;
    }
    const size_t bins = profile_bins(p);
    const int64_t n = hi - lo + 1;
    int64_t *x = xcalloc(bins, sizeof *x);
    size_t k = 0;
    struct bin b;
    for (int64_t at = lo, index; k < bins && profile_next(p, at, &index, &b); at = index + 1) {
        x[k++] = b.buy + b.sell;
    }
    qsort(x, k, sizeof *x, by_size);
    // Empty bins come first and add nothing.
    struct u512 plus = {{0}};
    struct u512 minus = {{0}};
    u128 sum = 0;
    for (size_t j = 0; j < k; j++) {
        const int64_t rank = n - (int64_t)k + (int64_t)j + 1;
        const int64_t weight = 2 * rank - n - 1;
        const u128 part = (u128)(uint64_t)(weight < 0 ? -weight : weight) * (uint64_t)x[j];
        (void)u512_add(weight < 0 ? &minus : &plus, wide(part));
        sum += (uint64_t)x[j];
    }
    free(x);
    char text[WIDE_TEXT];
    (void)u512_sub(&plus, minus); // never negative: x is ascending
    if (ratio_format(text, plus, u512_mul(u256_from(sum), u256_from((uint64_t)n)), 0, 8)) {
        (void)str_copy(out, NUM_TEXT, text);
    }
}
