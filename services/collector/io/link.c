#include "services/collector/io/link.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "services/collector/core/pace.h"
#include "services/collector/core/symtab.h"
#include "services/collector/io/app.h"

#define SNIPPET 160
// A venue is made to wait this long at most; then Redis counts as away and the queue may overflow.
#define PAUSE_MAX_MS 1000
#define LINKS_MAX 32
#define RESUBSCRIBE_MS 10000 // at most one a link in this time
#define MESSAGE_MAX 32768    // one message to the venue

struct link {
    struct links *all;
    size_t number;
    struct link_plan plan; // of the compacted list of instruments
    struct lane *lane[LINK_INSTRUMENTS];
    struct ws *ws; // NULL between connections
    struct timer *retry, *subscribe, *heartbeat;
    struct backoff backoff;
    bool open, paused;
    size_t said;         // messages of subscribe() sent on this connection
    uint64_t beats;      // heartbeats sent on it
    int silent_attempts; // reconnects for silence since no stream was silent last
    bool renew;          // the connection is to be made anew, though it is open
    int64_t resubscribed_ms;
};

struct links {
    struct app *app;
    const struct connector *connector;
    struct ws_ctx *ctx;
    struct feed_wants wants;
    struct instrument ins[CONFIG_INSTRUMENTS]; // those that were planned
    struct symtab symtab;                      // of all lanes
    struct link *link[LINKS_MAX];
    size_t n;
    struct pace pace;
    struct frame_space space;
    bool started, stopped;
    int64_t answered_ms; // monotonic: when Redis last stored a batch, or a link opened
    uint64_t connects, reconnects, rotations;
};

// A message on its way through the decoder.
struct delivery {
    struct link *link;
    const char *p;
    size_t n;
    int64_t rx_us;
};

static void connect_now(void *arg);
static void again(struct link *k, const char *why, int64_t delay_ms);
static void reopen(struct link *k, const char *why);

// ---- frames ------------------------------------------------------------------------------------

void log_refused(const char *sym, enum refusal why, const char *p, size_t n)
{
    char text[SNIPPET];
    str_copyn(text, sizeof text, p, n);
    log_ev(LOG_WARN, "frame_refused", F_STR("sym", sym), F_STR("reason", refusal_name(why)),
           F_STR("frame", text));
}

static void deliver(const struct delivery *d, const struct frame *f, enum stream_kind kind)
{
    struct links *s = d->link->all;
    struct app *a = s->app;
    const int at = symtab_find(&s->symtab, f->symbol);
    if (at < 0) {
        a->foreign++;
        log_refused(NULL, REFUSE_FOREIGN, d->p, d->n);
        return;
    }
    struct lane *l = &a->lane[at];
    const struct stream_ops *ops = a->ops[kind];
    if (ops == NULL) {
        a->ignored++;
        return;
    }
    if (ops->on_frame(l, f, d->rx_us, d->p, d->n)) {
        struct stream *st = &l->stream[kind];
        st->frames++;
        st->last_rx_us = d->rx_us;
        silence_data(&st->silence, loop_mono_ms(a->loop));
        backoff_reset(&d->link->backoff);
    }
}

static void on_frame(void *arg, const struct frame *f)
{
    const struct delivery *d = arg;
    struct app *a = d->link->all->app;
    switch (f->kind) {
    case FRAME_AGG_TRADE:
    case FRAME_TRADE:
    case FRAME_UID_TRADE:
        deliver(d, f, STREAM_TRADES);
        break;
    case FRAME_BOOK:
        deliver(d, f, STREAM_BOOK);
        break;
    case FRAME_LIQUIDATION:
        deliver(d, f, STREAM_LIQUIDATIONS);
        break;
    case FRAME_MARK:
        deliver(d, f, STREAM_MARK);
        break;
    case FRAME_MALFORMED:
        a->malformed++;
        log_refused(NULL, REFUSE_MALFORMED, d->p, d->n);
        break;
    case FRAME_CONTROL:
    case FRAME_OTHER:
        a->ignored++;
        break;
    }
}

// ---- back-pressure -----------------------------------------------------------------------------

// More than `quarters` of a queue wait. A quarter is left for what was read already; reading goes
// on early enough that two full batches stay in flight.
static bool is_behind(const struct app *a, size_t quarters)
{
    for (size_t i = 0; i < a->n; i++) {
        const struct outbox *b = &a->lane[i].outbox;
        if (b->fresh > b->o.max_queue / 4 * quarters) {
            return true;
        }
    }
    return false;
}

static void set_paused(struct link *k, bool paused)
{
    if (k->paused != paused && k->ws != NULL) {
        k->paused = paused;
        ws_pause(k->ws, paused);
    }
}

