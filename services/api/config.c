#include "services/api/config.h"

#include <arpa/inet.h>
#include <string.h>

#include "common/base/str.h"

static const char *const LEVELS[] = {"ERROR", "WARN", "INFO", "DEBUG", NULL};
static const char *const SOURCES[] = {"binance_ws", "bybit", "bybit_connector", "hft_connector",
                                      NULL};

static const char *const SCOPES[] = {"post", "all", NULL};

static const struct opt rows[] = {
    {.name = "SYMBOL",
     .type = OPT_LIST,
     FIELD(struct config, symbol),
     .def = "BTCUSDT",
     .text = "Instruments served, the first one is the default; SYMBOLS replaces it."},
    {.name = "SYMBOLS",
     .type = OPT_LIST,
     FIELD(struct config, symbols),
     .def = "",
     .text = "Instruments with their venue: binance:BTCUSDT,bybit:BTCUSDT."},
    {.name = "DATA_SOURCE",
     .type = OPT_CHOICE,
     FIELD(struct config, data_source),
     .def = "binance_ws",
     .choices = SOURCES,
     .text = "Venue of symbols that name none."},
    {.name = "REDIS_URL",
     .type = OPT_STR,
     FIELD(struct config, redis_url),
     .def = "redis://127.0.0.1:6379/0",
     .secret = true,
     .text = "redis://[user:pass@]host[:port][/db], unix:///path[?db=N], "
             "redis+sentinel://host[:port],.../master[/db] or redis+cluster://host[:port],..."},
    {.name = "BACKEND_HOST",
     .type = OPT_STR,
     FIELD(struct config, backend_host),
     .def = "127.0.0.1",
     .text = "IPv4 address the REST interface listens on."},
    {.name = "BACKEND_PORT",
     .flag = "--port",
     .type = OPT_INT,
     FIELD(struct config, backend_port),
     .min = 0,
     .max = 65535,
     .def = "8000",
     .text = "Port of the REST interface; 0 picks a free one and logs it."},
    {.name = "CORS_ALLOW_ORIGINS",
     .type = OPT_LIST,
     FIELD(struct config, cors_origins),
     .def = "http://localhost:3000",
     .text = "Origins a browser may call from; * allows any."},
    {.name = "API_HTTP_HOST",
     .type = OPT_STR,
     FIELD(struct config, http_host),
     .def = "127.0.0.1",
     .text = "Address of the gateway's own health and metrics."},
    {.name = "API_HTTP_PORT",
     .type = OPT_INT,
     FIELD(struct config, http_port),
     .min = 0,
     .max = 65535,
     .def = "8105",
     .text = "Port of the gateway's own health and metrics; 0 picks a free one."},
    {.name = "API_INSTANCE",
     .type = OPT_STR,
     FIELD(struct config, instance),
     .def = "0",
     .text = "Name of this replica in logs and health keys."},
    {.name = "LOG_LEVEL",
     .type = OPT_CHOICE,
     FIELD(struct config, log_level),
     .def = "INFO",
     .choices = LEVELS,
     .text = "Least level that is logged."},
    {.name = "API_SWEEP_MS",
     .type = OPT_INT,
     FIELD(struct config, sweep_ms),
     .min = 50,
     .max = 60000,
     .def = "1000",
     .unit = "ms",
     .text = "How often versions and health hashes are compared with Redis."},
    {.name = "API_PROFILE_MS",
     .type = OPT_INT,
     FIELD(struct config, profile_ms),
     .min = 0,
     .max = 60000,
     .def = "250",
     .unit = "ms",
     .text = "Shortest time between two reads of a whole profile or candle hash."},
    {.name = "API_THREADS",
     .type = OPT_INT,
     FIELD(struct config, threads),
     .min = 8,
     .max = 4096,
     .def = "128",
     .unit = "threads",
     .text = "Connections held at once; beyond that the longest idle one is closed."},
    {.name = "API_KEEP_ALIVE_MS",
     .type = OPT_INT,
     FIELD(struct config, keep_alive_ms),
     .min = 100,
     .max = 3600000,
     .def = "60000",
     .unit = "ms",
     .text = "How long an idle connection is kept."},
    {.name = "API_REQUEST_TIMEOUT_MS",
     .type = OPT_INT,
     FIELD(struct config, request_timeout_ms),
     .min = 100,
     .max = 600000,
     .def = "10000",
     .unit = "ms",
     .text = "How long a client may take to send a request or to take its answer."},
    {.name = "API_CACHE_MB",
     .type = OPT_INT,
     FIELD(struct config, cache_mb),
     .min = 1,
     .max = 4096,
     .def = "32",
     .unit = "MiB",
     .text = "Memory for rendered answers."},
    {.name = "API_COMMAND_WAIT_MS",
     .type = OPT_INT,
     FIELD(struct config, command_wait_ms),
     .min = 10,
     .max = 10000,
     .def = "1000",
     .unit = "ms",
     .text = "How long a POST waits for its command to be taken; then it answers 202."},
    {.name = "API_TRADES_MAX",
     .type = OPT_INT,
     FIELD(struct config, max_trades),
     .min = 100,
     .max = 1000000,
     .def = "10000",
     .unit = "trades",
     .text = "Newest trades of an instrument kept for /trades and its push channel."},
    {.name = "API_WS_CLIENTS",
     .type = OPT_INT,
     FIELD(struct config, ws_clients),
     .min = 1,
     .max = 60000,
     .def = "1000",
     .unit = "clients",
     .text = "WebSocket clients at once; more are refused with 503."},
    {.name = "API_WS_MESSAGES",
     .type = OPT_INT,
     FIELD(struct config, ws_rate),
     .min = 1,
     .max = 1000,
     .def = "20",
     .unit = "messages/s",
     .text = "Messages of one client; three times as many at once. Beyond: closed with 1008."},
    {.name = "API_WS_PING_MS",
     .type = OPT_INT,
     FIELD(struct config, ws_ping_ms),
     .min = 100,
     .max = 600000,
     .def = "20000",
     .unit = "ms",
     .text = "How often a WebSocket client is pinged."},
    {.name = "API_WS_SILENT_MS",
     .type = OPT_INT,
     FIELD(struct config, ws_silent_ms),
     .min = 200,
     .max = 3600000,
     .def = "60000",
     .unit = "ms",
     .text = "A WebSocket client from which nothing came for so long is dropped."},
    {.name = "API_WS_STUCK_MS",
     .type = OPT_INT,
     FIELD(struct config, ws_stuck_ms),
     .min = 100,
     .max = 3600000,
     .def = "30000",
     .unit = "ms",
     .text = "A WebSocket client that takes nothing for so long is dropped."},
    {.name = "API_TOKEN",
     .type = OPT_STR,
     FIELD(struct config, token),
     .def = "",
     .secret = true,
     .text = "Bearer token that requests have to bring; empty: none."},
    {.name = "API_TOKEN_SCOPE",
     .type = OPT_CHOICE,
     FIELD(struct config, token_scope),
     .def = "post",
     .choices = SCOPES,
     .text = "Which: post (what changes something), or all (everything but /health)."},
    {.name = "CONTEXT_BACKFILL_ENABLED",
     .type = OPT_BOOL,
     FIELD(struct config, backfill_enabled),
     .def = "true",
     .text = "false: backfill is switched off and does not hold back trading_enabled."},
    {.name = "TRADING_MAX_MISSING_SEC",
     .type = OPT_INT,
     FIELD(struct config, max_missing_sec),
     .min = -1,
     .max = 86400,
     .def = "-1",
     .unit = "s",
     .text = "Missing time of the day up to which trading_enabled may be true. -1: 0 where holes "
             "can be filled by id (Binance), 300 where not (Bybit)."},
    {.name = "METRICS_WINDOW_SEC", .type = OPT_OLD, .text = "the window belongs to strategy"},
};

