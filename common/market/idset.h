#ifndef MARKET_IDSET_H
#define MARKET_IDSET_H
// The set of venue ids held, as sorted disjoint intervals, each with the trade time at its two
// ends: the dedup, the gap detector and the source of coverage in one structure.
//
//   held ids   [100..250]          [260..300]
//   t at ends   T(100)..T(250)      T(260)..T(300)     hole: ids 251..259, time [T(250), T(260))
//
// The common case, the next id, costs one compare. A function of the set of (id, ts) pairs added,
// whatever the order. At most `max` intervals: adding one more than that first fills the oldest
// hole (its ids count as held and `collapsed` is incremented), so memory stays bounded.

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
    uint64_t collapsed;
    struct id_span forgotten; // hull of what idset_prune() dropped; hi < lo when nothing
};

void idset_init(struct idset *s, size_t max);
void idset_release(struct idset *s);
void idset_clear(struct idset *s);
// Adds one id. True when it was new. Ids < 0 are the caller's error.
bool idset_add(struct idset *s, int64_t id, int64_t t_ms);
// Adds lo..hi; returns how many ids were new.
int64_t idset_add_range(struct idset *s, int64_t lo, int64_t hi, int64_t t_lo, int64_t t_hi);
bool idset_has(const struct idset *s, int64_t id);
// Takes one id out again (a trade dropped before it reached a stream). The time at a new inner
// edge is t_ms. False when it was not held.
bool idset_remove(struct idset *s, int64_t id, int64_t t_ms);
// Drops intervals that end before t_ms (by t_hi).
void idset_prune(struct idset *s, int64_t t_ms);
// Largest id held, -1 when empty.
int64_t idset_max(const struct idset *s);

// Text "lo-hi@tlo-thi,..." and back (strict; refuses overlap or disorder).
void idset_format(const struct idset *s, struct buf *out);
int idset_parse(struct idset *s, const char *text, size_t n) MUST_CHECK;

#endif
