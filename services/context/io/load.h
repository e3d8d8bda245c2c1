#ifndef CONTEXT_LOAD_H
#define CONTEXT_LOAD_H
// Stored :context and :coverage back into memory. Never trusts what it reads.

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/io/stream.h"
#include "common/market/instrument.h"
#include "services/context/core/holes.h"

struct redisReply;

struct context_stored {
    bool found;     // something was stored
    int64_t day_ms; // current day, -1 = none
    char pos_trades[STREAM_ID_MAX], pos_history[STREAM_ID_MAX];
    struct buf ids;
    uint64_t ver, duplicates, too_old, bad, reloads;
    int64_t newest_rx_us;
};
void context_stored_init(struct context_stored *s);
void context_stored_release(struct context_stored *s);
// From HGETALL of :context; an empty hash gives an empty state. ERR_* with the field named.
int context_stored_take(struct context_stored *s, const struct instrument *ins,
                        const struct redisReply *reply, struct err *e) MUST_CHECK;
// From HMGET _reasons _repaired of :coverage. What can not be read is left out: it only explains.
void holes_take(struct holes *h, const struct redisReply *reply);

#endif
