#include "services/collector/config.h"

#include <string.h>

#include "common/base/decimal.h"
#include "common/base/str.h"
#include "common/market/symbols.h"
#include "services/collector/core/connector.h"

#define BYBIT_WS "wss://stream.bybit.com"
#define BYBIT_REST "https://api.bybit.com"

#define F(member) FIELD(struct config, member)

static const char *const sources[] = {"binance_ws", "bybit", "bybit_connector", "hft_connector",
                                      NULL};
static const char *const trade_streams[] = {"aggTrade", "trade", NULL};
static const char *const bybit_depths[] = {"50", "200", "1000", NULL};
static const char *const depth_intervals[] = {"0", "100", "250", "500", NULL};
static const char *const levels[] = {"ERROR", "WARN", "WARNING", "INFO", "DEBUG", NULL};

static const struct opt rows[] = {
    {"SYMBOL", NULL, OPT_STR, F(symbol), .def = "BTCUSDT",
     .text = "Contract to follow when SYMBOLS is empty."},
    {"SYMBOLS", NULL, OPT_STR, F(symbols), .def = "",
     .text = "Contracts to follow, comma separated, `venue:SYMBOL` or `SYMBOL` (of the venue of "
             "DATA_SOURCE). Several venues: one process each, under this one."},
    {"DATA_SOURCE", NULL, OPT_CHOICE, F(data_source), .def = "binance_ws", .choices = sources,
     .text = "Where market data comes from; contracts of another venue use that venue's feed."},
    {"REDIS_URL", NULL, OPT_STR, F(redis_url), .def = "redis://127.0.0.1:6379/0", .secret = true,
     .text = "redis://[user:pass@]host[:port][/db], unix:///path[?db=N], "
             "redis+sentinel://host[:port],.../master[/db] or redis+cluster://host[:port],..."},
    {"COLLECTOR_INSTANCE", NULL, OPT_STR, F(instance), .def = "",
     .text = "Name in logs and health keys; empty means the venue."},
    {"LOG_LEVEL", NULL, OPT_CHOICE, F(log_level), .def = "INFO", .choices = levels,
     .text = "Least important level that is logged."},
    {"COLLECTOR_HTTP_HOST", NULL, OPT_STR, F(http_host), .def = "127.0.0.1",
     .text = "Address of /health, /ready and /metrics."},
    {"COLLECTOR_HTTP_PORT", NULL, OPT_INT, F(http_port), .min = 0, .max = 65535, .def = "8101",
     .text = "Port of /health, /ready and /metrics; 0 picks a free one."},
    {"COLLECTOR_CHILD_PORT", NULL, OPT_INT, F(child_port), .min = 0, .max = 65000, .def = "8111",
     .text = "With several venues: the port of the first child, the next ones follow; 0 (also when "
             "COLLECTOR_HTTP_PORT is 0) picks free ones."},
    {"BINANCE_WS_BASE_URL", NULL, OPT_STR, F(ws_base), .def = "wss://fstream.binance.com",
     .text = "Scheme and host of the WebSocket; the routes are added."},
    {"BINANCE_REST_BASE_URL", NULL, OPT_STR, F(rest_base), .def = "https://fapi.binance.com",
     .text = "Scheme and host of REST: exchangeInfo and the clock."},
    {"BINANCE_API_TIMEOUT", NULL, OPT_INT, F(api_timeout_s), .min = 1, .max = 300, .def = "30",
     .unit = "s", .text = "Longest wait for one REST answer."},
    {"BINANCE_TRADE_STREAM", NULL, OPT_CHOICE, F(trade_stream), .def = "aggTrade",
     .choices = trade_streams,
     .text = "aggTrade, or trade: the undocumented single fills of the /public route."},
    {"TLS_CA_FILE", NULL, OPT_STR, F(ca_file), .def = "",
     .text = "CA certificates for https and wss; empty means the system's."},
    {"PROFILE_TICK_SIZE", NULL, OPT_DEC, F(tick), .def = "0.1",
     .text = "Tick size where the venue tells none."},
    {"MAX_QUEUE", NULL, OPT_INT, F(max_queue), .min = 100, .max = 10000000, .def = "5000",
     .unit = "trades",
     .text = "Trades of one instrument that wait for Redis; what does not fit "
             "becomes a declared gap."},
    {"RESEND_RING_SEC", NULL, OPT_INT, F(ring_sec), .min = 1, .max = 3600, .def = "30", .unit = "s",
     .text = "How long stored trades are kept to be sent again after Redis lost them."},
    {"RESEND_RING_MAX", NULL, OPT_INT, F(ring_max), .min = 100, .max = 10000000, .def = "100000",
     .unit = "trades", .text = "Most trades of one instrument kept for that (128 bytes each)."},
    {"COLLECTOR_BATCH", NULL, OPT_INT, F(batch), .min = 1, .max = 4096, .def = "1024",
     .unit = "commands", .text = "Commands per batch; two batches are in flight at most."},
    {"STREAM_RETENTION_HOURS", NULL, OPT_INT, F(retention_h), .min = 1, .max = 8760, .def = "48",
     .unit = "h", .text = "Age, against the newest entry, at which stream entries are trimmed."},
    {"TRIM_INTERVAL_MS", NULL, OPT_INT, F(trim_ms), .min = 100, .max = 3600000, .def = "60000",
     .unit = "ms", .text = "How often the streams are trimmed at least."},
    {"TRIM_ENTRIES", NULL, OPT_INT, F(trim_entries), .min = 100, .max = 100000000, .def = "100000",
     .unit = "entries", .text = "Entries after which they are trimmed earlier."},
    {"WS_MAX_FRAME_BYTES", NULL, OPT_INT, F(frame_bytes), .min = 1024, .max = 67108864,
     .def = "1048576", .unit = "bytes", .text = "A larger message closes the socket."},
    {"TRADES_SILENCE_MS", NULL, OPT_INT, F(silence_ms), .min = 100, .max = 3600000, .def = "30000",
     .unit = "ms",
     .text = "Least deadline of the trade stream; 20 median gaps where that is longer."},
    {"RECONNECT_MIN_MS", NULL, OPT_INT, F(reconnect_min_ms), .min = 10, .max = 60000, .def = "1000",
     .unit = "ms", .text = "First pause before a reconnect to the venue; doubles."},
    {"RECONNECT_MAX_MS", NULL, OPT_INT, F(reconnect_max_ms), .min = 10, .max = 600000,
     .def = "32000", .unit = "ms", .text = "Longest pause before a reconnect to the venue."},
    {"WS_STREAMS_PER_SOCKET", NULL, OPT_INT, F(streams_per_socket), .min = 1, .max = 1024,
     .def = "200", .unit = "streams", .text = "Most streams on one socket; more sockets then."},
    {"WS_CONNECT_INTERVAL_MS", NULL, OPT_INT, F(connect_interval_ms), .min = 1, .max = 60000,
     .def = "1000", .unit = "ms", .text = "One connection attempt per so long ..."},
    {"WS_CONNECT_BURST", NULL, OPT_INT, F(connect_burst), .min = 1, .max = 100, .def = "5",
     .unit = "attempts", .text = "... and so many at once after a rest."},
    {"WS_CONNECTS_5MIN", NULL, OPT_INT, F(connects_5min), .min = 2, .max = 10000, .def = "300",
     .unit = "attempts", .text = "Most connection attempts in any five minutes."},
    {"WS_SUBSCRIBES_PER_SEC", NULL, OPT_INT, F(subscribes_per_s), .min = 1, .max = 100, .def = "5",
     .unit = "messages", .text = "Most subscribe messages a second on one socket."},
    {"WS_ROTATE_SEC", NULL, OPT_INT, F(rotate_s), .min = 1, .max = 864000, .def = "82800",
     .unit = "s",
     .text = "Age at which a socket gives way to a new one, before the venue ends it."},
    {"WS_ROTATE_OVERLAP_MS", NULL, OPT_INT, F(rotate_overlap_ms), .min = 1000, .max = 600000,
     .def = "10000", .unit = "ms",
     .text = "Longest time that both sockets are open until the new one takes over."},
    {"WS_ROTATE_HOLD_BYTES", NULL, OPT_INT, F(rotate_hold_bytes), .min = 65536, .max = 1073741824,
     .def = "16777216", .unit = "bytes",
     .text = "Most of what the new socket sends that is held meanwhile, per socket."},
    {"WS_SLOW_MS", NULL, OPT_INT, F(slow_ms), .min = 0, .max = 3600000, .def = "5000", .unit = "ms",
     .text = "99th percentile of a socket's latency beyond which it is exchanged; 0 = never."},
    {"DEPTH_ENABLED", NULL, OPT_BOOL, F(depth), .def = "true", .text = "Follow the order book."},
    {"DEPTH_INTERVAL_MS", NULL, OPT_CHOICE, F(depth_interval), .def = "100",
     .choices = depth_intervals, .unit = "ms",
     .text = "Pace of Binance's book updates; 0 = as fast as they come (undocumented)."},
    {"DEPTH_SNAPSHOT_LIMIT", NULL, OPT_INT, F(depth_limit), .min = 5, .max = 1000, .def = "1000",
     .unit = "levels", .text = "Levels a side of a book snapshot; what lies outside is unknown."},
    {"BOOK_WRITE_MS", NULL, OPT_INT, F(book_write_ms), .min = 50, .max = 60000, .def = "50",
     .unit = "ms", .text = "Least time between two writes of :book."},
    {"BOOK_MAX_LEVELS", NULL, OPT_INT, F(book_max_levels), .min = 1000, .max = 1000000,
     .def = "10000", .unit = "levels",
     .text = "Levels a side of a book at most (16 bytes each); the farthest go, and are unknown "
             "from then on."},
    {"DEPTH_SNAPSHOTS_PER_MIN", NULL, OPT_INT, F(snapshots_per_min), .min = 1, .max = 1000,
     .def = "100", .unit = "requests",
     .text = "Most book snapshots a minute of all instruments of this process."},
    {"DEPTH_BUFFER_BYTES", NULL, OPT_INT, F(depth_buffer_bytes), .min = 65536, .max = 1073741824,
     .def = "1048576", .unit = "bytes",
     .text = "Most memory of one instrument for book events that wait for a snapshot."},
    {"BYBIT_DEPTH_LEVELS", NULL, OPT_CHOICE, F(bybit_depth), .def = "50", .choices = bybit_depths,
     .unit = "levels", .text = "Levels a side of Bybit's book stream."},
    {"BYBIT_DEPTH_CHECK_U", NULL, OPT_BOOL, F(bybit_check_u), .def = "true",
     .text = "Take a jump of Bybit's book ids for a loss."},
    {"DEDUP_WINDOW_MIN", NULL, OPT_INT, F(window_min), .min = 1, .max = 1440, .def = "10",
     .unit = "min", .text = "How far back ids are held in memory; older ones are asked of Redis."},
    {"CLOCK_CHECK_SEC", NULL, OPT_INT, F(clock_check_s), .min = 1, .max = 86400, .def = "600",
     .unit = "s", .text = "How often the venue's clock is measured."},
    {"COLLECTOR_DRAIN_MS", NULL, OPT_INT, F(drain_ms), .min = 100, .max = 60000, .def = "2000",
     .unit = "ms", .text = "Longest time to flush the queue after SIGTERM."},
    {"REPAIR_ENABLED", NULL, OPT_BOOL, F(repair), .def = "true",
     .text = "Fetch missed trades by their ids from the venue's REST."},
    {"REPAIR_MAX_PENDING", NULL, OPT_INT, F(repair_max), .min = 1, .max = 100000, .def = "1000",
     .unit = "holes", .text = "Holes of one instrument to be repaired; the newest are kept."},
    {"REPAIR_DELAY_MS", NULL, OPT_INT, F(repair_delay_ms), .min = 0, .max = 60000, .def = "500",
     .unit = "ms", .text = "Pause before a hole is asked for: late frames may fill it meanwhile."},
    {"REPAIR_TRIES", NULL, OPT_INT, F(repair_tries), .min = 1, .max = 1000, .def = "10",
     .unit = "tries", .text = "Failed or wrong answers after which a hole is marked lost."},
    {"REPAIR_RETRY_MS", NULL, OPT_INT, F(repair_retry_ms), .min = 10, .max = 60000, .def = "1000",
     .unit = "ms", .text = "Pause after the first of them; doubles up to a minute."},
    {"REPAIR_REACH_HOURS", NULL, OPT_INT, F(repair_reach_h), .min = 1, .max = 8760, .def = "48",
     .unit = "h", .text = "How far back the venue's REST answers; older holes are marked lost."},
    {"REPAIR_MAX_BYTES", NULL, OPT_INT, F(data_bytes), .min = 262144, .max = 1073741824,
     .def = "8388608", .unit = "bytes",
     .text = "Most memory of one instrument for repaired trades in queue and resend ring."},
    {"BUDGET_SCOPE", NULL, OPT_STR, F(budget_scope), .def = "default",
     .text = "Name of the egress address: all processes behind one address share its budget."},
    {"WEIGHT_LIMIT", NULL, OPT_INT, F(weight_limit), .min = 1, .max = 1000000000, .def = "2400",
     .unit = "weight", .text = "Request weight a minute while exchangeInfo has not told it."},
    {"WEIGHT_SHARE_SNAPSHOT", NULL, OPT_INT, F(share_snapshot_pct), .min = 1, .max = 100,
     .def = "90", .unit = "%",
     .text = "Part of it that may be used up by anything; the rest is for safety."},
    {"WEIGHT_SHARE_REPAIR", NULL, OPT_INT, F(share_repair_pct), .min = 1, .max = 100, .def = "70",
     .unit = "%", .text = "Part of it beyond which gap repair does not go."},
    {"LIQUIDATIONS_ENABLED", NULL, OPT_BOOL, F(liquidations), .def = "true",
     .text = "Store liquidations on `:liquidations`."},
    {"LIQUIDATIONS_MAX", NULL, OPT_INT, F(liquidations_max), .min = 1000, .max = 100000000,
     .def = "100000", .unit = "entries",
     .text = "About so many liquidations of one instrument are kept on the stream."},
    {"LIQUIDATIONS_QUEUE", NULL, OPT_INT, F(liquidations_queue), .min = 10, .max = 1000000,
     .def = "1000", .unit = "liquidations",
     .text = "Liquidations of one instrument that wait for Redis; more are counted as lost."},
    {"MARK_ENABLED", NULL, OPT_BOOL, F(mark), .def = "true",
     .text = "Keep mark price, index, funding and open interest in `:mark`."},
    {"OPEN_INTEREST_SEC", NULL, OPT_INT, F(open_interest_s), .min = 0, .max = 3600, .def = "10",
     .unit = "s",
     .text = "How often Binance's REST is asked for the open interest; 0 = never. Weight 1."},
    {"RECORD_DIR", NULL, OPT_STR, F(record_dir), .def = "",
     .text =
         "Folder of recordings: all that the venue sends, as it came; empty: none are written."},
    {"RECORD_MAX_BYTES", NULL, OPT_INT, F(record_max_bytes), .min = 1048576,
     .max = INT64_C(1) << 50, .def = "21474836480", .unit = "bytes",
     .text = "Most that is kept of one venue's recordings; the oldest files go."},
    {"RECORD_ROTATE_MIN", NULL, OPT_INT, F(record_rotate_min), .min = 1, .max = 1440, .def = "60",
     .unit = "min", .text = "Recordings begin new files this often, counted from 00:00 UTC."},
    {"RECORD_QUEUE_BYTES", NULL, OPT_INT, F(record_queue_bytes), .min = 1048576, .max = 1073741824,
     .def = "16777216", .unit = "bytes",
     .text =
         "Messages that wait for the disk; what does not fit is not recorded, and the file says "
         "so."},
    {"COLLECTOR_RESET", "--reset", OPT_BOOL, F(reset), .def = "false",
     .text = "Delete every key of the instruments, then leave."},
    {"CONNECTOR_PATH", NULL, OPT_STR, F(connector_path), .def = "",
     .text = "Feed of hft_connector: `unix:///path` of a socket, or a file or FIFO of lines."},
    {"CONNECTOR_NAME", NULL, OPT_STR, F(connector_name), .def = "",
     .text = "What to call the local feed in the log."},
    {"CONNECTOR_POLL_INTERVAL_MS", NULL, OPT_INT, F(connector_poll_ms), .min = 1, .max = 60000,
     .def = "100", .unit = "ms", .text = "How often a file that ended is looked at for more."},
    {"CONNECTOR_SIMULATED", NULL, OPT_BOOL, F(connector_simulated), .def = "true",
     .text = "What hft_connector reads is no live market; false only when it is one."},
    {"CONNECTOR_PAPER_TRADING", NULL, OPT_OLD, .text = "the collector sends no orders"},
    {"BYBIT_WS_BASE_URL", NULL, OPT_STR, F(bybit_ws), .def = BYBIT_WS,
     .text = "Scheme and host of Bybit's WebSocket; the route is added."},
    {"BYBIT_REST_BASE_URL", NULL, OPT_STR, F(bybit_rest), .def = BYBIT_REST,
     .text = "Scheme and host of Bybit's REST."},
    {"BYBIT_CONNECTOR_TESTNET", NULL, OPT_BOOL, F(bybit_testnet), .def = "false",
     .text = "Use the two addresses below, unless others than the defaults are set above."},
    {"BYBIT_TESTNET_WS_BASE_URL", NULL, OPT_STR, F(bybit_test_ws),
     .def = "wss://stream-testnet.bybit.com", .text = "WebSocket of Bybit's testnet."},
    {"BYBIT_TESTNET_REST_BASE_URL", NULL, OPT_STR, F(bybit_test_rest),
     .def = "https://api-testnet.bybit.com", .text = "REST of Bybit's testnet."},
    {"BYBIT_API_TIMEOUT", NULL, OPT_INT, F(bybit_timeout_s), .min = 1, .max = 300, .def = "10",
     .unit = "s", .text = "Longest wait for one answer of Bybit's REST."},
    {"BYBIT_REQUEST_LIMIT", NULL, OPT_INT, F(bybit_limit), .min = 2, .max = 1000000, .def = "600",
     .unit = "requests", .text = "What Bybit grants one address in any BYBIT_REQUEST_WINDOW_MS."},
    {"BYBIT_REQUEST_WINDOW_MS", NULL, OPT_INT, F(bybit_window_ms), .min = 2000, .max = 3600000,
     .def = "5000", .unit = "ms", .text = "Length of that window."},
    {"REJOIN_HOLD_MS", NULL, OPT_INT, F(rejoin_hold_ms), .min = 0, .max = 60000, .def = "3000",
     .unit = "ms",
     .text = "Where no id proves continuity: longest time that trades of a new link wait for the "
             "proof; then a gap is declared."},
    {"BYBIT_AUDIT_SEC", NULL, OPT_INT, F(bybit_audit_s), .min = 0, .max = 3600, .def = "60",
     .unit = "s",
     .text = "Longest pause between comparisons of Bybit's newest trades with what is held; 0 = "
             "none."},
    {"BYBIT_API_KEY", NULL, OPT_STR, F(bybit_key), .def = "", .secret = true,
     .text = "Accepted; market data needs none."},
    {"BYBIT_API_SECRET", NULL, OPT_STR, F(bybit_secret), .def = "", .secret = true,
     .text = "Accepted; market data needs none."},
    {"BYBIT_CONNECTOR_CONFIG_FILE", NULL, OPT_STR, F(bybit_file), .def = "",
     .text = "JSON object with values of these options by their names; the environment wins."},
};

