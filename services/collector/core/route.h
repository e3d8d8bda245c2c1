#ifndef COLLECTOR_ROUTE_H
#define COLLECTOR_ROUTE_H
// The address of the trade streams: base + route + the combined form, several symbols on one
// socket. Aggregate trades live under /market, single fills under /public; on the wrong route the
// venue acknowledges and stays silent.

#include <stdbool.h>
#include <stddef.h>

#include "common/base/buf.h"
#include "common/market/instrument.h"

// Appends e.g. "wss://host/market/stream?streams=btcusdt@aggTrade/ethusdt@aggTrade".
void route_trades(struct buf *out, const char *base, const struct instrument *ins, size_t n,
                  bool single_fills);

#endif
