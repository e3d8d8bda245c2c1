// libwebsockets 4.1 has no libevent plugin on Debian 12, so its libuv plugin runs on a uv_loop of
// ours, which is embedded in libevent: an event on the loop's epoll descriptor and a timer for its
// timeout. After calling lws from outside its callbacks pump() must run, because uv tells the
// kernel about changed interest only from inside uv_run().
//
// A `struct ws` and its lws connection part ways in detach(): from then on lws' callbacks find no
// owner and only see to it that the connection ends. So on_close comes once, whoever noticed first.

#include "common/io/ws.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

// openssl, which lws includes, has a type of the name of one of our error codes.
#define ERR_STATE openssl_err_state
#include <libwebsockets.h>
#undef ERR_STATE

#include "common/base/buf.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/io/ws_proxy.h"
#include "common/io/ws_url.h"

#define RX_CHUNK 65536
// Its tables are sized by this; without it by the process' limit of open files, which is a thousand
// million in some containers.
#define FD_MAX 256
#define SEND_MAX_MESSAGES 64
#define SEND_MAX_BYTES ((size_t)1 << 20)
#define GRACE_MS 50

struct ws_ctx {
    struct loop *loop;
    struct lws_context *lws;
    uv_loop_t uv;
    struct event *uv_ev;
    struct timer *uv_timer;
    struct ws *all;
    bool pumping, again;
};

struct message {
    struct message *next;
    size_t n;
    unsigned char data[]; // LWS_PRE bytes of room, then the text
};

struct ws {
    struct ws_ctx *c;
    struct ws *prev, *next;
    struct ws_opts o;
    struct lws *wsi; // NULL once detached, or when it never started
    char *agent;
    struct timer *timer; // connect deadline, then the tick of pings and silence
    struct buf rx;       // a message that came in pieces
    int64_t rx_us;
    bool in_message;
    struct message *queue, **queue_end;
    size_t queued, queued_bytes;
    int64_t heard_ms, pinged_ms;
    bool open, simulated, ping_due, grace;
    char why[160];
    int busy; // user callbacks of this client on the stack
    bool dead;
};

static void detach(struct ws *w, bool kill);

// ---- uv inside libevent ------------------------------------------------------------------------

static void pump(void *arg)
{
    struct ws_ctx *c = arg;
    int timeout = 0;
    c->pumping = true;
    for (int i = 0; i < 4 && (timeout == 0 || c->again); i++) {
        c->again = false;
        uv_run(&c->uv, UV_RUN_NOWAIT);
        timeout = uv_backend_timeout(&c->uv);
    }
    c->pumping = false;
    if (c->again) {
        timeout = 0;
    }
    if (timeout < 0) {
        timer_stop(c->uv_timer);
    } else {
        timer_start(c->uv_timer, timeout);
    }
}

// After a call into lws. Not at once: a callback out of ws_send() would surprise its caller.
static void pump_soon(struct ws_ctx *c)
{
    if (c->pumping) {
        c->again = true;
    } else {
        timer_start(c->uv_timer, 0);
    }
}

static void uv_fd_cb(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    pump(arg);
}

// ---- ends --------------------------------------------------------------------------------------

static void release(struct ws *w)
{
    if (w->busy > 0) {
        w->dead = true; // leave() frees it
        return;
    }
    struct ws_ctx *c = w->c;
    if (w->prev) {
        w->prev->next = w->next;
    } else {
        c->all = w->next;
    }
    if (w->next) {
        w->next->prev = w->prev;
    }
    while (w->queue) {
        struct message *m = w->queue;
        w->queue = m->next;
        free(m);
    }
    timer_free(w->timer);
    buf_release(&w->rx);
    free(w->agent);
    free(w);
}

