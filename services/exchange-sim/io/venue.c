// libwebsockets callbacks of both ports: REST requests, WebSocket handshakes, frames.

#include "services/exchange-sim/io/sim.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "services/exchange-sim/core/rest_book.h"

#define MAX_PARAMS 16
#define MAX_PARAM_TEXT 512
#define MAX_PATH 32768
#define MAX_BODY ((size_t)256 << 20)
#define PIECE ((size_t)16384)
#define SLOW_TURNS 10     // a slow body moves so often in a second
#define RETRY_MARGIN_S 1  // Retry-After is told in whole seconds
#define ARCHIVE_ROWS 2000 // of a daily file that is being made, in a turn: about 2 ms

struct session {
    struct client *client; // WebSocket
    struct buf body;       // HTTP answer under way
    bool has_body;
    bool head_only; // HEAD: the headers of GET without its body
    int status;
    const char *content_type;
    int64_t used_weight;          // -1: not told
    int64_t retry_after_s;        // -1: not told
    struct http_fault *fault;     // what happens to this answer; NULL = nothing
    size_t torn_rest;             // of a torn body: what is never sent
    char *waits;                  // path of a daily file that is being made; NULL = for nothing
    int64_t range_from, range_to; // asked for: bytes of the file; -1 = all, or to its end
    int64_t file_bytes;           // of the whole file, when a part is answered
    char etag[72];                // quoted; "" = none
    char only_if_not[72];         // the client has this one
};

_Static_assert(sizeof(struct session) <= 512, "the protocol table of sim.c reserves this");

// ---- query parameters
// -----------------------------------------------------------------------------

struct params {
    int n;
    char name[MAX_PARAMS][32];
    char value[MAX_PARAMS][MAX_PARAM_TEXT];
};

static void read_params(struct lws *wsi, struct params *q)
{
    char text[MAX_PARAM_TEXT + 64];
    q->n = 0;
    for (int i = 0; q->n < MAX_PARAMS; i++) {
        int n = lws_hdr_copy_fragment(wsi, text, sizeof text, WSI_TOKEN_HTTP_URI_ARGS, i);
        if (n < 0) {
            return;
        }
        const char *eq = memchr(text, '=', (size_t)n);
        size_t name_n = eq != NULL ? (size_t)(eq - text) : (size_t)n;
        if (!str_copyn(q->name[q->n], sizeof q->name[0], text, name_n)) {
            continue;
        }
        q->value[q->n][0] = '\0';
        if (eq != NULL) {
            str_copyn(q->value[q->n], sizeof q->value[0], eq + 1, (size_t)n - name_n - 1);
        }
        q->n++;
    }
}

static const char *param(void *arg, const char *name)
{
    const struct params *q = arg;
    for (int i = 0; i < q->n; i++) {
        if (strcmp(q->name[i], name) == 0) {
            return q->value[i];
        }
    }
    return NULL;
}

// ---- HTTP
// -----------------------------------------------------------------------------------------

static void drop_body(struct session *x)
{
    free(x->fault);
    x->fault = NULL;
    free(x->waits);
    x->waits = NULL;
    if (x->has_body) {
        buf_release(&x->body);
        x->has_body = false;
    }
}

