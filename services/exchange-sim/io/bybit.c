// Bybit's operations on a WebSocket: subscribe, unsubscribe, ping; and its orders of the control
// port.

#include "services/exchange-sim/io/sim.h"

#include <jansson.h>
#include <string.h>

#include "common/base/json.h"
#include "common/base/str.h"
#include "services/exchange-sim/core/rest_bybit.h"

#define ARGS_CHARS 21000 // of all topics of a connection
#define FRAME_MAX ((size_t)1 << 20)

static void *state_of(const struct sim *s)
{
    for (int i = 0; i < SIM_WIRES; i++) {
        if (s->wires[i].wire == &wire_bybit) {
            return s->wires[i].state;
        }
    }
    return NULL;
}

static int64_t market_ms(const struct sim *s)
{
    int64_t newest = 0;
    for (int i = 0; i < s->market->lanes; i++) {
        newest = s->market->lane[i].last_t_ms > newest ? s->market->lane[i].last_t_ms : newest;
    }
    const struct sim_event *next = newest > 0 ? NULL : market_peek(s->market);
    return newest > 0 ? newest : next != NULL ? next->t_ms : sim_clock_ms(s);
}

static void reply(struct sim *s, struct client *c, bool ok, const char *msg, const char *req_id,
                  const char *op)
{
    struct buf b;
    buf_init(&b, FRAME_MAX);
    buf_addf(&b, "{\"success\":%s,\"ret_msg\":", ok ? "true" : "false");
    json_add_str(&b, msg, strlen(msg));
    // The same form as the venue's; the number of the connection makes it its own.
    buf_addf(&b, ",\"conn_id\":\"%08llx-5107-4c0d-8e5a-%012llx\",\"req_id\":",
             (unsigned long long)client_id(c), (unsigned long long)client_id(c));
    json_add_str(&b, req_id, strlen(req_id));
    buf_adds(&b, ",\"op\":");
    json_add_str(&b, op, strlen(op));
    buf_addc(&b, '}');
    client_send(c, buf_ptr(&b), buf_len(&b));
    buf_release(&b);
    (void)s;
}

static size_t chars_of(const struct subs *subs)
{
    size_t n = 0;
    for (size_t i = 0; i < subs->n; i++) {
        n += strlen(subs->at[i].name);
    }
    return n;
}

