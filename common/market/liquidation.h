#ifndef MARKET_LIQUIDATION_H
#define MARKET_LIQUIDATION_H
// One liquidation, its entry on the :liquidations stream, and the numbers that travel as text.
//
// Entry id `<T>-*`, fields in this order: price qty side liquidated price_kind order_price rx_us.
// One whose T lies below the stream's tip gets the tip's ms as its id and its own time in one more
// field, `ts_ms`, at the end: ids only grow, and nothing is lost for that.
//
// Prices are kept as the venue wrote them: an average fill has more decimals than the tick.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/base/str.h"
#include "common/market/trade.h"

#define LIQ_TEXT 24 // bytes of a number with its NUL

struct liquidation {
    int64_t ts_ms; // exchange time
    int64_t rx_us; // receive time, corrected by the venue's offset; no part of the content
    char price[LIQ_TEXT], qty[LIQ_TEXT], order_price[LIQ_TEXT]; // order_price "" = not told
    uint8_t side;    // enum side of the forced order: SIDE_SELL = a long was liquidated
    bool bankruptcy; // price is the bankruptcy price, not the average fill
};

// The same event told twice? Everything but rx_us is compared, numbers by their spelling.
bool liquidation_same(const struct liquidation *a, const struct liquidation *b);

// One entry given its id and field/value slices kv[2*n]. 0 or ERR_* (anyone can write to Redis).
int liquidation_from_entry(struct slice entry_id, const struct slice *kv, size_t pairs,
                           struct liquidation *out) MUST_CHECK;

// A decimal that is kept as text: at most 23 bytes, 10 decimals and what fits 64 bits. REFUSE_NONE,
// REFUSE_ZERO and REFUSE_NEGATIVE say what it is, the others why it is none.
enum refusal number_kind(struct slice s);

// floor(s / 10^-scale) of a number that number_kind() accepts, decimals beyond the scale cut off;
// for a positive one the bin it lies in depends on nothing else. 0 or ERR_*.
int number_floor(const char *s, int scale, int64_t *out) MUST_CHECK;

#endif
