// A WebSocket client of the venue: what it is subscribed to, what waits to be written, and the
// venue's rules for clients (messages per second, pings, 24 hours, slow readers).

#include "services/exchange-sim/io/sim.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/json.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/str.h"

#define MAX_RECEIVED ((size_t)128 << 10)
#define HIGH_WATER ((size_t)256 << 10)
#define FRAMES_PER_TURN 256

// The queue holds messages as | u32 length | LWS_PRE bytes of room for the frame header | text |.
struct client {
    struct client *next, *prev;
    struct sim *sim;
    struct lws *wsi;
    struct subs subs;
    struct buf out, in;
    struct rate_rule rate;
    int64_t opened_ms, pinged_ms, ponged_ms, moved_ms, heard_ms; // monotonic
    int64_t id;
    int64_t half_open_until_ms; // nothing is sent and nothing read before; 0 = none
    bool want_ping, closing;
    int close_code;
};

static int64_t mono_ms(void)
{
    return sim_mono_us() / 1000;
}

struct client *client_new(struct sim *s, struct lws *wsi, const struct wire *wire, enum route route,
                          bool combined)
{
    struct client *c = xcalloc(1, sizeof *c);
    c->sim = s;
    c->wsi = wsi;
    subs_init(&c->subs, wire, route, combined);
    buf_init(&c->out, (size_t)s->cfg->client_buffer_bytes);
    buf_init(&c->in, MAX_RECEIVED);
    c->rate = (struct rate_rule){.max = 10, .window_ms = 1000};
    c->opened_ms = c->pinged_ms = c->ponged_ms = c->moved_ms = c->heard_ms = mono_ms();
    c->next = s->clients;
    if (c->next != NULL) {
        c->next->prev = c;
    }
    s->clients = c;
    s->client_count++;
    c->id = ++s->connections;
    return c;
}

// Counts anew what is wanted, and by how many.
static void recount(struct sim *s)
{
    memset(s->wanted, 0, sizeof s->wanted);
    for (const struct client *c = s->clients; c != NULL; c = c->next) {
        for (size_t i = 0; i < c->subs.n; i++) {
            struct wire_key k = c->subs.at[i].key;
            if (k.lane >= 0) {
                s->wanted[k.lane][k.kind][k.format]++;
            }
        }
    }
    sim_audience_changed(s);
}

void client_free(struct client *c)
{
    struct sim *s = c->sim;
    if (c->prev != NULL) {
        c->prev->next = c->next;
    } else {
        s->clients = c->next;
    }
    if (c->next != NULL) {
        c->next->prev = c->prev;
    }
    s->client_count--;
    subs_release(&c->subs);
    buf_release(&c->out);
    buf_release(&c->in);
    free(c);
    if (!s->stopping) {
        recount(s);
    }
}

bool client_subscribe_list(struct client *c, const char *list)
{
    bool ok = subs_add_list(&c->subs, c->sim->market, list);
    recount(c->sim);
    return ok;
}

// ---- writing ------------------------------------------------------------------------------------

static void close_with(struct client *c, int code)
{
    if (c->closing) {
        return;
    }
    c->closing = true;
    c->close_code = code;
    if (code == 0) {
        lws_set_timeout(c->wsi, PENDING_TIMEOUT_KILLED_BY_PARENT, LWS_TO_KILL_ASYNC);
    } else {
        lws_callback_on_writable(c->wsi);
    }
}

static void queue(struct client *c, const char *head, size_t head_n, const char *p, size_t n,
                  const char *tail)
{
    size_t tail_n = strlen(tail);
    uint32_t len = (uint32_t)(head_n + n + tail_n);
    if (c->closing || c->half_open_until_ms > 0) {
        return;
    }
    if (buf_len(&c->out) == 0) {
        c->moved_ms = mono_ms();
    }
    char *room = buf_reserve(&c->out, sizeof len + LWS_PRE + len);
    if (room == NULL) { // the venue does not wait for a slow reader
        c->sim->closed_slow++;
        log_ev(LOG_WARN, "client_too_slow", F_UINT("queued_bytes", buf_len(&c->out)));
        close_with(c, 0);
        return;
    }
    memcpy(room, &len, sizeof len);
    room += sizeof len + LWS_PRE;
    memcpy(room, head, head_n);
    memcpy(room + head_n, p, n);
    memcpy(room + head_n + n, tail, tail_n);
    buf_commit(&c->out, sizeof len + LWS_PRE + len);
    lws_callback_on_writable(c->wsi);
}

