#ifndef API_FLOW_H
#define API_FLOW_H
// Volume of a window, from :indicators:seconds as strategy stores it: totals of each second and of
// each millisecond in it, so that any window (after, to] is exact.

#include <stdbool.h>
#include <stdint.h>

#include "services/api/core/snap.h"

struct flow {
    int64_t buy, sell; // lots
    int64_t trades;
};

// Trades with after_ms < ts <= to_ms. False: not all of them are known.
bool flow_window(const struct snap *s, int64_t after_ms, int64_t to_ms, struct flow *out);
// Time of the newest trade held; -1 none.
int64_t flow_newest_ms(const struct snap *s);
// Milliseconds of (after_ms, to_ms] in which trades may be missing; -1 unknown.
int64_t flow_missing_ms(const struct snap *s, int64_t after_ms, int64_t to_ms);
// "buy sell trades", then '\0', or ';' and what is of no concern here. False: not that.
bool flow_read(const struct snap *s, struct slice text, struct flow *out);

#endif
