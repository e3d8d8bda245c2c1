#include "services/exchange-sim/core/wire_binance.h"

#include <stdlib.h>
#include <string.h>

static struct wire_key resolve(const struct market *m, enum route route, const char *name)
{
    struct wire_key key = {.lane = WIRE_SILENT};
    const char *at = strchr(name, '@');
    if (at != NULL && strcmp(at, "@aggTrade") == 0 && route == ROUTE_MARKET) {
        key.lane = market_lane_of_lower(m, name, (size_t)(at - name), VENUE_BINANCE);
    }
    return key;
}

static void event(void *state, struct market *m, const struct sim_event *e,
                  const struct wire_out *out)
{
    (void)state;
    if (e->venue == VENUE_BYBIT || !e->has_trade) {
        return;
    }
    struct wire_key key = {e->lane, SIM_TRADE, BN_TRADE_AGG};
    if (!out->wants(out->arg, key)) {
        return;
    }
    buf_clear(out->scratch);
    sim_trade_frame(out->scratch, &e->trade, m->lane[e->lane].symbol);
    out->frame(out->arg, key, buf_ptr(out->scratch), buf_len(out->scratch));
}

static void *state_new(void)
{
    return NULL;
}

const struct wire wire_binance = {
    .venue = VENUE_BINANCE,
    .resolve = resolve,
    .event = event,
    .state_new = state_new,
    .state_free = free,
};
