#include "services/strategy/core/regime.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/decimal.h"
#include "common/base/json.h"
#include "common/base/mem.h"
#include "common/base/str.h"

#define PLACES 24 // of a share
#define CAP 3     // sigmas: farther away counts no more

const struct regime_params regime_defaults = {.weight_e8 = {35000000, 25000000, 20000000, 20000000},
                                              .trend_e8 = 60000000,
                                              .range_e8 = 40000000,
                                              .candles = 60};

static u128 pow10_u128(int n)
{
    u128 v = 1;
    while (n-- > 0) {
        v *= 10;
    }
    return v;
}

void regime_init(struct regime *g, int64_t bin_ticks)
{
    *g = (struct regime){.p = regime_defaults, .day_ms = -1, .dirty_ms = INT64_MAX, .told_ms = -1};
    g->profile = profile_new(bin_ticks);
}

void regime_release(struct regime *g)
{
    profile_free(g->profile);
    free(g->v);
    *g = (struct regime){.day_ms = -1};
}

void regime_revised(struct regime *g, int64_t start_ms)
{
    g->dirty_ms = start_ms < g->dirty_ms ? start_ms : g->dirty_ms;
}

// ---- exact quotients ---------------------------------------------------------------------------

// a / d rounded half-even; d > 0.
static struct u512 half_even(struct u512 a, struct u512 d)
{
    struct u512 q;
    struct u512 r;
    u512_divmod(a, d, &q, &r);
    (void)u512_mul_u64(&r, 2);
    const int more = u512_cmp(r, d);
    if (more > 0 || (more == 0 && (q.w[0] & 1) != 0)) {
        (void)u512_add(&q, u512_from(u256_from(1)));
    }
    return q;
}

static u128 low(struct u512 v)
{
    return (u128)v.w[1] << 64 | v.w[0];
}

// num / den at PLACES decimals, 0 for 0 / 0; num <= den.
static u128 share_of(u128 num, u128 den)
{
    if (den == 0) {
        return 0;
    }
    struct u512 a = u512_from(u256_from(num));
    (void)u512_mul_pow10(&a, PLACES);
    return low(half_even(a, u512_from(u256_from(den))));
}

// min(|P - VWAP| / sigma, 3) / 3: |P * sum(q) - sum(p*q)| / sqrt(V), V the variance times sum(q)^2.
static u128 distance(const struct regime_step *s)
{
    const u128 pq = (u128)(uint64_t)s->close * s->sum_q;
    const u128 x = pq > s->sum_pq ? pq - s->sum_pq : s->sum_pq - pq;
    struct u512 v = u512_mul(u256_from(s->sum_q), s->sum_ppq);
    if (!u512_sub(&v, u512_mul(u256_from(s->sum_pq), u256_from(s->sum_pq))) || u512_is_zero(v)) {
        return 0;
    }
    struct u512 square = u512_mul(u256_from(x), u256_from(x));
    struct u512 limit = v;
    (void)u512_mul_u64(&limit, CAP * CAP);
    if (u512_cmp(square, limit) >= 0) {
        return pow10_u128(PLACES);
    }
    // floor(2 * 10^24 * x / (3 * sqrt(V))): its lowest bit is the half. x^2 < 9 V < 2^256 here.
    struct u512 q;
    struct u512 r;
    (void)u512_mul_pow10(&square, 2 * PLACES);
    (void)u512_mul_u64(&square, 4);
    u512_divmod(square, limit, &q, &r);
    const struct u512 twice = u512_isqrt(q);
    const bool exact =
        u512_is_zero(r) && u512_cmp(u512_mul((struct u256){{twice.w[0], twice.w[1]}},
                                             (struct u256){{twice.w[0], twice.w[1]}}),
                                    q) == 0;
    const u128 t = low(twice);
    return t / 2 + ((t & 1) != 0 && (!exact || (t / 2 & 1) != 0));
}

// ---- one step ----------------------------------------------------------------------------------

static int64_t magnitude(int64_t v)
{
    return v < 0 ? -v : v;
}

static void judge(struct regime *g, struct regime_step *s, size_t i)
{
    const size_t from = i + 1 > g->p.candles ? i + 1 - g->p.candles : 0;
    const int64_t bin = profile_bin_ticks(g->profile);
    u128 path = 0;
    u128 volume = 0;
    i128 delta = 0;
    size_t outside = 0;
    for (size_t k = from; k <= i; k++) {
        const struct regime_step *c = &g->v[k];
        path += k > from ? (uint64_t)magnitude(c->close - g->v[k - 1].close) : 0;
        volume += (u128)(uint64_t)c->buy + (uint64_t)c->sell;
        delta += (i128)c->buy - c->sell;
        outside += c->close / bin < s->val || c->close / bin > s->vah;
    }
    s->share[0] = share_of((uint64_t)magnitude(s->close - g->v[from].close), path);
    s->share[1] = distance(s);
    s->share[2] = share_of((u128)(delta < 0 ? -delta : delta), volume);
    s->share[3] = share_of(outside, i + 1 - from);
    u128 sum = 0;
    for (size_t k = 0; k < REGIME_SHARES; k++) {
        sum += s->share[k] * (uint64_t)g->p.weight_e8[k];
    }
    s->score_e8 = (int64_t)low(
        half_even(u512_from(u256_from(sum)), u512_from(u256_from(pow10_u128(PLACES)))));
    const bool before = i > 0 && g->v[i - 1].trend;
    s->trend = before ? s->score_e8 > g->p.range_e8 : s->score_e8 >= g->p.trend_e8;
}

