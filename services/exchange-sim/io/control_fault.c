// Orders of the control port that concern connections, REST answers and the clock.

#include "services/exchange-sim/io/sim.h"

#include <string.h>

#include "common/base/json.h"
#include "common/base/str.h"

#define DAY_MS INT64_C(86400000)
#define BYBIT_BAN_MS INT64_C(600000)
#define BINANCE_BAN_MS INT64_C(120000)

static int kind_of(const char *s, enum http_fault_kind *kind, int64_t *status)
{
    for (int k = HTTP_FAULT_SLOW; k <= HTTP_FAULT_LIMIT; k++) {
        if (str_ieq(s, http_fault_name((enum http_fault_kind)k))) {
            *kind = (enum http_fault_kind)k;
            return 0;
        }
    }
    *kind = HTTP_FAULT_STATUS;
    return parse_i64(s, strlen(s), status) == 0 && *status >= 400 && *status <= 599 ? 0 : ERR_RANGE;
}

// /http?kind=429|..|slow|hang|torn|wrong|newest|symbol|repeat|empty|limit[&path=P][&n=N][&ms=N][&retry_after=S][&ban_ms=N][&rate=N]
static int order_http(struct sim *s, rest_param_fn param, void *arg, struct buf *body)
{
    const char *kind = param(arg, "kind");
    const char *path = param(arg, "path");
    int64_t status = 0;
    int64_t ms = control_number(param, arg, "ms", 0, DAY_MS);
    // Without a time an order is for one request, with one for as many as come.
    int64_t n = control_number(param, arg, "n", ms > 0 ? INT64_MAX : 1, INT64_MAX);
    int64_t retry = control_number(param, arg, "retry_after", INT64_MAX, INT64_MAX);
    int64_t ban = control_number(param, arg, "ban_ms", 0, DAY_MS * 7);
    int64_t rate = control_number(param, arg, "rate", 100, 100000000);
    struct http_fault f = {.bytes_per_s = rate,
                           .retry_after_s = retry,
                           .ban_ms = ban,
                           .left = n == INT64_MAX ? -1 : n,
                           .until_ms = ms > 0 ? sim_wall_ms(s) + ms : INT64_MAX};
    if (kind == NULL || kind_of(kind, &f.kind, &status) != 0 || ms < 0 || n < 0 || retry < 0 ||
        ban < 0 || rate < 1 || !str_copy(f.path, sizeof f.path, path != NULL ? path : "")) {
        return control_reply(
            body, 400,
            "kind=400..599, slow, hang, torn, wrong, newest, symbol, repeat, empty or "
            "limit; path=prefix, n=requests, ms=time, retry_after=s, ban_ms=, rate=bytes a second");
    }
    f.status = (int)status;
    if (retry == INT64_MAX) {
        f.retry_after_s = status == 429 ? 1 : -1;
    }
    if (status == 418 && ban == 0) {
        f.ban_ms = BINANCE_BAN_MS;
    }
    if (http_fault_order(&s->http_faults, &f) != 0) {
        return control_reply(body, 400, "too many orders at once");
    }
    return control_reply(body, 200, "ordered");
}

// /ban?venue=V[&status=S][&ms=N][&grace_ms=N]: from now on, not only from the next request.
static int order_ban(struct sim *s, rest_param_fn param, void *arg, struct buf *body)
{
    const char *venue = param(arg, "venue");
    bool bybit = venue != NULL && str_ieq(venue, "bybit");
    int64_t status = control_number(param, arg, "status", bybit ? 403 : 418, 599);
    int64_t ms = control_number(param, arg, "ms", bybit ? BYBIT_BAN_MS : BINANCE_BAN_MS, DAY_MS);
    int64_t grace = control_number(param, arg, "grace_ms", 0, DAY_MS);
    if (status < 400 || ms < 0 || grace < 0) {
        return control_reply(body, 400, "venue=binance|bybit, status=400..599, ms=, grace_ms=");
    }
    http_fault_ban(&s->http_faults, bybit ? VENUE_BYBIT : VENUE_BINANCE, (int)status,
                   sim_wall_ms(s), ms, grace);
    return control_reply(body, 200, "banned");
}

static int order_half_open(struct sim *s, rest_param_fn param, void *arg, struct buf *body)
{
    int64_t id = control_number(param, arg, "client", 0, INT64_MAX);
    int64_t ms = control_number(param, arg, "ms", DAY_MS, DAY_MS);
    if (id < 0 || ms < 0) {
        return control_reply(body, 400, "client=id of /status (none: all), ms=");
    }
    if (clients_half_open(s, id, ms) == 0) {
        return control_reply(body, 404, "no such client");
    }
    return control_reply(body, 200, "half open");
}

static int order_skew(struct sim *s, rest_param_fn param, void *arg, struct buf *body)
{
    static const char *const names[] = {"ms", "drift_ppm"};
    int64_t v[2] = {0, 0};
    for (int i = 0; i < 2; i++) {
        const char *text = param(arg, names[i]);
        if (text != NULL &&
            (parse_i64(text, strlen(text), &v[i]) != 0 || v[i] > DAY_MS || v[i] < -DAY_MS)) {
            return control_reply(body, 400, "ms=, drift_ppm=: within a day either way");
        }
    }
    s->skew_ms = v[0];
    s->drift_ppm = v[1];
    s->skew_at_ms = sim_wall_ms(s);
    return control_reply(body, 200, "the clock is wrong as ordered");
}