// `kill`: lws must be told to end the connection (it did not tell us).
static void detach(struct ws *w, bool kill)
{
    struct lws *wsi = w->wsi;
    w->wsi = NULL;
    timer_stop(w->timer);
    if (!wsi) {
        return;
    }
    lws_set_opaque_user_data(wsi, NULL);
    if (!kill || w->busy > 0) { // inside a callback its return value ends the connection
        return;
    }
    if (w->open) {
        // The only way on which 4.1 with libuv sends a close frame; it waits 5 s for the answer.
        lws_close_reason(wsi, LWS_CLOSE_STATUS_NORMAL, NULL, 0);
        lws_set_timeout(wsi, PENDING_TIMEOUT_CLOSE_SEND, LWS_TO_KILL_SYNC);
    } else {
        lws_set_timeout(wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
    }
}

// The end that the owner did not ask for.
static void end(struct ws *w, const char *why, bool kill)
{
    char text[200];
    str_copy(text, sizeof text, why);
    struct ws_ctx *c = w->c;
    void (*on_close)(void *, const char *) = w->o.on_close;
    void *arg = w->o.arg;
    detach(w, kill);
    release(w);
    if (on_close) {
        on_close(arg, text);
    }
    if (kill) {
        pump_soon(c);
    }
}

void ws_close(struct ws *w)
{
    if (!w || w->dead) {
        return;
    }
    struct ws_ctx *c = w->c;
    detach(w, true);
    release(w);
    pump_soon(c);
}

// Around a user callback: false when the owner closed `w` inside it (it is freed then).
static bool leave(struct ws *w)
{
    w->busy--;
    if (!w->dead) {
        return true;
    }
    if (w->busy == 0) {
        release(w);
    }
    return false;
}

// ---- timers ------------------------------------------------------------------------------------

static int64_t tick_ms(const struct ws *w)
{
    int64_t t = w->o.timeout_ms / 3;
    return w->o.ping_ms < t ? w->o.ping_ms : t;
}

static void timer_fired(void *arg)
{
    struct ws *w = arg;
    if (!w->wsi) {
        end(w, w->why, false); // it failed inside ws_connect()
        return;
    }
    if (!w->open) {
        end(w, "no connection in time", true);
        return;
    }
    int64_t now = loop_mono_ms(w->c->loop);
    if (now - w->heard_ms >= w->o.timeout_ms) {
        if (w->grace) {
            char why[80];
            str_fmt(why, sizeof why, "nothing came for %lld ms", (long long)(now - w->heard_ms));
            end(w, why, true);
            return;
        }
        // We may have slept ourselves, with data waiting in the socket.
        w->grace = true;
        timer_start(w->timer, GRACE_MS);
        return;
    }
    if (now - w->pinged_ms >= w->o.ping_ms) {
        w->ping_due = true;
        lws_callback_on_writable(w->wsi);
        pump_soon(w->c);
    }
    timer_start(w->timer, tick_ms(w));
}

static void heard(struct ws *w)
{
    w->heard_ms = loop_mono_ms(w->c->loop);
    w->grace = false;
}

// ---- what lws tells ----------------------------------------------------------------------------

static int on_established(struct ws *w)
{
    w->open = true;
    heard(w);
    w->pinged_ms = w->heard_ms;
    timer_start(w->timer, tick_ms(w));
    if (w->queue) {
        lws_callback_on_writable(w->wsi);
    }
    w->busy++;
    if (w->o.on_open) {
        w->o.on_open(w->o.arg, w->simulated);
    }
    return leave(w) ? 0 : -1;
}

static int on_oversize(struct ws *w, size_t n)
{
    w->busy++;
    if (w->o.on_oversize) {
        w->o.on_oversize(w->o.arg, n);
    }
    if (leave(w)) {
        end(w, "a message over the limit", false);
    }
    return -1; // lws closes
}

static int on_receive(struct ws *w, const char *p, size_t n)
{
    struct lws *wsi = w->wsi;
    heard(w);
    bool first = !w->in_message;
    bool last = lws_is_final_fragment(wsi) && lws_remaining_packet_payload(wsi) == 0;
    if (first) {
        w->rx_us = loop_wall_us(w->c->loop);
        buf_clear(&w->rx);
    }
    // What is still to come of this frame is known already: refuse before it is stored.
    size_t seen = buf_len(&w->rx) + n;
    if (seen + lws_remaining_packet_payload(wsi) > w->o.max_message_bytes) {
        return on_oversize(w, seen);
    }
    w->in_message = !last;
    if (!(first && last)) {
        buf_add(&w->rx, p, n);
        if (!last) {
            return 0;
        }
        p = buf_ptr(&w->rx);
        n = buf_len(&w->rx);
    }
    w->busy++;
    w->o.on_message(w->o.arg, p, n, w->rx_us);
    return leave(w) ? 0 : -1;
}

static int on_writable(struct ws *w)
{
    if (w->ping_due) {
        unsigned char room[LWS_PRE + 1] = {0};
        w->ping_due = false;
        w->pinged_ms = loop_mono_ms(w->c->loop);
        if (lws_write(w->wsi, room + LWS_PRE, 0, LWS_WRITE_PING) < 0) {
            return -1;
        }
    } else if (w->queue) {
        struct message *m = w->queue;
        w->queue = m->next;
        if (!w->queue) {
            w->queue_end = &w->queue;
        }
        w->queued--;
        w->queued_bytes -= m->n;
        int sent = lws_write(w->wsi, m->data + LWS_PRE, m->n, LWS_WRITE_TEXT);
        bool ok = sent >= 0 && (size_t)sent >= m->n;
        free(m);
        if (!ok) {
            return -1;
        }
    }
    if (w->ping_due || w->queue) {
        lws_callback_on_writable(w->wsi);
    }
    return 0;
}

static void on_peer_close(struct ws *w, const unsigned char *in, size_t n)
{
    if (n < 2) {
        str_copy(w->why, sizeof w->why, "the server closed");
        return;
    }
    str_fmt(w->why, sizeof w->why, "the server closed with %u %.*s", (unsigned)in[0] << 8 | in[1],
            (int)(n - 2 > 100 ? 100 : n - 2), (const char *)in + 2);
}

static int orphan(enum lws_callback_reasons reason)
{
    switch (reason) {
    case LWS_CALLBACK_CLIENT_FILTER_PRE_ESTABLISH:
    case LWS_CALLBACK_CLIENT_ESTABLISHED:
    case LWS_CALLBACK_CLIENT_RECEIVE:
        return -1;
    default:
        return 0;
    }
}

static int append_agent(const struct ws *w, struct lws *wsi, void *in, size_t n)
{
    unsigned char **p = in;
    unsigned char *last = *p + n;
    if (!w->agent) {
        return 0;
    }
    return lws_add_http_header_by_token(wsi, WSI_TOKEN_HTTP_USER_AGENT,
                                        (const unsigned char *)w->agent, (int)strlen(w->agent), p,
                                        last)
               ? -1
               : 0;
}

static int on_lws(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t n)
{
    (void)user;
    struct ws *w = wsi ? lws_get_opaque_user_data(wsi) : NULL;
    if (!w) {
        return orphan(reason);
    }
    char text[32] = "";
    switch (reason) {
    case LWS_CALLBACK_CLIENT_APPEND_HANDSHAKE_HEADER:
        return append_agent(w, wsi, in, n);
    case LWS_CALLBACK_CLIENT_FILTER_PRE_ESTABLISH:
        // The only moment at which the headers of the answer can be read.
        if (lws_hdr_custom_copy(wsi, text, sizeof text, "x-simulated:", 12) > 0) {
            w->simulated = str_ieq(text, "true");
        }
        return 0;
    case LWS_CALLBACK_CLIENT_ESTABLISHED:
        return on_established(w);
    case LWS_CALLBACK_CLIENT_RECEIVE:
        return on_receive(w, in, n);
    case LWS_CALLBACK_CLIENT_RECEIVE_PONG:
        heard(w);
        return 0;
    case LWS_CALLBACK_CLIENT_WRITEABLE:
        return on_writable(w);
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
        on_peer_close(w, in, n);
        return 0;
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
        if (!w->wsi || in) {
            str_copyn(w->why, sizeof w->why, in ? in : "", in ? n : 0);
        }
        if (w->busy > 0) { // inside ws_connect(): told by the timer
            lws_set_opaque_user_data(wsi, NULL);
            w->wsi = NULL;
            return 0;
        }
        end(w, w->why[0] ? w->why : "connection failed", false);
        return 0;
    case LWS_CALLBACK_CLIENT_CLOSED:
    case LWS_CALLBACK_WSI_DESTROY:
        if (w->busy == 0) {
            end(w, w->why[0] ? w->why : "connection lost", false);
        }
        return 0;
    default:
        return 0;
    }
}

// ---- connecting --------------------------------------------------------------------------------

static int64_t or_default(int64_t v, int64_t def)
{
    return v > 0 ? v : def;
}

// Pings and silence are ours: lws' own supervision is put out of the way.
static const lws_retry_bo_t no_supervision = {.secs_since_valid_ping = 65000,
                                              .secs_since_valid_hangup = 65500};

struct ws *ws_connect(struct ws_ctx *c, const struct ws_opts *o, struct err *e)
{
    struct ws_url a = {0};
    if (ws_url_parse(o->url, &a, e)) {
        return NULL;
    }
    struct ws *w = xcalloc(1, sizeof *w);
    w->c = c;
    w->o = *o;
    w->o.url = NULL;
    w->o.user_agent = NULL;
    w->o.max_message_bytes = o->max_message_bytes ? o->max_message_bytes : (size_t)4 << 20;
    w->o.connect_timeout_ms = or_default(o->connect_timeout_ms, 10000);
    w->o.ping_ms = or_default(o->ping_ms, 60000);
    w->o.timeout_ms = or_default(o->timeout_ms, 3 * w->o.ping_ms);
    w->agent = o->user_agent ? xstrdup(o->user_agent) : NULL;
    w->queue_end = &w->queue;
    w->timer = timer_new(c->loop, timer_fired, w);
    buf_init(&w->rx, w->o.max_message_bytes);
    w->next = c->all;
    if (w->next) {
        w->next->prev = w;
    }
    c->all = w;

    // lws keeps the proxy per vhost and reads it until the handshake is sent; all connections of a
    // process go to one venue, so that they agree on it.
    char proxy[WS_PROXY_MAX];
    ws_proxy_for(&a, opt_system_getenv, NULL, proxy);
    lws_set_proxy(lws_get_vhost_by_name(c->lws, "default"), proxy);
    struct lws_client_connect_info ci;
    memset(&ci, 0, sizeof ci);
    ci.context = c->lws;
    ci.address = a.host;
    ci.port = a.port;
    ci.path = a.path;
    ci.host = a.host_header;
    ci.ssl_connection = a.tls ? LCCSCF_USE_SSL : 0;
    ci.local_protocol_name = "client";
    ci.ietf_version_or_minus_one = -1;
    ci.opaque_user_data = w;
    ci.pwsi = &w->wsi;
    ci.retry_and_idle_policy = &no_supervision;
    w->busy++;
    struct lws *wsi = lws_client_connect_via_info(&ci);
    w->busy--;
    if (!wsi) {
        w->wsi = NULL;
        if (!w->why[0]) {
            str_copy(w->why, sizeof w->why, "connection failed");
        }
        timer_start(w->timer, 0);
    } else {
        timer_start(w->timer, w->o.connect_timeout_ms);
    }
    pump_soon(c);
    return w;
}

int ws_send(struct ws *w, const char *p, size_t n)
{
    if (w->dead || !w->open || !w->wsi) {
        return ERR_CLOSED;
    }
    if (w->queued >= SEND_MAX_MESSAGES || w->queued_bytes + n > SEND_MAX_BYTES) {
        return ERR_LIMIT;
    }
    struct message *m = xmalloc(sizeof *m + LWS_PRE + n);
    m->next = NULL;
    m->n = n;
    memcpy(m->data + LWS_PRE, p, n);
    *w->queue_end = m;
    w->queue_end = &m->next;
    w->queued++;
    w->queued_bytes += n;
    lws_callback_on_writable(w->wsi);
    pump_soon(w->c);
    return 0;
}

bool ws_is_open(const struct ws *w)
{
    return w->open && w->wsi;
}

void ws_pause(struct ws *w, bool paused)
{
    if (ws_is_open(w) && lws_rx_flow_control(w->wsi, paused ? 0 : 1) == 0) {
        pump_soon(w->c);
    }
}

// ---- context -----------------------------------------------------------------------------------

static void lws_log(int level, const char *line)
{
    char text[256];
    size_t n = strcspn(line, "\n");
    str_copyn(text, sizeof text, line, n < sizeof text - 1 ? n : sizeof text - 1);
    log_ev(level & LLL_ERR ? LOG_WARN : LOG_INFO, "lws", F_STR("msg", text));
}

struct ws_ctx *ws_ctx_new(struct loop *l, const char *ca_file, struct err *e)
{
    static const struct lws_protocols protocols[] = {
        {.name = "client", .callback = on_lws, .rx_buffer_size = RX_CHUNK},
        {.name = NULL},
    };
    struct ws_ctx *c = xcalloc(1, sizeof *c);
    c->loop = l;
    if (uv_loop_init(&c->uv)) {
        free(c);
        err_set(e, ERR_IO, "libuv cannot start");
        return NULL;
    }
    lws_set_log_level(LLL_ERR | LLL_WARN, lws_log);
    void *loops[1] = {&c->uv};
    struct lws_context_creation_info info;
    memset(&info, 0, sizeof info);
    info.port = CONTEXT_PORT_NO_LISTEN;
    info.protocols = protocols;
    info.options = LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
    info.foreign_loops = loops;
    info.pcontext = &c->lws;
    info.pt_serv_buf_size = RX_CHUNK;
    info.fd_limit_per_thread = FD_MAX;
    info.max_http_header_data = 16384;
    if (ca_file && ca_file[0]) {
        info.client_ssl_ca_filepath = ca_file;
    }
    c->lws = lws_create_context(&info);
    if (!c->lws) {
        uv_loop_close(&c->uv);
        free(c);
        err_set(e, ERR_IO,
                "libwebsockets cannot start: is its libuv plugin "
                "(libwebsockets-evlib-uv) installed, and the CA file readable?");
        return NULL;
    }
    c->uv_timer = timer_new(l, pump, c);
    c->uv_ev = event_new(l->base, uv_backend_fd(&c->uv), EV_READ | EV_PERSIST, uv_fd_cb, c);
    if (!c->uv_ev || event_add(c->uv_ev, NULL)) {
        FATAL("libevent: cannot watch libuv");
    }
    pump_soon(c);
    return c;
}

void ws_ctx_free(struct ws_ctx *c)
{
    if (!c) {
        return;
    }
    while (c->all) {
        ws_close(c->all);
    }
    event_free(c->uv_ev);
    // On a foreign uv loop it takes two calls: the first closes the handles, which uv does from
    // inside uv_run(); the second frees what is left, and sets c->lws to NULL (pcontext).
    lws_context_destroy(c->lws);
    for (int i = 0; i < 1000 && uv_run(&c->uv, UV_RUN_NOWAIT) != 0; i++) {
    }
    if (c->lws) {
        lws_context_destroy(c->lws);
    }
    for (int i = 0; i < 1000 && uv_loop_close(&c->uv) == UV_EBUSY; i++) {
        uv_run(&c->uv, UV_RUN_NOWAIT);
    }
    timer_free(c->uv_timer);
    free(c);
}
