#ifndef FEED_FRAME_JSON_BOOK_H
#define FEED_FRAME_JSON_BOOK_H
// The part of the jansson path that reads books.

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "common/feed/frame.h"

// depthUpdate of Binance, alone or in the combined envelope; levels go to `space`, slices point
// into the tree. FRAME_BOOK, FRAME_MALFORMED, or FRAME_OTHER: another event.
enum frame_kind frame_json_book(const json_t *root, struct frame_space *space, struct frame *f);

// The list o[key] of [price, quantity] pairs of strings into at[room]. False: not that, or no room.
bool frame_json_levels(const json_t *o, const char *key, struct frame_level *at, size_t room,
                       size_t *n);

#endif
