#ifndef MARKET_TAPE_H
#define MARKET_TAPE_H
// The trades of the last 15 to 20 minutes, a growing array per minute in a ring of minutes: what
// candle.c recomputes a bucket from. In order a trade is one append; out of order it is one too,
// to its own minute, which is put in order when it is read.
//
// At most TAPE_MAX_TRADES trades: beyond that whole minutes are dropped, oldest first, and the
// tape begins later (`from_ms` moves up). When the newest minute alone is more than that, the tape
// begins behind it.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/market/trade.h"

#define TAPE_MINUTE_MS INT64_C(60000)
// Minutes: what TAPE_KEEP_MS + TAPE_ALIGN_MS spans, and not many more: the arrays take turns, and
// what comes back sooner is still in a cache.
#define TAPE_SLOTS 21

struct tape_slot {
    int64_t start_ms;
    struct trade *v;
    size_t n, cap;
};

struct tape {
    struct tape_slot slot[TAPE_SLOTS]; // minute m in slot m % TAPE_SLOTS
    struct tape_slot *cur;             // of the newest minute; NULL: none, or it is not kept
    int64_t from_ms;                   // every trade at or after it is here
    int64_t newest_ms;                 // start of the newest minute, -1 none
    size_t total, max;
    // Called before minutes are dropped, while they can still be read.
    void (*on_drop)(void *arg);
    void *arg;
};

void tape_init(struct tape *t, void (*on_drop)(void *arg), void *arg);
void tape_release(struct tape *t);
// Empties it; from_ms is the new beginning.
void tape_reset(struct tape *t, int64_t from_ms);
// Moves the beginning up to from_ms (never down), dropping what lies before.
void tape_begin_at(struct tape *t, int64_t from_ms);
// The trades of one minute in set order (copies possible); *n = how many.
const struct trade *tape_minute(struct tape *t, int64_t start_ms, size_t *n);

// A copy of a trade that is here, named by its UUID: of the two seqs the larger one stays. 1: it is
// the new one, 0: it was known, -1: the trade is not here.
int tape_revise(struct tape *t, const struct trade *trade);

void tape_put_slow(struct tape *t, const struct trade *trade);

// Keeps a trade, unless it is older than the tape.
static inline void tape_put(struct tape *t, const struct trade *trade)
{
    struct tape_slot *s = t->cur;
    if (__builtin_expect(s && s->n < s->cap &&
                             (uint64_t)(trade->ts_ms - s->start_ms) < (uint64_t)TAPE_MINUTE_MS &&
                             t->total < t->max,
                         1)) {
        s->v[s->n++] = *trade;
        t->total++;
        return;
    }
    tape_put_slow(t, trade);
}

// The same for n trades of one minute.
void tape_put_run(struct tape *t, const struct trade *v, size_t n);

#endif
