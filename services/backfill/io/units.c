// What has to be known of a venue before its files are read: whether it is a simulated one, and the
// tick and step of its contracts.
//
//   archive hosts, any answer     X-Simulated or not; no answer: taken for a real one
//   exchangeInfo, once            tick and step (Binance); weighs 1, the only request without Redis
//   neither                       eight decimals: prices and quantities are kept exactly all the
//                                 same, for a file's numbers need no tick

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/json.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "services/backfill/io/fetch.h"

#define INFO_MAX ((size_t)32 << 20)
#define SCALE_UNKNOWN 8

struct units {
    struct app *app;
    struct instrument *ins;
    size_t n;
    void (*done)(void *arg);
    void *arg;
    struct http_call *call;
    struct timer *timer;
    enum { BEGIN, BYBIT_FILES, BINANCE_FILES, BINANCE_INFO, END } step;
};

static void next(struct units *u);

static bool is_known(const struct instrument *ins)
{
    return ins->tick_size[0] != '\0';
}

static bool has(const struct units *u, enum venue v)
{
    bool any = false;
    for (size_t i = 0; i < u->n; i++) {
        any = any || u->ins[i].venue == v;
    }
    return any;
}

static const char *filter_value(const json_t *symbol, const char *type, const char *key)
{
    struct err e = {0};
    size_t i;
    const json_t *f;
    const char *name, *value;
    json_array_foreach(json_object_get(symbol, "filters"), i, f)
    {
        if (json_get_str(f, "filterType", &name, &e) == 0 && strcmp(name, type) == 0 &&
            json_get_str(f, key, &value, &e) == 0) {
            return value;
        }
    }
    return "";
}

static void read_info(struct units *u, const struct http_reply *r)
{
    struct err e = {0};
    size_t i;
    const json_t *s;
    const char *name;
    json_t *tree = json_parse(r->body, r->n, &e);
    json_array_foreach(json_object_get(tree, "symbols"), i, s)
    {
        for (size_t k = 0; json_get_str(s, "symbol", &name, &e) == 0 && k < u->n; k++) {
            struct instrument *ins = &u->ins[k];
            if (ins->venue == VENUE_BINANCE && strcmp(ins->symbol, name) == 0 &&
                ins->simulated == r->simulated) {
                const char *tick = filter_value(s, "PRICE_FILTER", "tickSize");
                const char *step = filter_value(s, "LOT_SIZE", "stepSize");
                if (tick[0] != '\0' && instrument_set_units(ins, tick, step, -1, &e) != 0) {
                    log_ev(LOG_WARN, "units_rejected", F_STR("sym", ins->name),
                           F_STR("why", e.text));
                }
            }
        }
    }
    json_decref(tree);
}

static void on_done(void *arg, const struct http_reply *r)
{
    struct units *u = arg;
    u->call = NULL;
    const enum venue v = u->step == BYBIT_FILES ? VENUE_BYBIT : VENUE_BINANCE;
    for (size_t i = 0; r->err == 0 && u->step != BINANCE_INFO && i < u->n; i++) {
        if (u->ins[i].venue == v) {
            u->ins[i].simulated = r->simulated;
        }
    }
    if (u->step == BINANCE_INFO && r->err == 0 && r->status == 200) {
        read_info(u, r);
    }
    next(u);
}

static bool ask(struct units *u, const char *base, const char *path)
{
    char url[400];
    struct err e = {0};
    str_fmt(url, sizeof url, "%s%s", base, path);
    u->call = http_get(u->app->files,
                       &(struct http_req){.url = url,
                                          .timeout_ms = u->app->cfg->api_timeout_s * 1000,
                                          .max_body = INFO_MAX,
                                          .on_done = on_done,
                                          .arg = u},
                       &e);
    return u->call != NULL;
}

static void next(struct units *u)
{
    const struct config *c = u->app->cfg;
    const struct {
        enum venue venue;
        const char *base, *path;
    } step[] = {[BYBIT_FILES] = {VENUE_BYBIT, c->bybit.archive_base, "/"},
                [BINANCE_FILES] = {VENUE_BINANCE, c->archive_base, "/"},
                [BINANCE_INFO] = {VENUE_BINANCE, c->rest_base, "/fapi/v1/exchangeInfo"}};
    while (++u->step < END) {
        if (has(u, step[u->step].venue) && ask(u, step[u->step].base, step[u->step].path)) {
            return;
        }
    }
    for (size_t i = 0; i < u->n; i++) {
        struct instrument *ins = &u->ins[i];
        if (!is_known(ins)) {
            ins->price_scale = ins->qty_scale = SCALE_UNKNOWN;
            ins->price_decimals = ins->qty_decimals = 0;
            ins->bin_ticks = 1;
        }
    }
    u->done(u->arg);
}

static void on_timer(void *arg)
{
    next(arg);
}

struct units *units_ask(struct app *a, struct instrument *ins, size_t n, void (*done)(void *arg),
                        void *arg)
{
    struct units *u = xcalloc(1, sizeof *u);
    u->app = a;
    u->ins = ins;
    u->n = n;
    u->done = done;
    u->arg = arg;
    u->timer = timer_new(a->loop, on_timer, u);
    timer_start(u->timer, 0);
    return u;
}

void units_free(struct units *u)
{
    if (u == NULL) {
        return;
    }
    http_cancel(u->call);
    timer_free(u->timer);
    free(u);
}
