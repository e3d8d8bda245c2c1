#include "services/collector/core/uidwin.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"

#define CAP_MIN 1024

void uidwin_init(struct uidwin *w, int64_t window_ms, size_t max)
{
    memset(w, 0, sizeof *w);
    w->window_ms = window_ms;
    w->max = CAP_MIN;
    while (w->max * 2 <= max) {
        w->max *= 2;
    }
    w->complete_from_ms = INT64_MIN;
}

void uidwin_release(struct uidwin *w)
{
    free(w->ring);
    free(w->index);
    memset(w, 0, sizeof *w);
}

// Version 5 UUIDs are hashes already, but nothing says that a venue makes them so.
static size_t hash(struct trade_uid u)
{
    uint64_t h = (u.hi ^ (u.lo >> 32 | u.lo << 32)) * UINT64_C(0x9e3779b97f4a7c15);
    h ^= h >> 29;
    h = (h + u.lo) * UINT64_C(0xbf58476d1ce4e5b9);
    return (size_t)(h ^ h >> 32);
}

static bool is_set(struct trade_uid u)
{
    return (u.hi | u.lo) != 0;
}

static bool same(struct trade_uid a, struct trade_uid b)
{
    return a.hi == b.hi && a.lo == b.lo;
}

static struct uidwin_entry *place(const struct uidwin *w, uint64_t seq)
{
    return &w->ring[seq & (w->cap - 1)];
}

// The slot that holds the name, or the empty one where it would go.
static size_t find(const struct uidwin *w, struct trade_uid uid)
{
    const size_t mask = 2 * w->cap - 1;
    size_t i = hash(uid) & mask;
    while (w->index[i] != 0 && !same(w->ring[w->index[i] - 1].uid, uid)) {
        i = (i + 1) & mask;
    }
    return i;
}

// Empties slot i and moves up what could no longer be found past it.
static void unindex(struct uidwin *w, size_t i)
{
    const size_t mask = 2 * w->cap - 1;
    for (size_t j = (i + 1) & mask; w->index[j] != 0; j = (j + 1) & mask) {
        const size_t home = hash(w->ring[w->index[j] - 1].uid) & mask;
        if (((j - home) & mask) >= ((j - i) & mask)) {
            w->index[i] = w->index[j];
            i = j;
        }
    }
    w->index[i] = 0;
}

static void forget_oldest(struct uidwin *w)
{
    struct uidwin_entry *e = place(w, w->head);
    if (is_set(e->uid)) {
        unindex(w, find(w, e->uid));
        if (e->ts_ms >= w->complete_from_ms) {
            w->complete_from_ms = e->ts_ms + 1;
        }
    }
    w->head++;
}

static void grow(struct uidwin *w)
{
    const size_t cap = w->cap > 0 ? 2 * w->cap : CAP_MIN;
    struct uidwin old = *w;
    w->cap = cap;
    w->ring = xcalloc(cap, sizeof *w->ring);
    w->index = xcalloc(2 * cap, sizeof *w->index);
    w->head = w->tail = 0;
    for (uint64_t seq = old.head; seq < old.tail; seq++) {
        const struct uidwin_entry *e = place(&old, seq);
        if (is_set(e->uid)) {
            w->ring[w->tail] = *e;
            w->index[find(w, e->uid)] = (uint32_t)w->tail + 1;
            w->tail++;
        }
    }
    free(old.ring);
    free(old.index);
}

// The oldest has left the window.
static bool is_over(const struct uidwin *w)
{
    return w->head < w->tail && place(w, w->head)->ts_ms < w->newest_ms - w->window_ms;
}

bool uidwin_add(struct uidwin *w, struct trade_uid uid, int64_t ts_ms, uint32_t origin)
{
    if (w->cap == 0) {
        grow(w);
    }
    if (w->index[find(w, uid)] != 0) {
        return false;
    }
    w->newest_ms = ts_ms > w->newest_ms ? ts_ms : w->newest_ms;
    // Two at most for each that comes, so that no call takes long; one would keep the size.
    for (int i = 0; i < 2 && is_over(w); i++) {
        forget_oldest(w);
    }
    if (w->tail - w->head == w->cap) {
        if (w->cap < w->max && !is_over(w)) {
            grow(w);
        } else {
            forget_oldest(w);
        }
    }
    struct uidwin_entry *e = place(w, w->tail);
    *e = (struct uidwin_entry){.uid = uid, .ts_ms = ts_ms, .origin = origin};
    w->index[find(w, uid)] = (uint32_t)(w->tail & (w->cap - 1)) + 1;
    w->tail++;
    return true;
}

bool uidwin_has(const struct uidwin *w, struct trade_uid uid, uint32_t *origin)
{
    if (w->cap == 0) {
        return false;
    }
    const uint32_t at = w->index[find(w, uid)];
    if (at != 0 && origin != NULL) {
        *origin = w->ring[at - 1].origin;
    }
    return at != 0;
}

void uidwin_remove(struct uidwin *w, struct trade_uid uid)
{
    if (w->cap == 0) {
        return;
    }
    const size_t i = find(w, uid);
    if (w->index[i] != 0) {
        struct uidwin_entry *e = &w->ring[w->index[i] - 1];
        unindex(w, i);
        e->uid = (struct trade_uid){0, 0};
    }
}

void uidwin_complete_from(struct uidwin *w, int64_t ts_ms)
{
    w->complete_from_ms = ts_ms > w->complete_from_ms ? ts_ms : w->complete_from_ms;
}

size_t uidwin_count(const struct uidwin *w)
{
    return (size_t)(w->tail - w->head);
}
