// Exchange feed to normalized trades, books, liquidations and mark prices on Redis. Wiring only.

#include "common/io/boot.h"
#include "services/collector/config.h"
#include "services/collector/io/app.h"
#include "services/collector/io/supervise.h"

static struct config cfg;

// One venue: this process collects.
static int collect(struct boot *b)
{
    struct app app = {0};
    struct err e = {0};
    const struct service_opts so = {.loop = b->loop,
                                    .name = "collector",
                                    .instance = cfg.instance,
                                    .http_host = cfg.http_host,
                                    .http_port = cfg.reset ? -1 : (int)cfg.http_port,
                                    .drain_ms = cfg.drain_ms,
                                    .on_drain = app_drain,
                                    .fill_health = report_health,
                                    .ready = report_ready,
                                    .fill_metrics = report_metrics,
                                    .arg = &app};
    struct service *s = service_new(&so, &e);
    if (s == NULL) {
        return boot_fail(b, s, &e);
    }
    if (app_start(&app, &cfg, b->loop, s, &e) != 0) {
        app_stop(&app);
        return boot_fail(b, s, &e);
    }
    supervise_tell(service_http_port(s));
    boot_run(b, s);
    app_stop(&app);
    return boot_end(b, s);
}

// Several venues: a process for each of them.
static int supervise(struct boot *b, char **argv)
{
    struct err e = {0};
    struct supervisor *children = supervise_new(&cfg, b->loop, argv);
    const struct service_opts so = {.loop = b->loop,
                                    .name = "collector",
                                    .instance = cfg.instance,
                                    .http_host = cfg.http_host,
                                    .http_port = cfg.reset ? -1 : (int)cfg.http_port,
                                    .drain_ms = cfg.drain_ms + 1000,
                                    .on_drain = supervise_drain,
                                    .fill_health = supervise_health,
                                    .ready = supervise_ready,
                                    .fill_metrics = supervise_metrics,
                                    .arg = children};
    struct service *s = service_new(&so, &e);
    if (s == NULL) {
        supervise_free(children);
        return boot_fail(b, s, &e);
    }
    supervise_start(children, s);
    boot_run(b, s);
    supervise_free(children);
    return boot_end(b, s);
}

int main(int argc, char **argv)
{
    struct boot b = {.table = &config_table,
                     .values = &cfg,
                     .log_level = cfg.log_level,
                     .instance = cfg.instance,
                     .check = config_check,
                     .file_option = "BYBIT_CONNECTOR_CONFIG_FILE"};
    const int rc = boot_begin(&b, argc, argv);
    if (rc >= 0) {
        return rc;
    }
    return cfg.feeds > 1 ? supervise(&b, argv) : collect(&b);
}
