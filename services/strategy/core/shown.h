#ifndef STRATEGY_SHOWN_H
#define STRATEGY_SHOWN_H
// Which candles of one timeframe are in Redis and with which coverage, so that one whose coverage
// changed without a trade (a hole found or filled) is written again and one that fell out of the
// series is removed.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct shown_candle {
    int64_t start_ms;
    int64_t coverage_e8; // -1 unknown
};
struct shown {
    struct shown_candle *v; // ascending
    size_t n, cap;
};

void shown_init(struct shown *s);
void shown_release(struct shown *s);
void shown_set(struct shown *s, int64_t start_ms, int64_t coverage_e8);
const struct shown_candle *shown_find(const struct shown *s, int64_t start_ms); // NULL: not there
void shown_remove(struct shown *s, int64_t start_ms);

#endif
