// links: api
// tsan: yes
// Snapshots published while many threads answer from them: a program for ThreadSanitizer. Each
// snapshot carries one number in all of its hashes; an answer that mixes two snapshots, goes back
// in time for one reader, or outlives its memory is a failure.

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "services/api/io/serve.h"

#define READERS 6
#define PUBLICATIONS 3000

static struct gateway gw;
static atomic_bool done;
static atomic_int failures;
static atomic_ulong answers;

static void fail(const char *what, const char *text)
{
    fprintf(stderr, "%s: %.300s\n", what, text);
    atomic_fetch_add(&failures, 1);
}

static struct rhash *one_field(const char *field, int n)
{
    char text[16];
    (void)str_fmt(text, sizeof text, "%d", n);
    struct slice kv[2] = {slice_of(field), slice_of(text)};
    return rhash_new(kv, 1);
}

// Enough bins for answers that threads share.
static void add_profile(struct snap *s)
{
    static char name[150][16];
    struct slice kv[300];
    const struct slice units[] = {
        slice_of("tick"),        slice_of("0.1"),     slice_of("step"),         slice_of("0.001"),
        slice_of("price_scale"), slice_of("3"),       slice_of("qty_scale"),    slice_of("5"),
        slice_of("schema"),      slice_of("1"),       slice_of("venue"),        slice_of("binance"),
        slice_of("symbol"),      slice_of("BTCUSDT"), slice_of("simulated"),    slice_of("0"),
        slice_of("min_qty"),     slice_of("0.001"),   slice_of("min_notional"), slice_of("5")};
    for (size_t i = 0; i < 150; i++) {
        (void)str_fmt(name[i], sizeof name[i], "%zu.0", 1000 + i);
        kv[2 * i] = slice_of(name[i]);
        kv[2 * i + 1] = slice_of("2.000 1.000 1.000 7");
    }
    snap_set_take(s, SEC_INSTRUMENT, rhash_new(units, 10));
    snap_set_take(s, SEC_PROFILE, rhash_new(kv, 150));
    if (!s->has_units) {
        fail("units were not understood", "");
    }
}

static void publish(size_t i, int n)
{
    int64_t now = 0;
    struct snap *cur = store_get(gw.store, i, n, &now), *next = snap_copy(cur);
    snap_unref(cur);
    if (i == 0 && n == 0) {
        add_profile(next);
    }
    snap_set_take(next, SEC_CONTEXT, one_field("price", n));
    snap_set_take(next, SEC_METRICS, one_field("trade_count", n));
    snap_set_take(next, SEC_FEED, one_field("binance:BTCUSDT.events_received", n));
    store_clock_seen(gw.store, i, n, n);
    store_publish_take(gw.store, i, next);
    store_set_confirmed(gw.store, n);
    store_set_redis_up(gw.store, n % 2 == 0);
}

static long number_behind(const char *text, const char *name)
{
    const char *at = strstr(text, name);
    return at ? strtol(at + strlen(name), NULL, 10) : -1;
}

static void *reader(void *arg)
{
    static const char *const PATH[] = {"/price",   "/context", "/metrics", "/strategy/metrics",
                                       "/symbols", "/ready",   "/nope"};
    struct serve_scratch scratch;
    long seen = -1;
    serve_scratch_init(&scratch, &gw);
    for (unsigned k = (unsigned)(size_t)arg; !atomic_load(&done); k++) {
        char rows[32];
        struct http_in in = {.method = "GET",
                             .path = PATH[k % 7],
                             .accept = k % 11 == 0 ? "text/plain;version=0.0.4" : NULL,
                             .keep_alive = true};
        struct http_out out;
        if (k % 7 == 1) {
            (void)str_fmt(rows, sizeof rows, "profile_rows=%u", k / 7 % 4);
            in.query = rows;
        }
        serve(&gw, &scratch, &in, &out);
        char text[4096];
        (void)str_copyn(text, sizeof text, out.head.p, out.head.n);
        if (out.head.n + out.tail.n == 0 || (out.tail.n > 0 && out.tail.p[out.tail.n - 1] != '}')) {
            fail("torn answer", text);
        }
        if (k % 7 == 0) {
            long price = number_behind(text, "\"price\":");
            if (price < seen) {
                fail("an older price after a newer one", text);
            }
            seen = price;
        }
        body_unref(out.hold);
        stats_request(gw.stats, out.route, out.status, 1000);
        atomic_fetch_add(&answers, 1);
        int64_t now = 0;
        struct snap *s = store_get(gw.store, 0, 0, &now);
        if (strcmp(rhash_get(s->sec[SEC_CONTEXT], "price"),
                   rhash_get(s->sec[SEC_METRICS], "trade_count")) != 0) {
            fail("two snapshots in one", rhash_get(s->sec[SEC_CONTEXT], "price"));
        }
        snap_unref(s);
    }
    serve_scratch_release(&scratch);
    return NULL;
}

int main(void)
{
    struct instrument ins[2];
    pthread_t thread[READERS];
    if (instrument_parse("binance:BTCUSDT", 15, VENUE_BINANCE, &ins[0], NULL) != 0 ||
        instrument_parse("binance:ETHUSDT", 15, VENUE_BINANCE, &ins[1], NULL) != 0) {
        return 1;
    }
    gw = (struct gateway){.clock = clock_system(),
                          .store = store_new(ins, 2),
                          .cache = cache_new(8, 60000),
                          .stats = stats_new(),
                          .cors_origins = ""};
    publish(0, 0);
    for (size_t i = 0; i < READERS; i++) {
        if (pthread_create(&thread[i], NULL, reader, (void *)(i * 3)) != 0) {
            return 1;
        }
    }
    for (int n = 1; n <= PUBLICATIONS || atomic_load(&answers) < 5000; n++) {
        publish(0, n);
        publish(1, n);
        struct buf text;
        buf_init(&text, 1 << 20);
        stats_text(gw.stats, &text);
        buf_release(&text);
    }
    atomic_store(&done, true);
    for (size_t i = 0; i < READERS; i++) {
        pthread_join(thread[i], NULL);
    }
    struct cache_stats c;
    cache_stats(gw.cache, &c);
    if (c.bytes > 60000) {
        fail("the cache outgrew its bound", "");
    }
    printf("%lu answers, %llu renders, %d failures\n", atomic_load(&answers),
           (unsigned long long)c.renders, atomic_load(&failures));
    cache_free(gw.cache);
    store_free(gw.store);
    stats_free(gw.stats);
    return atomic_load(&failures) == 0 ? 0 : 1;
}
