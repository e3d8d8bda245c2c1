#ifndef BACKFILL_REFILL_H
#define BACKFILL_REFILL_H
// Holes behind the first live trade: ids that the collector missed and could not get again. What
// is missing is told by coverage; this decides which of it may be asked for, and whom. Pure.
//
//   a hole appears ──> the collector repairs it itself: it is no longer told, and forgotten
//        │ `delay_ms` later, or as soon as the collector has given it up (kind=lost)
//        v
//   REST, while the venue still has that time ──> held, or given up by REST as well
//        │ its day is over, and REST could not or can not
//        v
//   the venue's archive of that day ──> held, or given up for good
//
// Nothing is asked for twice: what was delivered or given up is known to the plan.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/market/idset.h"

#define REFILL_HOLES 256 // more are looked at when these are filled

struct refill_hole {
    int64_t lo, hi, from_ms, to_ms; // as coverage tells them
    int64_t since_ms;               // monotonic: when ids of it were first told missing
    bool lost;                      // the collector has given it up
    bool told;                      // by the look that is under way
};

struct refill {
    int64_t delay_ms, reach_ms; // how far back REST tells
    struct refill_hole hole[REFILL_HOLES];
    size_t n;
};

enum refill_way {
    REFILL_LATER,   // the collector's turn, or the archive is not there yet
    REFILL_REST,    //
    REFILL_ARCHIVE, // of the day of from_ms
    REFILL_NOBODY   // held by now, or given up by everybody
};

void refill_init(struct refill *r, int64_t delay_ms, int64_t reach_ms);
void refill_clear(struct refill *r);
// One look: begin, each hole in turn, the ranges that the collector gave up, end. Of a hole that
// was told before, in any part, the age stays; what is not told any more is forgotten.
void refill_look_begin(struct refill *r);
void refill_look_hole(struct refill *r, int64_t lo, int64_t hi, int64_t from_ms, int64_t to_ms,
                      int64_t mono_ms);
void refill_look_lost(struct refill *r, int64_t lo, int64_t hi);
void refill_look_end(struct refill *r);
// Who is asked for it now. held, lost: what was delivered and what was given up here; now_ms: the
// newest trade; archive_day_ms: the day whose archive was read already, -1 none.
enum refill_way refill_way(const struct refill *r, const struct refill_hole *h,
                           const struct idset *held, const struct idset *lost, int64_t mono_ms,
                           int64_t now_ms, int64_t archive_day_ms);
// The hole with this id, NULL none.
const struct refill_hole *refill_find(const struct refill *r, int64_t id);

#endif
