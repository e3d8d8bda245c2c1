#include "common/io/http.h"

#include <curl/curl.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/buf.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/base/version.h"

#define CONNECT_MS 10000

struct http {
    struct loop *loop;
    CURLM *multi;
    struct timer *timer;
    struct http_call *calls; // all under way
    size_t in_flight;
    char *ca_file;
    int busy; // our frames on the stack: the memory goes with the last of them
    bool dead;
};

struct http_call {
    struct http *h;
    struct http_call *prev, *next;
    CURL *easy;
    struct buf body;
    size_t max_body, got;
    struct curl_slist *headers;
    bool (*on_data)(void *arg, long status, const char *bytes, size_t n);
    bool too_large;
    bool simulated;
    int64_t retry_after_s, used_weight, limit_reset_ms;
    char etag[80], last_modified[80];
    void (*on_done)(void *arg, const struct http_reply *r);
    void *arg;
    char error[CURL_ERROR_SIZE];
};

struct watch {
    struct http *h;
    struct event *ev;
    curl_socket_t fd;
};

static void check_done(struct http *h);

static void enter(struct http *h)
{
    h->busy++;
}

static void leave(struct http *h)
{
    if (--h->busy > 0 || !h->dead) {
        return;
    }
    curl_multi_cleanup(h->multi);
    timer_free(h->timer);
    free(h->ca_file);
    free(h);
}

// ---- curl's sockets and timer on the loop ------------------------------------------------------

static void action(struct http *h, curl_socket_t fd, int mask)
{
    int running = 0;
    enter(h);
    curl_multi_socket_action(h->multi, fd, mask, &running);
    check_done(h);
    leave(h);
}

static void fd_cb(evutil_socket_t fd, short what, void *arg)
{
    struct watch *w = arg;
    int mask = (what & EV_READ ? CURL_CSELECT_IN : 0) | (what & EV_WRITE ? CURL_CSELECT_OUT : 0);
    action(w->h, fd, mask); // may free w
}

static void timer_fired(void *arg)
{
    action(arg, CURL_SOCKET_TIMEOUT, 0);
}

static int on_curl_timer(CURLM *multi, long ms, void *arg)
{
    (void)multi;
    struct http *h = arg;
    if (ms < 0) {
        timer_stop(h->timer);
    } else {
        timer_start(h->timer, ms);
    }
    return 0;
}

static int on_curl_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *sockp)
{
    (void)easy;
    struct http *h = arg;
    struct watch *w = sockp;
    if (what == CURL_POLL_REMOVE) {
        if (w) {
            event_free(w->ev);
            free(w);
            curl_multi_assign(h->multi, fd, NULL);
        }
        return 0;
    }
    if (w) {
        event_free(w->ev);
    } else {
        w = xcalloc(1, sizeof *w);
        w->h = h;
        w->fd = fd;
        curl_multi_assign(h->multi, fd, w);
    }
    short events = (short)(EV_PERSIST | (what & CURL_POLL_IN ? EV_READ : 0) |
                           (what & CURL_POLL_OUT ? EV_WRITE : 0));
    w->ev = event_new(h->loop->base, fd, events, fd_cb, w);
    if (!w->ev || event_add(w->ev, NULL)) {
        FATAL("libevent: cannot watch a socket");
    }
    return 0;
}

// ---- what arrives ------------------------------------------------------------------------------

static size_t on_body(char *p, size_t size, size_t n, void *arg)
{
    struct http_call *c = arg;
    size_t bytes = size * n;
    if (bytes > c->max_body - c->got) {
        c->too_large = true;
        return 0; // curl ends the transfer
    }
    c->got += bytes;
    if (c->on_data) {
        long status = 0;
        curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status);
        return c->on_data(c->arg, status, p, bytes) ? bytes : 0;
    }
    buf_add(&c->body, p, bytes);
    return bytes;
}

// The value of "Name: value\r\n" when the line has that name (given with its colon).
static bool header_value(const char *p, size_t n, const char *name, char *out, size_t size)
{
    size_t k = strlen(name);
    if (n < k || strncasecmp(p, name, k) != 0) {
        return false;
    }
    p += k;
    n -= k;
    while (n > 0 && (*p == ' ' || *p == '\t')) {
        p++;
        n--;
    }
    while (n > 0 && (p[n - 1] == '\r' || p[n - 1] == '\n' || p[n - 1] == ' ')) {
        n--;
    }
    return str_copyn(out, size, p, n);
}

static int64_t non_negative(const char *s)
{
    int64_t v = 0;
    return parse_i64(s, strlen(s), &v) == 0 && v >= 0 ? v : -1;
}

