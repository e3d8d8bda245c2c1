#ifndef STRATEGY_FOOTPRINT_H
#define STRATEGY_FOOTPRINT_H
// The footprint of one candle: volume per footprint bin, buys and sells apart, with diagonal and
// stacked imbalance.
//
//   buy imbalance at p    buy(p) >= min and buy(p) >= ratio * sell(bin below)
//   sell imbalance at p   sell(p) >= min and sell(p) >= ratio * buy(bin above)
//   stacked               three or more adjacent bins with an imbalance of one side
//
// A neighbour without trades counts as 0, so there the minimum alone decides. A bin with both
// imbalances shows the side with more volume, none when they are equal; stacks see both.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/market/instrument.h"
#include "common/market/minutes.h"

#define FOOTPRINT_STACK 3
#define FOOTPRINT_MAX_ROWS 1000 // more, and the bins become twice as wide until it fits
#define FOOTPRINT_KEEP_MAX 300  // candles

struct footprint_params {
    int64_t bin_ticks; // FOOTPRINT_BIN_TICKS: so many bins of the profile are one
    int64_t ratio_milli;
    int64_t min_qty; // lots
    size_t keep;     // newest candles that have one
};

struct footprint_bin {
    int64_t index; // floor(price / width)
    int64_t buy, sell;
    bool buy_imbalance, sell_imbalance;
};
// From the bins of n rows in any order; *out is new, free() it. *width in profile bins. Returns how
// many.
size_t footprint_make(const struct footprint_params *p, const struct minute *row, size_t n,
                      struct footprint_bin **out, int64_t *width);
// {"footprint_bin":5,"imbalance_ratio":3.000,"imbalance_min_qty":1,"footprint":[{"price":..,"buy_vol":..,"sell_vol":..,"imbalance":..}],
//  "stacked":[{"side":"buy","from":..,"to":..}]}; from/to: lower edges of the first and last bin.
void footprint_to_json(const struct footprint_params *p, const struct instrument *ins,
                       int64_t profile_bin_ticks, const struct minute *row, size_t n,
                       struct buf *out);

#endif
