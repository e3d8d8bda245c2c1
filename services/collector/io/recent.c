// Continuity of trades that UUIDs name: carries out what core/overlap.c decides. One request for
// the venue's newest trades at a time for all instruments, drawn from the budget like every other.

#include <stdlib.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "services/collector/core/bybit_rest.h"
#include "services/collector/io/app.h"

#define WEIGHT 1
#define MAX_BODY ((size_t)1 << 20)
// Entries of one answer with all that surrounds their data.
#define ANSWER_ROOM ((size_t)262144)
#define REST_MAX_MS 60000
#define ASK_MS 100         // the venue's REST runs behind its feed
#define RETRY_MIN_MS 250   // doubles
#define RETRY_MAX_MS 60000 // also while nothing but the next trade can help

struct recents {
    struct app *app;
    struct http *http;
    struct timer *timer;
    struct lane *lane; // whose request is asked for or under way; NULL = none
    struct http_call *call;
    int64_t rest_until_ms; // monotonic: the budget said so
    size_t turn;           // lane to look at first
    bool stopped;
    struct overlap_row row[OVERLAP_LIMIT];
};

// ---- a lane ------------------------------------------------------------------------------------

void recents_lane_init(struct lane *l)
{
    const struct config *c = l->app->cfg;
    const struct overlap_opts o = {.hold_ms = c->rejoin_hold_ms,
                                   .ask_ms = ASK_MS,
                                   .retry_min_ms = RETRY_MIN_MS,
                                   .retry_max_ms = RETRY_MAX_MS,
                                   .audit_ms = c->bybit_audit_s * 1000,
                                   .max_tries = (int)c->repair_tries};
    overlap_init(&l->overlap, &o);
}

static bool emit(void *arg, const struct history *h)
{
    struct lane *l = arg;
    if (h->kind == HISTORY_GAP) {
        l->declaring = true;
        outbox_add_time_gap(&l->outbox, h->from_ms, h->to_ms, h->reason);
        l->declaring = false;
    } else if (!outbox_add_history(&l->outbox, h)) {
        return false;
    }
    log_ev(h->kind == HISTORY_TRADES ? LOG_INFO : LOG_WARN,
           h->kind == HISTORY_TRADES ? "overlap_claimed"
           : h->kind == HISTORY_GAP  ? "gap_declared"
                                     : "gap_lost",
           F_STR("sym", l->feed.ins.name), F_INT("from_ms", h->from_ms), F_INT("to_ms", h->to_ms),
           F_INT("trades", h->n), F_STR("reason", h->reason));
    return true;
}

// What the overlap decided about the trades that wait. What it wrote goes to Redis before them.
static void settle_hold(struct lane *l, uint64_t tail_before)
{
    if (l->outbox.held_from != UINT64_MAX && !l->overlap.holding) {
        outbox_release_hold(&l->outbox, l->outbox.tail != tail_before);
    }
}

void recents_on_feed(struct lane *l, const struct feed_out *out)
{
    struct app *a = l->app;
    const int64_t now = loop_mono_ms(a->loop);
    if (out->hole) {
        l->declaring = true;
        outbox_add_time_gap(&l->outbox, out->hole_from_ms, out->hole_to_ms, out->hole_reason);
        l->declaring = false;
        log_ev(LOG_WARN, "gap_declared", F_STR("sym", l->feed.ins.name),
               F_INT("from_ms", out->hole_from_ms), F_INT("to_ms", out->hole_to_ms),
               F_STR("reason", out->hole_reason));
        if (a->recents != NULL) {
            overlap_add_hole(&l->overlap, out->hole_from_ms, out->hole_to_ms, out->hole_reason,
                             now);
        }
    }
    if (out->rejoin) {
        const char *reason = out->rejoin_ms == 0 ? "start" : l->joined ? "reconnect" : "restart";
        l->joined = true;
        const uint64_t tail = l->outbox.tail;
        outbox_hold(&l->outbox);
        overlap_begin(&l->overlap, out->rejoin_ms, out->trade.ts_ms, reason, now);
        if (a->recents == NULL) { // no REST, no proof
            overlap_tick(&l->overlap, true, emit, l, now);
        }
        settle_hold(l, tail);
    }
    if (out->hole || out->rejoin) {
        recents_kick(a->recents);
    }
}

void recents_on_gap(struct lane *l, int64_t from_ms, int64_t to_ms)
{
    if (l->app->recents != NULL && !l->declaring) {
        overlap_add_hole(&l->overlap, from_ms, to_ms, "overflow", loop_mono_ms(l->app->loop));
    }
}

void recents_tick(struct lane *l, bool force)
{
    const uint64_t tail = l->outbox.tail;
    // A queue that fills up can not wait for a proof.
    const bool full = l->outbox.fresh > l->outbox.o.max_queue / 2;
    overlap_tick(&l->overlap, force || full, emit, l, loop_mono_ms(l->app->loop));
    settle_hold(l, tail);
}

// ---- requests ----------------------------------------------------------------------------------

static bool is_open(const struct lane *l)
{
    return l->outbox.open && l->feed.has_units && l->state == LANE_RUNS &&
           outbox_has_room(&l->outbox, ANSWER_ROOM);
}

static void done(struct recents *p)
{
    p->lane = NULL;
    p->call = NULL;
    writer_pump(p->app);
    recents_kick(p);
}

