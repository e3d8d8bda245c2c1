#include "services/backfill/io/store_child.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/str.h"
#include "services/backfill/io/store_work.h"

static bool small(const char *text, int64_t max, int64_t *out)
{
    return parse_i64(text, strlen(text), out) == 0 && *out >= 0 && *out <= max;
}

int store_child_main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int args;
        int (*run)(struct child *c, struct err *e);
    } verb[] = {{"write", 11, store_child_write},
                {"read", 9, store_child_read},
                {"check", 9, store_child_check},
                {"repair", 9, store_child_repair}};
    static struct child c;
    struct err e = {0};
    char tmp[STORE_PATH];
    size_t v = 0;
    while (v < sizeof verb / sizeof verb[0] &&
           (argc != verb[v].args || strcmp(argv[2], verb[v].name) != 0)) {
        v++;
    }
    if (v == sizeof verb / sizeof verb[0]) {
        fprintf(stderr, "--store-child is for the service itself\n");
        return 2;
    }
    c.dir = argv[3];
    c.venue = strcmp(argv[4], venue_name(VENUE_BYBIT)) == 0 ? VENUE_BYBIT : VENUE_BINANCE;
    c.lib = argv[8];
    c.source = argc > 9 ? argv[9] : "";
    c.sha256 = argc > 10 ? argv[10] : "";
    if (!small(argv[5], 10, &c.price_scale) || !small(argv[6], 10, &c.qty_scale) ||
        !small(argv[7], 1 << 20, &c.memory_mb)) {
        return 2;
    }
    if (verb[v].run != store_child_read) {
        (void)!nice(10); // nobody waits for it
    }
    log_init(stderr, clock_system(), "backfill", "store", LOG_INFO);
    str_fmt(tmp, sizeof tmp, "%s/tmp", c.dir);
    if (duck_open(&c.d, c.lib, c.memory_mb, tmp, &e) != 0) {
        log_ev(LOG_INFO, "library_absent", F_STR("why", e.text));
        return 3;
    }
    const int rc = verb[v].run(&c, &e);
    if (rc != 0) {
        log_ev(LOG_WARN, "store_child_failed", F_STR("dir", c.dir), F_STR("why", e.text));
    }
    duck_close(&c.d);
    return rc != 0 ? 1 : 0;
}
