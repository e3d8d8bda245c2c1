// Open interest of Binance: no stream tells it, so REST is asked, one instrument after the other,
// each every OPEN_INTEREST_SEC, with the lowest priority the budget knows.

#include <stdlib.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "services/collector/core/deriv.h"
#include "services/collector/io/app.h"

#define WEIGHT 1
#define MAX_BODY 4096
#define REST_MAX_MS 60000

struct open_interest {
    struct app *app;
    struct http *http;
    struct http_call *call;
    struct lane *lane; // whose request is asked for or under way; NULL = none
    size_t turn;
    int64_t *asked_ms;     // per lane, monotonic; -1 never
    int64_t rest_until_ms; // monotonic: the budget said so
    bool stopped;
};

static void on_answer(void *arg, const struct http_reply *r)
{
    struct open_interest *o = arg;
    struct lane *l = o->lane;
    char value[LIQ_TEXT];
    int64_t ts_ms;
    const char *why = NULL;
    o->lane = NULL;
    o->call = NULL;
    (void)budget_note(o->app->budget, r);
    if (r->err != 0 || r->status != 200) {
        why = r->err != 0 ? r->why : "status";
    } else {
        app_simulated(o->app, r->simulated, "openInterest");
        if (deriv_read_open_interest(r->body, r->n, l->feed.ins.symbol, value, &ts_ms) != 0) {
            why = refusal_name(REFUSE_MALFORMED);
        } else {
            const enum refusal bad = derivs_open_interest(l, slice_of(value), ts_ms);
            why = bad != REFUSE_NONE ? refusal_name(bad) : NULL;
        }
    }
    if (why != NULL) {
        log_ev(LOG_INFO, "open_interest_unread", F_STR("sym", l->feed.ins.name), F_STR("why", why),
               F_INT("status", r->status));
    }
    open_interest_kick(o);
}

static void on_budget(void *arg, bool granted, int64_t wait_ms)
{
    struct open_interest *o = arg;
    const struct config *c = o->app->cfg;
    char url[512];
    struct err e = {0};
    if (!granted || o->stopped) {
        o->lane = NULL;
        o->rest_until_ms =
            loop_mono_ms(o->app->loop) + (wait_ms < REST_MAX_MS ? wait_ms : REST_MAX_MS);
        return;
    }
    str_fmt(url, sizeof url, "%s/fapi/v1/openInterest?symbol=%s", c->rest_base,
            o->lane->feed.ins.symbol);
    const struct http_req q = {.url = url,
                               .timeout_ms = c->api_timeout_s * 1000,
                               .max_body = MAX_BODY,
                               .on_done = on_answer,
                               .arg = o};
    o->call = http_get(o->http, &q, &e);
    if (o->call == NULL) {
        log_ev(LOG_ERROR, "request_impossible", F_STR("path", "/fapi/v1/openInterest"),
               F_STR("why", e.text));
        o->lane = NULL;
    }
}

void open_interest_kick(struct open_interest *o)
{
    if (o == NULL || o->stopped || o->lane != NULL || !redis_is_up(o->app->redis)) {
        return;
    }
    struct app *a = o->app;
    const int64_t now = loop_mono_ms(a->loop);
    for (size_t i = 0; i < a->n && now >= o->rest_until_ms; i++) {
        const size_t k = (o->turn + i) % a->n;
        struct lane *l = &a->lane[k];
        const bool due =
            o->asked_ms[k] < 0 || now - o->asked_ms[k] >= a->cfg->open_interest_s * 1000;
        if (due && l->feed.ins.venue == VENUE_BINANCE && l->outbox.open) {
            o->lane = l;
            if (budget_ask(a->budget, BUDGET_BACKFILL, WEIGHT, on_budget, o) != 0) {
                o->lane = NULL; // Redis is away: the next tick tries again
                return;
            }
            o->asked_ms[k] = now;
            o->turn = k + 1;
            return;
        }
    }
}

struct open_interest *open_interest_new(struct app *a)
{
    const struct config *c = a->cfg;
    if (!c->mark || c->open_interest_s == 0 || c->reset ||
        a->connector->transport == TRANSPORT_LINES || a->connector->venue == VENUE_BYBIT) {
        return NULL; // Bybit's tickers carry it
    }
    struct open_interest *o = xcalloc(1, sizeof *o);
    o->app = a;
    o->http = http_new(a->loop, c->ca_file[0] != '\0' ? c->ca_file : NULL, 1);
    o->asked_ms = xcalloc(a->n, sizeof *o->asked_ms);
    for (size_t i = 0; i < a->n; i++) {
        o->asked_ms[i] = -1;
    }
    return o;
}

void open_interest_stop(struct open_interest *o)
{
    if (o == NULL) {
        return;
    }
    o->stopped = true;
    budget_cancel(o->app->budget, o);
    if (o->call != NULL) {
        http_cancel(o->call);
        o->call = NULL;
    }
    o->lane = NULL;
}

void open_interest_free(struct open_interest *o)
{
    if (o == NULL) {
        return;
    }
    open_interest_stop(o);
    http_free(o->http);
    free(o->asked_ms);
    free(o);
}
