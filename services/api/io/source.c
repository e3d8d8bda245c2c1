#include "services/api/io/source.h"

#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "services/api/io/patch.h"
#include "services/api/io/reply.h"

#define TX_MAX ((size_t)4 << 20)
#define SERVICES_MAX 64
#define BIT(sec) (1u << (sec))
#define ALL_SECTIONS (BIT(SEC_FEED) - 1)
#define DAY_SECTIONS (BIT(SEC_DAY) | BIT(SEC_PREV) | BIT(SEC_PROFILE))
#define FOOTPRINTS (BIT(SEC_FOOT_1M) | BIT(SEC_FOOT_5M))
#define BULKY (BIT(SEC_PROFILE) | BIT(SEC_CANDLES_1M) | BIT(SEC_CANDLES_5M) | FOOTPRINTS)

// Hashes too large to be read again for each trade: notices say which fields changed.
static const enum section BULK[] = {SEC_PROFILE, SEC_CANDLES_1M, SEC_CANDLES_5M, SEC_FOOT_1M,
                                    SEC_FOOT_5M};
#define N_BULK (sizeof BULK / sizeof BULK[0])
// Candles that were trimmed are not named by notices; so many more than are kept and the hash is
// read as a whole.
#define CANDLES_MAX 1700
// What no notice and no version told is healed by reading everything once in a while.
#define RELOAD_MS 60000

struct bulk {
    struct patch due, sent; // fields to read, fields being read
    int64_t ver;            // of the last notice
};

struct inst {
    struct source *src;
    size_t i;
    const struct instrument *who;
    struct snap *cur; // what was published last; a reference
    unsigned dirty;   // sections to read again
    unsigned sent;    // sections of the read under way, read as a whole
    struct bulk bulk[N_BULK];
    bool busy;              // a read is under way
    int64_t next_bulky_ms;  // not before this moment are bulky sections read again
    char day[16], prev[16]; // days the sections of cur are of; "" unknown
};

struct source {
    struct source_opts o;
    struct redis *redis;
    struct subscriber *sub;
    struct timer *sweep, *later, *soon;
    struct redis_tx *tx;
    struct inst *inst;
    size_t n;
    bool sweeping;
    int64_t sweep_sent_ms;
    int64_t reload_ms;              // when everything is read again, if nothing else makes it so
    char service[SERVICES_MAX][96]; // members of bc4:services during a sweep
    size_t services;
};

static void read_dirty(struct inst *in);

// ---- reading sections ---------------------------------------------------------------------------

static void section_key(const struct inst *in, enum section sec, char key[KEY_MAX])
{
    static const char *const tail[SEC_COUNT_] = {
        [SEC_INSTRUMENT] = "instrument",
        [SEC_CONTEXT] = "context",
        [SEC_COVERAGE] = "coverage",
        [SEC_STRATEGY] = "strategy",
        [SEC_METRICS] = "metrics",
        [SEC_CANDLES_1M] = "candles:1m",
        [SEC_CANDLES_5M] = "candles:5m",
        [SEC_LIQ] = "liquidation_clusters",
        [SEC_MARK] = "mark",
        [SEC_BACKFILL] = "backfill",
        [SEC_BOOK] = "book",
        [SEC_FOOT_1M] = "footprint:1m",
        [SEC_FOOT_5M] = "footprint:5m",
        [SEC_REGIME] = "regime",
    };
    char text[48];
    if (tail[sec]) {
        (void)str_copy(text, sizeof text, tail[sec]);
    } else {
        (void)str_fmt(text, sizeof text, "%s:%s", sec == SEC_PROFILE ? "profile" : "context",
                      sec == SEC_PREV ? in->prev : in->day);
    }
    instrument_key(in->who, text, key);
}

static bool is_readable(const struct inst *in, enum section sec)
{
    if (sec == SEC_PREV) {
        return *in->prev != '\0';
    }
    return (sec != SEC_DAY && sec != SEC_PROFILE) || *in->day != '\0';
}

static void see_clock(struct inst *in, const struct rhash *h)
{
    struct source *s = in->src;
    int64_t clock_ms = rhash_i64(h, "_clock_ms", -1);
    int64_t updated = rhash_i64(h, "_updated_ms", -1), age = 0;
    if (clock_ms < 0) {
        clock_ms = rhash_i64(h, "price_ts_ms", -1);
    }
    if (clock_ms < 0) {
        return;
    }
    if (updated >= 0) {
        age = loop_wall_us(s->o.loop) / 1000 - updated;
        age = age < 0 ? 0 : age;
    }
    store_clock_seen(s->o.store, in->i, clock_ms, loop_mono_ms(s->o.loop) - age);
}

