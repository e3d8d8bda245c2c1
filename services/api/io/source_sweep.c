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
    {SEC_CVD, "_ver", BIT(SEC_CVD) | BIT(SEC_CVD_MINUTES)},
    {SEC_INDICATORS, "_ver", BIT(SEC_INDICATORS) | BIT(SEC_SECONDS)},
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

static void end_sweep(struct source *s)
{
    s->sweeping = false;
    if (s->sweep_failed) {
        stats_add(s->o.stats, STAT_SWEEPS_FAILED, 1);
    } else {
        take_health(s, s->health);
    }
    for (size_t k = 0; k < s->services; k++) {
        rhash_unref(s->health[k]);
        s->health[k] = NULL;
    }
    if (s->sweep_failed) {
        return;
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

static void on_look(struct redis *r, const struct redisReply *reply, void *arg)
{
    const struct look *l = arg;
    struct source *s = l->src;
    (void)r;
    if (reply == NULL || reply->type == REDIS_REPLY_ERROR) {
        s->sweep_failed = true;
    } else if (l->inst == s->n) {
        s->health[l->what] = reply_hash(reply);
    } else {
        struct inst *in = &s->inst[l->inst];
        const struct rhash *h = in->cur->sec[WATCHED[l->what].sec];
        if (!slice_eq(reply_text(reply), rhash_get(h, WATCHED[l->what].field))) {
            in->dirty |= WATCHED[l->what].stale;
        }
    }
    if (--s->looks_left == 0) {
        end_sweep(s);
    }
}

// Questions of their own, not one transaction: in a cluster they go to many nodes.
static void look_at(struct source *s, size_t at, size_t inst, size_t what, size_t argc,
                    const struct slice *argv)
{
    s->look[at] = (struct look){.src = s, .inst = inst, .what = what};
    if (redis_argv(s->redis, on_look, &s->look[at], argc, argv) == 0) {
        s->looks_left++;
    } else {
        s->sweep_failed = true;
    }
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
    char key[KEY_MAX];
    s->sweep_failed = false;
    s->looks_left = 1; // ours: nobody ends it before everything is asked
    for (size_t i = 0; i < s->n; i++) {
        for (size_t k = 0; k < N_WATCHED; k++) {
            source_section_key(&s->inst[i], WATCHED[k].sec, key);
            look_at(s, i * N_WATCHED + k, i, k, 3,
                    (struct slice[]){slice_of("HGET"), slice_of(key), slice_of(WATCHED[k].field)});
        }
    }
    for (size_t k = 0; k < s->services; k++) {
        (void)str_fmt(key, sizeof key, "bc4:health:%s", s->service[k]);
        look_at(s, s->n * N_WATCHED + k, s->n, k, 2,
                (struct slice[]){slice_of("HGETALL"), slice_of(key)});
    }
    s->sweep_sent_ms = loop_mono_ms(s->o.loop);
    if (--s->looks_left == 0) {
        end_sweep(s);
    }
}

void source_sweep_init(struct source *s)
{
    s->look = xcalloc(s->n * N_WATCHED + SERVICES_MAX, sizeof *s->look);
}

void source_sweep_release(struct source *s)
{
    free(s->look);
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
