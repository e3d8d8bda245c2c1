#ifndef IO_REDIS_PRIV_H
#define IO_REDIS_PRIV_H
// What redis.c shares with redis_tx.c and subscriber.c, and nobody else.

#include "common/base/buf.h"
#include "common/io/redis.h"

// Commands in RESP form, one after the other; len[i] bytes each.
struct redis_tx {
    struct buf bytes;
    size_t *len;
    size_t n, cap;
    // HSET being built: its arguments (field and value bulks) and how many fields.
    struct buf hset;
    char *hset_key;
    size_t hset_fields;
};

// Puts the link into subscribe mode (or probes it, when it is there already) by one PSUBSCRIBE.
// From then on no other command may be sent. Every message and confirmation goes to on_push.
int redis_psubscribe(struct redis *r, const char *pattern,
                     void (*on_push)(void *arg, const struct redisReply *reply),
                     void *arg) MUST_CHECK;
struct loop *redis_loop(const struct redis *r);

#endif
