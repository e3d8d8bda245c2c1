#include "services/api/core/session.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/json.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "services/api/core/route.h"

void session_init(struct session *s, const struct instrument *ins, size_t n, const char *epoch,
                  const char *token, bool admitted, int64_t per_second, int64_t burst)
{
    *s = (struct session){.ins = ins,
                          .n = n,
                          .epoch = epoch,
                          .token = token,
                          .admitted = admitted || *token == '\0',
                          .tokens_milli = burst * 1000,
                          .refilled_ms = -1,
                          .per_second = per_second,
                          .burst = burst};
    s->sub = xcalloc(n * channels_n, sizeof *s->sub);
}

void session_release(struct session *s)
{
    free(s->sub);
    s->sub = NULL;
}

bool token_equal(const char *a, size_t an, const char *b)
{
    const size_t bn = strlen(b);
    unsigned diff = an != bn;
    for (size_t i = 0; i < an; i++) {
        diff |= (unsigned char)(a[i] ^ b[bn == 0 ? 0 : i % bn]);
    }
    return diff == 0;
}

static bool is_flood(struct session *s, int64_t mono_ms)
{
    if (s->refilled_ms >= 0 && mono_ms > s->refilled_ms) {
        const int64_t passed = mono_ms - s->refilled_ms;
        s->tokens_milli += passed > 60000 ? s->burst * 1000 : passed * s->per_second;
    }
    if (s->tokens_milli > s->burst * 1000) {
        s->tokens_milli = s->burst * 1000;
    }
    s->refilled_ms = mono_ms;
    s->tokens_milli -= 1000;
    return s->tokens_milli < 0;
}

// ---- answers ------------------------------------------------------------------------------------

static void end_reply(struct buf *out, struct session_reply *ends)
{
    if (ends->n < SESSION_REPLIES) {
        ends->end[ends->n++] = buf_len(out);
    }
}

static void reply_error(struct buf *out, struct session_reply *ends, const char *text)
{
    struct jw w;
    jw_init(&w, out);
    jw_obj(&w);
    jw_kstr(&w, "type", "error");
    jw_kstr(&w, "error", text);
    jw_end_obj(&w);
    end_reply(out, ends);
}

static void reply_plain(struct session *s, struct buf *out, struct session_reply *ends,
                        const char *type, const char *op, const json_t *id, int64_t wall_ms)
{
    struct jw w;
    jw_init(&w, out);
    jw_obj(&w);
    jw_kstr(&w, "type", type);
    if (op != NULL) {
        jw_kstr(&w, "op", op);
    }
    if (json_is_integer(id)) {
        jw_kint(&w, "id", (int64_t)json_integer_value(id));
    }
    jw_kint(&w, "ts_ms", wall_ms);
    jw_kstr(&w, "epoch", s->epoch);
    jw_end_obj(&w);
    end_reply(out, ends);
}

// ---- operations ---------------------------------------------------------------------------------

// Index of the instrument the message names (the first one when it names none), -1 = unknown.
static int instrument_of(const struct session *s, const json_t *root)
{
    const json_t *symbol = json_object_get(root, "symbol");
    if (symbol == NULL) {
        return 0;
    }
    return json_is_string(symbol) ? symbol_find(json_string_value(symbol), s->ins, s->n) : -1;
}

static bool channel_text(char *text, size_t size, const json_t *v)
{
    const bool ok = json_is_string(v);
    (void)str_fmt(text, size, "channels: '%.40s' is no channel",
                  ok ? json_string_value(v) : "(not a string)");
    return ok;
}

static void turn_on(struct subscription *sub, const json_t *after)
{
    *sub = (struct subscription){.on = true, .snapshot = true};
    if (json_is_string(after)) {
        (void)str_copy(sub->after, sizeof sub->after, json_string_value(after));
        sub->snapshot = sub->after[0] == '\0';
    }
}

// False: nothing was changed, *text says why.
static bool subscribe(struct session *s, const json_t *root, bool on, char *text, size_t size)
{
    const json_t *list = json_object_get(root, "channels");
    const int ins = instrument_of(s, root);
    if (ins < 0) {
        (void)str_copy(text, size, "symbol: not a configured instrument");
        return false;
    }
    if (!json_is_array(list) || json_array_size(list) == 0 ||
        json_array_size(list) > 2 * CHANNELS_MAX) {
        (void)str_copy(text, size, "channels: a list of 1 to 40 names is needed");
        return false;
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *v = json_array_get(list, i);
        if (!json_is_string(v) || channel_find(json_string_value(v), json_string_length(v)) < 0) {
            (void)channel_text(text, size, v);
            return false;
        }
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *v = json_array_get(list, i);
        const int c = channel_find(json_string_value(v), json_string_length(v));
        struct subscription *sub = session_sub(s, (size_t)ins, (size_t)c);
        if (on) {
            turn_on(sub, channels[c].kind == CHAN_LIST ? json_object_get(root, "after") : NULL);
        } else {
            *sub = (struct subscription){0};
        }
    }
    return true;
}