// A client that has the stream under two names hears it twice, under each of them.
static void send_wrapped(struct client *c, struct wire_key key, const char *text, size_t n)
{
    char head[STREAM_TEXT + 32];
    for (size_t i = 0; i < c->subs.n; i++) {
        if (wire_key_eq(c->subs.at[i].key, key)) {
            str_fmt(head, sizeof head, "{\"stream\":\"%s\",\"data\":", c->subs.at[i].name);
            queue(c, head, strlen(head), text, n, "}");
        }
    }
}

void clients_send(struct sim *s, struct wire_key key, const char *frame, size_t n)
{
    for (struct client *c = s->clients; c != NULL; c = c->next) {
        if (!subs_wants(&c->subs, key)) {
            continue;
        }
        if (c->subs.combined) {
            send_wrapped(c, key, frame, n);
        } else {
            queue(c, "", 0, frame, n, "");
        }
    }
}

bool client_writable(struct client *c)
{
    if (c->half_open_until_ms > 0) {
        return true;
    }
    if (c->closing) {
        if (c->close_code > 0) {
            lws_close_reason(c->wsi, (enum lws_close_status)c->close_code, NULL, 0);
        }
        return false;
    }
    if (c->want_ping) {
        unsigned char ping[LWS_PRE + 24];
        size_t n = fmt_i64((char *)ping + LWS_PRE, sim_clock_ms(c->sim));
        c->want_ping = false;
        if (lws_write(c->wsi, ping + LWS_PRE, n, LWS_WRITE_PING) < 0) {
            return false;
        }
        lws_callback_on_writable(c->wsi);
        return true;
    }
    for (int i = 0; i < FRAMES_PER_TURN && buf_len(&c->out) > 0; i++) {
        if (lws_send_pipe_choked(c->wsi)) {
            break;
        }
        uint32_t len;
        char *p = c->out.data + c->out.head;
        memcpy(&len, p, sizeof len);
        unsigned char *text = (unsigned char *)p + sizeof len + LWS_PRE;
        if (lws_write(c->wsi, text, len, LWS_WRITE_TEXT) < (int)len) {
            return false;
        }
        buf_consume(&c->out, sizeof len + LWS_PRE + len);
        c->moved_ms = mono_ms();
    }
    if (buf_len(&c->out) > 0) {
        lws_callback_on_writable(c->wsi);
    }
    if (c->sim->feed_waits && !clients_congested(c->sim)) {
        sim_kick_feed(c->sim);
    }
    return true;
}

bool clients_congested(const struct sim *s)
{
    for (const struct client *c = s->clients; c != NULL; c = c->next) {
        if (buf_len(&c->out) > HIGH_WATER && !c->closing && c->half_open_until_ms == 0) {
            return true;
        }
    }
    return false;
}

// ---- requests -----------------------------------------------------------------------------------

static void answer(struct client *c, const char *body, const json_t *id)
{
    struct buf b;
    buf_init(&b, MAX_RECEIVED * 2);
    buf_addf(&b, "{%s,\"id\":", body);
    if (json_is_integer(id)) {
        buf_add_i64(&b, (int64_t)json_integer_value(id));
    } else {
        buf_adds(&b, "null");
    }
    buf_addc(&b, '}');
    queue(c, "", 0, buf_ptr(&b), buf_len(&b), "");
    buf_release(&b);
}

static void refuse(struct client *c, int code, const char *msg, const json_t *id)
{
    char text[320];
    str_fmt(text, sizeof text, "\"error\":{\"code\":%d,\"msg\":\"%s\"}", code, msg);
    answer(c, text, id);
}

static bool are_names(const json_t *params)
{
    if (!json_is_array(params) || json_array_size(params) == 0) {
        return false;
    }
    for (size_t i = 0; i < json_array_size(params); i++) {
        if (!json_is_string(json_array_get(params, i))) {
            return false;
        }
    }
    return true;
}