static void publish_take(struct inst *in, struct snap *snap)
{
    snap_unref(in->cur);
    in->cur = snap_ref(snap);
    store_publish_take(in->src->o.store, in->i, snap);
    stats_add(in->src->o.stats, STAT_PUBLISHED, 1);
    if (in->src->o.on_published) {
        in->src->o.on_published(in->src->o.arg);
    }
}

// The days that :context now points to; true when they differ from those read so far.
static bool days_moved(struct inst *in, const struct rhash *ctx)
{
    char day[16], prev[16];
    int64_t ms = 0;
    const struct rfield *d = rhash_find(ctx, "day"), *p = rhash_find(ctx, "prev_day");
    (void)str_copy(day, sizeof day, d && parse_day(d->value, d->vlen, &ms) == 0 ? d->value : "");
    (void)str_copy(prev, sizeof prev, p && parse_day(p->value, p->vlen, &ms) == 0 ? p->value : "");
    if (strcmp(day, in->day) == 0 && strcmp(prev, in->prev) == 0) {
        return false;
    }
    (void)str_copy(in->day, sizeof in->day, day);
    (void)str_copy(in->prev, sizeof in->prev, prev);
    return true;
}

static void on_sections(struct redis *r, const struct redisReply *reply, void *arg)
{
    struct inst *in = arg;
    struct source *s = in->src;
    char why[128] = "";
    (void)r;
    in->busy = false;
    if (redis_exec_failed(reply, why, sizeof why)) {
        in->dirty |= in->sent; // the next sweep, or the next connection, tries again
        for (size_t b = 0; b < N_BULK; b++) {
            if (in->bulk[b].sent.n > 0) {
                in->dirty |= BIT(BULK[b]);
                patch_clear(&in->bulk[b].sent);
            }
        }
        if (reply) {
            log_ev(LOG_WARN, "read_failed", F_STR("sym", in->who->name), F_STR("msg", why));
        }
        return;
    }
    struct snap *next = snap_copy(in->cur);
    size_t k = 0;
    unsigned patched = 0;
    for (unsigned sec = 0; sec < SEC_FEED; sec++) {
        if (in->sent & BIT(sec)) {
            struct rhash *h = k < reply->elements ? reply_hash(reply->element[k]) : NULL;
            k++;
            snap_set_take(next, (enum section)sec, h);
            stats_add(s->o.stats, STAT_READS, 1);
        }
    }
    for (size_t b = 0; b < N_BULK; b++) {
        struct patch *sent = &in->bulk[b].sent;
        if (sent->n > 0) {
            struct rhash *h = k < reply->elements
                                  ? patch_apply(sent, next->sec[BULK[b]], reply->element[k])
                                  : NULL;
            k++;
            snap_set_take(next, BULK[b], h);
            if (!h || (BULK[b] != SEC_PROFILE && rhash_count(h) > CANDLES_MAX)) {
                in->dirty |= BIT(BULK[b]);
            }
            patched |= BIT(BULK[b]);
            stats_add(s->o.stats, STAT_PATCHES, 1);
            patch_clear(sent);
        }
    }
    if ((in->sent & BIT(SEC_CONTEXT)) && days_moved(in, next->sec[SEC_CONTEXT])) {
        // What was read of the day belongs to another one: nothing is shown before it fits.
        snap_unref(next);
        in->dirty |= in->sent | patched | BIT(SEC_CONTEXT) | DAY_SECTIONS;
        in->next_bulky_ms = 0;
        read_dirty(in);
        return;
    }
    for (unsigned sec = 0; sec < SEC_FEED; sec++) {
        if (!is_readable(in, (enum section)sec) && next->sec[sec]) {
            snap_set_take(next, (enum section)sec, NULL);
        }
    }
    if (in->sent & BIT(SEC_CONTEXT)) {
        see_clock(in, next->sec[SEC_CONTEXT]);
    }
    if (in->sent & BIT(SEC_STRATEGY)) {
        see_clock(in, next->sec[SEC_STRATEGY]);
    }
    publish_take(in, next);
    read_dirty(in); // what became due meanwhile
}

// Sections to read as a whole now; bulky ones not more often than profile_ms.
static unsigned due_sections(struct inst *in, int64_t now)
{
    unsigned mask = 0;
    for (unsigned sec = 0; sec < SEC_FEED; sec++) {
        if ((in->dirty & BIT(sec)) && !is_readable(in, (enum section)sec)) {
            in->dirty &= ~BIT(sec);
        }
    }
    mask = in->dirty;
    if ((mask & BULKY) && now < in->next_bulky_ms) {
        mask &= ~BULKY;
        if (!timer_is_running(in->src->later)) {
            timer_start(in->src->later, in->next_bulky_ms - now);
        }
    }
    return mask;
}

