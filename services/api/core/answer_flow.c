// CVD and volume delta.

#include <string.h>

#include "services/api/core/answer.h"

#include "common/base/decimal.h"
#include "services/api/core/flow.h"

#define MINUTE_MS INT64_C(60000)

static void put_lots(const struct snap *s, struct jw *w, const char *key, int64_t lots)
{
    char text[DEC_TEXT];
    (void)dec_format(text, lots, s->ins.qty_scale, s->ins.qty_decimals);
    jw_kraw(w, key, text);
}

static void put_ms(struct jw *w, const char *key, int64_t ms)
{
    if (ms < 0) {
        jw_kraw(w, key, NULL);
    } else {
        jw_kint(w, key, ms);
    }
}

// ---- CVD ---------------------------------------------------------------------------------------

void live_cvd(const struct ask *a, struct jw *w)
{
    const int64_t anchor_ms = rhash_i64(a->snap->sec[SEC_CVD], "anchor_ms", -1);
    const int64_t since = a->env->now_ms - anchor_ms;
    live_age(a, w);
    put_ms(w, "seconds_since_reset",
           anchor_ms < 0 || a->env->now_ms < 0 ? -1 : (since > 0 ? since / 1000 : 0));
    jw_kbool(w, "reset_wants_token", a->env->post_wants_token);
}

void still_cvd(const struct ask *a, struct jw *w)
{
    static const char *const number[] = {"cvd", "buy_volume", "sell_volume", "volume_delta"};
    const struct rhash *h = a->snap->sec[SEC_CVD];
    for (size_t i = 0; i < sizeof number / sizeof number[0]; i++) {
        put_field(w, number[i], h, number[i]);
    }
    put_field(w, "trade_count", h, "trades");
    put_ts_field(w, "reset_time", h, "anchor_ms");
    put_str_field(w, "anchor", h, "anchor");
    put_str_field(w, "day", h, "day");
    put_field(w, "missing_ms", h, "missing_ms");
    still_who(a, w);
}

struct series {
    const struct ask *a;
    struct jw *w;
    int64_t cvd, skip; // rows not told, because there are more than asked for
    size_t n;
};

static bool put_point(struct series *k, int64_t start_ms, const struct flow *v)
{
    const struct snap *s = k->a->snap;
    const int64_t open = k->cvd;
    if (__builtin_add_overflow(k->cvd, v->buy - v->sell, &k->cvd)) {
        return false;
    }
    if (k->skip-- > 0) {
        return true;
    }
    jw_obj(k->w);
    put_ts(k->w, "timestamp", start_ms);
    jw_kint(k->w, "timestamp_ms", start_ms);
    put_lots(s, k->w, "open", open);
    put_lots(s, k->w, "cvd", k->cvd);
    put_lots(s, k->w, "buy_volume", v->buy);
    put_lots(s, k->w, "sell_volume", v->sell);
    put_lots(s, k->w, "volume_delta", v->buy - v->sell);
    jw_kint(k->w, "trade_count", v->trades);
    jw_end_obj(k->w);
    k->n++;
    return true;
}

// The reset's own minute, from the reset on.
static bool first_of(const struct snap *s, struct flow *out)
{
    const struct rhash *h = s->sec[SEC_CVD];
    char text[3 * DEC_TEXT];
    return str_fmt(text, sizeof text, "%s %s %s", rhash_get(h, "first_buy"),
                   rhash_get(h, "first_sell"), rhash_get(h, "first_trades")) &&
           flow_read(s, slice_of(text), out);
}

// Minutes from_ms and later: how many, and their index in the hash.
static size_t minutes_from(const struct rhash *h, int64_t from_ms, size_t *at)
{
    size_t i = rhash_count(h);
    for (; i > 0; i--) {
        const struct rfield *f = rhash_at(h, i - 1);
        int64_t start;
        if (parse_i64(f->name, f->nlen, &start) != 0 || start < from_ms) {
            break;
        }
    }
    *at = i;
    return rhash_count(h) - i;
}

static bool put_points(struct series *k)
{
    const struct snap *s = k->a->snap;
    const struct rhash *h = s->sec[SEC_CVD_MINUTES];
    const int64_t reset_ms = rhash_i64(s->sec[SEC_CVD], "first_ms", -1);
    const int64_t day_ms = rhash_i64(s->sec[SEC_CVD], "anchor_ms", -1);
    struct flow first = {0};
    size_t at;
    if (reset_ms >= 0 && !first_of(s, &first)) {
        return false;
    }
    const size_t n = minutes_from(h, reset_ms >= 0 ? reset_ms + MINUTE_MS : day_ms, &at);
    k->skip = (int64_t)n + (first.trades > 0) - k->a->q->num[1];
    if (first.trades > 0 && !put_point(k, reset_ms, &first)) {
        return false;
    }
    for (size_t i = at; i < rhash_count(h); i++) {
        const struct rfield *f = rhash_at(h, i);
        struct flow v;
        int64_t start;
        if (parse_i64(f->name, f->nlen, &start) != 0 ||
            !flow_read(s, (struct slice){f->value, f->vlen}, &v) || !put_point(k, start, &v)) {
            return false;
        }
    }
    return true;
}

