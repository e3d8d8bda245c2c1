#ifndef MARKET_SYMBOLS_H
#define MARKET_SYMBOLS_H
// The instruments a service is told to work on: SYMBOLS when given, else SYMBOL; a bare symbol
// belongs to the venue that DATA_SOURCE names.

#include <stddef.h>

#include "common/base/err.h"
#include "common/market/instrument.h"

#define SYMBOLS_MAX 64

// "binance_ws" -> Binance, "bybit", "bybit_connector" -> Bybit, anything else Binance.
enum venue venue_of_source(const char *data_source);
// Fills out[cap] in the order given. ERR_SYNTAX or ERR_RANGE with e naming SYMBOLS or SYMBOL: a bad
// symbol, one named twice, none, more than cap.
int symbols_parse(const char *symbols, const char *symbol, const char *data_source,
                  struct instrument *out, size_t cap, size_t *n, struct err *e) MUST_CHECK;

#endif
