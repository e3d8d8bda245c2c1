// The WebSocket: frames in, effects of the core carried out; silence and reconnects.

#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "services/collector/core/route.h"
#include "services/collector/io/app.h"

#define URL_MAX 8192
#define SNIPPET 160
// A venue is made to wait this long at most; then Redis counts as away and the queue may overflow.
#define PAUSE_MAX_MS 1000

struct market_socket {
    struct app *app;
    struct ws_ctx *ctx;
    struct ws *ws; // NULL between connections
    struct timer *retry;
    struct backoff backoff;
    char url[URL_MAX];
    bool open, stopped;
    bool paused;         // Redis is behind: the venue has to wait
    int64_t answered_ms; // monotonic: when Redis last stored a batch, or the socket opened
    int silent_attempts; // reconnects for silence since data came last
    struct frame_space space;
};

static void connect_now(void *arg);
static void consider_pause(struct market_socket *s);

// ---- frames ------------------------------------------------------------------------------------

static void log_refused(const char *sym, enum refusal why, const char *p, size_t n)
{
    char text[SNIPPET];
    str_copyn(text, sizeof text, p, n);
    log_ev(LOG_WARN, "frame_refused", F_STR("sym", sym), F_STR("reason", refusal_name(why)),
           F_STR("frame", text));
}

static struct lane *lane_of(struct app *a, struct slice symbol)
{
    for (size_t i = 0; i < a->n; i++) {
        if (slice_eq(symbol, a->lane[i].feed.ins.symbol)) {
            return &a->lane[i];
        }
    }
    return NULL;
}

static void apply_trade(struct lane *l, const struct frame *fr, const struct feed_out *out,
                        int64_t rx_us)
{
    const struct app *a = l->app;
    const int64_t shown_us = rx_us + (a->clock_measured ? a->clock.offset_ms * 1000 : 0);
    if (a->clock_measured) {
        hist_add(&l->latency_ms, shown_us / 1000 - fr->event_ms, 1);
    }
    const bool was_dropping = l->outbox.dropping;
    if (!outbox_add_trade(&l->outbox, &out->trade, fr->price, fr->qty, shown_us)) {
        feed_dropped(&l->feed, &out->trade);
    }
    if (l->outbox.dropping && !was_dropping) {
        log_ev(LOG_WARN, "queue_full", F_STR("sym", l->feed.ins.name), F_INT("first_id", fr->id),
               F_UINT("queue", l->outbox.fresh));
    }
}

static void apply(struct lane *l, const struct frame *fr, const struct feed_out *out, int64_t rx_us)
{
    if (out->gap) {
        outbox_add_gap(&l->outbox, out->gap_from, out->gap_to, out->gap_from_ms, out->gap_to_ms,
                       out->gap_reason);
        log_ev(LOG_WARN, "ws_gap", F_STR("sym", l->feed.ins.name), F_INT("from_id", out->gap_from),
               F_INT("to_id", out->gap_to), F_INT("missed", out->gap_to - out->gap_from + 1),
               F_STR("reason", out->gap_reason));
    }
    if (out->late) {
        repair_held(&l->repair, fr->id, fr->id);
    }
    if (out->verdict == FEED_TRADE) {
        apply_trade(l, fr, out, rx_us);
    } else if (out->verdict == FEED_EXCLUDED) {
        char exec[24];
        str_copyn(exec, sizeof exec, fr->exec.p, fr->exec.n);
        if (!outbox_add_excluded(&l->outbox, fr->id, fr->trade_ms, exec)) {
            feed_dropped(&l->feed, &out->trade);
        }
    }
}

