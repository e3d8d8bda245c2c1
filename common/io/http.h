#ifndef IO_HTTP_H
#define IO_HTTP_H
// HTTP client: libcurl multi on the loop. Proxy support through curl's usual variables.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/io/loop.h"

struct http;
struct http *http_new(struct loop *l, const char *ca_file /* NULL = system */, size_t max_parallel);
void http_free(struct http *h); // requests under way end with ERR_CLOSED

struct http_reply {
    int err;          // 0, or ERR_TIMEOUT / ERR_CLOSED / ERR_IO / ERR_LIMIT (body over max_body)
    const char *why;  // when err != 0
    long status;      // HTTP status when err == 0
    const char *body; // NUL-terminated, borrowed for the call
    size_t n;
    bool simulated;           // X-Simulated: true
    int64_t retry_after_s;    // -1 absent
    int64_t used_weight;      // X-MBX-USED-WEIGHT-1M, -1 absent
    int64_t sent_us, done_us; // wall clock
};
struct http_req {
    const char *url; // copied
    int64_t timeout_ms;
    size_t max_body;
    void (*on_done)(void *arg, const struct http_reply *r); // exactly once
    void *arg;
};
struct http_call;
// NULL with e when it cannot even start.
struct http_call *http_get(struct http *h, const struct http_req *q, struct err *e);
void http_cancel(struct http_call *c); // on_done is not called

#endif
