#include <stdlib.h>
#include <string.h>

#include "services/api/core/answer.h"

#include "common/base/decimal.h"
#include "services/api/core/jscan.h"
#include "services/api/core/rows.h"

// "ts id price qty side" of the accumulators -> an object; null when it is not that.
static void end_trade(struct jw *w, const char *key, const char *text)
{
    char part[5][40];
    size_t n = 0;
    const char *p = text;
    while (*p && n < 5) {
        size_t len = strcspn(p, " ");
        if (len == 0 || !str_copyn(part[n], sizeof part[n], p, len)) {
            break;
        }
        n++;
        p += len + (p[len] == ' ');
    }
    int64_t ms = 0;
    jw_key(w, key);
    if (n < 5 || parse_i64(part[0], strlen(part[0]), &ms) != 0) {
        jw_null(w);
        return;
    }
    jw_obj(w);
    put_ts(w, "ts", ms);
    put_num(w, "ts_ms", part[0]);
    put_num(w, "id", part[1]);
    put_num(w, "price", part[2]);
    put_num(w, "qty", part[3]);
    jw_kstr(w, "side", part[4]);
    jw_end_obj(w);
}

void still_debug_vwap(const struct ask *a, struct jw *w)
{
    const struct snap *s = a->snap;
    const struct rhash *d = s->sec[SEC_DAY];
    put_str_field(w, "day", s->sec[SEC_CONTEXT], "day");
    put_field(w, "sum_price_qty", d, "sum_pq");
    put_field(w, "sum_qty", d, "sum_q");
    put_field(w, "sum_price_sq_qty", d, "sum_ppq");
    put_field(w, "trade_count", d, "trades");
    put_field(w, "buy_volume", d, "buy_volume");
    put_field(w, "sell_volume", d, "sell_volume");
    put_field(w, "block_volume", d, "block_volume");
    put_field(w, "vwap", d, "vwap");
    put_field(w, "vwap_quote", d, "vwap_quote");
    put_field(w, "sigma", d, "sigma");
    end_trade(w, "first_trade", rhash_get(d, "first"));
    end_trade(w, "last_trade", rhash_get(d, "last"));
    still_who(a, w);
}

static int by_volume(const void *pa, const void *pb)
{
    const struct row *a = pa, *b = pb;
    int64_t va = a->buy + a->sell, vb = b->buy + b->sell;
    if (va != vb) {
        return va > vb ? -1 : 1;
    }
    return (a->bin > b->bin) - (a->bin < b->bin);
}

void still_debug_poc(const struct ask *a, struct jw *w)
{
    const struct snap *s = a->snap;
    const struct rhash *d = s->sec[SEC_DAY];
    struct row *r = NULL;
    size_t n = rows_read(s, &r);
    if (n > 0) {
        qsort(r, n, sizeof *r, by_volume);
    }
    put_num(w, "bin_size",
            *rhash_get(d, "bin") ? rhash_get(d, "bin") : (s->has_units ? s->ins.tick_size : ""));
    jw_key(w, "top_bins");
    jw_arr(w);
    for (size_t i = 0; i < n && i < 10; i++) {
        jw_obj(w);
        jw_kint(w, "rank", (int64_t)i + 1);
        row_members(s, &r[i], rows_bin_ticks(s), w);
        jw_kint(w, "trades", r[i].trades);
        jw_end_obj(w);
    }
    jw_end_arr(w);
    put_field(w, "poc_price", d, "poc");
    put_field(w, "poc_volume", d, "poc_volume");
    jw_kint(w, "bins", (int64_t)n);
    still_who(a, w);
    free(r);
}

void still_debug_exchangeinfo(const struct ask *a, struct jw *w)
{
    const struct snap *s = a->snap;
    const struct rhash *h = s->sec[SEC_INSTRUMENT];
    const struct rfield *raw = rhash_find(h, "_raw");
    put_field(w, "tickSize", h, "tick");
    put_field(w, "stepSize", h, "step");
    put_field(w, "minQty", h, "min_qty");
    put_field(w, "minNotional", h, "min_notional");
    put_field(w, "priceScale", h, "price_scale");
    put_field(w, "qtyScale", h, "qty_scale");
    put_ts_field(w, "updated", h, "_updated_ms");
    put_field(w, "clock_offset_ms", h, "_clock_offset_ms");
    put_json(w, "raw", raw ? (struct slice){raw->value, raw->vlen} : (struct slice){NULL, 0});
    still_who(a, w);
}
