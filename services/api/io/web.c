#include "services/api/io/web.h"

#include <civetweb.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "services/api/io/adopt.h"
#include "services/api/io/web_inner.h"

#define STACK_BYTES ((size_t)1024 << 10)
#define SLOW_NS INT64_C(1000000000)
#define HEADER_MAX_TEXT "16384"

static _Thread_local struct worker *self;

static int64_t mono_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

// ---- callbacks of CivetWeb ----------------------------------------------------------------------

static void *on_thread(const struct mg_context *ctx, int type)
{
    struct web *w = mg_get_user_data(ctx);
    if (type == 0) {
        pthread_mutex_lock(&w->lock);
        w->master = pthread_self();
        w->has_master = true;
        pthread_mutex_unlock(&w->lock);
    }
    if (type != 1) {
        return NULL;
    }
    struct worker *k = xcalloc(1, sizeof *k);
    k->web = w;
    k->thread = pthread_self();
    pthread_mutex_init(&k->lock, NULL);
    pthread_mutex_lock(&w->lock);
    if (w->n < w->threads) {
        w->worker[w->n++] = k;
    }
    pthread_mutex_unlock(&w->lock);
    self = k;
    return k;
}

// From here on nothing signals the thread: it is about to end.
static void on_thread_exit(const struct mg_context *ctx, int type, void *ptr)
{
    if (type == 0) {
        struct web *w = mg_get_user_data(ctx);
        pthread_mutex_lock(&w->lock);
        w->has_master = false;
        pthread_mutex_unlock(&w->lock);
    }
    if (type == 1 && ptr) {
        web_set_state(ptr, W_FREE);
    }
}

static int on_connection(const struct mg_connection *conn, void **data)
{
    (void)conn;
    *data = NULL;
    if (self) {
        self->answered = false;
        atomic_fetch_add(&self->web->open, 1);
        stats_add(self->web->gateway->stats, STAT_CONNECTIONS, 1);
        web_set_state(self, W_IDLE);
        if (web_is_crowded(self->web)) {
            pthread_mutex_lock(&self->web->lock);
            web_make_room(self->web, false);
            pthread_cond_signal(&self->web->crowded);
            pthread_mutex_unlock(&self->web->lock);
        }
    }
    return 0;
}

static void on_closed(const struct mg_connection *conn)
{
    (void)conn;
    if (self) {
        web_set_state(self, W_FREE);
        atomic_fetch_sub(&self->web->open, 1);
    }
}

static struct serve_scratch *scratch(void)
{
    if (!self->has_scratch) {
        serve_scratch_init(&self->scratch, self->web->gateway);
        self->has_scratch = true;
    }
    return &self->scratch;
}

static bool put_all(struct mg_connection *conn, struct slice part)
{
    return part.n == 0 || mg_write(conn, part.p, part.n) == (int)part.n;
}

static void send_out(struct mg_connection *conn, struct http_out *out)
{
    if (out->close) {
        mg_disable_connection_keep_alive(conn);
    }
    // A client that does not take its answer in time loses the connection: the next answer would
    // begin in the middle of this one, and each request it sent ahead would hold the thread as
    // long.
    // The same for one that took it slowly.
    const int64_t from = mono_ns();
    if (!put_all(conn, out->head) || !put_all(conn, out->tail) || mono_ns() - from > SLOW_NS) {
        mg_disable_connection_keep_alive(conn);
    }
    body_unref(out->hold);
    self->answered = true;
}

// CivetWeb hands on what names a path of its own and drops the rest without a word: "OPTIONS *" and
// "GET http://elsewhere/". They get their answer here, the last moment there is.
static void on_close(const struct mg_connection *conn)
{
    const struct mg_request_info *ri = self ? mg_get_request_info(conn) : NULL;
    if (!ri || !ri->request_uri || ri->local_uri || !ri->request_method || self->answered) {
        return;
    }
    struct mg_connection *open = (struct mg_connection *)(uintptr_t)conn;
    struct http_out out;
    if (strcmp(ri->request_uri, "*") == 0 && strcmp(ri->request_method, "OPTIONS") == 0) {
        const struct http_in in = {.method = "OPTIONS", .path = "*"};
        serve(self->web->gateway, scratch(), &in, &out);
    } else {
        serve_error(self->web->gateway, scratch(), 400,
                    "request: its target is not of this server (allowed: a path)", &out);
    }
    web_set_busy(self, peer_of(conn));
    send_out(open, &out);
    stats_request(self->web->gateway->stats, out.route, out.status, 0);
}

static bool has_token(const char *list, const char *token)
{
    size_t n = strlen(token);
    for (const char *p = list; *p; p++) {
        if (strncasecmp(p, token, n) == 0) {
            return true;
        }
    }
    return false;
}

static bool wants_keep_alive(const struct mg_request_info *ri, const char *connection)
{
    if (connection) {
        return has_token(connection, "keep-alive") && !has_token(connection, "close");
    }
    return ri->http_version && strcmp(ri->http_version, "1.1") == 0;
}

// ---- /ws ----------------------------------------------------------------------------------------

