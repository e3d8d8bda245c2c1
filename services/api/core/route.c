#include "services/api/core/route.h"

#include <string.h>

#include "common/base/str.h"
#include "services/api/core/answer.h"
#include "services/api/core/docs.h"
#include "services/api/core/schema.h"

#define P_SYMBOL                                                                                   \
    {                                                                                              \
        .name = "symbol", .type = PARAM_SYMBOL,                                                    \
        .text = "BTCUSDT or binance:BTCUSDT; the first configured instrument when absent"          \
    }

#define P_LIMIT                                                                                    \
    {                                                                                              \
        .name = "limit", .type = PARAM_INT, .min = 1, .max = 1000, .def = "100",                   \
        .text = "entries to return at most"                                                        \
    }

#define P_PERIOD                                                                                   \
    {                                                                                              \
        .name = "period", .type = PARAM_INT, .min = 1, .max = 3600, .def = "60",                   \
        .text = "length of the window in seconds"                                                  \
    }

const struct route routes[] = {
    {.method = "GET",
     .path = "/health",
     .summary = "Liveness: session, trading gate, backfill and precision; always 200",
     .answer = &schema_health,
     .param = {P_SYMBOL},
     .live = live_health,
     .still = still_who},
    {.method = "GET",
     .path = "/ready",
     .summary = "200 when Redis and the feeds are up, else 503 and what is not ready",
     .answer = &schema_ready,
     .param = {P_SYMBOL,
               {.name = "scope",
                .type = PARAM_CHOICE,
                .choices = {"all", "self"},
                .def = "all",
                .text = "self: 200 as soon as this process serves"}},
     .live = live_ready,
     .all = true,
     .still = still_who,
     .status = status_ready},
    {.method = "GET",
     .path = "/ws/health",
     .summary = "State of the venue's streams",
     .answer = &schema_ws_health,
     .param = {P_SYMBOL},
     .live = live_age,
     .still = still_ws_health},
    {.method = "GET",
     .path = "/backfill/status",
     .summary = "History: what is loaded and what is running",
     .answer = &schema_backfill,
     .param = {P_SYMBOL},
     .live = live_backfill,
     .still = still_who},
    {.method = "GET",
     .path = "/price",
     .summary = "Newest price",
     .answer = &schema_price_answer,
     .param = {P_SYMBOL},
     .live = live_age,
     .still = still_price},
    {.method = "GET",
     .path = "/levels",
     .summary = "Opening range, VWAP and bands, POC, value area, levels of the previous day",
     .answer = &schema_levels_answer,
     .param = {P_SYMBOL},
     .live = live_age,
     .still = still_levels},
    {.method = "GET",
     .path = "/context",
     .summary = "Session, levels, statistics and volume profile of the day",
     .answer = &schema_context,
     .param = {P_SYMBOL,
               {.name = "vwap_mode",
                .type = PARAM_CHOICE,
                .choices = {"base", "quote"},
                .def = "base",
                .text = "sum(p*q)/sum(q), or sum(p*p*q)/sum(p*q)"},
               {.name = "profile_rows",
                .type = PARAM_INT,
                .min = -1,
                .max = 100000,
                .def = "1000",
                .text = "rows at most, coarser by an integer multiple of the bin; 0 = all bins, "
                        "-1 = no profile"}},
     .live = live_context,
     .still = still_context},
    {.method = "GET",
     .path = "/metrics",
     .summary = "Rates, queues and latencies; Prometheus exposition when Accept asks for it",
     .answer = &schema_metrics,
     .param = {P_SYMBOL},
     .live = live_age,
     .still = still_metrics,
     .exposition = exposition,
     .all = true},
    {.method = "GET",
     .path = "/strategy/status",
     .summary = "Strategy engine, newest candles, session schedule",
     .answer = &schema_strategy_status,
     .param = {P_SYMBOL},
     .live = live_strategy_status,
     .still = still_strategy_status},
    {.method = "GET",
     .path = "/strategy/candles",
     .summary = "Candles of the day, oldest first",
     .answer = &schema_candles,
     .param = {P_SYMBOL,
               {.name = "timeframe",
                .type = PARAM_CHOICE,
                .choices = {"1m", "5m"},
                .def = "1m",
                .text = "length of a candle"},
               {.name = "count",
                .type = PARAM_INT,
                .min = 1,
                .max = 1000,
                .def = "100",
                .text = "newest candles to return"}},
     .live = live_age,
     .still = still_candles},
    {.method = "GET",
     .path = "/strategy/metrics",
     .summary = "VWAP, POC, delta, volumes and footprint of the day",
     .answer = &schema_strategy_metrics,
     .param = {P_SYMBOL},
     .live = live_strategy_metrics,
     .still = still_strategy_metrics},
    {.method = "GET",
     .path = "/strategy/analysis/diagnostics",
     .summary = "Regime with every input it was made of",
     .answer = &schema_diagnostics,
     .param = {P_SYMBOL},
     .live = live_age,
     .still = still_diagnostics},
    {.method = "GET",
     .path = "/indicators/cvd",
     .summary = "Cumulative volume delta since the day began, or since the newest reset in it",
     .answer = &schema_cvd,
     .param = {P_SYMBOL},
     .live = live_cvd,
     .still = still_cvd},
    {.method = "GET",
     .path = "/indicators/cvd/history",
     .summary = "CVD minute by minute, oldest first",
     .answer = &schema_cvd_history,
     .param = {P_SYMBOL,
               {.name = "limit",
                .type = PARAM_INT,
                .min = 1,
                .max = 1440,
                .def = "100",
                .text = "newest minutes to return"}},
     .live = live_age,
     .still = still_cvd_history},
    {.method = "POST",
     .path = "/indicators/cvd/reset",
     .summary = "Begins the CVD anew: 200 when it is done, 202 when it is written and will be",
     .answer = &schema_cvd_reset,
     .param = {P_SYMBOL},
     .live = live_cvd_reset,
     .still = still_cvd,
     .status = status_cvd_reset,
     .command = "cvd_reset"},
    {.method = "GET",
     .path = "/indicators/volume-delta",
     .summary = "Aggressor buy minus sell volume of the last seconds, exact to the millisecond",
     .answer = &schema_delta,
     .param = {P_SYMBOL, P_PERIOD},
     .live = live_delta,
     .still = still_who},
    {.method = "GET",
     .path = "/indicators/volume-delta/history",
     .summary = "The same of window after window, over the last two hours at most",
     .answer = &schema_delta_history,
     .param = {P_SYMBOL,
               P_PERIOD,
               {.name = "limit",
                .type = PARAM_INT,
                .min = 1,
                .max = 1000,
                .def = "60",
                .text = "newest windows to return"}},
     .live = live_delta_history,
     .still = still_who},
    {.method = "GET",
     .path = "/indicators/volume-delta/multi",
     .summary = "The same for several periods at one moment",
     .answer = &schema_delta_multi,
     .param = {P_SYMBOL,
               {.name = "periods",
                .type = PARAM_LIST,
                .min = 1,
                .max = 3600,
                .def = "60,300,900",
                .text = "seconds, comma separated"}},
     .live = live_delta_multi,
     .still = still_who},
    {.method = "GET",
     .path = "/mark",
     .summary = "Mark price, index, funding rate and open interest",
     .answer = &schema_mark_answer,
     .param = {P_SYMBOL},
     .live = live_age,
     .still = still_mark},
    {.method = "GET",
     .path = "/liquidations/clusters",
     .summary = "Liquidated volume of the day by price, forced buys and sells apart",
     .answer = &schema_clusters,
     .param = {P_SYMBOL},
     .live = live_age,
     .still = still_clusters},
    {.method = "GET",
     .path = "/liquidations/support-resistance",
     .summary = "Nearest liquidation cluster below and above the price",
     .answer = &schema_support,
     .param = {P_SYMBOL},
     .live = live_age,
     .still = still_support},
    {.method = "GET",
     .path = "/liquidations/debug",
     .summary = "Clusters with what was refused and the stream position they stand for",
     .answer = &schema_clusters_debug,
     .param = {P_SYMBOL},
     .live = live_age,
     .still = still_debug_clusters},
    {.method = "GET",
     .path = "/debug/vwap",
     .summary = "Accumulators behind VWAP, with the first and last trade",
     .answer = &schema_debug_vwap,
     .param = {P_SYMBOL},
     .live = live_age,
     .still = still_debug_vwap},
    {.method = "GET",
     .path = "/debug/poc",
     .summary = "Bin size, the ten largest bins, POC",
     .answer = &schema_debug_poc,
     .param = {P_SYMBOL},
     .live = live_age,
     .still = still_debug_poc},
    {.method = "GET",
     .path = "/debug/exchangeinfo",
     .summary = "Units of the instrument as the venue publishes them",
     .answer = &schema_debug_exchangeinfo,
     .param = {P_SYMBOL},
     .live = live_age,
     .still = still_debug_exchangeinfo},
    {.method = "GET",
     .path = "/symbols",
     .summary = "Configured instruments and their state",
     .answer = &schema_symbols,
     .live = live_symbols,
     .all = true},
    {.method = "GET",
     .path = "/coverage",
     .summary = "Coverage intervals of a day",
     .answer = &schema_coverage,
     .param = {P_SYMBOL,
               {.name = "day",
                .type = PARAM_DAY,
                .text = "YYYY-MM-DD; the newest day when absent"}},
     .live = live_age,
     .still = still_coverage},
    {.method = "GET",
     .path = "/trades",
     .summary = "Newest trades, newest first",
     .answer = &schema_trades,
     .param = {P_SYMBOL, P_LIMIT},
     .live = live_trades,
     .still = still_who},
    {.method = "GET",
     .path = "/trades/range",
     .summary = "Trades of the last minutes by the instrument's clock, newest first",
     .answer = &schema_trades_range,
     .param = {P_SYMBOL,
               {.name = "minutes",
                .type = PARAM_INT,
                .min = 1,
                .max = 1440,
                .def = "5",
                .text =
                    "length of the window; truncated tells when more were traded than are kept"},
               {.name = "limit",
                .type = PARAM_INT,
                .min = 1,
                .max = 10000,
                .def = "5000",
                .text = "most trades to return"}},
     .live = live_trades_range,
     .still = still_who},
    {.method = "GET",
     .path = "/trades/stats",
     .summary = "Count, volumes, first and last of the trades kept",
     .answer = &schema_trades_stats,
     .param = {P_SYMBOL,
               {.name = "minutes",
                .type = PARAM_INT,
                .min = 0,
                .max = 1440,
                .def = "0",
                .text = "only the last minutes; 0 = all that are kept"}},
     .live = live_trades_stats,
     .still = still_who},
    {.method = "GET",
     .path = "/events",
     .summary = "Newest events, newest first: candles, sessions, regime",
     .answer = &schema_events,
     .param = {P_SYMBOL, P_LIMIT},
     .live = live_events,
     .still = still_who},
    {.method = "GET",
     .path = "/liquidations",
     .summary = "Newest liquidations, newest first",
     .answer = &schema_liquidations,
     .param = {P_SYMBOL, P_LIMIT},
     .live = live_liquidations,
     .still = still_who},
    {.method = "GET",
     .path = "/book",
     .summary = "Best levels of the order book, spread, imbalance",
     .answer = &schema_book,
     .param = {P_SYMBOL},
     .live = live_age,
     .still = still_book},
    {.method = "GET",
     .path = "/openapi.json",
     .summary = "This interface as an OpenAPI document",
     .page = page_openapi,
     .type = "application/json"},
    {.method = "GET",
     .path = "/docs",
     .summary = "This interface as a page to read",
     .page = page_docs,
     .type = "text/html; charset=utf-8"},
    {.method = "GET", .path = "/", .summary = "Leads to /docs", .to = "/docs"},
};
const size_t routes_n = sizeof routes / sizeof routes[0];

