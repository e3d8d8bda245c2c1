#include "services/backfill/core/refill.h"

#include <string.h>

#include "common/base/clock.h"

void refill_init(struct refill *r, int64_t delay_ms, int64_t reach_ms)
{
    memset(r, 0, sizeof *r);
    r->delay_ms = delay_ms;
    r->reach_ms = reach_ms;
}

void refill_clear(struct refill *r)
{
    r->n = 0;
}

void refill_look_begin(struct refill *r)
{
    for (size_t i = 0; i < r->n; i++) {
        r->hole[i].told = false;
    }
}

static bool overlaps(const struct refill_hole *h, int64_t lo, int64_t hi)
{
    return h->lo <= hi && lo <= h->hi;
}

void refill_look_hole(struct refill *r, int64_t lo, int64_t hi, int64_t from_ms, int64_t to_ms,
                      int64_t mono_ms)
{
    struct refill_hole h = {
        .lo = lo, .hi = hi, .from_ms = from_ms, .to_ms = to_ms, .since_ms = mono_ms, .told = true};
    if (lo < 0 || lo > hi) {
        return; // before the first trade that is known: no hole between two of them
    }
    for (size_t i = 0; i < r->n; i++) {
        if (!r->hole[i].told && overlaps(&r->hole[i], lo, hi) && r->hole[i].since_ms < h.since_ms) {
            h.since_ms = r->hole[i].since_ms;
        }
    }
    for (size_t i = 0; i < r->n; i++) { // in the place of one that it takes over whole
        struct refill_hole *old = &r->hole[i];
        if (!old->told && old->lo >= lo && old->hi <= hi) {
            *old = h;
            return;
        }
    }
    if (r->n < REFILL_HOLES) {
        r->hole[r->n++] = h;
    }
}

void refill_look_lost(struct refill *r, int64_t lo, int64_t hi)
{
    for (size_t i = 0; i < r->n; i++) {
        struct refill_hole *h = &r->hole[i];
        // Part of it is not enough: the rest may still be under repair.
        h->lost = h->lost || (h->told && lo <= h->lo && h->hi <= hi);
    }
}

void refill_look_end(struct refill *r)
{
    size_t n = 0;
    for (size_t i = 0; i < r->n; i++) {
        if (r->hole[i].told) {
            r->hole[n++] = r->hole[i];
        }
    }
    r->n = n;
}

// Whether every id of lo..hi is in one of the two.
static bool all_in(int64_t lo, int64_t hi, const struct idset *a, const struct idset *b)
{
    const struct idset *set[] = {a, b};
    int64_t id = lo, before;
    do {
        before = id;
        for (size_t k = 0; k < 2; k++) {
            for (size_t i = 0; set[k] != NULL && i < set[k]->n; i++) {
                const struct id_span *s = &set[k]->span[i];
                id = s->lo <= id && id <= s->hi ? s->hi + 1 : id;
            }
        }
    } while (id != before && id <= hi);
    return id > hi;
}

enum refill_way refill_way(const struct refill *r, const struct refill_hole *h,
                           const struct idset *held, const struct idset *lost, int64_t mono_ms,
                           int64_t now_ms, int64_t archive_day_ms)
{
    if (all_in(h->lo, h->hi, held, NULL)) {
        return REFILL_NOBODY; // coverage has not heard of it yet
    }
    if (!h->lost && mono_ms - h->since_ms < r->delay_ms) {
        return REFILL_LATER;
    }
    const bool tried = all_in(h->lo, h->hi, held, lost);
    if (!tried && h->from_ms >= now_ms - r->reach_ms) {
        return REFILL_REST;
    }
    const int64_t day = day_start_ms(h->from_ms);
    if (day == archive_day_ms) {
        return REFILL_NOBODY;
    }
    return day < day_start_ms(now_ms) ? REFILL_ARCHIVE : REFILL_LATER;
}

const struct refill_hole *refill_find(const struct refill *r, int64_t id)
{
    for (size_t i = 0; i < r->n; i++) {
        if (r->hole[i].lo <= id && id <= r->hole[i].hi) {
            return &r->hole[i];
        }
    }
    return NULL;
}
