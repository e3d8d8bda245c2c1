// Liquidation clusters and the mark price.

#include <stdlib.h>
#include <string.h>

#include "services/api/core/answer.h"

#include "common/base/clock.h"
#include "common/base/decimal.h"
#include "common/base/mem.h"
#include "common/base/wide.h"

#define SCALE DEC_MAX_SCALE // prices of clusters, exactly

struct cluster {
    int64_t level; // 10^-SCALE
    const char *price;
    char buy[DEC_TEXT], sell[DEC_TEXT], total[DEC_TEXT], ratio[WIDE_TEXT];
};

// The clusters are of the newest liquidation's day. Once trades are of a later one there are none
// today yet.
static bool is_today(const struct snap *s)
{
    const struct rfield *f = rhash_find(s->sec[SEC_LIQ], "day");
    int64_t ms = 0;
    return f && parse_day(f->value, f->vlen, &ms) == 0 && ms >= snap_day_ms(s);
}

static bool cluster_of(const struct snap *s, const struct rfield *f, struct cluster *c)
{
    int64_t buy, sell, n;
    const char *a = memchr(f->value, ' ', f->vlen);
    const char *b = a ? memchr(a + 1, ' ', f->vlen - (size_t)(a + 1 - f->value)) : NULL;
    const char *end = f->value + f->vlen;
    const struct instrument *ins = &s->ins;
    if (!b || f->name[0] < '0' || f->name[0] > '9' || !json_number_text(f->name, f->nlen) ||
        dec_parse(f->name, f->nlen, SCALE, &c->level, NULL) != 0 ||
        dec_parse(f->value, (size_t)(a - f->value), ins->qty_scale, &buy, NULL) != 0 ||
        dec_parse(a + 1, (size_t)(b - a - 1), ins->qty_scale, &sell, NULL) != 0 ||
        parse_i64(b + 1, (size_t)(end - b - 1), &n) != 0 || buy < 0 || sell < 0 || n <= 0 ||
        buy > INT64_MAX - sell || buy + sell == 0) {
        return false;
    }
    c->price = f->name;
    dec_format(c->buy, buy, ins->qty_scale, ins->qty_decimals);
    dec_format(c->sell, sell, ins->qty_scale, ins->qty_decimals);
    dec_format(c->total, buy + sell, ins->qty_scale, ins->qty_decimals);
    return ratio_format(c->ratio, u512_from(u256_from((u128)buy)),
                        u512_from(u256_from((u128)(buy + sell))), 0, 8);
}

static int by_level(const void *pa, const void *pb)
{
    const struct cluster *a = pa, *b = pb;
    return (a->level > b->level) - (a->level < b->level);
}

// Ascending; *out is new, free() it. What is no cluster is left out.
static size_t read_clusters(const struct snap *s, struct cluster **out)
{
    const struct rhash *h = s->sec[SEC_LIQ];
    size_t n = 0;
    *out = NULL;
    if (!s->has_units || !is_today(s)) {
        return 0;
    }
    *out = xcalloc(rhash_count(h) + 1, sizeof **out);
    for (size_t i = 0; i < rhash_count(h); i++) {
        n += cluster_of(s, rhash_at(h, i), &(*out)[n]) ? 1 : 0;
    }
    qsort(*out, n, sizeof **out, by_level);
    return n;
}

static void cluster_members(struct jw *w, const struct cluster *c)
{
    jw_kraw(w, "price_level", c->price);
    jw_kraw(w, "buy_liquidations", c->buy);
    jw_kraw(w, "sell_liquidations", c->sell);
    jw_kraw(w, "total_liquidations", c->total);
    jw_kraw(w, "ratio", c->ratio);
}

static void nearest(struct jw *w, const char *key, const struct cluster *c)
{
    jw_key(w, key);
    if (!c) {
        jw_null(w);
        return;
    }
    jw_obj(w);
    cluster_members(w, c);
    jw_end_obj(w);
}

