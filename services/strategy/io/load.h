#ifndef STRATEGY_LOAD_H
#define STRATEGY_LOAD_H
// Stored :strategy and :candles:<tf> back into memory. Never trusts what it reads.

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/io/stream.h"
#include "services/strategy/core/strategy.h"

struct redisReply;

struct strategy_stored {
    bool found;
    int64_t day_ms; // current day, -1 = none
    char pos_trades[STREAM_ID_MAX], pos_history[STREAM_ID_MAX];
    struct buf ids, stale;
    uint64_t ver, duplicates, too_old, bad, reloads;
    int64_t newest_rx_us, session_ms; // -1 = no session seen
};
void strategy_stored_init(struct strategy_stored *s);
void strategy_stored_release(struct strategy_stored *s);
// From HGETALL of :strategy; an empty hash gives an empty state. ERR_* with the field named.
int strategy_stored_take(struct strategy_stored *s, const struct instrument *ins,
                         const struct redisReply *reply, struct err *e) MUST_CHECK;
// The configured parameters of footprints and regime, in the units of the instrument; foot->keep 0:
// the defaults of both. The two decimals may be NULL (0).
void strategy_params(struct strategy *s, const struct footprint_params *foot,
                     const struct regime_params *regime, const char *imbalance_min,
                     const char *regime_min_volume);
// From HGETALL of :candles:<tf>.
int strategy_take_candles(struct strategy *s, size_t tf, const struct redisReply *reply,
                          struct err *e) MUST_CHECK;

#endif