// Waits only for a Redis that answers: while it is away the queue has to take what comes.
static void consider_pause(struct link *k)
{
    const struct links *s = k->all;
    if (!k->paused && is_behind(s->app, 3) && redis_is_up(s->app->redis)) {
        const int64_t now = loop_mono_ms(s->app->loop);
        if (now - s->answered_ms < PAUSE_MAX_MS) {
            set_paused(k, true);
        }
    }
}

void links_relieve(struct links *s)
{
    if (s == NULL) {
        return;
    }
    s->answered_ms = loop_mono_ms(s->app->loop);
    if (is_behind(s->app, 2)) {
        return;
    }
    for (size_t i = 0; i < s->n; i++) {
        set_paused(s->link[i], false);
    }
}

static void on_message(void *arg, const char *p, size_t n, int64_t rx_us)
{
    struct link *k = arg;
    struct links *s = k->all;
    struct delivery d = {.link = k, .p = p, .n = n, .rx_us = rx_us};
    s->connector->decode(p, n, &s->space, on_frame, &d);
    writer_pump(s->app);
    consider_pause(k);
}

// ---- what is sent ------------------------------------------------------------------------------

static void send_subscribe(void *arg)
{
    struct link *k = arg;
    const struct links *s = k->all;
    struct buf b;
    if (!k->open) {
        return;
    }
    buf_init(&b, MESSAGE_MAX);
    if (s->connector->subscribe(&k->plan, &s->wants, s->ins, k->said, &b)) {
        if (b.failed || ws_send(k->ws, buf_ptr(&b), buf_len(&b)) != 0) {
            log_ev(LOG_ERROR, "subscribe_failed", F_STR("url", k->plan.url));
        }
        k->said++;
        timer_start(k->subscribe, 1000 / s->app->cfg->subscribes_per_s);
    }
    buf_release(&b);
}

static void send_heartbeat(void *arg)
{
    struct link *k = arg;
    struct buf b;
    if (!k->open) {
        return;
    }
    buf_init(&b, MESSAGE_MAX);
    k->all->connector->heartbeat(k->beats++, &b);
    const int rc = b.failed ? ERR_LIMIT : ws_send(k->ws, buf_ptr(&b), buf_len(&b));
    (void)rc; // a link that can not send any more is found by its silence
    buf_release(&b);
}

// ---- streams of a link -------------------------------------------------------------------------

// Calls fn for every stream that the link carries.
static void each_stream(struct link *k, void (*fn)(struct lane *l, enum stream_kind kind))
{
    for (size_t i = 0; i < k->plan.n; i++) {
        for (int kind = 0; kind < STREAM_KINDS; kind++) {
            if ((k->plan.on[i].streams & STREAM_BIT(kind)) != 0) {
                fn(k->lane[i], (enum stream_kind)kind);
            }
        }
    }
}

static void stream_carried(struct lane *l, enum stream_kind kind)
{
    l->stream[kind].carried = true;
}

static void stream_opened(struct lane *l, enum stream_kind kind)
{
    const struct stream_ops *ops = l->app->ops[kind];
    silence_begin(&l->stream[kind].silence, loop_mono_ms(l->app->loop));
    l->stream[kind].open = true;
    if (ops->on_open != NULL) {
        ops->on_open(l);
    }
}

static void stream_closed(struct lane *l, enum stream_kind kind)
{
    const struct stream_ops *ops = l->app->ops[kind];
    if (l->stream[kind].open) {
        l->stream[kind].open = false;
        if (ops->on_close != NULL) {
            ops->on_close(l);
        }
    }
}

// ---- connection --------------------------------------------------------------------------------

static void on_open(void *arg, bool simulated)
{
    struct link *k = arg;
    struct links *s = k->all;
    k->open = true;
    k->said = 0;
    k->beats = 0;
    s->answered_ms = loop_mono_ms(s->app->loop);
    log_ev(LOG_INFO, "ws_open", F_STR("url", k->plan.url), F_BOOL("simulated", simulated));
    app_simulated(s->app, simulated, "handshake");
    each_stream(k, stream_opened);
    if (s->connector->subscribe != NULL) {
        send_subscribe(k);
    }
    if (s->connector->heartbeat != NULL) {
        timer_every(k->heartbeat, s->connector->heartbeat_ms);
    }
}

// The connection is gone, whoever ended it.
static void down(struct link *k)
{
    k->ws = NULL;
    k->open = k->paused = k->renew = false;
    timer_stop(k->subscribe);
    timer_stop(k->heartbeat);
    each_stream(k, stream_closed);
}

static void on_close(void *arg, const char *why)
{
    struct link *k = arg;
    down(k);
    if (!k->all->stopped) {
        again(k, why, backoff_next_ms(&k->backoff, k->all->app->loop));
    }
}

