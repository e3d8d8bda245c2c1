#ifndef COLLECTOR_FRAME_H
#define COLLECTOR_FRAME_H
// One message of the venue, decoded. Two decoders fill the same struct: scan.c knows the two hot
// shapes byte by byte and refuses everything else, frame_json.c takes what scan.c refused through
// jansson. Whatever both accept they decode alike (differential test).

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/str.h"

enum frame_kind {
    FRAME_MALFORMED, // not JSON, or an event we know with fields missing or of another type
    FRAME_CONTROL,   // answer to SUBSCRIBE and the like
    FRAME_OTHER,     // a well-formed event nobody asked for
    FRAME_AGG_TRADE,
    FRAME_TRADE, // single fill ("@trade")
};

struct frame {
    enum frame_kind kind;
    // The rest holds for the two trade kinds only. Slices point into the frame's bytes, or into
    // `owner`, and live until frame_release().
    struct slice symbol, price, qty;
    struct slice exec;          // X of a single fill; empty when absent
    int64_t event_ms, trade_ms; // E, T; >= 0
    int64_t id;                 // a or t; >= 0
    int64_t market;             // st: 1 = USD-M (also when absent), 2 = COIN-M
    bool maker;                 // m: the buyer was the maker, so the aggressor sold
    void *owner;                // jansson tree, NULL on the hot path
};

// The hot path. True when p[n] is one of the known shapes, whole and exact; *out is filled.
bool frame_scan(const char *p, size_t n, struct frame *out);

// Everything else. Always fills *out (kind says what came of it).
void frame_parse_json(const char *p, size_t n, struct frame *out);
void frame_release(struct frame *f);

// frame_scan(), and what it refuses through frame_parse_json().
void frame_decode(const char *p, size_t n, struct frame *out);

#endif
