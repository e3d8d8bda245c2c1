#ifndef SIM_CORE_PACE_H
#define SIM_CORE_PACE_H
// When a trade of the market is due: market time t0 is pinned to the monotonic moment of the
// start, and market time runs `num/den` times as fast as the clock. A pause moves the pin.

#include <stdbool.h>
#include <stdint.h>

struct pace {
    bool max;         // everything is due at once; readers alone set the speed
    int64_t num, den; // speed = num / den, both >= 1
    bool started, paused;
    int64_t t0_ms;     // market time at the pin
    int64_t pin_us;    // monotonic
    int64_t paused_us; // since when, while paused
};

void pace_start(struct pace *p, int64_t t0_ms, int64_t now_us);
void pace_pause(struct pace *p, int64_t now_us);
void pace_resume(struct pace *p, int64_t now_us);
// Monotonic time at which a trade of market time t_ms is due; INT64_MAX while not started or
// paused, INT64_MIN at speed max.
int64_t pace_due_us(const struct pace *p, int64_t t_ms);
// Market time now (t0 before the start; at speed max also t0).
int64_t pace_market_ms(const struct pace *p, int64_t now_us);

#endif