static bool has(const struct subs *subs, const char *name)
{
    for (size_t i = 0; i < subs->n; i++) {
        if (strcmp(subs->at[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

// Why the list can not be subscribed to, "" when it can. One bad topic refuses the whole list.
static void check_args(const struct sim *s, const struct subs *subs, const json_t *args, char *why,
                       size_t size)
{
    size_t chars = chars_of(subs);
    why[0] = '\0';
    for (size_t i = 0; i < json_array_size(args); i++) {
        const char *name = json_string_value(json_array_get(args, i));
        if (name == NULL) {
            str_copy(why, size, "error:args must be an array of strings");
            return;
        }
        chars += strlen(name);
        if (strlen(name) >= STREAM_TEXT ||
            wire_bybit.resolve(s->market, ROUTE_BYBIT, name).lane < 0) {
            str_fmt(why, size, "error:handler not found,topic:%.100s", name);
            return;
        }
        if (has(subs, name)) {
            str_fmt(why, size, "error:already subscribed,topic:%.100s", name);
            return;
        }
    }
    if (chars > ARGS_CHARS) {
        str_copy(why, size, "error:args size >21000");
    }
}

static void first_frames(struct sim *s, struct client *c, const json_t *args)
{
    struct buf b;
    buf_init(&b, FRAME_MAX);
    for (size_t i = 0; i < json_array_size(args); i++) {
        struct wire_key key =
            wire_bybit.resolve(s->market, ROUTE_BYBIT, json_string_value(json_array_get(args, i)));
        buf_clear(&b);
        bybit_first_frame(state_of(s), s->market, key, market_ms(s), &b);
        if (buf_len(&b) > 0) {
            client_send(c, buf_ptr(&b), buf_len(&b));
        }
    }
    buf_release(&b);
}

static void subscribe(struct sim *s, struct client *c, const json_t *args, const char *req_id)
{
    struct subs *subs = client_subs(c);
    char why[192];
    if (!json_is_array(args) || json_array_size(args) == 0) {
        reply(s, c, false, "error:args is empty", req_id, "subscribe");
        return;
    }
    if (s->bybit.subscribe_errors > 0) {
        s->bybit.subscribe_errors--;
        reply(s, c, false, "error:system error, try again later", req_id, "subscribe");
        return;
    }
    check_args(s, subs, args, why, sizeof why);
    if (why[0] != '\0') {
        reply(s, c, false, why, req_id, "subscribe");
        return;
    }
    for (size_t i = 0; i < json_array_size(args); i++) {
        const json_t *name = json_array_get(args, i);
        (void)subs_add(subs, s->market, json_string_value(name), json_string_length(name));
    }
    reply(s, c, true, "", req_id, "subscribe");
    client_subs_changed(c);
    first_frames(s, c, args);
}

static void unsubscribe(struct sim *s, struct client *c, const json_t *args, const char *req_id)
{
    for (size_t i = 0; i < json_array_size(args); i++) {
        const json_t *name = json_array_get(args, i);
        if (json_is_string(name)) {
            subs_remove(client_subs(c), json_string_value(name), json_string_length(name));
        }
    }
    client_subs_changed(c);
    reply(s, c, true, "", req_id, "unsubscribe");
}

void bybit_request(struct sim *s, struct client *c, const char *p, size_t n)
{
    json_error_t je;
    json_t *root = json_loadb(p, n, 0, &je);
    const char *op = json_string_value(json_object_get(root, "op"));
    const char *req_id = json_string_value(json_object_get(root, "req_id"));
    const json_t *args = json_object_get(root, "args");
    req_id = req_id != NULL ? req_id : "";
    if (op == NULL) {
        reply(s, c, false, "error:invalid request", req_id, "");
    } else if (strcmp(op, "subscribe") == 0) {
        subscribe(s, c, args, req_id);
    } else if (strcmp(op, "unsubscribe") == 0) {
        unsubscribe(s, c, args, req_id);
    } else if (strcmp(op, "ping") == 0) {
        if (s->bybit.missing_pongs > 0) {
            s->bybit.missing_pongs--;
        } else { // op stays "ping", req_id is not repeated
            reply(s, c, true, "pong", "", "ping");
        }
    } else if (strcmp(op, "pong") != 0) {
        char why[96];
        str_fmt(why, sizeof why, "error:unknown op %.60s", op);
        reply(s, c, false, why, req_id, op);
    }
    json_decref(root);
}

int bybit_rest(struct sim *s, const char *path, rest_param_fn param, void *arg, struct buf *out)
{
    struct rest_bybit r = {.state = state_of(s),
                           .clock_ms = sim_clock_ms(s) + sim_skew_ms(s),
                           .t_ms = market_ms(s),
                           .recent_limit = s->bybit.recent_limit};
    int64_t now = sim_wall_ms(s);
    // 600 requests in 5 seconds; beyond it the address is banned.
    int64_t window = now / 5000;
    if (window != s->bybit.window) {
        s->bybit.window = window;
        s->bybit.requests = 0;
    }
    s->bybit.requests++;
    s->bybit.requests_max =
        s->bybit.requests > s->bybit.requests_max ? s->bybit.requests : s->bybit.requests_max;
    if (s->bybit.requests > s->cfg->bybit_rate_limit) {
        s->over_limit++;
        s->refused_rest++;
        s->bybit.requests = 0; // after the ban it counts anew
        http_fault_ban(&s->http_faults, VENUE_BYBIT, 403, now, s->cfg->bybit_ban_ms, 0);
        (void)http_fault_body(VENUE_BYBIT, 403, r.clock_ms, 0, out);
        return 403;
    }
    return rest_bybit(s->market, &r, path, param, arg, out);
}

// ---- the control port ---------------------------------------------------------------------------

static int lane_param(const struct sim *s, rest_param_fn param, void *arg)
{
    const char *symbol = param(arg, "symbol");
    return symbol != NULL ? market_lane_at(s->market, symbol, strlen(symbol), VENUE_BYBIT) : -1;
}

static int order_snapshot(struct sim *s, rest_param_fn param, void *arg, struct buf *body)
{
    int lane = lane_param(s, param, arg);
    int format = bybit_book_format(control_number(param, arg, "depth", 50, 1000));
    const char *restart = param(arg, "restart");
    if (lane < 0 || format == 0) {
        return control_reply(body, 400, "symbol=S, depth=1|50|200|1000, restart=1");
    }
    struct wire_key key = {lane, SIM_DEPTH, (uint8_t)format};
    struct buf b;
    buf_init(&b, FRAME_MAX);
    bybit_new_snapshot(state_of(s), s->market, key, market_ms(s),
                       restart != NULL && strcmp(restart, "1") == 0, &b);
    if (buf_len(&b) > 0) {
        clients_send(s, key, buf_ptr(&b), buf_len(&b));
    }
    buf_release(&b);
    return control_reply(body, 200, "sent");
}

int bybit_truth(struct sim *s, rest_param_fn param, void *arg, struct buf *body,
                const char **content_type)
{
    int lane = lane_param(s, param, arg);
    int64_t from = control_number(param, arg, "fromMs", 0, INT64_MAX);
    struct sim_trade t;
    if (lane < 0 || from < 0) {
        return control_reply(body, 400, "unknown symbol, or a bad fromMs");
    }
    if (param(arg, "book") != NULL) {
        struct wire_key key = {
            lane, SIM_DEPTH,
            (uint8_t)bybit_book_format(control_number(param, arg, "book", 50, 1000))};
        if (key.format == 0) {
            return control_reply(body, 400, "book=1|50|200|500|1000");
        }
        bybit_first_frame(state_of(s), s->market, key, market_ms(s), body);
        return 200;
    }
    const struct lane *l = &s->market->lane[lane];
    *content_type = "text/csv";
    const struct bybit_tape *tape = bybit_recorded(state_of(s), lane);
    if (tape != NULL) {
        rest_bybit_truth_rows(tape, body);
    }
    bool found = tape == NULL && l->released > 0 &&
                 (from > 0 ? s->market->ops->seek_time(s->market, lane, from)
                           : s->market->ops->seek_id(s->market, lane, l->first_id));
    while (found && s->market->ops->read(s->market, lane, &t)) {
        rest_bybit_truth(s->market, &t, body);
    }
    if (buf_len(body) == 0) {
        buf_addc(body, '\n');
    }
    return 200;
}

static int order_malformed(struct sim *s, rest_param_fn param, void *arg, struct buf *body)
{
    const char *kind = param(arg, "kind");
    int lane = lane_param(s, param, arg);
    int64_t n = control_number(param, arg, "n", 1, 1000);
    struct buf b;
    buf_init(&b, (size_t)8 << 20);
    bool ok = lane >= 0 && n >= 0;
    for (int64_t i = 0; i < n && ok; i++) {
        buf_clear(&b);
        ok = bybit_malformed(&b, kind != NULL ? kind : "mix", i, s->market->lane[lane].symbol,
                             market_ms(s));
        if (ok) {
            s->faults.malformed++;
            clients_send(s, (struct wire_key){lane, SIM_TRADE, BY_ONLY}, buf_ptr(&b), buf_len(&b));
        }
    }
    buf_release(&b);
    if (!ok) {
        buf_adds(body, "{\"ok\":false,\"kinds\":[\"mix\"");
        for (const char *const *k = bybit_malformed_kinds; *k != NULL; k++) {
            buf_addf(body, ",\"%s\"", *k);
        }
        buf_adds(body, "],\"msg\":\"symbol=S, kind=K, n=N\"}");
        return 400;
    }
    return control_reply(body, 200, "sent");
}

int bybit_order(struct sim *s, const char *path, rest_param_fn param, void *arg, struct buf *body)
{
    int64_t n = control_number(param, arg, "n", 1, FAULT_MAX_COUNT);
    if (strcmp(path, "/bybit/snapshot") == 0) {
        return order_snapshot(s, param, arg, body);
    }
    if (strcmp(path, "/bybit/malformed") == 0) {
        return order_malformed(s, param, arg, body);
    }
    if (n < 0) {
        return control_reply(body, 400, "n=0..100000");
    }
    if (strcmp(path, "/bybit/missing_pong") == 0) {
        s->bybit.missing_pongs = n;
    } else if (strcmp(path, "/bybit/subscribe_error") == 0) {
        s->bybit.subscribe_errors = n;
    } else if (strcmp(path, "/bybit/recent_limit") == 0) {
        s->bybit.recent_limit = n;
    } else {
        return control_reply(body, 404,
                             "/bybit/snapshot /bybit/missing_pong /bybit/subscribe_error "
                             "/bybit/recent_limit /bybit/malformed");
    }
    return control_reply(body, 200, "ordered");
}
