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
    static const struct {
        const char *name;
        enum http_fault_kind kind;
    } names[] = {{"slow", HTTP_FAULT_SLOW},
                 {"hang", HTTP_FAULT_HANG},
                 {"torn", HTTP_FAULT_TORN},
                 {"wrong", HTTP_FAULT_WRONG}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (str_ieq(s, names[i].name)) {
            *kind = names[i].kind;
            return 0;
        }
    }
    *kind = HTTP_FAULT_STATUS;
    return parse_i64(s, strlen(s), status) == 0 && *status >= 400 && *status <= 599 ? 0 : ERR_RANGE;
}

// /http?kind=429|..|slow|hang|torn|wrong[&path=P][&n=N][&ms=N][&retry_after=S][&ban_ms=N][&rate=N]
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
        return control_reply(body, 400,
                             "kind=400..599, slow, hang, torn or wrong; path=prefix, n=requests, "
                             "ms=time, retry_after=s, ban_ms=, rate=bytes a second");
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

int control_fault(struct sim *s, const char *path, rest_param_fn param, void *arg, struct buf *body)
{
    if (strcmp(path, "/http") == 0) {
        return order_http(s, param, arg, body);
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
