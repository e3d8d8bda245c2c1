// The control port: faults on command, status, and the truth to compare with.

#include "services/exchange-sim/io/sim.h"

#include <string.h>

#include "common/base/json.h"
#include "common/base/str.h"

#define TRUTH_ROWS 1000000

int control_reply(struct buf *body, int status, const char *text)
{
    buf_addf(body, status == 200 ? "{\"ok\":true,\"msg\":\"%s\"}" : "{\"ok\":false,\"msg\":\"%s\"}",
             text);
    return status;
}

int64_t control_number(rest_param_fn param, void *arg, const char *name, int64_t dflt, int64_t max)
{
    const char *s = param(arg, name);
    int64_t n;
    if (s == NULL) {
        return dflt;
    }
    return parse_i64(s, strlen(s), &n) == 0 && n >= 0 && n <= max ? n : -1;
}

int control_lane(const struct sim *s, rest_param_fn param, void *arg)
{
    const char *stream = param(arg, "stream");
    const char *symbol = param(arg, "symbol");
    if (stream != NULL) {
        return sim_find_stream(s, stream).lane;
    }
    return symbol != NULL ? market_lane_of(s->market, symbol) : 0;
}

static void put_lane(struct sim *s, struct jw *w, int i)
{
    const struct lane *l = &s->market->lane[i];
    jw_obj(w);
    jw_kstr(w, "symbol", l->symbol);
    char stream[STREAM_TEXT];
    str_fmt(stream, sizeof stream, "%s@aggTrade", l->lower);
    jw_kstr(w, "stream", stream);
    if (s->tape != NULL) {
        jw_kint(w, "total", tape_lane_len(s->tape, i));
    }
    jw_kint(w, "released", l->released);
    jw_kint(w, "first_id", l->first_id);
    jw_kint(w, "last_id", l->last_id);
    jw_kint(w, "last_t_ms", l->last_t_ms);
    jw_kstr(w, "tick", l->tick);
    jw_kstr(w, "step", l->step);
    jw_end_obj(w);
}

static void put_lanes(struct sim *s, struct jw *w)
{
    jw_key(w, "lanes");
    jw_arr(w);
    for (int i = 0; i < s->market->lanes; i++) {
        put_lane(s, w, i);
    }
    jw_end_arr(w);
}

static int status(struct sim *s, struct buf *body)
{
    struct jw w;
    int64_t released = 0;
    for (int i = 0; i < s->market->lanes; i++) {
        released += s->market->lane[i].released;
    }
    jw_init(&w, body);
    jw_obj(&w);
    jw_kstr(&w, "mode", s->tape != NULL ? "replay" : "generate");
    jw_kbool(&w, "started", s->pace.started);
    jw_kbool(&w, "paused", s->pace.paused);
    jw_kbool(&w, "finished", s->finished);
    jw_kint(&w, "position", released);
    if (s->tape != NULL) {
        jw_kint(&w, "total", (int64_t)tape_len(s->tape));
        jw_kint(&w, "first_ms", tape_first_ms(s->tape));
        jw_kint(&w, "last_ms", tape_last_ms(s->tape));
        const struct tape_stats *t = tape_stats(s->tape);
        jw_kint(&w, "lines", t->lines);
        jw_kint(&w, "bad_lines", t->bad_lines);
        jw_kint(&w, "excluded", t->excluded);
        jw_kint(&w, "repeated", t->repeated);
    }
    jw_kint(&w, "clock_ms", sim_clock_ms(s));
    jw_kint(&w, "clock_offset_ms", s->clock_offset_ms);
    jw_kint(&w, "clients", s->client_count);
    jw_kint(&w, "subscribed", clients_subscribed(s));
    jw_kint(&w, "connections", s->connections);
    jw_kint(&w, "frames", s->frames);
    jw_kint(&w, "rest_requests", s->rest_requests);
    jw_kint(&w, "rest_refused", s->refused_rest);
    jw_kint(&w, "closed_slow", s->closed_slow);
    jw_kint(&w, "closed_rate", s->closed_rate);
    control_fault_status(s, &w);
    jw_key(&w, "faults");
    jw_obj(&w);
    jw_kint(&w, "skipped", s->faults.skipped);
    jw_kint(&w, "duplicated", s->faults.duplicated);
    jw_kint(&w, "reordered", s->faults.reordered);
    jw_kint(&w, "stall_dropped", s->faults.stall_dropped);
    jw_kint(&w, "stall_delayed", s->faults.stall_delayed);
    jw_kint(&w, "malformed", s->faults.malformed);
    jw_kint(&w, "stale", s->faults.stale);
    jw_kint(&w, "crossed", s->faults.crossed);
    jw_kbool(&w, "holding", faults_holding(&s->faults));
    jw_end_obj(&w);
    put_lanes(s, &w);
    jw_end_obj(&w);
    return 200;
}