#define WS_PATH "/ws"

static bool is_ws(const struct mg_request_info *ri)
{
    return ri->local_uri_raw && strcmp(ri->local_uri_raw, WS_PATH) == 0;
}

static int refuse(struct mg_connection *conn, int status, const char *text)
{
    struct http_out out;
    serve_error(self->web->gateway, scratch(), status, text, &out);
    send_out(conn, &out);
    stats_request(self->web->gateway->stats, out.route, status, 0);
    return status;
}

// 0: CivetWeb goes on with the handshake.
static int on_ws_request(struct mg_connection *conn, const struct mg_request_info *ri)
{
    const struct web *w = self->web;
    const char *upgrade = mg_get_header(conn, "Upgrade");
    web_set_busy(self, peer_of(conn));
    if (!w->o.push || strcmp(ri->request_method, "GET") != 0 || !upgrade ||
        strcasecmp(upgrade, "websocket") != 0) {
        return refuse(conn, 426, "ws: a WebSocket handshake is needed here");
    }
    if (!serve_is_origin_allowed(w->gateway, mg_get_header(conn, "Origin"))) {
        return refuse(conn, 403, "Origin: not in CORS_ALLOW_ORIGINS");
    }
    if (!atomic_load(&w->ws_ready)) {
        return refuse(conn, 503, "ws: the gateway is starting");
    }
    if (!push_has_room(w->o.push)) {
        return refuse(conn, 503, "ws: the gateway holds as many clients as it may");
    }
    return 0;
}

static void on_ws_ready(struct mg_connection *conn, void *arg)
{
    const struct web *w = arg;
    web_set_busy(self, (struct peer){.port = 0}); // what is adopted belongs to another thread
    const int fd = adopt_socket(conn);
    if (fd < 0) {
        log_ev(LOG_ERROR, "ws_not_adopted", F_STR("why", "its descriptor was not found"));
        return; // CivetWeb keeps it, and closes it when nothing comes
    }
    if (!push_adopt(w->o.push, fd,
                    serve_has_token(w->gateway, mg_get_header(conn, "Authorization")))) {
        (void)close(fd);
    }
}

// What CivetWeb still reads of a connection that was not adopted ends it.
static int on_ws_data(struct mg_connection *conn, int bits, char *data, size_t n, void *arg)
{
    (void)conn;
    (void)bits;
    (void)data;
    (void)n;
    (void)arg;
    return 0;
}

// ---- requests -----------------------------------------------------------------------------------

static int on_request(struct mg_connection *conn)
{
    if (!self) {
        return 0;
    }
    if (is_ws(mg_get_request_info(conn))) {
        return on_ws_request(conn, mg_get_request_info(conn));
    }
    const struct gateway *g = self->web->gateway;
    const struct mg_request_info *ri = mg_get_request_info(conn);
    int64_t from = mono_ns();
    web_set_busy(self, peer_of(conn));
    struct http_in in = {.method = ri->request_method,
                         .path = ri->local_uri_raw ? ri->local_uri_raw : "",
                         .query = ri->query_string};
    const char *connection = NULL;
    for (int i = 0; i < ri->num_headers; i++) {
        const char *name = ri->http_headers[i].name, *value = ri->http_headers[i].value;
        switch (name[0] | 0x20) {
        case 'a':
            in.accept = strcasecmp(name, "Accept") == 0 ? value : in.accept;
            in.authorization = strcasecmp(name, "Authorization") == 0 ? value : in.authorization;
            break;
        case 'o':
            in.origin = strcasecmp(name, "Origin") == 0 ? value : in.origin;
            break;
        case 'c':
            connection = strcasecmp(name, "Connection") == 0 ? value : connection;
            break;
        case 'i':
            in.if_none_match = strcasecmp(name, "If-None-Match") == 0 ? value : in.if_none_match;
            break;
        case 't':
            in.has_body = in.has_body || strcasecmp(name, "Transfer-Encoding") == 0;
            break;
        default:
            break;
        }
    }
    in.has_body = in.has_body || ri->content_length > 0;
    in.keep_alive = wants_keep_alive(ri, connection);
    struct http_out out;
    serve(g, scratch(), &in, &out);
    send_out(conn, &out);
    stats_request(g->stats, out.route, out.status, mono_ns() - from);
    return out.status;
}

static void on_request_end(const struct mg_connection *conn, int status)
{
    (void)conn;
    (void)status;
    if (self) {
        self->answered = false; // the next one's is to come
        web_set_state(self, W_IDLE);
    }
}

// Errors CivetWeb finds itself: a request it can not read.
static int on_error(struct mg_connection *conn, int status, const char *text)
{
    if (!self) {
        return 1;
    }
    struct http_out out;
    serve_error(self->web->gateway, scratch(), status, text && *text ? text : "bad request", &out);
    send_out(conn, &out);
    stats_request(self->web->gateway->stats, out.route, status, 0);
    return 0;
}

static int on_message(const struct mg_connection *conn, const char *text)
{
    (void)conn;
    log_ev(LOG_DEBUG, "web_message", F_STR("msg", text));
    return 1;
}

