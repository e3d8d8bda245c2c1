#include "common/io/service.h"

#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <hiredis/hiredis.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/base/version.h"

#define TICK_MS 1000
#define HEALTH_EVERY_TICKS 2
#define MEMORY_EVERY_TICKS 15
#define HEALTH_TTL_S "10"
#define HTTP_TIMEOUT_S 5
#define HEADERS_MAX 8192
#define BODY_MAX 1024
#define PAGE_MAX ((size_t)8 << 20)
#define HEALTH_MAX ((size_t)1 << 20)

struct service {
    struct service_opts o;
    struct evhttp *http;
    int port; // -1 = none
    struct event *sigterm, *sigint;
    struct timer *tick, *drain;
    struct redis *redis; // borrowed
    struct redis_tx *tx;
    int64_t memory, memory_max; // bytes of Redis, as last told; -1 unknown, 0 no limit
    bool self;                  // the request under way asks for this process alone
    int64_t started_mono_ms, started_wall_ms;
    unsigned ticks;
    bool draining, finished, running;
    int exit_code;
};

// ---- pages -------------------------------------------------------------------------------------

static void fill(struct service *s, struct buf *out, const char *status)
{
    struct jw w;
    jw_init(&w, out);
    jw_obj(&w);
    jw_kstr(&w, "status", status);
    jw_kstr(&w, "service", s->o.name);
    jw_kstr(&w, "instance", s->o.instance);
    jw_kstr(&w, "version", bc_version);
    jw_kint(&w, "started_ms", s->started_wall_ms);
    jw_kint(&w, "uptime_ms", loop_mono_ms(s->o.loop) - s->started_mono_ms);
    if (s->redis) {
        jw_kbool(&w, "redis_up", redis_is_up(s->redis));
    }
    if (s->o.fill_health) {
        s->o.fill_health(s->o.arg, &w);
    }
    jw_end_obj(&w);
}

static const char *health_status(const struct service *s)
{
    return s->draining ? "draining" : "ok";
}

static void page_health(struct service *s, struct buf *out, int *code)
{
    (void)code;
    fill(s, out, health_status(s));
    buf_addc(out, '\n');
}

static void page_ready(struct service *s, struct buf *out, int *code)
{
    char why[200] = "";
    if (s->draining) {
        str_copy(why, sizeof why, "draining");
    } else if (s->o.ready && !s->self) {
        s->o.ready(s->o.arg, why, sizeof why);
    }
    if (why[0]) {
        *code = 503;
    }
    fill(s, out, why[0] ? why : "ready");
    buf_addc(out, '\n');
}

static void page_metrics(struct service *s, struct buf *out, int *code)
{
    (void)code;
    struct buf labels;
    buf_init(&labels, 512);
    buf_addf(&labels, "service=\"%s\",instance=\"%s\",version=\"%s\"", s->o.name, s->o.instance,
             bc_version);
    prom_head(out, "bc4_build_info", "gauge", "Version of the running program, always 1.");
    prom_int(out, "bc4_build_info", buf_cstr(&labels), 1);
    buf_release(&labels);
    prom_head(out, "bc4_uptime_milliseconds", "gauge", "Time since the process started.");
    prom_int(out, "bc4_uptime_milliseconds", "", loop_mono_ms(s->o.loop) - s->started_mono_ms);
    if (s->redis) {
        prom_head(out, "bc4_redis_up", "gauge", "1 when the link to Redis is logged in.");
        prom_int(out, "bc4_redis_up", "", redis_is_up(s->redis) ? 1 : 0);
        prom_head(out, "bc4_redis_memory_bytes", "gauge", "What Redis uses; -1 unknown.");
        prom_int(out, "bc4_redis_memory_bytes", "", s->memory);
        prom_head(out, "bc4_redis_memory_max_bytes", "gauge", "Its limit; 0 none, -1 unknown.");
        prom_int(out, "bc4_redis_memory_max_bytes", "", s->memory_max);
    }
    if (s->o.fill_metrics) {
        s->o.fill_metrics(s->o.arg, out);
    }
}

