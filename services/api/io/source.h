#ifndef API_SOURCE_H
#define API_SOURCE_H
// Redis -> snapshots. One connection reads, one listens to change notices; every API_SWEEP_MS the
// versions are compared and the health hashes of the other services read, so that a lost notice
// costs at most that long. After a reconnect everything is read again.

#include "common/io/loop.h"
#include "common/io/redis.h"
#include "services/api/io/stats.h"
#include "services/api/io/store.h"

struct source;
struct source_opts {
    struct loop *loop;
    struct redis_url url;
    const char *instance;
    struct store *store; // borrowed
    struct stats *stats; // borrowed
    int64_t sweep_ms;
    int64_t profile_ms; // shortest time between two full reads of a profile or candle hash
    void (*on_published)(void *arg); // a snapshot was published; may be NULL
    void *arg;
};
struct source *source_new(const struct source_opts *o);
void source_free(struct source *s);
struct redis *source_redis(struct source *s);

#endif