static void change(struct client *c, const json_t *params, const json_t *id, bool add)
{
    if (!are_names(params)) {
        refuse(c, 2, "Invalid request: params must be a non-empty array of stream names", id);
        return;
    }
    bool ok = true;
    for (size_t i = 0; i < json_array_size(params); i++) {
        const json_t *name = json_array_get(params, i);
        if (add) {
            ok = subs_add(&c->subs, c->sim->market, json_string_value(name),
                          json_string_length(name)) &&
                 ok;
        } else {
            subs_remove(&c->subs, json_string_value(name), json_string_length(name));
        }
    }
    if (ok) {
        answer(c, "\"result\":null", id);
    } else {
        refuse(c, 2, "Invalid request: too many streams or a name that is too long", id);
    }
    recount(c->sim);
}

static void list(struct client *c, const json_t *id)
{
    struct buf b;
    buf_init(&b, MAX_RECEIVED);
    buf_adds(&b, "\"result\":[");
    for (size_t i = 0; i < c->subs.n; i++) {
        if (i > 0) {
            buf_addc(&b, ',');
        }
        json_add_str(&b, c->subs.at[i].name, strlen(c->subs.at[i].name));
    }
    buf_addc(&b, ']');
    answer(c, buf_cstr(&b), id);
    buf_release(&b);
}

static void property(struct client *c, const json_t *params, const json_t *id, bool set)
{
    const char *name = json_string_value(json_array_get(params, 0));
    if (name == NULL) {
        refuse(c, 2, "Invalid request: property name must be a string", id);
    } else if (strcmp(name, "combined") != 0) {
        refuse(c, 0, "Unknown property", id);
    } else if (!set) {
        answer(c, c->subs.combined ? "\"result\":true" : "\"result\":false", id);
    } else if (!json_is_boolean(json_array_get(params, 1))) {
        refuse(c, 1, "Invalid value type: expected Boolean", id);
    } else {
        c->subs.combined = json_is_true(json_array_get(params, 1));
        answer(c, "\"result\":null", id);
    }
}

static void request(struct client *c, const char *p, size_t n)
{
    json_error_t je;
    json_t *root = json_loadb(p, n, JSON_REJECT_DUPLICATES, &je);
    if (root == NULL) {
        char msg[96];
        str_fmt(msg, sizeof msg, "Invalid JSON: expected value at line %d column %d", je.line,
                je.column);
        refuse(c, 3, msg, NULL);
        return;
    }
    const json_t *id = json_object_get(root, "id");
    const json_t *params = json_object_get(root, "params");
    const char *method = json_string_value(json_object_get(root, "method"));
    if (!json_is_object(root) || method == NULL) {
        refuse(c, 2, "Invalid request: missing field `method`", id);
    } else if (!json_is_integer(id) || json_integer_value(id) < 0) {
        refuse(c, 2, "Invalid request: request ID must be an unsigned integer", NULL);
    } else if (strcmp(method, "SUBSCRIBE") == 0 || strcmp(method, "UNSUBSCRIBE") == 0) {
        change(c, params, id, method[0] == 'S');
    } else if (strcmp(method, "LIST_SUBSCRIPTIONS") == 0) {
        list(c, id);
    } else if (strcmp(method, "SET_PROPERTY") == 0 || strcmp(method, "GET_PROPERTY") == 0) {
        property(c, params, id, method[0] == 'S');
    } else {
        refuse(c, 2,
               "Invalid request: unknown variant, expected one of `SUBSCRIBE`, `UNSUBSCRIBE`, "
               "`LIST_SUBSCRIPTIONS`, `SET_PROPERTY`, `GET_PROPERTY`",
               id);
    }
    json_decref(root);
}

int64_t client_id(const struct client *c)
{
    return c->id;
}

void client_send(struct client *c, const char *text, size_t n)
{
    queue(c, "", 0, text, n, "");
}

struct subs *client_subs(struct client *c)
{
    return &c->subs;
}

void client_subs_changed(struct client *c)
{
    recount(c->sim);
}

bool client_receive(struct client *c, const char *p, size_t n, bool final)
{
    buf_add(&c->in, p, n);
    if (c->in.failed) {
        lws_close_reason(c->wsi, LWS_CLOSE_STATUS_MESSAGE_TOO_LARGE, NULL, 0);
        return false;
    }
    if (!final) {
        return true;
    }
    c->heard_ms = mono_ms();
    if (c->subs.wire == &wire_bybit) {
        bybit_request(c->sim, c, buf_ptr(&c->in), buf_len(&c->in));
        buf_clear(&c->in);
        return true;
    }
    if (!rate_rule_ok(&c->rate, mono_ms())) {
        c->sim->closed_rate++;
        log_ev(LOG_WARN, "client_too_many_messages", F_INT("limit_per_s", c->rate.max));
        lws_close_reason(c->wsi, LWS_CLOSE_STATUS_POLICY_VIOLATION, NULL, 0);
        return false;
    }
    request(c, buf_ptr(&c->in), buf_len(&c->in));
    buf_clear(&c->in);
    return true;
}

