#ifndef API_PUSH_H
#define API_PUSH_H
// The push side of the gateway: one thread, one epoll, every WebSocket client.
//
//   store, tail --note--> values per instrument and channel --> pending per client --> one write
//
// A value is made once and copied to whoever has not got it. A client whose socket is full gets
// nothing composed for it until it has drained: by then older state was overtaken, and of a list it
// is told what it lost. So a client that stops reading costs its output buffer and nothing else,
// and is dropped after stuck_ms.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "services/api/io/serve.h"
#include "services/api/io/tail.h"

struct push;
struct push_opts {
    const struct gateway *gateway;
    struct tail *tail;
    size_t max_clients;
    const char *token;    // "" = none
    int64_t message_rate; // of one client, per second
    int64_t ping_ms;      // 20000
    int64_t silent_ms;    // 60000
    int64_t stuck_ms;     // 30000
};
struct push *push_new(const struct push_opts *o);
int push_start(struct push *p, struct err *e) MUST_CHECK;
// Tells every client that the gateway goes (1001) and ends the thread.
void push_free(struct push *p);

// Something was published. Any thread, cheap.
void push_note(struct push *p);
// A connected socket behind its handshake; the push side owns it from here on. Any thread. False:
// full or stopping (the socket is left to the caller).
bool push_adopt(struct push *p, int fd, bool admitted);
bool push_has_room(struct push *p);
// Prometheus exposition.
void push_text(struct push *p, struct buf *out);

#endif