static int venue_answer(struct sim *s, struct session *x, const char *path, struct params *q,
                        bool is_get)
{
    struct buf *b = &x->body;
    int64_t wall = sim_wall_ms(s);
    x->used_weight = weight_use(&s->weight, wall, rest_weight(path, param, q));
    s->weight_used_max = x->used_weight > s->weight_used_max ? x->used_weight : s->weight_used_max;
    if (x->used_weight > s->cfg->weight_limit) {
        s->refused_rest++;
        s->over_limit++;
        x->retry_after_s = (60000 - wall % 60000) / 1000 + RETRY_MARGIN_S;
        char msg[160];
        str_fmt(msg, sizeof msg,
                "Too many requests; current limit of IP(127.0.0.1) is %lld requests per minute.",
                (long long)s->cfg->weight_limit);
        return rest_error(b, 429, -1003, msg);
    }
    if (is_get && strcmp(path, "/fapi/v1/aggTrades") == 0) {
        return rest_agg_trades(s->market, sim_clock_ms(s), param, q, b);
    }
    if (is_get && strcmp(path, "/fapi/v1/exchangeInfo") == 0) {
        return rest_exchange_info(s->market, sim_clock_ms(s), s->cfg->weight_limit, b);
    }
    if (is_get && strcmp(path, "/fapi/v1/time") == 0) {
        return rest_time(sim_clock_ms(s) + sim_skew_ms(s), b);
    }
    if (is_get && strcmp(path, "/fapi/v1/ping") == 0) {
        buf_adds(b, "{}");
        return 200;
    }
    if (is_get && strcmp(path, "/fapi/v1/depth") == 0) {
        return rest_depth(s->market, sim_take_stale(s), param, q, b);
    }
    int status = is_get ? rest_prices(s->market, sim_clock_ms(s), path, param, q, b) : 0;
    return status != 0 ? status : rest_error(b, 404, -5000, "Path or method is invalid");
}

// The answer to something else.
static void other_answer(const struct sim *s, const char *path, struct buf *out)
{
    if (http_fault_venue(path) == VENUE_BYBIT) {
        buf_addf(out,
                 "{\"retCode\":0,\"retMsg\":\"OK\",\"result\":{\"category\":\"spot\",\"list\":"
                 "[]},\"retExtInfo\":{},\"time\":%lld}",
                 (long long)sim_clock_ms(s));
    } else if (str_ends(path, "/time")) {
        buf_adds(out, "[]");
    } else {
        (void)rest_time(sim_clock_ms(s), out);
    }
}

// aggTrades: not what was asked for, though of the right form.
static int wrong_rows(struct sim *s, struct session *x, enum http_fault_kind kind, const char *path,
                      struct params *q)
{
    if (kind == HTTP_FAULT_EMPTY || (kind == HTTP_FAULT_REPEAT && buf_len(&s->last_page) == 0)) {
        buf_adds(&x->body, "[]");
        return 200;
    }
    if (kind == HTTP_FAULT_REPEAT) {
        buf_add(&x->body, buf_ptr(&s->last_page), buf_len(&s->last_page));
        return 200;
    }
    for (int i = 0; i < q->n; i++) {
        if (strcmp(q->name[i], "symbol") != 0) {
            q->name[i][0] = strcmp(q->name[i], "limit") == 0 ? 'l' : '\0';
        } else if (kind == HTTP_FAULT_SYMBOL) {
            const int own = market_lane_of(s->market, q->value[i]);
            for (int l = 0; l < s->market->lanes; l++) {
                if (l != own && s->market->lane[l].venue != VENUE_BYBIT) {
                    str_copy(q->value[i], sizeof q->value[i], s->market->lane[l].symbol);
                    break;
                }
            }
        }
    }
    return venue_answer(s, x, path, q, true);
}

static int faulty_answer(struct sim *s, struct session *x, const struct http_fault *f,
                         const char *path, struct params *q)
{
    switch (f->kind) {
    case HTTP_FAULT_NEWEST:
    case HTTP_FAULT_SYMBOL:
    case HTTP_FAULT_REPEAT:
    case HTTP_FAULT_EMPTY:
        return wrong_rows(s, x, f->kind, path, q);
    case HTTP_FAULT_LIMIT:
        buf_addf(&x->body,
                 "{\"retCode\":10006,\"retMsg\":\"Too many visits. Exceeded the API Rate Limit.\","
                 "\"result\":{},\"retExtInfo\":{},\"time\":%lld}",
                 (long long)sim_clock_ms(s));
        return 200;
    default:
        other_answer(s, path, &x->body);
        return 200;
    }
}

// A daily file lies on another host of the venue: no weight, no bans.
static int archive_request(struct sim *s, struct session *x, const char *path)
{
    struct archive_answer told;
    const int status = archive_answer(&s->archive, s->market, sim_clock_ms(s), path, ARCHIVE_ROWS,
                                      &x->body, &told);
    if (status == 0) {
        if (x->waits == NULL) {
            x->waits = xstrdup(path);
        }
        return 0;
    }
    x->content_type = told.content_type;
    if (told.sha256[0] != '\0') {
        str_fmt(x->etag, sizeof x->etag, "\"%.32s\"", told.sha256);
        x->file_bytes = (int64_t)buf_len(&x->body);
    }
    return status;
}

