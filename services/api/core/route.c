#include "services/api/core/route.h"

#include <string.h>

#include "common/base/clock.h"
#include "common/base/str.h"
#include "services/api/core/answer.h"

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

const struct route routes[] = {
    {.method = "GET",
     .path = "/health",
     .summary = "Liveness: session, trading gate, backfill and precision; always 200",
     .param = {P_SYMBOL},
     .live = live_health,
     .still = still_who},
    {.method = "GET",
     .path = "/ready",
     .summary = "200 when Redis and the feeds are up, else 503 and what is not ready",
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
     .param = {P_SYMBOL},
     .live = live_age,
     .still = still_ws_health},
    {.method = "GET",
     .path = "/backfill/status",
     .summary = "History: what is loaded and what is running",
     .param = {P_SYMBOL},
     .live = live_backfill,
     .still = still_who},
    {.method = "GET",
     .path = "/price",
     .summary = "Newest price",
     .param = {P_SYMBOL},
     .live = live_age,
     .still = still_price},
    {.method = "GET",
     .path = "/levels",
     .summary = "Opening range, VWAP and bands, POC, value area, levels of the previous day",
     .param = {P_SYMBOL},
     .live = live_age,
     .still = still_levels},
    {.method = "GET",
     .path = "/context",
     .summary = "Session, levels, statistics and volume profile of the day",
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
     .param = {P_SYMBOL},
     .live = live_age,
     .still = still_metrics,
     .exposition = exposition,
     .all = true},
    {.method = "GET",
     .path = "/strategy/status",
     .summary = "Strategy engine, newest candles, session schedule",
     .param = {P_SYMBOL},
     .live = live_strategy_status,
     .still = still_strategy_status},
    {.method = "GET",
     .path = "/strategy/candles",
     .summary = "Candles of the day, oldest first",
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
     .param = {P_SYMBOL},
     .live = live_strategy_metrics,
     .still = still_strategy_metrics},
    {.method = "GET",
     .path = "/mark",
     .summary = "Mark price, index, funding rate and open interest",
     .param = {P_SYMBOL},
     .live = live_age,
     .still = still_mark},
    {.method = "GET",
     .path = "/liquidations/clusters",
     .summary = "Liquidated volume of the day by price, forced buys and sells apart",
     .param = {P_SYMBOL},
     .live = live_age,
     .still = still_clusters},
    {.method = "GET",
     .path = "/liquidations/support-resistance",
     .summary = "Nearest liquidation cluster below and above the price",
     .param = {P_SYMBOL},
     .live = live_age,
     .still = still_support},
    {.method = "GET",
     .path = "/liquidations/debug",
     .summary = "Clusters with what was refused and the stream position they stand for",
     .param = {P_SYMBOL},
     .live = live_age,
     .still = still_debug_clusters},
    {.method = "GET",
     .path = "/debug/vwap",
     .summary = "Accumulators behind VWAP, with the first and last trade",
     .param = {P_SYMBOL},
     .live = live_age,
     .still = still_debug_vwap},
    {.method = "GET",
     .path = "/debug/poc",
     .summary = "Bin size, the ten largest bins, POC",
     .param = {P_SYMBOL},
     .live = live_age,
     .still = still_debug_poc},
    {.method = "GET",
     .path = "/debug/exchangeinfo",
     .summary = "Units of the instrument as the venue publishes them",
     .param = {P_SYMBOL},
     .live = live_age,
     .still = still_debug_exchangeinfo},
    {.method = "GET",
     .path = "/symbols",
     .summary = "Configured instruments and their state",
     .live = live_symbols,
     .all = true},
    {.method = "GET",
     .path = "/coverage",
     .summary = "Coverage intervals of a day",
     .param = {P_SYMBOL,
               {.name = "day",
                .type = PARAM_DAY,
                .text = "YYYY-MM-DD; the newest day when absent"}},
     .live = live_age,
     .still = still_coverage},
    {.method = "GET",
     .path = "/trades",
     .summary = "Newest trades, newest first",
     .param = {P_SYMBOL, P_LIMIT},
     .live = live_trades,
     .still = still_who},
    {.method = "GET",
     .path = "/trades/range",
     .summary = "Trades of the last minutes by the instrument's clock, newest first",
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
     .param = {P_SYMBOL, P_LIMIT},
     .live = live_events,
     .still = still_who},
    {.method = "GET",
     .path = "/liquidations",
     .summary = "Newest liquidations, newest first",
     .param = {P_SYMBOL, P_LIMIT},
     .live = live_liquidations,
     .still = still_who},
    {.method = "GET",
     .path = "/book",
     .summary = "Best levels of the order book, spread, imbalance",
     .param = {P_SYMBOL},
     .live = live_age,
     .still = still_book},
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

size_t route_index(const struct route *r)
{
    return r ? (size_t)(r - routes) : routes_n;
}

int symbol_find(const char *s, const struct instrument *ins, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (str_ieq(s, ins[i].name) || str_ieq(s, ins[i].symbol)) {
            return (int)i;
        }
    }
    return -1;
}

