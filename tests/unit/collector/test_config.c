#include "services/collector/config.h"

#include <criterion/criterion.h>
#include <string.h>

struct var {
    const char *name, *value;
};

static const char *from_table(void *arg, const char *name)
{
    for (const struct var *v = arg; v->name != NULL; v++) {
        if (strcmp(v->name, name) == 0) {
            return v->value;
        }
    }
    return NULL;
}

static struct config cfg;

static int load(struct var *env, struct err *e)
{
    struct opt_result res = {0};
    char program[] = "collector", *argv[] = {program, NULL};
    memset(&cfg, 0, sizeof cfg);
    memset(e, 0, sizeof *e);
    int rc = opt_load(&config_table, &cfg, from_table, env, 1, argv, &res, e);
    if (rc == 0) {
        rc = config_check(&cfg, e);
    }
    opt_result_release(&res);
    return rc;
}

Test(config, the_defaults_are_good)
{
    struct var env[] = {{NULL, NULL}};
    struct err e;
    cr_assert_eq(load(env, &e), 0, "%s", e.text);
    cr_expect_eq(cfg.n, 1);
    cr_expect_str_eq(cfg.ins[0].name, "binance:BTCUSDT");
    cr_expect_str_eq(cfg.instance, "binance");
    cr_expect_eq(cfg.max_queue, 5000);
    cr_expect_eq(cfg.ring_sec, 30);
    cr_expect_eq(cfg.retention_h, 48);
    cr_expect_not(cfg.single_fills);
}

Test(config, symbols_are_a_list_without_copies)
{
    struct var env[] = {{"SYMBOLS", "binance:BTCUSDT,ethusdt,BTCUSDT"}, {NULL, NULL}};
    struct err e;
    cr_assert_eq(load(env, &e), 0, "%s", e.text);
    cr_expect_eq(cfg.n, 2);
    cr_expect_str_eq(cfg.ins[1].name, "binance:ETHUSDT");
}

Test(config, a_retired_ending_is_cut)
{
    static const char *const forms[] = {"ws://h:1", "ws://h:1/", "ws://h:1/ws", "ws://h:1/stream",
                                        "ws://h:1/ws/"};
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        struct var env[] = {{"BINANCE_WS_BASE_URL", forms[i]}, {NULL, NULL}};
        struct err e;
        cr_assert_eq(load(env, &e), 0, "%s", e.text);
        cr_expect_str_eq(cfg.ws_base, "ws://h:1");
        cr_expect_eq(cfg.ws_ending_cut, i >= 2);
    }
}

Test(config, what_can_not_work_is_refused_by_name)
{
    static const struct var bad[] = {
        {"DATA_SOURCE", "nothing"},
        {"SYMBOLS", "BTCUSDT,,"},
        {"SYMBOL", "b"},
        {"REDIS_URL", "rediss://h"},
        {"REDIS_URL", "redis://h:99999"},
        {"MAX_QUEUE", "0"},
        {"MAX_QUEUE", "12x"},
        {"BINANCE_WS_BASE_URL", "http://h"},
        {"BINANCE_WS_BASE_URL", "ws://"},
        {"BINANCE_REST_BASE_URL", "fapi.binance.com"},
        {"BINANCE_TRADE_STREAM", "depth"},
        {"PROFILE_TICK_SIZE", "0"},
        {"PROFILE_TICK_SIZE", "abc"},
        {"RECONNECT_MAX_MS", "20"},
        {"LOG_LEVEL", "LOUD"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct var env[] = {bad[i], {NULL, NULL}};
        struct err e;
        cr_expect_lt(load(env, &e), 0, "%s=%s was taken", bad[i].name, bad[i].value);
        cr_expect(strncmp(e.text, bad[i].name, strlen(bad[i].name)) == 0, "%s=%s: %s", bad[i].name,
                  bad[i].value, e.text);
    }
}

Test(config, a_bybit_process_takes_its_own_addresses)
{
    struct err e;
    struct var env[] = {{"DATA_SOURCE", "bybit_connector"}, {NULL, NULL}};
    cr_assert_eq(load(env, &e), 0, "%s", e.text);
    cr_expect_str_eq(cfg.ins[0].name, "bybit:BTCUSDT");
    cr_expect_str_eq(cfg.instance, "bybit");
    cr_expect_str_eq(cfg.ws_base, "wss://stream.bybit.com");
    cr_expect_str_eq(cfg.rest_base, "https://api.bybit.com");
    cr_expect_eq(cfg.bybit_levels, 50);
    struct var by_symbol[] = {{"SYMBOLS", "bybit:ETHUSDT"}, {NULL, NULL}};
    cr_assert_eq(load(by_symbol, &e), 0, "%s", e.text);
    cr_expect_str_eq(cfg.ws_base, "wss://stream.bybit.com");
}

Test(config, the_testnet_is_a_switch_and_an_address_wins_over_it)
{
    struct err e;
    struct var env[] = {
        {"DATA_SOURCE", "bybit"}, {"BYBIT_CONNECTOR_TESTNET", "true"}, {NULL, NULL}};
    cr_assert_eq(load(env, &e), 0, "%s", e.text);
    cr_expect_str_eq(cfg.ws_base, "wss://stream-testnet.bybit.com");
    cr_expect_str_eq(cfg.rest_base, "https://api-testnet.bybit.com");
    struct var both[] = {{"DATA_SOURCE", "bybit"},
                         {"BYBIT_CONNECTOR_TESTNET", "true"},
                         {"BYBIT_WS_BASE_URL", "ws://h:1/"},
                         {NULL, NULL}};
    cr_assert_eq(load(both, &e), 0, "%s", e.text);
    cr_expect_str_eq(cfg.ws_base, "ws://h:1");
    cr_expect_str_eq(cfg.rest_base, "https://api-testnet.bybit.com");
    struct var bad[] = {{"DATA_SOURCE", "bybit"}, {"BYBIT_REST_BASE_URL", "ftp://h"}, {NULL, NULL}};
    cr_expect_lt(load(bad, &e), 0);
    cr_expect(strncmp(e.text, "BYBIT_REST_BASE_URL", 19) == 0, "%s", e.text);
}

Test(config, names_of_features_elsewhere_are_accepted)
{
    struct var env[] = {{"DEPTH_INTERVAL_MS", "100"}, {"CONNECTOR_NAME", "x"}, {NULL, NULL}};
    struct err e;
    cr_expect_eq(load(env, &e), 0, "%s", e.text);
}
