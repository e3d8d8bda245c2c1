#include <string.h>

#include "services/api/core/answer.h"

#include "common/base/clock.h"
#include "common/market/day.h"
#include "common/market/session.h"
#include "services/api/core/rows.h"

void live_age(const struct ask *a, struct jw *w)
{
    jw_kbool(w, "redis_up", a->env->redis_up);
    if (a->env->data_age_ms >= 0) {
        jw_kint(w, "data_age_ms", a->env->data_age_ms);
    } else {
        jw_kraw(w, "data_age_ms", NULL);
    }
}

void still_who(const struct ask *a, struct jw *w)
{
    jw_kstr(w, "instrument", a->snap->who.name);
    jw_kbool(w, "simulated", snap_is_simulated(a->snap));
}

static void price_members(const struct snap *s, struct jw *w)
{
    const struct rhash *ctx = s->sec[SEC_CONTEXT];
    put_field(w, "price", ctx, "price");
    put_ts_field(w, "ts", ctx, "price_ts_ms");
    jw_kstr(w, "symbol", s->who.symbol);
}

void still_price(const struct ask *a, struct jw *w)
{
    price_members(a->snap, w);
    still_who(a, w);
}

static void or_members(const struct snap *s, struct jw *w)
{
    const struct rhash *ctx = s->sec[SEC_CONTEXT];
    int64_t day = snap_day_ms(s);
    jw_key(w, "OR");
    jw_obj(w);
    put_field(w, "hi", ctx, "or_high");
    put_field(w, "lo", ctx, "or_low");
    put_ts(w, "startTs", day >= 0 ? day + OR_START_MS : -1);
    put_ts(w, "endTs", day >= 0 ? day + OR_END_MS : -1);
    const char *complete = rhash_get(ctx, "or_complete");
    jw_kbool(w, "complete", strcmp(complete, "1") == 0);
    jw_end_obj(w);
}

// Bands are defined around the base VWAP only.
static void bands(const struct rhash *ctx, bool quote, struct jw *w)
{
    static const char *const up[] = {"band_up_1", "band_up_2", "band_up_3"};
    static const char *const dn[] = {"band_dn_1", "band_dn_2", "band_dn_3"};
    jw_key(w, "bands");
    jw_arr(w);
    for (int k = 0; k < 3; k++) {
        jw_obj(w);
        jw_kint(w, "k", k + 1);
        put_num(w, "upper", quote ? "" : rhash_get(ctx, up[k]));
        put_num(w, "lower", quote ? "" : rhash_get(ctx, dn[k]));
        jw_end_obj(w);
    }
    jw_end_arr(w);
}

static void level_members(const struct snap *s, bool quote, struct jw *w)
{
    const struct rhash *ctx = s->sec[SEC_CONTEXT];
    or_members(s, w);
    put_field(w, "VWAP", ctx, quote ? "vwap_quote" : "vwap");
    put_field(w, "POCd", ctx, "poc");
    put_field(w, "POC", ctx, "poc");
    put_field(w, "VAH", ctx, "vah");
    put_field(w, "VAL", ctx, "val");
    put_field(w, "PDH", ctx, "pdh");
    put_field(w, "PDL", ctx, "pdl");
    put_field(w, "VAHprev", ctx, "vah_prev");
    put_field(w, "VALprev", ctx, "val_prev");
    put_field(w, "POCprev", ctx, "poc_prev");
    if (quote) {
        put_field(w, "VWAPprev", s->sec[SEC_PREV], "vwap_quote");
    } else {
        put_field(w, "VWAPprev", ctx, "vwap_prev");
    }
    put_field(w, "sigma", ctx, "sigma");
    bands(ctx, quote, w);
    jw_key(w, "coverage");
    jw_obj(w);
    put_field(w, "today", ctx, "coverage_today");
    put_field(w, "prev", ctx, "coverage_prev");
    put_field(w, "or", ctx, "coverage_or");
    jw_end_obj(w);
    put_str_field(w, "day", ctx, "day");
    put_str_field(w, "prev_day", ctx, "prev_day");
}

void still_levels(const struct ask *a, struct jw *w)
{
    level_members(a->snap, false, w);
    still_who(a, w);
}

void live_context(const struct ask *a, struct jw *w)
{
    int64_t now = a->env->now_ms;
    bool known = now >= 0;
    enum session cur = known ? session_at(now) : SESSION_OFF;
    jw_key(w, "session");
    jw_obj(w);
    jw_kstr(w, "state", known ? session_name(cur) : NULL);
    put_ts(w, "nowUtc", now);
    jw_end_obj(w);
    jw_key(w, "session_info");
    jw_obj(w);
    if (known) {
        int64_t starts = 0, change = session_next_change_ms(now);
        enum session next = session_next_active(now, &starts);
        jw_kstr(w, "state", session_name(cur));
        jw_kbool(w, "is_active", cur != SESSION_OFF);
        jw_kint(w, "time_to_change_seconds", (change - now + 999) / 1000);
        put_ts(w, "next_change", change);
        jw_kstr(w, "next_session", session_name(next));
        put_ts(w, "next_session_start", starts);
    } else {
        jw_kstr(w, "state", NULL);
        jw_kbool(w, "is_active", false);
        jw_kraw(w, "time_to_change_seconds", NULL);
        jw_kstr(w, "next_change", NULL);
        jw_kstr(w, "next_session", NULL);
        jw_kstr(w, "next_session_start", NULL);
    }
    jw_end_obj(w);
    live_age(a, w);
}

static void coverage_summary(const struct rhash *ctx, struct jw *w)
{
    jw_key(w, "coverage");
    jw_obj(w);
    put_field(w, "today", ctx, "coverage_today");
    put_field(w, "prev", ctx, "coverage_prev");
    put_field(w, "or", ctx, "coverage_or");
    put_field(w, "missing_ms_today", ctx, "missing_ms_today");
    put_field(w, "missing_ms_prev", ctx, "missing_ms_prev");
    put_field(w, "holes_today", ctx, "holes_today");
    jw_end_obj(w);
}

void still_context(const struct ask *a, struct jw *w)
{
    const struct snap *s = a->snap;
    const struct rhash *ctx = s->sec[SEC_CONTEXT];
    bool quote = a->q->num[1] == 1;
    still_who(a, w);
    jw_kstr(w, "vwap_mode", quote ? "quote" : "base");
    jw_key(w, "levels");
    jw_obj(w);
    level_members(s, quote, w);
    jw_end_obj(w);
    jw_key(w, "stats");
    jw_obj(w);
    put_field(w, "rangeToday", ctx, "range");
    put_field(w, "cd_pre", ctx, "cd_pre");
    put_field(w, "high", ctx, "high");
    put_field(w, "low", ctx, "low");
    put_field(w, "buy_volume", ctx, "buy_volume");
    put_field(w, "sell_volume", ctx, "sell_volume");
    put_field(w, "block_volume", ctx, "block_volume");
    put_field(w, "trades", ctx, "trades");
    jw_end_obj(w);
    jw_key(w, "price");
    jw_obj(w);
    price_members(s, w);
    jw_end_obj(w);
    jw_key(w, "mark");
    jw_obj(w);
    mark_members(s, w);
    jw_end_obj(w);
    put_field(w, "cumulative_delta", ctx, "cumulative_delta");
    coverage_summary(ctx, w);
    if (a->q->num[2] >= 0) {
        rows_write(s, a->q->num[2], w);
    }
}
