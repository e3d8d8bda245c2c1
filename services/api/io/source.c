#include "services/api/io/source_inner.h"

#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "services/api/io/reply.h"

#define TX_MAX ((size_t)4 << 20)
#define ALL_SECTIONS (BIT(SEC_FEED) - 1)
#define BULKY                                                                                      \
    (BIT(SEC_PROFILE) | BIT(SEC_CANDLES_1M) | BIT(SEC_CANDLES_5M) | FOOTPRINTS |                   \
     BIT(SEC_CVD_MINUTES) | BIT(SEC_SECONDS))

// Notices say which of their fields changed.
static const enum section BULK[N_BULK] = {SEC_PROFILE, SEC_CANDLES_1M,  SEC_CANDLES_5M, SEC_FOOT_1M,
                                          SEC_FOOT_5M, SEC_CVD_MINUTES, SEC_SECONDS};
// Candles that were trimmed are not named by notices; so many more than are kept and the hash is
// read as a whole.
#define CANDLES_MAX 1700
// Seconds that are gone are named.
#define SECONDS_MAX 8000

static void read_dirty(struct inst *in);

// ---- reading sections ---------------------------------------------------------------------------

void source_section_key(const struct inst *in, enum section sec, char key[KEY_MAX])
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
        [SEC_CVD] = "cvd",
        [SEC_CVD_MINUTES] = "cvd:minutes",
        [SEC_INDICATORS] = "indicators",
        [SEC_SECONDS] = "indicators:seconds",
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

void source_publish_take(struct inst *in, struct snap *snap)
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
            const size_t most = BULK[b] == SEC_SECONDS ? SECONDS_MAX : CANDLES_MAX;
            if (!h || (BULK[b] != SEC_PROFILE && rhash_count(h) > most)) {
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
    source_publish_take(in, next);
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
        source_section_key(in, BULK[b], key);
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
            source_section_key(in, (enum section)sec, key);
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

void source_read_due(struct source *s)
{
    for (size_t i = 0; i < s->n; i++) {
        read_dirty(&s->inst[i]);
    }
}

static void on_later(void *arg)
{
    source_read_due(arg);
}

void source_all_dirty(struct source *s)
{
    for (size_t i = 0; i < s->n; i++) {
        s->inst[i].dirty = ALL_SECTIONS;
        s->inst[i].next_bulky_ms = 0;
        read_dirty(&s->inst[i]);
    }
}

// ---- links --------------------------------------------------------------------------------------

static void on_up(void *arg)
{
    struct source *s = arg;
    stats_add(s->o.stats, STAT_RECONNECTS, 1);
    source_all_dirty(s);
    source_sweep(s);
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
        {"cvd:minutes", BIT(SEC_CVD_MINUTES)},
        {"cvd", BIT(SEC_CVD)},
        {"indicators", BIT(SEC_INDICATORS)},
        {"indicators:seconds", BIT(SEC_SECONDS)},
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
    source_all_dirty(arg); // what was published before this moment is unknown
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
    source_sweep_init(s);
    s->sweep = timer_new(o->loop, source_sweep, s);
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
    s->reload_ms = loop_mono_ms(o->loop) + SOURCE_RELOAD_MS;
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
    source_sweep_release(s);
    for (size_t i = 0; i < s->n; i++) {
        snap_unref(s->inst[i].cur);
    }
    free(s->inst);
    free(s);
}
