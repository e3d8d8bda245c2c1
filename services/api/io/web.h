#ifndef API_WEB_H
#define API_WEB_H
// CivetWeb: its threads take requests, serve() answers them.
//
// CivetWeb parks one thread per open connection, so idle keep-alive connections could eat all
// threads. Here they cannot: a spare of threads is kept free by closing the connection that has
// been idle longest. (A parked thread waits in poll(); a signal ends that call, and CivetWeb closes
// the connection.) A request that has begun is never disturbed.

#include "common/base/err.h"
#include "services/api/io/push.h"
#include "services/api/io/serve.h"

struct web;
struct web_opts {                  // copied, the texts borrowed
    const struct gateway *gateway; // borrowed
    const char *host;              // IPv4 address
    int port;                      // 0 = pick a free one
    int threads;
    int64_t keep_alive_ms, request_timeout_ms;
    struct push *push; // takes the WebSockets of /ws; borrowed, may be NULL
};
// Takes no request before web_start().
struct web *web_new(const struct web_opts *o);
// Listening when it returns. 0, or ERR_IO with e.
int web_start(struct web *w, struct err *e) MUST_CHECK;
int web_port(const struct web *w);
void web_free(struct web *w); // stops the threads
// Connections open and those waiting for their next request.
void web_load(struct web *w, int *open, int *idle);

#endif