static bool add_patches(struct inst *in)
{
    bool any = false;
    for (size_t b = 0; b < N_BULK; b++) {
        struct bulk *bulk = &in->bulk[b];
        char key[KEY_MAX];
        struct slice argv[PATCH_MAX + 2];
        if (in->dirty & BIT(BULK[b])) {
            patch_clear(&bulk->due); // the whole hash is, or will be, read
        }
        if (bulk->due.n == 0 || !is_readable(in, BULK[b])) {
            continue;
        }
        section_key(in, BULK[b], key);
        redis_tx_argv(in->src->tx, patch_argv(&bulk->due, key, argv), argv);
        bulk->sent = bulk->due;
        patch_clear(&bulk->due);
        any = true;
    }
    return any;
}

static void read_dirty(struct inst *in)
{
    struct source *s = in->src;
    int64_t now = loop_mono_ms(s->o.loop);
    if (in->busy || !redis_is_up(s->redis)) {
        return;
    }
    unsigned mask = due_sections(in, now);
    redis_tx_begin(s->tx);
    for (unsigned sec = 0; sec < SEC_FEED; sec++) {
        char key[KEY_MAX];
        if (mask & BIT(sec)) {
            section_key(in, (enum section)sec, key);
            redis_tx_argv(s->tx, 2, (struct slice[]){slice_of("HGETALL"), slice_of(key)});
        }
    }
    if (!add_patches(in) && mask == 0) {
        return;
    }
    in->sent = mask;
    if (redis_tx_exec(s->redis, s->tx, on_sections, in) != 0) {
        for (size_t b = 0; b < N_BULK; b++) {
            in->dirty |= in->bulk[b].sent.n > 0 ? BIT(BULK[b]) : 0;
            patch_clear(&in->bulk[b].sent);
        }
        return;
    }
    in->busy = true;
    in->dirty &= ~mask;
    if (mask & BULKY) {
        in->next_bulky_ms = now + s->o.profile_ms;
    }
}

static void on_later(void *arg)
{
    struct source *s = arg;
    for (size_t i = 0; i < s->n; i++) {
        read_dirty(&s->inst[i]);
    }
}

static void everything_dirty(struct source *s)
{
    for (size_t i = 0; i < s->n; i++) {
        s->inst[i].dirty = ALL_SECTIONS;
        s->inst[i].next_bulky_ms = 0;
        read_dirty(&s->inst[i]);
    }
}

// ---- sweep --------------------------------------------------------------------------------------

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
        publish_take(in, next);
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
        s->reload_ms = s->sweep_sent_ms + RELOAD_MS;
        everything_dirty(s);
    }
    stats_add(s->o.stats, STAT_SWEEPS, 1);
    store_set_confirmed(s->o.store, s->sweep_sent_ms);
    store_set_redis_up(s->o.store, true);
    on_later(s);
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
            section_key(&s->inst[i], WATCHED[j].sec, key);
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

static void sweep(void *arg)
{
    struct source *s = arg;
    if (s->sweeping || !redis_is_up(s->redis)) {
        return;
    }
    if (redis_cmd(s->redis, on_services, s, "ZREVRANGE bc4:services 0 %d", SERVICES_MAX - 1) == 0) {
        s->sweeping = true;
    }
}

// ---- links --------------------------------------------------------------------------------------

static void on_up(void *arg)
{
    struct source *s = arg;
    stats_add(s->o.stats, STAT_RECONNECTS, 1);
    everything_dirty(s);
    sweep(s);
}

static void on_down(void *arg, const char *why)
{
    struct source *s = arg;
    (void)why;
    s->sweeping = false;
    store_set_redis_up(s->o.store, false);
}

static unsigned topic_sections(struct slice topic)
{
    static const struct {
        const char *topic;
        unsigned stale;
    } TOPIC[] = {
        {"context", BIT(SEC_CONTEXT) | BIT(SEC_DAY) | BIT(SEC_PREV)},
        {"profile", BIT(SEC_PROFILE)},
        {"coverage", BIT(SEC_COVERAGE)},
        {"strategy", BIT(SEC_STRATEGY)},
        {"metrics", BIT(SEC_METRICS)},
        {"candles:1m", BIT(SEC_CANDLES_1M)},
        {"candles:5m", BIT(SEC_CANDLES_5M)},
        {"liquidation_clusters", BIT(SEC_LIQ)},
        {"mark", BIT(SEC_MARK)},
        {"backfill", BIT(SEC_BACKFILL)},
        {"book", BIT(SEC_BOOK)},
        {"footprint:1m", BIT(SEC_FOOT_1M)},
        {"footprint:5m", BIT(SEC_FOOT_5M)},
        {"regime", BIT(SEC_REGIME)},
    };
    for (size_t i = 0; i < sizeof TOPIC / sizeof TOPIC[0]; i++) {
        if (slice_eq(topic, TOPIC[i].topic)) {
            return TOPIC[i].stale;
        }
    }
    return 0;
}