// ---- steps of the day --------------------------------------------------------------------------

static void cut(struct regime *g, int64_t from_ms)
{
    while (g->n > 0 && g->v[g->n - 1].start_ms >= from_ms) {
        g->n--;
    }
    if (g->acc_ms > from_ms) {
        profile_clear(g->profile, profile_bin_ticks(g->profile));
        g->acc_ms = g->day_ms;
    }
}

// Puts the minutes up to end_ms into the profile and their sums into s.
static void advance(struct regime *g, const struct minutes *m, int64_t end_ms,
                    struct regime_step *s)
{
    for (size_t k = minutes_lower(m, g->acc_ms); k < m->n && m->row[k].start_ms < end_ms; k++) {
        const struct minute *r = &m->row[k];
        for (size_t b = 0; b < r->n; b++) {
            const int64_t price = r->bin[b].index * m->bin_ticks;
            g->known &=
                r->bin[b].buy == 0 || profile_add(g->profile, price, r->bin[b].buy, true) == 0;
            g->known &=
                r->bin[b].sell == 0 || profile_add(g->profile, price, r->bin[b].sell, false) == 0;
        }
    }
    g->acc_ms = end_ms;
    // Sums: those of the step before and of the minutes since.
    const struct regime_step *before = g->n > 0 ? &g->v[g->n - 1] : NULL;
    int64_t from = g->day_ms;
    if (before != NULL) {
        s->sum_q = before->sum_q;
        s->sum_pq = before->sum_pq;
        s->sum_ppq = before->sum_ppq;
        from = before->start_ms + MINUTE_MS;
    }
    for (size_t k = minutes_lower(m, from); k < m->n && m->row[k].start_ms < end_ms; k++) {
        const struct minute *r = &m->row[k];
        s->sum_q += (u128)(uint64_t)r->buy + (uint64_t)r->sell;
        s->sum_pq += r->sum_pq;
        g->known &= u256_add(&s->sum_ppq, r->sum_ppq);
        if (r->start_ms == s->start_ms) {
            s->buy = r->buy;
            s->sell = r->sell;
        }
    }
}

static void add_step(struct regime *g, const struct minutes *m, const struct candle *c)
{
    struct regime_step s = {.start_ms = c->start_ms, .close = c->close};
    advance(g, m, c->start_ms + MINUTE_MS, &s);
    if (!profile_value_area(g->profile, &s.val, &s.vah)) {
        g->known = false; // a candle without the trades behind it
        return;
    }
    if (g->n == g->cap) {
        g->cap = g->cap > 0 ? 2 * g->cap : 256;
        g->v = xrealloc(g->v, g->cap * sizeof *g->v);
    }
    g->v[g->n] = s;
    judge(g, &g->v[g->n], g->n);
    g->n++;
}

static bool holds_all(const struct minutes *m, int64_t day_ms, uint64_t trades)
{
    uint64_t n = 0;
    for (size_t k = minutes_lower(m, day_ms); k < m->n; k++) {
        n += (uint64_t)m->row[k].trades;
        if (m->row[k].lost) {
            return false;
        }
    }
    return n == trades;
}

bool regime_update(struct regime *g, struct minutes *m, const struct candle_series *one_minute,
                   int64_t day_ms, uint64_t trades)
{
    const bool was_known = g->known;
    const size_t was = g->n;
    int64_t dirty = m->dirty_ms < g->dirty_ms ? m->dirty_ms : g->dirty_ms;
    m->dirty_ms = g->dirty_ms = INT64_MAX;
    if (day_ms != g->day_ms) {
        g->day_ms = day_ms;
        g->acc_ms = INT64_MAX;
        dirty = INT64_MIN;
    }
    cut(g, dirty);
    bool changed = g->n != was;
    g->known = day_ms >= 0 && holds_all(m, day_ms, trades);
    size_t i = candle_series_count(one_minute);
    const int64_t after = g->n > 0 ? g->v[g->n - 1].start_ms : day_ms - 1;
    while (i > 0 && candle_series_at(one_minute, i - 1)->start_ms > after) {
        i--;
    }
    for (; g->known && i < candle_series_count(one_minute); i++) {
        const struct candle *c = candle_series_at(one_minute, i);
        if (!c->complete || c->start_ms >= day_ms + INT64_C(86400000)) {
            break;
        }
        add_step(g, m, c);
        changed = true;
    }
    if (!g->known) {
        g->n = 0;
        g->acc_ms = INT64_MAX;
        cut(g, INT64_MIN);
    }
    return changed || was_known != g->known;
}

void regime_tell(struct regime *g, regime_cb cb, void *arg)
{
    if (!g->known) {
        return;
    }
    if (g->told_ms < g->day_ms) { // another day begins as range
        if (g->told_trend) {
            cb(arg, false, NULL, g->day_ms);
        }
        g->told_trend = false;
        g->told_ms = g->day_ms - 1;
    }
    for (size_t i = 0; i < g->n; i++) {
        const struct regime_step *s = &g->v[i];
        const bool is_last = i + 1 == g->n;
        // Behind what was told every change; before it only where all of it ends differently.
        if (s->trend != g->told_trend && (s->start_ms > g->told_ms || is_last)) {
            g->told_trend = s->trend;
            cb(arg, s->trend, s, s->start_ms + MINUTE_MS);
        }
    }
    if (g->n > 0 && g->v[g->n - 1].start_ms > g->told_ms) {
        g->told_ms = g->v[g->n - 1].start_ms;
    }
}