static void on_oversize(void *arg, size_t n)
{
    struct link *k = arg;
    k->all->app->oversize++;
    log_ev(LOG_WARN, "frame_refused", F_STR("reason", refusal_name(REFUSE_OVERSIZE)),
           F_UINT("bytes", n));
}

static void again(struct link *k, const char *why, int64_t delay_ms)
{
    k->all->reconnects++;
    log_ev(LOG_WARN, "ws_down", F_STR("why", why), F_STR("route", k->plan.route),
           F_INT("retry_ms", delay_ms));
    timer_start(k->retry, delay_ms);
}

static void connect_now(void *arg)
{
    struct link *k = arg;
    struct links *s = k->all;
    const struct ws_opts o = {.url = k->plan.url,
                              .max_message_bytes = (size_t)s->app->cfg->frame_bytes,
                              .user_agent = "botcrypto4",
                              .on_open = on_open,
                              .on_message = on_message,
                              .on_oversize = on_oversize,
                              .on_close = on_close,
                              .arg = k};
    struct err e = {0};
    if (s->stopped) {
        return;
    }
    if (k->ws != NULL) {
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
    s->connects++;
    k->ws = ws_connect(s->ctx, &o, &e);
    if (k->ws == NULL) {
        again(k, e.text, backoff_next_ms(&k->backoff, s->app->loop));
    }
}

static void reopen(struct link *k, const char *why)
{
    ws_close(k->ws);
    down(k);
    again(k, why, backoff_next_ms(&k->backoff, k->all->app->loop));
}

void links_resubscribe(struct links *s, struct lane *l, enum stream_kind kind)
{
    const int64_t now = loop_mono_ms(s->app->loop);
    for (size_t i = 0; i < s->n; i++) {
        struct link *k = s->link[i];
        for (size_t j = 0; j < k->plan.n; j++) {
            if (k->lane[j] == l && (k->plan.on[j].streams & STREAM_BIT(kind)) != 0 && k->open &&
                now - k->resubscribed_ms >= RESUBSCRIBE_MS) {
                k->resubscribed_ms = now;
                k->renew = true;
                timer_start(k->retry, 0); // not from inside a frame
            }
        }
    }
}

// ---- silence -----------------------------------------------------------------------------------

static void watch(struct links *s, int64_t mono_ms)
{
    struct app *a = s->app;
    for (size_t i = 0; i < a->n; i++) {
        for (int kind = 0; kind < STREAM_KINDS; kind++) {
            struct stream *st = &a->lane[i].stream[kind];
            if (!st->carried || st->silence.floor_ms == 0 || st->silence.last_ms == 0 ||
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
            if ((k->plan.on[i].streams & STREAM_BIT(kind)) != 0 && st->silence.floor_ms > 0) {
                any = any || st->silence.silent;
                all[n++] = &st->silence;
            }
        }
    }
    if (!any) {
        k->silent_attempts = 0;
    }
    if (k->open && silence_wants_reconnect(all, n, k->silent_attempts, mono_ms)) {
        k->silent_attempts++;
        reopen(k, "silent");
    }
}

void links_tick(struct links *s, int64_t mono_ms)
{
    const struct app *a = s->app;
    watch(s, mono_ms);
    for (size_t i = 0; i < s->n; i++) {
        struct link *k = s->link[i];
        if (k->paused && (!redis_is_up(a->redis) || mono_ms - s->answered_ms >= PAUSE_MAX_MS)) {
            set_paused(k, false);
        }
        watch_link(k, mono_ms);
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
    s->wants = (struct feed_wants){.ws_base = c->ws_base,
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
    k->number = s->n;
    k->plan = *p;
    for (size_t i = 0; i < p->n; i++) {
        k->lane[i] = lane[p->on[i].instrument];
    }
    k->backoff = (struct backoff){.min_ms = c->reconnect_min_ms, .max_ms = c->reconnect_max_ms};
    k->retry = timer_new(s->app->loop, connect_now, k);
    k->subscribe = timer_new(s->app->loop, send_subscribe, k);
    k->heartbeat = timer_new(s->app->loop, send_heartbeat, k);
    each_stream(k, stream_carried);
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
        lane[n] = &a->lane[i];
        s->ins[n++] = a->lane[i].feed.ins;
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
        timer_stop(k->subscribe);
        timer_stop(k->heartbeat);
        ws_close(k->ws);
        k->ws = NULL;
        k->open = false;
    }
}

bool links_are_open(const struct links *s)
{
    if (s == NULL || s->n == 0) {
        return false;
    }
    for (size_t i = 0; i < s->n; i++) {
        if (!s->link[i]->open) {
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
    for (size_t i = 0; i < s->n; i++) {
        out->open += s->link[i]->open ? 1 : 0;
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
        timer_free(s->link[i]->subscribe);
        timer_free(s->link[i]->heartbeat);
        free(s->link[i]);
    }
    free(s);
}
