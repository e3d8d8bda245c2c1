#ifndef MARKET_IDSET_H
#define MARKET_IDSET_H
// The set of venue ids held, as sorted disjoint intervals, each with the trade time at its two
// ends: the dedup, the gap detector and the source of coverage in one structure.
//
//   held ids   [100..250]          [260..300]
//   t at ends   T(100)..T(250)      T(260)..T(300)     hole: ids 251..259, time [T(250), T(260))
//
// The common case, the next id, costs one compare. A function of the set of (id, ts) pairs added,
// whatever the order. At most `max` intervals: one more drops the oldest interval into the *floor*:
// every id up to its end is refused as known from then on (nothing can be counted twice), while
// coverage shows that time as missing (nothing is claimed that is not proven). `collapsed` counts
// these. Ids are 0..INT64_MAX - 1; adding any other is refused (false).

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"

struct id_span {
    int64_t lo, hi;     // inclusive
    int64_t t_lo, t_hi; // ms of the trades lo and hi
};

struct idset {
    struct id_span *span; // ascending, disjoint, not adjacent (hi + 1 < next lo)
    size_t n, cap, max;
    int64_t floor; // ids <= floor count as known though no interval holds them; -1 = none
    uint64_t collapsed;
};

void idset_init(struct idset *s, size_t max);
void idset_release(struct idset *s);
void idset_clear(struct idset *s);
// Adds one id. True when it was new.
bool idset_add(struct idset *s, int64_t id, int64_t t_ms);
// The fast path of idset_add(): true when id is the one behind the newest interval, which it then
// extends. False: nothing was done, call idset_add().
static inline bool idset_add_next(struct idset *s, int64_t id, int64_t t_ms)
{
    if (s->n == 0 || s->span[s->n - 1].hi + 1 != id || id == INT64_MAX) {
        return false;
    }
    s->span[s->n - 1].hi = id;
    s->span[s->n - 1].t_hi = t_ms;
    return true;
}
// Adds lo..hi; returns how many ids were new. Of an end that is held already the time that lies
// further out stays: a claim may say from which time on it holds everything.
int64_t idset_add_range(struct idset *s, int64_t lo, int64_t hi, int64_t t_lo, int64_t t_hi);
bool idset_has(const struct idset *s, int64_t id); // also true at or below the floor
// True when one of lo..hi is held, or lies at or below the floor.
bool idset_has_any(const struct idset *s, int64_t lo, int64_t hi);
// Takes one id out again (a trade dropped before it reached a stream). The time at a new inner
// edge is t_ms. False when it was not held.
bool idset_remove(struct idset *s, int64_t id, int64_t t_ms);
// Drops intervals that end before t_ms (by t_hi), all but the newest of them: it says which ids a
// hole that reaches over t_ms begins with. Never drops what an id at or after t_ms is in, as long
// as the venue's times do not run back by more than the caller leaves room for in t_ms.
void idset_prune(struct idset *s, int64_t t_ms);
// Largest id held, -1 when empty.
int64_t idset_max(const struct idset *s);

// Text "lo-hi@tlo-thi,...", with "^floor," in front when there is one, and back (strict; refuses
// overlap or disorder, leaving *s empty). More intervals than `max`: ERR_LIMIT.
void idset_format(const struct idset *s, struct buf *out);
int idset_parse(struct idset *s, const char *text, size_t n) MUST_CHECK;

#endif
