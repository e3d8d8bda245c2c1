// The sweep: a lost notice costs at most API_SWEEP_MS, because versions are compared so often; the
// health hashes of the other services, which send no notices, are read by it alone.

#include "services/api/io/source_inner.h"

#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "services/api/io/reply.h"

static const struct {
    enum section sec;
    const char *field;
    unsigned stale; // what to read again when it differs
} WATCHED[] = {
    {SEC_INSTRUMENT, "_updated_ms", BIT(SEC_INSTRUMENT)},
    {SEC_CONTEXT, "_ver", BIT(SEC_CONTEXT) | DAY_SECTIONS},
    {SEC_COVERAGE, "_ver", BIT(SEC_COVERAGE)},
    {SEC_STRATEGY, "_ver",
     BIT(SEC_STRATEGY) | BIT(SEC_CANDLES_1M) | BIT(SEC_CANDLES_5M) | FOOTPRINTS | BIT(SEC_REGIME)},
    {SEC_METRICS, "_ver", BIT(SEC_METRICS)},
    {SEC_LIQ, "_ver", BIT(SEC_LIQ)},
    {SEC_MARK, "_ver", BIT(SEC_MARK)},
    {SEC_BACKFILL, "_ver", BIT(SEC_BACKFILL)},
    {SEC_BOOK, "_ver", BIT(SEC_BOOK)},
};
#define N_WATCHED (sizeof WATCHED / sizeof WATCHED[0])

static bool serves(const struct rhash *h, const struct instrument *who)
{
    char field[96];
    return str_fmt(field, sizeof field, "%s.trades_connected", who->name) && rhash_find(h, field);
}

// Health hashes of all services -> feed and liveness of each instrument.
static void take_health(struct source *s, struct rhash *const *h)
{
    bool context = false, strategy = false;
    for (size_t k = 0; k < s->services; k++) {
        bool alive = rhash_count(h[k]) > 0;
        context = context || (alive && str_starts(s->service[k], "context:"));
        strategy = strategy || (alive && str_starts(s->service[k], "strategy:"));
    }
    for (size_t i = 0; i < s->n; i++) {
        struct inst *in = &s->inst[i];
        struct rhash *feed = NULL;
        for (size_t k = 0; k < s->services && !feed; k++) {
            if (str_starts(s->service[k], "collector:") && serves(h[k], in->who)) {
                feed = h[k];
            }
        }
        if (rhash_equal(feed, in->cur->sec[SEC_FEED]) && in->cur->context_up == context &&
            in->cur->strategy_up == strategy) {
            continue;
        }
        struct snap *next = snap_copy(in->cur);
        snap_set_take(next, SEC_FEED, rhash_ref(feed));
        next->context_up = context;
        next->strategy_up = strategy;
        source_publish_take(in, next);
    }
}

static void on_swept(struct redis *r, const struct redisReply *reply, void *arg)
{
    struct source *s = arg;
    char why[128];
    (void)r;
    s->sweeping = false;
    if (redis_exec_failed(reply, why, sizeof why) ||
        reply->elements != s->n * N_WATCHED + s->services) {
        stats_add(s->o.stats, STAT_SWEEPS_FAILED, 1);
        return;
    }
    size_t k = 0;
    for (size_t i = 0; i < s->n; i++) {
        struct inst *in = &s->inst[i];
        for (size_t j = 0; j < N_WATCHED; j++, k++) {
            struct slice got = reply_text(reply->element[k]);
            if (!slice_eq(got, rhash_get(in->cur->sec[WATCHED[j].sec], WATCHED[j].field))) {
                in->dirty |= WATCHED[j].stale;
            }
        }
    }
    struct rhash *health[SERVICES_MAX];
    for (size_t j = 0; j < s->services; j++) {
        health[j] = reply_hash(reply->element[k + j]);
    }
    take_health(s, health);
    for (size_t j = 0; j < s->services; j++) {
        rhash_unref(health[j]);
    }
    if (s->sweep_sent_ms >= s->reload_ms) {
        s->reload_ms = s->sweep_sent_ms + SOURCE_RELOAD_MS;
        source_all_dirty(s);
    }
    stats_add(s->o.stats, STAT_SWEEPS, 1);
    store_set_confirmed(s->o.store, s->sweep_sent_ms);
    store_set_redis_up(s->o.store, true);
    source_read_due(s);
}

static void on_services(struct redis *r, const struct redisReply *reply, void *arg)
{
    struct source *s = arg;
    (void)r;
    s->services = 0;
    if (!reply || reply->type != REDIS_REPLY_ARRAY) {
        s->sweeping = false;
        stats_add(s->o.stats, STAT_SWEEPS_FAILED, 1);
        return;
    }
    for (size_t k = 0; k < reply->elements && s->services < SERVICES_MAX; k++) {
        struct slice name = reply_text(reply->element[k]);
        if (str_copyn(s->service[s->services], sizeof s->service[0], name.p, name.n)) {
            s->services++;
        }
    }
    redis_tx_begin(s->tx);
    for (size_t i = 0; i < s->n; i++) {
        for (size_t j = 0; j < N_WATCHED; j++) {
            char key[KEY_MAX];
            source_section_key(&s->inst[i], WATCHED[j].sec, key);
            redis_tx_argv(
                s->tx, 3,
                (struct slice[]){slice_of("HGET"), slice_of(key), slice_of(WATCHED[j].field)});
        }
    }
    for (size_t k = 0; k < s->services; k++) {
        char key[128];
        (void)str_fmt(key, sizeof key, "bc4:health:%s", s->service[k]);
        redis_tx_argv(s->tx, 2, (struct slice[]){slice_of("HGETALL"), slice_of(key)});
    }
    s->sweep_sent_ms = loop_mono_ms(s->o.loop);
    if (redis_tx_exec(s->redis, s->tx, on_swept, s) != 0) {
        s->sweeping = false;
    }
}

void source_sweep(void *arg)
{
    struct source *s = arg;
    if (s->sweeping || !redis_is_up(s->redis)) {
        return;
    }
    if (redis_cmd(s->redis, on_services, s, "ZREVRANGE bc4:services 0 %d", SERVICES_MAX - 1) == 0) {
        s->sweeping = true;
    }
}