// What of a complete file is sent: nothing new, a part, or all of it.
static int file_status(struct session *x)
{
    if (x->etag[0] == '\0') {
        return x->status;
    }
    if (strcmp(x->etag, x->only_if_not) == 0) {
        buf_clear(&x->body);
        return 304;
    }
    if (x->range_from < 0) {
        return x->status;
    }
    if (x->range_from >= x->file_bytes) {
        buf_clear(&x->body);
        return 416;
    }
    if (x->range_to >= x->range_from && x->range_to < x->file_bytes) {
        x->body.tail -= (size_t)(x->file_bytes - x->range_to - 1);
    }
    buf_consume(&x->body, (size_t)x->range_from);
    return 206;
}

// A request of the venue's port: its answer, and what an order makes of it. 0: not yet.
static int venue_request(struct sim *s, struct session *x, const char *path, struct params *q,
                         bool is_get)
{
    int64_t now = sim_wall_ms(s);
    s->rest_requests++;
    const bool file = is_get && archive_is_path(path);
    struct http_fault f = http_fault_take(&s->http_faults, path, !file, now);
    if (f.kind == HTTP_FAULT_STATUS) {
        s->refused_rest++;
        x->retry_after_s = f.retry_after_s;
        x->content_type = http_fault_body(http_fault_venue(path), f.status, sim_clock_ms(s),
                                          f.ban_ms > 0 ? sim_clock_ms(s) + f.ban_ms : 0, &x->body);
        return f.status;
    }
    int status = 200;
    if (f.kind >= HTTP_FAULT_WRONG) {
        f.until_ms = now + (f.retry_after_s >= 0 ? f.retry_after_s * 1000 : 1000);
        status = faulty_answer(s, x, &f, path, q);
    } else if (file) {
        status = archive_request(s, x, path);
    } else {
        status = http_fault_venue(path) == VENUE_BYBIT ? bybit_rest(s, path, param, q, &x->body)
                                                       : venue_answer(s, x, path, q, is_get);
        if (f.kind == HTTP_FAULT_NONE && status == 200 && str_ends(path, "/aggTrades")) {
            buf_clear(&s->last_page);
            buf_add(&s->last_page, buf_ptr(&x->body), buf_len(&x->body));
        }
    }
    if (f.kind != HTTP_FAULT_NONE) {
        x->fault = xmalloc(sizeof f);
        *x->fault = f;
    }
    return status;
}

// As it was asked, for the list of requests.
static void query_text(const struct params *q, char *out, size_t size)
{
    size_t n = 0;
    out[0] = '\0';
    for (int i = 0; i < q->n && n + 1 < size; i++) {
        str_fmt(out + n, size - n, "%s%s=%s", i > 0 ? "&" : "", q->name[i], q->value[i]);
        n += strlen(out + n);
    }
}

static void note_request(struct sim *s, const struct session *x, const char *path,
                         const char *query, const char *method)
{
    char range[48] = "";
    if (x->range_from >= 0) {
        str_fmt(range, sizeof range, "from=%lld", (long long)x->range_from);
    }
    requests_add(&s->requests,
                 &(struct request){.wall_ms = sim_wall_ms(s),
                                   .method = method,
                                   .path = path,
                                   .query = query[0] != '\0' ? query : range,
                                   .fault = x->fault != NULL ? http_fault_name(x->fault->kind) : "",
                                   .status = x->status,
                                   .weight = x->used_weight,
                                   .body = {buf_ptr(&x->body), buf_len(&x->body)}});
}