// Support is the highest cluster that lies below the price as a whole, resistance the lowest above
// it; the one the price is in is neither.
static void levels(const struct snap *s, const struct cluster *c, size_t n, struct jw *w)
{
    const struct rfield *p = rhash_find(s->sec[SEC_CONTEXT], "price");
    const struct rfield *b = rhash_find(s->sec[SEC_LIQ], "bin");
    const struct cluster *below = NULL, *above = NULL;
    int64_t price, bin;
    if (p && b && dec_parse(p->value, p->vlen, SCALE, &price, NULL) == 0 &&
        dec_parse(b->value, b->vlen, SCALE, &bin, NULL) == 0 && bin > 0) {
        for (size_t i = 0; i < n; i++) {
            if (c[i].level <= price - bin) {
                below = &c[i];
            } else if (c[i].level > price && !above) {
                above = &c[i];
            }
        }
    }
    nearest(w, "nearest_support", below);
    nearest(w, "nearest_resistance", above);
    put_field(w, "price", s->sec[SEC_CONTEXT], "price");
}

static void label(const struct snap *s, struct jw *w)
{
    const bool bound = s->who.venue == VENUE_BINANCE;
    const struct rhash *h = s->sec[SEC_LIQ];
    put_ts_field(w, "timestamp", h, "last_ts_ms");
    put_str_field(w, "day", h, "day");
    put_field(w, "bin_size", h, "bin");
    jw_kbool(w, "lower_bound", bound);
    jw_kstr(w, "price_kind", bound ? "fill" : "bankruptcy");
}

void still_clusters(const struct ask *a, struct jw *w)
{
    struct cluster *c;
    const size_t n = read_clusters(a->snap, &c);
    jw_key(w, "clusters");
    jw_arr(w);
    for (size_t i = 0; i < n; i++) {
        jw_obj(w);
        cluster_members(w, &c[i]);
        jw_end_obj(w);
    }
    jw_end_arr(w);
    levels(a->snap, c, n, w);
    label(a->snap, w);
    still_who(a, w);
    free(c);
}

void still_support(const struct ask *a, struct jw *w)
{
    struct cluster *c;
    const size_t n = read_clusters(a->snap, &c);
    levels(a->snap, c, n, w);
    label(a->snap, w);
    still_who(a, w);
    free(c);
}

void still_debug_clusters(const struct ask *a, struct jw *w)
{
    const struct rhash *h = a->snap->sec[SEC_LIQ];
    still_clusters(a, w);
    put_field(w, "count", h, "count");
    put_field(w, "buy_liquidations", h, "buy_liquidations");
    put_field(w, "sell_liquidations", h, "sell_liquidations");
    put_str_field(w, "position", h, "_pos");
    put_field(w, "copies", h, "_copies");
    put_field(w, "too_old", h, "_too_old");
    put_field(w, "refused", h, "_bad");
    put_field(w, "dropped", h, "_dropped");
    put_ts_field(w, "updated", h, "_updated_ms");
}

void mark_members(const struct snap *s, struct jw *w)
{
    const struct rhash *h = s->sec[SEC_MARK];
    put_field(w, "mark", h, "mark");
    put_field(w, "index", h, "index");
    put_field(w, "settle", h, "settle");
    put_field(w, "funding_rate", h, "funding_rate");
    put_ts_field(w, "next_funding", h, "next_funding_ms");
    put_field(w, "funding_hours", h, "funding_hours");
    put_field(w, "last_price", h, "last_price");
    put_field(w, "open_interest", h, "open_interest");
    put_field(w, "open_interest_value", h, "open_interest_value");
    put_ts_field(w, "mark_ts", h, "mark_ts_ms");
    put_ts_field(w, "open_interest_ts", h, "oi_ts_ms");
}

void still_mark(const struct ask *a, struct jw *w)
{
    mark_members(a->snap, w);
    still_who(a, w);
}
