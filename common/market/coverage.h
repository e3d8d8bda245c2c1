#ifndef MARKET_COVERAGE_H
#define MARKET_COVERAGE_H
// Which milliseconds of a day are backed by trades whose continuity is proven (metrics
// definitions, "Coverage"): a hole between consecutive held ids a1, a2 is missing during
// [T(a1), max(T(a2), T(a1) + 1)); from 00:00 to the first provable trade: missing.
// Judged range = [day start, judged end). Where trades are not numbered (Bybit), holes are those of
// timecover.h; whole seconds of one in which trades are held all the same are `partial`. They are
// as unproven as the rest of the hole and count as missing.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/market/idset.h"
#include "common/market/timecover.h"

enum cover_state { COVER_COMPLETE, COVER_REPAIRED, COVER_PARTIAL, COVER_MISSING };
const char *cover_state_name(enum cover_state s);

struct cover_span {
    int64_t from_ms, to_ms; // half-open, from < to
    // Of a hole: the missing ids, both inclusive (of merged holes: first and last; -1 as from_id:
    // nothing is known before to_id). Else -1.
    int64_t from_id, to_id;
    enum cover_state state;
};

struct coverage {
    struct cover_span *span; // ascending, adjacent spans touch, cover [day, judged_end)
    size_t n, cap;
    int64_t day_ms, judged_end_ms;
    int64_t missing_ms; // all that is not proven,
    int64_t partial_ms; // of it with trades held
    size_t holes;       // by time: adjacent missing and partial spans are one
    bool by_time;       // spans have no ids
};

void coverage_init(struct coverage *c);
void coverage_release(struct coverage *c);
// Recomputes *c for the day from the ids held. judged_end_ms: newest accepted trade for the
// current day (plus nothing), the day's end for a previous day that a newer day follows; values
// outside the day are clipped. Overlapping holes (time runs back between ids) are merged; holes
// that only touch stay apart. A hole across midnight is split between the days. The part before
// the first interval held is missing unless that interval reaches back before the day's start.
void coverage_compute(struct coverage *c, const struct idset *held, int64_t day_ms,
                      int64_t judged_end_ms);
// The same from times. `seconds`: with a trade held, bit s % 8 of [s / 8].
void coverage_compute_time(struct coverage *c, const struct timecover *t, const uint8_t *seconds,
                           int64_t day_ms, int64_t judged_end_ms);
// Of no day: nothing is judged.
void coverage_none(struct coverage *c);
// 1 - missing/judged in units of 1e-8 half-even (100000000 = all); -1 when nothing is judged.
int64_t coverage_fraction_e8(const struct coverage *c);
// Missing ms (partial included) within [from, to).
int64_t coverage_missing_between(const struct coverage *c, int64_t from_ms, int64_t to_ms);

#endif