// "bytes=100-" or "bytes=100-199"; other forms ask for all.
static void read_file_headers(struct lws *wsi, struct session *x)
{
    char text[80];
    x->range_from = x->range_to = -1;
    x->etag[0] = x->only_if_not[0] = '\0';
    if (lws_hdr_copy(wsi, text, sizeof text, WSI_TOKEN_HTTP_RANGE) > 0 &&
        str_starts(text, "bytes=") && strchr(text, '-') != NULL) {
        const char *from = text + strlen("bytes="), *dash = strchr(from, '-');
        if (parse_i64(from, (size_t)(dash - from), &x->range_from) != 0 || x->range_from < 0 ||
            (dash[1] != '\0' && parse_i64(dash + 1, strlen(dash + 1), &x->range_to) != 0)) {
            x->range_from = x->range_to = -1;
        }
    }
    if (lws_hdr_copy(wsi, text, sizeof text, WSI_TOKEN_HTTP_IF_NONE_MATCH) > 0) {
        str_copy(x->only_if_not, sizeof x->only_if_not, text);
    }
}

static int add_header(struct lws *wsi, const char *name, const char *value, unsigned char **p,
                      unsigned char *end)
{
    return lws_add_http_header_by_name(wsi, (const unsigned char *)name,
                                       (const unsigned char *)value, (int)strlen(value), p, end);
}

// Status line and headers; the body follows when the socket takes it.
static int send_head(struct lws *wsi, struct session *x)
{
    unsigned char head[LWS_PRE + 2048];
    unsigned char *start = head + LWS_PRE;
    unsigned char *p = start;
    unsigned char *end = head + sizeof head - 1;
    char text[24];
    if (x->fault != NULL && x->fault->kind == HTTP_FAULT_HANG) {
        lws_set_timeout(wsi, NO_PENDING_TIMEOUT, 0);
        return 0;
    }
    if (lws_add_http_common_headers(wsi, (unsigned)x->status, x->content_type,
                                    (lws_filepos_t)buf_len(&x->body), &p, end)) {
        return 1;
    }
    if (x->used_weight >= 0) {
        text[fmt_i64(text, x->used_weight)] = '\0';
        if (add_header(wsi, "X-MBX-USED-WEIGHT-1M:", text, &p, end)) {
            return 1;
        }
    }
    if (x->retry_after_s >= 0) {
        text[fmt_i64(text, x->retry_after_s)] = '\0';
        if (add_header(wsi, "Retry-After:", text, &p, end)) {
            return 1;
        }
    }
    if (x->etag[0] != '\0' && (add_header(wsi, "ETag:", x->etag, &p, end) ||
                               add_header(wsi, "Accept-Ranges:", "bytes", &p, end))) {
        return 1;
    }
    char range[80];
    str_fmt(range, sizeof range, "bytes %lld-%lld/%lld", (long long)x->range_from,
            (long long)(x->range_from + (int64_t)buf_len(&x->body) - 1), (long long)x->file_bytes);
    if (x->status == 206 && add_header(wsi, "Content-Range:", range, &p, end)) {
        return 1;
    }
    if (x->fault != NULL && x->fault->kind == HTTP_FAULT_LIMIT) {
        char reset[24];
        reset[fmt_i64(reset, x->fault->until_ms)] = '\0';
        if (add_header(wsi, "X-Bapi-Limit:", "50", &p, end) ||
            add_header(wsi, "X-Bapi-Limit-Status:", "0", &p, end) ||
            add_header(wsi, "X-Bapi-Limit-Reset-Timestamp:", reset, &p, end)) {
            return 1;
        }
    }
    if (lws_finalize_write_http_header(wsi, start, &p, end)) {
        return 1;
    }
    if (x->head_only || buf_len(&x->body) == 0) {
        drop_body(x);
        return lws_http_transaction_completed(wsi) ? -1 : 0;
    }
    x->torn_rest = buf_len(&x->body) / 2;
    lws_callback_on_writable(wsi);
    return 0;
}