// ---- life ---------------------------------------------------------------------------------------

static struct mg_context *start(struct web *w, const struct web_opts *o)
{
    char listen[64], threads[16], keep[24], timeout[24];
    (void)str_fmt(listen, sizeof listen, "%s:%d", o->host, o->port);
    (void)str_fmt(threads, sizeof threads, "%d", o->threads);
    (void)str_fmt(keep, sizeof keep, "%lld", (long long)o->keep_alive_ms);
    (void)str_fmt(timeout, sizeof timeout, "%lld", (long long)o->request_timeout_ms);
    const char *options[] = {"listening_ports",
                             listen,
                             "num_threads",
                             threads,
                             "enable_keep_alive",
                             "yes",
                             "keep_alive_timeout_ms",
                             keep,
                             "request_timeout_ms",
                             timeout,
                             "tcp_nodelay",
                             "1",
                             "listen_backlog",
                             "1024",
                             "connection_queue",
                             "256",
                             "max_request_size",
                             HEADER_MAX_TEXT,
                             "enable_directory_listing",
                             "no",
                             "enable_auth_domain_check",
                             "no",
                             "access_control_allow_origin",
                             "",
                             "access_control_allow_methods",
                             "",
                             "decode_url",
                             "yes",
                             NULL};
    struct mg_callbacks cb = {
        .begin_request = on_request,
        .end_request = on_request_end,
        .http_error = on_error,
        .log_message = on_message,
        .init_thread = on_thread,
        .exit_thread = on_thread_exit,
        .init_connection = on_connection,
        .connection_close = on_close,
        .connection_closed = on_closed,
    };
    struct mg_context *ctx = mg_start(&cb, w, options);
    if (ctx && w->o.push) {
        mg_set_websocket_handler(ctx, WS_PATH, NULL, on_ws_ready, on_ws_data, NULL, w);
        atomic_store(&w->ws_ready, true);
    }
    return ctx;
}

// CivetWeb's threads get small stacks and only the wake signal; the rest belongs to the loop.
static struct mg_context *start_quietly(struct web *w, const struct web_opts *o)
{
    sigset_t all, old;
    pthread_attr_t attr, was;
    struct sigaction sa = {0};
    sa.sa_handler = web_on_wake; // no SA_RESTART: poll() must end
    sigemptyset(&sa.sa_mask);
    sigaction(WAKE_SIGNAL, &sa, NULL);
    pthread_getattr_default_np(&was);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    pthread_setattr_default_np(&attr);
    sigfillset(&all);
    sigdelset(&all, WAKE_SIGNAL);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    w->has_keeper = pthread_create(&w->keeper, NULL, web_keeper, w) == 0;
    struct mg_context *ctx = w->has_keeper ? start(w, o) : NULL;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_setattr_default_np(&was);
    pthread_attr_destroy(&attr);
    pthread_attr_destroy(&was);
    return ctx;
}

struct web *web_new(const struct web_opts *o)
{
    struct web *w = xcalloc(1, sizeof *w);
    w->o = *o;
    w->gateway = o->gateway;
    w->threads = o->threads;
    w->spare = o->threads / 16 > 2 ? o->threads / 16 : 2;
    w->worker = xcalloc((size_t)o->threads, sizeof(struct worker *));
    pthread_mutex_init(&w->lock, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&w->crowded, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return w;
}

int web_start(struct web *w, struct err *e)
{
    w->ctx = start_quietly(w, &w->o);
    if (!w->ctx) {
        return err_set(e, ERR_IO, "can not listen on %s:%d", w->o.host, w->o.port);
    }
    struct mg_server_port port = {0};
    w->port = mg_get_server_ports(w->ctx, 1, &port) == 1 ? port.port : w->o.port;
    return 0;
}

int web_port(const struct web *w)
{
    return w->port;
}

void web_load(struct web *w, int *open, int *idle)
{
    *open = atomic_load(&w->open);
    *idle = 0;
    pthread_mutex_lock(&w->lock);
    for (int i = 0; i < w->n; i++) {
        *idle += atomic_load(&w->worker[i]->state) == W_IDLE;
    }
    pthread_mutex_unlock(&w->lock);
}

static void set_flag(struct web *w, bool *flag)
{
    pthread_mutex_lock(&w->lock);
    *flag = true;
    pthread_cond_signal(&w->crowded);
    pthread_mutex_unlock(&w->lock);
}

void web_free(struct web *w)
{
    if (!w) {
        return;
    }
    set_flag(w, &w->stopping);
    if (w->ctx) {
        mg_stop(w->ctx);
    }
    set_flag(w, &w->stopped);
    if (w->has_keeper) {
        pthread_join(w->keeper, NULL);
    }
    for (int i = 0; i < w->n; i++) {
        if (w->worker[i]->has_scratch) {
            serve_scratch_release(&w->worker[i]->scratch);
        }
        pthread_mutex_destroy(&w->worker[i]->lock);
        free(w->worker[i]);
    }
    pthread_cond_destroy(&w->crowded);
    pthread_mutex_destroy(&w->lock);
    free(w->worker);
    free(w);
}
