#ifndef MARKET_RUN_H
#define MARKET_RUN_H
// A run: trades that follow each other in the venue's ids and in time within one minute, counted
// into a small table of price bins first and then into the day and each candle at once, bin by bin
// instead of trade by trade. Every border there is (day, opening range, candle) is a border of
// minutes, so a run lies on one side of each; and all sums but the extremes of the running delta
// are sums over its bins, because a run only takes prices that lie on the grid of bins (those of
// the venue do).
//
//   run_init(&run, ledger.ins.bin_ticks);
//   for (size_t i = 0; i < n; i += run.n) {
//       run_take(&run, v + i, n - i);
//       if (!ledger_add_run(&ledger, &run)) {
//           each trade: ledger_add(), and candle_series_add() for every series when counted
//       } else if (!candle_series_add_run(owner, &run)) {
//           each trade: candle_series_add() for every series
//       }
//   }
//
// gives the same state as the functions for one trade, several times as fast when runs are long.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/wide.h"
#include "common/market/trade.h"

#define RUN_MAX 2048  // trades: 112 KB, still in the second-level cache on the next pass
#define RUN_BINS 1024 // a price farther away than half of it from the first begins another run
#define RUN_MINUTE_MS INT64_C(60000)

struct run_bin {
    int64_t buy, volume; // lots
    int64_t trades;      // 0: untouched
};

struct run {
    const struct trade *v; // borrowed: v[0..n-1]
    size_t n;              // 1..RUN_MAX
    // False: the trade (n is 1) is of a kind that is counted one by one, and nothing below is set.
    bool summed;
    int64_t minute_ms; // start of their minute
    int64_t qty, buy;  // lots: all, and where the aggressor bought
    int64_t high, low; // ticks
    int64_t min_delta; // of the running delta, 0 before the first trade included
    int64_t max_delta;
    u128 sum_pq, sum_ppq;
    // The bins base + touched[0..bins-1], each once, in no order.
    int64_t bin_ticks, base;
    size_t bins;
    uint64_t magic; // of bin_ticks
    uint16_t touched[RUN_BINS + 1];
    struct run_bin bin[RUN_BINS];
};

void run_init(struct run *r, int64_t bin_ticks);
// The run that v[0..n-1], n > 0, begins with.
void run_take(struct run *r, const struct trade *v, size_t n);

#endif
