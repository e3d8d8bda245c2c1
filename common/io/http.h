#ifndef IO_HTTP_H
#define IO_HTTP_H
// HTTP client: libcurl multi on the loop. GET over http and https, HTTP errors are replies like
// any other, redirects are not followed (a 3xx is the reply). Proxies by curl's usual variables,
// except that loopback hosts are always reached directly.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/io/loop.h"

struct http;
struct http *http_new(struct loop *l, const char *ca_file /* NULL = system */, size_t max_parallel);
// Requests under way end with ERR_CLOSED before it returns. Allowed inside on_done.
void http_free(struct http *h);

struct http_reply {
    int err;          // 0, or ERR_TIMEOUT / ERR_CLOSED / ERR_IO / ERR_LIMIT (body over max_body)
    const char *why;  // when err != 0
    long status;      // HTTP status when err == 0
    const char *body; // NUL-terminated, borrowed for the call
    size_t n;
    bool simulated;         // X-Simulated: true
    int64_t retry_after_s;  // -1 absent
    int64_t used_weight;    // X-MBX-USED-WEIGHT-1M, -1 absent
    int64_t limit_reset_ms; // X-Bapi-Limit-Reset-Timestamp, -1 absent
    // What names this version of the file; "" absent, or longer than 79 bytes.
    const char *etag, *last_modified;
    int64_t sent_us; // wall clock just before the request left, the connection being up already
    int64_t done_us; // wall clock when the last byte was here
};
struct http_req {
    const char *url;    // copied
    int64_t timeout_ms; // for everything, waiting for a free connection included; 0 -> 10000
    int64_t stall_ms;   // > 0: ends with ERR_TIMEOUT after so long with nothing received (whole s)
    const char *const *headers; // "Name: value", NULL-terminated; copied. NULL = none
    int64_t range_from; // > 0: asks for the bytes from there on (206 = they come, 200 = all)
    // Bytes of the body as they come, instead of in the reply's body; max_body still bounds their
    // sum. False ends the request with ERR_IO.
    bool (*on_data)(void *arg, long status, const char *bytes, size_t n);
    size_t max_body;                                        // bytes; 0 -> 1 MiB
    void (*on_done)(void *arg, const struct http_reply *r); // exactly once
    void *arg;
};
struct http_call;
// NULL with e when it cannot even start (a bad URL). Never calls back before it returned. The call
// is dead when on_done is entered.
struct http_call *http_get(struct http *h, const struct http_req *q, struct err *e);
void http_cancel(struct http_call *c); // on_done is not called
size_t http_in_flight(const struct http *h);

#endif
