#ifndef IO_REDIS_LOOKUP_H
#define IO_REDIS_LOOKUP_H
// Where Redis is at this moment, when REDIS_URL names those who know it instead of the place.
//
//   redis+sentinel://  SENTINEL get-master-addr-by-name <master>
//   redis+cluster://   CLUSTER SLOTS; the master of the slot that holds the link's keys
//
// Those named are asked one after the other, beginning with the one that knew it last; what the
// nodes of a cluster tell about each other is remembered, so that it is still found when all that
// the URL names are gone.

#include <stddef.h>

#include "common/io/loop.h"
#include "common/io/redis.h"

#define LOOKUP_NODES 32
#define REDIS_SLOTS 16384

// Slot of a key: CRC-16/XMODEM of its {tag}, or of all of it, modulo 16384 (Redis cluster
// specification, "Key distribution model" and "Hash tags").
unsigned redis_slot(const char *key, size_t n);
// "MOVED 3999 127.0.0.1:6381" as an error says it. False for anything else, and where Redis leaves
// the host out.
bool redis_moved(const char *error, size_t n, struct redis_node *out);

// The masters of a cluster, and which of them has a slot.
struct redis_map {
    struct redis_node node[LOOKUP_NODES];
    size_t n;
    uint8_t owner[REDIS_SLOTS]; // index into node
};

struct redis_lookup;
// `at` NULL: nobody could tell, why says it.
typedef void (*redis_lookup_cb)(void *arg, const struct redis_node *at, const char *why);
// slot_key: any key the link will use; "": any master will do; NULL: all of them are wanted, and
// redis_lookup_map() has them when the callback comes.
struct redis_lookup *redis_lookup_new(struct loop *l, const struct redis_url *url,
                                      const char *slot_key, redis_lookup_cb cb, void *arg);
void redis_lookup_free(struct redis_lookup *x); // NULL is fine
// One answer follows, never from inside this call, unless it is stopped first.
void redis_lookup_start(struct redis_lookup *x);
void redis_lookup_stop(struct redis_lookup *x);
const struct redis_map *redis_lookup_map(const struct redis_lookup *x);
// A node told where the slot went: that is the next answer (where all are wanted: who is asked).
void redis_lookup_hint(struct redis_lookup *x, const struct redis_node *at);

#endif
