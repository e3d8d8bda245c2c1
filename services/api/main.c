// The gateway: CivetWeb is listening before anything else is started, then Redis is followed on
// the loop of this thread.

#include <signal.h>
#include <string.h>

#include "common/base/str.h"
#include "common/io/boot.h"
#include "services/api/config.h"
#include "services/api/io/push.h"
#include "services/api/io/serve.h"
#include "services/api/io/source.h"
#include "services/api/io/tail.h"
#include "services/api/io/web.h"

#define CACHE_SLOTS 512

struct app {
    struct config cfg;
    struct gateway gateway;
    struct web *web;
    struct source *source;
    struct tail *tail;
    struct push *push;
    struct commands *commands;
    struct lists lists;
    struct pages *pages;
    struct service *service;
};

static void own_metrics(void *arg, struct buf *out)
{
    struct app *a = arg;
    struct cache_stats c;
    int open = 0, idle = 0;
    stats_text(a->gateway.stats, out);
    push_text(a->push, out);
    cache_stats(a->gateway.cache, &c);
    web_load(a->web, &open, &idle);
    prom_head(out, "bc4_api_snapshot_age_ms", "gauge", "Since the snapshots last equalled Redis");
    prom_int(out, "bc4_api_snapshot_age_ms", "",
             store_age_ms(a->gateway.store, a->gateway.clock.mono_ms(a->gateway.clock.arg)));
    prom_head(out, "bc4_api_redis_up", "gauge", "The reader connection is up");
    prom_int(out, "bc4_api_redis_up", "", store_redis_up(a->gateway.store));
    prom_head(out, "bc4_api_cache_hits_total", "counter", "Answers made from rendered bytes");
    prom_int(out, "bc4_api_cache_hits_total", "", (int64_t)c.hits);
    prom_head(out, "bc4_api_cache_renders_total", "counter", "Answers rendered");
    prom_int(out, "bc4_api_cache_renders_total", "", (int64_t)c.renders);
    prom_head(out, "bc4_api_cache_bytes", "gauge", "Rendered bytes kept");
    prom_int(out, "bc4_api_cache_bytes", "", (int64_t)c.bytes);
    prom_head(out, "bc4_api_open_connections", "gauge", "Client connections open");
    prom_int(out, "bc4_api_open_connections", "", open);
    prom_head(out, "bc4_api_idle_connections", "gauge", "Of these, waiting for a request");
    prom_int(out, "bc4_api_idle_connections", "", idle);
}

static void fill_health(void *arg, struct jw *w)
{
    struct app *a = arg;
    int64_t mono = a->gateway.clock.mono_ms(a->gateway.clock.arg);
    jw_kint(w, "backend_port", web_port(a->web));
    jw_kint(w, "data_age_ms", store_age_ms(a->gateway.store, mono));
    jw_kint(w, "requests", (int64_t)stats_requests(a->gateway.stats));
}

static void ready(void *arg, char *why, size_t size)
{
    struct app *a = arg;
    (void)str_copy(why, size, store_redis_up(a->gateway.store) ? "" : "redis is down");
}

static void on_drain(void *arg)
{
    struct app *a = arg;
    service_done(a->service); // nothing is pending: answers are made by the threads
}

// Everything that must be there before the first request; touches neither network nor disk.
static void gateway_start(struct app *a, struct clock clock)
{
    struct gateway *g = &a->gateway;
    *g = (struct gateway){.clock = clock,
                          .store = store_new(a->cfg.ins, a->cfg.n_ins),
                          .cache = cache_new(CACHE_SLOTS, (size_t)a->cfg.cache_mb << 20),
                          .stats = stats_new(),
                          .pages = a->pages = pages_new(),
                          .cors_origins = a->cfg.cors_origins,
                          .token = a->cfg.token,
                          .token_for_all = strcmp(a->cfg.token_scope, "all") == 0,
                          .backfill_off = !a->cfg.backfill_enabled,
                          .max_missing_sec = a->cfg.max_missing_sec,
                          .started_mono_ms = clock.mono_ms(clock.arg),
                          .own_metrics = own_metrics,
                          .own_arg = a};
}

// ---- lists and push -----------------------------------------------------------------------------

static size_t lists_newest(void *arg, size_t instrument, enum list_kind kind, size_t limit,
                           int64_t from_ms, struct buf *out)
{
    return tail_newest(arg, instrument, kind, limit, from_ms, out);
}

static void lists_sum(void *arg, size_t instrument, int64_t from_ms, struct recent_stats *out)
{
    tail_sum(arg, instrument, from_ms, out);
}

