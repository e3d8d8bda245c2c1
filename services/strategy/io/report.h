#ifndef STRATEGY_REPORT_H
#define STRATEGY_REPORT_H
// What the health port says about the workers.

#include <stdbool.h>
#include <stddef.h>

#include "common/base/buf.h"
#include "common/base/json.h"
#include "services/strategy/io/worker.h"

// Flat fields: simulated, and per instrument <name>.ready, .lag_ms, .entries, ...
void report_health(struct worker *const *w, size_t n, struct jw *out);
void report_metrics(struct worker *const *w, size_t n, struct buf *out);

#endif