static void on_trade_frame(struct market_socket *s, const struct frame *fr, const char *p, size_t n,
                           int64_t rx_us)
{
    struct app *a = s->app;
    struct feed_out out;
    struct lane *l = lane_of(a, fr->symbol);
    if (l == NULL) {
        a->foreign++;
        log_refused(NULL, REFUSE_FOREIGN, p, n);
        return;
    }
    const bool first = !l->feed.live;
    feed_on_trade(&l->feed, fr, rx_us, &a->clock, &out);
    if (out.verdict == FEED_REFUSED) {
        log_refused(l->feed.ins.name, out.why, p, n);
        if (out.why == REFUSE_FUTURE) {
            venue_check_clock(a->venue); // or is it our idea of its clock that is wrong?
        }
        return;
    }
    silence_data(&l->silence, loop_mono_ms(a->loop));
    backoff_reset(&s->backoff);
    s->silent_attempts = 0;
    apply(l, fr, &out, rx_us);
    if (first) {
        keyspace_first_trade(l, fr->id, fr->trade_ms);
    }
    if (out.new_units) {
        keyspace_open(l);
    }
}

static void on_deriv_frame(struct market_socket *s, const struct frame *fr, const char *p, size_t n,
                           int64_t rx_us)
{
    struct lane *l = lane_of(s->app, fr->symbol);
    const enum refusal why = l != NULL ? deriv_on_frame_of(l, fr, rx_us) : REFUSE_FOREIGN;
    if (why != REFUSE_NONE) {
        s->app->foreign += l == NULL ? 1 : 0;
        log_refused(l != NULL ? l->feed.ins.name : NULL, why, p, n);
    }
}