const struct opt_table config_table = {
    .program = "collector",
    .summary = "Exchange feed to normalized trades on Redis streams.",
    .rows = rows,
    .n = sizeof rows / sizeof rows[0],
};

// Each element of a comma separated list of instruments, once.
static int add_symbols(struct config *c, const char *name, const char *list, struct err *e)
{
    for (const char *p = list; *p != '\0';) {
        const size_t n = strcspn(p, ",");
        struct instrument ins;
        if (instrument_parse(p, n, venue_of_source(c->data_source), &ins, e) != 0) {
            return err_prefix(e, "%s", name);
        }
        bool known = false;
        for (size_t i = 0; i < c->n; i++) {
            known = known || strcmp(c->ins[i].name, ins.name) == 0;
        }
        if (!known && c->n == CONFIG_INSTRUMENTS) {
            return err_set(e, ERR_LIMIT, "%s: more than %d instruments", name, CONFIG_INSTRUMENTS);
        }
        if (!known) {
            c->ins[c->n++] = ins;
        }
        p += n + (p[n] == ',' ? 1 : 0);
    }
    return 0;
}

// The feed of a venue: what DATA_SOURCE names when it is of that venue, else the venue's own.
static int add_feed(struct config *c, enum venue v, struct err *e)
{
    const struct connector *mine = connector_of(c->data_source);
    const char *own = v == VENUE_BYBIT ? "bybit" : "binance_ws";
    struct config_feed *f = &c->feed[c->feeds];
    f->venue = v;
    f->source = mine != NULL && mine->venue == v ? c->data_source : own;
    c->connector = connector_of(f->source);
    if (c->connector == NULL) {
        return err_set(e, ERR_RANGE, "%s: the feed of %s is not in this build",
                       venue_of_source(c->data_source) == v ? "DATA_SOURCE" : "SYMBOLS",
                       venue_name(v));
    }
    if (c->connector->transport == TRANSPORT_LINES && c->connector_path[0] == '\0') {
        return err_set(e, ERR_RANGE, "CONNECTOR_PATH: hft_connector needs a socket or a file");
    }
    for (size_t i = 0; i < c->n; i++) {
        const size_t have = strlen(f->symbols);
        if (c->ins[i].venue == v && !str_fmt(f->symbols + have, sizeof f->symbols - have, "%s%s",
                                             have > 0 ? "," : "", c->ins[i].name)) {
            return err_set(e, ERR_LIMIT, "SYMBOLS: the list is too long");
        }
    }
    c->feeds++;
    return 0;
}

