#include "services/collector/io/link.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "services/collector/io/link_priv.h"

#define RESUBSCRIBE_MS 10000 // at most one a link in this time

static void connect_now(void *arg);

// ---- streams of a link -------------------------------------------------------------------------

void link_each_stream(struct link *k,
                      void (*fn)(struct link *k, struct lane *l, enum stream_kind kind))
{
    for (size_t i = 0; i < k->plan.n; i++) {
        for (int kind = 0; kind < STREAM_KINDS; kind++) {
            if ((k->plan.on[i].streams & STREAM_BIT(kind)) != 0) {
                fn(k, k->lane[i], (enum stream_kind)kind);
            }
        }
    }
}

static void stream_carried(struct link *k, struct lane *l, enum stream_kind kind)
{
    (void)k;
    l->stream[kind].carried = true;
}

void stream_opened(struct link *k, struct lane *l, enum stream_kind kind)
{
    const struct stream_ops *ops = l->app->ops[kind];
    (void)k;
    silence_begin(&l->stream[kind].silence, loop_mono_ms(l->app->loop));
    l->stream[kind].open = true;
    if (ops->on_open != NULL && l->state == LANE_RUNS) {
        ops->on_open(l);
    }
}

void stream_closed(struct link *k, struct lane *l, enum stream_kind kind)
{
    const struct stream_ops *ops = l->app->ops[kind];
    (void)k;
    if (l->stream[kind].open) {
        l->stream[kind].open = false;
        if (ops->on_close != NULL && l->state == LANE_RUNS) {
            ops->on_close(l);
        }
    }
}

void links_lane_rests(struct links *s, struct lane *l, bool rests)
{
    for (int kind = 0; kind < STREAM_KINDS; kind++) {
        const struct stream_ops *ops = s->app->ops[kind];
        void (*fn)(struct lane *) = ops == NULL ? NULL : rests ? ops->on_close : ops->on_open;
        silence_begin(&l->stream[kind].silence, loop_mono_ms(s->app->loop));
        if (fn != NULL && l->stream[kind].open) {
            fn(l);
        }
    }
}

// ---- connection --------------------------------------------------------------------------------

void link_opened(struct conn *c, bool simulated)
{
    struct link *k = c->link;
    struct links *s = k->all;
    log_ev(LOG_INFO, "ws_open", F_STR("url", k->plan.url), F_BOOL("simulated", simulated));
    app_simulated(s->app, simulated, "handshake");
    if (c == k->next) {
        rotate_opened(k);
        return;
    }
    s->answered_ms = c->opened_ms;
    link_each_stream(k, stream_opened);
}

void link_again(struct link *k, const char *why, int64_t delay_ms)
{
    k->all->reconnects++;
    log_ev(LOG_WARN, "ws_down", F_STR("why", why), F_STR("route", k->plan.route),
           F_INT("retry_ms", delay_ms));
    timer_start(k->retry, delay_ms);
}

// The connection in charge is gone, whoever ended it.
static void down(struct link *k)
{
    conn_free(k->conn);
    k->conn = NULL;
    k->renew = false;
    link_each_stream(k, stream_closed);
}

// "Going away" and "service restart": the venue asks to connect again, at once. (libwebsockets
// does not know 1012 and reports it as 1002.)
static bool is_maintenance(const char *why)
{
    return str_starts(why, "the server closed with 1001") ||
           str_starts(why, "the server closed with 1002") ||
           str_starts(why, "the server closed with 1012");
}

void link_ended(struct conn *c, const char *why)
{
    struct link *k = c->link;
    struct links *s = k->all;
    if (c == k->next) {
        rotate_failed(k, why);
        return;
    }
    // Not twice without data in between.
    const bool at_once = c->opened_ms > 0 && k->backoff.attempt == 0 && is_maintenance(why);
    if (s->stopped) {
        down(k);
    } else if (!rotate_take_over(k)) {
        down(k);
        const int64_t pause_ms = backoff_next_ms(&k->backoff, s->app->loop);
        link_again(k, why, at_once ? 0 : pause_ms);
    }
}

static void reopen(struct link *k, const char *why)
{
    if (!rotate_take_over(k)) {
        down(k);
        link_again(k, why, backoff_next_ms(&k->backoff, k->all->app->loop));
    }
}

