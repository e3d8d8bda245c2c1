#ifndef CONTEXT_WORKER_H
#define CONTEXT_WORKER_H
// One instrument of the context service: its follow, its state, its keys.

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/io/follow.h"

struct worker;
struct worker_opts {
    struct loop *loop;
    struct redis_url url;
    struct instrument ins;
    size_t max_names; // TRADE_NAMES_MAX
    int64_t flush_ms;
};
struct worker *worker_new(const struct worker_opts *o);
void worker_free(struct worker *w);
void worker_drain(struct worker *w, void (*done)(void *arg), void *arg);
bool worker_is_ready(const struct worker *w, char *why, size_t size);
const char *worker_name(const struct worker *w); // "binance:BTCUSDT"

struct worker_stats {
    struct follow_stats follow;
    const struct promhist *stored; // see follow_stored()
    uint64_t bad, duplicates, too_old, refused;
    int64_t names;             // UUIDs held
    int64_t missing_ms, holes; // of the current day, as last written
    bool simulated;
};
void worker_stats(const struct worker *w, struct worker_stats *out);

#endif
