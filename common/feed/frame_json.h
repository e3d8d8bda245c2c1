#ifndef FEED_FRAME_JSON_H
#define FEED_FRAME_JSON_H
// What the files of the jansson path share. Slices point into the tree.

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/feed/frame.h"

// A string without an embedded NUL; an integer >= 0. False: absent, or of another type.
bool frame_json_text(const json_t *o, const char *key, struct slice *out);
bool frame_json_number(const json_t *o, const char *key, int64_t *out);
// What one event of Binance is; fills *f. `root`: the message it stands in (for acknowledgements).
enum frame_kind frame_json_event(const json_t *event, const json_t *root, struct frame *f);

// frame_json_deriv.c: forceOrder and markPriceUpdate of Binance. False: malformed.
bool frame_json_force_order(const json_t *event, struct frame *f);
bool frame_json_mark(const json_t *event, struct frame *f);

#endif
