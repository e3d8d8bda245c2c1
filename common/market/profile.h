#ifndef MARKET_PROFILE_H
#define MARKET_PROFILE_H
// Volume profile: per price bin the volume, aggressor buy and sell volume and trade count, with
// the point of control kept incrementally (volumes only grow, so the new POC is the old one or
// the bin just touched: no sort, no scan). Bins live in pages of 1024, found through a directory,
// so a far-off print costs one page and the rate does not depend on the number of bins. At most
// PROFILE_MAX_PAGES pages; a trade that would need another is refused (ERR_LIMIT).
//
// bin index = floor(price / bin_ticks), zero-anchored. All volumes are lots.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"

#define PROFILE_MAX_PAGES 4096

struct bin {
    int64_t buy, sell; // lots; volume = buy + sell, checked to fit
    int64_t trades;
};

struct profile; // opaque

struct profile *profile_new(int64_t bin_ticks);
void profile_free(struct profile *p);
void profile_clear(struct profile *p, int64_t bin_ticks);
int64_t profile_bin_ticks(const struct profile *p);
// Adds one trade, price >= 0, qty > 0. 0, ERR_OVERFLOW or ERR_LIMIT (nothing changed).
int profile_add(struct profile *p, int64_t price, int64_t qty, bool is_buy) MUST_CHECK;
// Sets one bin outright (restoring stored state); a bin without trades is ERR_RANGE.
int profile_set(struct profile *p, int64_t bin_index, struct bin b) MUST_CHECK;
struct bin profile_get(const struct profile *p, int64_t bin_index);    // zeros when untouched
size_t profile_bins(const struct profile *p);                          // bins with trades
bool profile_range(const struct profile *p, int64_t *lo, int64_t *hi); // traded bins; false: none

// POC bin index (largest volume; tie -> lower price). False when there is no trade.
bool profile_poc(const struct profile *p, int64_t *bin_index);
// Value area by the pair rule of metrics definitions ("value area"): bin indexes of the lowest
// and highest bin included. Runs in bins of the area + pages touched. False: no trade.
bool profile_value_area(const struct profile *p, int64_t *val_index, int64_t *vah_index);

// Ascending walk over bins with trades, from index `from` on. True and *index,*b for the next.
bool profile_next(const struct profile *p, int64_t from, int64_t *index, struct bin *b);
// The n <= cap largest bins by volume (tie -> lower price), rank order. Returns how many.
size_t profile_top(const struct profile *p, size_t cap, int64_t *index_out, struct bin *bin_out);
// Bins changed since the last profile_mark_clean(): cb per bin, any order. Marks nothing.
void profile_dirty(const struct profile *p,
                   void (*cb)(void *arg, int64_t index, const struct bin *b), void *arg);
void profile_mark_clean(struct profile *p);
// Everything is dirty again (the stored copy is to be rewritten).
void profile_mark_all_dirty(struct profile *p);

#endif
