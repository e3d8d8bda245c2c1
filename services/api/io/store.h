#ifndef API_STORE_H
#define API_STORE_H
// The newest snapshot of each instrument, handed from the I/O thread to the threads that answer.
// A publication swaps a pointer; a reader takes a reference. Nobody ever waits for Redis.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "services/api/core/snap.h"

struct store;

// n >= 1 instruments, copied; every one starts with an empty snapshot.
struct store *store_new(const struct instrument *ins, size_t n);
void store_free(struct store *s);
size_t store_count(const struct store *s);
const struct instrument *store_instruments(const struct store *s);

// Publishes (takes the reference); gives it the next version.
void store_publish_take(struct store *s, size_t i, struct snap *snap);
// An exchange time of instrument i that was current at rx_mono_ms.
void store_clock_seen(struct store *s, size_t i, int64_t ts_ms, int64_t rx_mono_ms);
// Newest snapshot (a reference, never NULL) and the instrument clock (-1 unknown).
struct snap *store_get(struct store *s, size_t i, int64_t mono_ms, int64_t *now_ms);

void store_set_redis_up(struct store *s, bool up);
bool store_redis_up(const struct store *s);
// The snapshots equalled Redis at mono_ms.
void store_set_confirmed(struct store *s, int64_t mono_ms);
// Milliseconds since then; -1 = never.
int64_t store_age_ms(const struct store *s, int64_t mono_ms);

#endif
