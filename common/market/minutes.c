#include "common/market/minutes.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/str.h"

void minutes_init(struct minutes *m, int64_t bin_ticks)
{
    *m = (struct minutes){.bin_ticks = bin_ticks, .keep_ms = INT64_MIN, .dirty_ms = INT64_MAX};
}

void minutes_release(struct minutes *m)
{
    for (size_t i = 0; i < m->n; i++) {
        free(m->row[i].bin);
    }
    free(m->row);
    free(m->gone);
    minutes_init(m, m->bin_ticks);
}

size_t minutes_lower(const struct minutes *m, int64_t start_ms)
{
    size_t lo = 0;
    size_t hi = m->n;
    while (lo < hi) {
        const size_t mid = lo + (hi - lo) / 2;
        if (m->row[mid].start_ms < start_ms) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

static struct minute *row_of(struct minutes *m, int64_t start_ms)
{
    if (m->at < m->n && m->row[m->at].start_ms == start_ms) {
        return &m->row[m->at];
    }
    const size_t i = minutes_lower(m, start_ms);
    if (i == m->n || m->row[i].start_ms != start_ms) {
        if (m->n == m->cap) {
            m->cap = m->cap > 0 ? 2 * m->cap : 64;
            m->row = xrealloc(m->row, m->cap * sizeof *m->row);
        }
        memmove(m->row + i + 1, m->row + i, (m->n - i) * sizeof *m->row);
        m->row[i] = (struct minute){.start_ms = start_ms};
        m->n++;
    }
    m->at = i;
    return &m->row[i];
}

// The bin of that index; NULL when there are too many.
static struct mbin *bin_of(struct minutes *m, struct minute *r, int64_t index)
{
    size_t lo = 0;
    size_t hi = r->n;
    while (lo < hi) {
        const size_t mid = lo + (hi - lo) / 2;
        if (r->bin[mid].index < index) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    if (lo < r->n && r->bin[lo].index == index) {
        return &r->bin[lo];
    }
    if (m->bins == MINUTE_BINS_MAX) {
        return NULL;
    }
    if (r->n == r->cap) {
        r->cap = r->cap > 0 ? r->cap + r->cap / 2 : 32;
        r->bin = xrealloc(r->bin, r->cap * sizeof *r->bin);
    }
    memmove(r->bin + lo + 1, r->bin + lo, (r->n - lo) * sizeof *r->bin);
    r->n++;
    m->bins++;
    r->bin[lo] = (struct mbin){.index = index};
    return &r->bin[lo];
}

static void count(struct minutes *m, struct minute *r, const struct trade *t)
{
    int64_t volume;
    struct mbin *b = bin_of(m, r, t->price / m->bin_ticks);
    if (b == NULL || __builtin_add_overflow(r->buy + r->sell, t->qty, &volume)) {
        r->lost = true;
        return;
    }
    const bool buys = t->side == SIDE_BUY;
    b->buy += buys ? t->qty : 0;
    b->sell += buys ? 0 : t->qty;
    r->buy += buys ? t->qty : 0;
    r->sell += buys ? 0 : t->qty;
    r->trades++;
    r->sum_pq += (u128)(uint64_t)t->price * (uint64_t)t->qty;
    r->lost |= !u256_add_ppq(&r->sum_ppq, (uint64_t)t->price, (uint64_t)t->qty);
}

void minutes_add(struct minutes *m, const struct trade *t)
{
    const int64_t start = t->ts_ms - t->ts_ms % MINUTE_MS;
    if (start < m->keep_ms) {
        return;
    }
    struct minute *r = row_of(m, start);
    r->unsaved = r->unshown = true;
    m->dirty_ms = start < m->dirty_ms ? start : m->dirty_ms;
    count(m, r, t);
}

static void drop_rows(struct minutes *m, size_t at, size_t n)
{
    for (size_t i = at; i < at + n; i++) {
        if (m->n_gone == m->cap_gone) {
            m->cap_gone = m->cap_gone > 0 ? 2 * m->cap_gone : 64;
            m->gone = xrealloc(m->gone, m->cap_gone * sizeof *m->gone);
        }
        m->gone[m->n_gone++] = m->row[i].start_ms;
        m->bins -= m->row[i].n;
        free(m->row[i].bin);
    }
    if (n > 0) {
        memmove(m->row + at, m->row + at + n, (m->n - at - n) * sizeof *m->row);
        m->n -= n;
        m->at = 0;
    }
}

void minutes_keep_from(struct minutes *m, int64_t from_ms)
{
    if (from_ms <= m->keep_ms) {
        return;
    }
    m->keep_ms = from_ms;
    drop_rows(m, 0, minutes_lower(m, from_ms));
}

void minutes_replace(struct minutes *m, int64_t from_ms, int64_t to_ms, struct minutes *with)
{
    from_ms = from_ms > m->keep_ms ? from_ms : m->keep_ms;
    const size_t first = minutes_lower(m, from_ms);
    const size_t end = minutes_lower(m, to_ms);
    if (first < end) {
        // A row that is stored goes and comes again: what is gone is deleted before what is
        // written.
        drop_rows(m, first, end - first);
        m->dirty_ms = from_ms < m->dirty_ms ? from_ms : m->dirty_ms;
    }
    for (size_t i = minutes_lower(with, from_ms); i < with->n && with->row[i].start_ms < to_ms;
         i++) {
        struct minute *from = &with->row[i];
        struct minute *r = row_of(m, from->start_ms);
        m->bins += from->n;
        *r = *from;
        r->unsaved = r->unshown = true;
        m->dirty_ms = from->start_ms < m->dirty_ms ? from->start_ms : m->dirty_ms;
        *from = (struct minute){.start_ms = from->start_ms};
    }
    minutes_release(with);
}

void minutes_gone_clear(struct minutes *m)
{
    m->n_gone = 0;
}

// ---- stored form -------------------------------------------------------------------------------

void minute_to_text(const struct minute *r, struct buf *out)
{
    char pq[WIDE_TEXT];
    char ppq[WIDE_TEXT];
    (void)u128_format(pq, r->sum_pq, 0, 0);
    (void)u256_format(ppq, r->sum_ppq, 0, 0);
    buf_addf(out, "%" PRId64 " %" PRId64 " %" PRId64 " %s %s", r->lost ? 0 : r->trades, r->buy,
             r->sell, pq, ppq);
    int64_t before = 0;
    for (size_t i = 0; i < r->n; i++) {
        buf_addc(out, ';');
        buf_add_i64(out, r->bin[i].index - before);
        buf_addc(out, ',');
        buf_add_i64(out, r->bin[i].buy);
        buf_addc(out, ',');
        buf_add_i64(out, r->bin[i].sell);
        before = r->bin[i].index;
    }
}

// The text up to `stop` (or the end); moves *s behind it.
static struct slice word(const char **s, const char *end, char stop)
{
    const char *p = memchr(*s, stop, (size_t)(end - *s));
    const struct slice w = {*s, (size_t)((p != NULL ? p : end) - *s)};
    *s = p != NULL ? p + 1 : end;
    return w;
}

static bool number(const char **s, const char *end, char stop, int64_t *out)
{
    const struct slice w = word(s, end, stop);
    return parse_i64(w.p, w.n, out) == 0 && *out >= 0;
}

static bool read_bins(struct minutes *m, struct minute *r, const char *s, const char *end)
{
    int64_t index = 0;
    int64_t buy = 0;
    int64_t sell = 0;
    while (s < end) {
        const struct slice one = word(&s, end, ';');
        const char *p = one.p;
        int64_t step;
        int64_t b;
        int64_t q;
        if (!number(&p, one.p + one.n, ',', &step) || !number(&p, one.p + one.n, ',', &b) ||
            !number(&p, one.p + one.n, ',', &q) || (r->n > 0 && step == 0) ||
            __builtin_add_overflow(index, step, &index) || __builtin_add_overflow(buy, b, &buy) ||
            __builtin_add_overflow(sell, q, &sell)) {
            return false;
        }
        struct mbin *bin = bin_of(m, r, index);
        if (bin == NULL) {
            return false;
        }
        bin->buy = b;
        bin->sell = q;
    }
    return buy == r->buy && sell == r->sell;
}

int minutes_restore(struct minutes *m, int64_t start_ms, const char *s, size_t n)
{
    const char *end = s + n;
    const char *bins = memchr(s, ';', n);
    const char *head = bins != NULL ? bins : end;
    struct minute *r = row_of(m, start_ms);
    m->bins -= r->n;
    r->n = 0;
    struct slice pq;
    struct slice ppq;
    const bool ok = start_ms >= 0 && start_ms % MINUTE_MS == 0 &&
                    number(&s, head, ' ', &r->trades) && number(&s, head, ' ', &r->buy) &&
                    number(&s, head, ' ', &r->sell) && (pq = word(&s, head, ' ')).n > 0 &&
                    (ppq = word(&s, head, ' ')).n > 0 && s == head &&
                    u128_parse(pq.p, pq.n, 0, &r->sum_pq) == 0 &&
                    u256_parse(ppq.p, ppq.n, 0, &r->sum_ppq) == 0 &&
                    read_bins(m, r, bins != NULL ? bins + 1 : end, end);
    r->unshown = true;
    r->lost = !ok || r->trades == 0;
    return ok ? 0 : ERR_SYNTAX;
}

void minutes_take(struct minutes *m, struct minutes *rebuilt)
{
    for (size_t i = 0; i < rebuilt->n; i++) {
        struct minute *from = &rebuilt->row[i];
        if (from->start_ms < m->keep_ms) {
            continue;
        }
        struct minute *r = row_of(m, from->start_ms);
        if (from->trades < r->trades) {
            continue;
        }
        m->bins += from->n - r->n;
        free(r->bin);
        *r = *from;
        r->unsaved = r->unshown = true;
        *from = (struct minute){.start_ms = from->start_ms};
    }
    m->dirty_ms = INT64_MIN;
    minutes_release(rebuilt);
}
