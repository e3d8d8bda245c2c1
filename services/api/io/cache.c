#include "services/api/io/cache.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"

#define BODY_MAX_BYTES ((size_t)64 << 20)

struct counted {
    struct body body; // first: a body pointer is a counted pointer
    atomic_size_t refs;
    char bytes[];
};

struct key {
    size_t route, instrument;
    int64_t num[ROUTE_PARAMS];
};

struct entry {
    pthread_mutex_t lock; // held while rendering: the others want the same bytes
    struct key key;
    uint64_t version;
    struct counted *body; // NULL = empty
};

struct cache {
    size_t slots, max_bytes;
    atomic_size_t bytes;
    atomic_uint_least64_t hits, renders;
    struct entry entry[];
};

struct cache *cache_new(size_t slots, size_t max_bytes)
{
    struct cache *c = xcalloc(1, sizeof *c + slots * sizeof c->entry[0]);
    c->slots = slots;
    c->max_bytes = max_bytes;
    for (size_t i = 0; i < slots; i++) {
        pthread_mutex_init(&c->entry[i].lock, NULL);
    }
    return c;
}

void body_unref(struct body *b)
{
    struct counted *c = (struct counted *)(void *)b;
    if (c && atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) == 1) {
        free(c);
    }
}

void cache_free(struct cache *c)
{
    if (!c) {
        return;
    }
    for (size_t i = 0; i < c->slots; i++) {
        pthread_mutex_destroy(&c->entry[i].lock);
        if (c->entry[i].body) {
            body_unref(&c->entry[i].body->body);
        }
    }
    free(c);
}

static struct counted *render(const struct ask *a)
{
    struct buf b;
    buf_init(&b, BODY_MAX_BYTES);
    answer_still(a, &b);
    size_t n = b.failed ? 0 : buf_len(&b);
    struct counted *c = xmalloc(sizeof *c + n);
    atomic_init(&c->refs, 1);
    memcpy(c->bytes, buf_ptr(&b), n);
    c->body = (struct body){n, c->bytes};
    buf_release(&b);
    return c;
}

static uint64_t mix(uint64_t h, uint64_t v)
{
    h = (h ^ v) * UINT64_C(0x9E3779B97F4A7C15);
    return h ^ (h >> 29);
}

struct body *cache_still(struct cache *c, const struct ask *a)
{
    struct key key = {route_index(a->q->route), a->q->instrument, {0}};
    uint64_t h = mix(mix(1, key.route), key.instrument);
    for (size_t i = 0; i < ROUTE_PARAMS; i++) {
        key.num[i] = a->q->num[i];
        h = mix(h, (uint64_t)key.num[i]);
    }
    struct entry *e = &c->entry[h % c->slots];
    pthread_mutex_lock(&e->lock);
    bool same = e->body && memcmp(&e->key, &key, sizeof key) == 0;
    if (same && e->version == a->snap->version) {
        struct counted *hit = e->body;
        atomic_fetch_add_explicit(&hit->refs, 1, memory_order_relaxed);
        pthread_mutex_unlock(&e->lock);
        atomic_fetch_add_explicit(&c->hits, 1, memory_order_relaxed);
        return &hit->body;
    }
    atomic_fetch_add_explicit(&c->renders, 1, memory_order_relaxed);
    struct counted *made = render(a), *old = e->body;
    size_t freed = old ? old->body.n : 0;
    if (same && e->version > a->snap->version) {
        // This request holds an older snapshot than the cache: leave the newer bytes there.
        pthread_mutex_unlock(&e->lock);
        return &made->body;
    }
    if (atomic_load(&c->bytes) - freed + made->body.n <= c->max_bytes) {
        atomic_fetch_add(&c->bytes, made->body.n - freed); // wraps as it should when it shrinks
        atomic_fetch_add_explicit(&made->refs, 1, memory_order_relaxed);
        e->key = key;
        e->version = a->snap->version;
        e->body = made;
    } else {
        atomic_fetch_sub(&c->bytes, freed);
        e->body = NULL;
    }
    pthread_mutex_unlock(&e->lock);
    if (old) {
        body_unref(&old->body);
    }
    return &made->body;
}

void cache_stats(const struct cache *c, struct cache_stats *out)
{
    out->hits = atomic_load(&c->hits);
    out->renders = atomic_load(&c->renders);
    out->bytes = atomic_load(&c->bytes);
}