static const struct page {
    const char *path;
    const char *type;
    void (*fill)(struct service *s, struct buf *out, int *code);
} pages[] = {
    {"/health", "application/json", page_health},
    {"/ready", "application/json", page_ready},
    {"/metrics", "text/plain; version=0.0.4; charset=utf-8", page_metrics},
};

static void answer(struct evhttp_request *req, int code, const char *type, struct buf *body)
{
    struct evkeyvalq *h = evhttp_request_get_output_headers(req);
    char length[24];
    str_fmt(length, sizeof length, "%zu", buf_len(body));
    evhttp_add_header(h, "Content-Type", type);
    evhttp_add_header(h, "Content-Length", length);
    evhttp_add_header(h, "Cache-Control", "no-store");
    if (code == 405) {
        evhttp_add_header(h, "Allow", "GET, HEAD");
    }
    struct evbuffer *out = evbuffer_new();
    if (!out) {
        FATAL("libevent: no memory for an answer");
    }
    if (evhttp_request_get_command(req) != EVHTTP_REQ_HEAD) {
        evbuffer_add(out, buf_ptr(body), buf_len(body));
    }
    evhttp_send_reply(req, code, NULL, out);
    evbuffer_free(out);
}

static void answer_error(struct evhttp_request *req, int code, const char *why)
{
    struct buf body;
    buf_init(&body, 4096);
    struct jw w;
    jw_init(&w, &body);
    jw_obj(&w);
    jw_kstr(&w, "error", why);
    jw_end_obj(&w);
    buf_addc(&body, '\n');
    answer(req, code, "application/json", &body);
    buf_release(&body);
}

static void on_request(struct evhttp_request *req, void *arg)
{
    struct service *s = arg;
    enum evhttp_cmd_type method = evhttp_request_get_command(req);
    if (method != EVHTTP_REQ_GET && method != EVHTTP_REQ_HEAD) {
        answer_error(req, 405, "only GET and HEAD are answered");
        return;
    }
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(req);
    const char *path = uri ? evhttp_uri_get_path(uri) : NULL;
    const char *query = uri ? evhttp_uri_get_query(uri) : NULL;
    s->self = query && strcmp(query, "scope=self") == 0;
    for (size_t i = 0; path && i < sizeof pages / sizeof pages[0]; i++) {
        if (strcmp(path, pages[i].path) == 0) {
            struct buf body;
            buf_init(&body, PAGE_MAX);
            int code = 200;
            pages[i].fill(s, &body, &code);
            if (body.failed) {
                answer_error(req, 500, "the answer is too large");
            } else {
                answer(req, code, pages[i].type, &body);
            }
            buf_release(&body);
            return;
        }
    }
    answer_error(req, 404, "no such page; there are /health, /ready and /metrics");
}

// ---- health hash -------------------------------------------------------------------------------

static void add_field(struct redis_tx *tx, const char *key, const json_t *v)
{
    char text[32];
    char *dump = NULL;
    const char *p = text;
    size_t n = 0;
    if (json_is_string(v)) {
        p = json_string_value(v);
        n = json_string_length(v);
    } else if (json_is_integer(v)) {
        n = fmt_i64(text, json_integer_value(v));
    } else if (json_is_boolean(v)) {
        text[n++] = json_is_true(v) ? '1' : '0';
    } else if (!json_is_null(v)) {
        dump = json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(15));
        p = dump ? dump : "";
        n = strlen(p);
    }
    redis_tx_hset(tx, key, p, n);
    free(dump);
}