const struct opt_table config_table = {
    .program = "api",
    .summary = "Redis -> REST: the gateway of botcrypto4",
    .rows = rows,
    .n = sizeof rows / sizeof rows[0],
};

static int add_instruments(struct config *c, const char *name, const char *list, struct err *e)
{
    enum venue dflt = str_starts(c->data_source, "bybit") ? VENUE_BYBIT : VENUE_BINANCE;
    c->n_ins = 0;
    for (const char *p = list; *p;) {
        size_t n = strcspn(p, ",");
        struct instrument ins;
        const char *from = p;
        size_t len = n;
        while (len > 0 && *from == ' ') {
            from++;
            len--;
        }
        while (len > 0 && from[len - 1] == ' ') {
            len--;
        }
        int rc = instrument_parse(from, len, dflt, &ins, e);
        if (rc != 0) {
            err_prefix(e, "%s", name);
            return rc;
        }
        bool known = false;
        for (size_t i = 0; i < c->n_ins; i++) {
            known = known || strcmp(c->ins[i].name, ins.name) == 0;
        }
        if (!known) {
            if (c->n_ins == CONFIG_INSTRUMENTS) {
                return err_set(e, ERR_LIMIT, "%s: more than %d instruments", name,
                               CONFIG_INSTRUMENTS);
            }
            c->ins[c->n_ins++] = ins;
        }
        p += n + (p[n] == ',');
    }
    return 0;
}

int config_check(void *values, struct err *e)
{
    struct config *c = values;
    struct in_addr addr;
    bool many = *c->symbols != '\0';
    int rc = add_instruments(c, many ? "SYMBOLS" : "SYMBOL", many ? c->symbols : c->symbol, e);
    if (rc != 0) {
        return rc;
    }
    if (inet_pton(AF_INET, c->backend_host, &addr) != 1) {
        return err_set(e, ERR_SYNTAX, "BACKEND_HOST: '%s' is not an IPv4 address", c->backend_host);
    }
    rc = redis_url_parse(c->redis_url, &c->url, e);
    if (rc != 0 && !str_starts(e->text, "REDIS_URL")) {
        err_prefix(e, "REDIS_URL");
    }
    return rc;
}
