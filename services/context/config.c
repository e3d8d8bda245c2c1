#include "services/context/config.h"

#include <string.h>

#define F(member) FIELD(struct config, member)

static const char *const sources[] = {"binance_ws", "bybit", "bybit_connector", "hft_connector",
                                      NULL};
static const char *const levels[] = {"ERROR", "WARN", "WARNING", "INFO", "DEBUG", NULL};

static const struct opt rows[] = {
    {"REDIS_URL", NULL, OPT_STR, F(redis_url), .def = "redis://127.0.0.1:6379/0", .secret = true,
     .text = "redis://[user:pass@]host[:port][/db], unix:///path[?db=N], "
             "redis+sentinel://host[:port],.../master[/db] or redis+cluster://host[:port],..."},
    {"SYMBOL", NULL, OPT_STR, F(symbol), .def = "BTCUSDT",
     .text = "Instrument to work on when SYMBOLS is empty."},
    {"SYMBOLS", NULL, OPT_LIST, F(symbols), .def = "",
     .text = "Instruments to work on: binance:BTCUSDT,bybit:BTCUSDT,... (at most 64)."},
    {"DATA_SOURCE", NULL, OPT_CHOICE, F(data_source), .def = "binance_ws", .choices = sources,
     .text = "Venue of a symbol that names none."},
    {"CONTEXT_UPDATES_PER_SEC", NULL, OPT_INT, F(updates_per_sec), .min = 1, .max = 100,
     .def = "20", .unit = "1/s",
     .text = "State is written at most this often per instrument (5 times less often while "
             "catching up)."},
    {"TRADE_NAMES_MAX", NULL, OPT_INT, F(max_names), .min = 1000, .max = 100000000,
     .def = "8000000", .unit = "trades",
     .text = "Bybit trades per instrument and day whose UUIDs are held (21 to 32 bytes each). One "
             "more is refused and its time counts as missing."},
    {"CONTEXT_HTTP_HOST", NULL, OPT_STR, F(http_host), .def = "127.0.0.1",
     .text = "Address of the health port."},
    {"CONTEXT_HTTP_PORT", NULL, OPT_INT, F(http_port), .min = 0, .max = 65535, .def = "8102",
     .text = "Health port: /health, /ready, /metrics (0 picks a free one and logs it)."},
    {"CONTEXT_INSTANCE", NULL, OPT_STR, F(instance), .def = "0",
     .text = "Name of this process in logs and in bc4:health:context:<instance>."},
    {"LOG_LEVEL", NULL, OPT_CHOICE, F(log_level), .def = "INFO", .choices = levels,
     .text = "Least severe level that is logged."},
    {"CONTEXT_HISTORY_DIR", NULL, OPT_OLD,
     .text = "history comes through the :history stream; context reads no files"},
    {"CONTEXT_BOOTSTRAP_PREV_DAY", NULL, OPT_OLD,
     .text = "the previous day is live as long as its trades are on the streams"},
    {"CONTEXT_FETCH_MISSING_HISTORY", NULL, OPT_OLD,
     .text = "context fetches nothing; holes are filled through the :history stream"},
};

const struct opt_table config_table = {
    .program = "context",
    .summary = "Derives VWAP, profile, levels and coverage from the trades on Redis.",
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
