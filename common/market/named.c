#include "common/market/named.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"

struct named *named_new(size_t max_ids, size_t max_spans)
{
    struct named *m = xcalloc(1, sizeof *m);
    for (size_t i = 0; i < 2; i++) {
        uidset_init(&m->day[i].ids, max_ids);
        uidset_init(&m->day[i].blocks, max_ids);
    }
    timecover_init(&m->cover, max_spans);
    m->floor_ms = -1;
    return m;
}

static void clear_day(struct named_day *n)
{
    uidset_release(&n->ids);
    uidset_release(&n->blocks);
    memset(n->seconds, 0, sizeof n->seconds);
    free(n->first);
    n->first = NULL;
    n->n_first = n->cap_first = 0;
    free(n->edge);
    n->edge = NULL;
    n->n_edge = 0;
}

void named_free(struct named *m)
{
    if (m) {
        clear_day(&m->day[0]);
        clear_day(&m->day[1]);
        timecover_release(&m->cover);
        free(m);
    }
}

void named_clear(struct named *m)
{
    clear_day(&m->day[0]);
    clear_day(&m->day[1]);
    timecover_clear(&m->cover);
    m->floor_ms = -1;
    m->revised = 0;
}

void named_roll(struct named *m, bool adjacent)
{
    struct named_day dropped = m->day[1];
    m->day[1] = m->day[0];
    m->day[0] = dropped;
    clear_day(&m->day[0]);
    if (!adjacent) {
        clear_day(&m->day[1]);
    }
}

void named_seal(struct named_day *n, const struct trade_uid *name, size_t names)
{
    clear_day(n);
    n->edge = xmalloc((names > 0 ? names : 1) * sizeof *n->edge);
    for (size_t i = 0; i < names; i++) {
        if (uidset_add(&n->ids, name[i]) == UIDSET_NEW) {
            n->edge[n->n_edge++] = name[i];
        }
    }
}

static void note_first(struct named_day *n, const struct trade *t)
{
    if (n->n_first == NAMED_FIRST) {
        return;
    }
    if (n->n_first == n->cap_first) {
        n->cap_first = n->cap_first ? 2 * n->cap_first : 8;
        n->first = xrealloc(n->first, n->cap_first * sizeof *n->first);
    }
    n->first[n->n_first++] = *t;
}

static void note_second(struct named_day *n, const struct day *d, const struct trade *t)
{
    int64_t second = (t->ts_ms - d->start_ms) / 1000;
    n->seconds[second / 8] |= (uint8_t)(1U << (second % 8));
}

void named_counted(struct named_day *n, const struct day *d, const struct trade *t)
{
    note_second(n, d, t);
    if (t->flags & TRADE_BLOCK) {
        (void)uidset_add(&n->blocks, t->uid);
    }
    // The day has counted it: nothing of the day lies before its first trade.
    if (t->ts_ms == d->first.ts_ms) {
        n->n_first = n->n_first > 0 && n->first[0].ts_ms == t->ts_ms ? n->n_first : 0;
        note_first(n, t);
    }
}

static bool same_name(const struct trade *a, const struct trade *b)
{
    return a->uid.hi == b->uid.hi && a->uid.lo == b->uid.lo;
}

// Takes over the larger seq among the trades of the first millisecond. True: one was changed.
static bool raise_first(struct named_day *n, const struct trade *t)
{
    for (size_t i = 0; i < n->n_first; i++) {
        if (same_name(&n->first[i], t)) {
            bool larger = t->id > n->first[i].id;
            n->first[i].id = larger ? t->id : n->first[i].id;
            return larger;
        }
    }
    return false;
}

static bool copy_is_first(struct named_day *n, struct day *d, const struct trade *t)
{
    if (t->ts_ms != d->first.ts_ms || !raise_first(n, t)) {
        return false;
    }
    const struct trade *first = &n->first[0];
    for (size_t i = 1; i < n->n_first; i++) {
        first = trade_cmp(&n->first[i], first) < 0 ? &n->first[i] : first;
    }
    bool changed = trade_cmp(first, &d->first) != 0;
    d->first = *first;
    return changed;
}

static bool copy_is_last(struct day *d, const struct trade *t)
{
    if (same_name(&d->last, t)) {
        bool larger = t->id > d->last.id;
        d->last.id = larger ? t->id : d->last.id;
        return larger;
    }
    if (trade_cmp(t, &d->last) <= 0) {
        return false;
    }
    d->last = *t;
    return true;
}

bool named_copy(struct named *m, struct named_day *n, struct day *d, const struct trade *t)
{
    bool changed = false;
    int64_t block;
    if ((t->flags & TRADE_BLOCK) && uidset_add(&n->blocks, t->uid) == UIDSET_NEW &&
        !__builtin_add_overflow(d->block, t->qty, &block) && block <= d->buy + d->sell) {
        d->block = block;
        changed = true;
    }
    if (t->id > 0) {
        changed |= copy_is_first(n, d, t);
        changed |= copy_is_last(d, t);
    }
    m->revised += changed;
    return t->id > 0;
}

enum uidset_result named_recall(struct named_day *n, const struct day *d, const struct trade *t)
{
    enum uidset_result r = uidset_add(&n->ids, t->uid);
    if (r == UIDSET_FULL) {
        return r;
    }
    note_second(n, d, t);
    if (t->flags & TRADE_BLOCK) {
        (void)uidset_add(&n->blocks, t->uid);
    }
    if (r == UIDSET_NEW && t->ts_ms == d->first.ts_ms) {
        note_first(n, t);
    } else if (r == UIDSET_HELD) {
        (void)raise_first(n, t);
    }
    return r;
}
