#ifndef STRATEGY_IO_INDICATORS_H
#define STRATEGY_IO_INDICATORS_H
// :minutes, :footprint:<tf> and :regime of one instrument: read at a start, written into the
// worker's transaction.

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/io/redis.h"
#include "services/strategy/core/strategy.h"

struct indicators {
    struct strategy *core; // borrowed
    char footprint_key[N_TF][KEY_MAX], minutes_key[KEY_MAX], regime_key[KEY_MAX];
    bool replace;         // what is stored is not of this state
    bool rewrite;         // footprints and :regime are written anew
    int64_t footprint_ms; // monotonic time of the last write
    int64_t strength_ms;
    uint64_t strength_of; // ledger_changes() it was computed for
    char strength[NUM_TEXT];
    struct buf changed[N_TF]; // footprints in this transaction
    size_t n_changed[N_TF];
    struct redis_tx *tx;
};

void indicators_init(struct indicators *x, const struct instrument *ins, struct strategy *core);
void indicators_release(struct indicators *x);
// A state that begins anew. scratch: nothing stored is to be kept.
void indicators_fresh(struct indicators *x, bool scratch);
// Queues the reads; their replies come before those of commands sent afterwards. 0 or ERR_*.
int indicators_load(struct indicators *x, struct redis *r) MUST_CHECK;

// The strategy_sink's `footprint`, for the time of indicators_flush().
void indicators_put_footprint(struct indicators *x, size_t tf, int64_t start_ms, const char *json,
                              size_t n);
// After strategy_settle(). True when :regime was written.
bool indicators_flush(struct indicators *x, struct redis_tx *tx, const struct strategy_sink *sink,
                      bool caught_up, bool counted, int64_t mono_ms);

#endif
