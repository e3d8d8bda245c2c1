#ifndef STRATEGY_RUN_H
#define STRATEGY_RUN_H
// Fields of :strategy and :metrics that describe the run: those that begin with '_', but for the
// positions.

#include "common/io/follow.h"
#include "services/strategy/core/latency.h"
#include "services/strategy/core/strategy.h"

// Inside redis_tx_hset_begin() of :strategy; `text` is scratch.
void run_fields(struct redis_tx *tx, struct strategy *s, const struct follow *f, int64_t clock_ms,
                int64_t wall_ms, struct buf *text);
// Inside that of :metrics.
void run_metrics(struct redis_tx *tx, const struct strategy *s, int64_t window_sec, int64_t wall_ms,
                 const struct latency *latency);

#endif
