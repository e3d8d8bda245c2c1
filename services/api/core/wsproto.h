#ifndef API_WSPROTO_H
#define API_WSPROTO_H
// The server's side of WebSocket framing (RFC 6455) behind the handshake: bytes in, messages out,
// and back. No extension is offered, so a reserved bit is an error.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"

enum ws_op { WS_TEXT = 1, WS_CLOSE = 8, WS_PING = 9, WS_PONG = 10 };

// Close codes used here.
enum {
    WS_NORMAL = 1000,
    WS_AWAY = 1001,
    WS_PROTOCOL = 1002,
    WS_UNSUPPORTED = 1003,
    WS_BAD_TEXT = 1007,
    WS_POLICY = 1008,
    WS_TOO_BIG = 1009,
    WS_TRY_LATER = 1013
};

struct wsin {
    size_t max;     // bytes of one message
    struct buf raw; // received, not parsed yet
    struct buf msg; // of a message in fragments, or the last one given
    bool in_message;
};
// max: largest message; memory is bounded by about twice that.
void wsin_init(struct wsin *w, size_t max);
void wsin_release(struct wsin *w);
// Where the next bytes go: at most *n. NULL when full (then wsin_next() has something to say).
char *wsin_room(struct wsin *w, size_t *n);
void wsin_took(struct wsin *w, size_t n);
// 1 = one message or control frame: *op, *p, *n (valid until the next call); 0 = more bytes are
// needed; < 0 = the negative close code to end with.
int wsin_next(struct wsin *w, enum ws_op *op, const char **p, size_t *n);

// Appends the head of an unfragmented, unmasked frame with n bytes of payload; they follow.
void ws_add_head(struct buf *out, enum ws_op op, size_t n);
// Appends a close frame.
void ws_add_close(struct buf *out, int code, const char *why);

#endif