static int on_http(struct sim *s, struct lws *wsi, struct session *x, const char *path)
{
    static struct params q; // one thread; too large for a small stack
    read_params(wsi, &q);
    drop_body(x);
    buf_init(&x->body, MAX_BODY);
    x->has_body = true;
    x->content_type = "application/json";
    x->used_weight = -1;
    x->retry_after_s = -1;
    x->head_only = lws_hdr_total_length(wsi, WSI_TOKEN_HEAD_URI) > 0;
    read_file_headers(wsi, x);
    char query[1024];
    query_text(&q, query, sizeof query);
    bool posted = lws_hdr_total_length(wsi, WSI_TOKEN_POST_URI) > 0;
    if (lws_get_vhost(wsi) == s->control) {
        x->status = control_answer(s, path, param, &q, &x->body, &x->content_type);
    } else {
        x->status = venue_request(s, x, path, &q, !posted);
        if (x->status == 0) {
            lws_set_timeout(wsi, NO_PENDING_TIMEOUT, 0);
            lws_set_timer_usecs(wsi, 1);
            return 0;
        }
        x->status = file_status(x);
        note_request(s, x, path, query, x->head_only ? "HEAD" : posted ? "POST" : "GET");
    }
    if (x->body.failed) {
        buf_clear(&x->body);
        x->status = rest_error(&x->body, 500, -1001, "The answer is too large.");
    }
    // A request with a body is answered when the body has passed.
    if (posted && lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH) > 0) {
        return 0;
    }
    return send_head(wsi, x);
}

// The file that a request waits for is moved on; when it is complete, the answer goes out.
static int on_file_timer(struct sim *s, struct lws *wsi, struct session *x)
{
    const int status = archive_request(s, x, x->waits);
    if (status == 0) {
        lws_set_timer_usecs(wsi, 1);
        return 0;
    }
    x->status = status;
    x->status = file_status(x);
    note_request(s, x, x->waits, "", x->head_only ? "HEAD" : "GET");
    free(x->waits);
    x->waits = NULL;
    return send_head(wsi, x);
}

// How much of the body goes out in this turn.
static size_t piece_of(const struct session *x)
{
    size_t most = PIECE;
    if (x->fault != NULL && x->fault->kind == HTTP_FAULT_SLOW) {
        most = (size_t)(x->fault->bytes_per_s + SLOW_TURNS - 1) / SLOW_TURNS;
    } else if (x->fault != NULL && x->fault->kind == HTTP_FAULT_TORN) {
        most = buf_len(&x->body) > x->torn_rest ? buf_len(&x->body) - x->torn_rest : 0;
    }
    most = most < PIECE ? most : PIECE;
    return buf_len(&x->body) < most ? buf_len(&x->body) : most;
}

static int on_http_writable(struct lws *wsi, struct session *x)
{
    if (!x->has_body) {
        return 0;
    }
    unsigned char piece[LWS_PRE + PIECE];
    enum http_fault_kind kind = x->fault != NULL ? x->fault->kind : HTTP_FAULT_NONE;
    size_t n = piece_of(x);
    bool last = n == buf_len(&x->body);
    memcpy(piece + LWS_PRE, buf_ptr(&x->body), n);
    buf_consume(&x->body, n);
    if (lws_write(wsi, piece + LWS_PRE, n, last ? LWS_WRITE_HTTP_FINAL : LWS_WRITE_HTTP) < (int)n) {
        return -1;
    }
    if (kind == HTTP_FAULT_TORN && buf_len(&x->body) <= x->torn_rest) {
        return -1;
    }
    if (!last) {
        if (kind == HTTP_FAULT_SLOW) {
            lws_set_timeout(wsi, NO_PENDING_TIMEOUT, 0);
            lws_set_timer_usecs(wsi, LWS_USEC_PER_SEC / SLOW_TURNS);
        } else {
            lws_callback_on_writable(wsi);
        }
        return 0;
    }
    drop_body(x);
    return lws_http_transaction_completed(wsi) ? -1 : 0;
}

// ---- WebSocket handshake
// ----------------------------------------------------------------------------

static struct route_path path_of(struct lws *wsi, char *path, size_t size)
{
    if (lws_hdr_copy(wsi, path, (int)size, WSI_TOKEN_GET_URI) <= 0) {
        path[0] = '\0';
    }
    return route_parse(path);
}

static int on_upgrade(struct sim *s, struct lws *wsi)
{
    static char path[MAX_PATH];
    if (lws_get_vhost(wsi) == s->control || path_of(wsi, path, sizeof path).route == ROUTE_NONE) {
        if (lws_return_http_status(wsi, 404, NULL) != 0) {
            return -1;
        }
        return 1;
    }
    return 0;
}

