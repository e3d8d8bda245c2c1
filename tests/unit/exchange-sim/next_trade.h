#ifndef TESTS_NEXT_TRADE_H
#define TESTS_NEXT_TRADE_H
// The next trade of a market; other events before it are released on the way.

#include <stdbool.h>

#include "services/exchange-sim/core/market.h"

static inline bool next_trade(struct market *m, struct sim_trade *out)
{
    const struct sim_event *e;
    while ((e = market_peek(m)) != NULL) {
        if (e->has_trade) {
            *out = e->trade;
            return true;
        }
        market_advance(m);
    }
    return false;
}

#endif