// One transaction of a writer sends several notices back to back: they are read together.
static void read_soon(struct inst *in)
{
    if (!in->busy && !timer_is_running(in->src->soon)) {
        timer_start(in->src->soon, 0);
    }
}

// A notice about a bulky section: its fields, or all of it when that is not enough.
static void take_bulk(struct inst *in, size_t b, struct slice payload)
{
    struct bulk *bulk = &in->bulk[b];
    int64_t ver = notice_ver(payload);
    bool goes_on = ver >= bulk->ver && in->cur->sec[BULK[b]];
    bulk->ver = ver;
    if (!goes_on || (BULK[b] == SEC_PROFILE && !notice_is_of(payload, in->day)) ||
        !patch_add(&bulk->due, payload)) {
        in->dirty |= BIT(BULK[b]);
    }
}

static void on_notice(void *arg, struct slice channel, struct slice payload)
{
    struct source *s = arg;
    stats_add(s->o.stats, STAT_NOTICES, 1);
    for (size_t i = 0; i < s->n; i++) {
        struct inst *in = &s->inst[i];
        char prefix[KEY_MAX];
        size_t n = instrument_key(in->who, "pub:", prefix);
        if (channel.n <= n || memcmp(channel.p, prefix, n) != 0) {
            continue;
        }
        unsigned stale = topic_sections((struct slice){channel.p + n, channel.n - n});
        in->dirty |= stale & ~BULKY;
        for (size_t b = 0; b < N_BULK; b++) {
            if (stale & BIT(BULK[b])) {
                take_bulk(in, b, payload);
            }
        }
        read_soon(in);
        return;
    }
}

static void on_subscribed(void *arg)
{
    everything_dirty(arg); // what was published before this moment is unknown
}

static void on_unsubscribed(void *arg, const char *why)
{
    (void)arg; // the reader's state decides; without notices the sweep still finds every change
    (void)why;
}

struct source *source_new(const struct source_opts *o)
{
    static const char *const patterns[] = {"bc4:*:pub:*", NULL};
    struct source *s = xcalloc(1, sizeof *s);
    char name[96];
    s->o = *o;
    s->n = store_count(o->store);
    s->inst = xcalloc(s->n, sizeof *s->inst);
    for (size_t i = 0; i < s->n; i++) {
        struct inst *in = &s->inst[i];
        in->src = s;
        in->i = i;
        in->who = &store_instruments(o->store)[i];
        in->cur = snap_new(in->who);
    }
    s->tx = redis_tx_new(TX_MAX);
    s->sweep = timer_new(o->loop, sweep, s);
    s->later = timer_new(o->loop, on_later, s);
    s->soon = timer_new(o->loop, on_later, s);
    (void)str_fmt(name, sizeof name, "api-%s/read", o->instance);
    struct redis_opts ro = {
        .loop = o->loop, .url = o->url, .name = name, .on_up = on_up, .on_down = on_down, .arg = s};
    s->redis = redis_new(&ro);
    (void)str_fmt(name, sizeof name, "api-%s/notices", o->instance);
    struct subscriber_opts so = {.loop = o->loop,
                                 .url = o->url,
                                 .name = name,
                                 .patterns = patterns,
                                 .on_message = on_notice,
                                 .on_ready = on_subscribed,
                                 .on_down = on_unsubscribed,
                                 .arg = s};
    s->sub = subscriber_new(&so);
    s->reload_ms = loop_mono_ms(o->loop) + RELOAD_MS;
    timer_every(s->sweep, o->sweep_ms);
    return s;
}

struct redis *source_redis(struct source *s)
{
    return s->redis;
}

void source_free(struct source *s)
{
    if (!s) {
        return;
    }
    timer_free(s->sweep);
    timer_free(s->later);
    timer_free(s->soon);
    subscriber_free(s->sub);
    redis_free(s->redis);
    redis_tx_free(s->tx);
    for (size_t i = 0; i < s->n; i++) {
        snap_unref(s->inst[i].cur);
    }
    free(s->inst);
    free(s);
}
