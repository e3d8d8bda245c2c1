// Frames to the lanes, and back-pressure when the lanes can not pass them on.

#include "common/base/log.h"
#include "services/collector/core/guess.h"
#include "services/collector/io/link_priv.h"

#define SNIPPET 160
// A venue is made to wait this long at most; then Redis counts as away and the queue may overflow.
#define PAUSE_MAX_MS 1000

// A message on its way through the decoder.
struct delivery {
    struct link *link;
    const char *p;
    size_t n;
    int64_t rx_us;
};

void log_refused(const char *sym, enum refusal why, const char *p, size_t n)
{
    char text[SNIPPET];
    str_copyn(text, sizeof text, p, n);
    log_ev(LOG_WARN, "frame_refused", F_STR("sym", sym), F_STR("reason", refusal_name(why)),
           F_STR("frame", text));
}

static void measure(struct link *k, const struct frame *f, int64_t rx_us)
{
    const struct app *a = k->all->app;
    if (a->clock.known && f->event_ms > 0) {
        hist_add(&k->latency_ms, rx_us / 1000 + a->clock.offset_ms - f->event_ms, 1);
    }
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
    if (ops == NULL || l->state != LANE_RUNS) {
        a->ignored++;
        return;
    }
    handover_old(&d->link->handover, (size_t)at, f);
    if (ops->on_frame(l, f, d->rx_us, d->p, d->n)) {
        struct stream *st = &l->stream[kind];
        st->frames++;
        st->last_rx_us = d->rx_us;
        l->flood.good++;
        silence_data(&st->silence, loop_mono_ms(a->loop));
        backoff_reset(&d->link->backoff);
        measure(d->link, f, d->rx_us);
    }
}

// Where no id proves that nothing is missing, a message that can not be read may be a hole in the
// trades of its instrument, or of all that the link carries.
static void hidden(struct link *k, const struct frame *f)
{
    for (size_t i = 0; i < k->plan.n; i++) {
        struct lane *l = k->lane[i];
        const bool is_its = f->symbol.n == 0 || slice_eq(f->symbol, l->feed.ins.symbol);
        if (is_its && l->state == LANE_RUNS &&
            (k->plan.on[i].streams & STREAM_BIT(STREAM_TRADES)) != 0) {
            trades_hidden(l, f);
        }
    }
}

// The venue refused a subscription: nothing comes of it by itself.
static void denied(const struct delivery *d, const struct frame *f)
{
    struct app *a = d->link->all->app;
    char why[120];
    str_copyn(why, sizeof why, f->reason.p, f->reason.n);
    a->denied++;
    log_ev(LOG_ERROR, "subscribe_denied", F_STR("url", d->link->plan.url), F_INT("request", f->seq),
           F_STR("why", why));
    conn_denied(d->link->conn, f->seq);
}

// Of a message that can not be read the symbol is guessed: one contract whose frames are garbage
// must not hide the others.
static void malformed(const struct delivery *d)
{
    struct links *s = d->link->all;
    struct app *a = s->app;
    struct slice symbol;
    const int at = guess_symbol(d->p, d->n, &symbol) ? symtab_find(&s->symtab, symbol) : -1;
    if (at < 0) {
        a->malformed++;
        log_refused(NULL, REFUSE_MALFORMED, d->p, d->n);
        return;
    }
    struct lane *l = &a->lane[at];
    l->feed.refused[REFUSE_MALFORMED]++;
    if (l->state == LANE_RUNS) {
        log_refused(l->feed.ins.name, REFUSE_MALFORMED, d->p, d->n);
        lane_flood(l);
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
        malformed(d);
        if (f->hides_trade) {
            hidden(d->link, f);
        }
        break;
    case FRAME_SHUTDOWN:
        rotate_want(d->link, "shutdown announced");
        break;
    case FRAME_CONTROL:
        if (f->denied) {
            denied(d, f);
            break;
        }
        a->ignored++;
        break;
    case FRAME_OTHER:
        a->ignored++;
        break;
    }
}

void dispatch(struct link *k, const char *p, size_t n, int64_t rx_us)
{
    struct links *s = k->all;
    struct delivery d = {.link = k, .p = p, .n = n, .rx_us = rx_us};
    s->connector->decode(p, n, &s->space, on_frame, &d);
}

// ---- back-pressure -----------------------------------------------------------------------------

// A lane of the link has more than `quarters` of its queue waiting. A quarter is left for what was
// read already; reading goes on early enough that two full batches stay in flight.
static bool is_behind(const struct link *k, size_t quarters)
{
    for (size_t i = 0; i < k->plan.n; i++) {
        const struct outbox *b = &k->lane[i]->outbox;
        if ((k->plan.on[i].streams & STREAM_BIT(STREAM_TRADES)) != 0 &&
            b->fresh > b->o.max_queue / 4 * quarters && k->lane[i]->state == LANE_RUNS) {
            return true;
        }
    }
    return false;
}

// Waits only for a Redis that answers: while it is away the queue has to take what comes.
static void consider_pause(struct link *k)
{
    const struct links *s = k->all;
    if (k->conn != NULL && !k->conn->paused && is_behind(k, 3) && redis_is_up(s->app->redis) &&
        loop_mono_ms(s->app->loop) - s->answered_ms < PAUSE_MAX_MS) {
        conn_pause(k->conn, true);
        conn_pause(k->next, true);
    }
}

void links_relieve(struct links *s)
{
    if (s == NULL) {
        return;
    }
    s->answered_ms = loop_mono_ms(s->app->loop);
    for (size_t i = 0; i < s->n; i++) {
        struct link *k = s->link[i];
        if (k->conn != NULL && k->conn->paused && !is_behind(k, 2)) {
            conn_pause(k->conn, false);
            conn_pause(k->next, false);
        }
    }
}

void links_unpause(struct links *s, int64_t mono_ms)
{
    if (redis_is_up(s->app->redis) && mono_ms - s->answered_ms < PAUSE_MAX_MS) {
        return;
    }
    for (size_t i = 0; i < s->n; i++) {
        conn_pause(s->link[i]->conn, false);
        conn_pause(s->link[i]->next, false);
    }
}

void link_message(struct conn *c, const char *p, size_t n, int64_t rx_us)
{
    struct link *k = c->link;
    if (c == k->next) {
        rotate_hold(k, p, n, rx_us);
    } else {
        dispatch(k, p, n, rx_us);
        writer_pump(k->all->app);
        consider_pause(k);
    }
    rotate_judge(k); // last: it may end this connection
}
