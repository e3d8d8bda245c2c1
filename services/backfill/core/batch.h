#ifndef BACKFILL_BATCH_H
#define BACKFILL_BATCH_H
// Trades in ascending id order become :history entries of consecutive ids: a run is cut where an
// id is missing, after BATCH_ROWS rows or BATCH_BYTES bytes. An entry claims exactly the ids whose
// trades it holds.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/market/trade.h"

#define BATCH_ROWS 512
#define BATCH_BYTES 32768

typedef void (*batch_emit)(void *arg, const struct history *h);

struct batch {
    struct buf data;
    struct history h; // of the run under way; n == 0: none
    char source[32];
    batch_emit emit;
    void *arg;
};

void batch_init(struct batch *b, const char *source, batch_emit emit, void *arg);
void batch_release(struct batch *b); // drops an unfinished run
// price and qty need not end with a NUL. False: the id does not lie above the one before.
bool batch_add(struct batch *b, int64_t ts_ms, int64_t id, struct slice price, struct slice qty,
               enum side side);
void batch_flush(struct batch *b);

#endif