// A minute without trades has no point. Where not every trade of the day is held by minute there is
// no line at all: it would silently miss some.
void still_cvd_history(const struct ask *a, struct jw *w)
{
    const struct rhash *h = a->snap->sec[SEC_CVD];
    struct series k = {.a = a, .w = w};
    bool whole = a->snap->has_units && strcmp(rhash_get(h, "minutes_whole"), "1") == 0;
    jw_key(w, "history");
    jw_arr(w);
    if (whole) {
        whole = put_points(&k);
    }
    jw_end_arr(w);
    jw_kint(w, "count", (int64_t)k.n);
    jw_kbool(w, "complete", whole);
    put_ts_field(w, "reset_time", h, "anchor_ms");
    put_str_field(w, "anchor", h, "anchor");
    still_who(a, w);
}

// ---- reset -------------------------------------------------------------------------------------

int status_cvd_reset(const struct ask *a)
{
    return a->env->post != NULL && a->env->post->applied ? 200 : 202;
}

void live_cvd_reset(const struct ask *a, struct jw *w)
{
    const struct post *p = a->env->post;
    jw_kstr(w, "status", p != NULL && p->applied ? "applied" : "queued");
    jw_kstr(w, "command", p != NULL ? p->id : NULL);
    put_ts(w, "requested_time", p != NULL ? p->at_ms : -1);
    live_cvd(a, w);
}

// ---- volume delta ------------------------------------------------------------------------------

// The instrument's clock, and not behind what was traded.
static int64_t now_of(const struct ask *a)
{
    const int64_t newest = flow_newest_ms(a->snap);
    return a->env->now_ms > newest ? a->env->now_ms : newest;
}

// Members of one window (to - period, to]; false: not all of its trades are known.
static bool put_window(const struct ask *a, struct jw *w, int64_t period, int64_t to_ms)
{
    const int64_t after_ms = to_ms - period * 1000;
    struct flow v;
    const bool known = to_ms >= 0 && flow_window(a->snap, after_ms, to_ms, &v);
    jw_kint(w, "period", period);
    if (known) {
        put_lots(a->snap, w, "buy_volume", v.buy);
        put_lots(a->snap, w, "sell_volume", v.sell);
        put_lots(a->snap, w, "volume_delta", v.buy - v.sell);
        jw_kint(w, "trade_count", v.trades);
    } else {
        jw_kraw(w, "buy_volume", NULL);
        jw_kraw(w, "sell_volume", NULL);
        jw_kraw(w, "volume_delta", NULL);
        jw_kraw(w, "trade_count", NULL);
    }
    put_ts(w, "timestamp", to_ms);
    put_ms(w, "timestamp_ms", to_ms);
    put_ms(w, "missing_ms", known ? flow_missing_ms(a->snap, after_ms, to_ms) : -1);
    return known;
}

void live_delta(const struct ask *a, struct jw *w)
{
    live_age(a, w);
    (void)put_window(a, w, a->q->num[1], now_of(a));
}

void live_delta_multi(const struct ask *a, struct jw *w)
{
    const int64_t now = now_of(a);
    live_age(a, w);
    jw_key(w, "periods");
    jw_arr(w);
    for (int64_t i = 0; i < a->q->num[1]; i++) {
        jw_obj(w);
        (void)put_window(a, w, a->q->list[i], now);
        jw_end_obj(w);
    }
    jw_end_arr(w);
    put_ts(w, "timestamp", now);
}

// Windows one behind the other that end at whole multiples of the period, as far back as all trades
// are known, oldest first.
void live_delta_history(const struct ask *a, struct jw *w)
{
    const int64_t period = a->q->num[1], step = period * 1000, now = now_of(a);
    const int64_t from_ms = rhash_i64(a->snap->sec[SEC_INDICATORS], "from_ms", -1);
    const int64_t last = now < 0 ? 0 : now - now % step;
    int64_t n = from_ms < 0 || now < 0 ? 0 : (last + 1 - from_ms) / step;
    n = n < a->q->num[2] ? n : a->q->num[2];
    int64_t told = 0;
    live_age(a, w);
    jw_kint(w, "period", period);
    jw_key(w, "history");
    jw_arr(w);
    for (int64_t i = n; i-- > 0; told++) {
        jw_obj(w);
        (void)put_window(a, w, period, last - i * step);
        jw_end_obj(w);
    }
    jw_end_arr(w);
    jw_kint(w, "count", told);
}
