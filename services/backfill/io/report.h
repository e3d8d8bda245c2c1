#ifndef BACKFILL_REPORT_H
#define BACKFILL_REPORT_H
// What the service says about itself: /health, /ready, /metrics. `arg` is the struct app.

#include <stddef.h>

#include "common/base/buf.h"
#include "common/base/json.h"

void report_health(void *arg, struct jw *w);
void report_ready(void *arg, char *why, size_t size);
void report_metrics(void *arg, struct buf *out);

#endif
