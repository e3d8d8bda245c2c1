#ifndef API_TAIL_H
#define API_TAIL_H
// The newest entries of :trades, :events and :liquidations of each instrument, read from Redis on
// the loop's thread, handed to the threads that answer and push.

#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/io/loop.h"
#include "common/io/redis.h"
#include "services/api/core/channel.h"
#include "services/api/core/recent.h"
#include "services/api/core/route.h"
#include "services/api/io/store.h"

struct tail;
struct tail_opts {
    struct loop *loop;
    struct redis_url url;
    struct store *store; // instruments, and their units
    size_t max_trades;   // kept per instrument; events and liquidations: 1000 each
    // Called on the loop's thread after new entries were taken. May be NULL.
    void (*on_entries)(void *arg);
    void *arg;
};
// Thread-safe from here on, even before tail_start().
struct tail *tail_new(const struct tail_opts *o);
void tail_start(struct tail *t); // on the loop's thread
void tail_free(struct tail *t);  // on the loop's thread

// The newest entries, newest first, not older than from_ms: JSON objects, comma separated. How
// many.
size_t tail_newest(struct tail *t, size_t instrument, enum list_kind kind, size_t limit,
                   int64_t from_ms, struct buf *out);

void tail_sum(struct tail *t, size_t instrument, int64_t from_ms, struct recent_stats *out);

// ---- for the push channels ----------------------------------------------------------------------
// Number of the newest entry; 0 = none ever.
uint64_t tail_seq(struct tail *t, size_t instrument, enum list_kind kind);
// Entries behind number `after`, at most `limit`, oldest first. *first, *last: their numbers (last
// < first: none). When entries behind `after` are gone, *first is beyond after + 1. `last_id` gets
// the stream id of the last one.
void tail_since(struct tail *t, size_t instrument, enum list_kind kind, uint64_t after,
                size_t limit, struct buf *out, uint64_t *first, uint64_t *last, char last_id[40]);
// Number of the entry with this stream id, or of the newest one below it; -1: everything held is
// newer.
int64_t tail_find(struct tail *t, size_t instrument, enum list_kind kind, const char *id);

#endif
