#ifndef MARKET_TIMECOVER_H
#define MARKET_TIMECOVER_H
// What is proven about the trades of a venue that does not number them (Bybit): from the first
// trade of the live stream on everything is held, but for the times declared as gaps; claims say
// "every trade of this time is held", before the first trade as well as inside a gap, and win over
// gaps, so that nothing depends on the order in which they came.
//
//   first trade of :trades        gap             gap
//   ----------|=================|xxxxxxxx|=====|xxxxx|====>
//      claim |#####|                 |##| claim
//
// What was refused for want of room (`full`) is missing whatever anybody claims.

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/market/spanset.h"

struct timecover {
    int64_t since_ms; // first trade of the live stream; INT64_MAX none
    struct spanset gaps, claims, full;
    uint64_t changes; // grows whenever what is proven may have changed
};

void timecover_init(struct timecover *c, size_t max_spans);
void timecover_release(struct timecover *c);
void timecover_clear(struct timecover *c);
// A trade of the live stream.
static inline void timecover_seen(struct timecover *c, int64_t ts_ms)
{
    if (ts_ms < c->since_ms) {
        c->since_ms = ts_ms;
        c->changes++;
    }
}
// Trades of [from, to) may be missing; of an empty interval, of that millisecond.
void timecover_gap(struct timecover *c, int64_t from_ms, int64_t to_ms);
// Every trade of [from, to) is held; an empty interval claims nothing.
void timecover_claim(struct timecover *c, int64_t from_ms, int64_t to_ms);
// A trade of this time was refused. One interval is kept, from the first to the last.
void timecover_refused(struct timecover *c, int64_t ts_ms);
// Drops what ended before t_ms.
void timecover_prune(struct timecover *c, int64_t t_ms);
// The times within [from, to) that are not proven, into *holes (cleared first).
void timecover_holes(const struct timecover *c, int64_t from_ms, int64_t to_ms,
                     struct spanset *holes);
// The gaps, or parts of them, that were filled afterwards.
void timecover_repaired(const struct timecover *c,
                        void (*cb)(void *arg, int64_t from_ms, int64_t to_ms), void *arg);

// Text "since=1;gaps=1-2,5-6;claims=..;full=..", parts without content left out, and back.
void timecover_format(const struct timecover *c, struct buf *out);
int timecover_parse(struct timecover *c, const char *text, size_t n) MUST_CHECK;

#endif