static int hex(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// Percent-decodes s[n] into out[size]. false: a bad escape, a NUL, or too long.
static bool decode(const char *s, size_t n, char *out, size_t size)
{
    size_t k = 0;
    for (size_t i = 0; i < n; i++) {
        int c = (unsigned char)s[i];
        if (c == '+') {
            c = ' ';
        } else if (c == '%') {
            if (n - i < 3 || hex(s[i + 1]) < 0 || hex(s[i + 2]) < 0) {
                return false;
            }
            c = hex(s[i + 1]) * 16 + hex(s[i + 2]);
            i += 2;
        }
        if (c == 0 || k + 1 >= size) {
            return false;
        }
        out[k++] = (char)c;
    }
    out[k] = '\0';
    return true;
}

static int bad_symbol(const char *v, const struct instrument *ins, size_t n, struct err *e)
{
    char list[160] = "";
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        if (!str_fmt(list + at, sizeof list - at, "%s%s", i ? ", " : "", ins[i].name)) {
            break;
        }
        at += strlen(list + at);
    }
    return err_set(e, ERR_RANGE, "symbol: '%.40s' is not configured (allowed: %s)", v, list);
}

static int take(const struct param *p, const char *v, const struct instrument *ins, size_t n,
                struct query *out, int64_t *num, struct err *e)
{
    switch (p->type) {
    case PARAM_SYMBOL: {
        int i = symbol_find(v, ins, n);
        if (i < 0) {
            return bad_symbol(v, ins, n, e);
        }
        out->instrument = (size_t)i;
        out->symbol_given = true;
        return 0;
    }
    case PARAM_INT:
        if (parse_i64(v, strlen(v), num) != 0 || *num < p->min || *num > p->max) {
            return err_set(e, ERR_RANGE, "%s: '%.40s' is not a whole number from %lld to %lld",
                           p->name, v, (long long)p->min, (long long)p->max);
        }
        return 0;
    case PARAM_CHOICE: {
        char list[80] = "";
        size_t at = 0;
        for (size_t i = 0; p->choices[i]; i++) {
            if (strcmp(v, p->choices[i]) == 0) {
                *num = (int64_t)i;
                return 0;
            }
            (void)str_fmt(list + at, sizeof list - at, "%s%s", i ? ", " : "", p->choices[i]);
            at += strlen(list + at);
        }
        return err_set(e, ERR_RANGE, "%s: '%.40s' is not one of %s", p->name, v, list);
    }
    case PARAM_DAY:
        if (parse_day(v, strlen(v), num) != 0) {
            return err_set(e, ERR_SYNTAX, "%s: '%.40s' is not a date YYYY-MM-DD", p->name, v);
        }
        return 0;
    }
    return ERR_SYNTAX;
}

static int unknown_param(const struct route *r, const char *name, struct err *e)
{
    char list[120] = "none";
    size_t at = 0;
    for (const struct param *p = r->param; p->name; p++) {
        (void)str_fmt(list + at, sizeof list - at, "%s%s", at ? ", " : "", p->name);
        at += strlen(list + at);
    }
    return err_set(e, ERR_SYNTAX, "unknown parameter '%.40s' (allowed: %s)", name, list);
}

int route_query(const struct route *r, const char *query, const struct instrument *ins, size_t n,
                struct query *out, struct err *e)
{
    memset(out, 0, sizeof *out);
    out->route = r;
    bool seen[ROUTE_PARAMS] = {false};
    for (size_t i = 0; i < ROUTE_PARAMS && r->param[i].name; i++) {
        const struct param *p = &r->param[i];
        out->num[i] = -1;
        if (p->def && take(p, p->def, ins, n, out, &out->num[i], e) != 0) {
            return ERR_STATE; // our own default
        }
    }
    const char *s = query ? query : "";
    if (strlen(s) > QUERY_MAX) {
        return err_set(e, ERR_LIMIT, "query: %zu bytes are more than the %d allowed", strlen(s),
                       QUERY_MAX);
    }
    while (*s) {
        size_t len = strcspn(s, "&");
        size_t eq = 0;
        while (eq < len && s[eq] != '=') {
            eq++;
        }
        char name[48], value[64];
        if (!decode(s, eq, name, sizeof name)) {
            return err_set(e, ERR_SYNTAX, "query: '%.*s' is not a parameter name",
                           (int)(eq < 40 ? eq : 40), s);
        }
        const char *v = eq < len ? s + eq + 1 : s + len;
        size_t vn = (size_t)(s + len - v);
        s += len + (s[len] == '&');
        if (len == 0 || name[0] == '_') {
            continue;
        }
        size_t i = 0;
        while (r->param[i].name && strcmp(r->param[i].name, name) != 0) {
            i++;
        }
        if (!r->param[i].name) {
            return unknown_param(r, name, e);
        }
        if (seen[i]) {
            return err_set(e, ERR_SYNTAX, "%s: given more than once (allowed: once)", name);
        }
        seen[i] = true;
        if (!decode(v, vn, value, sizeof value)) {
            return err_set(e, ERR_SYNTAX,
                           "%s: '%.*s' is not readable (allowed: percent-encoding, 63 bytes)", name,
                           (int)(vn < 40 ? vn : 40), v);
        }
        int rc = take(&r->param[i], value, ins, n, out, &out->num[i], e);
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
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
