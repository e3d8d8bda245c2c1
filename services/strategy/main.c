// Wiring of the strategy service: one worker per instrument, one connection for the health hash.

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/io/boot.h"
#include "services/strategy/config.h"
#include "services/strategy/io/liq.h"
#include "services/strategy/io/report.h"
#include "services/strategy/io/worker.h"

struct app {
    struct service *service;
    struct redis *health;
    struct worker *worker[SYMBOLS_MAX];
    struct liqs *liqs[SYMBOLS_MAX];
    size_t n, draining;
};

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
    a->draining = a->n;
    for (size_t i = 0; i < a->n; i++) {
        worker_drain(a->worker[i], drained, a);
    }
}

static void ready(void *arg, char *why, size_t size)
{
    struct app *a = arg;
    why[0] = '\0';
    for (size_t i = 0; i < a->n; i++) {
        char text[96];
        if (!worker_is_ready(a->worker[i], text, sizeof text)) {
            str_fmt(why, size, "%s: %s", worker_name(a->worker[i]), text);
            return;
        }
    }
}

static void fill_health(void *arg, struct jw *w)
{
    struct app *a = arg;
    report_health(a->worker, a->n, w);
}

static void fill_metrics(void *arg, struct buf *out)
{
    struct app *a = arg;
    report_metrics(a->worker, a->n, out);
}

static void start(struct app *a, struct loop *loop, const struct config *cfg)
{
    a->health = redis_new(&(struct redis_opts){
        .loop = loop, .url = cfg->url, .name = "strategy/health", .max_inflight = 1000});
    service_set_redis(a->service, a->health);
    for (size_t i = 0; i < cfg->n_ins; i++) {
        a->liqs[i] = liqs_new(&(struct liqs_opts){
            .loop = loop, .url = cfg->url, .ins = cfg->ins[i], .bin = cfg->liquidation_bin});
        a->worker[a->n++] =
            worker_new(&(struct worker_opts){.loop = loop,
                                             .url = cfg->url,
                                             .ins = cfg->ins[i],
                                             .window_sec = cfg->window_sec,
                                             .max_names = (size_t)cfg->max_names,
                                             .foot = cfg->foot,
                                             .regime = cfg->regime,
                                             .imbalance_min = cfg->imbalance_min,
                                             .regime_min_volume = cfg->regime_min_volume,
                                             .flush_ms = 1000 / cfg->updates_per_sec});
    }
}

static void stop(struct app *a)
{
    for (size_t i = 0; i < a->n; i++) {
        worker_free(a->worker[i]);
        liqs_free(a->liqs[i]);
    }
    service_set_redis(a->service, NULL);
    redis_free(a->health);
}

int main(int argc, char **argv)
{
    static struct config cfg;
    static struct app app;
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
    app.service = service_new(&(struct service_opts){.loop = b.loop,
                                                     .name = "strategy",
                                                     .instance = cfg.instance,
                                                     .http_host = cfg.http_host,
                                                     .http_port = (int)cfg.http_port,
                                                     .on_drain = on_drain,
                                                     .fill_health = fill_health,
                                                     .ready = ready,
                                                     .fill_metrics = fill_metrics,
                                                     .arg = &app},
                              &e);
    if (!app.service) {
        return boot_fail(&b, NULL, &e);
    }
    start(&app, b.loop, &cfg);
    boot_run(&b, app.service);
    stop(&app);
    return boot_end(&b, app.service);
}
