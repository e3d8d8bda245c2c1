// The jansson path: known events in any key order, with blanks, escapes or keys added since; and
// the verdict on what is not a trade. Costs about 2.5 us a frame, so it is not for the hot path.

#include <jansson.h>
#include <string.h>

#include "common/base/json.h"
#include "common/feed/frame_json.h"
#include "common/feed/frame_json_book.h"

bool frame_json_text(const json_t *o, const char *key, struct slice *out)
{
    const json_t *v = json_object_get(o, key);
    if (!json_is_string(v)) {
        return false;
    }
    out->p = json_string_value(v);
    out->n = json_string_length(v);
    return memchr(out->p, '\0', out->n) == NULL;
}

bool frame_json_number(const json_t *o, const char *key, int64_t *out)
{
    const json_t *v = json_object_get(o, key);
    if (!json_is_integer(v) || json_integer_value(v) < 0) {
        return false;
    }
    *out = (int64_t)json_integer_value(v);
    return true;
}

static bool decode_trade(const json_t *o, const char *id_key, struct frame *f)
{
    const json_t *maker = json_object_get(o, "m");
    const json_t *market = json_object_get(o, "st");
    const json_t *exec = json_object_get(o, "X");
    if (!frame_json_number(o, "E", &f->event_ms) || !frame_json_number(o, "T", &f->trade_ms) ||
        !frame_json_number(o, id_key, &f->id) || !frame_json_text(o, "s", &f->symbol) ||
        !frame_json_text(o, "p", &f->price) || !frame_json_text(o, "q", &f->qty) ||
        !json_is_boolean(maker)) {
        return false;
    }
    f->maker = json_is_true(maker);
    if (market != NULL && !frame_json_number(o, "st", &f->market)) {
        return false;
    }
    return exec == NULL || frame_json_text(o, "X", &f->exec);
}

enum frame_kind frame_json_event(const json_t *event, const json_t *root, struct frame *f)
{
    struct slice type;
    if (!frame_json_text(event, "e", &type)) {
        const bool control = json_object_get(root, "result") || json_object_get(root, "id") ||
                             json_object_get(root, "error") || json_object_get(root, "code");
        return control ? FRAME_CONTROL : FRAME_MALFORMED;
    }
    if (slice_eq(type, "aggTrade")) {
        return decode_trade(event, "a", f) ? FRAME_AGG_TRADE : FRAME_MALFORMED;
    }
    if (slice_eq(type, "trade")) {
        return decode_trade(event, "t", f) ? FRAME_TRADE : FRAME_MALFORMED;
    }
    if (slice_eq(type, "forceOrder")) {
        return frame_json_force_order(event, f) ? FRAME_LIQUIDATION : FRAME_MALFORMED;
    }
    if (slice_eq(type, "markPriceUpdate")) {
        return frame_json_mark(event, f) ? FRAME_MARK : FRAME_MALFORMED;
    }
    return slice_eq(type, "serverShutdown") ? FRAME_SHUTDOWN : FRAME_OTHER;
}

static enum frame_kind classify(const json_t *root, struct frame *f)
{
    const json_t *event = root;
    if (!json_is_object(root)) {
        return json_is_array(root) ? FRAME_OTHER : FRAME_MALFORMED;
    }
    if (json_object_get(root, "stream") != NULL) {
        event = json_object_get(root, "data");
        if (!json_is_object(event)) {
            return json_is_array(event) ? FRAME_OTHER : FRAME_MALFORMED;
        }
    }
    return frame_json_event(event, root, f);
}

void frame_parse_json(const char *p, size_t n, struct frame_space *space, struct frame *out)
{
    memset(out, 0, sizeof *out);
    out->market = 1;
    json_t *root = json_parse(p, n, NULL);
    if (root == NULL) {
        out->kind = FRAME_MALFORMED;
        return;
    }
    out->kind = classify(root, out);
    if (out->kind == FRAME_OTHER) {
        out->kind = frame_json_book(root, space, out);
    }
    if (out->kind == FRAME_AGG_TRADE) {
        out->exec = (struct slice){NULL, 0}; // not a field of this event
    }
    if (out->kind == FRAME_AGG_TRADE || out->kind == FRAME_TRADE || out->kind == FRAME_BOOK ||
        out->kind == FRAME_LIQUIDATION || out->kind == FRAME_MARK) {
        out->owner = root;
    } else {
        json_decref(root);
    }
}

void frame_release(struct frame *f)
{
    if (f->owner != NULL) {
        json_decref(f->owner);
        f->owner = NULL;
    }
}
