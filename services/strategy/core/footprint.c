#include "services/strategy/core/footprint.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/decimal.h"
#include "common/base/json.h"
#include "common/base/mem.h"
#include "common/market/day.h"

static int by_index(const void *a, const void *b)
{
    const struct footprint_bin *x = a;
    const struct footprint_bin *y = b;
    return x->index < y->index ? -1 : x->index > y->index;
}

// Joins bins of equal index; v is ascending.
static size_t join(struct footprint_bin *v, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (kept > 0 && v[kept - 1].index == v[i].index) {
            v[kept - 1].buy += v[i].buy;
            v[kept - 1].sell += v[i].sell;
        } else {
            v[kept++] = v[i];
        }
    }
    return kept;
}

static bool outweighs(const struct footprint_params *p, int64_t qty, int64_t against)
{
    return qty > 0 && qty >= p->min_qty && (i128)qty * 1000 >= (i128)against * p->ratio_milli;
}

static void mark(const struct footprint_params *p, struct footprint_bin *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const bool below = i > 0 && v[i - 1].index == v[i].index - 1;
        const bool above = i + 1 < n && v[i + 1].index == v[i].index + 1;
        v[i].buy_imbalance = outweighs(p, v[i].buy, below ? v[i - 1].sell : 0);
        v[i].sell_imbalance = outweighs(p, v[i].sell, above ? v[i + 1].buy : 0);
    }
}

size_t footprint_make(const struct footprint_params *p, const struct minute *row, size_t n,
                      struct footprint_bin **out, int64_t *width)
{
    size_t bins = 0;
    size_t k = 0;
    for (size_t i = 0; i < n; i++) {
        bins += row[i].n;
    }
    struct footprint_bin *v = xcalloc(bins + 1, sizeof *v);
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < row[i].n; j++) {
            const struct mbin *b = &row[i].bin[j];
            v[k++] = (struct footprint_bin){
                .index = b->index / p->bin_ticks, .buy = b->buy, .sell = b->sell};
        }
    }
    qsort(v, k, sizeof *v, by_index);
    k = join(v, k);
    *width = p->bin_ticks;
    while (k > FOOTPRINT_MAX_ROWS) {
        for (size_t i = 0; i < k; i++) {
            v[i].index /= 2;
        }
        *width *= 2;
        k = join(v, k);
    }
    mark(p, v, k);
    *out = v;
    return k;
}

static void put_lots(struct jw *w, const struct instrument *ins, const char *key, int64_t lots)
{
    char text[DEC_TEXT];
    dec_format(text, lots, ins->qty_scale, ins->qty_decimals);
    jw_kraw(w, key, text);
}

static void put_price(struct jw *w, const struct instrument *ins, const char *key, int64_t ticks,
                      int64_t index)
{
    char text[NUM_TEXT];
    bin_price_text(ins, ticks, index, text);
    jw_kraw(w, key, text);
}

static void put_milli(struct jw *w, const char *key, int64_t milli)
{
    char text[32];
    (void)str_fmt(text, sizeof text, "%lld.%03lld", (long long)(milli / 1000),
                  (long long)(milli % 1000));
    jw_kraw(w, key, text);
}

static void put_stacks(struct jw *w, const struct instrument *ins, int64_t ticks, bool buys,
                       const struct footprint_bin *v, size_t n)
{
    for (size_t i = 0, end; i < n; i = end) {
        end = i + 1;
        if (!(buys ? v[i].buy_imbalance : v[i].sell_imbalance)) {
            continue;
        }
        while (end < n && v[end].index == v[end - 1].index + 1 &&
               (buys ? v[end].buy_imbalance : v[end].sell_imbalance)) {
            end++;
        }
        if (end - i >= FOOTPRINT_STACK) {
            jw_obj(w);
            jw_kstr(w, "side", buys ? "buy" : "sell");
            put_price(w, ins, "from", ticks, v[i].index);
            put_price(w, ins, "to", ticks, v[end - 1].index);
            jw_end_obj(w);
        }
    }
}

void footprint_to_json(const struct footprint_params *p, const struct instrument *ins,
                       int64_t profile_bin_ticks, const struct minute *row, size_t n,
                       struct buf *out)
{
    struct footprint_bin *v;
    int64_t width;
    const size_t k = footprint_make(p, row, n, &v, &width);
    const int64_t ticks = width * profile_bin_ticks;
    struct jw w;
    jw_init(&w, out);
    jw_obj(&w);
    put_price(&w, ins, "footprint_bin", ticks, 1);
    put_milli(&w, "imbalance_ratio", p->ratio_milli);
    put_lots(&w, ins, "imbalance_min_qty", p->min_qty);
    jw_key(&w, "footprint");
    jw_arr(&w);
    for (size_t i = 0; i < k; i++) {
        const bool buys = v[i].buy_imbalance && (!v[i].sell_imbalance || v[i].buy > v[i].sell);
        const bool sells = v[i].sell_imbalance && (!v[i].buy_imbalance || v[i].sell > v[i].buy);
        jw_obj(&w);
        put_price(&w, ins, "price", ticks, v[i].index);
        put_lots(&w, ins, "buy_vol", v[i].buy);
        put_lots(&w, ins, "sell_vol", v[i].sell);
        jw_kstr(&w, "imbalance", buys ? "buy" : sells ? "sell" : NULL);
        jw_end_obj(&w);
    }
    jw_end_arr(&w);
    jw_key(&w, "stacked");
    jw_arr(&w);
    put_stacks(&w, ins, ticks, true, v, k);
    put_stacks(&w, ins, ticks, false, v, k);
    jw_end_arr(&w);
    jw_end_obj(&w);
    free(v);
}