static void something_new(void *arg)
{
    struct app *a = arg;
    push_note(a->push);
    commands_note(a->commands);
}

static enum command_result give(void *arg, size_t instrument, const char *type, int64_t at_ms,
                                struct post *p)
{
    return commands_send(arg, instrument, type, at_ms, p);
}

static void push_side_start(struct app *a, struct loop *loop)
{
    const struct config *c = &a->cfg;
    const struct tail_opts to = {.loop = loop,
                                 .url = c->url,
                                 .store = a->gateway.store,
                                 .max_trades = (size_t)c->max_trades,
                                 .on_entries = something_new,
                                 .arg = a};
    a->tail = tail_new(&to);
    a->lists = (struct lists){.newest = lists_newest, .sum = lists_sum, .arg = a->tail};
    a->gateway.lists = &a->lists;
    const struct push_opts po = {.gateway = &a->gateway,
                                 .tail = a->tail,
                                 .max_clients = (size_t)c->ws_clients,
                                 .token = a->gateway.token_for_all ? c->token : "",
                                 .message_rate = c->ws_rate,
                                 .ping_ms = c->ws_ping_ms,
                                 .silent_ms = c->ws_silent_ms,
                                 .stuck_ms = c->ws_stuck_ms};
    a->push = push_new(&po);
    a->commands = commands_new(&(struct commands_opts){
        .store = a->gateway.store, .instance = c->instance, .wait_ms = c->command_wait_ms});
    a->gateway.command = give;
    a->gateway.command_arg = a->commands;
}

static void gateway_stop(struct app *a)
{
    web_free(a->web);
    push_free(a->push);
    tail_free(a->tail);
    commands_free(a->commands);
    cache_free(a->gateway.cache);
    store_free(a->gateway.store);
    stats_free(a->gateway.stats);
    pages_free(a->pages);
}

// The gateway answers before its loop can take signals: until then they wait.
static void hold_signals(int how)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(how, &set, NULL);
}

int main(int argc, char **argv)
{
    static struct app app;
    struct config *cfg = &app.cfg;
    struct boot b = {.table = &config_table,
                     .values = cfg,
                     .log_level = cfg->log_level,
                     .instance = cfg->instance,
                     .check = config_check};
    int rc = boot_begin(&b, argc, argv);
    if (rc >= 0) {
        return rc;
    }
    struct err e = {0};
    gateway_start(&app, b.loop->clock);
    push_side_start(&app, b.loop);
    struct web_opts wo = {.gateway = &app.gateway,
                          .push = app.push,
                          .host = cfg->backend_host,
                          .port = (int)cfg->backend_port,
                          .threads = (int)cfg->threads,
                          .keep_alive_ms = cfg->keep_alive_ms,
                          .request_timeout_ms = cfg->request_timeout_ms};
    hold_signals(SIG_BLOCK);
    app.web = web_new(&wo);
    if (push_start(app.push, &e) != 0 || web_start(app.web, &e) != 0) {
        gateway_stop(&app);
        return boot_fail(&b, NULL, &e);
    }
    b.port = web_port(app.web);
    struct service_opts so = {.loop = b.loop,
                              .name = "api",
                              .instance = cfg->instance,
                              .http_host = cfg->http_host,
                              .http_port = (int)cfg->http_port,
                              .drain_ms = 1000,
                              .on_drain = on_drain,
                              .fill_health = fill_health,
                              .ready = ready,
                              .fill_metrics = own_metrics,
                              .arg = &app};
    app.service = service_new(&so, &e);
    if (!app.service) {
        gateway_stop(&app);
        return boot_fail(&b, NULL, &e);
    }
    struct source_opts sco = {.loop = b.loop,
                              .url = cfg->url,
                              .instance = cfg->instance,
                              .store = app.gateway.store,
                              .stats = app.gateway.stats,
                              .on_published = something_new,
                              .arg = &app,
                              .sweep_ms = cfg->sweep_ms,
                              .profile_ms = cfg->profile_ms};
    app.source = source_new(&sco);
    tail_start(app.tail);
    commands_start(app.commands, b.loop, source_redis(app.source));
    service_set_redis(app.service, source_redis(app.source));
    hold_signals(SIG_UNBLOCK);
    boot_run(&b, app.service);
    service_set_redis(app.service, NULL);
    commands_stop(app.commands);
    source_free(app.source);
    gateway_stop(&app);
    return boot_end(&b, app.service);
}
