#ifndef STRATEGY_REGIME_H
#define STRATEGY_REGIME_H
// Trend or range, decided once per complete 1m candle of the day with hysteresis (metrics
// definitions, "Session, regime, gates"). Every step looks at the day as it was at the end of its
// minute: price = close of that candle, VWAP, sigma and value area over the trades of the day up to
// there. So the steps are a function of the set of trades; a late trade changes the steps from its
// minute on, and they are made again.
//
// Each share is held with 24 decimals, the score is rounded half-even to 8, and it is the rounded
// score that is compared with the thresholds.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/market/candle.h"
#include "common/market/day.h"
#include "common/market/instrument.h"
#include "common/market/minutes.h"

#define REGIME_SHARES 4     // path, distance, delta, outside: a, b, c, d of the definition
#define REGIME_SURE_FROM 10 // candles; fewer, and the confidence is REGIME_UNSURE at most
#define REGIME_UNSURE_E8 30000000

struct regime_params {
    int64_t weight_e8[REGIME_SHARES];
    int64_t trend_e8, range_e8; // range < trend
    size_t candles;             // looked back on
    int64_t min_volume;         // lots
};
extern const struct regime_params regime_defaults; // min_volume 0

struct regime_step {
    int64_t start_ms, close;
    int64_t buy, sell;  // of its minute
    u128 sum_q, sum_pq; // of the day up to its end
    struct u256 sum_ppq;
    int64_t val, vah;          // bins
    u128 share[REGIME_SHARES]; // 10^-24
    int64_t score_e8;
    bool trend;
};

struct regime {
    struct regime_params p;
    int64_t day_ms;
    struct regime_step *v;
    size_t n, cap;
    struct profile *profile; // of the day up to acc_ms
    int64_t acc_ms;          // end of the newest minute in it
    int64_t dirty_ms;        // candles from here on changed
    bool known;              // every trade of the day is in the minutes
    // What events said last; the day's beginning counts as `range`.
    bool told_trend;
    int64_t told_ms; // newest candle looked at then; -1 none
};

void regime_init(struct regime *g, int64_t bin_ticks);
void regime_release(struct regime *g);
// A candle of that start came out different.
void regime_revised(struct regime *g, int64_t start_ms);
// Makes the steps that are missing. trades: of the day, as counted. True when there is a new or
// changed step. *m's dirty_ms is taken note of and reset.
bool regime_update(struct regime *g, struct minutes *m, const struct candle_series *one_minute,
                   int64_t day_ms, uint64_t trades);
// Changes since they were told last, in order; at_ms is the end of the candle that decided.
typedef void (*regime_cb)(void *arg, bool trend, const struct regime_step *step, int64_t at_ms);
void regime_tell(struct regime *g, regime_cb cb, void *arg);

// Fields of :regime. judged and missing: ms of the day.
void regime_fields(const struct regime *g, const struct instrument *ins, int64_t judged_ms,
                   int64_t missing_ms, field_sink sink, void *arg);
// Gini coefficient of a day's bins from its low to its high, empty ones included; 8 decimals, ""
// for no trade.
void profile_strength(const struct profile *p, char out[NUM_TEXT]);

#endif
