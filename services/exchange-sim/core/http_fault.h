#ifndef SIM_CORE_HTTP_FAULT_H
#define SIM_CORE_HTTP_FAULT_H
// Faults of the venue's REST answers, ordered through the control port, and the ban that a venue
// lays on an address. An order hits requests of one path prefix (or all), a number of them or for
// a time; the oldest order that fits decides. A ban stands above all orders.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "services/exchange-sim/core/event.h"

enum http_fault_kind {
    HTTP_FAULT_NONE,
    HTTP_FAULT_STATUS, // answers with a status and the venue's body for it
    HTTP_FAULT_SLOW,   // the body comes at so many bytes a second
    HTTP_FAULT_HANG,   // no answer at all; the connection stays
    HTTP_FAULT_TORN,   // closed in the middle of the body
    HTTP_FAULT_WRONG,  // the answer to another request
    HTTP_FAULT_NEWEST, // aggTrades: the newest rows, as a venue that no longer has so old ones
    HTTP_FAULT_SYMBOL, // aggTrades: the newest rows of another symbol
    HTTP_FAULT_REPEAT, // aggTrades: the page that was answered before this one
    HTTP_FAULT_EMPTY,  // aggTrades: no row
    HTTP_FAULT_LIMIT   // Bybit: HTTP 200 with retCode 10006 and its X-Bapi-Limit headers
};

struct http_fault {
    enum http_fault_kind kind;
    int status;
    int64_t retry_after_s; // -1 = no such header
    int64_t ban_ms;        // STATUS: the first answer starts a ban this long; 0 = no ban
    int64_t bytes_per_s;
    char path[128];   // prefix, "" = every path; "$" at the end: all of it
    int64_t left;     // requests still to be hit; -1 = any number
    int64_t until_ms; // INT64_MAX = no end
};

#define HTTP_FAULT_MAX 64

struct http_ban {
    int64_t until_ms; // 0 = none
    int64_t since_ms, grace_ms;
    int status;
};

struct http_faults {
    struct http_fault item[HTTP_FAULT_MAX]; // oldest first
    size_t n;
    struct http_ban ban[VENUE_BYBIT + 1];
    int64_t backoff_since_ms[VENUE_BYBIT + 1];
    int64_t backoff_until_ms[VENUE_BYBIT + 1]; // told by a Retry-After
    // Totals since the start.
    int64_t hit, bans;
    int64_t requests_during_ban;     // later than the grace
    int64_t requests_at_ban;         // within the grace: they were on their way
    int64_t ban_latest_ms;           // how long after its beginning the latest of the former came
    int64_t backoff_latest_ms;       // the same for requests_during_backoff
    int64_t requests_during_backoff; // before a Retry-After of a 429 or 5xx was over
};

// Which venue a path belongs to ("/v5/..." is Bybit). Bans and backoffs are of its API: the
// archives lie on other hosts (`api` false).
enum sim_venue http_fault_venue(const char *path);
// How an order is called; "" for none.
const char *http_fault_name(enum http_fault_kind kind);
// Adds an order; ERR_LIMIT when there are HTTP_FAULT_MAX.
int http_fault_order(struct http_faults *f, const struct http_fault *order) MUST_CHECK;
void http_fault_clear(struct http_faults *f); // orders, bans and backoffs; totals stay
// What becomes of a request for `path` now: HTTP_FAULT_NONE, or a fault whose time_left (for a
// ban) is in retry_after_s. Counts.
struct http_fault http_fault_take(struct http_faults *f, const char *path, bool api,
                                  int64_t now_ms);
// Bans every request of a venue until now + ms. Requests in the first grace_ms count apart.
void http_fault_ban(struct http_faults *f, enum sim_venue v, int status, int64_t now_ms, int64_t ms,
                    int64_t grace_ms);
// A 429 of the venue's own rules was answered: requests before retry_after_s count.
void http_fault_backoff(struct http_faults *f, enum sim_venue v, int64_t now_ms,
                        int64_t retry_after_s);
// Appends what the venue says with this status; ban_until_ms 0 = no ban. Returns the content type.
const char *http_fault_body(enum sim_venue v, int status, int64_t now_ms, int64_t ban_until_ms,
                            struct buf *out);

// Appends a frame with its event stamp, "E" of Binance or "ts" of Bybit, moved by `ms`.
void fault_skew(struct buf *out, const char *p, size_t n, int64_t ms);

#endif
