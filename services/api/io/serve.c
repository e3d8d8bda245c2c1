#include "services/api/io/serve.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "common/base/mem.h"
#include "common/base/str.h"
#include "services/api/core/session.h"
#include "services/api/io/tag.h"

#define LIVE_MAX ((size_t)8 << 20)
#define OUT_MAX ((size_t)16 << 20)
// Up to this size a body is copied behind its header (one write); a larger one is written from the
// cache as it is.
#define COPY_MAX ((size_t)256 << 10)
// Smaller answers are cheaper to render than to look up.
#define SHARE_MIN ((size_t)8 << 10)
// A client may keep an answer and ask again whether it is still right only while the data is as
// fresh as can be: what it keeps says how old the data was, and must not be shown in a later
// hour, when it is not.
#define TAG_AGE_MS 2000
#define SERVER_METHODS "GET, HEAD, POST, OPTIONS"
// The page has its style in itself and loads nothing.
#define PAGE_POLICY                                                                                \
    "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; "    \
    "form-action 'none'; frame-ancestors 'none'\r\n"
#define TEXT_EXPOSITION "text/plain; version=0.0.4; charset=utf-8"
#define TEXT_OPENMETRICS "application/openmetrics-text; version=1.0.0; charset=utf-8"

void serve_scratch_init(struct serve_scratch *s, const struct gateway *g)
{
    memset(s, 0, sizeof *s);
    buf_init(&s->live, LIVE_MAX);
    buf_init(&s->out, OUT_MAX);
    buf_init(&s->date, 64);
    s->date_s = -1;
    s->all = xcalloc(store_count(g->store), sizeof(struct snap *));
    s->all_now = xcalloc(store_count(g->store), sizeof *s->all_now);
}

void serve_scratch_release(struct serve_scratch *s)
{
    buf_release(&s->live);
    buf_release(&s->out);
    buf_release(&s->date);
    free(s->all);
    free(s->all_now);
}

static const char *reason(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 202:
        return "Accepted";
    case 204:
        return "No Content";
    case 304:
        return "Not Modified";
    case 307:
        return "Temporary Redirect";
    case 400:
        return "Bad Request";
    case 401:
        return "Unauthorized";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 408:
        return "Request Timeout";
    case 409:
        return "Conflict";
    case 413:
        return "Content Too Large";
    case 414:
        return "URI Too Long";
    case 426:
        return "Upgrade Required";
    case 431:
        return "Request Header Fields Too Large";
    case 500:
        return "Internal Server Error";
    case 501:
        return "Not Implemented";
    case 503:
        return "Service Unavailable";
    case 504:
        return "Gateway Timeout";
    default:
        return "Error";
    }
}