const struct route *route_find(const char *method, const char *path, bool *path_known,
                               char allow[64])
{
    const char *m = strcmp(method, "HEAD") == 0 ? "GET" : method;
    char *at = allow;
    *path_known = false;
    allow[0] = '\0';
    for (size_t i = 0; i < routes_n; i++) {
        const struct route *r = &routes[i];
        if (strcmp(r->path, path) != 0) {
            continue;
        }
        if (strcmp(r->method, m) == 0) {
            return r;
        }
        size_t room = 64 - (size_t)(at - allow);
        bool get = strcmp(r->method, "GET") == 0;
        if (str_fmt(at, room, "%s, ", get ? "GET, HEAD" : r->method)) {
            at += strlen(at);
        }
        *path_known = true;
    }
    if (*path_known) {
        (void)str_fmt(at, 64 - (size_t)(at - allow), "OPTIONS");
    }
    return NULL;
}

bool route_is_still(const struct route *r)
{
    return r->still != NULL && r->live == live_age && r->status == NULL && !r->all;
}

size_t route_index(const struct route *r)
{
    return r ? (size_t)(r - routes) : routes_n;
}

// ---- bodies -------------------------------------------------------------------------------------

void answer_still(const struct ask *a, struct buf *out)
{
    struct jw w;
    jw_init(&w, out);
    jw_obj(&w);
    if (a->q->route->still) {
        a->q->route->still(a, &w);
    }
    jw_end_obj(&w);
}

void answer_live(const struct ask *a, bool followed, struct buf *out)
{
    struct jw w;
    size_t before = buf_len(out);
    jw_init(&w, out);
    jw_obj(&w);
    if (a->q->route->live) {
        a->q->route->live(a, &w);
    }
    if (!followed) {
        jw_end_obj(&w);
    } else if (buf_len(out) > before + 1) {
        buf_addc(out, ',');
    }
}

int answer_status(const struct ask *a)
{
    return a->q->route->status ? a->q->route->status(a) : 200;
}

void answer_error(const char *text, struct buf *out)
{
    struct jw w;
    jw_init(&w, out);
    jw_obj(&w);
    jw_kstr(&w, "error", text);
    jw_end_obj(&w);
}
