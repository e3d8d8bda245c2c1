#ifndef API_CACHE_H
#define API_CACHE_H
// Rendered halves of answers, one per (route, instrument, parameters), valid for one snapshot
// version. The first request after a publication renders, the others share the bytes. Memory is
// bounded: beyond `max_bytes` an answer is rendered for its request alone.

#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "services/api/core/route.h"

struct body {
    size_t n;
    const char *data;
    uint64_t tag; // of a still half: tag_of() its bytes
};
void body_unref(struct body *b); // any thread; NULL is fine

struct cache;
struct cache *cache_new(size_t slots, size_t max_bytes);
void cache_free(struct cache *c);
// answer_still() of `a` for a->snap->version: from memory or rendered now. A reference.
struct body *cache_still(struct cache *c, const struct ask *a);

// Whole responses (header and body) that the requests of one millisecond share, so that a crowd
// asking for the same large answer costs one rendering and no copies.
struct moment {
    int64_t mono_ms;
    bool redis_up;
};
// The response set for the same ask, snapshot version and moment; a reference, or NULL.
struct body *cache_recent(struct cache *c, const struct ask *a, struct moment at);
void cache_set_recent(struct cache *c, const struct ask *a, struct moment at,
                      struct slice response);

struct cache_stats {
    uint64_t hits, renders;
    size_t bytes;
};
void cache_stats(const struct cache *c, struct cache_stats *out);

#endif