static void on_message(void *arg, const char *p, size_t n, int64_t rx_us)
{
    struct market_socket *s = arg;
    struct app *a = s->app;
    struct frame fr;
    frame_decode(p, n, &s->space, &fr);
    switch (fr.kind) {
    case FRAME_AGG_TRADE:
    case FRAME_TRADE:
        on_trade_frame(s, &fr, p, n, rx_us);
        break;
    case FRAME_MALFORMED:
        a->malformed++;
        log_refused(NULL, REFUSE_MALFORMED, p, n);
        break;
    case FRAME_CONTROL:
    case FRAME_OTHER:
    case FRAME_UID_TRADE:
    case FRAME_BOOK:
        a->ignored++;
        break;
    case FRAME_LIQUIDATION:
    case FRAME_MARK:
        on_deriv_frame(s, &fr, p, n, rx_us);
        break;
    }
    frame_release(&fr);
    writer_pump(a);
    consider_pause(s);
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

static void set_paused(struct market_socket *s, bool paused)
{
    if (s->paused != paused && s->ws != NULL) {
        s->paused = paused;
        ws_pause(s->ws, paused);
    }
}

// Waits only for a Redis that answers: while it is away the queue has to take what comes.
static void consider_pause(struct market_socket *s)
{
    const struct app *a = s->app;
    if (!s->paused && is_behind(a, 3) && redis_is_up(a->redis)) {
        const int64_t now = loop_mono_ms(a->loop);
        if (now - s->answered_ms < PAUSE_MAX_MS) {
            set_paused(s, true);
        }
    }
}

void socket_relieve(struct market_socket *s)
{
    if (s == NULL) {
        return;
    }
    s->answered_ms = loop_mono_ms(s->app->loop);
    if (s->paused && !is_behind(s->app, 2)) {
        set_paused(s, false);
    }
}

// ---- connection --------------------------------------------------------------------------------

static void on_open(void *arg, bool simulated)
{
    struct market_socket *s = arg;
    struct app *a = s->app;
    s->open = true;
    s->answered_ms = loop_mono_ms(a->loop);
    for (size_t i = 0; i < a->n; i++) {
        silence_begin(&a->lane[i].silence, loop_mono_ms(a->loop));
        feed_begin(&a->lane[i].feed);
    }
    log_ev(LOG_INFO, "ws_open", F_STR("url", s->url), F_BOOL("simulated", simulated));
    app_simulated(a, simulated, "handshake");
}

static void again(struct market_socket *s, const char *why)
{
    const int64_t delay_ms = backoff_next_ms(&s->backoff, s->app->loop);
    s->app->reconnects++;
    log_ev(LOG_WARN, "ws_down", F_STR("why", why), F_INT("retry_ms", delay_ms));
    timer_start(s->retry, delay_ms);
}

static void on_close(void *arg, const char *why)
{
    struct market_socket *s = arg;
    s->ws = NULL;
    s->open = s->paused = false;
    if (!s->stopped) {
        again(s, why);
    }
}

static void on_oversize(void *arg, size_t n)
{
    struct market_socket *s = arg;
    s->app->oversize++;
    log_ev(LOG_WARN, "frame_refused", F_STR("reason", refusal_name(REFUSE_OVERSIZE)),
           F_UINT("bytes", n));
}

static void connect_now(void *arg)
{
    struct market_socket *s = arg;
    const struct ws_opts o = {.url = s->url,
                              .max_message_bytes = (size_t)s->app->cfg->frame_bytes,
                              .user_agent = "botcrypto4",
                              .on_open = on_open,
                              .on_message = on_message,
                              .on_oversize = on_oversize,
                              .on_close = on_close,
                              .arg = s};
    struct err e = {0};
    if (s->stopped || s->ws != NULL) {
        return;
    }
    s->ws = ws_connect(s->ctx, &o, &e);
    if (s->ws == NULL) {
        again(s, e.text);
    }
}

// ---- silence -----------------------------------------------------------------------------------

void socket_tick(struct market_socket *s, int64_t mono_ms)
{
    struct app *a = s->app;
    const struct silence *all[CONFIG_INSTRUMENTS];
    if (s->paused && (!redis_is_up(a->redis) || mono_ms - s->answered_ms >= PAUSE_MAX_MS)) {
        set_paused(s, false);
    }
    for (size_t i = 0; i < a->n; i++) {
        struct lane *l = &a->lane[i];
        all[i] = &l->silence;
        if (s->url[0] != '\0' && l->silence.last_ms > 0 && silence_tick(&l->silence, mono_ms)) {
            log_ev(l->silence.silent ? LOG_WARN : LOG_INFO,
                   l->silence.silent ? "feed_silent" : "feed_back", F_STR("sym", l->feed.ins.name),
                   F_INT("deadline_ms", l->silence.deadline_ms));
        }
    }
    if (s->open && silence_wants_reconnect(all, a->n, s->silent_attempts, mono_ms)) {
        s->silent_attempts++;
        ws_close(s->ws);
        s->ws = NULL;
        s->open = s->paused = false;
        again(s, "silent");
    }
}

// ---- life --------------------------------------------------------------------------------------

struct market_socket *socket_new(struct app *a, struct err *e)
{
    const struct config *c = a->cfg;
    struct market_socket *s = xcalloc(1, sizeof *s);
    s->app = a;
    s->backoff = (struct backoff){.min_ms = c->reconnect_min_ms, .max_ms = c->reconnect_max_ms};
    s->retry = timer_new(a->loop, connect_now, s);
    s->ctx = ws_ctx_new(a->loop, c->ca_file[0] != '\0' ? c->ca_file : NULL, e);
    if (s->ctx == NULL) {
        socket_free(s);
        return NULL;
    }
    return s;
}

void socket_start(struct market_socket *s)
{
    const struct config *c = s->app->cfg;
    struct buf url;
    if (s->url[0] != '\0') {
        return;
    }
    buf_init(&url, sizeof s->url - 1);
    route_trades(&url, c->ws_base, c->ins, c->n, c->single_fills);
    str_copy(s->url, sizeof s->url, buf_cstr(&url));
    buf_release(&url);
    connect_now(s);
}

void socket_stop(struct market_socket *s)
{
    s->stopped = true;
    timer_stop(s->retry);
    if (s->ws != NULL) {
        ws_close(s->ws);
        s->ws = NULL;
    }
    s->open = false;
}

bool socket_is_open(const struct market_socket *s)
{
    return s != NULL && s->open;
}

void socket_free(struct market_socket *s)
{
    if (s == NULL) {
        return;
    }
    socket_stop(s);
    if (s->ctx != NULL) {
        ws_ctx_free(s->ctx);
    }
    timer_free(s->retry);
    free(s);
}
