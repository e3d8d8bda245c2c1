#ifndef SUPPORT_FILL_H
#define SUPPORT_FILL_H
// A seeded market written to the two streams with everything that goes wrong in one: trades that
// come late through :history (some older than any memory, some of yesterday), copies on both
// streams, ids that never come. And the state of a service as text, to be compared.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/support/with_redis.h"

#define FILL_KEY "bc4:{binance:BTCUSDT}:"

struct fill {
    uint64_t rng;
    size_t n;        // trades of the market
    size_t next;     // the next one to write
    int64_t from_ms; // first trade; the others follow within span_ms
    int64_t span_ms;
    size_t *late; // indexes kept back for :history, [n_late]
    size_t n_late;
};
void fill_init(struct fill *f, uint64_t seed, size_t n, int64_t from_ms, int64_t span_ms);
void fill_release(struct fill *f);
// Writes :instrument.
void fill_instrument(struct with_redis *w);
// The next `count` trades, with the accidents that belong to them. False: all is written.
bool fill_some(struct fill *f, struct with_redis *w, size_t count);
// What is still kept back, newest first.
void fill_finish(struct fill *f, struct with_redis *w);
// 0..n-1
uint64_t fill_random(struct fill *f, uint64_t n);

// Sorted lines "key field value" of all hashes whose key matches one of `patterns` (NULL-ended),
// without fields that begin with '_'; inside a candle what begins with "_" is cut off too.
// malloc'd.
char *state_text(struct with_redis *w, const char *const *patterns);

// A child process that runs `run` (which never returns); SIGKILLed with its parent.
pid_t child_start(void (*run)(void *arg), void *arg);
void child_kill(pid_t pid);

#endif
