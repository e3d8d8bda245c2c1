#ifndef STRATEGY_CVD_H
#define STRATEGY_CVD_H
// Cumulative volume delta since the anchor: the start of the day, or the newest reset in it. A
// reset is an exchange time; a trade counts when its own time is later, whenever it arrives. So the
// number is a function of the set of trades and the set of resets.

#include <stdbool.h>
#include <stdint.h>

#include "services/strategy/core/seconds.h"

#define CVD_MINUTE_MS INT64_C(60000)
// A reset for a time further ahead than this of when it was asked for is refused, as trades are.
#define CVD_AHEAD_MS INT64_C(60000)

enum cvd_result {
    CVD_RESET,
    CVD_NO_EFFECT, // a newer anchor is in force
    CVD_TOO_OLD,   // volume behind it can not be told apart any more
    CVD_AHEAD,     // further ahead than CVD_AHEAD_MS
};
const char *cvd_result_name(enum cvd_result r); // "reset", "no_effect", ...

struct cvd {
    int64_t reset_ms;      // -1 = none
    struct flow_sum sum;   // counted trades of the current day behind it,
    struct flow_sum first; // and those of them in its minute
    uint64_t resets, refused;
};

void cvd_init(struct cvd *c);
// Is a reset in force in the day that begins at day_ms (-1: no day yet)?
static inline bool cvd_is_reset(const struct cvd *c, int64_t day_ms)
{
    return c->reset_ms >= 0 && c->reset_ms >= day_ms;
}
// A trade counted in the current day, which begins at day_ms.
void cvd_add(struct cvd *c, const struct trade *t, int64_t day_ms);
// A reset that was asked for at asked_ms (wall clock). newest_ms: newest counted trade, -1 none.
enum cvd_result cvd_reset(struct cvd *c, int64_t at_ms, int64_t asked_ms, int64_t day_ms,
                          int64_t newest_ms, const struct seconds *s);

#endif
