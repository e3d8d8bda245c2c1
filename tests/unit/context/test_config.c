#include <criterion/criterion.h>
#include <string.h>

#include "services/context/config.h"

static const char *const *env; // name, value, ..., NULL
static struct config cfg;
static struct opt_result res;
static struct err e;

static const char *get(void *arg, const char *name)
{
    (void)arg;
    for (size_t i = 0; env[i]; i += 2) {
        if (strcmp(env[i], name) == 0) {
            return env[i + 1];
        }
    }
    return NULL;
}

static int load(const char *const *values)
{
    static char program[] = "context";
    static char *argv[] = {program, NULL};
    env = values;
    memset(&cfg, 0, sizeof cfg);
    memset(&e, 0, sizeof e);
    int rc = opt_load(&config_table, &cfg, get, NULL, 1, argv, &res, &e);
    rc = rc ? rc : config_check(&cfg, &e);
    return rc;
}

Test(config, without_anything_set_the_defaults_work)
{
    cr_assert_eq(load((const char *const[]){NULL}), 0, "%s", e.text);
    cr_assert_eq(cfg.updates_per_sec, 20);
    cr_assert_eq(cfg.n_ins, 1);
    cr_assert_str_eq(cfg.ins[0].name, "binance:BTCUSDT");
    cr_assert_eq(cfg.url.port, 6379);
    opt_result_release(&res);
}

Test(config, refuses_what_is_out_of_range_and_names_it)
{
    static const char *const bad[][3] = {
        {"CONTEXT_UPDATES_PER_SEC", "0", NULL},
        {"CONTEXT_UPDATES_PER_SEC", "101", NULL},
        {"CONTEXT_UPDATES_PER_SEC", "20x", NULL},
        {"CONTEXT_HTTP_PORT", "65536", NULL},
        {"REDIS_URL", "rediss://localhost", NULL},
        {"SYMBOLS", "BTCUSDT,BTCUSDT", NULL},
        {"SYMBOL", "!", NULL},
        {"DATA_SOURCE", "elsewhere", NULL},
        {"LOG_LEVEL", "LOUD", NULL},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cr_assert_lt(load(bad[i]), 0, "%s=%s", bad[i][0], bad[i][1]);
        cr_assert(strncmp(e.text, bad[i][0], strlen(bad[i][0])) == 0, "%s", e.text);
        opt_result_release(&res);
    }
}

Test(config, names_of_the_past_are_accepted_and_told)
{
    static const char *const old[] = {"CONTEXT_HISTORY_DIR", "/tmp", "CONTEXT_BOOTSTRAP_PREV_DAY",
                                      "true", NULL};
    cr_assert_eq(load(old), 0, "%s", e.text);
    cr_assert_gt(buf_len(&res.notes), 0);
    opt_result_release(&res);
}
