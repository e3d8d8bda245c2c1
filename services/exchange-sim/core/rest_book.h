#ifndef SIM_CORE_REST_BOOK_H
#define SIM_CORE_REST_BOOK_H
// Binance's REST answers about books and prices. Each takes the parameters of the request and
// appends the body; the HTTP status is returned, as in rest.h.

#include "services/exchange-sim/core/rest.h"

#define DEPTH_DEFAULT_LIMIT 500

// The request weight of a call, which depends on its parameters.
int64_t rest_weight(const char *path, rest_param_fn param, void *arg);

// GET /fapi/v1/depth: limit 5, 10, 20, 50, 100, 500, 1000. age_ms > 0: an answer that is so old.
int rest_depth(struct market *m, int64_t age_ms, rest_param_fn param, void *arg, struct buf *out);

// The other public calls: openInterest, premiumIndex, fundingRate, fundingInfo, ticker/bookTicker,
// ticker/price, ticker/24hr. 0: the path is none of them, nothing was written.
int rest_prices(struct market *m, int64_t clock_ms, const char *path, rest_param_fn param,
                void *arg, struct buf *out);

#endif