static void write_health(struct service *s)
{
    if (!s->redis || !redis_is_up(s->redis)) {
        return;
    }
    struct buf json;
    buf_init(&json, HEALTH_MAX);
    fill(s, &json, health_status(s));
    struct err e = {0};
    json_t *root = json.failed ? NULL : json_parse(buf_ptr(&json), buf_len(&json), &e);
    buf_release(&json);
    if (!root) {
        log_ev(LOG_ERROR, "health_unwritable", F_STR("why", e.text));
        return;
    }
    char member[160];
    char key[192];
    str_fmt(member, sizeof member, "%s:%s", s->o.name, s->o.instance);
    str_fmt(key, sizeof key, "bc4:health:%s", member);
    struct redis_tx *tx = s->tx;
    redis_tx_begin(tx);
    // Fields that are no longer reported must not linger.
    redis_tx_argv(tx, 2, (const struct slice[]){slice_of("DEL"), slice_of(key)});
    redis_tx_hset_begin(tx, key);
    const char *name = NULL;
    json_t *v = NULL;
    json_object_foreach(root, name, v)
    {
        add_field(tx, name, v);
    }
    redis_tx_hset_end(tx);
    redis_tx_argv(
        tx, 3, (const struct slice[]){slice_of("EXPIRE"), slice_of(key), slice_of(HEALTH_TTL_S)});
    json_decref(root);
    // A full window or a dying link: the next tick tells again. The list of services is a key of
    // its own (in a cluster on another node), so it is not part of the transaction.
    if (redis_tx_exec(s->redis, tx, NULL, NULL) == 0) {
        int rc = redis_cmd(s->redis, NULL, NULL, "ZADD bc4:services %lld %s",
                           (long long)(loop_wall_us(s->o.loop) / 1000), member);
        (void)rc;
    }
}

static int64_t info_number(const struct redisReply *r, const char *name)
{
    const char *at = strstr(r->str, name);
    int64_t v = -1;
    if (at != NULL) {
        at += strlen(name);
        if (parse_i64(at, strspn(at, "0123456789"), &v) != 0) {
            v = -1;
        }
    }
    return v;
}

static void on_memory(struct redis *r, const struct redisReply *reply, void *arg)
{
    (void)r;
    struct service *s = arg;
    if (reply != NULL && reply->type == REDIS_REPLY_STRING) {
        s->memory = info_number(reply, "\nused_memory:");
        s->memory_max = info_number(reply, "\nmaxmemory:");
    }
}

static void tick_cb(void *arg)
{
    struct service *s = arg;
    log_flush();
    if (++s->ticks % HEALTH_EVERY_TICKS == 0) {
        write_health(s);
    }
    if (s->redis && s->ticks % MEMORY_EVERY_TICKS == 1) {
        int rc = redis_cmd(s->redis, on_memory, s, "INFO memory"); // else the next time
        (void)rc;
    }
}

void service_set_redis(struct service *s, struct redis *r)
{
    s->redis = r;
    write_health(s);
}

// ---- life cycle --------------------------------------------------------------------------------

static void finish(struct service *s)
{
    s->finished = true;
    if (s->running) {
        loop_stop(s->o.loop);
    }
}

static void drain_cb(void *arg)
{
    struct service *s = arg;
    log_ev(LOG_WARN, "drain_timeout", F_INT("drain_ms", s->o.drain_ms));
    finish(s);
}

void service_shutdown(struct service *s)
{
    if (s->draining) {
        return;
    }
    s->draining = true;
    if (!s->o.on_drain) {
        finish(s);
        return;
    }
    timer_start(s->drain, s->o.drain_ms);
    s->o.on_drain(s->o.arg);
}

static void signal_cb(evutil_socket_t sig, short what, void *arg)
{
    (void)what;
    struct service *s = arg;
    log_ev(LOG_INFO, s->draining ? "signal_again" : "signal", F_INT("signo", sig));
    if (s->draining) {
        s->exit_code = 1;
        finish(s);
        return;
    }
    service_shutdown(s);
}

