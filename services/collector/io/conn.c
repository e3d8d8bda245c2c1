// One connection to the venue: a WebSocket, or a local feed of lines. Opens it, sends what the
// connector wants to be sent, and tells the link what happens.

#include <stdlib.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "services/collector/io/link_priv.h"

#define MESSAGE_MAX 32768  // one message to the venue
#define DENIED_MIN_MS 5000 // pause before a refused subscription is sent again
#define DENIED_MAX_MS 300000

static void send_subscribe(void *arg)
{
    struct conn *c = arg;
    const struct links *s = c->link->all;
    struct buf b;
    if (!c->open || c->ws == NULL) {
        return;
    }
    buf_init(&b, MESSAGE_MAX);
    if (s->connector->subscribe(&c->link->plan, &s->wants, s->ins, c->said, &b)) {
        if (b.failed || ws_send(c->ws, buf_ptr(&b), buf_len(&b)) != 0) {
            log_ev(LOG_ERROR, "subscribe_failed", F_STR("url", c->link->plan.url));
        }
        c->said++;
        timer_start(c->subscribe, 1000 / s->app->cfg->subscribes_per_s);
    }
    buf_release(&b);
}

static void send_again(void *arg)
{
    struct conn *c = arg;
    const struct links *s = c->link->all;
    struct buf b;
    const uint64_t denied = c->denied;
    c->denied = 0;
    buf_init(&b, MESSAGE_MAX);
    for (size_t k = 0; k < c->said && k < 64 && c->open && c->ws != NULL; k++) {
        buf_clear(&b);
        if ((denied >> k & 1) != 0 &&
            s->connector->subscribe(&c->link->plan, &s->wants, s->ins, k, &b) &&
            (b.failed || ws_send(c->ws, buf_ptr(&b), buf_len(&b)) != 0)) {
            log_ev(LOG_ERROR, "subscribe_failed", F_STR("url", c->link->plan.url));
        }
    }
    buf_release(&b);
}

void conn_denied(struct conn *c, int64_t k)
{
    if (c == NULL || c->again == NULL || k >= 64) {
        return;
    }
    c->denied |= k >= 0 ? UINT64_C(1) << k : UINT64_MAX;
    if (!timer_is_running(c->again)) {
        timer_start(c->again, backoff_next_ms(&c->denied_pause, c->link->all->app->loop));
    }
}

static void send_heartbeat(void *arg)
{
    struct conn *c = arg;
    struct buf b;
    if (!c->open || c->ws == NULL) {
        return;
    }
    buf_init(&b, MESSAGE_MAX);
    c->link->all->connector->heartbeat(c->beats++, &b);
    const int rc = b.failed ? ERR_LIMIT : ws_send(c->ws, buf_ptr(&b), buf_len(&b));
    (void)rc; // a link that can not send any more is found by its silence
    buf_release(&b);
}

static void on_open(void *arg, bool simulated)
{
    struct conn *c = arg;
    const struct connector *what = c->link->all->connector;
    c->open = true;
    c->opened_ms = loop_mono_ms(c->link->all->app->loop);
    if (what->subscribe != NULL) {
        send_subscribe(c);
    }
    if (what->heartbeat != NULL) {
        timer_every(c->heartbeat, what->heartbeat_ms);
    }
    if (c->ws != NULL) { // a local feed is a file already
        const struct app *a = c->link->all->app;
        c->record = recorder_open(a->recorder, c->link->plan.route, c->link->plan.url, simulated,
                                  loop_wall_us(a->loop));
    }
    link_opened(c, simulated);
}

static void on_message(void *arg, const char *p, size_t n, int64_t rx_us)
{
    const struct conn *c = arg;
    recorder_message(c->link->all->app->recorder, c->record, rx_us, p, n);
    link_message(arg, p, n, rx_us); // last: it may end this connection
}

static void on_oversize(void *arg, size_t n)
{
    const struct conn *c = arg;
    struct app *a = c->link->all->app;
    a->oversize++;
    recorder_cut(a->recorder, c->record, loop_wall_us(a->loop), "oversize");
    log_ev(LOG_WARN, "frame_refused", F_STR("reason", refusal_name(REFUSE_OVERSIZE)),
           F_UINT("bytes", n));
}

static void record_end(struct conn *c, const char *why)
{
    const struct app *a = c->link->all->app;
    recorder_close(a->recorder, c->record, loop_wall_us(a->loop), why);
    c->record = -1;
}

static void on_close(void *arg, const char *why)
{
    struct conn *c = arg;
    record_end(c, why);
    c->ws = NULL;
    c->lines = NULL;
    c->open = false;
    link_ended(c, why);
}

static void on_lines_open(void *arg)
{
    const struct conn *c = arg;
    // Nobody can tell a local feed's market from outside: the option says what it is.
    on_open(arg, c->link->all->app->cfg->connector_simulated);
}

static void open_lines(struct conn *c, struct err *e)
{
    const struct app *a = c->link->all->app;
    const struct lines_opts o = {.loop = a->loop,
                                 .path = c->link->plan.url,
                                 .max_line = (size_t)a->cfg->frame_bytes,
                                 .poll_ms = a->cfg->connector_poll_ms,
                                 .on_open = on_lines_open,
                                 .on_line = on_message,
                                 .on_oversize = on_oversize,
                                 .on_close = on_close,
                                 .arg = c};
    c->lines = lines_open(&o, e);
}

static void open_ws(struct conn *c, struct err *e)
{
    struct links *s = c->link->all;
    const struct ws_opts o = {.url = c->link->plan.url,
                              .max_message_bytes = (size_t)s->app->cfg->frame_bytes,
                              .user_agent = "botcrypto4",
                              .on_open = on_open,
                              .on_message = on_message,
                              .on_oversize = on_oversize,
                              .on_close = on_close,
                              .arg = c};
    c->ws = ws_connect(s->ctx, &o, e);
}

struct conn *conn_new(struct link *k, char *why, size_t size)
{
    struct loop *loop = k->all->app->loop;
    struct err e = {0};
    struct conn *c = xcalloc(1, sizeof *c);
    c->link = k;
    c->record = -1;
    c->subscribe = timer_new(loop, send_subscribe, c);
    c->heartbeat = timer_new(loop, send_heartbeat, c);
    c->again = timer_new(loop, send_again, c);
    c->denied_pause = (struct backoff){.min_ms = DENIED_MIN_MS, .max_ms = DENIED_MAX_MS};
    k->all->connects++;
    switch (k->all->connector->transport) {
    case TRANSPORT_WEBSOCKET:
        open_ws(c, &e);
        break;
    case TRANSPORT_LINES:
        open_lines(c, &e);
        break;
    }
    if (c->ws == NULL && c->lines == NULL) {
        str_copy(why, size, e.text);
        conn_free(c);
        return NULL;
    }
    return c;
}

void conn_free(struct conn *c)
{
    if (c == NULL) {
        return;
    }
    record_end(c, "left");
    ws_close(c->ws);
    lines_close(c->lines);
    timer_free(c->subscribe);
    timer_free(c->heartbeat);
    timer_free(c->again);
    free(c);
}

void conn_pause(struct conn *c, bool paused)
{
    if (c == NULL || c->paused == paused) {
        return;
    }
    c->paused = paused;
    if (c->ws != NULL) {
        ws_pause(c->ws, paused);
    } else if (c->lines != NULL) {
        lines_pause(c->lines, paused);
    }
}
