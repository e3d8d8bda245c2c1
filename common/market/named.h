#ifndef MARKET_NAMED_H
#define MARKET_NAMED_H
// The part of a ledger whose trades are named by UUIDs (Bybit): which names the two live days hold,
// what is proven by time, and what a copy of a held trade changes.
//
// Of two copies the one with the larger seq counts: that moves the trade in the set order, so the
// first and the last trade of the day can change (candles are the business of candle.h). A flag
// counts when any copy has it: an archive knows of no flags.
// Copies of one UUID agree in time, price, quantity and side; those of the first one count.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/market/day.h"
#include "common/market/timecover.h"
#include "common/market/uidset.h"

#define NAMED_SECONDS 86400
// Trades of the day's first millisecond that are remembered; beyond that a copy of one of the
// others can not become known as not the first any more.
#define NAMED_FIRST 4096

struct named_day {
    struct uidset ids;
    struct uidset blocks;               // those of ids that are block trades
    uint8_t seconds[NAMED_SECONDS / 8]; // with a trade: bit s % 8 of [s / 8]
    struct trade *first;                // all trades of the day's first millisecond
    size_t n_first, cap_first;
    struct trade_uid *edge; // of a sealed day: all of `ids`, to be stored
    size_t n_edge;
};

struct named {
    struct named_day day[2]; // of the current and the previous day
    struct timecover cover;
    // Trades before it are refused: their names are not all known any more. -1: all are.
    int64_t floor_ms;
    uint64_t revised; // copies that changed a day
};

struct named *named_new(size_t max_ids, size_t max_spans);
void named_free(struct named *m);
void named_clear(struct named *m);
// The current day becomes the previous one (if `adjacent`), the current one empty.
void named_roll(struct named *m, bool adjacent);

// The day's sums came from a summary: of its names only these are known.
void named_seal(struct named_day *n, const struct trade_uid *name, size_t names);
// A trade counted into d.
void named_counted(struct named_day *n, const struct day *d, const struct trade *t);
// A trade whose name is held. True: its seq may be larger than that of the copy held, so that the
// order of trades may have changed.
bool named_copy(struct named *m, struct named_day *n, struct day *d, const struct trade *t);
// The name of a trade that d counted before a restart. As uidset_add(); UIDSET_HELD: a copy.
enum uidset_result named_recall(struct named_day *n, const struct day *d, const struct trade *t);

static inline bool named_second(const struct named_day *n, int64_t second)
{
    return n->seconds[second / 8] >> (second % 8) & 1;
}

#endif
