#include "services/api/core/flow.h"

#include <string.h>

#include "common/base/decimal.h"

// The text up to `stop` (or the end); moves *s behind it.
static struct slice word(struct slice *s, char stop)
{
    const char *p = s->n > 0 ? memchr(s->p, stop, s->n) : NULL;
    const struct slice w = {s->p, p != NULL ? (size_t)(p - s->p) : s->n};
    const size_t used = p != NULL ? w.n + 1 : w.n;
    *s = (struct slice){s->p + used, s->n - used};
    return w;
}

static bool read_sum(struct slice *s, char between, int scale, struct flow *out)
{
    const struct slice buy = word(s, between), sell = word(s, between), n = word(s, between);
    return dec_parse(buy.p, buy.n, scale, &out->buy, NULL) == 0 && out->buy >= 0 &&
           dec_parse(sell.p, sell.n, scale, &out->sell, NULL) == 0 && out->sell >= 0 &&
           parse_i64(n.p, n.n, &out->trades) == 0 && out->trades >= 0;
}

static bool add(struct flow *a, const struct flow *b)
{
    return !__builtin_add_overflow(a->buy, b->buy, &a->buy) &&
           !__builtin_add_overflow(a->sell, b->sell, &a->sell) &&
           !__builtin_add_overflow(a->trades, b->trades, &a->trades);
}

bool flow_read(const struct snap *s, struct slice text, struct flow *out)
{
    struct slice head = word(&text, ';');
    return s->has_units && read_sum(&head, ' ', s->ins.qty_scale, out) && head.n == 0;
}

// Of one stored second, the milliseconds that lie in the window.
static bool add_part(const struct snap *s, const struct rfield *f, int64_t begin_ms,
                     int64_t after_ms, int64_t to_ms, struct flow *out)
{
    struct slice text = {f->value, f->vlen};
    (void)word(&text, ';');
    while (text.n > 0) {
        struct slice one = word(&text, ';');
        const struct slice at = word(&one, ',');
        struct flow v;
        int64_t ms;
        if (parse_i64(at.p, at.n, &ms) != 0 || ms < 0 || ms > 999 ||
            !read_sum(&one, ',', s->ins.qty_scale, &v)) {
            return false;
        }
        if (begin_ms + ms > after_ms && begin_ms + ms <= to_ms && !add(out, &v)) {
            return false;
        }
    }
    return true;
}

static bool second_of(const struct rfield *f, int64_t *ms)
{
    int64_t second;
    if (parse_i64(f->name, f->nlen, &second) != 0 || second < 0 || second > INT64_MAX / 1000 - 1) {
        return false;
    }
    *ms = second * 1000;
    return true;
}

// Index of the first field at or after that second: their names have one length, so the order of
// their bytes is that of time.
static size_t lower(const struct rhash *h, int64_t second)
{
    char name[24];
    const size_t n = fmt_i64(name, second);
    size_t lo = 0, hi = rhash_count(h);
    while (lo < hi) {
        const size_t mid = lo + (hi - lo) / 2;
        const struct rfield *f = rhash_at(h, mid);
        if (f->nlen < n || (f->nlen == n && memcmp(f->name, name, n) < 0)) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

bool flow_window(const struct snap *s, int64_t after_ms, int64_t to_ms, struct flow *out)
{
    const struct rhash *h = s->sec[SEC_SECONDS];
    const int64_t from_ms = rhash_i64(s->sec[SEC_INDICATORS], "from_ms", -1);
    *out = (struct flow){0};
    if (!s->has_units || from_ms < 0 || after_ms < -1 || after_ms + 1 < from_ms) {
        return false;
    }
    for (size_t i = lower(h, (after_ms + 1) / 1000); i < rhash_count(h); i++) {
        const struct rfield *f = rhash_at(h, i);
        struct flow v;
        int64_t begin;
        if (!second_of(f, &begin)) {
            return false;
        }
        if (begin > to_ms) {
            break;
        }
        if (begin > after_ms && begin + 999 <= to_ms) {
            if (!flow_read(s, (struct slice){f->value, f->vlen}, &v) || !add(out, &v)) {
                return false;
            }
        } else if (!add_part(s, f, begin, after_ms, to_ms, out)) {
            return false;
        }
    }
    return true;
}

int64_t flow_newest_ms(const struct snap *s)
{
    const struct rhash *h = s->sec[SEC_SECONDS];
    const size_t n = rhash_count(h);
    int64_t begin, ms;
    if (n == 0 || !second_of(rhash_at(h, n - 1), &begin)) {
        return -1;
    }
    const struct rfield *f = rhash_at(h, n - 1);
    const char *last = memrchr(f->value, ';', f->vlen);
    if (last == NULL) {
        return -1;
    }
    struct slice text = {last + 1, (size_t)(f->value + f->vlen - last - 1)};
    const struct slice at = word(&text, ',');
    return parse_i64(at.p, at.n, &ms) == 0 && ms >= 0 && ms <= 999 ? begin + ms : -1;
}

int64_t flow_missing_ms(const struct snap *s, int64_t after_ms, int64_t to_ms)
{
    const struct rfield *f = rhash_find(s->sec[SEC_INDICATORS], "holes");
    struct slice text = {f != NULL ? f->value : NULL, f != NULL ? f->vlen : 0};
    int64_t sum = 0;
    if (f == NULL) {
        return -1;
    }
    while (text.n > 0) {
        struct slice one = word(&text, ',');
        const struct slice from = word(&one, '-');
        int64_t a, b;
        if (parse_i64(from.p, from.n, &a) != 0 || parse_i64(one.p, one.n, &b) != 0) {
            return -1;
        }
        a = a > after_ms + 1 ? a : after_ms + 1;
        b = b < to_ms + 1 ? b : to_ms + 1;
        sum += b > a ? b - a : 0;
    }
    return sum;
}
