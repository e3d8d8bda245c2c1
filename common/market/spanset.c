#include "common/market/spanset.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/str.h"

void spanset_init(struct spanset *s, size_t max, bool widen)
{
    *s = (struct spanset){.max = max < 2 ? 2 : max, .widen = widen};
}

void spanset_release(struct spanset *s)
{
    free(s->v);
    spanset_init(s, s->max, s->widen);
}

void spanset_clear(struct spanset *s)
{
    s->n = 0;
}

// Index of the first interval that ends at or behind ms: the first one that [ms, ..) can touch.
static size_t first_touching(const struct spanset *s, int64_t ms)
{
    size_t lo = 0;
    size_t hi = s->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (s->v[mid].to_ms < ms) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

static void drop(struct spanset *s, size_t at, size_t n)
{
    memmove(s->v + at, s->v + at + n, (s->n - at - n) * sizeof *s->v);
    s->n -= n;
}

static void insert(struct spanset *s, size_t at, struct ms_span span)
{
    if (s->n == s->cap) {
        s->cap = s->cap ? 2 * s->cap : 16;
        s->v = xrealloc(s->v, s->cap * sizeof *s->v);
    }
    memmove(s->v + at + 1, s->v + at, (s->n - at) * sizeof *s->v);
    s->v[at] = span;
    s->n++;
}

void spanset_add(struct spanset *s, int64_t from_ms, int64_t to_ms)
{
    if (from_ms >= to_ms) {
        return;
    }
    size_t i = first_touching(s, from_ms);
    size_t j = i; // [i, j) become one with the new interval
    while (j < s->n && s->v[j].from_ms <= to_ms) {
        from_ms = s->v[j].from_ms < from_ms ? s->v[j].from_ms : from_ms;
        to_ms = s->v[j].to_ms > to_ms ? s->v[j].to_ms : to_ms;
        j++;
    }
    if (i < j) {
        s->v[i] = (struct ms_span){from_ms, to_ms};
        drop(s, i + 1, j - i - 1);
        return;
    }
    insert(s, i, (struct ms_span){from_ms, to_ms});
    if (s->n > s->max) {
        if (s->widen) {
            s->v[1].from_ms = s->v[0].from_ms;
        }
        drop(s, 0, 1);
    }
}

void spanset_cut(struct spanset *s, int64_t from_ms, int64_t to_ms)
{
    if (from_ms >= to_ms) {
        return;
    }
    for (size_t i = first_touching(s, from_ms); i < s->n && s->v[i].from_ms < to_ms;) {
        struct ms_span left = {s->v[i].from_ms, from_ms < s->v[i].to_ms ? from_ms : s->v[i].to_ms};
        struct ms_span right = {to_ms > s->v[i].from_ms ? to_ms : s->v[i].from_ms, s->v[i].to_ms};
        bool has_left = left.from_ms < left.to_ms;
        bool has_right = right.from_ms < right.to_ms;
        if (has_left) {
            s->v[i++] = left;
            if (has_right) {
                insert(s, i, right);
                return;
            }
        } else if (has_right) {
            s->v[i] = right;
            return;
        } else {
            drop(s, i, 1);
        }
    }
}

bool spanset_has(const struct spanset *s, int64_t ms)
{
    size_t i = first_touching(s, ms);
    i += i < s->n && s->v[i].to_ms == ms;
    return i < s->n && s->v[i].from_ms <= ms;
}

void spanset_prune(struct spanset *s, int64_t t_ms)
{
    size_t n = 0;
    while (n < s->n && s->v[n].to_ms <= t_ms) {
        n++;
    }
    if (n > 0) {
        drop(s, 0, n);
    }
}

void spanset_common(const struct spanset *a, const struct spanset *b,
                    void (*cb)(void *arg, int64_t from_ms, int64_t to_ms), void *arg)
{
    for (size_t i = 0, j = 0; i < a->n && j < b->n;) {
        int64_t from = a->v[i].from_ms > b->v[j].from_ms ? a->v[i].from_ms : b->v[j].from_ms;
        int64_t to = a->v[i].to_ms < b->v[j].to_ms ? a->v[i].to_ms : b->v[j].to_ms;
        if (from < to) {
            cb(arg, from, to);
        }
        if (a->v[i].to_ms < b->v[j].to_ms) {
            i++;
        } else {
            j++;
        }
    }
}

void spanset_format(const struct spanset *s, struct buf *out)
{
    for (size_t i = 0; i < s->n; i++) {
        if (i > 0) {
            buf_addc(out, ',');
        }
        buf_add_i64(out, s->v[i].from_ms);
        buf_addc(out, '-');
        buf_add_i64(out, s->v[i].to_ms);
    }
}

static int parse_spans(struct spanset *s, const char *p, const char *end)
{
    while (p < end) {
        const char *comma = memchr(p, ',', (size_t)(end - p));
        const char *stop = comma ? comma : end;
        const char *dash = memchr(p, '-', (size_t)(stop - p));
        struct ms_span span;
        if (!dash || parse_i64(p, (size_t)(dash - p), &span.from_ms) ||
            parse_i64(dash + 1, (size_t)(stop - dash - 1), &span.to_ms) ||
            span.from_ms >= span.to_ms || (s->n > 0 && span.from_ms <= s->v[s->n - 1].to_ms) ||
            (comma && comma + 1 == end)) {
            return ERR_SYNTAX;
        }
        if (s->n == s->max) {
            return ERR_LIMIT;
        }
        insert(s, s->n, span);
        p = comma ? comma + 1 : end;
    }
    return 0;
}

int spanset_parse(struct spanset *s, const char *text, size_t n)
{
    spanset_clear(s);
    int rc = n > 0 ? parse_spans(s, text, text + n) : 0;
    if (rc) {
        spanset_clear(s);
    }
    return rc;
}
