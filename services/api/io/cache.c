#include "services/api/io/cache.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "services/api/io/tag.h"

#define BODY_MAX_BYTES ((size_t)64 << 20)

struct counted {
    struct body body; // first: a body pointer is a counted pointer
    atomic_size_t refs;
    char bytes[];
};

struct key {
    size_t route, instrument;
    int64_t num[ROUTE_PARAMS], list[PARAM_LIST_MAX];
};

struct entry {
    pthread_mutex_t lock; // held while rendering: the others want the same bytes
    struct key key;
    uint64_t version;
    struct counted *body; // NULL = empty
    // The last whole response of the same key; NULL = none.
    struct counted *recent;
    uint64_t recent_version;
    struct moment at;
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

static void release(struct counted *b)
{
    if (b) {
        body_unref(&b->body);
    }
}

static struct body *hold(struct counted *b)
{
    atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
    return &b->body;
}

static struct counted *counted_new(const char *p, size_t n)
{
    struct counted *c = xmalloc(sizeof *c + n);
    atomic_init(&c->refs, 1);
    memcpy(c->bytes, p, n);
    c->body = (struct body){n, c->bytes, 0};
    return c;
}

void cache_free(struct cache *c)
{
    if (!c) {
        return;
    }
    for (size_t i = 0; i < c->slots; i++) {
        pthread_mutex_destroy(&c->entry[i].lock);
        release(c->entry[i].body);
        release(c->entry[i].recent);
    }
    free(c);
}

static struct counted *render(const struct ask *a)
{
    struct buf b;
    buf_init(&b, BODY_MAX_BYTES);
    answer_still(a, &b);
    struct counted *c = counted_new(buf_ptr(&b), b.failed ? 0 : buf_len(&b));
    c->body.tag = route_is_still(a->q->route) ? tag_of(c->bytes, c->body.n) : 0;
    buf_release(&b);
    return c;
}

static uint64_t mix(uint64_t h, uint64_t v)
{
    h = (h ^ v) * UINT64_C(0x9E3779B97F4A7C15);
    return h ^ (h >> 29);
}

static struct entry *find(struct cache *c, const struct ask *a, struct key *key)
{
    *key = (struct key){route_index(a->q->route), a->q->instrument, {0}, {0}};
    uint64_t h = mix(mix(1, key->route), key->instrument);
    for (size_t i = 0; i < ROUTE_PARAMS; i++) {
        key->num[i] = a->q->num[i];
        h = mix(h, (uint64_t)key->num[i]);
    }
    for (size_t i = 0; i < PARAM_LIST_MAX; i++) {
        key->list[i] = a->q->list[i];
        h = mix(h, (uint64_t)key->list[i]);
    }
    return &c->entry[h % c->slots];
}

// Puts `made` (NULL = nothing) where *at was, if the bound allows. e->lock is held; the old one is
// returned for release after unlocking.
static struct counted *swap(struct cache *c, struct counted **at, struct counted *made)
{
    struct counted *old = *at;
    size_t freed = old ? old->body.n : 0, n = made ? made->body.n : 0;
    *at = NULL;
    atomic_fetch_sub(&c->bytes, freed);
    if (made && atomic_fetch_add(&c->bytes, n) + n > c->max_bytes) {
        atomic_fetch_sub(&c->bytes, n);
    } else if (made) {
        (void)hold(made);
        *at = made;
    }
    return old;
}

struct body *cache_still(struct cache *c, const struct ask *a)
{
    struct key key;
    struct entry *e = find(c, a, &key);
    pthread_mutex_lock(&e->lock);
    bool same = memcmp(&e->key, &key, sizeof key) == 0;
    if (same && e->body && e->version == a->snap->version) {
        struct body *hit = hold(e->body);
        pthread_mutex_unlock(&e->lock);
        atomic_fetch_add_explicit(&c->hits, 1, memory_order_relaxed);
        return hit;
    }
    atomic_fetch_add_explicit(&c->renders, 1, memory_order_relaxed);
    struct counted *made = render(a), *old = NULL, *recent = NULL;
    // A request that holds an older snapshot than the cache leaves the newer bytes there.
    if (!same || !e->body || e->version < a->snap->version) {
        if (!same) {
            recent = swap(c, &e->recent, NULL);
        }
        old = swap(c, &e->body, made);
        e->key = key;
        e->version = a->snap->version;
    }
    pthread_mutex_unlock(&e->lock);
    release(old);
    release(recent);
    return &made->body;
}

struct body *cache_recent(struct cache *c, const struct ask *a, struct moment at)
{
    struct key key;
    struct body *hit = NULL;
    struct entry *e = find(c, a, &key);
    pthread_mutex_lock(&e->lock);
    if (e->recent && e->recent_version == a->snap->version && e->at.mono_ms == at.mono_ms &&
        e->at.redis_up == at.redis_up && memcmp(&e->key, &key, sizeof key) == 0) {
        hit = hold(e->recent);
    }
    pthread_mutex_unlock(&e->lock);
    if (hit) {
        atomic_fetch_add_explicit(&c->hits, 1, memory_order_relaxed);
    }
    return hit;
}

void cache_set_recent(struct cache *c, const struct ask *a, struct moment at, struct slice response)
{
    struct key key;
    struct entry *e = find(c, a, &key);
    struct counted *made = counted_new(response.p, response.n), *old = NULL;
    pthread_mutex_lock(&e->lock);
    if (memcmp(&e->key, &key, sizeof key) == 0 && e->version == a->snap->version) {
        old = swap(c, &e->recent, made);
        e->recent_version = a->snap->version;
        e->at = at;
    }
    pthread_mutex_unlock(&e->lock);
    release(old);
    release(made);
}

void cache_stats(const struct cache *c, struct cache_stats *out)
{
    out->hits = atomic_load(&c->hits);
    out->renders = atomic_load(&c->renders);
    out->bytes = atomic_load(&c->bytes);
}