static int order_refuse(struct sim *s, rest_param_fn param, void *arg, struct buf *body)
{
    int64_t ms = control_number(param, arg, "ms", 1000, DAY_MS);
    if (ms < 0) {
        return control_reply(body, 400, "ms=0..86400000");
    }
    sim_refuse_connections(s, ms);
    return control_reply(body, 200, "connections are refused");
}

static bool is_on(rest_param_fn param, void *arg, const char *name, bool dflt)
{
    const char *v = param(arg, name);
    return v == NULL ? dflt : strcmp(v, "1") == 0 || strcmp(v, "true") == 0;
}

// One of a list of words: its index, 0 when absent, -1 when it is none of them.
static int word_of(rest_param_fn param, void *arg, const char *name, const char *const *words)
{
    const char *v = param(arg, name);
    for (int i = 0; v != NULL && words[i] != NULL; i++) {
        if (strcmp(v, words[i]) == 0) {
            return i;
        }
    }
    return v == NULL ? 0 : -1;
}

// /archive?[venue=V][&symbol=S][&day=D]... the form of the daily files that these name.
static int order_archive(struct sim *s, rest_param_fn param, void *arg, struct buf *body)
{
    static const char *const venues[] = {"", "binance", "bybit", NULL};
    static const char *const words[] = {"true", "True", "TRUE", NULL};
    static const char *const sorts[] = {"asc", "desc", "mixed", NULL};
    static const char *const times[] = {"ms", "us", NULL};
    static const char *const sums[] = {"good", "bad", NULL};
    const char *symbol = param(arg, "symbol"), *day = param(arg, "day");
    const int venue = word_of(param, arg, "venue", venues);
    const int word = word_of(param, arg, "bool", words);
    const int order = word_of(param, arg, "sort", sorts);
    const int time = word_of(param, arg, "time", times);
    const int sum = word_of(param, arg, "checksum", sums);
    struct archive_rule r = {.venue = (enum sim_venue)venue,
                             .form = {.no_header = !is_on(param, arg, "header", true),
                                      .us = time == 1,
                                      .words = (enum archive_words)word,
                                      .no_rpi = !is_on(param, arg, "rpi", true),
                                      .order = (enum archive_order)order,
                                      .missing = is_on(param, arg, "missing", false),
                                      .bad_checksum = sum == 1,
                                      .drop = control_number(param, arg, "drop", 0, INT64_MAX),
                                      .version = control_number(param, arg, "version", 0, 31)}};
    if (venue < 0 || word < 0 || order < 0 || time < 0 || sum < 0 || r.form.drop < 0 ||
        r.form.version < 0 || !str_copy(r.symbol, sizeof r.symbol, symbol != NULL ? symbol : "") ||
        !str_copy(r.day, sizeof r.day, day != NULL ? day : "")) {
        return control_reply(body, 400,
                             "venue=binance|bybit, symbol=, day=2026-11-21, header=0|1, "
                             "bool=true|True|TRUE, time=ms|us, rpi=0|1, sort=asc|desc|mixed, "
                             "missing=1, checksum=bad, drop=every nth row, version=0..31");
    }
    if (archive_order(&s->archive, &r) != 0) {
        return control_reply(body, 400, "too many orders; /archive/clear forgets them");
    }
    return control_reply(body, 200, "ordered");
}

int control_fault(struct sim *s, const char *path, rest_param_fn param, void *arg, struct buf *body)
{
    if (strcmp(path, "/http") == 0) {
        return order_http(s, param, arg, body);
    }
    if (strcmp(path, "/archive") == 0) {
        return order_archive(s, param, arg, body);
    }
    if (strcmp(path, "/archive/clear") == 0) {
        s->archive.rules = 0;
        return control_reply(body, 200, "files as the venues write them now");
    }
    if (strcmp(path, "/http/clear") == 0) {
        http_fault_clear(&s->http_faults);
        return control_reply(body, 200, "no orders, no ban");
    }
    if (strcmp(path, "/ban") == 0) {
        return order_ban(s, param, arg, body);
    }
    if (strcmp(path, "/half_open") == 0) {
        return order_half_open(s, param, arg, body);
    }
    if (strcmp(path, "/skew") == 0) {
        return order_skew(s, param, arg, body);
    }
    if (strcmp(path, "/refuse") == 0) {
        return order_refuse(s, param, arg, body);
    }
    return 0;
}

void control_fault_status(const struct sim *s, struct jw *w)
{
    const struct http_faults *f = &s->http_faults;
    jw_kint(w, "weight_used_max", s->weight_used_max);
    jw_kint(w, "weight_limit", s->cfg->weight_limit);
    jw_kint(w, "requests_noted", s->requests.n);
    jw_kint(w, "archives_made", s->archive.made);
    jw_kint(w, "bybit_requests_max", s->bybit.requests_max);
    jw_kint(w, "over_limit", s->over_limit);
    jw_kint(w, "http_faults_hit", f->hit);
    jw_kint(w, "http_faults_waiting", (int64_t)f->n);
    jw_kint(w, "bans", f->bans);
    jw_kint(w, "requests_during_ban", f->requests_during_ban);
    jw_kint(w, "ban_latest_ms", f->ban_latest_ms);
    jw_kint(w, "backoff_latest_ms", f->backoff_latest_ms);
    jw_kint(w, "requests_at_ban", f->requests_at_ban);
    jw_kint(w, "requests_during_backoff", f->requests_during_backoff);
    jw_kint(w, "refused_connections", s->refused_connections);
    jw_kint(w, "skew_ms", sim_skew_ms(s));
    jw_key(w, "client_list");
    clients_list(s, w);
}
