#ifndef SIM_CORE_TAPE_H
#define SIM_CORE_TAPE_H
// A recording in memory: trades and frames in the order in which they were recorded, about 80 bytes
// each plus their text, and per symbol an index of the trades in id order for REST.
//
// Rows of @trade (single fills) become aggregated trades: rows that the venue does not aggregate
// (X other than MARKET, RPI) are left out, the rest is numbered a = first t + index, f = l = t.
// A symbol that has both kinds keeps its aggTrade rows alone. A repeated id is kept once.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"
#include "services/exchange-sim/core/line.h"
#include "services/exchange-sim/core/market.h"

struct tape_stats {
    int64_t lines, bad_lines;
    int64_t excluded;   // fills that the venue does not aggregate
    int64_t repeated;   // copies of an id
    int64_t superseded; // @trade rows of a symbol that has aggTrade rows
    int64_t events;     // frames of other kinds
};

struct tape;
struct tape *tape_new(void);
// One line of a file. dflt_symbol (may be NULL) is used by forms without a symbol. LINE_BAD with
// *why as line_parse(); also when a symbol is needed and unknown.
enum line_kind tape_add_line(struct tape *t, const char *p, size_t n, const char *dflt_symbol,
                             const char **why);
// Before the first line of a file: files are woven together by event time, lines of a file keep
// their order. Without this all lines are one file's.
void tape_next_file(struct tape *t);
// After the last line. ERR_LIMIT when it is larger than a tape holds, ERR_STATE when nothing was
// found. From now on the tape is a market (tape_market).
int tape_finish(struct tape *t, struct err *e) MUST_CHECK;
struct market *tape_market(struct tape *t); // freed with market_free()
const struct tape_stats *tape_stats(const struct tape *t);
size_t tape_len(const struct tape *t); // aggregated trades
int64_t tape_lane_len(const struct tape *t, int lane);
int64_t tape_first_ms(const struct tape *t); // smallest and largest trade time, shift included
int64_t tape_last_ms(const struct tape *t);
// Moves every time by `ms`.
void tape_shift(struct tape *t, int64_t ms);

#endif
