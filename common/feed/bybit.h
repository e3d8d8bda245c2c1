#ifndef FEED_BYBIT_H
#define FEED_BYBIT_H
// Bybit v5 linear: its messages on the wire. One message may hold many events; the sink is called
// for each of them.

#include <stdbool.h>
#include <stddef.h>

#include "common/feed/frame.h"

// The hot shapes, as the venue writes them. False: nothing was given to the sink, jansson has to
// look.
bool bybit_scan_trades(const char *p, size_t n, struct frame_space *space, frame_sink sink,
                       void *arg);
bool bybit_scan_book(const char *p, size_t n, struct frame_space *space, frame_sink sink,
                     void *arg);
// Any message. What a good message holds of bad entries comes as FRAME_MALFORMED among the good
// ones.
void bybit_parse_json(const char *p, size_t n, struct frame_space *space, frame_sink sink,
                      void *arg);
// The scanners, and what they refuse through jansson.
void bybit_decode(const char *p, size_t n, struct frame_space *space, frame_sink sink, void *arg);

// 8-4-4-4-12 hexadecimal digits, and not all of them 0.
bool bybit_is_uid(struct slice s);

#endif
