#ifndef TESTS_FUZZ_INSTRUMENT_H
#define TESTS_FUZZ_INSTRUMENT_H
// The instrument that targets read numbers for.

#include "common/market/instrument.h"
#include "tests/fuzz/fuzz.h"

// BTCUSDT at the venue, with the units of Binance's contract.
static inline struct instrument fuzz_instrument(enum venue v)
{
    struct instrument ins;
    CHECK(instrument_parse("BTCUSDT", 7, v, &ins, NULL) == 0);
    CHECK(instrument_set_units(&ins, "0.10", "0.001", -1, NULL) == 0);
    return ins;
}

#endif
