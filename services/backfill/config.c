#include "services/backfill/config.h"

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
     .text = "Venue of a symbol that names none; hft_connector: nothing is fetched (skipped)."},
    {"CONTEXT_BACKFILL_ENABLED", NULL, OPT_BOOL, F(enabled), .def = "true",
     .text = "Fetch what lies before the first live trade; false: status disabled."},
    {"CONTEXT_BOOTSTRAP_PREV_DAY", NULL, OPT_BOOL, F(prev_day), .def = "true",
     .text = "The previous day too, not only today."},
    {"BACKFILL_HTTP_HOST", NULL, OPT_STR, F(http_host), .def = "127.0.0.1",
     .text = "Address of the health port."},
    {"BACKFILL_HTTP_PORT", NULL, OPT_INT, F(http_port), .min = 0, .max = 65535, .def = "8104",
     .text = "Health port: /health, /ready, /metrics (0 picks a free one and logs it)."},
    {"BACKFILL_INSTANCE", NULL, OPT_STR, F(instance), .def = "0",
     .text = "Name of this process in logs and in bc4:health:backfill:<instance>."},
    {"LOG_LEVEL", NULL, OPT_CHOICE, F(log_level), .def = "INFO", .choices = levels,
     .text = "Least severe level that is logged."},
    {"BINANCE_REST_BASE_URL", NULL, OPT_STR, F(rest_base), .def = "https://fapi.binance.com",
     .text = "Scheme and host of REST."},
    {"BINANCE_ARCHIVE_BASE_URL", NULL, OPT_STR, F(archive_base),
     .def = "https://data.binance.vision", .text = "Scheme and host of the daily archives."},
    {"BINANCE_API_TIMEOUT", NULL, OPT_INT, F(api_timeout_s), .min = 1, .max = 300, .def = "30",
     .unit = "s", .text = "Longest wait for one REST answer, and for the next byte of an archive."},
    {"BINANCE_API_KEY", NULL, OPT_STR, F(binance_key), .def = "", .secret = true,
     .text = "Sent with REST requests when given: no delay between them then. A key that the venue "
             "refuses is dropped, and requests go on without it."},
    {"BINANCE_API_SECRET", NULL, OPT_STR, F(binance_secret), .def = "", .secret = true,
     .text = "Proven by the test mode alone: market data needs no signature."},
    {"CONTEXT_BACKFILL_TEST_MODE", NULL, OPT_BOOL, F(test_mode), .def = "false",
     .text = "Ask the venue whether it is reached and knows key and secret, print it, leave."},
    {"TLS_CA_FILE", NULL, OPT_STR, F(ca_file), .def = "",
     .text = "CA certificates for https; empty means the system's."},
    {"BACKFILL_ARCHIVE_ENABLED", NULL, OPT_BOOL, F(archive), .def = "true",
     .text = "Take whole past days from the venue's archive; false: REST alone."},
    {"BACKFILL_MAX_CONCURRENT_CHUNKS", NULL, OPT_INT, F(parallel), .min = 1, .max = 24, .def = "8",
     .unit = "requests", .text = "REST requests in flight at most; fewer after refusals."},
    {"BACKFILL_MAX_RETRIES", NULL, OPT_INT, F(max_retries), .min = 1, .max = 100, .def = "5",
     .text = "Wrong answers to one request after which its ids are given up as a declared hole. "
             "Refusals, timeouts and broken connections are tried again without end."},
    {"BACKFILL_RETRY_BASE", NULL, OPT_MILLI, F(retry_base_ms), .min = 1, .max = 60000, .def = "0.5",
     .unit = "s", .text = "Pause after the first failure; doubles up to the cooldown."},
    {"BACKFILL_RATE_LIMIT_THRESHOLD", NULL, OPT_INT, F(threshold), .min = 1, .max = 100, .def = "3",
     .text = "Refusals (429) in a row that open the breaker; 418, 403 and 451 open it at once."},
    {"BACKFILL_COOLDOWN_SECONDS", NULL, OPT_INT, F(cooldown_s), .min = 1, .max = 3600, .def = "60",
     .unit = "s", .text = "Shortest time the breaker stays open; doubles when it opens again."},
    {"BACKFILL_PUBLIC_DELAY_MS", NULL, OPT_INT, F(public_delay_ms), .min = 0, .max = 60000,
     .def = "100", .unit = "ms", .text = "Time between two requests without a key."},
    {"BACKFILL_TIMEOUT_SECONDS", NULL, OPT_INT, F(timeout_s), .min = 1, .max = 86400, .def = "180",
     .unit = "s",
     .text = "Time without progress after which the status says error; it goes on "
             "trying."},
    {"RECORD_DIR", NULL, OPT_STR, F(record_dir), .def = "",
     .text = "Folder of the collector's recordings: asked before the venue is; empty: none."},
    {"BACKFILL_REFILL_SEC", NULL, OPT_INT, F(refill_s), .min = 0, .max = 3600, .def = "30",
     .unit = "s",
     .text = "How often coverage is looked at for holes behind the first live trade, which are "
             "filled too; an archive that is not there yet is asked for 60 times as rarely. 0: "
             "never."},
    {"BACKFILL_REFILL_DELAY_SEC", NULL, OPT_INT, F(refill_delay_s), .min = 0, .max = 86400,
     .def = "300", .unit = "s",
     .text = "Such a hole is left to the collector this long, unless it has given it up."},
    {"BACKFILL_CACHE_ENABLED", NULL, OPT_BOOL, F(cache), .def = "true",
     .text = "Keep archives on disk, so that a day is never fetched twice."},
    {"BACKFILL_CACHE_DIR", NULL, OPT_STR, F(cache_dir), .def = "build/history",
     .text = "Folder of the archives kept."},
    {"BACKFILL_KEEP_ARCHIVES", NULL, OPT_BOOL, F(keep_archives), .def = "false",
     .text = "Keep a downloaded archive although its day is whole in the store."},
    {"BACKFILL_DAYS", NULL, OPT_INT, F(days), .min = 1, .max = 1000, .def = "2", .unit = "days",
     .text = "Days that shall be whole in the store, today counted; beyond 2 fetched in the "
             "background, when nothing else is to be done."},
    {"BACKFILL_STORE_LIB", NULL, OPT_STR, F(store_lib), .def = "",
     .text = "libduckdb.so; empty: build/lib or the system's. Without it nothing but archives is "
             "kept."},
    {"BACKFILL_STORE_MEMORY_MB", NULL, OPT_INT, F(store_memory_mb), .min = 128, .max = 65536,
     .def = "512", .unit = "MB",
     .text = "Memory of the child process that reads and writes Parquet."},
    {"BACKFILL_SUMMARY_AFTER_MINUTES", NULL, OPT_INT, F(summary_after_min), .min = 0, .max = 1440,
     .def = "125", .unit = "min",
     .text = "From so long after midnight on the previous day is told by its summary, when the "
             "store has one. Before, windows of up to two hours that reach back into it need its "
             "trades."},
    {"BUDGET_SCOPE", NULL, OPT_STR, F(scope), .def = "default",
     .text = "Name of the egress address: all processes behind one address share its budget."},
    {"WEIGHT_LIMIT", NULL, OPT_INT, F(weight_limit), .min = 1, .max = 1000000000, .def = "2400",
     .unit = "weight", .text = "Request weight a minute while exchangeInfo has not told it."},
    {"WEIGHT_SHARE_BACKFILL", NULL, OPT_INT, F(weight_share), .min = 1, .max = 100, .def = "50",
     .unit = "%", .text = "Part of it beyond which backfill does not go."},
    {"CONTEXT_HISTORY_DIR", NULL, OPT_OLD, .text = "files are kept in BACKFILL_CACHE_DIR"},
    {"CONTEXT_FETCH_MISSING_HISTORY", NULL, OPT_OLD,
     .text = "missing history is always fetched; CONTEXT_BACKFILL_ENABLED=false switches it off"},
    {"BYBIT_API_KEY", NULL, OPT_STR, F(bybit.key), .def = "", .secret = true,
     .text = "Proven by the test mode alone: Bybit's archives need no key."},
    {"BYBIT_API_SECRET", NULL, OPT_STR, F(bybit.secret), .def = "", .secret = true,
     .text = "Proven by the test mode alone."},
    {"BYBIT_REST_BASE_URL", NULL, OPT_STR, F(bybit.rest_base), .def = "https://api.bybit.com",
     .text = "Scheme and host of Bybit's REST, which has no trade history: for the test mode."},
    {"BYBIT_ARCHIVE_BASE_URL", NULL, OPT_STR, F(bybit.archive_base),
     .def = "https://public.bybit.com", .text = "Scheme and host of Bybit's daily archives."},
    {"BYBIT_API_TIMEOUT", NULL, OPT_INT, F(bybit.api_timeout_s), .min = 1, .max = 300, .def = "30",
     .unit = "s", .text = "Longest wait for the next byte of a Bybit archive."},
    {"BYBIT_ARCHIVE_MAX_ROWS", NULL, OPT_INT, F(bybit.archive_rows), .min = 1000, .max = 100000000,
     .def = "12000000", .unit = "rows",
     .text = "Larger Bybit archives are refused: a day is sorted in memory, 56 bytes a row."},
    {"BYBIT_ARCHIVE_RETRY_SEC", NULL, OPT_INT, F(bybit.retry_s), .min = 1, .max = 86400,
     .def = "900", .unit = "s",
     .text = "Time between two questions for the archive of yesterday, which appears hours after "
             "midnight; doubles up to 8 times when what is there can not be used."},
    {"BYBIT_REQUEST_LIMIT", NULL, OPT_INT, F(bybit.limit), .min = 2, .max = 1000000, .def = "600",
     .unit = "requests", .text = "What Bybit grants one address in any BYBIT_REQUEST_WINDOW_MS."},
    {"BYBIT_REQUEST_WINDOW_MS", NULL, OPT_INT, F(bybit.window_ms), .min = 2000, .max = 3600000,
     .def = "5000", .unit = "ms", .text = "Length of that window."},
    {"BYBIT_BACKFILL_MAX_RETRIES", NULL, OPT_INT, F(bybit.max_retries), .min = 1, .max = 100,
     .def = "5",
     .text = "Tries of one archive before the day is declared a hole; it is asked for "
             "again after BYBIT_ARCHIVE_RETRY_SEC."},
    {"BYBIT_BACKFILL_RETRY_BASE", NULL, OPT_MILLI, F(bybit.retry_base_ms), .min = 1, .max = 60000,
     .def = "0.5", .unit = "s",
     .text = "Pause after the first failure; doubles up to the cooldown."},
    {"BYBIT_BACKFILL_RATE_LIMIT_THRESHOLD", NULL, OPT_INT, F(bybit.threshold), .min = 1, .max = 100,
     .def = "3", .text = "Refusals (429) in a row that open the breaker; 403 opens it at once."},
    {"BYBIT_BACKFILL_COOLDOWN_SECONDS", NULL, OPT_INT, F(bybit.cooldown_s), .min = 1, .max = 86400,
     .def = "600", .unit = "s",
     .text = "Shortest time the breaker stays open: after \"access too frequent\" Bybit wants ten "
             "minutes without a request."},
    {"BYBIT_BACKFILL_PUBLIC_DELAY_MS", NULL, OPT_INT, F(bybit.public_delay_ms), .min = 0,
     .max = 60000, .def = "100", .unit = "ms", .text = "Time between two requests."},
    {"BYBIT_BACKFILL_TIMEOUT_SECONDS", NULL, OPT_INT, F(bybit.timeout_s), .min = 1, .max = 86400,
     .def = "180", .unit = "s", .text = "As BACKFILL_TIMEOUT_SECONDS, for Bybit's instruments."},
    {"BYBIT_BACKFILL_MAX_CONCURRENT_CHUNKS", NULL, OPT_OLD,
     .text = "one archive is fetched at a time"},
    {"BACKFILL_PROVIDER", NULL, OPT_OLD, .text = "the venue of the symbol is the provider"},
};

const struct opt_table config_table = {
    .program = "backfill",
    .summary = "Fetches the trades before the first live one: previous day and today.",
    .rows = rows,
    .n = sizeof rows / sizeof rows[0]};

static void cut_slash(char *url)
{
    const size_t n = strlen(url);
    if (n > 0 && url[n - 1] == '/') {
        url[n - 1] = '\0';
    }
}

int config_check(void *values, struct err *e)
{
    struct config *c = values;
    if (redis_url_parse(c->redis_url, &c->url, e)) {
        return err_prefix(e, "REDIS_URL");
    }
    cut_slash(c->rest_base);
    cut_slash(c->archive_base);
    cut_slash(c->record_dir);
    cut_slash(c->bybit.rest_base);
    cut_slash(c->bybit.archive_base);
    c->skipped = strcmp(c->data_source, "hft_connector") == 0;
    return symbols_parse(c->symbols, c->symbol, c->data_source, c->ins, SYMBOLS_MAX, &c->n_ins, e);
}
