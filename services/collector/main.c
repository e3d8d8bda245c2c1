// Exchange feed to normalized trades on Redis. Wiring only.

#include "common/io/boot.h"
#include "services/collector/config.h"
#include "services/collector/io/app.h"

int main(int argc, char **argv)
{
    static struct config cfg;
    struct app app = {0};
    struct err e = {0};
    struct boot b = {.table = &config_table,
                     .values = &cfg,
                     .log_level = cfg.log_level,
                     .instance = cfg.instance,
                     .check = config_check};
    const int rc = boot_begin(&b, argc, argv);
    if (rc >= 0) {
        return rc;
    }
    const struct service_opts so = {.loop = b.loop,
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
        return boot_fail(&b, s, &e);
    }
    if (app_start(&app, &cfg, b.loop, s, &e) != 0) {
        app_stop(&app);
        return boot_fail(&b, s, &e);
    }
    boot_run(&b, s);
    app_stop(&app);
    return boot_end(&b, s);
}
