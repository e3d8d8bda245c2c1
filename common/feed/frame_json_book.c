// The jansson path of what scan_depth.c knows: changes of a book and the answer of /fapi/v1/depth,
// with keys in any order, blanks, escapes, or keys added since.

#include "common/feed/frame_json_book.h"

#include <string.h>

#include "common/base/json.h"
#include "common/feed/frame_json.h"

static bool is_text(const json_t *v, struct slice *out)
{
    if (!json_is_string(v)) {
        return false;
    }
    out->p = json_string_value(v);
    out->n = json_string_length(v);
    return memchr(out->p, '\0', out->n) == NULL;
}

bool frame_json_levels(const json_t *o, const char *key, struct frame_level *at, size_t room,
                       size_t *n)
{
    const json_t *list = json_object_get(o, key);
    const size_t count = json_array_size(list);
    if (!json_is_array(list) || count > room) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        const json_t *pair = json_array_get(list, i);
        if (json_array_size(pair) != 2 || !is_text(json_array_get(pair, 0), &at[i].price) ||
            !is_text(json_array_get(pair, 1), &at[i].qty)) {
            return false;
        }
    }
    *n = count;
    return true;
}

static bool both_sides(const json_t *o, const char *bids, const char *asks,
                       struct frame_space *space, struct frame *f)
{
    if (space == NULL || !frame_json_levels(o, bids, space->level, FRAME_LEVELS_MAX, &f->n_bids) ||
        !frame_json_levels(o, asks, space->level + f->n_bids, FRAME_LEVELS_MAX - f->n_bids,
                           &f->n_asks)) {
        return false;
    }
    f->bids = space->level;
    f->asks = space->level + f->n_bids;
    return true;
}

enum frame_kind frame_json_book(const json_t *root, struct frame_space *space, struct frame *f)
{
    const bool wrapped = json_object_get(root, "stream") != NULL;
    const json_t *event = wrapped ? json_object_get(root, "data") : root;
    struct slice type;
    if (!frame_json_text(event, "e", &type) || !slice_eq(type, "depthUpdate")) {
        return FRAME_OTHER;
    }
    f->snapshot = false;
    const bool whole =
        frame_json_number(event, "E", &f->event_ms) &&
        frame_json_number(event, "T", &f->trade_ms) && frame_json_text(event, "s", &f->symbol) &&
        frame_json_number(event, "U", &f->first_id) && frame_json_number(event, "u", &f->last_id) &&
        frame_json_number(event, "pu", &f->prev_id) &&
        (json_object_get(event, "st") == NULL || frame_json_number(event, "st", &f->market)) &&
        both_sides(event, "b", "a", space, f);
    return whole ? FRAME_BOOK : FRAME_MALFORMED;
}

void frame_decode_snapshot(const char *p, size_t n, struct frame_space *space, struct frame *out)
{
    if (frame_scan_snapshot(p, n, space, out)) {
        return;
    }
    memset(out, 0, sizeof *out);
    out->kind = FRAME_MALFORMED;
    out->market = 1;
    json_t *root = json_parse(p, n, NULL);
    if (root == NULL) {
        return;
    }
    if (frame_json_number(root, "lastUpdateId", &out->last_id) &&
        frame_json_number(root, "E", &out->event_ms) &&
        frame_json_number(root, "T", &out->trade_ms) &&
        both_sides(root, "bids", "asks", space, out)) {
        out->kind = FRAME_BOOK;
        out->snapshot = true;
        out->first_id = out->last_id;
        out->prev_id = -1;
        out->owner = root;
        return;
    }
    json_decref(root);
}
