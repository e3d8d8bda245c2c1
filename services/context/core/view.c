// Derived values as the text that :context and :coverage hold.

#include <string.h>

#include "common/base/clock.h"
#include "common/base/decimal.h"
#include "common/base/json.h"
#include "common/base/str.h"
#include "services/context/core/context.h"

void context_look_init(struct context_look *l)
{
    coverage_init(&l->cur);
    coverage_init(&l->prev);
}

void context_look_release(struct context_look *l)
{
    coverage_release(&l->cur);
    coverage_release(&l->prev);
}

// 1 - missing/judged in units of 1e-8, half-even.
static int64_t fraction_e8(int64_t missing, int64_t judged)
{
    const int64_t one = 100000000;
    int64_t num = (judged - missing) * one; // <= 86.4e6 * 1e8
    int64_t q = num / judged;
    int64_t twice = 2 * (num % judged);
    return q + (twice > judged || (twice == judged && q % 2 != 0));
}

void context_look(const struct context *c, struct context_look *out)
{
    const struct ledger *l = &c->ledger;
    out->or_e8 = -1;
    out->or_complete = false;
    if (!day_is_empty_slot(&l->cur)) {
        ledger_coverage(l, &l->cur, &out->cur);
        int64_t from = l->cur.start_ms + OR_START_MS;
        int64_t end = l->cur.start_ms + OR_END_MS;
        int64_t to = out->cur.judged_end_ms < end ? out->cur.judged_end_ms : end;
        if (to > from) {
            int64_t missing = coverage_missing_between(&out->cur, from, to);
            out->or_e8 = fraction_e8(missing, to - from);
            out->or_complete = to == end && missing == 0;
        }
    }
    if (!day_is_empty_slot(&l->prev)) {
        ledger_coverage(l, &l->prev, &out->prev);
    }
}

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

static void put_fraction(const struct out *o, const char *field, int64_t e8)
{
    char s[DEC_TEXT] = "";
    if (e8 >= 0) {
        dec_format(s, e8, 8, 8);
    }
    put(o, field, s);
}

static void put_day(const struct out *o, const char *field, const struct day *d)
{
    char s[16] = "";
    if (!day_is_empty_slot(d)) {
        iso_day(d->start_ms, s);
    }
    put(o, field, s);
}

static void put_current(const struct out *o, const struct day *d, const struct day_levels *v)
{
    put(o, "price", v->last);
    if (d->trades > 0) {
        put_i64(o, "price_ts_ms", d->last.ts_ms);
    } else {
        put(o, "price_ts_ms", "");
    }
    put(o, "vwap", v->vwap);
    put(o, "vwap_quote", v->vwap_quote);
    put(o, "sigma", v->sigma);
    static const char *const up[3] = {"band_up_1", "band_up_2", "band_up_3"};
    static const char *const dn[3] = {"band_dn_1", "band_dn_2", "band_dn_3"};
    for (size_t k = 0; k < 3; k++) {
        put(o, up[k], v->band_up[k]);
        put(o, dn[k], v->band_dn[k]);
    }
    put(o, "poc", v->poc);
    put(o, "vah", v->vah);
    put(o, "val", v->val);
    put(o, "high", v->high);
    put(o, "low", v->low);
    put(o, "range", v->range);
    put(o, "cd_pre", v->cd_pre);
    put(o, "cumulative_delta", v->delta);
    put(o, "buy_volume", v->buy);
    put(o, "sell_volume", v->sell);
    put(o, "block_volume", v->block);
    put_i64(o, "trades", (int64_t)d->trades);
    put(o, "or_high", v->or_high);
    put(o, "or_low", v->or_low);
}

static void put_previous(const struct out *o, const struct day_levels *v)
{
    put(o, "pdh", v->high);
    put(o, "pdl", v->low);
    put(o, "vah_prev", v->vah);
    put(o, "val_prev", v->val);
    put(o, "poc_prev", v->poc);
    put(o, "vwap_prev", v->vwap);
}

