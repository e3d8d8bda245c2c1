// Sorted intervals in one array; a binary search finds the place of an id that does not extend the
// newest one. Opening or closing a hole moves the intervals above it: in order that is none.

#include "common/market/idset.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/str.h"

void idset_init(struct idset *s, size_t max)
{
    *s = (struct idset){.max = max ? max : 1, .floor = -1};
}

void idset_release(struct idset *s)
{
    free(s->span);
    idset_init(s, s->max);
}

void idset_clear(struct idset *s)
{
    s->n = 0;
    s->floor = -1;
    s->collapsed = 0;
}

// Index of the first interval that begins above id.
static size_t above(const struct idset *s, int64_t id)
{
    size_t lo = 0;
    size_t hi = s->n;
    // Ids come nearly in order: look at the newest two before halving.
    if (hi > 0 && s->span[hi - 1].lo <= id) {
        return hi;
    }
    if (hi > 1 && s->span[hi - 2].lo <= id) {
        return hi - 1;
    }
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (s->span[mid].lo <= id) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

static void cut(struct idset *s, size_t at, size_t n)
{
    if (n > 0) {
        memmove(s->span + at, s->span + at + n, (s->n - at - n) * sizeof *s->span);
        s->n -= n;
    }
}

static void insert(struct idset *s, size_t at, struct id_span span)
{
    if (s->n == s->cap) {
        s->cap = s->cap ? 2 * s->cap : 16;
        s->span = xrealloc(s->span, s->cap * sizeof *s->span);
    }
    memmove(s->span + at + 1, s->span + at, (s->n - at) * sizeof *s->span);
    s->span[at] = span;
    s->n++;
    while (s->n > s->max) {
        s->floor = s->span[0].hi;
        s->collapsed++;
        cut(s, 0, 1);
    }
}

bool idset_add(struct idset *s, int64_t id, int64_t t_ms)
{
    if (idset_add_next(s, id, t_ms)) {
        return true;
    }
    if (id <= s->floor || id < 0 || id == INT64_MAX) {
        return false;
    }
    size_t i = above(s, id);
    struct id_span *left = i > 0 ? &s->span[i - 1] : NULL;
    struct id_span *right = i < s->n ? &s->span[i] : NULL;
    if (left && id <= left->hi) {
        return false;
    }
    bool joins_left = left && left->hi + 1 == id;
    bool joins_right = right && id + 1 == right->lo;
    if (joins_left && joins_right) {
        left->hi = right->hi;
        left->t_hi = right->t_hi;
        cut(s, i, 1);
    } else if (joins_left) {
        left->hi = id;
        left->t_hi = t_ms;
    } else if (joins_right) {
        right->lo = id;
        right->t_lo = t_ms;
    } else {
        insert(s, i, (struct id_span){id, id, t_ms, t_ms});
    }
    return true;
}

int64_t idset_add_range(struct idset *s, int64_t lo, int64_t hi, int64_t t_lo, int64_t t_hi)
{
    if (lo < 0 || hi == INT64_MAX) {
        return 0;
    }
    lo = lo > s->floor ? lo : s->floor + 1;
    if (hi < lo) {
        return 0;
    }
    // [first, last) are the intervals that the range meets or touches.
    size_t first = above(s, lo);
    if (first > 0 && s->span[first - 1].hi + 1 >= lo) {
        first--;
    }
    size_t last = first;
    int64_t fresh = hi - lo + 1;
    while (last < s->n && s->span[last].lo <= hi + 1) {
        const struct id_span *met = &s->span[last++];
        int64_t from = met->lo > lo ? met->lo : lo;
        int64_t to = met->hi < hi ? met->hi : hi;
        if (from <= to) {
            fresh -= to - from + 1;
        }
    }
    struct id_span joined = {lo, hi, t_lo, t_hi};
    if (first == last) {
        insert(s, first, joined);
        return fresh;
    }
    // Of two claims that end with the same id the one that reaches further counts.
    const struct id_span *low = &s->span[first];
    const struct id_span *high = &s->span[last - 1];
    if (low->lo < lo || (low->lo == lo && low->t_lo < t_lo)) {
        joined.lo = low->lo;
        joined.t_lo = low->t_lo;
    }
    if (high->hi > hi || (high->hi == hi && high->t_hi > t_hi)) {
        joined.hi = high->hi;
        joined.t_hi = high->t_hi;
    }
    s->span[first] = joined;
    cut(s, first + 1, last - first - 1);
    return fresh;
}

bool idset_has(const struct idset *s, int64_t id)
{
    if (id <= s->floor) {
        return id >= 0;
    }
    size_t i = above(s, id);
    return i > 0 && id <= s->span[i - 1].hi;
}

bool idset_has_any(const struct idset *s, int64_t lo, int64_t hi)
{
    size_t i = above(s, hi);
    return lo <= s->floor || (i > 0 && s->span[i - 1].hi >= lo);
}

bool idset_remove(struct idset *s, int64_t id, int64_t t_ms)
{
    size_t i = id <= s->floor ? 0 : above(s, id);
    if (i == 0 || id > s->span[i - 1].hi) {
        return false;
    }
    struct id_span *held = &s->span[--i];
    struct id_span right = {id + 1, held->hi, t_ms, held->t_hi};
    if (held->lo == id && held->hi == id) {
        cut(s, i, 1);
    } else if (held->lo == id) {
        *held = right;
    } else {
        bool split = held->hi > id;
        held->hi = id - 1;
        held->t_hi = t_ms;
        if (split) {
            insert(s, i + 1, right);
        }
    }
    return true;
}

void idset_prune(struct idset *s, int64_t t_ms)
{
    size_t n = 0;
    while (n + 1 < s->n && s->span[n].t_hi < t_ms && s->span[n + 1].t_hi < t_ms) {
        n++;
    }
    cut(s, 0, n);
}

int64_t idset_max(const struct idset *s)
{
    return s->n > 0 ? s->span[s->n - 1].hi : s->floor;
}

void idset_format(const struct idset *s, struct buf *out)
{
    bool some = false;
    if (s->floor >= 0) {
        buf_addc(out, '^');
        buf_add_i64(out, s->floor);
        some = true;
    }
    for (size_t i = 0; i < s->n; i++) {
        if (some) {
            buf_addc(out, ',');
        }
        some = true;
        buf_add_i64(out, s->span[i].lo);
        buf_addc(out, '-');
        buf_add_i64(out, s->span[i].hi);
        buf_addc(out, '@');
        buf_add_i64(out, s->span[i].t_lo);
        buf_addc(out, '-');
        buf_add_i64(out, s->span[i].t_hi);
    }
}

// A number up to `stop` (or the end when stop is 0); *p moves behind the stop.
static int number(const char **p, const char *end, char stop, int64_t *out)
{
    const char *to = end;
    if (stop) {
        to = memchr(*p, stop, (size_t)(end - *p));
        if (!to) {
            return ERR_SYNTAX;
        }
    }
    int rc = parse_i64(*p, (size_t)(to - *p), out);
    *p = stop ? to + 1 : to;
    return rc ? rc : *out < 0 || *out == INT64_MAX ? ERR_RANGE : 0;
}

static int parse_spans(struct idset *s, const char *text, size_t n)
{
    const char *end = text + n;
    const char *p = text;
    int rc;
    while (p < end) {
        const char *comma = memchr(p, ',', (size_t)(end - p));
        const char *stop = comma ? comma : end;
        if (*p == '^' && p == text) {
            p++;
            rc = number(&p, stop, 0, &s->floor);
        } else {
            struct id_span span;
            if ((rc = number(&p, stop, '-', &span.lo)) || (rc = number(&p, stop, '@', &span.hi)) ||
                (rc = number(&p, stop, '-', &span.t_lo)) ||
                (rc = number(&p, stop, 0, &span.t_hi))) {
                return rc;
            }
            int64_t before = s->n > 0 ? s->span[s->n - 1].hi + 1 : s->floor;
            if (span.hi < span.lo || span.lo <= before) {
                return ERR_RANGE;
            }
            if (s->n == s->max) {
                return ERR_LIMIT;
            }
            insert(s, s->n, span);
        }
        if (rc) {
            return rc;
        }
        p = stop;
        if (comma && ++p == end) {
            return ERR_SYNTAX;
        }
    }
    return 0;
}

int idset_parse(struct idset *s, const char *text, size_t n)
{
    idset_clear(s);
    int rc = parse_spans(s, text, n);
    if (rc) {
        idset_clear(s);
    }
    return rc;
}