// Without a symbol a summary; with one the released trades, a line each: a,p,q,f,l,T,m,E.
static int truth(struct sim *s, rest_param_fn param, void *arg, struct buf *body,
                 const char **content_type)
{
    const char *venue = param(arg, "venue");
    if (venue != NULL && str_ieq(venue, "bybit")) {
        return bybit_truth(s, param, arg, body, content_type);
    }
    if (param(arg, "symbol") == NULL) {
        struct jw w;
        jw_init(&w, body);
        jw_obj(&w);
        put_lanes(s, &w);
        jw_end_obj(&w);
        return 200;
    }
    if (param(arg, "kind") != NULL && strcmp(param(arg, "kind"), "trade") != 0) {
        return control_truth(s, param, arg, body, content_type);
    }
    int lane = control_lane(s, param, arg);
    int64_t from = control_number(param, arg, "fromId", -2, INT64_MAX);
    int64_t limit = control_number(param, arg, "limit", TRUTH_ROWS, TRUTH_ROWS);
    if (lane < 0 || from == -1 || limit < 0) {
        return control_reply(body, 400, "unknown symbol, or a bad fromId or limit");
    }
    const struct lane *l = &s->market->lane[lane];
    // From the first trade of this run; a generated market has a past before it.
    if (from < 0) {
        from = l->first_id;
    }
    *content_type = "text/csv";
    struct sim_trade t;
    if (l->released > 0 && s->market->ops->seek_id(s->market, lane, from)) {
        while (limit-- > 0 && s->market->ops->read(s->market, lane, &t)) {
            sim_trade_csv(body, &t);
        }
    }
    if (buf_len(body) == 0) {
        buf_addc(body, '\n');
    }
    return 200;
}

enum sim_kind control_kind(rest_param_fn param, void *arg, const char *name)
{
    static const char *const names[SIM_KINDS] = {
        [SIM_TRADE] = "trade",
        [SIM_DEPTH] = "depth",
        [SIM_TICKER] = "ticker",
        [SIM_MARK] = "mark",
        [SIM_LIQUIDATION] = "liquidation",
        [SIM_KLINE] = "kline",
    };
    const char *kind = param(arg, name);
    for (int k = 0; kind != NULL && k < SIM_KINDS; k++) {
        if (names[k] != NULL && strcmp(names[k], kind) == 0) {
            return (enum sim_kind)k;
        }
    }
    return kind == NULL ? SIM_TRADE : SIM_KINDS;
}

static int order_stall(struct sim *s, rest_param_fn param, void *arg, struct buf *body)
{
    const char *stream = param(arg, "stream");
    struct wire_key key = {.lane = control_lane(s, param, arg), .kind = SIM_TRADE};
    if (stream != NULL) {
        key = sim_find_stream(s, stream);
    }
    int64_t ms = control_number(param, arg, "ms", 10000, 86400000);
    const char *keep = param(arg, "keep");
    bool kept = keep != NULL && (strcmp(keep, "true") == 0 || strcmp(keep, "1") == 0);
    if (key.lane < 0 || ms < 0 || !faults_stall(&s->faults, key, sim_wall_ms(s) + ms, kept)) {
        return control_reply(body, 400, "stream=<name of a stream>, ms=0..86400000");
    }
    return control_reply(body, 200, "stalled");
}

