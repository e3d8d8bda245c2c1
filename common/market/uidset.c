#include "common/market/uidset.h"

#include <stdlib.h>

#include "common/base/mem.h"

#define FIRST_CAP 16

void uidset_init(struct uidset *s, size_t max)
{
    *s = (struct uidset){.max = max};
}

void uidset_release(struct uidset *s)
{
    for (size_t i = 0; s->seg && i < UIDSET_SEGS; i++) {
        free(s->seg[i].slot);
    }
    free(s->seg);
    uidset_init(s, s->max);
}

static uint64_t hash_of(struct trade_uid u)
{
    // UUIDs of a venue are hashes or random, but nobody promised it.
    uint64_t h = (u.hi ^ (u.lo << 32 | u.lo >> 32)) * UINT64_C(0x9E3779B97F4A7C15);
    h = (h ^ h >> 32 ^ u.lo) * UINT64_C(0xD6E8FEB86659FD93);
    return h ^ h >> 32;
}

static bool is_free(struct trade_uid u)
{
    return (u.hi | u.lo) == 0;
}

static bool is_same(struct trade_uid a, struct trade_uid b)
{
    return a.hi == b.hi && a.lo == b.lo;
}

// The slot that holds u, or the free one where it belongs. There is always a free one.
static struct trade_uid *probe(const struct uidset_seg *seg, uint64_t hash, struct trade_uid u)
{
    uint32_t i = (uint32_t)((uint64_t)(uint32_t)hash * seg->cap >> 32);
    while (!is_free(seg->slot[i]) && !is_same(seg->slot[i], u)) {
        i = i + 1 == seg->cap ? 0 : i + 1;
    }
    return &seg->slot[i];
}

static struct uidset_seg *seg_of(const struct uidset *s, uint64_t hash)
{
    return &s->seg[hash >> 56];
}

static void grow(struct uidset_seg *seg)
{
    struct uidset_seg bigger = {.n = seg->n, .cap = seg->cap ? seg->cap + seg->cap / 2 : FIRST_CAP};
    bigger.slot = xcalloc(bigger.cap, sizeof *bigger.slot);
    for (uint32_t i = 0; i < seg->cap; i++) {
        if (!is_free(seg->slot[i])) {
            *probe(&bigger, hash_of(seg->slot[i]), seg->slot[i]) = seg->slot[i];
        }
    }
    free(seg->slot);
    *seg = bigger;
}

enum uidset_result uidset_add(struct uidset *s, struct trade_uid u)
{
    uint64_t hash = hash_of(u);
    if (!s->seg) {
        s->seg = xcalloc(UIDSET_SEGS, sizeof *s->seg);
    }
    struct uidset_seg *seg = seg_of(s, hash);
    struct trade_uid *slot = seg->cap ? probe(seg, hash, u) : NULL;
    if (slot && !is_free(*slot)) {
        return UIDSET_HELD;
    }
    if (s->n >= s->max) {
        return UIDSET_FULL;
    }
    if (!slot || (seg->n + 1) * UINT64_C(4) > seg->cap * UINT64_C(3)) {
        grow(seg);
        slot = probe(seg, hash, u);
    }
    *slot = u;
    seg->n++;
    s->n++;
    return UIDSET_NEW;
}

bool uidset_has(const struct uidset *s, struct trade_uid u)
{
    uint64_t hash = hash_of(u);
    if (!s->seg || seg_of(s, hash)->cap == 0) {
        return false;
    }
    return !is_free(*probe(seg_of(s, hash), hash, u));
}

void uidset_undo(struct uidset *s, struct trade_uid u)
{
    if (!uidset_has(s, u)) {
        return;
    }
    // No other name came after it, so none was sent on past its slot.
    uint64_t hash = hash_of(u);
    struct uidset_seg *seg = seg_of(s, hash);
    *probe(seg, hash, u) = (struct trade_uid){0, 0};
    seg->n--;
    s->n--;
}

size_t uidset_bytes(const struct uidset *s)
{
    size_t sum = 0;
    for (size_t i = 0; s->seg && i < UIDSET_SEGS; i++) {
        sum += s->seg[i].cap * sizeof *s->seg[i].slot;
    }
    return s->seg ? sum + UIDSET_SEGS * sizeof *s->seg : 0;
}