static bool on_established(struct sim *s, struct lws *wsi, struct session *x)
{
    static char path[MAX_PATH];
    static char args[MAX_PATH];
    struct route_path r = path_of(wsi, path, sizeof path);
    const char *streams = r.streams;
    for (int i = 0; r.combined; i++) {
        int n = lws_hdr_copy_fragment(wsi, args, sizeof args, WSI_TOKEN_HTTP_URI_ARGS, i);
        if (n < 0) {
            break;
        }
        if (str_starts(args, "streams=")) {
            streams = args + strlen("streams=");
            break;
        }
    }
    x->client = client_new(s, wsi, r.route == ROUTE_BYBIT ? &wire_bybit : &wire_binance, r.route,
                           r.combined);
    log_ev(LOG_INFO, "client_connected", F_STR("path", path), F_STR("streams", streams),
           F_BOOL("retired_root", r.route == ROUTE_RETIRED));
    if (!client_subscribe_list(x->client, streams)) {
        lws_close_reason(wsi, LWS_CLOSE_STATUS_POLICY_VIOLATION, NULL, 0);
        return false;
    }
    return true;
}

static int add_simulated(struct lws *wsi, void *in)
{
    struct lws_process_html_args *a = in;
    unsigned char *p = (unsigned char *)a->p;
    if (add_header(wsi, "X-Simulated:", "true", &p, p + a->max_len)) {
        return 1;
    }
    a->p = (char *)p;
    return 0;
}

static int filter_connection(struct sim *s, struct lws *wsi, int fd)
{
    if (sim_mono_us() >= s->refuse_until_us || lws_get_vhost(wsi) != s->venue) {
        return 0;
    }
    struct linger reset = {.l_onoff = 1};
    (void)!setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    s->refused_connections++;
    return -1;
}

int venue_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                   size_t len)
{
    struct session *x = user;
    struct sim *s = lws_context_user(lws_get_context(wsi));
    switch ((int)reason) { // most reasons are not ours
    case LWS_CALLBACK_HTTP:
        return on_http(s, wsi, x, in);
    case LWS_CALLBACK_HTTP_BODY_COMPLETION:
        return x->has_body && lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH) > 0
                   ? send_head(wsi, x)
                   : 0;
    case LWS_CALLBACK_FILTER_NETWORK_CONNECTION:
        return filter_connection(s, wsi, (int)(intptr_t)in);
    case LWS_CALLBACK_TIMER:
        if (x->waits != NULL) {
            return on_file_timer(s, wsi, x);
        }
        lws_callback_on_writable(wsi);
        return 0;
    case LWS_CALLBACK_HTTP_WRITEABLE:
        return on_http_writable(wsi, x);
    case LWS_CALLBACK_HTTP_DROP_PROTOCOL:
    case LWS_CALLBACK_CLOSED_HTTP:
        if (x != NULL) {
            drop_body(x);
        }
        return 0;
    case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
        return on_upgrade(s, wsi);
    case LWS_CALLBACK_ADD_HEADERS:
        return add_simulated(wsi, in);
    case LWS_CALLBACK_ESTABLISHED:
        return on_established(s, wsi, x) ? 0 : -1;
    case LWS_CALLBACK_RECEIVE:
        return client_receive(x->client, in, len,
                              lws_is_final_fragment(wsi) && lws_remaining_packet_payload(wsi) == 0)
                   ? 0
                   : -1;
    case LWS_CALLBACK_RECEIVE_PONG:
        client_pong(x->client);
        return 0;
    case LWS_CALLBACK_SERVER_WRITEABLE:
        return client_writable(x->client) ? 0 : -1;
    case LWS_CALLBACK_CLOSED:
        if (x->client != NULL) {
            client_free(x->client);
            x->client = NULL;
        }
        return 0;
    case LWS_CALLBACK_RAW_RX_FILE: // a signal; main.c adopted its descriptor
        s->stopping = true;
        return 0;
    default:
        return 0;
    }
}
