#ifndef MARKET_ICLOCK_H
#define MARKET_ICLOCK_H
// Instrument clock (watermark): newest exchange time of any stream of the instrument plus the
// monotonic time since that was received. Never runs back.

#include <stdbool.h>
#include <stdint.h>

struct iclock {
    int64_t newest_ms;  // exchange time; -1 = nothing yet
    int64_t rx_mono_ms; // local monotonic time at which it was received
    int64_t shown_ms;   // largest value ever returned
};

void iclock_init(struct iclock *c);
// An exchange stamp received at rx_mono_ms (entries read back from a stream: now minus their age).
void iclock_seen(struct iclock *c, int64_t ts_ms, int64_t rx_mono_ms);
// -1 while nothing was seen.
int64_t iclock_now(struct iclock *c, int64_t mono_ms);

#endif
