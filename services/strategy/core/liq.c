#include "services/strategy/core/liq.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/decimal.h"
#include "common/base/mem.h"

void liq_init(struct liq *q, const struct instrument *ins, const char *bin)
{
    memset(q, 0, sizeof *q);
    q->ins = *ins;
    q->day_ms = q->last_ms = -1;
    str_copy(q->bin_text, sizeof q->bin_text, bin);
    if (dec_places(bin, strlen(bin), &q->bin_scale) != 0 ||
        dec_parse(bin, strlen(bin), q->bin_scale, &q->bin_size, NULL) != 0 || q->bin_size <= 0) {
        FATAL("bin size '%s'", bin);
    }
    q->recent = xcalloc(LIQ_RECENT, sizeof *q->recent);
}

void liq_release(struct liq *q)
{
    free(q->bin);
    free(q->recent);
    memset(q, 0, sizeof *q);
}

static void clear_day(struct liq *q)
{
    q->n_bins = 0;
    q->buy = q->sell = q->count = 0;
    q->day_ms = q->last_ms = -1;
}

// ---- bins --------------------------------------------------------------------------------------

// The bin of that index; NULL when there are too many.
static struct liq_bin *bin_of(struct liq *q, int64_t index)
{
    size_t lo = 0, hi = q->n_bins;
    while (lo < hi) {
        const size_t mid = lo + (hi - lo) / 2;
        if (q->bin[mid].index < index) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    if (lo < q->n_bins && q->bin[lo].index == index) {
        return &q->bin[lo];
    }
    if (q->n_bins == LIQ_BINS_MAX) {
        return NULL;
    }
    if (q->n_bins == q->cap) {
        q->cap = q->cap > 0 ? 2 * q->cap : 64;
        q->bin = xrealloc(q->bin, q->cap * sizeof *q->bin);
    }
    memmove(q->bin + lo + 1, q->bin + lo, (q->n_bins - lo) * sizeof *q->bin);
    q->n_bins++;
    q->bin[lo] = (struct liq_bin){.index = index};
    return &q->bin[lo];
}

// All sums stay below what the total of the day fits into.
static bool count(struct liq *q, int64_t index, int64_t buy, int64_t sell, int64_t n)
{
    int64_t buys, sells, total;
    if (__builtin_add_overflow(q->buy, buy, &buys) ||
        __builtin_add_overflow(q->sell, sell, &sells) ||
        __builtin_add_overflow(buys, sells, &total)) {
        return false;
    }
    struct liq_bin *b = bin_of(q, index);
    if (b == NULL) {
        return false;
    }
    b->buy += buy;
    b->sell += sell;
    b->n += n;
    b->changed = true;
    q->buy = buys;
    q->sell = sells;
    q->count += n;
    return true;
}

// ---- in ----------------------------------------------------------------------------------------

static bool is_copy(const struct liq *q, const struct liquidation *l)
{
    const size_t n = q->n_recent < LIQ_RECENT ? q->n_recent : LIQ_RECENT;
    for (size_t i = 0; i < n; i++) {
        if (liquidation_same(&q->recent[i], l)) {
            return true;
        }
    }
    return false;
}

void liq_seen(struct liq *q, const struct liquidation *l)
{
    q->recent[q->n_recent++ % LIQ_RECENT] = *l;
}

bool liq_add(struct liq *q, const struct liquidation *l)
{
    const int64_t day = day_start_ms(l->ts_ms);
    int64_t price, qty;
    if (is_copy(q, l)) {
        q->copies++;
        return false;
    }
    if (q->day_ms >= 0 && day < q->day_ms) {
        q->too_old++;
        return false;
    }
    if (number_floor(l->price, q->bin_scale, &price) != 0 ||
        dec_parse(l->qty, strlen(l->qty), q->ins.qty_scale, &qty, NULL) != 0 || price < 0 ||
        qty <= 0) {
        q->bad++;
        return false;
    }
    if (day > q->day_ms) {
        q->new_day = true;
        clear_day(q);
        q->day_ms = day;
    }
    liq_seen(q, l);
    const bool buys = l->side == SIDE_BUY;
    if (!count(q, price / q->bin_size, buys ? qty : 0, buys ? 0 : qty, 1)) {
        q->dropped++;
        return false;
    }
    q->last_ms = l->ts_ms > q->last_ms ? l->ts_ms : q->last_ms;
    return true;
}

// ---- stored state ------------------------------------------------------------------------------

static struct slice field(const struct slice *kv, size_t pairs, const char *name)
{
    for (size_t i = 0; i < pairs; i++) {
        if (slice_eq(kv[2 * i], name)) {
            return kv[2 * i + 1];
        }
    }
    return (struct slice){"", 0};
}

// "<buy> <sell> <n>" of the bin at that price.
static bool restore_bin(struct liq *q, struct slice price, struct slice v)
{
    int64_t level, buy, sell, n;
    const char *a = memchr(v.p, ' ', v.n);
    const char *b = a != NULL ? memchr(a + 1, ' ', (size_t)(v.p + v.n - a - 1)) : NULL;
    return b != NULL && dec_parse(price.p, price.n, q->bin_scale, &level, NULL) == 0 &&
           level >= 0 && level % q->bin_size == 0 &&
           dec_parse(v.p, (size_t)(a - v.p), q->ins.qty_scale, &buy, NULL) == 0 &&
           dec_parse(a + 1, (size_t)(b - a - 1), q->ins.qty_scale, &sell, NULL) == 0 &&
           parse_i64(b + 1, (size_t)(v.p + v.n - b - 1), &n) == 0 && buy >= 0 && sell >= 0 &&
           n > 0 && count(q, level / q->bin_size, buy, sell, n);
}

static int restore(struct liq *q, const struct slice *kv, size_t pairs, struct err *e)
{
    const struct slice day = field(kv, pairs, "day"), last = field(kv, pairs, "last_ts_ms"),
                       n = field(kv, pairs, "count");
    int64_t stored_n;
    if (pairs == 0 || !slice_eq(field(kv, pairs, "bin"), q->bin_text)) {
        return err_set(e, ERR_STATE, "nothing is stored for bins of %s", q->bin_text);
    }
    if (parse_day(day.p, day.n, &q->day_ms) != 0 || parse_i64(last.p, last.n, &q->last_ms) != 0 ||
        parse_i64(n.p, n.n, &stored_n) != 0 || day_start_ms(q->last_ms) != q->day_ms) {
        return err_set(e, ERR_SYNTAX, "fields day, last_ts_ms, count do not fit");
    }
    for (size_t i = 0; i < pairs; i++) {
        const struct slice name = kv[2 * i];
        if (name.n > 0 && name.p[0] >= '0' && name.p[0] <= '9' &&
            !restore_bin(q, name, kv[2 * i + 1])) {
            return err_set(e, ERR_SYNTAX, "bin %.*s is none", (int)(name.n < 30 ? name.n : 30),
                           name.p);
        }
    }
    return q->count == stored_n ? 0 : err_set(e, ERR_SYNTAX, "the bins are not all there");
}

int liq_restore(struct liq *q, const struct slice *kv, size_t pairs, struct err *e)
{
    const int rc = restore(q, kv, pairs, e);
    if (rc != 0) {
        clear_day(q);
    }
    for (size_t i = 0; i < q->n_bins; i++) {
        q->bin[i].changed = false;
    }
    return rc;
}

// ---- out ---------------------------------------------------------------------------------------

static void put(liq_sink sink, void *arg, const char *name, const char *value)
{
    sink(arg, name, value, strlen(value));
}

static void put_bin(const struct liq *q, const struct liq_bin *b, liq_sink sink, void *arg)
{
    char price[DEC_TEXT], buy[DEC_TEXT], sell[DEC_TEXT], value[160];
    dec_format(price, b->index * q->bin_size, q->bin_scale, q->bin_scale);
    dec_format(buy, b->buy, q->ins.qty_scale, q->ins.qty_decimals);
    dec_format(sell, b->sell, q->ins.qty_scale, q->ins.qty_decimals);
    str_fmt(value, sizeof value, "%s %s %lld", buy, sell, (long long)b->n);
    put(sink, arg, price, value);
}

void liq_fields(struct liq *q, bool all, liq_sink sink, void *arg)
{
    char text[DEC_TEXT], day[16] = "";
    if (q->day_ms >= 0) {
        iso_day(q->day_ms, day);
    }
    put(sink, arg, "day", day);
    put(sink, arg, "bin", q->bin_text);
    dec_format(text, q->buy, q->ins.qty_scale, q->ins.qty_decimals);
    put(sink, arg, "buy_liquidations", text);
    dec_format(text, q->sell, q->ins.qty_scale, q->ins.qty_decimals);
    put(sink, arg, "sell_liquidations", text);
    str_fmt(text, sizeof text, "%lld", (long long)q->count);
    put(sink, arg, "count", text);
    text[0] = '\0';
    if (q->last_ms >= 0) {
        str_fmt(text, sizeof text, "%lld", (long long)q->last_ms);
    }
    put(sink, arg, "last_ts_ms", text);
    // Binance pushes one per symbol and second at most: what is known is a part.
    put(sink, arg, "lower_bound", q->ins.venue == VENUE_BINANCE ? "1" : "0");
    put(sink, arg, "simulated", q->ins.simulated ? "1" : "0");
    for (size_t i = 0; i < q->n_bins; i++) {
        if (all || q->bin[i].changed) {
            put_bin(q, &q->bin[i], sink, arg);
            q->bin[i].changed = false;
        }
    }
    q->new_day = false;
}
