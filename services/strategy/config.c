#include "services/strategy/config.h"

#include <string.h>

#define F(member) FIELD(struct config, member)

static const char *const sources[] = {"binance_ws", "bybit", "bybit_connector", "hft_connector",
                                      NULL};
static const char *const levels[] = {"ERROR", "WARN", "WARNING", "INFO", "DEBUG", NULL};

static const struct opt rows[] = {
    {"REDIS_URL", NULL, OPT_STR, F(redis_url), .def = "redis://127.0.0.1:6379/0", .secret = true,
     .text = "redis://[user:pass@]host[:port][/db] or unix:///path[?db=N]."},
    {"SYMBOL", NULL, OPT_STR, F(symbol), .def = "BTCUSDT",
     .text = "Instrument to work on when SYMBOLS is empty."},
    {"SYMBOLS", NULL, OPT_LIST, F(symbols), .def = "",
     .text = "Instruments to work on: binance:BTCUSDT,bybit:BTCUSDT,... (at most 64)."},
    {"DATA_SOURCE", NULL, OPT_CHOICE, F(data_source), .def = "binance_ws", .choices = sources,
     .text = "Venue of a symbol that names none."},
    {"STRATEGY_UPDATES_PER_SEC", NULL, OPT_INT, F(updates_per_sec), .min = 1, .max = 100,
     .def = "20", .unit = "1/s",
     .text = "State is written at most this often per instrument (5 times less often while "
             "catching up)."},
    {"METRICS_WINDOW_SEC", NULL, OPT_INT, F(window_sec), .min = 1, .max = 600, .def = "60",
     .unit = "s", .text = "Window of the trade rate in :metrics."},
    {"LIQUIDATION_BIN_SIZE", NULL, OPT_DEC, F(liquidation_bin), .def = "100",
     .text = "Width of a liquidation cluster in quote currency."},
    {"TRADE_NAMES_MAX", NULL, OPT_INT, F(max_names), .min = 1000, .max = 100000000,
     .def = "8000000", .unit = "trades",
     .text = "Bybit trades per instrument and day whose UUIDs are held (21 to 32 bytes each). One "
             "more is refused and its time counts as missing."},
    {"STRATEGY_HTTP_HOST", NULL, OPT_STR, F(http_host), .def = "127.0.0.1",
     .text = "Address of the health port."},
    {"STRATEGY_HTTP_PORT", NULL, OPT_INT, F(http_port), .min = 0, .max = 65535, .def = "8103",
     .text = "Health port: /health, /ready, /metrics (0 picks a free one and logs it)."},
    {"STRATEGY_INSTANCE", NULL, OPT_STR, F(instance), .def = "0",
     .text = "Name of this process in logs and in bc4:health:strategy:<instance>."},
    {"LOG_LEVEL", NULL, OPT_CHOICE, F(log_level), .def = "INFO", .choices = levels,
     .text = "Least severe level that is logged."},
};

const struct opt_table config_table = {
    .program = "strategy",
    .summary = "Derives candles, sessions, metrics and events from the trades on Redis.",
    .rows = rows,
    .n = sizeof rows / sizeof rows[0]};

int config_check(void *values, struct err *e)
{
    struct config *c = values;
    if (redis_url_parse(c->redis_url, &c->url, e)) {
        return err_prefix(e, "REDIS_URL");
    }
    return symbols_parse(c->symbols, c->symbol, c->data_source, c->ins, SYMBOLS_MAX, &c->n_ins, e);
}
