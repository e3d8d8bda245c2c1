#ifndef SIM_CORE_REST_BYBIT_H
#define SIM_CORE_REST_BYBIT_H
// Bybit v5's market data over REST, category linear: parameters -> body, from what the market has
// released. Errors are HTTP 200 with a retCode, as the venue's are; an unknown path is 404.
//
//   /v5/market/time   recent-trade   instruments-info   tickers   orderbook   open-interest

#include "services/exchange-sim/core/rest.h"
#include "services/exchange-sim/core/wire_bybit.h"

struct rest_bybit {
    const void *state;    // of wire_bybit
    int64_t clock_ms;     // as told
    int64_t t_ms;         // market time
    int64_t recent_limit; // at most so many rows of recent-trade whatever is asked; 0 = as asked
};

int rest_bybit(struct market *m, const struct rest_bybit *r, const char *path, rest_param_fn param,
               void *arg, struct buf *out);
// A line of the truth list for each trade of a recording that was released.
void rest_bybit_truth_rows(const struct bybit_tape *tape, struct buf *out);
// One line of the truth list: "T,uuid,price,qty,side,seq,flags\n", flags: block, rpi.
void rest_bybit_truth(const struct market *m, const struct sim_trade *t, struct buf *out);

#endif
