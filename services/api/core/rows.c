#include "services/api/core/rows.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/decimal.h"
#include "common/base/mem.h"

#define ROWS_EXACT_STEPS 512

// Next blank-separated word of s[n] from *pos on.
static struct slice word(const char *s, size_t n, size_t *pos)
{
    size_t i = *pos;
    while (i < n && s[i] == ' ') {
        i++;
    }
    size_t from = i;
    while (i < n && s[i] != ' ') {
        i++;
    }
    *pos = i;
    return (struct slice){s + from, i - from};
}

static bool row_read(const struct instrument *ins, const struct rfield *f, struct row *out)
{
    size_t pos = 0;
    int64_t price = 0, vol = 0, trades = 0;
    struct slice v = word(f->value, f->vlen, &pos), b = word(f->value, f->vlen, &pos);
    struct slice s = word(f->value, f->vlen, &pos), t = word(f->value, f->vlen, &pos);
    if (dec_parse(f->name, f->nlen, ins->price_scale, &price, NULL) != 0 || price < 0 ||
        dec_parse(v.p, v.n, ins->qty_scale, &vol, NULL) != 0 ||
        dec_parse(b.p, b.n, ins->qty_scale, &out->buy, NULL) != 0 || out->buy < 0 ||
        dec_parse(s.p, s.n, ins->qty_scale, &out->sell, NULL) != 0 || out->sell < 0 ||
        parse_i64(t.p, t.n, &trades) != 0 || trades < 0) {
        return false;
    }
    int64_t sum = 0;
    if (__builtin_add_overflow(out->buy, out->sell, &sum) || sum != vol) {
        return false;
    }
    out->trades = trades;
    out->bin = price / ins->bin_ticks;
    return true;
}

static int row_cmp(const void *pa, const void *pb)
{
    const struct row *a = pa, *b = pb;
    return (a->bin > b->bin) - (a->bin < b->bin);
}

// The bin of the day is fixed by its first write; the hash says it, the instrument is the default.
int64_t rows_bin_ticks(const struct snap *s)
{
    const struct rfield *f = rhash_find(s->sec[SEC_DAY], "bin");
    int64_t ticks = 0;
    if (f && dec_parse(f->value, f->vlen, s->ins.price_scale, &ticks, NULL) == 0 && ticks > 0) {
        return ticks;
    }
    return s->ins.bin_ticks;
}

size_t rows_read(const struct snap *s, struct row **out)
{
    const struct rhash *h = s->sec[SEC_PROFILE];
    size_t n = 0;
    *out = NULL;
    if (!s->has_units || rhash_count(h) == 0) {
        return 0;
    }
    struct instrument ins = s->ins;
    ins.bin_ticks = rows_bin_ticks(s);
    struct row *r = xmalloc(rhash_count(h) * sizeof *r);
    for (size_t i = 0; i < rhash_count(h); i++) {
        n += row_read(&ins, rhash_at(h, i), &r[n]);
    }
    if (n == 0) {
        free(r);
        return 0;
    }
    qsort(r, n, sizeof *r, row_cmp);
    *out = r;
    return n;
}

static bool fits(const struct row *r, size_t n, size_t max, int64_t m)
{
    size_t rows = 0;
    int64_t last = -1;
    for (size_t i = 0; i < n; i++) {
        int64_t bin = r[i].bin / m;
        if (bin != last) {
            last = bin;
            if (++rows > max) {
                return false;
            }
        }
    }
    return true;
}

int64_t rows_multiple(const struct row *r, size_t n, size_t max)
{
    // n rows cannot become fewer than n / m.
    int64_t m = (int64_t)((n + max - 1) / max);
    m = m < 1 ? 1 : m;
    for (int i = 0; i < ROWS_EXACT_STEPS; i++, m++) {
        if (fits(r, n, max, m)) {
            return m;
        }
    }
    // A few rows asked of a profile with far-off prints: a search over the sizes keeps it bounded.
    int64_t lo = m - 1, hi = m;
    while (!fits(r, n, max, hi)) {
        lo = hi;
        hi *= 2;
    }
    while (hi - lo > 1) {
        int64_t mid = lo + (hi - lo) / 2;
        if (fits(r, n, max, mid)) {
            hi = mid;
        } else {
            lo = mid;
        }
    }
    return hi;
}

size_t rows_join(struct row *r, size_t n, int64_t multiple)
{
    size_t k = 0;
    for (size_t i = 0; i < n; i++) {
        int64_t bin = r[i].bin / multiple;
        if (k > 0 && r[k - 1].bin == bin) {
            r[k - 1].buy += r[i].buy;
            r[k - 1].sell += r[i].sell;
            r[k - 1].trades += r[i].trades;
        } else {
            struct row copy = r[i];
            copy.bin = bin;
            r[k++] = copy;
        }
    }
    return k;
}

static void put_qty(struct jw *w, const char *key, const struct instrument *ins, int64_t lots)
{
    char text[DEC_TEXT];
    dec_format(text, lots, ins->qty_scale, ins->qty_decimals);
    jw_kraw(w, key, text);
}

void row_members(const struct snap *s, const struct row *r, int64_t bin_ticks, struct jw *w)
{
    char text[DEC_TEXT];
    dec_format(text, r->bin * bin_ticks, s->ins.price_scale, s->ins.price_decimals);
    jw_kraw(w, "price", text);
    put_qty(w, "volume", &s->ins, r->buy + r->sell);
    put_qty(w, "buy_vol", &s->ins, r->buy);
    put_qty(w, "sell_vol", &s->ins, r->sell);
}

void rows_write(const struct snap *s, int64_t max_rows, struct jw *w)
{
    struct row *r = NULL;
    size_t n = rows_read(s, &r);
    int64_t m = n > 0 && max_rows > 0 ? rows_multiple(r, n, (size_t)max_rows) : 1;
    size_t left = m > 1 ? rows_join(r, n, m) : n;
    int64_t bin_ticks = s->has_units ? rows_bin_ticks(s) * m : 0;
    jw_key(w, "volume_profile");
    jw_arr(w);
    for (size_t i = 0; i < left; i++) {
        jw_obj(w);
        row_members(s, &r[i], bin_ticks, w);
        jw_end_obj(w);
    }
    jw_end_arr(w);
    if (s->has_units) {
        char text[DEC_TEXT];
        dec_format(text, bin_ticks, s->ins.price_scale, s->ins.price_decimals);
        jw_kraw(w, "profile_bin", text);
    } else {
        jw_kraw(w, "profile_bin", NULL);
    }
    jw_kint(w, "profile_bins", (int64_t)n);
    free(r);
}