// "Sun, 22 Nov 2026 16:31:40 GMT", made once a second and thread.
static void add_date(struct serve_scratch *s, int64_t wall_us)
{
    static const char day[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char mon[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                    "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    int64_t now_s = wall_us / 1000000;
    if (now_s != s->date_s) {
        struct tm tm = {0};
        time_t t = (time_t)now_s;
        gmtime_r(&t, &tm);
        buf_clear(&s->date);
        buf_addf(&s->date, "Date: %s, %02d %s %04d %02d:%02d:%02d GMT\r\n", day[tm.tm_wday % 7],
                 tm.tm_mday, mon[tm.tm_mon % 12], tm.tm_year + 1900, tm.tm_hour, tm.tm_min,
                 tm.tm_sec);
        s->date_s = now_s;
    }
    buf_add(&s->out, buf_ptr(&s->date), buf_len(&s->date));
}

static bool is_listed(const char *list, const char *origin)
{
    size_t n = strlen(origin);
    for (const char *p = list; *p;) {
        size_t len = strcspn(p, ",");
        const char *next = p + len + (p[len] == ',');
        while (len > 0 && *p == ' ') {
            p++;
            len--;
        }
        while (len > 0 && p[len - 1] == ' ') {
            len--;
        }
        if ((len == 1 && *p == '*') || (len == n && memcmp(p, origin, n) == 0)) {
            return true;
        }
        p = next;
    }
    return false;
}

bool serve_is_origin_allowed(const struct gateway *g, const char *origin)
{
    return origin == NULL || is_listed(g->cors_origins, origin);
}

struct head {
    int status;
    const char *type; // NULL = no body
    size_t length;
    const char *allow; // Allow header, for 405 and OPTIONS
    bool preflight;    // OPTIONS
    bool by_accept;    // the answer depends on Accept
    bool simulated;
    bool is_page;
    int64_t age_ms; // -1 = leave out
    bool keep_alive;
    char tag[24]; // "" = none: never kept by anybody
    const char *location;
};

static void add_caching(struct buf *o, const struct head *h)
{
    if (h->tag[0] != '\0') {
        buf_adds(o, "Cache-Control: no-cache\r\nETag: W/\"");
        buf_adds(o, h->tag);
        buf_adds(o, "\"\r\n");
    } else if (h->type != NULL) {
        buf_adds(o, "Cache-Control: no-store\r\n");
    }
    if (h->location != NULL) {
        buf_adds(o, "Location: ");
        buf_adds(o, h->location);
        buf_adds(o, "\r\n");
    }
}

static void add_head(const struct gateway *g, struct serve_scratch *s, const struct http_in *in,
                     const struct head *h)
{
    struct buf *o = &s->out;
    buf_clear(o);
    buf_adds(o, "HTTP/1.1 ");
    buf_add_i64(o, h->status);
    buf_addc(o, ' ');
    buf_adds(o, reason(h->status));
    buf_adds(o, "\r\n");
    add_date(s, g->clock.wall_us(g->clock.arg));
    if (h->type) {
        buf_adds(o, "Content-Type: ");
        buf_adds(o, h->type);
        buf_adds(o, "\r\nContent-Length: ");
        buf_add_u64(o, h->length);
        buf_adds(o, "\r\nX-Content-Type-Options: nosniff\r\n");
        buf_adds(o, h->is_page ? PAGE_POLICY : "");
    }
    add_caching(o, h);
    if (h->age_ms >= 0) {
        buf_adds(o, "X-Data-Age-Ms: ");
        buf_add_i64(o, h->age_ms);
        buf_adds(o, "\r\n");
    }
    if (h->simulated) {
        buf_adds(o, "X-Simulated: true\r\n");
    }
    buf_adds(o, h->by_accept ? "Vary: Accept, Origin\r\n" : "Vary: Origin\r\n");
    if (h->allow && *h->allow) {
        buf_adds(o, "Allow: ");
        buf_adds(o, h->allow);
        buf_adds(o, "\r\n");
    }
    if (in && in->origin && is_listed(g->cors_origins, in->origin)) {
        buf_adds(o, "Access-Control-Allow-Origin: ");
        buf_adds(o, in->origin);
        buf_adds(o, "\r\nAccess-Control-Expose-Headers: ETag, X-Data-Age-Ms, "
                    "X-Simulated\r\n");
        if (h->preflight) {
            buf_adds(o, "Access-Control-Allow-Methods: ");
            buf_adds(o, h->allow ? h->allow : "");
            buf_adds(o, "\r\nAccess-Control-Allow-Headers: Accept, Authorization, Content-Type, "
                        "If-None-Match\r\nAccess-Control-Max-Age: 600\r\n");
        }
    }
    buf_adds(o, h->keep_alive ? "Connection: keep-alive\r\n\r\n" : "Connection: close\r\n\r\n");
}

static void finish(struct serve_scratch *s, const struct head *h, struct http_out *out)
{
    out->status = h->status;
    out->close = !h->keep_alive;
    out->head = (struct slice){buf_ptr(&s->out), buf_len(&s->out)};
}

static void error_out(const struct gateway *g, struct serve_scratch *s, const struct http_in *in,
                      struct head *h, const char *text, struct http_out *out)
{
    buf_clear(&s->live);
    answer_error(text, &s->live);
    h->type = "application/json";
    h->length = buf_len(&s->live);
    add_head(g, s, in, h);
    if (!in || strcmp(in->method, "HEAD") != 0) {
        buf_add(&s->out, buf_ptr(&s->live), buf_len(&s->live));
    }
    finish(s, h, out);
}

void serve_error(const struct gateway *g, struct serve_scratch *s, int status, const char *text,
                 struct http_out *out)
{
    struct head h = {.status = status, .age_ms = -1};
    *out = (struct http_out){.route = routes_n};
    error_out(g, s, NULL, &h, text, out);
}

enum form { FORM_JSON, FORM_TEXT, FORM_OPENMETRICS };

static enum form form_of(const struct route *r, const char *accept)
{
    if (!r->exposition || !accept) {
        return FORM_JSON;
    }
    const char *plain = strstr(accept, "text/plain");
    if (plain && strstr(plain, "version=0.0.4")) {
        return FORM_TEXT; // scrapers name both; this one is exactly what is written here
    }
    return strstr(accept, "application/openmetrics-text") ? FORM_OPENMETRICS : FORM_JSON;
}

// The paths served, for the text of a 404.
static void not_found(const char *path, char *text, size_t size)
{
    char list[1400] = "";
    size_t at = 0;
    for (size_t i = 0; i < routes_n; i++) {
        (void)str_fmt(list + at, sizeof list - at, "%s%s", i ? " " : "", routes[i].path);
        at += strlen(list + at);
    }
    (void)str_fmt(text, size, "path: '%.80s' does not exist (allowed: %s)", path, list);
}

static void release_snaps(struct serve_scratch *s, const struct route *r, struct snap *snap,
                          size_t n)
{
    for (size_t i = 0; i < n && r->all; i++) {
        snap_unref(s->all[i]);
    }
    snap_unref(snap);
}

// What the client has is still right.
static void not_modified(const struct gateway *g, struct serve_scratch *s, const struct http_in *in,
                         struct head *h, struct http_out *out)
{
    h->status = 304;
    h->type = NULL;
    add_head(g, s, in, h);
    finish(s, h, out);
}

// The answer `a` in the form that was asked for, header included.
static void render(const struct gateway *g, struct serve_scratch *s, const struct http_in *in,
                   const struct ask *a, struct head *h, struct http_out *out)
{
    const struct route *r = a->q->route;
    enum form form = form_of(r, in->accept);
    struct slice rest = {NULL, 0}; // the still half behind its '{'
    buf_clear(&s->live);
    if (form == FORM_JSON) {
        if (r->still) {
            out->hold = cache_still(g->cache, a);
        }
        if (out->hold && out->hold->n > 2) {
            rest = (struct slice){out->hold->data + 1, out->hold->n - 1};
        }
        answer_live(a, rest.n > 0, &s->live);
        h->type = "application/json";
        h->status = answer_status(a);
    } else {
        r->exposition(a, form == FORM_OPENMETRICS, &s->live);
        h->type = form == FORM_OPENMETRICS ? TEXT_OPENMETRICS : TEXT_EXPOSITION;
        h->status = 200;
    }
    h->by_accept = r->exposition != NULL;
    h->age_ms = a->env->data_age_ms;
    for (size_t i = 0; i < a->env->n_all; i++) {
        h->simulated = h->simulated || snap_is_simulated(a->env->all[i]);
    }
    if (s->live.failed) {
        h->status = 500;
        error_out(g, s, in, h, "the answer is larger than the gateway's limit", out);
        return;
    }
    if (form == FORM_JSON && route_is_still(r) && out->hold != NULL && a->env->redis_up &&
        a->env->data_age_ms >= 0 && a->env->data_age_ms <= TAG_AGE_MS) {
        tag_text(h->tag, out->hold->tag, "");
    }
    if (h->tag[0] != '\0' && tag_is_named(in->if_none_match, h->tag)) {
        not_modified(g, s, in, h, out);
        return;
    }
    h->length = buf_len(&s->live) + rest.n;
    add_head(g, s, in, h);
    if (strcmp(in->method, "HEAD") != 0) {
        buf_add(&s->out, buf_ptr(&s->live), buf_len(&s->live));
        if (rest.n <= COPY_MAX) {
            buf_add(&s->out, rest.p, rest.n);
        } else {
            out->tail = rest;
        }
    }
    finish(s, h, out);
}

// The bytes of the answer depend on nothing but the ask and the moment.
static bool is_shareable(const struct http_in *in, const struct head *h, const struct route *r)
{
    return r->still && !r->status && !r->all && !in->origin && !in->if_none_match &&
           h->keep_alive && strcmp(in->method, "GET") == 0;
}

// An answer about data: q is valid.
static void answer(const struct gateway *g, struct serve_scratch *s, const struct http_in *in,
                   const struct query *q, struct head *h, struct http_out *out)
{
    int64_t mono = g->clock.mono_ms(g->clock.arg), now = -1;
    size_t n = q->route->all ? store_count(g->store) : 1;
    struct snap *snap = store_get(g->store, q->instrument, mono, &now);
    s->all[0] = snap;
    s->all_now[0] = now;
    for (size_t i = 0; i < n && q->route->all; i++) {
        s->all[i] = store_get(g->store, i, mono, &s->all_now[i]);
    }
    struct env env = {
        .redis_up = store_redis_up(g->store),
        .data_age_ms = store_age_ms(g->store, mono),
        .now_ms = now,
        .uptime_ms = mono - g->started_mono_ms,
        .backfill_off = g->backfill_off,
        .max_missing_sec = g->max_missing_sec,
        .post_wants_token = g->token != NULL && g->token[0] != '\0',
        .all = s->all,
        .all_now_ms = s->all_now,
        .n_all = n,
        .own_metrics = g->own_metrics,
        .own_arg = g->own_arg,
        .lists = g->lists,
        .post = q->route->command != NULL ? &s->post : NULL,
    };
    struct ask a = {&env, snap, q};
    struct moment at = {mono, env.redis_up};
    bool shareable = is_shareable(in, h, q->route);
    if (shareable && (out->hold = cache_recent(g->cache, &a, at)) != NULL) {
        out->status = 200;
        out->head = (struct slice){out->hold->data, out->hold->n};
    } else {
        render(g, s, in, &a, h, out);
        if (shareable && out->status == 200 && out->tail.n == 0 && out->head.n >= SHARE_MIN) {
            cache_set_recent(g->cache, &a, at, out->head);
        }
    }
    release_snaps(s, q->route, snap, n);
}

// A command: given, then answered with what became of it.
static void post(const struct gateway *g, struct serve_scratch *s, const struct http_in *in,
                 const struct query *q, struct head *h, struct http_out *out)
{
    static const struct {
        int status;
        const char *text;
    } failed[] = {
        [COMMAND_REFUSED] = {409, "strategy did not take it: its log says why"},
        [COMMAND_AWAY] = {503, "Redis is away: nothing was done"},
        [COMMAND_UNKNOWN] = {504, "Redis did not answer: whether it will be done is not known"},
        [COMMAND_BUSY] = {503, "too many commands at once: nothing was done"},
    };
    int64_t now_ms = -1;
    char text[160];
    snap_unref(store_get(g->store, q->instrument, g->clock.mono_ms(g->clock.arg), &now_ms));
    if (!serve_is_origin_allowed(g, in->origin)) {
        h->status = 403;
        error_out(g, s, in, h, "Origin: not in CORS_ALLOW_ORIGINS", out);
        return;
    }
    if (now_ms < 0) {
        h->status = 503;
        error_out(g, s, in, h, "no trade was seen yet: there is nothing to do it to", out);
        return;
    }
    s->post = (struct post){.at_ms = now_ms};
    const enum command_result r =
        g->command != NULL
            ? g->command(g->command_arg, q->instrument, q->route->command, now_ms, &s->post)
            : COMMAND_AWAY;
    if (r == COMMAND_APPLIED || r == COMMAND_QUEUED) {
        answer(g, s, in, q, h, out);
        return;
    }
    h->status = failed[r].status;
    (void)str_fmt(text, sizeof text, "%s: %s", q->route->command, failed[r].text);
    error_out(g, s, in, h, text, out);
}

// A page or a way to one: the same for everybody.
static void page(const struct gateway *g, struct serve_scratch *s, const struct http_in *in,
                 const struct route *r, struct head *h, struct http_out *out)
{
    const struct page *p = pages_get(g->pages, r);
    if (r->to != NULL || p == NULL) {
        h->status = r->to != NULL ? 307 : 404;
        h->location = r->to;
        error_out(g, s, in, h, r->to != NULL ? "moved: /docs" : "path: not served here", out);
        return;
    }
    h->type = r->type;
    h->length = p->text.n;
    h->is_page = strncmp(r->type, "text/html", 9) == 0;
    (void)str_copy(h->tag, sizeof h->tag, p->tag);
    if (tag_is_named(in->if_none_match, h->tag)) {
        not_modified(g, s, in, h, out);
        return;
    }
    add_head(g, s, in, h);
    if (strcmp(in->method, "HEAD") != 0) {
        out->tail = p->text;
    }
    finish(s, h, out);
}

bool serve_has_token(const struct gateway *g, const char *authorization)
{
    return authorization != NULL && strncasecmp(authorization, "Bearer ", 7) == 0 &&
           token_equal(authorization + 7, strlen(authorization + 7), g->token);
}

// With a token set, what changes something wants it; with scope all everything but /health.
static bool may_pass(const struct gateway *g, const struct route *r, const char *authorization)
{
    if (g->token == NULL || g->token[0] == '\0' || strcmp(r->path, "/health") == 0 ||
        (!g->token_for_all && strcmp(r->method, "GET") == 0)) {
        return true;
    }
    return serve_has_token(g, authorization);
}

void serve(const struct gateway *g, struct serve_scratch *s, const struct http_in *in,
           struct http_out *out)
{
    struct head h = {.status = 200, .age_ms = -1, .keep_alive = in->keep_alive && !in->has_body};
    bool known = false;
    char allow[64], text[1600];
    struct query q;
    struct err e = {0};
    *out = (struct http_out){.route = routes_n};
    const struct route *r = route_find(in->method, in->path, &known, allow);
    out->route = route_index(r);
    if (strcmp(in->path, "*") == 0 && strcmp(in->method, "OPTIONS") == 0) {
        known = true;
        (void)str_copy(allow, sizeof allow, SERVER_METHODS); // of the server as a whole
    }
    if (!r && !known) {
        h.status = 404;
        not_found(in->path, text, sizeof text);
        error_out(g, s, in, &h, text, out);
        return;
    }
    if (!r && strcmp(in->method, "OPTIONS") == 0) {
        h.status = 204;
        h.allow = allow;
        h.preflight = true;
        add_head(g, s, in, &h);
        finish(s, &h, out);
        return;
    }
    if (!r) {
        h.status = 405;
        h.allow = allow;
        (void)str_fmt(text, sizeof text, "method: '%.20s' is not served here (allowed: %s)",
                      in->method, allow);
        error_out(g, s, in, &h, text, out);
        return;
    }
    if (!may_pass(g, r, in->authorization)) {
        h.status = 401;
        error_out(g, s, in, &h, "Authorization: a bearer token is needed", out);
        return;
    }
    if (in->has_body) {
        h.status = 413;
        error_out(g, s, in, &h, "body: this endpoint takes none (allowed: 0 bytes)", out);
        return;
    }
    int rc = route_query(r, in->query, store_instruments(g->store), store_count(g->store), &q, &e);
    if (rc != 0) {
        h.status = rc == ERR_LIMIT ? 414 : 400;
        error_out(g, s, in, &h, e.text, out);
        return;
    }
    if (route_is_page(r)) {
        page(g, s, in, r, &h, out);
    } else if (r->command != NULL) {
        post(g, s, in, &q, &h, out);
    } else {
        answer(g, s, in, &q, &h, out);
    }
}