void context_fields(const struct context *c, const struct context_look *l, field_sink sink,
                    void *arg)
{
    const struct out o = {sink, arg};
    const struct ledger *g = &c->ledger;
    bool prev = !day_is_empty_slot(&g->prev);
    bool cur = !day_is_empty_slot(&g->cur);
    put_day(&o, "day", &g->cur);
    put_day(&o, "prev_day", &g->prev);
    struct day_levels v = {0};
    if (cur) {
        day_levels(&g->cur, &g->ins, &v);
    }
    put_current(&o, &g->cur, &v);
    put(&o, "or_complete", l->or_complete ? "1" : "0");
    v = (struct day_levels){0};
    if (prev) {
        day_levels(&g->prev, &g->ins, &v);
    }
    put_previous(&o, &v);
    put_fraction(&o, "coverage_today", cur ? coverage_fraction_e8(&l->cur) : -1);
    put_fraction(&o, "coverage_prev", prev ? coverage_fraction_e8(&l->prev) : -1);
    put_fraction(&o, "coverage_or", l->or_e8);
    put_i64(&o, "missing_ms_today", cur ? l->cur.missing_ms : 0);
    put_i64(&o, "missing_ms_prev", prev ? l->prev.missing_ms : 0);
    put_i64(&o, "holes_today", cur ? (int64_t)l->cur.holes : 0);
    char bin[NUM_TEXT];
    bin_price_text(&g->ins, cur ? profile_bin_ticks(g->cur.profile) : g->ins.bin_ticks, 1, bin);
    put(&o, "bin", bin);
    put(&o, "simulated", g->ins.simulated ? "1" : "0");
}

static void add_repaired(void *arg, int64_t from_ms, int64_t to_ms)
{
    holes_add_repaired(arg, from_ms, to_ms);
}

void context_repaired_json(const struct context *c, struct buf *out)
{
    if (!c->ledger.named) {
        holes_repaired_json(&c->holes, out);
        return;
    }
    struct holes h;
    holes_clear(&h);
    timecover_repaired(&c->ledger.named->cover, add_repaired, &h);
    holes_repaired_json(&h, out);
}

void coverage_day_json(const struct coverage *v, struct buf *out)
{
    char day[16];
    iso_day(v->day_ms, day);
    struct jw w;
    jw_init(&w, out);
    jw_obj(&w);
    jw_kstr(&w, "day", day);
    jw_kint(&w, "judged_from_ms", v->day_ms);
    jw_kint(&w, "judged_to_ms", v->judged_end_ms);
    jw_kint(&w, "missing_ms", v->missing_ms);
    jw_kint(&w, "partial_ms", v->partial_ms);
    jw_kint(&w, "holes", (int64_t)v->holes);
    int64_t e8 = coverage_fraction_e8(v);
    char fraction[DEC_TEXT] = "";
    if (e8 >= 0) {
        dec_format(fraction, e8, 8, 8);
    }
    jw_kraw(&w, "fraction", fraction);
    jw_key(&w, "spans");
    jw_arr(&w);
    size_t from = v->n > CONTEXT_SPANS ? v->n - CONTEXT_SPANS : 0;
    for (size_t i = from; i < v->n; i++) {
        const struct cover_span *s = &v->span[i];
        jw_obj(&w);
        jw_kint(&w, "from_ms", s->from_ms);
        jw_kint(&w, "to_ms", s->to_ms);
        jw_kstr(&w, "state", cover_state_name(s->state));
        if (s->state == COVER_MISSING && !v->by_time) {
            jw_kint(&w, "from_id", s->from_id);
            jw_kint(&w, "to_id", s->to_id);
        }
        jw_end_obj(&w);
    }
    jw_end_arr(&w);
    jw_kbool(&w, "_truncated", from > 0);
    jw_end_obj(&w);
}
