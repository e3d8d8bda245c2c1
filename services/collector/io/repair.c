// Gap repair: asks the budget, then the venue, and hands the answer to the core; what comes of it
// goes through the outbox like everything else. One request at a time for all instruments: the
// venue's weight is spent long before its round trips matter.

#include <stdlib.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "services/collector/io/app.h"

#define WEIGHT 20
#define MAX_BODY ((size_t)1 << 20)
// Entries of one answer with all that surrounds their data.
#define ANSWER_ROOM ((size_t)262144)
// Asking the budget again costs little, and someone may have lifted a ban by hand.
#define REST_MAX_MS 60000

struct repairer {
    struct app *app;
    struct http *http;
    struct timer *timer;
    struct lane *lane; // whose request is asked for or under way; NULL = none
    struct http_call *call;
    int64_t from_id;
    int64_t rest_until_ms; // monotonic: the budget said so
    size_t turn;           // lane to look at first
    bool stopped;
};

void repairer_on_gap(void *arg, int64_t from_id, int64_t to_id, int64_t from_ms, int64_t to_ms)
{
    struct lane *l = arg;
    struct app *a = l->app;
    if (from_id < 0) {
        recents_on_gap(l, from_ms, to_ms);
        return;
    }
    if (a->repairer != NULL) {
        repair_add(&l->repair, from_id, to_id, from_ms, to_ms, loop_mono_ms(a->loop));
    }
}

static bool emit(void *arg, const struct history *h)
{
    struct lane *l = arg;
    if (!outbox_add_history(&l->outbox, h)) {
        return false;
    }
    log_ev(h->kind == HISTORY_LOST ? LOG_WARN : LOG_INFO,
           h->kind == HISTORY_LOST ? "gap_lost" : "gap_repaired", F_STR("sym", l->feed.ins.name),
           F_INT("from_id", h->from_id), F_INT("to_id", h->to_id), F_STR("reason", h->reason));
    return true;
}

static bool is_open(const struct lane *l)
{
    return l->state == LANE_RUNS && l->outbox.open && l->feed.has_units &&
           outbox_has_room(&l->outbox, ANSWER_ROOM);
}

static void done(struct repairer *p)
{
    p->lane = NULL;
    p->call = NULL;
    writer_pump(p->app);
    repairer_kick(p);
}

static void on_answer(void *arg, const struct http_reply *r)
{
    struct repairer *p = arg;
    struct lane *l = p->lane;
    struct app *a = p->app;
    const int64_t now = loop_mono_ms(a->loop);
    const bool forbidden = budget_note(a->budget, r);
    const char *why = NULL;
    if (r->err == 0 && r->status == 200) {
        app_simulated(a, r->simulated, "aggTrades");
        why = repair_answer(&l->repair, &l->feed.ins, r->body, r->n, now, emit, l);
    } else {
        why = r->err != 0 ? r->why : "status";
        repair_failed(&l->repair, !forbidden, now, emit, l);
    }
    if (why != NULL) {
        log_ev(LOG_WARN, "repair_failed", F_STR("sym", l->feed.ins.name),
               F_INT("from_id", p->from_id), F_INT("status", r->status), F_STR("why", why));
    }
    done(p);
}

// True when the request is on its way.
static bool send_request(struct repairer *p)
{
    char url[512];
    struct err e = {0};
    const struct config *c = p->app->cfg;
    str_fmt(url, sizeof url, "%s/fapi/v1/aggTrades?symbol=%s&fromId=%lld&limit=%d", c->rest_base,
            p->lane->feed.ins.symbol, (long long)p->from_id, REPAIR_LIMIT);
    const struct http_req q = {.url = url,
                               .timeout_ms = c->api_timeout_s * 1000,
                               .max_body = MAX_BODY,
                               .on_done = on_answer,
                               .arg = p};
    p->call = http_get(p->http, &q, &e);
    if (p->call == NULL) {
        log_ev(LOG_ERROR, "request_impossible", F_STR("path", "/fapi/v1/aggTrades"),
               F_STR("why", e.text));
    }
    return p->call != NULL;
}