static size_t on_header(char *p, size_t size, size_t n, void *arg)
{
    struct http_call *c = arg;
    size_t bytes = size * n;
    char v[80];
    if (bytes >= 5 && memcmp(p, "HTTP/", 5) == 0) { // also after a "100 Continue"
        c->simulated = false;
        c->retry_after_s = -1;
        c->used_weight = c->limit_reset_ms = -1;
        c->etag[0] = c->last_modified[0] = '\0';
    } else if (header_value(p, bytes, "X-Simulated:", v, sizeof v)) {
        c->simulated = str_ieq(v, "true");
    } else if (header_value(p, bytes, "X-MBX-USED-WEIGHT-1M:", v, sizeof v)) {
        c->used_weight = non_negative(v);
    } else if (header_value(p, bytes, "X-Bapi-Limit-Reset-Timestamp:", v, sizeof v)) {
        c->limit_reset_ms = non_negative(v);
    } else if (header_value(p, bytes, "ETag:", v, sizeof v)) {
        str_copy(c->etag, sizeof c->etag, v);
    } else if (header_value(p, bytes, "Last-Modified:", v, sizeof v)) {
        str_copy(c->last_modified, sizeof c->last_modified, v);
    } else if (header_value(p, bytes, "Retry-After:", v, sizeof v)) {
        c->retry_after_s = non_negative(v);
        time_t date = c->retry_after_s < 0 ? curl_getdate(v, NULL) : -1;
        if (date >= 0) {
            int64_t now_s = loop_wall_us(c->h->loop) / 1000000;
            c->retry_after_s = date > now_s ? (int64_t)date - now_s : 0;
        }
    }
    return bytes;
}

// ---- calls -------------------------------------------------------------------------------------

static void unlink_call(struct http_call *c)
{
    struct http *h = c->h;
    if (c->prev) {
        c->prev->next = c->next;
    } else {
        h->calls = c->next;
    }
    if (c->next) {
        c->next->prev = c->prev;
    }
    h->in_flight--;
    curl_multi_remove_handle(h->multi, c->easy);
    curl_easy_cleanup(c->easy);
    c->easy = NULL;
    curl_slist_free_all(c->headers);
    c->headers = NULL;
}

static void free_call(struct http_call *c)
{
    buf_release(&c->body);
    free(c);
}

static void finish(struct http_call *c, CURLcode rc, bool closed)
{
    struct http_reply r = {.why = "",
                           .simulated = c->simulated,
                           .retry_after_s = c->retry_after_s,
                           .used_weight = c->used_weight,
                           .limit_reset_ms = c->limit_reset_ms,
                           .etag = c->etag,
                           .last_modified = c->last_modified,
                           .body = ""};
    curl_off_t total = 0;
    curl_off_t before = 0;
    curl_easy_getinfo(c->easy, CURLINFO_TOTAL_TIME_T, &total);
    curl_easy_getinfo(c->easy, CURLINFO_PRETRANSFER_TIME_T, &before);
    r.done_us = loop_wall_us(c->h->loop);
    r.sent_us = r.done_us - (total - before);
    if (closed) {
        r.err = ERR_CLOSED;
        r.why = "the client was shut down";
    } else if (c->too_large || rc == CURLE_FILESIZE_EXCEEDED) {
        r.err = ERR_LIMIT;
        r.why = "the body is larger than allowed";
    } else if (rc != CURLE_OK) {
        r.err = rc == CURLE_OPERATION_TIMEDOUT ? ERR_TIMEOUT : ERR_IO;
        r.why = c->error[0] ? c->error : curl_easy_strerror(rc);
    } else {
        curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &r.status);
        r.body = buf_cstr(&c->body);
        r.n = buf_len(&c->body);
    }
    unlink_call(c);
    c->on_done(c->arg, &r);
    free_call(c);
}

static void check_done(struct http *h)
{
    int left = 0;
    CURLMsg *m;
    while (!h->dead && (m = curl_multi_info_read(h->multi, &left))) {
        if (m->msg != CURLMSG_DONE) {
            continue;
        }
        void *c = NULL;
        CURLcode rc = m->data.result;
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&c);
        finish(c, rc, false);
    }
}

static bool is_loopback(const char *host)
{
    return str_ieq(host, "localhost") || str_starts(host, "127.") || strcmp(host, "[::1]") == 0;
}

static int check_url(const char *url, bool *loopback, struct err *e)
{
    CURLU *u = curl_url();
    if (!u) {
        FATAL("curl: no memory");
    }
    char *scheme = NULL;
    char *host = NULL;
    int rc = 0;
    CURLUcode uc = curl_url_set(u, CURLUPART_URL, url, 0);
    if (uc || curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) ||
        curl_url_get(u, CURLUPART_HOST, &host, 0)) {
        rc = err_set(e, ERR_SYNTAX, "'%.120s' is not a URL: %s", url,
                     uc ? curl_url_strerror(uc) : "no host");
    } else if (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0) {
        rc = err_set(e, ERR_SYNTAX, "'%.120s' is neither http:// nor https://", url);
    } else {
        *loopback = is_loopback(host);
    }
    curl_free(scheme);
    curl_free(host);
    curl_url_cleanup(u);
    return rc;
}