static int order_malformed(struct sim *s, rest_param_fn param, void *arg, struct buf *body)
{
    if (param(arg, "of") != NULL && strcmp(param(arg, "of"), "trade") != 0) {
        return control_spoil(s, param, arg, body);
    }
    int lane = control_lane(s, param, arg);
    const char *kind = param(arg, "kind");
    int64_t n = control_number(param, arg, "n", 1, 1000);
    if (lane < 0 || n < 0 || !sim_send_malformed(s, lane, kind != NULL ? kind : "mix", n)) {
        buf_adds(body, "{\"ok\":false,\"kinds\":[");
        for (const char *const *k = fault_kinds; *k != NULL; k++) {
            buf_addf(body, "%s\"%s\"", k == fault_kinds ? "" : ",", *k);
        }
        buf_adds(body, "]}");
        return 400;
    }
    return control_reply(body, 200, "sent");
}

static int order_drop(struct sim *s, rest_param_fn param, void *arg, struct buf *body)
{
    int64_t code = control_number(param, arg, "code", 0, 4999);
    if (code != 0 && code < 1000) {
        return control_reply(body, 400, "code=1000..4999 closes with a close frame; none: without");
    }
    clients_drop(s, (int)code);
    return control_reply(body, 200, "dropped");
}

int control_answer(struct sim *s, const char *path, rest_param_fn param, void *arg,
                   struct buf *body, const char **content_type)
{
    if (strcmp(path, "/status") == 0 || strcmp(path, "/health") == 0) {
        return status(s, body);
    }
    if (strcmp(path, "/truth") == 0) {
        return truth(s, param, arg, body, content_type);
    }
    if (strcmp(path, "/requests") == 0) {
        *content_type = "text/csv";
        buf_add(body, buf_ptr(&s->requests.text), buf_len(&s->requests.text));
        buf_adds(body, s->requests.full ? "full\n" : "");
        if (buf_len(body) == 0) {
            buf_addc(body, '\n');
        }
        return 200;
    }
    if (strcmp(path, "/drop") == 0) {
        return order_drop(s, param, arg, body);
    }
    if (strcmp(path, "/stall") == 0) {
        return order_stall(s, param, arg, body);
    }
    if (strcmp(path, "/malformed") == 0) {
        return order_malformed(s, param, arg, body);
    }
    if (strcmp(path, "/pause") == 0 || strcmp(path, "/resume") == 0) {
        sim_set_paused(s, path[1] == 'p');
        return control_reply(body, 200, path + 1);
    }
    if (strcmp(path, "/start") == 0) {
        sim_start_market(s);
        return control_reply(body, 200, "started");
    }
    if (str_starts(path, "/bybit/")) {
        return bybit_order(s, path, param, arg, body);
    }
    int fault = control_feed(s, path, param, arg, body);
    if (fault != 0) {
        return fault;
    }
    fault = control_fault(s, path, param, arg, body);
    if (fault != 0) {
        return fault;
    }
    int64_t n = control_number(param, arg, "n", 1, FAULT_MAX_COUNT);
    if (n < 0) {
        return control_reply(body, 400, "n=0..100000");
    }
    enum sim_kind kind = control_kind(param, arg, "kind");
    if (kind == SIM_KINDS) {
        return control_reply(body, 400, "kind=trade|depth|ticker|mark|liquidation|kline");
    }
    if (strcmp(path, "/skip") == 0) {
        faults_skip(&s->faults, kind, n);
    } else if (strcmp(path, "/duplicate") == 0) {
        faults_duplicate(&s->faults, kind, n);
    } else if (strcmp(path, "/reorder") == 0) {
        faults_reorder(&s->faults, kind, n);
    } else {
        return control_reply(
            body, 404,
            "/status /truth /drop /stall /skip /duplicate /reorder /malformed /pause "
            "/resume /start /stale /crossed /http /http/clear /archive /archive/clear /requests "
            "/ban "
            "/refuse /half_open /skew");
    }
    return control_reply(body, 200, "ordered");
}
