#include "services/strategy/config.h"

#include <string.h>

#include "common/base/decimal.h"

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
    {"STRATEGY_UPDATES_PER_SEC", NULL, OPT_INT, F(updates_per_sec), .min = 1, .max = 100,
     .def = "20", .unit = "1/s",
     .text = "State is written at most this often per instrument (5 times less often while "
             "catching up)."},
    {"METRICS_WINDOW_SEC", NULL, OPT_INT, F(window_sec), .min = 1, .max = 600, .def = "60",
     .unit = "s", .text = "Window of the trade rate in :metrics."},
    {"LIQUIDATION_BIN_SIZE", NULL, OPT_DEC, F(liquidation_bin), .def = "100",
     .text = "Width of a liquidation cluster in quote currency."},
    {"FOOTPRINT_BIN_TICKS", NULL, OPT_INT, F(footprint_bin), .min = 1, .max = 1000000, .def = "50",
     .unit = "ticks",
     .text = "Height of a footprint row in bins of the profile (50 is 5 USD for BTCUSDT)."},
    {"STRATEGY_FOOTPRINT_CANDLES", NULL, OPT_INT, F(footprint_candles), .min = 1,
     .max = FOOTPRINT_KEEP_MAX, .def = "30", .unit = "candles",
     .text = "Newest candles of each timeframe that show a footprint."},
    {"IMBALANCE_RATIO", NULL, OPT_MILLI, F(imbalance_ratio), .min = 1000, .max = 1000000,
     .def = "3", .text = "Diagonal imbalance: so many times the volume of the diagonal neighbour."},
    {"IMBALANCE_MIN_QTY", NULL, OPT_DEC, F(imbalance_min), .def = "1",
     .text = "Diagonal imbalance: least volume, in base currency."},
    {"REGIME_CANDLES", NULL, OPT_INT, F(regime_candles), .min = 2, .max = 1440, .def = "60",
     .unit = "candles", .text = "Complete 1m candles the regime looks back on."},
    {"REGIME_WEIGHT_PATH", NULL, OPT_DEC, F(regime_weight[0]), .def = "0.35",
     .text = "Weight of net move over path length."},
    {"REGIME_WEIGHT_DISTANCE", NULL, OPT_DEC, F(regime_weight[1]), .def = "0.25",
     .text = "Weight of the distance from VWAP, in sigmas up to 3."},
    {"REGIME_WEIGHT_DELTA", NULL, OPT_DEC, F(regime_weight[2]), .def = "0.2",
     .text = "Weight of net delta over volume."},
    {"REGIME_WEIGHT_OUTSIDE", NULL, OPT_DEC, F(regime_weight[3]), .def = "0.2",
     .text = "Weight of the closes outside the value area."},
    {"REGIME_TREND_FROM", NULL, OPT_DEC, F(regime_trend), .def = "0.6",
     .text = "Score from which it is a trend."},
    {"REGIME_RANGE_FROM", NULL, OPT_DEC, F(regime_range), .def = "0.4",
     .text = "Score at and below which a trend is over."},
    {"REGIME_MIN_VOLUME", NULL, OPT_DEC, F(regime_min_volume), .def = "10",
     .text = "Volume of those candles below which the confidence is 0.3 at most."},
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

// A share of 1 in 10^-8.
static int take_share(const char *name, const char *text, int64_t *out, struct err *e)
{
    if (dec_parse(text, strlen(text), 8, out, NULL) != 0 || *out <= 0 || *out > 100000000) {
        return err_set(e, ERR_RANGE, "%s: '%.40s' is not above 0 and at most 1, with 8 decimals",
                       name, text);
    }
    return 0;
}

static int check_regime(struct config *c, struct err *e)
{
    static const char *const weight[REGIME_SHARES] = {
        "REGIME_WEIGHT_PATH", "REGIME_WEIGHT_DISTANCE", "REGIME_WEIGHT_DELTA",
        "REGIME_WEIGHT_OUTSIDE"};
    c->regime = regime_defaults;
    c->regime.candles = (size_t)c->regime_candles;
    int rc = 0;
    int64_t sum = 0;
    for (size_t i = 0; i < REGIME_SHARES && rc == 0; i++) {
        rc = take_share(weight[i], c->regime_weight[i], &c->regime.weight_e8[i], e);
        sum += c->regime.weight_e8[i];
    }
    rc = rc ? rc : take_share("REGIME_TREND_FROM", c->regime_trend, &c->regime.trend_e8, e);
    rc = rc ? rc : take_share("REGIME_RANGE_FROM", c->regime_range, &c->regime.range_e8, e);
    if (rc == 0 && sum != 100000000) {
        rc = err_set(e, ERR_RANGE, "REGIME_WEIGHT_PATH: the four weights do not add up to 1");
    }
    if (rc == 0 && c->regime.range_e8 >= c->regime.trend_e8) {
        rc = err_set(e, ERR_RANGE, "REGIME_RANGE_FROM: '%.40s' is not below REGIME_TREND_FROM",
                     c->regime_range);
    }
    c->foot = (struct footprint_params){.bin_ticks = c->footprint_bin,
                                        .ratio_milli = c->imbalance_ratio,
                                        .keep = (size_t)c->footprint_candles};
    return rc;
}

int config_check(void *values, struct err *e)
{
    struct config *c = values;
    if (redis_url_parse(c->redis_url, &c->url, e)) {
        return err_prefix(e, "REDIS_URL");
    }
    int rc = check_regime(c, e);
    if (rc) {
        return rc;
    }
    return symbols_parse(c->symbols, c->symbol, c->data_source, c->ins, SYMBOLS_MAX, &c->n_ins, e);
}
