#include "services/api/core/snap.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/mem.h"

// The count sits in front of the public part, so that the header needs no atomics.
struct counted {
    atomic_size_t refs;
    struct snap snap;
};

static struct counted *counted_of(struct snap *s)
{
    return (struct counted *)(void *)((char *)s - offsetof(struct counted, snap));
}

struct snap *snap_new(const struct instrument *who)
{
    struct counted *c = xcalloc(1, sizeof *c);
    atomic_init(&c->refs, 1);
    c->snap.who = *who;
    return &c->snap;
}

struct snap *snap_copy(const struct snap *s)
{
    struct counted *c = xcalloc(1, sizeof *c);
    atomic_init(&c->refs, 1);
    c->snap = *s;
    for (size_t i = 0; i < SEC_COUNT_; i++) {
        rhash_ref(c->snap.sec[i]);
    }
    return &c->snap;
}

static void read_units(struct snap *s)
{
    const struct rhash *h = s->sec[SEC_INSTRUMENT];
    size_t n = rhash_count(h);
    s->has_units = false;
    if (n == 0 || n > 64) {
        return;
    }
    const char *kv[128];
    for (size_t i = 0; i < n; i++) {
        kv[2 * i] = rhash_at(h, i)->name;
        kv[2 * i + 1] = rhash_at(h, i)->value;
    }
    s->has_units = instrument_from_fields(&s->who, kv, n, &s->ins, NULL) == 0;
}

void snap_set_take(struct snap *s, enum section sec, struct rhash *h)
{
    rhash_unref(s->sec[sec]);
    s->sec[sec] = h;
    if (sec == SEC_INSTRUMENT) {
        read_units(s);
    }
}

struct snap *snap_ref(struct snap *s)
{
    if (s) {
        atomic_fetch_add_explicit(&counted_of(s)->refs, 1, memory_order_relaxed);
    }
    return s;
}

void snap_unref(struct snap *s)
{
    if (!s) {
        return;
    }
    struct counted *c = counted_of(s);
    if (atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) == 1) {
        for (size_t i = 0; i < SEC_COUNT_; i++) {
            rhash_unref(s->sec[i]);
        }
        free(c);
    }
}

bool snap_is_simulated(const struct snap *s)
{
    return strcmp(rhash_get(s->sec[SEC_INSTRUMENT], "simulated"), "1") == 0 ||
           strcmp(rhash_get(s->sec[SEC_CONTEXT], "simulated"), "1") == 0 ||
           strcmp(rhash_get(s->sec[SEC_METRICS], "simulated"), "1") == 0 ||
           strcmp(rhash_get(s->sec[SEC_MARK], "simulated"), "1") == 0 ||
           strcmp(rhash_get(s->sec[SEC_LIQ], "simulated"), "1") == 0 ||
           strcmp(rhash_get(s->sec[SEC_BOOK], "simulated"), "1") == 0 ||
           strcmp(rhash_get(s->sec[SEC_CVD], "simulated"), "1") == 0;
}

int64_t snap_day_ms(const struct snap *s)
{
    const struct rfield *f = rhash_find(s->sec[SEC_CONTEXT], "day");
    int64_t ms = 0;
    return f && parse_day(f->value, f->vlen, &ms) == 0 ? ms : -1;
}
