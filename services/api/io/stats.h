#ifndef API_STATS_H
#define API_STATS_H
// Counters of the gateway itself, written by many threads, read for Prometheus.

#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"

struct stats;
struct stats *stats_new(void);
void stats_free(struct stats *s);

// One request: index of the route (routes_n = none), HTTP status, time it took.
void stats_request(struct stats *s, size_t route, int status, int64_t took_ns);
uint64_t stats_requests(const struct stats *s);

enum stats_counter {
    STAT_SWEEPS,
    STAT_SWEEPS_FAILED,
    STAT_READS,      // sections read from Redis
    STAT_PATCHES,    // reads of single fields of large hashes
    STAT_PUBLISHED,  // snapshots
    STAT_RECONNECTS, // of the reader connection
    STAT_NOTICES,    // change notices received
    STAT_CONNECTIONS,
    STAT_IDLE_CLOSED, // idle keep-alive connections closed to make room
    STAT_SLOW_CUT,    // connections cut because their answer was not taken in time
    STAT_COUNT_,
};
void stats_add(struct stats *s, enum stats_counter c, uint64_t n);
uint64_t stats_get(const struct stats *s, enum stats_counter c);

// Prometheus exposition.
void stats_text(const struct stats *s, struct buf *out);

#endif
