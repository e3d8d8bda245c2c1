#ifndef MARKET_MINUTES_H
#define MARKET_MINUTES_H
// What was traded in each minute of the current day (and a little before it), per price bin: sums
// over counted trades, so a function of their set whatever order they come in. Footprints and the
// regime's inputs as of the end of any minute are made of it.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/wide.h"
#include "common/market/trade.h"

#define MINUTE_MS INT64_C(60000)
#define MINUTE_BINS_MAX ((size_t)4 << 20) // of all minutes together

struct mbin {
    int64_t index;     // floor(price / bin)
    int64_t buy, sell; // lots
};
struct minute {
    int64_t start_ms;
    int64_t trades, buy, sell;
    u128 sum_pq;         // ticks * lots
    struct u256 sum_ppq; // ticks^2 * lots
    struct mbin *bin;    // ascending
    size_t n, cap;
    bool lost;    // a trade had no room: nothing is to be made of it
    bool unsaved; // since it was stored
    bool unshown; // since footprints were made of it
};

struct minutes {
    int64_t bin_ticks;
    struct minute *row; // ascending
    size_t n, cap;
    size_t at;        // row used last
    size_t bins;      // of all rows
    int64_t keep_ms;  // nothing older is kept
    int64_t dirty_ms; // oldest minute touched since it was reset to INT64_MAX
    int64_t *gone;    // dropped since minutes_gone_clear()
    size_t n_gone, cap_gone;
};

void minutes_init(struct minutes *m, int64_t bin_ticks);
void minutes_release(struct minutes *m);
// A trade that was counted, once.
void minutes_add(struct minutes *m, const struct trade *t);
// Drops what is older; never goes back.
void minutes_keep_from(struct minutes *m, int64_t from_ms);
// The rows of [from_ms, to_ms) of `with` take the place of those here. `with` is released.
void minutes_replace(struct minutes *m, int64_t from_ms, int64_t to_ms, struct minutes *with);
void minutes_gone_clear(struct minutes *m);
// Index of the first row at or after start_ms.
size_t minutes_lower(const struct minutes *m, int64_t start_ms);

// Stored form of one row: "trades buy sell sum_pq sum_ppq;step,buy,sell;..." in the instrument's
// integer units, bins as steps from the one before. ERR_* when it is not that, or contradicts
// itself.
void minute_to_text(const struct minute *r, struct buf *out);
int minutes_restore(struct minutes *m, int64_t start_ms, const char *s, size_t n) MUST_CHECK;
// Rows of `rebuilt` take the place of those here, unless they hold fewer trades (the streams were
// trimmed). `rebuilt` is released.
void minutes_take(struct minutes *m, struct minutes *rebuilt);

#endif
