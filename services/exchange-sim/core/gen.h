#ifndef SIM_CORE_GEN_H
#define SIM_CORE_GEN_H
// A market that looks like one, and is a pure function of (seed, symbol, rate, UTC day): whoever
// asks for a day gets the same trades, whenever and however often, so a restarted venue continues
// the same market and REST can look back without anything stored.
//
// One day:
//   1. The open is a slow noise of the day number; the close is the next day's open, so days join.
//   2. Prices per second: a random bridge between them, by halving; the displacement of a segment
//      grows with the square root of its length and the activity of the hour, and the half hours
//      are trending (more of the long displacements) or ranging (less).
//   3. Trades per second: a fixed number per day is spread by activity: hour of day (London, New
//      York and their overlap), the size of the second's move, and rare bursts.
//   4. Trades: side leans with the move, prices are a quote that follows the path in steps,
//      quantity is heavy-tailed, an aggregated trade stands for several fills; now and then a
//      sweep takes many levels within one millisecond.
//
// Ids are contiguous over midnight, as on the venue: id = day number * trades per day + index,
// with the same number of trades on every day. Integer arithmetic only. A day of 691,200 trades
// takes about 50 ms to make and 14 MB to keep; four days per symbol are kept.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"
#include "services/exchange-sim/core/market.h"

#define GEN_TRADES_PER_DAY 691200 // at rate 1: eight a second
#define GEN_MAX_RATE_MILLI 10000

struct gen;
// symbols: comma separated; rate_milli 10..GEN_MAX_RATE_MILLI; the feed starts with the first
// trade at or after from_ms, everything before it counts as released. ERR_RANGE for a bad list.
struct gen *gen_new(uint64_t seed, const char *symbols, int64_t rate_milli, int64_t from_ms,
                    struct err *e) MUST_CHECK;
struct market *gen_market(struct gen *g); // freed with market_free()
int64_t gen_trades_per_day(const struct gen *g);

#endif