// {"op":"resume","symbol":S,"channels":{"trades":{"epoch":E,"seq":N}|{"after":"<id>"}}}
static bool resume(struct session *s, const json_t *root, char *text, size_t size)
{
    json_t *map = json_object_get(root, "channels");
    const int ins = instrument_of(s, root);
    const char *name;
    json_t *v;
    if (ins < 0 || !json_is_object(map) || json_object_size(map) == 0) {
        (void)str_copy(text, size,
                       ins < 0 ? "symbol: not a configured instrument"
                               : "channels: an object of channels with epoch and seq is needed");
        return false;
    }
    json_object_foreach(map, name, v)
    {
        const int c = channel_find(name, strlen(name));
        if (c < 0) {
            (void)str_fmt(text, size, "channels: '%.40s' is no channel", name);
            return false;
        }
        struct subscription *sub = session_sub(s, (size_t)ins, (size_t)c);
        const json_t *epoch = json_object_get(v, "epoch"), *seq = json_object_get(v, "seq");
        turn_on(sub, channels[c].kind == CHAN_LIST ? json_object_get(v, "after") : NULL);
        if (json_is_string(epoch) && strcmp(json_string_value(epoch), s->epoch) == 0 &&
            json_is_integer(seq) && json_integer_value(seq) > 0 && sub->after[0] == '\0') {
            sub->snapshot = false;
            sub->has_resume = true;
            sub->sent = (uint64_t)json_integer_value(seq);
        }
    }
    return true;
}

static bool admit(struct session *s, const json_t *root)
{
    const json_t *token = json_object_get(root, "token");
    s->admitted = json_is_string(token) &&
                  token_equal(json_string_value(token), json_string_length(token), s->token);
    return s->admitted;
}

int session_message(struct session *s, const char *p, size_t n, int64_t mono_ms, int64_t wall_ms,
                    struct buf *out, struct session_reply *ends, const char **why)
{
    char text[160];
    ends->n = 0;
    *why = "";
    if (is_flood(s, mono_ms)) {
        *why = "too many messages";
        return -1008;
    }
    struct err e = {0};
    json_t *root = json_parse(p, n, &e);
    if (!json_is_object(root)) {
        json_decref(root);
        if (!s->admitted) {
            *why = "a token is needed";
            return -1008;
        }
        (void)str_fmt(text, sizeof text, "not a JSON object: %.100s", e.text);
        reply_error(out, ends, text);
        return 0;
    }
    const json_t *op_v = json_object_get(root, "op"), *id = json_object_get(root, "id");
    const char *op = json_is_string(op_v) ? json_string_value(op_v) : "";
    int rc = 0;
    if (!s->admitted && !admit(s, root)) {
        *why = "a token is needed";
        rc = -1008;
    } else if (strcmp(op, "subscribe") == 0 || strcmp(op, "unsubscribe") == 0) {
        if (subscribe(s, root, op[0] == 's', text, sizeof text)) {
            reply_plain(s, out, ends, "ack", op[0] == 's' ? "subscribe" : "unsubscribe", id,
                        wall_ms);
        } else {
            reply_error(out, ends, text);
        }
    } else if (strcmp(op, "resume") == 0) {
        if (resume(s, root, text, sizeof text)) {
            reply_plain(s, out, ends, "ack", "resume", id, wall_ms);
        } else {
            reply_error(out, ends, text);
        }
    } else if (strcmp(op, "ping") == 0) {
        reply_plain(s, out, ends, "pong", NULL, id, wall_ms);
    } else if (strcmp(op, "auth") == 0 || (*op == '\0' && json_object_get(root, "token"))) {
        reply_plain(s, out, ends, "ack", "auth", id, wall_ms);
    } else {
        (void)str_fmt(
            text, sizeof text,
            "op: '%.40s' is unknown (allowed: subscribe, unsubscribe, resume, ping, auth)", op);
        reply_error(out, ends, text);
    }
    json_decref(root);
    return rc;
}