static void connect_now(void *arg)
{
    struct link *k = arg;
    struct links *s = k->all;
    char why[160] = "";
    if (s->stopped) {
        return;
    }
    if (k->conn != NULL) {
        if (k->renew) {
            reopen(k, "renewed");
        }
        return;
    }
    const int64_t wait_ms = pace_take(&s->pace, loop_mono_ms(s->app->loop));
    if (wait_ms > 0) {
        timer_start(k->retry, wait_ms);
        return;
    }
    k->conn = conn_new(k, why, sizeof why);
    if (k->conn == NULL) {
        link_again(k, why, backoff_next_ms(&k->backoff, s->app->loop));
    }
}

void links_resubscribe(struct links *s, struct lane *l, enum stream_kind kind)
{
    const int64_t now = loop_mono_ms(s->app->loop);
    for (size_t i = 0; i < s->n; i++) {
        struct link *k = s->link[i];
        for (size_t j = 0; j < k->plan.n; j++) {
            if (k->lane[j] == l && (k->plan.on[j].streams & STREAM_BIT(kind)) != 0 &&
                k->conn != NULL && k->conn->open && now - k->renewed_ms >= RESUBSCRIBE_MS) {
                k->renewed_ms = now;
                k->renew = true;
                timer_start(k->retry, 0); // not from inside a frame
            }
        }
    }
}

// ---- silence -----------------------------------------------------------------------------------

static bool is_watched(const struct stream *st, const struct lane *l)
{
    // A local feed may bring trades alone.
    if (l->app->connector->transport == TRANSPORT_LINES && st != &l->stream[STREAM_TRADES] &&
        st->frames == 0) {
        return false;
    }
    return st->carried && st->silence.floor_ms > 0 && l->state == LANE_RUNS;
}

static void watch(struct links *s, int64_t mono_ms)
{
    struct app *a = s->app;
    for (size_t i = 0; i < a->n; i++) {
        for (int kind = 0; kind < STREAM_KINDS; kind++) {
            struct stream *st = &a->lane[i].stream[kind];
            if (!is_watched(st, &a->lane[i]) || st->silence.last_ms == 0 ||
                !silence_tick(&st->silence, mono_ms)) {
                continue;
            }
            log_ev(st->silence.silent ? LOG_WARN : LOG_INFO,
                   st->silence.silent ? "feed_silent" : "feed_back",
                   F_STR("sym", a->lane[i].feed.ins.name),
                   F_STR("stream", stream_kind_name((enum stream_kind)kind)),
                   F_INT("deadline_ms", st->silence.deadline_ms));
        }
    }
}

static void watch_link(struct link *k, int64_t mono_ms)
{
    const struct silence *all[LINK_INSTRUMENTS * STREAM_KINDS];
    size_t n = 0;
    bool any = false;
    for (size_t i = 0; i < k->plan.n; i++) {
        for (int kind = 0; kind < STREAM_KINDS; kind++) {
            const struct stream *st = &k->lane[i]->stream[kind];
            if ((k->plan.on[i].streams & STREAM_BIT(kind)) != 0 && is_watched(st, k->lane[i])) {
                any = any || st->silence.silent;
                all[n++] = &st->silence;
            }
        }
    }
    if (!any) {
        k->silent_attempts = 0;
    }
    // A file that ended would only be read again.
    if (k->conn == NULL || !k->conn->open || k->all->connector->transport == TRANSPORT_LINES) {
        return;
    }
    switch (silence_wants_reconnect(all, n, k->silent_attempts, mono_ms)) {
    case SILENCE_FINE:
        break;
    case SILENCE_ALL:
        k->silent_attempts++;
        reopen(k, "silent");
        break;
    case SILENCE_ONE:
        if (k->next == NULL && k->rotate_why == NULL) {
            k->silent_attempts++;
            rotate_want(k, "silent");
        }
        break;
    }
}

void links_tick(struct links *s, int64_t mono_ms)
{
    watch(s, mono_ms);
    links_unpause(s, mono_ms);
    for (size_t i = 0; i < s->n; i++) {
        watch_link(s->link[i], mono_ms);
        rotate_tick(s->link[i], mono_ms);
    }
}

// ---- life --------------------------------------------------------------------------------------

