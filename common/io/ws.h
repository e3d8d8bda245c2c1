#ifndef IO_WS_H
#define IO_WS_H
// WebSocket client (ws:// and wss://) on libwebsockets, run inside the libevent loop through its
// libuv plugin. Frames arrive whole; a message over the limit closes the connection. Never offers
// permessage-deflate (it aborts the process in 4.1.6). Answers pings, sends its own every
// ping_ms and closes when nothing at all came for timeout_ms.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/io/loop.h"

struct ws_ctx; // one per process
// NULL with e when libwebsockets cannot start (its libuv plugin is a package of its own, or the CA
// file is not readable).
struct ws_ctx *ws_ctx_new(struct loop *l, const char *ca_file /* NULL = system */, struct err *e);
void ws_ctx_free(struct ws_ctx *c); // ws_close() of every client first; never inside a callback

struct ws;
struct ws_opts {
    const char *url;            // "ws://127.0.0.1:9001/market/stream?streams=..."; copied
    size_t max_message_bytes;   // 0 -> 4 MiB
    int64_t connect_timeout_ms; // 0 -> 10000
    int64_t ping_ms;            // 0 -> 60000
    int64_t timeout_ms;         // 0 -> 3 * ping_ms
    const char *user_agent;
    // Handshake done. simulated: the server answered "X-Simulated: true".
    void (*on_open)(void *arg, bool simulated);
    // One whole message; p is not NUL-terminated and valid for the call; rx_us is the loop's wall
    // clock when its first bytes were read.
    void (*on_message)(void *arg, const char *p, size_t n, int64_t rx_us);
    // A message over the limit was seen (n = bytes so far); on_close follows.
    void (*on_oversize)(void *arg, size_t n);
    // The connection ended, or never came up; called exactly once, after it `w` is dead and freed.
    void (*on_close)(void *arg, const char *why);
    void *arg;
};
// NULL with e when the URL is bad. Never calls back before it returned. The name of the host is
// looked up with the system's blocking resolver.
struct ws *ws_connect(struct ws_ctx *c, const struct ws_opts *o, struct err *e);
// Queues one text message (bounded: 64 messages, 1 MiB). 0, ERR_CLOSED, ERR_LIMIT.
int ws_send(struct ws *w, const char *p, size_t n) MUST_CHECK;
// Ends it; on_close is NOT called after this. Allowed inside on_open, on_message, on_oversize. NULL
// is fine.
void ws_close(struct ws *w);
bool ws_is_open(const struct ws *w);
// Stops (and resumes) reading, so that the peer has to wait: back-pressure by TCP. What was read
// already may still be delivered, and a paused socket can end for silence: pause for moments only.
void ws_pause(struct ws *w, bool paused);

#endif