// ---- upkeep -------------------------------------------------------------------------------------

void client_pong(struct client *c)
{
    c->ponged_ms = mono_ms();
}

// What was queued before stays queued: a frame may have been cut in two.
static bool half_open(struct client *c, int64_t now)
{
    if (c->half_open_until_ms == 0) {
        return false;
    }
    if (now < c->half_open_until_ms) {
        return true;
    }
    c->half_open_until_ms = 0;
    c->pinged_ms = c->ponged_ms = c->moved_ms = now;
    lws_rx_flow_control(c->wsi, 1);
    lws_callback_on_writable(c->wsi);
    return false;
}

int64_t clients_half_open(struct sim *s, int64_t id, int64_t ms)
{
    int64_t n = 0;
    for (struct client *c = s->clients; c != NULL; c = c->next) {
        if (!c->closing && (id == 0 || c->id == id)) {
            c->half_open_until_ms = mono_ms() + ms;
            lws_rx_flow_control(c->wsi, 0);
            n++;
        }
    }
    return n;
}

void clients_list(const struct sim *s, struct jw *w)
{
    jw_arr(w);
    for (const struct client *c = s->clients; c != NULL; c = c->next) {
        jw_obj(w);
        jw_kint(w, "id", c->id);
        jw_kstr(w, "venue", c->subs.wire == &wire_bybit ? "bybit" : "binance");
        jw_kint(w, "age_ms", mono_ms() - c->opened_ms);
        jw_kint(w, "queued_bytes", (int64_t)buf_len(&c->out));
        jw_kbool(w, "half_open", c->half_open_until_ms > 0);
        jw_end_obj(w);
    }
    jw_end_arr(w);
}

void clients_tick(struct sim *s)
{
    int64_t now = mono_ms();
    for (struct client *c = s->clients; c != NULL; c = c->next) {
        if (c->closing || half_open(c, now)) {
            continue;
        }
        if (c->subs.wire == &wire_bybit) {
            if (now - c->heard_ms >= s->cfg->bybit_idle_ms) {
                log_ev(LOG_INFO, "client_without_heartbeat", F_INT("after_ms", now - c->heard_ms));
                close_with(c, 1000);
            }
        } else if (now - c->opened_ms >= s->cfg->max_age_ms) {
            close_with(c, 1008); // the venue's 24 hours are over
        } else if (c->ponged_ms < c->pinged_ms && now - c->pinged_ms >= s->cfg->pong_timeout_ms) {
            log_ev(LOG_INFO, "client_without_pong", F_INT("after_ms", now - c->pinged_ms));
            close_with(c, 0);
        } else if (now - c->pinged_ms >= s->cfg->ping_ms && c->ponged_ms >= c->pinged_ms) {
            c->pinged_ms = now;
            c->want_ping = true;
            lws_callback_on_writable(c->wsi);
        }
        if (s->pace.max && buf_len(&c->out) > 0 && now - c->moved_ms >= s->cfg->stuck_ms) {
            s->closed_slow++;
            log_ev(LOG_WARN, "client_stuck", F_INT("for_ms", now - c->moved_ms));
            close_with(c, 0);
        }
    }
    if (s->feed_waits && !clients_congested(s)) {
        sim_kick_feed(s);
    }
}

void clients_drop(struct sim *s, int code)
{
    for (struct client *c = s->clients; c != NULL; c = c->next) {
        close_with(c, code);
    }
}

int64_t clients_subscribed(const struct sim *s)
{
    int64_t n = 0;
    for (const struct client *c = s->clients; c != NULL; c = c->next) {
        n += subs_any(&c->subs);
    }
    return n;
}

int64_t clients_reading_trades(const struct sim *s)
{
    int64_t n = 0;
    for (const struct client *c = s->clients; c != NULL; c = c->next) {
        n += subs_any_of(&c->subs, SIM_TRADE);
    }
    return n;
}
