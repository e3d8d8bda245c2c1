#include "services/api/io/store.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/market/iclock.h"

struct slot {
    pthread_mutex_t lock; // guards the rest; held for a pointer swap, never for work
    struct snap *snap;
    struct iclock clock;
    uint64_t version;
};

struct store {
    size_t n;
    struct instrument *ins;
    struct slot *slot;
    atomic_bool redis_up;
    atomic_int_least64_t confirmed_mono_ms; // INT64_MIN = never
};

struct store *store_new(const struct instrument *ins, size_t n)
{
    struct store *s = xcalloc(1, sizeof *s);
    s->n = n;
    s->ins = xcalloc(n, sizeof *s->ins);
    memcpy(s->ins, ins, n * sizeof *ins);
    s->slot = xcalloc(n, sizeof *s->slot);
    for (size_t i = 0; i < n; i++) {
        pthread_mutex_init(&s->slot[i].lock, NULL);
        s->slot[i].snap = snap_new(&ins[i]);
        iclock_init(&s->slot[i].clock);
    }
    atomic_init(&s->redis_up, false);
    atomic_init(&s->confirmed_mono_ms, INT64_MIN);
    return s;
}

void store_free(struct store *s)
{
    if (!s) {
        return;
    }
    for (size_t i = 0; i < s->n; i++) {
        snap_unref(s->slot[i].snap);
        pthread_mutex_destroy(&s->slot[i].lock);
    }
    free(s->slot);
    free(s->ins);
    free(s);
}

size_t store_count(const struct store *s)
{
    return s->n;
}

const struct instrument *store_instruments(const struct store *s)
{
    return s->ins;
}

void store_publish_take(struct store *s, size_t i, struct snap *snap)
{
    struct slot *slot = &s->slot[i];
    pthread_mutex_lock(&slot->lock);
    struct snap *old = slot->snap;
    snap->version = ++slot->version;
    slot->snap = snap;
    pthread_mutex_unlock(&slot->lock);
    snap_unref(old);
}

void store_clock_seen(struct store *s, size_t i, int64_t ts_ms, int64_t rx_mono_ms)
{
    struct slot *slot = &s->slot[i];
    pthread_mutex_lock(&slot->lock);
    iclock_seen(&slot->clock, ts_ms, rx_mono_ms);
    pthread_mutex_unlock(&slot->lock);
}

struct snap *store_get(struct store *s, size_t i, int64_t mono_ms, int64_t *now_ms)
{
    struct slot *slot = &s->slot[i];
    pthread_mutex_lock(&slot->lock);
    struct snap *snap = snap_ref(slot->snap);
    *now_ms = iclock_now(&slot->clock, mono_ms);
    pthread_mutex_unlock(&slot->lock);
    return snap;
}

void store_set_redis_up(struct store *s, bool up)
{
    atomic_store(&s->redis_up, up);
}

bool store_redis_up(const struct store *s)
{
    return atomic_load(&s->redis_up);
}

void store_set_confirmed(struct store *s, int64_t mono_ms)
{
    atomic_store(&s->confirmed_mono_ms, mono_ms);
}

int64_t store_age_ms(const struct store *s, int64_t mono_ms)
{
    int64_t at = atomic_load(&s->confirmed_mono_ms);
    if (at == INT64_MIN) {
        return -1;
    }
    return mono_ms > at ? mono_ms - at : 0;
}
