// Wiring of the backfill service: one job per instrument, one connection for health and budget.

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/io/boot.h"
#include "services/backfill/config.h"
#include "services/backfill/io/app.h"
#include "services/backfill/io/fetch.h"
#include "services/backfill/io/older.h"
#include "services/backfill/io/probe.h"
#include "services/backfill/io/report.h"
#include "services/backfill/io/store_child.h"

#define TICK_MS 1000

static void drained(void *arg)
{
    struct app *a = arg;
    if (--a->draining == 0) {
        service_done(a->service);
    }
}

static void on_drain(void *arg)
{
    struct app *a = arg;
    older_stop(a->older);
    a->draining = a->n;
    if (a->n == 0) {
        service_done(a->service);
    }
    for (size_t i = 0; i < a->n; i++) {
        job_drain(a->job[i], drained, a);
    }
}

static void on_tick(void *arg)
{
    struct app *a = arg;
    for (size_t i = 0; i < a->n; i++) {
        job_tick(a->job[i]);
    }
    older_tick(a->older);
}

// The store has written rows to disk: what waited for that goes on.
static void on_room(void *arg)
{
    struct app *a = arg;
    for (size_t i = 0; i < a->n; i++) {
        job_kick(a->job[i]);
    }
}

static void start(struct app *a)
{
    const struct config *c = a->cfg;
    a->redis = redis_new(&(struct redis_opts){
        .loop = a->loop, .url = c->url, .name = "backfill/health", .max_inflight = 1000});
    service_set_redis(a->service, a->redis);
    a->budget = budget_new(&(struct budget_opts){.loop = a->loop,
                                                 .redis = a->redis,
                                                 .venue = VENUE_BINANCE,
                                                 .scope = c->scope,
                                                 .limit = c->weight_limit,
                                                 .share_pct = {90, 70, c->weight_share}});
    a->key_ok = c->binance_key[0] != '\0';
    breaker_init(&a->breaker, &(struct breaker_opts){.threshold = c->threshold,
                                                     .cooldown_ms = c->cooldown_s * 1000,
                                                     .delay_ms = a->key_ok ? 0 : c->public_delay_ms,
                                                     .max_parallel = c->parallel});
    a->bybit_budget = budget_new(&(struct budget_opts){.loop = a->loop,
                                                       .redis = a->redis,
                                                       .venue = VENUE_BYBIT,
                                                       .scope = c->scope,
                                                       .limit = c->bybit.limit / 2,
                                                       .window_ms = c->bybit.window_ms,
                                                       .share_pct = {90, 70, c->weight_share}});
    a->http = http_new(a->loop, c->ca_file, (size_t)c->parallel);
    a->files = http_new(a->loop, c->ca_file, 2);
    a->rest = rest_new(a);
    a->archive = archive_new(a);
    a->recording = recording_new(a->loop, c->record_dir);
    a->store = store_new(&(struct store_opts){.loop = a->loop,
                                              .dir = c->cache_dir,
                                              .lib = c->store_lib,
                                              .memory_mb = c->store_memory_mb,
                                              .off = !c->cache,
                                              .on_room = on_room,
                                              .arg = a});
    a->older = older_new(a);
    a->tick = timer_new(a->loop, on_tick, a);
    timer_every(a->tick, TICK_MS);
    for (size_t i = 0; i < c->n_ins; i++) {
        job_start(a, &c->ins[i]);
    }
}

static void stop(struct app *a)
{
    timer_free(a->tick);
    older_free(a->older);
    for (size_t i = 0; i < a->n; i++) {
        job_free(a->job[i]);
    }
    archive_free(a->archive);
    recording_free(a->recording);
    store_free(a->store);
    rest_free(a->rest);
    http_free(a->http);
    http_free(a->files);
    service_set_redis(a->service, NULL);
    redis_free(a->redis);
    budget_free(a->budget);
    budget_free(a->bybit_budget);
}

int main(int argc, char **argv)
{
    static struct config cfg;
    static struct app app;
    if (argc > 1 && strcmp(argv[1], "--store-child") == 0) {
        return store_child_main(argc, argv);
    }
    if (argc > 1 && strcmp(argv[1], "--fetch") == 0) {
        return fetch_main(argc, argv);
    }
    if (argc > 1 && strcmp(argv[1], "--verify") == 0) {
        return verify_main(argc, argv);
    }
    if (argc > 1 && strcmp(argv[1], "--fold-child") == 0) {
        return fold_child_main(argc, argv);
    }
    struct boot b = {.table = &config_table,
                     .values = &cfg,
                     .log_level = cfg.log_level,
                     .instance = cfg.instance,
                     .check = config_check};
    int rc = boot_begin(&b, argc, argv);
    if (rc >= 0) {
        return rc;
    }
    struct err e = {0};
    app.loop = b.loop;
    app.cfg = &cfg;
    app.service = service_new(&(struct service_opts){.loop = b.loop,
                                                     .name = "backfill",
                                                     .instance = cfg.instance,
                                                     .http_host = cfg.http_host,
                                                     .http_port = (int)cfg.http_port,
                                                     .on_drain = on_drain,
                                                     .fill_health = report_health,
                                                     .ready = report_ready,
                                                     .fill_metrics = report_metrics,
                                                     .arg = &app},
                              &e);
    if (!app.service) {
        return boot_fail(&b, NULL, &e);
    }
    if (cfg.test_mode) {
        struct probe *probe = probe_new(b.loop, &cfg, app.service);
        boot_run(&b, app.service);
        probe_free(probe);
        return boot_end(&b, app.service);
    }
    start(&app);
    boot_run(&b, app.service);
    stop(&app);
    return boot_end(&b, app.service);
}
