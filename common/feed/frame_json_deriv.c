// Liquidations and mark prices of Binance through jansson: a few events a second, nothing hot.
// Also messages that are a list of events (the streams of all symbols).

#include <string.h>

#include "common/base/json.h"
#include "common/feed/frame_json.h"

// S is the side of the forced ORDER: SELL closes a long. The price that was paid is `ap`, the
// quantity that was executed `z`; `p` and `q` are what the order asked for.
bool frame_json_force_order(const json_t *event, struct frame *f)
{
    const json_t *o = json_object_get(event, "o");
    struct slice side;
    if (!frame_json_number(event, "E", &f->event_ms) || !json_is_object(o) ||
        !frame_json_text(o, "s", &f->symbol) || !frame_json_text(o, "S", &side) ||
        !frame_json_text(o, "ap", &f->price) || !frame_json_text(o, "z", &f->qty) ||
        !frame_json_text(o, "p", &f->order_price) || !frame_json_number(o, "T", &f->trade_ms)) {
        return false;
    }
    f->maker = slice_eq(side, "SELL");
    if (!f->maker && !slice_eq(side, "BUY")) {
        return false;
    }
    f->price_kind = PRICE_FILL;
    f->id = f->seq = -1;
    // st stands in the order; an event of another market may say it beside it.
    return (json_object_get(o, "st") == NULL || frame_json_number(o, "st", &f->market)) &&
           (json_object_get(event, "st") == NULL || f->market != 1 ||
            frame_json_number(event, "st", &f->market));
}

static bool optional(const json_t *o, const char *key, struct slice *out)
{
    *out = (struct slice){NULL, 0};
    return json_object_get(o, key) == NULL || frame_json_text(o, key, out);
}

bool frame_json_mark(const json_t *event, struct frame *f)
{
    int64_t next = 0;
    if (!frame_json_number(event, "E", &f->event_ms) || !frame_json_text(event, "s", &f->symbol) ||
        !frame_json_text(event, "p", &f->mark) || !optional(event, "i", &f->index) ||
        !optional(event, "P", &f->settle) || !optional(event, "r", &f->funding) ||
        (json_object_get(event, "T") != NULL && !frame_json_number(event, "T", &next)) ||
        (json_object_get(event, "st") != NULL && !frame_json_number(event, "st", &f->market))) {
        return false;
    }
    f->trade_ms = f->event_ms;
    f->next_funding_ms = next > 0 ? next : -1; // a contract with an end has none: r "", T 0
    f->funding_hours = -1;
    f->id = f->seq = -1;
    return true;
}

static void one_of_list(const json_t *event, frame_sink sink, void *arg)
{
    struct frame f;
    memset(&f, 0, sizeof f);
    f.market = 1;
    f.kind = json_is_object(event) ? frame_json_event(event, event, &f) : FRAME_MALFORMED;
    if (f.kind == FRAME_AGG_TRADE) {
        f.exec = (struct slice){NULL, 0}; // not a field of this event
    }
    sink(arg, &f);
}

// The events of a message that is a list. False: it is none.
static bool list(const char *p, size_t n, frame_sink sink, void *arg)
{
    size_t i;
    json_t *event;
    json_t *root = json_parse(p, n, NULL);
    const json_t *all = json_is_array(root) ? root : json_object_get(root, "data");
    const bool found = json_array_size(all) > 0;
    json_array_foreach(all, i, event)
    {
        one_of_list(event, sink, arg);
    }
    json_decref(root);
    return found;
}

void frame_decode_each(const char *p, size_t n, struct frame_space *space, frame_sink sink,
                       void *arg)
{
    struct frame f;
    frame_decode(p, n, space, &f);
    if (f.kind != FRAME_OTHER || memchr(p, '[', n) == NULL || !list(p, n, sink, arg)) {
        sink(arg, &f);
    }
    frame_release(&f);
}