static int listen_http(struct service *s, struct err *e)
{
    s->http = evhttp_new(s->o.loop->base);
    if (!s->http) {
        FATAL("libevent: no memory for the HTTP server");
    }
    evhttp_set_max_headers_size(s->http, HEADERS_MAX);
    evhttp_set_max_body_size(s->http, BODY_MAX);
    evhttp_set_timeout(s->http, HTTP_TIMEOUT_S);
    // All methods reach on_request(), which answers 405 in JSON; evhttp's own answer is HTML.
    evhttp_set_allowed_methods(s->http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD | EVHTTP_REQ_POST |
                                            EVHTTP_REQ_PUT | EVHTTP_REQ_DELETE |
                                            EVHTTP_REQ_OPTIONS | EVHTTP_REQ_TRACE |
                                            EVHTTP_REQ_CONNECT | EVHTTP_REQ_PATCH);
    evhttp_set_gencb(s->http, on_request, s);
    const char *host = s->o.http_host && s->o.http_host[0] ? s->o.http_host : "127.0.0.1";
    EVUTIL_SET_SOCKET_ERROR(0);
    struct evhttp_bound_socket *bound =
        evhttp_bind_socket_with_handle(s->http, host, (uint16_t)s->o.http_port);
    if (!bound) {
        int error = EVUTIL_SOCKET_ERROR();
        return err_set(e, ERR_IO, "health port: cannot listen on %s port %d: %s", host,
                       s->o.http_port,
                       error ? evutil_socket_error_to_string(error) : "no such address");
    }
    struct sockaddr_storage addr;
    memset(&addr, 0, sizeof addr);
    socklen_t len = sizeof addr;
    if (getsockname(evhttp_bound_socket_get_fd(bound), (struct sockaddr *)&addr, &len)) {
        return err_set(e, ERR_IO, "health port: cannot read the bound address");
    }
    struct sockaddr_in v4;
    memcpy(&v4, &addr, sizeof v4); // the port is at the same place in v4 and v6
    s->port = ntohs(v4.sin_port);
    return 0;
}

static struct event *take_signal(struct service *s, int signo)
{
    struct event *ev = evsignal_new(s->o.loop->base, signo, signal_cb, s);
    if (!ev || evsignal_add(ev, NULL)) {
        FATAL("libevent: cannot take signal %d", signo);
    }
    return ev;
}

struct service *service_new(const struct service_opts *o, struct err *e)
{
    struct service *s = xcalloc(1, sizeof *s);
    s->o = *o;
    s->o.instance = o->instance ? o->instance : "";
    s->o.drain_ms = o->drain_ms > 0 ? o->drain_ms : 2000;
    s->port = -1;
    s->memory = s->memory_max = -1;
    s->started_mono_ms = loop_mono_ms(o->loop);
    s->started_wall_ms = loop_wall_us(o->loop) / 1000;
    s->tx = redis_tx_new(2 * HEALTH_MAX);
    s->tick = timer_new(o->loop, tick_cb, s);
    s->drain = timer_new(o->loop, drain_cb, s);
    s->sigterm = take_signal(s, SIGTERM);
    s->sigint = take_signal(s, SIGINT);
    if (o->http_port >= 0 && listen_http(s, e)) {
        service_free(s);
        return NULL;
    }
    timer_every(s->tick, TICK_MS);
    return s;
}

void service_run(struct service *s)
{
    if (s->finished) {
        return;
    }
    s->running = true;
    loop_run(s->o.loop);
    s->running = false;
}

void service_done(struct service *s)
{
    finish(s);
}

bool service_is_draining(const struct service *s)
{
    return s->draining;
}

int service_http_port(const struct service *s)
{
    return s->port;
}

int service_exit_code(const struct service *s)
{
    return s->exit_code;
}

void service_fail(struct service *s, const char *ev, const char *why)
{
    if (s->exit_code == 0) {
        log_ev(LOG_ERROR, ev, F_STR("why", why));
    }
    s->exit_code = 1;
    finish(s);
}

void service_free(struct service *s)
{
    if (!s) {
        return;
    }
    if (s->http) {
        evhttp_free(s->http);
    }
    event_free(s->sigterm);
    event_free(s->sigint);
    timer_free(s->tick);
    timer_free(s->drain);
    redis_tx_free(s->tx);
    free(s);
}

// ---- Prometheus --------------------------------------------------------------------------------

void prom_head(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_addf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void prom_value(struct buf *out, const char *name, const char *labels, const char *value)
{
    buf_adds(out, name);
    if (labels && labels[0]) {
        buf_addc(out, '{');
        buf_adds(out, labels);
        buf_addc(out, '}');
    }
    buf_addc(out, ' ');
    buf_adds(out, value);
    buf_addc(out, '\n');
}

void prom_int(struct buf *out, const char *name, const char *labels, int64_t value)
{
    char text[24];
    text[fmt_i64(text, value)] = '\0';
    prom_value(out, name, labels, text);
}