struct links *links_new(struct app *a, struct err *e)
{
    const struct config *c = a->cfg;
    struct links *s = xcalloc(1, sizeof *s);
    s->app = a;
    s->connector = a->connector;
    s->ctx = ws_ctx_new(a->loop, c->ca_file[0] != '\0' ? c->ca_file : NULL, e);
    if (s->ctx == NULL) {
        links_free(s);
        return NULL;
    }
    symtab_init(&s->symtab, c->ins, c->n);
    const struct pace_opts pace = {.every_ms = c->connect_interval_ms,
                                   .burst = c->connect_burst,
                                   .window_ms = 300000,
                                   .window_max = c->connects_5min};
    pace_init(&s->pace, &pace);
    const bool local = a->connector->transport == TRANSPORT_LINES;
    s->wants = (struct feed_wants){.ws_base = local ? c->connector_path : c->ws_base,
                                   .single_fills = c->single_fills,
                                   .depth_ms = c->depth_ms,
                                   .depth_levels = c->bybit_levels,
                                   .max_streams = (size_t)c->streams_per_socket};
    for (int kind = 0; kind < STREAM_KINDS; kind++) {
        s->wants.streams |= a->ops[kind] != NULL ? STREAM_BIT(kind) : 0;
    }
    return s;
}

static void add_link(struct links *s, const struct link_plan *p, struct lane *const *lane)
{
    const struct config *c = s->app->cfg;
    struct link *k = xcalloc(1, sizeof *k);
    k->all = s;
    k->plan = *p;
    for (size_t i = 0; i < p->n; i++) {
        k->lane[i] = lane[p->on[i].instrument];
    }
    k->backoff = (struct backoff){.min_ms = c->reconnect_min_ms, .max_ms = c->reconnect_max_ms};
    k->retry = timer_new(s->app->loop, connect_now, k);
    buf_init(&k->held, (size_t)c->rotate_hold_bytes);
    hist_init(&k->latency_ms, loop_mono_ms(s->app->loop));
    link_each_stream(k, stream_carried);
    s->link[s->n++] = k;
}

void links_start(struct links *s)
{
    struct app *a = s->app;
    struct lane *lane[CONFIG_INSTRUMENTS];
    struct err e = {0};
    size_t n = 0;
    if (s->started) {
        return;
    }
    s->started = true;
    for (size_t i = 0; i < a->n; i++) {
        if (a->lane[i].state != LANE_BROKEN) {
            lane[n] = &a->lane[i];
            s->ins[n++] = a->lane[i].feed.ins;
        }
    }
    struct link_plan *plan = xcalloc(LINKS_MAX, sizeof *plan);
    const int found = s->connector->links(&s->wants, s->ins, n, plan, LINKS_MAX, &e);
    for (int i = 0; i < found; i++) {
        add_link(s, &plan[i], lane);
    }
    free(plan);
    if (found < 0) {
        service_fail(a->service, "links_impossible", e.text);
    }
    for (size_t i = 0; i < s->n; i++) {
        connect_now(s->link[i]);
    }
}

void links_stop(struct links *s)
{
    s->stopped = true;
    for (size_t i = 0; i < s->n; i++) {
        struct link *k = s->link[i];
        timer_stop(k->retry);
        conn_free(k->next);
        conn_free(k->conn);
        k->next = k->conn = NULL;
    }
}

bool links_are_open(const struct links *s)
{
    if (s == NULL || s->n == 0) {
        return false;
    }
    for (size_t i = 0; i < s->n; i++) {
        if (s->link[i]->conn == NULL || !s->link[i]->conn->open) {
            return false;
        }
    }
    return true;
}

void links_stats(const struct links *s, struct links_stats *out)
{
    *out = (struct links_stats){0};
    if (s == NULL) {
        return;
    }
    out->links = s->n;
    out->connects = s->connects;
    out->reconnects = s->reconnects;
    out->rotations = s->rotations;
    out->rotations_forced = s->forced;
    for (size_t i = 0; i < s->n; i++) {
        const struct conn *c = s->link[i]->conn;
        out->open += c != NULL && c->open ? 1 : 0;
    }
}

void links_free(struct links *s)
{
    if (s == NULL) {
        return;
    }
    links_stop(s);
    if (s->ctx != NULL) {
        ws_ctx_free(s->ctx);
    }
    for (size_t i = 0; i < s->n; i++) {
        timer_free(s->link[i]->retry);
        buf_release(&s->link[i]->held);
        free(s->link[i]);
    }
    free(s);
}
