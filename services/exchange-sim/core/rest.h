#ifndef SIM_CORE_REST_H
#define SIM_CORE_REST_H
// The venue's REST rules: parameters -> body and status, from what the market has released.
//
// GET /fapi/v1/aggTrades: symbol; fromId | startTime, endTime (inclusive, at most one hour apart
// when both are given); limit 1..1000, default 500. None given = the newest. Rows reach back 48
// hours. A window that is older gets the newest rows, not an error: a client has to look at what
// it received.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "services/exchange-sim/core/market.h"

#define REST_REACH_MS INT64_C(172800000)
#define REST_MAX_LIMIT 1000
#define REST_WINDOW_MS INT64_C(3600000)

// A query parameter; "" counts as given but empty, NULL as absent. Returns value or NULL.
typedef const char *(*rest_param_fn)(void *arg, const char *name);

// HTTP status; the body (rows or {"code":..,"msg":".."}) is appended to out.
int rest_agg_trades(struct market *m, int64_t clock_ms, rest_param_fn param, void *arg,
                    struct buf *out);
int rest_exchange_info(const struct market *m, int64_t clock_ms, int64_t weight_limit,
                       struct buf *out);
int rest_time(int64_t clock_ms, struct buf *out);
// Appends {"code":..,"msg":".."}; msg must need no escaping. Returns status.
int rest_error(struct buf *out, int status, int code, const char *msg);

// Request weight of a path per wall minute, as X-MBX-USED-WEIGHT-1M tells it.
struct weight {
    int64_t minute;
    int64_t used;
};
// Adds `w` in the minute of now_ms; returns what that minute has used so far.
int64_t weight_use(struct weight *b, int64_t now_ms, int64_t w);
// Weight of a known path, or 1.
int64_t weight_of_path(const char *path);

#endif