static int find_feeds(struct config *c, struct err *e)
{
    static const enum venue venues[CONFIG_FEEDS] = {VENUE_BINANCE, VENUE_BYBIT};
    c->feeds = 0;
    memset(c->feed, 0, sizeof c->feed);
    for (size_t v = 0; v < CONFIG_FEEDS; v++) {
        bool used = false;
        for (size_t i = 0; i < c->n; i++) {
            used = used || c->ins[i].venue == venues[v];
        }
        const int rc = used ? add_feed(c, venues[v], e) : 0;
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

static void cut_end(char *s, const char *ending)
{
    if (str_ends(s, ending)) {
        s[strlen(s) - strlen(ending)] = '\0';
    }
}

static bool has_scheme(const char *s, const char *a, const char *b)
{
    return (str_starts(s, a) && strlen(s) > strlen(a)) ||
           (str_starts(s, b) && strlen(s) > strlen(b));
}

// The addresses of the venue that this process reads.
static void choose_urls(struct config *c)
{
    if (c->feeds != 1 || c->connector->venue != VENUE_BYBIT) {
        return;
    }
    const bool test = c->bybit_testnet;
    str_copy(c->ws_base, sizeof c->ws_base,
             test && strcmp(c->bybit_ws, BYBIT_WS) == 0 ? c->bybit_test_ws : c->bybit_ws);
    str_copy(c->rest_base, sizeof c->rest_base,
             test && strcmp(c->bybit_rest, BYBIT_REST) == 0 ? c->bybit_test_rest : c->bybit_rest);
    c->api_timeout_s = c->bybit_timeout_s;
}

static int check_urls(struct config *c, struct err *e)
{
    choose_urls(c);
    const bool bybit = c->feeds == 1 && c->connector->venue == VENUE_BYBIT;
    const char *ws = bybit ? "BYBIT_WS_BASE_URL" : "BINANCE_WS_BASE_URL";
    const char *rest = bybit ? "BYBIT_REST_BASE_URL" : "BINANCE_REST_BASE_URL";
    if (!has_scheme(c->ws_base, "wss://", "ws://")) {
        return err_set(e, ERR_SYNTAX, "%s: '%.80s' is not ws://host or wss://host", ws, c->ws_base);
    }
    if (!has_scheme(c->rest_base, "https://", "http://")) {
        return err_set(e, ERR_SYNTAX, "%s: '%.80s' is not http://host or https://host", rest,
                       c->rest_base);
    }
    cut_end(c->rest_base, "/");
    cut_end(c->ws_base, "/");
    c->ws_ending_cut = str_ends(c->ws_base, "/ws") || str_ends(c->ws_base, "/stream");
    cut_end(c->ws_base, "/ws");
    cut_end(c->ws_base, "/stream");
    return redis_url_parse(c->redis_url, &c->redis, e) == 0 ? 0 : err_prefix(e, "REDIS_URL");
}

static int check_tick(const struct config *c, struct err *e)
{
    int64_t v;
    int places;
    if (dec_parse(c->tick, strlen(c->tick), DEC_MAX_SCALE, &v, &places) != 0 || v <= 0) {
        return err_set(e, ERR_RANGE,
                       "PROFILE_TICK_SIZE: '%s' is not a number above 0 with at most %d decimals",
                       c->tick, DEC_MAX_SCALE);
    }
    return 0;
}

int config_check(void *values, struct err *e)
{
    struct config *c = values;
    c->n = 0;
    cut_end(c->record_dir, "/");
    if (c->share_repair_pct > c->share_snapshot_pct) {
        return err_set(e, ERR_RANGE, "WEIGHT_SHARE_REPAIR: %lld is more than WEIGHT_SHARE_SNAPSHOT",
                       (long long)c->share_repair_pct);
    }
    if (c->budget_scope[strspn(c->budget_scope, "abcdefghijklmnopqrstuvwxyz"
                                                "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")] != 0 ||
        c->budget_scope[0] == '\0') {
        return err_set(e, ERR_SYNTAX, "BUDGET_SCOPE: '%s' is not made of letters, digits and _.-",
                       c->budget_scope);
    }
    if (c->reconnect_max_ms < c->reconnect_min_ms) {
        return err_set(e, ERR_RANGE, "RECONNECT_MAX_MS: %lld is less than RECONNECT_MIN_MS",
                       (long long)c->reconnect_max_ms);
    }
    const bool list = c->symbols[0] != '\0';
    int rc = add_symbols(c, list ? "SYMBOLS" : "SYMBOL", list ? c->symbols : c->symbol, e);
    if (rc == 0) {
        rc = find_feeds(c, e);
    }
    if (rc == 0) {
        rc = check_urls(c, e);
    }
    if (rc == 0) {
        rc = check_tick(c, e);
    }
    c->single_fills = strcmp(c->trade_stream, "trade") == 0;
    if (parse_i64(c->bybit_depth, strlen(c->bybit_depth), &c->bybit_levels) != 0) {
        return err_set(e, ERR_RANGE, "BYBIT_DEPTH_LEVELS: '%s' is no number", c->bybit_depth);
    }
    if (parse_i64(c->depth_interval, strlen(c->depth_interval), &c->depth_ms) != 0) {
        return err_set(e, ERR_RANGE, "DEPTH_INTERVAL_MS: '%s' is no number", c->depth_interval);
    }
    if (c->instance[0] == '\0') {
        str_copy(c->instance, sizeof c->instance,
                 c->feeds > 1 ? "supervisor" : venue_name(c->ins[0].venue));
    }
    return rc;
}