static void on_budget(void *arg, bool granted, int64_t wait_ms)
{
    struct repairer *p = arg;
    struct lane *l = p->lane;
    const int64_t now = loop_mono_ms(p->app->loop);
    wait_ms = wait_ms < REST_MAX_MS ? wait_ms : REST_MAX_MS;
    if (!granted) {
        p->rest_until_ms = now + wait_ms;
    }
    // Late frames may have filled the hole while the budget was asked.
    if (!granted || p->stopped || !is_open(l) || !repair_ask(&l->repair, p->from_id)) {
        p->lane = NULL;
        if (granted && !p->stopped) {
            repairer_kick(p);
        } else if (!p->stopped) {
            timer_start(p->timer, wait_ms);
        }
        return;
    }
    if (!send_request(p)) {
        repair_failed(&l->repair, true, now, emit, l);
        p->lane = NULL;
        timer_start(p->timer, p->app->cfg->repair_retry_ms);
    }
}

// The next lane with a hole that is due; else the timer runs until one is.
static bool choose(struct repairer *p, int64_t now)
{
    struct app *a = p->app;
    int64_t due = -1;
    for (size_t i = 0; i < a->n; i++) {
        struct lane *l = &a->lane[(p->turn + i) % a->n];
        if (!is_open(l)) {
            continue;
        }
        repair_expire(&l->repair, l->feed.newest_ms, emit, l);
        if (repair_next(&l->repair, now, &p->from_id)) {
            p->lane = l;
            p->turn = (p->turn + i + 1) % a->n;
            return true;
        }
        const int64_t at = repair_due_ms(&l->repair);
        due = at >= 0 && (due < 0 || at < due) ? at : due;
    }
    if (due >= 0) {
        timer_start(p->timer, due > now ? due - now : 1);
    }
    return false;
}

void repairer_kick(struct repairer *p)
{
    if (p == NULL || p->stopped || p->lane != NULL || !redis_is_up(p->app->redis)) {
        return;
    }
    const int64_t now = loop_mono_ms(p->app->loop);
    if (now < p->rest_until_ms || !choose(p, now)) {
        return;
    }
    if (budget_ask(p->app->budget, BUDGET_REPAIR, WEIGHT, on_budget, p) != 0) {
        p->lane = NULL; // Redis is away: the next tick tries again
    }
}

static void on_timer(void *arg)
{
    repairer_kick(arg);
}

struct repairer *repairer_new(struct app *a)
{
    const struct config *c = a->cfg;
    if (!c->repair || c->reset || a->connector->transport == TRANSPORT_LINES ||
        a->connector->venue == VENUE_BYBIT) {
        return NULL;
    }
    if (c->single_fills) {
        // The ids of single fills are not those that REST knows.
        log_ev(LOG_WARN, "repair_off", F_STR("why", "BINANCE_TRADE_STREAM=trade"));
        return NULL;
    }
    struct repairer *p = xcalloc(1, sizeof *p);
    p->app = a;
    p->http = http_new(a->loop, c->ca_file[0] != '\0' ? c->ca_file : NULL, 1);
    p->timer = timer_new(a->loop, on_timer, p);
    return p;
}

void repairer_stop(struct repairer *p)
{
    if (p == NULL) {
        return;
    }
    p->stopped = true;
    timer_stop(p->timer);
    budget_cancel(p->app->budget, p);
    if (p->call != NULL) {
        http_cancel(p->call);
        p->call = NULL;
    }
    p->lane = NULL;
}

void repairer_free(struct repairer *p)
{
    if (p == NULL) {
        return;
    }
    repairer_stop(p);
    timer_free(p->timer);
    http_free(p->http);
    free(p);
}