static void read_page(struct recents *p, const struct http_reply *r, struct err *e)
{
    struct lane *l = p->lane;
    struct app *a = p->app;
    const int64_t now = loop_mono_ms(a->loop);
    const struct overlap_state s = {.ins = &l->feed.ins,
                                    .names = &l->feed.names,
                                    .link = l->feed.link,
                                    .newest_ms = l->feed.newest_ms,
                                    .oldest_ms = l->feed.oldest_ms,
                                    .unstored_ms = outbox_unstored_ms(&l->outbox),
                                    .mono_ms = now};
    size_t n;
    void *tree;
    if (bybit_recent_parse(r->body, r->n, l->feed.ins.symbol, p->row, OVERLAP_LIMIT, &n, &tree,
                           e) != 0) {
        overlap_failed(&l->overlap, true, "no recent-trade", emit, l, now);
        return;
    }
    const uint64_t found = l->overlap.found;
    const char *why = overlap_page(&l->overlap, &s, p->row, n, n >= OVERLAP_LIMIT, emit, l);
    if (l->overlap.found > found) {
        log_ev(LOG_WARN, "audit_found", F_STR("sym", l->feed.ins.name),
               F_UINT("trades", l->overlap.found - found));
    }
    if (why != NULL) {
        err_set(e, ERR_STATE, "%s", why);
    }
    bybit_recent_release(tree);
}

static void on_answer(void *arg, const struct http_reply *r)
{
    struct recents *p = arg;
    struct lane *l = p->lane;
    struct app *a = p->app;
    struct err e = {0};
    const bool forbidden = budget_note(a->budget, r);
    const uint64_t tail = l->outbox.tail;
    if (r->err == 0 && r->status == 200 && !forbidden) {
        app_simulated(a, r->simulated, "recent-trade");
        read_page(p, r, &e);
    } else {
        err_set(&e, ERR_IO, "%s", r->err != 0 ? r->why : "status");
        overlap_failed(&l->overlap, !forbidden, "recent-trade failed", emit, l,
                       loop_mono_ms(a->loop));
    }
    settle_hold(l, tail);
    if (e.code != 0) {
        log_ev(LOG_WARN, "overlap_failed", F_STR("sym", l->feed.ins.name),
               F_INT("status", r->status), F_STR("why", e.text));
    }
    done(p);
}

// True when the request is on its way.
static bool send_request(struct recents *p)
{
    char url[512];
    struct err e = {0};
    const struct config *c = p->app->cfg;
    str_fmt(url, sizeof url, "%s/v5/market/recent-trade?category=linear&symbol=%s&limit=%d",
            c->rest_base, p->lane->feed.ins.symbol, OVERLAP_LIMIT);
    const struct http_req q = {.url = url,
                               .timeout_ms = c->api_timeout_s * 1000,
                               .max_body = MAX_BODY,
                               .on_done = on_answer,
                               .arg = p};
    p->call = http_get(p->http, &q, &e);
    if (p->call == NULL) {
        log_ev(LOG_ERROR, "request_impossible", F_STR("path", "/v5/market/recent-trade"),
               F_STR("why", e.text));
    }
    return p->call != NULL;
}

static void on_budget(void *arg, bool granted, int64_t wait_ms)
{
    struct recents *p = arg;
    struct lane *l = p->lane;
    const int64_t now = loop_mono_ms(p->app->loop);
    wait_ms = wait_ms < REST_MAX_MS ? wait_ms : REST_MAX_MS;
    if (!granted) {
        p->rest_until_ms = now + wait_ms;
    }
    if (!granted || p->stopped || !is_open(l)) {
        p->lane = NULL;
        if (!p->stopped) {
            timer_start(p->timer, granted ? 1000 : wait_ms);
        }
        return;
    }
    overlap_ask(&l->overlap);
    if (!send_request(p)) {
        const uint64_t tail = l->outbox.tail;
        overlap_failed(&l->overlap, true, "request impossible", emit, l, now);
        settle_hold(l, tail);
        p->lane = NULL;
        timer_start(p->timer, 1000);
    }
}

// The next lane whose page is due; else the timer runs until one is.
static bool choose(struct recents *p, int64_t now)
{
    struct app *a = p->app;
    int64_t due = -1;
    for (size_t i = 0; i < a->n; i++) {
        struct lane *l = &a->lane[(p->turn + i) % a->n];
        const int64_t at = overlap_due_ms(&l->overlap);
        if (!is_open(l) || at < 0) {
            continue;
        }
        if (at <= now) {
            p->lane = l;
            p->turn = (p->turn + i + 1) % a->n;
            return true;
        }
        due = due < 0 || at < due ? at : due;
    }
    if (due >= 0) {
        timer_start(p->timer, due - now);
    }
    return false;
}

void recents_kick(struct recents *p)
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
    recents_kick(arg);
}

struct recents *recents_new(struct app *a)
{
    const struct config *c = a->cfg;
    if (!c->repair || c->reset || a->connector->venue != VENUE_BYBIT ||
        a->connector->transport != TRANSPORT_WEBSOCKET) {
        return NULL;
    }
    struct recents *p = xcalloc(1, sizeof *p);
    p->app = a;
    p->http = http_new(a->loop, c->ca_file[0] != '\0' ? c->ca_file : NULL, 1);
    p->timer = timer_new(a->loop, on_timer, p);
    return p;
}

void recents_stop(struct recents *p)
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

void recents_free(struct recents *p)
{
    if (p == NULL) {
        return;
    }
    recents_stop(p);
    timer_free(p->timer);
    http_free(p->http);
    free(p);
}
