#ifndef COMMON_CLOCK_H
#define COMMON_CLOCK_H
// Clocks are values that are passed in, so tests move them by hand. Wall time is for data,
// monotonic time for timeouts.

#include <stddef.h>
#include <stdint.h>

struct clock {
    int64_t (*wall_us)(void *arg); // microseconds since 1970-01-01 UTC
    int64_t (*mono_ms)(void *arg); // milliseconds since some fixed moment
    void *arg;
};

struct clock clock_system(void);

// A clock that a test moves.
struct fake_clock {
    int64_t wall_us;
    int64_t mono_ms;
};
struct clock clock_fake(struct fake_clock *f); // borrows f

#define MS_PER_DAY INT64_C(86400000)

// UTC midnight at or before ts_ms (floor, also for negative times). Within a day of INT64_MIN,
// where that midnight does not exist, INT64_MIN.
int64_t day_start_ms(int64_t ts_ms);
// "2026-11-22T13:31:00.123+00:00" (29 characters + NUL). Times before year 0 or after 9999 print as
// the nearest moment within; likewise iso_day().
void iso_ms(int64_t ts_ms, char out[32]);
// "2026-11-22" (10 characters + NUL).
void iso_day(int64_t ts_ms, char out[16]);
// The strict inverse of iso_day: midnight UTC in ms. 0 or -1.
int parse_day(const char *s, size_t n, int64_t *out_ms);

#endif
