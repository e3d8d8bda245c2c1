#ifndef IO_REDIS_CLUSTER_H
#define IO_REDIS_CLUSTER_H
// A link to all masters of a cluster at once, behind the same interface as a link to one server:
// each command goes to the master of its key's slot. The whole is up while every master is, and one
// master's death ends it as the death of a single server would: all that was pending counts as
// unanswered, and the map of slots is asked for anew. Only redis.c and redis_send.c call this.

#include "common/io/redis_priv.h"

struct redis_cluster *redis_cluster_new(struct redis *whole);
void redis_cluster_free(struct redis_cluster *c); // NULL is fine
// Connects to every master of the map.
void redis_cluster_connect(struct redis_cluster *c, const struct redis_map *map);
// Gives up all connections; what was pending there gets NULL.
void redis_cluster_drop(struct redis_cluster *c);
// The link for one command in RESP form; a command without a key goes where the last one went.
// NULL: there is none.
struct redis *redis_cluster_route(struct redis_cluster *c, const char *resp, size_t n);
size_t redis_cluster_inflight(const struct redis_cluster *c);
// The key of a command in RESP form; false where it has none.
bool redis_command_key(const char *resp, size_t n, struct slice *key);

#endif
