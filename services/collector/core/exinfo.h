#ifndef COLLECTOR_EXINFO_H
#define COLLECTOR_EXINFO_H
// What exchangeInfo says about one symbol. Tolerates what it does not know and what is missing:
// the venue lists contracts of other markets too, with other fields.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/market/instrument.h"

#define EXINFO_RAW_MAX 8192

struct exinfo {
    char raw[EXINFO_RAW_MAX + 1]; // the symbol's object as compact JSON; "" when larger
};

// Fills ticks, steps and units of *ins (whose venue, symbol and name are set). 1 = found, 0 = the
// body is an exchangeInfo without this symbol, ERR_SYNTAX = no exchangeInfo, or the symbol lacks a
// usable tickSize.
int exinfo_find(const char *body, size_t n, struct instrument *ins, struct exinfo *out,
                struct err *e) MUST_CHECK;

// The request weight a minute that its rateLimits tell; 0 when they do not.
int64_t exinfo_weight_limit(const char *body, size_t n);

// {"serverTime":1712070234881} of /time.
int exinfo_server_time(const char *body, size_t n, int64_t *ms, struct err *e) MUST_CHECK;

#endif