static void set_up(struct http_call *c, const struct http_req *q, bool loopback)
{
    CURL *easy = c->easy;
    int64_t ms = q->timeout_ms > 0 ? q->timeout_ms : 10000;
    curl_easy_setopt(easy, CURLOPT_URL, q->url);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, (void *)c);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, c->error);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)ms);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)(ms < CONNECT_MS ? ms : CONNECT_MS));
    curl_easy_setopt(easy, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)c->max_body);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, (void *)c);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, (void *)c);
    curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    char agent[96];
    str_fmt(agent, sizeof agent, "botcrypto4/%s", bc_version);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, agent);
    if (q->stall_ms > 0) {
        curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
        curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, (long)((q->stall_ms + 999) / 1000));
    }
    if (q->range_from > 0) {
        // Not RESUME_FROM: that refuses a server which sends everything instead.
        char range[32];
        str_fmt(range, sizeof range, "%lld-", (long long)q->range_from);
        curl_easy_setopt(easy, CURLOPT_RANGE, range);
    }
    for (const char *const *line = q->headers; line && *line; line++) {
        struct curl_slist *more = curl_slist_append(c->headers, *line);
        if (!more) {
            FATAL("curl: no memory");
        }
        c->headers = more;
    }
    if (c->headers) {
        curl_easy_setopt(easy, CURLOPT_HTTPHEADER, c->headers);
    }
    if (loopback) {
        curl_easy_setopt(easy, CURLOPT_PROXY, "");
    }
    if (c->h->ca_file) {
        curl_easy_setopt(easy, CURLOPT_CAINFO, c->h->ca_file);
    }
}

struct http_call *http_get(struct http *h, const struct http_req *q, struct err *e)
{
    bool loopback = false;
    if (h->dead) {
        err_set(e, ERR_CLOSED, "the client was shut down");
        return NULL;
    }
    if (check_url(q->url, &loopback, e)) {
        return NULL;
    }
    struct http_call *c = xcalloc(1, sizeof *c);
    c->h = h;
    c->on_done = q->on_done;
    c->on_data = q->on_data;
    c->arg = q->arg;
    c->max_body = q->max_body ? q->max_body : (size_t)1 << 20;
    c->retry_after_s = -1;
    c->used_weight = c->limit_reset_ms = -1;
    buf_init(&c->body, c->max_body + 1); // and its NUL
    c->easy = curl_easy_init();
    if (!c->easy) {
        FATAL("curl: no memory");
    }
    set_up(c, q, loopback);
    CURLMcode mc = curl_multi_add_handle(h->multi, c->easy);
    if (mc != CURLM_OK) {
        err_set(e, ERR_IO, "curl: %s", curl_multi_strerror(mc));
        curl_easy_cleanup(c->easy);
        curl_slist_free_all(c->headers);
        free_call(c);
        return NULL;
    }
    c->next = h->calls;
    if (c->next) {
        c->next->prev = c;
    }
    h->calls = c;
    h->in_flight++;
    return c;
}

void http_cancel(struct http_call *c)
{
    if (!c) {
        return;
    }
    unlink_call(c);
    free_call(c);
}

size_t http_in_flight(const struct http *h)
{
    return h->in_flight;
}

struct http *http_new(struct loop *l, const char *ca_file, size_t max_parallel)
{
    static bool global;
    if (!global) {
        if (curl_global_init(CURL_GLOBAL_DEFAULT)) {
            FATAL("curl cannot start");
        }
        global = true;
    }
    struct http *h = xcalloc(1, sizeof *h);
    h->loop = l;
    h->ca_file = ca_file && ca_file[0] ? xstrdup(ca_file) : NULL;
    h->timer = timer_new(l, timer_fired, h);
    h->multi = curl_multi_init();
    if (!h->multi) {
        FATAL("curl: no memory");
    }
    curl_multi_setopt(h->multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket);
    curl_multi_setopt(h->multi, CURLMOPT_SOCKETDATA, (void *)h);
    curl_multi_setopt(h->multi, CURLMOPT_TIMERFUNCTION, on_curl_timer);
    curl_multi_setopt(h->multi, CURLMOPT_TIMERDATA, (void *)h);
    curl_multi_setopt(h->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS,
                      (long)(max_parallel ? max_parallel : 4));
    return h;
}

void http_free(struct http *h)
{
    if (!h || h->dead) {
        return;
    }
    enter(h);
    h->dead = true;
    while (h->calls) {
        finish(h->calls, CURLE_OK, true);
    }
    leave(h);
}
